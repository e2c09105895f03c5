/**
 * RTM_*ROUTE: what the kernel checks of a route before it takes it, in its order and its words, and `ip route
 * get`. Linux: net/ipv4/fib_semantics.c (fib_create_info, fib_check_nh), net/ipv6/route.c (ip6_route_info_create,
 * ip6_validate_gw), net/ipv4/route.c (inet_rtm_getroute).
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_IIF,
  FL_MARK,
  FL_MTU,
  FL_OIF,
  FL_SADDR,
  FL_TOS,
  FL_TYPE,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../base/flowi.ts'
import {
  LOOPBACK_IFINDEX,
  NH_FAMILY,
  NH_GATEWAY,
  NH_MTU,
  NH_TABLE,
  RT_SCOPE_LINK,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTNH_F_ONLINK,
} from '../inet/nexthop-constants.ts'
import type { Route } from '../inet/route.ts'
import { DEV_FLAGS, deviceRow, IFF_UP } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import type { Addr, Words } from '../wire/text.ts'
import { formatAddr, parseAddr } from '../wire/text.ts'
import type { Outcome } from './answers.ts'
import { changed, isRefused, told } from './answers.ts'
import type {
  FamilyName,
  MessageOf,
  Refused,
  RouteFilter,
  RouteItem,
  RouteLookup,
  RouteType,
} from './messages.ts'
import {
  noSuchDevice,
  protocolNames,
  refuse,
  refuseAs,
  scopeNames,
  tableNames,
  typeNames,
} from './names.ts'
import type { Rib, RibRoute } from './rib.ts'
import type { DeviceNames } from './route-text.ts'
import {
  addrOf,
  familyName,
  familyOf,
  formatRoute,
  parseDst,
  parseMatch,
  parseRoute,
} from './route-text.ts'

const isMulticastAddr = ({ family, words }: { family: number; words: Words }): boolean =>
  family === AF_INET ? words[3] >>> 28 >= 14 : words[0] >>> 24 === 0xff
const isLinkLocal = (words: Words): boolean => words[0] >>> 22 === 0x3fa

export type RoutesDeps = { arena: Arena; rib: Rib; route: Route; names: DeviceNames }

export const createRoutes = ({ arena, rib, route: router, names }: RoutesDeps) => {
  const { i32 } = arena
  const isUp = (dev: number): boolean => (i32[deviceRow(arena, dev) + DEV_FLAGS] & IFF_UP) !== 0
  const isOwn = (family: number, words: Words): boolean =>
    rib.resolve(family, words, (r) => r.table === RT_TABLE_LOCAL && r.type === RTN_LOCAL) !==
    undefined

  const badGateway = (errno: number, words = 'Nexthop has invalid gateway'): Refused =>
    refuse(errno, words, 'gateway')

  /** fib_check_nh for a gateway: it must be on a link of ours, and says which. */
  const checkGateway4 = (route: RibRoute, gateway: Words): RibRoute | Refused => {
    if (route.scope >= RT_SCOPE_LINK)
      return refuse(Errno.EINVAL, 'Nexthop has invalid scope', 'scope')
    if (route.flags & RTNH_F_ONLINK) {
      if (route.dev === 0) return refuse(Errno.ENODEV, 'Nexthop device required for onlink', 'dev')
      if (!isUp(route.dev)) return refuse(Errno.ENETDOWN, 'Nexthop device is not up', 'dev')
      const known = rib.resolve(AF_INET, gateway, (r) => r.table === RT_TABLE_LOCAL)
      return known || isMulticastAddr({ family: AF_INET, words: gateway })
        ? badGateway(Errno.EINVAL)
        : route
    }
    const way = rib.resolve(
      AF_INET,
      gateway,
      (r) => r.scope >= RT_SCOPE_LINK && (route.dev === 0 || r.dev === route.dev)
    )
    if (way === undefined) return badGateway(Errno.ENETUNREACH)
    if (way.type !== RTN_UNICAST && way.type !== RTN_LOCAL) return badGateway(Errno.EINVAL)
    if (!isUp(way.dev)) return refuse(Errno.ENETDOWN, undefined, 'dev')
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
    if (isOwn(AF_INET6, gateway))
      return badGateway(Errno.EINVAL, 'Gateway can not be a local address')
    if (isLinkLocal(gateway) || route.flags & RTNH_F_ONLINK) {
      if (route.dev === 0) return refuse(Errno.ENODEV, 'Egress device not specified', 'dev')
      return route
    }
    const way = rib.resolve(
      AF_INET6,
      gateway,
      (r) =>
        r.gateway === null && r.type === RTN_UNICAST && (route.dev === 0 || r.dev === route.dev)
    )
    return way === undefined
      ? badGateway(Errno.EHOSTUNREACH, 'Nexthop has invalid gateway')
      : { ...route, dev: way.dev }
  }

  /** The route as the kernel takes it, its device found; or why not. */
  const check = (route: RibRoute): RibRoute | Refused => {
    if (route.tos !== 0) return refuse(Errno.EOPNOTSUPP, 'Routes by TOS are not supported', 'tos')
    if (route.prefsrc !== null && !isOwn(route.family, route.prefsrc))
      return refuse(
        Errno.EINVAL,
        route.family === AF_INET ? 'Invalid prefsrc address' : 'Invalid source address',
        'prefsrc'
      )
    if (route.type >= RTN_BLACKHOLE) {
      // what is dumped of an IPv6 one names lo
      const isPlain =
        route.dev === 0 || (route.family !== AF_INET && route.dev === LOOPBACK_IFINDEX)
      if (route.gateway === null && isPlain)
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
    if (route.dev === 0) return refuse(Errno.ENODEV, undefined, 'dev')
    if (!isUp(route.dev)) {
      const words =
        route.family === AF_INET ? 'Device for nexthop is not up' : 'Nexthop device is not up'
      return refuse(Errno.ENETDOWN, words, 'dev')
    }
    return route
  }

  const newRoute = ({ route: spec, flags }: MessageOf<'RTM_NEWROUTE'>): Outcome<RouteItem> => {
    const parsed = parseRoute(spec, names)
    if (isRefused(parsed)) return parsed
    const route = check(parsed)
    if (isRefused(route)) return route
    const error = rib.add(route, flags)
    if (error === -Errno.ENOSPC) return refuse(Errno.ENOSPC, 'The forwarding table is full')
    return error !== 0 ? refuse(-error, undefined, 'dst') : changed(formatRoute(route, names))
  }

  const delRoute = ({ route: spec }: MessageOf<'RTM_DELROUTE'>): Outcome<RouteItem> => {
    const match = parseMatch(spec, names)
    if (isRefused(match)) return match
    const gone = rib.remove(match)
    return typeof gone === 'number'
      ? refuse(-gone, undefined, 'dst')
      : changed(formatRoute(gone, names))
  }

  const fl = createFlowi()
  const put = (at: number, addr: Addr | null): void => {
    fl.set(addr?.words ?? [0, 0, 0, 0], at)
  }
  /** ip route get */
  const getRoute = (query: MessageOf<'RTM_GETROUTE'>): Outcome<RouteLookup> => {
    const dst = parseAddr(query.dst)
    if (dst === null)
      return refuseAs(
        Errno.EINVAL,
        `Error: inet prefix is expected rather than "${query.dst}".`,
        'dst'
      )
    const src = query.src === undefined ? null : parseAddr(query.src)
    if (query.src !== undefined && src?.family !== dst.family)
      return refuseAs(
        Errno.EINVAL,
        `Error: inet address is expected rather than "${query.src}".`,
        'src'
      )
    const iif = query.iif === undefined ? 0 : names.ifindexOf(query.iif)
    if (query.iif !== undefined && iif === 0) return noSuchDevice(query.iif, 'iif')
    const oif = query.oif === undefined ? 0 : names.ifindexOf(query.oif)
    if (query.oif !== undefined && oif === 0) return noSuchDevice(query.oif, 'oif')
    fl.fill(0)
    fl[FL_FAMILY] = familyOf(dst)
    put(FL_DADDR, dst)
    put(FL_SADDR, src ?? (dst.family === 4 ? { family: 4, words: [0, 0, 0xffff, 0] } : null))
    fl[FL_IIF] = iif
    fl[FL_OIF] = oif
    fl[FL_MARK] = query.mark ?? 0
    fl[FL_TOS] = query.tos ?? 0
    const error = iif !== 0 ? router.routeInput(fl) : router.routeOutput(fl)
    if (error !== 0) return refuse(-error, undefined, 'dst')
    return told(formatLookup(query, dst))
  }
  const wordsAt = (view: Int32Array, at: number): Words => [
    view[at],
    view[at + 1],
    view[at + 2],
    view[at + 3],
  ]
  const formatLookup = (query: MessageOf<'RTM_GETROUTE'>, dst: Addr): RouteLookup => {
    const row = fl[FL_DST]
    const type = fl[FL_TYPE]
    const gwFamily = type === RTN_UNICAST ? i32[row + NH_FAMILY] : 0
    const host =
      gwFamily === 0 ? undefined : formatAddr(addrOf(gwFamily, wordsAt(i32, row + NH_GATEWAY)))
    const mtu = i32[row + NH_MTU]
    const cache =
      { [RTN_LOCAL]: ['local'], [RTN_BROADCAST]: ['brd'], [RTN_MULTICAST]: ['mc'] }[type] ?? []
    return {
      ...(type !== RTN_UNICAST && { type: typeNames.format(type) as RouteType }),
      dst: formatAddr(dst),
      ...(query.src !== undefined && { from: query.src }),
      ...(host && gwFamily === fl[FL_FAMILY] && { gateway: host }),
      ...(host && gwFamily !== fl[FL_FAMILY] && { via: { family: familyName(gwFamily), host } }),
      dev: names.nameOf(fl[FL_DEV]),
      ...(query.iif !== undefined && { iif: query.iif }),
      table: tableNames.format(i32[row + NH_TABLE] || RT_TABLE_MAIN),
      ...(query.iif === undefined && {
        prefsrc: formatAddr(addrOf(fl[FL_FAMILY], wordsAt(fl, FL_SADDR))),
      }),
      flags: [],
      ...(mtu !== 0 && { metrics: [{ mtu: fl[FL_MTU] }] }),
      uid: 0,
      cache,
    }
  }

  const isWanted = (filter: RouteFilter) => {
    const dst = filter.dst === undefined ? null : parseDst(filter.dst, filter.family, null)
    const type = filter.type === undefined ? null : typeNames.parse(filter.type)
    const protocol = filter.protocol === undefined ? null : protocolNames.parse(filter.protocol)
    const scope = filter.scope === undefined ? null : scopeNames.parse(filter.scope)
    const dev = filter.dev === undefined ? null : names.ifindexOf(filter.dev)
    return (route: RibRoute): boolean =>
      (dst === null ||
        (!isRefused(dst) && route.plen === dst.plen && route.words.join() === dst.words.join())) &&
      (type === null || route.type === type) &&
      (protocol === null || route.protocol === protocol) &&
      (scope === null || route.scope === scope) &&
      (dev === null || route.dev === dev)
  }
  /** Routes of the wanted table (main when none is named, every one for 'all'), IPv4 before IPv6. */
  function* dump(filter: RouteFilter = {}): Generator<RouteItem[]> {
    const wanted = isWanted(filter)
    const families: FamilyName[] = filter.family ? [filter.family] : ['inet', 'inet6']
    for (const name of families) {
      const family = name === 'inet' ? AF_INET : AF_INET6
      const id =
        filter.table === undefined ? RT_TABLE_MAIN : tableNames.parse(filter.table, 4294967295)
      const ids =
        filter.table === 'all' || id === 0 ? rib.tableIds(family) : id === null ? [] : [id]
      for (const table of ids)
        for (const chunk of rib.dump(family, table)) {
          const items = chunk.filter(wanted).map((route) => formatRoute(route, names))
          if (items.length > 0) yield items
        }
    }
  }

  return { newRoute, delRoute, getRoute, dump }
}
