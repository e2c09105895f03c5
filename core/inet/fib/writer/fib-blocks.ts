/**
 * What the forwarding tries are made of (fib-constants.ts has their words): nodes of 256 words, and buckets where a part of the addresses
 * has few prefixes; one more than fit makes a node of it. Beside each word stands the length of the prefix that it comes from, beside
 * each node how many prefixes are in it. A published bucket is never changed but by single stores: what needs more makes a new one.
 * fib-insert.ts and fib-remove.ts call this, on the control thread. Linux: struct key_vector, tnode_new(), inflate().
 */
import type { Arena } from '../../../shm/arena.ts'
import { FIB_NODE_WORDS, FIB_ROOT_WORDS } from '../../../shm/layout.ts'
import {
  FB_COUNT,
  FB_COVER,
  FB_FIRST,
  FIB_BUCKET,
  FIB_LARGE_BUCKET,
} from '../trie/fib-constants.ts'
import type { FibPool } from './fib-pool.ts'
import type { Allocate } from './fib-prefixes.ts'

export type FibBlocks = ReturnType<typeof createFibBlocks>

/** Place of a link among the values of a bucket: before all prefixes, which come by length. */
const LINK_RANK = -1

/** What is to be put into, or was found in, a bucket. */
export type Listed = { key: number; value: number }

const rankOf = (value: number): number => (value < 0 ? LINK_RANK : value & 31)
export const byRank = (a: Listed, b: Listed): number => rankOf(a.value) - rankOf(b.value)
/** Does the entry's prefix hold the key? */
export const holds = ({ key, value }: Listed, other: number): boolean =>
  value >= 0 && (key ^ other) >>> value === 0

export const createFibBlocks = (arena: Arena, allocate: Allocate, pool: FibPool) => {
  const { i32, layout } = arena
  const { fibRoots, fibNodes } = layout
  const { fibTables, fibNodes: pages } = layout.config
  const { nameOf, blockOf } = pool
  const rootWords = fibTables * FIB_ROOT_WORDS
  /** Length of the prefix that each word comes from: roots, then the pool. */
  const lens = new Uint8Array(allocate(rootWords + pages * FIB_NODE_WORDS))
  /** Prefixes in each node. */
  const users = new Int32Array(pages)

  const lenAt = (slot: number): number =>
    slot < fibNodes ? slot - fibRoots : rootWords + (slot - fibNodes)
  const lenOf = (slot: number): number => lens[lenAt(slot)]
  /** Puts a word where readers may be. */
  const store = (slot: number, word: number, len: number): void => {
    lens[lenAt(slot)] = len
    Atomics.store(i32, slot, word)
  }
  const isNode = (word: number): boolean => (word & FIB_BUCKET) === 0

  const usersOf = (node: number): number => users[pool.pageOf(node)]
  const addUsers = (node: number, more: number): void => {
    users[pool.pageOf(node)] += more
  }

  /** Gives what comes from lengths low..high in the words of [slot, slot + span), and in all below them, the row and length. */
  const paint = (
    slot: number,
    span: number,
    low: number,
    high: number,
    row: number,
    len: number
  ): void => {
    for (let at = slot, k = lenAt(slot); at < slot + span; at++, k++) {
      const word = i32[at]
      if (word < 0) paintBlock(word, low, high, row, len)
      else if (lens[k] >= low && lens[k] <= high) {
        i32[at] = row
        lens[k] = len
      }
    }
  }
  const paintBlock = (word: number, low: number, high: number, row: number, len: number): void => {
    const block = blockOf(word)
    if (isNode(word)) return paint(block, FIB_NODE_WORDS, low, high, row, len)
    paint(block + FB_COVER, 1, low, high, row, len)
    const end = block + FB_FIRST + i32[block + FB_COUNT] * 2
    for (let at = block + FB_FIRST; at < end && i32[at + 1] < 0; at += 2)
      paintBlock(i32[at + 1], low, high, row, len)
  }
  /** As paint, in the links of a bucket that lie in a prefix of it. */
  const paintLinks = (
    block: number,
    prefix: Listed,
    low: number,
    high: number,
    row: number,
    len: number
  ): void => {
    const end = block + FB_FIRST + i32[block + FB_COUNT] * 2
    for (let at = block + FB_FIRST; at < end && i32[at + 1] < 0; at += 2)
      if (holds(prefix, i32[at])) paintBlock(i32[at + 1], low, high, row, len)
  }

  const listed = (block: number): Listed[] =>
    Array.from({ length: i32[block + FB_COUNT] }, (_, k) => ({
      key: i32[block + FB_FIRST + k * 2],
      value: i32[block + FB_FIRST + k * 2 + 1],
    }))
  /** A bucket of these, which are in order; 0 when there is no room. */
  const makeBucket = (entries: readonly Listed[], row: number, len: number): number => {
    const block = pool.takeBucket(entries.length)
    if (block === 0) return 0
    i32[block + FB_COVER] = row
    lens[lenAt(block + FB_COVER)] = len
    i32[block + FB_COUNT] = entries.length
    for (const [k, { key, value }] of entries.entries()) {
      i32[block + FB_FIRST + k * 2] = key
      i32[block + FB_FIRST + k * 2 + 1] = value
    }
    return nameOf(block, true)
  }
  /** Prefixes in a block. */
  const countIn = (word: number): number => {
    const block = blockOf(word)
    if (isNode(word)) return usersOf(block)
    let count = 0
    for (const { value } of listed(block)) count += value < 0 ? countIn(value) : 1
    return count
  }
  /**
   * The word for entries below `depth` bits of the w-th word of an address: a bucket, or where they are too many a node
   * of buckets, whose words say (row, len) where nothing is longer.
   */
  const makeBlock = (
    entries: readonly Listed[],
    w: number,
    depth: number,
    row: number,
    len: number
  ): number => {
    // only a link is as long as that
    if (depth === 32) return entries[0].value
    if (entries.length <= FIB_LARGE_BUCKET) return makeBucket(entries, row, len)
    const block = pool.takeNode()
    i32.fill(row, block, block + FIB_NODE_WORDS)
    lens.fill(len, lenAt(block), lenAt(block) + FIB_NODE_WORDS)
    const end = depth + 8
    const indexOf = ({ key }: Listed): number => (key >>> (32 - end)) & 255
    const below = new Map<number, Listed[]>()
    let count = 0
    for (const entry of entries.toReversed()) {
      const { value } = entry
      count += value < 0 ? countIn(value) : 1
      const bits = value < 0 ? 33 : 32 - (value & 31)
      if (bits <= end) {
        paint(block + indexOf(entry), 1 << (end - bits), 0, 255, value & ~31, w * 32 + bits)
      } else {
        const group = below.get(indexOf(entry))
        if (group === undefined) below.set(indexOf(entry), [entry])
        else group.unshift(entry)
      }
    }
    for (const [index, group] of below) {
      const slot = block + index
      i32[slot] = makeBlock(group, w, end, i32[slot], lenOf(slot))
    }
    addUsers(block, count - usersOf(block))
    return nameOf(block, false)
  }
  /** Where in a bucket the value is of the link for a key, or of the prefix of which `left` bits are not; 0 when it is not there. */
  const linkAt = (block: number, key: number): number => {
    const end = block + FB_FIRST + i32[block + FB_COUNT] * 2
    for (let at = block + FB_FIRST; at < end && i32[at + 1] < 0; at += 2)
      if (i32[at] === key) return at + 1
    return 0
  }
  const prefixAt = (block: number, key: number, left: number): number => {
    const end = block + FB_FIRST + i32[block + FB_COUNT] * 2
    for (let at = block + FB_FIRST; at < end; at += 2)
      if (i32[at] === key && i32[at + 1] >= 0 && (i32[at + 1] & 31) === left) return at + 1
    return 0
  }

  return {
    lenOf,
    store,
    isNode,
    usersOf,
    addUsers,
    paint,
    paintLinks,
    listed,
    makeBucket,
    makeBlock,
    countIn,
    linkAt,
    prefixAt,
  }
}
