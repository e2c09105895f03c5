/**
 * Which routes of a prefix are the same, by the family's rules, and which one a message is about. Control thread only.
 * Linux: fib_table_insert(), fib_nh_match(), rt6_duplicate_nexthop(), ip6_route_del().
 */
import { AF_INET } from '../../base/family.ts'
import type { Hop, RibRoute, RouteMatch } from './rib-route.ts'
import { sameGateway, sameHops, sameWords } from './rib-route.ts'

/** Identity within a prefix, for the family's rules. */
export const samePlace = (a: RibRoute, b: RibRoute): boolean =>
  a.tos === b.tos && a.metric === b.metric
export const isDuplicate = (a: RibRoute, b: RibRoute): boolean =>
  samePlace(a, b) &&
  a.type === b.type &&
  a.nhid === b.nhid &&
  (a.nhid !== undefined || sameWay(a, b)) &&
  (a.family !== AF_INET ||
    (a.scope === b.scope && a.protocol === b.protocol && sameWords(a.prefsrc, b.prefsrc)))

const sameWay = (a: RibRoute, b: RibRoute): boolean =>
  a.dev === b.dev && sameGateway(a.gateway, b.gateway) && sameHops(a.hops, b.hops)

/** Of several next hops IPv4 looks at the first alone (fib_nh_match); IPv6 at each, and takes that one out. */
export const hopMatches = (hop: Hop, { dev, gateway }: RouteMatch): boolean =>
  (!dev || dev === hop.dev) && (!gateway || sameGateway(gateway, hop.gateway))
const wayMatches = ({ family, dev, gateway, hops, nhid }: RibRoute, match: RouteMatch): boolean => {
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
export const matches = (route: RibRoute, match: RouteMatch): boolean =>
  (match.tos ?? 0) === route.tos &&
  (match.metric === undefined || match.metric === 0 || match.metric === route.metric) &&
  (match.type === undefined || match.type === route.type) &&
  (match.protocol === undefined || match.protocol === route.protocol) &&
  (match.scope === undefined || match.scope === route.scope) &&
  wayMatches(route, match) &&
  (match.prefsrc === undefined || sameWords(match.prefsrc, route.prefsrc))
