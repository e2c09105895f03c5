/**
 * SipHash-2-4 (Aumasson, Bernstein) of 32-bit words, which come two by two as the little-endian halves of its 64-bit ones:
 * what has a number of octets that eight divides. Nothing is allocated. Cookies of Fast Open are made of it
 * (transport/tcp/sock/tcp-fastopen-keys.ts). Linux: siphash, lib/siphash.c.
 */

// The state: v0 to v3, low and high halves.
const V0 = 0
const V1 = 2
const V2 = 4
const V3 = 6

/** What a key begins as, "somepseudorandomlygeneratedbytes". */
const START = Int32Array.of(
  0x70736575,
  0x736f6d65,
  0x6e646f6d,
  0x646f7261,
  0x6e657261,
  0x6c796765,
  0x79746573,
  0x74656462
)

export const createSiphash = () => {
  const v = new Int32Array(8)
  const out = new Int32Array(2)

  const add = (a: number, b: number): void => {
    const low = (v[a] + v[b]) | 0
    v[a + 1] = v[a + 1] + v[b + 1] + (low >>> 0 < v[b] >>> 0 ? 1 : 0)
    v[a] = low
  }
  /** a = (a <<< by) ^ b, by less than 32. */
  const turn = (a: number, by: number, b: number): void => {
    const low = v[a]
    const high = v[a + 1]
    v[a] = ((low << by) | (high >>> (32 - by))) ^ v[b]
    v[a + 1] = ((high << by) | (low >>> (32 - by))) ^ v[b + 1]
  }
  const swap = (a: number): void => {
    const low = v[a]
    v[a] = v[a + 1]
    v[a + 1] = low
  }
  const round = (): void => {
    add(V0, V1)
    turn(V1, 13, V0)
    swap(V0)
    add(V2, V3)
    turn(V3, 16, V2)
    add(V0, V3)
    turn(V3, 21, V0)
    add(V2, V1)
    turn(V1, 17, V2)
    swap(V2)
  }
  const absorb = (low: number, high: number): void => {
    v[V3] = v[V3] ^ low
    v[V3 + 1] = v[V3 + 1] ^ high
    round()
    round()
    v[V0] = v[V0] ^ low
    v[V0 + 1] = v[V0 + 1] ^ high
  }

  /** Of the `count` words at `at`, an even number, under the four of `keys` at `keyAt`: the low half and the high one, until the next call. */
  const siphash = (
    words: Int32Array,
    at: number,
    count: number,
    keys: Int32Array,
    keyAt: number
  ): Int32Array => {
    for (let w = 0; w < 8; w++) v[w] = START[w] ^ keys[keyAt + (w & 3)]
    for (let w = at; w < at + count; w += 2) absorb(words[w], words[w + 1])
    absorb(0, count << 26)
    v[V2] = v[V2] ^ 0xff
    round()
    round()
    round()
    round()
    out[0] = v[V0] ^ v[V1] ^ v[V2] ^ v[V3]
    out[1] = v[V0 + 1] ^ v[V1 + 1] ^ v[V2 + 1] ^ v[V3 + 1]
    return out
  }
  return { siphash }
}
