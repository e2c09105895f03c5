/**
 * What lies around the prefix that a trie answers with: the next shorter one of its table that covers the address too. For those
 * who can't go by the longest one (fib-bound.ts). Any thread, nothing allocated. Linux: the backtracking of fib_table_lookup()
 * (net/ipv4/fib_trie.c), fib6_backtrack() (net/ipv6/route.c).
 */
import { copyAddr } from '../../../base/family.ts'
import type { Arena } from '../../../shm/arena.ts'
import { FIB_ROOT_WORDS } from '../../../shm/layout.ts'
import { afInfo } from '../../af-ops.ts'
import { createFibPrefixHash, FP_SEQ, fibPrefixPlaces } from './fib-prefix-hash.ts'

/**
 * A change takes less than a microsecond, as does one look. Control may be interrupted in the midst of one: then a prefix is not found,
 * for that packet.
 */
const MOST_LOOKS = 1000

export const createFibCovering = (arena: Arena, family: number) => {
  const { i32, layout } = arena
  const { head } = fibPrefixPlaces(arena, family)
  const { find, rowOf, has } = createFibPrefixHash(arena, family)
  /** An IPv4 address is the last of four words. */
  const firstBit = 128 - afInfo(family).addrBits
  const key = new Int32Array(4)

  const maskTo = (bits: number): void => {
    for (let w = 0; w < 4; w++) {
      const kept = bits - w * 32
      if (kept < 32) key[w] = kept <= 0 ? 0 : key[w] & (-1 << (32 - kept))
    }
  }
  /** Row of the prefix, under the sequence lock; or 0. */
  const rowFor = (table: number, plen: number): number => {
    for (let look = 0; look < MOST_LOOKS; look++) {
      const seq = Atomics.load(i32, head + FP_SEQ)
      const entry = find(table, key, plen)
      const row = entry === 0 ? 0 : rowOf(entry)
      // `or`: what was read before stays before it
      if ((seq & 1) === 0 && Atomics.or(i32, head + FP_SEQ, 0) === seq) return row
    }
    return 0
  }
  /** Row of the longest prefix of at most `most` bits in the table of a root that covers the address at (words, at); or 0. */
  const covering = (root: number, words: Int32Array, at: number, most: number): number => {
    const table = (root - layout.fibRoots) / FIB_ROOT_WORDS
    copyAddr(key, 0, words, at)
    for (let plen = most; plen >= 0; plen--) {
      if (!has(table, plen)) continue
      maskTo(firstBit + plen)
      const row = rowFor(table, plen)
      if (row !== 0) return row
    }
    return 0
  }
  return covering
}
