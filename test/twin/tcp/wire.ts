// Segments of a case as octets, and what a host sent as text. What two hosts may do differently is taken out on the way: first
// sequence numbers, values of time stamps, identifications, flow labels. Checksums are looked at and left out.

import * as csum from '../../../core/base/checksum.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import { OPT_SEEN, OPT_WORDS, parse, SEEN_WSCALE } from '../../../core/wire/tcp-options.ts'
import { etherFrame } from '../../../sim/net/packets.ts'
import { pattern } from '../../../sim/net/pattern.ts'
import { type Datagram, type IcmpError, type Segment, flagBits, flagText } from './script.ts'
import {
  addressBytes,
  FIRST_PORT,
  GATEWAY_MAC,
  HOST_MAC,
  NETS,
  PEER_PORT,
  peerText,
} from './world.ts'

/** What is acknowledged of a host that has sent no sequence number yet. */
const NO_ISN = 0x20000000
const IPPROTO_TCP = 6
const IPPROTO_UDP = 17
const IPPROTO_FRAGMENT = 44
const IPPROTO_ICMP = { ipv4: 1, ipv6: 58 }

/** A case's flow on one host: both ends' first sequence numbers, and the time stamp that the host sent last. */
export type Flow = {
  family: 'ipv4' | 'ipv6'
  id: number
  port: number
  peerIsn: number
  isn: number | null
  tsval: number
  /** That of its SYN; the one that the peer echoes. */
  synTsval: number
  stamp: number
  /** Its highest sequence number and acknowledgment so far, relative; how far its window reaches. */
  sent: number
  acked: number
  edge: number
  /** Where each of its segments with text has begun. */
  starts: Set<number>
  /** What its window is shifted by: as its SYN says, unless the peer's has no scale. */
  wscale: number
  isPeerScaled: boolean
  /** The sequence number of a SYN of its own; whether it has answered one that has crossed that, and with a scale. */
  synSeq: number | null
  isCrossed: boolean
  hasScale: boolean
  /**
   * When SYNs have crossed, the kernel scales its windows though the peer's had no scale, which RFC 7323 2.2 forbids
   * (tcp_rcv_synsent_state_process leaves rcv_wscale as it was).
   */
  scalesUnasked: boolean
}

export const makeFlow = (family: Flow['family'], id: number, peerIsn: number): Flow => ({
  family,
  id,
  port: FIRST_PORT + id,
  peerIsn,
  isn: null,
  tsval: 0,
  synTsval: 0,
  stamp: 0,
  sent: 0,
  acked: 0,
  edge: 0,
  starts: new Set(),
  wscale: 0,
  isPeerScaled: false,
  synSeq: null,
  isCrossed: false,
  hasScale: false,
  scalesUnasked: false,
})

// ---- in

/** Which millisecond it was that a host sent what: so soon after its SYN it is that one's. */
const SAME_STAMP_MS = 6
/** What the next segment echoes: of both hosts that of the SYN, or of neither. */
export const noteStamps = (flows: readonly Flow[]): void => {
  const isSoon = flows.every(({ tsval, synTsval }) => (tsval - synTsval) >>> 0 <= SAME_STAMP_MS)
  for (const flow of flows) flow.stamp = isSoon ? flow.synTsval : flow.tsval
}

/** `isText`: they will be taken for text, so nothing of the host's own is in them. */
const optionBytes = (flow: Flow, option: string, isText: boolean): number[] => {
  const [name, ...args] = option.split(' ')
  const numbers = args.map(Number)
  const word = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255)
  switch (name) {
    case 'nop':
      return [1]
    case 'eol':
      return [0]
    case 'mss':
      return [2, 4, (numbers[0]! >> 8) & 255, numbers[0]! & 255]
    case 'wscale':
      return [3, 3, numbers[0]!]
    case 'sackOK':
      return [4, 2]
    case 'ts': {
      const echo = args[1] === '-' || isText ? 0 : flow.stamp + numbers[1]!
      return [8, 10, ...word(numbers[0]!), ...word(echo)]
    }
    case 'sack': {
      const isn = isText ? 0 : (flow.isn ?? NO_ISN)
      const edges = numbers.map((edge) => isn + edge)
      return [5, 2 + 4 * edges.length, ...edges.flatMap(word)]
    }
    case 'fo':
      return [34, 2 + (args[0] ?? '').length / 2, ...Buffer.from(args[0] ?? '', 'hex')]
    case 'raw':
      return [...Buffer.from(args[0] ?? '', 'hex')]
  }
  throw new Error(`the option ${option}`)
}

/** An IP packet from the peer. */
const fromPeer = (
  flow: Flow,
  protocol: number,
  body: Uint8Array,
  { tos = 0, ttl = 64, isQuoted = false }
): Uint8Array => {
  const { family } = flow
  const net = NETS[family]
  const bytes = new Uint8Array(net.header + body.length)
  bytes.set(body, net.header)
  const ends = [addressBytes(peerText(family, flow.id)), addressBytes(net.local)]
  if (isQuoted) ends.reverse()
  if (family === 'ipv4') {
    ipv4.init(bytes, 0, protocol, 0, 0, bytes.length, ttl)
    ipv4.setTos(bytes, 0, tos)
  } else {
    ipv6.init(bytes, 0, protocol, body.length, ttl)
    ipv6.setTrafficClassFlow(bytes, 0, tos, 0)
  }
  bytes.set(ends[0]!, net.addresses)
  bytes.set(ends[1]!, net.addresses + ends[0]!.length)
  if (family === 'ipv4') ipv4.setChecksum(bytes, 0)
  return bytes
}
/** The sum of the pseudo header of a packet's transport. */
const pseudo = (
  family: 'ipv4' | 'ipv6',
  bytes: Uint8Array,
  at: number,
  protocol: number
): number => {
  const { header, addresses } = NETS[family]
  const length = family === 'ipv4' ? 8 : 32
  return csum.pseudoSum(bytes, at + addresses, length, protocol, bytes.length - at - header)
}
const inFrame = (flow: Flow, packet: Uint8Array): Uint8Array =>
  etherFrame({ dst: HOST_MAC, src: GATEWAY_MAC }, NETS[flow.family].ethertype, packet)

/** Adds to a checksum, which is wrong then. */
const spoil = (packet: Uint8Array, at: number, by: number): void => {
  const view = new DataView(packet.buffer)
  view.setUint16(at, view.getUint16(at) ^ by)
}

/** Those of a segment; what lies behind the header's length as it says is text. */
const optionsOf = (flow: Flow, { options, doff }: Segment): number[] => {
  const [read, text] = [false, true].map((isText) =>
    options
      .flatMap((option) => optionBytes(flow, option, isText))
      .slice(0, tcp.MAX_HEADER - tcp.MIN_HEADER)
  )
  return read!.map((octet, k) => (doff !== 0 && tcp.MIN_HEADER + k >= doff ? text![k]! : octet))
}
const segmentBytes = (flow: Flow, segment: Segment): Uint8Array => {
  const options = optionsOf(flow, segment)
  while (options.length % 4 !== 0) options.push(1)
  const header = tcp.MIN_HEADER + options.length
  const bytes = new Uint8Array(header + segment.len)
  const flags = flagBits(segment.flags)
  tcp.setSrcPort(bytes, 0, PEER_PORT)
  tcp.setDstPort(bytes, 0, flow.port)
  tcp.setSeq(bytes, 0, (flow.peerIsn + segment.seq) | 0)
  const isAck = (flags & tcp.TCP_ACK) !== 0
  tcp.setAck(bytes, 0, isAck ? ((flow.isn ?? NO_ISN) + segment.ack) | 0 : 0)
  tcp.setHeaderLenFlags(bytes, 0, segment.doff || header, flags)
  tcp.setWindow(bytes, 0, segment.win)
  tcp.setUrgent(bytes, 0, segment.urg)
  bytes.set(options, tcp.MIN_HEADER)
  for (let k = 0; k < segment.len; k++) bytes[header + k] = pattern(segment.seq - 1 + k)
  return bytes.subarray(0, Math.max(0, bytes.length - segment.cut))
}
/** It has an option of RFC 7323 2.2 that a receiver finds: none that has no end lies before it. */
const hasWscale = (body: Uint8Array): boolean => {
  const header = tcp.headerLen(body, 0)
  if (header < tcp.MIN_HEADER || header > body.length) return false
  const found = new Int32Array(OPT_WORDS)
  parse(body, tcp.MIN_HEADER, header - tcp.MIN_HEADER, found)
  return (found[OPT_SEEN]! & SEEN_WSCALE) !== 0
}
export const segmentFrame = (flow: Flow, segment: Segment): Uint8Array => {
  const body = segmentBytes(flow, segment)
  if (segment.flags.includes('S') && flow.acked === 0) flow.isPeerScaled = hasWscale(body)
  const packet = fromPeer(flow, IPPROTO_TCP, body, segment)
  const { header } = NETS[flow.family]
  const sum = pseudo(flow.family, packet, 0, IPPROTO_TCP)
  if (body.length >= tcp.MIN_HEADER) {
    tcp.setChecksum(packet, header, body.length, sum)
    spoil(packet, header + 16, segment.sum)
  }
  return inFrame(flow, packet)
}

/** `protocol` is of the packet that it is about. */
export const icmpFrame = (flow: Flow, error: IcmpError, protocol = IPPROTO_TCP): Uint8Array => {
  const whole = new Uint8Array(20)
  const quote = whole.subarray(0, error.quote)
  const view = new DataView(whole.buffer)
  view.setUint16(0, flow.port)
  view.setUint16(2, PEER_PORT)
  if (protocol === IPPROTO_TCP) {
    view.setInt32(4, ((flow.isn ?? NO_ISN) + error.seq) | 0)
    tcp.setHeaderLenFlags(whole, 0, 20, tcp.TCP_ACK)
  } else view.setUint16(4, whole.length)
  const inner = fromPeer(flow, protocol, quote, { isQuoted: true })
  const body = new Uint8Array(8 + inner.length)
  body.set([error.type, error.code])
  new DataView(body.buffer).setUint32(4, error.info)
  body.set(inner, 8)
  const outer = IPPROTO_ICMP[flow.family]
  const packet = fromPeer(flow, outer, body, {})
  const { header } = NETS[flow.family]
  const sum = flow.family === 'ipv4' ? 0 : pseudo('ipv6', packet, 0, outer)
  const checksum = csum.finish(csum.sumBytes(packet, header, body.length, sum))
  new DataView(packet.buffer).setUint16(header + 2, checksum)
  return inFrame(flow, packet)
}

export const datagramFrame = (flow: Flow, { len, from, to, sum, size }: Datagram): Uint8Array => {
  const body = new Uint8Array(8 + len)
  const view = new DataView(body.buffer)
  view.setUint16(0, PEER_PORT + from)
  view.setUint16(2, flow.port + to)
  view.setUint16(4, body.length + size)
  for (let k = 0; k < len; k++) body[8 + k] = pattern(k)
  const packet = fromPeer(flow, IPPROTO_UDP, body, {})
  if (sum === 'none') return inFrame(flow, packet)
  const { header } = NETS[flow.family]
  const covered = pseudo(flow.family, packet, 0, IPPROTO_UDP)
  const checksum = csum.finish(csum.sumBytes(packet, header, body.length, covered)) || 0xffff
  new DataView(packet.buffer).setUint16(header + 6, checksum)
  if (sum === 'bad') spoil(packet, header + 6, 1)
  return inFrame(flow, packet)
}

// ---- out

/** The peer that a frame goes to, or -1 when it is no peer's. */
export const peerOf = (family: 'ipv4' | 'ipv6', frame: Uint8Array): number => {
  const net = NETS[family]
  if (frame.length < 14 + net.header) return -1
  if (((frame[12]! << 8) | frame[13]!) !== net.ethertype) return -1
  if (family === 'ipv4')
    return frame[30] === 11 && frame[31] === 1 ? (frame[32]! << 8) | frame[33]! : -1
  if (frame[38] !== 0xfd || frame[39] !== 1) return -1
  return ((frame[52]! << 8) | frame[53]!) - 1
}

const ipText = (family: 'ipv4' | 'ipv6', bytes: Uint8Array): string => {
  if (family === 'ipv6') return `tos ${ipv6.trafficClass(bytes, 0)} ttl ${ipv6.hopLimit(bytes, 0)}`
  const df = ipv4.dontFragment(bytes, 0) ? '' : ' no DF'
  return `tos ${ipv4.tos(bytes, 0)} ttl ${ipv4.ttl(bytes, 0)}${df}`
}

const optionsText = (flow: Flow, bytes: Uint8Array, at: number, end: number): string[] => {
  const words: string[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  for (let p = at; p < end; ) {
    const kind = bytes[p]!
    const len = kind < 2 ? 1 : (bytes[p + 1] ?? 0)
    if (len === 0 || p + len > end) return [...words, 'bad options']
    const value = [...bytes.subarray(p + 2, p + len)]
    if (kind === 0) words.push('eol')
    else if (kind === 1) words.push('nop')
    else if (kind === 2 && len === 4) words.push(`mss ${view.getUint16(p + 2)}`)
    else if (kind === 3 && len === 3) {
      words.push(`wscale ${value[0]}`)
      flow.wscale = value[0]!
      flow.hasScale = true
    } else if (kind === 4 && len === 2) words.push('sackOK')
    else if (kind === 5)
      words.push(
        `sack ${Array.from({ length: (len - 2) / 4 }, (_, k) => (view.getInt32(p + 2 + 4 * k) - flow.peerIsn) | 0).join(' ')}`
      )
    else if (kind === 8 && len === 10) {
      words.push(`ts ecr ${view.getUint32(p + 6)}`)
      if (((view.getInt32(p + 2) - flow.tsval) | 0) < 0 && flow.tsval !== 0)
        words.push('ts goes back')
      flow.tsval = view.getInt32(p + 2)
    } else words.push(`option ${kind} ${Buffer.from(value).toString('hex')}`)
    p += len
  }
  return words
}

/** `end` is behind all that the segment takes of sequence. */
const noteSent = (flow: Flow, flags: number, end: number, win: number): void => {
  if ((flags & tcp.TCP_RST) !== 0) return
  const isSyn = (flags & tcp.TCP_SYN) !== 0
  if (isSyn) flow.edge = win
  if (isSyn || end > flow.sent) flow.sent = end
}
const noteSyn = (flow: Flow, flags: number, seq: number): void => {
  const isAck = (flags & tcp.TCP_ACK) !== 0
  flow.isn = seq
  if (!isAck) flow.synSeq = seq
  flow.isCrossed = isAck && flow.synSeq === seq
  flow.hasScale = false
}
const counted = (flags: number): number =>
  ((flags & tcp.TCP_SYN) !== 0 ? 1 : 0) + ((flags & tcp.TCP_FIN) !== 0 ? 1 : 0)

const tcpText = (flow: Flow, bytes: Uint8Array, at: number): string => {
  const flags = tcp.flags(bytes, at)
  const header = tcp.headerLen(bytes, at)
  const len = bytes.length - at - header
  const isSyn = (flags & tcp.TCP_SYN) !== 0
  if (isSyn) noteSyn(flow, flags, tcp.seq(bytes, at))
  const isAbsolute = (flags & tcp.TCP_RST) !== 0 && tcp.seq(bytes, at) === 0
  const seq = isAbsolute ? 0 : (tcp.seq(bytes, at) - (flow.isn ?? NO_ISN)) | 0
  const words = [flagText(flags), isAbsolute ? '=0' : `${seq}:${seq + len}(${len})`]
  const raw = tcp.window(bytes, at)
  const win = flow.scalesUnasked && !isSyn ? raw << flow.wscale : raw
  if ((flags & tcp.TCP_ACK) !== 0) {
    const ack = (tcp.ack(bytes, at) - flow.peerIsn) | 0
    words.push(`ack ${ack}`)
    if ((flags & tcp.TCP_RST) === 0) {
      flow.acked = ack
      const isScaled = flow.isPeerScaled && !flow.scalesUnasked && !isSyn
      flow.edge = ack + (isScaled ? win << flow.wscale : win)
    }
  } else if (tcp.ack(bytes, at) !== 0) words.push('ack not 0')
  noteSent(flow, flags, seq + len + counted(flags), win)
  if (len > 0) flow.starts.add(seq)
  words.push(`win ${win}`)
  if (tcp.urgent(bytes, at) !== 0) words.push(`urg ${tcp.urgent(bytes, at)}`)
  const options = optionsText(flow, bytes, at + tcp.MIN_HEADER, at + header)
  if (options.length > 0) words.push(`[${options.join(', ')}]`)
  if (isSyn) flow.synTsval = flow.tsval
  for (let k = 0; k < len; k++)
    if (bytes[at + header + k] !== pattern(seq - (isSyn ? 0 : 1) + k))
      return `${words.join(' ')} other octets`
  return words.join(' ')
}

/** IPv6's fragments, whose identifications are each one's own (RFC 7739). */
const fragmentText = (bytes: Uint8Array, at: number): string => {
  const field = (bytes[at + 2]! << 8) | bytes[at + 3]!
  const more = (field & 1) === 0 ? '' : ' more'
  return `fragment of ${bytes[at]} ${field & 0xfff8} (${bytes.length - at - 8})${more}`
}

/** What the host sent, and the flow knows of it after. */
export const describe = (flow: Flow, frame: Uint8Array): string => {
  const bytes = frame.subarray(14)
  const { family } = flow
  const { header } = NETS[family]
  const protocol = family === 'ipv4' ? ipv4.protocol(bytes, 0) : ipv6.nextHeader(bytes, 0)
  const place = ipText(family, bytes)
  const length =
    family === 'ipv4' ? ipv4.totalLength(bytes, 0) : header + ipv6.payloadLength(bytes, 0)
  const packet = bytes.subarray(0, length)
  if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) {
    const isOk = csum.isChecksumOk(
      packet,
      header,
      length - header,
      pseudo(family, packet, 0, protocol)
    )
    const text =
      protocol === IPPROTO_TCP ? tcpText(flow, packet, header) : `udp ${length - header - 8}`
    return `${text} ${place}${isOk ? '' : ' bad checksum'}`
  }
  if (protocol === IPPROTO_FRAGMENT) return `${fragmentText(packet, header)} ${place}`
  const body = packet.slice(header)
  body.fill(0, 2, 4)
  return `protocol ${protocol} ${Buffer.from(body.subarray(0, 8)).toString('hex')} ${place}`
}
