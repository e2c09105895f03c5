/**
 * UDP header, RFC 768. Used by core/transport/udp, the dissector and netfilter.
 *
 *  |0         source port          |2       destination port        |
 *  |4            length            |6           checksum            |
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/uapi/linux/udp.h.
 */
import { type Bytes, putU16, u16 } from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'

const SRC_PORT = 0
const DST_PORT = 2
const LENGTH = 4
export const CHECKSUM = 6
export const MIN_HEADER = 8

/** The length field may be short of the room (padding follows), never beyond it. */
export const check = (mem: Bytes, at: number, room: number): boolean =>
  room >= MIN_HEADER && length(mem, at) >= MIN_HEADER && length(mem, at) <= room

export const srcPort = (mem: Bytes, at: number): number => u16(mem, at + SRC_PORT)
export const dstPort = (mem: Bytes, at: number): number => u16(mem, at + DST_PORT)
export const length = (mem: Bytes, at: number): number => u16(mem, at + LENGTH)
export const checksum = (mem: Bytes, at: number): number => u16(mem, at + CHECKSUM)

export const setSrcPort = (mem: Bytes, at: number, port: number): void =>
  putU16(mem, at + SRC_PORT, port)
export const setDstPort = (mem: Bytes, at: number, port: number): void =>
  putU16(mem, at + DST_PORT, port)
export const setLength = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + LENGTH, value)
/** For incremental updates, and for the pseudo header's sum when a device completes it. */
export const putChecksum = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + CHECKSUM, value)

/** Zero means "not computed": legal over IPv4, refused over IPv6 (RFC 8200 section 8.1). */
export const hasChecksum = (mem: Bytes, at: number): boolean => checksum(mem, at) !== 0

export const isChecksumOk = (mem: Bytes, at: number, pseudo: number): boolean =>
  csum.isChecksumOk(mem, at, length(mem, at), pseudo)

/** A computed zero is sent as all ones, since zero means none. */
export const setChecksum = (mem: Bytes, at: number, pseudo: number): void => {
  putChecksum(mem, at, 0)
  const value = csum.finish(csum.sumBytes(mem, at, length(mem, at), pseudo))
  putChecksum(mem, at, value === 0 ? 0xffff : value)
}
