// IGMP in tests: messages octet by octet as others on the link send them, and what a host sent in words.

import { putI32 } from '../../core/base/bytes.ts'
import { ETH_HLEN } from '../../core/wire/ethernet.ts'
import * as igmp from '../../core/wire/igmp.ts'
import { IPPROTO_IGMP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { ip, ipFrame, ipText } from '../../sim/net/packets.ts'

export const RECORD_TYPES = ['', 'IS_IN', 'IS_EX', 'TO_IN', 'TO_EX', 'ALLOW', 'BLOCK']
const ALERT = [0x94, 4, 0, 0]

const putAddrs = (mem: Uint8Array, at: number, addrs: readonly string[]): void => {
  for (const [k, addr] of addrs.entries()) putI32(mem, at + k * 4, ip(addr))
}
const sealed = (message: Uint8Array): Uint8Array => {
  igmp.setChecksum(message, 0, message.length)
  return message
}
/** Octets of a short message. */
export const igmpShort = (type: number, code: number, group = '0.0.0.0'): Uint8Array => {
  const message = new Uint8Array(igmp.MIN_HEADER)
  igmp.init(message, 0, type, code, ip(group))
  return sealed(message)
}
export type QueryOptions = {
  group?: string
  sources?: string[]
  /** Tenths of a second. */
  tenths?: number
  qrv?: number
  qqi?: number
  s?: boolean
}
export const igmpQuery = (options: QueryOptions = {}): Uint8Array => {
  const { group = '0.0.0.0', sources = [], tenths = 100, qrv = 2, qqi = 125, s = false } = options
  const message = new Uint8Array(igmp.QUERY_HEADER + 4 * sources.length)
  igmp.init(message, 0, igmp.IGMP_QUERY, igmp.encodeTime(tenths), ip(group))
  igmp.setQuery(message, 0, s, qrv, igmp.encodeTime(qqi), sources.length)
  putAddrs(message, igmp.QUERY_HEADER, sources)
  return sealed(message)
}
/** 'TO_EX 239.1.1.1 10.0.0.1 10.0.0.2', ... */
export const igmpReport = (...records: string[]): Uint8Array => {
  const read = records.map((record) => record.split(' '))
  const size = read.reduce((sum, words) => sum + 8 + (words.length - 2) * 4, igmp.MIN_HEADER)
  const message = new Uint8Array(size)
  igmp.init(message, 0, igmp.IGMPV3_REPORT, 0, 0)
  igmp.setRecords(message, 0, records.length)
  let at = igmp.MIN_HEADER
  for (const [type, group, ...sources] of read) {
    igmp.setRecord(message, at, RECORD_TYPES.indexOf(type!), sources.length, ip(group!))
    putAddrs(message, at + 8, sources)
    at += 8 + sources.length * 4
  }
  return sealed(message)
}
/** A message of these octets, its checksum right. */
export const igmpSealed = (octets: readonly number[]): Uint8Array => sealed(Uint8Array.from(octets))
const macOf = (group: string): string =>
  ['01', '00', '5e', (ip(group) >>> 16) & 127, (ip(group) >>> 8) & 255, ip(group) & 255]
    .map((part) => (typeof part === 'string' ? part : part.toString(16).padStart(2, '0')))
    .join(':')
/** A message of `saddr` in a frame to the group. */
export const igmpFrame = (saddr: string, daddr: string, message: Uint8Array): Uint8Array =>
  ipFrame(
    { dst: macOf(daddr), src: '02:00:00:00:09:09' },
    { saddr, daddr, ttl: 1, protocol: IPPROTO_IGMP, options: ALERT },
    message
  )

const addrsAt = (mem: Uint8Array, at: number, count: number): string[] =>
  Array.from({ length: count }, (_, k) => ipText(ipv4.src(mem, at + k * 4 - 12)))
const describeQuery = (mem: Uint8Array, at: number, len: number): string => {
  const group = ipText(igmp.group(mem, at))
  if (len < igmp.QUERY_HEADER) return `query${igmp.code(mem, at) === 0 ? 1 : 2} ${group}`
  const count = igmp.querySources(mem, at)
  if (len !== igmp.QUERY_HEADER + 4 * count) throw new Error('a query with more in it')
  const sources = addrsAt(mem, at + igmp.QUERY_HEADER, count)
  return ['query3', group, ...(igmp.suppress(mem, at) ? ['S'] : []), ...sources].join(' ')
}
const describeRecords = (mem: Uint8Array, start: number, len: number): string => {
  const said: string[] = []
  let at = start + igmp.MIN_HEADER
  for (let left = igmp.records(mem, start); left > 0; left--) {
    const count = igmp.recordSources(mem, at)
    if (igmp.recordAux(mem, at) !== 0) throw new Error('a record with auxiliary data')
    const group = ipText(igmp.recordGroup(mem, at))
    said.push([RECORD_TYPES[mem[at]!], group, ...addrsAt(mem, at + 8, count).sort()].join(' '))
    at += 8 + count * 4
  }
  if (at !== start + len) throw new Error('a report with more in it')
  return said.sort().join(', ')
}
/** An IGMP message of a frame in words; null for what is none, and an error for one that is not as it must be. */
export const describeIgmp = (frame: Uint8Array): string | null => {
  const at = ETH_HLEN
  if (ipv4.protocol(frame, at) !== IPPROTO_IGMP) return null
  const message = at + ipv4.headerLen(frame, at)
  const len = at + ipv4.totalLength(frame, at) - message
  const isRight =
    ipv4.isChecksumOk(frame, at) &&
    igmp.isChecksumOk(frame, message, len) &&
    ipv4.ttl(frame, at) === 1 &&
    ipv4.tos(frame, at) === 0xc0 &&
    ipv4.headerLen(frame, at) === 24 &&
    frame[at + 20] === 0x94
  if (!isRight) throw new Error('an IGMP message with a wrong header')
  const to = ipText(ipv4.dst(frame, at))
  const group = ipText(igmp.group(frame, message))
  switch (igmp.type(frame, message)) {
    case igmp.IGMP_QUERY:
      return describeQuery(frame, message, len)
    case igmp.IGMPV1_REPORT:
      return `v1 ${group}${to === group ? '' : ` to ${to}`}`
    case igmp.IGMPV2_REPORT:
      return `v2 ${group}${to === group ? '' : ` to ${to}`}`
    case igmp.IGMP_LEAVE:
      return `leave ${group}${to === '224.0.0.2' ? '' : ` to ${to}`}`
    case igmp.IGMPV3_REPORT:
      return `${describeRecords(frame, message, len)}${to === '224.0.0.22' ? '' : ` to ${to}`}`
  }
  return 'unknown'
}
