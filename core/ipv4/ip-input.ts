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
  FL_IIF,
  FL_MARK,
  FL_PROTO,
  FL_SADDR,
  FL_TOS,
  FL_TYPE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Conf4, confRow } from '../shm/devconf.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skb.ts'
import {
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
import type { InetProtos } from '../inet/inet-protos.ts'
import { IPCB_FLAGS, IPCB_TYPE } from '../inet/inet-constants.ts'
import { OPTIONS_OK, OPTIONS_SOURCE_ROUTE, type IpOptions } from './ip-options.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { FlowKeys } from '../inet/flow-keys.ts'
import type { Route } from '../inet/route.ts'
import type { AddrType } from '../inet/addr-type.ts'
import type { IpForward } from './ip-forward.ts'
import type { IpDefrag } from './ip-fragment.ts'
import type { Machine } from '../stack/machine.ts'
import type { Icmp } from './icmp.ts'

type IpInputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  nf: NfHooks
  protos: InetProtos
  options: IpOptions
  /** core/stack/ipv4.ts: select4 of inet/source.ts with RT_SCOPE_UNIVERSE; 0 is none. */
  selectSource: (dev: number, near: number) => number
  /** core/stack/ipv4.ts: gives raw sockets their copies; true when there was one. */
  rawDeliver: (skb: number, protocol: number) => boolean
} & Pick<Route, 'routeInput'> &
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

export const createIpInput = (deps: IpInputDeps) => {
  const {
    arena,
    skbs,
    drop,
    consume,
    nf,
    protos,
    routeInput,
    flowPorts,
    isLocalAddress,
    ipForward,
  } = deps
  const { ipDefrag, steerAgain, icmpSend, options, selectSource, rawDeliver } = deps
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const { handlers, resumes } = protos
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
    flowPorts(skb, fl)
    const error = routeInput(fl)
    if (error !== 0) return ipError(skb, error)
    const hasOptions = i32[skb + SKB_TRANSPORT] - at !== ipv4.MIN_HEADER
    if (hasOptions && !optionsOk(skb)) return
    const type = fl[FL_TYPE]
    i32[skb + SKB_DST] = fl[FL_DST]
    i32[skb + IPCB_TYPE] = type
    if (type === RTN_UNICAST) return ipForward(skb, fl)
    if (hasOptions && !recordHost(skb, type)) return
    if (type !== RTN_MULTICAST && type !== RTN_BROADCAST) return ipLocalDeliver(skb)
    countGroup(skb, type)
    ipLocalDeliver(skb)
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
    ipLocalDeliver(skb)
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
    const raw = rawDeliver(skb, protocol)
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
    if (error === -Errno.EXDEV) {
      f64[count + Mib.TcpExtIPReversePathFilter]++
      return drop(skb, Drop.IP_RPFILTER)
    }
    if (error === -Errno.ENETUNREACH) {
      f64[count + Mib.IpExtInNoRoutes]++
      if (forwards) icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_NET_UNREACH, 0)
      return drop(skb, Drop.IP_INNOROUTES)
    }
    if (error === -Errno.EHOSTUNREACH) {
      if (forwards) icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_HOST_UNREACH, 0)
      else f64[count + Mib.IpInAddrErrors]++
      return drop(skb, Drop.IP_INADDRERRORS)
    }
    if (error === -Errno.EACCES) {
      icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_PKT_FILTERED, 0)
      return drop(skb, Drop.IP_INNOROUTES)
    }
    drop(skb, martianReason(i32[skb + SKB_NETWORK]))
  }
  const martianReason = (at: number): Drop => {
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
    if (isLocalAddress(source)) return Drop.IP_LOCAL_SOURCE
    // a group that nobody here has joined: the kernel has no word for it
    return ipv4.isMulticastAddr(destination) ? Drop.NOT_SPECIFIED : Drop.IP_INNOROUTES
  }

  /** False when the packet was dropped: its options make no sense, or ask for source routing. */
  const optionsOk = (skb: number): boolean => {
    const wrong = options.check(skb)
    if (wrong === OPTIONS_OK) return true
    if (wrong === OPTIONS_SOURCE_ROUTE) drop(skb, Drop.IP_INHDR)
    else {
      icmpSend(skb, icmp.ICMP_PARAMETERPROB, 0, wrong << 24)
      badHeader(skb, Drop.IP_INHDR)
    }
    return false
  }
  /** This host is on the way of a packet that came to it (fib_compute_spec_dst says which of its addresses). */
  const recordHost = (skb: number, type: number): boolean => {
    const at = i32[skb + SKB_NETWORK]
    const own =
      type === RTN_LOCAL ? ipv4.dst(u8, at) : selectSource(i32[skb + SKB_DEV], ipv4.src(u8, at))
    if (options.record(skb, own)) return true
    discard(skb)
    return false
  }

  nf.setOkFn(NF_INET_PRE_ROUTING, ipRcvFinish)
  nf.setOkFn(NF_INET_LOCAL_IN, deliverFinish)
  return { ipRcv, ipResume }
}
