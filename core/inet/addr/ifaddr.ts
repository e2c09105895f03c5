/**
 * Interface addresses: their rows in shared memory, and the routes that the kernel makes for them (local,
 * broadcast, connected, multicast), also as devices go up and down. Control thread only; source.ts reads the
 * rows on the path. Linux: net/ipv4/devinet.c, fib_frontend.c (fib_add_ifaddr, fib_del_ifaddr, fib_netdev_event),
 * net/ipv6/addrconf.c.
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import {
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import type { Publisher } from '../../control/publish.ts'
import type { Rib } from '../../control/rib.ts'
import type { RibRoute } from '../../control/rib-route.ts'
import type { RouteExpiry } from '../../control/route-expiry.ts'
import {
  ARPHRD_ETHER,
  DEV_FLAGS,
  DEV_MAC,
  DEV_TYPE,
  deviceRow,
  IFF_LOOPBACK,
  IFF_NOARP,
  IFF_RUNNING,
  IFF_UP,
  l3mdevOf,
  l3TableOf,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import { macHi, macLo } from '../../wire/ethernet.ts'
import type { Words } from '../../wire/text.ts'
import {
  FOREVER,
  IFA_ADDR,
  IFA_BROADCAST,
  IFA_CHANGES,
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_HOMEADDRESS,
  IFA_F_MANAGETEMPADDR,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_F_TENTATIVE,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_PREFERRED_UNTIL,
  IFA_PREFIXLEN,
  IFA_SCOPE,
  IFA_SERIAL,
  IFA_TOP,
  IFA_VALID_UNTIL,
} from './ifaddr-constants.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
} from '../fib/nexthop-constants.ts'
import { afInfo, byFamily } from '../af-ops.ts'

const V4_PREFIX = 0xffff
/** NLM_F_CREATE | NLM_F_APPEND: the kernel's own routes stand beside others of the same place. */
const CREATE_APPEND = 0xc00
/** Metric of IPv6 routes that the kernel makes (IP6_RT_PRIO_ADDRCONF). */
const PRIO_ADDRCONF = 256
/** Two hours: nobody who forges a router's word can end an address sooner (RFC 4862 section 5.5.3 e). */
const LEAST_VALID = 7200
/** addr_gen_mode: by the MAC (RFC 4291 appendix A); 1 is none. */
const ADDR_GEN_EUI64 = 0

export type Ifaddr = {
  ifindex: number
  family: number
  words: Words
  prefixlen: number
  scope: number
  flags: number
  /** IPv4; 0 for none. */
  broadcast: number
  /** Seconds from now on, or FOREVER: then it goes, and then it is deprecated. */
  validLft: number
  preferredLft: number
  /** IPv4: where it is not the device's name. */
  label?: string
}
/** An address as it is asked for; without lifetimes it stays. */
type NewIfaddr = Omit<Ifaddr, Lft> & Partial<Pick<Ifaddr, Lft>> & Origin
/** Made of what a router says of its prefix: it says too whether that is on the link. */
type Origin = { isAuto?: boolean }
type Lft = 'validLft' | 'preferredLft'
/** As it is kept: when its lifetimes end, in milliseconds of control's clock, and its row. */
type Held = Omit<Ifaddr, Lft> &
  Origin & { validUntil: number; preferredUntil: number; index: number }
export type IfaddrDeps = {
  arena: Arena
  rib: Pick<Rib, 'add' | 'remove' | 'flush'>
  /** control/tables.ts: joins groups, and tells watchers. */
  onEvent: (event: 'new' | 'changed' | 'del', address: Ifaddr) => void
  /** control/tables.ts: others ask for an anycast address on the device now, or no longer. */
  onAnycast: (ifindex: number, words: Words, on: boolean) => void
  /** Milliseconds of control's clock. */
  nowMs: () => number
} & Pick<RouteExpiry, 'setUntil'> &
  Pick<Publisher, 'retire'>
export type Ifaddrs = ReturnType<typeof createIfaddrs>

const map4 = (addr: number): Words => [0, 0, V4_PREFIX, addr]
const maskOf = (plen: number): number => (plen === 0 ? 0 : -1 << (32 - plen))
const isZeronet = (addr: number): boolean => addr === 0
const network6 = (words: Words, plen: number): Words =>
  words.map((word, k) => {
    const kept = plen - k * 32
    return kept >= 32 ? word : kept <= 0 ? 0 : word & (-1 << (32 - kept))
  }) as unknown as Words

export const createIfaddrs = (deps: IfaddrDeps) => {
  const { arena, rib, retire, onEvent, onAnycast, nowMs, setUntil } = deps
  const { i32, u8, layout } = arena
  const top = layout.ifaddrs + IFA_TOP
  i32[top] = 1
  const free = Array.from(
    { length: layout.config.ifaddrs - 1 },
    (_, k) => layout.config.ifaddrs - 1 - k
  )
  /** In the order they were added. */
  const held = new Set<Held>()
  let serial = 0
  /** When the next lifetime ends. */
  let nextEnd = Infinity

  const has = (ifindex: number, flag: number): boolean =>
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & flag) !== 0
  const until = (seconds: number): number =>
    seconds >= FOREVER ? Infinity : nowMs() + seconds * 1000
  const secondsTo = (end: number): number =>
    end === Infinity ? FOREVER : Math.max(0, Math.ceil((end - nowMs()) / 1000))
  /** As it is at this moment. */
  const seen = ({ validUntil, preferredUntil, index: _, isAuto: __, ...at }: Held): Ifaddr => ({
    ...at,
    validLft: secondsTo(validUntil),
    preferredLft: secondsTo(preferredUntil),
  })
  const list = (): Held[] => [...held]
  const sameAddr = (a: Held, words: Words): boolean => a.words.every((word, k) => word === words[k])
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
  /** The routes an IPv4 address stands for while its device is up; the first holds also while it is down. */
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
    const { routes, keptDown } = rules(at.family)
    if (has(at.ifindex, IFF_UP)) return routes(at)
    return isTentative(at) ? [] : routes(at).slice(0, keptDown)
  }
  /** How the addresses of a family behave. */
  type Rules = {
    routes: (at: Held) => RibRoute[]
    /** How many of the first of them hold while the device is down; with none the address itself goes. */
    keptDown: number
    hasSecondaries: boolean
    /** One address may stand twice, with different prefixes. */
    byPrefix: boolean
    /** Without an address a device no longer speaks it: all its routes go (fib_disable_ip). */
    endsWithLast: boolean
    /** Flags that it begins with, besides those that are asked for. */
    firstFlags: (spec: NewIfaddr) => number
  }
  const rules = byFamily<Rules>(
    {
      routes: routes4,
      keptDown: 1,
      hasSecondaries: true,
      byPrefix: true,
      endsWithLast: true,
      firstFlags: (spec) => (isTried4(spec) ? IFA_F_TENTATIVE : 0),
    },
    {
      routes: routes6,
      keptDown: 0,
      hasSecondaries: false,
      byPrefix: false,
      endsWithLast: false,
      firstFlags: (spec) => firstFlags(spec),
    }
  )
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

  const touch = (): void => {
    i32[layout.ifaddrs + IFA_CHANGES]++
  }
  const fill = (at: Held): void => {
    const row = layout.ifaddrs + at.index * IFADDR_WORDS
    i32[row + IFA_FAMILY] = at.family
    i32.set(at.words, row + IFA_ADDR)
    i32[row + IFA_PREFIXLEN] = at.prefixlen
    i32[row + IFA_SCOPE] = at.scope
    i32[row + IFA_FLAGS] = at.flags
    i32[row + IFA_BROADCAST] = at.broadcast
    i32[row + IFA_SERIAL] = ++serial
    if (at.index >= i32[top]) i32[top] = at.index + 1
    Atomics.store(i32, row + IFA_IFINDEX, at.ifindex)
    touch()
    held.add(at)
  }
  const setFlags = (at: Held, flags: number): void => {
    at.flags = flags
    i32[layout.ifaddrs + at.index * IFADDR_WORDS + IFA_FLAGS] = flags
    touch()
  }
  const setLifetimes = (at: Held, validLft: number, preferredLft: number): void => {
    at.validUntil = until(validLft)
    at.preferredUntil = until(preferredLft)
    nextEnd = Math.min(nextEnd, at.validUntil, at.preferredUntil)
    const row = layout.ifaddrs + at.index * IFADDR_WORDS
    i32[row + IFA_VALID_UNTIL] = wordOf(at.validUntil)
    i32[row + IFA_PREFERRED_UNTIL] = wordOf(at.preferredUntil)
  }
  const wordOf = (end: number): number => (end === Infinity ? -1 : Math.ceil(end / 1000) | 0)
  /** The flags that follow from lifetimes. */
  const agingFlags = (validLft: number, preferredLft: number): number =>
    (validLft >= FOREVER ? IFA_F_PERMANENT : 0) | (preferredLft === 0 ? IFA_F_DEPRECATED : 0)

  const confOf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  const either = (ifindex: number, word: number): boolean =>
    confOf(ifindex, word) > 0 || confOf(CONF_ALL, word) > 0
  /** Is an IPv4 address of this device tried first (RFC 5227 section 2.1)? */
  const isTried4 = ({ ifindex, flags }: Pick<Ifaddr, 'ifindex' | 'flags'>): boolean =>
    (flags & IFA_F_NODAD) === 0 &&
    !has(ifindex, IFF_LOOPBACK) &&
    !has(ifindex, IFF_NOARP) &&
    either(ifindex, Conf4.dad_transmits)
  /** Flags that an IPv6 address begins with: is it tried first (RFC 4862 section 5.4), and used meanwhile? */
  const firstFlags = ({ ifindex, flags }: NewIfaddr): number => {
    const isTried =
      (flags & IFA_F_NODAD) === 0 &&
      !has(ifindex, IFF_LOOPBACK) &&
      !has(ifindex, IFF_NOARP) &&
      either(ifindex, Conf6.accept_dad)
    const optimistic = mayBeOptimistic(ifindex) ? flags & IFA_F_OPTIMISTIC : 0
    return isTried ? IFA_F_TENTATIVE | optimistic : 0
  }
  /** A router has to be sure (ipv6_allow_optimistic_dad). */
  const mayBeOptimistic = (ifindex: number): boolean =>
    either(ifindex, Conf6.optimistic_dad) && confOf(ifindex, Conf6.forwarding) === 0

  const isOff6 = (ifindex: number): boolean => confOf(ifindex, Conf6.disable_ipv6) !== 0
  /** Adds an address. 0, -EEXIST, -EINVAL (another scope in the same subnet), -EACCES (no IPv6 there), -ENOBUFS, -ENOSPC. */
  const add = (spec: NewIfaddr): number => {
    const { validLft = FOREVER, preferredLft = FOREVER, ...rest } = spec
    const at: Held = { ...rest, index: 0, validUntil: 0, preferredUntil: 0 }
    at.flags &= ~IFA_F_OPTIMISTIC
    at.flags |= agingFlags(validLft, preferredLft) | rules(at.family).firstFlags(spec)
    for (const other of held) {
      if (other.ifindex !== at.ifindex || other.family !== at.family) continue
      const isSame = sameAddr(other, at.words)
      if (isSame && (!rules(at.family).byPrefix || other.prefixlen === at.prefixlen))
        return -Errno.EEXIST
      if (!sameNet(other, at)) continue
      if (other.scope !== at.scope) return -Errno.EINVAL
      at.flags |= IFA_F_SECONDARY
    }
    if (at.family === AF_INET6 && isOff6(at.ifindex)) return -Errno.EACCES
    if (free.length === 0) return -Errno.ENOBUFS
    const error = addRoutes(routesOf(at))
    if (error !== 0) return error
    at.index = free.pop()!
    setLifetimes(at, validLft, preferredLft)
    fill(at)
    setPrefixEnd(at)
    onEvent('new', seen(at))
    followAnycast()
    return 0
  }

  const findHeld = (ifindex: number, words: Words, prefixlen: number): Held | undefined =>
    list().find((at) => at.ifindex === ifindex && at.prefixlen === prefixlen && sameAddr(at, words))
  const find = (ifindex: number, words: Words, prefixlen: number): Ifaddr | undefined => {
    const at = findHeld(ifindex, words, prefixlen)
    return at && seen(at)
  }
  /** Flags that are set anew with an address that is there (inet6_addr_modify). */
  const MODIFIED = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE
  /** Changes lifetimes and flags of an address that is there (`ip addr change`). */
  const modify = ({ ifindex, words, prefixlen, flags, validLft, preferredLft }: Ifaddr): void => {
    const at = findHeld(ifindex, words, prefixlen)!
    const before = routesOf(at)
    const kept = at.flags & ~(MODIFIED | IFA_F_PERMANENT | IFA_F_DEPRECATED)
    setFlags(at, kept | (flags & MODIFIED) | agingFlags(validLft, preferredLft))
    setLifetimes(at, validLft, preferredLft)
    removeRoutes(before, at)
    addRoutes(routesOf(at))
    setPrefixEnd(at)
    onEvent('changed', seen(at))
  }

  /** Sets lifetimes of an address that routers have made, when they speak of its prefix again (RFC 4862 section 5.5.3 e). */
  const renewAuto = (
    ifindex: number,
    words: Words,
    validLft: number,
    preferredLft: number
  ): void => {
    const at = list().find((one) => one.ifindex === ifindex && sameAddr(one, words))
    if (at?.isAuto !== true) return
    const least = Math.min(secondsTo(at.validUntil), LEAST_VALID)
    setFlags(at, at.flags & ~IFA_F_DEPRECATED)
    setLifetimes(at, Math.max(validLft, least), preferredLft)
    if ((at.flags & IFA_F_TENTATIVE) === 0) onEvent('changed', seen(at))
  }
  const countOf = (ifindex: number): number =>
    list().filter((at) => at.ifindex === ifindex && at.family === AF_INET6).length
  /** Has the device an address of its own in this network? */
  const hasNetwork = (ifindex: number, words: Words, plen: number): boolean =>
    list().some(
      (at) =>
        hasPrefix6(at) &&
        at.ifindex === ifindex &&
        at.prefixlen === plen &&
        network6(at.words, plen).join() === words.join()
    )

  /** Takes away the routes of `made` that no address of the device needs any more. */
  const removeRoutes = (made: readonly RibRoute[], { family, ifindex }: Held): void => {
    const needed = list()
      .filter((other) => other.family === family && other.ifindex === ifindex)
      .flatMap(routesOf)
    const keyOf = (one: RibRoute): string => JSON.stringify(one)
    const kept = new Set(needed.map(keyOf))
    for (const one of made) if (!kept.has(keyOf(one))) rib.remove(one)
  }
  const drop = (at: Held): void => {
    const made = routesOf(at)
    held.delete(at)
    Atomics.store(i32, layout.ifaddrs + at.index * IFADDR_WORDS + IFA_IFINDEX, 0)
    touch()
    retire(() => {
      free.push(at.index)
    })
    removeRoutes(made, at)
    setPrefixEnd(at)
    if (!list().some((other) => sameAddr(other, at.words)))
      rib.flush((one) => one.prefsrc !== null && sameAddr(at, one.prefsrc) && !outlives6(one))
    onEvent('del', seen(at))
    followAnycast()
  }
  /** What leads by the device itself: routes by nexthop objects go with these. */
  const isBy =
    (ifindex: number) =>
    ({ dev, nhid }: Pick<RibRoute, 'dev' | 'nhid'>): boolean =>
      dev === ifindex && nhid === undefined
  /** An IPv6 route by a nexthop object keeps a source that is gone (fib6_remove_prefsrc). */
  const outlives6 = ({ family, nhid }: Pick<RibRoute, 'family' | 'nhid'>): boolean =>
    family === AF_INET6 && nhid !== undefined
  /** With a primary address the secondaries of its subnet go. */
  const take = (at: Held): void => {
    if ((at.flags & IFA_F_SECONDARY) === 0)
      for (const other of list()) if (other !== at && sameNet(other, at)) drop(other)
    drop(at)
    const { ifindex, family } = at
    const isLast = !list().some((o) => o.ifindex === ifindex && o.family === family)
    if (isLast && rules(family).endsWithLast)
      rib.flush((one) => isBy(ifindex)(one) && one.family === family)
  }
  /** Deletes an address. 0 or -EADDRNOTAVAIL. */
  const remove = (ifindex: number, words: Words, prefixlen: number): number => {
    const at = findHeld(ifindex, words, prefixlen)
    if (at === undefined) return -Errno.EADDRNOTAVAIL
    take(at)
    return 0
  }

  // ---- time

  /** What has outlived its lifetimes is deprecated, or gone (addrconf_verify, check_lifetime). */
  const expire = (): void => {
    const now = nowMs()
    if (now < nextEnd) return
    nextEnd = Infinity
    for (const at of list()) {
      if (!held.has(at)) continue
      if (at.validUntil <= now) {
        take(at)
        continue
      }
      if (at.preferredUntil > now) nextEnd = Math.min(nextEnd, at.preferredUntil)
      else if ((at.flags & IFA_F_DEPRECATED) === 0) {
        setFlags(at, at.flags | IFA_F_DEPRECATED)
        onEvent('changed', seen(at))
      }
      nextEnd = Math.min(nextEnd, at.validUntil)
    }
  }

  // ---- what CPU 0 has found out by trying (core/ipv6/dad.ts)

  /** The address that lies in a row and is being tried still. */
  const triedAt = (row: number, tried: number): Held | undefined => {
    const index = (row - layout.ifaddrs) / IFADDR_WORDS
    if (i32[row + IFA_SERIAL] !== tried) return undefined
    return list().find(
      (at) =>
        at.index === index && (at.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === IFA_F_TENTATIVE
    )
  }
  /** Nobody else has it: now it is ours. */
  const dadCompleted = (row: number, tried: number): void => {
    const at = triedAt(row, tried)
    if (at === undefined) return
    const before = routesOf(at)
    setFlags(at, at.flags & ~(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC))
    onEvent('changed', seen(at))
    removeRoutes(before, at)
    addRoutes(routesOf(at))
    followAnycast()
  }
  /** Somebody else has it: it stays, for all to see, and is nobody's address. */
  const dadFailed = (row: number, tried: number): void => {
    const at = triedAt(row, tried)
    if (at === undefined) return
    const before = routesOf(at)
    setFlags(at, (at.flags & ~IFA_F_OPTIMISTIC) | IFA_F_DADFAILED)
    removeRoutes(before, at)
    onEvent('changed', seen(at))
    // who answers to the address of our own MAC is our double (RFC 4862 section 5.4.5)
    const isOfMac = linkLocal(at.ifindex).every((word, k) => word === at.words[k])
    if (
      !isOfMac ||
      Math.max(confOf(at.ifindex, Conf6.accept_dad), confOf(CONF_ALL, Conf6.accept_dad)) < 2
    )
      return
    i32[confRow(arena, at.ifindex) + Conf6.disable_ipv6] = 1
    switched6(at.ifindex)
  }

  /** The lower half of addresses that come of the MAC (RFC 4291 appendix A). */
  const interfaceId = (ifindex: number): readonly [number, number] => {
    const m = (deviceRow(arena, ifindex) + DEV_MAC) << 2
    const hi = macHi(u8, m)
    const lo = macLo(u8, m)
    return [((hi ^ 0x200) << 16) | ((lo >>> 16) & 0xff00) | 0xff, 0xfe000000 | (lo & 0xffffff)]
  }
  const linkLocal = (ifindex: number): Words => [0xfe800000 | 0, 0, ...interfaceId(ifindex)]
  const own = (
    ifindex: number,
    family: number,
    words: Words,
    prefixlen: number,
    scope: number
  ): void => {
    add({ ifindex, family, words, prefixlen, scope, flags: IFA_F_OPTIMISTIC, broadcast: 0 })
  }

  /** The device is up (IFF_UP is set): its addresses get their routes back, and those that come by themselves. */
  const deviceUp = (ifindex: number): void => {
    for (const at of list()) if (at.ifindex === ifindex) addRoutes(routesOf(at))
    if (has(ifindex, IFF_LOOPBACK)) {
      own(ifindex, AF_INET, map4(0x7f000001), 8, RT_SCOPE_HOST)
      own(ifindex, AF_INET6, [0, 0, 0, 1], 128, RT_SCOPE_HOST)
    } else if (has(ifindex, IFF_RUNNING)) deviceReady(ifindex)
  }
  /** It is up and has a carrier: it speaks IPv6, by an address of the link (addrconf_dev_config). */
  const deviceReady = (ifindex: number): void => {
    for (const at of list())
      if (at.ifindex === ifindex && at.family === AF_INET && isTried4(at)) tryAgain(at)
    if (i32[deviceRow(arena, ifindex) + DEV_TYPE] !== ARPHRD_ETHER || isOff6(ifindex)) return
    // a VRF has no link (addrconf_addr_gen, addrconf_add_dev)
    if (l3mdevOf(arena, ifindex) === ifindex) return
    addRoutes([multicast6(ifindex)])
    if (confOf(ifindex, Conf6.addr_gen_mode) !== ADDR_GEN_EUI64) return
    own(ifindex, AF_INET6, linkLocal(ifindex), 64, RT_SCOPE_LINK)
  }
  /** Who comes to a link does not know who is there: the address may be another's by now (RFC 5227 section 2.1). */
  const tryAgain = (at: Held): void => {
    const before = routesOf(at)
    i32[layout.ifaddrs + at.index * IFADDR_WORDS + IFA_SERIAL] = ++serial
    setFlags(at, (at.flags & ~IFA_F_DADFAILED) | IFA_F_TENTATIVE)
    removeRoutes(before, at)
    addRoutes(routesOf(at))
    onEvent('changed', seen(at))
  }
  /** IPv6 is off on the device now, or on again (addrconf_disable_change). */
  const switched6 = (ifindex: number): void => {
    if (!isOff6(ifindex)) return has(ifindex, IFF_UP) ? deviceUp(ifindex) : undefined
    for (const at of list()) if (at.ifindex === ifindex && at.family === AF_INET6) drop(at)
    rib.flush((one) => isBy(ifindex)(one) && one.family === AF_INET6)
  }
  /** Devices forward IPv6 now, or no longer: a router has addresses that a host has not. */
  const forwardingChanged = (): void => {
    for (const at of list()) {
      if (at.family !== AF_INET6) continue
      addRoutes(routesOf(at))
      if (hasAnycast(at)) continue
      const { ifindex } = at
      rib.flush((one) => one.type === RTN_ANYCAST && one.dev === ifindex)
    }
    followAnycast()
  }
  /**
   * The device is down (IFF_UP is clear): routes through it go, but for those to its IPv4 addresses, which
   * stay; its IPv6 addresses go.
   */
  const deviceDown = (ifindex: number): void => {
    for (const at of list()) if (at.ifindex === ifindex && rules(at.family).keptDown === 0) drop(at)
    rib.flush(
      (one) =>
        one.dev === ifindex &&
        !(
          rules(one.family).keptDown > 0 &&
          one.type === RTN_LOCAL &&
          one.plen === afInfo(one.family).addrBits
        )
    )
  }
  /** The device, which is down, is of another domain from now on: no route by it stays. */
  const domainLeft = (ifindex: number): void => {
    rib.flush((one) => one.dev === ifindex)
  }
  /** The device is going away: so does all that names it. */
  const deviceGone = (ifindex: number): void => {
    for (const at of list()) if (at.ifindex === ifindex) drop(at)
    rib.flush((one) => one.dev === ifindex)
  }

  return {
    add,
    modify,
    remove,
    find,
    list: (): Ifaddr[] => list().map(seen),
    expire,
    dadCompleted,
    dadFailed,
    deviceUp,
    deviceReady,
    deviceDown,
    domainLeft,
    deviceGone,
    forwardingChanged,
    switched6,
    renewAuto,
    countOf,
    hasNetwork,
    interfaceId,
  }
}
