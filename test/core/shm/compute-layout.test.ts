import { describe, expect, test } from 'bun:test'
import { createArena } from '../../../core/shm/arena.ts'
import {
  type ArenaConfig,
  DEFAULT_ARENA,
  LARGE_BYTES,
  MAX_WORKERS,
  SMALL_ARENA,
  SMALL_BYTES,
} from '../../../core/shm/layout.ts'
import { computeLayout, fitPools, MAX_ARENA_BYTES } from '../../../core/shm/compute-layout.ts'
import { SKB_END } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'

const withWorkers = (workers: number): ArenaConfig => ({ ...DEFAULT_ARENA, workers })
const pools = ({ skbs, smallBuffers, largeBuffers, socks }: ArenaConfig) => ({
  skbs,
  smallBuffers,
  largeBuffers,
  socks,
})
const WORKERS = [1, 2, 8, 16, 24, 28, 32]

describe.each(WORKERS)('an arena of %d workers', (workers) => {
  const layout = computeLayout(withWorkers(workers))

  test('lies below 2^31, to the end of its last buffer', () => {
    expect(layout.totalBytes).toBeLessThanOrEqual(MAX_ARENA_BYTES)
    const { smallBytes, smalls, largeBytes, larges } = layout
    for (const end of [smallBytes + smalls * SMALL_BYTES, largeBytes + larges * LARGE_BYTES]) {
      expect(end | 0).toBe(end)
      expect(end).toBeLessThan(layout.totalBytes)
    }
  })

  test('leaves each thread pools to work with', () => {
    const { smallBuffers, largeBuffers, socks, skbs, backlog } = layout.config
    expect(smallBuffers).toBeGreaterThanOrEqual(4096)
    expect(largeBuffers).toBeGreaterThanOrEqual(128)
    expect(socks).toBeGreaterThanOrEqual(4096)
    expect(skbs).toBeGreaterThanOrEqual(smallBuffers)
    // one CPU's full backlog does not take all that its nic has
    expect(smallBuffers).toBeGreaterThanOrEqual(backlog)
    for (const size of [smallBuffers, largeBuffers, socks]) expect(Math.log2(size) % 1).toBe(0)
    expect(layout.returnSlots).toBeGreaterThanOrEqual(skbs + smallBuffers + largeBuffers)
  })

  test('is the same map whoever computes it, from what was asked for or from what fitted', () => {
    expect(computeLayout(withWorkers(workers))).toEqual(layout)
    expect(computeLayout(layout.config)).toEqual(layout)
  })

  test('has regions one behind the other, on lines of their own', () => {
    const { regions } = placed(layout)
    for (const [name, at] of regions) expect([name, at % 32]).toEqual([name, 0])
    expect(new Set(regions.map(([, at]) => at)).size).toBe(regions.length)
    expect(regions.length).toBeGreaterThan(30)
  })
})

/** Where each region begins, as word indices. */
const placed = (layout: ReturnType<typeof computeLayout>) => {
  const { config: _, threads, controlThread, nicThread, appThread, ...rest } = layout
  const { smalls, larges, totalBytes, returnSlots, mcRows, mcBuckets, ...places } = rest
  const regions = Object.entries(places)
    .filter(([name]) => !name.endsWith('Words'))
    .map(([name, at]): [string, number] => [
      name,
      name.endsWith('F64') ? at * 2 : name.endsWith('Bytes') ? at / 4 : at,
    ])
  return { regions }
}

test('up to eight workers have what was asked for, more have less, and none more', () => {
  const wanted = pools(DEFAULT_ARENA)
  for (const workers of [1, 2, 4, 8]) expect(pools(fitPools(withWorkers(workers)))).toEqual(wanted)
  let before = wanted
  for (let workers = 9; workers <= MAX_WORKERS; workers++) {
    const now = pools(fitPools(withWorkers(workers)))
    for (const pool of Object.keys(now) as (keyof typeof now)[])
      expect(now[pool]).toBeLessThanOrEqual(before[pool])
    before = now
  }
  expect(before.largeBuffers).toBeLessThan(wanted.largeBuffers)
})

test('what cannot be made to fit is refused, and what takes the room is named', () => {
  const config = { ...withWorkers(32), apps: 400 }
  expect(() => computeLayout(config)).toThrow(
    /^arena: 434 threads need \d+ MiB of at most 2048 MiB, their pools at the least: returnRings \d+ MiB, /
  )
})

test('more workers than bits of a mask, and pools that are no power of two, are refused', () => {
  expect(() => computeLayout(withWorkers(33))).toThrow('workers: 33 are more than 32')
  expect(() => computeLayout({ ...SMALL_ARENA, skbs: 1000 })).toThrow('skbs: 1000 is not')
})

test('a pool that gave way is filled with what it has, and its buffers lie apart', () => {
  const config = { ...SMALL_ARENA, workers: 24, largeBuffers: 2048, socks: 16 }
  const arena = createArena(config, new ArrayBuffer(computeLayout(config).totalBytes))
  const { largeBuffers } = arena.layout.config
  expect(largeBuffers).toBeLessThan(2048)
  const last = createSkbs(arena, arena.layout.threads - 1)
  expect(last.available().larges).toBe(largeBuffers)
  const ends = new Set<number>()
  for (let skb = last.alloc(60000, 0); skb !== 0; skb = last.alloc(60000, 0))
    ends.add(arena.i32[skb + SKB_END]!)
  expect(ends.size).toBe(largeBuffers)
  expect(Math.max(...ends)).toBe(arena.layout.largeBytes + arena.layout.larges * LARGE_BYTES)
})
