/**
 * Next hops learned from ICMP redirects: for a destination, another gateway than its route's, on the same device, for five
 * minutes. A small table a worker, for what is made here: each learns for its own flows, and a router never forwards by
 * what it was told (RFC 1812 section 5.2.7.2). What is learned is a copy of the route's row with the other gateway, and
 * as good as that row. Linux: struct fib_nh_exception (fnhe_gw), update_or_create_fnhe(); RFC 1122 section 3.3.1.2.
 */
import { copyAddr, isSameAddr } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import { FL_DADDR, FL_DST, FL_MTU_EXPIRES, FL_TYPE, RTN_UNICAST } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { hashAddr } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { NEXTHOP_WORDS, REDIRECTS } from '../../shm/layout.ts'
import { NH_FAMILY, NH_GATEWAY, NH_GENERATION, NH_NEXT } from '../fib/nexthop-constants.ts'
import type { Pmtu } from './pmtu.ts'

type RedirectsDeps = {
  arena: Arena
  thread: number
  time: Time
  random: () => number
} & Pick<Pmtu, 'routeOutput'>

export type Redirects = ReturnType<typeof createRedirects>

// Words of an entry: four of the destination, then the route's row (0: free), its generation, jiffies of the end.
const ROW = 4
const GENERATION = 5
const EXPIRES = 6
const WORDS = 8
/** Entries of a bucket, so that destinations of one bucket do not take turns. */
const WAYS = 4
/** ip_rt_gc_timeout. */
const EXPIRES_MS = 300_000

export const createRedirects = (deps: RedirectsDeps) => {
  const { arena, thread, time, random, routeOutput } = deps
  const { i32, layout } = arena
  const rows = layout.redirects + thread * REDIRECTS * NEXTHOP_WORDS
  const table = new Int32Array(REDIRECTS * WORDS)
  const seed = random()
  let used = false
  let serial = 0

  const bucketOf = (words: Int32Array, at: number): number =>
    (hashAddr(seed, words[at], words[at + 1], words[at + 2], words[at + 3]) &
      (REDIRECTS / WAYS - 1)) *
    WAYS
  /** The destination's entry, or -1. */
  const find = (words: Int32Array, at: number): number => {
    const bucket = bucketOf(words, at)
    for (let k = bucket; k < bucket + WAYS; k++)
      if (table[k * WORDS + ROW] !== 0 && isSameAddr(table, k * WORDS, words, at)) return k
    return -1
  }
  /** A free entry for the destination, or the one of its bucket that ends first. */
  const entryFor = (words: Int32Array, at: number): number => {
    const bucket = bucketOf(words, at)
    let oldest = bucket
    for (let k = bucket; k < bucket + WAYS; k++) {
      if (table[k * WORDS + ROW] === 0) return k
      const later = table[k * WORDS + EXPIRES] - table[oldest * WORDS + EXPIRES]
      if ((later | 0) < 0) oldest = k
    }
    return oldest
  }

  /** routeOutput, by the next hop that was learned for its destination. */
  const routeOutputRedirected = (fl: Flowi): number => {
    const error = routeOutput(fl)
    if (error === 0 && used && fl[FL_TYPE] === RTN_UNICAST) apply(fl)
    return error
  }
  const apply = (fl: Flowi): void => {
    const k = find(fl, FL_DADDR)
    if (k < 0) return
    const e = k * WORDS
    const row = table[e + ROW]
    if (row !== fl[FL_DST]) return
    const left = (table[e + EXPIRES] - time[TIME_MS]) | 0
    if (i32[row + NH_GENERATION] !== table[e + GENERATION] || left <= 0) {
      table[e + ROW] = 0
      return
    }
    fl[FL_DST] = rows + k * NEXTHOP_WORDS
    const mtuLeft = (fl[FL_MTU_EXPIRES] - time[TIME_MS]) | 0
    // who keeps the route asks again when the first of them ends
    if (fl[FL_MTU_EXPIRES] === 0 || left < mtuLeft) fl[FL_MTU_EXPIRES] = table[e + EXPIRES] || 1
  }

  /**
   * The flow, which routeOutput has routed, goes by the gateway at (words, at) from now on. `family` is the gateway's.
   */
  const learn = (fl: Flowi, family: number, words: Int32Array, at: number): void => {
    const known = find(fl, FL_DADDR)
    const k = known < 0 ? entryFor(fl, FL_DADDR) : known
    const e = k * WORDS
    const own = rows + k * NEXTHOP_WORDS
    // what goes by what was learned before is told of a third
    const row = fl[FL_DST] === own ? table[e + ROW] : fl[FL_DST]
    i32.copyWithin(own, row, row + NEXTHOP_WORDS)
    i32[own + NH_FAMILY] = family
    i32[own + NH_NEXT] = 0
    copyAddr(i32, own + NH_GATEWAY, words, at)
    copyAddr(table, e, fl, FL_DADDR)
    table[e + ROW] = row
    table[e + GENERATION] = i32[row + NH_GENERATION]
    table[e + EXPIRES] = (time[TIME_MS] + EXPIRES_MS) | 0
    used = true
    serial++
  }
  /** Rises when something was learned: routes that were looked up before may be others now. */
  const redirectSerial = (): number => serial

  return { routeOutput: routeOutputRedirected, learnRedirect: learn, redirectSerial }
}
