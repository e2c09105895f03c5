/**
 * ICMPv6: answers echo requests and sends errors about packets that the other layers refuse (icmpv6Send). Registered in
 * IPv6's inet_protos; on a worker. Linux: net/ipv6/icmp.c; RFC 4443.
 */
import * as csum from '../base/checksum.ts'
import { createFlowi, FL_DADDR, FL_MTU, FL_PROTO, FL_SADDR, RTN_LOCAL } from '../base/flowi.ts'
import { clearAddr, copyAddr } from '../base/family.ts'
import type { AddrType } from '../inet/addr-type.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { Pmtu } from '../inet/pmtu.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skb.ts'
import {
  CHECKSUM_NONE,
  MAX_HEADER,
  SKB_DATA,
  SKB_DST,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
} from '../skb/skb.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import { IPPROTO_ICMPV6 } from '../wire/ipproto.ts'
import * as ipv6 from '../wire/ipv6.ts'
import type { Ip6Output } from './ip6-output.ts'

type Icmpv6Deps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
} & Pick<AddrType, 'addrType'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Pmtu, 'routeOutput'> &
  Pick<Ip6Output, 'ip6Send'>

export type Icmpv6 = ReturnType<typeof createIcmpv6>

export const createIcmpv6 = (deps: Icmpv6Deps) => {
  const { arena, skbs, drop, consume, addrType, loadAddrs, routeOutput, ip6Send } = deps
  const { i32, u8 } = arena
  const received = createFlowi()
  const fl = createFlowi()

  /** The way back of a packet: 0, or -errno. */
  const reverse = (skb: number): number => {
    loadAddrs(skb, received)
    fl.fill(0)
    fl[0] = received[0]
    copyAddr(fl, FL_DADDR, received, FL_SADDR)
    copyAddr(fl, FL_SADDR, received, FL_DADDR)
    if (addrType(fl, FL_SADDR) !== RTN_LOCAL) clearAddr(fl, FL_SADDR)
    fl[FL_PROTO] = IPPROTO_ICMPV6
    return routeOutput(fl)
  }
  const send = (skb: number): void => {
    const len = i32[skb + SKB_LEN]
    const pseudo = csum.pseudoSumWords(fl, FL_SADDR, FL_DADDR, IPPROTO_ICMPV6, len)
    icmpv6.setChecksum(u8, i32[skb + SKB_DATA], len, pseudo)
    ip6Send(skb, fl, IPPROTO_ICMPV6, 0, 0)
  }

  /** Sends an error about a packet, whose NETWORK is its IPv6 header; the packet stays the caller's. */
  const icmpv6Send = (about: number, type: number, code: number, info: number): void => {
    const at = i32[about + SKB_NETWORK]
    if (ipv6.isMulticastDst(u8, at) || reverse(about) !== 0) return
    const pulled = Math.max(i32[about + SKB_DATA] - at, 0)
    const room = Math.min(ipv6.MIN_MTU, fl[FL_MTU]) - ipv6.HEADER - icmpv6.MIN_HEADER
    const len = Math.min(pulled + i32[about + SKB_LEN], room)
    const skb = skbs.alloc(icmpv6.MIN_HEADER + len, MAX_HEADER)
    if (skb === 0) return
    const message = skbs.put(skb, icmpv6.MIN_HEADER + len)
    const to = message + icmpv6.MIN_HEADER
    const head = Math.min(pulled, len)
    u8.copyWithin(to, at, at + head)
    skbs.copyBits(about, 0, to + head, len - head)
    icmpv6.setType(u8, message, type)
    icmpv6.setCode(u8, message, code)
    icmpv6.setRest(u8, message, info)
    send(skb)
  }

  /** inet_protos' handler: data is the ICMPv6 header. */
  const icmpv6Rcv = (skb: number): void => {
    const len = i32[skb + SKB_LEN]
    if (len < icmpv6.MIN_HEADER || !skbs.mayPull(skb, len)) return drop(skb, Drop.PKT_TOO_SMALL)
    const at = i32[skb + SKB_DATA]
    if (icmpv6.type(u8, at) !== icmpv6.ICMPV6_ECHO_REQUEST || reverse(skb) !== 0)
      return consume(skb)
    if (!skbs.expandHead(skb, MAX_HEADER - 64)) return drop(skb, Drop.NOMEM)
    icmpv6.setType(u8, i32[skb + SKB_DATA], icmpv6.ICMPV6_ECHO_REPLY)
    i32[skb + SKB_DST] = 0
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    send(skb)
  }
  return { icmpv6Send, icmpv6Rcv }
}
