/**
 * What comes in by a device of a VRF comes in by the VRF as well: it is counted there, and shown to who captures there. Called by
 * IP input of both families behind PRE_ROUTING; on a worker. Linux: vrf_ip_rcv(), vrf_rx_stats() (drivers/net/vrf.c).
 */
import { DevStat, deviceStats } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS } from '../shm/layout.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SKB_DEV, SKB_LEN } from '../skb/skb.ts'
import type { Capture } from './capture.ts'

type L3mdevRcvDeps = { arena: Arena; skbs: Skbs } & Pick<Capture, 'isCapturing' | 'captureOn'>
export type L3mdevRcv = ReturnType<typeof createL3mdevRcv>

export const createL3mdevRcv = ({ arena, skbs, isCapturing, captureOn }: L3mdevRcvDeps) => {
  const { i32, f64 } = arena
  const stats = deviceStats(arena, skbs.thread, 0)
  return (skb: number, l3mdev: number): void => {
    // what it has sent itself was counted when it was
    if (i32[skb + SKB_DEV] === l3mdev) return
    f64[stats + l3mdev * DEV_STATS + DevStat.rx_packets]++
    f64[stats + l3mdev * DEV_STATS + DevStat.rx_bytes] += i32[skb + SKB_LEN]
    if (isCapturing()) captureOn(skb, l3mdev)
  }
}
