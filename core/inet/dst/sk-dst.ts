/**
 * The route that a connected sock keeps: looked up for its addresses, good as long as no table, and no path MTU, has
 * changed since. Whoever uses SK_DST, SK_DST_DEV or SK_MTU asks skDstCheck first; a row of an older generation may be
 * another route's by now. Both families; on the sock's worker. Linux: sk_dst_check(), sk_dst_set(), sk_setup_caps().
 */
import { copyAddr } from '../../base/family.ts'
import {
  bindFlow,
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_DST,
  FL_F_ANYSRC,
  FL_F_LINK_SCOPE,
  FL_FAMILY,
  FL_FLAGS,
  FL_FLOWLABEL,
  FL_MARK,
  FL_MTU,
  FL_MTU_EXPIRES,
  FL_MTU_LOCKED,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
} from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { Arena } from '../../shm/arena.ts'
import { G_GENERATION } from '../../shm/layout.ts'
import {
  SK_BOUND_DEV,
  SK_DPORT,
  SK_DST,
  SK_DST_DEV,
  SK_DST_GENERATION,
  SK_FAMILY,
  SK_MARK,
  SK_MTU,
  SK_MTU_EXPIRES,
  SK_MTU_LOCKED,
  SK_NUM,
  SK_PMTU_SERIAL,
  SK_PROTOCOL,
  SK_SADDR,
} from '../../socket/sock.ts'
import {
  SK_FLOW_LABEL,
  SK_INET_FLAGS,
  firstHopOf,
  isLocalRoute,
  srcPrefsOf,
} from '../../socket/inet-sock.ts'
import { INET_TRANSPARENT } from '../../socket/socket-constants.ts'
import { afInfo } from '../af-ops.ts'
import type { Pmtu } from './pmtu.ts'

export type SkDst = ReturnType<typeof createSkDst>
type SkDstDeps = {
  arena: Arena
  time: Time
} & Pick<Pmtu, 'routeOutput' | 'pmtuSerial'>

export const createSkDst = ({ arena, time, routeOutput, pmtuSerial }: SkDstDeps) => {
  const { i32 } = arena
  const flow = createFlowi()

  const hasExpired = (sk: number): boolean => {
    const expires = i32[sk + SK_MTU_EXPIRES]
    return expires !== 0 && ((time[TIME_MS] - expires) | 0) >= 0
  }
  /** True while the sock's route is the one that a lookup would find. */
  const skDstValid = (sk: number): boolean =>
    i32[sk + SK_DST] !== 0 &&
    i32[sk + SK_DST_GENERATION] === i32[G_GENERATION] &&
    i32[sk + SK_PMTU_SERIAL] === pmtuSerial() &&
    !hasExpired(sk)

  /** Looks the way to the sock's peer, or to the first hop that its options name, up and keeps it: 0, or -errno. `flow` is the lookup's. */
  const skDstLookup = (sk: number): number => {
    flow.fill(0)
    flow[FL_FAMILY] = i32[sk + SK_FAMILY]
    bindFlow(flow, i32[sk + SK_BOUND_DEV])
    flow[FL_MARK] = i32[sk + SK_MARK]
    flow[FL_TOS] = i32[sk + afInfo(i32[sk + SK_FAMILY]).sockTos]
    flow[FL_FLOWLABEL] = i32[sk + SK_FLOW_LABEL]
    flow[FL_PROTO] = i32[sk + SK_PROTOCOL]
    flow[FL_SPORT] = i32[sk + SK_NUM]
    flow[FL_DPORT] = i32[sk + SK_DPORT]
    copyAddr(flow, FL_SADDR, i32, sk + SK_SADDR)
    copyAddr(flow, FL_DADDR, i32, firstHopOf(i32, sk))
    if ((i32[sk + SK_INET_FLAGS] & INET_TRANSPARENT) !== 0) flow[FL_FLAGS] |= FL_F_ANYSRC
    if (isLocalRoute(i32, sk, afInfo(i32[sk + SK_FAMILY]).index)) flow[FL_FLAGS] |= FL_F_LINK_SCOPE
    flow[FL_FLAGS] |= srcPrefsOf(i32, sk)
    const generation = i32[G_GENERATION]
    const error = routeOutput(flow)
    if (error !== 0) return error
    i32[sk + SK_DST] = flow[FL_DST]
    i32[sk + SK_DST_DEV] = flow[FL_DEV]
    i32[sk + SK_DST_GENERATION] = generation
    i32[sk + SK_PMTU_SERIAL] = pmtuSerial()
    i32[sk + SK_MTU] = flow[FL_MTU]
    i32[sk + SK_MTU_EXPIRES] = flow[FL_MTU_EXPIRES]
    i32[sk + SK_MTU_LOCKED] = flow[FL_MTU_LOCKED]
    return 0
  }
  /** Makes the kept route good again: 0, or -errno and the old one stays as it is. */
  const skDstCheck = (sk: number): number => (skDstValid(sk) ? 0 : skDstLookup(sk))

  return { skDstValid, skDstLookup, skDstCheck, flow }
}
