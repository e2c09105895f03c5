/**
 * Interface addresses: their rows in shared memory, and the routes that the kernel makes for them (local,
 * broadcast, connected, multicast), also as devices go up and down. Control thread only; source.ts reads the
 * rows on the path. Linux: net/ipv4/devinet.c, fib_frontend.c (fib_add_ifaddr, fib_del_ifaddr, fib_netdev_event),
 * net/ipv6/addrconf.c.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import { RTN_ANYCAST, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../base/flowi.ts'
import type { Publisher } from '../control/publish.ts'
import type { Rib, RibRoute } from '../control/rib.ts'
import {
  ARPHRD_ETHER,
  DEV_FLAGS,
  DEV_MAC,
  DEV_TYPE,
  deviceRow,
  IFF_LOOPBACK,
  IFF_UP,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { Conf6, confRow } from '../shm/devconf.ts'
import { IFADDR_WORDS } from '../shm/layout.ts'
import type { Words } from '../wire/text.ts'
import {
  IFA_ADDR,
  IFA_BROADCAST,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_PREFIXLEN,
  IFA_SCOPE,
  IFA_SERIAL,
  IFA_TOP,
} from './ifaddr-constants.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
} from './nexthop-constants.ts'
import { afInfo, byFamily } from './af-ops.ts'

const V4_PREFIX = 0xffff
/** NLM_F_CREATE | NLM_F_APPEND: the kernel's own routes stand beside others of the same place. */
const CREATE_APPEND = 0xc00
/** Metric of IPv6 routes that the kernel makes (IP6_RT_PRIO_ADDRCONF). */
const PRIO_ADDRCONF = 256

export type Ifaddr = {
  ifindex: number
  family: number
  words: Words
  prefixlen: number
  scope: number
  flags: number
  /** IPv4; 0 for none. */
  broadcast: number
}
export type IfaddrDeps = {
  arena: Arena
  rib: Pick<Rib, 'add' | 'remove' | 'flush'>
  /** control/control.ts: tells watchers. */
  onEvent: (event: 'new' | 'del', address: Ifaddr) => void
} & Pick<Publisher, 'retire'>
export type Ifaddrs = ReturnType<typeof createIfaddrs>

const map4 = (addr: number): Words => [0, 0, V4_PREFIX, addr]
const maskOf = (plen: number): number => (plen === 0 ? 0 : -1 << (32 - plen))
const isZeronet = (addr: number): boolean => addr === 0
const network6 = (words: Words, plen: number): Words =>
  words.map((word, k) => {
    const kept = plen - k * 32
    return kept >= 32 ? word : kept <= 0 ? 0 : word & (-1 << (32 - kept))
  }) as unknown as Words

export const createIfaddrs = ({ arena, rib, retire, onEvent }: IfaddrDeps) => {
  const { i32, u8, layout } = arena
  const top = layout.ifaddrs + IFA_TOP
  i32[top] = 1
  const free = Array.from(
    { length: layout.config.ifaddrs - 1 },
    (_, k) => layout.config.ifaddrs - 1 - k
  )
  /** In the order they were added; the row of each. */
  const held = new Map<Ifaddr, number>()
  let serial = 0

  const has = (ifindex: number, flag: number): boolean =>
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & flag) !== 0
  const list = (): Ifaddr[] => [...held.keys()]
  const sameAddr = (a: Ifaddr, words: Words): boolean =>
    a.words.every((word, k) => word === words[k])
  /** In one subnet of a device: the later one is secondary (IPv4 alone knows that). */
  const sameNet = (a: Ifaddr, b: Ifaddr): boolean =>
    a.ifindex === b.ifindex &&
    rules(a.family).hasSecondaries &&
    a.family === b.family &&
    a.prefixlen === b.prefixlen &&
    ((a.words[3] ^ b.words[3]) & maskOf(a.prefixlen)) === 0

  const route = (
    at: Ifaddr,
    type: number,
    words: Words,
    plen: number,
    over: Partial<RibRoute>
  ): RibRoute => ({
    family: at.family,
    table: type === RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
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
  const routes4 = (at: Ifaddr): RibRoute[] => {
    const mask = maskOf(at.prefixlen)
    const addr = at.words[3]
    const net = addr & mask
    const prim =
      list().find((other) => sameNet(other, at) && (other.flags & IFA_F_SECONDARY) === 0) ?? at
    const src = { prefsrc: prim.words }
    const made = [route(at, RTN_LOCAL, at.words, 32, src)]
    if (at.broadcast !== 0 && at.broadcast !== -1)
      made.push(route(at, RTN_BROADCAST, map4(at.broadcast), 32, src))
    if (isZeronet(net) || (at.flags & IFA_F_SECONDARY) !== 0 || at.prefixlen === 32) return made
    if ((at.flags & IFA_F_NOPREFIXROUTE) === 0)
      made.push(
        route(
          at,
          has(at.ifindex, IFF_LOOPBACK) ? RTN_LOCAL : RTN_UNICAST,
          map4(net),
          at.prefixlen,
          src
        )
      )
    if (at.prefixlen < 31 && (net | ~mask) !== at.broadcast)
      made.push(route(at, RTN_BROADCAST, map4(net | ~mask), 32, src))
    return made
  }
  const routes6 = (at: Ifaddr): RibRoute[] => {
    const made = [route(at, RTN_LOCAL, at.words, 128, { scope: RT_SCOPE_UNIVERSE })]
    if (hasAnycast(at))
      made.push(
        route(at, RTN_ANYCAST, network6(at.words, at.prefixlen), 128, { scope: RT_SCOPE_UNIVERSE })
      )
    if (at.prefixlen === 128 || (at.flags & IFA_F_NOPREFIXROUTE) !== 0) return made
    const over = { scope: RT_SCOPE_UNIVERSE, metric: PRIO_ADDRCONF }
    made.push(route(at, RTN_UNICAST, network6(at.words, at.prefixlen), at.prefixlen, over))
    return made
  }
  /** A router answers for all routers of its networks (RFC 4291 section 2.6.1), but on links between two (RFC 6164). */
  const hasAnycast = (at: Ifaddr): boolean =>
    i32[confRow(arena, at.ifindex) + Conf6.forwarding] !== 0 &&
    at.prefixlen < 127 &&
    !has(at.ifindex, IFF_LOOPBACK) &&
    network6(at.words, at.prefixlen).some((word) => word !== 0)
  const multicast6 = (ifindex: number): RibRoute => {
    const at: Ifaddr = {
      ifindex,
      family: AF_INET6,
      words: [0, 0, 0, 0],
      prefixlen: 0,
      scope: 0,
      flags: 0,
      broadcast: 0,
    }
    const over = { scope: RT_SCOPE_UNIVERSE, metric: PRIO_ADDRCONF }
    return route(at, RTN_MULTICAST, [0xff000000 | 0, 0, 0, 0], 8, over)
  }
  const routesOf = (at: Ifaddr): RibRoute[] => {
    const { routes, keptDown } = rules(at.family)
    return has(at.ifindex, IFF_UP) ? routes(at) : routes(at).slice(0, keptDown)
  }
  /** How the addresses of a family behave. */
  type Rules = {
    routes: (at: Ifaddr) => RibRoute[]
    /** How many of the first of them hold while the device is down; with none the address itself goes. */
    keptDown: number
    hasSecondaries: boolean
    /** One address may stand twice, with different prefixes. */
    byPrefix: boolean
    /** Without an address a device no longer speaks it: all its routes go (fib_disable_ip). */
    endsWithLast: boolean
  }
  const rules = byFamily<Rules>(
    { routes: routes4, keptDown: 1, hasSecondaries: true, byPrefix: true, endsWithLast: true },
    { routes: routes6, keptDown: 0, hasSecondaries: false, byPrefix: false, endsWithLast: false }
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

  const fill = (at: Ifaddr, index: number): void => {
    const row = layout.ifaddrs + index * IFADDR_WORDS
    i32[row + IFA_FAMILY] = at.family
    i32.set(at.words, row + IFA_ADDR)
    i32[row + IFA_PREFIXLEN] = at.prefixlen
    i32[row + IFA_SCOPE] = at.scope
    i32[row + IFA_FLAGS] = at.flags
    i32[row + IFA_BROADCAST] = at.broadcast
    i32[row + IFA_SERIAL] = ++serial
    if (index >= i32[top]) i32[top] = index + 1
    Atomics.store(i32, row + IFA_IFINDEX, at.ifindex)
    held.set(at, index)
  }

  /** Adds an address. 0, -EEXIST, -EINVAL (another scope in the same subnet), -ENOBUFS, -ENOSPC. */
  const add = (spec: Ifaddr): number => {
    const at = { ...spec, flags: spec.flags | IFA_F_PERMANENT }
    for (const other of held.keys()) {
      if (other.ifindex !== at.ifindex || other.family !== at.family) continue
      const isSame = sameAddr(other, at.words)
      if (isSame && (!rules(at.family).byPrefix || other.prefixlen === at.prefixlen))
        return -Errno.EEXIST
      if (!sameNet(other, at)) continue
      if (other.scope !== at.scope) return -Errno.EINVAL
      at.flags |= IFA_F_SECONDARY
    }
    if (free.length === 0) return -Errno.ENOBUFS
    const error = addRoutes(routesOf(at))
    if (error !== 0) return error
    fill(at, free.pop()!)
    onEvent('new', at)
    return 0
  }

  const find = (ifindex: number, words: Words, prefixlen: number): Ifaddr | undefined =>
    list().find((at) => at.ifindex === ifindex && at.prefixlen === prefixlen && sameAddr(at, words))

  const drop = (at: Ifaddr): void => {
    const index = held.get(at)!
    const made = routesOf(at)
    held.delete(at)
    Atomics.store(i32, layout.ifaddrs + index * IFADDR_WORDS + IFA_IFINDEX, 0)
    retire(() => {
      free.push(index)
    })
    const needed = list()
      .filter((other) => other.family === at.family && other.ifindex === at.ifindex)
      .flatMap(routesOf)
    const keyOf = (one: RibRoute): string => JSON.stringify(one)
    const kept = new Set(needed.map(keyOf))
    for (const one of made) if (!kept.has(keyOf(one))) rib.remove(one)
    if (!list().some((other) => sameAddr(other, at.words)))
      rib.flush((one) => one.prefsrc !== null && sameAddr(at, one.prefsrc))
    onEvent('del', at)
  }

  /** Deletes an address, and with a primary one the secondaries of its subnet. 0 or -EADDRNOTAVAIL. */
  const remove = (ifindex: number, words: Words, prefixlen: number): number => {
    const at = find(ifindex, words, prefixlen)
    if (at === undefined) return -Errno.EADDRNOTAVAIL
    if ((at.flags & IFA_F_SECONDARY) === 0)
      for (const other of list()) if (other !== at && sameNet(other, at)) drop(other)
    drop(at)
    const isLast = !list().some((o) => o.ifindex === ifindex && o.family === at.family)
    if (isLast && rules(at.family).endsWithLast)
      rib.flush((one) => one.dev === ifindex && one.family === at.family)
    return 0
  }

  /** fe80:: and the modified EUI-64 of the MAC (RFC 4291 appendix A). */
  const linkLocal = (ifindex: number): Words => {
    const m = (deviceRow(arena, ifindex) + DEV_MAC) << 2
    const [a, b, c, d, e, f] = u8.slice(m, m + 6) as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    return [
      0xfe800000 | 0,
      0,
      ((a ^ 2) << 24) | (b << 16) | (c << 8) | 0xff,
      0xfe000000 | (d << 16) | (e << 8) | f,
    ]
  }
  const own = (
    ifindex: number,
    family: number,
    words: Words,
    prefixlen: number,
    scope: number
  ): void => {
    add({ ifindex, family, words, prefixlen, scope, flags: 0, broadcast: 0 })
  }

  /** The device is up (IFF_UP is set): its addresses get their routes back, and those that come by themselves. */
  const deviceUp = (ifindex: number): void => {
    for (const at of list()) if (at.ifindex === ifindex) addRoutes(routesOf(at))
    if (has(ifindex, IFF_LOOPBACK)) {
      own(ifindex, AF_INET, map4(0x7f000001), 8, RT_SCOPE_HOST)
      own(ifindex, AF_INET6, [0, 0, 0, 1], 128, RT_SCOPE_HOST)
      return
    }
    if (i32[deviceRow(arena, ifindex) + DEV_TYPE] !== ARPHRD_ETHER) return
    addRoutes([multicast6(ifindex)])
    own(ifindex, AF_INET6, linkLocal(ifindex), 64, RT_SCOPE_LINK)
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
  /** The device is going away: so does all that names it. */
  const deviceGone = (ifindex: number): void => {
    for (const at of list()) if (at.ifindex === ifindex) drop(at)
    rib.flush((one) => one.dev === ifindex)
  }

  return { add, remove, find, list, deviceUp, deviceDown, deviceGone, forwardingChanged }
}
