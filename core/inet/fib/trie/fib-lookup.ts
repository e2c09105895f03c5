/**
 * The longest prefix that covers an address, in one table's trie in shared memory (Linux: fib_trie.c and ip6_fib.c). The first 16
 * bits of the destination are an index; below, what holds many prefixes is divided by eight bits at a time, what holds few is a
 * list of them (fib-constants.ts has the words). An IPv6 address is
 * four such tries behind one another, so what allocations have in common, 32 bits, takes one step. Prefixes of up to eight
 * bits, the default route above all, are words of their own: no change of one has to touch what lies below.
 *
 * Readers, on any thread, take no lock: every word is valid at every moment, and a block or row that a reader
 * may still hold is reused only after a grace period. The writer is core/inet/fib/writer/fib-writer.ts, on control.
 */
import type { Arena } from '../../../shm/arena.ts'
import { FIB_SHORT_WORDS } from '../../../shm/layout.ts'
import {
  FB_COUNT,
  FB_COVER,
  FB_FIRST,
  FIB_BUCKET,
  FIB_PLACE,
  FIB_PLACE_SHIFT,
} from './fib-constants.ts'

export type FibLookup = ReturnType<typeof createFibLookup>

/** Lookups in the trie of a root: the row of the longest prefix that covers an address, or 0. */
export const createFibLookup = ({ i32, layout }: Arena) => {
  const pool = layout.fibNodes
  /** What a bucket has for the next bits of an address: a row, 0, or the block of the bits behind them. */
  const inBucket = (block: number, key: number): number => {
    const end = block + FB_FIRST + (i32[block + FB_COUNT] << 1)
    for (let at = block + FB_FIRST; at < end; at += 2) {
      // shifts count by the low five bits alone
      const value = i32[at + 1]
      if ((key ^ i32[at]) >>> value === 0) return value & ~31
    }
    return i32[block + FB_COVER]
  }

  const lookup4 = (root: number, addr: number): number => {
    let word = i32[root + FIB_SHORT_WORDS + (addr >>> 16)]
    for (let shift = 8; word < 0; shift -= 8) {
      const block = pool + ((word & FIB_PLACE) >> FIB_PLACE_SHIFT)
      word =
        (word & FIB_BUCKET) !== 0 ? inBucket(block, addr) : i32[block + ((addr >>> shift) & 255)]
    }
    return word !== 0 ? word : i32[root + (addr >>> 24)]
  }

  const lookup6 = (root: number, words: Int32Array, at: number): number => {
    let key = words[at]
    let word = i32[root + FIB_SHORT_WORDS + (key >>> 16)]
    let left = 16
    let last = at
    while (word < 0) {
      if (left === 0) {
        key = words[++last]
        left = 32
      }
      const block = pool + ((word & FIB_PLACE) >> FIB_PLACE_SHIFT)
      if ((word & FIB_BUCKET) !== 0) {
        word = inBucket(block, key)
        left = 0
      } else {
        left -= 8
        word = i32[block + ((key >>> left) & 255)]
      }
    }
    return word !== 0 ? word : i32[root + (words[at] >>> 24)]
  }
  return { lookup4, lookup6 }
}
