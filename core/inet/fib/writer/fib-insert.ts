/**
 * A prefix comes into a trie, or has another row. The words that it covers, and nothing longer does, say its row from then on. The writer
 * (fib-writer.ts) has made sure of pages, and named the prefix in `key`. Control thread. Linux: fib_insert_node(), fib_insert_alias().
 */
import type { Arena } from '../../../shm/arena.ts'
import { byRank, type FibBlocks, holds, type Listed } from './fib-blocks.ts'
import { FB_COUNT, FB_COVER, FB_FIRST } from '../trie/fib-constants.ts'
import type { FibKey } from './fib-key.ts'
import type { FibPool } from './fib-pool.ts'

export const createFibInsert = (arena: Arena, pool: FibPool, blocks: FibBlocks, key: FibKey) => {
  const { i32 } = arena
  const { blockOf } = pool
  const { wordAt } = key
  const { addUsers, lenOf, linkAt, prefixAt, isNode } = blocks
  const { paint, paintLinks, listed, makeBucket, makeBlock } = blocks

  /** The prefix as an entry of its w-th word: its row, or a link to what comes behind, all of it covered by (cover, len). */
  const entryOf = (w: number, row: number, cover: number, len: number): Listed => {
    const left = w * 32 + 32 - key.plen
    if (left >= 0) return { key: wordAt(w), value: row | left }
    const below = entryOf(w + 1, row, cover, len)
    return { key: wordAt(w), value: makeBucket([below], cover, len) }
  }
  /** One entry more, in the bucket that `slot` names; what it covers in its links is covered. */
  const addEntry = (slot: number, w: number, depth: number, row: number): void => {
    const block = blockOf(i32[slot])
    const count = i32[block + FB_COUNT]
    const entries = listed(block)
    const over = entries.find((other) => holds(other, wordAt(w)))
    const isLink = key.plen > w * 32 + 32
    const [under, underLen] =
      over === undefined
        ? [i32[block + FB_COVER], lenOf(block + FB_COVER)]
        : [over.value & ~31, w * 32 + 32 - (over.value & 31)]
    const entry = entryOf(w, row, under, underLen)
    if (!isLink) paintLinks(block, entry, 0, key.plen, row, key.plen)
    if (count < pool.fits(block) && byRank(entries[count - 1], entry) <= 0) {
      const at = block + FB_FIRST + count * 2
      i32[at] = entry.key
      i32[at + 1] = entry.value
      Atomics.store(i32, block + FB_COUNT, count + 1)
      return
    }
    const before = entries.findIndex((other) => byRank(other, entry) > 0)
    entries.splice(before < 0 ? count : before, 0, entry)
    const word = makeBlock(entries, w, depth, i32[block + FB_COVER], lenOf(block + FB_COVER))
    Atomics.store(i32, slot, word)
    pool.giveLater(block)
  }
  /** Puts the prefix below a word that covers `depth` bits of the w-th word of the address. */
  const putBelow = (slot: number, w: number, depth: number, row: number, isNew: boolean): void => {
    const word = i32[slot]
    if (word >= 0) {
      const len = lenOf(slot)
      Atomics.store(i32, slot, makeBucket([entryOf(w, row, word, len)], word, len))
      return
    }
    const block = blockOf(word)
    if (isNode(word)) {
      if (isNew) addUsers(block, 1)
      const end = depth + 8
      const at = block + ((wordAt(w) >>> (32 - end)) & 255)
      const left = w * 32 + end - key.plen
      if (left >= 0) paint(at, 1 << left, 0, key.plen, row, key.plen)
      else putBelow(at, end === 32 ? w + 1 : w, end & 31, row, isNew)
      return
    }
    if (key.plen > w * 32 + 32) {
      const at = linkAt(block, wordAt(w))
      if (at !== 0) return putBelow(at, w + 1, 0, row, isNew)
    } else {
      const at = prefixAt(block, wordAt(w), w * 32 + 32 - key.plen)
      if (at !== 0) {
        const value = row | (i32[at] & 31)
        Atomics.store(i32, at, value)
        paintLinks(block, { key: wordAt(w), value }, 0, key.plen, row, key.plen)
        return
      }
    }
    addEntry(slot, w, depth, row)
  }

  return { putBelow }
}
