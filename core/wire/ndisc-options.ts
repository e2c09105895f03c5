/**
 * Options of neighbour discovery, RFC 4861 section 4.6: a type, a length in units of eight octets, and the rest.
 *
 *  |0 type         |1 length       |2 link-layer address (6) ...
 *
 * Linux counterpart: struct nd_opt_hdr, ndisc_parse_options() (net/ipv6/ndisc.c).
 */
import type { Bytes } from '../base/bytes.ts'
import { macHi, macLo, putMac } from './ethernet.ts'

export const ND_OPT_SOURCE_LL_ADDR = 1
export const ND_OPT_TARGET_LL_ADDR = 2
/** RFC 3971 section 5.3.2, as RFC 7527 uses it: six octets that only who asked knows. */
export const ND_OPT_NONCE = 14

const TYPE = 0
const LENGTH = 1
const VALUE = 2
const UNIT = 8
/** Of a link-layer address of Ethernet (RFC 2464 section 6). */
export const LL_ADDR_LEN = 8

/** Are the options up to `end` whole, none of length zero (section 4.6)? */
export const check = (mem: Bytes, at: number, end: number): boolean => {
  for (let next = at; next < end; next += mem[next + LENGTH] * UNIT)
    if (end - next < UNIT || mem[next + LENGTH] === 0 || next + mem[next + LENGTH] * UNIT > end)
      return false
  return true
}
/** The first option of a type, or -1. All of these assume check() passed. */
export const find = (mem: Bytes, at: number, end: number, type: number): number => {
  for (let next = at; next < end; next += mem[next + LENGTH] * UNIT)
    if (mem[next + TYPE] === type) return next
  return -1
}
/** Is it as long as Ethernet's addresses need? */
export const isLlAddr = (mem: Bytes, at: number): boolean => mem[at + LENGTH] * UNIT === LL_ADDR_LEN
export const llAddrHi = (mem: Bytes, at: number): number => macHi(mem, at + VALUE)
export const llAddrLo = (mem: Bytes, at: number): number => macLo(mem, at + VALUE)
/** A nonce of six octets is read and written as a link-layer address is. */
export const isNonce = isLlAddr
export const nonceHi = llAddrHi
export const nonceLo = llAddrLo
export const putLlAddr = (mem: Bytes, at: number, type: number, hi: number, lo: number): void => {
  mem[at + TYPE] = type
  mem[at + LENGTH] = LL_ADDR_LEN / UNIT
  putMac(mem, at + VALUE, hi, lo)
}
export const putNonce = (mem: Bytes, at: number, hi: number, lo: number): void =>
  putLlAddr(mem, at, ND_OPT_NONCE, hi, lo)
