/**
 * IPv6 input: ip6_rcv checks the header in Linux's order, the route lookup says whether the packet is ours, and
 * ip6_input goes from extension header to extension header until a transport takes it. Called by ptype for
 * ETH_P_IPV6; calls ip6_forward, the extension headers and IPv6's inet_protos. On a worker.
 * Linux: net/ipv6/ip6_input.c, route.c ip6_pkt_drop(); RFC 8200 sections 3 and 4, 4291 section 2.5.3 and 2.7.
 */
import { Errno } from '../base/errno.ts'
import { isAnyAddr, needsZone } from '../base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DST,
  FL_PROTO,
  FL_SADDR,
  FL_TOS,
  FL_TYPE,
  RTN_MULTICAST,
  RTN_UNICAST,
  FL_L3MDEV,
} from '../base/flowi.ts'
import { DEV_FLAGS, IFF_LOOPBACK, DEV_L3MDEV } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Conf6, confRow } from '../shm/devconf.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import type { L3mdevRcv } from '../dev/l3mdev-rcv.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_BROADCAST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_FRAGS,
  SKB_GSO_SEGS,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_TAIL,
  SKB_TRANSPORT,
  STAGE_DELIVER,
} from '../skb/skb.ts'
import type { InetProtos } from '../inet/inet-protos.ts'
import { IPCB_FLAGS, IPCB_NHOFF, IPCB_TYPE } from '../inet/inet-constants.ts'
import { createMcTable } from '../inet/mc/mc-table.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { FlowKeys } from '../inet/fib/multipath/flow-keys.ts'
import type { Route } from '../inet/fib/route.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { Machine } from '../stack/machine.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import {
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMPV6,
  IPPROTO_NONE,
  IPPROTO_ROUTING,
} from '../wire/ipproto.ts'
import * as ipv6 from '../wire/ipv6.ts'
import { EXT_PROTOCOL, EXT_WORDS, walk } from '../wire/ipv6-ext.ts'
import type { Exthdrs } from './exthdrs.ts'
import type { Icmpv6 } from './icmp/icmpv6.ts'
import type { Ip6Forward } from './ip6-forward.ts'
import type { MrForward } from '../inet/mc/mr-forward.ts'
import { isMld } from '../wire/mld.ts'
import type { Ip6Reassembly } from './fragment/ip6-reassembly.ts'

type Ip6InputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  nf: NfHooks
  protos: InetProtos
  exthdrs: Exthdrs
  mr: Pick<MrForward, 'mayPass' | 'forward' | 'forwardCopy'>
  l3mdevRcv: L3mdevRcv
} & Pick<Route, 'routeInput6'> &
  Pick<FlowKeys, 'flowPorts'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Ip6Forward, 'ip6Forward'> &
  Pick<Ip6Reassembly, 'fragRcv'> &
  Pick<Machine, 'steerAgain'> &
  Pick<Icmpv6, 'icmpv6Send'>

/** By the two ECN bits of the traffic class (RFC 3168 section 5). */
const ECN_COUNTERS = Int32Array.of(
  Mib.Ip6InNoECTPkts,
  Mib.Ip6InECT1Pkts,
  Mib.Ip6InECT0Pkts,
  Mib.Ip6InCEPkts
)
const LINK_LOCAL_SCOPE = 2
/** Pointer of a parameter problem: the payload length. */
const PAYLOAD_LENGTH = 4

export const createIp6Input = (deps: Ip6InputDeps) => {
  const { arena, skbs, drop, consume, nf, protos, routeInput6, loadAddrs, ip6Forward } = deps
  const { flowPorts, exthdrs, fragRcv, steerAgain, icmpv6Send, mr } = deps
  const { l3mdevRcv } = deps
  const { checkMc, hasMc } = createMcTable(arena)
  const { i32, u8, f64, layout } = arena
  const { devices } = layout
  const count = counterBank(arena, skbs.thread)
  const { handlers, resumes, listeners } = protos
  const { raws } = listeners
  const fl = createFlowi()
  const chain = new Int32Array(EXT_WORDS)

  /** A packet from the link layer, data at its IPv6 header. */
  const ip6Rcv = (skb: number): void => {
    const len = i32[skb + SKB_LEN]
    if (i32[skb + SKB_PKT_TYPE] === PACKET_OTHERHOST) return drop(skb, Drop.OTHERHOST)
    f64[count + Mib.Ip6InReceives]++
    f64[count + Mib.Ip6InOctets] += len
    const conf = confRow(arena, i32[skb + SKB_DEV])
    if (i32[conf + Conf6.disable_ipv6] !== 0) return discard(skb, Drop.IPV6DISABLED)
    if (len < ipv6.HEADER) return badHeader(skb, Drop.PKT_TOO_SMALL)
    if (!skbs.mayPull(skb, ipv6.HEADER)) return discard(skb, Drop.NOMEM)
    const at = i32[skb + SKB_DATA]
    if (u8[at] >> 4 !== 6) return badHeader(skb, Drop.UNHANDLED_PROTO)
    const segments = i32[skb + SKB_GSO_SEGS]
    f64[count + ECN_COUNTERS[(u8[at + 1] >> 4) & 3]] += segments > 1 ? segments : 1
    if (!areAddrsOk(skb, at)) return badHeader(skb, Drop.IP_INHDR)
    if (i32[conf + Conf6.drop_unicast_in_l2_multicast] !== 0 && isUnicastInMulticast(skb, at))
      return badHeader(skb, Drop.UNICAST_IN_L2_MULTICAST)
    const next = u8[at + ipv6.NEXT_HEADER_FIELD]
    const payload = (u8[at + 4] << 8) | u8[at + 5]
    if (payload !== 0 || next !== IPPROTO_HOPOPTS) {
      const total = ipv6.HEADER + payload
      if (len < total) return truncated(skb)
      // what is behind the packet is padding of the link's
      if (len > total && !trimTo(skb, total)) return discard(skb, Drop.NOMEM)
    }
    const network = i32[skb + SKB_DATA]
    i32[skb + SKB_NETWORK] = network
    i32[skb + SKB_TRANSPORT] = network + ipv6.HEADER
    i32[skb + IPCB_TYPE] = 0
    i32[skb + IPCB_FLAGS] = 0
    i32[skb + IPCB_NHOFF] = ipv6.NEXT_HEADER_FIELD
    if (next === IPPROTO_HOPOPTS && !hopByHop(skb, payload)) return
    if (nf.run(NF_INET_PRE_ROUTING, skb, i32[skb + SKB_DEV], 0) === NF_PASSED) ip6RcvFinish(skb)
  }
  /** What no packet on a link has in its addresses. */
  const areAddrsOk = (skb: number, at: number): boolean => {
    if (u8[at + 8] === 0xff) return false
    const isSelf =
      (u8[at + 8] === 0 && isLoopback(at + 8)) || (u8[at + 24] === 0 && isLoopback(at + 24))
    if (isSelf && !isLoopbackDev(skb)) return false
    return u8[at + 24] !== 0xff || isGroupOk(skb, u8[at + 25] & 15)
  }
  /** Scope 0 is reserved, scope 1 stays on its interface (RFC 4291 section 2.7, erratum 3480). */
  const isGroupOk = (skb: number, scope: number): boolean =>
    scope > 1 ||
    (scope === 1 && (isLoopbackDev(skb) || i32[skb + SKB_PKT_TYPE] === PACKET_LOOPBACK))
  const isUnicastInMulticast = (skb: number, at: number): boolean => {
    const type = i32[skb + SKB_PKT_TYPE]
    return u8[at + 24] !== 0xff && (type === PACKET_BROADCAST || type === PACKET_MULTICAST)
  }
  const isLoopback = (at: number): boolean => {
    for (let k = 0; k < 15; k++) if (u8[at + k] !== 0) return false
    return u8[at + 15] === 1
  }
  /** Does only what was sent here come by it (lo, or a VRF)? */
  const isLoopbackDev = (skb: number): boolean => {
    const dev = i32[skb + SKB_DEV]
    const row = devices + dev * DEVICE_WORDS
    return (i32[row + DEV_FLAGS] & IFF_LOOPBACK) !== 0 || i32[row + DEV_L3MDEV] === dev
  }
  const trimTo = (skb: number, total: number): boolean => {
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, 0)) return false
    skbs.trim(skb, total)
    return true
  }
  /** A payload length of 0 promises the jumbo option (RFC 2675 section 3). */
  const hopByHop = (skb: number, payload: number): boolean => {
    if (!exthdrs.hopopts(skb)) return false
    if (payload !== 0 || i32[skb + SKB_LEN] > ipv6.HEADER + ipv6.MAX_PAYLOAD) return true
    icmpv6Send(skb, icmpv6.ICMPV6_PARAMPROB, icmpv6.ICMPV6_HDR_FIELD, PAYLOAD_LENGTH)
    badHeader(skb, Drop.IP_INHDR)
    return false
  }

  /** Behind PRE_ROUTING. */
  const ip6RcvFinish = (skb: number): void => {
    if (i32[skb + SKB_PKT_TYPE] === PACKET_LOOPBACK) return ip6McInput(skb)
    const at = i32[skb + SKB_NETWORK]
    loadAddrs(skb, fl)
    fl[FL_TOS] = ipv6.trafficClass(u8, at)
    fl[FL_PROTO] = u8[at + i32[skb + IPCB_NHOFF]]
    flowPorts(skb, fl)
    fl[FL_TYPE] = 0
    const error = routeInput6(fl)
    // what is of a link, and to groups, is not the VRF's (vrf_ip6_rcv: rt6_need_strict)
    if (fl[FL_L3MDEV] !== 0 && !needsZone(fl, FL_DADDR)) l3mdevRcv(skb, fl[FL_L3MDEV])
    if (error !== 0) return ip6Error(skb, error)
    const type = fl[FL_TYPE]
    i32[skb + SKB_DST] = fl[FL_DST]
    i32[skb + IPCB_TYPE] = type
    if (type === RTN_UNICAST) return ip6Forward(skb, fl)
    if (type === RTN_MULTICAST) return ip6McInput(skb)
    ip6Input(skb)
  }
  /** Only a group that the device has joined is for us; others may pass through. */
  const ip6McInput = (skb: number): void => {
    const dev = i32[skb + SKB_DEV]
    i32[skb + IPCB_TYPE] = RTN_MULTICAST
    f64[count + Mib.Ip6InMcastPkts]++
    f64[count + Mib.Ip6InMcastOctets] += i32[skb + SKB_LEN]
    loadAddrs(skb, fl)
    const isOurs = hasMc(dev, fl, FL_DADDR)
    if (mr.mayPass(dev)) ip6MrInput(skb, isOurs)
    else if (isOurs) ip6Input(skb)
    else drop(skb, Drop.NOT_SPECIFIED)
  }
  /** On a device where multicast passes. Routers hear of memberships by MLD to any group. */
  const ip6MrInput = (skb: number, isOurs: boolean): void => {
    if (isMldMessage(skb)) return ip6Input(skb)
    const passes = mayLeaveLink(i32[skb + SKB_NETWORK])
    if (isOurs) {
      if (passes) mr.forwardCopy(skb)
      ip6Input(skb)
    } else if (passes) mr.forward(skb)
    else drop(skb, Drop.NOT_SPECIFIED)
  }
  /** What is of one link, by its group or by its source, stays there (RFC 4291 section 2.5.6 and 2.7). */
  const mayLeaveLink = (at: number): boolean =>
    ipv6.multicastScope(ipv6.dst0(u8, at)) > LINK_LOCAL_SCOPE &&
    !ipv6.isLinkLocalAddr(ipv6.src0(u8, at))
  /** With the router alert in front, as all of them have. It may move the buffer: the message may lie in pieces. */
  const isMldMessage = (skb: number): boolean => {
    const at = i32[skb + SKB_NETWORK]
    if (u8[at + ipv6.NEXT_HEADER_FIELD] !== IPPROTO_HOPOPTS) return false
    if (u8[at + i32[skb + IPCB_NHOFF]] !== IPPROTO_ICMPV6) return false
    const type = i32[skb + SKB_TRANSPORT] - i32[skb + SKB_DATA]
    return skbs.mayPull(skb, type + 1) && isMld(u8[i32[skb + SKB_TRANSPORT]])
  }
  const ip6Input = (skb: number): void => {
    if (nf.run(NF_INET_LOCAL_IN, skb, i32[skb + SKB_DEV], 0) === NF_PASSED) deliver(skb)
  }

  /** Behind LOCAL_IN: from header to header (ip6_protocol_deliver_rcu). */
  const deliver = (skb: number): void => {
    for (;;) {
      const next = u8[i32[skb + SKB_NETWORK] + i32[skb + IPCB_NHOFF]]
      skbs.pull(skb, i32[skb + SKB_TRANSPORT] - i32[skb + SKB_DATA])
      if (next === IPPROTO_DSTOPTS) {
        if (!exthdrs.destopt(skb)) return
      } else if (next === IPPROTO_ROUTING) {
        if (!exthdrs.routing(skb)) return
      } else if (next === IPPROTO_FRAGMENT) {
        if (!deliverFragment(skb)) return
      } else return toTransport(skb, next)
    }
  }
  /** True when the packet is whole and goes on itself; what was put together has a way of its own. */
  const deliverFragment = (skb: number): boolean => {
    const whole = fragRcv(skb)
    if (whole === skb) return true
    if (whole !== 0 && !steerAgain(whole, STAGE_DELIVER)) deliver(whole)
    return false
  }
  const toTransport = (skb: number, protocol: number): void => {
    if (i32[skb + IPCB_TYPE] === RTN_MULTICAST && !takesSource(skb, protocol))
      return discard(skb, Drop.IP_INADDRERRORS)
    // filled by core/stack/raw.ts: rawDeliver (transport/raw/raw-input.ts)
    const raw = raws[protocol] !== 0 && listeners.rawDeliver(skb, protocol)
    const handler = handlers[protocol]
    if (handler) {
      f64[count + Mib.Ip6InDelivers]++
      // filled by core/stack.ts: tcpRcv (tcp/rcv/tcp-ipv.ts), udpRcv (udp/udp-input.ts), icmpv6Rcv (icmpv6.ts)
      return handler(skb)
    }
    if (!raw && protocol !== IPPROTO_NONE) return unknownNextHeader(skb)
    f64[count + Mib.Ip6InDelivers]++
    consume(skb)
  }
  /** A group may be joined from some senders alone; who speaks of groups (MLD) is heard whoever it is. */
  const takesSource = (skb: number, protocol: number): boolean => {
    if (protocol === IPPROTO_ICMPV6) return true
    loadAddrs(skb, fl)
    return checkMc(i32[skb + SKB_DEV], fl, FL_DADDR, fl, FL_SADDR)
  }
  /** Hop-by-hop options stand behind the IPv6 header or are unknown too (RFC 8200 section 4). */
  const unknownNextHeader = (skb: number): void => {
    f64[count + Mib.Ip6InUnknownProtos]++
    const pointer = i32[skb + IPCB_NHOFF]
    icmpv6Send(skb, icmpv6.ICMPV6_PARAMPROB, icmpv6.ICMPV6_UNK_NEXTHDR, pointer)
    drop(skb, Drop.IP_NOPROTO)
  }

  /** A packet that came here from another CPU, which had done all but this with it. */
  const ip6Resume = (skb: number, stage: number): void => {
    if (stage === STAGE_DELIVER) return deliver(skb)
    // the control block is the transport's by now
    walk(u8, i32[skb + SKB_NETWORK], i32[skb + SKB_TAIL], chain)
    // filled by core/stack.ts: tcpResume (tcp/rcv/tcp-ipv.ts), udpResume (udp/udp-input.ts)
    resumes[chain[EXT_PROTOCOL]](skb)
  }

  /** Nothing is wrong with the packet. */
  const discard = (skb: number, reason: Drop): void => {
    f64[count + Mib.Ip6InDiscards]++
    drop(skb, reason)
  }
  const badHeader = (skb: number, reason: Drop): void => {
    f64[count + Mib.Ip6InHdrErrors]++
    drop(skb, reason)
  }
  const truncated = (skb: number): void => {
    f64[count + Mib.Ip6InTruncatedPkts]++
    drop(skb, Drop.PKT_TOO_SMALL)
  }

  /** No way for the packet (ip6_pkt_drop). A host that does not forward is silent about what is another's. */
  const ip6Error = (skb: number, error: number): void => {
    if (error === -Errno.ENETUNREACH) return noRoute(skb, icmpv6.ICMPV6_NOROUTE)
    if (error === -Errno.EACCES) return noRoute(skb, icmpv6.ICMPV6_ADM_PROHIBITED)
    // a route that says so; else nobody forwards here
    if (error === -Errno.EHOSTUNREACH && fl[FL_TYPE] !== RTN_UNICAST)
      return noRoute(skb, icmpv6.ICMPV6_NOROUTE)
    // a black hole is one for the counters too
    if (error !== -Errno.EHOSTUNREACH) return drop(skb, Drop.IP_INNOROUTES)
    f64[count + Mib.Ip6InAddrErrors]++
    drop(skb, Drop.IP_INADDRERRORS)
  }
  const noRoute = (skb: number, code: number): void => {
    f64[count + (isAnyAddr(fl, FL_DADDR) ? Mib.Ip6InAddrErrors : Mib.Ip6InNoRoutes)]++
    icmpv6Send(skb, icmpv6.ICMPV6_DEST_UNREACH, code, 0)
    drop(skb, Drop.IP_INNOROUTES)
  }

  nf.setOkFn(NF_INET_PRE_ROUTING, ip6RcvFinish)
  nf.setOkFn(NF_INET_LOCAL_IN, deliver)
  return { ip6Rcv, ip6Resume, ip6Input }
}
