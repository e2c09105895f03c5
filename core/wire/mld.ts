/**
 * MLD versions 1 and 2, which are messages of ICMPv6: RFC 2710 section 3, RFC 3810 section 5. Used by ipv6/mld.ts.
 *
 *  |0 type    |1 code    |2       checksum    |4 max response     |6 reserved        |
 *  |8                   group address, sixteen octets                                |
 * A version 2 query goes on:
 *  |24 S, QRV |25 QQIC   |26 number of sources|28 sources, sixteen octets each        |
 * A version 2 report has instead of a response time and a group:
 *  |4 reserved           |6 number of records |
 *  |8 records: |0 type |1 aux words |2 number of sources |4 group |20 sources, then auxiliary data
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/net/mld.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import type { Words } from './text.ts'

export const MLD_QUERY = 130
export const MLD_REPORT = 131
export const MLD_DONE = 132
export const MLD2_REPORT = 143

/** A message with a group, a version 2 query, and the heads of a report and of its records. */
export const MIN_HEADER = 24
export const QUERY_HEADER = 28
export const REPORT_HEADER = 8
export const RECORD_HEADER = 20
export const ADDR_LEN = 16

const RESPONSE = 4
const RECORDS = 6
const GROUP = 8
const FLAGS = 24
const QQIC = 25
const QUERY_SOURCES = 26
const RECORD_AUX = 1
const RECORD_SOURCES = 2
const RECORD_GROUP = 4
/** Suppress router-side processing. */
const S_FLAG = 8
const QRV_MASK = 7

/** A report of version 2 may be shorter than all else. */
export const check = (mem: Bytes, at: number, room: number): boolean =>
  room >= REPORT_HEADER && (room >= MIN_HEADER || mem[at] === MLD2_REPORT)

export const isMld = (type: number): boolean =>
  (type >= MLD_QUERY && type <= MLD_DONE) || type === MLD2_REPORT

export const addrAt = (mem: Bytes, at: number): Words => [
  i32(mem, at),
  i32(mem, at + 4),
  i32(mem, at + 8),
  i32(mem, at + 12),
]
export const putAddr = (mem: Bytes, at: number, words: Words): void => {
  for (const [k, word] of words.entries()) putI32(mem, at + 4 * k, word)
}

export const type = (mem: Bytes, at: number): number => mem[at]
export const response = (mem: Bytes, at: number): number => u16(mem, at + RESPONSE)
export const group = (mem: Bytes, at: number): Words => addrAt(mem, at + GROUP)
export const init = (
  mem: Bytes,
  at: number,
  kind: number,
  maxResponse: number,
  addr: Words
): void => {
  mem[at] = kind
  mem[at + 1] = 0
  putU16(mem, at + 2, 0)
  putU16(mem, at + RESPONSE, maxResponse)
  putU16(mem, at + RECORDS, 0)
  putAddr(mem, at + GROUP, addr)
}

// A version 2 query.
export const suppress = (mem: Bytes, at: number): boolean => (mem[at + FLAGS] & S_FLAG) !== 0
export const qrv = (mem: Bytes, at: number): number => mem[at + FLAGS] & QRV_MASK
export const qqic = (mem: Bytes, at: number): number => mem[at + QQIC]
export const querySources = (mem: Bytes, at: number): number => u16(mem, at + QUERY_SOURCES)
export const setQuery = (
  mem: Bytes,
  at: number,
  isSuppressed: boolean,
  robustness: number,
  intervalCode: number,
  sources: number
): void => {
  mem[at + FLAGS] = (isSuppressed ? S_FLAG : 0) | (robustness & QRV_MASK)
  mem[at + QQIC] = intervalCode
  putU16(mem, at + QUERY_SOURCES, sources)
}

// A version 2 report, and a record of it at its own place.
export const records = (mem: Bytes, at: number): number => u16(mem, at + RECORDS)
export const initReport = (mem: Bytes, at: number, count: number): void => {
  putI32(mem, at, MLD2_REPORT << 24)
  putI32(mem, at + RESPONSE, count)
}
export const recordAux = (mem: Bytes, at: number): number => mem[at + RECORD_AUX] << 2
export const recordSources = (mem: Bytes, at: number): number => u16(mem, at + RECORD_SOURCES)
export const recordGroup = (mem: Bytes, at: number): Words => addrAt(mem, at + RECORD_GROUP)
export const setRecord = (
  mem: Bytes,
  at: number,
  kind: number,
  sources: number,
  addr: Words
): void => {
  mem[at] = kind
  mem[at + RECORD_AUX] = 0
  putU16(mem, at + RECORD_SOURCES, sources)
  putAddr(mem, at + RECORD_GROUP, addr)
}

/** Milliseconds: linear below 32768, then twelve bits of mantissa and three of exponent (RFC 3810 section 5.1.3). */
export const decodeTime = (value: number): number =>
  value < 32768 ? value : ((value & 0xfff) | 0x1000) << (((value >> 12) & 7) + 3)
/** The largest code that stands for no more. */
export const encodeTime = (value: number): number => {
  if (value < 32768) return value
  if (value >= 8387584) return 0xffff
  const exponent = 31 - Math.clz32(value) - 15
  return 0x8000 | (exponent << 12) | ((value >> (exponent + 3)) & 0xfff)
}
