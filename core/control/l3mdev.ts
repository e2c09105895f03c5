/**
 * What control keeps of VRFs: each has the roots of its table in its row, so that a packet finds them without a look at
 * the map of tables. Tables come with their first route and go with their last. Control thread.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { byFamily } from '../inet/af-ops.ts'
import type { OnTable } from '../inet/fib/trie/fib-tables.ts'
import { fibRoot } from '../inet/fib/trie/fib-tables.ts'
import {
  DEV_NET,
  DEV_VRF_ROOT4,
  DEV_VRF_ROOT6,
  DEV_VRF_TABLE,
  deviceRow,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'

const rootWord = byFamily(DEV_VRF_ROOT4, DEV_VRF_ROOT6)

/** A VRF's row names its table. */
export const writeVrfRoots = (arena: Arena, ifindex: number): void => {
  const { i32 } = arena
  const row = deviceRow(arena, ifindex)
  for (const family of [AF_INET, AF_INET6])
    i32[row + rootWord(family)] = fibRoot(
      arena,
      i32[row + DEV_NET],
      family,
      i32[row + DEV_VRF_TABLE]
    )
}

/** A table has come, or goes. */
export const vrfTableMoved =
  (arena: Arena): OnTable =>
  (net, family, id, root) => {
    const { i32, layout } = arena
    for (let ifindex = 1; ifindex < layout.config.devices; ifindex++) {
      const row = deviceRow(arena, ifindex)
      if (i32[row + DEV_VRF_TABLE] === (id | 0) && i32[row + DEV_NET] === net)
        Atomics.store(i32, row + rootWord(family), root)
    }
  }

/** Is it a VRF's, whether it has routes or not? */
export const isVrfTable = (arena: Arena, table: number): boolean => {
  for (let ifindex = 1; ifindex < arena.layout.config.devices; ifindex++)
    if (arena.i32[deviceRow(arena, ifindex) + DEV_VRF_TABLE] === (table | 0)) return table !== 0
  return false
}
