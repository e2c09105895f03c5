/**
 * IPv4 reassembly: what a fragment is, and the header of the whole; the waiting is inet/inet-fragment.ts. Called by IP input for packets for this host. On the worker that the addresses hash to.
 * Linux: net/ipv4/ip_fragment.c; RFC 791, 3168 section 5.3.
 */
import { V4_MAPPED } from '../../base/family.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Mib } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { RX_HEADROOM, SKB_FRAGS, SKB_IPOPT, SKB_LEN, SKB_NETWORK, SKB_DEV } from '../../skb/skb.ts'
import {
  FRAG_DADDR,
  FRAG_ELSE,
  FRAG_ID,
  FRAG_KEY_WORDS,
  FRAG_SADDR,
  type InetFrag,
} from '../../inet/inet-fragment.ts'
import { type InetPeers, PEER_FRAGMENTS } from '../../inet/dst/inet-peer.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import type { Icmp } from '../icmp/icmp.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'

type IpDefragDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  frags: InetFrag
  peers: Pick<InetPeers, 'table' | 'find'>
} & Pick<Icmp, 'icmpSend'>

export type IpDefrag = ReturnType<typeof createIpDefrag>

const INET_ECN_CE = 3

export const createIpDefrag = ({ arena, skbs, drop, frags, peers, icmpSend }: IpDefragDeps) => {
  const { i32, u8, f64, layout } = arena
  const count = counterBank(arena, skbs.thread)
  const key = new Int32Array(FRAG_KEY_WORDS)
  key[FRAG_SADDR + 2] = key[FRAG_DADDR + 2] = V4_MAPPED
  const family = frags.addFamily({
    timeout: layout.sysctl + Sysctl.ipfrag_time,
    highThresh: layout.sysctl + Sysctl.ipfrag_high_thresh,
    fails: Mib.IpReasmFails,
    timeouts: Mib.IpReasmTimeout,
    timeExceeded: (first) => icmpSend(first, icmp.ICMP_TIME_EXCEEDED, icmp.ICMP_EXC_FRAGTIME, 0),
  })

  /**
   * Takes a fragment over, data at its IP header; answers the whole datagram, which has no link header, or 0.
   */
  const ipDefrag = (skb: number): number => {
    f64[count + Mib.IpReasmReqds]++
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, RX_HEADROOM)) return refuse(skb)
    const at = i32[skb + SKB_NETWORK]
    key[FRAG_SADDR + 3] = ipv4.src(u8, at)
    key[FRAG_DADDR + 3] = ipv4.dst(u8, at)
    key[FRAG_ID] = ipv4.id(u8, at)
    key[FRAG_ELSE] = ipv4.protocol(u8, at) | (l3mdevOf(arena, i32[skb + SKB_DEV]) << 8)
    if (!frags.makeRoom(skb)) return refuse(skb)
    const queue = frags.find(family, key)
    if (queue === 0) return refuse(skb)
    const most = i32[layout.sysctl + Sysctl.ipfrag_max_dist]
    if (most !== 0) frags.reached(queue, countOf(peers.find(key, FRAG_SADDR)), most)
    return insert(queue, skb, at)
  }
  /** How many fragments the host has sent. */
  const countOf = (peer: number): number => ++peers.table[peer + PEER_FRAGMENTS]
  const refuse = (skb: number): number => {
    f64[count + Mib.IpReasmFails]++
    drop(skb, Drop.NOMEM)
    return 0
  }

  const insert = (queue: number, skb: number, at: number): number => {
    const offset = ipv4.fragmentOffset(u8, at)
    const isMore = ipv4.moreFragments(u8, at)
    const headerLen = ipv4.headerLen(u8, at)
    let len = i32[skb + SKB_LEN] - headerLen
    // all but the last are multiples of eight
    if (isMore && (len & 7) !== 0) len &= ~7
    if (offset + len + headerLen > ipv4.MAX_TOTAL_LENGTH) {
      frags.discard(queue, skb)
      return 0
    }
    const isWhole = frags.insert(queue, skb, headerLen, offset, len, isMore, u8[at + 1] & 3)
    return isWhole ? assemble(queue) : 0
  }

  const assemble = (queue: number): number => {
    const first = frags.firstOf(queue)
    const headerLen = ipv4.headerLen(u8, i32[first + SKB_NETWORK])
    const options = i32[first + SKB_IPOPT]
    const total = headerLen + frags.lengthOf(queue)
    const isCongested = frags.isCongested(queue)
    if (total > ipv4.MAX_TOTAL_LENGTH) {
      frags.end(queue, Drop.NOT_SPECIFIED)
      return 0
    }
    const whole = frags.assemble(queue, headerLen)
    if (whole === 0) return 0
    const at = i32[whole + SKB_NETWORK]
    i32[whole + SKB_IPOPT] = options
    if (isCongested) ipv4.setTos(u8, at, ipv4.tos(u8, at) | INET_ECN_CE)
    ipv4.setTotalLength(u8, at, total)
    ipv4.setFragment(u8, at, 0, 0)
    ipv4.setChecksum(u8, at)
    f64[count + Mib.IpReasmOKs]++
    return whole
  }

  return { ipDefrag }
}
