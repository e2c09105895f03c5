import { expect, test } from 'bun:test'
import { ipBytes, macBytes, macText, parsePrefix } from '../../../workers/os/address.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test.each([
  ['10.0.1.2', '0a000102'],
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['fd00::', 'fd000000000000000000000000000000'],
  ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
])('%s', (text, bytes) => {
  expect(hex(ipBytes(text))).toBe(bytes)
})

test('prefixes', () => {
  expect(parsePrefix('10.0.1.2/24').length).toBe(24)
  expect(parsePrefix('10.0.1.2').length).toBe(32)
  expect(parsePrefix('fd00::1').length).toBe(128)
})

test.each(['10.0.1', '10.0.1.2/33', 'fd00::1/129', 'fe80::1%eth0', '10.0.1.2/x', ''])(
  "'%s' is refused",
  (text) => {
    expect(() => parsePrefix(text)).toThrow(TypeError)
  }
)

test('MAC addresses there and back', () => {
  expect(macText(macBytes('02:00:5E:00:00:0f'))).toBe('02:00:5e:00:00:0f')
  expect(() => macBytes('02:00:5e:00:00')).toThrow(TypeError)
})
