import { expect, test } from 'bun:test'
import { i32, putI32 } from '../../../core/base/bytes.ts'
import { pseudoSum } from '../../../core/base/checksum.ts'
import * as udp from '../../../core/wire/udp.ts'

const datagram = (): Uint8Array => {
  const mem = new Uint8Array(18)
  putI32(mem, 0, 0x0a000001)
  putI32(mem, 4, 0x0a000002)
  udp.setSrcPort(mem, 8, 1000)
  udp.setDstPort(mem, 8, 2000)
  udp.setLength(mem, 8, 10)
  mem.set([0x68, 0x69], 16)
  return mem
}

test('reads back and verifies', () => {
  const mem = datagram()
  const pseudo = pseudoSum(mem, 0, 8, 17, 10)
  expect(udp.hasChecksum(mem, 8)).toBe(false)
  udp.setChecksum(mem, 8, pseudo)
  expect(udp.checksum(mem, 8)).toBe(0x77b6)
  expect(udp.isChecksumOk(mem, 8, pseudo)).toBe(true)
  expect([udp.srcPort(mem, 8), udp.dstPort(mem, 8), udp.length(mem, 8)]).toEqual([1000, 2000, 10])
})

test('a checksum that comes out zero is sent as all ones, and still verifies', () => {
  const mem = datagram()
  const pseudo = pseudoSum(mem, 0, 8, 17, 10)
  // the payload word that brings the sum to ffff
  putI32(mem, 14, 0x6869 + 0x77b6)
  expect(i32(mem, 14)).toBe(0xe01f)
  udp.setChecksum(mem, 8, pseudo)
  expect(udp.checksum(mem, 8)).toBe(0xffff)
  expect(udp.isChecksumOk(mem, 8, pseudo)).toBe(true)
})

test('check wants a length between the header and the room', () => {
  const mem = datagram()
  for (let room = 0; room < 14; room++) expect(udp.check(mem, 8, room)).toBe(room >= 10)
  udp.setLength(mem, 8, 7)
  expect(udp.check(mem, 8, 100)).toBe(false)
})
