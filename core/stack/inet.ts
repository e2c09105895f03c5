/** The internet layer of a stack: routing, neighbours, hooks, and the address families over them. */
import { byFamily } from '../inet/af-ops.ts'
import { createInetProtos } from '../inet/inet-protos.ts'
import { createAfInet } from '../ipv4/af-inet.ts'
import { createAfInet6 } from '../ipv6/af-inet6.ts'
import { DEV_NET, deviceRow } from '../netdev/netdev.ts'
import { createNfHooks } from '../netfilter/hooks.ts'
import { Ipi } from '../shm/ipi.ts'
import { ETH_P_ARP, ETH_P_IP } from '../wire/ethernet.ts'
import { createIpv4 } from './ipv4.ts'
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
  const nf = createNfHooks({ ...machine, netOf })
  const protos = createInetProtos()
  const routing = createRouting(machine)
  const neigh = createNeigh(machine, link, {
    isLocalAddress: routing.isLocalAddress,
    linkFailure: (skb) => ipv4.icmp.linkFailure(skb),
  })
  const ipv4 = createIpv4({ machine, link, neigh, routing, protos, nf })
  const { icmpSend } = ipv4.icmp
  const afInet = createAfInet({ arena, output: ipv4, icmpSend })
  const afOps = byFamily(afInet, createAfInet6(machine))
  const { arp, neighbour, neighOutput } = neigh
  const multicast = createMulticast({ machine, routing, ipv4 })
  ptype.devAddPack(ETH_P_IP, ipv4.ipRcv, ipv4.ipResume)
  ptype.devAddPack(ETH_P_ARP, arp.arpRcv, arp.arpRcv)
  ipi.on(Ipi.DEV_DOWN, (_from, ifindex, isCarrierOnly) => {
    neighOutput.flushDevice(ifindex)
    if (isCarrierOnly !== 0) return neighbour?.neighCarrierDown(ifindex)
    nf.dropQueued(ifindex)
    neighbour?.neighIfdown(ifindex)
  })
  return { ...routing, ...neigh, ...ipv4, ...multicast, nf, protos, afOps }
}
