/**
 * The neighbour table as every thread reads it: an open-addressed index over the shared rows, keyed by device and
 * address. Worker 0 alone writes it (neighbour.ts); a reader that meets it in the middle of a change misses an
 * entry at worst, and asks worker 0. Linux: net/core/neighbour.c, struct neigh_hash_table.
 */
import type { Arena } from '../shm/arena.ts'
import { NEIGH_WORDS } from '../shm/layout.ts'
import {
  NEIGH_ADDR,
  NEIGH_IFINDEX,
  NEIGH_STATE,
  NEIGH_TABLE_SEED,
  NUD_NONE,
} from './neigh-constants.ts'

export type NeighTable = ReturnType<typeof createNeighTable>

export const createNeighTable = (arena: Arena) => {
  const { i32, layout } = arena
  const { neighbours, neighIndex } = layout
  let slots = 4
  while (slots * 2 <= layout.config.neighbours * 4) slots *= 2
  const mask = slots - 1

  /** Seeded, so that nobody outside can fill one run of the index. */
  const hash = (dev: number, addr: number): number => {
    let h = Math.imul(i32[addr + 3] ^ i32[neighbours + NEIGH_TABLE_SEED], 0x85ebca6b)
    h = Math.imul((h ^ (h >>> 15)) + i32[addr + 2], 0xc2b2ae35)
    h = Math.imul((h ^ (h >>> 13)) + i32[addr + 1], 0x27d4eb2f)
    h = Math.imul((h ^ (h >>> 15)) + i32[addr] + dev, 0x165667b1)
    return h ^ (h >>> 16)
  }
  const isKey = (row: number, dev: number, addr: number): boolean =>
    i32[row + NEIGH_ADDR + 3] === i32[addr + 3] &&
    i32[row + NEIGH_IFINDEX] === dev &&
    i32[row + NEIGH_ADDR + 2] === i32[addr + 2] &&
    i32[row + NEIGH_ADDR + 1] === i32[addr + 1] &&
    i32[row + NEIGH_ADDR] === i32[addr]

  /** Row of (device, address), whose four words lie at i32[addr]; 0 is none. */
  const lookup = (dev: number, addr: number): number => {
    for (let slot = hash(dev, addr) & mask; ; slot = (slot + 1) & mask) {
      const row = i32[neighIndex + slot]
      if (row === 0 || isKey(row, dev, addr)) return row
    }
  }
  /** NUD_* of (device, address); NUD_NONE of who is not known. */
  const stateOf = (dev: number, addr: number): number => {
    const row = lookup(dev, addr)
    return row === 0 ? NUD_NONE : i32[row + NEIGH_STATE]
  }
  /** Number of a row, 1..neighbours-1. */
  const indexOf = (row: number): number => ((row - neighbours) / NEIGH_WORDS) | 0
  const rowAt = (n: number): number => neighbours + n * NEIGH_WORDS

  return { hash, isKey, lookup, stateOf, indexOf, rowAt, index: neighIndex, mask }
}
