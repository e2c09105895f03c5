/**
 * The address that bind(2) gives a socket, for all transports and both families: one of our own (any, with
 * IP_FREEBIND, IP_TRANSPARENT or ip_nonlocal_bind), a broadcast address or a group; with the last two the socket only receives by it, what it sends has the
 * device's own address. Worker only.
 * Linux: __inet_bind(), inet_addr_valid_or_nonlocal(), __inet6_bind().
 */
import { clearAddr, copyAddr, familyOf, isAnyAddr, isV4Mapped } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../base/flowi.ts'
import { SK_BOUND_DEV, SK_SADDR } from '../socket/sock.ts'
import { mayBeAnothers } from '../socket/inet-sock.ts'
import type { Arena } from '../shm/arena.ts'
import { takesFamily } from './ports.ts'

/** Can the socket speak to such an address? 0, or -errno: a v6only one knows no network of IPv4's, IPv4 no such address. */
export const peerError = (i32: Int32Array, sk: number, words: Int32Array, at: number): number => {
  if (takesFamily(i32, sk, familyOf(words, at))) return 0
  return isV4Mapped(words, at) ? -Errno.ENETUNREACH : -Errno.EAFNOSUPPORT
}

export const isGroupType = (type: number): boolean =>
  type === RTN_MULTICAST || type === RTN_BROADCAST

/** Sets SK_SADDR: 0, or -errno and nothing has changed. `addrType` as in inet/addr/addr-type.ts. */
export const bindAddr = (
  arena: Arena,
  addrType: (words: Int32Array, at: number, dev: number) => number,
  sk: number,
  words: Int32Array,
  at: number
): number => {
  const { i32 } = arena
  if (isAnyAddr(words, at)) {
    clearAddr(i32, sk + SK_SADDR)
    return 0
  }
  if (!takesFamily(i32, sk, familyOf(words, at)))
    return isV4Mapped(words, at) ? -Errno.EINVAL : -Errno.EAFNOSUPPORT
  const type = addrType(words, at, i32[sk + SK_BOUND_DEV])
  if (type !== RTN_LOCAL && !isGroupType(type) && !mayBeAnothers(arena, sk, words, at))
    return -Errno.EADDRNOTAVAIL
  copyAddr(i32, sk + SK_SADDR, words, at)
  return 0
}
