import { AF_INET } from '../../../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { createMemory } from '../../../../core/control/diag/memory.ts'
import { createFibWriter } from '../../../../core/inet/fib/writer/fib-writer.ts'
import { createNexthops } from '../../../../core/inet/fib/writer/nexthop.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { Holder, TRUESIZE_LARGE, TRUESIZE_SMALL } from '../../../../core/skb/budget.ts'
import { createSkbs } from '../../../../core/skb/skbs.ts'

test('what is held is told by holder and worker, against the bound of all workers', () => {
  const arena = createArena({ ...SMALL_ARENA, workers: 2 })
  const [first, second] = [createSkbs(arena, 0), createSkbs(arena, 1)]
  first.budget.hold(first.alloc(1, 0), Holder.reasm)
  const large = second.alloc(60_000, 0)
  second.budget.hold(large, Holder.reasm)
  const pool = { thread: 0, role: 'worker', skbs_free: 1, small_free: 2, large_free: 3 }
  const quiet = { arena, retire: (done: () => void) => done(), reclaim: () => {} }
  const fib = createFibWriter(quiet)
  const nexthops = createNexthops(quiet)
  const { memory } = createMemory({
    arena,
    fib,
    nexthops,
    buckets: { used: () => 0 },
    pools: () => [pool],
  })
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

test('what routes take is told: it follows their number, and falls again with them', () => {
  const arena = createArena(SMALL_ARENA)
  const quiet = { arena, retire: (done: () => void) => done(), reclaim: () => {} }
  const fib = createFibWriter(quiet)
  const nexthops = createNexthops(quiet)
  const { memory } = createMemory({
    arena,
    fib,
    nexthops,
    buckets: { used: () => 0 },
    pools: () => [],
  })
  const told = () => {
    const answer = memory()
    if (!('item' in answer)) throw new Error('refused')
    return answer.item.fib
  }
  const before = told()
  expect(before).toMatchObject({ bytes: 0, bound: SMALL_ARENA.fibNodes * 1024, nexthops: 0 })
  for (let k = 0; k < 64; k++) fib.insert(0, AF_INET, 254, [0, 0, 0xffff, (k << 16) | 256], 24, 32)
  // two prefixes or fewer of a block of 16 bits share a page with 31 others
  expect(told()).toMatchObject({ bytes: 2 * 1024, inet: { prefixes: 64 }, inet6: { prefixes: 0 } })
  for (let k = 0; k < 64; k++) fib.remove(0, AF_INET, 254, [0, 0, 0xffff, (k << 16) | 256], 24)
  expect(told()).toMatchObject({ bytes: 0, inet: { prefixes: 0 } })
})
