/**
 * Flow dissector: finds a frame's addresses, ports and protocol, without judging it. The nic thread
 * calls dissect() on every received frame before it picks a worker; workers call dissectNetwork() to
 * steer a packet again (a reassembled datagram). Linux counterpart: net/core/flow_dissector.c.
 *
 * Pieces of a fragmented datagram are keyed on addresses alone, all alike. An ICMP error is keyed
 * by the packet it quotes, turned round: we sent that packet, so the flow's owner is where its
 * replies hash to. Nothing outside [at, at + len) is ever read.
 */
import { swap32 } from '../base/u32.ts'
import { V4_MAPPED } from '../base/family.ts'
import { type Bytes, i32, u16 } from '../base/bytes.ts'
import { ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as ext from '../wire/ipv6-ext.ts'
import { VLAN_HLEN } from '../wire/vlan.ts'

/** Words of `keys`. Addresses are four words each, IPv4 as v4-mapped. */
export const KEY_N_PROTO = 0
export const KEY_IP_PROTO = 1
export const KEY_SRC = 2
export const KEY_DST = 6
export const KEY_SPORT = 10
export const KEY_DPORT = 11
/** Outermost tag, or NO_VLAN. */
export const KEY_VLAN_TCI = 12
export const KEY_FLAGS = 13
/** Of the outer packet always, relative to nothing: positions in memory, as `at` is. */
export const KEY_NHOFF = 14
export const KEY_THOFF = 15
/** Identifier of an ICMP echo, 0 otherwise; no part of a hash, ping sockets are found by it. */
export const KEY_ICMP_ID = 16
const KEY_WORDS = 17

export const NO_VLAN = -1

/** A piece of a fragmented datagram; FLAG_FIRST_FRAG beside it on the piece at offset 0. */
export const FLAG_IS_FRAG = 1
export const FLAG_FIRST_FRAG = 2
/** The keys are those of the flow that an ICMP error quotes. */
export const FLAG_ICMP_ERROR = 4

export const DISSECT_OK = 0
/** Neither IPv4 nor IPv6: ARP and the like, which have no flow. */
export const DISSECT_NOT_IP = 1
export const DISSECT_TRUNCATED = 2
/** A version or a length contradicts itself. */
export const DISSECT_MALFORMED = 3
/** More VLAN tags or extension headers than anyone sends in good faith. */
export const DISSECT_TOO_DEEP = 4

const MAX_VLAN_TAGS = 4
const PORTS_LEN = 4

export type FlowDissector = ReturnType<typeof createFlowDissector>

export const createFlowDissector = (mem: Bytes) => {
  const words = new Int32Array(mem.buffer, mem.byteOffset, mem.byteLength >> 2)
  const keys = new Int32Array(KEY_WORDS)
  const chain = new Int32Array(ext.EXT_WORDS)

  /** Dissects an Ethernet frame of len octets; fills keys, returns a DISSECT_* reason. */
  const dissect = (at: number, len: number): number => {
    clear(at)
    if (len < ETH_HLEN) return DISSECT_TRUNCATED
    const end = at + len
    let proto = u16(mem, at + 12)
    let cursor = at + ETH_HLEN
    for (let tags = 0; proto === ETH_P_8021Q || proto === ETH_P_8021AD; tags++) {
      if (tags === MAX_VLAN_TAGS) return DISSECT_TOO_DEEP
      if (cursor + VLAN_HLEN > end) return DISSECT_TRUNCATED
      if (tags === 0) keys[KEY_VLAN_TCI] = u16(mem, cursor)
      proto = u16(mem, cursor + 2)
      cursor += VLAN_HLEN
    }
    return network(proto, cursor, end)
  }

  /** The same from the network header of a packet whose EtherType is known. */
  const dissectNetwork = (proto: number, at: number, len: number): number => {
    clear(at)
    return network(proto, at, at + len)
  }

  const clear = (at: number): void => {
    keys[KEY_N_PROTO] = 0
    keys[KEY_IP_PROTO] = 0
    setAddrsZero()
    keys[KEY_SPORT] = 0
    keys[KEY_DPORT] = 0
    keys[KEY_VLAN_TCI] = NO_VLAN
    keys[KEY_FLAGS] = 0
    keys[KEY_NHOFF] = at
    keys[KEY_THOFF] = at
    keys[KEY_ICMP_ID] = 0
  }

  const setAddrsZero = (): void => {
    keys[KEY_SRC] = 0
    keys[KEY_SRC + 1] = 0
    keys[KEY_SRC + 2] = 0
    keys[KEY_SRC + 3] = 0
    keys[KEY_DST] = 0
    keys[KEY_DST + 1] = 0
    keys[KEY_DST + 2] = 0
    keys[KEY_DST + 3] = 0
  }

  const network = (proto: number, at: number, end: number): number => {
    keys[KEY_N_PROTO] = proto
    keys[KEY_NHOFF] = at
    keys[KEY_THOFF] = at
    if (proto === ETH_P_IP) return fromIpv4(at, end)
    if (proto === ETH_P_IPV6) return fromIpv6(at, end)
    return DISSECT_NOT_IP
  }

  const fromIpv4 = (at: number, end: number): number => {
    if (at + ipv4.MIN_HEADER > end) return DISSECT_TRUNCATED
    const headerLen = ipv4.headerLen(mem, at)
    const total = ipv4.totalLength(mem, at)
    if (mem[at] >> 4 !== 4 || headerLen < ipv4.MIN_HEADER || total < headerLen) {
      return DISSECT_MALFORMED
    }
    const transport = at + headerLen
    if (transport > end) return DISSECT_TRUNCATED
    setAddrs4(ipv4.src(mem, at), ipv4.dst(mem, at))
    const proto = ipv4.protocol(mem, at)
    keys[KEY_IP_PROTO] = proto
    keys[KEY_THOFF] = transport
    const fragment = ipv4.fragment(mem, at)
    if ((fragment & (ipv4.IP_MF | ipv4.IP_OFFSET)) !== 0) {
      keys[KEY_FLAGS] =
        (fragment & ipv4.IP_OFFSET) === 0 ? FLAG_IS_FRAG | FLAG_FIRST_FRAG : FLAG_IS_FRAG
      return DISSECT_OK
    }
    // octets behind the datagram are the link's padding, not ports
    const packetEnd = at + total
    return fromTransport(proto, transport, packetEnd < end ? packetEnd : end)
  }

  const fromIpv6 = (at: number, end: number): number => {
    if (at + ipv6.HEADER > end) return DISSECT_TRUNCATED
    if (mem[at] >> 4 !== 6) return DISSECT_MALFORMED
    setAddrs6(at + ipv6.ADDRS, at + ipv6.ADDRS + 16)
    let proto = ipv6.nextHeader(mem, at)
    let transport = at + ipv6.HEADER
    const packetEnd = transport + ipv6.payloadLength(mem, at)
    const bound = packetEnd < end ? packetEnd : end
    if (ext.isExtension(proto)) {
      const status = ext.walk(mem, at, bound, chain)
      proto = chain[ext.EXT_PROTOCOL]
      transport = chain[ext.EXT_TRANSPORT]
      keys[KEY_IP_PROTO] = proto
      keys[KEY_THOFF] = transport
      if (status === ext.WALK_TRUNCATED) return DISSECT_TRUNCATED
      if (status === ext.WALK_TOO_MANY) return DISSECT_TOO_DEEP
      const fragmentAt = chain[ext.EXT_FRAGMENT]
      if (fragmentAt >= 0 && isFragment6(fragmentAt)) {
        keys[KEY_FLAGS] =
          ext.fragmentOffset(mem, fragmentAt) === 0 ? FLAG_IS_FRAG | FLAG_FIRST_FRAG : FLAG_IS_FRAG
        return DISSECT_OK
      }
    }
    keys[KEY_IP_PROTO] = proto
    keys[KEY_THOFF] = transport
    return fromTransport(proto, transport, bound)
  }

  /** A fragment header on a whole packet ("atomic", RFC 6946) makes no fragment of it. */
  const isFragment6 = (fragmentAt: number): boolean =>
    ext.fragmentOffset(mem, fragmentAt) !== 0 || ext.moreFragments(mem, fragmentAt)

  const fromTransport = (proto: number, at: number, end: number): number => {
    if (proto === IPPROTO_TCP || proto === IPPROTO_UDP) {
      if (at + PORTS_LEN > end) return DISSECT_TRUNCATED
      keys[KEY_SPORT] = u16(mem, at)
      keys[KEY_DPORT] = u16(mem, at + 2)
      return DISSECT_OK
    }
    if (proto === IPPROTO_ICMP) return fromIcmp(at, end)
    if (proto === IPPROTO_ICMPV6) return fromIcmpv6(at, end)
    return DISSECT_OK
  }

  const fromIcmp = (at: number, end: number): number => {
    if (at + icmp.MIN_HEADER > end) return DISSECT_TRUNCATED
    const type = icmp.type(mem, at)
    if (icmp.isError(type)) quotedIpv4(at + icmp.MIN_HEADER, end)
    else if (type === icmp.ICMP_ECHO || type === icmp.ICMP_ECHOREPLY) {
      keys[KEY_ICMP_ID] = icmp.id(mem, at)
    }
    return DISSECT_OK
  }

  const fromIcmpv6 = (at: number, end: number): number => {
    if (at + icmpv6.MIN_HEADER > end) return DISSECT_TRUNCATED
    const type = icmpv6.type(mem, at)
    if (icmpv6.isError(type)) quotedIpv6(at + icmpv6.MIN_HEADER, end)
    else if (type === icmpv6.ICMPV6_ECHO_REQUEST || type === icmpv6.ICMPV6_ECHO_REPLY) {
      keys[KEY_ICMP_ID] = icmpv6.id(mem, at)
    }
    return DISSECT_OK
  }

  /**
   * A quote that can't be read leaves the outer keys standing. The quoted packet is cut short by
   * nature, so its own length says nothing about what is here.
   */
  const quotedIpv4 = (at: number, end: number): void => {
    if (at + ipv4.MIN_HEADER > end) return
    const headerLen = ipv4.headerLen(mem, at)
    if (mem[at] >> 4 !== 4 || headerLen < ipv4.MIN_HEADER || at + headerLen > end) return
    setAddrs4(ipv4.dst(mem, at), ipv4.src(mem, at))
    const isLaterPiece = (ipv4.fragment(mem, at) & ipv4.IP_OFFSET) !== 0
    quotedTransport(ipv4.protocol(mem, at), at + headerLen, end, isLaterPiece)
  }

  const quotedIpv6 = (at: number, end: number): void => {
    if (at + ipv6.HEADER > end || mem[at] >> 4 !== 6) return
    if (ext.walk(mem, at, end, chain) !== ext.WALK_OK) return
    setAddrs6(at + ipv6.ADDRS + 16, at + ipv6.ADDRS)
    const fragmentAt = chain[ext.EXT_FRAGMENT]
    const isLaterPiece = fragmentAt >= 0 && ext.fragmentOffset(mem, fragmentAt) !== 0
    quotedTransport(chain[ext.EXT_PROTOCOL], chain[ext.EXT_TRANSPORT], end, isLaterPiece)
  }

  /** The ports of a first piece count here: its sender's socket is found by them. */
  const quotedTransport = (proto: number, at: number, end: number, isLaterPiece: boolean): void => {
    keys[KEY_IP_PROTO] = proto
    keys[KEY_FLAGS] = isLaterPiece ? FLAG_ICMP_ERROR | FLAG_IS_FRAG : FLAG_ICMP_ERROR
    if (isLaterPiece || (proto !== IPPROTO_TCP && proto !== IPPROTO_UDP)) return
    if (at + PORTS_LEN > end) return
    keys[KEY_SPORT] = u16(mem, at + 2)
    keys[KEY_DPORT] = u16(mem, at)
  }

  const setAddrs4 = (source: number, destination: number): void => {
    keys[KEY_SRC] = 0
    keys[KEY_SRC + 1] = 0
    keys[KEY_SRC + 2] = V4_MAPPED
    keys[KEY_SRC + 3] = source
    keys[KEY_DST] = 0
    keys[KEY_DST + 1] = 0
    keys[KEY_DST + 2] = V4_MAPPED
    keys[KEY_DST + 3] = destination
  }

  const setAddrs6 = (source: number, destination: number): void => {
    // a frame's network header is aligned (NET_IP_ALIGN)
    if (((source | destination) & 3) === 0)
      for (let w = 0; w < 4; w++) {
        keys[KEY_SRC + w] = swap32(words[(source >> 2) + w])
        keys[KEY_DST + w] = swap32(words[(destination >> 2) + w])
      }
    else
      for (let w = 0; w < 4; w++) {
        keys[KEY_SRC + w] = i32(mem, source + 4 * w)
        keys[KEY_DST + w] = i32(mem, destination + 4 * w)
      }
  }

  return { keys, dissect, dissectNetwork }
}
