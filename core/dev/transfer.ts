/**
 * Carries a frame from one arena to another: the wire between two stacks of one process (simulated hosts,
 * simulations, tests). The bytes are copied; what a virtio wire would say about them (partial checksum,
 * segmentation) goes along. Linux: what drivers/net/veth.c does between two namespaces.
 */
import { copyFrom } from '../base/bytes.ts'
import type { Arena } from '../shm/arena.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  CHECKSUM_PARTIAL,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_FRAGS,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
} from '../skb/skb.ts'

/** A copy of the frame in the other arena, or 0 when that one has no memory. The original stays the caller's. */
export const transferFrame = (
  from: Arena,
  fromSkbs: Skbs,
  skb: number,
  to: Arena,
  toSkbs: Skbs
): number => {
  const src = from.i32
  const dst = to.i32
  if (src[skb + SKB_FRAGS] !== 0 && !fromSkbs.expandHead(skb, RX_HEADROOM)) return 0
  const len = src[skb + SKB_LEN]
  const twin = toSkbs.alloc(len, RX_HEADROOM)
  if (twin === 0) return 0
  const at = toSkbs.put(twin, len)
  const data = src[skb + SKB_DATA]
  copyFrom(to.u8, at, from.u8, data, len)
  const summed = src[skb + SKB_IP_SUMMED]
  dst[twin + SKB_IP_SUMMED] = summed
  if (summed === CHECKSUM_PARTIAL) {
    dst[twin + SKB_CSUM_START] = src[skb + SKB_CSUM_START] - data + at
    dst[twin + SKB_CSUM_OFFSET] = src[skb + SKB_CSUM_OFFSET]
  }
  dst[twin + SKB_GSO_SIZE] = src[skb + SKB_GSO_SIZE]
  dst[twin + SKB_GSO_TYPE] = src[skb + SKB_GSO_TYPE]
  dst[twin + SKB_GSO_SEGS] = src[skb + SKB_GSO_SEGS]
  return twin
}
