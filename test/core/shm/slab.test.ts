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
})
