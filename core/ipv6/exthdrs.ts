/**
 * IPv6 extension headers of a received packet: hop-by-hop options on every node of its way, destination options and the
 * routing header where it is for. What is not known is skipped, dropped or answered as its two highest bits say. Called
 * by IP input; on a worker. Linux: net/ipv6/exthdrs.c; RFC 8200 section 4, 2675, 2711, 5095.
 */
import * as bytes from '../base/bytes.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Sysctl } from '../shm/sysctl.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_HOST,
  SKB_DATA,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import { IPCB_NHOFF } from '../inet/inet-constants.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import * as ipv6 from '../wire/ipv6.ts'
import {
  EXTHDR_MIN,
  extHeaderLen,
  IPV6_TLV_CALIPSO,
  IPV6_TLV_IOAM,
  IPV6_TLV_JUMBO,
  IPV6_TLV_PAD1,
  IPV6_TLV_PADN,
  IPV6_TLV_ROUTERALERT,
  segmentsLeft,
} from '../wire/ipv6-ext.ts'
import type { Icmpv6 } from './icmp/icmpv6.ts'

type ExthdrsDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
} & Pick<Icmpv6, 'icmpv6Send'>

export type Exthdrs = ReturnType<typeof createExthdrs>

/** Octets of padding one after the other. */
const MAX_PADDING = 7
/** The highest two bits of an option's type: what to do with one that is not known. */
/** Octets of a CALIPSO option without compartments, its type and length included. */
const CALIPSO_LEAST = 10
const ACTION_SKIP = 0
const ACTION_DISCARD = 1
const ACTION_TELL = 2

export const createExthdrs = ({ arena, skbs, drop, icmpv6Send }: ExthdrsDeps) => {
  const { i32, u8, f64, layout } = arena
  const hbhNumber = layout.sysctl + Sysctl.max_hbh_opts_number
  const dstNumber = layout.sysctl + Sysctl.max_dst_opts_number
  const hbhLength = layout.sysctl + Sysctl.max_hbh_length
  const dstLength = layout.sysctl + Sysctl.max_dst_opts_length
  const count = counterBank(arena, skbs.thread)

  /** Makes the header at SKB_TRANSPORT readable: its length, or 0 when the packet is shorter. */
  const pullHeader = (skb: number): number => {
    const before = i32[skb + SKB_TRANSPORT] - i32[skb + SKB_DATA]
    if (!skbs.mayPull(skb, before + EXTHDR_MIN)) return 0
    const len = extHeaderLen(u8, i32[skb + SKB_TRANSPORT])
    return skbs.mayPull(skb, before + len) ? len : 0
  }
  /** The next header is the one behind this one. */
  const step = (skb: number, len: number): boolean => {
    i32[skb + IPCB_NHOFF] = i32[skb + SKB_TRANSPORT] - i32[skb + SKB_NETWORK]
    i32[skb + SKB_TRANSPORT] += len
    return true
  }
  const bad = (skb: number): boolean => {
    f64[count + Mib.Ip6InHdrErrors]++
    drop(skb, Drop.IPV6_BAD_EXTHDR)
    return false
  }
  /** Nobody counts it (ipv6_destopt_rcv). */
  const tooLong = (skb: number): boolean => {
    drop(skb, Drop.IPV6_BAD_EXTHDR)
    return false
  }
  /** Drops the packet and tells its sender which octet, at the arena offset `at`, was not understood. */
  const paramProblem = (skb: number, code: number, at: number): boolean => {
    icmpv6Send(skb, icmpv6.ICMPV6_PARAMPROB, code, at - i32[skb + SKB_NETWORK])
    return bad(skb)
  }

  // ---- options

  /** Hop-by-hop options, at SKB_TRANSPORT; false when the packet is gone. */
  const hopopts = (skb: number): boolean => options(skb, true)
  const destopt = (skb: number): boolean => options(skb, false)

  const options = (skb: number, isHopByHop: boolean): boolean => {
    const len = pullHeader(skb)
    if (len === 0 || (isHopByHop && len > i32[hbhLength])) return bad(skb)
    if (!isHopByHop && len > i32[dstLength]) return tooLong(skb)
    return parseTlv(skb, len, isHopByHop) && step(skb, len)
  }
  const parseTlv = (skb: number, len: number, isHopByHop: boolean): boolean => {
    const end = i32[skb + SKB_TRANSPORT] + len
    const most = Math.abs(numberOf(isHopByHop))
    let padding = 0
    let options = 0
    for (let at = i32[skb + SKB_TRANSPORT] + 2; at < end; ) {
      const optionLen = tlvLen(at, end)
      if (optionLen === 0) return bad(skb)
      if (u8[at] <= IPV6_TLV_PADN) {
        padding += optionLen
        if (padding > MAX_PADDING || !isPadding(at, optionLen)) return bad(skb)
      } else {
        padding = 0
        if (++options > most) return bad(skb)
        if (!option(skb, at, optionLen, isHopByHop)) return false
      }
      at += optionLen
    }
    return true
  }
  /** How many options a header may have; below zero: so many, of those that are known. */
  const numberOf = (isHopByHop: boolean): number => i32[isHopByHop ? hbhNumber : dstNumber]
  /** Octets of an option, its type and length included; 0 when it does not fit. */
  const tlvLen = (at: number, end: number): number => {
    if (u8[at] === IPV6_TLV_PAD1) return 1
    if (at + 2 > end) return 0
    const len = u8[at + 1] + 2
    return at + len > end ? 0 : len
  }
  /** Padding that says something is a covert channel (RFC 4942 section 2.1.9.5). */
  const isPadding = (at: number, len: number): boolean => {
    for (let k = 2; k < len; k++) if (u8[at + k] !== 0) return false
    return true
  }
  /** One option; false when the packet is gone. */
  const option = (skb: number, at: number, len: number, isHopByHop: boolean): boolean => {
    if (isHopByHop) {
      const type = u8[at]
      if (type === IPV6_TLV_ROUTERALERT) return len === 4 || bad(skb)
      if (type === IPV6_TLV_JUMBO) return jumbo(skb, at, len)
      if (type === IPV6_TLV_CALIPSO) return isCalipso(at, len) || bad(skb)
      if (type === IPV6_TLV_IOAM) return ((at - i32[skb + SKB_NETWORK]) & 3) === 0 || bad(skb)
    }
    if (numberOf(isHopByHop) < 0) return bad(skb)
    const action = u8[at] >> 6
    if (action === ACTION_SKIP) return true
    if (action === ACTION_DISCARD || (action !== ACTION_TELL && isToMany(skb))) return bad(skb)
    return paramProblem(skb, icmpv6.ICMPV6_UNK_OPTION, at)
  }
  /** A label is passed by, but not one whose compartments run past its end (ipv6_hop_calipso; RFC 5570 section 5.1). */
  const isCalipso = (at: number, len: number): boolean =>
    len >= CALIPSO_LEAST && u8[at + 6] * 4 + CALIPSO_LEAST <= len
  /** To many hosts by its IP address, or by the link's. */
  const isToMany = (skb: number): boolean =>
    i32[skb + SKB_PKT_TYPE] !== PACKET_HOST || ipv6.isMulticastDst(u8, i32[skb + SKB_NETWORK])
  /** RFC 2675 section 3. No buffer here is large enough for a true one. */
  const jumbo = (skb: number, at: number, len: number): boolean => {
    const network = i32[skb + SKB_NETWORK]
    if (len !== 6 || ((at - network) & 3) !== 2) return bad(skb)
    const payload = bytes.i32(u8, at + 2) >>> 0
    if (payload <= ipv6.MAX_PAYLOAD) return paramProblem(skb, icmpv6.ICMPV6_HDR_FIELD, at + 2)
    if (ipv6.payloadLength(u8, network) !== 0) return paramProblem(skb, icmpv6.ICMPV6_HDR_FIELD, at)
    if (payload > i32[skb + SKB_LEN] - ipv6.HEADER) {
      f64[count + Mib.Ip6InHdrErrors]++
      drop(skb, Drop.PKT_TOO_SMALL)
      return false
    }
    skbs.trim(skb, payload + ipv6.HEADER)
    return true
  }

  // ---- routing header

  /** No type of it is followed here; one whose way is over is passed by (RFC 8200 section 4.4). */
  const routing = (skb: number): boolean => {
    const len = pullHeader(skb)
    if (len === 0) return bad(skb)
    const at = i32[skb + SKB_TRANSPORT]
    if (isToMany(skb)) {
      f64[count + Mib.Ip6InAddrErrors]++
      drop(skb, Drop.IPV6_BAD_EXTHDR)
      return false
    }
    if (segmentsLeft(u8, at) === 0) return step(skb, len)
    return paramProblem(skb, icmpv6.ICMPV6_HDR_FIELD, at + 2)
  }

  return { hopopts, destopt, routing }
}
