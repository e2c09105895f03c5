/**
 * What an address is to this host, from the local table: RTN_LOCAL one of our own, RTN_BROADCAST that of a network of
 * ours or the limited one, RTN_ANYCAST one that we share with other routers, RTN_MULTICAST a group, else RTN_UNICAST, somebody else's. Asked by bind and connect, on any
 * thread. Linux: inet_addr_type(), ipv6_chk_addr() with ipv6_addr_type().
 */
import { isV4Mapped, needsZone } from '../base/family.ts'
import { RTN_ANYCAST, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import type { FibReader } from './fib.ts'
import { NH_DEV, NH_FAMILY, NH_NEXT, NH_TYPE } from './nexthop-constants.ts'

export type AddrType = ReturnType<typeof createAddrType>

export const createAddrType = ({ i32 }: Arena, fib: FibReader) => {
  const { local, main, lookup4, lookup6 } = fib
  const typeOf = (row: number): number => {
    const type = row === 0 ? RTN_UNICAST : i32[row + NH_TYPE]
    return type === RTN_LOCAL || type === RTN_BROADCAST || type === RTN_ANYCAST ? type : RTN_UNICAST
  }
  const type4 = (addr: number): number => {
    if (addr === -1) return RTN_BROADCAST
    return addr >>> 28 === 14 ? RTN_MULTICAST : typeOf(lookup4(local.v4, addr))
  }
  /** RTN_* of the address at (words, at); of its four words only those are read. */
  const addrType = (words: Int32Array, at: number): number => {
    if (isV4Mapped(words, at)) return type4(words[at + 3])
    return words[at] >>> 24 === 0xff ? RTN_MULTICAST : typeOf(lookup6(local.v6, words, at))
  }
  /** The same as seen from a device: an address of a link is ours where a device has it that is on that link. */
  const addrTypeOn = (words: Int32Array, at: number, ifindex: number): number => {
    const type = addrType(words, at)
    if ((type !== RTN_LOCAL && type !== RTN_ANYCAST) || !needsZone(words, at)) return type
    for (let row = lookup6(local.v6, words, at); row !== 0; row = i32[row + NH_NEXT])
      if (i32[row + NH_DEV] === ifindex) return type
    return RTN_UNICAST
  }
  /** Is an IPv4 address one of our own? */
  const isLocalAddress = (addr: number): boolean => type4(addr) === RTN_LOCAL
  /** Is an address of a device's own network, reached without a gateway? */
  const isOnLink = (addr: number, ifindex: number): boolean => {
    const row = lookup4(main.v4, addr)
    return row !== 0 && i32[row + NH_DEV] === ifindex && i32[row + NH_FAMILY] === 0
  }
  return { addrType, addrTypeOn, isLocalAddress, isOnLink }
}
