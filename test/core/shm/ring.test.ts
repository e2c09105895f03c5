import { heapStats } from 'bun:jsc'
import { describe, expect, test } from 'bun:test'
import {
  ringAhead,
  ringBacklog,
  ringInit,
  ringLength,
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringReserve,
  ringTake,
  ringTakeRecord,
  ringWritable,
} from '../../../core/shm/ring.ts'
import { RING_HEADER } from '../../../core/shm/layout.ts'

const make = (capacity: number) => {
  const i32 = new Int32Array(RING_HEADER + capacity)
  ringInit(i32, 0, capacity)
  return i32
}

describe('a ring', () => {
  test('shows words only once they are published, in order', () => {
    const i32 = make(8)
    ringPush(i32, 0, 5)
    ringPush(i32, 0, 6)
    expect(ringReadable(i32, 0)).toBe(0)
    ringPublish(i32, 0)
    expect(ringReadable(i32, 0)).toBe(2)
    expect([ringTake(i32, 0), ringTake(i32, 0)]).toEqual([5, 6])
  })

  test('shows what comes next without taking it', () => {
    const i32 = make(4)
    for (const word of [5, 6, 7]) ringPush(i32, 0, word)
    ringPublish(i32, 0)
    ringTake(i32, 0)
    expect([ringAhead(i32, 0, 0), ringAhead(i32, 0, 1)]).toEqual([6, 7])
    expect([ringTake(i32, 0), ringTake(i32, 0)]).toEqual([6, 7])
  })

  test('is full at its capacity and takes more after a release', () => {
    const i32 = make(4)
    for (let k = 0; k < 4; k++) expect(ringPush(i32, 0, k)).toBe(true)
    expect(ringPush(i32, 0, 9)).toBe(false)
    expect(ringWritable(i32, 0, 1)).toBe(false)
    ringPublish(i32, 0)
    ringTake(i32, 0)
    expect(ringPush(i32, 0, 9)).toBe(false)
    ringRelease(i32, 0)
    expect(ringPush(i32, 0, 9)).toBe(true)
    expect(ringLength(i32, 0)).toBe(3)
    expect(ringBacklog(i32, 0, 2)).toBe(4)
  })

  test('keeps its order when its indices wrap around 2^31', () => {
    const i32 = make(4)
    for (const word of [0, 1, 2, 32, 33]) i32[word] = 0x7ffffffe
    for (let k = 0; k < 20; k++) {
      expect(ringPush(i32, 0, k)).toBe(true)
      ringPublish(i32, 0)
      expect(ringReadable(i32, 0)).toBe(1)
      expect(ringTake(i32, 0)).toBe(k)
      ringRelease(i32, 0)
    }
  })

  test('takes records without leaving anything to collect', () => {
    const i32 = make(64)
    const functions = (): number => heapStats().objectTypeCounts['Function']!
    const before = functions()
    for (let k = 0; k < 1000; k++) {
      ringReserve(i32, 0, 16)
      ringPublish(i32, 0)
      ringTakeRecord(i32, 0, 16)
      ringRelease(i32, 0)
    }
    expect(functions() - before).toBeLessThan(100)
  })
})
