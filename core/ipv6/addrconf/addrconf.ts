/**
 * What routers advertise, written into the tables: default routers, networks of the link, routes, and the addresses that a host
 * makes itself of prefixes. CPU 0 has heard it and hands it over (ipv6/addrconf/ra-input.ts). However many routers there are said to
 * be, and whatever they say, a device has only so many routes and addresses of it. Control thread.
 * RFC 4861 section 6.3.4, 4191, 4862 section 5.5.3; Linux: ndisc_router_discovery(), rt6_route_rcv(), addrconf_prefix_rcv().
 */
import { AF_INET6 } from '../../base/family.ts'
import { RTN_UNICAST } from '../../base/flowi.ts'
import type { Rib } from '../../control/rib/rib.ts'
import type { RibRoute } from '../../control/rib/rib-route.ts'
import type { RouteExpiry } from '../../control/routes/route-expiry.ts'
import {
  FOREVER,
  IFA_F_MANAGETEMPADDR,
  IFA_F_OPTIMISTIC,
  IFA_F_STABLE_PRIVACY,
} from '../../inet/addr/ifaddr-constants.ts'
import { interfaceIdOf } from '../../inet/addr/eui64.ts'
import type { Ifaddrs } from '../../inet/addr/ifaddr.ts'
import { ADDR_GEN_STABLE, stableIdOf } from '../../inet/addr/stable-id.ts'
import {
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
  RTPROT_RA,
} from '../../inet/fib/nexthop-constants.ts'
import { DEV_MTU, deviceRow, speaks, l3TableOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Softnet } from '../../shm/counters.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import { RTAX_HOPLIMIT, RTAX_MAX, RTAX_MTU } from '../../shm/dst-metrics.ts'
import { MIN_MTU } from '../../wire/ipv6.ts'
import { PIO_AUTO, PIO_ONLINK } from '../../wire/ndisc-router-options.ts'
import type { Words } from '../../wire/text.ts'
import { acceptsRa } from './accept-ra.ts'

type AddrconfDeps = {
  arena: Arena
  rib: Pick<Rib, 'add' | 'remove'>
  ifaddrs: Pick<Ifaddrs, 'add' | 'renewAuto' | 'countOf' | 'hasNetwork' | 'list'>
  nowMs: () => number
} & Pick<RouteExpiry, 'setUntil'>

/** A route that routers have told of. */
type Learned = { route: RibRoute; pref: number; until: number }
/** Of one device. */
const MOST_ROUTES = 64
const PRIO_ADDRCONF = 256
const PRIO_USER = 1024
/** NLM_F_CREATE | NLM_F_APPEND: routers stand beside one another. */
const CREATE_APPEND = 0xc00
const ANY: Words = [0, 0, 0, 0]

const sameWords = (a: Words | null, b: Words | null): boolean =>
  a === b || (a !== null && b !== null && a.every((word, k) => word === b[k]))
const masked = (words: Words, plen: number): Words =>
  words.map((word, k) => {
    const kept = plen - k * 32
    return kept >= 32 ? word : kept <= 0 ? 0 : word & (-1 << (32 - kept))
  }) as unknown as Words

/** Milliseconds: HZ / 100, HZ / 10, and what can be counted from now on. */
const LEAST_RETRANS_MS = 10
const LEAST_REACHABLE_MS = 100
const MOST_MS = 0x3fffffff

export const createAddrconf = ({ arena, rib, ifaddrs, nowMs, setUntil }: AddrconfDeps) => {
  const { i32, f64, layout } = arena
  let learned: Learned[] = []
  const conf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  const setConf = (ifindex: number, word: number, value: number): void => {
    i32[confRow(arena, ifindex) + word] = value
  }
  const untilOf = (seconds: number): number =>
    seconds >= FOREVER ? Infinity : nowMs() + seconds * 1000
  const isUsable = (ifindex: number): boolean =>
    ifindex > 0 &&
    ifindex < layout.config.devices &&
    speaks(arena, ifindex) &&
    acceptsRa(arena, ifindex)

  // ---- routes

  const routeTo = (
    ifindex: number,
    words: Words,
    plen: number,
    over: Partial<RibRoute>
  ): RibRoute => ({
    family: AF_INET6,
    table: l3TableOf(arena, ifindex) || RT_TABLE_MAIN,
    words,
    plen,
    tos: 0,
    metric: PRIO_USER,
    type: RTN_UNICAST,
    protocol: RTPROT_RA,
    scope: RT_SCOPE_UNIVERSE,
    dev: ifindex,
    gateway: null,
    prefsrc: null,
    flags: 0,
    metrics: null,
    ...over,
  })
  const isPlace = (a: RibRoute, b: RibRoute): boolean =>
    a.dev === b.dev &&
    a.plen === b.plen &&
    sameWords(a.words, b.words) &&
    sameWords(a.gateway?.words ?? null, b.gateway?.words ?? null)
  const forgetOne = (gone: Learned): void => {
    learned = learned.filter((one) => one !== gone)
  }
  const drop = (one: Learned): void => {
    forgetOne(one)
    rib.remove(one.route)
  }
  const enter = (one: Learned): boolean => {
    if (rib.add(one.route, CREATE_APPEND) !== 0) return false
    learned.push(one)
    setUntil(one.route, one.until, one.pref)
    return true
  }
  /** Those of its prefix that are worth less stand behind it: they are entered again. */
  const putBefore = ({ route, pref }: Learned): void => {
    const lesser = learned.filter(
      (other) =>
        other.pref < pref &&
        other.route.metric === route.metric &&
        other.route.plen === route.plen &&
        sameWords(other.route.words, route.words)
    )
    for (const other of lesser) {
      drop(other)
      enter(other)
    }
  }
  /** A route as a router has just told of it; for no time at all it is gone. */
  const hear = (route: RibRoute, seconds: number, pref = 0): void => {
    const known = learned.find((one) => isPlace(one.route, route))
    const until = untilOf(seconds)
    const isSame =
      known !== undefined &&
      known.pref === pref &&
      known.route.metric === route.metric &&
      known.route.metrics?.join() === route.metrics?.join()
    if (isSame && seconds !== 0) {
      known.until = until
      return setUntil(known.route, until, pref)
    }
    if (known !== undefined) drop(known)
    if (seconds === 0) return
    if (learned.filter(({ route: { dev } }) => dev === route.dev).length >= MOST_ROUTES)
      return tooMuch()
    const one = { route, pref, until }
    if (enter(one)) putBefore(one)
  }
  const tooMuch = (): void => {
    f64[counterBank(arena, layout.controlThread) + Softnet.ra_limited]++
  }
  /** A route has gone, by whoever's hand. */
  const routeGone = (route: RibRoute): void => {
    if (learned.length === 0 || route.family !== AF_INET6) return
    const one = learned.find((other) => other.route === route || isPlace(other.route, route))
    if (one !== undefined && one.route.protocol === route.protocol) forgetOne(one)
  }

  // ---- what is heard

  /** A router, for so many seconds a default one (RFC 4861 section 6.3.4). */
  const router = (
    ifindex: number,
    words: Words,
    seconds: number,
    pref: number,
    hops: number,
    mtu: number
  ): void => {
    if (!isUsable(ifindex)) return
    const ownMtu = i32[deviceRow(arena, ifindex) + DEV_MTU]
    const takesMtu = conf(ifindex, Conf6.accept_ra_mtu) !== 0 && mtu >= MIN_MTU && mtu <= ownMtu
    if (takesMtu) setConf(ifindex, Conf6.mtu, mtu)
    const isLong = seconds === 0 || seconds >= conf(ifindex, Conf6.accept_ra_min_lft)
    if (conf(ifindex, Conf6.accept_ra_defrtr) === 0 || !isLong) return
    const takesHops = hops !== 0 && hops >= conf(ifindex, Conf6.accept_ra_min_hop_limit)
    if (takesHops) setConf(ifindex, Conf6.hop_limit, hops)
    const metrics = Array.from({ length: RTAX_MAX + 1 }, () => 0)
    if (takesMtu) metrics[RTAX_MTU] = mtu
    if (takesHops) metrics[RTAX_HOPLIMIT] = hops
    const route = routeTo(ifindex, ANY, 0, {
      metric: conf(ifindex, Conf6.ra_defrtr_metric),
      gateway: { family: AF_INET6, words },
      metrics: takesMtu || takesHops ? metrics : null,
    })
    hear(route, seconds, prefOf(ifindex, pref))
  }
  /**
   * How long neighbours of the link are believed, and how long one waits for their answers, in milliseconds; 0 is not said
   * (ndisc_router_discovery).
   */
  const times = (ifindex: number, reachableMs: number, retransMs: number): void => {
    if (!isUsable(ifindex)) return
    if (retransMs !== 0 && retransMs <= MOST_MS)
      setConf(ifindex, Conf6.retrans_time_ms, Math.max(retransMs, LEAST_RETRANS_MS))
    if (reachableMs === 0 || reachableMs > MOST_MS) return
    const base = Math.max(reachableMs, LEAST_REACHABLE_MS)
    if (base === conf(ifindex, Conf6.base_reachable_time_ms)) return
    setConf(ifindex, Conf6.base_reachable_time_ms, base)
    setConf(ifindex, Conf6.gc_stale_time, Math.ceil((3 * base) / 1000))
  }
  const prefOf = (ifindex: number, pref: number): number =>
    conf(ifindex, Conf6.accept_ra_rtr_pref) === 0 ? 0 : pref

  /** A way by a router (RFC 4191 section 3). */
  const route = (
    ifindex: number,
    gateway: Words,
    words: Words,
    plen: number,
    seconds: number,
    pref: number
  ): void => {
    if (!isUsable(ifindex)) return
    const over = { gateway: { family: AF_INET6, words: gateway } }
    hear(routeTo(ifindex, masked(words, plen), plen, over), seconds, prefOf(ifindex, pref))
  }

  /** A prefix (RFC 4862 section 5.5.3). */
  const prefix = (
    ifindex: number,
    words: Words,
    plen: number,
    flags: number,
    validLft: number,
    preferredLft: number
  ): void => {
    if (!isUsable(ifindex) || preferredLft > validLft) return
    const network = masked(words, plen)
    if ((flags & PIO_ONLINK) !== 0 && !ifaddrs.hasNetwork(ifindex, network, plen))
      hear(
        routeTo(ifindex, network, plen, { metric: PRIO_ADDRCONF, protocol: RTPROT_KERNEL }),
        validLft
      )
    const isMade = (flags & PIO_AUTO) !== 0 && conf(ifindex, Conf6.autoconf) !== 0
    if (isMade && plen === 64) makeAddress(ifindex, network, validLft, preferredLft)
  }
  const makeAddress = (
    ifindex: number,
    network: Words,
    validLft: number,
    preferredLft: number
  ): void => {
    const stable =
      conf(ifindex, Conf6.addr_gen_mode) >= ADDR_GEN_STABLE
        ? stableIdOf(arena, ifindex, network, 0)
        : null
    const id = stable ?? interfaceIdOf(arena, ifindex)
    const words: Words = [network[0], network[1], ...id]
    const isThere = ifaddrs
      .list()
      .some((at) => at.ifindex === ifindex && sameWords(at.words, words))
    if (isThere) return ifaddrs.renewAuto(ifindex, words, validLft, preferredLft)
    if (validLft === 0) return
    const most = conf(ifindex, Conf6.max_addresses)
    if (most !== 0 && ifaddrs.countOf(ifindex) >= most) return tooMuch()
    const how = stable === null ? 0 : IFA_F_STABLE_PRIVACY
    const flags = IFA_F_MANAGETEMPADDR | IFA_F_OPTIMISTIC | how
    const at = { ifindex, family: AF_INET6, words, prefixlen: 64, scope: RT_SCOPE_UNIVERSE }
    ifaddrs.add({ ...at, flags, broadcast: 0, validLft, preferredLft, isAuto: true })
  }

  /** A device that sends packets on has no default router, unless it listens to routers all the same. */
  const forwardingChanged = (): void => {
    for (const one of [...learned])
      if (one.route.protocol === RTPROT_RA && !acceptsRa(arena, one.route.dev)) drop(one)
  }
  return { router, times, route, prefix, routeGone, forwardingChanged }
}
