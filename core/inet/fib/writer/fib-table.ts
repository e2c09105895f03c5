/**
 * What the forwarding tables have, as control reads it: a prefix's row, the longest prefix of an address, all prefixes of a table, and
 * what all of it takes. Linux: fib_table_lookup(), fib_table_dump(), /proc/net/fib_triestat.
 */
import { AF_INET, AF_INET6 } from '../../../base/family.ts'
import type { Arena } from '../../../shm/arena.ts'
import { FIB_ROOT_WORDS } from '../../../shm/layout.ts'
import type { Words } from '../../../wire/text.ts'
import { afInfo, byFamily } from '../../af-ops.ts'
import { networkWords } from './addr-prefix.ts'
import { createFibLookup } from '../trie/fib-lookup.ts'
import type { FibPool } from './fib-pool.ts'
import type { FibPrefixes } from './fib-prefixes.ts'
import type { FibShown } from './fib-shown.ts'
import { type FibTables, fibRoot } from '../trie/fib-tables.ts'

type FibPrefix = { words: Words; plen: number; row: number }
type FibTableDeps = {
  arena: Arena
  pool: FibPool
  map: FibTables
  prefixesOf: (family: number) => FibPrefixes
} & Pick<FibShown, 'isPartial'>

/** The row and length of the longest prefix of `least` to `most` bits that covers the words and has a row: none is 0. */
export const longestPrefix = (
  family: number,
  prefixes: FibPrefixes,
  table: number,
  words: Words,
  most: number,
  least: number,
  rowOf: (entry: number) => number
): [row: number, len: number] => {
  for (let len = most; len >= least; len--) {
    if (!prefixes.has(table, len)) continue
    const entry = prefixes.find(table, networkWords(family)(words, len), len)
    const row = entry === 0 ? 0 : rowOf(entry)
    if (row !== 0) return [row, len]
  }
  return [0, 0]
}

export const createFibTable = ({ arena, pool, map, prefixesOf, isPartial }: FibTableDeps) => {
  const { fibRoots, config } = arena.layout
  const numberOf = (root: number): number => (root - fibRoots) / FIB_ROOT_WORDS

  /** Row of a prefix, which is masked; 0 when there is none. */
  const rowOf = (net: number, of: number, id: number, address: Words, bits: number): number => {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return 0
    const prefixes = prefixesOf(of)
    const entry = prefixes.find(numberOf(root), address, bits)
    return entry === 0 ? 0 : prefixes.rowOf(entry)
  }
  const { lookup4, lookup6 } = createFibLookup(arena)
  const address6 = new Int32Array(4)
  const lookup = byFamily<(root: number, address: Words) => number>(
    (root, address) => lookup4(root, address[3]),
    (root, address) => {
      address6.set(address)
      return lookup6(root, address6, 0)
    }
  )
  /** Row of the longest prefix that covers the address, or 0. */
  const longestRow = (net: number, of: number, id: number, address: Words): number => {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return 0
    // what nobody is to go by does not show in the trie
    if (isPartial(of)) return coveringRow(net, of, id, address, afInfo(of).addrBits)
    return lookup(of)(root, address)
  }
  /** As longestRow, of prefixes that have at most `bits` bits. */
  const coveringRow = (
    net: number,
    of: number,
    id: number,
    address: Words,
    bits: number
  ): number => {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return 0
    const prefixes = prefixesOf(of)
    return longestPrefix(of, prefixes, numberOf(root), address, bits, 0, prefixes.rowOf)[0]
  }
  /** Prefixes of a table. */
  const size = (net: number, of: number, id: number): number => {
    const root = fibRoot(arena, net, of, id)
    return root === 0 ? 0 : prefixesOf(of).sizeOf(numberOf(root))
  }
  /** Ids of a family's tables that have prefixes. */
  const tableIds = (net: number, of: number): number[] =>
    map.idsOf(net, of).filter((id) => size(net, of, id) > 0)
  /** The prefixes of a table, the shortest first, then as they came; it may be changed meanwhile. */
  function* walk(net: number, of: number, id: number): Generator<FibPrefix> {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return
    const prefixes = prefixesOf(of)
    const cursor = prefixes.open(numberOf(root))
    try {
      for (let entry = prefixes.next(cursor); entry !== 0; entry = prefixes.next(cursor))
        yield { words: prefixes.wordsOf(entry), plen: cursor.plen, row: prefixes.rowOf(entry) }
    } finally {
      prefixes.close(cursor)
    }
  }

  /** Rows that prefixes lead to, each once, and the addresses of those that lead to one: of all tables, as a row is of one. */
  function* rowsInUse(): Generator<{ of: number; row: number }> {
    for (const of of [AF_INET, AF_INET6])
      for (const row of prefixesOf(of).rowsInUse()) yield { of, row }
  }
  const addressesBy = (of: number, row: number): Words[] => {
    const { entriesOf, wordsOf } = prefixesOf(of)
    return Array.from(entriesOf(row), wordsOf)
  }

  /** What tries and prefixes take. */
  const usage = () => {
    const ofFamily = (one: number) => {
      const { count, bytes } = prefixesOf(one)
      return { prefixes: count(), bytes: bytes() }
    }
    return {
      pages: config.fibNodes - pool.available(),
      maxPages: config.fibNodes,
      tables: config.fibTables - map.available(),
      maxTables: config.fibTables,
      inet: ofFamily(AF_INET),
      inet6: ofFamily(AF_INET6),
    }
  }

  return { rowOf, longestRow, coveringRow, size, tableIds, walk, rowsInUse, addressesBy, usage }
}
