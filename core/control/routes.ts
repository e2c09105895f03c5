/**
 * RTM_*ROUTE: routes come and go (route-check.ts says which may come), and are shown as they are now. Linux: inet_rtm_newroute,
 * inet_rtm_delroute, inet_dump_fib, and those of IPv6.
 */
import { Errno } from '../base/errno.ts'
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { RTN_BLACKHOLE, RTN_LOCAL, RTN_UNICAST } from '../base/flowi.ts'
import type { FibReader } from '../inet/fib/fib.ts'
import { isIgnored } from '../inet/fib/linkdown.ts'
import {
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../inet/fib/nexthop-constants.ts'
import type { Route } from '../inet/fib/route.ts'
import { DEV_FLAGS, IFF_UP, deviceRow } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { type Outcome, type Refused, changed, isRefused, refuse } from './answers.ts'
import { isVrfTable } from './l3mdev.ts'
import type { Links } from './links/links.ts'
import type { NexthopStore } from './nexthop-store.ts'
import { type Hop, type RibRoute, sameWords, withHops } from './rib-route.ts'
import type { Rib } from './rib.ts'
import { createRouteCheck } from './route-check.ts'
import type { RouteExpiry, SeenRoute } from './route-expiry.ts'
import { createRouteGet } from './route-get.ts'
import type { MessageOf, RouteFilter } from './rtnetlink.ts'

/** Metric of IPv6 routes that name none (IP6_RT_PRIO_USER). */
const PRIO_USER = 1024
/** Of a route that names its nexthop object and no more (nexthop_compat_mode off). */
const NOWHERE: Hop = { dev: 0, gateway: null, flags: 0, weight: 1 }

/** 0 stands for all of them. */
const ALWAYS_THERE: readonly number[] = [0, RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT]

type RoutesDeps = {
  arena: Arena
  rib: Rib
  objects: NexthopStore
  route: Route
  fib: FibReader
} & Pick<Links, 'isDevice' | 'hasCarrier'> &
  Pick<RouteExpiry, 'more' | 'keep'>

export type Routes = ReturnType<typeof createRoutes>

export const createRoutes = (deps: RoutesDeps) => {
  const { arena, rib, objects, hasCarrier, more, keep } = deps
  const { check } = createRouteCheck(deps)
  const { getRoute } = createRouteGet(deps)
  const { i32, layout } = arena
  const isUp = (dev: number): boolean => (i32[deviceRow(arena, dev) + DEV_FLAGS] & IFF_UP) !== 0

  /** What is shown of a next hop's device: nobody goes by one that is down, or that is ignored without a carrier. */
  const stateOf = (dev: number, family: number): number => {
    if (!isUp(dev) || isIgnored(arena, dev, family)) return RTNH_F_DEAD | RTNH_F_LINKDOWN
    return hasCarrier(dev) ? 0 : RTNH_F_LINKDOWN
  }
  const typeOf = ({ type, nhid }: RibRoute): number =>
    type === RTN_UNICAST && nhid !== undefined && objects.isBlackhole(nhid) ? RTN_BLACKHOLE : type
  /** As it is shown. Routes to our own addresses never go down with a link (fib_sync_down_dev, fib6_ifdown). */
  const seen = (route: RibRoute): SeenRoute => {
    if (route.nhid !== undefined && i32[layout.sysctl + Sysctl.nexthop_compat_mode] === 0)
      return { ...withHops(route, [NOWHERE]), type: typeOf(route) }
    const { hops } = route
    const shown = {
      ...route,
      type: typeOf(route),
      ...(hops && {
        hops: hops.map((hop) => ({ ...hop, flags: hop.flags | stateOf(hop.dev, route.family) })),
      }),
      ...more(route),
    }
    return route.dev === 0 || route.type === RTN_LOCAL || hasCarrier(route.dev)
      ? shown
      : { ...shown, flags: route.flags | stateOf(route.dev, route.family) }
  }

  const newRoute = ({ route: given, flags }: MessageOf<'RTM_NEWROUTE'>): Outcome<SeenRoute> => {
    const { expires, pref, ...wanted } = given
    const metric = wanted.metric || (wanted.family === AF_INET ? 0 : PRIO_USER)
    const route = check({ ...wanted, metric, flags: wanted.flags & RTNH_F_ONLINK })
    if (isRefused(route)) return route
    const error = rib.add(route, flags)
    if (error === -Errno.ENOSPC) return refuse(Errno.ENOSPC, 'The forwarding table is full')
    if (error !== 0) return refuse(-error, null, 'dst')
    keep(route, expires, pref)
    return changed(seen(route))
  }

  const delRoute = ({ route }: MessageOf<'RTM_DELROUTE'>): Outcome<SeenRoute> => {
    const gone = rib.remove(route)
    return typeof gone === 'number' ? refuse(-gone, null, 'dst') : changed(seen(gone))
  }

  const isWanted =
    ({ dst, type, protocol, scope, dev }: RouteFilter) =>
    (route: RibRoute): boolean =>
      (dst === undefined || (route.plen === dst.plen && sameWords(route.words, dst.words))) &&
      (type === undefined || route.type === type) &&
      (protocol === undefined || route.protocol === protocol) &&
      (scope === undefined || route.scope === scope) &&
      (dev === undefined || route.dev === dev)
  function* chunksOf(filter: RouteFilter): Generator<SeenRoute[]> {
    const wanted = isWanted(filter)
    for (const family of familiesOf(filter))
      for (const table of filter.table === 0 ? rib.tableIds(family) : [filter.table])
        for (const chunk of rib.dump(family, table)) {
          const items = chunk.filter(wanted).map(seen)
          if (items.length > 0) yield items
        }
  }
  const familiesOf = ({ family }: RouteFilter): number[] =>
    family === 0 ? [AF_INET, AF_INET6] : [family]
  /** Routes of the wanted table or of every one, IPv4 before IPv6; a table that nobody has put a route in is none. */
  const dump = (filter: RouteFilter = { family: 0, table: 0 }): Iterable<SeenRoute[]> | Refused => {
    const { family, table } = filter
    const isThere =
      ALWAYS_THERE.includes(table) ||
      isVrfTable(arena, table) ||
      familiesOf(filter).some((one) => rib.tableIds(one).includes(table))
    if (isThere) return chunksOf(filter)
    const version = family === AF_INET6 ? 'ipv6' : 'ipv4'
    return refuse(Errno.ENOENT, `${version}: FIB table does not exist`, 'table')
  }

  return { check, newRoute, delRoute, getRoute, dump, seen }
}
