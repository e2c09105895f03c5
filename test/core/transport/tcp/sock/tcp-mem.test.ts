// Who gets how much of the memory for sending: alone most of it, among others as much as they do, and its minimum always.

import { expect, test } from 'bun:test'
import { arenaBytes, createArena } from '../../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../../core/shm/layout.ts'
import { setSysctlDefaults, Sysctl } from '../../../../../core/shm/sysctl.ts'
import { Holder, TRUESIZE_SMALL } from '../../../../../core/skb/budget.ts'
import { sockSlab } from '../../../../../core/socket/sock.ts'
import { createMachine } from '../../../../../core/stack/machine.ts'
import { createTcpMem, SMALL_PAYLOAD } from '../../../../../core/transport/tcp/sock/tcp-mem.ts'
import { TP_WQ_TRUESIZE } from '../../../../../core/transport/tcp/sock/tcp-sock.ts'

const setup = () => {
  const config = { ...SMALL_ARENA, skbs: 1024, smallBuffers: 1024, largeBuffers: 32 }
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
      held: () => arena.i32[sk + TP_WQ_TRUESIZE]!,
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
test('who has large buffers is asked for them before it gets small ones as well', () => {
  const { sender } = setup()
  const bulk = sender(65_536)
  bulk.write()
  const other = sender()
  for (let round = 0; round < 500; round++)
    for (const each of [other, bulk]) {
      each.acked()
      each.write()
    }
  expect(other.held()).toBeGreaterThan(bulk.held() / 2)
})
test('what is acknowledged is held no more', () => {
  const { sender, held } = setup()
  const one = sender()
  one.write()
  expect(one.held()).toBe(one.buffers() * TRUESIZE_SMALL)
  while (one.buffers() > 0) one.acked()
  expect([one.held(), held()]).toEqual([0, 0])
})
