/**
 * Tracing at the five hooks: while somebody traces, a function of each hook, asked before all others, writes down where a
 * traced packet is, by which route, and which neighbour it leaves to. What is made here while a traced packet is handled
 * belongs to that one (dev/trace.ts). One instance a worker, for both families. Linux: nf_tables' meta nftrace.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { createFlowi, FL_DADDR, RTN_UNICAST } from '../base/flowi.ts'
import type { Trace } from '../dev/trace.ts'
import { TRACE_HOOK, TRACE_NEIGH, TRACE_ROUTE } from '../dev/trace-constants.ts'
import { IPCB_MTU, IPCB_TYPE } from '../inet/inet-constants.ts'
import {
  NH_DEV,
  NH_FAMILY,
  NH_GATEWAY,
  NH_METRIC,
  NH_PLEN,
  NH_TABLE,
} from '../inet/fib/nexthop-constants.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import { NEIGH_LLADDR_BYTE, NEIGH_STATE } from '../neigh/neigh-constants.ts'
import type { NeighTable } from '../neigh/neigh-table.ts'
import { DEV_FLAGS, deviceRow, IFF_LOOPBACK, IFF_NOARP } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { G_TRACES } from '../shm/layout.ts'
import { SKB_DST } from '../skb/skb.ts'
import { macHi, macLo } from '../wire/ethernet.ts'
import type { NfHooks } from './hooks.ts'
import {
  NF_ACCEPT,
  NF_INET_LOCAL_OUT,
  NF_INET_NUMHOOKS,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
} from './nf-constants.ts'

type NfTraceDeps = {
  arena: Arena
  trace: Pick<Trace, 'isTraced' | 'traceMade' | 'begin' | 'end'>
  nf: Pick<NfHooks, 'register'>
  nf6: Pick<NfHooks, 'register'>
  neighTable: Pick<NeighTable, 'lookup'>
} & Pick<PacketAddrs, 'loadAddrs'>

/** Before all that Linux has (NF_IP_PRI_FIRST). */
const FIRST = -0x80000000
/** No neighbour of that address. */
const UNKNOWN = -1

export const createNfTrace = (deps: NfTraceDeps) => {
  const { arena, trace, nf, nf6, neighTable, loadAddrs } = deps
  const { i32, u8 } = arena
  const { isTraced, traceMade, begin, end } = trace
  const flow = createFlowi()
  let unregister: (() => void)[] = []

  const noteHook = (
    skb: number,
    hook: number,
    family: number,
    inDev: number,
    outDev: number
  ): void => {
    const at = begin(skb, TRACE_HOOK, 0)
    if (at < 0) return
    i32[at] = hook
    i32[at + 1] = family
    i32[at + 2] = inDev
    i32[at + 3] = outDev
    end(at, skb, 0)
  }
  const noteRoute = (skb: number, row: number, hook: number): void => {
    const at = begin(skb, TRACE_ROUTE, 0)
    if (at < 0) return
    loadAddrs(skb, flow)
    i32[at] = i32[skb + IPCB_TYPE]
    i32[at + 1] = i32[row + NH_DEV]
    i32[at + 2] = i32[skb + IPCB_MTU]
    i32[at + 3] = i32[row + NH_PLEN]
    i32[at + 4] = i32[row + NH_TABLE]
    i32[at + 5] = i32[row + NH_METRIC]
    i32[at + 6] = i32[row + NH_FAMILY]
    i32[at + 15] = hook
    for (let w = 0; w < 4; w++) {
      i32[at + 7 + w] = flow[FL_DADDR + w]
      i32[at + 11 + w] = i32[row + NH_GATEWAY + w]
    }
    end(at, skb, 0)
  }
  const noteNeigh = (skb: number, row: number, dev: number): void => {
    const at = begin(skb, TRACE_NEIGH, 0)
    if (at < 0) return
    loadAddrs(skb, flow)
    const isNear = i32[row + NH_FAMILY] === 0
    for (let w = 0; w < 4; w++)
      i32[at + 4 + w] = isNear ? flow[FL_DADDR + w] : i32[row + NH_GATEWAY + w]
    const neigh = neighTable.lookup(dev, at + 4)
    i32[at] = dev
    i32[at + 1] = neigh === 0 ? UNKNOWN : i32[neigh + NEIGH_STATE]
    if (neigh !== 0) {
      const lladdr = (neigh << 2) + NEIGH_LLADDR_BYTE
      i32[at + 2] = macHi(u8, lladdr)
      i32[at + 3] = macLo(u8, lladdr)
    }
    end(at, skb, 0)
  }
  /** Devices without neighbours have none to tell of. */
  const hasNeighbours = (dev: number): boolean =>
    (i32[deviceRow(arena, dev) + DEV_FLAGS] & (IFF_LOOPBACK | IFF_NOARP)) === 0

  const atHook = (
    skb: number,
    hook: number,
    family: number,
    inDev: number,
    outDev: number
  ): void => {
    const row = i32[skb + SKB_DST]
    if (hook !== NF_INET_PRE_ROUTING && hook !== NF_INET_POST_ROUTING && row !== 0)
      noteRoute(skb, row, hook)
    noteHook(skb, hook, family, inDev, outDev)
    if (hook !== NF_INET_POST_ROUTING || row === 0) return
    const isToOne = i32[skb + IPCB_TYPE] === RTN_UNICAST
    if (isToOne && hasNeighbours(outDev)) noteNeigh(skb, row, outDev)
  }
  const watch = (hooks: Pick<NfHooks, 'register'>, family: number): (() => void)[] =>
    Array.from({ length: NF_INET_NUMHOOKS }, (_, hook) =>
      hooks.register({
        hook,
        priority: FIRST,
        fn: (skb, state) => {
          const isOurs = hook === NF_INET_LOCAL_OUT ? traceMade(skb) : isTraced(skb)
          if (isOurs) atHook(skb, hook, family, state.inDev, state.outDev)
          return NF_ACCEPT
        },
      })
    )

  /** Comes and goes with the traces; at the quiescent point, before the hooks are published. */
  const refresh = (): void => {
    const isWanted = i32[G_TRACES] !== 0
    if (isWanted === unregister.length > 0) return
    for (const off of unregister) off()
    unregister = isWanted ? [...watch(nf, AF_INET), ...watch(nf6, AF_INET6)] : []
  }
  return { refresh }
}
