/**
 * A frame that one device sends and another of the same stack receives: it goes to the backlog of the CPU that its flow
 * hashes to, checksums and super-frames as they are, since nothing was ever on a wire. For start_xmit of lo, veth and
 * the like. Linux: dev_forward_skb() (net/core/dev.c).
 */
import {
  DEV_FEATURES,
  DEV_GSO_MAX,
  DevStat,
  deviceStats,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_USO,
} from '../../netdev/netdev.ts'
import { Drop } from '../../skb/drop.ts'
import { SKB_DEV, SKB_DST, SKB_LEN, SKB_SK } from '../../skb/skb.ts'
import type { XmitEnv } from './link-kind.ts'

const GSO_MAX_SIZE = 65535

/** What needs no wire takes every frame as it is. */
export const fillSoftFeatures = (i32: Int32Array, row: number): void => {
  const gso = NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_USO
  i32[row + DEV_FEATURES] = NETIF_F_HW_CSUM | NETIF_F_RXCSUM | gso
  i32[row + DEV_GSO_MAX] = GSO_MAX_SIZE
}

export const createForwardSkb = (env: XmitEnv) => {
  const { arena, skbs, drop, steerSkb, enqueueSteered, backlog } = env
  const { i32, f64 } = arena
  return (skb: number, ifindex: number): number => {
    const from = i32[skb + SKB_DEV]
    i32[skb + SKB_DEV] = ifindex
    const cpu = steerSkb(skb)
    // it waits for the CPU here rather than be lost there: who sends it is held up
    if (!backlog.hasRoom(cpu)) {
      i32[skb + SKB_DEV] = from
      return NETDEV_TX_BUSY
    }
    if (!skbs.unshare(skb)) {
      drop(skb, Drop.DEV_READY)
      return NETDEV_TX_OK
    }
    const stats = deviceStats(arena, skbs.thread, ifindex)
    f64[stats + DevStat.rx_packets]++
    f64[stats + DevStat.rx_bytes] += i32[skb + SKB_LEN]
    i32[skb + SKB_DST] = 0
    i32[skb + SKB_SK] = 0
    skbs.orphan(skb)
    enqueueSteered(cpu, skb)
    return NETDEV_TX_OK
  }
}
