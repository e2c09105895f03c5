/**
 * IPv4 output: takes what this host sends (ip-local-out.ts) and what is forwarded to the neighbour layer, cut to the way's MTU. On
 * the worker that sends. The packet is taken over in every case. Linux: ip_output, ip_finish_output in
 * net/ipv4/ip_output.c, ip_route_me_harder.
 */
import { Errno } from '../base/errno.ts'
import { V4_MAPPED } from '../base/family.ts'
import {
  FL_DEV,
  FL_DST,
  FL_IIF,
  FL_MTU,
  FL_OIF,
  FL_PROTO,
  FL_TOS,
  FL_TYPE,
  RTN_BROADCAST,
  RTN_MULTICAST,
  RTN_UNICAST,
  createFlowi,
} from '../base/flowi.ts'
import type { DevQueueXmit } from '../dev/dev-queue-xmit.ts'
import type { EtherOutput } from '../dev/ether-output.ts'
import type { Gso } from '../dev/gso.ts'
import type { Pmtu } from '../inet/dst/pmtu.ts'
import type { FlowKeys } from '../inet/fib/multipath/flow-keys.ts'
import { NH_FAMILY, NH_GATEWAY } from '../inet/fib/nexthop-constants.ts'
import type { Route } from '../inet/fib/route.ts'
import {
  IPCB_FLAGS,
  IPCB_MTU,
  IPCB_TYPE,
  IPSKB_FORWARDED,
  IPSKB_MCLOOP,
} from '../inet/inet-constants.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { NeighOutput } from '../neigh/neigh-output.ts'
import { DEV_FLAGS, IFF_LOOPBACK, IFF_NOARP, l3mdevOf } from '../netdev/netdev.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { Mib, counterBank } from '../shm/counters.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import { Drop, type DropFn } from '../skb/drop.ts'
import {
  SKB_DEV,
  SKB_DST,
  SKB_GSO_SIZE,
  SKB_IIF,
  SKB_LEN,
  SKB_NETWORK,
  SKB_NEXT,
} from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import { ETH_P_IP, IPV4_MULTICAST_HI, ipv4MulticastLo } from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { IpFragmentation } from './fragment/ip-fragmentation.ts'
import type { IpMcOutput } from './ip-mc-output.ts'

type IpOutputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  nf: NfHooks
  fragmentation: IpFragmentation
  gso: Pick<Gso, 'networkSegLen' | 'segment'>
  mcOutput: IpMcOutput
  /** First of four free words of this thread: a next hop's address. */
  key: number
} & Pick<Route, 'routeInput'> &
  Pick<FlowKeys, 'flowPorts'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Pmtu, 'routeOutput'> &
  Pick<NeighOutput, 'neighResolve'> &
  Pick<EtherOutput, 'ethHeader' | 'ethHeaderSelf'> &
  Pick<DevQueueXmit, 'devQueueXmit'>

export type IpOutput = ReturnType<typeof createIpOutput>

export const createIpOutput = (deps: IpOutputDeps) => {
  const { arena, skbs, drop, nf, fragmentation, gso, key } = deps
  const { routeInput, flowPorts, routeOutput, loadAddrs } = deps
  const { neighResolve, ethHeader, ethHeaderSelf, devQueueXmit } = deps
  const { loopGroup, loopFinish } = deps.mcOutput
  const { i32, u8, f64, layout } = arena
  const { devices } = layout
  const count = counterBank(arena, skbs.thread)
  const flow = createFlowi()
  i32[key] = 0
  i32[key + 1] = 0
  i32[key + 2] = V4_MAPPED

  /** Everything that leaves passes here, data at the IP header, SKB_DEV and the control block set. */
  const ipOutput = (skb: number): number => {
    const type = i32[skb + IPCB_TYPE]
    if ((type === RTN_MULTICAST || type === RTN_BROADCAST) && !loopGroup(skb)) return 0
    const verdict = nf.run(NF_INET_POST_ROUTING, skb, i32[skb + SKB_IIF], i32[skb + SKB_DEV])
    return verdict === NF_PASSED ? outputFinish(skb) : verdict
  }
  /** Behind POST_ROUTING. */
  const outputFinish = (skb: number): number => {
    const mtu = i32[skb + IPCB_MTU]
    if (i32[skb + SKB_LEN] <= mtu) return finishOutput(skb)
    if (i32[skb + SKB_GSO_SIZE] === 0) return fragmentation.ipFragment(skb, mtu, finishOutput)
    if (gso.networkSegLen(skb) <= mtu) return finishOutput(skb)
    return outputSegments(skb, mtu)
  }
  /** A super-frame whose segments are too big for the way: cut, then each fragmented (DF was looked at before). */
  const outputSegments = (skb: number, mtu: number): number => {
    let result = 0
    let seg = gso.segment(skb)
    while (seg !== 0) {
      const next = i32[seg + SKB_NEXT]
      i32[seg + SKB_NEXT] = 0
      result = fragmentation.ipFragment(seg, mtu, finishOutput) || result
      seg = next
    }
    return result
  }

  /** One packet to its next hop. */
  const finishOutput = (skb: number): number => {
    const dev = i32[skb + SKB_DEV]
    f64[count + Mib.IpOutTransmits]++
    f64[count + Mib.IpExtOutOctets] += i32[skb + SKB_LEN]
    const type = i32[skb + IPCB_TYPE]
    if (type === RTN_MULTICAST || type === RTN_BROADCAST) return finishGroup(skb, dev, type)
    if ((i32[devices + dev * DEVICE_WORDS + DEV_FLAGS] & (IFF_LOOPBACK | IFF_NOARP)) !== 0)
      return framed(skb, ethHeaderSelf(skb, dev, ETH_P_IP))
    const row = i32[skb + SKB_DST]
    if (i32[row + NH_FAMILY] !== 0) return neighResolve(skb, dev, row + NH_GATEWAY)
    i32[key + 3] = ipv4.dst(u8, i32[skb + SKB_NETWORK])
    return neighResolve(skb, dev, key)
  }
  /** Addresses of many hosts map onto the link's own (RFC 1112 section 6.4). */
  const finishGroup = (skb: number, dev: number, type: number): number => {
    const isMulticast = type === RTN_MULTICAST
    f64[count + (isMulticast ? Mib.IpExtOutMcastPkts : Mib.IpExtOutBcastPkts)]++
    f64[count + (isMulticast ? Mib.IpExtOutMcastOctets : Mib.IpExtOutBcastOctets)] +=
      i32[skb + SKB_LEN]
    const lo = isMulticast ? ipv4MulticastLo(ipv4.dst(u8, i32[skb + SKB_NETWORK])) : -1
    return framed(skb, ethHeader(skb, dev, isMulticast ? IPV4_MULTICAST_HI : 0xffff, lo, ETH_P_IP))
  }
  const framed = (skb: number, isFramed: boolean): number => {
    if (isFramed) return devQueueXmit(skb)
    drop(skb, Drop.NOMEM)
    return -Errno.ENOBUFS
  }

  const noRoute = (skb: number, error: number): number => {
    f64[count + Mib.IpOutNoRoutes]++
    drop(skb, Drop.IP_OUTNOROUTES)
    return error
  }
  /**
   * The tables have changed while the packet was kept: its way is looked up again, as a received packet's or as one of
   * our own (ip_route_me_harder). False: there is none, and the packet is gone. In Linux a queued packet holds its dst.
   */
  const routeMeHarder = (skb: number): boolean => {
    const at = i32[skb + SKB_NETWORK]
    loadAddrs(skb, flow)
    flow[FL_IIF] = i32[skb + SKB_IIF]
    flow[FL_OIF] = l3mdevOf(arena, i32[skb + SKB_DEV])
    flow[FL_TOS] = ipv4.tos(u8, at)
    flow[FL_PROTO] = ipv4.protocol(u8, at)
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
    if (!isStale || routeMeHarder(skb)) ipOutput(skb)
  })
  nf.setOkFn(NF_INET_POST_ROUTING, (skb, isStale) => {
    if ((i32[skb + IPCB_FLAGS] & IPSKB_MCLOOP) !== 0) loopFinish(skb)
    else if (!isStale || routeMeHarder(skb)) outputFinish(skb)
  })

  return { ipOutput, routeMeHarder, noRoute }
}
