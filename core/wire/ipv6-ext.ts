/**
 * IPv6 extension headers, RFC 8200 section 4: walks the chain to the transport, and names the
 * fields of the fragment header. Used by core/ipv6 and the flow dissector.
 *
 *  options, routing:  | next header | length in 8s, less 1 | ...
 *  fragment:          | next header | 0 | offset (13) 0 (2) M | identification (4) |
 *  authentication:    | next header | length in 4s, less 2 | ...      (RFC 4302)
 *
 * The walk is bounded, so a long chain can't hold a worker. Linux counterpart: ipv6_skip_exthdr.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import {
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
} from './ipproto.ts'
import { HEADER, NEXT_HEADER_FIELD } from './ipv6.ts'

/** More headers than this and the packet is malformed to us (legitimate chains have one to three). */
export const MAX_EXT_HEADERS = 8

/** What walk() fills in. EXT_FRAGMENT and EXT_ROUTING are -1 when there is no such header. */
export const EXT_PROTOCOL = 0
export const EXT_TRANSPORT = 1
const EXT_NEXT_HEADER_FIELD = 2
export const EXT_FRAGMENT = 3
const EXT_ROUTING = 4
export const EXT_WORDS = 5

export const WALK_OK = 0
export const WALK_TRUNCATED = 1
export const WALK_TOO_MANY = 2

export const FRAGMENT_HEADER = 8

/** The least that an options or routing header takes, and what one at `at` takes. */
export const EXTHDR_MIN = 8
export const extHeaderLen = (mem: Bytes, at: number): number => (mem[at + 1] + 1) << 3
/** Routing header: nodes that are still to be visited. */
export const segmentsLeft = (mem: Bytes, at: number): number => mem[at + 3]

/** Types of options. */
export const IPV6_TLV_PAD1 = 0
export const IPV6_TLV_PADN = 1
export const IPV6_TLV_ROUTERALERT = 5
/** RFC 5570, 9486. */
export const IPV6_TLV_CALIPSO = 7
export const IPV6_TLV_IOAM = 0x31
export const IPV6_TLV_JUMBO = 0xc2

/**
 * Walks from the fixed header at `at` to `end`. On WALK_OK, out names the final protocol, where it
 * starts and the field that named it (for a parameter problem's pointer). The walk stops behind
 * the fragment header of a piece that is not the first: what follows there is payload.
 * The room behind EXT_TRANSPORT is not checked; that is the transport's own check.
 */
export const walk = (mem: Bytes, at: number, end: number, out: Int32Array): number => {
  let field = at + NEXT_HEADER_FIELD
  let next = mem[field]
  let cursor = at + HEADER
  let fragmentAt = -1
  let routingAt = -1
  let status = WALK_OK
  let headers = 0
  while (isExtension(next)) {
    if (headers === MAX_EXT_HEADERS) {
      status = WALK_TOO_MANY
      break
    }
    headers++
    const len = cursor + 8 <= end ? extLength(mem, cursor, next) : 0
    if (len === 0 || cursor + len > end) {
      status = WALK_TRUNCATED
      break
    }
    const isLaterPiece = next === IPPROTO_FRAGMENT && fragmentOffset(mem, cursor) !== 0
    if (next === IPPROTO_FRAGMENT) fragmentAt = cursor
    if (next === IPPROTO_ROUTING) routingAt = cursor
    field = cursor
    next = mem[cursor]
    cursor += len
    if (isLaterPiece) break
  }
  out[EXT_PROTOCOL] = next
  out[EXT_TRANSPORT] = cursor
  out[EXT_NEXT_HEADER_FIELD] = field
  out[EXT_FRAGMENT] = fragmentAt
  out[EXT_ROUTING] = routingAt
  return status
}

/** What firstFragmentable() fills in: octets of the headers that stay in every fragment, and where the last says what follows. */
export const UNFRAG_LEN = 0
export const UNFRAG_FIELD = 1
export const UNFRAG_WORDS = 2

/**
 * The headers that every node on a packet's way reads: hop-by-hop options, a routing header and the destination options in
 * front of it (RFC 8200 section 4.5). Both results are from the IPv6 header on. Linux: ip6_find_1stfragopt.
 */
export const firstFragmentable = (mem: Bytes, at: number, end: number, out: Int32Array): void => {
  let field = at + NEXT_HEADER_FIELD
  let cursor = at + HEADER
  out[UNFRAG_LEN] = HEADER
  out[UNFRAG_FIELD] = NEXT_HEADER_FIELD
  for (;;) {
    const next = mem[field]
    const isOptions = next === IPPROTO_HOPOPTS || next === IPPROTO_DSTOPTS
    if (!isOptions && next !== IPPROTO_ROUTING) return
    if (cursor + EXTHDR_MIN > end || cursor + extHeaderLen(mem, cursor) > end) return
    field = cursor
    cursor += extHeaderLen(mem, cursor)
    // destination options are of every node's reading only when a routing header follows
    if (next === IPPROTO_DSTOPTS) continue
    out[UNFRAG_LEN] = cursor - at
    out[UNFRAG_FIELD] = field - at
  }
}

/**
 * ESP and "no next header" end the walk: nothing behind them can be read; a mobility header too, which nothing may be behind
 * (RFC 6275 section 6.1.1; ipv6_ext_hdr).
 */
export const isExtension = (next: number): boolean =>
  next === IPPROTO_HOPOPTS ||
  next === IPPROTO_ROUTING ||
  next === IPPROTO_FRAGMENT ||
  next === IPPROTO_DSTOPTS ||
  next === IPPROTO_AH

/** Octets of the extension header at `at`, which is a `header`. */
export const extLength = (mem: Bytes, at: number, header: number): number => {
  if (header === IPPROTO_FRAGMENT) return FRAGMENT_HEADER
  if (header === IPPROTO_AH) return (mem[at + 1] + 2) << 2
  return extHeaderLen(mem, at)
}

export const fragmentNextHeader = (mem: Bytes, at: number): number => mem[at]
export const fragmentOffset = (mem: Bytes, at: number): number => u16(mem, at + 2) & 0xfff8
export const moreFragments = (mem: Bytes, at: number): boolean => (mem[at + 3] & 1) !== 0
export const fragmentId = (mem: Bytes, at: number): number => i32(mem, at + 4)

export const putFragment = (
  mem: Bytes,
  at: number,
  next: number,
  offset: number,
  more: boolean,
  id: number
): void => {
  mem[at] = next
  mem[at + 1] = 0
  putU16(mem, at + 2, offset | (more ? 1 : 0))
  putI32(mem, at + 4, id)
}
