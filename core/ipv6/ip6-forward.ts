/**
 * IPv6 forwarding: a packet that the route lookup sends on loses one hop and goes to ip6_output. Called by ip6_rcv; on
 * a worker. Too many hops and packets too big for the way are answered with ICMPv6 errors: no router cuts packets.
 * Linux: net/ipv6/ip6_output.c ip6_forward(); RFC 8200 section 3 and 5, 4291 section 2.5.6, 4443 section 3.
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_DEV, FL_MTU } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skb.ts'
import {
  MAX_HEADER,
  PACKET_HOST,
  SKB_DATA,
  SKB_DEV,
  SKB_GSO_SIZE,
  SKB_HEAD,
  SKB_IIF,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
} from '../skb/skb.ts'
import type { Gso } from '../dev/gso.ts'
import { IPCB_FLAGS, IPCB_MTU, IPSKB_FORWARDED } from '../inet/inet-constants.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_FORWARD, NF_PASSED } from '../netfilter/nf-constants.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import * as ipv6 from '../wire/ipv6.ts'
import type { Icmpv6 } from './icmpv6.ts'
import type { Ip6Output } from './ip6-output.ts'
import type { NdiscRedirect } from './ndisc-redirect.ts'

type Ip6ForwardDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  nf: NfHooks
} & Pick<Gso, 'networkSegLen'> &
  Pick<Ip6Output, 'ip6Output' | 'routeMeHarder'> &
  Pick<Icmpv6, 'icmpv6Send'> &
  Pick<NdiscRedirect, 'sendRedirect'>

/** Room that the widest link header takes. */
const LL_RESERVED = 16

export type Ip6Forward = ReturnType<typeof createIp6Forward>

export const createIp6Forward = (deps: Ip6ForwardDeps) => {
  const { arena, skbs, drop, nf, networkSegLen, ip6Output, routeMeHarder } = deps
  const { icmpv6Send, sendRedirect } = deps
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)

  /** Sends the packet on along the route in `fl` (SKB_DST says the same); takes it over. */
  const ip6Forward = (skb: number, fl: Flowi): void => {
    if (i32[skb + SKB_PKT_TYPE] !== PACKET_HOST) return drop(skb, Drop.OTHERHOST)
    const at = i32[skb + SKB_NETWORK]
    if (ipv6.hopLimit(u8, at) <= 1) return tooManyHops(skb)
    if ((u8[at + ipv6.ADDRS] === 0 || u8[at + ipv6.ADDRS] === 0xfe) && !maySendOn(skb, fl)) return
    if (i32[skb + SKB_DEV] === fl[FL_DEV]) sendRedirect(skb, fl)
    // what is less than every link takes was not said by the link (RFC 8200 section 5)
    const mtu = fl[FL_MTU] < ipv6.MIN_MTU ? ipv6.MIN_MTU : fl[FL_MTU]
    if (i32[skb + SKB_LEN] > mtu && isTooBig(skb, mtu)) return tooBig(skb, mtu)
    // taps hold clones of the bytes that are about to change (skb_cow)
    if (skbs.isShared(skb) || i32[skb + SKB_DATA] - i32[skb + SKB_HEAD] < LL_RESERVED)
      if (!skbs.expandHead(skb, MAX_HEADER)) return discard(skb)
    ipv6.decrementHopLimit(u8, i32[skb + SKB_NETWORK])
    i32[skb + IPCB_MTU] = mtu
    i32[skb + IPCB_FLAGS] |= IPSKB_FORWARDED
    i32[skb + SKB_DEV] = fl[FL_DEV]
    if (nf.run(NF_INET_FORWARD, skb, i32[skb + SKB_IIF], fl[FL_DEV]) === NF_PASSED)
      forwardFinish(skb)
  }
  /** Behind FORWARD. */
  const forwardFinish = (skb: number): void => {
    f64[count + Mib.Ip6OutForwDatagrams]++
    ip6Output(skb)
  }
  /** From nobody, or from an address of the link that it came by: it leaves by no other. False: it is gone. */
  const maySendOn = (skb: number, fl: Flowi): boolean => {
    const at = i32[skb + SKB_NETWORK]
    if (
      ipv6.isUnspecifiedAddr(
        ipv6.src0(u8, at),
        ipv6.src1(u8, at),
        ipv6.src2(u8, at),
        ipv6.src3(u8, at)
      )
    )
      return refuse(skb)
    if (!ipv6.isLinkLocalAddr(ipv6.src0(u8, at)) || fl[FL_DEV] === i32[skb + SKB_DEV]) return true
    icmpv6Send(skb, icmpv6.ICMPV6_DEST_UNREACH, icmpv6.ICMPV6_NOT_NEIGHBOUR, 0)
    return refuse(skb)
  }
  const refuse = (skb: number): boolean => {
    f64[count + Mib.Ip6InAddrErrors]++
    drop(skb, Drop.IP_INADDRERRORS)
    return false
  }
  /** A super-frame is as big as its segments. */
  const isTooBig = (skb: number, mtu: number): boolean =>
    i32[skb + SKB_GSO_SIZE] === 0 || networkSegLen(skb) > mtu
  const tooBig = (skb: number, mtu: number): void => {
    f64[count + Mib.Ip6InTooBigErrors]++
    f64[count + Mib.Ip6FragFails]++
    icmpv6Send(skb, icmpv6.ICMPV6_PKT_TOOBIG, 0, mtu)
    drop(skb, Drop.PKT_TOO_BIG)
  }
  const tooManyHops = (skb: number): void => {
    f64[count + Mib.Ip6InHdrErrors]++
    icmpv6Send(skb, icmpv6.ICMPV6_TIME_EXCEED, icmpv6.ICMPV6_EXC_HOPLIMIT, 0)
    drop(skb, Drop.TTL_EXCEEDED)
  }
  const discard = (skb: number): void => {
    f64[count + Mib.Ip6OutDiscards]++
    drop(skb, Drop.NOMEM)
  }
  nf.setOkFn(NF_INET_FORWARD, (skb, isStale) => {
    if (!isStale || routeMeHarder(skb)) forwardFinish(skb)
  })
  return { ip6Forward, forwardFinish }
}
