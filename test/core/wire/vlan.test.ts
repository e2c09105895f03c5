import { expect, test } from 'bun:test'
import * as ethernet from '../../../core/wire/ethernet.ts'
import * as vlan from '../../../core/wire/vlan.ts'

test('a tag put in and taken out again leaves the frame as it was', () => {
  const mem = Uint8Array.from({ length: 40 }, (_, i) => i)
  const before = mem.slice(8)
  const start = vlan.insert(mem, 8, ethernet.ETH_P_8021AD, vlan.makeTci(100, 5))
  expect(start).toBe(4)
  expect([...mem.subarray(4, 16)]).toEqual([...before.subarray(0, 12)])
  expect(vlan.isVlanType(ethernet.type(mem, 4))).toBe(true)
  expect(vlan.vid(mem, 18)).toBe(100)
  expect(vlan.priority(mem, 18)).toBe(5)
  expect(vlan.type(mem, 18)).toBe(0x1415)
  expect(vlan.remove(mem, 4)).toBe(8)
  expect(mem.slice(8)).toEqual(before)
})

test('fields read back as written', () => {
  const mem = new Uint8Array(4)
  vlan.setTci(mem, 0, 0xffff)
  vlan.setType(mem, 0, 0x0800)
  expect(vlan.tci(mem, 0)).toBe(0xffff)
  expect(vlan.vid(mem, 0)).toBe(4095)
  expect(vlan.priority(mem, 0)).toBe(7)
  expect(vlan.type(mem, 0)).toBe(0x0800)
  expect([3, 4].map((room) => vlan.check(mem, 0, room))).toEqual([false, true])
  expect(vlan.isVlanType(0x0800)).toBe(false)
})
