import { expect, test } from 'bun:test'
import * as icmp from '../../../core/wire/icmp.ts'

test('an echo request reads back and verifies', () => {
  const mem = new Uint8Array(11)
  icmp.setType(mem, 0, icmp.ICMP_ECHO)
  icmp.setId(mem, 0, 0x1234)
  icmp.setSeq(mem, 0, 0xfffe)
  mem.set([1, 2, 3], 8)
  icmp.setChecksum(mem, 0, 11)
  expect(icmp.isChecksumOk(mem, 0, 11)).toBe(true)
  expect(icmp.checksum(mem, 0)).toBe(
    ~(0x0800 + 0x1234 + 0xfffe + 0x0102 + 0x0300 - 0xffff) & 0xffff
  )
  expect([icmp.type(mem, 0), icmp.code(mem, 0), icmp.id(mem, 0), icmp.seq(mem, 0)]).toEqual([
    8, 0, 0x1234, 0xfffe,
  ])
  mem[10] = 4
  expect(icmp.isChecksumOk(mem, 0, 11)).toBe(false)
})

test('fragmentation needed carries the next-hop MTU in the low half of a zeroed word', () => {
  const mem = new Uint8Array(8).fill(0xff)
  icmp.setType(mem, 0, icmp.ICMP_DEST_UNREACH)
  icmp.setCode(mem, 0, icmp.ICMP_FRAG_NEEDED)
  icmp.setNextHopMtu(mem, 0, 1400)
  expect(icmp.rest(mem, 0)).toBe(1400)
  expect(icmp.nextHopMtu(mem, 0)).toBe(1400)
  icmp.setRest(mem, 0, 0x0a000001)
  expect(icmp.gateway(mem, 0)).toBe(0x0a000001)
})

test('errors are told from queries; types that nobody uses count as errors, as for Linux', () => {
  const types = Array.from({ length: 256 }, (_, type) => type)
  expect(types.filter(icmp.isError)).toEqual([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12])
})

test('a message has eight octets at least', () => {
  const mem = new Uint8Array(8)
  expect([7, 8].map((room) => icmp.check(mem, 0, room))).toEqual([false, true])
})
