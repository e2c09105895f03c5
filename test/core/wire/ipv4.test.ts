import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import { parseIpv4 } from '../../../core/wire/text.ts'

// the header of the worked example in many texts: 172.16.10.99 > 172.16.10.12, checksum b1e6
const EXAMPLE = '4500003c1c4640004006b1e6ac100a63ac100a0c'
const example = (): Uint8Array => Uint8Array.fromHex(EXAMPLE)

describe('a captured header', () => {
  test('reads as its sender meant it', () => {
    const mem = example()
    expect(ipv4.check(mem, 0, 60)).toBe(true)
    expect(ipv4.version(mem, 0)).toBe(4)
    expect(ipv4.headerLen(mem, 0)).toBe(20)
    expect(ipv4.totalLength(mem, 0)).toBe(60)
    expect(ipv4.id(mem, 0)).toBe(0x1c46)
    expect(ipv4.dontFragment(mem, 0)).toBe(true)
    expect(ipv4.isFragment(mem, 0)).toBe(false)
    expect(ipv4.ttl(mem, 0)).toBe(64)
    expect(ipv4.protocol(mem, 0)).toBe(6)
    expect(ipv4.src(mem, 0)).toBe(parseIpv4('172.16.10.99')!)
    expect(ipv4.dst(mem, 0)).toBe(parseIpv4('172.16.10.12')!)
    expect(ipv4.isChecksumOk(mem, 0)).toBe(true)
  })

  test('comes out of the setters octet for octet', () => {
    const mem = new Uint8Array(20).fill(0xff)
    ipv4.init(mem, 0, 6, ipv4.src(example(), 0), ipv4.dst(example(), 0), 60, 64)
    ipv4.setId(mem, 0, 0x1c46)
    ipv4.setFragment(mem, 0, ipv4.IP_DF, 0)
    ipv4.setChecksum(mem, 0)
    expect(mem.toHex()).toBe(EXAMPLE)
  })
})

describe('check', () => {
  test('refuses a wrong version, a short header, lengths that disagree', () => {
    const bad = (at: number, value: number, room = 60): boolean => {
      const mem = example()
      mem[at] = value
      return ipv4.check(mem, 0, room)
    }
    expect(bad(0, 0x65)).toBe(false)
    expect(bad(0, 0x44)).toBe(false)
    expect(bad(3, 19)).toBe(false)
    expect(bad(3, 61)).toBe(false)
    expect(bad(3, 59)).toBe(true)
    expect(bad(0, 0x4f, 60)).toBe(true)
    for (let room = 0; room < 60; room++) expect(ipv4.check(example(), 0, room)).toBe(false)
  })
})

test('the fragment field: flags and offset in octets', () => {
  const mem = example()
  ipv4.setFragment(mem, 0, ipv4.IP_MF, 1480)
  expect(ipv4.fragment(mem, 0)).toBe(0x2000 | 185)
  expect(ipv4.moreFragments(mem, 0)).toBe(true)
  expect(ipv4.dontFragment(mem, 0)).toBe(false)
  expect(ipv4.fragmentOffset(mem, 0)).toBe(1480)
  expect(ipv4.isFragment(mem, 0)).toBe(true)
})

test('a decremented TTL leaves a checksum that verifies', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (mem) => {
      mem[0] = 0x45
      mem[8] = Math.max(1, mem[8]!)
      ipv4.setChecksum(mem, 0)
      const ttl = ipv4.ttl(mem, 0)
      const protocol = ipv4.protocol(mem, 0)
      ipv4.decreaseTtl(mem, 0)
      expect(ipv4.ttl(mem, 0)).toBe(ttl - 1)
      expect(ipv4.protocol(mem, 0)).toBe(protocol)
      expect(ipv4.isChecksumOk(mem, 0)).toBe(true)
    })
  )
})

test('every setter reads back', () => {
  const mem = new Uint8Array(60)
  ipv4.setVersionIhl(mem, 0, 60)
  ipv4.setTos(mem, 0, 0xb8)
  ipv4.setTotalLength(mem, 0, 65535)
  ipv4.setTtl(mem, 0, 255)
  ipv4.setProtocol(mem, 0, 17)
  ipv4.putChecksum(mem, 0, 0xabcd)
  ipv4.setSrc(mem, 0, -2)
  ipv4.setDst(mem, 0, -3)
  expect(ipv4.headerLen(mem, 0)).toBe(60)
  expect(ipv4.tos(mem, 0)).toBe(0xb8)
  expect(ipv4.totalLength(mem, 0)).toBe(65535)
  expect(ipv4.ttl(mem, 0)).toBe(255)
  expect(ipv4.protocol(mem, 0)).toBe(17)
  expect(ipv4.checksum(mem, 0)).toBe(0xabcd)
  expect(ipv4.src(mem, 0)).toBe(-2)
  expect(ipv4.dst(mem, 0)).toBe(-3)
})

test('classes of addresses', () => {
  const is = (of: (addr: number) => boolean, text: string): boolean => of(parseIpv4(text)!)
  expect(is(ipv4.isMulticastAddr, '224.0.0.1')).toBe(true)
  expect(is(ipv4.isMulticastAddr, '239.255.255.255')).toBe(true)
  expect(is(ipv4.isMulticastAddr, '240.0.0.0')).toBe(false)
  expect(is(ipv4.isLoopbackAddr, '127.9.9.9')).toBe(true)
  expect(is(ipv4.isLoopbackAddr, '128.0.0.1')).toBe(false)
  expect(is(ipv4.isZeroNetAddr, '0.0.0.0')).toBe(true)
  expect(is(ipv4.isZeroNetAddr, '0.1.2.3')).toBe(false)
  expect(is(ipv4.isLinkLocalAddr, '169.254.1.1')).toBe(true)
  expect(parseIpv4('255.255.255.255')).toBe(ipv4.INADDR_BROADCAST)
})
