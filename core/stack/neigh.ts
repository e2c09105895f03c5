/**
 * The neighbours of a stack: the table that all CPUs read, what waits for a neighbour on this one, and ARP. CPU 0 also runs
 * the state machine, which answers the others and control.
 */
import { AF_INET } from '../base/family.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { createSourceSelection } from '../inet/addr/source.ts'
import { RT_SCOPE_LINK } from '../inet/fib/nexthop-constants.ts'
import { createAcd } from '../ipv4/arp/acd.ts'
import { createArpSend } from '../ipv4/arp/arp-send.ts'
import { createArp } from '../ipv4/arp/arp.ts'
import type { Icmp } from '../ipv4/icmp/icmp.ts'
import { NEIGH_ADDR, NEIGH_IFINDEX } from '../neigh/neigh-constants.ts'
import { createNeighOutput } from '../neigh/neigh-output.ts'
import { createPneigh } from '../neigh/pneigh.ts'
import { createProxyQueue } from '../neigh/proxy-queue.ts'
import { createNeighTable } from '../neigh/neigh-table.ts'
import { createNeighbour } from '../neigh/neighbour.ts'
import { Ipi, Notify } from '../shm/ipi.ts'
import { ETH_P_IP } from '../wire/ethernet.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'
import type { Routing } from './routing.ts'

/** Worker that runs the neighbour state machine. */
const NEIGH_CPU = 0

/** What the neighbours need of the layer above. */
export type NeighDeps = { routing: Routing } & Pick<Icmp, 'linkFailure'>

export type Neigh = ReturnType<typeof createNeigh>

export const createNeigh = (machine: Machine, link: Link, deps: NeighDeps) => {
  const { arena, thread, words } = machine
  const { routing, linkFailure } = deps
  const { ether, xmit } = link
  const { devQueueXmit } = xmit
  const { select4 } = createSourceSelection(arena)
  const timer = () => ({ timer: words(TIMER_WORDS), key: words(4) })
  const table = createNeighTable(arena)
  const pneigh = createPneigh(arena)
  const neighOutput = createNeighOutput({
    ...machine,
    ...ether,
    ...timer(),
    table,
    devQueueXmit,
    linkFailure,
  })
  const notify = createNotify(machine)
  const neighbour =
    thread === NEIGH_CPU ? createNeighbour({ ...machine, ...timer(), table, notify }) : null
  const proxyQueue = createProxyQueue({
    ...machine,
    timer: words(TIMER_WORDS),
    family: AF_INET,
    redo: (skb) => arp.arpRcv(skb),
  })
  const arpSend = createArpSend({ ...machine, ethHeader: ether.ethHeader, devQueueXmit })
  const acd =
    thread === NEIGH_CPU
      ? createAcd({
          ...machine,
          ...arpSend,
          timer: words(TIMER_WORDS),
          announcing: words(TIMER_WORDS),
        })
      : null
  const arp = createArp({
    ...machine,
    ...routing,
    ...pneigh,
    ...proxyQueue,
    ...arpSend,
    table,
    neighbour,
    acd,
    key: words(4),
    selectSource: (dev, target) => select4(dev, target, RT_SCOPE_LINK),
  })
  neighbour?.registerOps('v4', { ethertype: ETH_P_IP, solicit: arp.arpSolicit })
  return { neighTable: table, neighOutput, neighbour, pneigh, proxyQueue, arp, acd }
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
