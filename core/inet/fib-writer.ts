/**
 * The one writer of the forwarding tries (core/inet/fib.ts), on the control thread. It keeps, beside each word,
 * the length of the prefix that the word comes from, and beside each node how many prefixes need it; and all
 * prefixes by length, to know what lies under one that goes. A change either happens whole or not at all. Tables come
 * with their first prefix and go with their last (fib-tables.ts).
 * Linux: fib_table_insert, fib_table_delete.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import { FIB_NODE_WORDS, FIB_ROOT_WORDS, G_GENERATION } from '../shm/layout.ts'
import { byFamily } from './af-ops.ts'
import { type OnTable, createFibTables, fibRoot } from './fib-tables.ts'
import type { Publisher } from '../control/publish.ts'

type FibWriterDeps = {
  arena: Arena
  /** A table has come, or goes. */
  onTable?: OnTable | undefined
} & Pick<Publisher, 'retire' | 'reclaim'>
export type PrefixWords = readonly [number, number, number, number]
export type FibWriter = ReturnType<typeof createFibWriter>

/** One table's prefixes: by length, then by address. */
type PrefixMap = Map<number | string, number>[]
type Table = { readonly root: number; readonly prefixes: PrefixMap; size: number }

/** The words with all bits after the first `bits` cleared. */
export const maskWords = (words: PrefixWords, bits: number): PrefixWords => {
  const mask = (at: number): number => {
    const kept = bits - at * 32
    return kept >= 32 ? words[at] : kept <= 0 ? 0 : words[at] & (-1 << (32 - kept))
  }
  return [mask(0), mask(1), mask(2), mask(3)]
}

/** An IPv4 prefix is the last word of four, an IPv6 one all of them. */
type Prefixes = {
  key: (words: PrefixWords) => number | string
  mask: (words: PrefixWords, plen: number) => PrefixWords
  /** The word that holds the bit before `end`. */
  word: (words: PrefixWords, end: number) => number
}
const prefixOps = byFamily<Prefixes>(
  {
    key: (words) => words[3],
    mask: (words, plen) => [0, 0, 0, plen === 0 ? 0 : words[3] & (-1 << (32 - plen))],
    word: (words) => words[3],
  },
  {
    key: (words) => words.join(),
    mask: maskWords,
    word: (words, end) => words[(end - 1) >> 5],
  }
)

export const createFibWriter = ({ arena, retire, reclaim, onTable }: FibWriterDeps) => {
  const { i32, layout } = arena
  const { fibRoots, fibNodes: nodes } = layout
  const count = layout.config.fibNodes
  const rootWords = layout.config.fibTables * FIB_ROOT_WORDS
  /** Length of the prefix that each word comes from: roots, then nodes. */
  const lens = new Uint8Array(rootWords + count * FIB_NODE_WORDS)
  const users = new Int32Array(count)
  const free = Int32Array.from({ length: count }, (_, k) => count - 1 - k)
  let freeNodes = count
  const map = createFibTables(arena, retire, onTable)
  /** By root. */
  const tables = new Map<number, Table>()
  // slots of the nodes on the way to a prefix, top first; a walk fills them
  const path = new Int32Array(16)

  const lenAt = (slot: number): number =>
    slot < nodes ? slot - fibRoots : rootWords + (slot - nodes)
  const tableAt = (root: number): Table => {
    let table = tables.get(root)
    if (table === undefined) tables.set(root, (table = { root, prefixes: [], size: 0 }))
    return table
  }
  const keyOf = (family: number, words: PrefixWords): number | string =>
    prefixOps(family).key(words)
  const maskFor = (family: number, words: PrefixWords, plen: number): PrefixWords =>
    prefixOps(family).mask(words, plen)
  /** `width` bits of the address that end before bit `end`. */
  const bitsOf = (family: number, words: PrefixWords, end: number, width: number): number => {
    const word = prefixOps(family).word(words, end)
    return (word >>> ((32 - (end & 31)) & 31)) & ((1 << width) - 1)
  }

  /** A node whose words all say what `slot` says; put in its place. The caller has made sure of room. */
  const split = (slot: number): number => {
    const node = free[--freeNodes]
    const at = nodes + node * FIB_NODE_WORDS
    i32.fill(i32[slot], at, at + FIB_NODE_WORDS)
    lens.fill(lens[lenAt(slot)], lenAt(at), lenAt(at) + FIB_NODE_WORDS)
    users[node] = 0
    Atomics.store(i32, slot, ~node)
    return node
  }
  /** Puts the one thing a node's words say in the place of the node. */
  const merge = (slot: number): void => {
    const node = ~i32[slot]
    const at = nodes + node * FIB_NODE_WORDS
    lens[lenAt(slot)] = lens[lenAt(at)]
    Atomics.store(i32, slot, i32[at])
    retire(() => {
      free[freeNodes++] = node
    })
  }
  /** Nodes that a walk to (words, plen) would have to make. */
  const missing = (family: number, root: number, words: PrefixWords, plen: number): number => {
    let slot = root + bitsOf(family, words, 16, 16)
    let end = 16
    while (end < plen && i32[slot] < 0) {
      end += 8
      slot = nodes + ~i32[slot] * FIB_NODE_WORDS + bitsOf(family, words, end, 8)
    }
    return plen <= end ? 0 : (plen - end + 7) >> 3
  }
  /** Gives every word under [slot, slot + span) that comes from lengths low..plen the row and length. */
  const paint = (
    slot: number,
    span: number,
    low: number,
    plen: number,
    row: number,
    rowLen: number
  ): void => {
    for (let at = slot, k = lenAt(slot); at < slot + span; at++, k++) {
      const word = i32[at]
      if (word < 0) {
        paint(nodes + ~word * FIB_NODE_WORDS, FIB_NODE_WORDS, low, plen, row, rowLen)
      } else if (lens[k] >= low && lens[k] <= plen) {
        i32[at] = row
        lens[k] = rowLen
      }
    }
  }
  /** The row and length of the longest prefix that covers (words, plen) and is shorter. */
  const cover = (
    prefixes: PrefixMap,
    family: number,
    words: PrefixWords,
    plen: number
  ): [row: number, len: number] => {
    for (let len = plen - 1; len >= 0; len--) {
      const ofLen = prefixes[len]
      if (ofLen === undefined || ofLen.size === 0) continue
      const row = ofLen.get(keyOf(family, maskFor(family, words, len)))
      if (row !== undefined) return [row, len]
    }
    return [0, 0]
  }

  /** The table, made when there is none yet; undefined when there is no room for another. */
  const openTable = (net: number, family: number, id: number): Table | undefined => {
    let root = map.ensure(net, family, id)
    if (root === 0) {
      reclaim()
      root = map.ensure(net, family, id)
    }
    return root === 0 ? undefined : tableAt(root)
  }
  const closeIfEmpty = ({ root, size }: Table, net: number, family: number, id: number): void => {
    if (size > 0) return
    tables.delete(root)
    map.release(net, family, id)
  }
  const hasRoom = (family: number, root: number, words: PrefixWords, plen: number): boolean => {
    if (missing(family, root, words, plen) <= freeNodes) return true
    reclaim()
    return missing(family, root, words, plen) <= freeNodes
  }

  /** Inserts the prefix, or replaces its row. 0, or -ENOBUFS (tables) or -ENOSPC (nodes) and nothing has changed. */
  const insert = (
    net: number,
    family: number,
    id: number,
    address: PrefixWords,
    plen: number,
    row: number
  ): number => {
    const words = maskFor(family, address, plen)
    const table = openTable(net, family, id)
    if (table === undefined) return -Errno.ENOBUFS
    if (!hasRoom(family, table.root, words, plen)) {
      closeIfEmpty(table, net, family, id)
      return -Errno.ENOSPC
    }
    const ofLen = (table.prefixes[plen] ??= new Map())
    const isNew = !ofLen.has(keyOf(family, words))
    ofLen.set(keyOf(family, words), row)
    if (isNew) table.size++
    // the row's words are visible before any word that names it
    Atomics.add(i32, G_GENERATION, 0)
    let base = table.root
    let index = bitsOf(family, words, 16, 16)
    let end = 16
    while (plen > end) {
      const slot = base + index
      const node = i32[slot] < 0 ? ~i32[slot] : split(slot)
      if (isNew) users[node]++
      end += 8
      base = nodes + node * FIB_NODE_WORDS
      index = bitsOf(family, words, end, 8)
    }
    paint(base + index, 1 << (end - plen), 0, plen, row, plen)
    return 0
  }

  /** Takes the prefix out; what it covered shows again what lies under it. 0, or -ESRCH. */
  const remove = (
    net: number,
    family: number,
    id: number,
    address: PrefixWords,
    plen: number
  ): number => {
    const words = maskFor(family, address, plen)
    const table = tables.get(fibRoot(arena, net, family, id))
    if (!table?.prefixes[plen]?.delete(keyOf(family, words))) return -Errno.ESRCH
    table.size--
    const [row, len] = cover(table.prefixes, family, words, plen)
    let slot = table.root + bitsOf(family, words, 16, 16)
    let end = 16
    let depth = 0
    while (plen > end) {
      path[depth++] = slot
      const node = ~i32[slot]
      users[node]--
      end += 8
      slot = nodes + node * FIB_NODE_WORDS + bitsOf(family, words, end, 8)
    }
    paint(slot, 1 << (end - plen), plen, plen, row, len)
    while (depth > 0 && users[~i32[path[depth - 1]]] === 0) merge(path[--depth])
    closeIfEmpty(table, net, family, id)
    return 0
  }

  /** Nodes that are not in use and not waiting to be. */
  const available = (): number => freeNodes

  return { insert, remove, available, addNet: map.addNet, tablesLeft: map.available }
}
