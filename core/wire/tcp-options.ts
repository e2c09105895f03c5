/**
 * TCP options: RFC 9293 section 3.2 (MSS), 7323 (window scale, timestamps), 2018 (SACK), 7413 (fast
 * open). Parsed into a caller's Int32Array and written by small emitters; TCP input and output
 * call them on workers, nothing is allocated. Linux counterpart: tcp_parse_options, tcp_options_write.
 *
 * A length below two, or one beyond the header, ends the parse and keeps what came before it, as
 * Linux does: such a segment is still a segment. Which options count only on a SYN is the caller's
 * question; OPTS_ON_SYN answers it.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'

const TCPOPT_EOL = 0
const TCPOPT_NOP = 1
const TCPOPT_MSS = 2
const TCPOPT_WINDOW = 3
const TCPOPT_SACK_PERM = 4
const TCPOPT_SACK = 5
const TCPOPT_TIMESTAMP = 8
const TCPOPT_MD5SIG = 19
/** RFC 5925, which is told apart and no more. */
const TCPOPT_AO = 29
const TCPOPT_FASTOPEN = 34
/** RFC 9768 section 3.2.3: counters of octets, in either order. */
const TCPOPT_ACCECN0 = 172
const TCPOPT_ACCECN1 = 174
/** Its number of before it had one (RFC 6994, RFC 7413 section 4.1.1), and what marks it there. */
const TCPOPT_EXP = 254
const FASTOPEN_MAGIC = 0xf989
const TCPOLEN_MSS = 4
const TCPOLEN_WINDOW = 3
const TCPOLEN_SACK_PERM = 2
const TCPOLEN_TIMESTAMP = 10
const TCPOLEN_MD5SIG = 18
const TCPOLEN_AO_BASE = 4
/** Nobody knows whether a segment is signed. */
export const BAD_AUTH = -1
const TCPOLEN_SACK_BASE = 2
export const SACK_BLOCK = 8
export const ACCECN_BASE = 2
export const ACCECN_PERFIELD = 3
const FASTOPEN_BASE = 2
const FASTOPEN_EXP_BASE = 4
const FASTOPEN_MIN_COOKIE = 4
/** Octets of the longest cookie. */
export const FASTOPEN_MAX_COOKIE = 16
/** RFC 7323 section 2.3. */
const TCP_MAX_WSCALE = 14

/** Octets the emitters take, padding included. */
export const MSS_ALIGNED = 4
export const WSCALE_ALIGNED = 4
export const SACK_PERM_ALIGNED = 4
export const TIMESTAMPS_ALIGNED = 12
export const SACK_BASE_ALIGNED = 4
export const MD5_ALIGNED = 20
export const MAX_OPTIONS = 40

/** Fields of a parsed result; a field has meaning only when its bit stands in OPT_SEEN. */
export const OPT_SEEN = 0
export const OPT_MSS = 1
export const OPT_WSCALE = 2
export const OPT_TSVAL = 3
export const OPT_TSECR = 4
/** Where the first block lies, and how many there are. */
export const OPT_SACK_AT = 5
export const OPT_SACK_COUNT = 6
/** Where the cookie lies; length 0 is a request for one. One that no cookie could have is no option. */
export const OPT_FASTOPEN_AT = 7
export const OPT_FASTOPEN_LEN = 8
/** Where AccECN's counters lie, how many octets there are of them, and 1 when ECT(1)'s is the first (TCPOPT_ACCECN1). */
export const OPT_ACCECN_AT = 9
export const OPT_ACCECN_LEN = 10
export const OPT_ACCECN_ORDER = 11
export const OPT_WORDS = 12

export const SEEN_MSS = 1
export const SEEN_WSCALE = 2
export const SEEN_SACK_PERM = 4
export const SEEN_TIMESTAMPS = 8
export const SEEN_SACK = 16
export const SEEN_FASTOPEN = 32
/** It came by the experimental number. */
export const SEEN_FASTOPEN_EXP = 64
export const SEEN_ACCECN = 128
export const OPTS_ON_SYN = SEEN_MSS | SEEN_WSCALE | SEEN_SACK_PERM | SEEN_FASTOPEN

/** NOP NOP TIMESTAMP 10: the only options of nearly every segment of an established connection. */
export const ALIGNED_TIMESTAMPS = 0x0101080a

export const parse = (mem: Bytes, at: number, len: number, out: Int32Array): void => {
  if (len === TIMESTAMPS_ALIGNED && i32(mem, at) === ALIGNED_TIMESTAMPS) {
    out[OPT_SEEN] = SEEN_TIMESTAMPS
    out[OPT_TSVAL] = i32(mem, at + 4)
    out[OPT_TSECR] = i32(mem, at + 8)
    return
  }
  out[OPT_SEEN] = 0
  const end = at + len
  let cursor = at
  while (cursor < end) {
    const kind = mem[cursor]
    if (kind === TCPOPT_EOL) return
    if (kind === TCPOPT_NOP) {
      cursor++
      continue
    }
    if (cursor + 1 >= end) return
    const size = mem[cursor + 1]
    if (size < 2 || cursor + size > end) return
    take(mem, cursor, kind, size, out)
    cursor += size
  }
}

/**
 * Where the digest of an MD5 signature (RFC 2385) lies; 0: there is none; BAD_AUTH: its length is another, there are two, or
 * the options in front of where one would have room cannot be told apart (tcp_do_parse_auth_options).
 */
export const md5At = (mem: Bytes, at: number, len: number): number => {
  const end = at + len
  let found = 0
  let cursor = at
  while (end - cursor >= TCPOLEN_MD5SIG) {
    const kind = mem[cursor]
    if (kind === TCPOPT_EOL) return found
    if (kind === TCPOPT_NOP) {
      cursor++
      continue
    }
    const size = mem[cursor + 1]
    if (size < 2 || cursor + size > end) return BAD_AUTH
    if (kind === TCPOPT_MD5SIG) {
      if (size !== TCPOLEN_MD5SIG || found !== 0) return BAD_AUTH
      found = cursor + 2
    } else if (kind === TCPOPT_AO && size <= TCPOLEN_AO_BASE) return BAD_AUTH
    cursor += size
  }
  return found
}

/** One option whose octets all lie within the header. A length that is wrong for its kind is ignored. */
const take = (mem: Bytes, at: number, kind: number, size: number, out: Int32Array): void => {
  if (kind === TCPOPT_TIMESTAMP && size === TCPOLEN_TIMESTAMP) {
    out[OPT_TSVAL] = i32(mem, at + 2)
    out[OPT_TSECR] = i32(mem, at + 6)
    out[OPT_SEEN] = out[OPT_SEEN] | SEEN_TIMESTAMPS
  } else if (kind === TCPOPT_SACK && size > TCPOLEN_SACK_BASE && size % SACK_BLOCK === 2) {
    out[OPT_SACK_AT] = at + TCPOLEN_SACK_BASE
    out[OPT_SACK_COUNT] = (size - TCPOLEN_SACK_BASE) >> 3
    out[OPT_SEEN] = out[OPT_SEEN] | SEEN_SACK
  } else if (kind === TCPOPT_MSS && size === TCPOLEN_MSS) {
    // none is said by 0
    if (u16(mem, at + 2) === 0) return
    out[OPT_MSS] = u16(mem, at + 2)
    out[OPT_SEEN] = out[OPT_SEEN] | SEEN_MSS
  } else if (kind === TCPOPT_WINDOW && size === TCPOLEN_WINDOW) {
    const shift = mem[at + 2]
    out[OPT_WSCALE] = shift > TCP_MAX_WSCALE ? TCP_MAX_WSCALE : shift
    out[OPT_SEEN] = out[OPT_SEEN] | SEEN_WSCALE
  } else if (kind === TCPOPT_SACK_PERM && size === TCPOLEN_SACK_PERM) {
    out[OPT_SEEN] = out[OPT_SEEN] | SEEN_SACK_PERM
  } else if (kind === TCPOPT_ACCECN0 || kind === TCPOPT_ACCECN1) {
    out[OPT_ACCECN_AT] = at + ACCECN_BASE
    out[OPT_ACCECN_LEN] = size - ACCECN_BASE
    out[OPT_ACCECN_ORDER] = kind === TCPOPT_ACCECN1 ? 1 : 0
    out[OPT_SEEN] = out[OPT_SEEN] | SEEN_ACCECN
  } else if (kind === TCPOPT_FASTOPEN)
    takeFastopen(at + FASTOPEN_BASE, size - FASTOPEN_BASE, 0, out)
  else if (kind === TCPOPT_EXP && size >= FASTOPEN_EXP_BASE && u16(mem, at + 2) === FASTOPEN_MAGIC)
    takeFastopen(at + FASTOPEN_EXP_BASE, size - FASTOPEN_EXP_BASE, SEEN_FASTOPEN_EXP, out)
}
/** RFC 7413 section 4.1.1: an even number of octets from four to sixteen, or none. */
const takeFastopen = (at: number, len: number, exp: number, out: Int32Array): void => {
  if ((len & 1) !== 0) return
  out[OPT_SEEN] = out[OPT_SEEN] & ~(SEEN_FASTOPEN | SEEN_FASTOPEN_EXP)
  if (len !== 0 && (len < FASTOPEN_MIN_COOKIE || len > FASTOPEN_MAX_COOKIE)) return
  out[OPT_FASTOPEN_AT] = at
  out[OPT_FASTOPEN_LEN] = len
  out[OPT_SEEN] = out[OPT_SEEN] | SEEN_FASTOPEN | exp
}

export const sackStart = (mem: Bytes, sackAt: number, block: number): number =>
  i32(mem, sackAt + block * SACK_BLOCK)
export const sackEnd = (mem: Bytes, sackAt: number, block: number): number =>
  i32(mem, sackAt + block * SACK_BLOCK + 4)

/** Each emitter writes at `at`, padded with NOPs to words in Linux's order, and returns where it ended. */
export const putMss = (mem: Bytes, at: number, mss: number): number => {
  putU16(mem, at, (TCPOPT_MSS << 8) | TCPOLEN_MSS)
  putU16(mem, at + 2, mss)
  return at + MSS_ALIGNED
}

export const putWscale = (mem: Bytes, at: number, shift: number): number => {
  putI32(mem, at, (TCPOPT_NOP << 24) | (TCPOPT_WINDOW << 16) | (TCPOLEN_WINDOW << 8) | shift)
  return at + WSCALE_ALIGNED
}

export const putSackPermitted = (mem: Bytes, at: number): number => {
  putI32(
    mem,
    at,
    (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_SACK_PERM << 8) | TCPOLEN_SACK_PERM
  )
  return at + SACK_PERM_ALIGNED
}

/** The digest comes behind it. */
export const putMd5 = (mem: Bytes, at: number): number => {
  putI32(mem, at, (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_MD5SIG << 8) | TCPOLEN_MD5SIG)
  return at + MD5_ALIGNED
}

export const putTimestamps = (mem: Bytes, at: number, tsval: number, tsecr: number): number => {
  putI32(mem, at, ALIGNED_TIMESTAMPS)
  putI32(mem, at + 4, tsval)
  putI32(mem, at + 8, tsecr)
  return at + TIMESTAMPS_ALIGNED
}

/** On a SYN with both, SACK-permitted takes the place of the timestamps' two NOPs. */
export const putSackPermittedTimestamps = (
  mem: Bytes,
  at: number,
  tsval: number,
  tsecr: number
): number => {
  putTimestamps(mem, at, tsval, tsecr)
  putU16(mem, at, (TCPOPT_SACK_PERM << 8) | TCPOLEN_SACK_PERM)
  return at + TIMESTAMPS_ALIGNED
}

/** The head of a SACK option of `count` blocks; as many putSackBlock calls follow. */
export const putSackHeader = (mem: Bytes, at: number, count: number): number => {
  putI32(
    mem,
    at,
    (TCPOPT_NOP << 24) |
      (TCPOPT_NOP << 16) |
      (TCPOPT_SACK << 8) |
      (TCPOLEN_SACK_BASE + count * SACK_BLOCK)
  )
  return at + SACK_BASE_ALIGNED
}

export const putSackBlock = (mem: Bytes, at: number, start: number, end: number): number => {
  putI32(mem, at, start)
  putI32(mem, at + 4, end)
  return at + SACK_BLOCK
}

/**
 * AccECN with the first `fields` of its counters (RFC 9768 section 3.2.3, order 1) in `bytes` octets: NOPs fill what it leaves
 * of them, and its end may lie over NOPs of what follows, so that is to be there first.
 */
export const putAccecn = (
  mem: Bytes,
  at: number,
  bytes: number,
  fields: number,
  e1b: number,
  ceb: number,
  e0b: number
): void => {
  const end = at + ACCECN_BASE + fields * ACCECN_PERFIELD
  mem[at] = TCPOPT_ACCECN1
  mem[at + 1] = end - at
  if (fields > 0) putU24(mem, at + 2, e1b)
  if (fields > 1) putU24(mem, at + 5, ceb)
  if (fields > 2) putU24(mem, at + 8, e0b)
  for (let pad = end; pad < at + bytes; pad++) mem[pad] = TCPOPT_NOP
}
export const accecnField = (mem: Bytes, at: number): number => (mem[at] << 16) | u16(mem, at + 1)
const putU24 = (mem: Bytes, at: number, value: number): void => {
  mem[at] = value >> 16
  putU16(mem, at + 1, value & 0xffff)
}

/** Octets that putFastopen takes. */
export const fastopenAligned = (len: number, isExp: boolean): number =>
  ((isExp ? FASTOPEN_EXP_BASE : FASTOPEN_BASE) + len + 3) & ~3

/** The cookie comes from another table; len 0 asks the peer for one. NOPs fill the last word. */
export const putFastopen = (
  mem: Bytes,
  at: number,
  cookie: Bytes,
  len: number,
  isExp: boolean
): number => {
  const base = isExp ? FASTOPEN_EXP_BASE : FASTOPEN_BASE
  mem[at] = isExp ? TCPOPT_EXP : TCPOPT_FASTOPEN
  mem[at + 1] = base + len
  if (isExp) putU16(mem, at + 2, FASTOPEN_MAGIC)
  for (let i = 0; i < len; i++) mem[at + base + i] = cookie[i]
  let cursor = at + base + len
  while (((cursor - at) & 3) !== 0) mem[cursor++] = TCPOPT_NOP
  return cursor
}
