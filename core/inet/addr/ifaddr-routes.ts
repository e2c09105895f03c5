/**
 * The routes that the kernel makes for addresses (local, broadcast, connected, anycast, multicast), while their devices are up. Control thread
 * only. Linux: fib_add_ifaddr(), fib_del_ifaddr() (net/ipv4/fib_frontend.c), net/ipv6/addrconf.c.
 */
import { AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import {
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import type { Rib } from '../../control/rib/rib.ts'
import type { RibRoute } from '../../control/rib/rib-route.ts'
import type { RouteExpiry } from '../../control/routes/route-expiry.ts'
import { DEV_FLAGS, deviceRow, IFF_LOOPBACK, IFF_UP, l3TableOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import type { Words } from '../../wire/text.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
} from '../fib/nexthop-constants.ts'
import { byFamily } from '../af-ops.ts'
import {
  IFA_F_NOPREFIXROUTE,
  IFA_F_OPTIMISTIC,
  IFA_F_SECONDARY,
  IFA_F_TENTATIVE,
} from './ifaddr-constants.ts'
import type { Held, HeldAddrs } from './ifaddr-held.ts'

const V4_PREFIX = 0xffff
/** NLM_F_CREATE | NLM_F_APPEND: the kernel's own routes stand beside others of the same place. */
const CREATE_APPEND = 0xc00
/** Metric of IPv6 routes that the kernel makes (IP6_RT_PRIO_ADDRCONF). */
const PRIO_ADDRCONF = 256

export type IfaddrRoutesDeps = {
  arena: Arena
  rib: Pick<Rib, 'add' | 'remove' | 'flush'>
  /** control/tables.ts: others ask for an anycast address on the device now, or no longer. */
  onAnycast: (ifindex: number, words: Words, on: boolean) => void
} & Pick<HeldAddrs, 'list'> &
  Pick<RouteExpiry, 'setUntil'>
export type IfaddrRoutes = ReturnType<typeof createIfaddrRoutes>

export const map4 = (addr: number): Words => [0, 0, V4_PREFIX, addr]
const maskOf = (plen: number): number => (plen === 0 ? 0 : -1 << (32 - plen))
const isZeronet = (addr: number): boolean => addr === 0
export const network6 = (words: Words, plen: number): Words =>
  words.map((word, k) => {
    const kept = plen - k * 32
    return kept >= 32 ? word : kept <= 0 ? 0 : word & (-1 << (32 - kept))
  }) as unknown as Words

/** What leads by the device itself: routes by nexthop objects go with these. */
export const isBy =
  (ifindex: number) =>
  ({ dev, nhid }: Pick<RibRoute, 'dev' | 'nhid'>): boolean =>
    dev === ifindex && nhid === undefined

export const createIfaddrRoutes = (deps: IfaddrRoutesDeps) => {
  const { arena, rib, list, onAnycast, setUntil } = deps
  const { i32 } = arena

  const has = (ifindex: number, flag: number): boolean =>
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & flag) !== 0
  /** In one subnet of a device: the later one is secondary (IPv4 alone knows that). */
  const sameNet = (a: Held, b: Held): boolean =>
    a.ifindex === b.ifindex &&
    rules(a.family).hasSecondaries &&
    a.family === b.family &&
    a.prefixlen === b.prefixlen &&
    ((a.words[3] ^ b.words[3]) & maskOf(a.prefixlen)) === 0

  const route = (
    at: Pick<Held, 'family' | 'ifindex'>,
    type: number,
    words: Words,
    plen: number,
    over: Partial<RibRoute>
  ): RibRoute => ({
    family: at.family,
    table: l3TableOf(arena, at.ifindex) || (type === RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL),
    words,
    plen,
    tos: 0,
    metric: 0,
    type,
    protocol: RTPROT_KERNEL,
    scope: type === RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
    dev: at.ifindex,
    gateway: null,
    prefsrc: null,
    flags: 0,
    metrics: null,
    ...over,
  })
  /** The routes an IPv4 address stands for while its device is up; its own holds also while it is down. */
  const routes4 = (at: Held): RibRoute[] => {
    const mask = maskOf(at.prefixlen)
    const addr = at.words[3]
    const net = addr & mask
    const prim =
      list().find((other) => sameNet(other, at) && (other.flags & IFA_F_SECONDARY) === 0) ?? at
    const src = { prefsrc: prim.words }
    const connected = route(
      at,
      has(at.ifindex, IFF_LOOPBACK) ? RTN_LOCAL : RTN_UNICAST,
      map4(net),
      at.prefixlen,
      src
    )
    const hasNet =
      !isZeronet(net) &&
      at.prefixlen !== 32 &&
      (at.flags & (IFA_F_SECONDARY | IFA_F_NOPREFIXROUTE)) === 0
    // what nobody knows yet to be ours is no address; its network is there
    if (isTentative(at)) return hasNet ? [{ ...connected, prefsrc: null }] : []
    const made = [route(at, RTN_LOCAL, at.words, 32, src)]
    if (at.broadcast !== 0 && at.broadcast !== -1)
      made.push(route(at, RTN_BROADCAST, map4(at.broadcast), 32, src))
    if (isZeronet(net) || (at.flags & IFA_F_SECONDARY) !== 0 || at.prefixlen === 32) return made
    if (hasNet) made.push(connected)
    if (at.prefixlen < 31 && (net | ~mask) !== at.broadcast)
      made.push(route(at, RTN_BROADCAST, map4(net | ~mask), 32, src))
    return made
  }
  /** What nobody knows yet to be ours leads nowhere: its network is there (addrconf_dad_completed). */
  const prefix6 = (at: Held): RibRoute =>
    route(at, RTN_UNICAST, network6(at.words, at.prefixlen), at.prefixlen, {
      scope: RT_SCOPE_UNIVERSE,
      metric: PRIO_ADDRCONF,
    })
  const hasPrefix6 = (at: Held): boolean =>
    at.family === AF_INET6 &&
    at.isAuto !== true &&
    // ::1 has none (init_loopback)
    at.scope !== RT_SCOPE_HOST &&
    (at.flags & IFA_F_NOPREFIXROUTE) === 0
  const routes6 = (at: Held): RibRoute[] => {
    const made: RibRoute[] = []
    const isOurs = isOurs6(at)
    if (isOurs) made.push(route(at, RTN_LOCAL, at.words, 128, { scope: RT_SCOPE_UNIVERSE }))
    if (isOurs && hasAnycast(at))
      made.push(
        route(at, RTN_ANYCAST, network6(at.words, at.prefixlen), 128, { scope: RT_SCOPE_UNIVERSE })
      )
    return hasPrefix6(at) ? [...made, prefix6(at)] : made
  }
  /** A network ends with the last of its addresses. */
  const setPrefixEnd = (at: Held): void => {
    if (!hasPrefix6(at)) return
    const isOfIt = (other: Held): boolean =>
      hasPrefix6(other) &&
      other.ifindex === at.ifindex &&
      other.prefixlen === at.prefixlen &&
      network6(other.words, at.prefixlen).join() === network6(at.words, at.prefixlen).join()
    const ends = list()
      .filter(isOfIt)
      .map((other) => other.validUntil)
    if (ends.length > 0) setUntil(prefix6(at), Math.max(...ends))
  }
  /** A router answers for all routers of its networks (RFC 4291 section 2.6.1), but on links between two (RFC 6164). */
  const hasAnycast = (at: Held): boolean =>
    i32[confRow(arena, at.ifindex) + Conf6.forwarding] !== 0 &&
    at.prefixlen < 127 &&
    !has(at.ifindex, IFF_LOOPBACK) &&
    network6(at.words, at.prefixlen).some((word) => word !== 0)
  const isTentative = ({ flags }: Held): boolean => (flags & IFA_F_TENTATIVE) !== 0
  const isOurs6 = ({ flags }: Held): boolean =>
    (flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) !== IFA_F_TENTATIVE
  /** Anycast addresses that others may ask for, by device (RFC 4291 section 2.8). */
  const anycasts = new Map<string, { ifindex: number; words: Words }>()
  const followAnycast = (): void => {
    const wanted = new Map(
      list()
        .filter((at) => at.family === AF_INET6 && has(at.ifindex, IFF_UP) && isOurs6(at))
        .filter(hasAnycast)
        .map(({ ifindex, words, prefixlen }) => {
          const anycast = { ifindex, words: network6(words, prefixlen) }
          return [JSON.stringify(anycast), anycast]
        })
    )
    for (const [key, { ifindex, words }] of anycasts)
      if (!wanted.has(key)) {
        anycasts.delete(key)
        onAnycast(ifindex, words, false)
      }
    for (const [key, anycast] of wanted)
      if (!anycasts.has(key)) {
        anycasts.set(key, anycast)
        onAnycast(anycast.ifindex, anycast.words, true)
      }
  }
  const multicast6 = (ifindex: number): RibRoute => {
    const over = { scope: RT_SCOPE_UNIVERSE, metric: PRIO_ADDRCONF }
    return route({ ifindex, family: AF_INET6 }, RTN_MULTICAST, [0xff000000 | 0, 0, 0, 0], 8, over)
  }
  const routesOf = (at: Held): RibRoute[] => {
    const made = rules(at.family).routes(at)
    if (has(at.ifindex, IFF_UP)) return made
    return isTentative(at) ? [] : made.filter(({ type }) => rules(at.family).down.includes(type))
  }
  type Rules = {
    routes: (at: Held) => RibRoute[]
    /** Types of those that hold while the device is down. */
    down: readonly number[]
    /** Does the address stay when it goes down? */
    isKept: boolean
    hasSecondaries: boolean
  }
  const rules = byFamily<Rules>(
    { routes: routes4, down: [RTN_LOCAL], isKept: true, hasSecondaries: true },
    { routes: routes6, down: [RTN_LOCAL, RTN_ANYCAST], isKept: false, hasSecondaries: false }
  )
  const hasKeptDown = (family: number): boolean => rules(family).isKept
  /** 0, or the first error that is not "it is there already"; then nothing stays. */
  const addRoutes = (wanted: RibRoute[]): number => {
    const added: RibRoute[] = []
    for (const one of wanted) {
      const error = rib.add(one, CREATE_APPEND)
      if (error === 0) added.push(one)
      else if (error !== -Errno.EEXIST) {
        for (const undo of added) rib.remove(undo)
        return error
      }
    }
    return 0
  }
  /** Takes away the routes of `made` that no address of the device needs any more. */
  const removeRoutes = (made: readonly RibRoute[], { family, ifindex }: Held): void => {
    const needed = list()
      .filter((other) => other.family === family && other.ifindex === ifindex)
      .flatMap(routesOf)
    const keyOf = (one: RibRoute): string => JSON.stringify(one)
    const kept = new Set(needed.map(keyOf))
    for (const one of made) if (!kept.has(keyOf(one))) rib.remove(one)
  }
  /** An address changes, and with it its routes. */
  const change = (at: Held, how: () => void): void => {
    const before = routesOf(at)
    how()
    removeRoutes(before, at)
    addRoutes(routesOf(at))
  }

  return {
    has,
    sameNet,
    hasPrefix6,
    hasKeptDown,
    multicast6,
    routesOf,
    addRoutes,
    removeRoutes,
    change,
    setPrefixEnd,
    followAnycast,
    flush: rib.flush,
  }
}
