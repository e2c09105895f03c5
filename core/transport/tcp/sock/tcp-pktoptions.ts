/**
 * What a stream keeps of its packets, and says when it is asked (IP_PKTOPTIONS, IPV6_2292PKTOPTIONS): by which device the one came
 * that made the connection, its hops and its TOS; of IPv6 then those of the last in order, where the socket has asked for such. A
 * call that receives tells none of it, since a stream's octets are no packet's. As in Linux the device and the hops lie where those
 * of what goes to groups do, so that IP_MULTICAST_TTL of a connection shows them. On the worker.
 * Linux: tcp_v4_syn_recv_sock(), tcp_v6_syn_recv_sock(), the end of tcp_v6_do_rcv(), do_ip_getsockopt(), do_ipv6_getsockopt().
 */
import * as bytes from '../../../base/bytes.ts'
import { AF_INET, AF_INET6, isAnyAddr, isV4Mapped } from '../../../base/family.ts'
import { Errno } from '../../../base/errno.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_DEV, SKB_NETWORK } from '../../../skb/skb.ts'
import type { Cmsg } from '../../../socket/msg/cmsg.ts'
import type { NameOption } from '../../../socket/proto.ts'
import { SK_DADDR, SK_FAMILY, SK_SADDR } from '../../../socket/sock.ts'
import {
  familyOfSock,
  SK_CMSG,
  SK_MC_IF,
  SK_STICKY_ADDR,
  SK_STICKY_IF,
  SK_MC_TTL,
} from '../../../socket/inet-sock.ts'
import {
  CMSG_FLOWINFO6,
  CMSG_HOPLIMIT6,
  CMSG_PKTINFO,
  CMSG_PKTINFO6,
  CMSG_TCLASS6,
  CMSG_TOS,
  CMSG_TTL,
  IP_PKTINFO,
  IP_PKTOPTIONS,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_2292PKTOPTIONS,
  IPV6_FLOWINFO,
  IPV6_HOPLIMIT,
  IPV6_PKTINFO,
  IPV6_TCLASS,
} from '../../../socket/socket-constants.ts'
import { TP_RCV_FLOW } from './tcp-sock.ts'

export type TcpPktoptions = ReturnType<typeof createTcpPktoptions>
type TcpPktoptionsDeps = { arena: Arena; afOps: AfOpsOf; cmsg: Cmsg }

const CMSG_FLOW = CMSG_TCLASS6 | CMSG_FLOWINFO6
/** What is told of each segment, not only of the first. */
export const CMSG_SEGMENT = CMSG_PKTINFO6 | CMSG_HOPLIMIT6 | CMSG_FLOW
const IN_PKTINFO = 12
const IN6_PKTINFO = 20
const LOW = 0xffff
/** What a socket whose address is one of IPv6 has for IPv4's: 127.0.0.6. */
const LOOPBACK4_IPV6 = 0x7f000006

export const createTcpPktoptions = ({ arena, afOps, cmsg }: TcpPktoptionsDeps) => {
  const { i32, u8 } = arena
  // where those of a call that receives lie, which was read by now
  const { words: told, octets, begin, put, putInt, length } = cmsg

  const setLow = (at: number, value: number): void => {
    i32[at] = (i32[at] & ~LOW) | value
  }
  const setHigh = (at: number, value: number): void => {
    i32[at] = (i32[at] & LOW) | (value << 16)
  }
  const hopsOf = (sk: number, skb: number): number =>
    u8[i32[skb + SKB_NETWORK] + afOps(i32[sk + SK_FAMILY]).hopLimitAt]
  /** TP_RCV_FLOW */
  const flowOf = (sk: number, skb: number): number => {
    const at = i32[skb + SKB_NETWORK]
    const { tosOf, labelOf } = afOps(i32[sk + SK_FAMILY])
    return (labelOf(u8, at) << 8) | tosOf(u8, at)
  }

  /** `skb` makes the connection. One of IPv6 that speaks IPv4 keeps it for both. */
  const noteOpening = (sk: number, skb: number): void => {
    const dev = i32[skb + SKB_DEV]
    const hops = hopsOf(sk, skb) + 1
    i32[sk + TP_RCV_FLOW] = flowOf(sk, skb)
    if (i32[sk + SK_FAMILY] === AF_INET) {
      setLow(sk + SK_MC_IF, dev)
      setLow(sk + SK_MC_TTL, hops)
    }
    if (familyOfSock(i32, sk) !== AF_INET6) return
    setHigh(sk + SK_MC_IF, dev)
    setHigh(sk + SK_MC_TTL, hops)
  }
  /** `skb` is the next in order, and the socket has asked for some of CMSG_SEGMENT. */
  const noteSegment = (sk: number, skb: number): void => {
    if (i32[sk + SK_FAMILY] !== AF_INET6) return
    const wanted = i32[sk + SK_CMSG]
    if ((wanted & CMSG_PKTINFO6) !== 0) setHigh(sk + SK_MC_IF, i32[skb + SKB_DEV])
    if ((wanted & CMSG_HOPLIMIT6) !== 0) setHigh(sk + SK_MC_TTL, hopsOf(sk, skb) + 1)
    if ((wanted & CMSG_FLOW) !== 0) i32[sk + TP_RCV_FLOW] = flowOf(sk, skb)
  }

  const shownHops = (half: number): number => (half === 0 ? 1 : half - 1)
  const shownTos = (sk: number, family: number): number =>
    i32[sk + SK_FAMILY] === family ? i32[sk + TP_RCV_FLOW] & 255 : 0
  /** inet_rcv_saddr */
  const ownAddress = (sk: number): number =>
    isAnyAddr(i32, sk + SK_SADDR) || isV4Mapped(i32, sk + SK_SADDR)
      ? i32[sk + SK_SADDR + 3]
      : LOOPBACK4_IPV6
  /** struct in_pktinfo: its own address, twice. */
  const putPktinfo = (sk: number): void => {
    const word = put(IPPROTO_IP, IP_PKTINFO, IN_PKTINFO)
    told[word] = i32[sk + SK_MC_IF] & LOW
    bytes.putI32(octets, (word + 1) << 2, ownAddress(sk))
    bytes.putI32(octets, (word + 2) << 2, ownAddress(sk))
  }
  /** struct in6_pktinfo, of which Linux has the address of the peer; of a socket that has none yet what was set as IPV6_PKTINFO. */
  const putPktinfo6 = (sk: number): void => {
    const word = put(IPPROTO_IPV6, IPV6_PKTINFO, IN6_PKTINFO)
    const dev = i32[sk + SK_MC_IF] >>> 16
    const from = dev === 0 ? SK_STICKY_ADDR : SK_DADDR
    for (let w = 0; w < 4; w++) bytes.putI32(octets, (word + w) << 2, i32[sk + from + w])
    told[word + 4] = dev === 0 ? i32[sk + SK_STICKY_IF] : dev
  }
  const putFlowinfo = (sk: number): void => {
    const flowinfo = (shownTos(sk, AF_INET6) << 20) | (i32[sk + TP_RCV_FLOW] >>> 8)
    bytes.putI32(octets, put(IPPROTO_IPV6, IPV6_FLOWINFO, 4) << 2, flowinfo)
  }
  const tell4 = (sk: number): void => {
    const wanted = i32[sk + SK_CMSG]
    if ((wanted & CMSG_PKTINFO) !== 0) putPktinfo(sk)
    if ((wanted & CMSG_TTL) !== 0) putInt(IPPROTO_IP, IP_TTL, shownHops(i32[sk + SK_MC_TTL] & LOW))
    if ((wanted & CMSG_TOS) !== 0) putInt(IPPROTO_IP, IP_TOS, shownTos(sk, AF_INET))
  }
  const tell6 = (sk: number): void => {
    const wanted = i32[sk + SK_CMSG]
    const hops = shownHops(i32[sk + SK_MC_TTL] >>> 16)
    if ((wanted & CMSG_PKTINFO6) !== 0) putPktinfo6(sk)
    if ((wanted & CMSG_HOPLIMIT6) !== 0) putInt(IPPROTO_IPV6, IPV6_HOPLIMIT, hops)
    if ((wanted & CMSG_TCLASS6) !== 0) putInt(IPPROTO_IPV6, IPV6_TCLASS, shownTos(sk, AF_INET6))
    if ((wanted & CMSG_FLOWINFO6) !== 0) putFlowinfo(sk)
  }
  /** The control messages, laid out as socket/msg/cmsg.ts has them: how many octets, or -errno. */
  const getPktoptions: NameOption = (sk, level, name, words, at) => {
    const is4 = level === IPPROTO_IP && name === IP_PKTOPTIONS
    const is6 = level === IPPROTO_IPV6 && name === IPV6_2292PKTOPTIONS
    if (!is4 && (!is6 || familyOfSock(i32, sk) !== AF_INET6)) return -Errno.ENOPROTOOPT
    begin()
    if (is4) tell4(sk)
    else tell6(sk)
    for (let w = 0; w < length(); w++) words[at + w] = told[w]
    return length() << 2
  }
  return { noteOpening, noteSegment, getPktoptions }
}
