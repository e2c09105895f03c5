/**
 * A prefix goes out of a trie: the words that say its row say again what lies under it. A node that has become nearly empty is made a
 * bucket, and a bucket that has become empty a word. The writer (fib-writer.ts) has named the prefix in `key`. Control thread.
 * Linux: fib_remove_alias(), halve(), collapse().
 */
import type { Arena } from '../../../shm/arena.ts'
import { FIB_NODE_WORDS } from '../../../shm/layout.ts'
import { byRank, type FibBlocks, type Listed } from './fib-blocks.ts'
import { FB_COUNT, FB_COVER, FB_FIRST, FIB_SHORT_BITS } from '../trie/fib-constants.ts'
import type { FibKey } from './fib-key.ts'
import type { FibPool } from './fib-pool.ts'

/** A node with so few prefixes is made a bucket, if they all show. */
const FEW = 4
/** The row and length of what covers the key by prefixes of `least` to `most` bits, as readers see it: none is 0. */
export type Cover = (most: number, least: number) => [row: number, len: number]

export const createFibRemove = (
  arena: Arena,
  pool: FibPool,
  blocks: FibBlocks,
  key: FibKey,
  cover: Cover
) => {
  const { i32 } = arena
  const { blockOf } = pool
  const { wordAt } = key
  const { usersOf, addUsers, lenOf, store, linkAt, prefixAt, isNode } = blocks
  const { paint, paintLinks, listed, makeBucket, countIn } = blocks

  /** Takes the entry whose value is at `at` out of the bucket that `slot` names. */
  const dropEntry = (slot: number, at: number): void => {
    const block = blockOf(i32[slot])
    const count = i32[block + FB_COUNT]
    const gone = (at - block - FB_FIRST) >> 1
    if (count === 1) store(slot, i32[block + FB_COVER], lenOf(block + FB_COVER))
    else {
      const left = listed(block).toSpliced(gone, 1)
      const word = makeBucket(left, i32[block + FB_COVER], lenOf(block + FB_COVER))
      if (word === 0) return closeUp(block, left)
      Atomics.store(i32, slot, word)
    }
    pool.giveLater(block)
  }
  /** With no room for another bucket: the same one, entry by entry. A reader may find one a moment late. */
  const closeUp = (block: number, entries: readonly Listed[]): void => {
    for (const [k, { key, value }] of entries.entries()) {
      i32[block + FB_FIRST + k * 2] = key
      i32[block + FB_FIRST + k * 2 + 1] = value
    }
    Atomics.store(i32, block + FB_COUNT, entries.length)
  }
  /** The entries of a node that has few prefixes; null when not all of them show. */
  const entriesOf = (block: number, w: number, depth: number): Listed[] | null => {
    const end = depth + 8
    const above = depth === 0 ? 0 : wordAt(w) & (-1 << (32 - depth))
    const entries: Listed[] = []
    let shown = 0
    for (let index = 0; index < FIB_NODE_WORDS; index++) {
      const word = i32[block + index]
      const key = above | (index << (32 - end))
      if (word >= 0) {
        const bits = lenOf(block + index) - w * 32
        if (bits <= depth) continue
        const mine = { key: key & (-1 << (32 - bits)), value: word | (32 - bits) }
        if (entries.some((other) => other.key === mine.key && other.value === mine.value)) continue
        entries.push(mine)
        shown++
      } else if (end === 32) {
        entries.push({ key, value: word })
        shown += countIn(word)
      } else if (isNode(word)) return null
      else {
        entries.push(...listed(blockOf(word)))
        shown += countIn(word)
      }
    }
    return shown === usersOf(block) ? entries.sort(byRank) : null
  }
  /** Makes a node that has become nearly empty a bucket, or one word. */
  const settle = (slot: number, w: number, depth: number): void => {
    const block = blockOf(i32[slot])
    const left = usersOf(block)
    if (left > FEW) return
    if (left === 0) {
      store(slot, i32[block], lenOf(block))
      return pool.giveLater(block)
    }
    const entries = entriesOf(block, w, depth)
    if (entries === null) return
    const [row, len] = cover(w * 32 + depth, FIB_SHORT_BITS + 1)
    const bucket = makeBucket(entries, row, len)
    if (bucket === 0) return
    const inner = i32.subarray(block, block + FIB_NODE_WORDS).filter((word) => word < 0)
    Atomics.store(i32, slot, bucket)
    pool.giveLater(block)
    if (depth + 8 < 32) for (const word of inner) pool.giveLater(blockOf(word))
  }

  /** Takes the prefix out below a word that covers `depth` bits of the w-th word; (row, len) is what lies under it. */
  const dropBelow = (slot: number, w: number, depth: number, row: number, len: number): void => {
    const word = i32[slot]
    const block = blockOf(word)
    if (isNode(word)) {
      addUsers(block, -1)
      const end = depth + 8
      const at = block + ((wordAt(w) >>> (32 - end)) & 255)
      const left = w * 32 + end - key.plen
      if (left >= 0) paint(at, 1 << left, key.plen, key.plen, row, len)
      else dropBelow(at, end === 32 ? w + 1 : w, end & 31, row, len)
      return settle(slot, w, depth)
    }
    if (key.plen > w * 32 + 32) {
      const at = linkAt(block, wordAt(w))
      dropBelow(at, w + 1, 0, row, len)
      if (i32[at] >= 0) dropEntry(slot, at)
      return
    }
    const at = prefixAt(block, wordAt(w), w * 32 + 32 - key.plen)
    paintLinks(block, { key: wordAt(w), value: i32[at] }, key.plen, key.plen, row, len)
    dropEntry(slot, at)
  }

  return { dropBelow }
}
