/**
 * The memory of the forwarding tries, on control: pages of 256 words, each one node or the buckets of one size. A block that a
 * reader may hold is used again after a grace period. Pages are used from the first on, so a large pool costs no more
 * memory than the routes in it.
 */
import type { Publisher } from '../../../control/rtnl/publish.ts'
import type { Arena } from '../../../shm/arena.ts'
import { FIB_NODE_WORDS, G_FIB_PAGES, G_GENERATION } from '../../../shm/layout.ts'
import {
  FIB_BUCKET,
  FIB_LARGE_BUCKET,
  FIB_PLACE,
  FIB_PLACE_SHIFT,
  FIB_SMALL_BUCKET,
} from '../trie/fib-constants.ts'

/** What a page holds. */
const FREE = 0
const NODE = 1
const SMALL = 2
const LARGE = 3
/** Of a page of buckets: the words of one, a bit for each that is free, and the prefixes that fit into one. */
const WORDS = [0, 0, 8, 16]
const ALL = [0, 0, -1, 0xffff]
const FITS = [0, 0, FIB_SMALL_BUCKET, FIB_LARGE_BUCKET]

export type FibPool = ReturnType<typeof createFibPool>

export const createFibPool = (arena: Arena, retire: Publisher['retire']) => {
  const { i32, layout } = arena
  const base = layout.fibNodes
  const pages = layout.config.fibNodes
  const kinds = new Uint8Array(pages)
  const masks = new Int32Array(pages)
  /** Pages that have been used and are free; those behind `fresh` have never been. */
  const emptied: number[] = []
  let fresh = 0
  let freePages = pages
  /** By kind: pages of buckets that have room, and perhaps some that no longer are that. */
  const roomy: number[][] = [[], [], [], []]
  /** A bit for each kind: the page is in that list. */
  const isRoomy = new Uint8Array(pages)

  const takePage = (kind: number): number => {
    const page = emptied.pop() ?? fresh++
    i32[G_FIB_PAGES] = fresh
    freePages--
    kinds[page] = kind
    return page
  }
  const givePage = (page: number): void => {
    kinds[page] = FREE
    masks[page] = 0
    emptied.push(page)
    freePages++
  }
  const pageOf = (block: number): number => ((block - base) / FIB_NODE_WORDS) | 0

  /** A block of 256 words; the caller has made sure of pages. */
  const takeNode = (): number => base + takePage(NODE) * FIB_NODE_WORDS
  /** A page that has a free bucket of that kind; -1 when there is none left. */
  const roomyPage = (kind: number): number => {
    const known = roomy[kind]
    while (known.length > 0) {
      const page = known.at(-1)!
      if (kinds[page] === kind && masks[page] !== 0) return page
      known.pop()
      isRoomy[page] &= ~(1 << kind)
    }
    if (freePages === 0) return -1
    const page = takePage(kind)
    masks[page] = ALL[kind]
    known.push(page)
    isRoomy[page] |= 1 << kind
    return page
  }
  /** A block for a bucket of so many prefixes, all zero; 0 when there is no room. */
  const takeBucket = (prefixes: number): number => {
    const kind = prefixes <= FIB_SMALL_BUCKET ? SMALL : LARGE
    const page = roomyPage(kind)
    if (page < 0) return 0
    const bit = 31 - Math.clz32(masks[page])
    masks[page] &= ~(1 << bit)
    const block = base + page * FIB_NODE_WORDS + bit * WORDS[kind]
    i32.fill(0, block, block + WORDS[kind])
    return block
  }
  const give = (block: number): void => {
    const page = pageOf(block)
    const kind = kinds[page]
    if (kind === NODE) return givePage(page)
    masks[page] |= 1 << ((block - base - page * FIB_NODE_WORDS) / WORDS[kind])
    if (masks[page] === ALL[kind]) givePage(page)
    else if ((isRoomy[page] & (1 << kind)) === 0) {
      roomy[kind].push(page)
      isRoomy[page] |= 1 << kind
    }
  }

  /** Blocks that go with one generation. */
  let going: { generation: number; blocks: number[] } | null = null
  /** Gives a block back once no reader can hold it. */
  const giveLater = (block: number): void => {
    const generation = Atomics.load(i32, G_GENERATION)
    if (going?.generation === generation) {
      going.blocks.push(block)
      return
    }
    const mine = { generation, blocks: [block] }
    going = mine
    retire(() => {
      if (going === mine) going = null
      for (const one of mine.blocks) give(one)
    })
  }

  /** Pages that are free now. */
  const available = (): number => freePages
  /** Prefixes that a bucket's block has room for. */
  const fits = (block: number): number => FITS[kinds[pageOf(block)]]
  /** A negative word for a block, and the block of one. */
  const nameOf = (block: number, isBucket: boolean): number =>
    (1 << 31) | ((block - base) << FIB_PLACE_SHIFT) | (isBucket ? FIB_BUCKET : 0)
  const blockOf = (word: number): number => base + ((word & FIB_PLACE) >> FIB_PLACE_SHIFT)

  return { takeNode, takeBucket, giveLater, available, fits, nameOf, blockOf, pageOf }
}
