/**
 * IPv6 forwarding: a packet that the route lookup sends on loses one hop and goes to ip6_output. Called by ip6_rcv; on
 * a worker. Too many hops and packets too big for the way are answered with ICMPv6 errors: no router cuts packets.
 * Linux: net/ipv6/ip6_output.c ip6_forward(); RFC 8200 section 3 and 5, 4291 section 2.5.6, 4443 section 3.
 */
import type { Flowi } from '../base/flowi.ts'
import { createFlowi, FL_DADDR, FL_DEV, FL_MTU } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
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
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import { CONF_ALL, Conf6, confRow } from '../shm/devconf.ts'
import type { Gso } from '../dev/gso.ts'
import { IPCB_FLAGS, IPCB_MTU, IPCB_NHOFF, IPSKB_FORWARDED } from '../inet/inet-constants.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { Pneigh } from '../neigh/pneigh.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_FORWARD, NF_PASSED } from '../netfilter/nf-constants.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import { IPPROTO_ICMPV6 } from '../wire/ipproto.ts'
import * as ipv6 from '../wire/ipv6.ts'
import type { Icmpv6 } from './icmp/icmpv6.ts'
import type { Ip6Output } from './ip6-output.ts'
import type { NdiscRedirect } from './ndisc/ndisc-redirect.ts'

type Ip6ForwardDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  nf: NfHooks
} & Pick<Gso, 'networkSegLen'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Ip6Output, 'ip6Output' | 'routeMeHarder'> &
  Pick<Icmpv6, 'icmpv6Send'> &
  Pick<NdiscRedirect, 'sendRedirect'> &
  Pick<Pneigh, 'hasPneighs' | 'pneighLookup'> & {
    /** core/stack/ipv6.ts: ip6Input of ip6-input.ts, which calls what is made here. */
    takeHere: (skb: number) => void
  }

/** Room that the widest link header takes. */
const LL_RESERVED = 16

export type Ip6Forward = ReturnType<typeof createIp6Forward>

export const createIp6Forward = (deps: Ip6ForwardDeps) => {
  const { arena, skbs, drop, nf, networkSegLen, ip6Output, routeMeHarder } = deps
  const { icmpv6Send, sendRedirect, hasPneighs, pneighLookup, loadAddrs, takeHere } = deps
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const all = confRow(arena, CONF_ALL)
  const addrs = createFlowi()

  /** Sends the packet on along the route in `fl` (SKB_DST says the same); takes it over. */
  const ip6Forward = (skb: number, fl: Flowi): void => {
    if (i32[skb + SKB_PKT_TYPE] !== PACKET_HOST) return drop(skb, Drop.OTHERHOST)
    const at = i32[skb + SKB_NETWORK]
    if (ipv6.hopLimit(u8, at) <= 1) return tooManyHops(skb)
    if (hasPneighs() && isForProxy(skb)) return
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
  /**
   * To an address that we answer for on the link it came by (ip6_forward_proxy_check): neighbour discovery, such as the
   * question whether it is still there, is for us, and nobody can be sent what goes to an address of that link. True: it is gone.
   */
  const isForProxy = (skb: number): boolean => {
    const dev = i32[skb + SKB_DEV]
    const isOn = (i32[all + Conf6.proxy_ndp] | i32[confRow(arena, dev) + Conf6.proxy_ndp]) !== 0
    loadAddrs(skb, addrs)
    if (!isOn || pneighLookup(dev, addrs, FL_DADDR) === 0) return false
    if (isDiscovery(skb)) {
      takeHere(skb)
      return true
    }
    if (!ipv6.isLinkLocalAddr(addrs[FL_DADDR])) return false
    icmpv6Send(skb, icmpv6.ICMPV6_DEST_UNREACH, icmpv6.ICMPV6_ADDR_UNREACH, 0)
    f64[count + Mib.Ip6InDiscards]++
    drop(skb, Drop.NOT_SPECIFIED)
    return true
  }
  const isDiscovery = (skb: number): boolean => {
    const at = i32[skb + SKB_NETWORK]
    if (u8[at + i32[skb + IPCB_NHOFF]] !== IPPROTO_ICMPV6) return false
    const type = skbs.byteAt(skb, i32[skb + SKB_TRANSPORT] - i32[skb + SKB_DATA])
    return type >= icmpv6.NDISC_ROUTER_SOLICITATION && type <= icmpv6.NDISC_REDIRECT
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
