/**
 * A route in numbers, and the next hops of one that has several: what makes them the same, and how they lie in rows. One
 * route of IPv6 with several is, in Linux, as many routes (siblings); here it is one in both families. Control thread.
 * Linux: struct fib_nh, fib_rebalance() (net/ipv4/fib_semantics.c), rt6_qualify_for_ecmp() (include/net/ip6_route.h).
 */
import { AF_INET } from '../../base/family.ts'
import { RTN_UNICAST } from '../../base/flowi.ts'
import { isUsable, upperBounds } from '../../inet/fib/multipath/multipath.ts'
import { RTPROT_RA } from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Metrics } from '../../shm/dst-metrics.ts'
import type { Words } from '../../wire/text.ts'

/** `gateway` null: on link. */
export type Hop = {
  dev: number
  gateway: { family: number; words: Words } | null
  /** RTNH_F_ONLINK, or 0. */
  flags: number
  /** 1 to 256. */
  weight: number
}
export type Prefix = { family: number; table: number; words: Words; plen: number }
/** Of what holds for prefixes at any address. */
export const NOWHERE: Words = [0, 0, 0, 0]
/** A route in numbers. `gateway` null: on link; `prefsrc` null: chosen. */
export type RibRoute = Prefix & {
  tos: number
  metric: number
  type: number
  protocol: number
  scope: number
  dev: number
  gateway: { family: number; words: Words } | null
  prefsrc: Words | null
  flags: number
  /** By RTAX_*; null: none. */
  metrics: Metrics | null
  /** Of a route that has several: then `dev`, `gateway` and `flags` are 0 and null. */
  hops?: readonly Hop[]
  /** The nexthop object that it goes by, which says `dev`, `gateway`, `flags` and `hops`. */
  nhid?: number
}
/** The next hop of a nexthop object, and which it is of; weight 0 of one that is in no group. */
export type ObjectHop = Hop & { id: number }
/** What a deletion names; what is left out matches anything. */
export type RouteMatch = Prefix & Partial<Omit<RibRoute, keyof Prefix>>
/** What a row of one next hop says beside the route: see NH_HOPS_LEFT, NH_WEIGHT, NH_UPPER_BOUND, NH_ID, NH_BUCKETS. */
export type Way = RibRoute & {
  left?: number
  weight?: number
  bound?: number
  id?: number
  ownType?: number
  /** Of a resilient group. */
  resilient?: { first: number; buckets: number } | null
  /** Where it names no gateway. */
  routeFamily?: number
}

export const sameWords = (a: Words | null, b: Words | null): boolean =>
  a === b || (a !== null && b !== null && a.every((word, k) => word === b[k]))
export const sameGateway = (a: Hop['gateway'], b: Hop['gateway']): boolean =>
  a === b || (a !== null && b !== null && sameWords(a.words, b.words))
export const sameHop = (a: Omit<Hop, 'weight'>, b: Omit<Hop, 'weight'>): boolean =>
  a.dev === b.dev && sameGateway(a.gateway, b.gateway)
export const sameHops = (a: RibRoute['hops'], b: RibRoute['hops']): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.length === b.length &&
    a.every((hop, k) => sameHop(hop, b[k]) && hop.weight === b[k].weight))

/** A route's rows. Those whose device cannot be used get no flow, unless none can. */
export const waysOf = (arena: Arena, route: RibRoute): readonly Way[] => {
  const { hops } = route
  if (hops === undefined) return [route]
  const usable = hops.map(({ dev, weight }) => (isUsable(arena, dev, route.family) ? weight : 0))
  const any = usable.some((weight) => weight > 0)
  const bounds = upperBounds(any ? usable : hops.map(({ weight }) => weight))
  return hops.map((hop, k) => ({
    ...route,
    ...hop,
    left: hops.length - 1 - k,
    bound: bounds[k],
  }))
}

/** Rows of the next hops of a nexthop object: all of them get flows, as one that cannot be used is none. */
export const waysOfObject = (route: RibRoute, hops: readonly ObjectHop[]): readonly Way[] => {
  const bounds = hops.length > 1 ? upperBounds(hops.map(({ weight }) => weight)) : [0]
  return hops.map((hop, k) => ({ ...route, ...hop, left: hops.length - 1 - k, bound: bounds[k] }))
}

/** With one next hop it is a plain route again. */
export const withHops = (route: RibRoute, hops: readonly Hop[]): RibRoute => {
  const { hops: _, ...rest } = route
  if (hops.length > 1) return { ...rest, dev: 0, gateway: null, flags: 0, hops }
  const [{ dev, gateway, flags }] = hops
  return { ...rest, dev, gateway, flags }
}
export const hopsOf = ({ hops, dev, gateway, flags }: RibRoute): readonly Hop[] =>
  hops ?? [{ dev, gateway, flags, weight: 1 }]

/** Do routes of the same metric become one? Those of IPv6 that name a gateway, and no router has advertised. */
export const isJoined = (a: RibRoute, b: RibRoute): boolean =>
  a.family !== AF_INET && a.metric === b.metric && hasGateways(a) && hasGateways(b)
const hasGateways = (route: RibRoute): boolean =>
  route.type === RTN_UNICAST &&
  route.nhid === undefined &&
  route.protocol !== RTPROT_RA &&
  hopsOf(route).every(({ gateway }) => gateway !== null)
