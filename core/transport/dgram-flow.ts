/**
 * Where a datagram of a socket goes: the flow from the socket, bound or not, to an address, and the hops that it may take. UDP's,
 * raw sockets' and ping sockets'. Worker only. Linux: the first half of udp_sendmsg(), raw_sendmsg(), ping_v4_sendmsg().
 */
import { AF_INET, copyAddr, familyOf, isAnyAddr, isGroupAddr, V4_MAPPED } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import {
  bindFlow,
  createFlowi,
  DF_ALWAYS,
  DF_NEVER,
  FL_DADDR,
  FL_DEV,
  FL_DF,
  FL_DPORT,
  FL_F_ANYSRC,
  FL_F_LINK_SCOPE,
  FL_FAMILY,
  FL_FLAGS,
  FL_FLOWLABEL,
  FL_MARK,
  FL_MTU,
  FL_MTU_LOCKED,
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
import type { AfOpsOf } from '../inet/af-ops.ts'
import { NO_HOPS } from '../inet/inet-constants.ts'
import type { DgramErr } from './dgram-err.ts'
import type { DgramTstamp } from './dgram-tstamp.ts'
import type { Pmtu } from '../inet/dst/pmtu.ts'
import type { Arena } from '../shm/arena.ts'
import type { McSockopt } from '../socket/sockopt/mc-sockopt.ts'
import {
  SK_BOUND_DEV,
  SK_DPORT,
  SK_FLAGS,
  SK_MARK,
  SK_REUSE,
  SK_SADDR,
  SK_TTL,
} from '../socket/sock.ts'
import {
  isLocalRoute,
  pmtudiscOf,
  SK_FRAG_SIZE,
  SK_GSO_SIZE,
  SK_INET_FLAGS,
  SK_IPOPT_LEN,
  SK_MC_ADDR,
  SK_PMTUDISC,
  SK_HOPS,
  SK_UNICAST_IF,
  srcPrefsOf,
  SK_STICKY_IF,
} from '../socket/inet-sock.ts'
import type { Ipcm } from '../socket/msg/ipcm.ts'
import type { RxPmtu } from '../socket/msg/rx-pmtu.ts'
import {
  BROADCAST,
  INET_DONTFRAG,
  INET_TRANSPARENT,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  IPCM_DONTFRAG,
  IPCM_DONTROUTE,
  IPCM_FLOWINFO,
  IPCM_HOPS,
  IPCM_LABEL,
  IPCM_MARK,
  IPCM_MARK_SET,
  IPCM_OIF,
  IPCM_SADDR,
  IPCM_SEGMENT,
  IPCM_SET,
  IPCM_TOS,
} from '../socket/socket-constants.ts'
import { IPPROTO_ICMPV6, IPPROTO_RAW, IPPROTO_UDP } from '../wire/ipproto.ts'
import { DEV_MTU, deviceRow, l3mdevOf } from '../netdev/netdev.ts'

type DgramFlowDeps = {
  arena: Arena
  afOps: AfOpsOf
  mc: Pick<McSockopt, 'hopsOf' | 'isLooped' | 'deviceOf'>
  /** What the call's control messages say (socket/msg/ipcm.ts). */
  ipcm: Ipcm['words']
} & Pick<Pmtu, 'routeOutput'> &
  Pick<DgramErr, 'tooLong'> &
  Pick<RxPmtu, 'localRxpmtu'> &
  Pick<DgramTstamp, 'markSent'>

export type DgramFlow = ReturnType<typeof createDgramFlow>

const heedsDontFrag = (protocol: number): boolean =>
  protocol === IPPROTO_UDP || protocol === IPPROTO_ICMPV6 || protocol === IPPROTO_RAW

/** SK_FLAGS: bound to a group's or a broadcast address. */
export const BOUND_GROUP = 2

export const createDgramFlow = ({
  arena,
  afOps,
  routeOutput,
  tooLong,
  localRxpmtu,
  mc,
  ipcm,
  markSent,
}: DgramFlowDeps) => {
  const { i32 } = arena
  const fl = createFlowi()

  /** The flow from the socket to an address; family by the address. */
  const fillFlow = (sk: number, words: Int32Array, at: number): void => {
    fl.fill(0)
    fl[FL_FAMILY] = familyOf(words, at)
    bindFlow(fl, i32[sk + SK_BOUND_DEV])
    fl[FL_MARK] = i32[sk + SK_MARK]
    fl[FL_TOS] = i32[sk + afOps(fl[FL_FAMILY]).sockTos]
    // what is received by a group's address is not sent from it
    if ((i32[sk + SK_FLAGS] & BOUND_GROUP) === 0) copyAddr(fl, FL_SADDR, i32, sk + SK_SADDR)
    if ((i32[sk + SK_INET_FLAGS] & INET_TRANSPARENT) !== 0) fl[FL_FLAGS] |= FL_F_ANYSRC
    fl[FL_FLAGS] |= srcPrefsOf(i32, sk)
    copyAddr(fl, FL_DADDR, words, at)
    fl[FL_FLOWLABEL] = ipcm[IPCM_LABEL]
    if (ipcm[IPCM_SET] !== 0) applyControl()
    const { index } = afOps(fl[FL_FAMILY])
    if (isLocalRoute(i32, sk, index) || (index === 0 && ipcm[IPCM_DONTROUTE] !== 0))
      fl[FL_FLAGS] |= FL_F_LINK_SCOPE
    if (index === 1 && fl[FL_OIF] === 0) fl[FL_OIF] = i32[sk + SK_STICKY_IF]
    if (isGroupAddr(words, at)) aimAtGroup(sk)
    else if (fl[FL_OIF] === 0) fl[FL_OIF] = i32[sk + SK_UNICAST_IF + index]
  }
  const indexOf = (): 0 | 1 => afOps(fl[FL_FAMILY]).index
  /** What the control messages of this call want otherwise. */
  const applyControl = (): void => {
    if (ipcm[IPCM_OIF] !== 0) fl[FL_OIF] = ipcm[IPCM_OIF]
    if (ipcm[IPCM_MARK_SET] !== 0) fl[FL_MARK] = ipcm[IPCM_MARK]
    if (ipcm[IPCM_FLOWINFO] !== 0) fl[FL_FLOWLABEL] = ipcm[IPCM_FLOWINFO] - 1
    if (ipcm[IPCM_TOS] !== 0) fl[FL_TOS] = ipcm[IPCM_TOS] - 1
    if (ipcm[IPCM_SADDR + 2] !== 0 || ipcm[IPCM_SADDR] !== 0)
      copyAddr(fl, FL_SADDR, ipcm, IPCM_SADDR)
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
    if ((i32[sk + SK_PMTUDISC + indexOf()] | i32[sk + SK_FRAG_SIZE]) !== 0) setFragmenting(sk)
    return 0
  }
  /** What the socket has asked for in place of path MTU discovery (ip_setup_cork, ip_dont_fragment; ip6_setup_cork). */
  const setFragmenting = (sk: number): void => {
    const how = pmtudiscOf(i32, sk, indexOf())
    if (how >= IP_PMTUDISC_PROBE) {
      fl[FL_MTU] = i32[deviceRow(arena, fl[FL_DEV]) + DEV_MTU]
      fl[FL_MTU_LOCKED] = 0
    }
    const size = i32[sk + SK_FRAG_SIZE]
    if (indexOf() === 1 && size !== 0) fl[FL_MTU] = Math.min(fl[FL_MTU], size)
    if (how === IP_PMTUDISC_WANT) return
    fl[FL_DF] = how === IP_PMTUDISC_DO || how === IP_PMTUDISC_PROBE ? DF_ALWAYS : DF_NEVER
  }
  /** Is it one that may not be cut here either (ip_sk_ignore_df)? */
  const isWhole = (sk: number): boolean => {
    const how = pmtudiscOf(i32, sk, indexOf())
    return how >= IP_PMTUDISC_DO && how !== IP_PMTUDISC_OMIT
  }
  /** IPV6_DONTFRAG, of the protocols that heed it (__ip6_append_data). */
  const isDontFrag = (sk: number): boolean => {
    if (indexOf() === 0 || !heedsDontFrag(fl[FL_PROTO])) return false
    if (ipcm[IPCM_DONTFRAG] !== 0) return ipcm[IPCM_DONTFRAG] === 1
    return (i32[sk + SK_INET_FLAGS] & INET_DONTFRAG) !== 0
  }
  /**
   * May a packet with `len` octets behind IP's header go along the flow that was routed? 0, or -EMSGSIZE: IP cannot carry so
   * much, or the way does not take it in one piece where the socket wants it so.
   */
  const sizeError = (sk: number, len: number): number => {
    const { maxPayload, headerLen } = afOps(fl[FL_FAMILY])
    const mtu = fl[FL_MTU] - (indexOf() === 0 ? i32[sk + SK_IPOPT_LEN] : 0)
    if (len <= mtu - headerLen) return 0
    if (isDontFrag(sk)) localRxpmtu(sk, fl, mtu)
    else if (len <= maxPayload && !isWhole(sk)) return 0
    return sayTooLong(sk, mtu)
  }
  /** Of IPv4 the port is the connected one's (ip_local_error, ipv6_local_error). */
  const sayTooLong = (sk: number, mtu: number): number =>
    tooLong(sk, fl, indexOf() === 0 ? i32[sk + SK_DPORT] : fl[FL_DPORT], mtu)
  /** A multicast stays on its link unless its sender asked for more (RFC 1112 section 6.1). */
  const hopsOf = (sk: number): number => {
    if (ipcm[IPCM_HOPS] !== 0) return ipcm[IPCM_HOPS]
    // NO_HOPS is IPv6's alone
    if (fl[FL_TYPE] !== RTN_MULTICAST) return i32[sk + (indexOf() === 0 ? SK_TTL : SK_HOPS)]
    return mc.hopsOf(sk, fl[FL_FAMILY] !== AF_INET) || NO_HOPS
  }

  /** Octets of each datagram that this call's are cut into (UDP_SEGMENT), or 0. */
  const segmentOf = (sk: number): number =>
    ipcm[IPCM_SEGMENT] !== 0 ? ipcm[IPCM_SEGMENT] - 1 : i32[sk + SK_GSO_SIZE]

  /** Gives IP a packet of the socket's for the flow that was routed, data at the transport's header: 0, or -errno. */
  const send = (sk: number, skb: number, protocol: number): number => {
    markSent(sk, skb)
    // filled by ipv4/af-inet.ts: ipSendSock (ipv4/ip-local-out.ts), and ipv6/af-inet6.ts: ip6Send (ipv6/ip6-output.ts)
    return afOps(fl[FL_FAMILY]).send(skb, fl, protocol, fl[FL_TOS], hopsOf(sk), sk)
  }

  return { route, send, sizeError, sayTooLong, segmentOf, flow: fl }
}
