import { expect, test } from 'bun:test'
import { pseudoSum } from '../../../core/base/checksum.ts'
import * as icmp from '../../../core/wire/icmp.ts'
import * as icmpv6 from '../../../core/wire/icmpv6.ts'

test('an echo request reads back and verifies', () => {
  const mem = new Uint8Array(11)
  icmp.setType(mem, 0, icmp.ICMP_ECHO)
  icmp.setId(mem, 0, 0x1234)
  icmp.setSeq(mem, 0, 0xfffe)
  mem.set([1, 2, 3], 8)
  icmp.setChecksum(mem, 0, 11)
  expect(icmp.isChecksumOk(mem, 0, 11)).toBe(true)
  expect(icmp.checksum(mem, 0)).toBe(~(0x0800 + 0x1234 + 0xfffe + 0x0102 + 0x0300 - 0xffff) & 0xffff)
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

test('errors are told from queries, in both versions', () => {
  const errors = (isError: (type: number) => boolean): number[] =>
    Array.from({ length: 256 }, (_, type) => type).filter(isError)
  expect(errors(icmp.isError)).toEqual([3, 4, 5, 11, 12])
  expect(errors(icmpv6.isError)).toEqual(Array.from({ length: 128 }, (_, type) => type))
})

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

test('both need eight octets', () => {
  const mem = new Uint8Array(8)
  expect([7, 8].map((room) => icmp.check(mem, 0, room))).toEqual([false, true])
  expect([7, 8].map((room) => icmpv6.check(mem, 0, room))).toEqual([false, true])
})
