/**
 * Routing of a packet: routeInput for one that was received, routeOutput for one that is made here. Any thread,
 * no allocation, no lock: reads the forwarding tries, the device and the address rows. Key and result are a
 * flowi. Linux: net/ipv4/route.c (ip_route_input_slow, ip_route_output_key_hash_rcu), fib_frontend.c
 * (fib_validate_source), net/ipv6/route.c; RFC 1122 3.2.1.3 and RFC 1812 5.3.7 for the martians.
 *
 * Answers are 0 or, as Linux's: -EINVAL a martian or blackhole, -EXDEV refused by rp_filter, -ENETUNREACH no
 * route, -EHOSTUNREACH an unreachable route or forwarding is off, -EACCES a prohibit route.
 */
import { copyAddr, isAnyAddr, isV4Mapped } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_DST,
  FL_F_ANYSRC,
  FL_F_FORWARD,
  FL_F_NO_DST,
  FL_FAMILY,
  FL_FLAGS,
  FL_IIF,
  FL_L3MDEV,
  FL_MTU,
  FL_MTU_LOCKED,
  FL_OIF,
  FL_OURS,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  FL_TYPE,
  RTN_ANYCAST,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_L3MDEV,
  DEV_MC_ROLE4,
  DEV_MTU,
  IFF_LOOPBACK,
  IFF_UP,
} from '../../netdev/netdev.ts'
import { CONF_ALL, Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import { DEVICE_WORDS } from '../../shm/layout.ts'
import { IPPROTO_IGMP } from '../../wire/ipproto.ts'
import { byFamily } from '../af-ops.ts'
import { RTAX_MTU, dstMetricLocked } from '../../shm/dst-metrics.ts'
import type { FibReader } from './fib.ts'
import { createMcTable } from '../mc/mc-table.ts'
import { MC_ROLE_NONE } from '../mc/mfc-constants.ts'
import { createFlowHash } from './flow-hash.ts'
import { createL3Tables } from '../l3mdev.ts'
import { createMultipath } from './multipath.ts'
import { onlinkRow } from './nexthop.ts'
import {
  LOOPBACK_IFINDEX,
  NH_BY_ID,
  NH_DEV,
  NH_GATEWAY,
  NH_HOPS_LEFT,
  NH_METRIC,
  NH_MTU,
  NH_NEXT,
  NH_PREFSRC,
  NH_SCOPE,
  NH_TYPE,
  NH_UPPER_BOUND,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
} from './nexthop-constants.ts'
import { createSourceSelection } from '../addr/source.ts'

const V4_PREFIX = 0xffff
const INADDR_LOOPBACK = 0x7f000001
const isMulticast4 = (addr: number): boolean => addr >>> 28 === 14
const isLoopback4 = (addr: number): boolean => addr >>> 24 === 127
/** 0.0.0.0 is nobody; the rest of 0/8 are addresses as any (ipv4_is_zeronet since Linux 5.3). */
const isZeronet4 = (addr: number): boolean => addr === 0
const isBroadcast4 = (addr: number): boolean => addr === -1
/** 224.0.0.0/24: never leaves its link. */
const isLocalMulticast4 = (addr: number): boolean => addr >>> 8 === 0xe00000
const isMulticast6 = (w0: number): boolean => w0 >>> 24 === 0xff
const isLinkLocal6 = (w0: number): boolean => w0 >>> 22 === 0x3fa

export type Route = ReturnType<typeof createRoute>

/** What the families do differently. */
type RouteFamily = {
  routeInput: (fl: Flowi) => number
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
  deviceMtu: (dev: number) => number
  /** A received packet whose route is to an anycast address, or said to be to groups. */
  toOdd: (fl: Flowi, row: number, forwards: boolean) => number
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
  /** What leaves by a device that no route leads by: as if on link, or not at all, for the -errno. */
  unroutedRow: (oif: number, error: number) => number
  /** With a device asked for, even an address of ours counts only there, and what a route refuses is taken to be on its link. */
  bindsAll: boolean
  loopback: Int32Array
}

type RouteDeps = Omit<Parameters<typeof createMultipath>[0], 'flowHash'> & { fib: FibReader }

export const createRoute = ({ fib, ...deps }: RouteDeps) => {
  const { arena } = deps
  const flowHash = createFlowHash(arena)
  const { i32, layout } = arena
  const { devices } = layout
  const confAll = confRow(arena, CONF_ALL)
  const { fibLookup4, fibLookup6 } = fib
  const { local4, local6, main6 } = createL3Tables(arena, fib)
  const { hasAddress4, select4, select6 } = createSourceSelection(arena)
  const { checkMc, hasMc } = createMcTable(arena)
  const { selectPath, selectFrom } = createMultipath({ ...deps, flowHash })
  const back = createFlowi()

  const flagsOf = (ifindex: number): number => i32[devices + ifindex * DEVICE_WORDS + DEV_FLAGS]
  const l3mdevOf = (ifindex: number): number => i32[devices + ifindex * DEVICE_WORDS + DEV_L3MDEV]
  /** By this device comes only what was sent here, along the route that it was sent by: lo, and a VRF to its own addresses. */
  const isLoop = (fl: Flowi, iif: number): boolean =>
    (isLoopback(iif) || iif === fl[FL_L3MDEV]) && (fl[FL_FLAGS] & FL_F_NO_DST) === 0
  const isLoopback = (ifindex: number): boolean => (flagsOf(ifindex) & IFF_LOOPBACK) !== 0
  /** By which device goes what stays here, in the domain of the row's device (ip_rt_get_dev). */
  const loopOf = (row: number): number => l3mdevOf(i32[row + NH_DEV]) || LOOPBACK_IFINDEX
  const isUp = (ifindex: number): boolean =>
    ifindex > 0 &&
    ifindex < layout.config.devices &&
    i32[devices + ifindex * DEVICE_WORDS + DEV_IFINDEX] === ifindex &&
    (flagsOf(ifindex) & IFF_UP) !== 0
  /** Does multicast pass through the device? */
  const mayPass = (ifindex: number, role: number): boolean =>
    i32[devices + ifindex * DEVICE_WORDS + role] !== MC_ROLE_NONE
  const isZero = isAnyAddr
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
      fl[FL_MTU] = familyOps(fl[FL_FAMILY]).deviceMtu(dev)
      fl[FL_MTU_LOCKED] = 0
    }
    return 0
  }
  const mtuOf = (dev: number): number => i32[devices + dev * DEVICE_WORDS + DEV_MTU]
  /** What a router has said of the link, or whoever set it, is not more than the device's own (RFC 4861 section 6.3.4). */
  const mtuOf6 = (dev: number): number => {
    const own = mtuOf(dev)
    const set = i32[confRow(arena, dev) + Conf6.mtu]
    return set !== 0 && set < own ? set : own
  }
  /** errno of a route that leads nowhere. */
  const refusal = (type: number): number =>
    type === RTN_BLACKHOLE
      ? -Errno.EINVAL
      : type === RTN_PROHIBIT
        ? -Errno.EACCES
        : -Errno.EHOSTUNREACH
  /**
   * -EINVAL or -EXDEV when the sender's address may not come from there: nobody else sends from our addresses, nor from
   * a broadcast address. Linux has it for IPv4 alone (__fib_validate_source).
   */
  const validateSource4 = (fl: Flowi): number => {
    const iif = fl[FL_IIF]
    if (isLoop(fl, iif)) return 0
    const own = ownAtSender(fl)
    if (own !== 0 && !(i32[own + NH_TYPE] === RTN_LOCAL && either(iif, Conf4.accept_local)))
      return -Errno.EINVAL
    const filter = Math.max(
      i32[confAll + Conf4.rp_filter],
      i32[confRow(arena, iif) + Conf4.rp_filter]
    )
    return filter === 0 ? 0 : reversePath(fl, iif, filter)
  }
  /** Row of the sender's address where that is ours, or of a network of ours; a VRF's rules say so, else the table local alone. */
  const ownAtSender = (fl: Flowi): number => {
    if (fl[FL_L3MDEV] === 0) return local4(0, fl[FL_SADDR + 3])
    turnAround(fl, back)
    const row = fibLookup4(back)
    const isOurs = row > 0 && i32[row + NH_TYPE] !== RTN_UNICAST
    return isOurs && i32[row + NH_TYPE] < RTN_BLACKHOLE ? row : 0
  }
  /**
   * RFC 3704: is there a way back to the sender by the device it came from (1), or by any (2)? A device without an address
   * has no other way than its own.
   */
  const reversePath = (fl: Flowi, iif: number, filter: number): number => {
    turnAround(fl, back)
    const row = fibLookup4(back)
    const type = row < 0 ? RTN_BLACKHOLE : i32[row + NH_TYPE]
    if (type !== RTN_UNICAST && type !== RTN_LOCAL) return -Errno.EXDEV
    if (viaDevice(row, iif) !== 0 || (type === RTN_LOCAL && isLoopback(iif))) return 0
    return filter === 2 && hasAddress4(iif) ? 0 : -Errno.EXDEV
  }

  /** The flow of an answer: from us to the sender. */
  const turnAround = (fl: Flowi, back: Flowi): void => {
    copyAddr(back, FL_DADDR, fl, FL_SADDR)
    copyAddr(back, FL_SADDR, fl, FL_DADDR)
    back[FL_L3MDEV] = fl[FL_L3MDEV]
    back[FL_TOS] = fl[FL_TOS]
    back[FL_PROTO] = fl[FL_PROTO]
    back[FL_SPORT] = fl[FL_DPORT]
    back[FL_DPORT] = fl[FL_SPORT]
  }

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
      const hop = selectPath(row, fl)
      found(fl, hop, RTN_UNICAST, i32[hop + NH_DEV])
      return forwards ? 0 : -Errno.EHOSTUNREACH
    }
    if (type === RTN_ANYCAST || type === RTN_MULTICAST)
      return familyOps(fl[FL_FAMILY]).toOdd(fl, row, forwards)
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
    const hop = selectPath(row, fl)
    found(fl, hop, RTN_UNICAST, i32[hop + NH_DEV])
    return forwards ? 0 : -Errno.EHOSTUNREACH
  }

  /**
   * Where a received packet goes: FL_FAMILY, FL_SADDR, FL_DADDR and FL_IIF in; FL_TYPE LOCAL, BROADCAST,
   * ANYCAST, MULTICAST (all for this host) or UNICAST (to forward), FL_DST, FL_DEV and FL_MTU out.
   */
  // filled at the end of this file: routeInput4, routeInput6
  const routeInput = (fl: Flowi): number => familyOps(fl[FL_FAMILY]).routeInput(fl)

  /** First of a prefix's routes that leaves by oif, or 0. */
  const viaDevice = (row: number, oif: number): number => {
    while (row !== 0 && i32[row + NH_DEV] !== oif) row = i32[row + NH_NEXT]
    return row
  }
  /** With a device asked for: a route by it, else what the family makes of that. */
  const boundRow = (fl: Flowi, ops: RouteFamily): number => {
    const row = ops.fibLookupBound(fl)
    if (row >= 0 && i32[row + NH_TYPE] <= RTN_BROADCAST) return row
    return ops.unroutedRow(fl[FL_OIF], row < 0 ? row : -Errno.ENETUNREACH)
  }
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
      const row = ops.fibLookup(fl)
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
    if (asked !== 0 && !isUp(asked)) return isThere ? -Errno.ENETUNREACH : -Errno.ENODEV
    // by a VRF is by any of its devices (l3mdev_update_flow)
    const oif = asked === fl[FL_L3MDEV] ? 0 : asked
    if (isZero(fl, FL_DADDR)) aimAtSelf(fl)
    const kind = ops.kindOf(fl)
    if (kind === RTN_MULTICAST || kind === RTN_BROADCAST) return toMany(fl, oif, kind)

    let row = oif !== 0 && ops.bindsAll ? boundRow(fl, ops) : ops.fibLookup(fl)
    let type = row < 0 ? RTN_UNICAST : i32[row + NH_TYPE]
    if (type === RTN_LOCAL) return toLocal(fl, row)
    if (type === RTN_ANYCAST && ops.hasAnycast) return toAnycast(fl, row)
    if (type === RTN_ANYCAST || type === RTN_MULTICAST) type = RTN_UNICAST
    if (oif !== 0 && type <= RTN_BROADCAST && !ops.bindsAll) {
      row = boundRow(fl, ops)
      type = row < 0 ? RTN_UNICAST : i32[row + NH_TYPE]
    }
    if (row < 0) return row
    if (type > RTN_BROADCAST) return refusal(type)
    if (oif === 0) row = ops.selectOutput(row, fl)
    const dev = i32[row + NH_DEV]
    if (!chooseSource(fl, row, dev)) return -Errno.EADDRNOTAVAIL
    // a loopback address never goes out (RFC 1122 3.2.1.3 g)
    if (ops.isLoopbackSource(fl, dev) && (flagsOf(dev) & IFF_LOOPBACK) === 0) return -Errno.EINVAL
    return found(fl, row, type, dev)
  }
  /**
   * What goes by a nexthop object is from an address by its first next hop's device, whichever it leaves by
   * (ip6_route_get_saddr, nexthop_fib6_nh).
   */
  const selectOutput6 = (row: number, fl: Flowi): number => {
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

  const familyOps = byFamily<RouteFamily>(
    {
      routeInput: routeInput4,
      fibLookup: fibLookup4,
      fibLookupBound: fib.fibLookupBound4,
      kindOf: kindOf4,
      chooseSource: chooseSource4,
      chooseGroupSource: chooseGroupSource4,
      groupDevice: groupDevice4,
      isLoopbackSource: (fl, dev) =>
        isLoopback4(fl[FL_SADDR + 3]) && !either(dev, Conf4.route_localnet),
      deviceMtu: mtuOf,
      toOdd: toOdd4,
      hasAnycast: false,
      chooseLocalSource: () => false,
      selectOutput: (row, fl) => selectFrom(row, fl, fl[FL_SADDR + 3], hopSource4),
      rowOfSource: (fl, l3mdev) => local4(l3mdev, fl[FL_SADDR + 3]),
      sourceError: (fl) =>
        isMulticast4(fl[FL_SADDR + 3]) || isBroadcast4(fl[FL_SADDR + 3])
          ? -Errno.EINVAL
          : -Errno.ENETUNREACH,
      unroutedRow: (oif) => onlinkRow(arena, oif),
      bindsAll: true,
      loopback: Int32Array.of(0, 0, V4_PREFIX, INADDR_LOOPBACK),
    },
    {
      routeInput: routeInput6,
      fibLookup: fibLookup6,
      fibLookupBound: fib.fibLookupBound6,
      kindOf: (fl) => (isMulticast6(fl[FL_DADDR]) ? RTN_MULTICAST : RTN_UNICAST),
      chooseSource: (fl, _row, dev) => select6(fl, dev),
      chooseGroupSource: select6,
      groupDevice: () => 0,
      isLoopbackSource: () => false,
      deviceMtu: mtuOf6,
      toOdd: toOdd6,
      hasAnycast: true,
      chooseLocalSource: select6,
      selectOutput: selectOutput6,
      rowOfSource: (fl, l3mdev) => local6(l3mdev, fl, FL_SADDR),
      sourceError: () => -Errno.EINVAL,
      unroutedRow: (_oif, error) => error,
      bindsAll: false,
      loopback: Int32Array.of(0, 0, 0, 1),
    }
  )

  return { routeInput, routeOutput, flowHash }
}
