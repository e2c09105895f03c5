/**
 * The forwarding tables: each a trie in shared memory, found by the map of tables (fib-tables.ts; Linux:
 * fib_trie.c and ip6_fib.c). The first 16 bits of the destination are an index; below, what holds many prefixes
 * is divided by eight bits at a time, what holds few is a list of them (fib-constants.ts has the words). An IPv6 address is
 * four such tries behind one another, so what allocations have in common, 32 bits, takes one step. Prefixes of up to eight
 * bits, the default route above all, are words of their own: no change of one has to touch what lies below.
 *
 * Readers, on any thread, take no lock: every word is valid at every moment, and a block or row that a reader
 * may still hold is reused only after a grace period. The writer is core/inet/fib/writer/fib-writer.ts, on control.
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import { FL_DADDR, RTN_THROW } from '../../base/flowi.ts'
import { DEV_VRF_ROOT4, DEV_VRF_ROOT6 } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { FIB_SHORT_WORDS } from '../../shm/layout.ts'
import { Errno } from '../../base/errno.ts'
import { byFamily } from '../af-ops.ts'
import { createFibBound } from './fib-bound.ts'
import {
  FB_COUNT,
  FB_COVER,
  FB_FIRST,
  FIB_BUCKET,
  FIB_PLACE,
  FIB_PLACE_SHIFT,
} from './fib-constants.ts'
import { fibRoot } from './fib-tables.ts'
import { FR_HEAD_FIRST } from './fib-rule-constants.ts'
import { createFibRuleWalk, ruleHead } from './fib-rules.ts'
import { NH_TYPE, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from './nexthop-constants.ts'

export type FibReader = ReturnType<typeof createFibReader>
/** Roots of one table's tries. */
type FibTable = { readonly v4: number; readonly v6: number }

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

/** A reader of one net's tables, which must be there (FibWriter.addNet). */
export const createFibReader = (arena: Arena, net: number) => {
  const { i32 } = arena
  const table = (id: number): FibTable => {
    const roots = { v4: fibRoot(arena, net, AF_INET, id), v6: fibRoot(arena, net, AF_INET6, id) }
    if (roots.v4 === 0 || roots.v6 === 0) throw new Error(`fib: net ${net} has no table ${id}`)
    return roots
  }
  const local = table(RT_TABLE_LOCAL)
  const main = table(RT_TABLE_MAIN)
  const byDefault = table(RT_TABLE_DEFAULT)
  const { v4: local4, v6: local6 } = local
  const { v4: main4, v6: main6 } = main
  const default4 = byDefault.v4

  const { lookup4, lookup6 } = createFibLookup(arena)

  /** Nexthop row of the longest prefix in one table that covers the address words[at..at+3], or 0. */
  const lookup = (family: number, table: FibTable, words: Int32Array, at: number): number =>
    lookupOf(family)(table, words, at)
  type Lookup = (table: FibTable, words: Int32Array, at: number) => number
  const lookupOf = byFamily<Lookup>(
    ({ v4 }, words, at) => lookup4(v4, words[at + 3]),
    ({ v6 }, words, at) => lookup6(v6, words, at)
  )

  const first4 = ruleHead(arena, net, AF_INET) + FR_HEAD_FIRST
  const first6 = ruleHead(arena, net, AF_INET6) + FR_HEAD_FIRST
  const walk4 = createFibRuleWalk({
    arena,
    vrfRoot: DEV_VRF_ROOT4,
    rowFor: (root, fl) => lookup4(root, fl[FL_DADDR + 3]),
    needsSource: false,
  })
  const walk6 = createFibRuleWalk({
    arena,
    vrfRoot: DEV_VRF_ROOT6,
    rowFor: (root, fl) => lookup6(root, fl, FL_DADDR),
    needsSource: true,
  })
  const bound4 = createFibBound(arena, AF_INET, (root, fl) => lookup4(root, fl[FL_DADDR + 3]))
  const bound6 = createFibBound(arena, AF_INET6, (root, fl) => lookup6(root, fl, FL_DADDR))
  const walkBound4 = createFibRuleWalk({
    arena,
    vrfRoot: DEV_VRF_ROOT4,
    rowFor: bound4,
    needsSource: false,
  })
  const walkBound6 = createFibRuleWalk({
    arena,
    vrfRoot: DEV_VRF_ROOT6,
    rowFor: bound6,
    needsSource: true,
  })

  const isAnswer = (row: number): boolean => row !== 0 && i32[row + NH_TYPE] !== RTN_THROW

  /**
   * Nexthop row for FL_DADDR by the rules; or -errno: -ENETUNREACH when no rule leads to a route, or what the rule that
   * refuses says. Linux: fib_lookup, fib6_lookup.
   */
  const fibLookup4 = (fl: Flowi): number => {
    const first = i32[first4]
    if (first !== 0) return walk4(first, fl)
    const addr = fl[FL_DADDR + 3]
    let row = lookup4(local4, addr)
    if (isAnswer(row)) return row
    row = lookup4(main4, addr)
    if (isAnswer(row)) return row
    row = lookup4(default4, addr)
    return isAnswer(row) ? row : -Errno.ENETUNREACH
  }
  /** IPv6 begins without a rule for the table default. */
  const fibLookup6 = (fl: Flowi): number => {
    const first = i32[first6]
    if (first !== 0) return walk6(first, fl)
    let row = lookup6(local6, fl, FL_DADDR)
    if (isAnswer(row)) return row
    row = lookup6(main6, fl, FL_DADDR)
    return isAnswer(row) ? row : -Errno.ENETUNREACH
  }

  /** As fibLookup, of the routes by the device FL_OIF alone. */
  const fibLookupBound4 = (fl: Flowi): number => {
    const first = i32[first4]
    if (first !== 0) return walkBound4(first, fl)
    for (const { v4 } of ordered) {
      const row = bound4(v4, fl)
      if (isAnswer(row)) return row
    }
    return -Errno.ENETUNREACH
  }
  const fibLookupBound6 = (fl: Flowi): number => {
    const first = i32[first6]
    if (first !== 0) return walkBound6(first, fl)
    return bound6(local6, fl) || bound6(main6, fl) || -Errno.ENETUNREACH
  }
  const ordered = [local, main, byDefault]

  return {
    local,
    main,
    byDefault,
    lookup4,
    lookup6,
    lookup,
    fibLookup4,
    fibLookup6,
    fibLookupBound4,
    fibLookupBound6,
  }
}
