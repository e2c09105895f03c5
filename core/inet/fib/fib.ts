/**
 * The forwarding tables as a thread asks them: by the rules, or one by one; each is a trie (fib-lookup.ts), found by the map of
 * tables (fib-tables.ts). Linux: fib_lookup, fib6_lookup.
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import { FL_DADDR, RTN_THROW } from '../../base/flowi.ts'
import { DEV_VRF_ROOT4, DEV_VRF_ROOT6 } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Errno } from '../../base/errno.ts'
import { byFamily } from '../af-ops.ts'
import { createL3Tables } from '../l3mdev.ts'
import { createFibBound } from './trie/fib-bound.ts'
import { createFibLookup } from './trie/fib-lookup.ts'
import { fibRoot } from './trie/fib-tables.ts'
import { FR_HEAD_FIRST } from './rules/fib-rule-constants.ts'
import { createFibRuleWalk, ruleHead } from './rules/fib-rules.ts'
import { NH_TYPE, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from './nexthop-constants.ts'

export type FibReader = ReturnType<typeof createFibReader>
/** Roots of one table's tries. */
type FibTable = { readonly v4: number; readonly v6: number }

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

  /** As fibLookup, of the routes by the device FL_OIF alone, where there is one, and of the scope that is asked for. */
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
    ...createL3Tables(arena, { local, main, lookup4, lookup6 }),
  }
}
