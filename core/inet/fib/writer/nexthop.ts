/**
 * The writer of nexthop rows, on the control thread (Linux: fib_create_info, fib_release_info). Rows never
 * change once they are named: two routes that say the same share one, and one that says something else gets
 * another; those by a nexthop object aside, which go where it says. Alternatives of a prefix are a chain by NH_NEXT, so chains are shared as well; metrics are rows of their own.
 */
import { NH_METRICS } from '../../../shm/dst-metrics.ts'
import { RTN_UNICAST } from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { NEXTHOP_WORDS } from '../../../shm/layout.ts'
import {
  NH_BY_ID,
  NH_DEV,
  NH_GENERATION,
  NH_HOPS_LEFT,
  NH_ID,
  NH_NEXT,
  NH_SCOPE,
  NH_TYPE,
  NH_UPPER_BOUND,
  RT_SCOPE_LINK,
} from '../nexthop-constants.ts'
import { onlinkRow } from '../onlink-row.ts'
import type { Publisher } from '../../../control/rtnl/publish.ts'

type NexthopDeps = {
  arena: Arena
} & Pick<Publisher, 'retire' | 'reclaim'>
export type Nexthops = ReturnType<typeof createNexthops>

/** Words that name other rows. */
const NAMED = [NH_NEXT, NH_METRICS]

export const createNexthops = ({ arena, retire, reclaim }: NexthopDeps) => {
  const { i32, layout } = arena
  const { nexthops, devices } = layout.config
  if (nexthops <= devices)
    throw new Error(`nexthops: ${nexthops} rows are too few for ${devices} devices`)
  for (let ifindex = 1; ifindex < devices; ifindex++) {
    const row = onlinkRow(arena, ifindex)
    i32[row + NH_TYPE] = RTN_UNICAST
    i32[row + NH_DEV] = ifindex
    i32[row + NH_SCOPE] = RT_SCOPE_LINK
    i32[row + NH_GENERATION] = 1
  }
  const free: number[] = []
  for (let k = nexthops - 1; k >= devices; k--) free.push(layout.nexthops + k * NEXTHOP_WORDS)
  /** Rows by a hash of what they say: the first of each, and by the place of one the next. */
  const byHash = new Map<number, number>()
  const sameHash = new Int32Array(nexthops)
  const users = new Int32Array(nexthops)
  /** First rows of routes by an object, by its id. */
  const byId = new Map<number, Set<number>>()

  const placeOf = (row: number): number => (row - layout.nexthops) / NEXTHOP_WORDS
  const hold = (row: number): void => {
    if (row !== 0) users[placeOf(row)]++
  }
  /** Of a row's words, the first aside. */
  const hashOf = (words: Int32Array, at: number): number => {
    let hash = 0
    for (let k = 1; k < NEXTHOP_WORDS; k++) hash = Math.imul(hash ^ words[at + k], 0x9e3779b1) | 0
    return hash ^ (hash >>> 15)
  }
  const says = (row: number, words: Int32Array): boolean => {
    for (let k = 1; k < NEXTHOP_WORDS; k++) if (i32[row + k] !== words[k]) return false
    return true
  }
  const find = (words: Int32Array, hash: number): number => {
    let row = byHash.get(hash) ?? 0
    while (row !== 0 && !says(row, words)) row = sameHash[placeOf(row)]
    return row
  }
  const link = (row: number): void => {
    const hash = hashOf(i32, row)
    sameHash[placeOf(row)] = byHash.get(hash) ?? 0
    byHash.set(hash, row)
  }
  const unlink = (row: number): void => {
    const hash = hashOf(i32, row)
    const next = sameHash[placeOf(row)]
    let before = byHash.get(hash)!
    if (before !== row) {
      while (sameHash[placeOf(before)] !== row) before = sameHash[placeOf(before)]
      sameHash[placeOf(before)] = next
    } else if (next === 0) byHash.delete(hash)
    else byHash.set(hash, next)
  }
  const noteId = (row: number): void => {
    if (i32[row + NH_UPPER_BOUND] !== NH_BY_ID) return
    const id = i32[row + NH_ID] >>> 0
    const rows = byId.get(id)
    if (rows === undefined) byId.set(id, new Set([row]))
    else rows.add(row)
  }
  const forgetId = (row: number): void => {
    if (i32[row + NH_UPPER_BOUND] !== NH_BY_ID) return
    const id = i32[row + NH_ID] >>> 0
    const rows = byId.get(id)!
    rows.delete(row)
    if (rows.size === 0) byId.delete(id)
  }
  const rowsOfId = (id: number): readonly number[] => [...(byId.get(id) ?? [])]

  /**
   * A row that says `words` (word 0 aside), held once more; 0 when there is none left. It holds the rows that
   * its NH_NEXT and NH_METRICS name.
   */
  const intern = (words: Int32Array): number => {
    const hash = hashOf(words, 0)
    const known = find(words, hash)
    if (known !== 0) {
      hold(known)
      return known
    }
    if (free.length === 0) reclaim()
    const row = free.pop()
    if (row === undefined) return 0
    const generation = (i32[row + NH_GENERATION] + 1) | 0
    i32.set(words, row)
    i32[row + NH_GENERATION] = generation
    link(row)
    noteId(row)
    users[placeOf(row)] = 1
    for (const name of NAMED) hold(words[name])
    return row
  }

  /** Lets a row go; at the last release it is used again once no reader can hold it. */
  const release = (row: number): void => {
    if (--users[placeOf(row)] > 0) return
    unlink(row)
    forgetId(row)
    const named = NAMED.map((name) => i32[row + name])
    retire(() => {
      i32[row + NH_GENERATION] = (i32[row + NH_GENERATION] + 1) | 0
      free.push(row)
    })
    for (const other of named) if (other !== 0) release(other)
  }

  /**
   * A row by an object goes on to `next`, the first of `left` next hops, from now on, and does what `type` says: whoever reads
   * it meets the old next hops or the new ones. It takes the holder's place at `next`.
   */
  const turnOver = (row: number, next: number, left: number, type: number): void => {
    unlink(row)
    const before = i32[row + NH_NEXT]
    i32[row + NH_HOPS_LEFT] = left
    i32[row + NH_TYPE] = type
    i32[row + NH_NEXT] = next
    link(row)
    release(before)
  }

  const available = (): number => free.length
  return { intern, release, turnOver, rowsOfId, available }
}
