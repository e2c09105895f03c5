/**
 * Addresses as their devices go up and down: routes come and go, and the addresses that come by themselves. Control thread only.
 * Linux: fib_netdev_event(), fib_disable_ip() (net/ipv4/fib_frontend.c), addrconf_notify(), addrconf_ifdown() (net/ipv6/addrconf.c).
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import { RTN_ANYCAST, RTN_LOCAL } from '../../base/flowi.ts'
import type { RibRoute } from '../../control/rib/rib-route.ts'
import {
  ARPHRD_ETHER,
  DEV_TYPE,
  deviceRow,
  IFF_LOOPBACK,
  IFF_RUNNING,
  IFF_UP,
  l3mdevOf,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf6, confRow } from '../../shm/devconf.ts'
import type { Words } from '../../wire/text.ts'
import { afInfo } from '../af-ops.ts'
import { RT_SCOPE_HOST, RT_SCOPE_LINK } from '../fib/nexthop-constants.ts'
import { interfaceIdOf } from './eui64.ts'
import { IFA_F_OPTIMISTIC, IFA_F_PERMANENT, IFA_F_STABLE_PRIVACY } from './ifaddr-constants.ts'
import type { Held, HeldAddrs } from './ifaddr-held.ts'
import { type IfaddrRoutes, isBy, map4 } from './ifaddr-routes.ts'
import type { IfaddrTable, IfaddrTableDeps } from './ifaddr-table.ts'
import type { IfaddrTrials } from './ifaddr-trials.ts'
import {
  ADDR_GEN_EUI64,
  ADDR_GEN_NONE,
  ADDR_GEN_RANDOM,
  secretOf,
  stableIdOf,
} from './stable-id.ts'

const LINK_LOCAL: Words = [0xfe800000 | 0, 0, 0, 0]

type IfaddrDevicesDeps = {
  arena: Arena
  random: () => number
  routes: IfaddrRoutes
} & Pick<HeldAddrs, 'list'> &
  Pick<IfaddrTableDeps, 'onFamilyEnd'> &
  Pick<IfaddrTable, 'add' | 'drop'> &
  Pick<IfaddrTrials, 'isTried4' | 'tryAgain' | 'keepDown'>
export type IfaddrDevices = ReturnType<typeof createIfaddrDevices>

export const createIfaddrDevices = (deps: IfaddrDevicesDeps) => {
  const { arena, random, list, add, drop, isTried4, tryAgain, keepDown } = deps
  const { has, hasKeptDown, routesOf, addRoutes, multicast6, followAnycast, flush } = deps.routes
  const { i32 } = arena
  const confOf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  const isOff6 = (ifindex: number): boolean => confOf(ifindex, Conf6.disable_ipv6) !== 0
  const ofDevice = (ifindex: number): Held[] => list().filter((at) => at.ifindex === ifindex)

  const own = (
    ifindex: number,
    family: number,
    words: Words,
    prefixlen: number,
    scope: number,
    more = 0
  ): void => {
    const flags = IFA_F_OPTIMISTIC | more
    add({ ifindex, family, words, prefixlen, scope, flags, broadcast: 0 })
  }
  /** The device is up (IFF_UP is set): its addresses get their routes back, and those that come by themselves. */
  const deviceUp = (ifindex: number): void => {
    for (const at of ofDevice(ifindex)) addRoutes(routesOf(at))
    if (has(ifindex, IFF_LOOPBACK)) {
      own(ifindex, AF_INET, map4(0x7f000001), 8, RT_SCOPE_HOST)
      own(ifindex, AF_INET6, [0, 0, 0, 1], 128, RT_SCOPE_HOST)
    } else if (has(ifindex, IFF_RUNNING)) deviceReady(ifindex)
  }
  /** It is up and has a carrier: it speaks IPv6, by an address of the link (addrconf_dev_config). */
  const deviceReady = (ifindex: number): void => {
    for (const at of ofDevice(ifindex)) if (at.family === AF_INET && isTried4(at)) tryAgain(at)
    if (i32[deviceRow(arena, ifindex) + DEV_TYPE] !== ARPHRD_ETHER || isOff6(ifindex)) return
    // a VRF has no link (addrconf_addr_gen, addrconf_add_dev)
    if (l3mdevOf(arena, ifindex) === ifindex) return
    addRoutes([multicast6(ifindex)])
    addLinkLocal(ifindex)
  }
  /** The address of the link, as addr_gen_mode has it made (addrconf_addr_gen). */
  const addLinkLocal = (ifindex: number): void => {
    const mode = confOf(ifindex, Conf6.addr_gen_mode)
    if (mode === ADDR_GEN_NONE) return
    if (mode === ADDR_GEN_RANDOM) drawSecret(ifindex)
    const isOfMac = mode === ADDR_GEN_EUI64
    const id = isOfMac ? interfaceIdOf(arena, ifindex) : stableIdOf(arena, ifindex, LINK_LOCAL, 0)
    if (id === null) return
    const words: Words = [LINK_LOCAL[0], LINK_LOCAL[1], ...id]
    own(ifindex, AF_INET6, words, 64, RT_SCOPE_LINK, isOfMac ? 0 : IFA_F_STABLE_PRIVACY)
  }
  const drawSecret = (ifindex: number): void => {
    if (secretOf(arena, ifindex) !== 0) return
    const at = confRow(arena, ifindex) + Conf6.stable_secret
    for (let k = 0; k < 4; k++) i32[at + k] = random()
  }
  /** IPv6 is off on the device now, or on again (addrconf_disable_change). */
  const switched6 = (ifindex: number): void => {
    if (!isOff6(ifindex)) return has(ifindex, IFF_UP) ? deviceUp(ifindex) : undefined
    for (const at of ofDevice(ifindex)) if (at.family === AF_INET6) drop(at)
    flush((one) => isBy(ifindex)(one) && one.family === AF_INET6)
    deps.onFamilyEnd(ifindex, AF_INET6)
  }
  /** Devices forward IPv6 now, or no longer: a router has addresses that a host has not. */
  const forwardingChanged = (): void => {
    for (const at of list()) {
      if (at.family !== AF_INET6) continue
      addRoutes(routesOf(at))
      const { ifindex } = at
      if (confOf(ifindex, Conf6.forwarding) !== 0) continue
      flush((one) => one.type === RTN_ANYCAST && one.dev === ifindex)
    }
    followAnycast()
  }
  const isKept6 = ({ ifindex, family, flags, scope }: Held): boolean =>
    family === AF_INET6 &&
    (flags & IFA_F_PERMANENT) !== 0 &&
    scope < RT_SCOPE_LINK &&
    (confOf(CONF_ALL, Conf6.keep_addr_on_down) || confOf(ifindex, Conf6.keep_addr_on_down)) > 0
  /**
   * The device is down (IFF_UP is clear): routes through it go, but for those to its IPv4 addresses, which
   * stay; its IPv6 addresses go, but for those that nobody has given for a time where keep_addr_on_down says so.
   */
  const deviceDown = (ifindex: number): void => {
    for (const at of ofDevice(ifindex)) {
      if (isKept6(at)) keepDown(at)
      else if (!hasKeptDown(at.family)) drop(at)
    }
    const isKept = ({ family, type, plen }: Pick<RibRoute, 'family' | 'type' | 'plen'>): boolean =>
      hasKeptDown(family) && type === RTN_LOCAL && plen === afInfo(family).addrBits
    flush((one) => one.dev === ifindex && !isKept(one))
    followAnycast()
  }
  /** The device, which is down, is of another domain from now on: no route by it stays. */
  const domainLeft = (ifindex: number): void => {
    flush((one) => one.dev === ifindex)
  }
  /** The device is going away: so does all that names it. */
  const deviceGone = (ifindex: number): void => {
    for (const at of ofDevice(ifindex)) drop(at)
    flush((one) => one.dev === ifindex)
  }

  return { deviceUp, deviceReady, deviceDown, domainLeft, deviceGone, forwardingChanged, switched6 }
}
