/**
 * Routes as `ip route` prints them. ip leaves out what goes without saying (type unicast, table main, protocol boot,
 * scope global) unless -d asks for it, and the words that the user filtered by. iproute2: ip/iproute.c.
 */
import type {
  NexthopItem,
  NexthopSpec,
  RouteItem,
  RouteLookup,
  RouteMetrics,
} from '../../core/control/text/messages.ts'
import { nexthopJson, nexthopText as objectText } from './nexthop.ts'

export type RouteShow = {
  readonly details?: boolean
  /** With -d, the nexthop objects that routes go by. */
  readonly objects?: ReadonlyMap<number, NexthopItem>
  /** Words that the filter fixes, and ip therefore leaves out. */
  readonly omit?: ReadonlySet<'dev' | 'via' | 'table' | 'protocol' | 'scope' | 'type'>
}

const NOTHING: ReadonlySet<never> = new Set()

/** A host route has no /32 in ip's output. */
const dstText = (dst: string): string => dst.replace(/^([\d.]+)\/32$|^([\da-f:.]+)\/128$/i, '$1$2')

/** IPv6 routes have none, which is called so. */
const scopeOf = ({ scope = 'global' }: RouteItem): string => scope
/** With -d, the object that a route goes by. */
const objectOf = ({ nhid }: RouteItem, { objects }: RouteShow): NexthopItem | undefined =>
  nhid === undefined ? undefined : objects?.get(nhid)

const shownWords = (route: RouteItem, { details = false, omit = NOTHING }: RouteShow) => ({
  type: details || route.type !== 'unicast',
  dev: !(omit as ReadonlySet<string>).has('dev'),
  via: !(omit as ReadonlySet<string>).has('via'),
  table: (details || route.table !== 'main') && !(omit as ReadonlySet<string>).has('table'),
  protocol:
    (details || route.protocol !== 'boot') && !(omit as ReadonlySet<string>).has('protocol'),
  scope: (details || scopeOf(route) !== 'global') && !(omit as ReadonlySet<string>).has('scope'),
})

export const routeJson = (route: RouteItem, show: RouteShow = {}): Record<string, unknown> => {
  const is = shownWords(route, show)
  const object = objectOf(route, show)
  return {
    ...(is.type && { type: route.type }),
    dst: dstText(route.dst),
    ...(route.nhid === undefined ? {} : { nhid: route.nhid }),
    ...(route.tos ? { tos: route.tos } : {}),
    ...(is.via && route.gateway !== undefined ? { gateway: route.gateway } : {}),
    ...(is.via && route.via !== undefined ? { via: route.via } : {}),
    ...(is.dev && route.dev !== undefined ? { dev: route.dev } : {}),
    ...(is.table && { table: route.table }),
    ...(is.protocol && { protocol: route.protocol }),
    ...(is.scope && { scope: scopeOf(route) }),
    ...(route.prefsrc === undefined ? {} : { prefsrc: route.prefsrc }),
    ...(route.metric === undefined ? {} : { metric: route.metric }),
    flags: route.flags,
    ...(route.expires === undefined ? {} : { expires: route.expires }),
    ...(route.metrics?.length ? { metrics: metricsJson(route.metrics) } : {}),
    ...(route.pref === undefined ? {} : { pref: route.pref }),
    ...(object && { nh_info: nexthopJson(object, { details: true }) }),
    ...(route.nexthops?.length ? { nexthops: route.nexthops } : {}),
  }
}

/** Milliseconds, as ip prints them: from a second on in seconds. */
const timeText = (ms: number): string => (ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`)
const TIMES: readonly string[] = ['rtt', 'rttvar', 'rto_min']
const metricWords = (metrics: readonly RouteMetrics[] | undefined): string[] =>
  (metrics ?? []).flatMap(({ lock = [], ...values }) =>
    Object.entries(values).map(([name, value]) => {
      const isLocked = lock.some((one) => one === name)
      return `${name} ${isLocked ? 'lock ' : ''}${TIMES.includes(name) ? timeText(value) : value}`
    })
  )
/** `ip -j` leaves the locks out. */
const metricsJson = (metrics: readonly RouteMetrics[]): RouteMetrics[] =>
  metrics.map(({ lock: _, ...values }) => values)

const nexthopText = (hop: NexthopSpec): string => {
  const words = ['\tnexthop']
  if (hop.gateway !== undefined) words.push(`via ${hop.gateway}`)
  if (hop.via !== undefined) words.push(`via ${hop.via.family} ${hop.via.host}`)
  if (hop.dev !== undefined) words.push(`dev ${hop.dev}`)
  words.push(`weight ${hop.weight ?? 1}`, ...(hop.flags ?? []))
  return `${words.join(' ')} `
}

export const routeText = (route: RouteItem, show: RouteShow = {}): string => {
  const is = shownWords(route, show)
  const words: string[] = []
  if (is.type) words.push(route.type)
  words.push(dstText(route.dst))
  if (route.nhid !== undefined) words.push(`nhid ${route.nhid}`)
  if (route.tos) words.push(`tos 0x${route.tos.toString(16).padStart(2, '0')}`)
  if (is.via && route.gateway !== undefined) words.push(`via ${route.gateway}`)
  if (is.via && route.via !== undefined) words.push(`via ${route.via.family} ${route.via.host}`)
  if (is.dev && route.dev !== undefined) words.push(`dev ${route.dev}`)
  if (is.table) words.push(`table ${route.table}`)
  if (is.protocol) words.push(`proto ${route.protocol}`)
  if (is.scope) words.push(`scope ${scopeOf(route)}`)
  if (route.prefsrc !== undefined) words.push(`src ${route.prefsrc}`)
  if (route.metric !== undefined) words.push(`metric ${route.metric}`)
  words.push(...route.flags)
  if (route.expires !== undefined) words.push(`expires ${route.expires}sec`)
  words.push(...metricWords(route.metrics))
  const hops = route.nexthops ?? []
  // ip ends the line with a blank, but for IPv6's pref, which is its last word.
  const pref = route.pref === undefined ? '' : `pref ${route.pref}`
  const object = objectOf(route, show)
  const info = object === undefined ? [] : [`\tnh_info ${objectText(object, { details: true })}`]
  return [`${words.join(' ')} ${pref}`, ...info, ...hops.map(nexthopText)].join('\n')
}

/** What is said of a lookup: -d says what goes without saying, and IPv6's is told as the route itself is. */
const lookupWords = (found: RouteLookup, details: boolean) => {
  const isV6 = found.dst.includes(':')
  const { type = 'unicast', table, protocol } = found
  return {
    isV6,
    type: details || type !== 'unicast' ? type : undefined,
    // what goes to groups is looked up in none
    table: (details && type !== 'multicast') || table !== 'main' ? table : undefined,
    protocol: details || protocol !== 'boot' ? protocol : undefined,
    scope: details && isV6 ? 'global' : undefined,
    // whose packet it would be
    uid: isV6 ? undefined : found.uid,
  }
}

/** `ip -j route get`. */
export const lookupJson = (
  found: RouteLookup,
  { details = false }: RouteShow = {}
): Record<string, unknown> => {
  const { isV6, type, table, protocol, scope, uid } = lookupWords(found, details)
  const { dst, from, gateway, via, dev, prefsrc, metric, flags, mark, cache, iif } = found
  const { expires, pref } = found
  const metrics = found.metrics && metricsJson(found.metrics)
  const words = {
    ...{ type, dst, from, gateway, via, dev, table, protocol, scope, prefsrc, metric, flags },
    ...(isV6 ? { mark, expires, metrics, iif, pref } : { mark, uid, cache, expires, metrics, iif }),
  }
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined))
}

/** `ip route get`: one line, and its cache's, which IPv6 has none of. */
export const lookupText = (found: RouteLookup, { details = false }: RouteShow = {}): string => {
  const { isV6, type, table, protocol, scope, uid } = lookupWords(found, details)
  const words: string[] = []
  if (type !== undefined) words.push(type)
  words.push(found.dst)
  if (found.from !== undefined) words.push(`from ${found.from}`)
  if (found.gateway !== undefined) words.push(`via ${found.gateway}`)
  if (found.via !== undefined) words.push(`via ${found.via.family} ${found.via.host}`)
  words.push(`dev ${found.dev}`)
  if (table !== undefined) words.push(`table ${table}`)
  if (protocol !== undefined) words.push(`proto ${protocol}`)
  if (scope !== undefined) words.push(`scope ${scope}`)
  if (found.prefsrc !== undefined) words.push(`src ${found.prefsrc}`)
  if (found.metric !== undefined) words.push(`metric ${found.metric}`)
  words.push(...found.flags)
  if (found.mark !== undefined) words.push(`mark 0x${found.mark.toString(16)}`)
  const expires = found.expires === undefined ? [] : [`expires ${found.expires}sec`]
  if (isV6) {
    words.push(...expires, ...metricWords(found.metrics))
    if (found.iif !== undefined) words.push(`iif ${found.iif}`)
    return `${words.join(' ')} pref ${found.pref}`
  }
  if (uid !== undefined) words.push(`uid ${uid}`)
  const cache = found.cache.length === 0 ? '' : `<${found.cache.join(',')}> `
  const iif = found.iif === undefined ? '' : `iif ${found.iif} `
  return `${words.join(' ')} \n    cache ${cache}${[...expires, ...metricWords(found.metrics)]
    .map((word) => `${word} `)
    .join('')}${iif}`
}
