/**
 * `ip route get`: which way a packet would go, asked of the router itself. Linux: inet_rtm_getroute in net/ipv4/route.c and
 * net/ipv6/route.c.
 */
import { Errno } from '../base/errno.ts'
import { AF_INET } from '../base/family.ts'
import {
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_DST,
  FL_FAMILY,
  FL_FLAGS,
  FL_F_FORWARD,
  FL_HASH,
  FL_IIF,
  FL_MARK,
  FL_MTU,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  FL_TYPE,
  type Flowi,
  RTN_ANYCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  createFlowi,
} from '../base/flowi.ts'
import { byFamily } from '../inet/af-ops.ts'
import { createDoRedirect } from '../inet/dst/do-redirect.ts'
import { FR_HEAD_CUSTOM } from '../inet/fib/fib-rule-constants.ts'
import { ruleHead } from '../inet/fib/fib-rules.ts'
import type { FibReader } from '../inet/fib/fib.ts'
import { HASH_POLICY_CUSTOM } from '../inet/fib/flow-hash.ts'
import {
  LOOPBACK_IFINDEX,
  NH_DEV,
  NH_FAMILY,
  NH_GATEWAY,
  NH_METRIC,
  NH_PROTOCOL,
  NH_TABLE,
  NH_TYPE,
  RTPROT_KERNEL,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../inet/fib/nexthop-constants.ts'
import type { Route } from '../inet/fib/route.ts'
import { INIT_NET, l3TableOf, l3mdevOf } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { type Metrics, NH_METRICS, RTAX_MAX, RTAX_MTU, dstMetric } from '../shm/dst-metrics.ts'
import type { Words } from '../wire/text.ts'
import { type Outcome, refuse, told } from './answers.ts'
import type { MessageOf, RouteAnswer } from './rtnetlink.ts'

/** Of those that come with a device (IP6_RT_PRIO_ADDRCONF). */
const PRIO_ADDRCONF = 256

type RouteGetDeps = {
  arena: Arena
  route: Route
  fib: FibReader
}

export const createRouteGet = ({ arena, route: router, fib }: RouteGetDeps) => {
  const { flowHash } = router
  const { wantsRedirect } = createDoRedirect(arena, fib)
  const { i32 } = arena
  const fl = createFlowi()
  const wordsAt = (view: Int32Array, at: number): Words => [
    view[at],
    view[at + 1],
    view[at + 2],
    view[at + 3],
  ]
  /** Until there are other rules than the usual ones, Linux has the tables local and main in one trie (fib_unmerge). */
  const isMerged = byFamily(
    () => i32[ruleHead(arena, INIT_NET, AF_INET) + FR_HEAD_CUSTOM] === 0,
    () => false
  )
  const tableOf = (row: number, family: number): number => {
    const table = i32[row + NH_TABLE] >>> 0
    return table === 0 || (table === RT_TABLE_LOCAL && isMerged(family)()) ? RT_TABLE_MAIN : table
  }
  /** With the MTU that the lookup found. */
  const metricsOf = (row: number): Metrics | null => {
    if (i32[row + NH_METRICS] === 0) return null
    const metrics = Array.from({ length: RTAX_MAX + 1 }, (_, k) => dstMetric(i32, row, k))
    if (metrics[RTAX_MTU] !== 0) metrics[RTAX_MTU] = fl[FL_MTU]
    return metrics
  }
  /** Linux asks for IPv4 with a packet of its own, which carries no other. */
  const packetHash = (fl: Flowi): number =>
    flowHash.policyOf(AF_INET) === HASH_POLICY_CUSTOM
      ? (flowHash.jhash2words(flowHash.ofFlow(fl), 0) >>> 1) | (1 << 31)
      : 0
  /** Of IPv6 whether a host sends it on is asked later (ip6_forward), and not here. */
  const received = (family: number): number => {
    const error = router.routeInput(fl)
    return family !== AF_INET && fl[FL_TYPE] === RTN_UNICAST ? 0 : error
  }
  /** What is said of routes whose packets are handled as another type's: RTN_ANYCAST, RTN_MULTICAST, or 0. */
  const typeOfRow = (row: number): number =>
    i32[row + NH_TYPE] === RTN_ANYCAST || i32[row + NH_TYPE] === RTN_MULTICAST
      ? i32[row + NH_TYPE]
      : 0
  /** By which device `fl` goes: what comes in and stays here, anycast too, goes to lo, or to its VRF. */
  const deviceOf = (row: number, leaves: boolean): number => {
    if (typeOfRow(row) !== 0 && (leaves || fl[FL_TYPE] !== RTN_ANYCAST)) return i32[row + NH_DEV]
    return leaves ? fl[FL_DEV] : l3mdevOf(arena, i32[row + NH_DEV]) || LOOPBACK_IFINDEX
  }
  /** What `fl`, which names a source, would be sent from if it named none: that is what IPv6 tells (ip6_route_get_saddr). */
  const chosenSource = (): Words => {
    fl.fill(0, FL_SADDR, FL_SADDR + 4)
    if (fl[FL_TYPE] !== RTN_LOCAL) fl[FL_OIF] = fl[FL_DEV]
    router.routeOutput(fl)
    return wordsAt(fl, FL_SADDR)
  }
  /** ip route get */
  const getRoute = ({ query }: MessageOf<'RTM_GETROUTE'>): Outcome<RouteAnswer> => {
    const { family, dst, src, iif, oif, tos, mark, proto, sport, dport } = query
    fl.fill(0)
    fl[FL_FAMILY] = family
    fl.set(dst, FL_DADDR)
    fl.set(src ?? (family === AF_INET ? [0, 0, 0xffff, 0] : [0, 0, 0, 0]), FL_SADDR)
    fl[FL_IIF] = iif
    fl[FL_OIF] = oif
    fl[FL_MARK] = mark
    fl[FL_TOS] = tos
    fl[FL_PROTO] = proto
    fl[FL_SPORT] = sport
    fl[FL_DPORT] = dport
    if (family === AF_INET) fl[FL_HASH] = packetHash(fl)
    const error = iif !== 0 ? received(family) : router.routeOutput(fl)
    // which of its reasons refuses what was received is not told (inet_rtm_getroute)
    if (error === -Errno.EXDEV) return refuse(Errno.EINVAL, null, 'dst')
    if (error !== 0) return refuse(-error, null, 'dst')
    const row = fl[FL_DST]
    const type = typeOfRow(row) || fl[FL_TYPE]
    const isWay = fl[FL_TYPE] === RTN_UNICAST || typeOfRow(row) !== 0
    const via = isWay ? i32[row + NH_FAMILY] : 0
    const isForwarded = (fl[FL_FLAGS] & FL_F_FORWARD) !== 0
    const isPassed = iif !== 0 && (type === RTN_UNICAST || isForwarded)
    // groups have a route of their device's, in the table local
    const isGroup = family !== AF_INET && fl[FL_TYPE] === RTN_MULTICAST
    const answer = {
      family,
      type,
      gateway: via === 0 ? null : { family: via, words: wordsAt(i32, row + NH_GATEWAY) },
      dev: deviceOf(row, iif === 0 || isPassed),
      table: isGroup ? l3TableOf(arena, fl[FL_DEV]) || RT_TABLE_LOCAL : tableOf(row, family),
      protocol: isGroup ? RTPROT_KERNEL : i32[row + NH_PROTOCOL],
      metric: isGroup ? PRIO_ADDRCONF : i32[row + NH_METRIC] >>> 0,
      prefsrc: wordsAt(fl, FL_SADDR),
      metrics: fl[FL_TYPE] === RTN_UNICAST ? metricsOf(row) : null,
      isForwarded,
      isRedirected: isPassed && family === AF_INET && wantsRedirect(fl),
    }
    const isOurs = iif === 0 && src !== null && family !== AF_INET
    return told(isOurs ? { ...answer, prefsrc: chosenSource() } : answer)
  }

  return { getRoute }
}
