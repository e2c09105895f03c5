/**
 * The tables of multicast routes: how every thread looks a route up, and how the one writer of each changes it. A reader
 * that meets a change begins again. Linux: net/ipv4/ipmr_base.c (mr_mfc_find_parent, mr_mfc_find_any).
 */
import { isSameAddr } from '../../base/family.ts'
import { mix32, mixIn, roundUpPowerOfTwo } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { MC_TABLE_HEAD, MFC_STATS, MFC_WORDS } from '../../shm/layout.ts'
import type { Words } from '../../wire/text.ts'
import { MC_TRIES } from './mc-constants.ts'
import {
  MFC_FOUND,
  MFC_GROUP,
  MFC_IIF,
  MFC_NEXT,
  MFC_OIF,
  MFC_OIFS,
  MFC_SERIAL,
  MFC_SET,
  MFC_SOURCE,
  MFC_UNRESOLVED,
  MFT_HIGH,
  MFT_SEQ,
  MOST_OIFS,
} from './mfc-constants.ts'

type Oif = { ifindex: number; ttl: number }
/** A route; a source of zeros (v4-mapped for IPv4) is any. */
export type MfcRoute = {
  iif: number
  source: Words
  group: Words
  oifs: readonly Oif[]
  isUnresolved: boolean
}

const places = ({ layout }: Arena, table: number) => {
  const { mroutes } = layout.config
  const base = layout.mfc + table * layout.mfcWords
  const rows = base + MC_TABLE_HEAD
  const buckets = rows + mroutes * MFC_WORDS
  return { base, rows, buckets, mask: roundUpPowerOfTwo(mroutes) - 1 }
}
const hash = (words: Int32Array, source: number, group: number): number => {
  let h = 0
  for (let k = 0; k < 4; k++) h = mixIn(mixIn(h, words[source + k]), words[group + k])
  return mix32(h)
}

export const createMfcReader = (arena: Arena) => {
  const { i32, layout } = arena
  const { mroutes } = layout.config
  const tables = [MFC_SET, MFC_FOUND].map((table) => places(arena, table))

  const find = (table: number, words: Int32Array, source: number, group: number): number => {
    const { buckets, mask } = tables[table]
    let row = i32[buckets + (hash(words, source, group) & mask)]
    for (let left = mroutes; row !== 0 && left > 0; left--) {
      if (
        i32[row + MFC_IIF] !== 0 &&
        isSameAddr(i32, row + MFC_SOURCE, words, source) &&
        isSameAddr(i32, row + MFC_GROUP, words, group)
      )
        return row
      row = i32[row + MFC_NEXT]
    }
    return 0
  }
  /**
   * Copies the row of (source, group) of a table to (to, 0): its number, or -1. The addresses lie at (words, source) and
   * (words, group).
   */
  const read = (
    table: number,
    words: Int32Array,
    source: number,
    group: number,
    to: Int32Array
  ): number => {
    const { base, rows } = tables[table]
    for (let tries = MC_TRIES; tries > 0; tries--) {
      const seq = Atomics.load(i32, base + MFT_SEQ)
      const row = find(table, words, source, group)
      if (row !== 0) for (let k = 0; k < MFC_WORDS; k++) to[k] = i32[row + k]
      if ((seq & 1) === 0 && Atomics.load(i32, base + MFT_SEQ) === seq)
        return row === 0 ? -1 : ((row - rows) / MFC_WORDS) | 0
    }
    return -1
  }
  /** First of the float64 words that `worker` counts of a route. */
  const statsOf = (worker: number, table: number, n: number): number =>
    layout.mfcStatsF64 + ((worker * 2 + table) * mroutes + n) * MFC_STATS

  const wordsAt = (at: number): Words => [i32[at], i32[at + 1], i32[at + 2], i32[at + 3]]
  /** All routes of a table in words, with their numbers, the oldest first: for control. */
  const list = (table: number): { n: number; route: MfcRoute }[] => {
    const { base, rows } = tables[table]
    const readAll = () => {
      const found: { n: number; serial: number; route: MfcRoute }[] = []
      for (let n = 0; n < Math.min(i32[base + MFT_HIGH], mroutes); n++) {
        const row = rows + n * MFC_WORDS
        if (i32[row + MFC_IIF] === 0) continue
        const oifs = Array.from({ length: Math.min(i32[row + MFC_OIFS], MOST_OIFS) }, (_, k) => ({
          ifindex: i32[row + MFC_OIF + k] & 0xffff,
          ttl: i32[row + MFC_OIF + k] >>> 16,
        }))
        const route = {
          iif: i32[row + MFC_IIF],
          source: wordsAt(row + MFC_SOURCE),
          group: wordsAt(row + MFC_GROUP),
          oifs,
          isUnresolved: i32[row + MFC_UNRESOLVED] !== 0,
        }
        found.push({ n, serial: i32[row + MFC_SERIAL], route })
      }
      return found.sort((a, b) => a.serial - b.serial)
    }
    for (let tries = MC_TRIES; ; tries--) {
      const seq = Atomics.load(i32, base + MFT_SEQ)
      const found = readAll()
      if (tries === 0 || ((seq & 1) === 0 && Atomics.load(i32, base + MFT_SEQ) === seq))
        return found
    }
  }
  return { read, statsOf, list }
}

export type MfcWriter = ReturnType<typeof createMfcWriter>

/** The writer of a table; what a forerunner has left in it is gone. */
export const createMfcWriter = (arena: Arena, table: number) => {
  const { i32, f64, layout } = arena
  const { mroutes, workers } = layout.config
  const { base, rows, buckets, mask } = places(arena, table)
  const { statsOf } = createMfcReader(arena)
  const held = new Map<string, number>()
  const free = Array.from({ length: mroutes }, (_, k) => mroutes - 1 - k)
  let serial = 0
  const key = new Int32Array(8)

  const write = (fn: () => void): void => {
    Atomics.add(i32, base + MFT_SEQ, 1)
    fn()
    Atomics.add(i32, base + MFT_SEQ, 1)
  }
  if ((i32[base + MFT_SEQ] & 1) !== 0) Atomics.add(i32, base + MFT_SEQ, 1)
  write(() => {
    i32.fill(0, rows, buckets + mask + 1)
    i32[base + MFT_HIGH] = 0
  })

  const keyOf = (source: Words, group: Words): string => `${source.join(' ')} ${group.join(' ')}`
  const bucketOf = (source: Words, group: Words): number => {
    key.set(source, 0)
    key.set(group, 4)
    return buckets + (hash(key, 0, 4) & mask)
  }
  const fill = (row: number, { iif, oifs, isUnresolved }: MfcRoute): void => {
    i32[row + MFC_IIF] = iif
    i32[row + MFC_UNRESOLVED] = isUnresolved ? 1 : 0
    i32[row + MFC_OIFS] = oifs.length
    for (const [k, { ifindex, ttl }] of oifs.entries())
      i32[row + MFC_OIF + k] = ifindex | (ttl << 16)
  }
  /** Sets a route, in the place of one for the same (source, group). False: there is no room, or there are too many oifs. */
  const set = (route: MfcRoute): boolean => {
    if (route.oifs.length > MOST_OIFS) return false
    const { source, group } = route
    const known = held.get(keyOf(source, group))
    if (known !== undefined) {
      write(() => fill(rows + known * MFC_WORDS, route))
      return true
    }
    const n = free.pop()
    if (n === undefined) return false
    held.set(keyOf(source, group), n)
    for (let w = 0; w < workers; w++)
      f64.fill(0, statsOf(w, table, n), statsOf(w, table, n) + MFC_STATS)
    write(() => {
      const row = rows + n * MFC_WORDS
      const bucket = bucketOf(source, group)
      i32.fill(0, row, row + MFC_WORDS)
      i32.set(source, row + MFC_SOURCE)
      i32.set(group, row + MFC_GROUP)
      i32[row + MFC_SERIAL] = ++serial
      fill(row, route)
      i32[row + MFC_NEXT] = i32[bucket]
      i32[bucket] = row
      if (n >= i32[base + MFT_HIGH]) i32[base + MFT_HIGH] = n + 1
    })
    return true
  }
  /** False: there is none. */
  const remove = (source: Words, group: Words): boolean => {
    const n = held.get(keyOf(source, group))
    if (n === undefined) return false
    held.delete(keyOf(source, group))
    free.push(n)
    write(() => {
      const row = rows + n * MFC_WORDS
      const bucket = bucketOf(source, group)
      if (i32[bucket] === row) i32[bucket] = i32[row + MFC_NEXT]
      else
        for (let prev = i32[bucket]; prev !== 0; prev = i32[prev + MFC_NEXT])
          if (i32[prev + MFC_NEXT] === row) i32[prev + MFC_NEXT] = i32[row + MFC_NEXT]
      i32[row + MFC_IIF] = 0
    })
    return true
  }
  const has = (source: Words, group: Words): boolean => held.has(keyOf(source, group))
  /** A column of a route's statistics over all workers; of the times, the latest. */
  const sum = (source: Words, group: Words, column: number): number => {
    const n = held.get(keyOf(source, group))
    let all = 0
    for (let w = 0; n !== undefined && w < workers; w++) all += f64[statsOf(w, table, n) + column]
    return all
  }
  return { set, remove, has, sum, count: (): number => held.size }
}
