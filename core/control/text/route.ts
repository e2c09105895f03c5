/**
 * Routes between text and numbers: what iproute2 does before it sends a message and after it got an answer
 * (ip/iproute.c), with its defaults for type, table, scope, protocol and metric.
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import {
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
} from '../../inet/fib/nexthop-constants.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.ts'
import type { Addr, Words } from '../../wire/text.ts'
import {
  addrLen,
  formatAddr,
  formatPrefix,
  networkOf,
  parseAddr,
  parsePrefix,
} from '../../wire/text.ts'
import type { SeenRoute } from '../routes/route-expiry.ts'
import type { Hop, RibRoute, RouteMatch } from '../rib/rib-route.ts'
import type * as numbers from '../rtnetlink.ts'
import type {
  FamilyName,
  MessageOf,
  NexthopSpec,
  Refused,
  RouteFilter,
  RouteItem,
  RouteLookup,
  RouteSpec,
  RouteType,
} from './messages.ts'
import { readMetrics, writeMetrics } from './metrics.ts'
import type { DeviceNames } from './names.ts'
import {
  addrOf,
  badAddress,
  badPrefix,
  familyName,
  familyNumber,
  familyOf,
  ipProtocolNames,
  noSuchDevice,
  protocolNames,
  refuseAs,
  scopeNames,
  tableNames,
  typeNames,
  wrong,
  isRefused,
} from './names.ts'

/** Tables are numbers of 32 bits. */
const MAX_U32 = 4294967295
const ANY: Words = [0, 0, 0, 0]
const ANY4: Words = [0, 0, 0xffff, 0]

/** The prefix a route is for; 'default' is of the family that its other words say. */
const parseDst = (
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
    return badPrefix(dst, 'dst', kind)
  const network = networkOf(prefix)
  // the kernel takes host bits in IPv6, not in IPv4
  if (prefix.family === 4 && network.words[3] !== prefix.words[3])
    return refuseAs(Errno.EINVAL, 'Error: Invalid prefix for given prefix length.', 'dst')
  return { family: familyOf(prefix), words: network.words, plen: prefix.prefixlen }
}

const parseGateway = (spec: Pick<RouteSpec, 'gateway' | 'via'>): Addr | null | Refused => {
  const text = spec.gateway ?? spec.via?.host
  if (text === undefined) return null
  const addr = parseAddr(text)
  if (addr !== null) return addr
  return badAddress(text, 'gateway')
}

/** One nexthop may be given either way. */
const flatten = (spec: RouteSpec): RouteSpec | Refused => {
  const { nexthops, ...rest } = spec
  if (nexthops === undefined) return spec
  if (spec.gateway !== undefined || spec.via !== undefined || spec.dev !== undefined)
    return refuseAs(Errno.EINVAL, 'Error: Nexthops are named either alone or together.', 'nexthops')
  if (nexthops.length > 1) return spec
  const { weight: _, ...only } = nexthops[0]
  return { ...rest, ...only }
}
const readHop = (spec: NexthopSpec, family: number, names: DeviceNames): Hop | Refused => {
  const gateway = parseGateway(spec)
  if (isRefused(gateway)) return gateway
  if (gateway !== null && spec.gateway !== undefined && familyOf(gateway) !== family)
    return badAddress(spec.gateway, 'nexthops', familyName(family))
  const dev = spec.dev === undefined ? 0 : names.ifindexOf(spec.dev)
  if (spec.dev !== undefined && dev === 0) return noSuchDevice(spec.dev, 'nexthops')
  const { weight = 1, flags = [] } = spec
  if (!Number.isInteger(weight) || weight < 1 || weight > 256)
    return wrong(weight, '"weight" is invalid', 'nexthops')
  return {
    dev,
    gateway: gateway && { family: familyOf(gateway), words: gateway.words },
    flags: flags.includes('onlink') ? RTNH_F_ONLINK : 0,
    weight,
  }
}
/** The next hops of a route that has several; undefined: it has one. */
const readHops = (
  { nexthops = [] }: RouteSpec,
  family: number,
  names: DeviceNames
): Hop[] | undefined | Refused => {
  if (nexthops.length < 2) return undefined
  const hops: Hop[] = []
  for (const spec of nexthops) {
    const hop = readHop(spec, family, names)
    if (isRefused(hop)) return hop
    hops.push(hop)
  }
  return hops
}

const isNumber = (value: number | undefined, max: number): boolean =>
  value === undefined || (Number.isInteger(value) && value >= 0 && value <= max)

/** The words a spec says itself, in numbers; what it leaves out is left out. For deletions, and the start of a route. */
export const readMatch = (given: RouteSpec, names: DeviceNames): RouteMatch | Refused => {
  const spec = flatten(given)
  if (isRefused(spec)) return spec
  const gateway = parseGateway(spec)
  if (isRefused(gateway)) return gateway
  const src = spec.prefsrc === undefined ? null : parseAddr(spec.prefsrc)
  if (spec.prefsrc !== undefined && src === null)
    return wrong(spec.prefsrc, 'an address', 'prefsrc')
  const first = spec.nexthops === undefined ? gateway : parseGateway(spec.nexthops[0])
  if (isRefused(first)) return first
  const dst = parseDst(spec.dst, spec.family, first ?? src)
  if (isRefused(dst)) return dst
  if (gateway !== null && spec.gateway !== undefined && familyOf(gateway) !== dst.family)
    return wrong(spec.gateway, 'the address family of the gateway', 'gateway')
  const type = spec.type === undefined ? undefined : typeNames.parse(spec.type)
  if (type === null) return wrong(spec.type, 'a route type', 'type')
  const inLocal = type === RTN_LOCAL || type === RTN_BROADCAST || type === RTN_ANYCAST
  const table =
    spec.table === undefined
      ? inLocal
        ? RT_TABLE_LOCAL
        : RT_TABLE_MAIN
      : tableNames.parse(spec.table, MAX_U32)
  if (table === null || table === 0) return wrong(spec.table, 'a table', 'table')
  const protocol = spec.protocol === undefined ? undefined : protocolNames.parse(spec.protocol)
  if (protocol === null) return wrong(spec.protocol, 'a protocol', 'protocol')
  const scope = spec.scope === undefined ? undefined : scopeNames.parse(spec.scope)
  if (scope === null) return wrong(spec.scope, 'a scope', 'scope')
  if (!isNumber(spec.metric, MAX_U32)) return wrong(spec.metric, 'a metric', 'metric')
  if (!isNumber(spec.tos, 255)) return wrong(spec.tos, 'a TOS', 'tos')
  const dev = spec.dev === undefined ? undefined : names.ifindexOf(spec.dev)
  if (dev === 0) return noSuchDevice(spec.dev!)
  const hops = readHops(spec, dst.family, names)
  if (isRefused(hops)) return hops
  const match: RouteMatch = { family: dst.family, words: dst.words, plen: dst.plen, table }
  if (hops !== undefined) match.hops = hops
  if (type !== undefined) match.type = type
  if (protocol !== undefined) match.protocol = protocol
  if (scope !== undefined && dst.family === AF_INET) match.scope = scope
  if (spec.metric !== undefined) match.metric = spec.metric
  if (spec.tos !== undefined) match.tos = spec.tos
  if (dev !== undefined) match.dev = dev
  if (gateway !== null) match.gateway = { family: familyOf(gateway), words: gateway.words }
  if (src !== null) match.prefsrc = src.words
  if (spec.nhid !== undefined) match.nhid = spec.nhid
  if (hops !== undefined) match.hops = hops
  return match
}

const defaultScope = (family: number, type: number, hasGateway: boolean): number => {
  if (family !== AF_INET) return RT_SCOPE_UNIVERSE
  if (type === RTN_LOCAL) return RT_SCOPE_HOST
  if ([RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST].includes(type)) return RT_SCOPE_LINK
  return type === RTN_UNICAST && !hasGateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
}

/** What a router is worth, from -1 on (RFC 4191). */
const PREFS = ['low', 'medium', 'high'] as const

/** What is kept beside an IPv6 route (route-expiry.ts); to IPv4 it is nothing, as to the kernel. */
const readBeside = ({ pref, expires }: RouteSpec, family: number) =>
  family === AF_INET
    ? {}
    : {
        ...(pref !== undefined && pref !== 'medium' && { pref: PREFS.indexOf(pref as 'low') - 1 }),
        ...(expires !== undefined && { expires }),
      }

/** A whole route, defaults filled in; whether it makes sense is for routes.ts. */
export const readRoute = (spec: RouteSpec, names: DeviceNames): SeenRoute | Refused => {
  const match = readMatch(spec, names)
  if (isRefused(match)) return match
  const metrics = readMetrics(spec.metrics)
  if (isRefused(metrics)) return metrics
  const { hops } = match
  const flags = spec.flags ?? (spec.nexthops?.length === 1 ? spec.nexthops[0].flags : undefined)
  const type = match.type ?? RTN_UNICAST
  const gateway = match.gateway ?? null
  const leadsOn = gateway !== null || hops !== undefined || match.nhid !== undefined
  return {
    family: match.family,
    table: match.table,
    words: match.words,
    plen: match.plen,
    tos: match.tos ?? 0,
    metric: match.metric ?? 0,
    type,
    protocol: match.protocol ?? RTPROT_BOOT,
    scope: match.scope ?? defaultScope(match.family, type, leadsOn),
    dev: match.dev ?? 0,
    gateway,
    prefsrc: match.prefsrc ?? null,
    flags: hops === undefined && flags?.includes('onlink') ? RTNH_F_ONLINK : 0,
    metrics,
    ...(hops && { hops }),
    ...(match.nhid !== undefined && { nhid: match.nhid }),
    ...readBeside(spec, match.family),
  }
}

export const formatDst = (family: number, words: Words, plen: number): string => {
  const addr = addrOf(family, words)
  if (plen === 0) return 'default'
  return plen === addrLen(addr.family)
    ? formatAddr(addr)
    : formatPrefix({ ...addr, prefixlen: plen })
}

const writeFlags = (flags: number): string[] => [
  ...(flags & RTNH_F_DEAD ? ['dead'] : []),
  ...(flags & RTNH_F_ONLINK ? ['onlink'] : []),
  ...(flags & RTNH_F_LINKDOWN ? ['linkdown'] : []),
]

const writeHop = (
  { gateway, dev, weight, flags }: Hop,
  family: number,
  names: DeviceNames
): NexthopSpec => ({
  ...writeGateway(gateway, family),
  dev: names.nameOf(dev),
  weight,
  flags: writeFlags(flags),
})

export const writeRoute = (route: SeenRoute, names: DeviceNames): RouteItem => {
  const { family, gateway, prefsrc, metric, tos } = route
  const metrics = writeMetrics(route.metrics)
  return {
    type: typeNames.format(route.type) as RouteType,
    dst: formatDst(family, route.words, route.plen),
    ...(route.nhid !== undefined && { nhid: route.nhid }),
    ...writeGateway(gateway, family),
    ...(route.dev !== 0 && { dev: names.nameOf(route.dev) }),
    table: tableNames.format(route.table),
    protocol: protocolNames.format(route.protocol),
    ...(family === AF_INET && { scope: scopeNames.format(route.scope) }),
    ...(prefsrc && { prefsrc: formatAddr(addrOf(family, prefsrc)) }),
    ...((metric !== 0 || family !== AF_INET) && { metric }),
    ...(tos !== 0 && { tos }),
    flags: writeFlags(route.flags),
    ...(route.expires !== undefined && { expires: route.expires }),
    ...(metrics && { metrics: [metrics] }),
    ...(family !== AF_INET && { pref: PREFS[(route.pref ?? 0) + 1] }),
    ...(route.hops && { nexthops: route.hops.map((hop) => writeHop(hop, family, names)) }),
    family: familyName(family),
  }
}

// ---- what a list is asked for

/** The number of a word that a filter names, or what is wrong with it. */
const readName = (
  { parse }: { parse: (text: string | number) => number | null },
  value: string | number,
  why: string,
  field: string
): number | Refused => parse(value) ?? wrong(value, why, field)

const readTable = (table: string | number): number | Refused =>
  table === 'all'
    ? 0
    : (tableNames.parse(table, MAX_U32) ?? wrong(table, 'table id value is invalid', 'table'))

/** As iproute2 reads `ip route show`'s words; the table main when none is named. */
export const readRouteFilter = (
  filter: RouteFilter,
  names: DeviceNames
): numbers.RouteFilter | Refused => {
  const { family, dst, dev, type, protocol, scope } = filter
  const read: numbers.RouteFilter = { family: family ? familyNumber(family) : 0, table: 0 }
  const table = readTable(filter.table ?? 'main')
  if (isRefused(table)) return table
  read.table = table
  if (dst !== undefined) {
    const prefix = parseDst(dst, family, null)
    if (isRefused(prefix)) return prefix
    read.dst = prefix
    read.family = prefix.family
  }
  if (dev !== undefined) {
    read.dev = names.ifindexOf(dev)
    if (read.dev === 0) return noSuchDevice(dev)
  }
  const words = [
    ['type', typeNames, type, '"type" value is invalid'],
    ['protocol', protocolNames, protocol, '"protocol" value is invalid'],
    ['scope', scopeNames, scope, 'invalid "scope" value'],
  ] as const
  for (const [field, known, value, why] of words) {
    if (value === undefined) continue
    const number = readName(known, value, why, field)
    if (isRefused(number)) return number
    read[field] = number
  }
  return read
}

// ---- ip route get

/** IPv4 takes a packet for UDP when nobody says otherwise; of others than these there is no way to ask. */
const readProto = (text: string | undefined, family: 4 | 6): number | Refused => {
  const asked = [IPPROTO_TCP, IPPROTO_UDP, family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6]
  if (text === undefined) return family === 4 ? IPPROTO_UDP : 0
  const proto = ipProtocolNames.parse(text)
  if (proto === null) return wrong(text, 'Invalid "ipproto" value', 'ipproto')
  if (!asked.includes(proto))
    return refuseAs(Errno.EOPNOTSUPP, 'Error: Unsupported ip proto.', 'ipproto')
  return proto
}

export const readQuery = (
  query: MessageOf<'RTM_GETROUTE'>,
  names: DeviceNames
): numbers.RouteQuery | Refused => {
  const dst = parseAddr(query.dst)
  if (dst === null) return badPrefix(query.dst, 'dst')
  const src = query.src === undefined ? null : parseAddr(query.src)
  if (query.src !== undefined && src?.family !== dst.family) return badAddress(query.src, 'src')
  const iif = query.iif === undefined ? 0 : names.ifindexOf(query.iif)
  if (query.iif !== undefined && iif === 0) return noSuchDevice(query.iif, 'iif')
  const oif = query.oif === undefined ? 0 : names.ifindexOf(query.oif)
  if (query.oif !== undefined && oif === 0) return noSuchDevice(query.oif, 'oif')
  const proto = readProto(query.ipproto, dst.family)
  if (isRefused(proto)) return proto
  return {
    family: familyOf(dst),
    dst: dst.words,
    src: src?.words ?? null,
    iif,
    oif,
    tos: query.tos ?? 0,
    mark: query.mark ?? 0,
    proto,
    sport: query.sport ?? 0,
    dport: query.dport ?? 0,
  }
}

const CACHE: Record<number, string[]> = {
  [RTN_LOCAL]: ['local'],
  [RTN_BROADCAST]: ['local', 'brd'],
  [RTN_MULTICAST]: ['mc'],
}
/** RTCF_*, as iproute2 names them (print_cache_flags). */
const cacheOf = ({ type, ...answer }: numbers.RouteAnswer): string[] => {
  if (answer.wantsRedirect) return ['redirect']
  if (answer.isRedirected) return ['redirected']
  return answer.isForwarded ? [] : (CACHE[type] ?? [])
}
const writeGateway = (
  gateway: RibRoute['gateway'],
  family: number
): Pick<RouteItem, 'gateway' | 'via'> => {
  if (gateway === null) return {}
  const host = formatAddr(addrOf(gateway.family, gateway.words))
  return gateway.family === family
    ? { gateway: host }
    : { via: { family: familyName(gateway.family), host } }
}

export const writeAnswer = (
  answer: numbers.RouteAnswer,
  query: MessageOf<'RTM_GETROUTE'>,
  names: DeviceNames
): RouteLookup => {
  const { family, type, gateway, dev, table, prefsrc, expires } = answer
  const shown = writeMetrics(answer.metrics)
  const source = formatAddr(addrOf(family, prefsrc))
  const asked = query.src === undefined ? undefined : formatAddr(parseAddr(query.src)!)
  // IPv6 tells it all the same
  const isChosen = query.iif === undefined && (asked !== source || family !== AF_INET)
  return {
    ...(type !== RTN_UNICAST && { type: typeNames.format(type) as RouteType }),
    dst: formatAddr(parseAddr(query.dst)!),
    ...(family === AF_INET
      ? query.src !== undefined && { from: query.src }
      : { from: query.src ?? '::' }),
    ...writeGateway(gateway, family),
    dev: names.nameOf(dev),
    ...(query.iif !== undefined && { iif: query.iif }),
    table: tableNames.format(table),
    ...(family !== AF_INET && { protocol: protocolNames.format(answer.protocol) }),
    ...(isChosen && { prefsrc: source }),
    ...(family !== AF_INET && { metric: answer.metric }),
    flags: [],
    ...(family !== AF_INET && { pref: 'medium' }),
    ...(family === AF_INET && query.mark && { mark: query.mark }),
    ...(expires !== null && { expires }),
    ...(shown && { metrics: [shown] }),
    ...(query.iif === undefined && { uid: 0 }),
    cache: cacheOf(answer),
  }
}
