/**
 * recvmsg with MSG_ERRQUEUE: the oldest of a socket's error queue as a message, its octets what ICMP quotes of the packet, its
 * address whom that was to, and a control message that says what was wrong and who says so. Worker only.
 * Linux: ip_recv_error() (net/ipv4/ip_sockglue.c), ipv6_recv_error() (net/ipv6/datagram.c).
 */
import * as bytes from '../../base/bytes.ts'
import { AF_INET, AF_INET6, copyAddr, V4_MAPPED } from '../../base/family.ts'
import { IPCB_OUTER } from '../../inet/inet-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import { SKB_DATA, SKB_DEV, SKB_LEN, SKB_NETWORK, SKB_TRANSPORT } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import type { Cmsg } from './cmsg.ts'
import {
  EE_ADDR,
  EE_CODE,
  EE_DATA,
  EE_ERRNO,
  EE_FLAGS,
  EE_INFO,
  EE_ORIGIN,
  EE_PACKET,
  EE_PORT,
  EE_TIME_MS,
  EE_TIME_US,
  EE_TYPE,
  EE_WORDS,
  type ErrQueue,
} from './errqueue.ts'
import type { IpCmsg } from './ip-cmsg.ts'
import { familyOfSock, SK_CMSG } from '../inet-sock.ts'
import { SK_TSFLAGS } from '../sock.ts'
import {
  SO_EE_ORIGIN_TIMESTAMPING,
  SOF_TIMESTAMPING_OPT_CMSG,
  CMSG_TIME,
  CMSG_STAMPING,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  PEER_ADDR,
  PEER_PORT,
  PEER_WORDS,
} from '../socket-constants.ts'
import type { Timestamp } from './timestamp.ts'

type RecvErrorDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  cmsg: Cmsg
  errqueue: Pick<ErrQueue, 'take'>
  timestamp: Pick<Timestamp, 'tellTimeOf'>
} & Pick<IpCmsg, 'ipCmsgOfError'>
export type RecvError = ReturnType<typeof createRecvError>

/** Octets of struct sock_extended_err, sockaddr_in and sockaddr_in6. */
const EXTENDED_ERR = 16
const SOCKADDR_IN = 16
const SOCKADDR_IN6 = 28

export const createRecvError = (deps: RecvErrorDeps) => {
  const { arena, skbs, consume, cmsg, errqueue, ipCmsgOfError } = deps
  const { tellTimeOf } = deps.timestamp
  const { i32, u8 } = arena
  const entry = new Int32Array(EE_WORDS)
  const peer = new Int32Array(PEER_WORDS)

  /** Cut to `len` octets at `to`: how many, or -EAGAIN. Whom the packet was to lies in `peer` then. */
  const recvError = (sk: number, to: number, len: number): number => {
    const error = errqueue.take(sk, entry, 0)
    if (error !== 0) return error
    const packet = entry[EE_PACKET]
    const whole = packet === 0 ? 0 : i32[packet + SKB_LEN]
    const n = Math.min(len, whole)
    if (n > 0) skbs.copyBits(packet, 0, to, n)
    copyAddr(peer, PEER_ADDR, entry, EE_ADDR)
    peer[PEER_PORT] = entry[EE_PORT]
    if (hasTime(sk)) tellTimeOf(sk, entry[EE_TIME_MS], entry[EE_TIME_US])
    const told = isTold(sk) ? packet : 0
    if (told !== 0 && i32[sk + SK_CMSG] !== 0) tellOf(sk, told)
    putError(sk, told)
    cmsg.putFlags(MSG_ERRQUEUE | entry[EE_FLAGS] | (whole > len ? MSG_TRUNC : 0))
    if (packet !== 0) consume(packet)
    return n
  }
  /** Of what comes of the stack itself, but of when something was sent, SO_TIMESTAMP alone tells when. */
  const hasTime = (sk: number): boolean => {
    const isStamped = isStamp() || entry[EE_PACKET] !== 0
    return (i32[sk + SK_CMSG] & (isStamped ? CMSG_TIME | CMSG_STAMPING : CMSG_TIME)) !== 0
  }
  /** Sockets of IPv4 hear of a packet of theirs that has gone where they ask for it alone (ipv4_datagram_support_cmsg). */
  const isTold = (sk: number): boolean =>
    !isStamp() ||
    familyOfSock(i32, sk) !== AF_INET ||
    (i32[sk + SK_TSFLAGS] & SOF_TIMESTAMPING_OPT_CMSG) !== 0
  const isStamp = (): boolean => entry[EE_ORIGIN] === SO_EE_ORIGIN_TIMESTAMPING
  /** What the packet itself says beside its data: the ports of an ICMP message are taken to be where what it quotes begins (ip_icmp_error). */
  const tellOf = (sk: number, packet: number): void => {
    const header = headerOf(packet)
    if (!isStamp()) i32[packet + SKB_TRANSPORT] = i32[packet + SKB_DATA]
    const isOwn4 = isStamp() && ipv4.version(u8, header) === 4
    ipCmsgOfError(sk, packet, header, isOwn4 ? ipv4.src(u8, header) : 0)
  }
  /** The IP header of the message, or of what was sent. */
  const headerOf = (packet: number): number =>
    isStamp() ? i32[packet + SKB_NETWORK] : i32[packet + IPCB_OUTER] || i32[packet + SKB_NETWORK]
  const putError = (sk: number, packet: number): void => {
    const is4 = familyOfSock(i32, sk) === AF_INET
    const at = is4
      ? cmsg.put(IPPROTO_IP, IP_RECVERR, EXTENDED_ERR + SOCKADDR_IN)
      : cmsg.put(IPPROTO_IPV6, IPV6_RECVERR, EXTENDED_ERR + SOCKADDR_IN6)
    cmsg.words[at] = entry[EE_ERRNO]
    cmsg.words[at + 1] = entry[EE_ORIGIN] | (entry[EE_TYPE] << 8) | (entry[EE_CODE] << 16)
    cmsg.words[at + 2] = entry[EE_INFO]
    cmsg.words[at + 3] = entry[EE_DATA]
    if (packet !== 0) putOffender(packet, (at << 2) + EXTENDED_ERR, is4)
  }
  /** Who has sent the message (SO_EE_OFFENDER), in octets of the control message from `at` on. */
  const putOffender = (packet: number, at: number, is4: boolean): void => {
    const header = headerOf(packet)
    const { octets } = cmsg
    octets[at] = is4 ? AF_INET : AF_INET6
    if (is4) return bytes.putI32(octets, at + 4, ipv4.src(u8, header))
    if (ipv4.version(u8, header) !== 4) {
      putSource6(header, octets, at + 8)
      if (ipv6.isLinkLocalAddr(ipv6.src0(u8, header)))
        cmsg.words[(at + 24) >> 2] = i32[packet + SKB_DEV]
      return
    }
    bytes.putI32(octets, at + 16, V4_MAPPED)
    bytes.putI32(octets, at + 20, ipv4.src(u8, header))
  }
  const putSource6 = (header: number, octets: Uint8Array, at: number): void => {
    bytes.putI32(octets, at, ipv6.src0(u8, header))
    bytes.putI32(octets, at + 4, ipv6.src1(u8, header))
    bytes.putI32(octets, at + 8, ipv6.src2(u8, header))
    bytes.putI32(octets, at + 12, ipv6.src3(u8, header))
  }
  return { recvError, peer }
}
