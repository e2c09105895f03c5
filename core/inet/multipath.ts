/**
 * Routes with several next hops: each flow goes by one of them, and of many flows each gets its weight. Which, says a hash
 * of what the policy names, so that fragments of a datagram, and what differs in ports alone, go together. Any thread;
 * one seed for all. Linux: fib_select_multipath(), fib_multipath_hash(), fib_rebalance() (net/ipv4/fib_semantics.c),
 * rt6_multipath_hash() (net/ipv6/route.c), nexthop_select_path_res() (net/ipv4/nexthop.c); RFC 2992, whose section 3.3
 * says how many flows a change of next hops moves: of a resilient group it moves those alone that must.
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_DADDR, FL_DPORT, FL_FAMILY, FL_PROTO, FL_SADDR, FL_SPORT } from '../base/flowi.ts'
import { TIME_MS, type Time } from '../base/time.ts'
import { mix32, mixIn } from '../base/u32.ts'
import { DEV_FLAGS, DEV_IFINDEX, deviceRow, IFF_LOWER_UP, IFF_UP } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { G_MULTIPATH_SEED, type Layout } from '../shm/layout.ts'
import { Conf4, Conf6, confRow } from '../shm/devconf.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { byFamily } from './af-ops.ts'
import {
  NH_BUCKET_COUNT,
  NH_BUCKETS,
  NH_BY_ID,
  NH_HOPS_LEFT,
  NH_ID,
  NH_NEXT,
  NH_UPPER_BOUND,
} from './nexthop-constants.ts'

/** fib_multipath_hash_policy: addresses alone, or ports as well. */
export const HASH_POLICY_L4 = 1
/** Word of a family's policy. */
export const hashPolicyWord = ({ layout }: Arena): ((family: number) => number) =>
  byFamily(
    layout.sysctl + Sysctl.fib_multipath_hash_policy,
    layout.sysctl + Sysctl.fib_multipath_hash_policy6
  )

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
const ignoresLinkdown = byFamily(
  Conf4.ignore_routes_with_linkdown,
  Conf6.ignore_routes_with_linkdown
)
/** May the device be one of several next hops' now? */
export const isUsable = (arena: Arena, dev: number, family: number): boolean =>
  isUp(arena, dev) &&
  ((flagsOf(arena, dev) & IFF_LOWER_UP) !== 0 ||
    arena.i32[confRow(arena, dev) + ignoresLinkdown(family)] === 0)

/** A thread's words of when buckets were used: the workers' come first, then control's. */
export const bucketUse = ({ nhBucketUse, config }: Layout, thread: number): number =>
  nhBucketUse + Math.min(thread, config.workers) * config.nhBuckets

export type MultipathDeps = { arena: Arena; time: Time; thread: number }

export const createMultipath = ({ arena, time, thread }: MultipathDeps) => {
  const { i32, layout } = arena
  const { nhBuckets } = layout
  const use = bucketUse(layout, thread)
  const policyAt = hashPolicyWord(arena)

  const hashOf = (fl: Flowi): number => {
    let hash = i32[G_MULTIPATH_SEED]
    for (let k = 0; k < 4; k++) hash = mixIn(mixIn(hash, fl[FL_SADDR + k]), fl[FL_DADDR + k])
    if (i32[policyAt(fl[FL_FAMILY])] === HASH_POLICY_L4)
      hash = mixIn(mixIn(hash, fl[FL_PROTO]), (fl[FL_SPORT] << 16) | fl[FL_DPORT])
    return mix32(hash) >>> 1
  }
  /** While a member goes, its buckets may still name it: then any other will do, as its flows go by others anyway. */
  const hopOfBucket = (first: number, bucket: number): number => {
    i32[use + bucket] = time[TIME_MS]
    const id = i32[nhBuckets + bucket]
    let hop = first
    while (i32[hop + NH_ID] !== id && i32[hop + NH_HOPS_LEFT] !== 0) hop = i32[hop + NH_NEXT]
    return hop
  }
  /** The row of the flow's next hop, of those of the route whose first is `row`. */
  const selectPath = (row: number, fl: Flowi): number => {
    const bound = i32[row + NH_UPPER_BOUND]
    if (bound === 0) return row
    let hop = row
    if (bound === NH_BY_ID) {
      hop = i32[row + NH_NEXT]
      if (i32[hop + NH_UPPER_BOUND] === 0) return hop
    }
    const hash = hashOf(fl)
    const buckets = i32[row + NH_BUCKET_COUNT]
    if (bound === NH_BY_ID && buckets !== 0)
      return hopOfBucket(hop, i32[row + NH_BUCKETS] + (hash % buckets))
    while (hash > i32[hop + NH_UPPER_BOUND] && i32[hop + NH_HOPS_LEFT] !== 0)
      hop = i32[hop + NH_NEXT]
    return hop
  }
  return { selectPath }
}
