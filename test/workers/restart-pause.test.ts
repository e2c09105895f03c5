// How long a worker is away after an error.

import { expect, test } from 'bun:test'
import { createRestartPause } from '../../workers/restart-pause.ts'

const pauses = (ran: number[]): number[] => {
  const nextPause = createRestartPause()
  return ran.map((ms) => nextPause(ms))
}

test('a stack that throws at once is made anew ever more slowly, twice a second in the end', () => {
  expect(pauses([0, 0, 1, 2, 0, 5, 0, 0])).toEqual([10, 20, 40, 80, 160, 320, 500, 500])
})

test('one that has run for ten times the pause before starts from the beginning', () => {
  expect(pauses([0, 0, 0, 400, 0])).toEqual([10, 20, 40, 10, 20])
  expect(pauses([0, 0, 0, 399])).toEqual([10, 20, 40, 80])
  expect(pauses([...Array<number>(10).fill(0), 4999, 5000])).toEqual([
    ...[10, 20, 40, 80, 160, 320, 500, 500, 500, 500],
    ...[500, 10],
  ])
})

test('a hundred errors, a tenth of a second apart, take eleven seconds', () => {
  const ran = Array<number>(100).fill(100)
  const total = pauses(ran).reduce((sum, pause, n) => sum + pause + ran[n]!, 0)
  expect(total).toBe(11_000)
})
