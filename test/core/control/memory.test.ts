import { expect, test } from 'bun:test'
import { createMemory } from '../../../core/control/memory.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { Holder, TRUESIZE_LARGE, TRUESIZE_SMALL } from '../../../core/skb/budget.ts'
import { createSkbs } from '../../../core/skb/skb.ts'

test('what is held is told by holder and worker, against the bound of all workers', () => {
  const arena = createArena({ ...SMALL_ARENA, workers: 2 })
  const [first, second] = [createSkbs(arena, 0), createSkbs(arena, 1)]
  first.budget.hold(first.alloc(1, 0), Holder.reasm)
  const large = second.alloc(60_000, 0)
  second.budget.hold(large, Holder.reasm)
  const pool = { thread: 0, role: 'worker', skbs_free: 1, small_free: 2, large_free: 3 }
  const { memory } = createMemory({ arena, pools: () => [pool] })
  const told = memory()
  if (!('item' in told)) throw new Error('refused')
  const { held, bound, holders, pools } = told.item
  const { bounds } = first.budget
  expect(holders.find(({ holder }) => holder === 'reasm')).toEqual({
    holder: 'reasm',
    bytes: TRUESIZE_SMALL + TRUESIZE_LARGE,
    bound:
      2 *
      (bounds[Holder.reasm * 2]! * TRUESIZE_SMALL + bounds[Holder.reasm * 2 + 1]! * TRUESIZE_LARGE),
    small: 1,
    small_bound: 2 * bounds[Holder.reasm * 2]!,
    large: 1,
    large_bound: 2 * bounds[Holder.reasm * 2 + 1]!,
    worker: [TRUESIZE_SMALL, TRUESIZE_LARGE],
  })
  expect(held).toBe(TRUESIZE_SMALL + TRUESIZE_LARGE)
  // who draws on another's bound does not add to the sum
  expect(holders.find(({ holder }) => holder === 'tcp_ofo')?.within).toBe('tcp_rcv')
  expect(bound).toBe(
    holders.reduce((sum, each) => sum + (each.within === undefined ? each.bound : 0), 0)
  )
  expect(pools[0]).toMatchObject({ ...pool, small: 2048, skbs: 2048, large: 64 })
  second.free(large)
  const after = memory()
  expect('item' in after && after.item.held).toBe(TRUESIZE_SMALL)
})
