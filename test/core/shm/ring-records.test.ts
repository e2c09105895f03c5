import { expect, test } from 'bun:test'
import { RING_HEADER } from '../../../core/shm/layout.ts'
import {
  ringAdoptHead,
  ringInit,
  ringPublish,
  ringReadable,
  ringRelease,
  ringReserve,
  ringTake,
  ringTakeRecord,
} from '../../../core/shm/ring.ts'

const WORDS = 4
const RING = 32
const make = () => {
  const i32 = new Int32Array(RING + RING_HEADER + 16)
  ringInit(i32, RING, 16)
  return i32
}

test('records of several words go round without wrapping, and the ring says when it is full', () => {
  const i32 = make()
  for (let lap = 0; lap < 10; lap++) {
    for (let k = 0; k < 4; k++) {
      const at = ringReserve(i32, RING, WORDS)
      for (let w = 0; w < WORDS; w++) i32[at + w] = lap * 100 + k * 10 + w
    }
    expect(ringReserve(i32, RING, WORDS)).toBe(0)
    expect(ringReadable(i32, RING)).toBe(0)
    ringPublish(i32, RING)
    expect(ringReadable(i32, RING)).toBe(16)
    for (let k = 0; k < 4; k++) {
      const at = ringTakeRecord(i32, RING, WORDS)
      expect(i32[at + 3]).toBe(lap * 100 + k * 10 + 3)
    }
    ringRelease(i32, RING)
  }
})

test('a new consumer goes on behind the record that the old one died in', () => {
  const i32 = make()
  for (let k = 0; k < 3; k++) i32[ringReserve(i32, RING, WORDS)] = k
  ringPublish(i32, RING)
  ringTakeRecord(i32, RING, WORDS)
  ringTake(i32, RING)
  ringAdoptHead(i32, RING, WORDS)
  expect(ringReadable(i32, RING)).toBe(WORDS)
  expect(i32[ringTakeRecord(i32, RING, WORDS)]).toBe(2)
})
