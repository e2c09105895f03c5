/**
 * ICMPv6, RFC 4443; the message types of neighbour discovery (RFC 4861) and MLD (RFC 2710, 3810)
 * are numbered here too. Used by core/ipv6, core/neigh and the dissector.
 *
 *  |0 type         |1 code         |2           checksum            |
 *  |4 echo: identifier, sequence; packet too big: MTU (4); parameter problem: pointer (4)
 *  |8 echo: data; error: as much of the packet that caused it as fits 1280 octets
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/uapi/linux/icmpv6.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'

const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const ID = 4
const SEQ = 6
const REST = 4
export const MIN_HEADER = 8

export const ICMPV6_DEST_UNREACH = 1
export const ICMPV6_PKT_TOOBIG = 2
export const ICMPV6_TIME_EXCEED = 3
export const ICMPV6_PARAMPROB = 4
export const ICMPV6_ECHO_REQUEST = 128
export const ICMPV6_ECHO_REPLY = 129
export const NDISC_ROUTER_SOLICITATION = 133
export const NDISC_ROUTER_ADVERTISEMENT = 134
export const NDISC_NEIGHBOUR_SOLICITATION = 135
export const NDISC_NEIGHBOUR_ADVERTISEMENT = 136
export const NDISC_REDIRECT = 137

// Codes of destination unreachable,
export const ICMPV6_NOROUTE = 0
export const ICMPV6_ADM_PROHIBITED = 1
export const ICMPV6_NOT_NEIGHBOUR = 2
export const ICMPV6_ADDR_UNREACH = 3
export const ICMPV6_PORT_UNREACH = 4
// of time exceeded,
export const ICMPV6_EXC_HOPLIMIT = 0
export const ICMPV6_EXC_FRAGTIME = 1
// and of parameter problem.
export const ICMPV6_HDR_FIELD = 0
export const ICMPV6_UNK_NEXTHDR = 1
export const ICMPV6_UNK_OPTION = 2
/** RFC 7112: the first fragment has not all headers. */
export const ICMPV6_HDR_INCOMP = 3

export const check = (_mem: Bytes, _at: number, room: number): boolean => room >= MIN_HEADER

export const type = (mem: Bytes, at: number): number => mem[at + TYPE]
export const code = (mem: Bytes, at: number): number => mem[at + CODE]
export const checksum = (mem: Bytes, at: number): number => u16(mem, at + CHECKSUM)
export const id = (mem: Bytes, at: number): number => u16(mem, at + ID)
export const seq = (mem: Bytes, at: number): number => u16(mem, at + SEQ)
/** The second word whole: unused, MTU (packet too big), or pointer (parameter problem). */
export const rest = (mem: Bytes, at: number): number => i32(mem, at + REST)
export const mtu = rest

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

/** The high bit clear marks an error; those quote the packet that caused them (section 2.1). */
export const isError = (icmpType: number): boolean => icmpType < 128

/** pseudo is the pseudo header's sum, which ICMPv6 covers and ICMP does not (section 2.3). */
export const isChecksumOk = (mem: Bytes, at: number, len: number, pseudo: number): boolean =>
  csum.isChecksumOk(mem, at, len, pseudo)

/** For incremental updates; setChecksum computes it anew. */
export const putChecksum = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + CHECKSUM, value)

export const setChecksum = (mem: Bytes, at: number, len: number, pseudo: number): void => {
  putChecksum(mem, at, 0)
  putChecksum(mem, at, csum.finish(csum.sumBytes(mem, at, len, pseudo)))
}
