// What was sent at the same time, though the timers of the two are late.

import { describe, expect, test } from 'bun:test'
import { differing, text } from './known/differing.ts'
import { apartOf, isSameTime, type Line, overtime } from './play.ts'

describe('when something was sent', () => {
  const line = (afterMs: number, sinceMs: number): Line => ({
    text: text(1, 101),
    atMs: 1,
    afterMs,
    sinceMs,
  })
  test('counts from what the host sent, or from what was done to it after that', () => {
    expect(isSameTime(0, line(200, 300), line(230, 400))).toBe(true)
    expect(isSameTime(0, line(400, 44), line(460, 40))).toBe(true)
  })
  test('not from what was done before it sent something', () => {
    expect(isSameTime(0, line(200, 300), line(250, 300))).toBe(false)
    expect(isSameTime(0, line(40, 44), line(460, 44))).toBe(false)
  })
  test('may be apart by as much more as nobody looked, or RTOs are', () => {
    expect(isSameTime(0, line(200, 200), line(240, 240))).toBe(false)
    expect(isSameTime(10, line(200, 200), line(240, 240))).toBe(true)
    const { halves } = differing({ steps: 'wait 700', kernel: [], softnet: [] })
    halves[0].rtosBefore = new Map([[0, 334]])
    expect(apartOf(0, halves)).toBe(0)
    halves[1].rtosBefore = new Map([[0, 445]])
    expect(apartOf(0, halves)).toBe(222)
    halves[1].rtosBefore = new Map([[0, 1000]])
    expect(apartOf(0, halves)).toBe(0)
  })
})

describe('a step goes on for longer', () => {
  const run = differing({ steps: '< . 1 ack 1', kernel: [], softnet: [] })
  const has = (kernel: number[], softnet: number[]): void => {
    for (const [side, seqs] of [kernel, softnet].entries())
      run.halves[side]!.lines = seqs.map((seq) => ({
        text: text(seq, seq + 10),
        atMs: 4,
        afterMs: 100,
        sinceMs: 4,
      }))
  }
  test('where one has sent more, whose timer the other may have as well', () => {
    has([1], [1])
    expect(overtime(run)).toBe(0)
    has([1], [1, 11])
    expect(overtime(run)).toBe(26)
    run.late.push([1, 2])
    has([1, 11], [1, 11])
    expect(overtime(run)).toBe(0)
  })
  test('and once more where a timer of the first was due by then', () => {
    has([1, 21], [1, 11])
    expect(overtime(run)).toBe(26)
    run.late.push([2, 2])
    has([1, 21], [1, 11, 21])
    expect(overtime(run)).toBe(0)
  })
})
