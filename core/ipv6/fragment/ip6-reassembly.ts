/**
 * IPv6 reassembly: what a fragment is, and the headers of the whole; the waiting is inet/inet-fragment.ts. Called by IP input for the fragment header of a packet for this host. On the worker that the
 * addresses hash to. Linux: net/ipv6/reassembly.c; RFC 8200 section 4.5, 5722, 6946, 7112.
 */
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Mib } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  RX_HEADROOM,
  SKB_DEV,
  SKB_FRAGS,
  SKB_LEN,
  SKB_NETWORK,
  SKB_TAIL,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import {
  IPCB_FLAGS,
  IPCB_FRAG_MAX,
  IPCB_NHOFF,
  IPSKB_REASSEMBLED,
} from '../../inet/inet-constants.ts'
import {
  FRAG_DADDR,
  FRAG_ELSE,
  FRAG_ID,
  FRAG_KEY_WORDS,
  FRAG_SADDR,
  type InetFrag,
} from '../../inet/inet-fragment.ts'
import { i32 as word } from '../../base/bytes.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import { IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import * as ext from '../../wire/ipv6-ext.ts'
import * as tcp from '../../wire/tcp.ts'
import * as udp from '../../wire/udp.ts'
import type { Icmpv6 } from '../icmp/icmpv6.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'

type Ip6ReassemblyDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  frags: InetFrag
} & Pick<Icmpv6, 'icmpv6Send'>

export type Ip6Reassembly = ReturnType<typeof createIp6Reassembly>

/** Pointer of a parameter problem: the payload length. */
const PAYLOAD_LENGTH = 4

export const createIp6Reassembly = (deps: Ip6ReassemblyDeps) => {
  const { arena, skbs, drop, frags, icmpv6Send } = deps
  const { i32, u8, f64, layout } = arena
  const count = counterBank(arena, skbs.thread)
  const key = new Int32Array(FRAG_KEY_WORDS)
  const chain = new Int32Array(ext.EXT_WORDS)
  const family = frags.addFamily({
    timeout: layout.sysctl + Sysctl.ip6frag_time,
    highThresh: layout.sysctl + Sysctl.ip6frag_high_thresh,
    fails: Mib.Ip6ReasmFails,
    timeouts: Mib.Ip6ReasmTimeout,
    timeExceeded: (first) =>
      icmpv6Send(first, icmpv6.ICMPV6_TIME_EXCEED, icmpv6.ICMPV6_EXC_FRAGTIME, 0),
  })

  /**
   * Takes over a packet whose header at SKB_TRANSPORT, data too, is a fragment header: answers the whole packet, data at
   * its IPv6 header and without the fragment header, or 0. A packet that is whole already is answered as it is, data
   * and SKB_TRANSPORT behind the fragment header.
   */
  const fragRcv = (skb: number): number => {
    // a fragment header in what was put together
    if ((i32[skb + IPCB_FLAGS] & IPSKB_REASSEMBLED) !== 0)
      return problem(
        skb,
        icmpv6.ICMPV6_HDR_FIELD,
        i32[skb + SKB_TRANSPORT] - i32[skb + SKB_NETWORK]
      )
    f64[count + Mib.Ip6ReasmReqds]++
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, RX_HEADROOM)) return refuse(skb)
    const at = i32[skb + SKB_TRANSPORT]
    if (i32[skb + SKB_LEN] < ext.FRAGMENT_HEADER)
      return problem(skb, icmpv6.ICMPV6_HDR_FIELD, at - i32[skb + SKB_NETWORK])
    if (ext.fragmentOffset(u8, at) === 0) {
      if (!ext.moreFragments(u8, at)) return passBy(skb, at)
      if (isHeaderIncomplete(skb)) return problem(skb, icmpv6.ICMPV6_HDR_INCOMP, 0)
    }
    return queue(skb)
  }
  /** An atomic fragment stands apart from any others of its identification (RFC 6946). */
  const passBy = (skb: number, at: number): number => {
    f64[count + Mib.Ip6ReasmOKs]++
    i32[skb + IPCB_FLAGS] |= IPSKB_REASSEMBLED
    i32[skb + IPCB_FRAG_MAX] = ipv6.payloadLength(u8, i32[skb + SKB_NETWORK]) + ipv6.HEADER
    i32[skb + IPCB_NHOFF] = at - i32[skb + SKB_NETWORK]
    i32[skb + SKB_TRANSPORT] = at + ext.FRAGMENT_HEADER
    return skb
  }
  /** The first fragment must have all headers, the transport's included (RFC 7112). */
  const isHeaderIncomplete = (skb: number): boolean => {
    const end = i32[skb + SKB_TAIL]
    const status = ext.walk(u8, i32[skb + SKB_NETWORK], end, chain)
    if (status !== ext.WALK_OK) return status === ext.WALK_TRUNCATED
    return chain[ext.EXT_TRANSPORT] + leastOf(chain[ext.EXT_PROTOCOL]) > end
  }
  const leastOf = (protocol: number): number => {
    if (protocol === IPPROTO_TCP) return tcp.MIN_HEADER
    if (protocol === IPPROTO_UDP) return udp.MIN_HEADER
    return protocol === IPPROTO_ICMPV6 ? icmpv6.MIN_HEADER : 1
  }

  const queue = (skb: number): number => {
    const at = i32[skb + SKB_TRANSPORT]
    const offset = ext.fragmentOffset(u8, at)
    const isMore = ext.moreFragments(u8, at)
    const len = i32[skb + SKB_LEN] - ext.FRAGMENT_HEADER
    const network = i32[skb + SKB_NETWORK]
    const before = at - network - ipv6.HEADER
    if (before + offset + len > ipv6.MAX_PAYLOAD)
      return problem(skb, icmpv6.ICMPV6_HDR_FIELD, at + 2 - network)
    if (isMore && (len & 7) !== 0) return problem(skb, icmpv6.ICMPV6_HDR_FIELD, PAYLOAD_LENGTH)
    for (let w = 0; w < 8; w++) key[FRAG_SADDR + w] = word(u8, network + ipv6.ADDRS + 4 * w)
    key[FRAG_ID] = ext.fragmentId(u8, at)
    const scope = key[FRAG_DADDR]
    key[FRAG_ELSE] =
      ipv6.isMulticastAddr(scope) || ipv6.isLinkLocalAddr(scope)
        ? i32[skb + SKB_DEV]
        : l3mdevOf(arena, i32[skb + SKB_DEV])
    if (!frags.makeRoom(skb)) return refuse(skb)
    const queue = frags.find(family, key)
    if (queue === 0) return refuse(skb)
    const ecn = ipv6.trafficClass(u8, network) & 3
    const isWhole = frags.insert(queue, skb, ext.FRAGMENT_HEADER, offset, len, isMore, ecn)
    return isWhole ? assemble(queue) : 0
  }

  /** The first fragment's headers up to the fragment header, and who follows it. */
  const assemble = (queue: number): number => {
    const first = frags.firstOf(queue)
    const headerLen = i32[first + SKB_TRANSPORT] - i32[first + SKB_NETWORK]
    const payload = headerLen - ipv6.HEADER + frags.lengthOf(queue)
    if (payload > ipv6.MAX_PAYLOAD) {
      frags.end(queue, Drop.NOT_SPECIFIED)
      return 0
    }
    const next = ext.fragmentNextHeader(u8, i32[first + SKB_TRANSPORT])
    const nhoff = i32[first + IPCB_NHOFF]
    const isCongested = frags.isCongested(queue)
    const whole = frags.assemble(queue, headerLen)
    if (whole === 0) return 0
    const at = i32[whole + SKB_NETWORK]
    if (isCongested) ipv6.setCongested(u8, at)
    ipv6.setPayloadLength(u8, at, payload)
    u8[at + nhoff] = next
    i32[whole + IPCB_NHOFF] = nhoff
    f64[count + Mib.Ip6ReasmOKs]++
    return whole
  }

  const refuse = (skb: number): number => {
    f64[count + Mib.Ip6ReasmFails]++
    drop(skb, Drop.NOMEM)
    return 0
  }
  const problem = (skb: number, code: number, pointer: number): number => {
    f64[count + Mib.Ip6InHdrErrors]++
    icmpv6Send(skb, icmpv6.ICMPV6_PARAMPROB, code, pointer)
    drop(skb, Drop.IPV6_BAD_EXTHDR)
    return 0
  }
  return { fragRcv }
}
