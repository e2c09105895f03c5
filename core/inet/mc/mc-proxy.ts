/**
 * Multicast routes that follow from what is wanted: a packet that has none goes to the links whose hosts want it
 * (mc-querier.ts), and what they want is joined where the rest of the network is. One for each family; CPU 0.
 * RFC 4605; RFC 3376 section 6.3. Linux has daemons for it (mcproxy, igmpproxy) over net/ipv4/ipmr.c.
 */
import { copyAddr } from '../../base/family.ts'
import { createFlowi, FL_DADDR, FL_DEV, FL_FAMILY, FL_TYPE, RTN_UNICAST } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_MC_ROLE4,
  DEV_MC_ROLE6,
  deviceRow,
  IFF_UP,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Words } from '../../wire/text.ts'
import { byFamily } from '../af-ops.ts'
import { type McFilter, takesSource } from './mc-filter.ts'
import type { McQuerier } from './mc-querier.ts'
import { MC_ROLE_DOWNSTREAM, MC_ROLE_NONE, MC_ROLE_UPSTREAM, MFC_PACKETS } from './mfc-constants.ts'
import type { Pmtu } from '../dst/pmtu.ts'
import type { MfcRoute, MfcWriter } from './mfc-table.ts'

type McProxyDeps = {
  arena: Arena
  family: number
  time: Time
  wheel: TimerWheel
  timer: number
  /** Found routes, of both families. */
  writer: MfcWriter
  querier: Pick<McQuerier, 'setLink' | 'wantedOn' | 'groupsOn'>
  /** core/stack/multicast.ts: the device's own groups are to be made anew (mc-groups.ts). */
  remake: (ifindex: number, words: Words) => void
  /** core/stack/multicast.ts: routes have been found: those who wait for one look again. */
  tellWaiting: () => void
} & Pick<Pmtu, 'routeOutput'>
export type McProxy = ReturnType<typeof createMcProxy>

type Found = { route: MfcRoute; packets: number; checkedAt: number }

/** An unresolved route, and one that nothing uses, live so long; used ones are looked at as often. */
const UNRESOLVED_MS = 10_000
const UNUSED_MS = 120_000
const LOOK_MS = 5000

export const createMcProxy = (deps: McProxyDeps) => {
  const { arena, family, time, wheel, timer, writer, querier } = deps
  const { routeOutput, remake, tellWaiting } = deps
  const { i32, layout } = arena
  const roleWord = byFamily(DEV_MC_ROLE4, DEV_MC_ROLE6)(family)
  const found = new Map<string, Found>()
  const fl = createFlowi()
  const keyOf = (source: Words, group: Words): string => `${source.join(' ')} ${group.join(' ')}`

  // ---- devices

  const roleOf = (ifindex: number): number => {
    const row = deviceRow(arena, ifindex)
    const isUsable = i32[row + DEV_IFINDEX] === ifindex && (i32[row + DEV_FLAGS] & IFF_UP) !== 0
    return isUsable ? i32[row + roleWord] : MC_ROLE_NONE
  }
  const roles = new Int32Array(layout.config.devices)
  const withRole = (role: number): number[] =>
    [...roles.keys()].filter((ifindex) => roles[ifindex] === role)

  // ---- what is wanted

  /** What the other links want of a group, to be joined by an upstream device. */
  const proxied = (ifindex: number, words: Words): McFilter[] =>
    roles[ifindex] !== MC_ROLE_UPSTREAM
      ? []
      : withRole(MC_ROLE_DOWNSTREAM).flatMap((dev) => querier.wantedOn(dev, words) ?? [])
  /** The groups that an upstream device joins. */
  const proxiedGroups = (ifindex: number): Words[] =>
    roles[ifindex] !== MC_ROLE_UPSTREAM
      ? []
      : withRole(MC_ROLE_DOWNSTREAM).flatMap((dev) => querier.groupsOn(dev))

  // ---- routes

  /** The device towards a source; 0 when nothing leads there. */
  const towards = (source: Words): number => {
    fl.fill(0)
    fl[FL_FAMILY] = family
    copyAddr(fl, FL_DADDR, Int32Array.from(source), 0)
    return routeOutput(fl) === 0 && fl[FL_TYPE] === RTN_UNICAST ? fl[FL_DEV] : 0
  }
  /** Where packets of the source are to come in (the reverse path); else upstream, which may be the only way there is. */
  const iifOf = (source: Words, iif: number): number => {
    const dev = towards(source)
    if (dev !== 0 && roles[dev] !== MC_ROLE_NONE) return dev
    return roles[iif] === MC_ROLE_UPSTREAM || dev === 0 ? iif : dev
  }
  const oifsOf = (source: Words, group: Words, iif: number): MfcRoute['oifs'] => {
    if (roles[iif] === MC_ROLE_NONE) return []
    const wanting = withRole(MC_ROLE_DOWNSTREAM).filter((dev) => {
      const wanted = querier.wantedOn(dev, group)
      return wanted !== null && takesSource(wanted, source)
    })
    // what begins here may be wanted anywhere (RFC 4605 section 4.2)
    return [...wanting, ...withRole(MC_ROLE_UPSTREAM)]
      .filter((dev) => dev !== iif)
      .map((ifindex) => ({ ifindex, ttl: 1 }))
  }
  const isAutomatic = (): boolean =>
    withRole(MC_ROLE_DOWNSTREAM).length + withRole(MC_ROLE_UPSTREAM).length > 0
  const compute = (source: Words, group: Words, iif: number): MfcRoute => {
    if (!isAutomatic()) return { iif, source, group, oifs: [], isUnresolved: true }
    const own = iifOf(source, iif)
    return { iif: own, source, group, oifs: oifsOf(source, group, own), isUnresolved: false }
  }
  const drop = ({ route: { source, group } }: Found): void => {
    writer.remove(source, group)
    found.delete(keyOf(source, group))
  }
  const set = (route: MfcRoute): void => {
    const { source, group } = route
    // the oldest gives way
    if (!writer.has(source, group) && !writer.set(route)) {
      for (const oldest of found.values()) {
        drop(oldest)
        break
      }
      if (!writer.set(route)) return
    } else writer.set(route)
    found.set(keyOf(source, group), { route, packets: 0, checkedAt: time[TIME_MS] })
    wheel.arm(timer, LOOK_MS, fn)
  }
  /** A packet of (source, group) came in by a device, and there is no route for it. */
  const miss = (iif: number, source: Words, group: Words): void => {
    if (iif <= 0 || iif >= layout.config.devices || roles[iif] === MC_ROLE_NONE) return
    const known = found.get(keyOf(source, group))
    if (known === undefined || known.route.isUnresolved) set(compute(source, group, iif))
    tellWaiting()
  }
  /** What is wanted of a group on a link has changed (mc-querier.ts). */
  const wantedChanged = (_ifindex: number, group: Words): void => {
    const key = group.join(' ')
    for (const { route } of [...found.values()])
      if (route.group.join(' ') === key) writer.set(recompute(route))
    for (const upstream of withRole(MC_ROLE_UPSTREAM)) remake(upstream, group)
  }
  const recompute = (route: MfcRoute): MfcRoute => {
    const made = compute(route.source, route.group, route.iif)
    found.get(keyOf(route.source, route.group))!.route = made
    return made
  }

  /** Unused routes go; so do those that nobody has resolved. */
  const look = (): void => {
    for (const one of [...found.values()]) {
      const { source, group, isUnresolved } = one.route
      const packets = writer.sum(source, group, MFC_PACKETS)
      const age = (time[TIME_MS] - one.checkedAt) | 0
      if (packets !== one.packets) {
        one.packets = packets
        one.checkedAt = time[TIME_MS]
      } else if (age >= (isUnresolved ? UNRESOLVED_MS : UNUSED_MS)) drop(one)
    }
    if (found.size > 0) wheel.arm(timer, LOOK_MS, fn)
  }
  const fn = wheel.register(look)

  const hasChanged = (): boolean => {
    for (let ifindex = 1; ifindex < roles.length; ifindex++)
      if (roleOf(ifindex) !== roles[ifindex]) return true
    return false
  }
  /** Control may have given devices other roles, or taken them down; or the way to sources is another. */
  const refresh = (): void => {
    if (!hasChanged()) return
    const upstreams = withRole(MC_ROLE_UPSTREAM)
    for (let ifindex = 1; ifindex < roles.length; ifindex++) {
      const role = roleOf(ifindex)
      if (role === roles[ifindex]) continue
      roles[ifindex] = role
      querier.setLink(ifindex, role === MC_ROLE_DOWNSTREAM)
    }
    for (const one of [...found.values()]) drop(one)
    const groups = withRole(MC_ROLE_DOWNSTREAM).flatMap((dev) => querier.groupsOn(dev))
    for (const upstream of new Set([...upstreams, ...withRole(MC_ROLE_UPSTREAM)]))
      for (const words of groups) remake(upstream, words)
    tellWaiting()
  }

  return { miss, wantedChanged, proxied, proxiedGroups, refresh, roleOf }
}
