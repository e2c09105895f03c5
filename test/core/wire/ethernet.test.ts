import { expect, test } from 'bun:test'
import * as ethernet from '../../../core/wire/ethernet.ts'

test('fields read back as written', () => {
  const mem = new Uint8Array(20)
  ethernet.setDst(mem, 2, 0x0102, 0x03040506)
  ethernet.setSrc(mem, 2, 0xaabb, 0xccddeeff | 0)
  ethernet.setType(mem, 2, ethernet.ETH_P_IPV6)
  expect([...mem.subarray(2, 16)]).toEqual([
    1, 2, 3, 4, 5, 6, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x86, 0xdd,
  ])
  expect(ethernet.dstHi(mem, 2)).toBe(0x0102)
  expect(ethernet.dstLo(mem, 2)).toBe(0x03040506)
  expect(ethernet.srcHi(mem, 2)).toBe(0xaabb)
  expect(ethernet.srcLo(mem, 2)).toBe(0xccddeeff | 0)
  expect(ethernet.type(mem, 2)).toBe(ethernet.ETH_P_IPV6)
  expect(ethernet.macHi(mem, 8)).toBe(0xaabb)
  expect(ethernet.macLo(mem, 8)).toBe(0xccddeeff | 0)
})

test('a frame is at least its header', () => {
  const mem = new Uint8Array(20)
  for (let room = 0; room < 20; room++) expect(ethernet.check(mem, 0, room)).toBe(room >= 14)
})

test('tells broadcast, multicast and station addresses apart', () => {
  const mem = new Uint8Array(14)
  ethernet.setDst(mem, 0, 0xffff, -1)
  expect(ethernet.isBroadcast(mem, 0)).toBe(true)
  expect(ethernet.isMulticast(mem, 0)).toBe(true)
  ethernet.setDst(mem, 0, 0x3333, 1)
  expect(ethernet.isBroadcast(mem, 0)).toBe(false)
  expect(ethernet.isMulticast(mem, 0)).toBe(true)
  ethernet.setDst(mem, 0, 0x0200, 1)
  expect(ethernet.isMulticast(mem, 0)).toBe(false)
  expect(ethernet.isMulticastMac(0x3333)).toBe(true)
  expect(ethernet.isMulticastMac(0x0200)).toBe(false)
  expect(ethernet.isStationMac(0x0200, 1)).toBe(true)
  expect(ethernet.isStationMac(0x0100, 1)).toBe(false)
  expect(ethernet.isStationMac(0, 0)).toBe(false)
})

test('copies and compares addresses between pools', () => {
  const a = Uint8Array.of(0, 1, 2, 3, 4, 5, 6)
  const b = new Uint8Array(8)
  ethernet.copyMac(b, 2, a, 1)
  expect([...b]).toEqual([0, 0, 1, 2, 3, 4, 5, 6])
  expect(ethernet.sameMac(a, 1, b, 2)).toBe(true)
  for (let i = 0; i < 6; i++) {
    b[2 + i]! ^= 1
    expect(ethernet.sameMac(a, 1, b, 2)).toBe(false)
    b[2 + i]! ^= 1
  }
})

test('maps 224.0.0.251 to 01:00:5e:00:00:fb and drops the upper bits of a group', () => {
  expect(ethernet.ipv4MulticastLo(0xe00000fb | 0)).toBe(0x5e0000fb)
  expect(ethernet.ipv4MulticastLo(0xefffffff | 0)).toBe(0x5e7fffff)
})
