/**
 * 32-bit arithmetic on int32 values: sequence comparison, hashing, powers of two.
 *
 * Addresses, hashes and sequence numbers are int32 on the data path; only display and the API see
 * them unsigned. Called from everywhere, all threads; nothing here allocates.
 * Linux counterparts: before()/after()/between() of net/tcp.h, reciprocal_scale, hash_32, roundup_pow_of_two.
 */

/** For display and JSON only: an unsigned value above 2^31 lives in a double. */
export const toUnsigned = (value: number): number => value >>> 0

/** A word of the arena that holds four octets in network order, as the number they are (the machine is little-endian). */
export const swap32 = (word: number): number =>
  (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)

/** Serial-number order of RFC 9293 section 3.4: a comes before b on the 2^32 circle. */
export const seqBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0

export const seqAfter = (a: number, b: number): boolean => ((b - a) | 0) < 0

/** low <= seq <= high on the circle. */
export const seqBetween = (seq: number, low: number, high: number): boolean =>
  (high - low) >>> 0 >= (seq - low) >>> 0

export const seqMax = (a: number, b: number): number => (((a - b) | 0) > 0 ? a : b)

export const seqMin = (a: number, b: number): number => (((a - b) | 0) < 0 ? a : b)

/** Finalizer: every input bit reaches every output bit, so any mask of the result is a fair bucket. */
export const mix32 = (value: number): number => {
  let h = value ^ (value >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Feeds one more word into a running hash; finish with mix32. */
export const mixIn = (hash: number, word: number): number => {
  const k = Math.imul(word, 0xcc9e2d51)
  const h = hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

/** Hash of one IPv6 (or v4-mapped) address with a per-boot seed. */
export const hashAddr = (seed: number, w0: number, w1: number, w2: number, w3: number): number =>
  mix32(mixIn(mixIn(mixIn(mixIn(seed, w0), w1), w2), w3))

/** Multiplicative hash into 2^bits buckets (Linux's hash_32). */
export const hash32 = (value: number, bits: number): number =>
  Math.imul(value, 0x61c88647) >>> (32 - bits)

/**
 * Scales a 32-bit hash onto [0, limit) by its high bits, without a division. The product is cut in
 * two 16-bit halves so that it stays an integer: limit must be at most 32768.
 */
export const reciprocalScale = (hash: number, limit: number): number =>
  (Math.imul(hash >>> 16, limit) + (Math.imul(hash & 0xffff, limit) >>> 16)) >>> 16

export const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0

export const roundUpPowerOfTwo = (value: number): number =>
  value <= 1 ? 1 : 1 << (32 - Math.clz32(value - 1))

/** floor(log2(value)) for a positive value. */
export const log2 = (value: number): number => 31 - Math.clz32(value)
