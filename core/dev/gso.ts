/**
 * Software segmentation: cuts a super-frame (GSO) into frames of one segment each, for a device that does not do
 * it itself. Called by dev_queue_xmit and by IP output when a super-frame must be cut for its MTU; on a worker.
 * Linux: net/ipv4/tcp_offload.c tcp_gso_segment(), af_inet.c inet_gso_segment(), udp_offload.c; RFC 9293, 3168.
 */
import * as bytes from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  CHECKSUM_PARTIAL,
  GSO_ACCECN,
  GSO_ECN,
  GSO_UDP_L4,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_MAC,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PROTOCOL,
  SKB_SENDER,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import { ETH_P_IP } from '../wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'

type GsoDeps = { arena: Arena; skbs: Skbs; drop: DropFn; consume: ConsumeFn }

export type Gso = ReturnType<typeof createGso>

export const createGso = ({ arena, skbs, drop, consume }: GsoDeps) => {
  const { i32, u8 } = arena

  /**
   * Bytes from data to the transport's payload; data may be the link's or the network's header. 0 when there is none.
   * The buffer may change.
   */
  const headersLen = (skb: number): number => {
    const before = i32[skb + SKB_TRANSPORT] - i32[skb + SKB_DATA]
    if (isUdp(skb)) return before + udp.MIN_HEADER
    if (!skbs.mayPull(skb, before + tcp.MIN_HEADER)) return 0
    return before + tcp.headerLen(u8, i32[skb + SKB_TRANSPORT])
  }
  const isUdp = (skb: number): boolean => (i32[skb + SKB_GSO_TYPE] & ~GSO_ECN) === GSO_UDP_L4

  /** Bytes of the largest IP packet that the super-frame becomes (skb_gso_network_seglen). */
  const networkSegLen = (skb: number): number =>
    headersLen(skb) - (i32[skb + SKB_NETWORK] - i32[skb + SKB_DATA]) + i32[skb + SKB_GSO_SIZE]

  /**
   * Cuts the super-frame, which it takes over: the first frame of a chain by SKB_NEXT, each with
   * CHECKSUM_PARTIAL, or 0 when there was no memory or the headers make no sense.
   */
  const segment = (skb: number): number => {
    const headers = headersLen(skb)
    const size = i32[skb + SKB_GSO_SIZE]
    const payload = i32[skb + SKB_LEN] - headers
    if (headers <= 0 || payload <= 0) return fail(skb, 0)
    const ofFirst = (i32[skb + SKB_GSO_TYPE] & GSO_ACCECN) === 0 ? tcp.TCP_CWR : 0
    let first = 0
    let last = 0
    for (let at = 0, index = 0; at < payload; at += size, index++) {
      const n = Math.min(size, payload - at)
      const seg = cut(skb, headers, at, n)
      if (seg === 0) return fail(skb, first)
      fixNetwork(seg, index)
      if (isUdp(skb)) fixUdp(seg)
      else fixTcp(seg, at, at + n === payload, ofFirst)
      if (last === 0) first = seg
      else i32[last + SKB_NEXT] = seg
      last = seg
    }
    // who hears of when it went hears of a stream's last octet, and of the first datagram (__udp_gso_segment)
    if (i32[skb + SKB_SENDER] !== 0) skbs.moveSender(skb, isUdp(skb) ? first : last)
    consume(skb)
    return first
  }
  const fail = (skb: number, first: number): number => {
    for (let seg = first; seg !== 0; ) {
      const next = i32[seg + SKB_NEXT]
      consume(seg)
      seg = next
    }
    drop(skb, Drop.SKB_GSO_SEG)
    return 0
  }

  /** A frame with the headers and `n` bytes of the payload from `at`. */
  const cut = (skb: number, headers: number, at: number, n: number): number => {
    const seg = skbs.alloc(headers + n, RX_HEADROOM)
    if (seg === 0) return 0
    const to = skbs.put(seg, headers + n)
    const delta = to - i32[skb + SKB_DATA]
    skbs.copyBits(skb, 0, to, headers)
    skbs.copyBits(skb, headers + at, to + headers, n)
    skbs.inherit(skb, seg)
    i32[seg + SKB_MAC] = i32[skb + SKB_MAC] + delta
    i32[seg + SKB_NETWORK] = i32[skb + SKB_NETWORK] + delta
    i32[seg + SKB_TRANSPORT] = i32[skb + SKB_TRANSPORT] + delta
    return seg
  }

  const transportLen = (seg: number): number =>
    i32[seg + SKB_DATA] + i32[seg + SKB_LEN] - i32[seg + SKB_TRANSPORT]

  const fixNetwork = (seg: number, index: number): void => {
    const at = i32[seg + SKB_NETWORK]
    const total = i32[seg + SKB_DATA] + i32[seg + SKB_LEN] - at
    if (i32[seg + SKB_PROTOCOL] !== ETH_P_IP)
      return ipv6.setPayloadLength(u8, at, total - ipv6.HEADER)
    ipv4.setTotalLength(u8, at, total)
    ipv4.setId(u8, at, (ipv4.id(u8, at) + index) & 0xffff)
    ipv4.setChecksum(u8, at)
  }

  const pseudo = (seg: number, protocol: number): number => {
    const at = i32[seg + SKB_NETWORK]
    const len = transportLen(seg)
    return i32[seg + SKB_PROTOCOL] === ETH_P_IP
      ? csum.pseudoSum(u8, at + ipv4.ADDRS, ipv4.ADDRS_LEN, protocol, len)
      : csum.pseudoSum(u8, at + ipv6.ADDRS, ipv6.ADDRS_LEN, protocol, len)
  }
  const setPartial = (seg: number, field: number, protocol: number): void => {
    const at = i32[seg + SKB_TRANSPORT]
    bytes.putU16(u8, at + field, csum.fold(pseudo(seg, protocol)))
    i32[seg + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[seg + SKB_CSUM_START] = at
    i32[seg + SKB_CSUM_OFFSET] = field
  }

  /** FIN and PSH belong to the last segment, CWR to the first (RFC 3168 section 6.1.2), unless it is of AccECN. */
  const fixTcp = (seg: number, offset: number, isLast: boolean, ofFirst: number): void => {
    const at = i32[seg + SKB_TRANSPORT]
    tcp.setSeq(u8, at, (tcp.seq(u8, at) + offset) | 0)
    let flags = tcp.flags(u8, at)
    if (!isLast) flags &= ~(tcp.TCP_FIN | tcp.TCP_PSH)
    if (offset !== 0) flags &= ~ofFirst
    tcp.setFlags(u8, at, flags)
    setPartial(seg, tcp.CHECKSUM, IPPROTO_TCP)
  }
  const fixUdp = (seg: number): void => {
    udp.setLength(u8, i32[seg + SKB_TRANSPORT], transportLen(seg))
    setPartial(seg, udp.CHECKSUM, IPPROTO_UDP)
  }

  return { segment, networkSegLen }
}
