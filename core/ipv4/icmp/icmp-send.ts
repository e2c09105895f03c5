/**
 * ICMP errors about packets that came, or that have no way: to whom they may go, from which address, and how much of the packet
 * they quote. What an error never follows: another error, a broadcast or multicast, a fragment but the first. Called by all
 * layers that drop one, on the worker; the packet stays the caller's. Linux: __icmp_send, ipv4_link_failure; RFC 1812
 * section 4.3.2, 1122 section 3.2.2.
 */
import { FL_HASH, FL_MARK, FL_MTU, FL_OIF, RTN_BROADCAST, RTN_MULTICAST } from '../../base/flowi.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import type { FlowKeys } from '../../inet/fib/multipath/flow-keys.ts'
import { IPCB_TYPE } from '../../inet/inet-constants.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Mib, counterBank } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import {
  MAX_HEADER,
  PACKET_HOST,
  SKB_DATA,
  SKB_DEV,
  SKB_IIF,
  SKB_IPOPT,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
} from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import * as icmp from '../../wire/icmp.ts'
import { IPPROTO_ICMP } from '../../wire/ipproto.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import { LAST_TYPE } from './icmp-counters.ts'
import { type IcmpPushReply, TOS_MASK } from './icmp-push-reply.ts'
import { SRR_HIT_SHIFT } from '../options/ip-options-constants.ts'
import { type IpOptionsEcho, OPTIONS_NO_ECHO } from '../options/ip-options-echo.ts'
import { type IpOptions, OPTIONS_OK, isSourceRouted } from '../options/ip-options.ts'

type IcmpSendDeps = {
  arena: Arena
  skbs: Skbs
  reply: IcmpPushReply
  options: Pick<IpOptions, 'own' | 'compile'> & IpOptionsEcho
  /** core/stack/ipv4.ts: select4 of inet/addr/source.ts with RT_SCOPE_LINK; 0 is none. */
  selectLinkSource: (dev: number, near: number) => number
} & Pick<Pmtu, 'routeOutput'> &
  Pick<FlowKeys, 'hashAbout'> &
  Pick<AddrType, 'isLocalAddress'>

/** An error is at most this long, as an IP packet (RFC 1812 section 4.3.2.3). */
const MOST = 576
/** Precedence "internetwork control" of errors (RFC 1812 section 4.3.2.5). */
const TOS_PREC_INTERNETCONTROL = 0xc0

export const createIcmpSend = (deps: IcmpSendDeps) => {
  const { arena, skbs, options, isLocalAddress, hashAbout, routeOutput, selectLinkSource } = deps
  const { fl, putFlow, replyMark, pushReply, mayGo } = deps.reply
  const { i32, u8, f64, layout } = arena
  const { sysctl } = layout
  const count = counterBank(arena, skbs.thread)

  /**
   * Sends an error about a packet, whose NETWORK is its IP header; the packet stays the caller's. `info` is the
   * message's second word: the MTU, the pointer in the high octet, or 0.
   */
  const icmpSend = (about: number, type: number, code: number, info: number): void => {
    const at = i32[about + SKB_NETWORK]
    if (!mayAnswer(about, at)) return
    const tos = (ipv4.tos(u8, at) & TOS_MASK) | TOS_PREC_INTERNETCONTROL
    const n = options.echo(about)
    if (n === OPTIONS_NO_ECHO) return
    putFlow(errorSource(about, at), options.firstHop(ipv4.src(u8, at)), tos & TOS_MASK)
    fl[FL_OIF] = l3mdevOf(arena, i32[about + SKB_IIF] || i32[about + SKB_DEV])
    fl[FL_HASH] = hashAbout(about)
    fl[FL_MARK] = replyMark(about)
    if (routeOutput(fl) !== 0 || !mayGo(type, code)) return
    const skb = quote(about, at, Math.min(MOST, fl[FL_MTU]) - ipv4.MIN_HEADER - n - icmp.MIN_HEADER)
    if (skb === 0) {
      f64[count + Mib.IcmpOutErrors]++
      return
    }
    const message = i32[skb + SKB_DATA]
    icmp.setType(u8, message, type)
    icmp.setCode(u8, message, code)
    icmp.setRest(u8, message, info)
    icmp.setChecksum(u8, message, i32[skb + SKB_LEN])
    pushReply(skb, type, tos, n)
  }
  /** Our own address that the packet was for; of the device it came in on, when asked for; or 0: as the route has it. */
  const errorSource = (about: number, at: number): number => {
    const daddr = ipv4.dst(u8, at)
    if (isLocalAddress(daddr, i32[about + SKB_DEV]) && !isSourceRouted(i32, about)) return daddr
    const iif = i32[about + SKB_IIF]
    return iif !== 0 && i32[sysctl + Sysctl.icmp_errors_use_inbound_ifaddr] !== 0
      ? selectLinkSource(iif, ipv4.src(u8, at))
      : 0
  }

  /** RFC 1812 section 4.3.2.7. */
  const mayAnswer = (about: number, at: number): boolean => {
    if (i32[about + SKB_PKT_TYPE] !== PACKET_HOST) return false
    const type = i32[about + IPCB_TYPE]
    if (type === RTN_BROADCAST || type === RTN_MULTICAST) return false
    const daddr = ipv4.dst(u8, at)
    const saddr = ipv4.src(u8, at)
    if (ipv4.isMulticastAddr(daddr) || daddr === ipv4.INADDR_BROADCAST) return false
    if (saddr === 0 || saddr === ipv4.INADDR_BROADCAST || ipv4.isMulticastAddr(saddr)) return false
    if (ipv4.fragmentOffset(u8, at) !== 0) return false
    if (ipv4.protocol(u8, at) !== IPPROTO_ICMP) return true
    const inner = at + ipv4.headerLen(u8, at)
    const data = i32[about + SKB_DATA]
    const asked = inner < data ? u8[inner] : skbs.byteAt(about, inner - data)
    return asked >= 0 && asked <= LAST_TYPE && !icmp.isError(asked)
  }

  /** A new skb with room for an ICMP header and as much of the packet behind it as fits `room`; 0: no memory. */
  const quote = (about: number, at: number, room: number): number => {
    // what was pulled off lies before data, the rest behind it (perhaps in frags)
    const pulled = Math.max(i32[about + SKB_DATA] - at, 0)
    const len = Math.min(pulled + i32[about + SKB_LEN], Math.max(room, 28))
    const skb = skbs.alloc(icmp.MIN_HEADER + len, MAX_HEADER + ipv4.MAX_OPTIONS)
    if (skb === 0) return 0
    const to = skbs.put(skb, icmp.MIN_HEADER + len) + icmp.MIN_HEADER
    const head = Math.min(pulled, len)
    u8.copyWithin(to, at, at + head)
    skbs.copyBits(about, 0, to + head, len - head)
    return skb
  }

  /**
   * The next hop of a packet does not answer (dst_link_failure): the host it came from is told, which may be this one. The
   * packet, data at its IP header, stays the caller's.
   */
  const linkFailure = (skb: number): void => {
    const at = i32[skb + SKB_NETWORK]
    if (u8[at] >> 4 !== 4) return
    if (ipv4.headerLen(u8, at) !== ipv4.MIN_HEADER && !fillAgain(skb)) return
    icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_HOST_UNREACH, 0)
  }
  /** Linux reads the options of what waited once more, and fills them in a second time (ipv4_send_dest_unreach). */
  const fillAgain = (skb: number): boolean => {
    if (!options.own(skb)) return false
    const hit = i32[skb + SKB_IPOPT] >>> SRR_HIT_SHIFT
    const wrong = options.compile(skb, i32[skb + IPCB_TYPE])
    i32[skb + SKB_IPOPT] |= hit << SRR_HIT_SHIFT
    return wrong <= OPTIONS_OK
  }

  return { icmpSend, linkFailure }
}
