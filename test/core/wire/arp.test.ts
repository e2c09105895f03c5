import { expect, test } from 'bun:test'
import * as arp from '../../../core/wire/arp.ts'

const request = (): Uint8Array => {
  const mem = new Uint8Array(28)
  arp.init(mem, 0, arp.ARPOP_REQUEST)
  arp.setSender(mem, 0, 0x0200, 1, 0x0a000001)
  arp.setTarget(mem, 0, 0, 0, 0x0a000002)
  return mem
}

test('writes a request as RFC 826 lays it out', () => {
  expect([...request()]).toEqual([
    0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
  ])
})

test('reads back what was written', () => {
  const mem = request()
  arp.setTarget(mem, 0, 0xffff, -1, 0x0a000001)
  expect(arp.operation(mem, 0)).toBe(1)
  expect(arp.senderMacHi(mem, 0)).toBe(0x0200)
  expect(arp.senderMacLo(mem, 0)).toBe(1)
  expect(arp.senderIp(mem, 0)).toBe(0x0a000001)
  expect(arp.targetMacHi(mem, 0)).toBe(0xffff)
  expect(arp.targetMacLo(mem, 0)).toBe(-1)
  expect(arp.isGratuitous(mem, 0)).toBe(true)
})

test('refuses other hardware, other protocols, other lengths and short packets', () => {
  for (const at of [0, 1, 2, 3, 4, 5]) {
    const mem = request()
    mem[at]!++
    expect(arp.check(mem, 0, 28)).toBe(false)
  }
  for (let room = 0; room < 28; room++) expect(arp.check(request(), 0, room)).toBe(false)
  expect(arp.check(request(), 0, 28)).toBe(true)
})
