/**
 * Routes between text and numbers: what iproute2 does before it sends a message and after it got an answer
 * (ip/iproute.c), with its defaults for type, table, scope, protocol and metric.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../base/flowi.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
} from '../inet/nexthop-constants.ts'
import type { Addr, Words } from '../wire/text.ts'
import {
  addrLen,
  formatAddr,
  formatPrefix,
  networkOf,
  parseAddr,
  parsePrefix,
} from '../wire/text.ts'
import { isRefused } from './answers.ts'
import type {
  FamilyName,
  Refused,
  RouteItem,
  RouteMetrics,
  RouteSpec,
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
import type { RibRoute, RouteMatch } from './rib.ts'

/** Metric of IPv6 routes that name none (IP6_RT_PRIO_USER). */
const PRIO_USER = 1024
/** Tables are numbers of 32 bits. */
const MAX_TABLE = 4294967295

export type DeviceNames = {
  ifindexOf: (name: string) => number
  nameOf: (ifindex: number) => string
  /** Is there a peer at the device's other side? */
  hasCarrier: (ifindex: number) => boolean
}

export const familyOf = (addr: Addr): number => (addr.family === 4 ? AF_INET : AF_INET6)
export const familyName = (family: number): FamilyName => (family === AF_INET ? 'inet' : 'inet6')
const ANY: Words = [0, 0, 0, 0]
const ANY4: Words = [0, 0, 0xffff, 0]

const invalid = (what: string, value: unknown, field: string): Refused =>
  refuseAs(Errno.EINVAL, `Error: argument "${value}" is wrong: ${what}`, field)

/** The prefix a route is for; 'default' is of the family that its other words say. */
export const parseDst = (
  dst: string,
  wanted: FamilyName | undefined,
  hint: Addr | null
): { family: number; words: Words; plen: number } | Refused => {
  if (dst === 'default' || dst === 'any' || dst === 'all') {
    const is6 = wanted === 'inet6' || (wanted === undefined && hint?.family === 6)
    return { family: is6 ? AF_INET6 : AF_INET, words: is6 ? ANY : ANY4, plen: 0 }
  }
  const prefix = parsePrefix(dst)
  const kind = wanted ?? 'inet'
  if (prefix === null || (wanted !== undefined && familyName(familyOf(prefix)) !== wanted))
    return refuseAs(Errno.EINVAL, `Error: ${kind} prefix is expected rather than "${dst}".`, 'dst')
  const network = networkOf(prefix)
  // the kernel takes host bits in IPv6, not in IPv4
  if (prefix.family === 4 && network.words[3] !== prefix.words[3])
    return refuse(Errno.EINVAL, 'Invalid prefix for given prefix length', 'dst')
  return { family: familyOf(prefix), words: network.words, plen: prefix.prefixlen }
}

const parseGateway = (spec: RouteSpec): Addr | null | Refused => {
  const text = spec.gateway ?? spec.via?.host
  if (text === undefined) return null
  const addr = parseAddr(text)
  if (addr !== null) return addr
  return refuseAs(Errno.EINVAL, `Error: inet address is expected rather than "${text}".`, 'gateway')
}

/** One nexthop may be given either way; several are refused. */
const flatten = (spec: RouteSpec): RouteSpec | Refused => {
  if (spec.nexthops === undefined) return spec
  if (spec.nexthops.length !== 1)
    return refuse(Errno.EOPNOTSUPP, 'Multipath routes are not supported', 'nexthops')
  const { nexthops, ...rest } = spec
  const { gateway, dev, flags } = nexthops[0]
  return { ...rest, ...(gateway && { gateway }), ...(dev && { dev }), ...(flags && { flags }) }
}

const isNumber = (value: number | undefined, max: number): boolean =>
  value === undefined || (Number.isInteger(value) && value >= 0 && value <= max)

/** The words a spec says itself, in numbers; what it leaves out is left out. For deletions, and the start of a route. */
export const parseMatch = (given: RouteSpec, names: DeviceNames): RouteMatch | Refused => {
  const spec = flatten(given)
  if (isRefused(spec)) return spec
  const gateway = parseGateway(spec)
  if (isRefused(gateway)) return gateway
  const src = spec.prefsrc === undefined ? null : parseAddr(spec.prefsrc)
  if (spec.prefsrc !== undefined && src === null)
    return invalid('an address', spec.prefsrc, 'prefsrc')
  const dst = parseDst(spec.dst, spec.family, gateway ?? src)
  if (isRefused(dst)) return dst
  if (gateway !== null && spec.gateway !== undefined && familyOf(gateway) !== dst.family)
    return invalid('the address family of the gateway', spec.gateway, 'gateway')
  const type = spec.type === undefined ? undefined : typeNames.parse(spec.type)
  if (type === null) return invalid('a route type', spec.type, 'type')
  const inLocal = type === RTN_LOCAL || type === RTN_BROADCAST
  const table =
    spec.table === undefined
      ? inLocal
        ? RT_TABLE_LOCAL
        : RT_TABLE_MAIN
      : tableNames.parse(spec.table, MAX_TABLE)
  if (table === null || table === 0) return invalid('a table', spec.table, 'table')
  const protocol = spec.protocol === undefined ? undefined : protocolNames.parse(spec.protocol)
  if (protocol === null) return invalid('a protocol', spec.protocol, 'protocol')
  const scope = spec.scope === undefined ? undefined : scopeNames.parse(spec.scope)
  if (scope === null) return invalid('a scope', spec.scope, 'scope')
  if (!isNumber(spec.metric, 0x7fffffff)) return invalid('a metric', spec.metric, 'metric')
  if (!isNumber(spec.tos, 255)) return invalid('a TOS', spec.tos, 'tos')
  const dev = spec.dev === undefined ? undefined : names.ifindexOf(spec.dev)
  if (dev === 0) return noSuchDevice(spec.dev!)
  return {
    ...dst,
    table,
    ...(type !== undefined && { type }),
    ...(protocol !== undefined && { protocol }),
    ...(scope !== undefined && dst.family === AF_INET && { scope }),
    ...(spec.metric !== undefined && { metric: spec.metric }),
    ...(spec.tos !== undefined && { tos: spec.tos }),
    ...(dev !== undefined && { dev }),
    ...(gateway !== null && { gateway: { family: familyOf(gateway), words: gateway.words } }),
    ...(src !== null && { prefsrc: src.words }),
  }
}

const defaultScope = (family: number, type: number, hasGateway: boolean): number => {
  if (family !== AF_INET) return RT_SCOPE_UNIVERSE
  if (type === RTN_LOCAL) return RT_SCOPE_HOST
  if (type === RTN_BROADCAST || type === RTN_MULTICAST) return RT_SCOPE_LINK
  return type === RTN_UNICAST && !hasGateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
}

/** A whole route, defaults filled in; whether it makes sense is for routes.ts. */
export const parseRoute = (spec: RouteSpec, names: DeviceNames): RibRoute | Refused => {
  const match = parseMatch(spec, names)
  if (isRefused(match)) return match
  const metrics: RouteMetrics = Object.assign({}, ...(spec.metrics ?? []))
  const { mtu = 0, hoplimit = 0, advmss = 0 } = metrics
  for (const [name, value] of Object.entries({ mtu, hoplimit, advmss }))
    if (!isNumber(value, 65535)) return invalid(`a number for ${name}`, value, `metrics.${name}`)
  const isOnlink = (spec.flags ?? spec.nexthops?.[0]?.flags ?? []).includes('onlink')
  const type = match.type ?? RTN_UNICAST
  const gateway = match.gateway ?? null
  return {
    family: match.family,
    table: match.table,
    words: match.words,
    plen: match.plen,
    tos: match.tos ?? 0,
    metric: match.metric || (match.family === AF_INET ? 0 : PRIO_USER),
    type,
    protocol: match.protocol ?? RTPROT_BOOT,
    scope: match.scope ?? defaultScope(match.family, type, gateway !== null),
    dev: match.dev ?? 0,
    gateway,
    prefsrc: match.prefsrc ?? null,
    flags: isOnlink ? RTNH_F_ONLINK : 0,
    mtu,
    hoplimit,
    advmss,
  }
}

export const addrOf = (family: number, words: Words): Addr => ({
  family: family === AF_INET ? 4 : 6,
  words,
})

export const formatDst = (family: number, words: Words, plen: number): string => {
  const addr = addrOf(family, words)
  if (plen === 0) return 'default'
  return plen === addrLen(addr.family)
    ? formatAddr(addr)
    : formatPrefix({ ...addr, prefixlen: plen })
}

/** Flags of a nexthop; those of our own addresses never go down with a link (fib_sync_down_dev, fib6_ifdown). */
const flagsOf = ({ type, dev, flags }: RibRoute, names: DeviceNames): string[] => [
  ...(flags & RTNH_F_ONLINK ? ['onlink'] : []),
  ...(dev !== 0 && type !== RTN_LOCAL && !names.hasCarrier(dev) ? ['linkdown'] : []),
]

export const formatRoute = (route: RibRoute, names: DeviceNames): RouteItem => {
  const { family, gateway, prefsrc, metric, tos, mtu, hoplimit, advmss } = route
  const metrics: RouteMetrics = {
    ...(mtu && { mtu }),
    ...(advmss && { advmss }),
    ...(hoplimit && { hoplimit }),
  }
  const host = gateway && formatAddr(addrOf(gateway.family, gateway.words))
  return {
    type: typeNames.format(route.type) as RouteType,
    dst: formatDst(family, route.words, route.plen),
    ...(host && gateway.family === family && { gateway: host }),
    ...(host && gateway.family !== family && { via: { family: familyName(gateway.family), host } }),
    ...(route.dev !== 0 && { dev: names.nameOf(route.dev) }),
    table: tableNames.format(route.table),
    protocol: protocolNames.format(route.protocol),
    ...(family === AF_INET && { scope: scopeNames.format(route.scope) }),
    ...(prefsrc && { prefsrc: formatAddr(addrOf(family, prefsrc)) }),
    ...((metric !== 0 || family !== AF_INET) && { metric }),
    ...(tos !== 0 && { tos }),
    flags: flagsOf(route, names),
    ...(Object.keys(metrics).length > 0 && { metrics: [metrics] }),
    ...(family !== AF_INET && { pref: 'medium' }),
    family: familyName(family),
  }
}
