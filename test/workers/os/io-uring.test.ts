// Batches of reads and writes through a ring: what each call gave, in its order, and nothing left behind.

import { afterEach, beforeEach, expect, test } from 'bun:test'
import { openRing, probeRing, RING_ENTRIES } from '../../../workers/os/io-uring.ts'
import { check, Errno, libc, O_NONBLOCK } from '../../../workers/os/libc.ts'
import { socketPair } from '../../../workers/os/unix.ts'

const F_SETFL = 4
const memory = new Uint8Array(new SharedArrayBuffer(1 << 16))
let ours: number
let theirs: number
beforeEach(() => {
  ;[ours, theirs] = socketPair()
  for (const fd of [ours, theirs]) check(libc.fcntl(fd, F_SETFL, O_NONBLOCK), 'fcntl')
})
afterEach(() => {
  for (const fd of [ours, theirs]) libc.close(fd)
  ring.forget()
})
const ring = openRing(memory)!

test('a process that may have rings is told so', () => {
  expect(probeRing()).toBe(0)
})

test('writes arrive in their order, and reads find them; what an empty descriptor answers is EAGAIN', () => {
  for (let round = 0; round < 5; round++) {
    for (let k = 0; k < RING_ENTRIES / 4; k++) {
      memory[k] = round + k
      ring.write(ours, k, 1)
    }
    ring.submit()
    for (let k = 0; k < RING_ENTRIES / 4; k++) expect(ring.result(k)).toBe(1)
    for (let k = 0; k < RING_ENTRIES / 2; k++) ring.read(theirs, 1000 + k, 10)
    ring.submit()
    const results = Array.from({ length: RING_ENTRIES / 2 }, (_, k) => ring.result(k))
    expect(results).toEqual([...Array(16).fill(1), ...Array(16).fill(-Errno.EAGAIN)])
    for (let k = 0; k < 16; k++) expect(memory[1000 + k]).toBe(round + k)
  }
})

test('a call that fails says why, and the others of its batch are made', () => {
  ring.write(1000, 0, 1)
  ring.write(ours, 0, 3)
  ring.write(-1, 0, 1)
  ring.submit()
  expect([0, 1, 2].map(ring.result)).toEqual([-Errno.EBADF, 3, -Errno.EBADF])
})

test("what was closed is gone once the ring lets go of it, and its number is another descriptor's", () => {
  const hasEnded = (): boolean => {
    ring.read(theirs, 0, 10)
    ring.submit()
    return ring.result(0) === 0
  }
  ring.write(ours, 0, 1)
  ring.submit()
  expect(hasEnded()).toBe(false)
  libc.close(ours)
  expect(hasEnded()).toBe(false)
  ring.forget()
  expect(hasEnded()).toBe(true)
  libc.close(theirs)
  const before = [ours, theirs]
  ;[ours, theirs] = socketPair()
  expect([ours, theirs]).toEqual(before)
  ring.forget()
  ring.write(ours, 0, 1)
  ring.submit()
  expect(ring.result(0)).toBe(1)
})

test('more descriptors than can be registered go by themselves', () => {
  const pairs = Array.from({ length: 70 }, () => socketPair())
  for (const [end] of pairs.slice(0, RING_ENTRIES)) ring.write(end, 0, 1)
  ring.submit()
  for (const [end] of pairs.slice(RING_ENTRIES)) ring.write(end, 0, 1)
  ring.submit()
  const results = pairs.slice(RING_ENTRIES).map((_, k) => ring.result(k))
  for (const fd of pairs.flat()) libc.close(fd)
  expect(results).toEqual(Array(70 - RING_ENTRIES).fill(1))
})

test('an empty batch is nothing', () => {
  ring.submit()
  ring.write(ours, 0, 1)
  ring.submit()
  expect(ring.result(0)).toBe(1)
})
