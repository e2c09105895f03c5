/**
 * The buckets of resilient nexthop groups. A flow's hash names a bucket, the bucket a member; when members change, only those
 * buckets move that must: at once where their member is gone, else when nothing came by them for the idle timer, or when the
 * group has been out of balance for the unbalanced timer. Called by nexthops.ts, on the control thread; inet/fib/multipath/multipath.ts
 * reads the buckets and notes their use. Linux: struct nh_res_table, nh_res_table_upkeep(), nh_res_group_rebalance()
 * (net/ipv4/nexthop.c).
 */
import { bucketUse } from '../../inet/fib/multipath/multipath.ts'
import type { Arena } from '../../shm/arena.ts'
import type { NexthopMember, NexthopObject, Resilience, WantedResilience } from './nexthop-store.ts'
import type { Publisher } from '../rtnl/publish.ts'

// milliseconds; an unbalanced timer of 0 forces nothing
const DEFAULT_IDLE_TIMER = 120_000
const DEFAULT_UNBALANCED_TIMER = 0
const UPKEEP_MINIMUM_INTERVAL = 500

export type Bucket = {
  /** The group. */
  id: number
  index: number
  /** The member. */
  nhid: number
  idleMs: number
}
type Group = NexthopObject & { members: readonly NexthopMember[]; resilient: Resilience }
/** A member's buckets: how many it should have, and how many it has. */
type Share = { id: number; wants: number; count: number }
type Table = Resilience & {
  id: number
  shares: Map<number, Share>
  /** Those that have too few, who is served first in front. */
  under: Share[]
  unbalancedSince: number
  /** When each bucket was given to its member. */
  migrated: Float64Array
  /** When to look again: Infinity while all have what they should. */
  due: number
}
export type NexthopBuckets = ReturnType<typeof createNexthopBuckets>

type BucketsDeps = {
  arena: Arena
  nowMs: () => number
  /** A timer has moved a bucket. */
  onMove: (bucket: Bucket) => void
} & Pick<Publisher, 'retire' | 'reclaim'>

export const isResilient = (one: NexthopObject): one is Group =>
  one.members !== null && one.resilient !== null

export const createNexthopBuckets = (deps: BucketsDeps) => {
  const { arena, nowMs, onMove, retire, reclaim } = deps
  const { i32, layout } = arena
  const { nhBuckets, config } = layout
  const threads = [...Array(config.workers).keys(), layout.controlThread]
  const columns = threads.map((thread) => bucketUse(layout, thread))
  const tables = new Map<number, Table>()
  /** Ranges of buckets that are somebody's, by where they begin. */
  let taken: { first: number; buckets: number }[] = []
  let nextDue = Infinity

  // ---- room

  /** The first of so many buckets that are nobody's, or -1. */
  const findRoom = (buckets: number): number => {
    let first = 0
    for (const range of taken) {
      if (range.first - first >= buckets) return first
      first = range.first + range.buckets
    }
    return config.nhBuckets - first >= buckets ? first : -1
  }
  const take = (buckets: number): number => {
    let first = findRoom(buckets)
    if (first < 0) {
      reclaim()
      first = findRoom(buckets)
    }
    if (first >= 0) taken = [...taken, { first, buckets }].sort((a, b) => a.first - b.first)
    return first
  }
  const used = (): number => taken.reduce((sum, { buckets }) => sum + buckets, 0)

  // ---- a bucket

  const nhidAt = ({ first }: Resilience, index: number): number =>
    i32[nhBuckets + first + index] >>> 0
  /** When something came by it last; the moment it was given away where nothing has since. */
  const usedAt = ({ first, migrated }: Table, index: number, now: number): number => {
    const jiffies = Math.floor(now) | 0
    let used = migrated[index]
    for (const column of columns) {
      const age = (jiffies - i32[column + first + index]) | 0
      if (age >= 0) used = Math.max(used, now - age)
    }
    return used
  }
  const bucketOf = (table: Table, index: number): Bucket => ({
    id: table.id,
    index,
    nhid: nhidAt(table, index),
    idleMs: nowMs() - usedAt(table, index, nowMs()),
  })

  // ---- balance

  const isOver = ({ count, wants }: Share): boolean => count > wants
  const isUnder = ({ count, wants }: Share): boolean => count < wants

  /** What each member should have of the buckets, by its weight. */
  const rebalance = (table: Table, members: readonly NexthopMember[], now: number): void => {
    const total = members.reduce((sum, { weight }) => sum + weight, 0)
    const hadUnder = table.under.length > 0
    let weights = 0
    let before = 0
    table.under = []
    for (const { id, weight } of members) {
      weights += weight
      const upTo = Math.round((table.buckets * weights) / total)
      const share = table.shares.get(id)!
      share.wants = upTo - before
      before = upTo
      if (isUnder(share)) table.under.unshift(share)
    }
    if (!hadUnder || table.under.length === 0) table.unbalancedSince = now
  }
  /**
   * Gives the bucket to who has too few. When its member has too many, it must have been idle, or the group be out of balance
   * for too long; else the answer is when to ask again.
   */
  const upkeepBucket = (table: Table, index: number, now: number): number => {
    const owner = table.shares.get(nhidAt(table, index))
    if (owner !== undefined) {
      if (!isOver(owner)) return Infinity
      const usedThen = usedAt(table, index, now)
      const idlePoint = usedThen === table.migrated[index] ? now : usedThen + table.idleMs
      const unbalancedPoint =
        table.unbalancedMs === 0 ? Infinity : table.unbalancedSince + table.unbalancedMs
      if (now < idlePoint && now <= unbalancedPoint) return Math.min(idlePoint, unbalancedPoint)
      owner.count--
    }
    const [share] = table.under
    i32[nhBuckets + table.first + index] = share.id
    share.count++
    table.migrated[index] = now
    if (!isUnder(share)) table.under.shift()
    return Infinity
  }
  /** Only what moves later, by a timer, is told of: what moves with a change, the change tells. */
  const upkeep = (table: Table, isTold: boolean): void => {
    const now = nowMs()
    let due = now + (table.unbalancedMs || table.idleMs)
    for (let index = 0; index < table.buckets; index++) {
      const before = nhidAt(table, index)
      due = Math.min(due, upkeepBucket(table, index, now))
      if (isTold && nhidAt(table, index) !== before) onMove(bucketOf(table, index))
    }
    table.due = table.under.length > 0 ? Math.max(due, now + UPKEEP_MINIMUM_INTERVAL) : Infinity
    nextDue = Math.min(nextDue, table.due)
  }
  /** Buckets of who is no member are nobody's. */
  const countShares = (table: Table, members: readonly NexthopMember[]): void => {
    table.shares = new Map(members.map(({ id }) => [id, { id, wants: 0, count: 0 }]))
    for (let index = 0; index < table.buckets; index++) {
      const share = table.shares.get(nhidAt(table, index))
      if (share !== undefined) share.count++
    }
  }

  // ---- groups

  /** Buckets for a group that says how many it wants; null when there is no room for them. */
  const add = (
    id: number,
    members: readonly NexthopMember[],
    wanted: WantedResilience & { buckets: number }
  ): Resilience | null => {
    const first = take(wanted.buckets)
    if (first < 0) return null
    const resilience = {
      first,
      buckets: wanted.buckets,
      idleMs: wanted.idleMs ?? DEFAULT_IDLE_TIMER,
      unbalancedMs: wanted.unbalancedMs ?? DEFAULT_UNBALANCED_TIMER,
    }
    const now = nowMs()
    const table = {
      ...resilience,
      id,
      shares: new Map<number, Share>(),
      under: [],
      unbalancedSince: now,
      migrated: new Float64Array(wanted.buckets),
      due: Infinity,
    }
    i32.fill(0, nhBuckets + first, nhBuckets + first + wanted.buckets)
    tables.set(id, table)
    countShares(table, members)
    rebalance(table, members, now)
    upkeep(table, false)
    return resilience
  }
  /** Its members or timers are others now; the rows of its routes lead to them already. */
  const replace = ({ id, members, resilient }: Group): void => {
    const table = tables.get(id)!
    table.idleMs = resilient.idleMs
    table.unbalancedMs = resilient.unbalancedMs
    countShares(table, members)
    rebalance(table, members, nowMs())
    upkeep(table, false)
  }
  const remove = (id: number): void => {
    const table = tables.get(id)
    if (table === undefined) return
    tables.delete(id)
    retire(() => {
      taken = taken.filter(({ first }) => first !== table.first)
    })
  }
  /** Moves what may be moved by now. */
  const expire = (): void => {
    const now = nowMs()
    if (now < nextDue) return
    nextDue = Infinity
    for (const table of tables.values()) {
      if (table.due <= now) upkeep(table, true)
      else nextDue = Math.min(nextDue, table.due)
    }
  }
  /** How long it has been out of balance. */
  const unbalancedMs = (id: number): number => {
    const { under, unbalancedSince } = tables.get(id)!
    return under.length === 0 ? 0 : nowMs() - unbalancedSince
  }
  const bucketsOf = (id: number): Bucket[] => {
    const table = tables.get(id)!
    return Array.from({ length: table.buckets }, (_, index) => bucketOf(table, index))
  }
  return { add, replace, remove, expire, unbalancedMs, bucketsOf, used }
}
