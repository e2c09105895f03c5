/** The internet layer of a stack: routing, neighbours, IPv4 in, through and out, ICMP. */
import type { Flowi } from '../base/flowi.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { createFibReader } from '../inet/fib.ts'
import { createAddrType } from '../inet/addr-type.ts'
import { createIcmp } from '../ipv4/icmp.ts'
import { createInetProtos } from '../inet/inet-protos.ts'
import { createIpForward } from '../ipv4/ip-forward.ts'
import { createIpDefrag } from '../ipv4/ip-fragment.ts'
import { createIpFragmentation } from '../ipv4/ip-fragmentation.ts'
import { createIpIdent } from '../ipv4/ip-ident.ts'
import { createIpInput } from '../ipv4/ip-input.ts'
import { createIpOptions } from '../ipv4/ip-options.ts'
import { createIpOutput } from '../ipv4/ip-output.ts'
import { createIpRedirect } from '../ipv4/ip-redirect.ts'
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../inet/nexthop-constants.ts'
import { createNfHooks } from '../netfilter/hooks.ts'
import { createPmtu } from '../inet/pmtu.ts'
import { createSkDst } from '../inet/sk-dst.ts'
import { byFamily } from '../inet/af-ops.ts'
import { createAfInet } from '../ipv4/af-inet.ts'
import { createAfInet6 } from '../ipv6/af-inet6.ts'
import { createRoute } from '../inet/route.ts'
import { createSourceSelection } from '../inet/source.ts'
import { createArp } from '../ipv4/arp.ts'
import { NEIGH_ADDR, NEIGH_IFINDEX } from '../neigh/neigh-constants.ts'
import { createNeighOutput } from '../neigh/neigh-output.ts'
import { createNeighTable } from '../neigh/neigh-table.ts'
import { createNeighbour } from '../neigh/neighbour.ts'
import { DEV_NET, deviceRow, INIT_NET } from '../netdev/netdev.ts'
import { Ipi, Notify } from '../shm/ipi.ts'
import { ETH_P_ARP, ETH_P_IP } from '../wire/ethernet.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'

/** Worker that runs the neighbour state machine. */
const NEIGH_CPU = 0

export type Inet = ReturnType<typeof createInet>

export const createInet = (machine: Machine, link: Link) => {
  const fib = createFibReader(machine.arena, INIT_NET)
  const local = createAddrType(machine.arena, fib)
  const route = createRoute({ arena: machine.arena, fib })
  const { neighOutput, arp, neighbour } = createNeighbours(machine, link, local, (skb) =>
    ip.icmp.linkFailure(skb)
  )
  const ip = createIp({ machine, link, local, route, neighOutput })
  link.ptype.devAddPack(ETH_P_IP, ip.ipRcv, ip.ipResume)
  link.ptype.devAddPack(ETH_P_ARP, arp.arpRcv, arp.arpRcv)
  machine.ipi.on(Ipi.DEV_DOWN, (_from, ifindex, isCarrierOnly) => {
    neighOutput.flushDevice(ifindex)
    if (isCarrierOnly !== 0) return neighbour?.neighCarrierDown(ifindex)
    ip.nf.dropQueued(ifindex)
    neighbour?.neighIfdown(ifindex)
  })
  return { ...local, ...route, ...ip, neighbour, arp }
}

type Local = ReturnType<typeof createAddrType>

const createNeighbours = (
  machine: Machine,
  { output, xmit }: Link,
  { isLocalAddress }: Local,
  linkFailure: (skb: number) => void
) => {
  const { arena, thread, words } = machine
  const { devQueueXmit } = xmit
  const { select4 } = createSourceSelection(arena)
  const table = createNeighTable(arena)
  const timer = () => ({ timer: words(TIMER_WORDS), key: words(4) })
  const neighOutput = createNeighOutput({
    ...machine,
    ...output,
    ...timer(),
    table,
    devQueueXmit,
    linkFailure,
  })
  const notify = createNotify(machine)
  const neighbour =
    thread === NEIGH_CPU ? createNeighbour({ ...machine, ...timer(), table, notify }) : null
  const arp = createArp({
    ...machine,
    table,
    neighbour,
    isLocalAddress,
    ethHeader: output.ethHeader,
    devQueueXmit,
    key: words(4),
    selectSource: (dev, target) => select4(dev, target, RT_SCOPE_LINK),
  })
  neighbour?.registerOps('v4', { ethertype: ETH_P_IP, solicit: arp.arpSolicit })
  return { neighOutput, neighbour, arp }
}

/** Tells control, and so its watchers, of a neighbour's change. */
const createNotify = ({ arena, ipi }: Machine) => {
  const { i32, layout } = arena
  return (row: number, isGone: boolean): void => {
    ipi.send(
      layout.controlThread,
      Ipi.NOTIFY,
      Notify.NEIGH,
      isGone ? 1 : 0,
      i32[row + NEIGH_IFINDEX],
      i32[row + NEIGH_ADDR],
      i32[row + NEIGH_ADDR + 1],
      i32[row + NEIGH_ADDR + 2],
      i32[row + NEIGH_ADDR + 3]
    )
  }
}

type IpDeps = {
  machine: Machine
  link: Link
  local: Local
  route: ReturnType<typeof createRoute>
  neighOutput: ReturnType<typeof createNeighOutput>
}

const createIp = ({ machine, link, local, route, neighOutput }: IpDeps) => {
  const { arena, thread, time, random, words, consume } = machine
  const { workers } = arena.layout.config
  const { gso, devQueueXmit } = link.xmit
  const { isLocalAddress } = local
  const netOf = (ifindex: number): number => arena.i32[deviceRow(arena, ifindex) + DEV_NET]
  const nf = createNfHooks({ ...machine, netOf })
  const protos = createInetProtos()
  const pmtu = createPathMtus(machine, route.routeOutput)
  const { routeOutput, updatePmtu, pmtuSerial } = pmtu
  const skDst = createSkDst({ arena, time, routeOutput, pmtuSerial })
  const options = createIpOptions({ ...machine, isLocalAddress, scratch: words(10) })
  const { select4 } = createSourceSelection(arena)
  const selectSource = (dev: number, near: number): number => select4(dev, near, RT_SCOPE_UNIVERSE)
  const out = createIpOutput({
    ...machine,
    routeInput: route.routeInput,
    routeOutput,
    ...neighOutput,
    ...link.output,
    ...createIpIdent(thread, workers, random),
    nf,
    skDst,
    gso,
    devQueueXmit,
    fragmentation: createIpFragmentation(machine),
    key: words(4),
  })
  const icmp = createIcmp({
    ...machine,
    ...out,
    routeOutput,
    updatePmtu,
    protos,
    isLocalAddress,
    pingRcv: consume,
    echoOptions: options.echo,
  })
  const { icmpSend } = icmp
  const { sendRedirect } = createIpRedirect({ ...machine, ...local, icmpSend })
  const { networkSegLen } = gso
  const { ipForward } = createIpForward({
    ...machine,
    ...out,
    nf,
    icmpSend,
    networkSegLen,
    sendRedirect,
    options,
    selectSource,
  })
  const { ipDefrag } = createIpDefrag({ ...machine, icmpSend, timer: words(TIMER_WORDS) })
  const { ipRcv, ipResume } = createIpInput({
    ...machine,
    ...route,
    nf,
    protos,
    isLocalAddress,
    ipForward,
    icmpSend,
    ipDefrag,
    options,
    selectSource,
    rawDeliver: () => false,
  })
  const afOps = byFamily(createAfInet({ arena, output: out, icmpSend }), createAfInet6(machine))
  return { ...out, nf, protos, icmp, ipRcv, ipResume, routeOutput, updatePmtu, skDst, afOps }
}

/** Path MTUs, which go to all CPUs: the flows to one destination are spread over them. */
const createPathMtus = (
  { arena, thread, time, random, ipi }: Machine,
  routeOutput: (fl: Flowi) => number
) => {
  const { workers } = arena.layout.config
  const pmtu = createPmtu({
    time,
    random,
    routeOutput,
    tellOthers: (a, at, mtu) => {
      for (let cpu = 0; cpu < workers; cpu++)
        if (cpu !== thread)
          ipi.send(cpu, Ipi.PMTU_UPDATE, 0, a[at], a[at + 1], a[at + 2], a[at + 3], mtu)
    },
  })
  const address = new Int32Array(4)
  ipi.on(Ipi.PMTU_UPDATE, (_from, _a0, a1, a2, a3, a4, mtu) => {
    address[0] = a1
    address[1] = a2
    address[2] = a3
    address[3] = a4
    pmtu.pmtuLearned(address, 0, mtu)
  })
  return pmtu
}
