// A stack's turn and its clock.

import { expect, test } from 'bun:test'
import { TIMER_WORDS } from '../../core/base/timer-wheel.ts'
import { createControl } from '../../core/control/control.ts'
import { createStack } from '../../core/stack.ts'
import { createArena } from '../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../core/shm/layout.ts'
import { createIpi, Ipi } from '../../core/shm/ipi.ts'

const make = () => {
  const arena = createArena({ ...SMALL_ARENA, nics: 1 })
  let us = 5_000_000
  // it makes the tables that a stack reads
  createControl({ arena, nowUs: () => us, wake: () => {}, random: () => 1, pause: async () => {} })
  const stack = createStack({
    arena,
    thread: 0,
    nowUs: () => us,
    random: () => 1,
    wake: () => {},
    secret: Int32Array.of(1, 2),
  })
  const timer = stack.words(TIMER_WORDS)
  const fired: number[] = []
  const fn = stack.wheel.register(() => void fired.push(us / 1000 - 5000))
  return { arena, stack, timer, fn, fired, sleep: (ms: number) => void (us += ms * 1000) }
}

test('what a turn does first after a nap of 900 ms arms a timer of a second for a second', () => {
  const { arena, stack, timer, fn, fired, sleep } = make()
  stack.poll()
  sleep(900)
  // a call from another thread, which runs before anything else in the turn
  stack.ipi.on(Ipi.NEIGH_USED, () => stack.wheel.arm(timer, 1000, fn))
  createIpi(arena, arena.layout.nicThread, () => {}).send(0, Ipi.NEIGH_USED)
  stack.poll()
  for (let ms = 0; ms < 1100; ms++) {
    sleep(1)
    stack.poll()
  }
  expect(fired).toEqual([1900])
})

test('a caller from outside a turn reads the clock first', () => {
  const { stack, timer, fn, fired, sleep } = make()
  stack.poll()
  sleep(900)
  stack.tick()
  stack.wheel.arm(timer, 50, fn)
  for (let ms = 0; ms < 100; ms++) {
    sleep(1)
    stack.poll()
  }
  expect(fired).toEqual([950])
})
