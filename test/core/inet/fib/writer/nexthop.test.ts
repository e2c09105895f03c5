import { describe, expect, test } from 'bun:test'
import { createNexthops } from '../../../../../core/inet/fib/writer/nexthop.ts'
import {
  NH_DEV,
  NH_GENERATION,
  NH_METRIC,
  NH_NEXT,
} from '../../../../../core/inet/fib/nexthop-constants.ts'
import { onlinkRow } from '../../../../../core/inet/fib/onlink-row.ts'
import { createArena } from '../../../../../core/shm/arena.ts'
import { NEXTHOP_WORDS, SMALL_ARENA } from '../../../../../core/shm/layout.ts'

const make = (nexthops = 16) => {
  const arena = createArena({ ...SMALL_ARENA, nexthops })
  const waiting: (() => void)[] = []
  const reclaim = () => {
    for (const done of waiting.splice(0)) done()
  }
  const nh = createNexthops({ arena, retire: (done) => waiting.push(done), reclaim })
  const words = (dev: number, metric: number, next = 0): Int32Array => {
    const content = new Int32Array(NEXTHOP_WORDS)
    content[NH_DEV] = dev
    content[NH_METRIC] = metric
    content[NH_NEXT] = next
    return content
  }
  return { arena, ...nh, reclaim, words }
}

describe('nexthop rows', () => {
  test('that say the same are one', () => {
    const { intern, words, available } = make()
    const left = available()
    expect(intern(words(2, 1))).toBe(intern(words(2, 1)))
    expect(intern(words(2, 1))).not.toBe(intern(words(2, 2)))
    expect(available()).toBe(left - 2)
  })

  test('are used again after their last release and a grace period, with another generation', () => {
    const { arena, intern, release, words, available, reclaim } = make()
    const left = available()
    const row = intern(words(2, 1))
    const generation = arena.i32[row + NH_GENERATION]!
    intern(words(2, 1))
    release(row)
    release(row)
    expect([available(), arena.i32[row + NH_DEV]]).toEqual([left - 1, 2])
    reclaim()
    expect(available()).toBe(left)
    expect(intern(words(3, 1))).toBe(row)
    expect(arena.i32[row + NH_GENERATION]).toBe(generation + 2)
  })

  test('hold the row behind them', () => {
    const { intern, release, words, available, reclaim } = make()
    const left = available()
    const second = intern(words(2, 20))
    const first = intern(words(2, 10, second))
    release(second)
    reclaim()
    expect(available()).toBe(left - 2)
    release(first)
    reclaim()
    expect(available()).toBe(left)
  })

  test('run out with 0, unless some only wait', () => {
    const { intern, release, words, available } = make()
    const rows: number[] = []
    while (available() > 0) rows.push(intern(words(2, rows.length + 1)))
    expect(intern(words(3, 1))).toBe(0)
    release(rows[0]!)
    expect(intern(words(3, 1))).toBe(rows[0]!)
  })

  test('of the devices are there from the beginning', () => {
    const { arena } = make()
    for (const ifindex of [1, 7])
      expect(arena.i32[onlinkRow(arena, ifindex) + NH_DEV]).toBe(ifindex)
  })
})
