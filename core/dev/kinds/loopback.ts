/**
 * lo and veth: devices whose transmit is another device's receive, on the same stack. What is sent goes to the
 * backlog of the CPU that its flow hashes to (netif_rx), checksums and super-frames as they are: nothing was ever
 * on a wire. Linux: drivers/net/loopback.c, drivers/net/veth.c.
 */
import type { Arena } from '../../shm/arena.ts'
import type { Skbs } from '../../skb/skb.ts'
import { SKB_DEV, SKB_DST, SKB_LEN, SKB_SK } from '../../skb/skb.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_PEER,
  DevStat,
  deviceRow,
  deviceStats,
  IFF_UP,
  NETDEV_TX_OK,
} from '../../netdev/netdev.ts'
import type { Machine } from '../../stack/machine.ts'

export type LoopbackDeps = {
  arena: Arena
  skbs: Skbs
  /** workers/drivers/drivers.ts: frees a frame that the peer, being down, can't receive. */
  discard: (skb: number) => void
} & Pick<Machine, 'netifRx'>

/** ndo_start_xmit of lo and of veth, for one thread. */
export const createLoopbackXmit = ({ arena, skbs, netifRx, discard }: LoopbackDeps) => {
  const { i32, f64 } = arena

  const receiveOn = (skb: number, ifindex: number): number => {
    if (!skbs.unshare(skb)) {
      discard(skb)
      return NETDEV_TX_OK
    }
    const stats = deviceStats(arena, skbs.thread, ifindex)
    f64[stats + DevStat.rx_packets]++
    f64[stats + DevStat.rx_bytes] += i32[skb + SKB_LEN]
    i32[skb + SKB_DEV] = ifindex
    i32[skb + SKB_DST] = 0
    i32[skb + SKB_SK] = 0
    netifRx(skb)
    return NETDEV_TX_OK
  }

  const loXmit = (skb: number, dev: number): number => receiveOn(skb, i32[dev + DEV_IFINDEX])

  const vethXmit = (skb: number, dev: number): number => {
    const peer = i32[dev + DEV_PEER]
    if (peer === 0 || (i32[deviceRow(arena, peer) + DEV_FLAGS] & IFF_UP) === 0) {
      discard(skb)
      return NETDEV_TX_OK
    }
    return receiveOn(skb, peer)
  }
  return { loXmit, vethXmit }
}
