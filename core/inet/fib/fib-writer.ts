/**
 * The one writer of the forwarding tries (core/inet/fib/fib.ts, whose words are in fib-constants.ts), on the control thread. It keeps,
 * beside each word, the length of the prefix that the word comes from, beside each node how many prefixes are in
 * it, and all prefixes (fib-prefixes.ts), to know what lies under one that goes. A part of the addresses that has few
 * prefixes is a bucket; one more than fit makes a node of it, and a node that has become nearly empty a bucket again.
 * A published bucket is never changed but by single stores: what needs more makes a new one. A change either happens whole
 * or not at all. What nobody is to go by now (linkdown.ts) is kept, and not in the tries. Tables come with their first prefix and go with their last (fib-tables.ts).
 * Linux: fib_table_insert, fib_table_delete.
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import { FIB_NODE_WORDS, FIB_ROOT_WORDS, FIB_SHORT_WORDS, G_GENERATION } from '../../shm/layout.ts'
import type { Words } from '../../wire/text.ts'
import { afInfo, byFamily } from '../af-ops.ts'
import {
  FB_COUNT,
  FB_COVER,
  FB_FIRST,
  FIB_BUCKET,
  FIB_LARGE_BUCKET,
  FIB_SHORT_BITS,
} from './fib-constants.ts'
import { createFibLookup } from './fib.ts'
import { createFibPool } from './fib-pool.ts'
import { createFibPrefixes } from './fib-prefixes.ts'
import { type OnTable, createFibTables, fibRoot } from './fib-tables.ts'
import type { Linkdown } from './linkdown.ts'
import type { Publisher } from '../../control/publish.ts'

type FibWriterDeps = {
  arena: Arena
  /** A table has come, or goes. */
  onTable?: OnTable | undefined
} & Partial<Linkdown> &
  Pick<Publisher, 'retire' | 'reclaim'>
export type FibWriter = ReturnType<typeof createFibWriter>
type FibPrefix = { words: Words; plen: number; row: number }

/** The words with all bits after the first `bits` cleared. */
export const maskWords = (words: Words, bits: number): Words => {
  const mask = (at: number): number => {
    const kept = bits - at * 32
    return kept >= 32 ? words[at] : kept <= 0 ? 0 : words[at] & (-1 << (32 - kept))
  }
  return [mask(0), mask(1), mask(2), mask(3)]
}
/** The network of an address; an IPv4 one is the last of four words. */
export const networkWords = byFamily<(words: Words, plen: number) => Words>(
  (words, plen) => [0, 0, 0xffff, plen === 0 ? 0 : words[3] & (-1 << (32 - plen))],
  maskWords
)
/** Where in an address its first word is. */
const firstWord = byFamily(3, 0)

/** A prefix that fits into less than a page takes no more: prefixes that there can be for each page. */
const PREFIXES_A_PAGE = 16
/** Pages that one change takes at most: a node for each octet of a word, and a page for buckets of each size. */
const MOST_PAGES = 6
/** A node with so few prefixes is made a bucket, if they all show. */
const FEW = 4
/** Pages that there is room for at first. */
const FIRST_PAGES = 64
/** Place of a link among the values of a bucket: before all prefixes, which come by length. */
const LINK_RANK = -1

/** What is to be put into, or was found in, a bucket. */
type Listed = { key: number; value: number }

const rankOf = (value: number): number => (value < 0 ? LINK_RANK : value & 31)
const byRank = (a: Listed, b: Listed): number => rankOf(a.value) - rankOf(b.value)
/** Does the entry's prefix hold the key? */
const holds = ({ key, value }: Listed, other: number): boolean =>
  value >= 0 && (key ^ other) >>> value === 0

export const createFibWriter = (deps: FibWriterDeps) => {
  const { arena, retire, reclaim, onTable } = deps
  const { firstUsable = (_, row) => row, isAsked = () => false } = deps
  const { i32, layout } = arena
  const { fibRoots, fibNodes } = layout
  const { fibTables, fibNodes: pages } = layout.config
  const rootWords = fibTables * FIB_ROOT_WORDS
  const pool = createFibPool(arena, retire, (used) => growLens(used))
  const { nameOf, blockOf } = pool
  /**
   * Length of the prefix that each word comes from: roots, then what of the pool has been used. Room for all of it at once was
   * 34 MB, which the runtime at some starts fills with zeros, so that they are taken.
   */
  let lens = new Uint8Array(rootWords + FIRST_PAGES * FIB_NODE_WORDS)
  const growLens = (used: number): void => {
    if (rootWords + used * FIB_NODE_WORDS <= lens.length) return
    const more = new Uint8Array(rootWords + Math.min(pages, used * 2) * FIB_NODE_WORDS)
    more.set(lens)
    lens = more
  }
  /** Prefixes in each node. */
  const users = new Int32Array(pages)
  const map = createFibTables(arena, retire, onTable)
  const prefixesOf = byFamily(
    createFibPrefixes(1, pages * PREFIXES_A_PAGE, fibTables),
    createFibPrefixes(4, pages * PREFIXES_A_PAGE, fibTables)
  )

  /** Of rows that one may not go by: by which one may instead, or 0. All prefixes of a row are seen alike. */
  const insteadOf = byFamily(new Map<number, number>(), new Map<number, number>())
  /** But those, by their entries, that found no room when one could go by theirs again. */
  const unplaced = byFamily(new Set<number>(), new Set<number>())
  const isPartial = (of: number): boolean => insteadOf(of).size + unplaced(of).size > 0

  // ---- the prefix that is being put in, or taken out: what all steps of one change have in common

  let words: Words = [0, 0, 0, 0]
  let first = 0
  let plen = 0
  let table = 0
  let family = 0
  /** Its bits in the w-th word of the address. */
  const keyOf = (w: number): number => words[first + w]

  const lenAt = (slot: number): number =>
    slot < fibNodes ? slot - fibRoots : rootWords + (slot - fibNodes)
  const lenOf = (slot: number): number => lens[lenAt(slot)]
  /** Puts a word where readers may be. */
  const store = (slot: number, word: number, len: number): void => {
    lens[lenAt(slot)] = len
    Atomics.store(i32, slot, word)
  }
  const isNode = (word: number): boolean => (word & FIB_BUCKET) === 0

  // ---- what covers: rows that reach down into everything that has nothing longer

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
  /** The row and length of the longest prefix of at most `most` bits that covers the words and has a row: none is 0. */
  const longest = (
    most: number,
    least: number,
    rowOf: (entry: number) => number
  ): [row: number, len: number] => {
    const prefixes = prefixesOf(family)
    for (let len = most; len >= least; len--) {
      if (!prefixes.has(table, len)) continue
      const entry = prefixes.find(table, networkWords(family)(words, len), len)
      const row = entry === 0 ? 0 : rowOf(entry)
      if (row !== 0) return [row, len]
    }
    return [0, 0]
  }
  /** As readers see it. */
  const cover = (most: number, least: number) => longest(most, least, shownOf)
  /** By which row readers see a prefix: 0 is not at all. */
  const shownOf = (entry: number): number => {
    const row = prefixesOf(family).rowOf(entry)
    return unplaced(family).has(entry) ? 0 : (insteadOf(family).get(row) ?? row)
  }

  // ---- buckets

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
  /** The prefix as an entry of its w-th word: its row, or a link to what comes behind, all of it covered by (cover, len). */
  const entryOf = (w: number, row: number, cover: number, len: number): Listed => {
    const left = w * 32 + 32 - plen
    if (left >= 0) return { key: keyOf(w), value: row | left }
    const below = entryOf(w + 1, row, cover, len)
    return { key: keyOf(w), value: makeBucket([below], cover, len) }
  }
  /** Prefixes in a block. */
  const countIn = (word: number): number => {
    const block = blockOf(word)
    if (isNode(word)) return users[pool.pageOf(block)]
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
    users[pool.pageOf(block)] = count
    return nameOf(block, false)
  }

  // ---- a prefix comes

  /** One entry more, in the bucket that `slot` names; what it covers in its links is covered. */
  const addEntry = (slot: number, w: number, depth: number, row: number): void => {
    const block = blockOf(i32[slot])
    const count = i32[block + FB_COUNT]
    const entries = listed(block)
    const over = entries.find((other) => holds(other, keyOf(w)))
    const isLink = plen > w * 32 + 32
    const [under, underLen] =
      over === undefined
        ? [i32[block + FB_COVER], lenOf(block + FB_COVER)]
        : [over.value & ~31, w * 32 + 32 - (over.value & 31)]
    const entry = entryOf(w, row, under, underLen)
    if (!isLink) paintLinks(block, entry, 0, plen, row, plen)
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
  /** Where in a bucket the value is of the link for a key, or of the prefix itself; 0 when it is not there. */
  const linkAt = (block: number, key: number): number => {
    const end = block + FB_FIRST + i32[block + FB_COUNT] * 2
    for (let at = block + FB_FIRST; at < end && i32[at + 1] < 0; at += 2)
      if (i32[at] === key) return at + 1
    return 0
  }
  const prefixAt = (block: number, w: number): number => {
    const end = block + FB_FIRST + i32[block + FB_COUNT] * 2
    for (let at = block + FB_FIRST; at < end; at += 2)
      if (i32[at] === keyOf(w) && i32[at + 1] >= 0 && (i32[at + 1] & 31) === w * 32 + 32 - plen)
        return at + 1
    return 0
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
      if (isNew) users[pool.pageOf(block)]++
      const end = depth + 8
      const at = block + ((keyOf(w) >>> (32 - end)) & 255)
      const left = w * 32 + end - plen
      if (left >= 0) paint(at, 1 << left, 0, plen, row, plen)
      else putBelow(at, end === 32 ? w + 1 : w, end & 31, row, isNew)
      return
    }
    if (plen > w * 32 + 32) {
      const at = linkAt(block, keyOf(w))
      if (at !== 0) return putBelow(at, w + 1, 0, row, isNew)
    } else {
      const at = prefixAt(block, w)
      if (at !== 0) {
        const value = row | (i32[at] & 31)
        Atomics.store(i32, at, value)
        paintLinks(block, { key: keyOf(w), value }, 0, plen, row, plen)
        return
      }
    }
    addEntry(slot, w, depth, row)
  }

  // ---- a prefix goes

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
    const above = depth === 0 ? 0 : keyOf(w) & (-1 << (32 - depth))
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
    return shown === users[pool.pageOf(block)] ? entries.sort(byRank) : null
  }
  /** Makes a node that has become nearly empty a bucket, or one word. */
  const settle = (slot: number, w: number, depth: number): void => {
    const block = blockOf(i32[slot])
    const left = users[pool.pageOf(block)]
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
      users[pool.pageOf(block)]--
      const end = depth + 8
      const at = block + ((keyOf(w) >>> (32 - end)) & 255)
      const left = w * 32 + end - plen
      if (left >= 0) paint(at, 1 << left, plen, plen, row, len)
      else dropBelow(at, end === 32 ? w + 1 : w, end & 31, row, len)
      return settle(slot, w, depth)
    }
    if (plen > w * 32 + 32) {
      const at = linkAt(block, keyOf(w))
      dropBelow(at, w + 1, 0, row, len)
      if (i32[at] >= 0) dropEntry(slot, at)
      return
    }
    const at = prefixAt(block, w)
    paintLinks(block, { key: keyOf(w), value: i32[at] }, plen, plen, row, len)
    dropEntry(slot, at)
  }

  // ---- tables

  /** Makes a prefix the one that is being changed. */
  const take = (of: number, root: number, address: Words, bits: number): void => {
    family = of
    words = networkWords(of)(address, bits)
    first = firstWord(of)
    plen = bits
    table = (root - fibRoots) / FIB_ROOT_WORDS
  }
  /** The words in front of a root, or of the root, that a prefix of at most 16 bits is in. */
  const shortSlot = (root: number): number =>
    plen <= FIB_SHORT_BITS ? root + (keyOf(0) >>> 24) : rootSlot(root)
  const rootSlot = (root: number): number => root + FIB_SHORT_WORDS + (keyOf(0) >>> 16)
  const shortSpan = (): number => 1 << ((plen <= FIB_SHORT_BITS ? FIB_SHORT_BITS : 16) - plen)

  /** A table's root, made when there is none yet; 0 when there is no room for another. */
  const openTable = (net: number, of: number, id: number): number => {
    const root = map.ensure(net, of, id)
    if (root !== 0) return root
    reclaim()
    return map.ensure(net, of, id)
  }
  const closeIfEmpty = (net: number, id: number): void => {
    if (prefixesOf(family).sizeOf(table) === 0) map.release(net, family, id)
  }
  /** Is there room for one prefix more, also among all that there are if it is new? */
  const hasRoom = (isNew: boolean): boolean => {
    if (isNew && prefixesOf(family).room() === 0) return false
    if (plen <= 16 || pool.available() >= MOST_PAGES) return true
    reclaim()
    return pool.available() >= MOST_PAGES
  }

  /** Inserts the prefix, or replaces its row. 0, or -ENOBUFS (tables) or -ENOSPC (pages) and nothing has changed. */
  const insert = (
    net: number,
    of: number,
    id: number,
    address: Words,
    bits: number,
    row: number
  ): number => {
    const root = openTable(net, of, id)
    if (root === 0) return -Errno.ENOBUFS
    take(of, root, address, bits)
    const prefixes = prefixesOf(of)
    const known = prefixes.find(table, words, bits)
    const before = known === 0 ? 0 : shownOf(known)
    if (before === 0 && !hasRoom(known === 0)) {
      closeIfEmpty(net, id)
      return -Errno.ENOSPC
    }
    const old = known === 0 ? 0 : prefixes.rowOf(known)
    // what others are seen by, devices may have changed since: refresh() comes
    if (!prefixes.isInUse(row)) noteInstead(of, row, firstUsable(of, row))
    const entry = known || prefixes.add(table, words, bits, row)
    prefixes.setRow(entry, row)
    unplaced(of).delete(entry)
    if (old !== 0) forgetUnused(of, old)
    show(root, before, shownOf(entry))
    return 0
  }
  const noteInstead = (of: number, row: number, instead: number): void => {
    if (instead === row) insteadOf(of).delete(row)
    else insteadOf(of).set(row, instead)
  }
  const forgetUnused = (of: number, row: number): void => {
    if (!prefixesOf(of).isInUse(row)) insteadOf(of).delete(row)
  }
  /** From now on readers see the prefix by `row`, until now by `before`; 0: not at all. */
  const show = (root: number, before: number, row: number): void => {
    // the row's words are visible before any word that names it
    Atomics.add(i32, G_GENERATION, 0)
    if (row === 0) return before === 0 ? undefined : hide(root)
    if (plen <= 16) paint(shortSlot(root), shortSpan(), 0, plen, row, plen)
    else putBelow(rootSlot(root), 0, 16, row, before === 0)
  }
  /** What the prefix covered shows again what lies under it. */
  const hide = (root: number): void => {
    const [row, len] = cover(plen - 1, plen > FIB_SHORT_BITS ? FIB_SHORT_BITS + 1 : 0)
    if (plen <= 16) paint(shortSlot(root), shortSpan(), plen, plen, row, len)
    else dropBelow(rootSlot(root), 0, 16, row, len)
  }
  /**
   * Devices have changed: prefixes are seen by what one may go by now. All rows are asked, of which there are few, and the prefixes of
   * those alone are gone through whose answer is another. What finds no room is not seen until the next time.
   */
  const refresh = (): void => {
    if (!isPartial(AF_INET) && !isPartial(AF_INET6) && !isAsked()) return
    for (const of of [AF_INET, AF_INET6]) refreshFamily(of)
  }
  const refreshFamily = (of: number): void => {
    const prefixes = prefixesOf(of)
    const [turned, gone]: [number, number][][] = [[], []]
    for (const row of prefixes.rowsInUse()) {
      const was = insteadOf(of).get(row) ?? row
      const now = firstUsable(of, row)
      if (now !== was) (now === 0 ? gone : turned).push([row, was])
      noteInstead(of, row, now)
    }
    // what lies under those that are hidden is looked up, and is to be there
    for (const [row, was] of turned)
      for (const entry of prefixes.entriesOf(row))
        if (!unplaced(of).has(entry)) place(of, entry, was)
    for (const [row, was] of gone)
      for (const entry of prefixes.entriesOf(row))
        if (!unplaced(of).delete(entry)) place(of, entry, was)
    for (const entry of [...unplaced(of)]) {
      unplaced(of).delete(entry)
      place(of, entry, 0)
    }
  }
  /** A prefix that was seen by `before` is seen as its row is now. */
  const place = (of: number, entry: number, before: number): void => {
    const prefixes = prefixesOf(of)
    const root = fibRoots + prefixes.tableOf(entry) * FIB_ROOT_WORDS
    take(of, root, prefixes.wordsOf(entry), prefixes.plenOf(entry))
    if (before !== 0 || hasRoom(false)) show(root, before, shownOf(entry))
    else unplaced(of).add(entry)
  }

  /** Takes the prefix out. 0, or -ESRCH. */
  const remove = (net: number, of: number, id: number, address: Words, bits: number): number => {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return -Errno.ESRCH
    take(of, root, address, bits)
    const prefixes = prefixesOf(of)
    const known = prefixes.find(table, words, bits)
    if (known === 0) return -Errno.ESRCH
    const isShown = shownOf(known) !== 0
    const row = prefixes.rowOf(known)
    prefixes.remove(known)
    unplaced(of).delete(known)
    forgetUnused(of, row)
    if (isShown) hide(root)
    closeIfEmpty(net, id)
    return 0
  }

  // ---- what there is

  /** Row of a prefix, which is masked; 0 when there is none. */
  const rowOf = (net: number, of: number, id: number, address: Words, bits: number): number => {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return 0
    const prefixes = prefixesOf(of)
    const entry = prefixes.find((root - fibRoots) / FIB_ROOT_WORDS, address, bits)
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
    take(of, root, address, bits)
    return longest(bits, 0, prefixesOf(of).rowOf)[0]
  }
  /** Prefixes of a table. */
  const size = (net: number, of: number, id: number): number => {
    const root = fibRoot(arena, net, of, id)
    return root === 0 ? 0 : prefixesOf(of).sizeOf((root - fibRoots) / FIB_ROOT_WORDS)
  }
  /** Ids of a family's tables that have prefixes. */
  const tableIds = (net: number, of: number): number[] =>
    map.idsOf(net, of).filter((id) => size(net, of, id) > 0)
  /** The prefixes of a table, the shortest first, then as they came; it may be changed meanwhile. */
  function* walk(net: number, of: number, id: number): Generator<FibPrefix> {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return
    const prefixes = prefixesOf(of)
    const cursor = prefixes.open((root - fibRoots) / FIB_ROOT_WORDS)
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
      pages: pages - pool.available(),
      maxPages: pages,
      tables: fibTables - map.available(),
      maxTables: fibTables,
      inet: ofFamily(AF_INET),
      inet6: ofFamily(AF_INET6),
    }
  }

  return {
    insert,
    remove,
    refresh,
    rowOf,
    longestRow,
    coveringRow,
    size,
    tableIds,
    walk,
    rowsInUse,
    addressesBy,
    /** Pages that are free now. */
    available: pool.available,
    usage,
    addNet: map.addNet,
    tablesLeft: map.available,
  }
}
