/**
 * The prefixes of one family's tables, found by what they are: by control, which keeps them (fib-prefixes.ts), and by any thread that
 * has to know what lies around the prefix that a trie answers with (fib-covering.ts). Rows of words in shared memory, found by linear
 * hashing (Litwin, 1980), which grows by one bucket at a time: no change waits for a table to be made anew, and memory
 * follows the number of prefixes (what has not been written yet takes none, in an arena as workers/daemon.ts has it).
 */
import type { Arena } from '../../../shm/arena.ts'
import {
  FIB_PREFIX_HEAD,
  FIB_PREFIX_LENGTHS,
  FIB_PREFIX_WORDS,
  FIB_PREFIXES_A_PAGE,
  fibPrefixWords,
} from '../../../shm/layout.ts'
import { afInfo } from '../../af-ops.ts'

// Words in front.
/** Odd while what is found by what changes. */
export const FP_SEQ = 0
const FP_BUCKETS = 1
/** Entries that were ever used: the first ones. */
export const FP_USED = 2

// Words of a row, which is an entry and a bucket. An entry's name is its number; entry 0 is none.
/** First entry of the bucket. */
const FP_FIRST = 0
/** The next one of the same bucket, or of those that are free. */
export const FP_CHAIN = 1
/** The table's number and the prefix length. */
export const FP_META = 2
/** Nexthop row. */
export const FP_ROW = 3
/** The address, masked. */
export const FP_KEY = 4

/** Where a family's words are, and how many entries there can be. */
export const fibPrefixPlaces = ({ layout }: Arena, family: number) => {
  const { config } = layout
  const head = layout.fibPrefixes + afInfo(family).index * fibPrefixWords(config)
  const counts = head + FIB_PREFIX_HEAD
  const rows = counts + config.fibTables * FIB_PREFIX_LENGTHS
  return { head, counts, rows, capacity: config.fibNodes * FIB_PREFIXES_A_PAGE }
}

/** All words of a family that were ever written. */
export const fibPrefixesInUse = (arena: Arena, family: number): { head: number; end: number } => {
  const { head, rows } = fibPrefixPlaces(arena, family)
  return { head, end: rows + (arena.i32[head + FP_USED] + 1) * FIB_PREFIX_WORDS }
}

/** An address, or what a row has of one. */
type Key = { readonly [word: number]: number }
const mix = (hash: number, word: number): number => {
  const h = Math.imul(hash ^ word, 0x9e3779b1)
  return h ^ (h >>> 15)
}
const hashOf = (key: Key, from: number, meta: number): number =>
  mix(mix(mix(mix(meta, key[from]!), key[from + 1]!), key[from + 2]!), key[from + 3]!)

/** Any thread. What is found while control changes it may be anything: `FP_SEQ` says. */
export const createFibPrefixHash = (arena: Arena, family: number) => {
  const { i32 } = arena
  const { head, counts, rows } = fibPrefixPlaces(arena, family)

  const at = (entry: number): number => rows + entry * FIB_PREFIX_WORDS
  /** As many buckets as the largest power of two that there are in use are divided; those before the last of them twice. */
  const bucketOf = (hash: number): number => {
    const buckets = i32[head + FP_BUCKETS]
    const mask = (1 << (32 - Math.clz32(buckets))) - 1
    const bucket = hash & mask
    return bucket < buckets ? bucket : bucket & (mask >>> 1)
  }
  /** The prefix of a table, masked; or 0. */
  const find = (table: number, key: Key, plen: number): number => {
    const meta = (table << 8) | plen
    const seq = Atomics.load(i32, head + FP_SEQ)
    let entry = i32[at(bucketOf(hashOf(key, 0, meta))) + FP_FIRST]
    // what changes may be linked in a circle
    while (entry !== 0 && Atomics.load(i32, head + FP_SEQ) === seq) {
      const row = at(entry)
      if (
        i32[row + FP_META] === meta &&
        i32[row + FP_KEY + 3] === key[3] &&
        i32[row + FP_KEY + 2] === key[2] &&
        i32[row + FP_KEY + 1] === key[1] &&
        i32[row + FP_KEY] === key[0]
      )
        return entry
      entry = i32[row + FP_CHAIN]
    }
    return 0
  }
  const rowOf = (entry: number): number => i32[at(entry) + FP_ROW]
  const has = (table: number, plen: number): boolean =>
    i32[counts + table * FIB_PREFIX_LENGTHS + plen] > 0

  return { at, bucketOf, find, rowOf, has }
}

/** The writer's part, on control. */
export const createFibPrefixBuckets = (arena: Arena, family: number) => {
  const { i32 } = arena
  const { head } = fibPrefixPlaces(arena, family)
  const { at, bucketOf } = createFibPrefixHash(arena, family)
  i32[head + FP_BUCKETS] = 1

  /** Word of the first entry of an entry's bucket. */
  const firstOf = (entry: number): number =>
    at(bucketOf(hashOf(i32, at(entry) + FP_KEY, i32[at(entry) + FP_META]))) + FP_FIRST
  const push = (entry: number): void => {
    const first = firstOf(entry)
    i32[at(entry) + FP_CHAIN] = i32[first]
    i32[first] = entry
  }
  /** Other buckets are in use: what is in this one goes where it is looked for now. */
  const divide = (bucket: number, buckets: number): void => {
    const first = at(bucket) + FP_FIRST
    let entry = i32[first]
    i32[first] = 0
    i32[head + FP_BUCKETS] = buckets
    while (entry !== 0) {
      const next = i32[at(entry) + FP_CHAIN]
      push(entry)
      entry = next
    }
  }
  /** There are `count` entries, and as many buckets, or one more. */
  const fit = (count: number): void => {
    const buckets = i32[head + FP_BUCKETS]
    if (count > buckets) divide(buckets - (1 << (31 - Math.clz32(buckets))), buckets + 1)
    else if (count < buckets - 1) divide(buckets - 1, buckets - 1)
  }
  const change = (): void => {
    Atomics.add(i32, head + FP_SEQ, 1)
  }

  /** An entry whose words are written is found from now on; with it there are `count`. */
  const link = (entry: number, count: number): void => {
    change()
    fit(count)
    push(entry)
    change()
  }
  /** It is not found any more; without it there are `count`. */
  const unlink = (entry: number, count: number): void => {
    change()
    let word = firstOf(entry)
    while (i32[word] !== entry) word = at(i32[word]) + FP_CHAIN
    i32[word] = i32[at(entry) + FP_CHAIN]
    fit(count)
    change()
  }
  return { link, unlink }
}
