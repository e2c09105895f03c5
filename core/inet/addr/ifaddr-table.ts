/**
 * Interface addresses enter, change and leave, and their routes with them. Control thread only.
 * Linux: inet_insert_ifa(), inet_del_ifa() (net/ipv4/devinet.c), ipv6_add_addr(), ipv6_del_addr() (net/ipv6/addrconf.c).
 */
import { AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Rib } from '../../control/rib/rib.ts'
import type { RibRoute } from '../../control/rib/rib-route.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import type { Words } from '../../wire/text.ts'
import { byFamily } from '../af-ops.ts'
import {
  FOREVER,
  IFA_F_DEPRECATED,
  IFA_F_HOMEADDRESS,
  IFA_F_MANAGETEMPADDR,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_F_TENTATIVE,
} from './ifaddr-constants.ts'
import {
  type Held,
  type HeldAddrs,
  type HeldEvent,
  type Ifaddr,
  type NewIfaddr,
  sameAddr,
} from './ifaddr-held.ts'
import { type IfaddrRoutes, isBy, network6 } from './ifaddr-routes.ts'
import type { IfaddrTrials } from './ifaddr-trials.ts'

/** Two hours: nobody who forges a router's word can end an address sooner (RFC 4862 section 5.5.3 e). */
const LEAST_VALID = 7200
/** Flags that are set anew with an address that is there (inet6_addr_modify). */
const MODIFIED = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE

export type IfaddrTableDeps = {
  arena: Arena
  rib: Pick<Rib, 'flush' | 'remove'>
  held: HeldAddrs
  routes: IfaddrRoutes
  onEvent: (event: 'new' | 'changed' | 'del', address: Ifaddr) => void
  /** control/control.ts: the device speaks the family no longer. */
  onFamilyEnd: (ifindex: number, family: number) => void
  /** ifaddr-temporary.ts */
  onHeld: (event: HeldEvent, at: Held) => void
} & Pick<IfaddrTrials, 'firstFlags'>
export type IfaddrTable = ReturnType<typeof createIfaddrTable>

/** How the addresses of a family behave. */
type Rules = {
  /** One address may stand twice, with different prefixes. */
  byPrefix: boolean
  /** Without an address a device no longer speaks it: all its routes go, and its neighbours (fib_disable_ip). */
  endsWithLast: boolean
}
const rules = byFamily<Rules>(
  { byPrefix: true, endsWithLast: true },
  { byPrefix: false, endsWithLast: false }
)
/** The flags that follow from lifetimes. */
const agingFlags = (validLft: number, preferredLft: number): number =>
  (validLft >= FOREVER ? IFA_F_PERMANENT : 0) | (preferredLft === 0 ? IFA_F_DEPRECATED : 0)

export const createIfaddrTable = (deps: IfaddrTableDeps) => {
  const { arena, rib, held, onEvent, onHeld, onFamilyEnd, firstFlags } = deps
  const { list, seen, secondsTo, setFlags, setLifetimes } = held
  const { sameNet, hasPrefix6, routesOf, addRoutes, removeRoutes, change } = deps.routes
  const { setPrefixEnd, followAnycast } = deps.routes
  const onChanged = (at: Held): void => onEvent('changed', seen(at))

  const isOff6 = (ifindex: number): boolean =>
    arena.i32[confRow(arena, ifindex) + Conf6.disable_ipv6] !== 0
  /** Adds an address, which is as it is held then: -EEXIST, -EINVAL (another scope in the same subnet), -EACCES (no IPv6 there), -ENOBUFS, -ENOSPC. */
  const enter = (spec: NewIfaddr): Held | number => {
    const { validLft = FOREVER, preferredLft = FOREVER, ...rest } = spec
    const at: Held = { ...rest, index: 0, validUntil: 0, preferredUntil: 0 }
    at.flags &= ~IFA_F_OPTIMISTIC
    at.flags |= agingFlags(validLft, preferredLft) | firstFlags(at.family)(spec)
    for (const other of list()) {
      if (other.ifindex !== at.ifindex || other.family !== at.family) continue
      const isSame = sameAddr(other, at.words)
      if (isSame && (!rules(at.family).byPrefix || other.prefixlen === at.prefixlen))
        return -Errno.EEXIST
      if (!sameNet(other, at)) continue
      if (other.scope !== at.scope) return -Errno.EINVAL
      at.flags |= IFA_F_SECONDARY
    }
    if (at.family === AF_INET6 && isOff6(at.ifindex)) return -Errno.EACCES
    if (!held.hasRoom()) return -Errno.ENOBUFS
    const error = addRoutes(routesOf(at))
    if (error !== 0) return error
    held.enter(at, validLft, preferredLft)
    setPrefixEnd(at)
    onEvent('new', seen(at))
    followAnycast()
    onHeld('set', at)
    return at
  }
  /** The same: 0, or why not. */
  const add = (spec: NewIfaddr): number => {
    const at = enter(spec)
    return typeof at === 'number' ? at : 0
  }

  const findHeld = (ifindex: number, words: Words, prefixlen: number): Held | undefined =>
    list().find((at) => at.ifindex === ifindex && at.prefixlen === prefixlen && sameAddr(at, words))
  const find = (ifindex: number, words: Words, prefixlen: number): Ifaddr | undefined => {
    const at = findHeld(ifindex, words, prefixlen)
    return at && seen(at)
  }
  /** Changes lifetimes and flags of an address that is there (`ip addr change`). */
  const modify = ({ ifindex, words, prefixlen, flags, validLft, preferredLft }: Ifaddr): void => {
    const at = findHeld(ifindex, words, prefixlen)!
    change(at, () => {
      const kept = at.flags & ~(MODIFIED | IFA_F_PERMANENT | IFA_F_DEPRECATED)
      setFlags(at, kept | (flags & MODIFIED) | agingFlags(validLft, preferredLft))
      setLifetimes(at, validLft, preferredLft)
    })
    setPrefixEnd(at)
    onChanged(at)
    onHeld('set', at)
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
    if ((at.flags & IFA_F_TENTATIVE) === 0) onChanged(at)
    onHeld('set', at)
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

  const drop = (at: Held): void => {
    const made = routesOf(at)
    onHeld('left', at)
    held.leave(at)
    removeRoutes(made, at)
    setPrefixEnd(at)
    if (!list().some((other) => sameAddr(other, at.words)))
      rib.flush((one) => one.prefsrc !== null && sameAddr(at, one.prefsrc) && !outlives6(one))
    onEvent('del', seen(at))
    followAnycast()
  }
  /** An IPv6 route by a nexthop object keeps a source that is gone (fib6_remove_prefsrc). */
  const outlives6 = ({ family, nhid }: Pick<RibRoute, 'family' | 'nhid'>): boolean =>
    family === AF_INET6 && nhid !== undefined
  /** With a primary address the secondaries of its subnet go, unless the first of them is to take its place. */
  const take = (at: Held): void => {
    const isPrimary = (at.flags & IFA_F_SECONDARY) === 0
    const others = isPrimary ? list().filter((other) => other !== at && sameNet(other, at)) : []
    const [heir] = others
    if (heir !== undefined && isPromoting(at.ifindex)) promote(heir, others, at)
    else for (const other of [...others, at]) drop(other)
    const { ifindex, family } = at
    const isLast = !list().some((o) => o.ifindex === ifindex && o.family === family)
    if (!isLast || !rules(family).endsWithLast) return
    rib.flush((one) => isBy(ifindex)(one) && one.family === family)
    onFamilyEnd(ifindex, family)
  }
  const isPromoting = (ifindex: number): boolean =>
    [ifindex, CONF_ALL].some((row) => arena.i32[confRow(arena, row) + Conf4.promote_secondaries])
  /** What leads to and from the subnet stays, from another source (__inet_del_ifa). */
  const promote = (heir: Held, others: readonly Held[], at: Held): void => {
    for (const one of others.flatMap(routesOf)) rib.remove(one)
    drop(at)
    held.renumber(heir)
    setFlags(heir, heir.flags & ~IFA_F_SECONDARY)
    onChanged(heir)
    for (const other of others) addRoutes(routesOf(other))
  }
  /** Deletes an address. 0 or -EADDRNOTAVAIL. */
  const remove = (ifindex: number, words: Words, prefixlen: number): number => {
    const at = findHeld(ifindex, words, prefixlen)
    if (at === undefined) return -Errno.EADDRNOTAVAIL
    onHeld('removed', at)
    take(at)
    return 0
  }
  const expire = (): void => held.expire(take, onChanged)

  return {
    enter,
    add,
    modify,
    remove,
    drop,
    find,
    list: (): Ifaddr[] => list().map(seen),
    expire,
    renewAuto,
    countOf,
    hasNetwork,
  }
}
