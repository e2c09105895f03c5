import { counterBank } from '../../../core/shm/counters.ts'
import { DROP_COUNTERS, Drop, createDrop, deviceDrops } from '../../../core/skb/drop.ts'
import { SKB_DEV } from '../../../core/skb/skb.ts'
import { makeSkbs } from '../../support/skbs.ts'
import { expect, test } from 'bun:test'

test('dropped is counted under its reason, at its device, and freed', () => {
  const { arena, a } = makeSkbs()
  const { drop } = createDrop(arena, a)
  const skb = a.alloc(10, 64)
  arena.i32[skb + SKB_DEV] = 3
  drop(skb, Drop.IP_CSUM)
  drop(a.alloc(10, 64), Drop.IP_CSUM)
  const at = (ifindex: number): number => arena.f64[deviceDrops(arena, 0, ifindex) + Drop.IP_CSUM]!
  expect([0, 1, 2, 3, 4].map(at)).toEqual([1, 0, 0, 1, 0])
  expect(arena.f64[counterBank(arena, 0) + DROP_COUNTERS + Drop.IP_CSUM]).toBe(2)
  expect(a.available().skbs).toBe(64)
})
