// Who gets how much of the memory for sending: alone most of it, among others as much as they do, and its minimum always.

import { expect, test } from 'bun:test'
import { arenaBytes, createArena } from '../../../../../core/shm/arena.ts'
import { type ArenaConfig, SMALL_ARENA } from '../../../../../core/shm/layout.ts'
import { setSysctlDefaults, Sysctl } from '../../../../../core/shm/sysctl.ts'
import { Holder, TRUESIZE_LARGE, TRUESIZE_SMALL } from '../../../../../core/skb/budget.ts'
import { sockSlab } from '../../../../../core/socket/sock.ts'
import { createMachine } from '../../../../../core/stack/machine.ts'
import { createTcpMem, SMALL_PAYLOAD } from '../../../../../core/transport/tcp/sock/tcp-mem.ts'
import {
  TP_PACKETS_OUT,
  TP_WQ_LARGES,
  TP_WQ_SMALLS,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'

const setup = (more: Partial<ArenaConfig> = {}) => {
  const config = { ...SMALL_ARENA, skbs: 1024, smallBuffers: 1024, largeBuffers: 32, ...more }
  const arena = createArena(config, new ArrayBuffer(arenaBytes(config)))
  setSysctlDefaults(arena)
  const { skbs, consume } = createMachine({
    arena,
    thread: 0,
    nowUs: () => 0,
    random: () => 0,
    wake: () => {},
  })
  const mem = createTcpMem(arena, skbs)
  const slab = sockSlab(arena, 0, true)
  /** A sender whose peer acknowledges when the test says so. */
  const sender = (size = SMALL_PAYLOAD) => {
    const sk = slab.alloc()
    const queue: number[] = []
    /** As much as it gets. */
    const write = (): void => {
      for (let skb = mem.allocSend(sk, size); skb > 0; skb = mem.allocSend(sk, size)) {
        mem.holdSend(sk, skb)
        queue.push(skb)
      }
    }
    const acked = (): void => {
      const skb = queue.shift()
      if (skb === undefined) return
      mem.releaseSend(sk, skb)
      consume(skb)
    }
    return {
      write,
      acked,
      buffers: () => queue.length,
      held: () =>
        arena.i32[sk + TP_WQ_SMALLS]! * TRUESIZE_SMALL +
        arena.i32[sk + TP_WQ_LARGES]! * TRUESIZE_LARGE,
      /** Whether it may cut text off, with so many segments in flight. */
      mayCut: (inFlight: number): boolean => {
        arena.i32[sk + TP_PACKETS_OUT] = inFlight
        return mem.mayCut(sk)
      },
    }
  }
  const { bounds, smallHeld } = skbs.budget
  return {
    sender,
    bound: bounds[Holder.tcp_snd * 2]!,
    held: () => smallHeld(Holder.tcp_snd),
    minimum: arena.i32[arena.layout.sysctl + Sysctl.tcp_wmem_min]!,
  }
}

test('one sender alone gets more than half of the memory, and none is refused its minimum after it', () => {
  const { sender, bound, minimum } = setup()
  const first = sender()
  first.write()
  expect(first.buffers()).toBeGreaterThan(bound / 2)
  for (let k = 0; k < 16; k++) {
    const late = sender()
    late.write()
    expect(late.held()).toBeGreaterThanOrEqual(minimum)
  }
})
test.each([2, 4, 16])('of %d senders who began first holds no more in the end', (count) => {
  const { sender, bound, held } = setup()
  const all = Array.from({ length: count }, () => sender())
  for (const each of all) each.write()
  expect(all[0]!.buffers()).toBeGreaterThan(3 * all.at(-1)!.buffers())
  // each writes as soon as something of its own is acknowledged, and at no other time
  for (let round = 0; round < bound; round++)
    for (const each of all) {
      each.acked()
      each.write()
    }
  const shares = all.map((each) => each.buffers())
  expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(4)
  expect(held()).toBeGreaterThan(bound / 2)
})
test('of large buffers as well, and who has its share of them waits, and does not go on in small ones', () => {
  const { sender } = setup({ largeBuffers: 512 })
  const all = Array.from({ length: 4 }, () => sender(65_536))
  for (let round = 0; round < 200; round++)
    for (const each of all) {
      each.acked()
      each.write()
    }
  const shares = all.map((each) => each.held() / TRUESIZE_LARGE)
  expect(shares.every((share) => Number.isInteger(share))).toBe(true)
  expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(4)
})
test('who has much in flight cuts nothing off when memory is short; who has nothing always may', () => {
  const { sender } = setup()
  const late = sender()
  expect(late.mayCut(100)).toBe(true)
  for (const each of Array.from({ length: 8 }, () => sender())) each.write()
  expect([late.mayCut(100), late.mayCut(0)]).toEqual([false, true])
})
test('what is acknowledged is held no more', () => {
  const { sender, held } = setup()
  const one = sender()
  one.write()
  expect(one.held()).toBe(one.buffers() * TRUESIZE_SMALL)
  while (one.buffers() > 0) one.acked()
  expect([one.held(), held()]).toEqual([0, 0])
})
