// Frames with a virtio_net_hdr in front, as TAPs and packet sockets take them.

import { block } from '../../../../workers/os/libc.ts'
import { VNET_HDR_LEN } from '../../../../workers/os/tap.ts'

export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1

const ETH_HEADER = 14
const IP_TCP_HEADERS = 40

/** A TCP segment of `payload` bytes to cut at `mss`: what TSO hands down. */
export const tcpSuperFrame = (payload: number, mss: number) => {
  const headers = ETH_HEADER + IP_TCP_HEADERS
  const frame = block(VNET_HDR_LEN + headers + payload)
  const { bytes, view } = frame
  bytes[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM
  bytes[1] = VIRTIO_NET_HDR_GSO_TCPV4
  view.setUint16(2, headers, true)
  view.setUint16(4, mss, true)
  view.setUint16(6, ETH_HEADER + 20, true)
  view.setUint16(8, 16, true)
  const eth = VNET_HDR_LEN
  bytes.fill(0xff, eth, eth + 6)
  bytes.set([2, 0, 0, 0, 0, 9], eth + 6)
  view.setUint16(eth + 12, 0x0800)
  const ip = eth + ETH_HEADER
  bytes[ip] = 0x45
  view.setUint16(ip + 2, IP_TCP_HEADERS + payload)
  bytes[ip + 8] = 64
  bytes[ip + 9] = 6
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], ip + 12)
  bytes[ip + 32] = 0x50
  bytes[ip + 33] = 0x10
  for (let i = 0; i < payload; i++) bytes[ip + IP_TCP_HEADERS + i] = i & 255
  return frame
}

/** A small frame of a local experimental EtherType (0x88b5) that no kernel answers. */
export const plainFrame = (length: number) => {
  const frame = block(VNET_HDR_LEN + length)
  frame.bytes.fill(0xff, VNET_HDR_LEN, VNET_HDR_LEN + 6)
  frame.bytes.set([2, 0, 0, 0, 0, 9], VNET_HDR_LEN + 6)
  frame.view.setUint16(VNET_HDR_LEN + 12, 0x88b5)
  return frame
}
