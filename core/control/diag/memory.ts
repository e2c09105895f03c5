/**
 * What routes take of memory, and who holds packet memory, against his bound, and what is left of the pools: read from the words in which each thread
 * counts what it holds (skb/budget.ts). Control thread. Linux spreads this over /proc/net/sockstat and protocols.
 */
import { portTxRing } from '../../dev/kinds/ports.ts'
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import type { NexthopBuckets } from '../routes/nexthop-buckets.ts'
import type { Nexthops } from '../../inet/fib/writer/nexthop.ts'
import type { Arena } from '../../shm/arena.ts'
import { appRing, backlogRing } from '../../shm/arena.ts'
import { APP_RECORD_WORDS, APP_RING_WORDS, FIB_NODE_WORDS, PORTS } from '../../shm/layout.ts'
import { ringLength, ringPeek } from '../../shm/ring.ts'
import {
  computeBudget,
  heldAt,
  Holder,
  lineOf,
  TRUESIZE_LARGE,
  TRUESIZE_SMALL,
} from '../../skb/budget.ts'
import { SKB_BUF } from '../../skb/skb.ts'
import { E_SKB } from '../../socket/app-constants.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { told } from '../rtnl/answers.ts'
import type { HolderItem, MemoryItem } from '../rtnetlink.ts'
import type { Stats } from './stats.ts'

type MemoryDeps = {
  arena: Arena
  fib: Pick<FibWriter, 'usage'>
  nexthops: Pick<Nexthops, 'available'>
  buckets: Pick<NexthopBuckets, 'used'>
} & Pick<Stats, 'pools'>

type Slots = { small: number; large: number }

const bytesOf = (small: number, large: number): number =>
  small * TRUESIZE_SMALL + large * TRUESIZE_LARGE

export const createMemory = ({ arena, pools, fib, nexthops, buckets }: MemoryDeps) => {
  const { i32, layout } = arena
  const { workers, apps, skbs, smallBuffers, largeBuffers } = layout.config
  const { bounds, reserveSmall, reserveLarge, backlog } = computeBudget(layout.config)

  /** Small and large slots of the skbs in a ring: every `words`th word from `first` names one, or is 0. */
  const inRing = (ring: number, words: number, first: number): Slots => {
    let [small, large] = [0, 0]
    for (let k = ringLength(i32, ring) - words; k >= 0; k -= words) {
      const skb = ringPeek(i32, ring, k + first)
      if (skb === 0) continue
      if (i32[skb + SKB_BUF] < layout.smalls) small++
      else large++
    }
    return { small, large }
  }
  const addUp = (all: readonly Slots[]): Slots => ({
    small: all.reduce((sum, { small }) => sum + small, 0),
    large: all.reduce((sum, { large }) => sum + large, 0),
  })
  /** What worker w holds: by its own words, and of what lies in rings by the rings. */
  const heldBy = (holder: Holder, w: number): Slots => {
    if (holder === Holder.port)
      return addUp(
        Array.from({ length: PORTS }, (_, port) => inRing(portTxRing(arena, port, w), 1, 0))
      )
    if (holder === Holder.app)
      return addUp(
        Array.from({ length: apps }, (_, app) =>
          inRing(appRing(layout, app, w) + APP_RING_WORDS, APP_RECORD_WORDS, E_SKB)
        )
      )
    const at = heldAt(arena, w) + holder * 2
    return { small: i32[at], large: i32[at + 1] }
  }

  const holder = (name: keyof typeof Holder): HolderItem => {
    const at = Holder[name] * 2
    const worker = Array.from({ length: workers }, (_, w) => heldBy(Holder[name], w))
    const { small, large } = addUp(worker)
    const line = lineOf(Holder[name])
    return {
      holder: name,
      bytes: bytesOf(small, large),
      bound: bytesOf(bounds[at], bounds[at + 1]) * workers,
      small,
      small_bound: bounds[at] * workers,
      large,
      large_bound: bounds[at + 1] * workers,
      worker: worker.map((held) => bytesOf(held.small, held.large)),
      ...(line === undefined ? {} : { within: line }),
    }
  }
  /** Packets between threads: they are nobody's, and live in the reserve of the pool they come from. */
  const backlogLen = (): number => {
    let packets = 0
    for (let w = 0; w < workers; w++)
      for (let t = 0; t < layout.threads; t++) packets += ringLength(i32, backlogRing(layout, w, t))
    return packets
  }

  const fibMemory = (): MemoryItem['fib'] => {
    const { pages, maxPages, tables, maxTables, inet, inet6 } = fib.usage()
    const rows = layout.config.nexthops - layout.config.devices
    return {
      bytes: pages * FIB_NODE_WORDS * 4,
      bound: maxPages * FIB_NODE_WORDS * 4,
      tables,
      tables_bound: maxTables,
      nexthops: rows - nexthops.available(),
      nexthops_bound: rows,
      nexthop_buckets: buckets.used(),
      nexthop_buckets_bound: layout.config.nhBuckets,
      inet,
      inet6,
    }
  }

  const memory = (): Outcome<MemoryItem> => {
    const holders = (Object.keys(Holder) as (keyof typeof Holder)[]).map(holder)
    return told({
      held: holders.reduce((total, { bytes }) => total + bytes, 0),
      bound: holders.reduce(
        (total, { bound, within }) => total + (within === undefined ? bound : 0),
        0
      ),
      holders,
      backlog: { packets: backlogLen(), bound: backlog },
      pools: pools().map((pool) => ({
        ...pool,
        skbs,
        small: smallBuffers,
        large: largeBuffers,
        small_reserve: reserveSmall,
        large_reserve: reserveLarge,
      })),
      fib: fibMemory(),
    })
  }
  return { memory }
}
