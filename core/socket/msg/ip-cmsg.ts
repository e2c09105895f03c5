/**
 * What a received packet says of itself beside its data, as control messages for a socket that has asked for it: to whom it was and
 * by which device it came, its TTL, TOS and options; and how many were lost before it. Called with each packet that is read by a
 * socket with a bit in SK_CMSG; on a worker. Linux: __sock_recv_cmsgs(), ip_cmsg_recv_offset(), ip6_datagram_recv_ctl().
 */
import * as bytes from '../../base/bytes.ts'
import { AF_INET, AF_INET6, V4_MAPPED } from '../../base/family.ts'
import {
  IPCB_FLAGS,
  IPCB_FRAG_MAX,
  IPCB_TYPE,
  IPSKB_REASSEMBLED,
} from '../../inet/inet-constants.ts'
import type { IpOptions } from '../../ipv4/options/ip-options.ts'
import type { IpOptionsEcho } from '../../ipv4/options/ip-options-echo.ts'
import type { Arena } from '../../shm/arena.ts'
import { SKB_DEV, SKB_NETWORK, SKB_TRANSPORT } from '../../skb/skb.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import type { Cmsg } from './cmsg.ts'
import { SK_FAMILY } from '../sock.ts'
import { SK_CMSG } from '../inet-sock.ts'
import {
  CMSG_FLOWINFO6,
  CMSG_FRAGSIZE,
  CMSG_FRAGSIZE6,
  CMSG_HOPLIMIT6,
  CMSG_OPTIONS,
  CMSG_ORIGDST,
  CMSG_ORIGDST6,
  CMSG_PKTINFO,
  CMSG_PKTINFO6,
  CMSG_RETOPTS,
  CMSG_TCLASS6,
  CMSG_TOS,
  CMSG_TTL,
  IP_PKTINFO,
  IP_RECVFRAGSIZE,
  IP_RECVOPTS,
  IP_RECVORIGDSTADDR,
  IP_RETOPTS,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_FLOWINFO,
  IPV6_HOPLIMIT,
  IPV6_PKTINFO,
  IPV6_RECVFRAGSIZE,
  IPV6_RECVORIGDSTADDR,
  IPV6_TCLASS,
} from '../socket-constants.ts'

type IpCmsgDeps = {
  arena: Arena
  cmsg: Cmsg
  options: PacketOptions
}
export type PacketOptions = Pick<IpOptions, 'specDst'> & Pick<IpOptionsEcho, 'echo' | 'replyAt'>
export type IpCmsg = ReturnType<typeof createIpCmsg>

const IN_PKTINFO = 12
const IN6_PKTINFO = 20
const SOCKADDR_IN = 16
const SOCKADDR_IN6 = 28

export const createIpCmsg = ({ arena, cmsg, options }: IpCmsgDeps) => {
  const { i32, u8 } = arena
  const { octets } = cmsg

  /** Of a packet whose NETWORK and TRANSPORT are its headers. */
  const ipCmsgRecv = (sk: number, skb: number): void => {
    const at = i32[skb + SKB_NETWORK]
    const is4 = ipv4.version(u8, at) === 4
    const specDst = is4 && (i32[sk + SK_CMSG] & CMSG_PKTINFO) !== 0
    tell(sk, skb, at, specDst ? options.specDst(skb, i32[skb + IPCB_TYPE]) : 0)
  }
  /** Of an ICMP message, or of a packet that was sent, whose IP header is at `at`; `specDst` is our address that it met. */
  const ipCmsgOfError = (sk: number, skb: number, at: number, specDst: number): void =>
    tell(sk, skb, at, specDst)
  const tell = (sk: number, skb: number, at: number, specDst: number): void => {
    const wanted = i32[sk + SK_CMSG]
    const is4 = ipv4.version(u8, at) === 4
    if ((wanted & CMSG_PKTINFO6) !== 0 && i32[sk + SK_FAMILY] === AF_INET6)
      putPktinfo6(skb, at, is4)
    if (is4) recv4(wanted, skb, at, specDst)
    else recv6(wanted, skb, at)
  }
  const recv4 = (wanted: number, skb: number, at: number, specDst: number): void => {
    if ((wanted & CMSG_PKTINFO) !== 0) putPktinfo(skb, at, specDst)
    if ((wanted & CMSG_TTL) !== 0) cmsg.putInt(IPPROTO_IP, IP_TTL, ipv4.ttl(u8, at))
    if ((wanted & CMSG_TOS) !== 0) octets[cmsg.put(IPPROTO_IP, IP_TOS, 1) << 2] = ipv4.tos(u8, at)
    const optionsLen = ipv4.headerLen(u8, at) - ipv4.MIN_HEADER
    if (optionsLen !== 0) putOptions(wanted, skb, at, optionsLen)
    if ((wanted & CMSG_ORIGDST) !== 0) putOrigDst(skb, at)
    if ((wanted & CMSG_FRAGSIZE) !== 0) putFragSize(skb, IPPROTO_IP, IP_RECVFRAGSIZE)
  }
  const recv6 = (wanted: number, skb: number, at: number): void => {
    if ((wanted & CMSG_HOPLIMIT6) !== 0)
      cmsg.putInt(IPPROTO_IPV6, IPV6_HOPLIMIT, ipv6.hopLimit(u8, at))
    if ((wanted & CMSG_TCLASS6) !== 0)
      cmsg.putInt(IPPROTO_IPV6, IPV6_TCLASS, ipv6.trafficClass(u8, at))
    if ((wanted & CMSG_FLOWINFO6) !== 0) putFlowinfo(ipv6.flowinfo(u8, at))
    if ((wanted & CMSG_ORIGDST6) !== 0) putOrigDst6(skb, at)
    if ((wanted & CMSG_FRAGSIZE6) !== 0) putFragSize(skb, IPPROTO_IPV6, IPV6_RECVFRAGSIZE)
  }

  /** struct in_pktinfo: the device, our address that it met, and its destination. */
  const putPktinfo = (skb: number, at: number, specDst: number): void => {
    const word = cmsg.put(IPPROTO_IP, IP_PKTINFO, IN_PKTINFO)
    cmsg.words[word] = i32[skb + SKB_DEV]
    bytes.putI32(octets, (word << 2) + 4, specDst)
    bytes.putI32(octets, (word << 2) + 8, ipv4.dst(u8, at))
  }
  /** struct in6_pktinfo: the destination, and the device. */
  const putPktinfo6 = (skb: number, at: number, is4: boolean): void => {
    const word = cmsg.put(IPPROTO_IPV6, IPV6_PKTINFO, IN6_PKTINFO)
    if (is4) {
      bytes.putI32(octets, (word << 2) + 8, V4_MAPPED)
      bytes.putI32(octets, (word << 2) + 12, ipv4.dst(u8, at))
    } else putDst6(at, word << 2)
    cmsg.words[word + 4] = i32[skb + SKB_DEV]
  }
  const putDst6 = (at: number, to: number): void => {
    bytes.putI32(octets, to, ipv6.dst0(u8, at))
    bytes.putI32(octets, to + 4, ipv6.dst1(u8, at))
    bytes.putI32(octets, to + 8, ipv6.dst2(u8, at))
    bytes.putI32(octets, to + 12, ipv6.dst3(u8, at))
  }
  /** None is nothing to tell. */
  const putFlowinfo = (flowinfo: number): void => {
    if (flowinfo === 0) return
    bytes.putI32(octets, cmsg.put(IPPROTO_IPV6, IPV6_FLOWINFO, 4) << 2, flowinfo)
  }
  /** The largest fragment of what was cut on its way (ip_cmsg_recv_fragsize). */
  const putFragSize = (skb: number, level: number, type: number): void => {
    if ((i32[skb + IPCB_FLAGS] & IPSKB_REASSEMBLED) !== 0)
      cmsg.putInt(level, type, i32[skb + IPCB_FRAG_MAX])
  }
  /** The options as they came, and as an answer has them. */
  const putOptions = (wanted: number, skb: number, at: number, len: number): void => {
    if ((wanted & CMSG_OPTIONS) !== 0)
      putOctets(cmsg.put(IPPROTO_IP, IP_RECVOPTS, len), at + ipv4.MIN_HEADER, len)
    const n = (wanted & CMSG_RETOPTS) === 0 ? 0 : options.echo(skb)
    if (n > 0) putOctets(cmsg.put(IPPROTO_IP, IP_RETOPTS, n), options.replyAt, n)
  }
  const putOctets = (word: number, from: number, len: number): void => {
    for (let k = 0; k < len; k++) octets[(word << 2) + k] = u8[from + k]
  }
  /** The address that it was to, as a sockaddr; the port is where transports have it. */
  const putOrigDst = (skb: number, at: number): void => {
    const to = cmsg.put(IPPROTO_IP, IP_RECVORIGDSTADDR, SOCKADDR_IN) << 2
    octets[to] = AF_INET
    bytes.putU16(octets, to + 2, bytes.u16(u8, i32[skb + SKB_TRANSPORT] + 2))
    bytes.putI32(octets, to + 4, ipv4.dst(u8, at))
  }
  const putOrigDst6 = (skb: number, at: number): void => {
    const to = cmsg.put(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, SOCKADDR_IN6) << 2
    octets[to] = AF_INET6
    bytes.putU16(octets, to + 2, bytes.u16(u8, i32[skb + SKB_TRANSPORT] + 2))
    putDst6(at, to + 8)
    if (ipv6.isLinkLocalAddr(ipv6.dst0(u8, at))) cmsg.words[(to + 24) >> 2] = i32[skb + SKB_DEV]
  }
  return { ipCmsgRecv, ipCmsgOfError }
}
