/**
 * Options of router advertisements and redirects; what all options have in common is in ndisc-options.ts.
 *
 *  prefix information (RFC 4861 section 4.6.2), 32 octets
 *    |2 prefix length |3 L A         |4 valid lifetime (4) |8 preferred lifetime (4) |16 prefix (16)
 *  redirected header (4.6.3)          |8 as much of the packet as fits
 *  MTU (4.6.4), 8 octets              |4 MTU (4)
 *  route information (RFC 4191 section 2.3), 8 to 24 octets
 *    |2 prefix length |3 prf          |4 lifetime (4)       |8 prefix (0, 8 or 16)
 *  recursive DNS server (RFC 8106 section 5.1), 24 octets or more
 *                                     |4 lifetime (4)       |8 addresses (16 each)
 *
 * All functions assume the option lies whole in `mem`. Linux counterparts: struct prefix_info, struct route_info.
 */
import { type Bytes, i32, putI32 } from '../base/bytes.ts'

export const ND_OPT_PREFIX_INFO = 3
export const ND_OPT_MTU = 5
export const ND_OPT_ROUTE_INFO = 24
const ND_OPT_REDIRECT_HDR = 4
const ND_OPT_RDNSS = 25

const TYPE = 0
const LENGTH = 1
const PREFIXLEN = 2
const FLAGS = 3
const LIFETIME = 4
const PREFERRED = 8
const PREFIX = 16
const ROUTE_PREFIX = 8
const ADDRESSES = 8
const UNIT = 8
const ADDR_LEN = 16
export const PREFIX_INFO_LEN = 32
export const MTU_LEN = 8
export const REDIRECT_HDR_LEN = 8

// Flags of a prefix: its addresses are on the link; hosts make themselves addresses of it.
export const PIO_ONLINK = 0x80
export const PIO_AUTO = 0x40

export const lenOf = (mem: Bytes, at: number): number => mem[at + LENGTH] * UNIT
const begin = (mem: Bytes, at: number, type: number, len: number): void => {
  mem.fill(0, at, at + len)
  mem[at + TYPE] = type
  mem[at + LENGTH] = len / UNIT
}
const putAddr = (mem: Bytes, at: number, words: ArrayLike<number>): void => {
  for (let w = 0; w < 4; w++) putI32(mem, at + 4 * w, words[w])
}

export const isPrefixInfo = (mem: Bytes, at: number): boolean => lenOf(mem, at) === PREFIX_INFO_LEN
export const prefixlen = (mem: Bytes, at: number): number => mem[at + PREFIXLEN]
export const prefixFlags = (mem: Bytes, at: number): number => mem[at + FLAGS]
/** Seconds, of which all bits are for ever; of a route too. */
export const lifetime = (mem: Bytes, at: number): number => i32(mem, at + LIFETIME) >>> 0
export const preferred = (mem: Bytes, at: number): number => i32(mem, at + PREFERRED) >>> 0
export const prefix = (mem: Bytes, at: number, to: Int32Array): void => {
  for (let w = 0; w < 4; w++) to[w] = i32(mem, at + PREFIX + 4 * w)
}
export const putPrefixInfo = (
  mem: Bytes,
  at: number,
  words: ArrayLike<number>,
  plen: number,
  flags: number,
  validLft: number,
  preferredLft: number
): void => {
  begin(mem, at, ND_OPT_PREFIX_INFO, PREFIX_INFO_LEN)
  mem[at + PREFIXLEN] = plen
  mem[at + FLAGS] = flags
  putI32(mem, at + LIFETIME, validLft)
  putI32(mem, at + PREFERRED, preferredLft)
  putAddr(mem, at + PREFIX, words)
}

export const isMtu = (mem: Bytes, at: number): boolean => lenOf(mem, at) === MTU_LEN
export const mtu = (mem: Bytes, at: number): number => i32(mem, at + LIFETIME) >>> 0
export const putMtu = (mem: Bytes, at: number, value: number): void => {
  begin(mem, at, ND_OPT_MTU, MTU_LEN)
  putI32(mem, at + LIFETIME, value)
}

/** Has it as much of its prefix as its length needs? */
export const isRouteInfo = (mem: Bytes, at: number): boolean => {
  const [len, plen] = [lenOf(mem, at), prefixlen(mem, at)]
  return len <= 24 && plen <= 128 && len >= (plen > 64 ? 24 : plen > 0 ? 16 : 8)
}
/** What of the prefix is not there is zero. */
export const routePrefix = (mem: Bytes, at: number, to: Int32Array): void => {
  const words = (lenOf(mem, at) - ROUTE_PREFIX) / 4
  for (let w = 0; w < 4; w++) to[w] = w < words ? i32(mem, at + ROUTE_PREFIX + 4 * w) : 0
}

export const rdnssLen = (count: number): number => ADDRESSES + count * ADDR_LEN
export const putRdnss = (
  mem: Bytes,
  at: number,
  seconds: number,
  servers: readonly ArrayLike<number>[]
): void => {
  begin(mem, at, ND_OPT_RDNSS, rdnssLen(servers.length))
  putI32(mem, at + LIFETIME, seconds)
  for (const [k, words] of servers.entries()) putAddr(mem, at + ADDRESSES + k * ADDR_LEN, words)
}

/** An option of `len` octets; behind its REDIRECT_HDR_LEN the packet follows. */
export const putRedirectHdr = (mem: Bytes, at: number, len: number): void => {
  begin(mem, at, ND_OPT_REDIRECT_HDR, REDIRECT_HDR_LEN)
  mem[at + LENGTH] = len / UNIT
}
