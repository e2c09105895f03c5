/**
 * The 10-byte virtio_net_hdr in front of each frame of a TAP or packet socket, between its words and those of an skb:
 * what checksum is still to be made, and how a super-frame is cut. Linux: include/linux/virtio_net.h
 * virtio_net_hdr_to_skb(), virtio_net_hdr_from_skb().
 */
import type { Arena } from '../../core/shm/arena.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  GSO_UDP_L4,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
} from '../../core/skb/skb.ts'
import * as vnet from '../../core/wire/virtio-net-hdr.ts'

export const createVnetOffload = ({ i32, u8 }: Arena) => {
  /** Reads the header in front of the frame into the skb; false when it makes no sense. */
  const toSkb = (skb: number): boolean => {
    const data = i32[skb + SKB_DATA]
    const hdr = data - vnet.HEADER
    const flags = vnet.flags(u8, hdr)
    if (flags === 0 && vnet.gsoType(u8, hdr) === 0) {
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
      return true
    }
    if (!vnet.check(u8, hdr, i32[skb + SKB_LEN] + vnet.HEADER)) return false
    if ((flags & vnet.VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0) {
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
      i32[skb + SKB_CSUM_START] = data + vnet.csumStart(u8, hdr)
      i32[skb + SKB_CSUM_OFFSET] = vnet.csumOffset(u8, hdr)
    } else if ((flags & vnet.VIRTIO_NET_HDR_F_DATA_VALID) !== 0) {
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    }
    if (vnet.gsoType(u8, hdr) !== 0) {
      i32[skb + SKB_GSO_SIZE] = vnet.gsoSize(u8, hdr)
      i32[skb + SKB_GSO_TYPE] = u8[hdr + 1]
      i32[skb + SKB_GSO_SEGS] = Math.ceil(i32[skb + SKB_LEN] / vnet.gsoSize(u8, hdr))
    }
    return true
  }

  /** Writes the header in front of the frame, where there is headroom for it; returns where it starts. */
  const fromSkb = (skb: number): number => {
    const data = i32[skb + SKB_DATA]
    const hdr = data - vnet.HEADER
    vnet.clear(u8, hdr)
    const summed = i32[skb + SKB_IP_SUMMED]
    if (summed === CHECKSUM_PARTIAL) {
      vnet.setFlags(u8, hdr, vnet.VIRTIO_NET_HDR_F_NEEDS_CSUM)
      vnet.setCsum(u8, hdr, i32[skb + SKB_CSUM_START] - data, i32[skb + SKB_CSUM_OFFSET])
    }
    const size = i32[skb + SKB_GSO_SIZE]
    if (size === 0) return hdr
    // a super-frame's checksum is always partial, so its sum starts at the transport header
    const transport = i32[skb + SKB_CSUM_START]
    const type = i32[skb + SKB_GSO_TYPE]
    const transportLen = type === GSO_UDP_L4 ? UDP_HEADER : (u8[transport + 12] >> 4) << 2
    vnet.setGso(u8, hdr, type, size, transport - data + transportLen)
    return hdr
  }
  return { toSkb, fromSkb }
}

const UDP_HEADER = 8
