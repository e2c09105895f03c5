/**
 * The rows of routes, in a chain as the workers go by them: of each route one, or one for each of its next hops, and all that say the same
 * share one (inet/fib/writer/nexthop.ts). Control thread only. Linux: fib_create_info(), ip6_route_info_create().
 */
import { RTN_BLACKHOLE, RTN_UNICAST } from '../../base/flowi.ts'
import type { Nexthops } from '../../inet/fib/writer/nexthop.ts'
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
} from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import { metricsContent, NH_METRICS, RTAX_MTU } from '../../shm/dst-metrics.ts'
import { G_MULTIPATH_SEED, NEXTHOP_WORDS } from '../../shm/layout.ts'
import type { NexthopStore } from '../routes/nexthop-store.ts'
import { type RibRoute, type Way, waysOf, waysOfObject } from './rib-route.ts'

export type RibRows = ReturnType<typeof createRibRows>
type RibRowsDeps = {
  arena: Arena
  nexthops: Nexthops
  /** What routes by nexthop objects go by. */
  objects: Pick<NexthopStore, 'hopsOf' | 'resilienceOf' | 'isBlackhole'>
  random: () => number
}

export const createRibRows = ({ arena, nexthops, objects, random }: RibRowsDeps) => {
  const { i32 } = arena
  const content = new Int32Array(NEXTHOP_WORDS)

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

  return { chainOf, chainFrom, waysBy, typeBy }
}
