/**
 * IPv6 output: puts the IPv6 header on what a transport sends (ip6Xmit for TCP, by its sock row; ip6Send for all else),
 * and takes it and what is forwarded to the neighbour layer, what is made here cut to the way's MTU. On the worker that
 * sends. The packet is taken over in every case. Linux: net/ipv6/ip6_output.c; RFC 8200 section 3, 6437.
 */
import { Errno } from '../base/errno.ts'
import type { Flowi } from '../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_DST,
  FL_FLOWLABEL,
  FL_IIF,
  FL_MARK,
  FL_MTU,
  FL_NO_LOOP,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  FL_TYPE,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../base/flowi.ts'
import { mix32, mixIn } from '../base/u32.ts'
import { DEV_FLAGS, DEV_MC_ROLE6, IFF_LOOPBACK, IFF_NOARP, l3mdevOf } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Conf6, confRow } from '../shm/devconf.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import { Sysctl } from '../shm/sysctl.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_LOOPBACK,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_GSO_SIZE,
  SKB_IIF,
  SKB_LEN,
  SKB_MARK,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_DST,
  SK_DST_DEV,
  SK_MARK,
  SK_MTU,
  SK_NUM,
  SK_PROTOCOL,
  SK_SADDR,
} from '../socket/sock.ts'
import {
  AUTO_LABEL_FORCED,
  hasAutoLabel,
  SK_FLOW_LABEL,
  SK_TCLASS,
  SK_HOPS,
} from '../socket/inet-sock.ts'
import type { DevQueueXmit } from '../dev/dev-queue-xmit.ts'
import type { EtherOutput } from '../dev/ether-output.ts'
import type { Gso } from '../dev/gso.ts'
import {
  IPCB_FLAGS,
  IPCB_MTU,
  IPCB_NHOFF,
  IPCB_TYPE,
  IPSKB_DONTFRAG,
  IPSKB_FORWARDED,
  IPSKB_MCLOOP,
  IPSKB_NO_LOOP,
  NO_HOPS,
} from '../inet/inet-constants.ts'
import { createMcTable } from '../inet/mc/mc-table.ts'
import { NH_FAMILY, NH_GATEWAY, NH_TYPE } from '../inet/fib/nexthop-constants.ts'
import { MC_ROLE_NONE } from '../inet/mc/mfc-constants.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { Pmtu } from '../inet/dst/pmtu.ts'
import { RTAX_HOPLIMIT, dstMetric } from '../shm/dst-metrics.ts'
import type { FlowKeys } from '../inet/fib/multipath/flow-keys.ts'
import type { Route } from '../inet/fib/route.ts'
import type { SkDst } from '../inet/dst/sk-dst.ts'
import type { NeighOutput } from '../neigh/neigh-output.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { Machine } from '../stack/machine.ts'
import { ETH_P_IPV6, IPV6_MULTICAST_HI } from '../wire/ethernet.ts'
import * as ipv6 from '../wire/ipv6.ts'
import type { Ip6Fragmentation } from './fragment/ip6-fragmentation.ts'

type Ip6OutputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  random: () => number
  nf: NfHooks
  skDst: SkDst
  gso: Pick<Gso, 'networkSegLen' | 'segment'>
  /** core/stack/ipv6.ts: tells the sender of a packet that is sent on; by icmpv6Send, which sends by what is made here. */
  packetTooBig: (skb: number, mtu: number) => void
  /** First of four free words of this thread: a next hop's address. */
  key: number
} & Pick<Route, 'routeInput'> &
  Pick<FlowKeys, 'flowPorts'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Pmtu, 'routeOutput'> &
  Pick<Ip6Fragmentation, 'ip6Fragment'> &
  Pick<NeighOutput, 'neighResolve'> &
  Pick<EtherOutput, 'ethHeader' | 'ethHeaderSelf'> &
  Pick<DevQueueXmit, 'devQueueXmit'> &
  Pick<Machine, 'netifRx'>

export type Ip6Output = ReturnType<typeof createIp6Output>

/** The two bits of the traffic class that are ECN's (RFC 3168). */
const ECN_MASK = 3

export const createIp6Output = (deps: Ip6OutputDeps) => {
  const { arena, skbs, drop, random, nf, gso, key, loadAddrs, routeInput, flowPorts, routeOutput } =
    deps
  const { neighResolve, ethHeader, ethHeaderSelf, devQueueXmit, netifRx } = deps
  const { ip6Fragment, packetTooBig } = deps
  const { skDstCheck } = deps.skDst
  const { checkMc } = createMcTable(arena)
  const { i32, u8, f64, layout } = arena
  const { devices } = layout
  const autoLabels = layout.sysctl + Sysctl.auto_flowlabels
  const count = counterBank(arena, skbs.thread)
  const seed = random()
  const flow = createFlowi()

  /** One flow, one label, that says nothing of it (RFC 6437 section 3). */
  const autoLabel = (
    words: Int32Array,
    saddr: number,
    daddr: number,
    ports: number,
    proto: number
  ): number => {
    let h = mixIn(seed ^ proto, ports)
    h = mixIn(mixIn(h, words[saddr + 3]), words[daddr + 3])
    h = mixIn(mixIn(h, words[saddr + 2]), words[daddr + 2])
    h = mixIn(mixIn(h, words[saddr + 1]), words[daddr + 1])
    h = mixIn(mixIn(h, words[saddr]), words[daddr])
    return mix32(h) & ipv6.FLOWLABEL_MASK
  }

  /** Is a packet that says no label given one (ip6_make_flowlabel)? */
  const isLabelled = (sk: number): boolean => {
    const all = i32[autoLabels]
    return all !== 0 && (all === AUTO_LABEL_FORCED || hasAutoLabel(arena, sk))
  }

  /** Writes the header in front of the transport's; the addresses are at words[saddr] and words[daddr]. */
  const pushHeader = (
    skb: number,
    proto: number,
    words: Int32Array,
    saddr: number,
    daddr: number,
    classAndLabel: number,
    hops: number
  ): void => {
    i32[skb + SKB_TRANSPORT] = i32[skb + SKB_DATA]
    const payload = i32[skb + SKB_LEN]
    const at = skbs.push(skb, ipv6.HEADER)
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_PROTOCOL] = ETH_P_IPV6
    i32[skb + IPCB_NHOFF] = ipv6.NEXT_HEADER_FIELD
    ipv6.initWords(u8, at, classAndLabel, proto, payload, hops)
    ipv6.setAddrs(u8, at, words, saddr, daddr)
  }

  /** The route's, or the device's (ip6_dst_hoplimit). */
  const hopsOf = (skb: number): number => {
    const hops = dstMetric(i32, i32[skb + SKB_DST], RTAX_HOPLIMIT)
    return hops !== 0 ? hops : i32[confRow(arena, i32[skb + SKB_DEV]) + Conf6.hop_limit]
  }

  /** Sends a connected sock's packet, data at the transport header: 0, or -errno. */
  const ip6Xmit = (skb: number, sk: number): number => {
    const error = skDstCheck(sk)
    if (error !== 0) return noRoute(skb, error)
    const row = i32[sk + SK_DST]
    const hops = i32[sk + SK_HOPS]
    const proto = i32[sk + SK_PROTOCOL]
    i32[skb + SKB_DST] = row
    i32[skb + SKB_DEV] = i32[sk + SK_DST_DEV]
    i32[skb + SKB_MARK] = i32[sk + SK_MARK]
    i32[skb + IPCB_TYPE] = i32[row + NH_TYPE]
    i32[skb + IPCB_MTU] = i32[sk + SK_MTU]
    const saddr = sk + SK_SADDR
    const daddr = sk + SK_DADDR
    const ports = (i32[sk + SK_NUM] << 16) | i32[sk + SK_DPORT]
    const label =
      i32[sk + SK_FLOW_LABEL] || (isLabelled(sk) ? autoLabel(i32, saddr, daddr, ports, proto) : 0)
    pushHeader(
      skb,
      proto,
      i32,
      saddr,
      daddr,
      (i32[sk + SK_TCLASS] << 20) | label,
      hops === 0 ? hopsOf(skb) : hops === NO_HOPS ? 0 : hops
    )
    return ip6LocalOut(skb, IPSKB_DONTFRAG)
  }

  /**
   * Sends a packet of a socket, or of none, data at the transport header, along the route in `fl` (routeOutput has answered): 0,
   * or -errno.
   */
  const ip6Send = (
    skb: number,
    fl: Flowi,
    proto: number,
    trafficClass: number,
    hops: number,
    sk = 0
  ): number => {
    if (i32[skb + SKB_LEN] > ipv6.MAX_PAYLOAD) return tooLong(skb)
    i32[skb + SKB_DST] = fl[FL_DST]
    i32[skb + SKB_DEV] = fl[FL_DEV]
    i32[skb + SKB_MARK] = fl[FL_MARK]
    i32[skb + IPCB_TYPE] = fl[FL_TYPE]
    i32[skb + IPCB_MTU] = fl[FL_MTU]
    const ports = (fl[FL_SPORT] << 16) | fl[FL_DPORT]
    const label =
      fl[FL_FLOWLABEL] || (isLabelled(sk) ? autoLabel(fl, FL_SADDR, FL_DADDR, ports, proto) : 0)
    pushHeader(
      skb,
      proto,
      fl,
      FL_SADDR,
      FL_DADDR,
      (trafficClass << 20) | label,
      hops === 0 ? hopsOf(skb) : hops === NO_HOPS ? 0 : hops
    )
    const error = ip6LocalOut(skb, fl[FL_NO_LOOP] === 0 ? 0 : IPSKB_NO_LOOP)
    if (error < 0) f64[count + Mib.Ip6OutDiscards]++
    return error
  }
  /** Sends what answers a received packet without a socket, the way back in `fl` not yet routed (tcp_v6_send_response). */
  const ip6SendReply = (skb: number, fl: Flowi, proto: number, request: number): number => {
    const error = routeOutput(fl)
    if (error !== 0) {
      drop(skb, Drop.IP_OUTNOROUTES)
      return error
    }
    const trafficClass = ipv6.trafficClass(u8, i32[request + SKB_NETWORK]) & ~ECN_MASK
    return ip6Send(skb, fl, proto, trafficClass, 0)
  }
  /** Sends a packet whose headers its sender has made, data at them, along the route in `fl` (rawv6_send_hdrinc). */
  const ip6SendHeader = (skb: number, fl: Flowi): number => {
    const at = i32[skb + SKB_DATA]
    if (i32[skb + SKB_LEN] < ipv6.HEADER) {
      drop(skb, Drop.IP_INHDR)
      return -Errno.EINVAL
    }
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_TRANSPORT] = at + ipv6.HEADER
    i32[skb + SKB_PROTOCOL] = ETH_P_IPV6
    i32[skb + IPCB_NHOFF] = ipv6.NEXT_HEADER_FIELD
    i32[skb + SKB_DST] = fl[FL_DST]
    i32[skb + SKB_DEV] = fl[FL_DEV]
    i32[skb + SKB_MARK] = fl[FL_MARK]
    i32[skb + IPCB_TYPE] = fl[FL_TYPE]
    i32[skb + IPCB_MTU] = fl[FL_MTU]
    const error = ip6LocalOut(skb, fl[FL_NO_LOOP] === 0 ? 0 : IPSKB_NO_LOOP)
    if (error < 0) f64[count + Mib.Ip6OutDiscards]++
    return error
  }
  const tooLong = (skb: number): number => {
    drop(skb, Drop.PKT_TOO_BIG)
    return -Errno.EMSGSIZE
  }
  const noRoute = (skb: number, error: number): number => {
    f64[count + Mib.Ip6OutNoRoutes]++
    drop(skb, Drop.IP_OUTNOROUTES)
    return error
  }

  const ip6LocalOut = (skb: number, flags: number): number => {
    f64[count + Mib.Ip6OutRequests]++
    i32[skb + IPCB_FLAGS] = flags
    i32[skb + SKB_IIF] = 0
    const verdict = nf.run(NF_INET_LOCAL_OUT, skb, 0, i32[skb + SKB_DEV])
    return verdict === NF_PASSED ? ip6Output(skb) : verdict
  }

  /** Everything that leaves passes here, data at the IPv6 header, SKB_DEV and the control block set. */
  const ip6Output = (skb: number): number => {
    if (i32[confRow(arena, i32[skb + SKB_DEV]) + Conf6.disable_ipv6] !== 0) return disabled(skb)
    if (i32[skb + IPCB_TYPE] === RTN_MULTICAST && !loopGroup(skb)) return 0
    const verdict = nf.run(NF_INET_POST_ROUTING, skb, i32[skb + SKB_IIF], i32[skb + SKB_DEV])
    return verdict === NF_PASSED ? outputFinish(skb) : verdict
  }
  const disabled = (skb: number): number => {
    f64[count + Mib.Ip6OutDiscards]++
    drop(skb, Drop.IPV6DISABLED)
    return 0
  }
  /** Behind POST_ROUTING. */
  const outputFinish = (skb: number): number => {
    const mtu = i32[skb + IPCB_MTU]
    if (i32[skb + SKB_LEN] <= mtu) return finishOutput(skb)
    if (i32[skb + SKB_GSO_SIZE] !== 0 && gso.networkSegLen(skb) <= mtu) return finishOutput(skb)
    if ((i32[skb + IPCB_FLAGS] & (IPSKB_FORWARDED | IPSKB_DONTFRAG)) !== 0) return tooBig(skb, mtu)
    if (i32[skb + SKB_GSO_SIZE] !== 0) return outputSegments(skb, mtu)
    return ip6Fragment(skb, mtu, finishOutput)
  }
  /** What is too big after all: a hook has changed its way, or the path takes less than TCP knows. */
  const tooBig = (skb: number, mtu: number): number => {
    f64[count + Mib.Ip6FragFails]++
    if ((i32[skb + IPCB_FLAGS] & IPSKB_FORWARDED) !== 0) packetTooBig(skb, mtu)
    return tooLong(skb)
  }
  /** A super-frame whose segments are too big for the way: cut, then each fragmented. */
  const outputSegments = (skb: number, mtu: number): number => {
    let result = 0
    let seg = gso.segment(skb)
    while (seg !== 0) {
      const next = i32[seg + SKB_NEXT]
      i32[seg + SKB_NEXT] = 0
      result = ip6Fragment(seg, mtu, finishOutput) || result
      seg = next
    }
    return result
  }

  /**
   * What we send to a group of the device is heard here too. False when the packet was not to leave at all: a hop limit of 0, or a
   * group of the interface alone, keeps it on this host.
   */
  const loopGroup = (skb: number): boolean => {
    const dev = i32[skb + SKB_DEV]
    if ((flagsOf(dev) & IFF_LOOPBACK) !== 0) return true
    if ((i32[skb + IPCB_FLAGS] & (IPSKB_FORWARDED | IPSKB_NO_LOOP)) === 0 && isHeard(skb, dev))
      loopCopy(skb, dev)
    const at = i32[skb + SKB_NETWORK]
    if (ipv6.hopLimit(u8, at) === 0) {
      f64[count + Mib.Ip6OutDiscards]++
      drop(skb, Drop.TTL_EXCEEDED)
      return false
    }
    if (ipv6.multicastScope(ipv6.dst0(u8, at)) > 1) return true
    drop(skb, Drop.IP_INVALID_DEST)
    return false
  }
  /** By who has joined the group; or it passes on from here, and the copy goes to ip6_mr_input. */
  const isHeard = (skb: number, dev: number): boolean => {
    loadAddrs(skb, flow)
    if (checkMc(dev, flow, FL_DADDR, flow, FL_SADDR)) return true
    return i32[devices + dev * DEVICE_WORDS + DEV_MC_ROLE6] !== MC_ROLE_NONE
  }
  const loopCopy = (skb: number, dev: number): void => {
    const twin = skbs.copy(skb, RX_HEADROOM)
    if (twin === 0) return
    i32[twin + IPCB_FLAGS] |= IPSKB_MCLOOP
    if (nf.run(NF_INET_POST_ROUTING, twin, 0, dev) === NF_PASSED) loopFinish(twin)
  }
  /** The copy behind POST_ROUTING: received again, but not routed. */
  const loopFinish = (twin: number): void => {
    if (!ethHeaderSelf(twin, i32[twin + SKB_DEV], ETH_P_IPV6)) return drop(twin, Drop.NOMEM)
    i32[twin + SKB_PKT_TYPE] = PACKET_LOOPBACK
    netifRx(twin)
  }
  const flagsOf = (dev: number): number => i32[devices + dev * DEVICE_WORDS + DEV_FLAGS]

  /** One packet to its next hop. */
  const finishOutput = (skb: number): number => {
    const dev = i32[skb + SKB_DEV]
    f64[count + Mib.Ip6OutTransmits]++
    f64[count + Mib.Ip6OutOctets] += i32[skb + SKB_LEN]
    const at = i32[skb + SKB_NETWORK]
    if (i32[skb + IPCB_TYPE] === RTN_MULTICAST) return finishGroup(skb, dev, at)
    if ((flagsOf(dev) & (IFF_LOOPBACK | IFF_NOARP)) !== 0)
      return framed(skb, ethHeaderSelf(skb, dev, ETH_P_IPV6))
    const row = i32[skb + SKB_DST]
    if (i32[row + NH_FAMILY] !== 0) return neighResolve(skb, dev, row + NH_GATEWAY)
    i32[key] = ipv6.dst0(u8, at)
    i32[key + 1] = ipv6.dst1(u8, at)
    i32[key + 2] = ipv6.dst2(u8, at)
    i32[key + 3] = ipv6.dst3(u8, at)
    return neighResolve(skb, dev, key)
  }
  /** Addresses of many hosts map onto the link's own (RFC 2464 section 7). */
  const finishGroup = (skb: number, dev: number, at: number): number => {
    f64[count + Mib.Ip6OutMcastPkts]++
    f64[count + Mib.Ip6OutMcastOctets] += i32[skb + SKB_LEN]
    return framed(skb, ethHeader(skb, dev, IPV6_MULTICAST_HI, ipv6.dst3(u8, at), ETH_P_IPV6))
  }
  const framed = (skb: number, isFramed: boolean): number => {
    if (isFramed) return devQueueXmit(skb)
    drop(skb, Drop.NOMEM)
    return -Errno.ENOBUFS
  }

  /**
   * The tables have changed while the packet was kept: its way is looked up again, as a received packet's or as one of
   * our own (ip6_route_me_harder). False: there is none, and the packet is gone.
   */
  const routeMeHarder = (skb: number): boolean => {
    const at = i32[skb + SKB_NETWORK]
    loadAddrs(skb, flow)
    flow[FL_IIF] = i32[skb + SKB_IIF]
    // an address of a link is one only there
    flow[FL_OIF] = ipv6.isLinkLocalAddr(ipv6.dst0(u8, at))
      ? i32[skb + SKB_DEV]
      : l3mdevOf(arena, i32[skb + SKB_DEV])
    flow[FL_TOS] = ipv6.trafficClass(u8, at)
    flow[FL_PROTO] = u8[at + i32[skb + IPCB_NHOFF]]
    flowPorts(skb, flow)
    const isForwarded = (i32[skb + IPCB_FLAGS] & IPSKB_FORWARDED) !== 0
    const error = isForwarded ? routeInput(flow) : routeOutput(flow)
    if (error !== 0 || (isForwarded && flow[FL_TYPE] !== RTN_UNICAST)) {
      noRoute(skb, error)
      return false
    }
    i32[skb + SKB_DST] = flow[FL_DST]
    i32[skb + SKB_DEV] = flow[FL_DEV]
    i32[skb + IPCB_TYPE] = flow[FL_TYPE]
    i32[skb + IPCB_MTU] = flow[FL_MTU]
    return true
  }
  nf.setOkFn(NF_INET_LOCAL_OUT, (skb, isStale) => {
    if (!isStale || routeMeHarder(skb)) ip6Output(skb)
  })
  nf.setOkFn(NF_INET_POST_ROUTING, (skb, isStale) => {
    if ((i32[skb + IPCB_FLAGS] & IPSKB_MCLOOP) !== 0) loopFinish(skb)
    else if (!isStale || routeMeHarder(skb)) outputFinish(skb)
  })

  return { ip6Xmit, ip6Send, ip6SendReply, ip6SendHeader, ip6Output, routeMeHarder }
}
