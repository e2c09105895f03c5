/**
 * eth_type_trans: reads the Ethernet header of a received frame. Sets MAC, PKT_TYPE and PROTOCOL, takes the header off
 * and sets NETWORK to what follows. Called by the receive loop for each frame, before GRO and the taps; on a
 * worker. A frame of a device that is down, or too short for its header, dies here.
 * Linux: net/ethernet/eth.c; IEEE 802.3 clause 3.
 */
import * as bytes from '../base/bytes.ts'
import { DEV_FLAGS, DEV_MAC, DevStat, deviceStats, IFF_UP } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS, DEVICE_WORDS } from '../shm/layout.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  SKB_DATA,
  SKB_DEV,
  SKB_LEN,
  SKB_MAC,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
} from '../skb/skb.ts'
import * as ethernet from '../wire/ethernet.ts'

type EthTypeTransDeps = { arena: Arena; skbs: Skbs; drop: DropFn }

export type EthTypeTrans = ReturnType<typeof createEthTypeTrans>

export const createEthTypeTrans = ({ arena, skbs, drop }: EthTypeTransDeps) => {
  const { i32, u8, f64, layout } = arena
  const { devices } = layout
  const stats = deviceStats(arena, skbs.thread, 0)

  /** False when the frame was dropped. */
  const ethTypeTrans = (skb: number): boolean => {
    const dev = devices + i32[skb + SKB_DEV] * DEVICE_WORDS
    if ((i32[dev + DEV_FLAGS] & IFF_UP) === 0)
      return refuse(skb, Drop.DEV_READY, DevStat.rx_dropped)
    const len = i32[skb + SKB_LEN]
    if (len < ethernet.ETH_HLEN) return refuse(skb, Drop.PKT_TOO_SMALL, DevStat.rx_length_errors)
    if (!skbs.mayPull(skb, ethernet.ETH_HLEN)) return refuse(skb, Drop.NOMEM, DevStat.rx_dropped)
    const mac = i32[skb + SKB_DATA]
    i32[skb + SKB_MAC] = mac
    i32[skb + SKB_DATA] = mac + ethernet.ETH_HLEN
    i32[skb + SKB_NETWORK] = mac + ethernet.ETH_HLEN
    i32[skb + SKB_LEN] = len - ethernet.ETH_HLEN
    i32[skb + SKB_PROTOCOL] = ethernet.protocolOf((u8[mac + 12] << 8) | u8[mac + 13])
    if (i32[skb + SKB_PKT_TYPE] !== PACKET_LOOPBACK)
      i32[skb + SKB_PKT_TYPE] =
        (u8[mac] & 1) !== 0 ? group(skb, mac) : unicast(mac, (dev + DEV_MAC) << 2)
    return true
  }
  const unicast = (mac: number, own: number): number =>
    bytes.i32(u8, mac) === bytes.i32(u8, own) && bytes.u16(u8, mac + 4) === bytes.u16(u8, own + 4)
      ? PACKET_HOST
      : PACKET_OTHERHOST
  const group = (skb: number, mac: number): number => {
    if (ethernet.isBroadcast(u8, mac)) return PACKET_BROADCAST
    f64[stats + i32[skb + SKB_DEV] * DEV_STATS + DevStat.multicast]++
    return PACKET_MULTICAST
  }

  const refuse = (skb: number, reason: Drop, stat: number): boolean => {
    const bank = stats + i32[skb + SKB_DEV] * DEV_STATS
    f64[bank + stat]++
    if (stat !== DevStat.rx_dropped) f64[bank + DevStat.rx_errors]++
    drop(skb, reason)
    return false
  }
  return { ethTypeTrans }
}
