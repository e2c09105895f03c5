/**
 * Where a datagram of a socket goes: the flow from the socket, bound or not, to an address, and the hops that it may take. UDP's,
 * raw sockets' and ping sockets'. Worker only. Linux: the first half of udp_sendmsg(), raw_sendmsg(), ping_v4_sendmsg().
 */
import { AF_INET, copyAddr, familyOf, isAnyAddr, isGroupAddr, V4_MAPPED } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_MARK,
  FL_NO_LOOP,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  FL_TYPE,
  RTN_BROADCAST,
  RTN_MULTICAST,
} from '../base/flowi.ts'
import { NO_HOPS } from '../inet/inet-constants.ts'
import type { Pmtu } from '../inet/dst/pmtu.ts'
import type { Arena } from '../shm/arena.ts'
import type { McSockopt } from '../socket/mc-sockopt.ts'
import {
  SK_BOUND_DEV,
  SK_FLAGS,
  SK_MARK,
  SK_MC_ADDR,
  SK_REUSE,
  SK_SADDR,
  SK_TOS,
  SK_TTL,
} from '../socket/sock.ts'
import { BROADCAST } from '../socket/socket-constants.ts'
import { l3mdevOf } from '../netdev/netdev.ts'

type DgramFlowDeps = {
  arena: Arena
  mc: Pick<McSockopt, 'hopsOf' | 'isLooped' | 'deviceOf'>
} & Pick<Pmtu, 'routeOutput'>

export type DgramFlow = ReturnType<typeof createDgramFlow>

/** SK_FLAGS: bound to a group's or a broadcast address. */
export const BOUND_GROUP = 2

export const createDgramFlow = ({ arena, routeOutput, mc }: DgramFlowDeps) => {
  const { i32 } = arena
  const fl = createFlowi()

  /** The flow from the socket to an address; family by the address. */
  const fillFlow = (sk: number, words: Int32Array, at: number): void => {
    fl.fill(0)
    fl[FL_FAMILY] = familyOf(words, at)
    fl[FL_OIF] = i32[sk + SK_BOUND_DEV]
    fl[FL_MARK] = i32[sk + SK_MARK]
    fl[FL_TOS] = i32[sk + SK_TOS]
    // what is received by a group's address is not sent from it
    if ((i32[sk + SK_FLAGS] & BOUND_GROUP) === 0) copyAddr(fl, FL_SADDR, i32, sk + SK_SADDR)
    copyAddr(fl, FL_DADDR, words, at)
    if (isGroupAddr(words, at)) aimAtGroup(sk)
  }
  /** To a group the socket may have a device, a source and no wish to hear itself. */
  const aimAtGroup = (sk: number): void => {
    const is6 = fl[FL_FAMILY] !== AF_INET
    // a VRF is no link
    if (fl[FL_OIF] === l3mdevOf(arena, fl[FL_OIF])) fl[FL_OIF] = mc.deviceOf(sk, is6) || fl[FL_OIF]
    fl[FL_NO_LOOP] = mc.isLooped(sk, is6) ? 0 : 1
    if (is6 || !isAnyAddr(fl, FL_SADDR) || i32[sk + SK_MC_ADDR] === 0) return
    fl[FL_SADDR + 2] = V4_MAPPED
    fl[FL_SADDR + 3] = i32[sk + SK_MC_ADDR]
  }
  /** Routes the flow from a socket to an address; the result lies in `flow`. 0, or -errno. */
  const route = (
    sk: number,
    words: Int32Array,
    at: number,
    proto: number,
    sport: number,
    dport: number
  ): number => {
    fillFlow(sk, words, at)
    fl[FL_PROTO] = proto
    fl[FL_SPORT] = sport
    fl[FL_DPORT] = dport
    const error = routeOutput(fl)
    if (error !== 0) return error
    if (fl[FL_TYPE] === RTN_BROADCAST && (i32[sk + SK_REUSE] & BROADCAST) === 0)
      return -Errno.EACCES
    return 0
  }
  /** A multicast stays on its link unless its sender asked for more (RFC 1112 section 6.1). */
  const hopsOf = (sk: number): number => {
    if (fl[FL_TYPE] !== RTN_MULTICAST) return i32[sk + SK_TTL]
    return mc.hopsOf(sk, fl[FL_FAMILY] !== AF_INET) || NO_HOPS
  }

  return { route, hopsOf, flow: fl }
}
