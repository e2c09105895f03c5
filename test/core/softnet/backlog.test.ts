import { expect, test } from 'bun:test'
import { createArena } from '../../../core/shm/arena.ts'
import { counterBank, Softnet } from '../../../core/shm/counters.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { setSysctlDefaults, Sysctl } from '../../../core/shm/sysctl.ts'
import { computeBudget } from '../../../core/skb/budget.ts'
import { createDrop } from '../../../core/skb/drop.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import { createBacklog } from '../../../core/softnet/backlog.ts'

const setup = (maxBacklog: number) => {
  const arena = createArena({ ...SMALL_ARENA, workers: 4, nics: 1 })
  const { layout, i32 } = arena
  setSysctlDefaults(arena)
  i32[layout.sysctl + Sysctl.netdev_max_backlog] = maxBacklog
  const skbs = createSkbs(arena, layout.nicThread)
  const { drop } = createDrop(arena, skbs)
  const deps = { arena, skbs, drop, kick: () => {}, flowLimited: () => false }
  const { enqueueToBacklog } = createBacklog(deps)
  /** Puts packets on a CPU that stands still until it takes no more; how many. */
  const fill = (cpu: number): number => {
    for (let n = 0; ; n++) {
      const skb = skbs.alloc(60, 0)
      if (skb === 0 || !enqueueToBacklog(cpu, skb, 0)) return n
    }
  }
  const dropped = (cpu: number): number =>
    arena.f64[counterBank(arena, layout.nicThread) + Softnet.dropped + cpu]!
  return { skbs, fill, dropped, share: computeBudget(layout.config).backlog }
}

test('a CPU takes netdev_max_backlog packets while there is memory', () => {
  const { fill, dropped } = setup(300)
  expect(fill(0)).toBe(300)
  expect(dropped(0)).toBe(1)
  expect(fill(1)).toBe(300)
})
test('CPUs that stand still leave the others their share of the receiver’s memory', () => {
  const { skbs, fill, dropped, share } = setup(1000)
  for (const cpu of [0, 1]) expect(fill(cpu)).toBeGreaterThan(share)
  expect(fill(2)).toBe(share)
  expect(fill(3)).toBe(share)
  expect(dropped(2)).toBe(1)
  expect(skbs.alloc(60, 0)).not.toBe(0)
})
