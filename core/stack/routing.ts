/** What addresses are, and where packets to them go: the tables that the families of a stack ask. */
import { createAddrType } from '../inet/addr/addr-type.ts'
import { createDoRedirect } from '../inet/dst/do-redirect.ts'
import { createFibReader } from '../inet/fib/fib.ts'
import { createFibPrefetch } from '../inet/fib/trie/fib-prefetch.ts'
import { createFlowKeys } from '../inet/fib/multipath/flow-keys.ts'
import { createPacketAddrs } from '../inet/packet-addrs.ts'
import { createRoute } from '../inet/fib/route.ts'
import { createNeighTable } from '../neigh/neigh-table.ts'
import { INIT_NET } from '../netdev/netdev.ts'
import { createDst } from './dst.ts'
import type { Machine } from './machine.ts'
import { createPacketKeys } from './packet-keys.ts'

export type Routing = ReturnType<typeof createRouting>

export const createRouting = (machine: Machine) => {
  const { arena } = machine
  const fib = createFibReader(arena, INIT_NET)
  const { stateOf: neighState } = createNeighTable(arena)
  const { routeOutput, flowHash, ...input } = createRoute({ ...machine, fib, neighState })
  const keys = createPacketKeys(arena)
  const { loadAddrs } = createPacketAddrs(arena)
  return {
    ...createAddrType(arena, fib),
    ...createDoRedirect(arena, fib),
    loadAddrs,
    ...createFibPrefetch(arena, fib),
    ...input,
    ...createFlowKeys({ ...machine, net: INIT_NET, flowHash, keys, loadAddrs }),
    ...createDst(machine, routeOutput),
  }
}
