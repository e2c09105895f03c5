// The buckets of resilient groups: every bucket has a member at every moment, members come to have what their weights say, and
// no bucket moves that need not, before its time.

import { expect, test } from 'bun:test'
import { AF_INET } from '../../../../core/base/family.ts'
import type { Bucket } from '../../../../core/control/routes/nexthop-buckets.ts'
import {
  createNexthopBuckets,
  isResilient,
} from '../../../../core/control/routes/nexthop-buckets.ts'
import type { NexthopMember, Resilience } from '../../../../core/control/routes/nexthop-store.ts'
import { bucketUse } from '../../../../core/inet/fib/multipath/multipath.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { seeded } from '../../../support/random.ts'

const MINUTE = 60_000

const table = () => {
  const arena = createArena({ ...SMALL_ARENA, workers: 2, nhBuckets: 512 })
  const clock = { ms: 1000 }
  const moved: Bucket[] = []
  const limbo: (() => void)[] = []
  const buckets = createNexthopBuckets({
    arena,
    nowMs: () => clock.ms,
    onMove: (bucket) => void moved.push(bucket),
    retire: (done) => void limbo.push(done),
    reclaim: () => {
      for (const done of limbo.splice(0)) done()
    },
  })
  const of = (...weights: [id: number, weight: number][]): NexthopMember[] =>
    weights.map(([id, weight]) => ({ id, weight }))
  const replace = (id: number, members: NexthopMember[], resilient: Resilience): void => {
    const rest = { protocol: 0, dev: 0, gateway: null, flags: 0, isBlackhole: false }
    const group = { id, family: AF_INET, ...rest, members, resilient }
    if (isResilient(group)) buckets.replace(group)
  }
  const idsOf = (id: number): number[] => buckets.bucketsOf(id).map(({ nhid }) => nhid)
  const sharesOf = (id: number): Record<number, number> => {
    const found: Record<number, number> = {}
    for (const nhid of idsOf(id)) found[nhid] = (found[nhid] ?? 0) + 1
    return found
  }
  /** Something goes by the bucket now, on a worker. */
  const use = ({ first }: Resilience, index: number, worker = 1): void => {
    arena.i32[bucketUse(arena.layout, worker) + first + index] = clock.ms
  }
  const add = (id: number, members: NexthopMember[], wanted: object = {}): Resilience =>
    buckets.add(id, members, { buckets: 16, ...wanted })!
  return { ...buckets, add, replace, idsOf, sharesOf, use, of, clock, moved, reclaimAll: limbo }
}

test('members have buckets by their weights', () => {
  const { add, sharesOf, of } = table()
  add(9, of([1, 1], [2, 2], [3, 1]))
  expect(sharesOf(9)).toEqual({ 1: 4, 2: 8, 3: 4 })
  add(8, of([1, 1], [2, 1], [3, 1]), { buckets: 2 })
  expect(sharesOf(8)).toEqual({ 1: 1, 3: 1 })
})

test('who goes gives its buckets away, and nobody else does', () => {
  const { add, replace, idsOf, sharesOf, of, moved } = table()
  const made = add(9, of([1, 1], [2, 1], [3, 1], [4, 1]))
  const before = idsOf(9)
  replace(9, of([1, 1], [2, 1], [3, 1]), made)
  const after = idsOf(9)
  expect(after.filter((id, k) => id !== before[k])).toHaveLength(4)
  expect(after.filter((id, k) => id !== before[k] && before[k] !== 4)).toEqual([])
  expect(sharesOf(9)).toEqual({ 1: 5, 2: 6, 3: 5 })
  // what moves with a change is told by the change
  expect(moved).toEqual([])
})

test('a new member gets what is idle, when it is', () => {
  const { add, replace, sharesOf, of, use, clock, expire, unbalancedMs, moved } = table()
  const made = add(9, of([1, 1]), { idleMs: 10_000 })
  clock.ms += 5000
  for (let k = 0; k < 16; k++) use(made, k)
  replace(9, of([1, 1], [2, 1]), made)
  expect([sharesOf(9), unbalancedMs(9)]).toEqual([{ 1: 16 }, 0])
  clock.ms += 8000
  // ten are used again
  for (let k = 6; k < 16; k++) use(made, k, k % 2)
  expire()
  expect([sharesOf(9), unbalancedMs(9)]).toEqual([{ 1: 16 }, 8000])
  clock.ms += 3000
  expire()
  expect(sharesOf(9)).toEqual({ 1: 10, 2: 6 })
  expect(moved.map(({ index, nhid }) => [index, nhid])).toEqual(
    [0, 1, 2, 3, 4, 5].map((index) => [index, 2])
  )
  clock.ms += 8000
  expire()
  expect([sharesOf(9), unbalancedMs(9)]).toEqual([{ 1: 8, 2: 8 }, 0])
})

test('what was never used moves at once', () => {
  const { add, replace, sharesOf, of } = table()
  const made = add(9, of([1, 1]), { idleMs: 10 * MINUTE })
  replace(9, of([1, 1], [2, 3]), made)
  expect(sharesOf(9)).toEqual({ 1: 4, 2: 12 })
})

test('the unbalanced timer takes also what is in use', () => {
  const { add, replace, sharesOf, of, use, clock, expire } = table()
  const made = add(9, of([1, 1]), { idleMs: 10_000, unbalancedMs: 30_000 })
  clock.ms += 1000
  const useAll = (): void => {
    for (let k = 0; k < 16; k++) use(made, k)
  }
  useAll()
  replace(9, of([1, 1], [2, 1]), made)
  for (let second = 0; second < 30; second += 5) {
    clock.ms += 5000
    useAll()
    expire()
    expect(sharesOf(9)).toEqual({ 1: 16 })
  }
  clock.ms += 600
  expire()
  expect(sharesOf(9)).toEqual({ 1: 8, 2: 8 })
})

test('there is room again when a group has gone and nobody can hold it', () => {
  const { add, remove, of, used, reclaimAll } = table()
  expect(add(1, of([1, 1]), { buckets: 300 })).not.toBeNull()
  expect(add(2, of([1, 1]), { buckets: 200 })).not.toBeNull()
  expect(add(3, of([1, 1]), { buckets: 20 })).toBeNull()
  remove(1)
  expect([used(), reclaimAll.length]).toEqual([500, 1])
  expect(add(3, of([1, 1]), { buckets: 300 })).not.toBeNull()
  expect(used()).toBe(500)
})

test.each([1, 2, 3])('any change leaves every bucket a member, and few moved (seed %d)', (seed) => {
  const net = table()
  const { add, replace, idsOf, sharesOf, of, use, clock, expire } = net
  const random = seeded(seed)
  const pick = (below: number): number => (random() >>> 8) % below
  const made = add(9, of([1, 1], [2, 1]), { buckets: 128, idleMs: 5000 })
  for (let step = 0; step < 300; step++) {
    clock.ms += pick(3000)
    for (let k = pick(128); k > 0; k--) use(made, pick(128), pick(2))
    const before = idsOf(9)
    const ids = [1, 2, 3, 4, 5].filter(() => pick(2) === 0)
    if (ids.length > 0 && pick(4) === 0) {
      const members = of(...ids.map((id): [number, number] => [id, 1 + pick(9)]))
      replace(9, members, made)
      expect(idsOf(9).every((id) => ids.includes(id))).toBe(true)
    } else {
      expire()
      // who has too many gives, and has no fewer than it should by that
      const shares = sharesOf(9)
      for (const [k, id] of idsOf(9).entries())
        if (id !== before[k]) expect(shares[before[k]!] ?? 0).toBeGreaterThan(0)
    }
  }
})
