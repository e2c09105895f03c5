import { expect, test } from 'bun:test'
import { pseudoSum } from '../../../core/base/checksum.ts'
import * as icmpv6 from '../../../core/wire/icmpv6.ts'

test('a neighbour solicitation verifies with its pseudo header', () => {
  // fe80::1 > ff02::1:ff00:2, target fe80::2, source link-layer address 02:00:00:00:00:01
  const mem = new Uint8Array(72)
  mem.set(Uint8Array.fromHex('fe800000000000000000000000000001ff0200000000000000000001ff000002'), 8)
  mem.set(Uint8Array.fromHex('8700000000000000fe800000000000000000000000000002'), 40)
  mem.set(Uint8Array.fromHex('0101020000000001'), 64)
  const pseudo = pseudoSum(mem, 8, 32, 58, 32)
  icmpv6.setChecksum(mem, 40, 32, pseudo)
  expect(icmpv6.isChecksumOk(mem, 40, 32, pseudo)).toBe(true)
  expect(icmpv6.type(mem, 40)).toBe(icmpv6.NDISC_NEIGHBOUR_SOLICITATION)
  expect(icmpv6.checksum(mem, 40)).not.toBe(0)
  mem[8]! ^= 1
  expect(icmpv6.isChecksumOk(mem, 40, 32, pseudoSum(mem, 8, 32, 58, 32))).toBe(false)
})

test('packet too big carries a 32-bit MTU', () => {
  const mem = new Uint8Array(8)
  icmpv6.setType(mem, 0, icmpv6.ICMPV6_PKT_TOOBIG)
  icmpv6.setCode(mem, 0, 0)
  icmpv6.setRest(mem, 0, 70000)
  expect(icmpv6.mtu(mem, 0)).toBe(70000)
  icmpv6.setId(mem, 0, 7)
  icmpv6.setSeq(mem, 0, 9)
  expect([icmpv6.id(mem, 0), icmpv6.seq(mem, 0)]).toEqual([7, 9])
})

test('errors are the types with the high bit clear', () => {
  const types = Array.from({ length: 256 }, (_, type) => type)
  expect(types.filter(icmpv6.isError)).toEqual(types.slice(0, 128))
})

test('a message has eight octets at least', () => {
  const mem = new Uint8Array(8)
  expect([7, 8].map((room) => icmpv6.check(mem, 0, room))).toEqual([false, true])
})
