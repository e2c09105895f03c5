/**
 * The neighbour table as worker 0 writes it: rows under their sequence locks, the index that neigh-table.ts reads, and which
 * rows are free. They survive a restart of worker 0, which makes the index and the free list from them. Called by the state
 * machine (neighbour.ts). Linux: net/core/neighbour.c, struct neigh_hash_table.
 */
import { TIME_MS, type Time } from '../base/time.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { DEV_MAC } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEVICE_WORDS, NEIGH_WORDS } from '../shm/layout.ts'
import * as ethernet from '../wire/ethernet.ts'
import {
  NEIGH_ADDR,
  NEIGH_HASH,
  NEIGH_HH,
  NEIGH_IFINDEX,
  NEIGH_SEQ,
  NEIGH_STATE,
  NEIGH_TABLE_COUNT,
  NEIGH_TABLE_HIGH,
  NEIGH_TABLE_SEED,
  NEIGH_TIMER,
  NEIGH_UPDATED,
  NUD_NONE,
} from './neigh-constants.ts'
import type { NeighTable } from './neigh-table.ts'

export type NeighWriter = ReturnType<typeof createNeighWriter>

export const createNeighWriter = (arena: Arena, time: Time, table: NeighTable) => {
  const { i32, u8, layout } = arena
  const { neighbours, devices, neighIndex } = layout
  const rows = layout.config.neighbours
  const mask = table.mask
  const free = new Int32Array(rows)
  let freeCount = 0

  const beginWrite = (row: number): void => {
    Atomics.store(i32, row + NEIGH_SEQ, i32[row + NEIGH_SEQ] | 1)
  }
  const endWrite = (row: number): void => {
    Atomics.store(i32, row + NEIGH_SEQ, ((i32[row + NEIGH_SEQ] | 1) + 1) | 0)
  }
  /** The only writer of a state. */
  const enterState = (row: number, state: number): void => {
    beginWrite(row)
    i32[row + NEIGH_STATE] = state
    endWrite(row)
    i32[row + NEIGH_UPDATED] = time[TIME_MS]
  }
  const setLladdr = (row: number, hi: number, lo: number, type: number): void => {
    const at = (row + NEIGH_HH) << 2
    const own = (devices + i32[row + NEIGH_IFINDEX] * DEVICE_WORDS + DEV_MAC) << 2
    beginWrite(row)
    ethernet.setDst(u8, at + 2, hi, lo)
    ethernet.copyMac(u8, at + 8, u8, own)
    ethernet.setType(u8, at + 2, type)
    endWrite(row)
  }

  const enterIndex = (row: number): void => {
    let slot = i32[row + NEIGH_HASH] & mask
    while (i32[neighIndex + slot] !== 0) slot = (slot + 1) & mask
    i32[neighIndex + slot] = row
  }
  /** Takes the row out and moves what its slot kept from home back (no tombstones). */
  const leaveIndex = (row: number): void => {
    let hole = i32[row + NEIGH_HASH] & mask
    while (i32[neighIndex + hole] !== row) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const other = i32[neighIndex + slot]
      if (other === 0) break
      const home = i32[other + NEIGH_HASH] & mask
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      i32[neighIndex + hole] = other
      hole = slot
    }
    i32[neighIndex + hole] = 0
  }

  /** A row in state NONE for (device, i32[addr]), which is in no index yet; 0 when there is none. */
  const alloc = (dev: number, addr: number): number => {
    if (freeCount === 0) return 0
    const row = free[--freeCount]
    beginWrite(row)
    for (let w = NEIGH_IFINDEX; w < NEIGH_WORDS; w++) i32[row + w] = 0
    for (let w = 0; w < 4; w++) i32[row + NEIGH_ADDR + w] = i32[addr + w]
    i32[row + NEIGH_HASH] = table.hash(dev, addr)
    i32[row + NEIGH_IFINDEX] = dev
    endWrite(row)
    return row
  }
  /** From now on it is found. */
  const link = (row: number): void => {
    enterIndex(row)
    i32[neighbours + NEIGH_TABLE_COUNT]++
    const n = table.indexOf(row)
    if (n >= i32[neighbours + NEIGH_TABLE_HIGH]) i32[neighbours + NEIGH_TABLE_HIGH] = n + 1
  }
  const release = (row: number): void => {
    leaveIndex(row)
    beginWrite(row)
    i32[row + NEIGH_STATE] = NUD_NONE
    i32[row + NEIGH_IFINDEX] = 0
    endWrite(row)
    free[freeCount++] = row
    i32[neighbours + NEIGH_TABLE_COUNT]--
  }

  /**
   * Index and free list from the shared rows: at boot there are none, after a restart they are as they were left. `each`
   * hears of those that are in use.
   */
  const rebuild = (random: () => number, each: (row: number) => void): void => {
    if (i32[neighbours + NEIGH_TABLE_SEED] === 0) i32[neighbours + NEIGH_TABLE_SEED] = random() | 1
    i32.fill(0, neighIndex, neighIndex + mask + 1)
    let live = 0
    let high = 1
    for (let n = rows - 1; n > 0; n--) {
      const row = table.rowAt(n)
      i32.fill(0, row + NEIGH_TIMER, row + NEIGH_TIMER + TIMER_WORDS)
      // worker 0 died while it wrote this one: nobody knows what it says
      if ((i32[row + NEIGH_SEQ] & 1) !== 0) {
        i32[row + NEIGH_IFINDEX] = 0
        i32[row + NEIGH_STATE] = NUD_NONE
        endWrite(row)
      }
      if (i32[row + NEIGH_IFINDEX] === 0) {
        free[freeCount++] = row
        continue
      }
      i32[row + NEIGH_HASH] = table.hash(i32[row + NEIGH_IFINDEX], row + NEIGH_ADDR)
      enterIndex(row)
      each(row)
      live++
      if (high <= n) high = n + 1
    }
    i32[neighbours + NEIGH_TABLE_COUNT] = live
    i32[neighbours + NEIGH_TABLE_HIGH] = high
  }

  return { enterState, setLladdr, alloc, link, release, rebuild }
}
