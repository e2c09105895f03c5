/**
 * ICMP for IPv4, RFC 792 (next-hop MTU: RFC 1191 section 4). Used by core/ipv4, ping sockets
 * and the dissector.
 *
 *  |0 type         |1 code         |2           checksum            |
 *  |4 echo: identifier             |6 echo: sequence; error: MTU    |
 *  |8 echo: data; error: the header and first octets of the packet that caused it; timestamp: three times
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/uapi/linux/icmp.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'

const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const ID = 4
const SEQ = 6
const REST = 4
const MTU = 6
const RECEIVED = 12
const SENT = 16
export const MIN_HEADER = 8
export const TIMESTAMP_LEN = 20

export const ICMP_ECHOREPLY = 0
export const ICMP_DEST_UNREACH = 3
export const ICMP_SOURCE_QUENCH = 4
export const ICMP_REDIRECT = 5
export const ICMP_ECHO = 8
export const ICMP_TIME_EXCEEDED = 11
export const ICMP_PARAMETERPROB = 12
export const ICMP_TIMESTAMP = 13
export const ICMP_TIMESTAMPREPLY = 14
export const ICMP_ADDRESS = 17
export const ICMP_ADDRESSREPLY = 18
export const ICMP_EXT_ECHO = 42
export const ICMP_EXT_ECHOREPLY = 43

export const ICMP_NET_UNREACH = 0
export const ICMP_HOST_UNREACH = 1
export const ICMP_PROT_UNREACH = 2
export const ICMP_PORT_UNREACH = 3
export const ICMP_FRAG_NEEDED = 4
export const ICMP_SR_FAILED = 5
export const ICMP_PKT_FILTERED = 13
export const ICMP_REDIR_HOST = 1
export const ICMP_EXC_TTL = 0
export const ICMP_EXC_FRAGTIME = 1

export const check = (_mem: Bytes, _at: number, room: number): boolean => room >= MIN_HEADER

export const type = (mem: Bytes, at: number): number => mem[at + TYPE]
export const code = (mem: Bytes, at: number): number => mem[at + CODE]
export const checksum = (mem: Bytes, at: number): number => u16(mem, at + CHECKSUM)
export const id = (mem: Bytes, at: number): number => u16(mem, at + ID)
export const seq = (mem: Bytes, at: number): number => u16(mem, at + SEQ)
/** The second word whole: unused, gateway (redirect), or pointer (parameter problem). */
export const rest = (mem: Bytes, at: number): number => i32(mem, at + REST)
export const gateway = rest
/** Zero from a router older than RFC 1191. */
export const nextHopMtu = (mem: Bytes, at: number): number => u16(mem, at + MTU)

export const setType = (mem: Bytes, at: number, value: number): void => {
  mem[at + TYPE] = value
}
export const setCode = (mem: Bytes, at: number, value: number): void => {
  mem[at + CODE] = value
}
export const setId = (mem: Bytes, at: number, value: number): void => putU16(mem, at + ID, value)
export const setSeq = (mem: Bytes, at: number, value: number): void => putU16(mem, at + SEQ, value)
export const setRest = (mem: Bytes, at: number, value: number): void =>
  putI32(mem, at + REST, value)
export const setNextHopMtu = (mem: Bytes, at: number, value: number): void =>
  putI32(mem, at + REST, value & 0xffff)

/** A timestamp's: when it came in and when it left. */
export const setTimes = (mem: Bytes, at: number, time: number): void => {
  putI32(mem, at + RECEIVED, time)
  putI32(mem, at + SENT, time)
}

/** Linux counts those that nobody uses with them. */
const ERRORS =
  (1 << 1) |
  (1 << 2) |
  (1 << ICMP_DEST_UNREACH) |
  (1 << ICMP_SOURCE_QUENCH) |
  (1 << ICMP_REDIRECT) |
  (1 << 6) |
  (1 << 7) |
  (1 << 9) |
  (1 << 10) |
  (1 << ICMP_TIME_EXCEEDED) |
  (1 << ICMP_PARAMETERPROB)
/** These quote the packet that caused them and must never be answered by another error. */
export const isError = (icmpType: number): boolean =>
  icmpType < 32 && ((ERRORS >> icmpType) & 1) !== 0

export const isChecksumOk = (mem: Bytes, at: number, len: number): boolean =>
  csum.isChecksumOk(mem, at, len, 0)

/** For incremental updates (an echo turned into its reply); setChecksum computes it anew. */
export const putChecksum = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + CHECKSUM, value)

export const setChecksum = (mem: Bytes, at: number, len: number): void => {
  putChecksum(mem, at, 0)
  putChecksum(mem, at, csum.checksum(mem, at, len))
}
