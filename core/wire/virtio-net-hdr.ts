/**
 * virtio-net header of a TAP or virtio device, virtio 1.2 section 5.1.6 (the legacy ten octets that
 * IFF_VNET_HDR uses). It lies before each frame and carries offloads. Drivers read and write it.
 *
 *  |0 flags |1 gso type |2 header length |4 gso size |6 csum start |8 csum offset |  little-endian
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: include/linux/virtio_net.h.
 */
import { type Bytes, putU16le, u16le } from '../base/bytes.ts'

const FLAGS = 0
const GSO_TYPE = 1
const HDR_LEN = 2
const GSO_SIZE = 4
const CSUM_START = 6
const CSUM_OFFSET = 8
export const HEADER = 10

/** The checksum field holds the pseudo header's sum only; complete it from csum_start on. */
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1
/** The device has verified the checksum. */
export const VIRTIO_NET_HDR_F_DATA_VALID = 2

const VIRTIO_NET_HDR_GSO_NONE = 0
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1
/** USO: one buffer to be cut into datagrams. */
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5
/** Set beside the type when the TCP flow has ECN. */
export const VIRTIO_NET_HDR_GSO_ECN = 0x80

/** The frame follows the header; a checksum field that would lie outside it is refused. */
export const check = (mem: Bytes, at: number, room: number): boolean =>
  room >= HEADER &&
  ((flags(mem, at) & VIRTIO_NET_HDR_F_NEEDS_CSUM) === 0 ||
    csumStart(mem, at) + csumOffset(mem, at) + 2 <= room - HEADER) &&
  (gsoType(mem, at) === VIRTIO_NET_HDR_GSO_NONE || gsoSize(mem, at) !== 0)

export const flags = (mem: Bytes, at: number): number => mem[at + FLAGS]
/** The type alone, without the ECN bit. */
export const gsoType = (mem: Bytes, at: number): number =>
  mem[at + GSO_TYPE] & ~VIRTIO_NET_HDR_GSO_ECN
export const gsoEcn = (mem: Bytes, at: number): boolean =>
  (mem[at + GSO_TYPE] & VIRTIO_NET_HDR_GSO_ECN) !== 0
/** All headers together; a hint, which Linux does not trust either. */
export const hdrLen = (mem: Bytes, at: number): number => u16le(mem, at + HDR_LEN)
export const gsoSize = (mem: Bytes, at: number): number => u16le(mem, at + GSO_SIZE)
/** From the start of the frame, not of this header. */
export const csumStart = (mem: Bytes, at: number): number => u16le(mem, at + CSUM_START)
export const csumOffset = (mem: Bytes, at: number): number => u16le(mem, at + CSUM_OFFSET)

/** No offload at all. */
export const clear = (mem: Bytes, at: number): void => {
  // fill() costs three times as much for so few
  for (let k = at; k < at + HEADER; k++) mem[k] = 0
}

export const setFlags = (mem: Bytes, at: number, value: number): void => {
  mem[at + FLAGS] = value
}
export const setCsum = (mem: Bytes, at: number, start: number, offset: number): void => {
  putU16le(mem, at + CSUM_START, start)
  putU16le(mem, at + CSUM_OFFSET, offset)
}
/** type may carry VIRTIO_NET_HDR_GSO_ECN. */
export const setGso = (
  mem: Bytes,
  at: number,
  type: number,
  size: number,
  headersLen: number
): void => {
  mem[at + GSO_TYPE] = type
  putU16le(mem, at + HDR_LEN, headersLen)
  putU16le(mem, at + GSO_SIZE, size)
}
