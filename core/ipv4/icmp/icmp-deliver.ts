/**
 * ICMP errors and redirects about what was sent from here: the transport of the packet that they quote hears of them, with what they
 * mean as errno, path MTU or nearer next hop. Called by icmp.ts, on the worker. Linux: icmp_unreach, icmp_redirect,
 * icmp_socket_deliver, icmp_err_convert; RFC 1122 section 3.2.2.
 */
import { Errno } from '../../base/errno.ts'
import { RTN_BROADCAST } from '../../base/flowi.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import { IPCB_OUTER, NO_MTU } from '../../inet/inet-constants.ts'
import type { InetProtos } from '../../inet/inet-protos.ts'
import type { Arena } from '../../shm/arena.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { type ConsumeFn, Drop } from '../../skb/drop.ts'
import { SKB_DATA, SKB_DEV, SKB_LEN, SKB_NETWORK, SKB_TRANSPORT, SKB_TRIED } from '../../skb/skb.ts'
import * as icmp from '../../wire/icmp.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import type { IpDoRedirect } from '../ip-do-redirect.ts'

type IcmpDeliverDeps = {
  arena: Arena
  consume: ConsumeFn
  protos: InetProtos
  /** icmp.ts: counts a message that is none, and drops it. */
  bad: (skb: number, reason: Drop) => void
} & Pick<IpDoRedirect, 'ipDoRedirect'> &
  Pick<AddrType, 'isLocalAddress' | 'inetAddrType'>

/** Highest code of destination unreachable, and of redirects, that Linux knows (NR_ICMP_UNREACH). */
const LAST_UNREACH = 15
const LAST_REDIRECT = 3
/** Of ip_no_pmtu_disc. */
const PMTU_LEAST = 1
const PMTU_DEAF = 2
const PMTU_VALIDATED = 3
const EPROTO = 71
const ENONET = 64

/** errno of destination unreachable, by code, and the codes after which asking again is of no use (icmp_err_convert). */
const UNREACH_ERRNO = [
  Errno.ENETUNREACH,
  Errno.EHOSTUNREACH,
  Errno.ENOPROTOOPT,
  Errno.ECONNREFUSED,
  Errno.EMSGSIZE,
  Errno.EOPNOTSUPP,
  Errno.ENETUNREACH,
  Errno.EHOSTDOWN,
  ENONET,
  Errno.ENETUNREACH,
  Errno.EHOSTUNREACH,
  Errno.ENETUNREACH,
  Errno.EHOSTUNREACH,
  Errno.EHOSTUNREACH,
  Errno.EHOSTUNREACH,
  Errno.EHOSTUNREACH,
] as const

const FATAL_CODES = 0b1110_0111_1101_1100

export const createIcmpDeliver = (deps: IcmpDeliverDeps) => {
  const { arena, consume, protos, bad, isLocalAddress, inetAddrType, ipDoRedirect } = deps
  const { i32, u8, layout } = arena
  const { sysctl } = layout
  const { errors, owners, listeners } = protos

  /** An error about something sent from here: its transport hears of it. */
  const icmpUnreach = (skb: number, type: number): void => {
    const message = i32[skb + SKB_DATA]
    const code = icmp.code(u8, message)
    const at = message + icmp.MIN_HEADER
    const end = message + i32[skb + SKB_LEN]
    if (at + ipv4.MIN_HEADER > end) return bad(skb, Drop.PKT_TOO_SMALL)
    const headerLen = ipv4.headerLen(u8, at)
    if (headerLen < ipv4.MIN_HEADER) return bad(skb, Drop.IP_INHDR)
    if (type === icmp.ICMP_TIME_EXCEEDED && code === icmp.ICMP_EXC_FRAGTIME) return consume(skb)
    if (type === icmp.ICMP_DEST_UNREACH && code > LAST_UNREACH) return consume(skb)
    if (isBogus(at, i32[skb + SKB_DEV])) return consume(skb)
    if (type === icmp.ICMP_DEST_UNREACH && code === icmp.ICMP_FRAG_NEEDED && !isPmtuHeard(at))
      return consume(skb)
    socketDeliver(skb, at, end, type, code)
  }
  /** Does anybody hear what is said of the path of the packet at `at` (icmp_unreach; icmp_tag_validation: TCP looks at numbers)? */
  const isPmtuHeard = (at: number): boolean => {
    const how = i32[sysctl + Sysctl.ip_no_pmtu_disc]
    return how < PMTU_DEAF || (how === PMTU_VALIDATED && ipv4.protocol(u8, at) === IPPROTO_TCP)
  }
  /** Another way to where our packet went: its transport is asked for the socket, as with errors. */
  const icmpRedirect = (skb: number): void => {
    const at = i32[skb + SKB_DATA] + icmp.MIN_HEADER
    const end = i32[skb + SKB_DATA] + i32[skb + SKB_LEN]
    if (at + ipv4.MIN_HEADER > end) return bad(skb, Drop.PKT_TOO_SMALL)
    const code = icmp.code(u8, i32[skb + SKB_DATA])
    socketDeliver(skb, at, end, icmp.ICMP_REDIRECT, code)
  }
  /** Gives the error about the packet quoted at `at` to the transport that sent it (icmp_socket_deliver). */
  const socketDeliver = (
    skb: number,
    at: number,
    end: number,
    type: number,
    code: number
  ): void => {
    const message = i32[skb + SKB_DATA]
    const headerLen = ipv4.headerLen(u8, at)
    if (at + headerLen + 8 > end) return bad(skb, Drop.PKT_TOO_SMALL)
    // forged, or about what a NAT in between made of ours: none of our sockets sent it
    if (!isLocalAddress(ipv4.src(u8, at), i32[skb + SKB_DEV]))
      return nobodys(skb, ipv4.protocol(u8, at))
    const outer = i32[skb + SKB_NETWORK]
    const from = ipv4.src(u8, outer)
    const protocol = ipv4.protocol(u8, at)
    i32[skb + IPCB_OUTER] = outer
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_TRANSPORT] = at + headerLen
    readMeaning(type, code, icmp.nextHopMtu(u8, message))
    // raw sockets hear what comes to their worker; whoever hands it on has told those there
    // filled by core/stack/raw.ts: rawErr (transport/raw/raw-input.ts)
    if (listeners.raws[protocol] !== 0 && i32[skb + SKB_TRIED] === 0)
      listeners.rawErr(skb, protocol, errno, isFatal, pathMtu)
    const hash = owners[protocol](skb)
    i32[skb + SKB_NETWORK] = outer
    if (listeners.handOver(skb, hash)) return
    i32[skb + SKB_NETWORK] = at
    // filled by core/stack.ts: tcpErr (tcp/sock/tcp-proto.ts), udpErr (udp/udp-input.ts), icmpErr (icmp.ts)
    const isSender = errors[protocol](skb, errno, isFatal, pathMtu)
    if (isSender && type === icmp.ICMP_REDIRECT && (code & 7) <= LAST_REDIRECT)
      ipDoRedirect(i32[skb + SKB_DEV], from, icmp.gateway(u8, message), at)
    consume(skb)
  }
  /** Some routers speak of what was sent to all of a network (RFC 1122 section 3.2.2). */
  const isBogus = (at: number, dev: number): boolean =>
    i32[sysctl + Sysctl.icmp_ignore_bogus_error_responses] === 0 &&
    inetAddrType(ipv4.dst(u8, at), dev) === RTN_BROADCAST
  /** Transports that look for a socket, and have none, count that. */
  const nobodys = (skb: number, protocol: number): void =>
    protocol === IPPROTO_TCP || protocol === IPPROTO_UDP ? bad(skb, Drop.NO_SOCKET) : consume(skb)
  /** What an error means, without ICMP's words; an errno of 0 says nothing to a socket, as source quench does not any more (RFC 6633). */
  let errno = 0
  let isFatal = false
  let pathMtu = NO_MTU
  const readMeaning = (type: number, code: number, mtu: number): void => {
    pathMtu = NO_MTU
    switch (type) {
      case icmp.ICMP_DEST_UNREACH:
        errno = UNREACH_ERRNO[code]
        isFatal = ((FATAL_CODES >> code) & 1) !== 0
        // whoever does not look for it takes the least (ip_no_pmtu_disc 1)
        if (code === icmp.ICMP_FRAG_NEEDED)
          pathMtu = i32[sysctl + Sysctl.ip_no_pmtu_disc] === PMTU_LEAST ? 0 : mtu
        return
      case icmp.ICMP_TIME_EXCEEDED:
        errno = Errno.EHOSTUNREACH
        isFatal = false
        return
      case icmp.ICMP_PARAMETERPROB:
        errno = EPROTO
        isFatal = true
        return
    }
    errno = 0
    isFatal = false
  }

  return { icmpUnreach, icmpRedirect }
}
