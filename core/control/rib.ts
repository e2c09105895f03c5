/**
 * The routing information base: every route there is, with the alternatives that do not win, in every table.
 * The best of each prefix goes into its table's trie, its alternatives chained
 * behind it. Nothing is kept of a route but its prefix (inet/fib/fib-prefixes.ts) and the row that it shares with all that say
 * the same (inet/fib/nexthop.ts): a RibRoute is made of these when somebody asks. Refusals are the kernel's. Control thread only. Linux: fib_table_insert/delete (fib_trie.c),
 * fib_add_rt2node (ip6_fib.c), fib_sync_down_dev.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import type { Metrics } from '../shm/dst-metrics.ts'
import { NH_METRICS, RTAX_LOCK, RTAX_MTU, metricsContent, metricsOf } from '../shm/dst-metrics.ts'
import { RTN_BLACKHOLE, RTN_UNICAST } from '../base/flowi.ts'
import { isThere, isUp } from '../inet/fib/multipath.ts'
import type { FibWriter } from '../inet/fib/fib-writer.ts'
import { networkWords } from '../inet/fib/fib-writer.ts'
import type { Nexthops } from '../inet/fib/nexthop.ts'
import {
  NH_BUCKET_COUNT,
  NH_BUCKETS,
  NH_BY_ID,
  NH_DEV,
  NH_FAMILY,
  NH_FLAGS,
  NH_GATEWAY,
  NH_HOPS_LEFT,
  NH_ID,
  NH_METRIC,
  NH_MTU,
  NH_NEXT,
  NH_OWN_TYPE,
  NH_PLEN,
  NH_PREFSRC,
  NH_PROTOCOL,
  NH_SCOPE,
  NH_TABLE,
  NH_TYPE,
  NH_UPPER_BOUND,
  NH_WEIGHT,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../inet/fib/nexthop-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { G_MULTIPATH_SEED, NEXTHOP_WORDS } from '../shm/layout.ts'
import type { Words } from '../wire/text.ts'
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from './nlm-flags.ts'
import type { NexthopStore } from './nexthop-store.ts'
import type { Hop, Prefix, RibRoute, RouteMatch, Way } from './rib-route.ts'
import {
  hopsOf,
  isJoined,
  sameGateway,
  sameHop,
  sameHops,
  sameWords,
  waysOf,
  waysOfObject,
  withHops,
} from './rib-route.ts'

/** All of a route but its address: what its row says, and the length of its prefix. */
type RouteOfRow = Omit<RibRoute, 'words'>
/** `isTold`: what watches routes hears of it. */
export type RibEvents = (event: 'new' | 'del', route: RibRoute, isTold: boolean) => void
export type Rib = ReturnType<typeof createRib>

const NOWHERE: Words = [0, 0, 0, 0]
const LOOKUP_ORDER = [RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT]

const sameMetrics = (a: Metrics | null, b: Metrics | null): boolean =>
  a === b || (a !== null && b !== null && a.join() === b.join())

type RibDeps = {
  arena: Arena
  /** The network namespace whose routes these are. */
  net: number
  fib: FibWriter
  nexthops: Nexthops
  /** What routes by nexthop objects go by. */
  objects: Pick<NexthopStore, 'hopsOf' | 'resilienceOf' | 'isBlackhole'>
  random: () => number
  onEvent: RibEvents
}

export const createRib = (deps: RibDeps) => {
  const { arena, net, fib, nexthops, objects, random, onEvent } = deps
  const { i32 } = arena
  const content = new Int32Array(NEXTHOP_WORDS)

  const wordsAt = (at: number): Words => [i32[at], i32[at + 1], i32[at + 2], i32[at + 3]]
  const isSet = (at: number): boolean => (i32[at] | i32[at + 1] | i32[at + 2] | i32[at + 3]) !== 0
  const gatewayAt = (row: number): RibRoute['gateway'] =>
    i32[row + NH_FAMILY] === 0
      ? null
      : { family: i32[row + NH_FAMILY], words: wordsAt(row + NH_GATEWAY) }
  const hopAt = (row: number): Hop => ({
    dev: i32[row + NH_DEV],
    gateway: gatewayAt(row),
    flags: i32[row + NH_FLAGS],
    weight: i32[row + NH_WEIGHT],
  })
  const hopsAt = (first: number): Hop[] => {
    const hops = [hopAt(first)]
    for (let row = first; i32[row + NH_HOPS_LEFT] !== 0; ) {
      row = i32[row + NH_NEXT]
      hops.push(hopAt(row))
    }
    return hops
  }
  /** The row of the next route behind the one that begins with `first`, or 0. */
  const nextRoute = (first: number): number => {
    let row = first
    while (i32[row + NH_HOPS_LEFT] !== 0) row = i32[row + NH_NEXT]
    return i32[row + NH_NEXT]
  }
  /** The route that a row stands for at a prefix. */
  const routeOf = (prefix: Prefix, row: number): RibRoute => {
    if (isById(row)) return routeById(prefix, row)
    return i32[row + NH_HOPS_LEFT] === 0
      ? wayOf(prefix, row)
      : withHops(wayOf(prefix, row), hopsAt(row))
  }
  const isById = (row: number): boolean => i32[row + NH_UPPER_BOUND] === NH_BY_ID
  /** One next hop of a group is shown as such in IPv6 alone (fib_nexthop_info, rt6_fill_node_nexthop). */
  const routeById = (prefix: Prefix, row: number): RibRoute => {
    const hops = hopsAt(i32[row + NH_NEXT])
    const route = {
      ...wayOf(prefix, row),
      type: i32[row + NH_OWN_TYPE],
      gateway: null,
      nhid: i32[row + NH_ID] >>> 0,
    }
    const isGroup = hops.length > 1 || (hops[0].weight > 0 && prefix.family !== AF_INET)
    return isGroup ? { ...route, hops } : withHops(route, hops)
  }
  const wayOf = ({ family, table, words, plen }: Prefix, row: number): RibRoute => ({
    family,
    table,
    words,
    plen,
    tos: 0,
    metric: i32[row + NH_METRIC] >>> 0,
    type: i32[row + NH_TYPE],
    protocol: i32[row + NH_PROTOCOL],
    scope: i32[row + NH_SCOPE],
    dev: i32[row + NH_DEV],
    gateway: gatewayAt(row),
    prefsrc: isSet(row + NH_PREFSRC) ? wordsAt(row + NH_PREFSRC) : null,
    flags: i32[row + NH_FLAGS],
    metrics: metricsOf(i32, row),
  })
  /** A prefix's routes, best first: `row` is the first's. */
  const routesFrom = (prefix: Prefix, row: number): RibRoute[] => {
    const routes: RibRoute[] = []
    for (let at = row; at !== 0; at = nextRoute(at)) routes.push(routeOf(prefix, at))
    return routes
  }
  /** Row of a prefix's first route, or 0. */
  const rowAt = ({ family, table, words, plen }: Prefix): number =>
    fib.rowOf(net, family, table, words, plen)
  const routesAt = (prefix: Prefix): RibRoute[] => routesFrom(prefix, rowAt(prefix))

  /** Held once more; 0 when there are none, or no room for them. */
  const metricsRow = ({ metrics }: RibRoute): number => {
    if (metrics === null) return 0
    metricsContent(content, metrics)
    return nexthops.intern(content)
  }
  const rowOf = (route: Way, next: number): number => {
    const metrics = metricsRow(route)
    if (route.metrics !== null && metrics === 0) return 0
    content.fill(0)
    content[NH_METRICS] = metrics
    content[NH_TYPE] = route.type
    content[NH_DEV] = route.dev
    content[NH_FAMILY] = route.gateway?.family ?? route.routeFamily ?? 0
    if (route.gateway) content.set(route.gateway.words, NH_GATEWAY)
    if (route.prefsrc) content.set(route.prefsrc, NH_PREFSRC)
    content[NH_SCOPE] = route.scope
    content[NH_MTU] = route.metrics?.[RTAX_MTU] ?? 0
    content[NH_FLAGS] = route.flags
    content[NH_TABLE] = route.table
    content[NH_PROTOCOL] = route.protocol
    content[NH_METRIC] = route.metric
    content[NH_NEXT] = next
    content[NH_PLEN] = route.plen
    content[NH_HOPS_LEFT] = route.left ?? 0
    content[NH_WEIGHT] = route.weight ?? 0
    content[NH_UPPER_BOUND] = route.bound ?? 0
    content[NH_ID] = route.id ?? 0
    content[NH_OWN_TYPE] = route.ownType ?? 0
    content[NH_BUCKETS] = route.resilient?.first ?? 0
    content[NH_BUCKET_COUNT] = route.resilient?.buckets ?? 0
    const row = nexthops.intern(content)
    // its row holds it now, or nobody does
    if (metrics !== 0) nexthops.release(metrics)
    return row
  }
  /** The row of the first route, which leads to those of the others; 0 when rows ran out. */
  const chainOf = (routes: readonly RibRoute[]): number => {
    const ways = routes.flatMap(rowsOf)
    return chainFrom(ways, 0)
  }
  /** The row of the first, which leads to those of the others and then to `end`, which somebody holds. */
  const chainFrom = (ways: readonly Way[], end: number): number => {
    let row = end
    for (const way of ways.toReversed()) {
      const next = row
      row = rowOf(way, next)
      if (next !== end) nexthops.release(next)
      if (row === 0) return 0
    }
    return row
  }
  /** Among several next hops every thread chooses, by one seed. */
  const noteSeveral = (ways: readonly Way[]): void => {
    if (ways.length > 1 && i32[G_MULTIPATH_SEED] === 0) i32[G_MULTIPATH_SEED] = random()
  }
  const waysBy = (route: RibRoute, nhid: number): readonly Way[] => {
    const ways = waysOfObject(route, objects.hopsOf(nhid))
    noteSeveral(ways)
    return ways
  }
  const rowsOf = (route: RibRoute): readonly Way[] => {
    if (route.nhid === undefined) {
      const ways = waysOf(arena, route)
      noteSeveral(ways)
      return ways
    }
    const { hops: _, nhid: id, ...rest } = route
    const ways = waysBy(rest, id)
    const first = { ...rest, dev: 0, gateway: null, flags: 0, left: ways.length, bound: NH_BY_ID }
    const type = typeBy(id, route.type)
    const more = { resilient: objects.resilienceOf(id), routeFamily: route.family }
    return [{ ...first, id, type, ownType: route.type, ...more }, ...ways]
  }
  const typeBy = (id: number, type: number): number =>
    type === RTN_UNICAST && objects.isBlackhole(id) ? RTN_BLACKHOLE : type

  /** Makes `routes` all that the prefix has. 0, or -errno and nothing has changed. */
  const commit = (prefix: Prefix, routes: readonly RibRoute[]): number => {
    const { family, table, words, plen } = prefix
    const old = rowAt(prefix)
    if (routes.length > 0) {
      const row = chainOf(routes)
      if (row === 0) return -Errno.ENOBUFS
      const error = row === old ? 0 : fib.insert(net, family, table, words, plen, row)
      if (error !== 0) {
        nexthops.release(row)
        return error
      }
    } else if (old !== 0) fib.remove(net, family, table, words, plen)
    if (old !== 0) nexthops.release(old)
    return 0
  }
  /** As commit, with the events of what changed. */
  const change = (
    prefix: Prefix,
    routes: RibRoute[],
    gone: RibRoute[],
    come: RibRoute[],
    isTold = true
  ): number => {
    const error = commit(prefix, routes)
    if (error !== 0) return error
    for (const route of gone) onEvent('del', route, isTold)
    for (const route of come) onEvent('new', route, isTold)
    return 0
  }

  /** Identity within a prefix, for the family's rules. */
  const samePlace = (a: RibRoute, b: RibRoute): boolean => a.tos === b.tos && a.metric === b.metric
  const isDuplicate = (a: RibRoute, b: RibRoute): boolean =>
    samePlace(a, b) &&
    a.type === b.type &&
    a.nhid === b.nhid &&
    (a.nhid !== undefined || sameWay(a, b)) &&
    (a.family !== AF_INET ||
      (a.scope === b.scope && a.protocol === b.protocol && sameWords(a.prefsrc, b.prefsrc)))

  const sameWay = (a: RibRoute, b: RibRoute): boolean =>
    a.dev === b.dev && sameGateway(a.gateway, b.gateway) && sameHops(a.hops, b.hops)

  /** 0, or -EEXIST, -ENOENT, -ENOBUFS, -ENOSPC. */
  const add = (route: RibRoute, flags: number): number => {
    const old = routesAt(route)
    const inPlace = old.filter((other) => samePlace(other, route))
    if (inPlace.length > 0 && (flags & NLM_F_EXCL) !== 0) return -Errno.EEXIST
    if (inPlace.length === 0 && (flags & NLM_F_CREATE) === 0) return -Errno.ENOENT
    if ((flags & NLM_F_REPLACE) !== 0 && inPlace.length > 0) {
      const [first] = inPlace
      if (isDuplicate(first!, route) && sameMetrics(first!.metrics, route.metrics)) {
        // the same again: nothing to do but to tell
        return change(
          route,
          old.map((other) => (other === first ? route : other)),
          [],
          [route]
        )
      }
      if (old.some((other) => other !== first && isDuplicate(other, route))) return -Errno.EEXIST
      return change(
        route,
        old.map((other) => (other === first ? route : other)),
        [first!],
        [route]
      )
    }
    if (old.some((other) => isDuplicate(other, route))) return -Errno.EEXIST
    const sibling = old.find((other) => isJoined(other, route))
    if (sibling !== undefined) return join(sibling, route, old)
    const isAppended = (flags & NLM_F_APPEND) !== 0 || route.family !== AF_INET
    const before = (other: RibRoute): boolean =>
      other.metric < route.metric || (isAppended && other.metric === route.metric)
    const at = old.findIndex((other) => !before(other))
    const routes = at < 0 ? [...old, route] : old.toSpliced(at, 0, route)
    return change(route, routes, [], [route])
  }

  /** Another route of IPv6 of the same metric brings its next hops (fib6_add_rt2node). */
  const join = (one: RibRoute, more: RibRoute, old: readonly RibRoute[]): number => {
    const hops = [...hopsOf(one)]
    for (const hop of hopsOf(more)) {
      if (hops.some((other) => sameHop(other, hop))) return -Errno.EEXIST
      hops.push(hop)
    }
    const joined = withHops(one, hops)
    return change(
      one,
      old.map((other) => (other === one ? joined : other)),
      [one],
      [joined]
    )
  }

  /** Of several next hops IPv4 looks at the first alone (fib_nh_match); IPv6 at each, and takes that one out. */
  const hopMatches = (hop: Hop, { dev, gateway }: RouteMatch): boolean =>
    (!dev || dev === hop.dev) && (!gateway || sameGateway(gateway, hop.gateway))
  const wayMatches = (
    { family, dev, gateway, hops, nhid }: RibRoute,
    match: RouteMatch
  ): boolean => {
    if (match.nhid !== undefined) return match.nhid === nhid
    // where it leads says an object; IPv6 takes any word of that
    if (nhid !== undefined) return family !== AF_INET || !(match.dev || match.gateway || match.hops)
    if (match.hops !== undefined) return sameHops(match.hops, hops)
    if (hops !== undefined)
      return (family === AF_INET ? hops.slice(0, 1) : hops).some((hop) => hopMatches(hop, match))
    return (
      (match.dev === undefined || match.dev === dev) &&
      (match.gateway === undefined || sameGateway(match.gateway, gateway))
    )
  }
  const matches = (route: RibRoute, match: RouteMatch): boolean =>
    (match.tos ?? 0) === route.tos &&
    (match.metric === undefined || match.metric === 0 || match.metric === route.metric) &&
    (match.type === undefined || match.type === route.type) &&
    (match.protocol === undefined || match.protocol === route.protocol) &&
    (match.scope === undefined || match.scope === route.scope) &&
    wayMatches(route, match) &&
    (match.prefsrc === undefined || sameWords(match.prefsrc, route.prefsrc))

  /** Deletes the first route that matches, and answers with it; -ESRCH when there is none. */
  const remove = (match: RouteMatch): RibRoute | number => {
    const routes = routesAt(match)
    const route = routes.find((one) => matches(one, match))
    if (route === undefined) return -Errno.ESRCH
    const isOneOf = route.family !== AF_INET && route.hops && route.nhid === undefined
    if (isOneOf && (match.dev || match.gateway)) return removeHop(route, match, routes)
    const left = routes.filter((other) => other !== route)
    const error = change(route, left, [route], [])
    return error === 0 ? route : error
  }

  const removeHop = (
    route: RibRoute,
    match: RouteMatch,
    routes: readonly RibRoute[]
  ): RibRoute | number => {
    const hops = hopsOf(route)
    const gone = hops.find((hop) => hopMatches(hop, match))!
    const rest = withHops(
      route,
      hops.filter((hop) => hop !== gone)
    )
    const left = routes.map((other) => (other === route ? rest : other))
    const error = change(route, left, [route], [rest])
    return error === 0 ? withHops(route, [gone]) : error
  }

  /**
   * Devices have come, gone, or changed: next hops on them die and come back. A route goes with the last of its devices
   * that is up, or with the first that is there no more. Linux: fib_sync_down_dev, fib_sync_up, fib6_ifdown, fib6_ifup.
   */
  const devicesChanged = (): void => {
    // rows are shared by all prefixes that say the same, so there are few
    for (const { of, row } of [...fib.rowsInUse()]) {
      const place = {
        family: of,
        table: i32[row + NH_TABLE],
        words: NOWHERE,
        plen: i32[row + NH_PLEN],
      }
      if (!hasSeveral(row) || !turns(place, row)) continue
      for (const words of fib.addressesBy(of, row)) {
        const prefix = { ...place, words }
        const routes = routesFrom(prefix, row)
        const left = routes.filter((route) => !isDead(route))
        change(prefix, left, routes.filter(isDead), [])
      }
    }
    fib.refresh()
  }
  /** Has one of the routes from there on next hops of its own that may die by themselves? */
  const hasSeveral = (first: number): boolean => {
    for (let row = first; row !== 0; row = nextRoute(row))
      if (i32[row + NH_HOPS_LEFT] !== 0 && !isById(row)) return true
    return false
  }
  const isDead = ({ hops, nhid }: RibRoute): boolean =>
    hops !== undefined &&
    nhid === undefined &&
    (!hops.some(({ dev }) => isUp(arena, dev)) || !hops.every(({ dev }) => isThere(arena, dev)))
  /** Would what the row says be said otherwise now? */
  const turns = (place: Prefix, row: number): boolean => {
    const routes = routesFrom(place, row)
    if (routes.some(isDead)) return true
    const now = chainOf(routes)
    if (now !== 0) nexthops.release(now)
    return now !== row
  }

  /** Deletes all routes of which `dead` says so, whatever their address; how many. Linux: fib_flush. */
  const flush = (
    dead: (route: RouteOfRow) => boolean,
    isTold: (family: number) => boolean = () => true
  ): number => {
    let flushed = 0
    for (const family of [AF_INET, AF_INET6]) {
      // asked once for all that share a row
      const rows = new Map<number, boolean>()
      const isDead = (prefix: Prefix, row: number): boolean => {
        let known = rows.get(row)
        if (known === undefined) rows.set(row, (known = dead(routeOf(prefix, row))))
        return known
      }
      for (const table of fib.tableIds(net, family)) {
        for (const { words, plen, row } of fib.walk(net, family, table)) {
          const prefix = { family, table, words, plen }
          let any = false
          for (let at = row; at !== 0; at = nextRoute(at)) if (isDead(prefix, at)) any = true
          if (!any) continue
          const routes = routesFrom(prefix, row)
          const gone = routes.filter(dead)
          change(
            prefix,
            routes.filter((route) => !gone.includes(route)),
            gone,
            [],
            isTold(family)
          )
          flushed += gone.length
        }
      }
    }
    return flushed
  }

  /**
   * A device has another MTU than IPv6 had: routes of IPv6 by it that say more, or as much as that was, say this now
   * (rt6_mtu_change_route; RFC 8201 section 4 knows of no other way for it to rise). Nobody is told.
   */
  const mtuChanged = (ifindex: number, before: number, mtu: number): void => {
    const isBound = ({ dev, metrics }: RouteOfRow): boolean =>
      dev === ifindex &&
      metrics !== null &&
      ((metrics[RTAX_LOCK] >>> RTAX_MTU) & 1) === 0 &&
      metrics[RTAX_MTU] !== 0 &&
      (metrics[RTAX_MTU] >= mtu || metrics[RTAX_MTU] === before)
    const rebound = (route: RibRoute): RibRoute =>
      isBound(route) ? { ...route, metrics: route.metrics!.with(RTAX_MTU, mtu) } : route
    for (const table of fib.tableIds(net, AF_INET6))
      for (const { words, plen, row } of fib.walk(net, AF_INET6, table)) {
        if (!saysMtu(row)) continue
        const prefix = { family: AF_INET6, table, words, plen }
        commit(prefix, routesFrom(prefix, row).map(rebound))
      }
  }
  const saysMtu = (first: number): boolean => {
    for (let row = first; row !== 0; row = i32[row + NH_NEXT])
      if (i32[row + NH_MTU] !== 0) return true
    return false
  }

  /**
   * The first of the wanted routes, longest prefix first, in one table after the other, local, main and default when none are
   * named: how a gateway is checked (Linux: fib_check_nh, ip6_route_check_nh).
   */
  const resolve = (
    family: number,
    words: Words,
    isWanted: (route: RibRoute) => boolean,
    tables: readonly number[] = LOOKUP_ORDER
  ): RibRoute | undefined => {
    for (const table of tables) {
      let row = fib.longestRow(net, family, table, words)
      while (row !== 0) {
        const plen = i32[row + NH_PLEN]
        const prefix = { family, table, words: networkWords(family)(words, plen), plen }
        for (let at = row; at !== 0; at = nextRoute(at)) {
          const route = routeOf(prefix, at)
          if (isWanted(route)) return route
        }
        row = plen === 0 ? 0 : fib.coveringRow(net, family, table, words, plen - 1)
      }
    }
    return undefined
  }

  /** Routes of a family and table, in chunks: the shortest prefix first, then by length and arrival. */
  function* dump(family: number, table: number, size = 256): Generator<RibRoute[]> {
    let chunk: RibRoute[] = []
    for (const { words, plen, row } of fib.walk(net, family, table)) {
      const prefix = { family, table, words, plen }
      for (let at = row; at !== 0; at = nextRoute(at)) chunk.push(routeOf(prefix, at))
      if (chunk.length < size) continue
      yield chunk
      chunk = []
    }
    if (chunk.length > 0) yield chunk
  }
  /** Ids of a family's tables that have routes. */
  const tableIds = (family: number): number[] => fib.tableIds(net, family)

  // ---- nexthop objects: what they say is for all routes by them

  /** Of the routes by an object: the families and scopes that there are. */
  const usersOf = (nhid: number): { family: number; scope: number }[] =>
    nexthops
      .rowsOfId(nhid)
      .map((row) => ({ family: i32[row + NH_FAMILY], scope: i32[row + NH_SCOPE] }))
  /** Rows of an object's next hops as the route of that first row has them; 0 when there is no room for them. */
  const rowsBy = (nhid: number, first: number): number => {
    let end = i32[first + NH_NEXT]
    while (i32[end + NH_HOPS_LEFT] !== 0) end = i32[end + NH_NEXT]
    const prefix = {
      family: i32[first + NH_FAMILY],
      table: i32[first + NH_TABLE],
      words: NOWHERE,
      plen: i32[first + NH_PLEN],
    }
    const route = { ...wayOf(prefix, first), type: i32[first + NH_OWN_TYPE] }
    return chainFrom(waysBy(route, nhid), i32[end + NH_NEXT])
  }
  /** The objects say something else now: so do all routes by them. False when there is no room, and nothing has changed. */
  const turnOver = (nhids: readonly number[]): boolean => {
    const turned: { first: number; row: number; nhid: number }[] = []
    for (const nhid of nhids)
      for (const first of nexthops.rowsOfId(nhid)) {
        const row = rowsBy(nhid, first)
        if (row === 0) {
          for (const done of turned) nexthops.release(done.row)
          return false
        }
        turned.push({ first, row, nhid })
      }
    for (const { first, row, nhid } of turned)
      nexthops.turnOver(
        first,
        row,
        i32[row + NH_HOPS_LEFT] + 1,
        typeBy(nhid, i32[first + NH_OWN_TYPE])
      )
    fib.refresh()
    return true
  }
  /** Tells of all routes by these objects. */
  const tellOf = (nhids: readonly number[]): void => {
    if (!nhids.some((nhid) => nexthops.rowsOfId(nhid).length > 0)) return
    for (const family of [AF_INET, AF_INET6])
      for (const table of tableIds(family))
        for (const chunk of dump(family, table))
          for (const route of chunk)
            if (route.nhid !== undefined && nhids.includes(route.nhid)) onEvent('new', route, true)
  }
  /** An object goes, and its routes with it; `isTold`: those of IPv6 are told of (ip6_del_rt). */
  const flushBy = (nhid: number, isTold: boolean): void => {
    if (nexthops.rowsOfId(nhid).length > 0)
      flush(
        (route) => route.nhid === nhid,
        (family) => isTold || family === AF_INET
      )
  }

  return {
    add,
    remove,
    devicesChanged,
    flush,
    mtuChanged,
    resolve,
    dump,
    tableIds,
    usersOf,
    turnOver,
    tellOf,
    flushBy,
  }
}
