import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import * as ext from '../../../core/wire/ipv6-ext.ts'

const OUT = new Int32Array(ext.EXT_WORDS)

/** A fixed header, the given bytes behind it. */
const packet = (next: number, ...body: number[]): Uint8Array => {
  const mem = new Uint8Array(40 + body.length)
  ipv6.init(mem, 0, next, body.length, 64)
  mem.set(body, 40)
  return mem
}
const walk = (mem: Uint8Array): number => ext.walk(mem, 0, mem.length, OUT)

describe('walk', () => {
  test('without extension headers it is the fixed header', () => {
    expect(walk(packet(6))).toBe(ext.WALK_OK)
    expect([...OUT]).toEqual([6, 40, 6, -1, -1])
  })

  test('hop-by-hop, routing, fragment, authentication, UDP', () => {
    const mem = packet(
      0,
      ...[43, 0, 1, 4, 0, 0, 0, 0],
      ...[44, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[51, 0, 0, 1, 0, 0, 0, 9],
      ...[17, 4, ...new Array(22).fill(0)]
    )
    expect(walk(mem)).toBe(ext.WALK_OK)
    expect([...OUT]).toEqual([17, 96, 72, 64, 48])
  })

  test('stops behind the fragment header of a later piece', () => {
    const mem = packet(44, 60, 0, 0, 8, 0, 0, 0, 7, 99, 99, 99, 99)
    expect(walk(mem)).toBe(ext.WALK_OK)
    expect(OUT[ext.EXT_PROTOCOL]).toBe(60)
    expect(OUT[ext.EXT_TRANSPORT]).toBe(48)
    expect(OUT[ext.EXT_FRAGMENT]).toBe(40)
  })

  test('ESP and no-next-header end the chain', () => {
    expect(walk(packet(50))).toBe(ext.WALK_OK)
    expect(OUT[ext.EXT_PROTOCOL]).toBe(50)
    expect(walk(packet(60, 59, 0, 1, 4, 0, 0, 0, 0))).toBe(ext.WALK_OK)
    expect(OUT[ext.EXT_PROTOCOL]).toBe(59)
  })

  test('a chain longer than the bound is refused', () => {
    const options = (count: number) =>
      Array.from({ length: count }, (_, i) => [
        i === count - 1 ? 6 : 60,
        0,
        1,
        4,
        0,
        0,
        0,
        0,
      ]).flat()
    expect(walk(packet(60, ...options(ext.MAX_EXT_HEADERS)))).toBe(ext.WALK_OK)
    expect(walk(packet(60, ...options(ext.MAX_EXT_HEADERS + 1)))).toBe(ext.WALK_TOO_MANY)
  })

  test('a header that runs beyond the end is truncated, at every length', () => {
    const mem = packet(0, 43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 4, 0, 0, 0, 0, 0)
    for (let end = 40; end < mem.length; end++) {
      expect(ext.walk(mem, 0, end, OUT)).toBe(ext.WALK_TRUNCATED)
    }
    expect(ext.walk(mem, 0, mem.length, OUT)).toBe(ext.WALK_OK)
  })

  test('never passes the end, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.constantFrom(0, 43, 44, 51, 60),
        (body, next) => {
          const mem = packet(next, ...body)
          if (walk(mem) === ext.WALK_OK)
            expect(OUT[ext.EXT_TRANSPORT]).toBeLessThanOrEqual(mem.length)
        }
      )
    )
  })
})

test('the fragment header reads back as written', () => {
  const mem = new Uint8Array(8)
  ext.putFragment(mem, 0, 17, 1448, true, 0xdeadbeef | 0)
  expect(mem.toHex()).toBe('110005a9deadbeef')
  expect(ext.fragmentNextHeader(mem, 0)).toBe(17)
  expect(ext.fragmentOffset(mem, 0)).toBe(1448)
  expect(ext.moreFragments(mem, 0)).toBe(true)
  expect(ext.fragmentId(mem, 0)).toBe(0xdeadbeef | 0)
})
