import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as text from '../../../core/wire/text.ts'

describe('IPv4', () => {
  test('reads and writes dotted quads', () => {
    expect(text.parseIpv4('192.0.2.1')).toBe(0xc0000201 | 0)
    expect(text.parseIpv4('0.0.0.0')).toBe(0)
    expect(text.formatIpv4(-1)).toBe('255.255.255.255')
  })

  test.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.',
    '1..2.3',
    '0x1.2.3.4',
    '-1.2.3.4',
    '1.2.3.4/8',
    '1.2.3.1000',
    '１.2.3.4',
  ])('refuses %p', (bad) => expect(text.parseIpv4(bad)).toBeNull())
})

describe('IPv6', () => {
  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['fe80::1:0:0', 'fe80::1:0:0'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:7.8.9.10', '1:2:3:4:5:6:708:90a'],
  ])('%s is written %s', (given, written) => {
    const words = text.parseIpv6(given)
    expect(words).not.toBeNull()
    expect(text.formatIpv6(...words!)).toBe(written)
  })

  test.each([
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    ':1::2',
    '1::2:',
    '12345::',
    'g::',
    '::1%eth0',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::256.1.1.1',
    '[::1]',
    ':: 1',
    '1:2:3:4:5:6:7:',
  ])('refuses %p', (bad) => expect(text.parseIpv6(bad)).toBeNull())

  test('every address survives the round trip', () => {
    const word = fc.oneof(fc.integer(), fc.constant(0), fc.nat(0xffff))
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), (words) => {
        expect(text.parseIpv6(text.formatIpv6(...words))).toEqual(words)
      })
    )
  })

  test('agrees with the URL parser of the runtime', () => {
    const group = fc.constantFrom(0, 0, 0, 1, 0xdb8, 0xffff)
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const full = groups.map((g) => g.toString(16)).join(':')
        const words = text.parseIpv6(full)!
        fc.pre(!(words[0] === 0 && words[1] === 0 && words[2] === 0xffff))
        expect(`[${text.formatIpv6(...words)}]`).toBe(new URL(`http://[${full}]/`).hostname)
      })
    )
  })
})

describe('both families', () => {
  test('IPv4 is held as v4-mapped words', () => {
    expect(text.parseAddr('10.0.0.1')).toEqual({ family: 4, words: [0, 0, 0xffff, 0x0a000001] })
    expect(text.parseAddr('::1')).toEqual({ family: 6, words: [0, 0, 0, 1] })
    expect(text.parseAddr('host')).toBeNull()
    expect(text.formatAddr(text.parseAddr('10.0.0.1')!)).toBe('10.0.0.1')
    expect(text.formatAddr(text.parseAddr('::ffff:10.0.0.1')!)).toBe('::ffff:10.0.0.1')
    expect(text.formatWords(0, 0, 0xffff, 0x0a000001)).toBe('10.0.0.1')
    expect(text.formatWords(0, 0, 0, 1)).toBe('::1')
  })
})

describe('prefixes', () => {
  test.each(['10.0.0.1/24', '0.0.0.0/0', '2001:db8::/32', '::/0', '::1/128'])('%s', (given) => {
    expect(text.formatPrefix(text.parsePrefix(given)!)).toBe(given)
  })

  test('without a length it is one address', () => {
    expect(text.parsePrefix('10.0.0.1')!.prefixlen).toBe(32)
    expect(text.parsePrefix('::1')!.prefixlen).toBe(128)
  })

  test.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '/8',
    '::/129',
    '::/1/2',
    '10.0.0.0/8 ',
  ])('refuses %p', (bad) => expect(text.parsePrefix(bad)).toBeNull())

  test('networkOf clears the host bits', () => {
    const network = (given: string): string =>
      text.formatPrefix(text.networkOf(text.parsePrefix(given)!))
    expect(network('10.1.2.3/8')).toBe('10.0.0.0/8')
    expect(network('10.1.2.3/31')).toBe('10.1.2.2/31')
    expect(network('10.1.2.3/32')).toBe('10.1.2.3/32')
    expect(network('255.255.255.255/0')).toBe('0.0.0.0/0')
    expect(network('2001:db8:ffff::1/33')).toBe('2001:db8:8000::/33')
    expect(network('ffff::1/0')).toBe('::/0')
    expect(network('fe80::1:2:3:4/64')).toBe('fe80::/64')
  })
})

describe('MAC addresses', () => {
  test('reads and writes', () => {
    expect(text.parseMac('02:AA:ff:00:00:01')).toEqual({ hi: 0x02aa, lo: 0xff000001 | 0 })
    expect(text.formatMac(0x02aa, 0xff000001 | 0)).toBe('02:aa:ff:00:00:01')
    expect(text.formatMacAt(Uint8Array.of(9, 2, 0xaa, 0xff, 0, 0, 1), 1)).toBe('02:aa:ff:00:00:01')
  })

  test.each([
    '',
    '02:aa:ff:00:00',
    '02:aa:ff:00:00:01:02',
    '2:aa:ff:00:00:01',
    '02-aa-ff-00-00-01',
  ])('refuses %p', (bad) => expect(text.parseMac(bad)).toBeNull())
})
