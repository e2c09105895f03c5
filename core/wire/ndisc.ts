/**
 * Neighbour solicitation and advertisement, RFC 4861 sections 4.3 and 4.4: ICMPv6 messages (icmpv6.ts has type, code and
 * checksum) with options behind them (ndisc-options.ts). Used by core/ipv6.
 *
 *  |0 type         |1 code         |2           checksum            |
 *  |4 R S O (advertisement), reserved                              |
 *  |8                       target address (16)                    |
 *  |24 options ...
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: struct nd_msg, include/net/ndisc.h.
 */
import { type Bytes, i32, putI32, u8 } from '../base/bytes.ts'

const FLAGS = 4
const TARGET = 8
export const ND_MSG_LEN = 24

// Flags of an advertisement.
export const NA_ROUTER = 0x80
export const NA_SOLICITED = 0x40
export const NA_OVERRIDE = 0x20

export const check = (_mem: Bytes, _at: number, room: number): boolean => room >= ND_MSG_LEN

export const flags = (mem: Bytes, at: number): number => u8(mem, at + FLAGS)
export const setFlags = (mem: Bytes, at: number, value: number): void =>
  putI32(mem, at + FLAGS, value << 24)
/** Reads the target into four words. */
export const target = (mem: Bytes, at: number, to: Int32Array, toAt: number): void => {
  for (let w = 0; w < 4; w++) to[toAt + w] = i32(mem, at + TARGET + 4 * w)
}
export const setTarget = (mem: Bytes, at: number, words: Int32Array, from: number): void => {
  for (let w = 0; w < 4; w++) putI32(mem, at + TARGET + 4 * w, words[from + w])
}
