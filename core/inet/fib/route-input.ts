/**
 * Where a received packet goes. Any thread, no allocation, no lock: reads the forwarding tries, the device and the address rows. The
 * families differ in what they take for a martian. Made by route.ts. Linux: ip_route_input_slow() (net/ipv4/route.c),
 * ip6_route_input() (net/ipv6/route.c); RFC 1122 3.2.1.3 and RFC 1812 5.3.7.
 */
import { isAnyAddr } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  FL_DADDR,
  FL_F_FORWARD,
  FL_FAMILY,
  FL_FLAGS,
  FL_IIF,
  FL_L3MDEV,
  FL_OURS,
  FL_PROTO,
  FL_SADDR,
  FL_TYPE,
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import { DEV_MC_ROLE4 } from '../../netdev/netdev.ts'
import { CONF_ALL, Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import { DEVICE_WORDS } from '../../shm/layout.ts'
import { IPPROTO_IGMP } from '../../wire/ipproto.ts'
import {
  isMulticast4,
  isLoopback4,
  isZeronet4,
  isBroadcast4,
  isLocalMulticast4,
  isMulticast6,
  isLinkLocal6,
} from '../addr/addr-kinds.ts'
import { byFamily } from '../af-ops.ts'
import type { FibReader } from './fib.ts'
import { MC_ROLE_NONE } from '../mc/mfc-constants.ts'
import { NH_DEV, NH_HOPS_LEFT, NH_METRIC, NH_NEXT, NH_TYPE } from './nexthop-constants.ts'
import { onlinkRow } from './onlink-row.ts'
import type { L3Tables } from '../l3mdev.ts'
import type { McTable } from '../mc/mc-table.ts'
import type { Arena } from '../../shm/arena.ts'
import type { ValidateSource } from './fib-validate-source.ts'
import type { Multipath } from './multipath/multipath.ts'
import type { RouteResult } from './route-result.ts'

type RouteInputDeps = {
  arena: Arena
  fib: FibReader
} & Pick<L3Tables, 'local6' | 'main6'> &
  Pick<McTable, 'checkMc' | 'hasMc'> &
  Pick<Multipath, 'selectPath'> &
  RouteResult &
  ValidateSource

export const createRouteInput = (deps: RouteInputDeps) => {
  const { arena, local6, main6, checkMc, hasMc, selectPath, validateSource4 } = deps
  const { l3mdevOf, isLoop, viaDevice, loopOf, either, both, found, foundForward, refusal } = deps
  const { fibLookup4, fibLookup6 } = deps.fib
  const { i32, layout } = arena
  const { devices } = layout
  const confAll = confRow(arena, CONF_ALL)
  const isZero = isAnyAddr

  /** Does multicast pass through the device? */
  const mayPass = (ifindex: number, role: number): boolean =>
    i32[devices + ifindex * DEVICE_WORDS + role] !== MC_ROLE_NONE
  const routeInput4 = (fl: Flowi): number => {
    const saddr = fl[FL_SADDR + 3]
    const daddr = fl[FL_DADDR + 3]
    const iif = fl[FL_IIF]
    fl[FL_L3MDEV] = l3mdevOf(iif)
    const looped = isLoop(fl, iif)
    if (isMulticast4(saddr) || isBroadcast4(saddr)) return -Errno.EINVAL
    if (isBroadcast4(daddr) || (saddr === 0 && daddr === 0)) {
      // a host without an address yet asks this way
      const error = isZeronet4(saddr) ? 0 : validateSource4(fl)
      if (error !== 0) return error
      return found(fl, onlinkRow(arena, iif), RTN_BROADCAST, iif)
    }
    if (isMulticast4(daddr)) return groupInput4(fl, saddr, daddr, looped)
    if (isZeronet4(saddr) || isZeronet4(daddr)) return -Errno.EINVAL
    if (!looped && (isLoopback4(saddr) || isLoopback4(daddr)))
      if (!either(iif, Conf4.route_localnet)) return -Errno.EINVAL
    const forwards = i32[confRow(arena, iif) + Conf4.forwarding] !== 0
    return deliverOrForward(fl, fibLookup4(fl), forwards, !forwards, validateSource4)
  }

  /**
   * Only a group that the device has joined is for us, others at most pass through; and only from senders that can be
   * (ip_route_input_mc).
   */
  const groupInput4 = (fl: Flowi, saddr: number, daddr: number, looped: boolean): number => {
    const iif = fl[FL_IIF]
    const isIgmp = fl[FL_PROTO] === IPPROTO_IGMP
    const ours = isIgmp ? hasMc(iif, fl, FL_DADDR) : checkMc(iif, fl, FL_DADDR, fl, FL_SADDR)
    fl[FL_OURS] = ours ? 1 : 0
    const passes = mayPass(iif, DEV_MC_ROLE4) && !isLocalMulticast4(daddr)
    if (!ours && !passes) return -Errno.EINVAL
    if (isLoopback4(saddr) && !looped) return -Errno.EINVAL
    if (isZeronet4(saddr)) {
      if (!isLocalMulticast4(daddr) && !isIgmp) return -Errno.EINVAL
    } else {
      const error = validateSource4(fl)
      if (error !== 0) return error
    }
    return found(fl, onlinkRow(arena, iif), RTN_MULTICAST, iif)
  }

  const routeInput6 = (fl: Flowi): number => {
    const w0 = fl[FL_DADDR]
    const iif = fl[FL_IIF]
    fl[FL_L3MDEV] = l3mdevOf(iif)
    const looped = isLoop(fl, iif)
    if (isMulticast6(fl[FL_SADDR])) return -Errno.EINVAL
    // whether the group is ours is asked behind this, where it is counted first (ip6_mc_input)
    if (isMulticast6(w0)) return found(fl, onlinkRow(arena, iif), RTN_MULTICAST, iif)
    if (isZero(fl, FL_DADDR)) return -Errno.ENETUNREACH
    if (!looped && (isLoopback6(fl, FL_SADDR) || isLoopback6(fl, FL_DADDR))) return -Errno.EINVAL
    const all = confAll + Conf6.forwarding
    const forwarding = i32[all] !== 0 ? all : confRow(arena, iif) + Conf6.force_forwarding
    const row = isLinkLocal6(w0) && !looped ? linkRow(fl, iif) : nearRow6(fibLookup6(fl), iif)
    return deliverOrForward(fl, row, i32[forwarding] !== 0, false, anySource)
  }
  /**
   * An address of a link is ours or another's by what that link has (RFC 4007 section 9), and is sent on to no other (RFC
   * 4291 section 2.5.6).
   */
  const linkRow = (fl: Flowi, iif: number): number => {
    const own = viaDevice(local6(fl[FL_L3MDEV], fl, FL_DADDR), iif)
    return own || viaDevice(main6(fl[FL_L3MDEV], fl, FL_DADDR), iif) || -Errno.ENETUNREACH
  }
  /** Of routes to a prefix that are worth the same, the first that leads by the device that the packet came by (rt6_score_route). */
  const nearRow6 = (first: number, iif: number): number => {
    if (first < 0 || i32[first + NH_NEXT] === 0) return first
    let route = first
    for (let hop = first; hop !== 0; hop = i32[hop + NH_NEXT]) {
      if (i32[hop + NH_METRIC] !== i32[first + NH_METRIC]) return first
      if (i32[hop + NH_DEV] === iif) return route
      if (i32[hop + NH_HOPS_LEFT] === 0) route = i32[hop + NH_NEXT]
    }
    return first
  }
  const isLoopback6 = (fl: Flowi, at: number): boolean =>
    fl[at] === 0 && fl[at + 1] === 0 && fl[at + 2] === 0 && fl[at + 3] === 1

  const anySource = (): number => 0

  /** Who does not forward says of IPv4 not even where nothing leads (ip_route_input_slow; ip6_route_input asks later). */
  const deliverOrForward = (
    fl: Flowi,
    row: number,
    forwards: boolean,
    hidesErrors: boolean,
    validateSource: (fl: Flowi) => number
  ): number => {
    if (row < 0) return hidesErrors ? -Errno.EHOSTUNREACH : row
    const type = i32[row + NH_TYPE]
    if (type === RTN_UNICAST) {
      if (!forwards && hidesErrors) return -Errno.EHOSTUNREACH
      const error = validateSource(fl)
      if (error !== 0) return error
      foundForward(fl, selectPath(row, fl))
      return forwards ? 0 : -Errno.EHOSTUNREACH
    }
    if (type === RTN_ANYCAST || type === RTN_MULTICAST)
      return toOdd(fl[FL_FAMILY])(fl, row, forwards)
    if (type > RTN_BROADCAST) {
      fl[FL_TYPE] = type
      return hidesErrors ? -Errno.EHOSTUNREACH : refusal(type)
    }
    const error = isZero(fl, FL_SADDR) ? 0 : validateSource(fl)
    if (error !== 0) return error
    if (type === RTN_BROADCAST && both(fl[FL_IIF], Conf4.bc_forwarding)) {
      fl[FL_FLAGS] = FL_F_FORWARD
      const hop = selectPath(row, fl)
      return found(fl, hop, type, i32[hop + NH_DEV])
    }
    return found(fl, row, type, type === RTN_LOCAL ? loopOf(row) : fl[FL_IIF])
  }

  /** IPv4 knows of no addresses that routers share, and of groups by their addresses alone (ip_route_input_slow). */
  const toOdd4 = (_fl: Flowi, _row: number, forwards: boolean): number =>
    forwards ? -Errno.EINVAL : -Errno.EHOSTUNREACH
  /** A route that is said to be to groups, and is not, is one as any. */
  const toOdd6 = (fl: Flowi, row: number, forwards: boolean): number => {
    if (i32[row + NH_TYPE] === RTN_ANYCAST) return found(fl, row, RTN_ANYCAST, loopOf(row))
    foundForward(fl, selectPath(row, fl))
    return forwards ? 0 : -Errno.EHOSTUNREACH
  }
  /** A received packet whose route is to an anycast address, or said to be to groups. */
  const toOdd = byFamily(toOdd4, toOdd6)
  const ofFamily = byFamily(routeInput4, routeInput6)

  /**
   * Where a received packet goes, of either family: FL_FAMILY, FL_SADDR, FL_DADDR and FL_IIF in; FL_TYPE LOCAL, BROADCAST,
   * ANYCAST, MULTICAST (all for this host) or UNICAST (to forward), FL_DST, FL_DEV and FL_MTU out.
   */
  const routeInput = (fl: Flowi): number => ofFamily(fl[FL_FAMILY])(fl)

  return { routeInput, routeInput4, routeInput6 }
}
