/**
 * The addresses of a packet of either family as a flow has them: four words each, IPv4 as v4-mapped. Asked by IP input and
 * by every transport, about what came in and about what an ICMP error quotes. Any thread.
 * Linux: ip_hdr(), ipv6_hdr().
 */
import * as bytes from '../base/bytes.ts'
import { AF_INET, AF_INET6, V4_MAPPED } from '../base/family.ts'
import {
  type Flowi,
  FL_DADDR,
  FL_FAMILY,
  FL_IIF,
  FL_L3MDEV,
  FL_MARK,
  FL_SADDR,
} from '../base/flowi.ts'
import { swap32 } from '../base/u32.ts'
import { DEV_L3MDEV } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import { SKB_DEV, SKB_MARK, SKB_NETWORK } from '../skb/skb.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'

export type PacketAddrs = ReturnType<typeof createPacketAddrs>

export const createPacketAddrs = ({ i32, u8, layout }: Arena) => {
  const { devices } = layout
  /**
   * The flow of a received packet, its addresses as they came: FL_FAMILY, FL_SADDR, FL_DADDR, FL_IIF, FL_L3MDEV and
   * FL_MARK.
   * Whoever answers swaps source and destination.
   */
  const loadAddrs = (skb: number, fl: Flowi): void => {
    const at = i32[skb + SKB_NETWORK]
    const dev = i32[skb + SKB_DEV]
    fl[FL_IIF] = dev
    fl[FL_L3MDEV] = i32[devices + dev * DEVICE_WORDS + DEV_L3MDEV]
    fl[FL_MARK] = i32[skb + SKB_MARK]
    if (u8[at] >> 4 !== 4) return loadIpv6(at, fl)
    fl[FL_FAMILY] = AF_INET
    fl[FL_SADDR] = fl[FL_SADDR + 1] = fl[FL_DADDR] = fl[FL_DADDR + 1] = 0
    fl[FL_SADDR + 2] = fl[FL_DADDR + 2] = V4_MAPPED
    fl[FL_SADDR + 3] = ipv4.src(u8, at)
    fl[FL_DADDR + 3] = ipv4.dst(u8, at)
  }
  /** Whole words where the header is aligned (NET_IP_ALIGN), as nearly all are. */
  const loadIpv6 = (at: number, fl: Flowi): void => {
    fl[FL_FAMILY] = AF_INET6
    const word = (at + ipv6.ADDRS) >> 2
    if ((at & 3) === 0) for (let w = 0; w < 8; w++) fl[FL_SADDR + w] = swap32(i32[word + w])
    else for (let w = 0; w < 8; w++) fl[FL_SADDR + w] = bytes.i32(u8, at + ipv6.ADDRS + 4 * w)
  }
  return { loadAddrs }
}
