/**
 * SipHash-2-4 (Aumasson, Bernstein) of 32-bit words, which come two by two as the little-endian halves of its 64-bit ones.
 * Nothing is allocated. Cookies of Fast Open are made of it (transport/tcp/fastopen/tcp-fastopen-keys.ts), and the choice among
 * next hops (inet/fib/multipath/flow-hash.ts). Linux: siphash, lib/siphash.c.
 */

/** Of the `count` words at `at`, under the four of `keys` at `keyAt`: the low half and the high one, until the next call. */
type Siphash = (
  words: Int32Array,
  at: number,
  count: number,
  keys: Int32Array,
  keyAt: number
) => Int32Array

export const createSiphash = (): { siphash: Siphash } => {
  const out = new Int32Array(2)
  const siphash: Siphash = (words, at, count, keys, keyAt) => {
    // what a key begins as: "somepseudorandomlygeneratedbytes"; low and high halves of v0 to v3
    let l0 = 0x70736575 ^ keys[keyAt]
    let h0 = 0x736f6d65 ^ keys[keyAt + 1]
    let l1 = 0x6e646f6d ^ keys[keyAt + 2]
    let h1 = 0x646f7261 ^ keys[keyAt + 3]
    let l2 = 0x6e657261 ^ keys[keyAt]
    let h2 = 0x6c796765 ^ keys[keyAt + 1]
    let l3 = 0x79746573 ^ keys[keyAt + 2]
    let h3 = 0x74656462 ^ keys[keyAt + 3]
    // the last block has what is left and the length; the one behind it is the end
    const last = count >> 1
    for (let block = 0; block <= last + 1; block++) {
      const isEnd = block > last
      let low = 0
      let high = 0
      if (block < last) {
        low = words[at + 2 * block]
        high = words[at + 2 * block + 1]
      } else if (!isEnd) {
        low = (count & 1) === 0 ? 0 : words[at + count - 1]
        high = count << 26
      } else l2 ^= 0xff
      l3 ^= low
      h3 ^= high
      for (let round = isEnd ? 4 : 2; round > 0; round--) {
        let sum = (l0 + l1) | 0
        h0 = (h0 + h1 + (sum >>> 0 < l1 >>> 0 ? 1 : 0)) | 0
        l0 = sum
        let turned = ((l1 << 13) | (h1 >>> 19)) ^ l0
        h1 = ((h1 << 13) | (l1 >>> 19)) ^ h0
        l1 = turned
        turned = l0
        l0 = h0
        h0 = turned
        sum = (l2 + l3) | 0
        h2 = (h2 + h3 + (sum >>> 0 < l3 >>> 0 ? 1 : 0)) | 0
        l2 = sum
        turned = ((l3 << 16) | (h3 >>> 16)) ^ l2
        h3 = ((h3 << 16) | (l3 >>> 16)) ^ h2
        l3 = turned
        sum = (l0 + l3) | 0
        h0 = (h0 + h3 + (sum >>> 0 < l3 >>> 0 ? 1 : 0)) | 0
        l0 = sum
        turned = ((l3 << 21) | (h3 >>> 11)) ^ l0
        h3 = ((h3 << 21) | (l3 >>> 11)) ^ h0
        l3 = turned
        sum = (l2 + l1) | 0
        h2 = (h2 + h1 + (sum >>> 0 < l1 >>> 0 ? 1 : 0)) | 0
        l2 = sum
        turned = ((l1 << 17) | (h1 >>> 15)) ^ l2
        h1 = ((h1 << 17) | (l1 >>> 15)) ^ h2
        l1 = turned
        turned = l2
        l2 = h2
        h2 = turned
      }
      l0 ^= low
      h0 ^= high
    }
    out[0] = l0 ^ l1 ^ l2 ^ l3
    out[1] = h0 ^ h1 ^ h2 ^ h3
    return out
  }
  return { siphash }
}
