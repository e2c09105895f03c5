/**
 * Ping sockets by their identifier, which is their port. Both families in one. A worker chooses identifiers of its own, as
 * no two workers may have the same: which of them hears a reply is not in the reply.
 * Linux: ping_get_port(), ping_lookup() (net/ipv4/ping.c).
 */
import { isAnyAddr, isSameAddr } from '../../base/family.ts'
import { type Flowi, FL_FAMILY } from '../../base/flowi.ts'
import {
  SK_BIND_NEXT,
  SK_BOUND_DEV,
  SK_FAMILY,
  SK_NUM,
  SK_REUSE,
  SK_SADDR,
  isBoundTo,
} from '../../socket/sock.ts'
import { REUSE_ADDR } from '../../socket/socket-constants.ts'

export type PingTable = ReturnType<typeof createPingTable>

/** So many that a look for a free identifier is short though all are taken. */
const BUCKETS = 4096
const IDENTS = 0x10000

export const createPingTable = (i32: Int32Array, worker: number, workers: number) => {
  const heads = new Int32Array(BUCKETS)
  let rover = 0

  const isFree = (sk: number, ident: number): boolean => {
    for (let other = heads[ident % BUCKETS]; other !== 0; other = i32[other + SK_BIND_NEXT]) {
      if (i32[other + SK_NUM] !== ident || other === sk) continue
      if ((i32[sk + SK_REUSE] & i32[other + SK_REUSE] & REUSE_ADDR) === 0) return false
    }
    return true
  }
  const isUnused = (ident: number): boolean => {
    for (let sk = heads[ident % BUCKETS]; sk !== 0; sk = i32[sk + SK_BIND_NEXT])
      if (i32[sk + SK_NUM] === ident) return false
    return true
  }
  /** An identifier that nobody has; 0: there is none. */
  const pick = (): number => {
    for (let n = 0; n < IDENTS; n++) {
      rover = (rover + 1) % IDENTS
      if (rover !== 0 && rover % workers === worker && isUnused(rover)) return rover
    }
    return 0
  }
  const enter = (sk: number, ident: number): void => {
    i32[sk + SK_NUM] = ident
    i32[sk + SK_BIND_NEXT] = heads[ident % BUCKETS]
    heads[ident % BUCKETS] = sk
  }
  const leave = (sk: number): void => {
    const bucket = i32[sk + SK_NUM] % BUCKETS
    if (heads[bucket] === sk) {
      heads[bucket] = i32[sk + SK_BIND_NEXT]
      return
    }
    let before = heads[bucket]
    while (i32[before + SK_BIND_NEXT] !== sk) before = i32[before + SK_BIND_NEXT]
    i32[before + SK_BIND_NEXT] = i32[sk + SK_BIND_NEXT]
  }
  /** The socket with the identifier to which a packet in `fl` is, our address in it at `local`; or 0. */
  const lookup = (ident: number, fl: Flowi, local: number): number => {
    for (let sk = heads[ident % BUCKETS]; sk !== 0; sk = i32[sk + SK_BIND_NEXT]) {
      if (i32[sk + SK_NUM] !== ident || i32[sk + SK_FAMILY] !== fl[FL_FAMILY]) continue
      if (!isAnyAddr(i32, sk + SK_SADDR) && !isSameAddr(i32, sk + SK_SADDR, fl, local)) continue
      // one that is bound to no device hears VRFs too
      if (isBoundTo(i32[sk + SK_BOUND_DEV], fl, true)) return sk
    }
    return 0
  }
  return { isFree, pick, enter, leave, lookup }
}
