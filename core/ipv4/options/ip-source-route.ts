/**
 * Source routes, where accept_source_route allows them on the device and on all: a packet that is for one of our addresses
 * and names another next is sent there (follow); what it is to show of us is written when it leaves (ip-options.ts).
 * Called by ip_rcv for packets that have one; on a worker. RFC 791 section 3.1, 1122 section 3.2.1.8 and 3.3.5, 1812 section
 * 5.2.4.1 and 5.3.13.4; Linux: ip_options_rcv_srr() (net/ipv4/ip_options.c), ip_forward().
 */
import * as bytes from '../../base/bytes.ts'
import {
  FL_DADDR,
  FL_DST,
  FL_F_NO_DST,
  FL_FLAGS,
  FL_TYPE,
  type Flowi,
  RTN_LOCAL,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import { NH_FAMILY } from '../../inet/fib/nexthop-constants.ts'
import type { Route } from '../../inet/fib/route.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, confRow } from '../../shm/devconf.ts'
import { PACKET_HOST, SKB_DEV, SKB_IPOPT, SKB_NETWORK, SKB_PKT_TYPE } from '../../skb/skb.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import type { Icmp } from '../icmp/icmp.ts'
import { IPOPT_SSRR, LEN, PTR, SRR_AT, SRR_HIT_SHIFT, SRR_SHIFT } from './ip-options-constants.ts'

type IpSourceRouteDeps = { arena: Arena } & Pick<Route, 'routeInput'> & Pick<Icmp, 'icmpSend'>
export type IpSourceRoute = ReturnType<typeof createIpSourceRoute>

/** Octet of the header that says where the packet goes: a strict route has led it here, who is not on it. */
const DESTINATION_AT = 16

export const createIpSourceRoute = ({ arena, routeInput, icmpSend }: IpSourceRouteDeps) => {
  const { i32, u8 } = arena
  const all = confRow(arena, CONF_ALL) + Conf4.accept_source_route

  const isAccepted = (dev: number): boolean =>
    (i32[all] & i32[confRow(arena, dev) + Conf4.accept_source_route]) !== 0

  /**
   * Finds the way on of a compiled packet that was routed by `fl`, and leaves it there. False: it has none, its sender was
   * told where he should be, and it is yet to be dropped.
   */
  const follow = (skb: number, fl: Flowi): boolean => {
    if (!isAccepted(i32[skb + SKB_DEV]) || i32[skb + SKB_PKT_TYPE] !== PACKET_HOST) return false
    const at = i32[skb + SKB_NETWORK]
    const p = at + ((i32[skb + SKB_IPOPT] >> SRR_SHIFT) & SRR_AT)
    const isStrict = u8[p] === IPOPT_SSRR
    const here = fl[FL_TYPE]
    if (here === RTN_UNICAST) return !isStrict || parameterProblem(skb, DESTINATION_AT)
    if (here !== RTN_LOCAL) return false
    const len = u8[p + LEN]
    for (let ptr = u8[p + PTR]; ptr <= len; ptr += 4) {
      if (ptr + 3 > len) return parameterProblem(skb, p + PTR - at)
      const next = routeTo(fl, bytes.i32(u8, p + ptr - 1))
      if (next === RTN_UNICAST) {
        i32[skb + SKB_IPOPT] |= ptr << SRR_HIT_SHIFT
        return !isStrict || isNeighbour(skb, at, fl)
      }
      if (next !== RTN_LOCAL) return false
      // the next hop is this host as well
      ipv4.setDst(u8, at, fl[FL_DADDR + 3])
      ipv4.setChecksum(u8, at)
    }
    return true
  }
  /**
   * The type of the route to the next hop, 0 when there is none: not from an address of ours, unless accept_local says so,
   * though it was we who sent it (by lo).
   */
  const routeTo = (fl: Flowi, nexthop: number): number => {
    fl[FL_DADDR + 3] = nexthop
    fl[FL_TYPE] = 0
    fl[FL_FLAGS] = FL_F_NO_DST
    const error = routeInput(fl)
    fl[FL_FLAGS] = 0
    return error === 0 ? fl[FL_TYPE] : 0
  }
  /** A strict route goes from neighbour to neighbour; that of a packet that has no hops left ends here anyway. */
  const isNeighbour = (skb: number, at: number, fl: Flowi): boolean => {
    if (i32[fl[FL_DST] + NH_FAMILY] === 0 || ipv4.ttl(u8, at) <= 1) return true
    icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_SR_FAILED, 0)
    return false
  }
  const parameterProblem = (skb: number, where: number): boolean => {
    icmpSend(skb, icmp.ICMP_PARAMETERPROB, 0, where << 24)
    return false
  }

  return { follow }
}
