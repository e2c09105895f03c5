/**
 * All prefixes of one family's tables, on control: which row each leads to, which of a table have the same length, in the order of
 * their arrival, and so what lies under a prefix that goes. Rows of words in one array, found by linear hashing (Litwin,
 * 1980), which grows by one bucket at a time: no change waits for a table to be made anew, and memory follows the
 * number of prefixes (what has not been written yet takes none, where `allocate` is as workers/daemon.ts has it).
 */
import type { Words } from '../../wire/text.ts'

// Words of an entry; its number is where it begins, by its size. Entry 0 is none.
/** The next one of the same hash, or of those that are free. */
const CHAIN = 0
/** The table's number and the prefix length. */
const META = 1
const ROW = 2
/** Of the same table and length. */
const BEFORE = 3
const AFTER = 4
/** Of those that lead to the same row. */
const ROW_BEFORE = 5
const ROW_AFTER = 6
const KEY = 7

/** Bytes that are zero. */
export type Allocate = (bytes: number) => ArrayBuffer
export type FibPrefixes = ReturnType<typeof createFibPrefixes>

const LENGTHS = 129

/** Where a walk over a table is: the next entry that it comes to. */
type FibCursor = { at: number; plen: number; table: number }

/** `keyWords` last words of an address tell one from another. */
export const createFibPrefixes = (
  keyWords: 1 | 4,
  capacity: number,
  tables: number,
  allocate: Allocate
) => {
  const size = KEY + keyWords
  const from = 4 - keyWords
  const rows = new Int32Array(allocate((capacity + 1) * size * 4))
  let used = 0
  let free = 0
  const heads = new Int32Array(allocate((capacity + 2) * 4))
  /** Buckets in use; `half` is the power of two that is at most that many. */
  let buckets = 1
  let half = 1
  let count = 0
  const firsts = new Int32Array(tables * LENGTHS)
  const lasts = new Int32Array(tables * LENGTHS)
  const counts = new Int32Array(tables * LENGTHS)
  const sizes = new Int32Array(tables)
  const cursors = new Set<FibCursor>()
  /** By row, the first entry that leads to it. */
  const firstOf = new Map<number, number>()

  const mix = (hash: number, word: number): number => {
    const h = Math.imul(hash ^ word, 0x9e3779b1)
    return h ^ (h >>> 15)
  }
  const bucketOf = (hash: number): number => {
    const at = hash & (half * 2 - 1)
    return at < buckets ? at : hash & (half - 1)
  }
  const hashOf = (words: Words, meta: number): number => {
    let hash = meta
    for (let k = from; k < 4; k++) hash = mix(hash, words[k])
    return hash
  }
  const hashAt = (at: number): number => {
    let hash = rows[at + META]
    for (let k = 0; k < keyWords; k++) hash = mix(hash, rows[at + KEY + k])
    return hash
  }
  const isKey = (at: number, words: Words): boolean => {
    for (let k = 0; k < keyWords; k++) if (rows[at + KEY + k] !== words[from + k]) return false
    return true
  }

  /** The prefix of a table, masked; or 0. */
  const find = (table: number, words: Words, plen: number): number => {
    const meta = (table << 8) | plen
    let entry = heads[bucketOf(hashOf(words, meta))]
    while (entry !== 0) {
      const at = entry * size
      if (rows[at + META] === meta && isKey(at, words)) return entry
      entry = rows[at + CHAIN]
    }
    return 0
  }
  const link = (entry: number): void => {
    const bucket = bucketOf(hashAt(entry * size))
    rows[entry * size + CHAIN] = heads[bucket]
    heads[bucket] = entry
  }
  const linkAll = (first: number): void => {
    let entry = first
    while (entry !== 0) {
      const next = rows[entry * size + CHAIN]
      link(entry)
      entry = next
    }
  }
  /** One bucket more: what is in the one that it comes from is divided between the two. */
  const grow = (): void => {
    if (buckets === half * 2) half *= 2
    const old = buckets - half
    buckets++
    const chain = heads[old]
    heads[old] = 0
    linkAll(chain)
  }
  const shrink = (): void => {
    const chain = heads[buckets - 1]
    heads[buckets - 1] = 0
    buckets--
    if (buckets < half) half /= 2
    linkAll(chain)
  }

  /** An entry for a prefix that has none; 0 when there is no room. */
  const add = (table: number, words: Words, plen: number, row: number): number => {
    let entry = free
    if (entry !== 0) free = rows[entry * size + CHAIN]
    else if (used < capacity) entry = ++used
    else return 0
    const at = entry * size
    rows[at + META] = (table << 8) | plen
    joinRow(entry, row)
    for (let k = 0; k < keyWords; k++) rows[at + KEY + k] = words[from + k]
    const list = table * LENGTHS + plen
    const last = lasts[list]
    rows[at + BEFORE] = last
    rows[at + AFTER] = 0
    if (last === 0) firsts[list] = entry
    else rows[last * size + AFTER] = entry
    lasts[list] = entry
    counts[list]++
    sizes[table]++
    count++
    if (count > buckets) grow()
    link(entry)
    return entry
  }
  const unlist = (entry: number, list: number): void => {
    const before = rows[entry * size + BEFORE]
    const after = rows[entry * size + AFTER]
    if (before === 0) firsts[list] = after
    else rows[before * size + AFTER] = after
    if (after === 0) lasts[list] = before
    else rows[after * size + BEFORE] = before
    for (const cursor of cursors) if (cursor.at === entry) cursor.at = after
  }
  const joinRow = (entry: number, row: number): void => {
    const after = firstOf.get(row) ?? 0
    rows[entry * size + ROW] = row
    rows[entry * size + ROW_BEFORE] = 0
    rows[entry * size + ROW_AFTER] = after
    if (after !== 0) rows[after * size + ROW_BEFORE] = entry
    firstOf.set(row, entry)
  }
  const leaveRow = (entry: number): void => {
    const at = entry * size
    const [before, after] = [rows[at + ROW_BEFORE], rows[at + ROW_AFTER]]
    if (after !== 0) rows[after * size + ROW_BEFORE] = before
    if (before !== 0) rows[before * size + ROW_AFTER] = after
    else if (after !== 0) firstOf.set(rows[at + ROW], after)
    else firstOf.delete(rows[at + ROW])
  }
  const remove = (entry: number): void => {
    const at = entry * size
    leaveRow(entry)
    const bucket = bucketOf(hashAt(at))
    if (heads[bucket] === entry) heads[bucket] = rows[at + CHAIN]
    else {
      let before = heads[bucket]
      while (rows[before * size + CHAIN] !== entry) before = rows[before * size + CHAIN]
      rows[before * size + CHAIN] = rows[at + CHAIN]
    }
    const table = rows[at + META] >>> 8
    const list = table * LENGTHS + (rows[at + META] & 255)
    unlist(entry, list)
    counts[list]--
    sizes[table]--
    count--
    rows[at + CHAIN] = free
    free = entry
    if (count < buckets - 1 && buckets > 1) shrink()
  }

  const rowOf = (entry: number): number => rows[entry * size + ROW]
  const setRow = (entry: number, row: number): void => {
    if (rowOf(entry) === row) return
    leaveRow(entry)
    joinRow(entry, row)
  }
  /** Rows that entries lead to, and the entries of one. */
  const rowsInUse = (): Iterable<number> => firstOf.keys()
  const isInUse = (row: number): boolean => firstOf.has(row)
  function* entriesOf(row: number): Generator<number> {
    for (let entry = firstOf.get(row) ?? 0; entry !== 0; entry = rows[entry * size + ROW_AFTER])
      yield entry
  }
  const tableOf = (entry: number): number => rows[entry * size + META] >>> 8
  const plenOf = (entry: number): number => rows[entry * size + META] & 255
  /** An IPv4 address as it is everywhere: mapped. */
  const wordsOf = (entry: number): Words => {
    const at = entry * size + KEY
    return keyWords === 1
      ? [0, 0, 0xffff, rows[at]]
      : [rows[at], rows[at + 1], rows[at + 2], rows[at + 3]]
  }
  const has = (table: number, plen: number): boolean => counts[table * LENGTHS + plen] > 0
  const sizeOf = (table: number): number => sizes[table]

  /** Walks a table, the shortest prefixes first; it goes on where it was, whatever has come or gone meanwhile. */
  const open = (table: number): FibCursor => {
    const cursor = { at: firsts[table * LENGTHS], plen: 0, table }
    cursors.add(cursor)
    return cursor
  }
  /** The entry that is next, or 0 at the end. */
  const next = (cursor: FibCursor): number => {
    while (cursor.at === 0 && cursor.plen < LENGTHS - 1)
      cursor.at = firsts[cursor.table * LENGTHS + ++cursor.plen]
    const entry = cursor.at
    if (entry !== 0) cursor.at = rows[entry * size + AFTER]
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
    bytes: (): number => (used * size + buckets) * 4,
  }
}
