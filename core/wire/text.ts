/**
 * Addresses to and from text: IPv4, IPv6 (RFC 4291 in, RFC 5952 out), MAC, prefixes. Cold: used by the
 * control plane, the API, dump and tests, never per packet.
 *
 * Strict as inet_pton: no leading zeros, no short forms, no zone. Both families are four int32 words,
 * IPv4 as v4-mapped ::ffff:a.b.c.d. Parsers answer null for anything else, and never throw.
 */
import { V4_MAPPED } from '../base/family.ts'
import type { Bytes } from '../base/bytes.ts'
import { isV4Mapped } from './ipv6.ts'

type Family = 4 | 6
export type Words = readonly [number, number, number, number]
export type Addr = { readonly family: Family; readonly words: Words }
/** words keeps the host bits, as an interface address needs; networkOf clears them. */
export type Prefix = Addr & { readonly prefixlen: number }
/** First two octets, and the other four as int32: the form core/wire/ethernet.ts writes. */
export type Mac = { readonly hi: number; readonly lo: number }

export const addrLen = (family: Family): 32 | 128 => (family === 4 ? 32 : 128)
export const mapIpv4 = (addr: number): Words => [0, 0, V4_MAPPED, addr | 0]

const CODE_0 = 48
const CODE_DOT = 46

/** A full table is read by this: it looks at each character once. */
export const parseIpv4 = (text: string): number | null => {
  let addr = 0
  let dots = 0
  let octet = 0
  let digits = 0
  for (let k = 0; k < text.length; k++) {
    const code = text.charCodeAt(k)
    if (code === CODE_DOT) {
      if (digits === 0 || ++dots > 3) return null
      addr = (addr << 8) | octet
      octet = 0
      digits = 0
      continue
    }
    const digit = code - CODE_0
    if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return null
    octet = octet * 10 + digit
    if (octet > 255) return null
    digits++
  }
  return dots === 3 && digits > 0 ? (addr << 8) | octet : null
}

export const formatIpv4 = (addr: number): string =>
  `${addr >>> 24}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}`

export const parseIpv6 = (text: string): Words | null => {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = parseGroups(halves[0], halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1], true) : []
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  // "::" stands for at least one group
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return [join(groups, 0), join(groups, 2), join(groups, 4), join(groups, 6)]
}

const join = (groups: readonly number[], at: number): number => (groups[at] << 16) | groups[at + 1]

/** One side of "::"; a dotted quad may stand only at the very end of the address. */
const parseGroups = (text: string, isLast: boolean): number[] | null => {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    const isQuad = isLast && i === parts.length - 1 && part.includes('.')
    const quad = isQuad ? parseIpv4(part) : null
    if (quad !== null) groups.push(quad >>> 16, quad & 0xffff)
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return null
  }
  return groups
}

/** RFC 5952: lower case, the first longest run of two or more zero groups as "::". */
export const formatIpv6 = (w0: number, w1: number, w2: number, w3: number): string => {
  if (isV4Mapped(w0, w1, w2)) return `::ffff:${formatIpv4(w3)}`
  const groups = [w0, w1, w2, w3].flatMap((word) => [word >>> 16, word & 0xffff])
  let best = 0
  let bestLen = 1
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && groups[end] === 0) end++
    if (end - start > bestLen) {
      best = start
      bestLen = end - start
    }
  }
  const hex = groups.map((group) => group.toString(16))
  if (bestLen < 2) return hex.join(':')
  return `${hex.slice(0, best).join(':')}::${hex.slice(best + bestLen).join(':')}`
}

export const parseAddr = (text: string): Addr | null => {
  if (text.includes(':')) {
    const words = parseIpv6(text)
    return words && { family: 6, words }
  }
  const addr = parseIpv4(text)
  return addr === null ? null : { family: 4, words: mapIpv4(addr) }
}

export const formatAddr = ({ family, words }: Addr): string =>
  family === 4 ? formatIpv4(words[3]) : formatIpv6(...words)

/** For tables that hold both families: a v4-mapped address is an IPv4 one. */
export const formatWords = (w0: number, w1: number, w2: number, w3: number): string =>
  isV4Mapped(w0, w1, w2) ? formatIpv4(w3) : formatIpv6(w0, w1, w2, w3)

/** A length in digits, without leading zeros, up to `max`; or null. */
const parseLength = (text: string, at: number, max: number): number | null => {
  let length = 0
  for (let k = at; k < text.length; k++) {
    const digit = text.charCodeAt(k) - CODE_0
    if (digit < 0 || digit > 9 || (k > at && length === 0)) return null
    length = length * 10 + digit
    if (length > max) return null
  }
  return at === text.length ? null : length
}

/** "a.b.c.d/len"; without a length it is the one address, as iproute2 reads it. */
export const parsePrefix = (text: string): Prefix | null => {
  const slash = text.indexOf('/')
  const addr = parseAddr(slash < 0 ? text : text.slice(0, slash))
  if (addr === null) return null
  const { family, words } = addr
  const max = addrLen(family)
  const prefixlen = slash < 0 ? max : parseLength(text, slash + 1, max)
  return prefixlen === null ? null : { family, words, prefixlen }
}

export const formatPrefix = (prefix: Prefix): string => `${formatAddr(prefix)}/${prefix.prefixlen}`

/** The prefix with its host bits cleared. */
export const networkOf = ({ family, words, prefixlen }: Prefix): Prefix => {
  const bits = family === 4 ? 96 + prefixlen : prefixlen
  const mask = (word: number, at: number): number => {
    const kept = Math.min(32, Math.max(0, bits - at))
    return kept === 0 ? 0 : word & (-1 << (32 - kept))
  }
  return {
    family,
    prefixlen,
    words: [mask(words[0], 0), mask(words[1], 32), mask(words[2], 64), mask(words[3], 96)],
  }
}

export const parseMac = (text: string): Mac | null => {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return null
  const octets = text.split(':').map((octet) => Number.parseInt(octet, 16))
  const [a, b, c, d, e, f] = octets as [number, number, number, number, number, number]
  return { hi: (a << 8) | b, lo: (c << 24) | (d << 16) | (e << 8) | f }
}

export const formatMac = (hi: number, lo: number): string =>
  [hi >> 8, hi, lo >> 24, lo >> 16, lo >> 8, lo].map(hexOctet).join(':')

export const formatMacAt = (mem: Bytes, at: number): string =>
  Array.from({ length: 6 }, (_, i) => hexOctet(mem[at + i])).join(':')

const hexOctet = (value: number): string => (value & 0xff).toString(16).padStart(2, '0')
