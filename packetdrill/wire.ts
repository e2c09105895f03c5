/** Packets of scripts as bytes and back, and as tcpdump prints them. Sequence numbers are what the header says. */
import { pseudoSum } from '../core/base/checksum.ts'
import { AF_INET } from '../core/base/family.ts'
import { i32, u16 } from '../core/base/bytes.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as ipv6 from '../core/wire/ipv6.ts'
import * as tcp from '../core/wire/tcp.ts'
import { FLAG_LETTERS } from './parse-packet.ts'
import { type TcpOption, type TcpPacket, Unsupported } from './script.ts'

/** Kinds of options, as IANA numbers them. */
const KIND = {
  eol: 0,
  nop: 1,
  mss: 2,
  wscale: 3,
  sackOK: 4,
  sack: 5,
  TS: 8,
  md5: 19,
  FO: 34,
  ECN: 174,
  FOEXP: 254,
}
/** AccECN whose first counter is ECT(0)'s. */
const KIND_ECN0 = 172
const COUNTERS = ['e1b', 'ceb', 'e0b']
const COUNTERS0 = ['e0b', 'ceb', 'e1b']
const FOEXP_MAGIC = 0xf989

const word = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff)

const optionBytes = (option: TcpOption): number[] => {
  const kind = KIND[option.kind]
  switch (option.kind) {
    case 'eol':
    case 'nop':
      return [kind]
    case 'sackOK':
      return [kind, 2]
    case 'mss':
      return [kind, 4, option.value >> 8, option.value & 0xff]
    case 'wscale':
      return [kind, 3, option.value]
    case 'TS':
      return [kind, 10, ...word(option.val), ...word(option.ecr)]
    case 'sack':
      return [kind, 2 + option.blocks.length * 8, ...option.blocks.flat().flatMap(word)]
    case 'ECN': {
      const ecn = option.fields[0]?.[0] === 'e0b' ? KIND_ECN0 : kind
      const octets = option.fields.flatMap(([, value]) => word(value).slice(1))
      return [ecn, 2 + octets.length, ...octets]
    }
    case 'FOEXP':
      return [kind, 4 + option.bytes.length, FOEXP_MAGIC >> 8, FOEXP_MAGIC & 0xff, ...option.bytes]
    default:
      return [kind, 2 + option.bytes.length, ...option.bytes]
  }
}

const parseOption = (bytes: Uint8Array, at: number): TcpOption => {
  const len = bytes[at + 1]!
  switch (bytes[at]) {
    case KIND.mss:
      return { kind: 'mss', value: u16(bytes, at + 2) }
    case KIND.wscale:
      return { kind: 'wscale', value: bytes[at + 2]! }
    case KIND.sackOK:
      return { kind: 'sackOK' }
    case KIND.TS:
      return { kind: 'TS', val: i32(bytes, at + 2) >>> 0, ecr: i32(bytes, at + 6) >>> 0 }
    case KIND.sack: {
      const blocks: [number, number][] = []
      for (let b = at + 2; b < at + len; b += 8) blocks.push([i32(bytes, b), i32(bytes, b + 4)])
      return { kind: 'sack', blocks }
    }
    case KIND.ECN:
      return { kind: 'ECN', fields: parseCounters(bytes, at, COUNTERS) }
    case KIND_ECN0:
      return { kind: 'ECN', fields: parseCounters(bytes, at, COUNTERS0) }
    case KIND.FO:
      return { kind: 'FO', bytes: [...bytes.subarray(at + 2, at + len)] }
    case KIND.FOEXP:
      return { kind: 'FOEXP', bytes: [...bytes.subarray(at + 4, at + len)] }
    case KIND.md5:
      return { kind: 'md5', bytes: [...bytes.subarray(at + 2, at + len)] }
    default:
      throw new Unsupported(`the TCP option ${bytes[at]}`)
  }
}
const parseCounters = (bytes: Uint8Array, at: number, names: string[]): [string, number][] => {
  const fields: [string, number][] = []
  for (let k = 0; 2 + 3 * (k + 1) <= bytes[at + 1]!; k++)
    fields.push([names[k]!, i32(bytes, at + 2 + 3 * k) >>> 8])
  return fields
}
const parseOptions = (bytes: Uint8Array, start: number, end: number): TcpOption[] => {
  const options: TcpOption[] = []
  for (let at = start; at < end; ) {
    if (bytes[at]! <= KIND.nop) options.push({ kind: bytes[at++] === KIND.nop ? 'nop' : 'eol' })
    else {
      options.push(parseOption(bytes, at))
      at += bytes[at + 1]!
    }
  }
  return options
}

export type Ends = {
  family: number
  src: readonly number[]
  dst: readonly number[]
  sport: number
  dport: number
}
export const ipLen = (family: number): number =>
  family === AF_INET ? ipv4.MIN_HEADER : ipv6.HEADER

/** An IP packet. */
export const encode = (packet: TcpPacket, ends: Ends): Uint8Array => {
  const { family, src, dst } = ends
  const options = (packet.options ?? []).flatMap(optionBytes)
  if (options.length % 4 !== 0) options.push(...new Array(4 - (options.length % 4)).fill(KIND.eol))
  const at = ipLen(family)
  const head = tcp.MIN_HEADER + options.length
  const bytes = new Uint8Array(at + head + packet.len)
  if (family === AF_INET) {
    ipv4.init(bytes, 0, 6, src[3]!, dst[3]!, bytes.length, 64)
    bytes[1] = packet.ecn ?? 0
    ipv4.setChecksum(bytes, 0)
  } else {
    ipv6.init(bytes, 0, 6, bytes.length - at, 64)
    ipv6.setSrc(bytes, 0, src[0]!, src[1]!, src[2]!, src[3]!)
    ipv6.setDst(bytes, 0, dst[0]!, dst[1]!, dst[2]!, dst[3]!)
    bytes[1] = bytes[1]! | ((packet.ecn ?? 0) << 4)
  }
  tcp.setSrcPort(bytes, at, ends.sport)
  tcp.setDstPort(bytes, at, ends.dport)
  tcp.setSeq(bytes, at, packet.seq)
  tcp.setAck(bytes, at, packet.ack)
  tcp.setHeaderLenFlags(bytes, at, head, packet.flags)
  tcp.setWindow(bytes, at, packet.win ?? 0)
  tcp.setUrgent(bytes, at, packet.urg)
  bytes.set(options, at + tcp.MIN_HEADER)
  const [addrs, addrsLen] =
    family === AF_INET ? [ipv4.ADDRS, ipv4.ADDRS_LEN] : [ipv6.ADDRS, ipv6.ADDRS_LEN]
  const len = bytes.length - at
  tcp.setChecksum(bytes, at, len, pseudoSum(bytes, addrs, addrsLen, 6, len))
  return bytes
}

export type Heard = TcpPacket & { sport: number; dport: number }
/** A TCP segment of an IP packet; null when it is none. */
export const decode = (bytes: Uint8Array): Heard | null => {
  const isV4 = bytes[0]! >> 4 === 4
  const at = isV4 ? ipv4.MIN_HEADER : ipv6.HEADER
  if (bytes[isV4 ? 9 : 6] !== 6) return null
  const head = tcp.headerLen(bytes, at)
  return {
    proto: 'tcp',
    sport: tcp.srcPort(bytes, at),
    dport: tcp.dstPort(bytes, at),
    flags: tcp.flags(bytes, at) | ((tcp.ace(bytes, at) & 4) << 6),
    seq: tcp.seq(bytes, at),
    ack: tcp.ack(bytes, at),
    win: tcp.window(bytes, at),
    urg: tcp.urgent(bytes, at),
    len: bytes.length - at - head,
    options: parseOptions(bytes, at + tcp.MIN_HEADER, at + head),
    ecn: isV4 ? bytes[1]! & 3 : (bytes[1]! >> 4) & 3,
  }
}

const hex = (bytes: number[]): string => bytes.map((b) => b.toString(16).padStart(2, '0')).join('')
export const optionText = (option: TcpOption): string => {
  switch (option.kind) {
    case 'mss':
    case 'wscale':
      return `${option.kind} ${option.value}`
    case 'TS':
      return `TS val ${option.val} ecr ${option.ecr}`
    case 'sack':
      return `sack ${option.blocks.map(([a, b]) => `${a}:${b}`).join(' ')}`
    case 'ECN':
      return ['ECN', ...option.fields.flat()].join(' ')
    case 'FO':
    case 'FOEXP':
    case 'md5':
      return `${option.kind} ${hex(option.bytes)}`.trim()
    default:
      return option.kind
  }
}
const ECN_TEXT = ['', '[ect1] ', '[ect0] ', '[ce] ']

/** As tcpdump prints it. */
export const packetText = (packet: TcpPacket): string => {
  const { flags, seq, len, ack, win, urg, options, ecn } = packet
  const letters = FLAG_LETTERS.filter(([, bit]) => (flags & bit) !== 0).map(([letter]) => letter)
  return [
    `${ECN_TEXT[ecn ?? 0]}${letters.join('') || '-'} ${seq}:${seq + len}(${len})`,
    (flags & tcp.TCP_ACK) === 0 ? '' : ` ack ${ack}`,
    win === null ? '' : ` win ${win}`,
    urg === 0 ? '' : ` urg ${urg}`,
    options === null
      ? ' <...>'
      : options.length === 0
        ? ''
        : ` <${options.map(optionText).join(',')}>`,
  ].join('')
}
