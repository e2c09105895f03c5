// Sleeping and publishing in the order that loses a wake-up where the sleeper does not look once more: both sides'
// functions are called by one thread, control's between the worker's.

import { describe, expect, test } from 'bun:test'
import { createPublisher } from '../../core/control/rtnl/publish.ts'
import { createArena } from '../../core/shm/arena.ts'
import { createIpi } from '../../core/shm/ipi.ts'
import {
  G_GENERATION,
  G_SHUTDOWN,
  SMALL_ARENA,
  THREAD_ACK,
  THREAD_RUNNING,
  THREAD_SLEEPING,
  THREAD_WORDS,
} from '../../core/shm/layout.ts'
import { createQuiescent } from '../../workers/quiescent.ts'
import { createSleep } from '../../workers/wake.ts'

const CONFIG = { ...SMALL_ARENA, workers: 2, nics: 1 }

const make = (thread: number) => {
  const arena = createArena(CONFIG)
  const { i32, layout } = arena
  const block = layout.threadBlocks + thread * THREAD_WORDS
  const woken: number[] = []
  const { kick } = createIpi(arena, layout.controlThread, (t) => woken.push(t))
  const { raise, appliedBy } = createPublisher({ arena, kick, pause: async () => {} })
  i32[block + THREAD_RUNNING] = 1
  let changes = 0
  const quiescent = createQuiescent(arena, thread, () => changes++)
  const sleep = createSleep(arena, thread)
  let waits = 0
  /** Goes to sleep, `between` just before the wait. */
  const nap = (pending = () => false, between = () => {}): void =>
    sleep(pending, () => {
      between()
      waits++
    })
  return {
    i32,
    block,
    woken,
    raise,
    appliedBy,
    quiescent,
    nap,
    waits: () => waits,
    changes: () => changes,
  }
}

// thread ids: workers, then the nic thread
describe.each([
  ['a worker', 0],
  ['the nic thread', CONFIG.workers],
])('%s', (_name, thread) => {
  test('does not sleep over a change published after its last quiescent point', () => {
    const { i32, block, raise, quiescent, nap, waits, woken, changes } = make(thread)
    quiescent()
    nap()
    expect(waits()).toBe(1)
    quiescent()
    // control finds it awake, so nobody rings
    const generation = raise()
    expect(woken).toEqual([])
    nap()
    expect(waits()).toBe(1)
    quiescent()
    expect(i32[block + THREAD_ACK]).toBe(generation)
    expect(changes()).toBe(2)
    nap()
    expect(waits()).toBe(2)
  })

  test('is rung when the change comes while it sleeps', () => {
    const { raise, quiescent, nap, woken } = make(thread)
    quiescent()
    nap(
      () => false,
      () => raise()
    )
    expect(woken).toEqual([thread])
  })

  test('is rung, and works with the change, when it comes between its last look and its wait', () => {
    const { i32, block, raise, quiescent, nap, woken } = make(thread)
    quiescent()
    let generation = 0
    nap(() => {
      expect(i32[block + THREAD_SLEEPING]).toBe(1)
      generation = raise()
      return false
    })
    expect(woken).toEqual([thread])
    quiescent()
    expect(i32[block + THREAD_ACK]).toBe(generation)
  })

  test('does not sleep over the end', () => {
    const { i32, quiescent, nap, waits } = make(thread)
    quiescent()
    i32[G_SHUTDOWN] = 1
    nap()
    expect(waits()).toBe(0)
    expect(quiescent()).toBe(false)
  })

  test('sleeps where generations wrap around, and does not over the one that does', () => {
    const { i32, raise, quiescent, nap, waits } = make(thread)
    i32[G_GENERATION] = 0x7fffffff
    quiescent()
    nap()
    expect(waits()).toBe(1)
    expect(raise()).toBe(-0x80000000)
    nap()
    expect(waits()).toBe(1)
  })
})
