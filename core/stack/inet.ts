/** The internet layer of a stack: routing, neighbours, hooks, and the address families over them. */
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { byFamily } from '../inet/af-ops.ts'
import { createInetFrag } from '../inet/inet-fragment.ts'
import { createInetProtos } from '../inet/inet-protos.ts'
import { createAfInet } from '../ipv4/af-inet.ts'
import { createAfInet6 } from '../ipv6/af-inet6.ts'
import { DEV_NET, deviceRow } from '../netdev/netdev.ts'
import { createNfHooks } from '../netfilter/hooks.ts'
import { createNfTrace } from '../netfilter/nf-trace.ts'
import { CONF_ALL, Conf4, confRow } from '../shm/devconf.ts'
import { Ipi } from '../shm/ipi.ts'
import { SKB_PROTOCOL } from '../skb/skb.ts'
import { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts'
import { createIpv4 } from './ipv4.ts'
import { createIpv6 } from './ipv6.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'
import { createMulticast } from './multicast.ts'
import { createNeigh } from './neigh.ts'
import { createRouting } from './routing.ts'

export type Inet = ReturnType<typeof createInet>

export const createInet = (machine: Machine, link: Link) => {
  const { arena, ipi } = machine
  const { ptype } = link
  const netOf = (ifindex: number): number => arena.i32[deviceRow(arena, ifindex) + DEV_NET]
  /** With the carrier (arp_evict_nocarrier, of all and of the device). */
  const evictsNeighbours = (ifindex: number): boolean =>
    [CONF_ALL, ifindex].every(
      (row) => arena.i32[confRow(arena, row) + Conf4.arp_evict_nocarrier] !== 0
    )
  const nf = createNfHooks({ ...machine, netOf })
  const nf6 = createNfHooks({ ...machine, netOf })
  const protos = createInetProtos()
  const protos6 = createInetProtos()
  const routing = createRouting(machine)
  const linkFailure = (skb: number): void =>
    arena.i32[skb + SKB_PROTOCOL] === ETH_P_IPV6
      ? ipv6.linkFailure(skb)
      : ipv4.icmp.linkFailure(skb)
  const neigh = createNeigh(machine, link, { routing, linkFailure })
  const frags = createInetFrag({ ...machine, timer: machine.words(TIMER_WORDS) })
  const below = { machine, link, neigh, routing, frags }
  const ipv4 = createIpv4({ ...below, protos, nf })
  const ipv6 = createIpv6({ ...below, protos: protos6, nf: nf6 })
  const afInet = createAfInet({ arena, output: ipv4, ...ipv4, ...ipv4.icmp })
  const afInet6 = createAfInet6({ arena, output: ipv6, ...ipv6.icmpv6 })
  const afOps = byFamily(afInet, afInet6)
  const { arp, neighbour, neighOutput } = neigh
  const multicast = createMulticast({ machine, routing, ipv4, ipv6 })
  ptype.devAddPack(ETH_P_IP, ipv4.ipRcv, ipv4.ipResume)
  ptype.devAddPack(ETH_P_IPV6, ipv6.ip6Rcv, ipv6.ip6Resume)
  ptype.devAddPack(ETH_P_ARP, arp.arpRcv, arp.arpRcv)
  ipi.on(Ipi.DEV_UP, (_from, ifindex) => {
    arp.arpNotify(ifindex)
    ipv6.ndNotify(ifindex)
  })
  const downHearers: ((ifindex: number) => void)[] = []
  /** Registers who hears that a device goes down; at boot. */
  const onDeviceDown = (hear: (ifindex: number) => void): void => void downHearers.push(hear)
  ipi.on(Ipi.DEV_DOWN, (_from, ifindex, isCarrierOnly) => {
    if (isCarrierOnly !== 0 && !evictsNeighbours(ifindex)) return
    neighOutput.flushDevice(ifindex)
    if (isCarrierOnly !== 0) return neighbour?.neighCarrierDown(ifindex)
    nf.dropQueued(ifindex)
    nf6.dropQueued(ifindex)
    ipv4.mr.dropDevice(ifindex)
    ipv6.mr.dropDevice(ifindex)
    for (const dropDevice of downHearers) dropDevice(ifindex)
    neigh.proxyQueue.dropDevice(ifindex)
    ipv6.proxyQueue.dropDevice(ifindex)
    neighbour?.neighIfdown(ifindex)
  })
  const proxyQueues = byFamily(neigh.proxyQueue, ipv6.proxyQueue)
  ipi.on(Ipi.NEIGH_IFDOWN, (_from, ifindex, family) => {
    proxyQueues(family).dropDevice(ifindex)
    neighbour?.neighFamilyDown(ifindex, family)
  })
  const nfTrace = createNfTrace({ ...machine, ...neigh, ...routing, nf, nf6 })
  const refresh = (): void => {
    nfTrace.refresh()
    nf.publish()
    nf6.publish()
    multicast.mcRefresh()
    ipv6.refresh()
    neigh.acd?.refresh()
  }
  const layers = { ...routing, ...neigh, ...ipv4, ipv6, ...multicast }
  return {
    ...layers,
    onDeviceDown,
    refresh,
    nf,
    nf6,
    protos,
    protos6,
    afOps,
    fragmentsHeld: frags.fragmentsHeld,
  }
}
