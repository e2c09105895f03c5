import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as bytes from '../../../core/base/bytes.ts'

const room = () => new Uint8Array(new SharedArrayBuffer(64))

describe('integers in packet memory', () => {
  test('network order, and 32-bit values signed', () => {
    const mem = Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc)
    expect(bytes.u8(mem, 1)).toBe(0xfe)
    expect(bytes.u16(mem, 0)).toBe(0xfffe)
    expect(bytes.i32(mem, 0)).toBe(-66052)
    expect(bytes.u16le(mem, 0)).toBe(0xfeff)
    expect(bytes.i32le(mem, 0)).toBe(0xfcfdfeff | 0)
  })

  test('every write reads back and touches nothing beside it', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 59 }), (value, at) => {
        const mem = room()
        const view = new DataView(mem.buffer)
        bytes.putI32(mem, at, value)
        expect(view.getInt32(at)).toBe(value)
        expect(bytes.i32(mem, at)).toBe(value)
        bytes.putI32le(mem, at, value)
        expect(view.getInt32(at, true)).toBe(value)
        expect(bytes.i32le(mem, at)).toBe(value)
        bytes.putU16(mem, at, value)
        expect(view.getUint16(at)).toBe(value & 0xffff)
        expect(bytes.u16(mem, at)).toBe(value & 0xffff)
        bytes.putU16le(mem, at, value)
        expect(view.getUint16(at, true)).toBe(value & 0xffff)
        bytes.putU8(mem, at, value)
        expect(bytes.u8(mem, at)).toBe(value & 0xff)
        expect(mem[at - 1]).toBe(0)
        expect(mem[at + 4]).toBe(0)
      })
    )
  })

  test('copy is memmove, whatever the overlap', () => {
    const args = [fc.nat(100), fc.nat(100), fc.nat(100)] as const
    fc.assert(
      fc.property(...args, (to, from, len) => {
        const mem = Uint8Array.from({ length: 200 }, (_, i) => i)
        const expected = mem.slice().copyWithin(to, from, from + len)
        bytes.copy(mem, to, from, len)
        expect(mem).toEqual(expected)
      })
    )
  })

  test('copyFrom and zero touch their range alone', () => {
    const mem = new Uint8Array(8).fill(9)
    bytes.copyFrom(mem, 2, Uint8Array.of(1, 2, 3, 4), 1, 3)
    expect([...mem]).toEqual([9, 9, 2, 3, 4, 9, 9, 9])
    bytes.zero(mem, 3, 2)
    expect([...mem]).toEqual([9, 9, 2, 0, 0, 9, 9, 9])
  })
})
