/**
 * The worker's tables of TCP sockets: connections (established, request, TIME_WAIT) by their four-tuple, and
 * listeners by port. Chained through SK_HASH_NEXT of the rows; both families share them because addresses are
 * four words. Called for each segment (lookup) and each change of a connection. Linux: net/ipv4/inet_hashtables.c.
 */
import {
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_L3MDEV,
  FL_SADDR,
  FL_SPORT,
  type Flowi,
} from '../../../base/flowi.ts'
import { mix32, mixIn, reciprocalScale } from '../../../base/u32.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { REUSE_PORT } from '../../../socket/socket-constants.ts'
import {
  SK_BOUND_DEV,
  SK_DADDR,
  SK_DPORT,
  SK_FAMILY,
  SK_HASH_NEXT,
  SK_HASH_PREV,
  SK_NUM,
  SK_REUSE,
  SK_SADDR,
  SK_STATE,
  TCP_LISTEN,
  isBoundTo,
} from '../../../socket/sock.ts'
import type { OwnedFlows } from '../../owned-flows.ts'
import { takesFamily } from '../../ports.ts'
import { l3mdevOf } from '../../../netdev/netdev.ts'

/** SK_HASH_PREV of a chain's first socket: not 0, so that a hashed socket is known by it. */
const FIRST = -1
const LISTEN_BUCKETS = 256

export type TcpHash = ReturnType<typeof createTcpHash>

/** `sizeLog2`: buckets of the connection table; `seed`: a random word. */
export const createTcpHash = (
  arena: Arena,
  sizeLog2: number,
  seed: number,
  owned: Pick<OwnedFlows, 'add' | 'remove'>
) => {
  const { i32, layout } = arena
  const accept = layout.sysctl + Sysctl.tcp_l3mdev_accept
  const ehash = new Int32Array(1 << sizeLog2)
  const lhash = new Int32Array(LISTEN_BUCKETS)
  const mask = (1 << sizeLog2) - 1

  /** Only the words that differ between connections of one host matter, so all are mixed by two rounds. */
  const flowHash = (
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    l2: number,
    l3: number,
    ports: number
  ): number => {
    const remote = r0 ^ Math.imul(r1, 0x9e3779b1) ^ Math.imul(r2, 0x85ebca77)
    return mix32(mixIn(mixIn(mixIn(seed ^ ports, r3), remote), l3 ^ Math.imul(l2, 0xc2b2ae3d)))
  }
  const hashOf = (sk: number): number =>
    flowHash(
      i32[sk + SK_DADDR],
      i32[sk + SK_DADDR + 1],
      i32[sk + SK_DADDR + 2],
      i32[sk + SK_DADDR + 3],
      i32[sk + SK_SADDR + 2],
      i32[sk + SK_SADDR + 3],
      (i32[sk + SK_DPORT] << 16) | i32[sk + SK_NUM]
    )
  const hashFlow = (fl: Flowi): number =>
    flowHash(
      fl[FL_SADDR],
      fl[FL_SADDR + 1],
      fl[FL_SADDR + 2],
      fl[FL_SADDR + 3],
      fl[FL_DADDR + 2],
      fl[FL_DADDR + 3],
      (fl[FL_SPORT] << 16) | fl[FL_DPORT]
    )

  // Other workers look for the owner of a flow by a hash without a secret of this one's.
  const ownerHash = (r3: number, l3: number, ports: number): number =>
    mix32(mixIn(mixIn(ports, r3), l3))
  const ownerHashOf = (sk: number): number =>
    ownerHash(
      i32[sk + SK_DADDR + 3],
      i32[sk + SK_SADDR + 3],
      (i32[sk + SK_DPORT] << 16) | i32[sk + SK_NUM]
    )
  const ownerHashFlow = (fl: Flowi): number =>
    ownerHash(fl[FL_SADDR + 3], fl[FL_DADDR + 3], (fl[FL_SPORT] << 16) | fl[FL_DPORT])

  const link = (table: Int32Array, bucket: number, sk: number): void => {
    const next = table[bucket]
    i32[sk + SK_HASH_NEXT] = next
    i32[sk + SK_HASH_PREV] = FIRST
    if (next !== 0) i32[next + SK_HASH_PREV] = sk
    table[bucket] = sk
  }
  const bucketOf = (sk: number): number =>
    i32[sk + SK_STATE] === TCP_LISTEN ? i32[sk + SK_NUM] & (LISTEN_BUCKETS - 1) : hashOf(sk) & mask

  /** Puts a socket whose addresses and state are set into its table. */
  const hash = (sk: number): void => {
    if (i32[sk + SK_STATE] !== TCP_LISTEN) owned.add(ownerHashOf(sk))
    link(i32[sk + SK_STATE] === TCP_LISTEN ? lhash : ehash, bucketOf(sk), sk)
  }
  /** Takes it out, with the state it was put in with; nothing happens when it is in none. */
  const unhash = (sk: number): void => {
    const prev = i32[sk + SK_HASH_PREV]
    if (prev === 0) return
    if (i32[sk + SK_STATE] !== TCP_LISTEN) owned.remove(ownerHashOf(sk))
    const next = i32[sk + SK_HASH_NEXT]
    if (prev !== FIRST) i32[prev + SK_HASH_NEXT] = next
    else if (i32[sk + SK_STATE] === TCP_LISTEN) lhash[bucketOf(sk)] = next
    else ehash[bucketOf(sk)] = next
    if (next !== 0) i32[next + SK_HASH_PREV] = prev
    i32[sk + SK_HASH_NEXT] = 0
    i32[sk + SK_HASH_PREV] = 0
  }
  const isHashed = (sk: number): boolean => i32[sk + SK_HASH_PREV] !== 0

  /** A flow that came by no device (FL_IIF 0, or a VRF: an error's) is one of any device of its domain. */
  const isOnDevice = (sk: number, fl: Flowi): boolean => {
    const bound = i32[sk + SK_BOUND_DEV]
    if (isBoundTo(bound, fl, i32[accept] !== 0)) return true
    return bound !== 0 && fl[FL_IIF] === fl[FL_L3MDEV] && l3mdevOf(arena, bound) === fl[FL_L3MDEV]
  }
  const isPeer = (sk: number, fl: Flowi): boolean =>
    i32[sk + SK_DPORT] === fl[FL_SPORT] &&
    i32[sk + SK_NUM] === fl[FL_DPORT] &&
    i32[sk + SK_DADDR + 3] === fl[FL_SADDR + 3] &&
    i32[sk + SK_SADDR + 3] === fl[FL_DADDR + 3] &&
    i32[sk + SK_DADDR + 2] === fl[FL_SADDR + 2] &&
    i32[sk + SK_SADDR + 2] === fl[FL_DADDR + 2] &&
    i32[sk + SK_DADDR + 1] === fl[FL_SADDR + 1] &&
    i32[sk + SK_SADDR + 1] === fl[FL_DADDR + 1] &&
    i32[sk + SK_DADDR] === fl[FL_SADDR] &&
    i32[sk + SK_SADDR] === fl[FL_DADDR] &&
    isOnDevice(sk, fl)

  /** The connection that a packet of flow fl (source is the peer) belongs to, or 0. */
  const lookupEstablished = (fl: Flowi): number => {
    let sk = ehash[hashFlow(fl) & mask]
    while (sk !== 0 && !isPeer(sk, fl)) sk = i32[sk + SK_HASH_NEXT]
    return sk
  }

  /** How well a listener fits: -1 not at all; an exact address beats a device beats the family. */
  const score = (sk: number, fl: Flowi): number => {
    if (i32[sk + SK_NUM] !== fl[FL_DPORT]) return -1
    const dev = i32[sk + SK_BOUND_DEV]
    if (!isBoundTo(dev, fl, i32[accept] !== 0)) return -1
    const family = i32[sk + SK_FAMILY] === fl[FL_FAMILY] ? 1 : 0
    const at = sk + SK_SADDR
    if ((i32[at] | i32[at + 1] | i32[at + 2] | i32[at + 3]) === 0) {
      return takesFamily(i32, sk, fl[FL_FAMILY]) ? family + (dev !== 0 ? 2 : 0) : -1
    }
    for (let w = 0; w < 4; w++) if (i32[at + w] !== fl[FL_DADDR + w]) return -1
    return 4 + family + (dev !== 0 ? 2 : 0)
  }
  /** The listener for a SYN of flow fl, or 0. A group of SO_REUSEPORT shares flows out by their hash. */
  const lookupListener = (fl: Flowi): number => {
    let best = 0
    let bestScore = -1
    let ties = 0
    for (
      let sk = lhash[fl[FL_DPORT] & (LISTEN_BUCKETS - 1)];
      sk !== 0;
      sk = i32[sk + SK_HASH_NEXT]
    ) {
      const fit = score(sk, fl)
      if (fit > bestScore) {
        best = sk
        bestScore = fit
        ties = 1
      } else if (fit === bestScore && fit >= 0 && (i32[sk + SK_REUSE] & REUSE_PORT) !== 0) ties++
    }
    return ties > 1
      ? reuseportSelect(fl, bestScore, reciprocalScale(hashFlow(fl), ties), best)
      : best
  }
  const reuseportSelect = (fl: Flowi, wanted: number, index: number, fallback: number): number => {
    let left = index
    for (let sk = lhash[fl[FL_DPORT] & (LISTEN_BUCKETS - 1)]; sk !== 0; sk = i32[sk + SK_HASH_NEXT])
      if (score(sk, fl) === wanted && left-- === 0) return sk
    return fallback
  }

  return { hash, unhash, isHashed, lookupEstablished, lookupListener, hashFlow, ownerHashFlow }
}
