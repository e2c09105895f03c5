/**
 * The look-ahead of fib-prefetch.ts for IPv6, as far as what allocations are divided by: 48 bits. By the kind of a word (row, bucket or
 * node) little can be guessed, so a step does not branch by it: with branches all steps of a frame take 42-47 ns in place of 33-38.
 */
import type { Arena } from '../../../shm/arena.ts'
import { FIB_SHORT_WORDS } from '../../../shm/layout.ts'
import type { FibReader } from '../fib.ts'
import { FB_COUNT, FB_FIRST, FIB_BUCKET, FIB_PLACE, FIB_PLACE_SHIFT } from './fib-constants.ts'

/** Makes the bit of a bucket's word its sign. */
const BUCKET_SIGN = Math.clz32(FIB_BUCKET)

/** Of at most so many frames. */
export const createFibPrefetch6 = (arena: Arena, { local, main }: FibReader, most: number) => {
  const { i32, layout } = arena
  const pool = layout.fibNodes
  const locals = local.v6 + FIB_SHORT_WORDS
  const mains = main.v6 + FIB_SHORT_WORDS
  /** The words of the addresses. */
  const firsts = new Int32Array(most)
  const seconds = new Int32Array(most)
  /** The word of the main table's trie that each has come to, and the first bucket on its way, or 0. */
  const places = new Int32Array(most)
  const buckets = new Int32Array(most)
  /** Written so that the engine does not leave the loads out. */
  let fetched = 0
  let count = 0

  /** The lookup of an address begins. */
  const note6 = (first: number, second: number): void => {
    if (count === most) return
    firsts[count] = first
    seconds[count] = second
    buckets[count] = 0
    places[count++] = mains + (first >>> 16)
    fetched = (fetched + i32[locals + (first >>> 16)]) | 0
  }
  /** All go on to the next block, those that have one: to its word for eight bits of the address, or to a bucket's first one. */
  const step = (words: Int32Array, shift: number): void => {
    for (let k = 0; k < count; k++) {
      const place = places[k]
      const word = i32[place]
      const isBlock = word >> 31
      const isBucket = (word << BUCKET_SIGN) >> 31
      const block = pool + ((word & FIB_PLACE) >> FIB_PLACE_SHIFT)
      const next = block + ((words[k] >>> shift) & 255 & ~isBucket)
      places[k] = (next & isBlock) | (place & ~isBlock)
      buckets[k] |= block & isBlock & isBucket
    }
  }
  const touch = (): void => {
    let sum = 0
    for (let k = 0; k < count; k++) sum += i32[places[k]]
    fetched = (fetched + sum) | 0
  }
  /** Those in a bucket, which is there, go to its link for the address, if it has one. Links come first. */
  const toLinks = (): void => {
    for (let k = 0; k < count; k++) {
      const block = buckets[k]
      if (block === 0) continue
      const end = block + FB_FIRST + (i32[block + FB_COUNT] << 1)
      for (let at = block + FB_FIRST; at < end && i32[at + 1] < 0; at += 2)
        if (i32[at] === firsts[k]) places[k] = at + 1
    }
  }
  const follow6 = (): void => {
    if (count === 0) return
    step(firsts, 8)
    step(firsts, 0)
    touch()
    toLinks()
    step(seconds, 24)
    step(seconds, 16)
    touch()
    count = 0
  }
  return { note6, follow6 }
}
