/**
 * Routes with several next hops: each flow goes by one of them, and of many flows each gets its weight. Which, says a hash
 * (flow-hash.ts), so that fragments of a datagram, and what differs in ports alone, go together; next hops that do not answer
 * are passed over where that is asked for, and always in groups. Any thread; one seed for all. Linux: fib_select_multipath(),
 * fib_rebalance() (net/ipv4/fib_semantics.c), fib6_select_path() (net/ipv6/route.c), nexthop_select_path_hthr(),
 * nexthop_select_path_res() (net/ipv4/nexthop.c); RFC 2992, whose section 3.3 says how many flows a change of next hops
 * moves: of a resilient group it moves those alone that must.
 */
import type { Flowi } from '../../../base/flowi.ts'
import { FL_FAMILY, FL_HASH } from '../../../base/flowi.ts'
import { TIME_MS, type Time } from '../../../base/time.ts'
import { NUD_FAILED, NUD_NONE, NUD_VALID } from '../../../neigh/neigh-constants.ts'
import { DEV_FLAGS, DEV_IFINDEX, deviceRow, IFF_UP } from '../../../netdev/netdev.ts'
import type { Arena } from '../../../shm/arena.ts'
import type { Layout } from '../../../shm/compute-layout.ts'
import { CONF_ALL, Conf6, confRow } from '../../../shm/devconf.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { byFamily } from '../../af-ops.ts'
import type { FlowHash } from './flow-hash.ts'
import { isIgnored } from '../linkdown.ts'
import {
  NH_BUCKET_COUNT,
  NH_BUCKETS,
  NH_BY_ID,
  NH_DEV,
  NH_FAMILY,
  NH_GATEWAY,
  NH_HOPS_LEFT,
  NH_ID,
  NH_NEXT,
  NH_UPPER_BOUND,
} from '../nexthop-constants.ts'

const HASHES = 2 ** 31

/** The upper bounds of hops with these weights; a weight of 0 gets no flow. */
export const upperBounds = (weights: readonly number[]): number[] => {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let sum = 0
  return weights.map((weight) => {
    sum += weight
    return weight === 0 ? -1 : Math.round((sum * HASHES) / total) - 1
  })
}

const flagsOf = (arena: Arena, dev: number): number => arena.i32[deviceRow(arena, dev) + DEV_FLAGS]
export const isThere = (arena: Arena, dev: number): boolean =>
  arena.i32[deviceRow(arena, dev) + DEV_IFINDEX] === dev
export const isUp = (arena: Arena, dev: number): boolean =>
  isThere(arena, dev) && (flagsOf(arena, dev) & IFF_UP) !== 0
/** May the device be one of several next hops' now? */
export const isUsable = (arena: Arena, dev: number, family: number): boolean =>
  isUp(arena, dev) && !isIgnored(arena, dev, family)

/** A thread's words of when buckets were used: the workers' come first, then control's. */
export const bucketUse = ({ nhBucketUse, config }: Layout, thread: number): number =>
  nhBucketUse + Math.min(thread, config.workers) * config.nhBuckets

type MultipathDeps = {
  arena: Arena
  time: Time
  thread: number
  flowHash: Pick<FlowHash, 'ofFlow'>
  /** NUD_* of a neighbour on a device, whose address lies at that word of the arena; NUD_NONE of one that is not known. */
  neighState: (dev: number, addr: number) => number
}

export type Multipath = ReturnType<typeof createMultipath>

export const createMultipath = (deps: MultipathDeps) => {
  const { arena, time, thread, flowHash, neighState } = deps
  const { i32, layout } = arena
  const { nhBuckets } = layout
  const use = bucketUse(layout, thread)
  const useNeigh = layout.sysctl + Sysctl.fib_multipath_use_neigh
  const forwarding6 = confRow(arena, CONF_ALL) + Conf6.forwarding

  /** 31 bits. */
  const hashOf = (fl: Flowi): number =>
    fl[FL_HASH] !== 0 ? fl[FL_HASH] & 0x7fffffff : flowHash.ofFlow(fl) >>> 1
  const gatewayState = (hop: number): number =>
    i32[hop + NH_FAMILY] === 0 ? NUD_NONE : neighState(i32[hop + NH_DEV], hop + NH_GATEWAY)
  /** Nothing speaks against the next hop (fib_good_nh). */
  const isGood = (hop: number): boolean => {
    const state = gatewayState(hop)
    return state === NUD_NONE || (state & NUD_VALID) !== 0
  }

  /** While a member goes, its buckets may still name it: then any other will do, as its flows go by others anyway. */
  const hopOfBucket = (first: number, bucket: number): number => {
    i32[use + bucket] = time[TIME_MS]
    const id = i32[nhBuckets + bucket]
    let hop = first
    while (i32[hop + NH_ID] !== id && i32[hop + NH_HOPS_LEFT] !== 0) hop = i32[hop + NH_NEXT]
    return hop
  }
  /** The hash says whose turn it is; who does not answer gives it to the next. */
  const hopOfGroup = (first: number, hash: number): number => {
    let hop = first
    while (hash > i32[hop + NH_UPPER_BOUND] && i32[hop + NH_HOPS_LEFT] !== 0)
      hop = i32[hop + NH_NEXT]
    const turn = hop
    while (!isGood(hop)) {
      if (i32[hop + NH_HOPS_LEFT] === 0) return turn
      hop = i32[hop + NH_NEXT]
    }
    return hop
  }
  const byObject = (row: number, fl: Flowi): number => {
    const first = i32[row + NH_NEXT]
    if (i32[first + NH_UPPER_BOUND] === 0) return first
    const hash = hashOf(fl)
    const buckets = i32[row + NH_BUCKET_COUNT]
    return buckets === 0
      ? hopOfGroup(first, hash)
      : hopOfBucket(first, i32[row + NH_BUCKETS] + (hash % buckets))
  }
  /**
   * A next hop from whose link the packet has its source is preferred, `source` 0: any; with fib_multipath_use_neigh only
   * those are asked that answer. `sourceOf`: what is sent that way has as its source.
   */
  const select4 = (
    row: number,
    fl: Flowi,
    source: number,
    sourceOf: (hop: number) => number
  ): number => {
    const hash = hashOf(fl)
    let best = row
    let bestScore = -1
    for (let hop = row; ; hop = i32[hop + NH_NEXT]) {
      const bound = i32[hop + NH_UPPER_BOUND]
      if (bound !== -1 && (i32[useNeigh] === 0 || isGood(hop))) {
        const isOwn = source !== 0 && sourceOf(hop) === source
        const score = (isOwn ? 2 : 0) + (hash <= bound ? 1 : 0)
        if (score === 3 || (source === 0 && score === 1)) return hop
        if (score > bestScore) {
          best = hop
          bestScore = score
        }
      }
      if (i32[hop + NH_HOPS_LEFT] === 0) return best
    }
  }
  /** A host takes the first instead of one that is known not to answer (rt6_check_neigh). */
  const select6: typeof select4 = (row, fl) => {
    const hash = hashOf(fl)
    let hop = row
    while (hash > i32[hop + NH_UPPER_BOUND] && i32[hop + NH_HOPS_LEFT] !== 0)
      hop = i32[hop + NH_NEXT]
    const isPassedOver = i32[forwarding6] === 0 && gatewayState(hop) === NUD_FAILED
    return isPassedOver ? row : hop
  }
  const select = byFamily(select4, select6)
  const none = (): number => 0
  /** The row of the flow's next hop, of those of the route whose first is `row`. */
  const selectPath = (row: number, fl: Flowi): number => selectFrom(row, fl, 0, none)
  /** The same for what is sent from here, with its source. */
  const selectFrom = (
    row: number,
    fl: Flowi,
    source: number,
    sourceOf: (hop: number) => number
  ): number => {
    const bound = i32[row + NH_UPPER_BOUND]
    if (bound === 0) return row
    if (bound === NH_BY_ID) return byObject(row, fl)
    return select(fl[FL_FAMILY])(row, fl, source, sourceOf)
  }
  return { selectPath, selectFrom }
}
