/**
 * The Internet checksum (RFC 1071), whole and incremental (RFC 1624), and pseudo-header sums.
 *
 * A partial sum ("acc") is a 16-bit one's complement sum not yet complemented; it stays below 2^17
 * here, so thousands can be added before int32 would overflow. Only the last piece of a sum may
 * have odd length, or the following pieces must be byte-swapped (`swapSum`). Called by every
 * protocol on workers; bulk payload goes to the SIMD kernel instead, this is its reference.
 * Linux counterpart: lib/checksum.c, csum_tcpudp_magic, csum_replace2/4.
 */
import type { Bytes } from './bytes.ts'

/**
 * Adds len bytes to acc. High and low octets are summed apart, so that 8 MB fit in an int32; then
 * high * 256 is reduced with 2^16 = 1 (mod 65535).
 */
export const sumBytes = (mem: Bytes, at: number, len: number, acc: number): number => {
  let high = 0
  let low = 0
  let i = at
  const end = at + len
  for (const stop = end - 15; i < stop; i += 16) {
    high +=
      mem[i] +
      mem[i + 2] +
      mem[i + 4] +
      mem[i + 6] +
      mem[i + 8] +
      mem[i + 10] +
      mem[i + 12] +
      mem[i + 14]
    low +=
      mem[i + 1] +
      mem[i + 3] +
      mem[i + 5] +
      mem[i + 7] +
      mem[i + 9] +
      mem[i + 11] +
      mem[i + 13] +
      mem[i + 15]
  }
  for (const stop = end - 1; i < stop; i += 2) {
    high += mem[i]
    low += mem[i + 1]
  }
  if (i < end) high += mem[i]
  return fold(acc + (high >> 8) + ((high & 0xff) << 8) + low)
}

/** Reduces a partial sum to 16 bits; acc is non-negative. */
export const fold = (acc: number): number => {
  const once = (acc & 0xffff) + (acc >>> 16)
  return (once & 0xffff) + (once >>> 16)
}

/** The field's value: the complement of the folded sum. */
export const finish = (acc: number): number => ~fold(acc) & 0xffff

/** A sum that began at an odd offset is the same sum with its octets swapped (RFC 1071, 2B). */
export const swapSum = (acc: number): number => {
  const sum = fold(acc)
  return ((sum & 0xff) << 8) | (sum >> 8)
}

const sumWord = (word: number, acc: number): number => acc + (word >>> 16) + (word & 0xffff)

export const checksum = (mem: Bytes, at: number, len: number): number =>
  finish(sumBytes(mem, at, len, 0))

/** True when the bytes, checksum field included, sum to all ones. */
export const isChecksumOk = (mem: Bytes, at: number, len: number, acc: number): boolean =>
  sumBytes(mem, at, len, acc) === 0xffff

/**
 * Pseudo header of both families: source and destination lie side by side in either IP header, so
 * the caller passes where they start and how long both are (8 for IPv4, 32 for IPv6).
 */
export const pseudoSum = (
  mem: Bytes,
  addrsAt: number,
  addrsLen: number,
  protocol: number,
  len: number
): number => sumBytes(mem, addrsAt, addrsLen, protocol + (len >>> 16) + (len & 0xffff))

/**
 * Pseudo header from addresses of four words each. It serves both families: the ::ffff: of a v4-mapped address adds
 * 0xffff, which is zero in one's complement.
 */
export const pseudoSumWords = (
  words: Int32Array,
  saddr: number,
  daddr: number,
  protocol: number,
  len: number
): number => fold(sumAddr(words, daddr, sumWord(len, sumAddr(words, saddr, protocol))))
const sumAddr = (words: Int32Array, at: number, sum: number): number =>
  sumWord(words[at], sumWord(words[at + 1], sumWord(words[at + 2], sumWord(words[at + 3], sum))))

/**
 * RFC 1624 equation 3: HC' = ~(~HC + ~m + m'), for one changed 16-bit word. Where that is 0 and the new word is too, the
 * data may be nothing but zeroes, whose checksum is 0xffff: that form verifies in either case, 0 would not.
 */
export const adjust16 = (csum: number, old: number, value: number): number =>
  adjusted((~csum & 0xffff) + (~old & 0xffff) + (value & 0xffff), value & 0xffff)

/** As adjust16, for a changed 32-bit word (an address, a sequence number). */
export const adjust32 = (csum: number, old: number, value: number): number =>
  adjusted(sumWord(value, sumWord(~old, ~csum & 0xffff)), value)

const adjusted = (acc: number, value: number): number => {
  const sum = finish(acc)
  return sum === 0 && value === 0 ? 0xffff : sum
}
