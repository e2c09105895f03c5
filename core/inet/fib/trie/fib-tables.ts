/**
 * The map of routing tables: (net, family, table id) to the root of a trie. Tables local, main and default of a net are
 * there from its start; others appear with their first route and go with their last. Control writes the map; any
 * thread looks a root up when it is made or when rules change, and keeps it: a lookup of a route never comes here.
 * A row of the map and a root go together; a root that a reader may hold is used again only after a grace period.
 * Linux: fib_new_table, fib_get_table.
 */
import { AF_INET, AF_INET6 } from '../../../base/family.ts'
import type { Publisher } from '../../../control/rtnl/publish.ts'
import type { Arena } from '../../../shm/arena.ts'
import { FIB_ROOT_WORDS, FIB_TABLE_WORDS } from '../../../shm/layout.ts'
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../nexthop-constants.ts'

// Words of a row.
/** RT_TABLE_*, or 0 while the row is free. */
const FT_ID = 0
const FT_NET = 1
const FT_FAMILY = 2

const STANDING = [RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT]

/** A table has come, or goes: its root is 0. */
export type OnTable = (net: number, family: number, id: number, root: number) => void

/** Number of a table's row, or -1. */
const find = ({ i32, layout }: Arena, net: number, family: number, id: number): number => {
  for (let n = 0; n < layout.config.fibTables; n++) {
    const row = layout.fibTables + n * FIB_TABLE_WORDS
    if (
      Atomics.load(i32, row + FT_ID) === (id | 0) &&
      i32[row + FT_NET] === net &&
      i32[row + FT_FAMILY] === family
    )
      return n
  }
  return -1
}

/** Root of a table's trie, as a word index; 0 when there is no such table. */
export const fibRoot = (arena: Arena, net: number, family: number, id: number): number => {
  const n = find(arena, net, family, id)
  return n < 0 ? 0 : arena.layout.fibRoots + n * FIB_ROOT_WORDS
}

export type FibTables = ReturnType<typeof createFibTables>

/** The map's writer, on control. `retire` calls back once no reader can hold what is going away. */
export const createFibTables = (
  arena: Arena,
  retire: Publisher['retire'],
  onTable: OnTable = () => {}
) => {
  const { i32, layout } = arena
  const free = Array.from({ length: layout.config.fibTables }, (_, k) => k).reverse()

  /** Root of a table, made when there is none; 0 when there is no room for another. */
  const ensure = (net: number, family: number, id: number): number => {
    const known = fibRoot(arena, net, family, id)
    if (known !== 0) return known
    const n = free.pop()
    if (n === undefined) return 0
    const row = layout.fibTables + n * FIB_TABLE_WORDS
    i32[row + FT_NET] = net
    i32[row + FT_FAMILY] = family
    Atomics.store(i32, row + FT_ID, id)
    const root = layout.fibRoots + n * FIB_ROOT_WORDS
    onTable(net, family, id, root)
    return root
  }
  /** Takes an emptied table out of the map, unless it is one that a net always has. */
  const release = (net: number, family: number, id: number): void => {
    if (STANDING.includes(id)) return
    const n = find(arena, net, family, id)
    if (n < 0) return
    Atomics.store(i32, layout.fibTables + n * FIB_TABLE_WORDS + FT_ID, 0)
    onTable(net, family, id, 0)
    retire(() => free.push(n))
  }
  /** Makes the tables that a net always has. */
  const addNet = (net: number): void => {
    for (const family of [AF_INET, AF_INET6])
      for (const id of STANDING)
        if (ensure(net, family, id) === 0)
          throw new Error(`fib: no room for the tables of net ${net}`)
  }
  const available = (): number => free.length
  /** Ids of a family's tables, in rising order. */
  const idsOf = (net: number, family: number): number[] => {
    const ids: number[] = []
    for (let n = 0; n < layout.config.fibTables; n++) {
      const row = layout.fibTables + n * FIB_TABLE_WORDS
      const id = i32[row + FT_ID] >>> 0
      if (id !== 0 && i32[row + FT_NET] === net && i32[row + FT_FAMILY] === family) ids.push(id)
    }
    return ids.sort((a, b) => a - b)
  }
  return { ensure, release, addNet, available, idsOf }
}
