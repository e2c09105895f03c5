import { expect, test } from 'bun:test'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import { parseIpv6 } from '../../../core/wire/text.ts'

const header = (): Uint8Array => {
  const mem = new Uint8Array(60)
  ipv6.init(mem, 0, 17, 20, 64)
  ipv6.setSrc(mem, 0, ...parseIpv6('2001:db8::1')!)
  ipv6.setDst(mem, 0, ...parseIpv6('ff02::fb')!)
  return mem
}

test('writes a header as RFC 8200 lays it out', () => {
  expect(header().subarray(0, 40).toHex()).toBe(
    '6000000000141140' + '20010db8000000000000000000000001' + 'ff0200000000000000000000000000fb'
  )
})

test('reads back what was written', () => {
  const mem = header()
  ipv6.setTrafficClassFlow(mem, 0, 0xb9, 0xabcde)
  expect(ipv6.version(mem, 0)).toBe(6)
  expect(ipv6.trafficClass(mem, 0)).toBe(0xb9)
  expect(ipv6.flowLabel(mem, 0)).toBe(0xabcde)
  expect(ipv6.payloadLength(mem, 0)).toBe(20)
  expect(ipv6.nextHeader(mem, 0)).toBe(17)
  ipv6.decrementHopLimit(mem, 0)
  expect(ipv6.hopLimit(mem, 0)).toBe(63)
  const src = [ipv6.src0, ipv6.src1, ipv6.src2, ipv6.src3].map((word) => word(mem, 0))
  const dst = [ipv6.dst0, ipv6.dst1, ipv6.dst2, ipv6.dst3].map((word) => word(mem, 0))
  expect(src).toEqual([...parseIpv6('2001:db8::1')!])
  expect(dst).toEqual([...parseIpv6('ff02::fb')!])
})

test('check refuses another version and a payload that is not all there', () => {
  for (let room = 0; room < 70; room++) expect(ipv6.check(header(), 0, room)).toBe(room >= 60)
  const mem = header()
  mem[0] = 0x45
  expect(ipv6.check(mem, 0, 60)).toBe(false)
})

test('classes of addresses', () => {
  expect(ipv6.isMulticastAddr(parseIpv6('ff02::1')![0])).toBe(true)
  expect(ipv6.multicastScope(parseIpv6('ff05::1')![0])).toBe(5)
  expect(ipv6.isLinkLocalAddr(parseIpv6('fe80::1')![0])).toBe(true)
  expect(ipv6.isLinkLocalAddr(parseIpv6('febf::1')![0])).toBe(true)
  expect(ipv6.isLinkLocalAddr(parseIpv6('fec0::1')![0])).toBe(false)
  expect(ipv6.isUnspecifiedAddr(...parseIpv6('::')!)).toBe(true)
  expect(ipv6.isLoopbackAddr(...parseIpv6('::1')!)).toBe(true)
  expect(ipv6.isLoopbackAddr(...parseIpv6('::2')!)).toBe(false)
  const [w0, w1, w2] = parseIpv6('::ffff:1.2.3.4')!
  expect(ipv6.isV4Mapped(w0, w1, w2)).toBe(true)
})
