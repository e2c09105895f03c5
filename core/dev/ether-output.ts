/**
 * Puts the Ethernet header in front of a packet: from a neighbour's ready header (hh_cache), or made of a destination
 * that follows from the address alone (multicast, broadcast, loopback). Called by the neighbour layer and IP output;
 * on a worker. False, the packet still the caller's, only when there is no memory for headroom.
 * Linux: include/net/neighbour.h neigh_hh_output(), net/ethernet/eth.c eth_header(); RFC 894, 1112 section 6.4.
 */
import * as bytes from '../base/bytes.ts'
import { DEV_MAC } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import type { Skbs } from '../skb/skbs.ts'
import { MAX_HEADER, SKB_DATA, SKB_HEAD, SKB_LEN, SKB_MAC } from '../skb/skb.ts'
import * as ethernet from '../wire/ethernet.ts'

/** An Ethernet header with two bytes before it, so that it is four whole words in front of an aligned IP header. */
const HH_BYTES = 16

export type EtherOutput = ReturnType<typeof createEtherOutput>

export const createEtherOutput = ({ arena, skbs }: { arena: Arena; skbs: Skbs }) => {
  const { i32, u8, layout } = arena
  const { devices } = layout

  const room = (skb: number): boolean =>
    i32[skb + SKB_DATA] - i32[skb + SKB_HEAD] >= HH_BYTES || skbs.expandHead(skb, MAX_HEADER)

  /** Copies the four words at `hh` (two bytes of padding, then the header) and writes the ethertype. */
  const pushHh = (skb: number, hh: number, type: number): boolean => {
    if (!room(skb)) return false
    const data = i32[skb + SKB_DATA]
    const at = data - HH_BYTES
    if ((at & 3) === 0) {
      const word = at >> 2
      i32[word] = i32[hh]
      i32[word + 1] = i32[hh + 1]
      i32[word + 2] = i32[hh + 2]
      i32[word + 3] = i32[hh + 3]
    } else bytes.copy(u8, at + 2, (hh << 2) + 2, ethernet.ETH_HLEN)
    u8[data - 2] = type >> 8
    u8[data - 1] = type
    i32[skb + SKB_DATA] = at + 2
    i32[skb + SKB_MAC] = at + 2
    i32[skb + SKB_LEN] += ethernet.ETH_HLEN
    return true
  }

  /** Takes the header off again: what it was made of changed meanwhile. */
  const popHeader = (skb: number): void => {
    i32[skb + SKB_DATA] += ethernet.ETH_HLEN
    i32[skb + SKB_LEN] -= ethernet.ETH_HLEN
  }

  /** The header to MAC address (hi, lo) from device `dev`'s own. */
  const ethHeader = (skb: number, dev: number, hi: number, lo: number, type: number): boolean => {
    if (!room(skb)) return false
    const mac = skbs.push(skb, ethernet.ETH_HLEN)
    i32[skb + SKB_MAC] = mac
    ethernet.setDst(u8, mac, hi, lo)
    ethernet.copyMac(u8, mac + ethernet.ETH_ALEN, u8, (devices + dev * DEVICE_WORDS + DEV_MAC) << 2)
    ethernet.setType(u8, mac, type)
    return true
  }
  /** The header to `dev`'s own address: what leaves by a device without neighbours (loopback, NOARP). */
  const ethHeaderSelf = (skb: number, dev: number, type: number): boolean => {
    const own = (devices + dev * DEVICE_WORDS + DEV_MAC) << 2
    return ethHeader(skb, dev, ethernet.macHi(u8, own), ethernet.macLo(u8, own), type)
  }
  return { pushHh, popHeader, ethHeader, ethHeaderSelf }
}
