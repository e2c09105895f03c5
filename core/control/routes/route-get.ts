/**
 * `ip route get`: the way of a packet as the routes, and what workers have learned of its destination, have it; and `ip route flush
 * cache`, after which they have learned nothing. Control thread. Linux: net/ipv4/route.c (inet_rtm_getroute, rt_fill_info,
 * rt_cache_flush), net/ipv6/route.c (inet6_rtm_getroute, rt6_fill_node).
 */
import { AF_INET } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_DST,
  FL_F_FORWARD,
  FL_FAMILY,
  FL_HASH,
  FL_FLAGS,
  FL_IIF,
  FL_MARK,
  FL_MTU,
  FL_F_ANYSRC,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  FL_TYPE,
  RTN_ANYCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import { byFamily } from '../../inet/af-ops.ts'
import { createDoRedirect } from '../../inet/dst/do-redirect.ts'
import type { Learned, LearnedPmtu } from '../../inet/dst/learned.ts'
import type { FibReader } from '../../inet/fib/fib.ts'
import { FR_HEAD_CUSTOM } from '../../inet/fib/rules/fib-rule-constants.ts'
import { ruleHead } from '../../inet/fib/rules/fib-rules.ts'
import { HASH_POLICY_CUSTOM } from '../../inet/fib/multipath/flow-hash.ts'
import {
  LOOPBACK_IFINDEX,
  NH_DEV,
  NH_FAMILY,
  NH_GATEWAY,
  NH_METRIC,
  NH_PROTOCOL,
  NH_TABLE,
  NH_TYPE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
} from '../../inet/fib/nexthop-constants.ts'
import type { Route } from '../../inet/fib/route.ts'
import { INIT_NET, l3mdevOf, l3TableOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Ipi } from '../../shm/ipi.ts'
import type { Metrics } from '../../shm/dst-metrics.ts'
import { metricsOf, RTAX_LOCK, RTAX_MAX, RTAX_MTU } from '../../shm/dst-metrics.ts'
import type { Words } from '../../wire/text.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { changed, refuse, told } from '../rtnl/answers.ts'
import type { Calls } from '../rtnl/calls.ts'
import type { MessageOf, RouteAnswer } from '../rtnetlink.ts'

/** Of routes of IPv6 that come with a device (IP6_RT_PRIO_ADDRCONF). */
const PRIO_ADDRCONF = 256

type RouteGetDeps = { arena: Arena; route: Route; fib: FibReader; calls: Calls } & Learned

export const createRouteGet = (deps: RouteGetDeps) => {
  const { arena, route: router, fib, calls, learnedPmtu, learnedRedirect } = deps
  const { flowHash } = router
  const { wantsRedirect } = createDoRedirect(arena, fib)
  const { i32, layout } = arena

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
  /** With the MTU that the lookup found, or a worker has learned. */
  const metricsBy = (row: number, pmtu: LearnedPmtu | null): Metrics | null => {
    const own = metricsOf(i32, row)
    if (own === null && pmtu === null) return null
    const metrics = [...(own ?? new Array<number>(RTAX_MAX + 1).fill(0))]
    if (metrics[RTAX_MTU] !== 0) metrics[RTAX_MTU] = fl[FL_MTU]
    if (pmtu !== null) metrics[RTAX_MTU] = pmtu.mtu
    if (pmtu?.isLocked) metrics[RTAX_LOCK] |= 1 << RTAX_MTU
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
    fl[FL_OIF] = fl[FL_TYPE] === RTN_LOCAL ? i32[fl[FL_DST] + NH_DEV] : fl[FL_DEV]
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
    // IPv6 asks only those who send whether a source is theirs (ip6_datagram_send_ctl)
    else fl[FL_FLAGS] |= FL_F_ANYSRC
    const error = iif !== 0 ? received(family) : router.routeOutput(fl)
    // which of its reasons refuses what was received is not told (inet_rtm_getroute)
    if (error === -Errno.EXDEV) return refuse(Errno.EINVAL, null, 'dst')
    if (error !== 0) return refuse(-error, null, 'dst')
    // what is learned is for what is made here
    const pmtu = iif === 0 ? learnedPmtu(fl) : null
    const redirect = iif === 0 ? learnedRedirect(fl) : null
    const row = redirect?.row ?? fl[FL_DST]
    const type = typeOfRow(row) || fl[FL_TYPE]
    const isWay = fl[FL_TYPE] === RTN_UNICAST || typeOfRow(row) !== 0
    const via = isWay ? i32[row + NH_FAMILY] : 0
    const isForwarded = (fl[FL_FLAGS] & FL_F_FORWARD) !== 0
    const isPassed = iif !== 0 && (type === RTN_UNICAST || isForwarded)
    // groups have a route of their device's, in the table local
    const isGroup = family !== AF_INET && fl[FL_TYPE] === RTN_MULTICAST
    // a redirect of IPv6 is a route that does not end by itself (rt6_do_redirect)
    const ends = [pmtu?.leftMs, family === AF_INET ? redirect?.leftMs : undefined]
      .filter((ms) => ms !== undefined)
      .map((ms) => Math.floor(ms / 1000))
    const answer = {
      family,
      type,
      gateway: via === 0 ? null : { family: via, words: wordsAt(i32, row + NH_GATEWAY) },
      dev: deviceOf(row, iif === 0 || isPassed),
      table: isGroup ? l3TableOf(arena, fl[FL_DEV]) || RT_TABLE_LOCAL : tableOf(row, family),
      protocol: isGroup ? RTPROT_KERNEL : i32[row + NH_PROTOCOL],
      metric: isGroup ? PRIO_ADDRCONF : i32[row + NH_METRIC] >>> 0,
      prefsrc: wordsAt(fl, FL_SADDR),
      metrics: fl[FL_TYPE] === RTN_UNICAST ? metricsBy(row, pmtu) : null,
      expires: ends.length === 0 ? null : Math.min(...ends),
      isForwarded,
      isRedirected: redirect !== null && family === AF_INET,
      wantsRedirect: isPassed && family === AF_INET && wantsRedirect(fl),
    }
    const isOurs = iif === 0 && src !== null && family !== AF_INET
    return told(isOurs ? { ...answer, prefsrc: chosenSource() } : answer)
  }

  /** ip route flush cache */
  const flushCache = async ({ family }: MessageOf<'RT_CACHE_FLUSH'>): Promise<Outcome<null>> => {
    for (let worker = 0; worker < layout.config.workers; worker++) {
      const result = await calls.call(worker, Ipi.RT_CACHE_FLUSH, [family])
      // one that begins again has learned nothing
      if (result < 0 && result !== -Errno.ENETDOWN) return refuse(-result)
    }
    return changed(null)
  }

  return { getRoute, flushCache }
}
