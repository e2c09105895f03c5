/**
 * pcap and pcapng capture files, the writing side (pcap-reader.ts has the other). Used by the pcap
 * driver, the capture endpoint and tests. Formats: draft-ietf-opsawg-pcap and -pcapng.
 *
 * Little-endian, in nanoseconds, into a caller's buffer; each function returns where it ended, and
 * the caller has made room (the *_LEN constants say how much). Time is seconds and nanoseconds,
 * since a 64-bit count has no place in a double.
 */
import { type Bytes, copyFrom, putI32le, putU16le, zero } from '../base/bytes.ts'

export const LINKTYPE_ETHERNET = 1

export const PCAP_MAGIC_US = 0xa1b2c3d4
export const PCAP_MAGIC_NS = 0xa1b23c4d
/** Alexey Kuznetzov's patched libpcap. */
export const PCAP_MAGIC_KUZNETZOV = 0xa1b2cd34
export const PCAP_HEADER_LEN = 24
export const PCAP_RECORD_LEN = 16

export const putPcapHeader = (out: Bytes, at: number, snapLen: number): number => {
  putI32le(out, at, PCAP_MAGIC_NS)
  putU16le(out, at + 4, 2)
  putU16le(out, at + 6, 4)
  zero(out, at + 8, 8)
  putI32le(out, at + 16, snapLen)
  putI32le(out, at + 20, LINKTYPE_ETHERNET)
  return at + PCAP_HEADER_LEN
}

/** capLen octets of mem at memAt are kept of a frame that had len. */
export const putPcapRecord = (
  out: Bytes,
  at: number,
  seconds: number,
  nanos: number,
  mem: Bytes,
  memAt: number,
  capLen: number,
  len: number
): number => {
  putI32le(out, at, seconds)
  putI32le(out, at + 4, nanos)
  putI32le(out, at + 8, capLen)
  putI32le(out, at + 12, len)
  copyFrom(out, at + PCAP_RECORD_LEN, mem, memAt, capLen)
  return at + PCAP_RECORD_LEN + capLen
}

export const SECTION_HEADER = 0x0a0d0d0a
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d
export const INTERFACE_DESCRIPTION = 1
/** Before the enhanced one. */
export const OBSOLETE_PACKET = 2
export const SIMPLE_PACKET = 3
export const ENHANCED_PACKET = 6
const IF_NAME = 2
export const IF_TSRESOL = 9
export const IF_FCSLEN = 13
export const IF_TSOFFSET = 14
export const EPB_FLAGS = 2
const OPT_COMMENT = 1
const NANOSECONDS = 9
export const SECTION_HEADER_LEN = 28
/** Beside its name, padded to words. */
export const INTERFACE_BLOCK_LEN = 36
/** Beside the frame, padded to words; a comment takes four octets more and its own. */
export const ENHANCED_PACKET_LEN = 44
/** Direction bits of a packet's flags word. */
export const PCAPNG_INBOUND = 1
export const PCAPNG_OUTBOUND = 2
/** Of a packet's errors, the upper half of its flags word. */
export const PCAPNG_CRC_ERROR = 0x0100

export const putSectionHeader = (out: Bytes, at: number): number => {
  putI32le(out, at, SECTION_HEADER)
  putI32le(out, at + 8, BYTE_ORDER_MAGIC)
  putU16le(out, at + 12, 1)
  putU16le(out, at + 14, 0)
  // section length -1: not known
  putI32le(out, at + 16, -1)
  putI32le(out, at + 20, -1)
  return closeBlock(out, at, at + 24)
}

/** Interfaces are numbered in the order of their blocks; name is its ASCII octets. */
export const putInterface = (out: Bytes, at: number, name: Bytes, snapLen: number): number => {
  putI32le(out, at, INTERFACE_DESCRIPTION)
  putU16le(out, at + 8, LINKTYPE_ETHERNET)
  putU16le(out, at + 10, 0)
  putI32le(out, at + 12, snapLen)
  putU16le(out, at + 16, IF_NAME)
  putU16le(out, at + 18, name.length)
  copyFrom(out, at + 20, name, 0, name.length)
  let cursor = pad(out, at + 20, name.length)
  putU16le(out, cursor, IF_TSRESOL)
  putU16le(out, cursor + 2, 1)
  putI32le(out, cursor + 4, NANOSECONDS)
  cursor += 8
  putI32le(out, cursor, 0)
  return closeBlock(out, at, cursor + 4)
}

const NO_COMMENT: Bytes = new Uint8Array(0)

/** capLen octets of mem at memAt are kept of a frame that had len; the comment is UTF-8. */
export const putEnhancedPacket = (
  out: Bytes,
  at: number,
  iface: number,
  direction: number,
  seconds: number,
  nanos: number,
  mem: Bytes,
  memAt: number,
  capLen: number,
  len: number,
  comment: Bytes = NO_COMMENT
): number => {
  // seconds * 1e9 + nanos as two 32-bit halves, by way of products that stay below 2^53
  const low = (seconds % 0x10000) * 1e9 + nanos
  const high = Math.floor(seconds / 0x10000) * 1e9
  const lower = (high % 0x10000) * 0x10000 + low
  putI32le(out, at, ENHANCED_PACKET)
  putI32le(out, at + 8, iface)
  putI32le(out, at + 12, Math.floor(high / 0x10000) + Math.floor(lower / 0x100000000))
  putI32le(out, at + 16, lower % 0x100000000)
  putI32le(out, at + 20, capLen)
  putI32le(out, at + 24, len)
  copyFrom(out, at + 28, mem, memAt, capLen)
  const options = pad(out, at + 28, capLen)
  putU16le(out, options, EPB_FLAGS)
  putU16le(out, options + 2, 4)
  putI32le(out, options + 4, direction)
  let cursor = options + 8
  if (comment.length > 0) {
    putU16le(out, cursor, OPT_COMMENT)
    putU16le(out, cursor + 2, comment.length)
    copyFrom(out, cursor + 4, comment, 0, comment.length)
    cursor = pad(out, cursor + 4, comment.length)
  }
  putI32le(out, cursor, 0)
  return closeBlock(out, at, cursor + 4)
}

const pad = (out: Bytes, at: number, len: number): number => {
  const end = at + ((len + 3) & ~3)
  zero(out, at + len, end - at - len)
  return end
}

/** A block carries its length at both ends. */
const closeBlock = (out: Bytes, at: number, end: number): number => {
  const total = end + 4 - at
  putI32le(out, at + 4, total)
  putI32le(out, end, total)
  return end + 4
}
