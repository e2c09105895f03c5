/**
 * RTM_*ROUTE: what the kernel checks of a route before it takes it, in its order and its words, and which routes there are
 * (route-get.ts has `ip route get`). Linux: net/ipv4/fib_semantics.c (fib_create_info, fib_check_nh), net/ipv6/route.c
 * (ip6_route_info_create, ip6_validate_gw).
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import {
  RTN_ANYCAST,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import {
  LOOPBACK_IFINDEX,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
} from '../../inet/fib/nexthop-constants.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import { isIgnored } from '../../inet/fib/linkdown.ts'
import { DEV_FLAGS, deviceRow, IFF_UP, l3TableOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { Words } from '../../wire/text.ts'
import { isVrfTable } from '../l3mdev.ts'
import type { Outcome, Refused } from '../rtnl/answers.ts'
import { changed, isRefused, refuse } from '../rtnl/answers.ts'
import type { NexthopStore } from './nexthop-store.ts'
import { scopeFault } from './nexthop-store.ts'
import type { Rib } from '../rib/rib.ts'
import type { Hop, RibRoute } from '../rib/rib-route.ts'
import { hopsOf, sameHop, sameWords, withHops } from '../rib/rib-route.ts'
import type { RouteExpiry, SeenRoute } from './route-expiry.ts'
import type { MessageOf, RouteFilter } from '../rtnetlink.ts'
import type { Links } from '../links/links.ts'

/** Metric of IPv6 routes that name none (IP6_RT_PRIO_USER). */
const PRIO_USER = 1024

/** How far what a route of IPv4 leads to may be (fib_props). */
const leastScope = (type: number): number => {
  if (type === RTN_LOCAL) return RT_SCOPE_HOST
  return type === RTN_BROADCAST || type === RTN_ANYCAST ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
}
/** Of a route that names its nexthop object and no more (nexthop_compat_mode off). */
const NOWHERE: Hop = { dev: 0, gateway: null, flags: 0, weight: 1 }

/** 0 stands for all of them. */
const ALWAYS_THERE: readonly number[] = [0, RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT]

const isMulticastAddr = ({ family, words }: { family: number; words: Words }): boolean =>
  family === AF_INET ? words[3] >>> 28 >= 14 : words[0] >>> 24 === 0xff
const isLinkLocal = (words: Words): boolean => words[0] >>> 22 === 0x3fa

type RoutesDeps = {
  arena: Arena
  rib: Rib
  objects: NexthopStore
} & Pick<Links, 'isDevice' | 'hasCarrier'> &
  Pick<RouteExpiry, 'more' | 'keep'>

export type Routes = ReturnType<typeof createRoutes>

export const createRoutes = (deps: RoutesDeps) => {
  const { arena, rib, objects, isDevice, hasCarrier, more, keep } = deps
  const { i32, layout } = arena
  const isUp = (dev: number): boolean => (i32[deviceRow(arena, dev) + DEV_FLAGS] & IFF_UP) !== 0
  /** Is it an address of ours, in the default domain or that of the route's table or device? */
  const isOwn = (route: RibRoute, words: Words): boolean =>
    rib.resolve(route.family, words, (r) => r.type === RTN_LOCAL, [
      RT_TABLE_LOCAL,
      ...ownTable(route),
      ...domainOf(route),
    ]) !== undefined

  /** Where a gateway is looked for before the usual tables. */
  const ownTable = ({ table }: RibRoute): number[] =>
    table === 0 || table === RT_TABLE_MAIN ? [] : [table]
  const domainOf = ({ dev }: RibRoute): number[] => {
    const table = l3TableOf(arena, dev)
    return table === 0 ? [] : [table]
  }
  /** The usual tables; where a device is named that is in a VRF, as the rules have it. */
  const usualTables = (route: RibRoute): number[] => [
    RT_TABLE_LOCAL,
    ...domainOf(route),
    RT_TABLE_MAIN,
    RT_TABLE_DEFAULT,
  ]
  const badGateway = (errno: number, words = 'Nexthop has invalid gateway'): Refused =>
    refuse(errno, words, 'gateway')

  /** fib_check_nh for a gateway: it must be on a link of ours, and says which. */
  const checkGateway4 = (route: RibRoute, gateway: Words): RibRoute | Refused => {
    if (route.scope === RT_SCOPE_HOST)
      return refuse(Errno.EINVAL, 'Route with host scope can not have a gateway', 'gateway')
    if (route.flags & RTNH_F_ONLINK) {
      if (route.scope >= RT_SCOPE_LINK)
        return refuse(Errno.EINVAL, 'Nexthop has invalid scope', 'scope')
      if (route.dev === 0) return refuse(Errno.ENODEV, 'Nexthop device required for onlink', 'dev')
      if (!isUp(route.dev)) return refuse(Errno.ENETDOWN, 'Nexthop device is not up', 'dev')
      const tables = [...domainOf(route), RT_TABLE_LOCAL].slice(0, 1)
      const known = rib.resolve(AF_INET, gateway, () => true, tables)
      const isHost = known === undefined || known.type === RTN_UNICAST
      return !isHost || isMulticastAddr({ family: AF_INET, words: gateway })
        ? badGateway(Errno.EINVAL)
        : route
    }
    // what leads to the gateway is nearer than what leads by it
    const least = Math.max(RT_SCOPE_LINK, route.scope + 1)
    const isWay = (r: RibRoute): boolean =>
      r.hops === undefined && r.scope >= least && (route.dev === 0 || r.dev === route.dev)
    const way =
      rib.resolve(AF_INET, gateway, isWay, ownTable(route)) ??
      rib.resolve(AF_INET, gateway, isWay, usualTables(route))
    if (way === undefined) return badGateway(Errno.ENETUNREACH)
    if (way.type !== RTN_UNICAST && way.type !== RTN_LOCAL) return badGateway(Errno.EINVAL)
    if (!isUp(way.dev)) return refuse(Errno.ENETDOWN, null, 'dev')
    return { ...route, dev: way.dev }
  }
  /** ip6_validate_gw. */
  const checkGateway6 = (route: RibRoute, gateway: Words): RibRoute | Refused => {
    const invalid = badGateway(Errno.EINVAL, 'Invalid gateway address')
    if (
      isMulticastAddr({ family: AF_INET6, words: gateway }) ||
      gateway.every((word) => word === 0)
    )
      return invalid
    if (isOwn(route, gateway)) return badGateway(Errno.EINVAL, 'Gateway can not be a local address')
    if (isLinkLocal(gateway) || route.flags & RTNH_F_ONLINK) {
      if (route.dev === 0) return refuse(Errno.ENODEV, 'Egress device not specified', 'dev')
      return route
    }
    const way =
      wayTo6(route, gateway, ownTable(route)) ?? wayTo6(route, gateway, usualTables(route))
    return way === undefined
      ? refuse(Errno.EHOSTUNREACH, null, 'gateway')
      : { ...route, dev: way.dev }
  }
  /** ip6_route_check_nh: what the first route to the gateway, by the device if one is named, must be on link. */
  const wayTo6 = (
    route: RibRoute,
    gateway: Words,
    tables: readonly number[]
  ): RibRoute | undefined => {
    const first = rib.resolve(
      AF_INET6,
      gateway,
      (r) => route.dev === 0 || hopsOf(r).some(({ dev }) => dev === route.dev),
      tables
    )
    const isOnLink =
      first !== undefined &&
      first.hops === undefined &&
      first.gateway === null &&
      first.type < RTN_BLACKHOLE
    return isOnLink ? first : undefined
  }

  /** Each next hop of several as if it were the only one (fib_get_nhs, ip6_route_multipath_add). */
  const checkHops = (route: RibRoute, hops: readonly Hop[]): RibRoute | Refused => {
    const checked: Hop[] = []
    for (const hop of hops) {
      if (route.family !== AF_INET && hop.gateway === null) {
        const words = 'Device only routes can not be added for IPv6 using the multipath API'
        return refuse(Errno.EINVAL, words, 'nexthops')
      }
      const one = check(withHops(route, [hop]))
      if (isRefused(one)) return { ...one, field: 'nexthops' }
      const found = { ...hop, dev: one.dev }
      if (route.family !== AF_INET && checked.some((other) => sameHop(other, found)))
        return refuse(Errno.EEXIST, null, 'nexthops')
      checked.push(found)
    }
    return withHops(route, checked)
  }
  /** By a nexthop object: fib_check_nexthop, fib6_check_nexthop. */
  const checkObject = (route: RibRoute, nhid: number): RibRoute | Refused => {
    if (route.dev !== 0 || route.gateway !== null || route.hops !== undefined)
      return refuse(
        Errno.EINVAL,
        'Nexthop specification and nexthop id are mutually exclusive',
        'nhid'
      )
    const one = objects.get(nhid)
    if (one === undefined) return refuse(Errno.EINVAL, 'Nexthop id does not exist', 'nhid')
    const fault = scopeFault(route.family, route.scope, one, objects.partsOf(one))
    if (fault !== null) return refuse(Errno.EINVAL, fault, 'nhid')
    return sourceFault(route) ?? route
  }
  const sourceFault = (route: RibRoute): Refused | null =>
    route.prefsrc === null || isOwn(route, route.prefsrc)
      ? null
      : refuse(
          Errno.EINVAL,
          route.family === AF_INET ? 'Invalid prefsrc address' : 'Invalid source address',
          'prefsrc'
        )
  /** The route as the kernel takes it, its devices found; or why not. */
  const check = (route: RibRoute): RibRoute | Refused => {
    if (route.nhid !== undefined) return checkObject(route, route.nhid)
    if (route.family === AF_INET && route.scope < leastScope(route.type))
      return refuse(Errno.EINVAL, 'Invalid scope', 'scope')
    if (route.hops !== undefined && route.type < RTN_BLACKHOLE) return checkHops(route, route.hops)
    if (route.dev !== 0 && !isDevice(route.dev)) return refuse(Errno.ENODEV, null, 'dev')
    if (route.tos !== 0) return refuse(Errno.EOPNOTSUPP, 'Routes by TOS are not supported', 'tos')
    const badSource = sourceFault(route)
    if (badSource !== null) return badSource
    if (route.type >= RTN_BLACKHOLE) {
      // what is dumped of an IPv6 one names lo
      const isPlain =
        route.dev === 0 || (route.family !== AF_INET && route.dev === LOOPBACK_IFINDEX)
      if (route.gateway === null && route.hops === undefined && isPlain)
        return route.family === AF_INET ? route : { ...route, dev: LOOPBACK_IFINDEX }
      const words = 'Gateway, device and multipath can not be specified for this route type'
      return refuse(Errno.EINVAL, words, route.gateway === null ? 'dev' : 'gateway')
    }
    const { gateway } = route
    if (gateway !== null) {
      const way =
        gateway.family === AF_INET
          ? checkGateway4(route, gateway.words)
          : checkGateway6(route, gateway.words)
      return isRefused(way) ? way : checkDevice(way, gateway.family)
    }
    if (route.flags & RTNH_F_ONLINK && route.family === AF_INET)
      return refuse(
        Errno.EINVAL,
        'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set',
        'flags'
      )
    if (route.dev === 0) return refuse(Errno.ENODEV, null, 'dev')
    return checkDevice(route, route.family)
  }
  /** Can the next hop's device speak its family (fib_check_nh, fib6_nh_init)? */
  const checkDevice = (route: RibRoute, family: number): RibRoute | Refused => {
    const { dev, gateway } = route
    if (family !== AF_INET && i32[confRow(arena, dev) + Conf6.disable_ipv6] !== 0)
      return refuse(Errno.EACCES, 'IPv6 is disabled on nexthop device', 'dev')
    if (isUp(dev)) return route
    const isOnLink4 = gateway === null && family === AF_INET
    const words = isOnLink4 ? 'Device for nexthop is not up' : 'Nexthop device is not up'
    return refuse(Errno.ENETDOWN, words, 'dev')
  }

  /** What is shown of a next hop's device: nobody goes by one that is down, or that is ignored without a carrier. */
  const stateOf = (dev: number, family: number): number => {
    if (!isUp(dev) || isIgnored(arena, dev, family)) return RTNH_F_DEAD | RTNH_F_LINKDOWN
    return hasCarrier(dev) ? 0 : RTNH_F_LINKDOWN
  }
  const typeOf = ({ type, nhid }: RibRoute): number =>
    type === RTN_UNICAST && nhid !== undefined && objects.isBlackhole(nhid) ? RTN_BLACKHOLE : type
  /** As it is shown. Routes to our own addresses, shared ones too, never go down with a link (fib_sync_down_dev, fib6_nh_init). */
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
    const isOurs = route.type === RTN_LOCAL || route.type === RTN_ANYCAST
    return route.dev === 0 || isOurs || hasCarrier(route.dev)
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

  return { check, newRoute, delRoute, dump, seen }
}
