/**
 * What receive offload reads of a frame in front of its transport: where its headers are, of which flow it is, and
 * whether its IP header continues another's, so that both can be told as one super-frame and cut into the very same frames
 * again, but for identifications that mean nothing. Headers are compared as the words they lie in (little-endian, the IP header aligned); nothing behind the frame
 * is read. Linux: net/ipv4/af_inet.c inet_gro_receive(), net/ipv6/ip6_offload.c ipv6_gro_receive().
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
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_TAIL,
} from '../skb/skb.ts'
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'

/** Words of `seen`: of the frame that was looked at last, byte offsets of its headers and of the end of its packet. */
const SEEN_NETWORK = 0
export const SEEN_TRANSPORT = 1
export const SEEN_END = 2
/** Its transport's payload, which the transport's own look() finds: where, and how long; 0 is none to put together. */
export const SEEN_PAYLOAD = 3
export const SEEN_PAYLOAD_LEN = 4
const SEEN_WORDS = 5

/** What look() says instead of a protocol: nothing that is put together. */
export const LOOK_OTHER = 0
/** A packet of a flow that can't be told, as fragments and options hide the ports. */
export const LOOK_ODD = -1

export type GroNetwork = ReturnType<typeof createGroNetwork>

export const createGroNetwork = ({ i32, u8 }: Arena) => {
  const seen = new Int32Array(SEEN_WORDS)

  /** IPPROTO_TCP or IPPROTO_UDP of a frame whose transport header may be read, else LOOK_*. */
  const look = (skb: number): number => {
    const at = i32[skb + SKB_DATA]
    const network = at + ETH_HLEN
    const room = i32[skb + SKB_TAIL] - network
    if ((network & 3) !== 0 || room < ipv4.MIN_HEADER) return LOOK_OTHER
    seen[SEEN_NETWORK] = network
    const type = bytes.u16(u8, at + 12)
    if (type === ETH_P_IP) return lookIpv4(skb, network, room)
    return type === ETH_P_IPV6 ? lookIpv6(skb, network, room) : LOOK_OTHER
  }
  const lookIpv4 = (skb: number, network: number, room: number): number => {
    const protocol = u8[network + 9]
    if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return LOOK_OTHER
    if (u8[network] !== 0x45 || ipv4.isFragment(u8, network)) return LOOK_ODD
    return place(skb, protocol, ipv4.MIN_HEADER, ipv4.totalLength(u8, network), room)
  }
  const lookIpv6 = (skb: number, network: number, room: number): number => {
    const protocol = u8[network + 6]
    if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return LOOK_OTHER
    if (u8[network] >> 4 !== 6) return LOOK_ODD
    const total = ipv6.HEADER + ipv6.payloadLength(u8, network)
    return place(skb, protocol, ipv6.HEADER, total, room)
  }
  /** Padding, and what contradicts itself, is for others to judge: its payload stays where it is. */
  const place = (
    skb: number,
    protocol: number,
    headerLen: number,
    total: number,
    room: number
  ): number => {
    const least = protocol === IPPROTO_TCP ? tcp.MIN_HEADER : udp.MIN_HEADER
    if (room < headerLen + least || i32[skb + SKB_FRAGS] !== 0) return LOOK_ODD
    const network = seen[SEEN_NETWORK]
    seen[SEEN_TRANSPORT] = network + headerLen
    seen[SEEN_END] = total === room ? network + total : 0
    return protocol
  }

  /** The frame that was looked at is of the same flow as `other`, a frame that is held. */
  const isFlowOf = (skb: number, other: number): boolean => {
    const network = seen[SEEN_NETWORK]
    const held = i32[other + SKB_DATA] + ETH_HLEN
    if (i32[skb + SKB_DEV] !== i32[other + SKB_DEV]) return false
    if (u8[network] === 0x45)
      // addresses and ports lie side by side
      return (
        u8[held] === 0x45 &&
        u8[network + 9] === u8[held + 9] &&
        isEqual((network >> 2) + 3, (held >> 2) + 3, 3)
      )
    return (
      u8[held] !== 0x45 &&
      u8[network + 6] === u8[held + 6] &&
      isEqual((network >> 2) + 2, (held >> 2) + 2, 9)
    )
  }
  const isEqual = (word: number, other: number, words: number): boolean => {
    for (let k = 0; k < words; k++) if (i32[word + k] !== i32[other + k]) return false
    return true
  }

  /** An IPv4 header of a wrong checksum must not be made right. */
  const isHeaderOk = (): boolean => u8[seen[SEEN_NETWORK]] !== 0x45 || headerSumOk()
  const headerSumOk = (): boolean => {
    let sum = 0
    for (let word = seen[SEEN_NETWORK] >> 2, end = word + 5; word < end; word++)
      sum += (i32[word] & 0xffff) + (i32[word] >>> 16)
    return csum.fold(sum) === 0xffff
  }

  /** Its link and network headers are those of the frame behind `other`, of which `segments` are put together. */
  const continues = (other: number, segments: number): boolean => {
    const network = seen[SEEN_NETWORK]
    const held = i32[other + SKB_DATA] + ETH_HLEN
    if (!isLinkOf(network, held)) return false
    return u8[network] === 0x45
      ? isNextIpv4(network, held, segments) && headerSumOk()
      : isNextIpv6(network >> 2, held >> 2)
  }
  /** Same Ethernet addresses. */
  const isLinkOf = (network: number, held: number): boolean =>
    isEqual((network >> 2) - 3, (held >> 2) - 3, 3) &&
    u8[network - 14] === u8[held - 14] &&
    u8[network - 13] === u8[held - 13]
  /**
   * Same type of service, DF and TTL; identifications that count up, as the cut frames' will, of datagrams that may be cut:
   * those of others mean nothing, and nobody looks at them (RFC 6864 section 4.1).
   */
  const isNextIpv4 = (network: number, held: number, segments: number): boolean => {
    const a = network >> 2
    const b = held >> 2
    return (
      ((i32[a] ^ i32[b]) & 0xffff) === 0 &&
      (i32[a + 1] ^ i32[b + 1]) >>> 16 === 0 &&
      ((i32[a + 2] ^ i32[b + 2]) & 0xffff) === 0 &&
      (ipv4.dontFragment(u8, network) ||
        ipv4.id(u8, network) === ((ipv4.id(u8, held) + segments) & 0xffff))
    )
  }
  /** Same traffic class, flow label and hop limit. */
  const isNextIpv6 = (a: number, b: number): boolean =>
    i32[a] === i32[b] && (i32[a + 1] ^ i32[b + 1]) >>> 16 === 0

  /** Sum of the pseudo header of the packet at `network` with `len` bytes of transport. */
  const pseudo = (network: number, protocol: number, len: number): number =>
    u8[network] === 0x45
      ? csum.pseudoSum(u8, network + ipv4.ADDRS, ipv4.ADDRS_LEN, protocol, len)
      : csum.pseudoSum(u8, network + ipv6.ADDRS, ipv6.ADDRS_LEN, protocol, len)
  /** A checksum that nobody has looked at would be lost in the super-frame's. */
  const isSumOk = (skb: number, protocol: number): boolean => {
    if (i32[skb + SKB_IP_SUMMED] !== CHECKSUM_NONE) return true
    const transport = seen[SEEN_TRANSPORT]
    const len = seen[SEEN_END] - transport
    const sum = pseudo(seen[SEEN_NETWORK], protocol, len)
    if (!csum.isChecksumOk(u8, transport, len, sum)) return false
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    return true
  }

  /** Writes the length of a packet that was put together. */
  const complete = (skb: number): void => {
    const network = i32[skb + SKB_DATA] + ETH_HLEN
    const total = i32[skb + SKB_LEN] - ETH_HLEN
    if (u8[network] !== 0x45) return ipv6.setPayloadLength(u8, network, total - ipv6.HEADER)
    ipv4.setTotalLength(u8, network, total)
    ipv4.setChecksum(u8, network)
  }

  return { seen, look, isFlowOf, isHeaderOk, continues, pseudo, isSumOk, complete }
}
