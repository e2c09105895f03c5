// Random socket calls with random arguments on two hosts of two workers, joined by a bad wire. No call throws, each answers
// a count or an errno, and once all sockets are closed nothing is left.

import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import {
  SK_EVENT_ACCEPT,
  SK_GENERATION,
  SK_NUM,
  SK_STATE,
  SOCK_DGRAM,
  SOCK_STREAM,
  sockSlab,
  TCP_ESTABLISHED,
} from '../../core/socket/sock.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { twoHosts } from '../support/sim-topology.ts'
import { seeded } from '../support/random.ts'

const KNOWN = new Set<number>([...Object.values(Errno), 64, 71, 112])
const LEVELS = [0, 1, 6, 17, 41, 255]
const NUMBERS = [0, 1, -1, 2, 64, 255, 256, 1500, 65535, 65536, 0x7fffffff, -0x80000000]
const ADDRESSES = [
  0,
  -1,
  (127 << 24) | 1,
  (10 << 24) | (1 << 8) | 1,
  (10 << 24) | (1 << 8) | 2,
  (10 << 24) | (1 << 8) | 9,
  (10 << 24) | (1 << 8) | 255,
  (224 << 24) | 5,
  (240 << 24) | 1,
  (192 << 24) | 7,
]
const SERVICES = [7, 9, 19]
const PORTS = [0, 7, 9, 19, 80, 81, 5000, 65535]

type Open = { host: SimHost; worker: number; sk: number; generation: number }

const createCaller = (hosts: SimHost[], random: () => number) => {
  const below = (n: number): number => (random() >>> 0) % n
  const from = (list: readonly number[]): number => list[below(list.length)]!
  const open: Open[] = []
  const log: string[] = []
  const own = (host: SimHost, worker: number, sk: number): void => {
    open.push({ host, worker, sk, generation: host.arena.i32[sk + SK_GENERATION]! })
  }
  const handlers = hosts.map((host) =>
    host.stacks.map(({ sockets }, worker) =>
      sockets.registerHandler((sk, events) => {
        if ((events & SK_EVENT_ACCEPT) === 0) return
        const child = sockets.accept(sk)
        if (child <= 0) return
        sockets.attach(child, handlers[hosts.indexOf(host)]![worker]!, 0)
        own(host, worker, child)
      })
    )
  )
  /** An address in four words. */
  const words = (): [words: Int32Array, at: number] => [Int32Array.from(four()), 0]
  const four = (): [number, number, number, number] => {
    const kind = below(12)
    if (kind === 0) return [random(), random(), random(), random()]
    if (kind === 1) return [0, 0, 0, from([0, 1])]
    if (kind === 2) return [0xfe800000 | 0, 0, 0, 1]
    if (kind === 3) return [0xff020000 | 0, 0, 0, 1]
    return [0, 0, 0xffff, kind === 4 ? random() : from(ADDRESSES)]
  }
  const port = (): number => (below(20) === 0 ? below(70000) : from(PORTS))
  const number = (): number => (below(3) === 0 ? random() : from(NUMBERS))
  const size = (): number => (below(4) === 0 ? below(65537) : below(2000))

  const create = (): number => {
    const h = below(hosts.length)
    const worker = below(hosts[h]!.stacks.length)
    const { sockets } = hosts[h]!.stacks[worker]!
    const family = below(12) === 0 ? below(20) : from([AF_INET, AF_INET, AF_INET, AF_INET6])
    const type = below(12) === 0 ? below(12) : from([SOCK_STREAM, SOCK_DGRAM])
    const sk = sockets.socket(family, type, below(8) === 0 ? from(LEVELS) : 0)
    if (sk > 0) {
      sockets.attach(sk, handlers[h]![worker]!, 0)
      own(hosts[h]!, worker, sk)
    }
    log.push(`socket ${family} ${type}`)
    return Math.min(sk, 0)
  }
  const forget = (at: number): void => {
    open[at] = open[open.length - 1]!
    open.pop()
  }
  /** One random call: what it answered. */
  const call = (): number => {
    if (open.length < 4 || (open.length < 80 && below(12) === 0)) return create()
    const at = below(open.length)
    const { host, worker, sk, generation } = open[at]!
    const { sockets } = host.stacks[worker]!
    if (!sockets.isSame(sk, generation)) {
      forget(at)
      return 0
    }
    const what = below(20)
    log.push(`${host.name} ${worker} ${sk} call ${what}`)
    switch (what) {
      case 0:
        return sockets.bind(sk, ...words(), port())
      case 1:
      case 2:
        return sockets.connect(sk, ...words(), port())
      case 3:
        return sockets.listen(sk, number())
      case 4: {
        const child = sockets.accept(sk)
        if (child > 0) own(host, worker, child)
        return child
      }
      case 5:
      case 6:
        return sockets.sendmsg(sk, host.page, size(), below(4) === 0 ? random() : 0)
      case 7:
      case 8:
        return sockets.recvmsg(sk, host.page, size())
      case 9:
        return sockets.sendBytes(sk, new Uint8Array(size()), 0, 0)
      case 10:
      case 11:
        return sockets.sendto(sk, host.page, size(), ...words(), port())
      case 12:
        return sockets.recvfrom(sk, host.page, size())
      case 13:
        return below(4) === 0 ? sockets.shutdown(sk, number()) : sockets.shutdown(sk, below(3))
      case 14:
      case 15:
        return sockets.setsockopt(sk, from(LEVELS), below(70), number())
      case 16:
      case 17:
        // a mark may be any number
        return Number.isInteger(sockets.getsockopt(sk, from(LEVELS), below(70))) ? 0 : Number.NaN
      case 18:
        forget(at)
        sockets.close(sk)
        return 0
      default:
        if (below(2) === 0) return -sockets.takeError(sk)
        forget(at)
        sockets.abort(sk)
        return 0
    }
  }
  const closeAll = (): void => {
    for (const { host, worker, sk, generation } of open) {
      const { sockets } = host.stacks[worker]!
      if (sockets.isSame(sk, generation)) sockets.abort(sk)
    }
  }
  return { call, closeAll, log, below }
}

/** Breaks the connections that the services hold. */
const destroyServed = ({ arena, stacks }: SimHost): void => {
  const { i32 } = arena
  for (const { thread, sockets } of stacks) {
    const slab = sockSlab(arena, thread, false)
    for (let k = 0; k < slab.rows; k++) {
      const sk = slab.at(k)
      if (!slab.isLive(sk) || i32[sk + SK_STATE] !== TCP_ESTABLISHED) continue
      if (SERVICES.includes(i32[sk + SK_NUM]!)) sockets.destroy(sk, i32[sk + SK_GENERATION]!)
    }
  }
}

test.each([1, 2, 3, 4, 5, 6])(
  '10,000 calls of seed %p answer counts and errnos, and leave nothing',
  async (seed) => {
    const options = { workers: 2, services: { echo: true, discard: true, chargen: true } }
    const { sim, a, b } = await twoHosts({
      seed,
      a: options,
      b: options,
      wire: { loss: 0.05, duplicate: 0.02, reorder: 0.1 },
    })
    const { call, closeAll, log, below } = createCaller([a, b], seeded(seed * 7919))
    for (let k = 0; k < 10_000; k++) {
      const answer = call()
      const isFine = Number.isInteger(answer) && (answer >= 0 || KNOWN.has(-answer))
      if (!isFine) throw new Error(`call ${k} (${log[log.length - 1]}) answered ${answer}`)
      if (below(4) === 0) sim.run(below(200) === 0 ? 2000 : below(3))
    }
    closeAll()
    sim.run(30 * 60_000)
    // a service whose peer's RST was lost waits for ever, and is told from outside (ss -K)
    for (const host of [a, b]) destroyServed(host)
    sim.run(30 * 60_000)
    expect(sim.leaks()).toEqual({})
  }
)
