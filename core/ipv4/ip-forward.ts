/**
 * IPv4 forwarding: a packet that the route lookup sends on loses one hop and goes to ip_output. Called by ip_rcv;
 * on a worker. Too many hops and packets too big for the way are answered with ICMP errors.
 * Linux: net/ipv4/ip_forward.c; RFC 1812 section 5.2.7, 5.3.1, RFC 1191 section 4.
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_DEV, FL_MTU } from '../base/flowi.ts'
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
  SKB_DST,
  SKB_GSO_SIZE,
  SKB_HEAD,
  SKB_IIF,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPCB_FLAGS, IPCB_MTU, IPSKB_FORWARDED } from '../inet/inet-constants.ts'
import { NH_FAMILY, NH_GATEWAY, NH_PREFSRC } from '../inet/fib/nexthop-constants.ts'
import { hasSourceRoute, type IpOptions } from './options/ip-options.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_FORWARD, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { Gso } from '../dev/gso.ts'
import type { IpOutput } from './ip-output.ts'
import type { Icmp } from './icmp/icmp.ts'
import type { IpRedirect } from './ip-redirect.ts'

type IpForwardDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  nf: NfHooks
  options: IpOptions
  /** core/stack/ipv4.ts: select4 of inet/addr/source.ts with RT_SCOPE_UNIVERSE. */
  selectSource: (dev: number, near: number) => number
} & Pick<Gso, 'networkSegLen'> &
  Pick<IpOutput, 'ipOutput' | 'routeMeHarder'> &
  Pick<Icmp, 'icmpSend'> &
  Pick<IpRedirect, 'sendRedirect'>

/** Room that the widest link header takes. */
const LL_RESERVED = 16

export type IpForward = ReturnType<typeof createIpForward>

export const createIpForward = (deps: IpForwardDeps) => {
  const { arena, skbs, drop, nf, networkSegLen, ipOutput, routeMeHarder, icmpSend } = deps
  const { sendRedirect, options, selectSource } = deps
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)

  /** Sends the packet on along the route in `fl` (SKB_DST says the same); takes it over. */
  const ipForward = (skb: number, fl: Flowi): void => {
    if (i32[skb + SKB_PKT_TYPE] !== PACKET_HOST) return drop(skb, Drop.OTHERHOST)
    if (ipv4.ttl(u8, i32[skb + SKB_NETWORK]) <= 1) return tooManyHops(skb)
    f64[count + Mib.IpForwDatagrams]++
    const mtu = fl[FL_MTU]
    if (i32[skb + SKB_LEN] > mtu && isTooBig(skb, mtu)) return tooBig(skb, mtu)
    // taps hold clones of the bytes that are about to change (skb_cow)
    if (skbs.isShared(skb) || i32[skb + SKB_DATA] - i32[skb + SKB_HEAD] < LL_RESERVED)
      if (!skbs.expandHead(skb, MAX_HEADER)) return drop(skb, Drop.NOMEM)
    ipv4.decreaseTtl(u8, i32[skb + SKB_NETWORK])
    if (i32[skb + SKB_DEV] === fl[FL_DEV] && !hasSourceRoute(i32, skb)) sendRedirect(skb, fl)
    i32[skb + IPCB_MTU] = mtu
    i32[skb + IPCB_FLAGS] |= IPSKB_FORWARDED
    i32[skb + SKB_DEV] = fl[FL_DEV]
    if (nf.run(NF_INET_FORWARD, skb, i32[skb + SKB_IIF], fl[FL_DEV]) === NF_PASSED)
      forwardFinish(skb)
  }
  /** Behind FORWARD. */
  const forwardFinish = (skb: number): void => {
    if (i32[skb + SKB_TRANSPORT] - i32[skb + SKB_NETWORK] !== ipv4.MIN_HEADER) recordRouter(skb)
    ipOutput(skb)
  }
  /** Options record the address that what is made here would leave from, by that route (ip_rt_get_source). */
  const recordRouter = (skb: number): void => {
    const row = i32[skb + SKB_DST]
    const prefsrc = i32[row + NH_PREFSRC + 3]
    const near = i32[row + NH_FAMILY] !== 0 ? i32[row + NH_GATEWAY + 3] : 0
    options.forward(skb, prefsrc !== 0 ? prefsrc : selectSource(i32[skb + SKB_DEV], near))
  }
  /** A super-frame is as big as its segments; without DF, IP output cuts the packet. */
  const isTooBig = (skb: number, mtu: number): boolean => {
    if (!ipv4.dontFragment(u8, i32[skb + SKB_NETWORK])) return false
    return i32[skb + SKB_GSO_SIZE] === 0 || networkSegLen(skb) > mtu
  }
  const tooBig = (skb: number, mtu: number): void => {
    f64[count + Mib.IpFragFails]++
    icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_FRAG_NEEDED, mtu)
    drop(skb, Drop.PKT_TOO_BIG)
  }
  const tooManyHops = (skb: number): void => {
    f64[count + Mib.IpInHdrErrors]++
    icmpSend(skb, icmp.ICMP_TIME_EXCEEDED, icmp.ICMP_EXC_TTL, 0)
    drop(skb, Drop.TTL_EXCEEDED)
  }
  nf.setOkFn(NF_INET_FORWARD, (skb, isStale) => {
    if (!isStale || routeMeHarder(skb)) forwardFinish(skb)
  })
  return { ipForward, forwardFinish }
}
