// The running maximum beside one that remembers everything.

import { expect, test } from 'bun:test'
import { resetMax, runningMax } from '../../../../../core/transport/tcp/cong/tcp-bbr-filter.ts'
import { seeded } from '../../../../support/random.ts'

test('the largest of the window is known as long as it is in it; what comes after is no less than the truth by much', () => {
  const i32 = new Int32Array(8)
  const random = seeded(7)
  resetMax(i32, 1, 0, 0)
  const all: [round: number, value: number][] = []
  for (let round = 0; round < 5000; round++) {
    const value = 1000 + ((random() >>> 0) % 1000)
    all.push([round, value])
    runningMax(i32, 1, 10, round, value)
    const inWindow = all.slice(-11).map(([, v]) => v)
    expect(i32[2]!).toBeLessThanOrEqual(Math.max(...inWindow))
    expect(i32[2]!).toBeGreaterThanOrEqual(value)
    expect(i32[2]!).toBeGreaterThanOrEqual(Math.max(...all.slice(-3).map(([, v]) => v)))
  }
})

test('a peak is forgotten when its window has passed, values above 2^31 included', () => {
  const i32 = new Int32Array(8)
  resetMax(i32, 1, 0, 0)
  runningMax(i32, 1, 10, 1, 4_000_000_000)
  for (let round = 2; round <= 11; round++) {
    runningMax(i32, 1, 10, round, 100)
    expect(i32[2]! >>> 0).toBe(4_000_000_000)
  }
  runningMax(i32, 1, 10, 12, 100)
  expect(i32[2]).toBe(100)
})
