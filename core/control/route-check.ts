/**
 * What the kernel checks of a route before it takes it, in its order and its words, and the devices that it finds for it.
 * Linux: net/ipv4/fib_semantics.c (fib_create_info, fib_check_nh), net/ipv6/route.c (ip6_route_info_create, ip6_validate_gw).
 */
import { Errno } from '../base/errno.ts'
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { RTN_ANYCAST, RTN_BLACKHOLE, RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST } from '../base/flowi.ts'
import {
  LOOPBACK_IFINDEX,
  RTNH_F_ONLINK,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../inet/fib/nexthop-constants.ts'
import { DEV_FLAGS, IFF_UP, deviceRow, l3TableOf } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import type { Words } from '../wire/text.ts'
import { type Refused, isRefused, refuse } from './answers.ts'
import type { Links } from './links/links.ts'
import { type NexthopStore, scopeFault } from './nexthop-store.ts'
import { type Hop, type RibRoute, hopsOf, sameHop, withHops } from './rib-route.ts'
import type { Rib } from './rib.ts'

/** How far what a route of IPv4 leads to may be (fib_props). */
const leastScope = (type: number): number => {
  if (type === RTN_LOCAL) return RT_SCOPE_HOST
  return type === RTN_BROADCAST || type === RTN_ANYCAST ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
}

const isMulticastAddr = ({ family, words }: { family: number; words: Words }): boolean =>
  family === AF_INET ? words[3] >>> 28 >= 14 : words[0] >>> 24 === 0xff
const isLinkLocal = (words: Words): boolean => words[0] >>> 22 === 0x3fa

type RouteCheckDeps = {
  arena: Arena
  rib: Rib
  objects: NexthopStore
} & Pick<Links, 'isDevice'>

export const createRouteCheck = ({ arena, rib, objects, isDevice }: RouteCheckDeps) => {
  const { i32 } = arena
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
      if (isRefused(way)) return way
      return isUp(way.dev) ? way : refuse(Errno.ENETDOWN, 'Nexthop device is not up', 'dev')
    }
    if (route.flags & RTNH_F_ONLINK && route.family === AF_INET)
      return refuse(
        Errno.EINVAL,
        'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set',
        'flags'
      )
    if (route.dev === 0) return refuse(Errno.ENODEV, null, 'dev')
    if (!isUp(route.dev)) {
      const words =
        route.family === AF_INET ? 'Device for nexthop is not up' : 'Nexthop device is not up'
      return refuse(Errno.ENETDOWN, words, 'dev')
    }
    return route
  }

  return { check }
}
