/**
 * TCP header, RFC 9293 section 3.1 (ECE, CWR: RFC 3168; AE: RFC 9768). Used by core/transport/tcp,
 * GRO, GSO, the dissector and netfilter.
 *
 *  |0         source port          |2       destination port        |
 *  |4                       sequence number                         |
 *  |8                    acknowledgment number                      |
 *  |12 offset (4) - AE CWR ECE URG ACK PSH RST SYN FIN |14  window  |
 *  |16          checksum           |18        urgent pointer        |
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/uapi/linux/tcp.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'

const SRC_PORT = 0
const DST_PORT = 2
const SEQ = 4
const ACK = 8
const OFFSET = 12
const FLAGS = 13
const WINDOW = 14
export const CHECKSUM = 16
const URGENT = 18
export const MIN_HEADER = 20
export const MAX_HEADER = 60

export const TCP_FIN = 0x01
export const TCP_SYN = 0x02
export const TCP_RST = 0x04
export const TCP_PSH = 0x08
export const TCP_ACK = 0x10
export const TCP_URG = 0x20
export const TCP_ECE = 0x40
export const TCP_CWR = 0x80
/** Beside the octet of the others, in the low bit of that with the offset. */
export const TCP_AE = 0x100

export const check = (mem: Bytes, at: number, room: number): boolean =>
  room >= MIN_HEADER && headerLen(mem, at) >= MIN_HEADER && headerLen(mem, at) <= room

export const srcPort = (mem: Bytes, at: number): number => u16(mem, at + SRC_PORT)
export const dstPort = (mem: Bytes, at: number): number => u16(mem, at + DST_PORT)
export const seq = (mem: Bytes, at: number): number => i32(mem, at + SEQ)
export const ack = (mem: Bytes, at: number): number => i32(mem, at + ACK)
/** Data offset in octets. */
export const headerLen = (mem: Bytes, at: number): number => (mem[at + OFFSET] >> 4) << 2
export const optionsLen = (mem: Bytes, at: number): number => headerLen(mem, at) - MIN_HEADER
export const flags = (mem: Bytes, at: number): number => mem[at + FLAGS]
/** AE, CWR and ECE read as one number (RFC 9768 section 3.2.2: the ACE field). */
export const ace = (mem: Bytes, at: number): number =>
  ((mem[at + OFFSET] & 1) << 2) | (mem[at + FLAGS] >> 6)
/** As on the wire, unscaled. */
export const window = (mem: Bytes, at: number): number => u16(mem, at + WINDOW)
export const checksum = (mem: Bytes, at: number): number => u16(mem, at + CHECKSUM)
export const urgent = (mem: Bytes, at: number): number => u16(mem, at + URGENT)

export const setSrcPort = (mem: Bytes, at: number, port: number): void =>
  putU16(mem, at + SRC_PORT, port)
export const setDstPort = (mem: Bytes, at: number, port: number): void =>
  putU16(mem, at + DST_PORT, port)
export const setSeq = (mem: Bytes, at: number, value: number): void => putI32(mem, at + SEQ, value)
export const setAck = (mem: Bytes, at: number, value: number): void => putI32(mem, at + ACK, value)
/** Both at once, TCP_AE among the flags: the reserved bits between them are zeroed. */
export const setHeaderLenFlags = (
  mem: Bytes,
  at: number,
  headerBytes: number,
  flagBits: number
): void => putU16(mem, at + OFFSET, (headerBytes << 10) | flagBits)
export const setFlags = (mem: Bytes, at: number, flagBits: number): void => {
  mem[at + FLAGS] = flagBits
}
export const setWindow = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + WINDOW, value)
export const setUrgent = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + URGENT, value)
/** For incremental updates, and for the pseudo header's sum when a device completes it. */
export const putChecksum = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + CHECKSUM, value)

/** len covers header and payload; pseudo is the pseudo header's sum. */
export const isChecksumOk = (mem: Bytes, at: number, len: number, pseudo: number): boolean =>
  csum.isChecksumOk(mem, at, len, pseudo)

export const setChecksum = (mem: Bytes, at: number, len: number, pseudo: number): void => {
  putChecksum(mem, at, 0)
  putChecksum(mem, at, csum.finish(csum.sumBytes(mem, at, len, pseudo)))
}
