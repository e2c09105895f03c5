// IPv6 frames for tests, built octet by octet with the wire library: what a neighbour on the link would send. Extension
// headers are given as octets, each with the next header's number left to be filled in.

import { pseudoSum } from '../../core/base/checksum.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as icmpv6 from '../../core/wire/icmpv6.ts'
import { IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import { formatIpv6 } from '../../core/wire/text.ts'
import * as tcp from '../../core/wire/tcp.ts'
import * as udp from '../../core/wire/udp.ts'
import { etherFrame, type Link, type Ports, type TcpFields } from './packets.ts'
import { words } from './path-tables.ts'

export type Ip6Fields = {
  saddr: string
  daddr: string
  hops?: number
  trafficClass?: number
  label?: number
  /** Extension headers in their order: protocol number and octets, of which the first is the next header's number. */
  ext?: readonly (readonly [protocol: number, octets: readonly number[]])[]
  protocol?: number
}

/** Octets of an options header around options, padded with PadN. */
export const optionsHeader = (...options: number[]): number[] => {
  const len = Math.ceil((options.length + 2) / 8) * 8
  const pad = len - options.length - 2
  const padding = pad === 0 ? [] : pad === 1 ? [0] : [1, pad - 2, ...new Array(pad - 2).fill(0)]
  return [0, len / 8 - 1, ...options, ...padding]
}
export const routingHeader = (type: number, segmentsLeft: number): number[] => [
  0,
  2,
  type,
  segmentsLeft,
  ...new Array(20).fill(0),
]
export const fragmentHeader = (offset: number, more: boolean, id: number): number[] => [
  0,
  0,
  offset >> 8,
  (offset & 0xf8) | (more ? 1 : 0),
  id >>> 24,
  (id >>> 16) & 255,
  (id >>> 8) & 255,
  id & 255,
]

/** An IPv6 packet around a payload. */
export const ip6Packet = (fields: Ip6Fields, payload: Uint8Array): Uint8Array => {
  const { ext = [], protocol = IPPROTO_UDP, hops = 64 } = fields
  const extLen = ext.reduce((sum, [, octets]) => sum + octets.length, 0)
  const packet = new Uint8Array(ipv6.HEADER + extLen + payload.length)
  const following = [...ext.map(([number]) => number), protocol]
  ipv6.init(packet, 0, following[0]!, extLen + payload.length, hops)
  ipv6.setTrafficClassFlow(packet, 0, fields.trafficClass ?? 0, fields.label ?? 0)
  ipv6.setSrc(packet, 0, ...words(fields.saddr))
  ipv6.setDst(packet, 0, ...words(fields.daddr))
  let at = ipv6.HEADER
  for (const [k, [, octets]] of ext.entries()) {
    packet.set(octets, at)
    packet[at] = following[k + 1]!
    at += octets.length
  }
  packet.set(payload, at)
  return packet
}
export const ip6Frame = (link: Link, fields: Ip6Fields, payload: Uint8Array): Uint8Array =>
  etherFrame(link, ethernet.ETH_P_IPV6, ip6Packet(fields, payload))

/** Sum of a pseudo header from text addresses. */
export const pseudo6 = (saddr: string, daddr: string, protocol: number, len: number): number => {
  const addrs = new Uint8Array(32)
  const view = new DataView(addrs.buffer)
  for (const [k, word] of [...words(saddr), ...words(daddr)].entries()) view.setInt32(k * 4, word)
  return pseudoSum(addrs, 0, 32, protocol, len)
}

export const udpDatagram6 = (
  fields: Ip6Fields,
  { sport, dport }: Ports,
  data: Uint8Array
): Uint8Array => {
  const datagram = new Uint8Array(udp.MIN_HEADER + data.length)
  udp.setSrcPort(datagram, 0, sport)
  udp.setDstPort(datagram, 0, dport)
  udp.setLength(datagram, 0, datagram.length)
  datagram.set(data, udp.MIN_HEADER)
  udp.setChecksum(datagram, 0, pseudo6(fields.saddr, fields.daddr, IPPROTO_UDP, datagram.length))
  return datagram
}
export const udp6Frame = (
  link: Link,
  fields: Ip6Fields,
  ports: Ports,
  data: Uint8Array = new Uint8Array(18)
): Uint8Array =>
  ip6Frame(link, { ...fields, protocol: IPPROTO_UDP }, udpDatagram6(fields, ports, data))

export const tcpSegment6 = (fields: Ip6Fields, t: TcpFields, data: Uint8Array): Uint8Array => {
  const headerLen = tcp.MIN_HEADER + (t.options?.length ?? 0)
  const segment = new Uint8Array(headerLen + data.length)
  tcp.setSrcPort(segment, 0, t.sport)
  tcp.setDstPort(segment, 0, t.dport)
  tcp.setSeq(segment, 0, t.seq ?? 0)
  tcp.setAck(segment, 0, t.ack ?? 0)
  tcp.setHeaderLenFlags(segment, 0, headerLen, t.flags ?? tcp.TCP_ACK)
  tcp.setWindow(segment, 0, t.window ?? 65535)
  segment.set(t.options ?? [], tcp.MIN_HEADER)
  segment.set(data, headerLen)
  const sum = pseudo6(fields.saddr, fields.daddr, IPPROTO_TCP, segment.length)
  tcp.setChecksum(segment, 0, segment.length, sum)
  return segment
}
export const tcp6Frame = (
  link: Link,
  fields: Ip6Fields,
  t: TcpFields,
  data: Uint8Array = new Uint8Array(0)
): Uint8Array => ip6Frame(link, { ...fields, protocol: IPPROTO_TCP }, tcpSegment6(fields, t, data))

/** An ICMPv6 message; `rest` is its second word. */
export const icmpv6Message = (
  fields: Ip6Fields,
  type: number,
  code: number,
  rest: number,
  data: Uint8Array
): Uint8Array => {
  const message = new Uint8Array(icmpv6.MIN_HEADER + data.length)
  icmpv6.setType(message, 0, type)
  icmpv6.setCode(message, 0, code)
  icmpv6.setRest(message, 0, rest)
  message.set(data, icmpv6.MIN_HEADER)
  const sum = pseudo6(fields.saddr, fields.daddr, IPPROTO_ICMPV6, message.length)
  icmpv6.setChecksum(message, 0, message.length, sum)
  return message
}
export const icmpv6Frame = (
  link: Link,
  fields: Ip6Fields,
  type: number,
  code: number,
  rest: number,
  data: Uint8Array = new Uint8Array(0)
): Uint8Array =>
  ip6Frame(
    link,
    { ...fields, protocol: IPPROTO_ICMPV6 },
    icmpv6Message(fields, type, code, rest, data)
  )

/** What a frame with an IPv6 packet says. */
export const readIp6 = (frame: Uint8Array) => {
  const at = ethernet.ETH_HLEN
  const text = (get: readonly ((mem: Uint8Array, at: number) => number)[]): string => {
    const [a, b, c, d] = get.map((word) => word(frame, at))
    return formatIpv6(a!, b!, c!, d!)
  }
  return {
    saddr: text([ipv6.src0, ipv6.src1, ipv6.src2, ipv6.src3]),
    daddr: text([ipv6.dst0, ipv6.dst1, ipv6.dst2, ipv6.dst3]),
    next: ipv6.nextHeader(frame, at),
    hops: ipv6.hopLimit(frame, at),
    payload: frame.subarray(at + ipv6.HEADER, at + ipv6.HEADER + ipv6.payloadLength(frame, at)),
  }
}
/** An ICMPv6 message's type, code, second word, and what it carries. */
export const readIcmpv6 = (frame: Uint8Array) => {
  const { payload } = readIp6(frame)
  return {
    type: icmpv6.type(payload, 0),
    code: icmpv6.code(payload, 0),
    rest: icmpv6.rest(payload, 0),
    data: payload.subarray(icmpv6.MIN_HEADER),
  }
}
