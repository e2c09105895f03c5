// Frames for tests, built octet by octet with the wire library: what a neighbour on the link would send. Each builder
// returns the bytes of a whole Ethernet frame; checksums are right unless the test spoils them.

import { pseudoSum } from '../../core/base/checksum.ts'
import * as arp from '../../core/wire/arp.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as icmp from '../../core/wire/icmp.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as tcp from '../../core/wire/tcp.ts'
import * as udp from '../../core/wire/udp.ts'

/** '10.0.0.1' as an int32. */
export const ip = (text: string): number => {
  const [a, b, c, d] = text.split('.').map(Number)
  return (a! << 24) | (b! << 16) | (c! << 8) | d!
}
export const ipText = (addr: number): string =>
  [addr >>> 24, (addr >>> 16) & 255, (addr >>> 8) & 255, addr & 255].join('.')

/** '02:00:00:00:00:01' as six octets. */
export const mac = (text: string): Uint8Array =>
  Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16))
export const macText = (frame: Uint8Array, at: number): string =>
  [...frame.subarray(at, at + 6)].map((octet) => octet.toString(16).padStart(2, '0')).join(':')
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff'

export type Link = { dst: string; src: string }
export type IpFields = {
  saddr: string
  daddr: string
  ttl?: number
  tos?: number
  id?: number
  /** IP_DF, IP_MF. */
  flags?: number
  /** Octets, a multiple of 8. */
  offset?: number
  options?: number[]
  protocol?: number
}

/** An Ethernet frame around a payload. */
export const etherFrame = ({ dst, src }: Link, type: number, payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(ethernet.ETH_HLEN + payload.length)
  frame.set(mac(dst), 0)
  frame.set(mac(src), 6)
  ethernet.setType(frame, 0, type)
  frame.set(payload, ethernet.ETH_HLEN)
  return frame
}

/** An IPv4 packet around a payload. */
export const ipPacket = (fields: IpFields, payload: Uint8Array): Uint8Array => {
  const options = fields.options ?? []
  const headerLen = ipv4.MIN_HEADER + options.length
  const packet = new Uint8Array(headerLen + payload.length)
  ipv4.init(
    packet,
    0,
    fields.protocol ?? IPPROTO_UDP,
    ip(fields.saddr),
    ip(fields.daddr),
    packet.length,
    fields.ttl ?? 64
  )
  ipv4.setVersionIhl(packet, 0, headerLen)
  ipv4.setTos(packet, 0, fields.tos ?? 0)
  ipv4.setId(packet, 0, fields.id ?? 1)
  ipv4.setFragment(packet, 0, fields.flags ?? 0, fields.offset ?? 0)
  packet.set(options, ipv4.MIN_HEADER)
  ipv4.setChecksum(packet, 0)
  packet.set(payload, headerLen)
  return packet
}
export const ipFrame = (link: Link, fields: IpFields, payload: Uint8Array): Uint8Array =>
  etherFrame(link, ethernet.ETH_P_IP, ipPacket(fields, payload))

/** Sum of an IPv4 pseudo header from text addresses. */
export const pseudo = (saddr: string, daddr: string, protocol: number, len: number): number => {
  const addrs = new Uint8Array(8)
  new DataView(addrs.buffer).setInt32(0, ip(saddr))
  new DataView(addrs.buffer).setInt32(4, ip(daddr))
  return pseudoSum(addrs, 0, 8, protocol, len)
}

export type Ports = { sport: number; dport: number }

/** A UDP datagram with its checksum over the given addresses. */
export const udpDatagram = (
  fields: IpFields,
  { sport, dport }: Ports,
  data: Uint8Array
): Uint8Array => {
  const datagram = new Uint8Array(udp.MIN_HEADER + data.length)
  udp.setSrcPort(datagram, 0, sport)
  udp.setDstPort(datagram, 0, dport)
  udp.setLength(datagram, 0, datagram.length)
  datagram.set(data, udp.MIN_HEADER)
  udp.setChecksum(datagram, 0, pseudo(fields.saddr, fields.daddr, IPPROTO_UDP, datagram.length))
  return datagram
}
export const udpFrame = (
  link: Link,
  fields: IpFields,
  ports: Ports,
  data: Uint8Array = new Uint8Array(18)
): Uint8Array =>
  ipFrame(link, { ...fields, protocol: IPPROTO_UDP }, udpDatagram(fields, ports, data))

export type TcpFields = Ports & {
  seq?: number
  ack?: number
  flags?: number
  window?: number
  options?: number[]
}

/** A TCP segment with its checksum over the given addresses. */
export const tcpSegment = (fields: IpFields, t: TcpFields, data: Uint8Array): Uint8Array => {
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
  tcp.setChecksum(
    segment,
    0,
    segment.length,
    pseudo(fields.saddr, fields.daddr, IPPROTO_TCP, segment.length)
  )
  return segment
}
export const tcpFrame = (
  link: Link,
  fields: IpFields,
  t: TcpFields,
  data: Uint8Array = new Uint8Array(0)
): Uint8Array => ipFrame(link, { ...fields, protocol: IPPROTO_TCP }, tcpSegment(fields, t, data))

/** An ICMP message; `rest` is its second word. */
export const icmpMessage = (
  type: number,
  code: number,
  rest: number,
  data: Uint8Array
): Uint8Array => {
  const message = new Uint8Array(icmp.MIN_HEADER + data.length)
  icmp.setType(message, 0, type)
  icmp.setCode(message, 0, code)
  icmp.setRest(message, 0, rest)
  message.set(data, icmp.MIN_HEADER)
  icmp.setChecksum(message, 0, message.length)
  return message
}
export const icmpFrame = (
  link: Link,
  fields: IpFields,
  type: number,
  code: number,
  rest: number,
  data: Uint8Array = new Uint8Array(0)
): Uint8Array =>
  ipFrame(link, { ...fields, protocol: IPPROTO_ICMP }, icmpMessage(type, code, rest, data))

export type ArpFields = { op: number; sha: string; sip: string; tha?: string; tip: string }

export const arpFrame = (link: Link, { op, sha, sip, tha, tip }: ArpFields): Uint8Array => {
  const message = new Uint8Array(arp.MIN_HEADER)
  const s = mac(sha)
  const t = mac(tha ?? '00:00:00:00:00:00')
  arp.init(message, 0, op)
  arp.setSender(message, 0, ethernet.macHi(s, 0), ethernet.macLo(s, 0), ip(sip))
  arp.setTarget(message, 0, ethernet.macHi(t, 0), ethernet.macLo(t, 0), ip(tip))
  return etherFrame(link, ethernet.ETH_P_ARP, message)
}

/** An IPv4 address as it travels in the stack: (words, at). */
export const v4Words = (addr: number): [words: Int32Array, at: number] => [
  Int32Array.of(0, 0, 0xffff, addr),
  0,
]
