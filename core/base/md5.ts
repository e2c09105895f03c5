/**
 * MD5 of octets that come piece by piece (RFC 1321): for the signatures of RFC 2385, which nothing else should be signed by.
 * One at a time: begin, add, finish. Nothing is allocated once it is made.
 */

const BLOCK = 64
/** Octets of a digest. */
export const MD5_LEN = 16
/** Where the length of all lies in the last block. */
const LENGTH_AT = 56
const MAX_INT32 = 0x100000000

/** By round, how far its four steps rotate. */
const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]

export const createMd5 = () => {
  const sines = Int32Array.from({ length: BLOCK }, (_, k) =>
    Math.floor(Math.abs(Math.sin(k + 1)) * MAX_INT32)
  )
  const block = new Uint8Array(BLOCK)
  const words = new Int32Array(BLOCK / 4)
  const digest = new Uint8Array(MD5_LEN)
  let filled = 0
  let total = 0
  let a = 0
  let b = 0
  let c = 0
  let d = 0

  const begin = (): void => {
    filled = 0
    total = 0
    a = 0x67452301
    b = 0xefcdab89 | 0
    c = 0x98badcfe | 0
    d = 0x10325476
  }
  const word = (k: number): number =>
    block[k] | (block[k + 1] << 8) | (block[k + 2] << 16) | (block[k + 3] << 24)
  /** Section 3.4: what a step mixes, and which word of the block it takes. */
  const mix = (round: number): number => {
    if (round === 0) return (b & c) | (~b & d)
    if (round === 1) return (d & b) | (~d & c)
    return round === 2 ? b ^ c ^ d : c ^ (b | ~d)
  }
  const place = (round: number, k: number): number => {
    if (round === 0) return k
    if (round === 1) return (5 * k + 1) & 15
    return round === 2 ? (3 * k + 5) & 15 : (7 * k) & 15
  }
  const takeBlock = (): void => {
    for (let k = 0; k < words.length; k++) words[k] = word(k << 2)
    const a0 = a
    const b0 = b
    const c0 = c
    const d0 = d
    for (let step = 0; step < BLOCK; step++) {
      const round = step >> 4
      const sum = (a + mix(round) + sines[step] + words[place(round, step)]) | 0
      const by = SHIFTS[(round << 2) | (step & 3)]
      const next = (b + ((sum << by) | (sum >>> (32 - by)))) | 0
      a = d
      d = c
      c = b
      b = next
    }
    a = (a + a0) | 0
    b = (b + b0) | 0
    c = (c + c0) | 0
    d = (d + d0) | 0
    filled = 0
  }
  const addOctet = (octet: number): void => {
    block[filled++] = octet
    total++
    if (filled === BLOCK) takeBlock()
  }
  const add = (mem: Uint8Array, at: number, len: number): void => {
    for (let k = 0; k < len; k++) addOctet(mem[at + k])
  }
  const putWord = (to: Uint8Array, at: number, value: number): void => {
    for (let k = 0; k < 4; k++) to[at + k] = value >>> (k << 3)
  }
  /** The digest, in an array that the next one will be in too. */
  const finish = (): Uint8Array => {
    const bits = total * 8
    addOctet(0x80)
    while (filled !== LENGTH_AT) addOctet(0)
    putWord(block, LENGTH_AT, bits | 0)
    putWord(block, LENGTH_AT + 4, Math.floor(bits / MAX_INT32))
    takeBlock()
    putWord(digest, 0, a)
    putWord(digest, 4, b)
    putWord(digest, 8, c)
    putWord(digest, 12, d)
    return digest
  }
  return { begin, addOctet, add, finish }
}
