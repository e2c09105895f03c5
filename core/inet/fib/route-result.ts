/**
 * What the lookups of routes have in common: what they ask of devices, and the result that they fill. Called by route-input.ts and
 * route-output.ts, on any thread. Linux: rt_set_nexthop(), ip_rt_get_dev(), ip6_rt_get_dev_rcu().
 */
import { Errno } from '../../base/errno.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_F_NO_DST,
  FL_FLAGS,
  FL_L3MDEV,
  FL_MTU,
  FL_MTU_LOCKED,
  FL_TYPE,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import { DEV_FLAGS, DEV_L3MDEV, DEV_MTU, IFF_LOOPBACK } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf6, confRow } from '../../shm/devconf.ts'
import { dstMetricLocked, RTAX_MTU } from '../../shm/dst-metrics.ts'
import { DEVICE_WORDS } from '../../shm/layout.ts'
import { byFamily } from '../af-ops.ts'
import { LOOPBACK_IFINDEX, NH_DEV, NH_MTU, NH_NEXT } from './nexthop-constants.ts'

export type RouteResult = ReturnType<typeof createRouteResult>

export const createRouteResult = (arena: Arena) => {
  const { i32, layout } = arena
  const { devices } = layout
  const confAll = confRow(arena, CONF_ALL)

  const flagsOf = (ifindex: number): number => i32[devices + ifindex * DEVICE_WORDS + DEV_FLAGS]
  const l3mdevOf = (ifindex: number): number => i32[devices + ifindex * DEVICE_WORDS + DEV_L3MDEV]
  /** By this device comes only what was sent here, along the route that it was sent by: lo, and a VRF to its own addresses. */
  const isLoop = (fl: Flowi, iif: number): boolean =>
    (isLoopback(iif) || iif === fl[FL_L3MDEV]) && (fl[FL_FLAGS] & FL_F_NO_DST) === 0
  const isLoopback = (ifindex: number): boolean => (flagsOf(ifindex) & IFF_LOOPBACK) !== 0
  /** First of a prefix's routes that leaves by oif, or 0. */
  const viaDevice = (row: number, oif: number): number => {
    while (row !== 0 && i32[row + NH_DEV] !== oif) row = i32[row + NH_NEXT]
    return row
  }
  /** By which device goes what stays here, in the domain of the row's device (ip_rt_get_dev). */
  const loopOf = (row: number): number => l3mdevOf(i32[row + NH_DEV]) || LOOPBACK_IFINDEX
  const either = (ifindex: number, setting: number): boolean =>
    (i32[confAll + setting] | i32[confRow(arena, ifindex) + setting]) !== 0
  const both = (ifindex: number, setting: number): boolean =>
    (i32[confAll + setting] & i32[confRow(arena, ifindex) + setting]) !== 0

  /** Fills the result: `row` leads out by `dev`. */
  const found = (fl: Flowi, row: number, type: number, dev: number): number => {
    fl[FL_DST] = row
    fl[FL_TYPE] = type
    fl[FL_DEV] = dev
    const mtu = i32[row + NH_MTU]
    if (mtu !== 0 && type === RTN_UNICAST) {
      fl[FL_MTU] = mtu
      fl[FL_MTU_LOCKED] = dstMetricLocked(i32, row, RTAX_MTU) ? 1 : 0
    } else {
      fl[FL_MTU] = deviceMtu(fl[FL_FAMILY])(dev)
      fl[FL_MTU_LOCKED] = 0
    }
    return 0
  }
  /**
   * As found, of what was received and is sent on: of IPv6 no larger than the link takes, unless the route's MTU is locked
   * (ip6_dst_mtu_maybe_forward). What is smaller counts, as it does in IPv4.
   */
  const foundForward = (fl: Flowi, row: number): number => {
    const dev = i32[row + NH_DEV]
    found(fl, row, RTN_UNICAST, dev)
    const link = forwardMtu(fl[FL_FAMILY])(dev)
    if (fl[FL_MTU] > link && fl[FL_MTU_LOCKED] === 0) fl[FL_MTU] = link
    return 0
  }
  const mtuOf = (dev: number): number => i32[devices + dev * DEVICE_WORDS + DEV_MTU]
  /** What a router has said of the link, or whoever set it, is not more than the device's own (RFC 4861 section 6.3.4). */
  const mtuOf6 = (dev: number): number => {
    const own = mtuOf(dev)
    const set = i32[confRow(arena, dev) + Conf6.mtu]
    return set !== 0 && set < own ? set : own
  }
  const deviceMtu = byFamily(mtuOf, mtuOf6)
  const forwardMtu = byFamily<(dev: number) => number>(() => Infinity, mtuOf6)
  /** errno of a route that leads nowhere. */
  const refusal = (type: number): number =>
    type === RTN_BLACKHOLE
      ? -Errno.EINVAL
      : type === RTN_PROHIBIT
        ? -Errno.EACCES
        : -Errno.EHOSTUNREACH

  return {
    flagsOf,
    l3mdevOf,
    isLoop,
    isLoopback,
    viaDevice,
    loopOf,
    either,
    both,
    found,
    foundForward,
    refusal,
  }
}
