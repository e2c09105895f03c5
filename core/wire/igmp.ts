/**
 * IGMP versions 1, 2 and 3: RFC 1112 appendix I, 2236 section 2, 3376 section 4. Used by ipv4/igmp.ts.
 *
 *  |0 type    |1 code (max response) |2       checksum    |
 *  |4                   group address                     |
 * A version 3 query goes on:
 *  |8 S, QRV  |9 QQIC      |10   number of sources        |
 *  |12           sources, four octets each                |
 * A version 3 report has instead of a group:
 *  |4 reserved             |6   number of group records   |
 *  |8 records: |0 type |1 aux words |2 number of sources |4 group |8 sources, then auxiliary data
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/uapi/linux/igmp.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'

export const IGMP_QUERY = 0x11
export const IGMPV1_REPORT = 0x12
export const IGMPV2_REPORT = 0x16
export const IGMP_LEAVE = 0x17
export const IGMPV3_REPORT = 0x22

export const MIN_HEADER = 8
export const QUERY_HEADER = 12
export const RECORD_HEADER = 8
export const ADDR_LEN = 4

const CODE = 1
const CHECKSUM = 2
const GROUP = 4
const RECORDS = 6
const FLAGS = 8
const QQIC = 9
const QUERY_SOURCES = 10
const RECORD_AUX = 1
const RECORD_SOURCES = 2
const RECORD_GROUP = 4
/** Suppress router-side processing. */
const S_FLAG = 8
const QRV_MASK = 7

export const check = (_mem: Bytes, _at: number, room: number): boolean => room >= MIN_HEADER

export const type = (mem: Bytes, at: number): number => mem[at]
export const code = (mem: Bytes, at: number): number => mem[at + CODE]
export const group = (mem: Bytes, at: number): number => i32(mem, at + GROUP)
export const init = (mem: Bytes, at: number, kind: number, maxCode: number, addr: number): void => {
  mem[at] = kind
  mem[at + CODE] = maxCode
  putU16(mem, at + CHECKSUM, 0)
  putI32(mem, at + GROUP, addr)
}
export const isChecksumOk = (mem: Bytes, at: number, len: number): boolean =>
  csum.isChecksumOk(mem, at, len, 0)
export const setChecksum = (mem: Bytes, at: number, len: number): void => {
  putU16(mem, at + CHECKSUM, 0)
  putU16(mem, at + CHECKSUM, csum.checksum(mem, at, len))
}

// A version 3 query.
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

// A version 3 report, and a record of it at its own place.
export const records = (mem: Bytes, at: number): number => u16(mem, at + RECORDS)
export const setRecords = (mem: Bytes, at: number, count: number): void =>
  putI32(mem, at + GROUP, count)
export const recordAux = (mem: Bytes, at: number): number => mem[at + RECORD_AUX] << 2
export const recordSources = (mem: Bytes, at: number): number => u16(mem, at + RECORD_SOURCES)
export const recordGroup = (mem: Bytes, at: number): number => i32(mem, at + RECORD_GROUP)
export const setRecord = (
  mem: Bytes,
  at: number,
  kind: number,
  sources: number,
  addr: number
): void => {
  mem[at] = kind
  mem[at + RECORD_AUX] = 0
  putU16(mem, at + RECORD_SOURCES, sources)
  putI32(mem, at + RECORD_GROUP, addr)
}

/** Max Resp Code and QQIC: linear below 128, then four bits of mantissa and three of exponent (RFC 3376 section 4.1.1). */
export const decodeTime = (value: number): number =>
  value < 128 ? value : ((value & 15) | 16) << (((value >> 4) & 7) + 3)
/** The largest code that stands for no more. */
export const encodeTime = (value: number): number => {
  if (value < 128) return value
  if (value >= 31744) return 255
  const exponent = 31 - Math.clz32(value) - 7
  return 128 | (exponent << 4) | ((value >> (exponent + 3)) & 15)
}
