// The packets of a plan, which hosts send as they are, and what is made of those that arrive: their octets without what is
// drawn anew each time, and words for what they say.

import * as icmp from '../../../core/wire/icmp.ts'
import * as icmpv6 from '../../../core/wire/icmpv6.ts'
import {
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import { formatIpv4, formatIpv6 } from '../../../core/wire/text.ts'
import { icmpMessage, ipPacket, tcpSegment, udpDatagram } from '../../../sim/net/packets.ts'
import { icmpv6Message, ip6Packet, tcpSegment6, udpDatagram6 } from '../../../sim/net/packets6.ts'

/** The identification of what hosts send, and their port. */
const OURS = 0x4242

export type Probe = { daddr: string; dev: string | undefined; packet: Uint8Array }

const readWords = ([kind = '', ...rest]: readonly string[]) => {
  const number = kind === 'ping' ? 0 : Number(rest.shift())
  const daddr = rest.shift()!
  const value = (name: string): string | undefined => {
    const at = rest.indexOf(name)
    return at < 0 ? undefined : rest[at + 1]
  }
  return { kind, number, daddr, value, df: rest.includes('df'), mf: rest.includes('mf') }
}

const ports = (dport: number) => ({ sport: OURS, dport })

const probe4 = (words: readonly string[], own: string, seq: number): Uint8Array => {
  const { kind, number, daddr, value, df, mf } = readWords(words)
  const options = [...Buffer.from(value('options') ?? '', 'hex')]
  while (options.length % 4 !== 0) options.push(0)
  const fields = {
    saddr: value('from') ?? own,
    daddr,
    ttl: Number(value('ttl') ?? 64),
    tos: Number(value('tos') ?? 0),
    id: OURS,
    flags: (df ? ipv4.IP_DF : 0) | (mf ? ipv4.IP_MF : 0),
    options,
  }
  const room = Number(value('size') ?? 84) - ipv4.MIN_HEADER - options.length - 8
  const data = new Uint8Array(Math.max(0, room)).fill(seq)
  const of = (protocol: number, payload: Uint8Array): Uint8Array =>
    ipPacket({ ...fields, protocol }, payload)
  if (kind === 'proto') return of(number, data)
  if (kind === 'udp') return of(IPPROTO_UDP, udpDatagram(fields, ports(number), data))
  if (kind === 'tcp') {
    const syn = { ...ports(number), seq, flags: tcp.TCP_SYN }
    return of(IPPROTO_TCP, tcpSegment(fields, syn, NO_DATA))
  }
  return of(IPPROTO_ICMP, icmpMessage(icmp.ICMP_ECHO, 0, (OURS << 16) | seq, data))
}
const NO_DATA = new Uint8Array(0)

const probe6 = (words: readonly string[], own: string, seq: number): Uint8Array => {
  const { kind, number, daddr, value } = readWords(words)
  const [ext, header] = [value('ext'), Buffer.from(value('header') ?? '', 'hex')]
  const fields = {
    saddr: value('from') ?? own,
    daddr,
    hops: Number(value('ttl') ?? 64),
    trafficClass: Number(value('tos') ?? 0),
    ext: ext === undefined ? [] : [[Number(ext), [...header]] as const],
  }
  const room = Number(value('size') ?? 104) - ipv6.HEADER - header.length - 8
  const data = new Uint8Array(Math.max(0, room)).fill(seq)
  const of = (protocol: number, payload: Uint8Array): Uint8Array =>
    ip6Packet({ ...fields, protocol }, payload)
  if (kind === 'proto') return of(number, data)
  if (kind === 'udp') return of(IPPROTO_UDP, udpDatagram6(fields, ports(number), data))
  if (kind === 'tcp') {
    const syn = { ...ports(number), seq, flags: tcp.TCP_SYN }
    return of(IPPROTO_TCP, tcpSegment6(fields, syn, NO_DATA))
  }
  const message = icmpv6Message(fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, (OURS << 16) | seq, data)
  return of(IPPROTO_ICMPV6, message)
}

/** The packet of a step, of a host with these addresses. */
export const readProbe = (words: string[], addresses: readonly string[], seq: number): Probe => {
  const { daddr, value } = readWords(words)
  const is6 = daddr.includes(':')
  const own = addresses.find((address) => address.includes(':') === is6)?.split('/')[0] ?? ''
  return { daddr, dev: value('dev'), packet: (is6 ? probe6 : probe4)(words, own, seq) }
}

const addr4 = (p: Uint8Array, at: number): string =>
  formatIpv4(new DataView(p.buffer, p.byteOffset).getInt32(at))
const addr6 = (p: Uint8Array, at: number): string => {
  const view = new DataView(p.buffer, p.byteOffset)
  return formatIpv6(
    view.getInt32(at),
    view.getInt32(at + 4),
    view.getInt32(at + 8),
    view.getInt32(at + 12)
  )
}
const bodyAt = (p: Uint8Array): number => (p[0]! >> 4 === 4 ? ipv4.headerLen(p, 0) : ipv6.HEADER)
const protocolOf = (p: Uint8Array): number =>
  p[0]! >> 4 === 4 ? ipv4.protocol(p, 0) : ipv6.nextHeader(p, 0)

/** What neighbours and groups say to each other all the time. */
export const isChatter = (p: Uint8Array): boolean => {
  if (p[0]! >> 4 === 4) return ipv4.protocol(p, 0) === 2
  if (protocolOf(p) === IPPROTO_HOPOPTS) return true
  const type = p[ipv6.HEADER]!
  return protocolOf(p) === IPPROTO_ICMPV6 && type >= 130 && type <= 136
}

const CODES4: Readonly<Record<string, string>> = {
  '3/0': 'net unreachable',
  '3/1': 'host unreachable',
  '3/2': 'protocol unreachable',
  '3/3': 'port unreachable',
  '3/13': 'filtered',
  '11/0': 'time exceeded',
  '11/1': 'reassembly time exceeded',
}
const CODES6: Readonly<Record<string, string>> = {
  '1/0': 'no route',
  '1/1': 'prohibited',
  '1/2': 'beyond scope',
  '1/3': 'address unreachable',
  '1/4': 'port unreachable',
  '1/5': 'failed policy',
  '1/6': 'reject route',
  '3/0': 'time exceeded',
}
const say4 = (p: Uint8Array, at: number): string => {
  const [type, code] = [icmp.type(p, at), icmp.code(p, at)]
  if (type === icmp.ICMP_ECHOREPLY) return 'reply'
  if (type === icmp.ICMP_ECHO) return 'request'
  const by = `by ${addr4(p, 12)}`
  if (type === icmp.ICMP_REDIRECT) return `redirect to ${addr4(p, at + 4)} ${by}`
  if (type === icmp.ICMP_PARAMETERPROB) return `parameter problem ${p[at + 4]} ${by}`
  if (type === 3 && code === 4) return `mtu ${icmp.nextHopMtu(p, at)} ${by}`
  return `${CODES4[`${type}/${code}`] ?? `icmp ${type}/${code}`} ${by}`
}
const say6 = (p: Uint8Array, at: number): string => {
  const [type, code] = [icmpv6.type(p, at), icmpv6.code(p, at)]
  if (type === icmpv6.ICMPV6_ECHO_REPLY) return 'reply'
  if (type === icmpv6.ICMPV6_ECHO_REQUEST) return 'request'
  const by = `by ${addr6(p, 8)}`
  if (type === icmpv6.NDISC_REDIRECT) return `redirect to ${addr6(p, at + 8)} ${by}`
  if (type === icmpv6.ICMPV6_PARAMPROB) return `parameter problem ${icmpv6.rest(p, at)} ${by}`
  if (type === icmpv6.ICMPV6_PKT_TOOBIG) return `mtu ${icmpv6.mtu(p, at)} ${by}`
  return `${CODES6[`${type}/${code}`] ?? `icmp ${type}/${code}`} ${by}`
}

/** What a packet says, in a few words. */
export const say = (p: Uint8Array): string => {
  const is4 = p[0]! >> 4 === 4
  const [at, protocol] = [bodyAt(p), protocolOf(p)]
  if (is4 && (ipv4.fragment(p, 0) & ipv4.IP_OFFSET) !== 0) return 'fragment'
  if (protocol === IPPROTO_FRAGMENT) return 'fragment'
  if (protocol === IPPROTO_ICMP) return say4(p, at)
  if (protocol === IPPROTO_ICMPV6) return say6(p, at)
  if (protocol === IPPROTO_TCP) return (p[at + 13]! & tcp.TCP_RST) !== 0 ? 'rst' : 'segment'
  return 'datagram'
}

const withoutId = (p: Uint8Array, at: number): void => {
  ipv4.setId(p, at, 0)
  ipv4.putChecksum(p, at, 0)
}
/** What one of two packets may have otherwise: numbers that their hosts draw. */
export const withoutDrawn = (packet: Uint8Array): string => {
  const p = packet.slice()
  // between namespaces it may be left to a device to make
  if (protocolOf(p) === IPPROTO_TCP) p.fill(0, bodyAt(p) + 16, bodyAt(p) + 18)
  if (p[0]! >> 4 === 6) {
    if (protocolOf(p) === IPPROTO_FRAGMENT) p.fill(0, ipv6.HEADER + 4, ipv6.HEADER + 8)
    return Buffer.from(p).toString('hex')
  }
  withoutId(p, 0)
  const [at, type] = [bodyAt(p), p[bodyAt(p)]!]
  const isError = protocolOf(p) === IPPROTO_ICMP && icmp.isError(type)
  const quoted = at + icmp.MIN_HEADER
  if (isError && ipv4.id(p, quoted) !== OURS) {
    withoutId(p, quoted)
    icmp.putChecksum(p, at, 0)
  }
  return Buffer.from(p).toString('hex')
}
