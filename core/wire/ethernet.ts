/**
 * Ethernet II framing, IEEE 802.3. Used by the link layer, the drivers and the flow dissector.
 *
 *  | destination (6) | source (6) | type (2) | payload ...
 *
 * All functions assume check() passed for (mem, at). A MAC address in a table is two ints: `hi`, its
 * first two octets, and `lo`, the other four as int32. Linux counterpart: if_ether.h, etherdevice.h.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'

const DST = 0
const SRC = 6
const TYPE = 12
export const ETH_HLEN = 14
export const ETH_ALEN = 6

/** Type values below this are IEEE 802.3 lengths. */
export const ETH_P_802_3_MIN = 0x0600
export const ETH_P_IP = 0x0800
export const ETH_P_ARP = 0x0806
export const ETH_P_8021Q = 0x8100
export const ETH_P_8021AD = 0x88a8
export const ETH_P_IPV6 = 0x86dd
/** Not on the wire: a tap that wants every protocol. */
export const ETH_P_ALL = 0x0003

export const check = (_mem: Bytes, _at: number, room: number): boolean => room >= ETH_HLEN

/** Linux's protocol number of an 802.3 frame with LLC: its type field is a length. */
const ETH_P_802_2 = 0x0004
/** Protocol of a type field. */
export const protocolOf = (field: number): number =>
  field >= ETH_P_802_3_MIN ? field : ETH_P_802_2

export const type = (mem: Bytes, at: number): number => u16(mem, at + TYPE)
export const setType = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + TYPE, value)

export const dstHi = (mem: Bytes, at: number): number => u16(mem, at + DST)
export const dstLo = (mem: Bytes, at: number): number => i32(mem, at + DST + 2)
export const srcHi = (mem: Bytes, at: number): number => u16(mem, at + SRC)
export const srcLo = (mem: Bytes, at: number): number => i32(mem, at + SRC + 2)

export const setDst = (mem: Bytes, at: number, hi: number, lo: number): void =>
  putMac(mem, at + DST, hi, lo)
export const setSrc = (mem: Bytes, at: number, hi: number, lo: number): void =>
  putMac(mem, at + SRC, hi, lo)

/** A MAC address anywhere in packet memory (ARP and neighbour discovery carry some too). */
export const macHi = (mem: Bytes, at: number): number => u16(mem, at)
export const macLo = (mem: Bytes, at: number): number => i32(mem, at + 2)
export const putMac = (mem: Bytes, at: number, hi: number, lo: number): void => {
  putU16(mem, at, hi)
  putI32(mem, at + 2, lo)
}

/** Copies six octets, possibly between two pools. */
export const copyMac = (mem: Bytes, to: number, source: Bytes, from: number): void => {
  for (let i = 0; i < ETH_ALEN; i++) mem[to + i] = source[from + i]
}

export const sameMac = (a: Bytes, aAt: number, b: Bytes, bAt: number): boolean =>
  i32(a, aAt) === i32(b, bAt) && u16(a, aAt + 4) === u16(b, bAt + 4)

/** Group bit, the first on the wire; a broadcast is a multicast too. */
export const isMulticast = (mem: Bytes, at: number): boolean => (mem[at + DST] & 1) !== 0
export const isBroadcast = (mem: Bytes, at: number): boolean =>
  dstHi(mem, at) === 0xffff && dstLo(mem, at) === -1
export const isMulticastMac = (hi: number): boolean => (hi & 0x100) !== 0
/** A station's own address: not a group, not all zeros (is_valid_ether_addr). */
export const isStationMac = (hi: number, lo: number): boolean =>
  (hi & 0x100) === 0 && (hi | lo) !== 0

/** RFC 1112 section 6.4: 01:00:5e and the low 23 bits of the group. */
export const IPV4_MULTICAST_HI = 0x0100
export const ipv4MulticastLo = (group: number): number => 0x5e000000 | (group & 0x7fffff)
/** RFC 2464 section 7: 33:33 and the low 32 bits. */
export const IPV6_MULTICAST_HI = 0x3333
