/**
 * The forwarding tables: for each family and each of the tables local, main and default a multibit trie in
 * shared memory (Linux: fib_trie.c and ip6_fib.c). The root is 65,536 words, the first 16 bits of the
 * destination; below, nodes of 256 words, eight bits each. Tries are leaf-pushed: the first word that is not a
 * node is the answer. A word is 0 (no route), positive (a nexthop row) or negative (~node).
 *
 * Readers, on any thread, take no lock: every word is valid at every moment, and a node or row that a reader
 * may still hold is reused only after a grace period. The writer is core/inet/fib-writer.ts, on control.
 */
import { AF_INET } from '../base/family.ts'
import type { Flowi } from '../base/flowi.ts'
import { FL_DADDR, FL_FAMILY } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { FIB_ROOT_WORDS } from '../shm/layout.ts'
import { FIB_DEFAULT, FIB_LOCAL, FIB_MAIN } from './nexthop-constants.ts'

export type FibReader = ReturnType<typeof createFibReader>

/** Root of a table: three of IPv4, then three of IPv6. */
export const fibRoot = (arena: Arena, family: number, table: number): number =>
  arena.layout.fibRoots + (family === AF_INET ? table : 3 + table) * FIB_ROOT_WORDS

export const createFibReader = (arena: Arena) => {
  const { i32, layout } = arena
  const nodes = layout.fibNodes
  const roots4 = layout.fibRoots
  const roots6 = layout.fibRoots + 3 * FIB_ROOT_WORDS

  const lookup4 = (table: number, addr: number): number => {
    let word = i32[roots4 + (table << 16) + (addr >>> 16)]
    if (word >= 0) return word
    word = i32[nodes + (~word << 8) + ((addr >>> 8) & 255)]
    if (word >= 0) return word
    return i32[nodes + (~word << 8) + (addr & 255)]
  }

  const lookup6 = (table: number, words: Int32Array, at: number): number => {
    const first = words[at]
    let word = i32[roots6 + (table << 16) + (first >>> 16)]
    for (let bit = 16; word < 0; bit += 8) {
      const octet = (words[at + (bit >> 5)] >>> (24 - (bit & 31))) & 255
      word = i32[nodes + (~word << 8) + octet]
    }
    return word
  }

  /** Nexthop row of the longest prefix in one table that covers the address words[at..at+3], or 0. */
  const lookup = (family: number, table: number, words: Int32Array, at: number): number =>
    family === AF_INET ? lookup4(table, words[at + 3]) : lookup6(table, words, at)

  /** Nexthop row for FL_DADDR by the default rules, or 0. Linux: fib_lookup. */
  const fibLookup = (fl: Flowi): number => {
    if (fl[FL_FAMILY] === AF_INET) {
      const addr = fl[FL_DADDR + 3]
      let row = lookup4(FIB_LOCAL, addr)
      if (row !== 0) return row
      row = lookup4(FIB_MAIN, addr)
      if (row !== 0) return row
      return lookup4(FIB_DEFAULT, addr)
    }
    let row = lookup6(FIB_LOCAL, fl, FL_DADDR)
    if (row !== 0) return row
    row = lookup6(FIB_MAIN, fl, FL_DADDR)
    if (row !== 0) return row
    return lookup6(FIB_DEFAULT, fl, FL_DADDR)
  }

  return { lookup4, lookup6, lookup, fibLookup }
}
