/**
 * All prefixes of one family's tables, on control: which row each leads to (in fib-prefix-hash.ts, which finds them), which of a table
 * have the same length, in the order of their arrival, and which lead to the same row; and so what lies under a prefix that goes.
 */
import type { Arena } from '../../../shm/arena.ts'
import { FIB_PREFIX_LENGTHS, FIB_PREFIX_WORDS } from '../../../shm/layout.ts'
import type { Words } from '../../../wire/text.ts'
import {
  createFibPrefixBuckets,
  createFibPrefixHash,
  FP_CHAIN,
  FP_KEY,
  FP_META,
  FP_ROW,
  FP_USED,
  fibPrefixPlaces,
} from '../trie/fib-prefix-hash.ts'

// Words of an entry that control alone has.
/** Of the same table and length. */
const BEFORE = 0
const AFTER = 1
/** Of those that lead to the same row. */
const ROW_BEFORE = 2
const ROW_AFTER = 3
const LINK_WORDS = 4

/** Bytes that are zero. */
export type Allocate = (bytes: number) => ArrayBuffer
export type FibPrefixes = ReturnType<typeof createFibPrefixes>

/** Where a walk over a table is: the next entry that it comes to. */
type FibCursor = { at: number; plen: number; table: number }

export const createFibPrefixes = (arena: Arena, family: number, allocate: Allocate) => {
  const { i32, layout } = arena
  const { head, counts, capacity } = fibPrefixPlaces(arena, family)
  const { find, at, rowOf, has } = createFibPrefixHash(arena, family)
  const { link, unlink } = createFibPrefixBuckets(arena, family)
  const { fibTables } = layout.config
  /** By entry. */
  const links = new Int32Array(allocate((capacity + 1) * LINK_WORDS * 4))
  let free = 0
  let count = 0
  const firsts = new Int32Array(fibTables * FIB_PREFIX_LENGTHS)
  const lasts = new Int32Array(fibTables * FIB_PREFIX_LENGTHS)
  const sizes = new Int32Array(fibTables)
  const cursors = new Set<FibCursor>()
  /** By row, the first entry that leads to it. */
  const firstOf = new Map<number, number>()

  const listOf = (table: number, plen: number): number => table * FIB_PREFIX_LENGTHS + plen
  const tableOf = (entry: number): number => i32[at(entry) + FP_META] >>> 8
  const plenOf = (entry: number): number => i32[at(entry) + FP_META] & 255
  /** An entry that is not in use, or 0. */
  const take = (): number => {
    const entry = free
    if (entry !== 0) free = i32[at(entry) + FP_CHAIN]
    return entry !== 0 || i32[head + FP_USED] === capacity ? entry : ++i32[head + FP_USED]
  }
  /** An entry for a prefix that has none; 0 when there is no room. */
  const add = (table: number, words: Words, plen: number, row: number): number => {
    const entry = take()
    if (entry === 0) return 0
    i32[at(entry) + FP_META] = (table << 8) | plen
    i32.set(words, at(entry) + FP_KEY)
    joinRow(entry, row)
    enlist(entry, listOf(table, plen))
    i32[counts + listOf(table, plen)]++
    sizes[table]++
    link(entry, ++count)
    return entry
  }
  const enlist = (entry: number, list: number): void => {
    const last = lasts[list]
    links[entry * LINK_WORDS + BEFORE] = last
    links[entry * LINK_WORDS + AFTER] = 0
    if (last === 0) firsts[list] = entry
    else links[last * LINK_WORDS + AFTER] = entry
    lasts[list] = entry
  }
  const unlist = (entry: number, list: number): void => {
    const before = links[entry * LINK_WORDS + BEFORE]
    const after = links[entry * LINK_WORDS + AFTER]
    if (before === 0) firsts[list] = after
    else links[before * LINK_WORDS + AFTER] = after
    if (after === 0) lasts[list] = before
    else links[after * LINK_WORDS + BEFORE] = before
    for (const cursor of cursors) if (cursor.at === entry) cursor.at = after
  }
  const joinRow = (entry: number, row: number): void => {
    const after = firstOf.get(row) ?? 0
    i32[at(entry) + FP_ROW] = row
    links[entry * LINK_WORDS + ROW_BEFORE] = 0
    links[entry * LINK_WORDS + ROW_AFTER] = after
    if (after !== 0) links[after * LINK_WORDS + ROW_BEFORE] = entry
    firstOf.set(row, entry)
  }
  const leaveRow = (entry: number): void => {
    const before = links[entry * LINK_WORDS + ROW_BEFORE]
    const after = links[entry * LINK_WORDS + ROW_AFTER]
    if (after !== 0) links[after * LINK_WORDS + ROW_BEFORE] = before
    if (before !== 0) links[before * LINK_WORDS + ROW_AFTER] = after
    else if (after !== 0) firstOf.set(rowOf(entry), after)
    else firstOf.delete(rowOf(entry))
  }
  const remove = (entry: number): void => {
    const table = tableOf(entry)
    const list = listOf(table, plenOf(entry))
    leaveRow(entry)
    unlink(entry, --count)
    unlist(entry, list)
    i32[counts + list]--
    sizes[table]--
    i32[at(entry) + FP_CHAIN] = free
    free = entry
  }

  const setRow = (entry: number, row: number): void => {
    if (rowOf(entry) === row) return
    leaveRow(entry)
    joinRow(entry, row)
  }
  /** Rows that entries lead to, and the entries of one. */
  const rowsInUse = (): Iterable<number> => firstOf.keys()
  const isInUse = (row: number): boolean => firstOf.has(row)
  function* entriesOf(row: number): Generator<number> {
    for (
      let entry = firstOf.get(row) ?? 0;
      entry !== 0;
      entry = links[entry * LINK_WORDS + ROW_AFTER]
    )
      yield entry
  }
  /** An IPv4 address as it is everywhere: mapped. */
  const wordsOf = (entry: number): Words => {
    const key = at(entry) + FP_KEY
    return [i32[key], i32[key + 1], i32[key + 2], i32[key + 3]]
  }
  const sizeOf = (table: number): number => sizes[table]

  /** Walks a table, the shortest prefixes first; it goes on where it was, whatever has come or gone meanwhile. */
  const open = (table: number): FibCursor => {
    const cursor = { at: firsts[listOf(table, 0)], plen: 0, table }
    cursors.add(cursor)
    return cursor
  }
  /** The entry that is next, or 0 at the end. */
  const next = (cursor: FibCursor): number => {
    while (cursor.at === 0 && cursor.plen < FIB_PREFIX_LENGTHS - 1)
      cursor.at = firsts[listOf(cursor.table, ++cursor.plen)]
    const entry = cursor.at
    if (entry !== 0) cursor.at = links[entry * LINK_WORDS + AFTER]
    return entry
  }
  const close = (cursor: FibCursor): void => {
    cursors.delete(cursor)
  }
  const room = (): number => capacity - count

  return {
    find,
    add,
    remove,
    rowOf,
    setRow,
    rowsInUse,
    isInUse,
    entriesOf,
    tableOf,
    plenOf,
    wordsOf,
    has,
    sizeOf,
    open,
    next,
    close,
    room,
    count: (): number => count,
    bytes: (): number => i32[head + FP_USED] * (FIB_PREFIX_WORDS + LINK_WORDS) * 4,
  }
}
