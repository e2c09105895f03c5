import { expect, test } from 'bun:test'
import { createArena } from '../../../core/shm/arena.ts'
import { createIpi, Ipi } from '../../../core/shm/ipi.ts'
import { IPI_SLOTS, SMALL_ARENA, THREAD_SLEEPING, THREAD_WORDS } from '../../../core/shm/layout.ts'

const WORDS = [1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12] as const

const pair = () => {
  const arena = createArena({ ...SMALL_ARENA, workers: 2 })
  const woken: number[] = []
  const [a, b] = [0, 1].map((thread) => createIpi(arena, thread, (to) => woken.push(to)))
  const got: number[][] = []
  b!.on(Ipi.NOTIFY, (from, ...words) => got.push([from, ...words]))
  return { arena, a: a!, b: b!, got, woken }
}

test('a call carries twelve words to another thread, and those left out are zero', () => {
  const { a, b, got } = pair()
  expect(a.send(1, Ipi.NOTIFY, ...WORDS)).toBe(true)
  expect(a.send(1, Ipi.NOTIFY, 42)).toBe(true)
  expect(b.pending()).toBe(true)
  expect(b.run()).toBe(2)
  expect(got).toEqual([
    [0, ...WORDS],
    [0, 42, ...Array(11).fill(0)],
  ])
  expect(b.pending()).toBe(false)
})

test('a call to oneself runs at once', () => {
  const { b, got } = pair()
  b.send(1, Ipi.NOTIFY, ...WORDS)
  expect(got).toEqual([[1, ...WORDS]])
})

test('a full ring refuses the next call and loses none', () => {
  const { a, b, got } = pair()
  for (let k = 0; k < IPI_SLOTS; k++) expect(a.send(1, Ipi.NOTIFY, k)).toBe(true)
  expect(a.send(1, Ipi.NOTIFY, -1)).toBe(false)
  expect(b.run()).toBe(IPI_SLOTS)
  expect(got.map(([, k]) => k!)).toEqual(Array.from({ length: IPI_SLOTS }, (_, k) => k))
  expect(a.send(1, Ipi.NOTIFY, -1)).toBe(true)
})

test('a call whose handler throws is not run again', () => {
  const { a, b, got } = pair()
  b.on(Ipi.DEBUG_THROW, () => {
    throw new Error('thrown on request')
  })
  a.send(1, Ipi.DEBUG_THROW)
  a.send(1, Ipi.NOTIFY, 7)
  expect(() => b.run()).toThrow('thrown on request')
  expect(b.run()).toBe(1)
  expect(got.map(([, k]) => k!)).toEqual([7])
})

test('a thread that sleeps is woken, one that runs is not', () => {
  const { arena, a, woken } = pair()
  a.send(1, Ipi.NOTIFY)
  expect(woken).toEqual([])
  arena.i32[arena.layout.threadBlocks + THREAD_WORDS + THREAD_SLEEPING] = 1
  a.send(1, Ipi.NOTIFY)
  expect(woken).toEqual([1])
})
