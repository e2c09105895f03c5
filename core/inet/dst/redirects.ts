/**
 * Next hops learned from ICMP redirects: for a destination, another gateway than its route's, on the same device, for five
 * minutes. A small table a worker, which others may read (learned.ts), for what is made here: each learns for its own flows,
 * and a router never forwards by what it was told (RFC 1812 section 5.2.7.2). What is learned is a copy of the route's row
 * with the other gateway, and as good as that row. Linux: struct fib_nh_exception (fnhe_gw), update_or_create_fnhe(); RFC 1122 section 3.3.1.2.
 */
import { copyAddr, familyOf, isSameAddr } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import { FL_DADDR, FL_DST, FL_MTU_EXPIRES, FL_TYPE, RTN_UNICAST } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { hashAddr } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { NEXTHOP_WORDS, REDIRECT_WORDS, REDIRECTS } from '../../shm/layout.ts'
import { NH_FAMILY, NH_GATEWAY, NH_GENERATION, NH_NEXT } from '../fib/nexthop-constants.ts'
import { REDIRECT_EXPIRES, REDIRECT_GENERATION, REDIRECT_ROW } from './dst-constants.ts'
import type { Pmtu } from './pmtu.ts'

type RedirectsDeps = {
  arena: Arena
  thread: number
  time: Time
  random: () => number
} & Pick<Pmtu, 'routeOutput'>

export type Redirects = ReturnType<typeof createRedirects>

const WORDS = REDIRECT_WORDS
/** Entries of a bucket, so that destinations of one bucket do not take turns. */
const WAYS = 4
/** ip_rt_gc_timeout. */
const EXPIRES_MS = 300_000

export const createRedirects = (deps: RedirectsDeps) => {
  const { arena, thread, time, random, routeOutput } = deps
  const { i32, layout } = arena
  const rows = layout.redirects + thread * REDIRECTS * NEXTHOP_WORDS
  const keys = layout.redirectKeys + thread * REDIRECTS * WORDS
  // a worker that begins again has learned nothing
  i32.fill(0, keys, keys + REDIRECTS * WORDS)
  const seed = random()
  let used = false
  let serial = 0

  const bucketOf = (words: Int32Array, at: number): number =>
    (hashAddr(seed, words[at], words[at + 1], words[at + 2], words[at + 3]) &
      (REDIRECTS / WAYS - 1)) *
    WAYS
  const keyOf = (k: number): number => keys + k * WORDS
  /** The destination's entry, or -1. */
  const find = (words: Int32Array, at: number): number => {
    const bucket = bucketOf(words, at)
    for (let k = bucket; k < bucket + WAYS; k++)
      if (i32[keyOf(k) + REDIRECT_ROW] !== 0 && isSameAddr(i32, keyOf(k), words, at)) return k
    return -1
  }
  /** A free entry for the destination, or the one of its bucket that ends first. */
  const entryFor = (words: Int32Array, at: number): number => {
    const bucket = bucketOf(words, at)
    let oldest = bucket
    for (let k = bucket; k < bucket + WAYS; k++) {
      if (i32[keyOf(k) + REDIRECT_ROW] === 0) return k
      const later = i32[keyOf(k) + REDIRECT_EXPIRES] - i32[keyOf(oldest) + REDIRECT_EXPIRES]
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
    const e = keyOf(k)
    const row = i32[e + REDIRECT_ROW]
    if (row !== fl[FL_DST]) return
    const left = (i32[e + REDIRECT_EXPIRES] - time[TIME_MS]) | 0
    if (i32[row + NH_GENERATION] !== i32[e + REDIRECT_GENERATION] || left <= 0) {
      i32[e + REDIRECT_ROW] = 0
      return
    }
    fl[FL_DST] = rows + k * NEXTHOP_WORDS
    const mtuLeft = (fl[FL_MTU_EXPIRES] - time[TIME_MS]) | 0
    // who keeps the route asks again when the first of them ends
    if (fl[FL_MTU_EXPIRES] === 0 || left < mtuLeft)
      fl[FL_MTU_EXPIRES] = i32[e + REDIRECT_EXPIRES] || 1
  }

  /**
   * The flow, which routeOutput has routed, goes by the gateway at (words, at) from now on. `family` is the gateway's.
   */
  const learn = (fl: Flowi, family: number, words: Int32Array, at: number): void => {
    const known = find(fl, FL_DADDR)
    const k = known < 0 ? entryFor(fl, FL_DADDR) : known
    const e = keyOf(k)
    const own = rows + k * NEXTHOP_WORDS
    // what goes by what was learned before is told of a third
    const row = fl[FL_DST] === own ? i32[e + REDIRECT_ROW] : fl[FL_DST]
    // whoever else reads it meets one entry or the other, or none
    if (known < 0) Atomics.store(i32, e + REDIRECT_ROW, 0)
    i32.copyWithin(own, row, row + NEXTHOP_WORDS)
    i32[own + NH_FAMILY] = family
    i32[own + NH_NEXT] = 0
    copyAddr(i32, own + NH_GATEWAY, words, at)
    copyAddr(i32, e, fl, FL_DADDR)
    i32[e + REDIRECT_GENERATION] = i32[row + NH_GENERATION]
    i32[e + REDIRECT_EXPIRES] = (time[TIME_MS] + EXPIRES_MS) | 0
    Atomics.store(i32, e + REDIRECT_ROW, row)
    used = true
    serial++
  }
  /** `ip route flush cache`: each of the family's destinations goes by its route again (rt_cache_flush). */
  const flushRedirects = (family: number): void => {
    for (let k = 0; k < REDIRECTS; k++)
      if (familyOf(i32, keyOf(k)) === family) i32[keyOf(k) + REDIRECT_ROW] = 0
    serial++
  }
  /** Rises when something was learned, or forgotten: routes that were looked up before may be others now. */
  const redirectSerial = (): number => serial

  return {
    routeOutput: routeOutputRedirected,
    learnRedirect: learn,
    flushRedirects,
    redirectSerial,
  }
}
