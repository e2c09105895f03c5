/**
 * The tables that control writes and stacks read: routes with their next hops, interface addresses with the routes
 * they bring, and what routers advertise of both. Control thread; who fills tables without a control plane (tests, benches) makes them here too.
 */
import type { Allocate } from '../inet/fib/writer/fib-prefixes.ts'
import { familyOf } from '../base/family.ts'
import { byFamily } from '../inet/af-ops.ts'
import { createFibRulesWriter } from '../inet/fib/writer/fib-rules-writer.ts'
import type { OnTable } from '../inet/fib/trie/fib-tables.ts'
import { createFibWriter } from '../inet/fib/writer/fib-writer.ts'
import { createIfaddrs, type IfaddrDeps } from '../inet/addr/ifaddr.ts'
import type { Ifaddr } from '../inet/addr/ifaddr-held.ts'
import { createMcMembers } from '../inet/mc/mc-members.ts'
import { createLinkdown } from '../inet/fib/linkdown.ts'
import { createNexthops } from '../inet/fib/writer/nexthop.ts'
import { createAddrconf } from '../ipv6/addrconf/addrconf.ts'
import { DEV_FLAGS, deviceRow, IFF_LOOPBACK, IFF_NOARP, INIT_NET } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import type { Words } from '../wire/text.ts'
import { vrfTableMoved } from './l3mdev.ts'
import type { Links } from './links/links.ts'
import type { Publisher } from './rtnl/publish.ts'
import { createNexthopStore } from './routes/nexthop-store.ts'
import { createRib } from './rib/rib.ts'
import type { RibEvents } from './rib/rib-commit.ts'
import { createRouteExpiry } from './routes/route-expiry.ts'

/** The group by which neighbours ask for an address (RFC 4291 section 2.7.1); IPv4 has none. */
const solicitedNode = byFamily<(words: Words) => Int32Array | null>(
  () => null,
  (words) => Int32Array.of(0xff020000, 0, 1, 0xff000000 | (words[3] & 0xffffff))
)

/** Who makes no rules needs no names of devices. */
type TablesDeps = Pick<Publisher, 'retire' | 'reclaim'> &
  Partial<Pick<Links, 'ifindexOf'>> & {
    arena: Arena
    allocate?: Allocate | undefined
    onRoute: RibEvents
    onAddress: (event: 'new' | 'del', at: Ifaddr) => void
    /** Who tells of addresses to nobody has no neighbours to forget. */
    onFamilyEnd?: IfaddrDeps['onFamilyEnd']
    /** Who has addresses that end has a clock. */
    nowMs?: () => number
    random?: () => number
    ipi: Pick<IpiSystem, 'send' | 'kick'>
  }

export const createTables = (deps: TablesDeps) => {
  const {
    arena,
    allocate,
    retire,
    reclaim,
    onRoute,
    onAddress,
    ipi,
    ifindexOf = () => 0,
    onFamilyEnd = () => {},
    nowMs = () => 0,
    random = () => 1,
  } = deps
  const fibRules = createFibRulesWriter({ arena, retire, reclaim, ifindexOf })
  const followVrfs = vrfTableMoved(arena)
  const onTable: OnTable = (...moved) => {
    fibRules.tableMoved(...moved)
    followVrfs(...moved)
  }
  const linkdown = createLinkdown(arena)
  const fib = createFibWriter({ arena, allocate, retire, reclaim, onTable, ...linkdown })
  fib.addNet(INIT_NET)
  fibRules.addNet(INIT_NET)
  const nexthops = createNexthops({ arena, retire, reclaim })
  const objects = createNexthopStore()
  const rib = createRib({
    arena,
    net: INIT_NET,
    fib,
    nexthops,
    objects,
    random,
    onEvent: (event, route, isTold) => {
      onRoute(event, route, isTold)
      if (event === 'new') return
      routeExpiry.forget(route)
      addrconf.routeGone(route)
    },
  })
  const routeExpiry = createRouteExpiry({ remove: rib.remove, nowMs })
  const { mcJoin, mcLeave } = createMcMembers({ arena, thread: arena.layout.controlThread, ipi })
  /** Nobody asks for addresses on a device without neighbours (addrconf_join_solict). */
  const hasNeighbours = (ifindex: number): boolean =>
    (arena.i32[deviceRow(arena, ifindex) + DEV_FLAGS] & (IFF_LOOPBACK | IFF_NOARP)) === 0
  /** Others ask for the address on the device, or no longer. */
  const answerFor = (ifindex: number, words: Words, on: boolean): void => {
    const group = solicitedNode(familyOf(Int32Array.from(words), 0))(words)
    if (group === null) return
    if (on) mcJoin(ifindex, group)
    else mcLeave(ifindex, group)
  }
  const onEvent: IfaddrDeps['onEvent'] = (event, at) => {
    const group = solicitedNode(at.family)(at.words)
    if (group !== null && event === 'del') mcLeave(at.ifindex, group)
    else if (group !== null && event === 'new' && hasNeighbours(at.ifindex))
      mcJoin(at.ifindex, group)
    onAddress(event === 'del' ? 'del' : 'new', at)
  }
  const ifaddrs = createIfaddrs({
    arena,
    rib,
    retire,
    random,
    onEvent,
    onAnycast: answerFor,
    onFamilyEnd,
    nowMs,
    ...routeExpiry,
  })
  const addrconf = createAddrconf({ arena, rib, ifaddrs, ...routeExpiry, nowMs })
  const written = { rib, fib, nexthops, objects, fibRules, routeExpiry, ifaddrs, addrconf }
  return { ...written, answerFor, mcJoin, mcLeave }
}
