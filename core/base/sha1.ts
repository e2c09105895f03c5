/**
 * SHA-1 of one block that is not padded (FIPS 180-4 section 6.1.2): a function of which nobody finds the secret that goes into it, for
 * inet/addr/stable-id.ts. Control thread, rarely. Linux: sha1_transform() (lib/crypto/sha1.c).
 */

/** Words of a block. */
export const SHA1_BLOCK = 16
const STEPS = 80

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by))
/** By quarter: what is added, and what mixes three words. */
const ADDED = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6]
const parity = (b: number, c: number, d: number): number => b ^ c ^ d
const MIX = [
  (b: number, c: number, d: number): number => (b & c) | (~b & d),
  parity,
  (b: number, c: number, d: number): number => (b & c) | (b & d) | (c & d),
  parity,
]

/** The five words of the hash. */
export const sha1Block = (block: Int32Array): Int32Array => {
  const words = new Int32Array(STEPS)
  words.set(block)
  for (let k = SHA1_BLOCK; k < STEPS; k++)
    words[k] = rotate(words[k - 3] ^ words[k - 8] ^ words[k - 14] ^ words[k - 16], 1)
  const hash = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0)
  let [a, b, c, d, e] = hash
  for (const [k, word] of words.entries()) {
    const quarter = (k / 20) | 0
    const next = (rotate(a, 5) + MIX[quarter](b, c, d) + e + word + ADDED[quarter]) | 0
    e = d
    d = c
    c = rotate(b, 30)
    b = a
    a = next
  }
  for (const [k, word] of [a, b, c, d, e].entries()) hash[k] += word
  return hash
}
