// A host under test, frame by frame and under virtual time: whole stacks, one a worker, over devices that record what is
// sent. Its tables are written as control writes them, in one turn and without a control plane. Frames go in with
// `receive`, time goes on with `advance`, and what the host sent lies in `sent`.

import { familyOf } from '../../core/base/family.ts'
import { createFlowi, FL_DADDR, FL_FAMILY, FL_SADDR, type Flowi } from '../../core/base/flowi.ts'
import { SOFT_KINDS } from '../../core/dev/kinds/kinds.ts'
import type { InetProtos } from '../../core/inet/inet-protos.ts'
import { NETDEV_TX_BUSY, NETDEV_TX_OK, sumDeviceStat } from '../../core/netdev/netdev.ts'
import { createArena } from '../../core/shm/arena.ts'
import { sumCounter } from '../../core/shm/counters.ts'
import { SMALL_ARENA, type ArenaConfig } from '../../core/shm/layout.ts'
import { DROP_COUNTERS } from '../../core/skb/drop.ts'
import {
  CHECKSUM_NONE,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_GSO_SIZE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_MARK,
} from '../../core/skb/skb.ts'
import { createStack } from '../../core/stack.ts'
import { createPathTables, words } from './path-tables.ts'
import { seeded } from '../../core/base/random.ts'
import { disturb } from './restless-buffers.ts'

const START_US = 1_000_000_000

export type Sent = {
  dev: number
  frame: Uint8Array
  worker: number
  gsoSize: number
  ipSummed: number
  mark: number
}
export type PathOptions = {
  config?: Partial<ArenaConfig>
  seed?: number
  moreProtocols?: (protos: InetProtos) => void
}
export type PathHost = ReturnType<typeof createPathHost>
export type PathWorker = PathHost['first']

/** A host with lo (ifindex 1); devices, addresses and routes are added with the calls it answers. */
export const createPathHost = ({ config = {}, seed = 1, moreProtocols }: PathOptions = {}) => {
  const arena = createArena({ ...SMALL_ARENA, ...config })
  const { i32, u8, layout } = arena
  const tables = createPathTables(arena, () => settle())
  const random = seeded(seed)
  const sent: Sent[] = []
  /** While it is set, the drivers have no room. */
  const wire = { isBusy: false }
  let nowUs = START_US

  const makeWorker = (thread: number) => {
    const transmit = (skb: number, dev: number): number => {
      if (wire.isBusy) return NETDEV_TX_BUSY
      const { skbs, consume } = stack
      const frame = new Uint8Array(i32[skb + SKB_LEN]!)
      const flat = skbs.copy(skb, 0)
      frame.set(u8.subarray(i32[flat + SKB_DATA]!, i32[flat + SKB_DATA]! + frame.length))
      skbs.free(flat)
      const [gsoSize, ipSummed] = [i32[skb + SKB_GSO_SIZE]!, i32[skb + SKB_IP_SUMMED]!]
      const mark = i32[skb + SKB_MARK]!
      sent.push({ dev: i32[dev]!, frame, worker: thread, gsoSize, ipSummed, mark })
      consume(skb)
      return NETDEV_TX_OK
    }
    const stack = createStack({
      arena,
      thread,
      random,
      nowUs: () => nowUs,
      wake: () => {},
      secret: Int32Array.of(random(), random()),
      kinds: [...SOFT_KINDS, { name: 'pipe', startXmit: () => transmit }],
      moreProtocols,
    })
    disturb(arena, stack.skbs, stack.nf)
    disturb(arena, stack.skbs, stack.nf6)
    /** Puts a frame into an skb as a driver would. */
    const frameSkb = (
      frame: Uint8Array,
      dev: number,
      ipSummed = CHECKSUM_NONE,
      mark = 0
    ): number => {
      const skb = stack.skbs.alloc(frame.length, RX_HEADROOM)
      u8.set(frame, stack.skbs.put(skb, frame.length))
      i32[skb + SKB_DEV] = dev
      i32[skb + SKB_IP_SUMMED] = ipSummed
      i32[skb + SKB_MARK] = mark
      return skb
    }
    return { ...stack, frameSkb }
  }
  const workers = Array.from({ length: layout.config.workers }, (_, w) => makeWorker(w))
  const first = workers[0]!
  const pools = () => workers.map(({ skbs }) => skbs.available())
  const atStart = pools()

  // ---- time

  /** Some turns of every worker's loop, so that calls between them are answered. */
  const settle = (): void => {
    for (let round = 0; round < 3; round++)
      for (const { refresh, poll } of workers) {
        refresh()
        poll()
      }
    tables.control.run()
  }
  const advanceUs = (us: number): void => {
    nowUs += us
    settle()
  }
  /** Turns the clock by hand, from one moment at which something may be due to the next. */
  const advance = (ms: number): void => {
    const end = nowUs + ms * 1000
    while (nowUs < end) {
      const delays = workers.map(({ nextDelay }) => nextDelay(1000))
      const nextUs = (Math.floor(nowUs / 1000) + Math.max(1, Math.min(...delays))) * 1000
      advanceUs(Math.min(end, nextUs) - nowUs)
    }
  }
  /** A frame comes in on a device, with a mark where something in front of the host has given it one. */
  const receive = (frame: Uint8Array, dev: number, worker = first, mark = 0): void => {
    worker.receive(worker.frameSkb(frame, dev, CHECKSUM_NONE, mark))
    worker.flush()
    settle()
  }

  // ---- what a test looks at

  const counter = (index: number): number => sumCounter(arena, index)
  const drops = (reason: number): number => counter(DROP_COUNTERS + reason)
  const stat = (dev: number, index: number): number => sumDeviceStat(arena, dev, index)
  /** Everything that was allocated is back. */
  const isAllReturned = (): boolean => {
    settle()
    return Bun.deepEquals(pools(), atStart)
  }
  const flow = (saddr: string, daddr: string): Flowi => {
    const fl = createFlowi()
    fl.set(words(saddr), FL_SADDR)
    fl.set(words(daddr), FL_DADDR)
    fl[FL_FAMILY] = familyOf(fl, FL_DADDR)
    return fl
  }
  return {
    arena,
    sent,
    wire,
    ...tables,
    workers,
    first,
    receive,
    settle,
    advance,
    advanceUs,
    counter,
    drops,
    stat,
    isAllReturned,
    flow,
  }
}

/** A router with two Ethernets: 10.0.2.1/24 on 2, 10.0.3.1/24 on 3, and a default route by 10.0.3.254. */
export const createRouter = (options: PathOptions = {}): PathHost => {
  const path = createPathHost(options)
  path.addDevice(2)
  path.addDevice(3)
  path.addAddress(1, '127.0.0.1/32')
  path.addAddress(2, '10.0.2.1/24')
  path.addAddress(3, '10.0.3.1/24')
  path.addRoute('0.0.0.0/0', 3, { via: '10.0.3.254' })
  return path
}
/** What a host at 10.0.2.9 puts around its packets to the router, and what one on the other side has. */
export const CLIENT_MAC = '02:00:00:00:02:09'
export const SERVER_MAC = '02:00:00:00:03:09'
export const toRouter = { dst: '02:00:00:00:00:02', src: CLIENT_MAC }
export const fromServer = { dst: '02:00:00:00:00:03', src: SERVER_MAC }

/**
 * The same of IPv6: 2001:db8:2::1/64 and fe80::1 on 2, 2001:db8:3::1/64 and fe80::1 on 3, and a default route by
 * 2001:db8:3::254.
 */
export const createRouter6 = (options: PathOptions = {}): PathHost => {
  const path = createPathHost(options)
  path.addDevice(2)
  path.addDevice(3)
  path.addAddress(1, '::1/128')
  path.addAddress(2, '2001:db8:2::1/64')
  path.addAddress(3, '2001:db8:3::1/64')
  path.addAddress(2, 'fe80::1/64')
  path.addAddress(3, 'fe80::1/64')
  path.addRoute('::/0', 3, { via: '2001:db8:3::254' })
  // the groups by which its addresses are asked for
  path.settle()
  return path
}
