/**
 * Which UDP socket of this worker gets a datagram. Connected sockets are found by their four-tuple at once; the
 * others through the chain of their port, by Linux's score: a bound address before a wildcard, a bound device
 * before none, the datagram's own family before the other; equals with SO_REUSEPORT share by the flow's hash. Both families in one.
 * Called by udp-input for each datagram. Linux: net/ipv4/udp.c udp4_lib_lookup2(), compute_score().
 */
import {
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_SADDR,
  FL_SPORT,
  type Flowi,
} from '../../base/flowi.ts'
import { mix32, mixIn, reciprocalScale } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { REUSE_PORT } from '../../socket/socket-constants.ts'
import {
  SK_BIND_NEXT,
  SK_BOUND_DEV,
  SK_DADDR,
  SK_DPORT,
  SK_FAMILY,
  SK_HASH_NEXT,
  SK_HASH_PREV,
  SK_NUM,
  SK_REUSE,
  SK_SADDR,
  isBoundTo,
} from '../../socket/sock.ts'
import { isGroupAddr } from '../../base/family.ts'
import type { McSockopt } from '../../socket/sockopt/mc-sockopt.ts'
import type { Ports } from '../ports.ts'
import { takesFamily } from '../ports.ts'

export type UdpHash = ReturnType<typeof createUdpHash>

const BUCKETS = 4096
/** By which workers know of each other's bound ports (transport/owned-flows.ts); unlike any of TCP's. */
export const portHash = (port: number): number => mix32(port | 0x110000)
/** SK_HASH_PREV of a chain's first socket: not 0, so that a hashed socket is known by it. */
const FIRST = -1

export const createUdpHash = (
  { i32, layout }: Arena,
  ports: Ports,
  seed: number,
  allowsMc: McSockopt['allows']
) => {
  const accept = layout.sysctl + Sysctl.udp_l3mdev_accept
  const connected = new Int32Array(BUCKETS)
  let connections = 0

  const tuple = (r2: number, r3: number, l2: number, l3: number, portPair: number): number =>
    mix32(mixIn(mixIn(mixIn(seed ^ portPair, r3), r2 ^ Math.imul(l2, 0x9e3779b1)), l3))
  const hashOf = (sk: number): number =>
    tuple(
      i32[sk + SK_DADDR + 2],
      i32[sk + SK_DADDR + 3],
      i32[sk + SK_SADDR + 2],
      i32[sk + SK_SADDR + 3],
      (i32[sk + SK_DPORT] << 16) | i32[sk + SK_NUM]
    )
  const hashFlow = (fl: Flowi): number =>
    tuple(
      fl[FL_SADDR + 2],
      fl[FL_SADDR + 3],
      fl[FL_DADDR + 2],
      fl[FL_DADDR + 3],
      (fl[FL_SPORT] << 16) | fl[FL_DPORT]
    )

  /** Enters a socket whose both ends are set. */
  const hash = (sk: number): void => {
    const bucket = hashOf(sk) & (BUCKETS - 1)
    const next = connected[bucket]
    i32[sk + SK_HASH_NEXT] = next
    i32[sk + SK_HASH_PREV] = FIRST
    if (next !== 0) i32[next + SK_HASH_PREV] = sk
    connected[bucket] = sk
    connections++
  }
  /** Takes it out, before its ends change; nothing happens when it is not in. */
  const unhash = (sk: number): void => {
    const prev = i32[sk + SK_HASH_PREV]
    if (prev === 0) return
    const next = i32[sk + SK_HASH_NEXT]
    if (prev === FIRST) connected[hashOf(sk) & (BUCKETS - 1)] = next
    else i32[prev + SK_HASH_NEXT] = next
    if (next !== 0) i32[next + SK_HASH_PREV] = prev
    i32[sk + SK_HASH_NEXT] = 0
    i32[sk + SK_HASH_PREV] = 0
    connections--
  }

  const isSame = (sk: number, word: number, fl: Flowi, at: number): boolean =>
    i32[sk + word + 3] === fl[at + 3] &&
    i32[sk + word + 2] === fl[at + 2] &&
    i32[sk + word + 1] === fl[at + 1] &&
    i32[sk + word] === fl[at]
  const isZero = (sk: number, word: number): boolean =>
    (i32[sk + word] | i32[sk + word + 1] | i32[sk + word + 2] | i32[sk + word + 3]) === 0
  const isOnDevice = (sk: number, fl: Flowi): boolean =>
    isBoundTo(i32[sk + SK_BOUND_DEV], fl, i32[accept] !== 0)

  const findConnected = (fl: Flowi): number => {
    for (let sk = connected[hashFlow(fl) & (BUCKETS - 1)]; sk !== 0; sk = i32[sk + SK_HASH_NEXT])
      if (
        i32[sk + SK_NUM] === fl[FL_DPORT] &&
        i32[sk + SK_DPORT] === fl[FL_SPORT] &&
        isSame(sk, SK_DADDR, fl, FL_SADDR) &&
        isSame(sk, SK_SADDR, fl, FL_DADDR) &&
        isOnDevice(sk, fl)
      )
        return sk
    return 0
  }
  /** -1: not for this socket. */
  const score = (sk: number, fl: Flowi): number => {
    if (i32[sk + SK_DPORT] !== 0 || !isOnDevice(sk, fl) || !takesFamily(i32, sk, fl[FL_FAMILY]))
      return -1
    let points = i32[sk + SK_FAMILY] === fl[FL_FAMILY] ? 2 : 1
    if (!isZero(sk, SK_SADDR)) {
      if (!isSame(sk, SK_SADDR, fl, FL_DADDR)) return -1
      points += 16
    }
    return i32[sk + SK_BOUND_DEV] !== 0 ? points + 4 : points
  }
  /** Of the sockets that share the port and the best score, the one that the flow's hash points to. */
  const shared = (best: number, fl: Flowi): number => {
    let members = 0
    for (let sk = ports.first(fl[FL_DPORT]); sk !== 0; sk = i32[sk + SK_BIND_NEXT])
      if (score(sk, fl) === best && (i32[sk + SK_REUSE] & REUSE_PORT) !== 0) members++
    let skip = reciprocalScale(hashFlow(fl), members)
    for (let sk = ports.first(fl[FL_DPORT]); sk !== 0; sk = i32[sk + SK_BIND_NEXT])
      if (score(sk, fl) === best && (i32[sk + SK_REUSE] & REUSE_PORT) !== 0 && skip-- === 0)
        return sk
    return 0
  }
  /** Socket for the flow of a received datagram (FL_SADDR and FL_SPORT are the sender's), or 0. */
  const lookup = (fl: Flowi): number => {
    if (connections !== 0) {
      const sk = findConnected(fl)
      if (sk !== 0) return sk
    }
    let best = -1
    let found = 0
    for (let sk = ports.first(fl[FL_DPORT]); sk !== 0; sk = i32[sk + SK_BIND_NEXT]) {
      const points = score(sk, fl)
      if (points > best) {
        best = points
        found = sk
      }
    }
    return found !== 0 && (i32[found + SK_REUSE] & REUSE_PORT) !== 0 ? shared(best, fl) : found
  }

  /** The next socket from `sk` on in the port's chain that hears this broadcast or multicast; 0 at the end. */
  const nextGroup = (from: number, fl: Flowi): number => {
    for (let sk = from; sk !== 0; sk = i32[sk + SK_BIND_NEXT]) if (hearsGroup(sk, fl)) return sk
    return 0
  }
  const hearsGroup = (sk: number, fl: Flowi): boolean => {
    if (!isOnDevice(sk, fl) || !takesFamily(i32, sk, fl[FL_FAMILY])) return false
    if (i32[sk + SK_DPORT] !== 0)
      if (i32[sk + SK_DPORT] !== fl[FL_SPORT] || !isSame(sk, SK_DADDR, fl, FL_SADDR)) return false
    if (!isZero(sk, SK_SADDR) && !isSame(sk, SK_SADDR, fl, FL_DADDR)) return false
    return !isGroupAddr(fl, FL_DADDR) || allowsMc(sk, fl[FL_IIF], fl, FL_DADDR, fl, FL_SADDR)
  }
  const firstGroup = (fl: Flowi): number => nextGroup(ports.first(fl[FL_DPORT]), fl)

  return { hash, unhash, lookup, firstGroup, nextGroup }
}
