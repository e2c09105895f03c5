/**
 * What a filter may ask of a packet beside its octets: loads from SKF_AD_OFF on. Used by bpf.ts and bpf-jit.ts. Linux:
 * net/core/filter.c convert_bpf_extensions().
 */
import type { Arena } from '../shm/arena.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SKB_DEV, SKB_HASH, SKB_MARK, SKB_PROTOCOL, SKB_VLAN } from '../skb/skb.ts'
import {
  SKF_AD_CPU,
  SKF_AD_IFINDEX,
  SKF_AD_MARK,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_AD_RXHASH,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
} from './bpf-constants.ts'

const NO_VLAN = -1

export const createAncillary = ({
  arena: { i32 },
  skbs,
}: {
  arena: Arena
  skbs: Pick<Skbs, 'thread'>
}) => {
  /** `what` is one that the checker knows. */
  const ancillary = (what: number, skb: number, type: number): number => {
    switch (what) {
      case SKF_AD_PROTOCOL:
        return i32[skb + SKB_PROTOCOL]
      case SKF_AD_PKTTYPE:
        return type
      case SKF_AD_IFINDEX:
        return i32[skb + SKB_DEV]
      case SKF_AD_MARK:
        return i32[skb + SKB_MARK]
      case SKF_AD_RXHASH:
        return i32[skb + SKB_HASH]
      case SKF_AD_CPU:
        return skbs.thread
      case SKF_AD_VLAN_TAG:
        return i32[skb + SKB_VLAN] === NO_VLAN ? 0 : i32[skb + SKB_VLAN]
      case SKF_AD_VLAN_TAG_PRESENT:
        return i32[skb + SKB_VLAN] === NO_VLAN ? 0 : 1
    }
    return 0
  }
  return { ancillary }
}
