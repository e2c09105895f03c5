// An application that submits anything: random operations, names, lengths, options and skbs on the ring to a worker of a
// whole stack. Nothing throws, each submission is answered once, and once the application is gone nothing is left.

import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import {
  MAX_HEADER,
  OWNER_IN_RING,
  SKB_BUF,
  SKB_DATA,
  SKB_END,
  SKB_HEAD,
  SKB_LEN,
  SKB_OWNER,
  SKB_TAIL,
} from '../../core/skb/skb.ts'
import {
  APP_EPOCH,
  APP_SIDS,
  AppOp,
  CLOSE_NOW,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_ARG2,
  E_CONTROL,
  E_LEN,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
  E_TAG,
  E_USER,
  PAIR_EPOCH,
} from '../../core/socket/app-constants.ts'
import { appTag } from '../../core/socket/app-port.ts'
import { createAppRings } from '../../core/socket/app-rings.ts'
import { SK_GENERATION, SOCK_DGRAM, SOCK_STREAM } from '../../core/socket/sock.ts'
import { appRing } from '../../core/shm/arena.ts'
import { ringReserve } from '../../core/shm/ring.ts'
import { APP_RECORD_WORDS, SKB_WORDS } from '../../core/shm/layout.ts'
import { createThread } from '../../core/stack/thread.ts'
import { twoHosts } from '../support/sim-topology.ts'
import { seeded } from '../support/random.ts'
import { v4Words } from '../../sim/net/packets.ts'

const SIDS = 12
/** Those, and the others that NUMBERS holds. */
const SIDS_USED = [...Array.from({ length: SIDS }, (_, k) => k + 1), 63, 255]
const NUMBERS = [0, 1, -1, 2, 63, 255, 65535, 65536, 1 << 20, 0x7fffffff, -0x80000000, APP_SIDS]
const ADDRESSES = [(10 << 24) | (1 << 8) | 1, (10 << 24) | (1 << 8) | 2, (127 << 24) | 1, 0, -1]
const PORTS = [80, 81, 9, 19, 7]
/** Words of an skb that an application may have spoilt. */
const SPOILT = [SKB_HEAD, SKB_DATA, SKB_TAIL, SKB_END, SKB_LEN, SKB_OWNER, SKB_BUF]

test.each([1, 2, 3, 4])(
  '20,000 submissions of seed %p are answered, and leave nothing',
  async (seed) => {
    const services = { echo: true, discard: true, chargen: true }
    const { sim, a, b } = await twoHosts({
      seed,
      a: { config: { apps: 1, skbs: 4096 } },
      b: { services },
      wire: { loss: 0.02 },
    })
    const { arena } = a
    const { i32, layout } = arena
    const random = seeded(seed * 104729)
    const below = (n: number): number => (random() >>> 0) % n
    const from = (list: readonly number[]): number => list[below(list.length)]!
    const number = (): number => (below(3) === 0 ? random() : from(NUMBERS))
    const sid = (): number => (below(16) === 0 ? number() : 1 + below(SIDS))

    const { skbs, consume } = createThread({ arena, thread: layout.appThread, wake: () => {} })
    const atStart = skbs.available()
    /** Submissions that are not answered yet, and the skbs that some of them spoilt. */
    const asked = new Set<number>()
    const spoilt = new Map<number, { skb: number; row: Int32Array }>()
    const completion = (_worker: number, at: number): void => {
      const user = i32[at + E_USER]!
      const skb = i32[at + E_SKB]!
      if (skb !== 0) consume(skb)
      if (i32[at + E_OP] === AppOp.ACCEPT && i32[at + E_LEN] === 0) accepted++
      // what was received comes unasked
      if (user === 0) {
        received++
        return
      }
      if (!asked.delete(user)) throw new Error(`${user} was answered twice, or never asked`)
      const bad = spoilt.get(user)
      if (bad === undefined) return
      expect(i32[at + E_LEN]).toBe(-Errno.EFAULT)
      i32.set(bad.row, bad.skb)
      consume(bad.skb)
      spoilt.delete(user)
    }
    let accepted = 0
    let received = 0
    const rings = createAppRings({
      arena,
      app: 0,
      skbs,
      consume,
      wake: () => {},
      completion,
      workerLost: () => {},
    })

    const address = (at: number): void => {
      i32[at + E_ADDR + 2] = 0xffff
      i32[at + E_ADDR + 3] = below(6) === 0 ? random() : from(ADDRESSES)
      if (below(10) === 0) for (let w = 0; w < 4; w++) i32[at + E_ADDR + w] = random()
      i32[at + E_PORT] = below(10) === 0 ? number() : from(PORTS)
    }
    /** An skb to send, or one whose row the application has spoilt, or the name of none. */
    const carry = (at: number, user: number): void => {
      if (below(8) === 0) {
        i32[at + E_SKB] = from([number() || 1, layout.skbRows + 1, layout.skbRows, -SKB_WORDS])
        return
      }
      const len = below(1400)
      const skb = skbs.alloc(len, MAX_HEADER)
      if (skb === 0) return
      skbs.put(skb, len)
      i32[at + E_SKB] = skb
      const row = i32.slice(skb, skb + SKB_WORDS)
      i32[skb + SKB_OWNER] = OWNER_IN_RING
      if (below(6) !== 0) return
      spoilt.set(user, { skb, row })
      const word = from(SPOILT)
      const was = i32[skb + word]!
      for (i32[skb + word] = number(); i32[skb + word] === was; ) i32[skb + word] = number()
    }
    const ring = appRing(layout, 0, 0)
    const tag = appTag(i32[layout.appBlocks + APP_EPOCH]!, i32[layout.appPairs + PAIR_EPOCH]!)
    let user = 0
    /** Straight into the ring: a commit would mend what is spoilt. */
    const submit = (): void => {
      const at = ringReserve(i32, ring, APP_RECORD_WORDS)
      if (at === 0) return
      const op = below(16) === 0 ? number() : 1 + below(AppOp.RECVMSG)
      i32.fill(0, at, at + APP_RECORD_WORDS)
      i32[at + E_OP] = op
      i32[at + E_SID] = sid()
      i32[at + E_USER] = ++user
      i32[at + E_TAG] = tag
      for (const word of [E_ARG0, E_ARG1, E_ARG2, E_CONTROL, E_LEN]) i32[at + word] = number()
      if (op === AppOp.SOCKET && below(4) !== 0) {
        i32[at + E_ARG0] = from([AF_INET, AF_INET, AF_INET6])
        i32[at + E_ARG1] = from([SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM])
        i32[at + E_ARG2] = 0
        i32[at + E_LEN] = 100_000
      }
      address(at)
      // the wildcard, so that listeners are reached
      if (op === AppOp.BIND && below(2) === 0) i32[at + E_ADDR + 3] = 0
      if (op === AppOp.ACCEPT) i32[at + E_PORT] = sid()
      const isSent = op === AppOp.SEND || op === AppOp.SENDTO || op === AppOp.SENDMSG
      if (isSent || below(30) === 0) carry(at, user)
      if (op === AppOp.SENDMSG && below(2) === 0) i32[at + E_CONTROL] = 4 * below(20)
      // credit is given without an answer
      const isCredit = op === AppOp.RECV && i32[at + E_SKB] === 0
      const knows = i32[at + E_SID]! > 0 && i32[at + E_SID]! < APP_SIDS
      if (!isCredit || !knows) asked.add(user)
    }

    const peer = b.stack.sockets
    const knocked: { sk: number; generation: number }[] = []
    /** Someone connects to what may listen, and one who came before leaves with a few bytes. */
    const knock = (): void => {
      const sk = peer.socket(AF_INET, SOCK_STREAM, 0)
      if (sk > 0) {
        peer.connect(sk, ...v4Words(ADDRESSES[0]!), from([80, 81]))
        knocked.push({ sk, generation: b.arena.i32[sk + SK_GENERATION]! })
      }
      if (knocked.length > 8) leave()
    }
    const leave = (): void => {
      const { sk, generation } = knocked.shift()!
      if (!peer.isSame(sk, generation)) return
      peer.sendmsg(sk, b.page, 100, 0)
      peer.close(sk)
    }
    for (let k = 0; k < 20_000; k++) {
      submit()
      if (below(20) === 0) knock()
      if (below(4) === 0) rings.flush()
      if (below(8) === 0) {
        sim.run(below(200) === 0 ? 3000 : below(3))
        rings.poll()
      }
    }
    rings.flush()
    sim.run(1000)
    rings.poll()
    while (knocked.length > 0) leave()
    // what is still to come ends with its socket
    for (const k of SIDS_USED) {
      i32[rings.begin(0, AppOp.CLOSE, k, ++user) + E_ARG0] = CLOSE_NOW
      asked.add(user)
      rings.commit()
    }
    rings.flush()
    sim.run(1000)
    rings.poll()
    expect([...asked]).toEqual([])
    expect(accepted).toBeGreaterThan(0)
    expect(received).toBeGreaterThan(0)
    rings.detach()
    sim.run(30 * 60_000)
    rings.poll()
    rings.flush()
    expect(sim.leaks()).toEqual({})
    expect(skbs.available()).toEqual(atStart)
  }
)
