import { expect, test } from 'bun:test'
import { putI32 } from '../../../core/base/bytes.ts'
import { pseudoSum } from '../../../core/base/checksum.ts'
import * as tcp from '../../../core/wire/tcp.ts'

test('reads back what was written, and zeroes the reserved bits', () => {
  const mem = new Uint8Array(24).fill(0xff)
  tcp.setSrcPort(mem, 0, 40000)
  tcp.setDstPort(mem, 0, 443)
  tcp.setSeq(mem, 0, 0xfffffffe | 0)
  tcp.setAck(mem, 0, 7)
  tcp.setHeaderLenFlags(mem, 0, 24, tcp.TCP_SYN | tcp.TCP_ACK)
  tcp.setWindow(mem, 0, 65535)
  tcp.putChecksum(mem, 0, 0x1234)
  tcp.setUrgent(mem, 0, 3)
  expect(mem.toHex()).toBe('9c4001bbfffffffe000000076012ffff12340003ffffffff')
  expect([tcp.srcPort(mem, 0), tcp.dstPort(mem, 0)]).toEqual([40000, 443])
  expect([tcp.seq(mem, 0), tcp.ack(mem, 0)]).toEqual([-2, 7])
  expect([tcp.headerLen(mem, 0), tcp.optionsLen(mem, 0)]).toEqual([24, 4])
  expect(tcp.flags(mem, 0)).toBe(tcp.TCP_SYN | tcp.TCP_ACK)
  expect([tcp.window(mem, 0), tcp.checksum(mem, 0), tcp.urgent(mem, 0)]).toEqual([65535, 0x1234, 3])
  tcp.setFlags(mem, 0, tcp.TCP_RST)
  expect(tcp.flags(mem, 0)).toBe(tcp.TCP_RST)
  expect(tcp.headerLen(mem, 0)).toBe(24)
})

test('check wants a data offset between the header and the room', () => {
  const mem = new Uint8Array(60)
  for (let words = 0; words < 16; words++) {
    mem[12] = words << 4
    for (let room = 0; room <= 60; room++) {
      expect(tcp.check(mem, 0, room)).toBe(words >= 5 && words * 4 <= room)
    }
  }
})

test('the checksum covers header, payload and pseudo header', () => {
  const mem = new Uint8Array(8 + 23)
  putI32(mem, 0, 0x0a000001)
  putI32(mem, 4, 0x0a000002)
  tcp.setHeaderLenFlags(mem, 8, 20, tcp.TCP_ACK)
  mem.set([1, 2, 3], 28)
  const pseudo = pseudoSum(mem, 0, 8, 6, 23)
  tcp.setChecksum(mem, 8, 23, pseudo)
  expect(tcp.isChecksumOk(mem, 8, 23, pseudo)).toBe(true)
  for (let at = 8; at < 31; at++) {
    mem[at]! ^= 0x10
    expect(tcp.isChecksumOk(mem, 8, 23, pseudo)).toBe(false)
    mem[at]! ^= 0x10
  }
})
