/**
 * IPv4 header, RFC 791 section 3.1. Used by core/ipv4, the dissector and netfilter.
 *
 *  |0 version, IHL |1 TOS          |2         total length          |
 *  |4       identification         |6 - DF MF | fragment offset (13)|
 *  |8 time to live |9 protocol     |10        header checksum       |
 *  |12                      source address                          |
 *  |16                    destination address                       |
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/uapi/linux/ip.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'

const VERSION_IHL = 0
const TOS = 1
const TOTAL_LENGTH = 2
const ID = 4
const FRAGMENT = 6
const TTL = 8
const PROTOCOL = 9
const CHECKSUM = 10
const SRC = 12
const DST = 16
export const MIN_HEADER = 20
export const MAX_HEADER = 60
export const MAX_OPTIONS = MAX_HEADER - MIN_HEADER
export const MAX_TOTAL_LENGTH = 0xffff
/** What every network carries in one piece (RFC 791 section 3.2). */
export const MIN_MTU = 68
/** Source and destination side by side, for pseudoSum. */
export const ADDRS = SRC
export const ADDRS_LEN = 8

export const IP_DF = 0x4000
export const IP_MF = 0x2000
export const IP_OFFSET = 0x1fff

/** Version, header length and total length agree with each other and with the room there is. */
export const check = (mem: Bytes, at: number, room: number): boolean =>
  room >= MIN_HEADER &&
  version(mem, at) === 4 &&
  headerLen(mem, at) >= MIN_HEADER &&
  totalLength(mem, at) >= headerLen(mem, at) &&
  totalLength(mem, at) <= room

export const version = (mem: Bytes, at: number): number => mem[at + VERSION_IHL] >> 4
export const headerLen = (mem: Bytes, at: number): number => (mem[at + VERSION_IHL] & 15) << 2
export const tos = (mem: Bytes, at: number): number => mem[at + TOS]
export const totalLength = (mem: Bytes, at: number): number => u16(mem, at + TOTAL_LENGTH)
export const id = (mem: Bytes, at: number): number => u16(mem, at + ID)
export const ttl = (mem: Bytes, at: number): number => mem[at + TTL]
export const protocol = (mem: Bytes, at: number): number => mem[at + PROTOCOL]
export const checksum = (mem: Bytes, at: number): number => u16(mem, at + CHECKSUM)
export const src = (mem: Bytes, at: number): number => i32(mem, at + SRC)
export const dst = (mem: Bytes, at: number): number => i32(mem, at + DST)

/** The flags and the offset as they lie, in one 16-bit field (Linux's frag_off). */
export const fragment = (mem: Bytes, at: number): number => u16(mem, at + FRAGMENT)
export const dontFragment = (mem: Bytes, at: number): boolean => (fragment(mem, at) & IP_DF) !== 0
export const moreFragments = (mem: Bytes, at: number): boolean => (fragment(mem, at) & IP_MF) !== 0
export const fragmentOffset = (mem: Bytes, at: number): number =>
  (fragment(mem, at) & IP_OFFSET) << 3
/** Any piece of a fragmented datagram, the first included (ip_is_fragment). */
export const isFragment = (mem: Bytes, at: number): boolean =>
  (fragment(mem, at) & (IP_MF | IP_OFFSET)) !== 0

export const setVersionIhl = (mem: Bytes, at: number, headerBytes: number): void => {
  mem[at + VERSION_IHL] = 0x40 | (headerBytes >> 2)
}
export const setTos = (mem: Bytes, at: number, value: number): void => {
  mem[at + TOS] = value
}
export const setTotalLength = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + TOTAL_LENGTH, value)
export const setId = (mem: Bytes, at: number, value: number): void => putU16(mem, at + ID, value)
/** flags is a union of IP_DF and IP_MF; offset is in octets, a multiple of 8. */
export const setFragment = (mem: Bytes, at: number, flags: number, offset: number): void =>
  putU16(mem, at + FRAGMENT, flags | (offset >> 3))
export const setTtl = (mem: Bytes, at: number, value: number): void => {
  mem[at + TTL] = value
}
export const setProtocol = (mem: Bytes, at: number, value: number): void => {
  mem[at + PROTOCOL] = value
}
export const setSrc = (mem: Bytes, at: number, addr: number): void => putI32(mem, at + SRC, addr)
export const setDst = (mem: Bytes, at: number, addr: number): void => putI32(mem, at + DST, addr)

/** For incremental updates (NAT); setChecksum computes it anew. */
export const putChecksum = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + CHECKSUM, value)

export const isChecksumOk = (mem: Bytes, at: number): boolean =>
  csum.isChecksumOk(mem, at, headerLen(mem, at), 0)

export const setChecksum = (mem: Bytes, at: number): void => {
  putChecksum(mem, at, 0)
  putChecksum(mem, at, csum.checksum(mem, at, headerLen(mem, at)))
}

/**
 * One hop less, and the checksum with it (RFC 1141): what the high octet of a word loses, its complement gains, end
 * around. ip_decrease_ttl.
 */
export const decreaseTtl = (mem: Bytes, at: number): void => {
  const sum = ((mem[at + CHECKSUM] << 8) | mem[at + CHECKSUM + 1]) + 0x100
  const folded = sum + (sum >= 0xffff ? 1 : 0)
  mem[at + CHECKSUM] = folded >> 8
  mem[at + CHECKSUM + 1] = folded
  mem[at + TTL]--
}

/** Writes a 20-octet header without options; identification and checksum are the caller's. */
export const init = (
  mem: Bytes,
  at: number,
  proto: number,
  source: number,
  destination: number,
  total: number,
  hops: number
): void => {
  setVersionIhl(mem, at, MIN_HEADER)
  setTos(mem, at, 0)
  setTotalLength(mem, at, total)
  putI32(mem, at + ID, 0)
  setTtl(mem, at, hops)
  setProtocol(mem, at, proto)
  putChecksum(mem, at, 0)
  setSrc(mem, at, source)
  setDst(mem, at, destination)
}

export const INADDR_BROADCAST = -1
export const isMulticastAddr = (addr: number): boolean => addr >>> 28 === 14
/** 224.0.0.0/24: never leaves its link. */
export const isLocalMulticastAddr = (addr: number): boolean => addr >>> 8 === 0xe00000
export const isLoopbackAddr = (addr: number): boolean => addr >>> 24 === 127
/** Nobody: of 0/8 only 0.0.0.0, as in Linux since 5.3. */
export const isZeroNetAddr = (addr: number): boolean => addr === 0
export const isLinkLocalAddr = (addr: number): boolean => addr >>> 16 === 0xa9fe
