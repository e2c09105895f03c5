/**
 * The routing information base: every route there is, with the alternatives that do not win, in every table.
 * The best of each prefix goes into its table's trie, its alternatives chained
 * behind it. Nothing is kept of a route but its prefix (inet/fib/writer/fib-prefixes.ts) and the row that it shares with all that say
 * the same (inet/fib/writer/nexthop.ts): a RibRoute is made of these when somebody asks (rib-read.ts), and its rows of it (rib-rows.ts). Here a route
 * is added or removed. Refusals are the kernel's. Control thread only. Linux: fib_table_insert/delete (fib_trie.c), fib_add_rt2node (ip6_fib.c).
 */
import { Errno } from '../../base/errno.ts'
import { AF_INET } from '../../base/family.ts'
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import type { Nexthops } from '../../inet/fib/writer/nexthop.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Metrics } from '../../shm/dst-metrics.ts'
import type { NexthopStore } from '../routes/nexthop-store.ts'
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../nlm-flags.ts'
import { createRibCommit, type RibEvents } from './rib-commit.ts'
import { createRibDevices } from './rib-devices.ts'
import { createRibDump } from './rib-dump.ts'
import { createRibFlush } from './rib-flush.ts'
import { hopMatches, isDuplicate, matches, samePlace } from './rib-match.ts'
import { createRibMtu } from './rib-mtu.ts'
import { createRibObjects } from './rib-objects.ts'
import { createRibRead } from './rib-read.ts'
import type { RibRoute, RouteMatch } from './rib-route.ts'
import { hopsOf, isJoined, sameHop, withHops } from './rib-route.ts'
import { createRibRows } from './rib-rows.ts'

export type Rib = ReturnType<typeof createRib>

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
  const { arena, net, fib, nexthops, onEvent } = deps
  const read = createRibRead(arena)
  const rows = createRibRows(deps)
  const commit = createRibCommit({ net, fib, nexthops, onEvent, ...read, ...rows })
  const { routesAt, change } = commit
  const { devicesChanged } = createRibDevices({ arena, fib, nexthops, ...commit, ...read, ...rows })
  const { flush } = createRibFlush({ net, fib, ...commit, ...read })
  const { mtuChanged } = createRibMtu({ arena, fib, ...commit, ...read })
  const dumps = createRibDump({ arena, net, fib, ...read })
  const objects = createRibObjects({ ...deps, flush, ...dumps, ...read, ...rows })

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

  return { add, remove, devicesChanged, flush, mtuChanged, ...dumps, ...objects }
}
