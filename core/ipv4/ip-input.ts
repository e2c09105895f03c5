/**
 * IPv4 input: ip_rcv checks the header in Linux's order, the route lookup says whether the packet is ours, and
 * ip_local_deliver hands it to its transport. Called by ptype for ETH_P_IP; calls ip_forward, the reassembly
 * and inet_protos. On a worker.
 * Linux: net/ipv4/ip_input.c, route.c ip_error(); RFC 791, 1122 section 3.2.1, 1812 section 5.2.
 */
import { AF_INET, V4_MAPPED } from '../base/family.ts'
import { fold } from '../base/checksum.ts'
import { Errno } from '../base/errno.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DST,
  FL_FAMILY,
  FL_FLAGS,
  FL_IIF,
  FL_L3MDEV,
  FL_MARK,
  FL_OURS,
  FL_PROTO,
  FL_SADDR,
  FL_TOS,
  FL_TYPE,
  RTN_BROADCAST,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../base/flowi.ts'
import { DevStat, deviceStats } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { CONF_ALL, Conf4, confRow } from '../shm/devconf.ts'
import type { L3mdevRcv } from '../dev/l3mdev-rcv.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_OTHERHOST,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_FRAGS,
  SKB_GSO_SEGS,
  SKB_LEN,
  SKB_MARK,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_TRANSPORT,
  STAGE_DELIVER,
} from '../skb/skb.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { InetPeers } from '../inet/dst/inet-peer.ts'
import type { InetProtos } from '../inet/inet-protos.ts'
import { IPCB_FLAGS, IPCB_TYPE } from '../inet/inet-constants.ts'
import { OPTIONS_OK, OPTIONS_SOURCE_ROUTE, type IpOptions } from './options/ip-options.ts'
import type { IpSourceRoute } from './options/ip-source-route.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { FlowKeys } from '../inet/fib/multipath/flow-keys.ts'
import type { Route } from '../inet/fib/route.ts'
import type { AddrType } from '../inet/addr/addr-type.ts'
import { createMcTable } from '../inet/mc/mc-table.ts'
import { IPPROTO_IGMP } from '../wire/ipproto.ts'
import type { IpForward } from './ip-forward.ts'
import type { MrForward } from '../inet/mc/mr-forward.ts'
import type { IpDefrag } from './fragment/ip-fragment.ts'
import type { Machine } from '../stack/machine.ts'
import type { Icmp } from './icmp/icmp.ts'

type IpInputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  nf: NfHooks
  protos: InetProtos
  options: IpOptions
  sourceRoute: IpSourceRoute
  peers: Pick<InetPeers, 'find' | 'spend'>
  mr: Pick<MrForward, 'mayPass' | 'forward' | 'forwardCopy'>
  l3mdevRcv: L3mdevRcv
} & Pick<Route, 'routeInput4'> &
  Pick<FlowKeys, 'flowPorts'> &
  Pick<AddrType, 'isLocalAddress'> &
  Pick<IpForward, 'ipForward'> &
  Pick<IpDefrag, 'ipDefrag'> &
  Pick<Machine, 'steerAgain'> &
  Pick<Icmp, 'icmpSend'>

/** By the two ECN bits of the header (RFC 3168 section 5). */
const ECN_COUNTERS = Int32Array.of(
  Mib.IpExtInNoECTPkts,
  Mib.IpExtInECT1Pkts,
  Mib.IpExtInECT0Pkts,
  Mib.IpExtInCEPkts
)

/** As HZ 1000 makes them. */
const ERROR_COST_MS = 1000
const ERROR_BURST_MS = 5000

export const createIpInput = (deps: IpInputDeps) => {
  const { arena, skbs, drop, consume, nf, protos, routeInput4, isLocalAddress, ipForward } = deps
  const { flowPorts, ipDefrag, steerAgain, icmpSend, options, sourceRoute, peers, mr } = deps
  const { l3mdevRcv } = deps
  const { checkMc } = createMcTable(arena)
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const confAll = confRow(arena, CONF_ALL)
  const { handlers, resumes, listeners } = protos
  const { raws } = listeners
  const fl = createFlowi()
  fl[FL_FAMILY] = AF_INET
  fl[FL_SADDR + 2] = V4_MAPPED
  fl[FL_DADDR + 2] = V4_MAPPED

  /** A packet from the link layer, data at its IP header. */
  const ipRcv = (skb: number): void => {
    const len = i32[skb + SKB_LEN]
    if (i32[skb + SKB_PKT_TYPE] === PACKET_OTHERHOST) return drop(skb, Drop.OTHERHOST)
    f64[count + Mib.IpInReceives]++
    f64[count + Mib.IpExtInOctets] += len
    if (len < ipv4.MIN_HEADER) return badHeader(skb, Drop.PKT_TOO_SMALL)
    if (!skbs.mayPull(skb, ipv4.MIN_HEADER)) return discard(skb)
    const versionIhl = u8[i32[skb + SKB_DATA]]
    if (versionIhl < 0x45 || versionIhl > 0x4f) return badHeader(skb, Drop.IP_INHDR)
    const segments = i32[skb + SKB_GSO_SEGS]
    f64[count + ECN_COUNTERS[u8[i32[skb + SKB_DATA] + 1] & 3]] += segments > 1 ? segments : 1
    const headerLen = (versionIhl & 15) << 2
    if (len < headerLen) return badHeader(skb, Drop.PKT_TOO_SMALL)
    if (headerLen !== ipv4.MIN_HEADER && !skbs.mayPull(skb, headerLen)) return discard(skb)
    const at = i32[skb + SKB_DATA]
    if (!headerSumOk(at, headerLen)) return badChecksum(skb)
    const total = (u8[at + 2] << 8) | u8[at + 3]
    if (len < total) return truncated(skb)
    if (total < headerLen) return badHeader(skb, Drop.IP_INHDR)
    // what is behind the packet is padding of the link's
    if (len > total && !trimTo(skb, total)) return discard(skb)
    i32[skb + SKB_NETWORK] = i32[skb + SKB_DATA]
    i32[skb + SKB_TRANSPORT] = i32[skb + SKB_DATA] + headerLen
    i32[skb + IPCB_TYPE] = 0
    i32[skb + IPCB_FLAGS] = 0
    if (nf.run(NF_INET_PRE_ROUTING, skb, i32[skb + SKB_DEV], 0) === NF_PASSED) ipRcvFinish(skb)
  }
  /** Sums whole words, which is right in any byte order, where the header is aligned (NET_IP_ALIGN). */
  const headerSumOk = (at: number, headerLen: number): boolean => {
    if ((at & 3) !== 0) return ipv4.isChecksumOk(u8, at)
    let sum = 0
    for (let word = at >> 2, end = word + (headerLen >> 2); word < end; word++) {
      const value = i32[word]
      sum += (value & 0xffff) + (value >>> 16)
    }
    return fold(sum) === 0xffff
  }
  const trimTo = (skb: number, total: number): boolean => {
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, 0)) return false
    skbs.trim(skb, total)
    return true
  }

  /** Behind PRE_ROUTING. */
  const ipRcvFinish = (skb: number): void => {
    const at = i32[skb + SKB_NETWORK]
    if (i32[skb + SKB_PKT_TYPE] === PACKET_LOOPBACK) return deliverLooped(skb, at)
    fl[FL_IIF] = i32[skb + SKB_DEV]
    fl[FL_MARK] = i32[skb + SKB_MARK]
    fl[FL_TOS] = u8[at + 1]
    fl[FL_PROTO] = u8[at + 9]
    fl[FL_SADDR + 3] = ipv4.src(u8, at)
    fl[FL_DADDR + 3] = ipv4.dst(u8, at)
    fl[FL_TYPE] = 0
    fl[FL_FLAGS] = 0
    flowPorts(skb, fl)
    const error = routeInput4(fl)
    if (fl[FL_L3MDEV] !== 0) l3mdevRcv(skb, fl[FL_L3MDEV])
    if (error === 0) i32[skb + IPCB_TYPE] = fl[FL_TYPE]
    else if (isMartian(error)) return martian(skb, error)
    const headerLen = i32[skb + SKB_TRANSPORT] - i32[skb + SKB_NETWORK]
    const hasOptions = headerLen !== ipv4.MIN_HEADER
    if (hasOptions && !rcvOptions(skb, error)) return
    const type = fl[FL_TYPE]
    const isGroup = type === RTN_MULTICAST || type === RTN_BROADCAST
    if (!isGroup && isMisaddressed(skb)) return drop(skb, Drop.UNICAST_IN_L2_MULTICAST)
    if (error !== 0) return ipError(skb, error)
    i32[skb + SKB_DST] = fl[FL_DST]
    if (type === RTN_UNICAST) return ipForward(skb, fl)
    if (isGroup) countGroup(skb, type)
    if (fl[FL_FLAGS] !== 0) return ipForward(skb, fl)
    if (type === RTN_MULTICAST && mr.mayPass(i32[skb + SKB_DEV]))
      return ipMrInput(skb, fl[FL_OURS] !== 0)
    ipLocalDeliver(skb)
  }
  /** To a group, on a device where multicast passes. Routers hear of memberships by IGMP to any group. */
  const ipMrInput = (skb: number, isOurs: boolean): void => {
    const at = i32[skb + SKB_NETWORK]
    if (u8[at + 9] === IPPROTO_IGMP) return ipLocalDeliver(skb)
    const passes = !ipv4.isLocalMulticastAddr(ipv4.dst(u8, at))
    if (!isOurs) return mr.forward(skb)
    if (passes) mr.forwardCopy(skb)
    ipLocalDeliver(skb)
  }
  /** For one host, and yet sent to many by its link address. */
  const isMisaddressed = (skb: number): boolean =>
    i32[skb + SKB_PKT_TYPE] !== PACKET_HOST &&
    either(i32[skb + SKB_DEV], Conf4.drop_unicast_in_l2_multicast)
  const either = (dev: number, setting: number): boolean =>
    (i32[confAll + setting] | i32[confRow(arena, dev) + setting]) !== 0
  /** Refused for what it is, before its options were read; a route that refuses it has a type. */
  const isMartian = (error: number): boolean =>
    error === -Errno.EXDEV || (error === -Errno.EINVAL && fl[FL_TYPE] === 0)
  const martian = (skb: number, error: number): void => {
    const dev = i32[skb + SKB_DEV]
    if (either(dev, Conf4.log_martians))
      f64[deviceStats(arena, skbs.thread, dev) + DevStat.rx_martians]++
    if (error !== -Errno.EXDEV) return drop(skb, martianReason(i32[skb + SKB_NETWORK], dev))
    f64[count + Mib.TcpExtIPReversePathFilter]++
    drop(skb, Drop.IP_RPFILTER)
  }
  const countGroup = (skb: number, type: number): void => {
    const isMulticast = type === RTN_MULTICAST
    f64[count + (isMulticast ? Mib.IpExtInMcastPkts : Mib.IpExtInBcastPkts)]++
    f64[count + (isMulticast ? Mib.IpExtInMcastOctets : Mib.IpExtInBcastOctets)] +=
      i32[skb + SKB_LEN]
  }
  /** The copy of a broadcast or multicast of our own (ip_mc_output): it was routed when it was sent. */
  const deliverLooped = (skb: number, at: number): void => {
    const type = ipv4.isMulticastAddr(ipv4.dst(u8, at)) ? RTN_MULTICAST : RTN_BROADCAST
    i32[skb + IPCB_TYPE] = type
    countGroup(skb, type)
    const dev = i32[skb + SKB_DEV]
    if (type !== RTN_MULTICAST || !mr.mayPass(dev)) return ipLocalDeliver(skb)
    fl[FL_DADDR + 3] = ipv4.dst(u8, at)
    fl[FL_SADDR + 3] = ipv4.src(u8, at)
    ipMrInput(skb, checkMc(dev, fl, FL_DADDR, fl, FL_SADDR))
  }

  const ipLocalDeliver = (skb: number): void => {
    if (ipv4.isFragment(u8, i32[skb + SKB_NETWORK])) return deliverFragment(skb)
    deliverWhole(skb)
  }
  const deliverFragment = (skb: number): void => {
    const whole = ipDefrag(skb)
    if (whole !== 0 && !steerAgain(whole, STAGE_DELIVER)) deliverWhole(whole)
  }
  const deliverWhole = (skb: number): void => {
    if (nf.run(NF_INET_LOCAL_IN, skb, i32[skb + SKB_DEV], 0) === NF_PASSED) deliverFinish(skb)
  }
  /** Behind LOCAL_IN. */
  const deliverFinish = (skb: number): void => {
    const protocol = u8[i32[skb + SKB_NETWORK] + 9]
    skbs.pull(skb, i32[skb + SKB_TRANSPORT] - i32[skb + SKB_DATA])
    // filled by core/stack/raw.ts: rawDeliver (transport/raw/raw-input.ts)
    const raw = raws[protocol] !== 0 && listeners.rawDeliver(skb, protocol)
    const handler = handlers[protocol]
    if (handler) {
      f64[count + Mib.IpInDelivers]++
      // filled by core/stack.ts: tcpRcv (tcp/rcv/tcp-ipv.ts), udpRcv (udp/udp-input.ts), icmpRcv (icmp.ts)
      return handler(skb)
    }
    if (!raw) return noProtocol(skb)
    f64[count + Mib.IpInDelivers]++
    consume(skb)
  }
  const noProtocol = (skb: number): void => {
    f64[count + Mib.IpInUnknownProtos]++
    icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_PROT_UNREACH, 0)
    drop(skb, Drop.IP_NOPROTO)
  }

  /** A packet that came here from another CPU, which had done all but this with it. */
  const ipResume = (skb: number, stage: number): void => {
    if (stage === STAGE_DELIVER) return deliverWhole(skb)
    // filled by core/stack.ts: tcpResume (tcp/rcv/tcp-ipv.ts), udpResume (udp/udp-input.ts)
    resumes[u8[i32[skb + SKB_NETWORK] + 9]](skb)
  }

  /** Nothing is wrong with the packet: there was no memory to work on it. */
  const discard = (skb: number): void => {
    f64[count + Mib.IpInDiscards]++
    drop(skb, Drop.NOMEM)
  }
  const badHeader = (skb: number, reason: Drop): void => {
    f64[count + Mib.IpInHdrErrors]++
    drop(skb, reason)
  }
  const badChecksum = (skb: number): void => {
    f64[count + Mib.IpExtInCsumErrors]++
    badHeader(skb, Drop.IP_CSUM)
  }
  const truncated = (skb: number): void => {
    f64[count + Mib.IpExtInTruncatedPkts]++
    drop(skb, Drop.PKT_TOO_SMALL)
  }

  /** No way for the packet (ip_error): a router says so to the sender, a host is silent. */
  const ipError = (skb: number, error: number): void => {
    const forwards = i32[confRow(arena, i32[skb + SKB_DEV]) + Conf4.forwarding] !== 0
    if (error === -Errno.ENETUNREACH) {
      f64[count + Mib.IpExtInNoRoutes]++
      if (forwards) tellSender(skb, icmp.ICMP_NET_UNREACH)
      return drop(skb, Drop.IP_INNOROUTES)
    }
    if (error === -Errno.EHOSTUNREACH) {
      if (forwards) tellSender(skb, icmp.ICMP_HOST_UNREACH)
      else f64[count + Mib.IpInAddrErrors]++
      return drop(skb, Drop.IP_INADDRERRORS)
    }
    if (error === -Errno.EACCES) tellSender(skb, icmp.ICMP_PKT_FILTERED)
    drop(skb, Drop.IP_INNOROUTES)
  }
  /** Each host is told five times at once, and once a second (ip_rt_error_burst, ip_rt_error_cost). */
  const tellSender = (skb: number, code: number): void => {
    if (peers.spend(peers.find(fl, FL_SADDR), ERROR_COST_MS, ERROR_BURST_MS))
      icmpSend(skb, icmp.ICMP_DEST_UNREACH, code, 0)
  }
  const martianReason = (at: number, dev: number): Drop => {
    const source = ipv4.src(u8, at)
    const destination = ipv4.dst(u8, at)
    if (
      ipv4.isMulticastAddr(source) ||
      source === ipv4.INADDR_BROADCAST ||
      ipv4.isZeroNetAddr(source)
    )
      return Drop.IP_INVALID_SOURCE
    if (ipv4.isZeroNetAddr(destination)) return Drop.IP_INVALID_DEST
    if (ipv4.isLoopbackAddr(source) || ipv4.isLoopbackAddr(destination)) return Drop.IP_LOCALNET
    if (isLocalAddress(source, dev)) return Drop.IP_LOCAL_SOURCE
    // a group that nobody here has joined: the kernel has no word for it
    return ipv4.isMulticastAddr(destination) ? Drop.NOT_SPECIFIED : Drop.IP_INNOROUTES
  }

  /** Reads the options and fills them in (ip_rcv_options); false when the packet was dropped for them. */
  const rcvOptions = (skb: number, error: number): boolean => {
    if (!options.own(skb)) {
      discard(skb)
      return false
    }
    const wrong = options.compile(skb, fl[FL_TYPE])
    if (wrong === OPTIONS_OK) return true
    if (wrong === OPTIONS_SOURCE_ROUTE) {
      if (error === 0 && sourceRoute.follow(skb, fl)) {
        i32[skb + IPCB_TYPE] = fl[FL_TYPE]
        return true
      }
      drop(skb, Drop.IP_INHDR)
    } else {
      icmpSend(skb, icmp.ICMP_PARAMETERPROB, 0, wrong << 24)
      badHeader(skb, Drop.IP_INHDR)
    }
    return false
  }

  nf.setOkFn(NF_INET_PRE_ROUTING, ipRcvFinish)
  nf.setOkFn(NF_INET_LOCAL_IN, deliverFinish)
  return { ipRcv, ipResume }
}
