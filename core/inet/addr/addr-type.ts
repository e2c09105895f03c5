/**
 * What an address is to this host, from the table of its domain (`dev` is a device of it, 0 one of the default domain): RTN_LOCAL one of our own, RTN_BROADCAST that of a network of
 * ours or the limited one, RTN_ANYCAST one that we share with other routers, RTN_MULTICAST a group, else RTN_UNICAST, somebody else's. Asked by bind and connect, on any
 * thread. Linux: inet_addr_type_dev_table(), ipv6_chk_addr() with ipv6_addr_type().
 */
import { AF_INET, isV4Mapped, needsZone } from '../../base/family.ts'
import {
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import type { L3Tables } from '../l3mdev.ts'
import {
  IFA_ADDR,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_F_TENTATIVE,
  IFA_IFINDEX,
  IFA_PREFIXLEN,
  IFA_SCOPE,
  IFA_TOP,
} from './ifaddr-constants.ts'
import {
  NH_DEV,
  NH_FAMILY,
  NH_GATEWAY,
  NH_NEXT,
  NH_TYPE,
  RT_SCOPE_HOST,
} from '../fib/nexthop-constants.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'

export type AddrType = ReturnType<typeof createAddrType>

export const createAddrType = (arena: Arena, { local4, main4, local6 }: L3Tables) => {
  const { i32, layout } = arena
  const typeOf = (row: number): number => {
    const type = row === 0 ? RTN_UNICAST : i32[row + NH_TYPE]
    return type === RTN_LOCAL || type === RTN_BROADCAST || type === RTN_ANYCAST ? type : RTN_UNICAST
  }
  const type4 = (addr: number, dev: number): number => {
    if (addr === -1) return RTN_BROADCAST
    return addr >>> 28 === 14 ? RTN_MULTICAST : typeOf(local4(l3mdevOf(arena, dev), addr))
  }
  /** RTN_* of the address at (words, at); of its four words only those are read. */
  const addrType = (words: Int32Array, at: number, dev: number): number => {
    if (isV4Mapped(words, at)) return type4(words[at + 3], dev)
    if (words[at] >>> 24 === 0xff) return RTN_MULTICAST
    return typeOf(local6(l3mdevOf(arena, dev), words, at))
  }
  /** Is an IPv6 address one that routers of this device's link share (ipv6_chk_acast_addr)? */
  const isAnycastOn = (ifindex: number, words: Int32Array, at: number): boolean => {
    const first = local6(l3mdevOf(arena, ifindex), words, at)
    for (let row = first; row !== 0; row = i32[row + NH_NEXT])
      if (i32[row + NH_TYPE] === RTN_ANYCAST && i32[row + NH_DEV] === ifindex) return true
    return false
  }
  /** The same as seen from a device: an address of a link is ours where a device has it that is on that link. */
  const addrTypeOn = (words: Int32Array, at: number, ifindex: number): number => {
    const type = addrType(words, at, ifindex)
    if ((type !== RTN_LOCAL && type !== RTN_ANYCAST) || !needsZone(words, at)) return type
    const first = local6(l3mdevOf(arena, ifindex), words, at)
    for (let row = first; row !== 0; row = i32[row + NH_NEXT])
      if (i32[row + NH_DEV] === ifindex) return type
    return RTN_UNICAST
  }
  /** Is an IPv4 address one of our own? */
  const isLocalAddress = (addr: number, dev: number): boolean => type4(addr, dev) === RTN_LOCAL
  /** RTN_* of an IPv4 address wherever it stands (inet_addr_type): nobody's is everybody's. */
  const inetAddrType = (addr: number, dev: number): number =>
    addr === 0 ? RTN_BROADCAST : type4(addr, dev)
  /** Calls `visit` with each IPv4 address row of the device (0: of all), until it answers true. */
  const someAddr = (ifindex: number, visit: (row: number) => boolean): boolean => {
    const rows = layout.ifaddrs
    const end = rows + i32[rows + IFA_TOP] * IFADDR_WORDS
    for (let row = rows + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      const dev = i32[row + IFA_IFINDEX]
      if (dev === 0 || i32[row + IFA_FAMILY] !== AF_INET || (ifindex !== 0 && dev !== ifindex))
        continue
      // what is yet to be tried is nobody's
      if ((i32[row + IFA_FLAGS] & IFA_F_TENTATIVE) !== 0) continue
      if (visit(row)) return true
    }
    return false
  }
  const isInNetworkOf = (row: number, addr: number): boolean => {
    const plen = i32[row + IFA_PREFIXLEN]
    return plen === 0 || (addr ^ i32[row + IFA_ADDR + 3]) >>> (32 - plen) === 0
  }
  /** Are both addresses in one network of the device (inet_addr_onlink)? `b` 0 is no address. */
  const isAddrOnLink = (ifindex: number, a: number, b: number): boolean =>
    someAddr(ifindex, (row) => isInNetworkOf(row, a) && (b === 0 || isInNetworkOf(row, b)))
  /**
   * Does who sends from there need no gateway to be reached by the device? Its best route says so, or where that leads
   * elsewhere the device's networks.
   */
  const isOnLink = (addr: number, ifindex: number): boolean => {
    const row = main4(l3mdevOf(arena, ifindex), addr)
    if (row !== 0 && i32[row + NH_DEV] === ifindex) return i32[row + NH_FAMILY] === 0
    return row !== 0 && isAddrOnLink(ifindex, addr, 0)
  }
  /** Is it an address of this device? */
  const isOwnOf = (ifindex: number, addr: number): boolean =>
    someAddr(ifindex, (row) => i32[row + IFA_ADDR + 3] === addr)
  /** Is it our own, on whatever device, and known beyond this host? */
  const isOwnBeyondHost = (addr: number): boolean =>
    someAddr(0, (row) => i32[row + IFA_ADDR + 3] === addr && i32[row + IFA_SCOPE] < RT_SCOPE_HOST)
  const forEachOwnOf = (ifindex: number, visit: (addr: number) => void): void =>
    void someAddr(ifindex, (row) => {
      visit(i32[row + IFA_ADDR + 3])
      return false
    })
  /** Is it the gateway of a default route by this device (ip_fib_check_default)? */
  const isDefaultGateway = (ifindex: number, addr: number): boolean => {
    for (let row = main4(l3mdevOf(arena, ifindex), 0); row !== 0; row = i32[row + NH_NEXT])
      if (
        i32[row + NH_DEV] === ifindex &&
        i32[row + NH_FAMILY] !== 0 &&
        i32[row + NH_GATEWAY + 3] === addr
      )
        return true
    return false
  }
  const byAddress = { isAddrOnLink, isOwnOf, isOwnBeyondHost, forEachOwnOf }
  return {
    addrType,
    addrTypeOn,
    isAnycastOn,
    isLocalAddress,
    inetAddrType,
    isOnLink,
    isDefaultGateway,
    ...byAddress,
  }
}
