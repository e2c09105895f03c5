/**
 * IPv6 header, RFC 8200 section 3. Used by core/ipv6, the dissector and netfilter.
 *
 *  |0 version (4), traffic class (8), flow label (20)               |
 *  |4       payload length         |6 next header  |7 hop limit     |
 *  |8                    source address (16)                        |
 *  |24                 destination address (16)                     |
 *
 * All functions assume check() passed for (mem, at). Addresses are read word by word, most
 * significant first. Linux counterpart: include/uapi/linux/ipv6.h, include/net/ipv6.h.
 */
import { V4_MAPPED } from '../base/family.ts'
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'

const VERSION_CLASS_FLOW = 0
const PAYLOAD_LENGTH = 4
const NEXT_HEADER = 6
const HOP_LIMIT = 7
const SRC = 8
const DST = 24
export const HEADER = 40
export const MIN_MTU = 1280
export const MAX_PAYLOAD = 65535
/** Where the field that names the first extension header or the transport lies. */
export const NEXT_HEADER_FIELD = NEXT_HEADER
/** Source and destination side by side, for pseudoSum. */
export const ADDRS = SRC
export const ADDRS_LEN = 32

/** Version and payload length agree with the room there is (jumbograms are not supported). */
export const check = (mem: Bytes, at: number, room: number): boolean =>
  room >= HEADER && version(mem, at) === 6 && HEADER + payloadLength(mem, at) <= room

export const version = (mem: Bytes, at: number): number => mem[at] >> 4
export const trafficClass = (mem: Bytes, at: number): number =>
  (u16(mem, at + VERSION_CLASS_FLOW) >> 4) & 0xff
/** Traffic class and flow label. */
export const flowinfo = (mem: Bytes, at: number): number =>
  i32(mem, at + VERSION_CLASS_FLOW) & 0x0fffffff
export const FLOWLABEL_MASK = 0xfffff
export const flowLabel = (mem: Bytes, at: number): number =>
  i32(mem, at + VERSION_CLASS_FLOW) & FLOWLABEL_MASK
export const payloadLength = (mem: Bytes, at: number): number => u16(mem, at + PAYLOAD_LENGTH)
export const nextHeader = (mem: Bytes, at: number): number => mem[at + NEXT_HEADER]
export const hopLimit = (mem: Bytes, at: number): number => mem[at + HOP_LIMIT]

export const src0 = (mem: Bytes, at: number): number => i32(mem, at + SRC)
export const src1 = (mem: Bytes, at: number): number => i32(mem, at + SRC + 4)
export const src2 = (mem: Bytes, at: number): number => i32(mem, at + SRC + 8)
export const src3 = (mem: Bytes, at: number): number => i32(mem, at + SRC + 12)
export const dst0 = (mem: Bytes, at: number): number => i32(mem, at + DST)
export const dst1 = (mem: Bytes, at: number): number => i32(mem, at + DST + 4)
export const dst2 = (mem: Bytes, at: number): number => i32(mem, at + DST + 8)
export const dst3 = (mem: Bytes, at: number): number => i32(mem, at + DST + 12)

export const setTrafficClassFlow = (
  mem: Bytes,
  at: number,
  trafficClassValue: number,
  flowLabelValue: number
): void =>
  putI32(mem, at, 0x60000000 | (trafficClassValue << 20) | (flowLabelValue & FLOWLABEL_MASK))
/** Congestion experienced (RFC 3168): both bits of the traffic class that are ECN's. */
export const setCongested = (mem: Bytes, at: number): void => {
  mem[at + 1] |= 0x30
}
export const setPayloadLength = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + PAYLOAD_LENGTH, value)
export const setNextHeader = (mem: Bytes, at: number, value: number): void => {
  mem[at + NEXT_HEADER] = value
}
const setHopLimit = (mem: Bytes, at: number, value: number): void => {
  mem[at + HOP_LIMIT] = value
}
export const setSrc = (
  mem: Bytes,
  at: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number
): void => putAddr(mem, at + SRC, w0, w1, w2, w3)
export const setDst = (
  mem: Bytes,
  at: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number
): void => putAddr(mem, at + DST, w0, w1, w2, w3)

/** An address anywhere in packet memory (neighbour discovery and routing headers carry some too). */
const putAddr = (mem: Bytes, at: number, w0: number, w1: number, w2: number, w3: number): void => {
  putI32(mem, at, w0)
  putI32(mem, at + 4, w1)
  putI32(mem, at + 8, w2)
  putI32(mem, at + 12, w3)
}

/** Writes all but the addresses; the first word's class and label are one number. */
export const initWords = (
  mem: Bytes,
  at: number,
  classAndLabel: number,
  next: number,
  payload: number,
  hops: number
): void => {
  mem[at] = 0x60 | (classAndLabel >>> 24)
  mem[at + 1] = classAndLabel >>> 16
  mem[at + 2] = classAndLabel >>> 8
  mem[at + 3] = classAndLabel
  mem[at + PAYLOAD_LENGTH] = payload >> 8
  mem[at + PAYLOAD_LENGTH + 1] = payload
  mem[at + NEXT_HEADER] = next
  mem[at + HOP_LIMIT] = hops
}
/** Both addresses, from four words each. */
export const setAddrs = (
  mem: Bytes,
  at: number,
  words: Int32Array,
  saddr: number,
  daddr: number
): void => {
  for (let w = 0; w < 4; w++) {
    putI32(mem, at + SRC + 4 * w, words[saddr + w])
    putI32(mem, at + DST + 4 * w, words[daddr + w])
  }
}

/** There is no checksum to mend: RFC 8200 dropped it from the header. */
export const decrementHopLimit = (mem: Bytes, at: number): void => {
  mem[at + HOP_LIMIT] = mem[at + HOP_LIMIT] - 1
}

/** Writes all but the addresses. */
export const init = (mem: Bytes, at: number, next: number, payload: number, hops: number): void => {
  setTrafficClassFlow(mem, at, 0, 0)
  setPayloadLength(mem, at, payload)
  setNextHeader(mem, at, next)
  setHopLimit(mem, at, hops)
}

export const isMulticastDst = (mem: Bytes, at: number): boolean => mem[at + DST] === 0xff
export const isMulticastAddr = (w0: number): boolean => w0 >>> 24 === 0xff
/** RFC 4291 section 2.7: 1 interface, 2 link, 5 site, 14 global. */
export const multicastScope = (w0: number): number => (w0 >>> 16) & 15
export const isLinkLocalAddr = (w0: number): boolean => w0 >>> 22 === 0xfe80 >> 6
export const isUnspecifiedAddr = (w0: number, w1: number, w2: number, w3: number): boolean =>
  (w0 | w1 | w2 | w3) === 0
export const isLoopbackAddr = (w0: number, w1: number, w2: number, w3: number): boolean =>
  (w0 | w1 | w2) === 0 && w3 === 1

/** ::ffff:0:0/96 holds IPv4 where one table serves both families; w2 of such an address. */
export const isV4Mapped = (w0: number, w1: number, w2: number): boolean =>
  (w0 | w1) === 0 && w2 === V4_MAPPED
