import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Bytes } from '../../../core/base/bytes.ts'
import { i32, putI32, putU16, u16 } from '../../../core/base/bytes.ts'
import * as csum from '../../../core/base/checksum.ts'

/** RFC 1071 word by word, with the carry folded in at once. */
const oracle = (mem: Bytes): number => {
  let sum = 0
  for (let i = 0; i < mem.length; i += 2) {
    sum += mem[i]! * 256 + (mem[i + 1] ?? 0)
    if (sum > 0xffff) sum -= 0xffff
  }
  return sum
}

describe('RFC 1071', () => {
  test('the example of section 3', () => {
    const mem = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)
    expect(csum.sumBytes(mem, 0, 8, 0)).toBe(0xddf2)
    expect(csum.checksum(mem, 0, 8)).toBe(0x220d)
  })

  test('any bytes, at any offset, in any number of even pieces', () => {
    const bytes = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(bytes, fc.nat(5), fc.nat(100), (data, at, cut) => {
        const mem = new Uint8Array(at + data.length + 3).fill(0xaa)
        mem.set(data, at)
        const first = Math.min(cut * 2, data.length & ~1)
        const whole = csum.sumBytes(mem, at, data.length, 0)
        expect(whole).toBe(oracle(data))
        const acc = csum.sumBytes(mem, at, first, 0)
        expect(csum.sumBytes(mem, at + first, data.length - first, acc)).toBe(whole)
      })
    )
  })

  test('a piece behind an odd one is swapped', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 99 }), fc.nat(98), (data, cut) => {
        const first = Math.min(cut, data.length - 1) | 1
        fc.pre(first <= data.length)
        const rest = csum.sumBytes(data, first, data.length - first, 0)
        const sum = csum.sumBytes(data, 0, first, 0) + csum.swapSum(rest)
        expect(csum.fold(sum)).toBe(oracle(data))
      })
    )
  })

  test.each([65535, 65536, 262144])('%d octets of all ones do not overflow', (len) => {
    const mem = new Uint8Array(len).fill(0xff)
    expect(csum.sumBytes(mem, 0, len, 0xffff)).toBe(len & 1 ? 0xff00 : 0xffff)
  })
})

describe('pseudo headers', () => {
  test('a UDP datagram worked out by hand verifies', () => {
    // 10.0.0.1:1000 > 10.0.0.2:2000 "hi"
    const mem = new Uint8Array(30)
    putI32(mem, 12, 0x0a000001)
    putI32(mem, 16, 0x0a000002)
    mem.set([0x03, 0xe8, 0x07, 0xd0, 0x00, 0x0a, 0, 0, 0x68, 0x69], 20)
    const pseudo = csum.pseudoSum(mem, 12, 8, 17, 10)
    expect(pseudo).toBe(0x141e)
    putU16(mem, 26, csum.finish(csum.sumBytes(mem, 20, 10, pseudo)))
    expect(u16(mem, 26)).toBe(0x77b6)
    expect(csum.isChecksumOk(mem, 20, 10, pseudo)).toBe(true)
    mem[28] = 0x69
    expect(csum.isChecksumOk(mem, 20, 10, pseudo)).toBe(false)
  })

  test('address words give the same sum as the header, for both families', () => {
    const word = fc.integer()
    fc.assert(
      fc.property(fc.tuple(word, word, word, word, word, word, word, word), (words) => {
        const mem = new Uint8Array(32)
        for (const [i, value] of words.entries()) putI32(mem, i * 4, value)
        expect(csum.pseudoSumWords(Int32Array.from(words), 0, 4, 6, 70000)).toBe(
          csum.pseudoSum(mem, 0, 32, 6, 70000)
        )
        const four = Int32Array.of(0, 0, 0xffff, words[0], 0, 0, 0xffff, words[1])
        const mapped = csum.pseudoSumWords(four, 0, 4, 17, 40)
        expect(mapped).toBe(csum.pseudoSum(mem, 0, 8, 17, 40))
      })
    )
  })
})

describe('RFC 1624', () => {
  test('the example of section 4: a sum of 0xdd2f with 0x5555 changed to 0x3285', () => {
    expect(csum.adjust16(0xdd2f, 0x5555, 0x3285)).toBe(0x0000)
  })

  test('an adjusted checksum verifies, whatever word changed', () => {
    const data = fc.uint8Array({ minLength: 20, maxLength: 20 })
    fc.assert(
      fc.property(data, fc.nat(8), fc.integer(), (mem, slot, value) => {
        mem[2] = 1
        putU16(mem, 0, 0)
        putU16(mem, 0, csum.checksum(mem, 0, 20))
        const at = 2 + slot * 2
        fc.pre(at !== 2)
        const old16 = u16(mem, at)
        putU16(mem, at, value)
        putU16(mem, 0, csum.adjust16(u16(mem, 0), old16, value & 0xffff))
        expect(csum.isChecksumOk(mem, 0, 20, 0)).toBe(true)
        const old32 = i32(mem, 16)
        putI32(mem, 16, ~value)
        putU16(mem, 0, csum.adjust32(u16(mem, 0), old32, ~value))
        expect(csum.isChecksumOk(mem, 0, 20, 0)).toBe(true)
      })
    )
  })

  /** Words where carries, complements and the two zeroes meet. */
  const EDGES = [
    0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7ff, 0x800, 0x7fff, 0x8000, 0xf7ff, 0xfffe, 0xffff,
  ]
  const sumOf = (...words: number[]): number =>
    csum.fold(words.reduce((sum, word) => sum + word, 0))

  test('a word that becomes any other leaves a checksum that verifies: all words, all edges', () => {
    let wrong = 0
    for (const rest of EDGES)
      for (const edge of EDGES)
        for (let word = 0; word <= 0xffff; word++) {
          const from = csum.adjust16(csum.finish(word + rest), word, edge)
          const to = csum.adjust16(csum.finish(edge + rest), edge, word)
          if (sumOf(edge, rest, from) !== 0xffff || sumOf(word, rest, to) !== 0xffff) wrong++
        }
    expect(wrong).toBe(0)
  })

  test('so does a 32-bit word, whatever its halves', () => {
    let wrong = 0
    const halves = (word: number): [number, number] => [word >>> 16, word & 0xffff]
    const words = EDGES.flatMap((high) => EDGES.map((low) => (high << 16) | low))
    for (const rest of EDGES)
      for (const old of words)
        for (const value of words) {
          const sum = csum.adjust32(csum.finish(sumOf(...halves(old), rest)), old, value)
          if (sumOf(...halves(value), rest, sum) !== 0xffff) wrong++
        }
    expect(wrong).toBe(0)
  })

  test('what the rest makes plain is exact: a word that is not zero never gives 0xffff', () => {
    for (const rest of EDGES)
      for (const value of EDGES.slice(1))
        expect(csum.adjust16(csum.finish(0x0800 + rest), 0x0800, value)).toBe(
          csum.finish(value + rest)
        )
  })

  test('the reply to an echo request of nothing but zeroes', () => {
    expect(csum.adjust16(0xf7ff, 0x0800, 0)).toBe(0xffff)
  })
})
