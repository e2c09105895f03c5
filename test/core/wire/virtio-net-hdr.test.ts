import { expect, test } from 'bun:test'
import * as vnet from '../../../core/wire/virtio-net-hdr.ts'

test('is laid out little-endian, as the kernel writes it', () => {
  const mem = new Uint8Array(10)
  vnet.setFlags(mem, 0, vnet.VIRTIO_NET_HDR_F_NEEDS_CSUM)
  vnet.setGso(mem, 0, vnet.VIRTIO_NET_HDR_GSO_TCPV4 | vnet.VIRTIO_NET_HDR_GSO_ECN, 1448, 66)
  vnet.setCsum(mem, 0, 34, 16)
  expect(mem.toHex()).toBe('01814200a80522001000')
  expect(vnet.flags(mem, 0)).toBe(1)
  expect(vnet.gsoType(mem, 0)).toBe(vnet.VIRTIO_NET_HDR_GSO_TCPV4)
  expect(vnet.gsoEcn(mem, 0)).toBe(true)
  expect([vnet.hdrLen(mem, 0), vnet.gsoSize(mem, 0)]).toEqual([66, 1448])
  expect([vnet.csumStart(mem, 0), vnet.csumOffset(mem, 0)]).toEqual([34, 16])
  vnet.clear(mem, 0)
  expect(mem.toHex()).toBe('00'.repeat(10))
})

test('refuses a checksum field outside the frame and segments of no size', () => {
  const mem = new Uint8Array(10)
  expect(vnet.check(mem, 0, 9)).toBe(false)
  expect(vnet.check(mem, 0, 10)).toBe(true)
  vnet.setFlags(mem, 0, vnet.VIRTIO_NET_HDR_F_NEEDS_CSUM)
  vnet.setCsum(mem, 0, 34, 16)
  expect(vnet.check(mem, 0, 10 + 51)).toBe(false)
  expect(vnet.check(mem, 0, 10 + 52)).toBe(true)
  vnet.setGso(mem, 0, vnet.VIRTIO_NET_HDR_GSO_UDP_L4, 0, 42)
  expect(vnet.check(mem, 0, 100)).toBe(false)
})
