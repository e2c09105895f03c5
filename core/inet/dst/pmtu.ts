/**
 * Path MTUs learned from "fragmentation needed" and "packet too big": one small table a worker, which others may read
 * (learned.ts), by domain and destination, for what is made here. A transport that believes an ICMP error says so (updatePmtu); the other workers are told, since the
 * flows to one destination are spread over them. Routes that are looked up here carry what was learned. An ICMP error
 * only ever lowers an MTU; after mtu_expires, ten minutes, the path is tried again (RFC 1191 sections 3 and 6.3, RFC 8201).
 * Linux: net/ipv4/route.c fib_nh_exception, __ip_rt_update_pmtu().
 */
import { AF_INET6, copyAddr, familyOf, isSameAddr } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_FAMILY,
  FL_L3MDEV,
  FL_MTU,
  FL_MTU_EXPIRES,
  FL_MTU_LOCKED,
  FL_OIF,
} from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { hashAddr } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { PMTU_WORDS, PMTUS } from '../../shm/layout.ts'
import { afInfo } from '../af-ops.ts'
import type { Route } from '../fib/route.ts'
import { PMTU_EXPIRES, PMTU_L3MDEV, PMTU_LOCKED, PMTU_MTU } from './dst-constants.ts'

export type Pmtu = ReturnType<typeof createPmtu>
type PmtuDeps = {
  arena: Arena
  thread: number
  time: Time
  random: () => number
  /** core/stack/dst.ts: tells the other workers what was learned of the address. */
  tellOthers: (l3mdev: number, words: Int32Array, at: number, mtu: number) => void
} & Pick<Route, 'routeOutput'>

/** Entries of a bucket, so that addresses of one bucket do not take turns (FNHE_RECLAIM_DEPTH). */
const WAYS = 4
const BUCKETS = PMTUS / WAYS
const WORDS = PMTU_WORDS

export const createPmtu = (deps: PmtuDeps) => {
  const { arena, thread, time, random, routeOutput, tellOthers } = deps
  const { i32, layout } = arena
  const first = layout.pmtus + thread * PMTUS * WORDS
  // a worker that begins again has learned nothing
  i32.fill(0, first, first + PMTUS * WORDS)
  const seed = random()
  const flow = createFlowi()
  let used = 0
  let serial = 0

  const bucketOf = (l3mdev: number, words: Int32Array, at: number): number =>
    first +
    (hashAddr(seed ^ l3mdev, words[at], words[at + 1], words[at + 2], words[at + 3]) &
      (BUCKETS - 1)) *
      WAYS *
      WORDS
  /** The address's entry, or -1 when nothing is known of it any more. */
  const find = (l3mdev: number, words: Int32Array, at: number): number => {
    const bucket = bucketOf(l3mdev, words, at)
    for (let e = bucket; e < bucket + WAYS * WORDS; e += WORDS) {
      if (i32[e + PMTU_MTU] === 0 || i32[e + PMTU_L3MDEV] !== l3mdev) continue
      if (!isSameAddr(i32, e, words, at)) continue
      if (((i32[e + PMTU_EXPIRES] - time[TIME_MS]) | 0) > 0) return e
      i32[e + PMTU_MTU] = 0
      used--
      return -1
    }
    return -1
  }
  /** A free entry for the address, or the one of its bucket that ends first (fnhe_oldest). */
  const entryFor = (l3mdev: number, words: Int32Array, at: number): number => {
    const bucket = bucketOf(l3mdev, words, at)
    let oldest = bucket
    for (let e = bucket; e < bucket + WAYS * WORDS; e += WORDS) {
      if (i32[e + PMTU_MTU] === 0) return e
      if (((i32[e + PMTU_EXPIRES] - i32[oldest + PMTU_EXPIRES]) | 0) < 0) oldest = e
    }
    return oldest
  }

  /** routeOutput, with FL_MTU, FL_MTU_EXPIRES and FL_MTU_LOCKED as what was learned makes them. */
  const routeOutputPmtu = (fl: Flowi): number => {
    const error = routeOutput(fl)
    if (error !== 0) return error
    fl[FL_MTU_EXPIRES] = 0
    if (used !== 0) apply(fl)
    return 0
  }
  const apply = (fl: Flowi): void => {
    const e = find(fl[FL_L3MDEV], fl, FL_DADDR)
    if (e < 0 || i32[e + PMTU_MTU] >= fl[FL_MTU] || fl[FL_MTU_LOCKED] !== 0) return
    fl[FL_MTU] = i32[e + PMTU_MTU]
    // 0 is never
    fl[FL_MTU_EXPIRES] = i32[e + PMTU_EXPIRES] || 1
    fl[FL_MTU_LOCKED] = i32[e + PMTU_LOCKED]
  }

  /** Remembers that the path to the address, which was thought to take `old`, takes `mtu`; true when that is news. */
  const learn = (
    l3mdev: number,
    words: Int32Array,
    at: number,
    mtu: number,
    old: number
  ): boolean => {
    const { minPmtu, locksMtu, mtuExpires } = afInfo(familyOf(words, at))
    if (mtu > old) return false
    const least = minPmtu(arena)
    const isTooLow = mtu < least
    const next = isTooLow ? Math.min(old, least) : mtu
    const lastsMs = i32[layout.sysctl + mtuExpires] * 1000
    const known = find(l3mdev, words, at)
    const e = known >= 0 ? known : entryFor(l3mdev, words, at)
    // what is locked stays so until it ends
    if (known >= 0 && i32[e + PMTU_LOCKED] !== 0) return false
    if (known >= 0 && i32[e + PMTU_MTU] === next && !isTooLow && isYoung(e, lastsMs)) return false
    if (i32[e + PMTU_MTU] === 0) used++
    // whoever else reads it meets one entry or the other, or none
    if (known < 0) Atomics.store(i32, e + PMTU_MTU, 0)
    copyAddr(i32, e, words, at)
    i32[e + PMTU_L3MDEV] = l3mdev
    i32[e + PMTU_EXPIRES] = (time[TIME_MS] + lastsMs) | 0
    i32[e + PMTU_LOCKED] = isTooLow && locksMtu ? 1 : 0
    Atomics.store(i32, e + PMTU_MTU, next)
    serial++
    return true
  }
  const isYoung = (e: number, lastsMs: number): boolean =>
    ((i32[e + PMTU_EXPIRES] - time[TIME_MS]) | 0) > lastsMs / 2

  /** An ICMP error that its transport believes said that the path to the address, in the domain of a VRF or 0, takes `mtu`. */
  const updatePmtu = (l3mdev: number, words: Int32Array, at: number, mtu: number): void => {
    const family = familyOf(words, at)
    // RFC 8201 4: no link of IPv6 takes less
    if (family === AF_INET6 && mtu < afInfo(family).minPmtu(arena)) return
    flow.fill(0)
    flow[FL_OIF] = l3mdev
    flow[FL_FAMILY] = family
    copyAddr(flow, FL_DADDR, words, at)
    if (routeOutputPmtu(flow) !== 0) return
    // what a route has locked is not learned
    if (flow[FL_MTU_LOCKED] !== 0) return
    if (learn(l3mdev, words, at, mtu, flow[FL_MTU])) tellOthers(l3mdev, words, at, mtu)
  }
  /** Another worker has learned it. */
  const pmtuLearned = (l3mdev: number, words: Int32Array, at: number, mtu: number): void => {
    const known = find(l3mdev, words, at)
    learn(l3mdev, words, at, mtu, known < 0 ? 0x7fffffff : i32[known + PMTU_MTU])
  }
  /** `ip route flush cache`: nothing is known of the family's addresses any more (rt_cache_flush). */
  const flushPmtu = (family: number): void => {
    for (let e = first; e < first + PMTUS * WORDS; e += WORDS) {
      if (i32[e + PMTU_MTU] === 0 || familyOf(i32, e) !== family) continue
      i32[e + PMTU_MTU] = 0
      used--
    }
    serial++
  }
  /** Rises when something was learned, or forgotten: what was looked up before may be wrong. */
  const pmtuSerial = (): number => serial

  return { routeOutput: routeOutputPmtu, updatePmtu, pmtuLearned, flushPmtu, pmtuSerial }
}
