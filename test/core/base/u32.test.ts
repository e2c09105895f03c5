import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as u32 from '../../../core/base/u32.ts'

describe('sequence numbers', () => {
  test('order holds across the wrap and across the sign', () => {
    expect(u32.seqBefore(-1, 0)).toBe(true)
    expect(u32.seqBefore(0x7fffffff, 0x80000000 | 0)).toBe(true)
    expect(u32.seqAfter(5, 0xfffffff0 | 0)).toBe(true)
    expect(u32.seqBefore(7, 7)).toBe(false)
    expect(u32.seqAfter(7, 7)).toBe(false)
    expect(u32.seqMax(-1, 3)).toBe(3)
    expect(u32.seqMin(-1, 3)).toBe(-1)
  })

  test('a distance below 2^31 decides, for every starting point', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 0x7fffffff }), (seq, distance) => {
        const later = (seq + distance) | 0
        expect(u32.seqBefore(seq, later)).toBe(true)
        expect(u32.seqAfter(later, seq)).toBe(true)
        expect(u32.seqBefore(later, seq)).toBe(false)
        expect(u32.seqMax(seq, later)).toBe(later)
        expect(u32.seqMin(seq, later)).toBe(seq)
      })
    )
  })

  test('seqBetween includes both ends and wraps', () => {
    expect(u32.seqBetween(10, 10, 20)).toBe(true)
    expect(u32.seqBetween(20, 10, 20)).toBe(true)
    expect(u32.seqBetween(21, 10, 20)).toBe(false)
    expect(u32.seqBetween(9, 10, 20)).toBe(false)
    expect(u32.seqBetween(2, -5, 5)).toBe(true)
    expect(u32.seqBetween(-6, -5, 5)).toBe(false)
  })
})

describe('hashing', () => {
  test('mix32 is the published finalizer, and a bijection on what it is given', () => {
    expect(u32.mix32(0)).toBe(0)
    expect(u32.toUnsigned(u32.mix32(1))).toBe(0x514e28b7)
    const seen = new Set(Array.from({ length: 4096 }, (_, i) => u32.mix32(i)))
    expect(seen.size).toBe(4096)
  })

  test('hashAddr spreads neighbouring addresses over few buckets evenly', () => {
    const buckets = new Array(16).fill(0)
    for (let i = 0; i < 1600; i++) buckets[u32.hashAddr(7, 0, 0, 0xffff, 0x0a000000 + i) & 15]++
    expect(Math.min(...buckets)).toBeGreaterThan(50)
    expect(Math.max(...buckets)).toBeLessThan(160)
  })

  test('hash32 stays within its bits', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 31 }), (value, bits) => {
        const bucket = u32.hash32(value, bits)
        expect(bucket).toBeGreaterThanOrEqual(0)
        expect(bucket).toBeLessThan(2 ** bits)
      })
    )
  })

  test('reciprocalScale is value * limit / 2^32, rounded down', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 32768 }), (value, limit) => {
        const expected = Math.floor(((value >>> 0) * limit) / 2 ** 32)
        expect(u32.reciprocalScale(value, limit)).toBe(expected)
      })
    )
    expect(u32.reciprocalScale(-1, 32768)).toBe(32767)
  })
})

test('powers of two', () => {
  expect([0, 1, 2, 3, 64, -8].map(u32.isPowerOfTwo)).toEqual([
    false,
    true,
    true,
    false,
    true,
    false,
  ])
  expect([0, 1, 2, 3, 5, 1024, 1025].map(u32.roundUpPowerOfTwo)).toEqual([
    1, 1, 2, 4, 8, 1024, 2048,
  ])
  expect([1, 2, 3, 4096].map(u32.log2)).toEqual([0, 1, 1, 12])
})
