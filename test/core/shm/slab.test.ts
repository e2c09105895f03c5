import { describe, expect, test } from 'bun:test'
import { createSlab, slabWords } from '../../../core/shm/slab.ts'

const make = (rows: number) => createSlab(new Int32Array(slabWords(rows, 16)), 0, rows, 16, true)

describe('a slab', () => {
  test('gives each row once, zeroed, and none when it is full', () => {
    const slab = make(4)
    const rows = [slab.alloc(), slab.alloc(), slab.alloc(), slab.alloc()]
    expect(new Set(rows).size).toBe(4)
    expect(slab.alloc()).toBe(0)
    expect(slab.live()).toBe(4)
    expect(rows.every((row) => slab.isLive(row))).toBe(true)
  })

  test('tells a freed row, and a row that lives again under another generation', () => {
    const i32 = new Int32Array(slabWords(2, 16))
    const slab = createSlab(i32, 0, 2, 16, true)
    const row = slab.alloc()
    const generation = i32[row]
    slab.free(row)
    expect(slab.isLive(row)).toBe(false)
    expect(slab.alloc()).toBe(row)
    expect(i32[row]).not.toBe(generation)
    expect(() => {
      slab.free(row)
      slab.free(row)
    }).toThrow('freed twice')
  })

  test('made again by an owner that starts over is empty, and no handle from before fits a row', () => {
    const i32 = new Int32Array(slabWords(4, 16))
    const before = createSlab(i32, 0, 4, 16, true)
    const freed = before.alloc()
    const rows = [before.alloc(), before.alloc(), before.alloc()]
    before.free(freed)
    const old = [...rows, freed].map((row) => [row, i32[row]] as const)
    const slab = createSlab(i32, 0, 4, 16, true)
    expect(slab.live()).toBe(0)
    expect(rows.some((row) => slab.isLive(row))).toBe(false)
    const again = [slab.alloc(), slab.alloc(), slab.alloc(), slab.alloc()]
    expect(again.toSorted()).toEqual([...rows, freed].toSorted())
    expect(again.every((row) => slab.isLive(row))).toBe(true)
    for (const [row, generation] of old) expect(i32[row]).not.toBe(generation)
    for (const row of again) slab.free(row)
    expect(slab.live()).toBe(0)
  })

  test('gives out no serial number twice, started over or not', () => {
    const i32 = new Int32Array(slabWords(1, 16))
    const serials: number[] = []
    for (let start = 0; start < 5; start++) {
      const slab = createSlab(i32, 0, 1, 16, true)
      for (let k = 0; k < 5; k++) serials.push(slab.serial())
    }
    expect(new Set(serials).size).toBe(25)
  })
})
