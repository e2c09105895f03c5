/**
 * IPv4 output of this host: puts the IP header on what a transport sends (ipQueueXmit for TCP, by its sock row; ipSend for all
 * else). On the worker that sends. The packet is taken over in every case. Linux: __ip_queue_xmit, ip_make_skb, ip_local_out,
 * ip_send_unicast_reply in net/ipv4/ip_output.c; RFC 791 section 3.2, 1122 section 3.2.1.
 */
import { fold } from '../base/checksum.ts'
import { Errno } from '../base/errno.ts'
import {
  DF_ALWAYS,
  FL_DADDR,
  FL_DEV,
  FL_DF,
  FL_DST,
  FL_F_LINK_SCOPE,
  FL_FLAGS,
  FL_MARK,
  FL_MTU,
  FL_MTU_LOCKED,
  FL_NO_LOOP,
  FL_SADDR,
  FL_TYPE,
  type Flowi,
} from '../base/flowi.ts'
import type { Pmtu } from '../inet/dst/pmtu.ts'
import type { SkDst } from '../inet/dst/sk-dst.ts'
import { NH_DEV, NH_FAMILY, NH_GATEWAY, NH_TYPE } from '../inet/fib/nexthop-constants.ts'
import { IPCB_FLAGS, IPCB_MTU, IPCB_TYPE, IPSKB_NO_LOOP, NO_HOPS } from '../inet/inet-constants.ts'
import type { NeighOutput } from '../neigh/neigh-output.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_LOCAL_OUT, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { Mib, counterBank } from '../shm/counters.ts'
import { RTAX_HOPLIMIT, dstMetric } from '../shm/dst-metrics.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { Drop, type DropFn } from '../skb/drop.ts'
import {
  MAX_HEADER,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_IIF,
  SKB_LEN,
  SKB_MARK,
  SKB_NETWORK,
  SKB_PROTOCOL,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  SK_DADDR,
  SK_DST,
  SK_DST_DEV,
  SK_MARK,
  SK_MTU,
  SK_MTU_LOCKED,
  SK_PROTOCOL,
  SK_SADDR,
  SK_STATE,
  SK_TOS,
  SK_TTL,
  TCP_NEW_SYN_RECV,
  TCP_TIME_WAIT,
} from '../socket/sock.ts'
import { SK_IPOPT_LEN, firstHopOf, pmtudiscOf } from '../socket/inet-sock.ts'
import { IP_PMTUDISC_DO, IP_PMTUDISC_WANT } from '../socket/socket-constants.ts'
import { ETH_P_IP } from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { IpIdent } from './fragment/ip-ident.ts'
import { type IpOptionsEcho, OPTIONS_NO_ECHO } from './options/ip-options-echo.ts'
import type { IpOutput } from './ip-output.ts'

type IpLocalOutDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  nf: NfHooks
  skDst: SkDst
  options: IpOptionsEcho
} & Pick<IpOutput, 'ipOutput' | 'noRoute'> &
  Pick<Pmtu, 'routeOutput'> &
  Pick<IpIdent, 'ipSelectIdent'> &
  Pick<NeighOutput, 'neighConfirm'>

/** The two bits of TOS that are ECN's (RFC 3168). */
const ECN_MASK = 3

export type IpLocalOut = ReturnType<typeof createIpLocalOut>

export const createIpLocalOut = (deps: IpLocalOutDeps) => {
  const { arena, skbs, drop, nf, ipSelectIdent, options } = deps
  const { ipOutput, noRoute, routeOutput, neighConfirm } = deps
  const { skDstCheck, skDstValid } = deps.skDst
  const { i32, u8, f64, layout } = arena
  const defaultTtl = layout.sysctl + Sysctl.ip_default_ttl
  const count = counterBank(arena, skbs.thread)

  /**
   * Writes the header in front of the transport's and its checksum with it: the words' sum is known before
   * they are bytes.
   */
  const pushHeader = (
    skb: number,
    proto: number,
    saddr: number,
    daddr: number,
    tos: number,
    ttl: number,
    frag: number,
    id: number
  ): void => {
    i32[skb + SKB_TRANSPORT] = i32[skb + SKB_DATA]
    const at = skbs.push(skb, ipv4.MIN_HEADER)
    const total = i32[skb + SKB_GSO_SIZE] === 0 ? i32[skb + SKB_LEN] : i32[skb + SKB_LEN] & 0xffff
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_PROTOCOL] = ETH_P_IP
    const sum = fold(
      (0x4500 | tos) +
        total +
        id +
        frag +
        ((ttl << 8) | proto) +
        (saddr >>> 16) +
        (saddr & 0xffff) +
        (daddr >>> 16) +
        (daddr & 0xffff)
    )
    u8[at] = 0x45
    u8[at + 1] = tos
    u8[at + 2] = total >> 8
    u8[at + 3] = total
    u8[at + 4] = id >> 8
    u8[at + 5] = id
    u8[at + 6] = frag >> 8
    u8[at + 7] = frag
    u8[at + 8] = ttl
    u8[at + 9] = proto
    u8[at + 10] = ~sum >> 8
    u8[at + 11] = ~sum
    u8[at + 12] = saddr >> 24
    u8[at + 13] = saddr >> 16
    u8[at + 14] = saddr >> 8
    u8[at + 15] = saddr
    u8[at + 16] = daddr >> 24
    u8[at + 17] = daddr >> 16
    u8[at + 18] = daddr >> 8
    u8[at + 19] = daddr
  }

  const selectId = (skb: number, saddr: number, daddr: number, proto: number): number => {
    const segments = i32[skb + SKB_GSO_SEGS]
    return ipSelectIdent(saddr, daddr, proto, segments > 1 ? segments : 1)
  }
  /** What a route says, or the default (ip4_dst_hoplimit). */
  const hopsTo = (row: number): number => dstMetric(i32, row, RTAX_HOPLIMIT) || i32[defaultTtl]

  /** Sends a connected sock's packet, data at the transport header: 0, or -errno. */
  const ipQueueXmit = (skb: number, sk: number): number => {
    const error = skDstCheck(sk)
    if (error !== 0) return noRoute(skb, error)
    const row = i32[sk + SK_DST]
    const optionsLen = i32[sk + SK_IPOPT_LEN]
    if (optionsLen !== 0 && !putOptions(skb, sk, row)) return noRoute(skb, -Errno.EHOSTUNREACH)
    const ttl = i32[sk + SK_TTL]
    i32[skb + SKB_DST] = row
    i32[skb + SKB_DEV] = i32[sk + SK_DST_DEV]
    i32[skb + SKB_MARK] = i32[sk + SK_MARK]
    i32[skb + IPCB_TYPE] = i32[row + NH_TYPE]
    i32[skb + IPCB_MTU] = i32[sk + SK_MTU]
    i32[skb + IPCB_FLAGS] = 0
    const proto = i32[sk + SK_PROTOCOL]
    const saddr = i32[sk + SK_SADDR + 3]
    const daddr = i32[firstHopOf(i32, sk) + 3]
    pushHeader(
      skb,
      proto,
      saddr,
      daddr,
      i32[sk + SK_TOS],
      ttl > 0 ? ttl : hopsTo(row),
      dontFragment(sk) || isWholeAnywhere(skb, sk) ? ipv4.IP_DF : 0,
      selectId(skb, saddr, daddr, proto)
    )
    if (optionsLen !== 0) takeOptions(skb, optionsLen)
    return ipLocalOut(skb)
  }
  /** A connected sock's own options in front of its segment; false where the first hop of a strict route is no neighbour. */
  const putOptions = (skb: number, sk: number, row: number): boolean => {
    const n = options.ofSocket(sk, i32[sk + SK_DADDR + 3])
    if (options.isStrict() && i32[row + NH_FAMILY] !== 0) return false
    options.build(skb, n, i32[sk + SK_SADDR + 3])
    return true
  }

  /** ip_dont_fragment */
  const dontFragment = (sk: number): boolean => {
    const how = pmtudiscOf(i32, sk, 0)
    return how === IP_PMTUDISC_DO || (how === IP_PMTUDISC_WANT && i32[sk + SK_MTU_LOCKED] === 0)
  }
  /**
   * What answers for a half-open connection, or one in TIME-WAIT, is too small for any network to cut it (RFC 791 3.2,
   * ip_build_and_send_pkt, tcp_sk_init).
   */
  const isWholeAnywhere = (skb: number, sk: number): boolean => {
    const state = i32[sk + SK_STATE]
    if (state !== TCP_NEW_SYN_RECV && state !== TCP_TIME_WAIT) return false
    return i32[skb + SKB_LEN] + ipv4.MIN_HEADER <= ipv4.MIN_MTU
  }

  /**
   * Sends a packet, data at the transport header, along the route in `fl` (routeOutput has answered): 0, or
   * -errno. DF is set on what fits the path (path MTU discovery), unless the flow says otherwise; what does not fit is
   * fragmented here. Only what may be fragmented needs an identification (RFC 6864 section 4.1). `optionsLen` bytes in front of the transport header are IP's options.
   */
  const ipSend = (
    skb: number,
    fl: Flowi,
    proto: number,
    tos: number,
    ttl: number,
    optionsLen = 0
  ): number => {
    const saddr = fl[FL_SADDR + 3]
    const daddr = fl[FL_DADDR + 3]
    const mtu = fl[FL_MTU]
    if (i32[skb + SKB_LEN] + ipv4.MIN_HEADER > ipv4.MAX_TOTAL_LENGTH) return tooLong(skb)
    i32[skb + SKB_DST] = fl[FL_DST]
    i32[skb + SKB_DEV] = fl[FL_DEV]
    i32[skb + SKB_MARK] = fl[FL_MARK]
    i32[skb + IPCB_TYPE] = fl[FL_TYPE]
    i32[skb + IPCB_MTU] = mtu
    i32[skb + IPCB_FLAGS] = fl[FL_NO_LOOP] === 0 ? 0 : IPSKB_NO_LOOP
    const fits = i32[skb + SKB_LEN] + ipv4.MIN_HEADER <= mtu && fl[FL_MTU_LOCKED] === 0
    const frag = fl[FL_DF] === DF_ALWAYS || (fl[FL_DF] === 0 && fits) ? ipv4.IP_DF : 0
    const hops = ttl === 0 ? hopsTo(fl[FL_DST]) : ttl === NO_HOPS ? 0 : ttl
    const id = frag === 0 || i32[skb + SKB_GSO_SIZE] !== 0 ? selectId(skb, saddr, daddr, proto) : 0
    pushHeader(skb, proto, saddr, daddr, tos, hops, frag, id)
    if (optionsLen !== 0) takeOptions(skb, optionsLen)
    const error = ipLocalOut(skb)
    if (error < 0) f64[count + Mib.IpOutDiscards]++
    return error
  }
  /** ipSend of a datagram socket's, with the options that it has (IP_OPTIONS). */
  const ipSendSock = (
    skb: number,
    fl: Flowi,
    proto: number,
    tos: number,
    ttl: number,
    sk: number
  ): number => {
    if (i32[sk + SK_IPOPT_LEN] === 0) return ipSend(skb, fl, proto, tos, ttl)
    const n = options.ofSocket(sk, fl[FL_DADDR + 3])
    const error = routeVia(fl)
    if (error !== 0) return noRoute(skb, error)
    if (!skbs.expandHead(skb, MAX_HEADER + ipv4.MAX_OPTIONS)) {
      drop(skb, Drop.NOMEM)
      return -Errno.ENOBUFS
    }
    options.build(skb, n, fl[FL_SADDR + 3])
    return ipSend(skb, fl, proto, tos, ttl, n)
  }
  /**
   * Sends what answers a received packet without a socket, the way back in `fl` not yet routed (ip_send_unicast_reply): by the
   * first hop of the source route that the packet came by, reversed.
   */
  const ipSendReply = (skb: number, fl: Flowi, proto: number, request: number): number => {
    const n = options.echo(request)
    if (n === OPTIONS_NO_ECHO) {
      drop(skb, Drop.NOT_SPECIFIED)
      return -Errno.EINVAL
    }
    if (n > 0) fl[FL_DADDR + 3] = options.firstHop(fl[FL_DADDR + 3])
    const error = routeOutput(fl)
    if (error !== 0) {
      drop(skb, Drop.IP_OUTNOROUTES)
      return error
    }
    if (n > 0) options.build(skb, n, fl[FL_SADDR + 3])
    // never in fragments, whatever is known of the path (tcp_sk_init)
    fl[FL_MTU_LOCKED] = 0
    return ipSend(skb, fl, proto, ipv4.tos(u8, i32[request + SKB_NETWORK]) & ~ECN_MASK, 0, n)
  }
  /** Where options name the way, the packet goes to the first hop of it, strictly without a router between: 0, or -errno. */
  const routeVia = (fl: Flowi): number => {
    const via = options.firstHop(fl[FL_DADDR + 3])
    if (options.isStrict()) fl[FL_FLAGS] |= FL_F_LINK_SCOPE
    else if (via === fl[FL_DADDR + 3]) return 0
    fl[FL_DADDR + 3] = via
    return routeOutput(fl)
  }
  /**
   * Sends a packet whose header its sender has made, data at it, along the route in `fl`; what no header can be without is
   * filled in (raw_send_hdrinc). The next hop is that of the address in the header. 0, or -errno.
   */
  const ipSendHeader = (skb: number, fl: Flowi): number => {
    const at = i32[skb + SKB_DATA]
    const len = i32[skb + SKB_LEN]
    const headerLen = len < ipv4.MIN_HEADER ? 0 : ipv4.headerLen(u8, at)
    if (headerLen < ipv4.MIN_HEADER || headerLen > len) return badHeader(skb)
    if (ipv4.src(u8, at) === 0) ipv4.setSrc(u8, at, fl[FL_SADDR + 3])
    ipv4.setTotalLength(u8, at, len)
    if (ipv4.id(u8, at) === 0) {
      const [saddr, daddr] = [ipv4.src(u8, at), ipv4.dst(u8, at)]
      ipv4.setId(u8, at, ipSelectIdent(saddr, daddr, ipv4.protocol(u8, at), 1))
    }
    ipv4.setChecksum(u8, at)
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_TRANSPORT] = at + headerLen
    i32[skb + SKB_PROTOCOL] = ETH_P_IP
    i32[skb + SKB_DST] = fl[FL_DST]
    i32[skb + SKB_DEV] = fl[FL_DEV]
    i32[skb + SKB_MARK] = fl[FL_MARK]
    i32[skb + SKB_IIF] = 0
    i32[skb + IPCB_TYPE] = fl[FL_TYPE]
    i32[skb + IPCB_MTU] = fl[FL_MTU]
    i32[skb + IPCB_FLAGS] = fl[FL_NO_LOOP] === 0 ? 0 : IPSKB_NO_LOOP
    if (len > fl[FL_MTU] && ipv4.dontFragment(u8, at)) {
      f64[count + Mib.IpFragFails]++
      return tooLong(skb)
    }
    // what is sent so is no request of IP's: IpOutRequests does not count it
    const verdict = nf.run(NF_INET_LOCAL_OUT, skb, 0, i32[skb + SKB_DEV])
    const error = verdict === NF_PASSED ? ipOutput(skb) : verdict
    if (error < 0) f64[count + Mib.IpOutDiscards]++
    return error
  }
  const badHeader = (skb: number): number => {
    f64[count + Mib.IpOutDiscards]++
    drop(skb, Drop.IP_INHDR)
    return -Errno.EINVAL
  }
  /** The header is longer by the options that lie behind it. */
  const takeOptions = (skb: number, optionsLen: number): void => {
    const at = i32[skb + SKB_NETWORK]
    i32[skb + SKB_TRANSPORT] += optionsLen
    ipv4.setVersionIhl(u8, at, ipv4.MIN_HEADER + optionsLen)
    ipv4.setChecksum(u8, at)
  }
  const tooLong = (skb: number): number => {
    drop(skb, Drop.PKT_TOO_BIG)
    return -Errno.EMSGSIZE
  }

  const ipLocalOut = (skb: number): number => {
    f64[count + Mib.IpOutRequests]++
    i32[skb + SKB_IIF] = 0
    const verdict = nf.run(NF_INET_LOCAL_OUT, skb, 0, i32[skb + SKB_DEV])
    return verdict === NF_PASSED ? ipOutput(skb) : verdict
  }

  /** The peer of a connected sock answered: so does the next hop on the way to it (dst_confirm). */
  const sockConfirm = (sk: number): void => {
    // the row of an older generation may be another's next hop by now
    if (!skDstValid(sk)) return
    const row = i32[sk + SK_DST]
    neighConfirm(
      i32[row + NH_DEV],
      i32[row + NH_FAMILY] !== 0 ? row + NH_GATEWAY : firstHopOf(i32, sk)
    )
  }

  return { ipQueueXmit, ipSend, ipSendSock, ipSendHeader, ipSendReply, sockConfirm }
}
