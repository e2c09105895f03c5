/**
 * What workers have learned of a destination, as others read it: control for `ip route get`. A worker writes the word that says that an
 * entry is one last; what a reader meets half written is another's, or nobody's. Linux: find_exception() in ip_route_output_key_hash_rcu().
 */
import { isSameAddr } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  FL_DADDR,
  FL_DST,
  FL_L3MDEV,
  FL_MTU,
  FL_MTU_LOCKED,
  FL_TYPE,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { Arena } from '../../shm/arena.ts'
import { NEXTHOP_WORDS, PMTU_WORDS, PMTUS, REDIRECT_WORDS, REDIRECTS } from '../../shm/layout.ts'
import { NH_GENERATION } from '../fib/nexthop-constants.ts'
import {
  PMTU_EXPIRES,
  PMTU_L3MDEV,
  PMTU_LOCKED,
  PMTU_MTU,
  REDIRECT_EXPIRES,
  REDIRECT_GENERATION,
  REDIRECT_ROW,
} from './dst-constants.ts'

/** `leftMs`: how long it still holds. */
export type LearnedPmtu = { mtu: number; isLocked: boolean; leftMs: number }
/** `row`: the route's, with the other gateway. */
type LearnedRedirect = { row: number; leftMs: number }

export type Learned = ReturnType<typeof createLearned>

export const createLearned = (arena: Arena, time: Time) => {
  const { i32, layout } = arena
  const { workers } = layout.config
  const left = (expires: number): number => (expires - time[TIME_MS]) | 0

  /** The lowest path MTU for a flow that routeOutput has routed. */
  const learnedPmtu = (fl: Flowi): LearnedPmtu | null => {
    let least: LearnedPmtu | null = null
    if (fl[FL_MTU_LOCKED] !== 0) return null
    const end = layout.pmtus + workers * PMTUS * PMTU_WORDS
    for (let e = layout.pmtus; e < end; e += PMTU_WORDS) {
      const mtu = Atomics.load(i32, e + PMTU_MTU)
      if (mtu === 0 || mtu >= (least?.mtu ?? fl[FL_MTU])) continue
      if (i32[e + PMTU_L3MDEV] !== fl[FL_L3MDEV] || !isSameAddr(i32, e, fl, FL_DADDR)) continue
      const leftMs = left(i32[e + PMTU_EXPIRES])
      if (leftMs > 0) least = { mtu, isLocked: i32[e + PMTU_LOCKED] !== 0, leftMs }
    }
    return least
  }
  /** The next hop that was told of for such a flow, the one that was told last. */
  const learnedRedirect = (fl: Flowi): LearnedRedirect | null => {
    let last: LearnedRedirect | null = null
    if (fl[FL_TYPE] !== RTN_UNICAST) return null
    for (let k = 0; k < workers * REDIRECTS; k++) {
      const e = layout.redirectKeys + k * REDIRECT_WORDS
      const row = Atomics.load(i32, e + REDIRECT_ROW)
      if (row === 0 || row !== fl[FL_DST] || !isSameAddr(i32, e, fl, FL_DADDR)) continue
      if (i32[row + NH_GENERATION] !== i32[e + REDIRECT_GENERATION]) continue
      const leftMs = left(i32[e + REDIRECT_EXPIRES])
      if (leftMs > (last?.leftMs ?? 0)) last = { row: layout.redirects + k * NEXTHOP_WORDS, leftMs }
    }
    return last
  }
  return { learnedPmtu, learnedRedirect }
}
