/**
 * The multicast options of a socket: which groups it joins, from which sources, and how it sends to groups. Names and
 * errors are Linux's; the memberships themselves are inet/mc/mc-members.ts. Worker only.
 * Linux: do_ip_setsockopt() (net/ipv4/ip_sockglue.c), do_ipv6_setsockopt(), ip_mc_find_dev() (net/ipv4/igmp.c);
 * RFC 3493 section 5.2, RFC 3678.
 */
import { AF_INET6, copyAddr, familyOf, isV4Mapped } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { createFlowi, FL_DADDR, FL_DEV, FL_FAMILY } from '../../base/flowi.ts'
import { IFA_ADDR, IFA_IFINDEX, IFA_TOP } from '../../inet/addr/ifaddr-constants.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../inet/mc/mc-constants.ts'
import type { McMembers } from '../../inet/mc/mc-members.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import { DEV_IFINDEX, deviceRow, l3mdevOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import { SK_BOUND_DEV, SK_TYPE, SOCK_STREAM } from '../sock.ts'
import {
  familyOfSock,
  SK_MC_ADDR,
  SK_MC_FLAGS,
  SK_MC_IF,
  SK_MC_LIST,
  SK_MC_TTL,
} from '../inet-sock.ts'
import {
  IP_ADD_MEMBERSHIP,
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_BLOCK_SOURCE,
  IP_DROP_MEMBERSHIP,
  IP_DROP_SOURCE_MEMBERSHIP,
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_UNBLOCK_SOURCE,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_JOIN_GROUP,
  IPV6_LEAVE_GROUP,
  IPV6_MULTICAST_ALL,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  IPV6_MULTICAST_LOOP,
  MC_IPV6,
  MC_NO_ALL,
  MC_NO_LOOP,
  MCAST_BLOCK_SOURCE,
  MCAST_JOIN_GROUP,
  MCAST_JOIN_SOURCE_GROUP,
  MCAST_LEAVE_GROUP,
  MCAST_LEAVE_SOURCE_GROUP,
  MCAST_UNBLOCK_SOURCE,
} from '../socket-constants.ts'

type McSockoptDeps = {
  arena: Arena
  members: McMembers
} & Pick<Pmtu, 'routeOutput'>
export type McSockopt = ReturnType<typeof createMcSockopt>

const { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENODEV, ENOPROTOOPT, EPROTO } = Errno

/** What the calls do to a membership. */
const JOIN = 1
const LEAVE = 2
const ADD_SOURCE = 3
const DROP_SOURCE = 4
type Call = { what: number; mode: number }
const call = (what: number, mode: number): Call => ({ what, mode })
const BOTH: Readonly<Record<number, Call>> = {
  [MCAST_JOIN_GROUP]: call(JOIN, MCAST_EXCLUDE),
  [MCAST_LEAVE_GROUP]: call(LEAVE, MCAST_EXCLUDE),
  [MCAST_BLOCK_SOURCE]: call(ADD_SOURCE, MCAST_EXCLUDE),
  [MCAST_UNBLOCK_SOURCE]: call(DROP_SOURCE, MCAST_EXCLUDE),
  [MCAST_JOIN_SOURCE_GROUP]: call(ADD_SOURCE, MCAST_INCLUDE),
  [MCAST_LEAVE_SOURCE_GROUP]: call(DROP_SOURCE, MCAST_INCLUDE),
}
const CALLS4: Readonly<Record<number, Call>> = {
  ...BOTH,
  [IP_ADD_MEMBERSHIP]: call(JOIN, MCAST_EXCLUDE),
  [IP_DROP_MEMBERSHIP]: call(LEAVE, MCAST_EXCLUDE),
  [IP_BLOCK_SOURCE]: call(ADD_SOURCE, MCAST_EXCLUDE),
  [IP_UNBLOCK_SOURCE]: call(DROP_SOURCE, MCAST_EXCLUDE),
  [IP_ADD_SOURCE_MEMBERSHIP]: call(ADD_SOURCE, MCAST_INCLUDE),
  [IP_DROP_SOURCE_MEMBERSHIP]: call(DROP_SOURCE, MCAST_INCLUDE),
}
const CALLS6: Readonly<Record<number, Call>> = {
  ...BOTH,
  [IPV6_JOIN_GROUP]: call(JOIN, MCAST_EXCLUDE),
  [IPV6_LEAVE_GROUP]: call(LEAVE, MCAST_EXCLUDE),
}

export const createMcSockopt = ({ arena, members, routeOutput }: McSockoptDeps) => {
  const { i32, layout } = arena
  const { ifaddrs } = layout
  const fl = createFlowi()

  // ---- devices

  const isDevice = (ifindex: number): boolean =>
    ifindex > 0 &&
    ifindex < layout.config.devices &&
    i32[deviceRow(arena, ifindex) + DEV_IFINDEX] === ifindex
  /** The device that has an IPv4 address, or 0. */
  const deviceOfAddress = (address: number): number => {
    for (let n = 1; n < i32[ifaddrs + IFA_TOP]; n++) {
      const row = ifaddrs + n * IFADDR_WORDS
      const isIt = i32[row + IFA_ADDR + 3] === address && isV4Mapped(i32, row + IFA_ADDR)
      if (isIt && i32[row + IFA_IFINDEX] !== 0) return i32[row + IFA_IFINDEX]
    }
    return 0
  }
  const deviceOfRoute = (group: Int32Array, at: number): number => {
    fl.fill(0)
    fl[FL_FAMILY] = familyOf(group, at)
    copyAddr(fl, FL_DADDR, group, at)
    return routeOutput(fl) === 0 ? fl[FL_DEV] : 0
  }
  /** The device meant by an index, an address, or neither: the way to the group. 0: there is none. */
  const findDevice = (ifindex: number, address: number, group: Int32Array, at: number): number => {
    if (ifindex !== 0) return isDevice(ifindex) ? ifindex : 0
    return address !== 0 ? deviceOfAddress(address) : deviceOfRoute(group, at)
  }

  // ---- memberships

  const isGroup = (level: number, words: Int32Array, at: number): boolean =>
    level === IPPROTO_IP
      ? isV4Mapped(words, at) && words[at + 3] >>> 28 === 14
      : words[at] >>> 24 === 0xff
  const isIpv6 = (sk: number, level: number): boolean =>
    level === IPPROTO_IPV6 && familyOfSock(i32, sk) === AF_INET6
  const callOf = (sk: number, level: number, name: number): Call | undefined => {
    if (level === IPPROTO_IP) return CALLS4[name]
    return isIpv6(sk, level) ? CALLS6[name] : undefined
  }
  const drop = (sk: number, ifindex: number, address: number, group: Int32Array, at: number) => {
    const isNamed = ifindex !== 0 || address !== 0 || !isV4Mapped(group, at)
    if (!isNamed && deviceOfRoute(group, at) === 0) return -ENODEV
    return members.leave(sk + SK_MC_LIST, ifindex, address, group, at)
  }
  /**
   * One of the calls that join and leave: the group at (group, at), the device as an index, or (IPv4) as an address of it,
   * or left open, and for those that take one the source. 0, or -errno.
   */
  const membership = (
    sk: number,
    level: number,
    name: number,
    group: Int32Array,
    at: number,
    ifindex: number,
    address: number,
    source: Int32Array,
    sourceAt: number
  ): number => {
    const wanted = callOf(sk, level, name)
    if (wanted === undefined) return -ENOPROTOOPT
    if (i32[sk + SK_TYPE] === SOCK_STREAM) return -EPROTO
    if (!isGroup(level, group, at)) return -EINVAL
    const { what, mode } = wanted
    if (what === LEAVE) return drop(sk, ifindex, address, group, at)
    const list = sk + SK_MC_LIST
    const dev = findDevice(ifindex, address, group, at)
    if (dev === 0) return -ENODEV
    if (what === JOIN) return members.join(list, sk, dev, address, group, at, mode)
    if (isV4Mapped(source, sourceAt) !== isV4Mapped(group, at)) return -EINVAL
    const isAdded = what === ADD_SOURCE
    let isNew = false
    if (isAdded && mode === MCAST_INCLUDE) {
      const error = members.join(list, sk, dev, address, group, at, mode)
      if (error !== 0 && error !== -EADDRINUSE) return error
      isNew = error === 0
    }
    const error = members.source(list, dev, group, at, mode, isAdded, source, sourceAt)
    if (error !== 0 && isNew) members.leave(list, dev, 0, group, at)
    return error
  }
  /** IP_MSFILTER, MCAST_MSFILTER: the whole filter of a group, `count` sources. */
  const setFilter = (
    sk: number,
    group: Int32Array,
    at: number,
    ifindex: number,
    address: number,
    mode: number,
    sources: Int32Array,
    sourcesAt: number,
    count: number
  ): number => {
    const dev = findDevice(ifindex, address, group, at)
    if (dev === 0) return -ENODEV
    return members.setFilter(sk + SK_MC_LIST, dev, group, at, mode, sources, sourcesAt, count)
  }

  /** How many sources the filter has; at most `room` of them are copied to (to, toAt). Or -errno. */
  const getFilter = (
    sk: number,
    group: Int32Array,
    at: number,
    ifindex: number,
    to: Int32Array,
    toAt: number,
    room: number
  ): number => members.getFilter(sk + SK_MC_LIST, ifindex, group, at, to, toAt, room)

  // ---- how it sends

  const setBit = (sk: number, bit: number, isSet: boolean): number => {
    if (isSet) i32[sk + SK_MC_FLAGS] |= bit
    else i32[sk + SK_MC_FLAGS] &= ~bit
    return 0
  }
  /** A half of a word: IPv4's is the lower one. */
  const setHalf = (sk: number, word: number, is6: boolean, value: number): number => {
    const old = i32[sk + word]
    i32[sk + word] = is6 ? (old & 0xffff) | (value << 16) : (old & ~0xffff) | value
    return 0
  }
  const getHalf = (sk: number, word: number, is6: boolean): number =>
    is6 ? i32[sk + word] >>> 16 : i32[sk + word] & 0xffff
  const setHops = (sk: number, is6: boolean, value: number): number => {
    if (i32[sk + SK_TYPE] === SOCK_STREAM) return is6 ? -ENOPROTOOPT : -EINVAL
    if (value < -1 || value > 255) return -EINVAL
    return setHalf(sk, SK_MC_TTL, is6, value === -1 ? 0 : value + 1)
  }
  const isBoundElsewhere = (sk: number, ifindex: number): boolean => {
    const bound = i32[sk + SK_BOUND_DEV]
    return bound !== 0 && bound !== ifindex && bound !== l3mdevOf(arena, ifindex)
  }
  /** IP_MULTICAST_IF: an address of the device, 0 for none, as with four bytes of it in Linux; or an index and a source. */
  const setDevice4 = (sk: number, ifindex: number, address: number): number => {
    if (i32[sk + SK_TYPE] === SOCK_STREAM) return -EINVAL
    const dev = ifindex !== 0 ? ifindex : address === 0 ? 0 : deviceOfAddress(address)
    if ((ifindex !== 0 || address !== 0) && !isDevice(dev)) return -EADDRNOTAVAIL
    if (dev !== 0 && isBoundElsewhere(sk, dev)) return -EINVAL
    i32[sk + SK_MC_ADDR] = address
    return setHalf(sk, SK_MC_IF, false, dev)
  }
  const setDevice6 = (sk: number, ifindex: number): number => {
    if (i32[sk + SK_TYPE] === SOCK_STREAM) return -ENOPROTOOPT
    if (ifindex !== 0 && !isDevice(ifindex)) return -ENODEV
    if (ifindex !== 0 && isBoundElsewhere(sk, ifindex)) return -EINVAL
    return setHalf(sk, SK_MC_IF, true, ifindex)
  }
  const set4 = (sk: number, name: number, value: number): number => {
    switch (name) {
      case IP_MULTICAST_TTL:
        return setHops(sk, false, value)
      case IP_MULTICAST_LOOP:
        return setBit(sk, MC_NO_LOOP, value === 0)
      case IP_MULTICAST_ALL:
        return value === 0 || value === 1 ? setBit(sk, MC_NO_ALL, value === 0) : -EINVAL
      case IP_MULTICAST_IF:
        return setDevice4(sk, 0, value)
    }
    return -ENOPROTOOPT
  }
  const set6 = (sk: number, name: number, value: number): number => {
    switch (name) {
      case IPV6_MULTICAST_HOPS:
        return setHops(sk, true, value)
      case IPV6_MULTICAST_LOOP:
        return value === 0 || value === 1 ? setBit(sk, MC_NO_LOOP << MC_IPV6, value === 0) : -EINVAL
      case IPV6_MULTICAST_ALL:
        return setBit(sk, MC_NO_ALL << MC_IPV6, value === 0)
      case IPV6_MULTICAST_IF:
        return setDevice6(sk, value)
    }
    return -ENOPROTOOPT
  }
  /** The options whose value is a number: 0, or -errno. */
  const setMcOption = (sk: number, level: number, name: number, value: number): number => {
    if (level === IPPROTO_IP) return set4(sk, name, value)
    return isIpv6(sk, level) ? set6(sk, name, value) : -ENOPROTOOPT
  }
  const bitOff = (sk: number, bit: number): number => ((i32[sk + SK_MC_FLAGS] & bit) === 0 ? 1 : 0)
  const hopsOf = (sk: number, is6: boolean): number => {
    const hops = getHalf(sk, SK_MC_TTL, is6)
    return hops === 0 ? 1 : hops - 1
  }
  const getMcOption = (sk: number, level: number, name: number): number => {
    if (level === IPPROTO_IP)
      switch (name) {
        case IP_MULTICAST_TTL:
          return hopsOf(sk, false)
        case IP_MULTICAST_LOOP:
          return bitOff(sk, MC_NO_LOOP)
        case IP_MULTICAST_ALL:
          return bitOff(sk, MC_NO_ALL)
        case IP_MULTICAST_IF:
          return i32[sk + SK_MC_ADDR]
      }
    if (level === IPPROTO_IPV6)
      switch (name) {
        case IPV6_MULTICAST_HOPS:
          return hopsOf(sk, true)
        case IPV6_MULTICAST_LOOP:
          return bitOff(sk, MC_NO_LOOP << MC_IPV6)
        case IPV6_MULTICAST_ALL:
          return bitOff(sk, MC_NO_ALL << MC_IPV6)
        case IPV6_MULTICAST_IF:
          return getHalf(sk, SK_MC_IF, true)
      }
    return -ENOPROTOOPT
  }

  /** The socket is going: so are its memberships (ip_mc_drop_socket). */
  const dropSocket = (sk: number): void => members.leaveAll(sk + SK_MC_LIST)
  /** How the socket sends to a group, and whether it hears what it has not joined; both families. */
  const isLooped = (sk: number, is6: boolean): boolean =>
    bitOff(sk, is6 ? MC_NO_LOOP << MC_IPV6 : MC_NO_LOOP) === 1
  const deviceOf = (sk: number, is6: boolean): number => getHalf(sk, SK_MC_IF, is6)
  /** ip_mc_sf_allow: may the socket have a packet to this group from that source, received on the device? */
  const allows = (
    sk: number,
    ifindex: number,
    group: Int32Array,
    at: number,
    source: Int32Array,
    sourceAt: number
  ): boolean => {
    const bit = isV4Mapped(group, at) ? MC_NO_ALL : MC_NO_ALL << MC_IPV6
    const hearsAll = (i32[sk + SK_MC_FLAGS] & bit) === 0
    return members.allows(sk + SK_MC_LIST, ifindex, group, at, source, sourceAt, hearsAll)
  }

  return {
    membership,
    setFilter,
    getFilter,
    setDevice4,
    setMcOption,
    getMcOption,
    dropSocket,
    hopsOf,
    isLooped,
    deviceOf,
    allows,
  }
}
