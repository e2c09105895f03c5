/**
 * The tables that control writes and stacks read: routes with their next hops, and interface addresses with the routes
 * they bring. Control thread; who fills tables without a control plane (tests, benches) makes them here too.
 */
import { createFibWriter } from '../inet/fib-writer.ts'
import { createIfaddrs, type IfaddrDeps } from '../inet/ifaddr.ts'
import { createNexthops } from '../inet/nexthop.ts'
import { INIT_NET } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import type { Publisher } from './publish.ts'
import { createRib, type RibEvents } from './rib.ts'

type TablesDeps = Pick<Publisher, 'retire' | 'reclaim'> & {
  arena: Arena
  onRoute: RibEvents
  onAddress: IfaddrDeps['onEvent']
}

export const createTables = ({ arena, retire, reclaim, onRoute, onAddress }: TablesDeps) => {
  const fib = createFibWriter({ arena, retire, reclaim })
  fib.addNet(INIT_NET)
  const nexthops = createNexthops({ arena, retire, reclaim })
  const rib = createRib({ net: INIT_NET, fib, nexthops, onEvent: onRoute })
  const ifaddrs = createIfaddrs({ arena, rib, retire, onEvent: onAddress })
  return { rib, ifaddrs }
}
