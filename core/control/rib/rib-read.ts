/**
 * The routes that rows stand for (inet/fib/writer/nexthop.ts): a prefix has one after the other, a route of several next hops as many rows, and one
 * by a nexthop object a row of its own before the object's. Control thread only. Linux: fib_dump_info(), rt6_fill_node().
 */
import { AF_INET } from '../../base/family.ts'
import {
  NH_BY_ID,
  NH_DEV,
  NH_FAMILY,
  NH_FLAGS,
  NH_GATEWAY,
  NH_HOPS_LEFT,
  NH_ID,
  NH_METRIC,
  NH_NEXT,
  NH_OWN_TYPE,
  NH_PREFSRC,
  NH_PROTOCOL,
  NH_SCOPE,
  NH_TYPE,
  NH_UPPER_BOUND,
  NH_WEIGHT,
} from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import { metricsOf } from '../../shm/dst-metrics.ts'
import type { Words } from '../../wire/text.ts'
import { type Hop, type Prefix, type RibRoute, withHops } from './rib-route.ts'

export type RibRead = ReturnType<typeof createRibRead>

export const createRibRead = ({ i32 }: Arena) => {
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

  return { nextRoute, isById, routeOf, wayOf, routesFrom }
}
