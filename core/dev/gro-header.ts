/**
 * What receive offload reads of a frame: whether it is TCP's, of which flow, and whether it continues another exactly, so
 * that both can be told as one super-frame and cut into the very same frames again. Headers are compared as the words
 * they lie in (little-endian, the IP header aligned); nothing behind the frame is read.
 * Linux: net/ipv4/af_inet.c inet_gro_receive(), ip6_offload.c ipv6_gro_receive(), tcp_offload.c tcp_gro_receive().
 */
import * as bytes from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'
import type { Arena } from '../shm/arena.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  SKB_DATA,
  SKB_DEV,
  SKB_FRAGS,
  SKB_GSO_SIZE,
  SKB_IP_SUMMED,
  SKB_LEN,
} from '../skb/skb.ts'
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts'
import { IPPROTO_TCP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'

/** What look() says of a frame. */
export const NOT_TCP = 0
/** TCP that is never merged, and of a flow that can't be told (fragments, options of IP). */
export const TCP_ODD = 1
/** TCP of a flow. */
const TCP_FLOW = 2

/** Bytes of the fourth word of a TCP header that may differ: CWR, FIN and PSH belong to one segment. */
const FLAGS_OF_ONE = (tcp.TCP_CWR | tcp.TCP_FIN | tcp.TCP_PSH) << 8
const ENDS_FLOW = tcp.TCP_SYN | tcp.TCP_RST | tcp.TCP_URG

export const createGroHeader = ({ i32, u8 }: Arena) => {
  // of the frame that was looked at last: byte offsets of its headers and its payload, whose length is what IP says
  let network = 0
  let transport = 0
  let payload = 0
  let payloadLen = 0

  const look = (skb: number): number => {
    const at = i32[skb + SKB_DATA]
    const len = i32[skb + SKB_LEN]
    network = at + ETH_HLEN
    if ((network & 3) !== 0 || len < ETH_HLEN + ipv4.MIN_HEADER) return NOT_TCP
    const type = bytes.u16(u8, at + 12)
    if (type === ETH_P_IP) return lookIpv4(skb, len)
    return type === ETH_P_IPV6 ? lookIpv6(skb, len) : NOT_TCP
  }
  const lookIpv4 = (skb: number, len: number): number => {
    if (u8[network + 9] !== IPPROTO_TCP) return NOT_TCP
    if (u8[network] !== 0x45 || ipv4.isFragment(u8, network)) return TCP_ODD
    transport = network + ipv4.MIN_HEADER
    return lookTcp(skb, len - ETH_HLEN - ipv4.MIN_HEADER, ipv4.totalLength(u8, network))
  }
  const lookIpv6 = (skb: number, len: number): number => {
    if (u8[network + 6] !== IPPROTO_TCP || u8[network] >> 4 !== 6) return NOT_TCP
    transport = network + ipv6.HEADER
    const total = ipv6.HEADER + ipv6.payloadLength(u8, network)
    return lookTcp(skb, len - ETH_HLEN - ipv6.HEADER, total)
  }
  /** `room` bytes lie from the transport header on; the packet says that it has `total` in all. */
  const lookTcp = (skb: number, room: number, total: number): number => {
    if (room < tcp.MIN_HEADER || i32[skb + SKB_FRAGS] !== 0) return TCP_ODD
    payload = transport + tcp.headerLen(u8, transport)
    payloadLen = transport + room - payload
    // padding, and what contradicts itself, is for others to judge; a super-frame stays what it is
    const isWhole = total === transport + room - network && payload >= transport + tcp.MIN_HEADER
    if (!isWhole || payloadLen < 0 || i32[skb + SKB_GSO_SIZE] !== 0) payloadLen = 0
    return TCP_FLOW
  }

  /** The frame that was looked at is of the same flow as `other`, a frame that was held. */
  const isFlowOf = (skb: number, other: number): boolean => {
    const held = i32[other + SKB_DATA] + ETH_HLEN
    const isV4 = u8[network] === 0x45
    if ((u8[held] === 0x45) !== isV4 || i32[skb + SKB_DEV] !== i32[other + SKB_DEV]) return false
    // addresses and ports lie side by side
    const words = isV4 ? 3 : 9
    let word = (network >> 2) + (isV4 ? 3 : 2)
    for (let b = (held >> 2) + (isV4 ? 3 : 2), end = word + words; word < end; word++, b++)
      if (i32[word] !== i32[b]) return false
    return true
  }

  /** It has text, and nothing that only one segment may say: others may be put behind it. */
  const canStart = (skb: number): boolean =>
    payloadLen > 0 &&
    (tcp.flags(u8, transport) & (ENDS_FLOW | tcp.TCP_ACK | tcp.TCP_PSH | tcp.TCP_FIN)) ===
      tcp.TCP_ACK &&
    (u8[network] !== 0x45 || headerSumOk()) &&
    isSumOk(skb)

  /**
   * It is the segment right behind `other`, of which `segments` have been put together, and differs in nothing that a
   * super-frame could not tell.
   */
  const continues = (skb: number, other: number, segments: number, nextSeq: number): boolean => {
    const held = i32[other + SKB_DATA] + ETH_HLEN
    const flags = tcp.flags(u8, transport)
    return (
      payloadLen > 0 &&
      (flags & (ENDS_FLOW | tcp.TCP_ACK | tcp.TCP_CWR)) === tcp.TCP_ACK &&
      tcp.seq(u8, transport) === nextSeq &&
      isLinkOf(held) &&
      (u8[network] === 0x45 ? isNextIpv4(held, segments) : isNextIpv6(held)) &&
      isNextTcp(held + transport - network) &&
      isSumOk(skb)
    )
  }
  /** Same Ethernet addresses. */
  const isLinkOf = (held: number): boolean => {
    const a = network >> 2
    const b = held >> 2
    return (
      i32[a - 1] === i32[b - 1] &&
      i32[a - 2] === i32[b - 2] &&
      i32[a - 3] === i32[b - 3] &&
      u8[network - 14] === u8[held - 14] &&
      u8[network - 13] === u8[held - 13]
    )
  }
  /** Same type of service, DF and TTL; identifications that count up, as the cut frames' will (RFC 6864). */
  const isNextIpv4 = (held: number, segments: number): boolean => {
    const a = network >> 2
    const b = held >> 2
    return (
      ((i32[a] ^ i32[b]) & 0xffff) === 0 &&
      (i32[a + 1] ^ i32[b + 1]) >>> 16 === 0 &&
      ((i32[a + 2] ^ i32[b + 2]) & 0xffff) === 0 &&
      ipv4.id(u8, network) === ((ipv4.id(u8, held) + segments) & 0xffff) &&
      headerSumOk()
    )
  }
  const headerSumOk = (): boolean => {
    let sum = 0
    for (let word = network >> 2, end = word + 5; word < end; word++)
      sum += (i32[word] & 0xffff) + (i32[word] >>> 16)
    return csum.fold(sum) === 0xffff
  }
  /** Same traffic class, flow label and hop limit. */
  const isNextIpv6 = (held: number): boolean => {
    const a = network >> 2
    const b = held >> 2
    return i32[a] === i32[b] && (i32[a + 1] ^ i32[b + 1]) >>> 16 === 0
  }
  /** Same acknowledgement, window, urgent pointer and options. */
  const isNextTcp = (held: number): boolean => {
    const a = transport >> 2
    const b = held >> 2
    if (i32[a + 2] !== i32[b + 2] || ((i32[a + 3] ^ i32[b + 3]) & ~FLAGS_OF_ONE) !== 0) return false
    if ((i32[a + 4] ^ i32[b + 4]) >>> 16 !== 0) return false
    for (let k = 5, words = (payload - transport) >> 2; k < words; k++)
      if (i32[a + k] !== i32[b + k]) return false
    return true
  }
  /** A checksum that nobody has looked at would be lost in the super-frame's. */
  const isSumOk = (skb: number): boolean => {
    if (i32[skb + SKB_IP_SUMMED] !== CHECKSUM_NONE) return true
    const len = payload + payloadLen - transport
    if (!tcp.isChecksumOk(u8, transport, len, pseudo(network, len))) return false
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    return true
  }
  /** Sum of the pseudo header of the packet at `at` with `len` bytes of TCP. */
  const pseudo = (at: number, len: number): number =>
    u8[at] === 0x45
      ? csum.pseudoSum(u8, at + ipv4.ADDRS, ipv4.ADDRS_LEN, IPPROTO_TCP, len)
      : csum.pseudoSum(u8, at + ipv6.ADDRS, ipv6.ADDRS_LEN, IPPROTO_TCP, len)

  return {
    look,
    isFlowOf,
    canStart,
    continues,
    pseudo,
    flags: (): number => tcp.flags(u8, transport),
    nextSeq: (): number => (tcp.seq(u8, transport) + payloadLen) | 0,
    transportOffset: (): number => transport - network + ETH_HLEN,
    payloadAt: (): number => payload,
    payloadLen: (): number => payloadLen,
  }
}
