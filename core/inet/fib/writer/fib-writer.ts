/**
 * The one writer of the forwarding tries (core/inet/fib/fib.ts, whose words are in fib-constants.ts), on the control thread: a prefix is
 * put into its table or taken out, in the tries (fib-insert.ts, fib-remove.ts, over fib-blocks.ts) and among all prefixes
 * (fib-prefixes.ts), from which comes what lies under one that goes. A change either happens whole
 * or not at all. What nobody is to go by now (fib-shown.ts) is kept, and not in the tries. Tables come with their first prefix and go with their last (fib-tables.ts).
 * Linux: fib_table_insert, fib_table_delete.
 */
import { Errno } from '../../../base/errno.ts'
import { AF_INET, AF_INET6 } from '../../../base/family.ts'
import type { Publisher } from '../../../control/rtnl/publish.ts'
import type { Arena } from '../../../shm/arena.ts'
import { FIB_ROOT_WORDS, FIB_SHORT_WORDS, G_GENERATION } from '../../../shm/layout.ts'
import type { Words } from '../../../wire/text.ts'
import { byFamily } from '../../af-ops.ts'
import { createFibBlocks } from './fib-blocks.ts'
import { FIB_SHORT_BITS } from '../trie/fib-constants.ts'
import { createFibInsert } from './fib-insert.ts'
import { createFibKey } from './fib-key.ts'
import { createFibPool } from './fib-pool.ts'
import { type Allocate, createFibPrefixes } from './fib-prefixes.ts'
import { type Cover, createFibRemove } from './fib-remove.ts'
import { createFibShown } from './fib-shown.ts'
import { createFibTable, longestPrefix } from './fib-table.ts'
import { createFibTables, fibRoot, type OnTable } from '../trie/fib-tables.ts'
import type { Linkdown } from '../linkdown.ts'

type FibWriterDeps = {
  arena: Arena
  /** Memory of its own for as much as there may ever be, mostly not written. */
  allocate?: Allocate | undefined
  /** A table has come, or goes. */
  onTable?: OnTable | undefined
} & Partial<Linkdown> &
  Pick<Publisher, 'retire' | 'reclaim'>
export type FibWriter = ReturnType<typeof createFibWriter>

/** Pages that one change takes at most: a node for each octet of a word, and a page for buckets of each size. */
const MOST_PAGES = 6

export const createFibWriter = (deps: FibWriterDeps) => {
  const { arena, retire, reclaim, onTable } = deps
  const { firstUsable = (_, row) => row, isAsked = () => false } = deps
  const { allocate = (bytes) => new ArrayBuffer(bytes) } = deps
  const { i32, layout } = arena
  const { fibRoots } = layout
  const pool = createFibPool(arena, retire)
  const map = createFibTables(arena, retire, onTable)
  const prefixesOf = byFamily(
    createFibPrefixes(arena, AF_INET, allocate),
    createFibPrefixes(arena, AF_INET6, allocate)
  )
  const shown = createFibShown({ prefixesOf, firstUsable, isAsked })
  const key = createFibKey()
  const { wordAt } = key
  /** What readers see that covers the prefix. */
  const cover: Cover = (most, least) => {
    const { family, table, words } = key
    const rowOf = (entry: number): number => shown.shownOf(family, entry)
    return longestPrefix(family, prefixesOf(family), table, words, most, least, rowOf)
  }
  const blocks = createFibBlocks(arena, allocate, pool)
  const { paint } = blocks
  const { putBelow } = createFibInsert(arena, pool, blocks, key)
  const { dropBelow } = createFibRemove(arena, pool, blocks, key, cover)
  const numberOf = (root: number): number => (root - fibRoots) / FIB_ROOT_WORDS

  /** The words in front of a root, or of the root, that a prefix of at most 16 bits is in. */
  const shortSlot = (root: number): number =>
    key.plen <= FIB_SHORT_BITS ? root + (wordAt(0) >>> 24) : rootSlot(root)
  const rootSlot = (root: number): number => root + FIB_SHORT_WORDS + (wordAt(0) >>> 16)
  const shortSpan = (): number =>
    1 << ((key.plen <= FIB_SHORT_BITS ? FIB_SHORT_BITS : 16) - key.plen)

  /** A table's root, made when there is none yet; 0 when there is no room for another. */
  const openTable = (net: number, of: number, id: number): number => {
    const root = map.ensure(net, of, id)
    if (root !== 0) return root
    reclaim()
    return map.ensure(net, of, id)
  }
  const closeIfEmpty = (net: number, id: number): void => {
    if (prefixesOf(key.family).sizeOf(key.table) === 0) map.release(net, key.family, id)
  }
  /** Is there room for one prefix more, also among all that there are if it is new? */
  const hasRoom = (isNew: boolean): boolean => {
    if (isNew && prefixesOf(key.family).room() === 0) return false
    if (key.plen <= 16 || pool.available() >= MOST_PAGES) return true
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
    key.take(of, numberOf(root), address, bits)
    const prefixes = prefixesOf(of)
    const known = prefixes.find(key.table, key.words, bits)
    const before = known === 0 ? 0 : shown.shownOf(of, known)
    if (before === 0 && !hasRoom(known === 0)) {
      closeIfEmpty(net, id)
      return -Errno.ENOSPC
    }
    const old = known === 0 ? 0 : prefixes.rowOf(known)
    shown.noteRow(of, row)
    const entry = known || prefixes.add(key.table, key.words, bits, row)
    prefixes.setRow(entry, row)
    shown.forgetUnplaced(of, entry)
    if (old !== 0) shown.forgetUnused(of, old)
    show(root, before, shown.shownOf(of, entry))
    return 0
  }
  /** From now on readers see the prefix by `row`, until now by `before`; 0: not at all. */
  const show = (root: number, before: number, row: number): void => {
    // the row's words are visible before any word that names it
    Atomics.add(i32, G_GENERATION, 0)
    if (row === 0) return before === 0 ? undefined : hide(root)
    if (key.plen <= 16) paint(shortSlot(root), shortSpan(), 0, key.plen, row, key.plen)
    else putBelow(rootSlot(root), 0, 16, row, before === 0)
  }
  /** What the prefix covered shows again what lies under it. */
  const hide = (root: number): void => {
    const [row, len] = cover(key.plen - 1, key.plen > FIB_SHORT_BITS ? FIB_SHORT_BITS + 1 : 0)
    if (key.plen <= 16) paint(shortSlot(root), shortSpan(), key.plen, key.plen, row, len)
    else dropBelow(rootSlot(root), 0, 16, row, len)
  }
  /** A prefix that was seen by `before` is seen as its row is now. */
  const place = (of: number, entry: number, before: number): void => {
    const prefixes = prefixesOf(of)
    const n = prefixes.tableOf(entry)
    const root = fibRoots + n * FIB_ROOT_WORDS
    key.take(of, n, prefixes.wordsOf(entry), prefixes.plenOf(entry))
    if (before !== 0 || hasRoom(false)) show(root, before, shown.shownOf(of, entry))
    else shown.leaveOut(of, entry)
  }

  /** Takes the prefix out. 0, or -ESRCH. */
  const remove = (net: number, of: number, id: number, address: Words, bits: number): number => {
    const root = fibRoot(arena, net, of, id)
    if (root === 0) return -Errno.ESRCH
    key.take(of, numberOf(root), address, bits)
    const prefixes = prefixesOf(of)
    const known = prefixes.find(key.table, key.words, bits)
    if (known === 0) return -Errno.ESRCH
    const isShown = shown.shownOf(of, known) !== 0
    const row = prefixes.rowOf(known)
    prefixes.remove(known)
    shown.forgetUnplaced(of, known)
    shown.forgetUnused(of, row)
    if (isShown) hide(root)
    closeIfEmpty(net, id)
    return 0
  }

  return {
    insert,
    remove,
    refresh: (): void => shown.refresh(place),
    ...createFibTable({ arena, pool, map, prefixesOf, isPartial: shown.isPartial }),
    /** Pages that are free now. */
    available: pool.available,
    addNet: map.addNet,
    tablesLeft: map.available,
  }
}
