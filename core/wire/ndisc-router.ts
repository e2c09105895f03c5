/**
 * Router solicitation, router advertisement and redirect, RFC 4861 sections 4.1, 4.2 and 4.5: ICMPv6 messages (icmpv6.ts has
 * type, code and checksum) with options behind them (ndisc-options.ts, ndisc-router-options.ts). Used by core/ipv6.
 *
 *  router solicitation          |4 reserved (4)
 *                               |8 options ...
 *  router advertisement         |4 hop limit    |5 M O H prf      |6  router lifetime     |
 *                               |8 reachable time (4)             |12 retrans timer (4)
 *                               |16 options ...
 *  redirect                     |4 reserved (4) |8 target address (16)  |24 destination address (16)
 *                               |40 options ...
 *
 * Linux counterparts: struct rs_msg, ra_msg, rd_msg, include/net/ndisc.h; icmp6_ifrtr of icmpv6.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'

const HOP_LIMIT = 4
const FLAGS = 5
const LIFETIME = 6
const REACHABLE = 8
const RETRANS = 12
const DESTINATION = 24
export const RS_LEN = 8
export const RA_LEN = 16
export const RD_LEN = 40

// Flags of an advertisement: addresses, or other things, are to be had by DHCPv6.
export const RA_MANAGED = 0x80
export const RA_OTHER = 0x40
const PREF_SHIFT = 3

/** RFC 4191 section 2.1: -1 low, 0 medium, 1 high; the fourth value is taken for medium. */
export const prefOf = (bits: number): number => {
  const pref = (bits >> PREF_SHIFT) & 3
  return pref === 3 ? -1 : pref & 1
}
export const prefBits = (pref: number): number => (pref & 3) << PREF_SHIFT

export const hopLimit = (mem: Bytes, at: number): number => mem[at + HOP_LIMIT]
export const flags = (mem: Bytes, at: number): number => mem[at + FLAGS]
/** Seconds; 0: no default router. */
export const lifetime = (mem: Bytes, at: number): number => u16(mem, at + LIFETIME)
/** Milliseconds; 0: it does not say. */
export const reachable = (mem: Bytes, at: number): number => i32(mem, at + REACHABLE)
export const retrans = (mem: Bytes, at: number): number => i32(mem, at + RETRANS)

/** Writes all that an advertisement says of its router. */
export const initRa = (
  mem: Bytes,
  at: number,
  hops: number,
  bits: number,
  seconds: number,
  reachableMs: number,
  retransMs: number
): void => {
  mem[at + HOP_LIMIT] = hops
  mem[at + FLAGS] = bits
  putU16(mem, at + LIFETIME, seconds)
  putI32(mem, at + REACHABLE, reachableMs)
  putI32(mem, at + RETRANS, retransMs)
}

/** Where a redirected packet was to go; its target is where a solicitation's is (ndisc.ts). */
export const destination = (mem: Bytes, at: number, to: Int32Array, toAt: number): void => {
  for (let w = 0; w < 4; w++) to[toAt + w] = i32(mem, at + DESTINATION + 4 * w)
}
export const setDestination = (mem: Bytes, at: number, words: Int32Array, from: number): void => {
  for (let w = 0; w < 4; w++) putI32(mem, at + DESTINATION + 4 * w, words[from + w])
}
