/**
 * The way of a packet that is made here, and its sender's address where that was left open. Any thread, no allocation, no lock: reads the
 * forwarding tries, the device and the address rows. Made by route.ts. Linux: ip_route_output_key_hash_rcu() (net/ipv4/route.c),
 * ip6_route_output_flags() and ip6_dst_lookup_tail() (net/ipv6).
 */
import { copyAddr, isAnyAddr, isSameAddr, isV4Mapped, needsZone } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  FL_DADDR,
  FL_FAMILY,
  FL_F_ANYSRC,
  FL_F_BOUND,
  FL_F_LINK_SCOPE,
  FL_FLAGS,
  FL_L3MDEV,
  FL_OIF,
  FL_SADDR,
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import { IFF_LOOPBACK, IFF_UP, isDevice } from '../../netdev/netdev.ts'
import { Conf4 } from '../../shm/devconf.ts'
import {
  isMulticast4,
  isLoopback4,
  isBroadcast4,
  isLocalMulticast4,
  isMulticast6,
} from '../addr/addr-kinds.ts'
import { byFamily } from '../af-ops.ts'
import type { FibReader } from './fib.ts'
import {
  NH_BY_ID,
  NH_DEV,
  NH_GATEWAY,
  NH_METRIC,
  NH_NEXT,
  NH_PREFSRC,
  NH_SCOPE,
  NH_TYPE,
  NH_UPPER_BOUND,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
} from './nexthop-constants.ts'
import { onlinkRow } from './onlink-row.ts'
import type { SourceSelection } from '../addr/source.ts'
import type { L3Tables } from '../l3mdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Multipath } from './multipath/multipath.ts'
import type { RouteResult } from './route-result.ts'

const V4_PREFIX = 0xffff
const INADDR_LOOPBACK = 0x7f000001
const LOOPBACK6 = Int32Array.of(0, 0, 0, 1)

/** What the families do differently. */
type RouteFamily = {
  fibLookup: (fl: Flowi) => number
  fibLookupBound: (fl: Flowi) => number
  kindOf: (fl: Flowi) => number
  /** Fill FL_SADDR, for what goes by `dev` along `row`, or to a group; false when no address will do. */
  chooseSource: (fl: Flowi, row: number, dev: number) => boolean
  chooseGroupSource: (fl: Flowi, dev: number) => boolean
  /** Where a packet to a group leaves because of its source, or 0. */
  groupDevice: (fl: Flowi) => number
  /** Its source never leaves by that device. */
  isLoopbackSource: (fl: Flowi, dev: number) => boolean
  /** Are there addresses that are ours and others' too? */
  hasAnycast: boolean
  /** Fills FL_SADDR of what stays here; false: it is the destination. */
  chooseLocalSource: (fl: Flowi, dev: number) => boolean
  /** Which of several next hops what is sent from here goes by. */
  selectOutput: (row: number, fl: Flowi) => number
  /** Row of FL_SADDR among the addresses of a domain, or 0. */
  rowOfSource: (fl: Flowi, l3mdev: number) => number
  /** Why a source that is not ours will not do. */
  sourceError: (fl: Flowi) => number
  /** What is said of a device that is not there. */
  noDevice: number
  /** What leaves by a device that no route leads by: as if on link, or not at all, for the -errno or the row that refuses. */
  unroutedRow: (oif: number, row: number) => number
  /** Is the device that was asked for the only way, and not the one that is preferred? */
  isBound: (fl: Flowi) => boolean
  loopback: Int32Array
}

type RouteOutputDeps = {
  arena: Arena
  fib: FibReader
} & Pick<L3Tables, 'local4' | 'local6'> &
  Pick<SourceSelection, 'select4' | 'select6'> &
  Pick<Multipath, 'selectPath' | 'selectFrom'> &
  RouteResult

export const createRouteOutput = (deps: RouteOutputDeps) => {
  const { arena, fib, local4, local6, select4, select6, selectPath, selectFrom } = deps
  const { flagsOf, l3mdevOf, loopOf, either, found, refusal } = deps
  const { fibLookup4, fibLookup6 } = fib
  const { i32, layout } = arena
  const isZero = isAnyAddr

  const isUp = (ifindex: number): boolean =>
    isDevice(arena, ifindex) && (flagsOf(ifindex) & IFF_UP) !== 0
  /** With a device asked for: a route by it, else what the family makes of that. */
  const boundRow = (fl: Flowi, ops: RouteFamily): number => {
    const row = ops.fibLookupBound(fl)
    if (row >= 0 && i32[row + NH_TYPE] <= RTN_MULTICAST) return row
    return ops.unroutedRow(fl[FL_OIF], row)
  }
  /** Without one. */
  const lookup = (fl: Flowi, ops: RouteFamily): number =>
    (fl[FL_FLAGS] & FL_F_LINK_SCOPE) === 0 ? ops.fibLookup(fl) : ops.fibLookupBound(fl)
  /** Fills FL_SADDR when the sender left it open; false when no address will do. */
  const chooseSource = (fl: Flowi, row: number, dev: number): boolean => {
    if (!isZero(fl, FL_SADDR)) return true
    const prefsrc = row + NH_PREFSRC
    if (isAnyAddr(i32, prefsrc)) return familyOps(fl[FL_FAMILY]).chooseSource(fl, row, dev)
    copyAddr(fl, FL_SADDR, i32, prefsrc)
    return true
  }
  const chooseSource4 = (fl: Flowi, row: number, dev: number): boolean => {
    const near = isV4Mapped(i32, row + NH_GATEWAY) ? i32[row + NH_GATEWAY + 3] : fl[FL_DADDR + 3]
    setSource4(fl, select4(dev, near, i32[row + NH_SCOPE]))
    // Linux sends from 0.0.0.0 as well: so DHCP's first words leave a device without an address
    return true
  }
  /** The address that is nearest to a next hop's gateway, whatever the route prefers (fib_info_update_nhc_saddr). */
  const hopSource4 = (hop: number): number => {
    const near = isV4Mapped(i32, hop + NH_GATEWAY) ? i32[hop + NH_GATEWAY + 3] : 0
    return select4(i32[hop + NH_DEV], near, i32[hop + NH_SCOPE])
  }
  const setSource4 = (fl: Flowi, addr: number): void => {
    fl[FL_SADDR] = 0
    fl[FL_SADDR + 1] = 0
    fl[FL_SADDR + 2] = V4_PREFIX
    fl[FL_SADDR + 3] = addr
  }
  const isOwn = (fl: Flowi, ops: RouteFamily): boolean => {
    if ((fl[FL_FLAGS] & FL_F_ANYSRC) !== 0) return true
    const row = ops.rowOfSource(fl, fl[FL_L3MDEV])
    return row !== 0 && i32[row + NH_TYPE] === RTN_LOCAL
  }
  /** Our own address, or none at all: the packet stays here. */
  const toLocal = (fl: Flowi, row: number): number => {
    if (isZero(fl, FL_SADDR)) {
      const prefsrc = row + NH_PREFSRC
      if ((i32[prefsrc] | i32[prefsrc + 1] | i32[prefsrc + 3]) !== 0)
        copyAddr(fl, FL_SADDR, i32, prefsrc)
      else if (!familyOps(fl[FL_FAMILY]).chooseLocalSource(fl, i32[row + NH_DEV]))
        copyAddr(fl, FL_SADDR, fl, FL_DADDR)
    }
    return found(fl, row, RTN_LOCAL, loopOf(row))
  }
  /** An address that routers share: the packet stays here, from an address of our own. */
  const toAnycast = (fl: Flowi, row: number): number =>
    chooseSource(fl, row, i32[row + NH_DEV])
      ? found(fl, row, RTN_LOCAL, loopOf(row))
      : -Errno.EADDRNOTAVAIL
  /** To nobody is to oneself (connect to INADDR_ANY). */
  const aimAtSelf = (fl: Flowi): void => {
    if (isZero(fl, FL_SADDR)) copyAddr(fl, FL_DADDR, familyOps(fl[FL_FAMILY]).loopback, 0)
    else copyAddr(fl, FL_DADDR, fl, FL_SADDR)
  }

  /**
   * Multicast and limited broadcast leave by the device asked for, else by the one that has the sender's address, else
   * by that of the route to them.
   */
  const toMany = (fl: Flowi, oif: number, type: number): number => {
    const ops = familyOps(fl[FL_FAMILY])
    let dev = oif !== 0 ? oif : ops.groupDevice(fl)
    if (dev === 0) {
      const row = lookup(fl, ops)
      if (row < 0) return row
      if (i32[row + NH_TYPE] > RTN_MULTICAST) return refusal(i32[row + NH_TYPE])
      dev = i32[selectPath(row, fl) + NH_DEV]
    }
    if (isZero(fl, FL_SADDR) && !ops.chooseGroupSource(fl, dev)) return -Errno.EADDRNOTAVAIL
    return found(fl, onlinkRow(arena, dev), type, dev)
  }
  /** The device that has the source; 0 when the sender left it open. */
  const groupDevice4 = (fl: Flowi): number =>
    isZero(fl, FL_SADDR) ? 0 : i32[local4(fl[FL_L3MDEV], fl[FL_SADDR + 3]) + NH_DEV]
  const chooseGroupSource4 = (fl: Flowi, dev: number): boolean => {
    const daddr = fl[FL_DADDR + 3]
    const onLink = isBroadcast4(daddr) || isLocalMulticast4(daddr)
    setSource4(fl, select4(dev, 0, onLink ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE))
    return true
  }

  /**
   * The way of a packet made here: FL_FAMILY, FL_DADDR, FL_SADDR (zero: chosen) and FL_OIF (zero: any) in;
   * FL_SADDR, FL_TYPE, FL_DST, FL_DEV and FL_MTU out. The next hop is FL_DST's gateway, or without one FL_DADDR.
   */
  const routeOutput = (fl: Flowi): number => {
    const ops = familyOps(fl[FL_FAMILY])
    const asked = fl[FL_OIF]
    const isThere = asked >= 0 && asked < layout.config.devices
    fl[FL_L3MDEV] = isThere ? l3mdevOf(asked) : 0
    if (!isZero(fl, FL_SADDR) && !isOwn(fl, ops)) return ops.sourceError(fl)
    if (asked !== 0 && !isUp(asked)) return downError(asked, ops)
    // by a VRF is by any of its devices (l3mdev_update_flow)
    const oif = asked === fl[FL_L3MDEV] ? 0 : asked
    if (isZero(fl, FL_DADDR)) aimAtSelf(fl)
    const kind = ops.kindOf(fl)
    if (kind === RTN_MULTICAST || kind === RTN_BROADCAST) return toMany(fl, oif, kind)

    const isBound = oif !== 0 && ops.isBound(fl)
    let row = isBound ? boundRow(fl, ops) : lookup(fl, ops)
    if (row < 0) return row
    let type = i32[row + NH_TYPE]
    if (type === RTN_LOCAL) return toLocal(fl, row)
    if (type === RTN_ANYCAST && ops.hasAnycast) return toAnycast(fl, row)
    if (type === RTN_ANYCAST || type === RTN_MULTICAST) type = RTN_UNICAST
    if (type > RTN_BROADCAST) return refusal(type)
    if (!isBound || i32[row + NH_UPPER_BOUND] === NH_BY_ID) row = ops.selectOutput(row, fl)
    const dev = i32[row + NH_DEV]
    if (!chooseSource(fl, row, dev)) return -Errno.EADDRNOTAVAIL
    // a loopback address never goes out (RFC 1122 3.2.1.3 g)
    if (ops.isLoopbackSource(fl, dev) && (flagsOf(dev) & IFF_LOOPBACK) === 0) return -Errno.EINVAL
    return found(fl, row, type, dev)
  }
  /** Of a bound socket, and of what has no address of its own yet or is for this link (ip6_route_output_flags: RT6_LOOKUP_F_IFACE). */
  const isBound6 = (fl: Flowi): boolean =>
    (fl[FL_FLAGS] & FL_F_BOUND) !== 0 ||
    isZero(fl, FL_SADDR) ||
    needsZone(fl, FL_DADDR) ||
    isSameAddr(fl, FL_DADDR, LOOPBACK6, 0)
  /** Of equal routes one by the device that was asked for (rt6_score_route); those that share flows are chosen among by the hash alone. */
  const selectOutput6 = (row: number, fl: Flowi): number => {
    if (i32[row + NH_UPPER_BOUND] !== 0) return selectPath6(row, fl)
    const metric = i32[row + NH_METRIC]
    for (let by = row; by !== 0 && i32[by + NH_METRIC] === metric; by = i32[by + NH_NEXT])
      if (i32[by + NH_DEV] === fl[FL_OIF]) return by
    return row
  }
  /**
   * What goes by a nexthop object is from an address by its first next hop's device, whichever it leaves by
   * (ip6_route_get_saddr, nexthop_fib6_nh).
   */
  const selectPath6 = (row: number, fl: Flowi): number => {
    const hop = selectPath(row, fl)
    const isOpen = isZero(fl, FL_SADDR) && isAnyAddr(i32, row + NH_PREFSRC)
    if (i32[row + NH_UPPER_BOUND] === NH_BY_ID && isOpen)
      select6(fl, i32[i32[row + NH_NEXT] + NH_DEV])
    return hop
  }
  /** What a destination is by itself: RTN_UNICAST, RTN_MULTICAST or RTN_BROADCAST. */
  const kindOf4 = (fl: Flowi): number => {
    const daddr = fl[FL_DADDR + 3]
    if (isMulticast4(daddr)) return RTN_MULTICAST
    return isBroadcast4(daddr) ? RTN_BROADCAST : RTN_UNICAST
  }

  /** Why nothing leaves by a device: it is down, or none. */
  const downError = (ifindex: number, { noDevice }: RouteFamily): number =>
    isDevice(arena, ifindex) ? -Errno.ENETUNREACH : noDevice
  const familyOps = byFamily<RouteFamily>(
    {
      fibLookup: fibLookup4,
      fibLookupBound: fib.fibLookupBound4,
      kindOf: kindOf4,
      chooseSource: chooseSource4,
      chooseGroupSource: chooseGroupSource4,
      groupDevice: groupDevice4,
      isLoopbackSource: (fl, dev) =>
        isLoopback4(fl[FL_SADDR + 3]) && !either(dev, Conf4.route_localnet),
      hasAnycast: false,
      chooseLocalSource: () => false,
      selectOutput: (row, fl) => selectFrom(row, fl, fl[FL_SADDR + 3], hopSource4),
      rowOfSource: (fl, l3mdev) => local4(l3mdev, fl[FL_SADDR + 3]),
      sourceError: (fl) =>
        isMulticast4(fl[FL_SADDR + 3]) || isBroadcast4(fl[FL_SADDR + 3])
          ? -Errno.EINVAL
          : -Errno.ENETUNREACH,
      noDevice: -Errno.ENODEV,
      unroutedRow: (oif) => onlinkRow(arena, oif),
      isBound: () => true,
      loopback: Int32Array.of(0, 0, V4_PREFIX, INADDR_LOOPBACK),
    },
    {
      fibLookup: fibLookup6,
      fibLookupBound: fib.fibLookupBound6,
      kindOf: (fl) => (isMulticast6(fl[FL_DADDR]) ? RTN_MULTICAST : RTN_UNICAST),
      chooseSource: (fl, _row, dev) => select6(fl, dev),
      chooseGroupSource: select6,
      groupDevice: () => 0,
      isLoopbackSource: () => false,
      hasAnycast: true,
      chooseLocalSource: select6,
      selectOutput: selectOutput6,
      rowOfSource: (fl, l3mdev) => local6(l3mdev, fl, FL_SADDR),
      sourceError: () => -Errno.EINVAL,
      noDevice: -Errno.ENETUNREACH,
      unroutedRow: (_oif, row) => row,
      isBound: isBound6,
      loopback: LOOPBACK6,
    }
  )

  return { routeOutput }
}
