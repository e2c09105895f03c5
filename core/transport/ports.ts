/**
 * Local ports of one protocol on one worker: which sockets hold a port, whether another may share it, and the
 * choice of an ephemeral one. Sockets of a port are chained through SK_BIND_NEXT; the table is indexed by the
 * port itself. Linux: inet_bind_bucket, inet_csk_bind_conflict, __inet_hash_connect; RFC 6056.
 */
import { AF_INET6, familyOf, isAnyAddr, isSameAddr } from '../base/family.ts'
import type { Arena } from '../shm/arena.ts'
import { isReservedPort } from '../shm/bit-list.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { REUSE_ADDR, REUSE_PORT, V6ONLY } from '../socket/socket-constants.ts'
import {
  SK_BIND_NEXT,
  SK_BIND_PREV,
  SK_BOUND_DEV,
  SK_FAMILY,
  SK_NUM,
  SK_REUSE,
  SK_SADDR,
  SK_STATE,
  TCP_LISTEN,
} from '../socket/sock.ts'
import { SK_LOCAL_PORTS } from '../socket/inet-sock.ts'

/** Does a wildcard socket hear packets of the family? Of the other one IPv4 never, IPv6 unless it is v6only. */
export const takesFamily = (i32: Int32Array, sk: number, family: number): boolean =>
  i32[sk + SK_FAMILY] === family ||
  (i32[sk + SK_FAMILY] === AF_INET6 && (i32[sk + SK_REUSE] & V6ONLY) === 0)

/**
 * The least and the greatest port that is chosen for a socket: net.ipv4.ip_local_port_range, and within it what the socket
 * has asked for (inet_sk_get_local_port_range).
 */
export const lowPort = ({ i32, layout }: Arena, sk: number): number => {
  const low = i32[layout.sysctl + Sysctl.ip_local_port_range_min]
  const own = i32[sk + SK_LOCAL_PORTS] & 0xffff
  return own >= low && own <= i32[layout.sysctl + Sysctl.ip_local_port_range_max] ? own : low
}
export const highPort = (arena: Arena, sk: number): number => {
  const high = arena.i32[arena.layout.sysctl + Sysctl.ip_local_port_range_max]
  const own = arena.i32[sk + SK_LOCAL_PORTS] >>> 16
  return own >= lowPort(arena, sk) && own <= high ? own : high
}

export type Ports = ReturnType<typeof createPorts>

/** `domainOf`: sockets of two domains do not get into each other's way (TCP; in UDP they do, as in Linux). */
export const createPorts = (arena: Arena, domainOf: (sk: number) => number = () => 0) => {
  const { i32 } = arena
  const reserved = arena.layout.sysctl + Sysctl.ip_local_reserved_ports
  const heads = new Int32Array(65536)

  const hold = (sk: number, port: number): void => {
    i32[sk + SK_NUM] = port
    const next = heads[port]
    i32[sk + SK_BIND_NEXT] = next
    i32[sk + SK_BIND_PREV] = 0
    if (next !== 0) i32[next + SK_BIND_PREV] = sk
    heads[port] = sk
  }
  /** Leaves the chain; the socket's number is left as it is. Nothing happens when it holds no port. */
  const release = (sk: number): void => {
    const port = i32[sk + SK_NUM]
    const next = i32[sk + SK_BIND_NEXT]
    const prev = i32[sk + SK_BIND_PREV]
    if (prev === 0 && heads[port] !== sk) return
    if (prev === 0) heads[port] = next
    else i32[prev + SK_BIND_NEXT] = next
    if (next !== 0) i32[next + SK_BIND_PREV] = prev
    i32[sk + SK_BIND_NEXT] = 0
    i32[sk + SK_BIND_PREV] = 0
  }
  const first = (port: number): number => heads[port]

  /** True when a packet could be for either: equal addresses, or a wildcard that covers the other's family. */
  const overlap = (a: number, b: number): boolean => {
    const anyA = isAnyAddr(i32, a + SK_SADDR)
    const anyB = isAnyAddr(i32, b + SK_SADDR)
    if (!anyA && !anyB) return isSameAddr(i32, a + SK_SADDR, i32, b + SK_SADDR)
    // a wildcard meets what its family, or the other that it takes too, is spoken with
    if (!anyA) return takesFamily(i32, b, familyOf(i32, a + SK_SADDR))
    if (!anyB) return takesFamily(i32, a, familyOf(i32, b + SK_SADDR))
    return takesFamily(i32, a, i32[b + SK_FAMILY]) || takesFamily(i32, b, i32[a + SK_FAMILY])
  }

  const clash = (sk: number, other: number): boolean => {
    const devA = i32[sk + SK_BOUND_DEV]
    const devB = i32[other + SK_BOUND_DEV]
    if (devA !== 0 && devB !== 0 && devA !== devB) return false
    if (domainOf(sk) !== domainOf(other)) return false
    const both = i32[sk + SK_REUSE] & i32[other + SK_REUSE]
    if ((both & REUSE_ADDR) !== 0 && i32[other + SK_STATE] !== TCP_LISTEN) return false
    if ((both & REUSE_PORT) !== 0) return false
    return overlap(sk, other)
  }
  /** True when sk, with its address and options, may not be bound to the port. */
  const conflicts = (sk: number, port: number): boolean => {
    for (let other = heads[port]; other !== 0; other = i32[other + SK_BIND_NEXT])
      if (other !== sk && clash(sk, other)) return true
    return false
  }

  /** Searches [low, high] from a hashed start for a port that is not reserved and that `usable` takes; 0: there is none. */
  const pick = (
    low: number,
    high: number,
    start: number,
    usable: (port: number) => boolean
  ): number => {
    const count = high - low + 1
    if (count <= 0) return 0
    const offset = (start >>> 0) % count
    for (let n = 0; n < count; n++) {
      const port = low + ((offset + n) % count)
      if (i32[reserved] !== 0 && isReservedPort(arena, port)) continue
      if (usable(port)) return port
    }
    return 0
  }

  return { hold, release, first, conflicts, pick }
}
