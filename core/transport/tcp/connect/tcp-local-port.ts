/**
 * The local port of a connection that is begun: one by which no other connection has these addresses, and whose answers come
 * back to this worker. Called by tcp-connect.ts on the worker. Linux: __inet_hash_connect, __inet_check_established; RFC 6056.
 */
import { Errno } from '../../../base/errno.ts'
import {
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_L3MDEV,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  createFlowi,
} from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { l3mdevOf } from '../../../netdev/netdev.ts'
import {
  SK_BIND_NEXT,
  SK_DADDR,
  SK_DPORT,
  SK_DST_DEV,
  SK_FAMILY,
  SK_FLAGS,
  SK_NUM,
  SK_SADDR,
  SK_STATE,
  TCP_LISTEN,
} from '../../../socket/sock.ts'
import type { Steer } from '../../../steering/steer.ts'
import { type Ports, highPort, lowPort } from '../../ports.ts'
import { HASH_PORT } from '../../secure-constants.ts'
import type { SecureSeq } from '../../secure-seq.ts'
import { SOCK_BINDPORT_LOCK } from '../sock/sock-flags.ts'
import type { TcpHash } from '../sock/tcp-hash.ts'
import type { TcpTwReuse } from './tcp-tw-reuse.ts'

const IPPROTO_TCP = 6

export type TcpLocalPort = ReturnType<typeof createTcpLocalPort>
type TcpLocalPortDeps = {
  arena: Arena
  worker: number
  hash: TcpHash
  ports: Ports
  secure: SecureSeq
  steer: Steer['steerFlow']
  twReuse: TcpTwReuse
}

export const createTcpLocalPort = (deps: TcpLocalPortDeps) => {
  const { arena, worker, hash, ports, secure, steer, twReuse } = deps
  const { i32 } = arena
  const back = createFlowi()
  // RFC 6056 algorithm 3: the count is common to all destinations
  let portOffset = 0

  /** Addresses of the packets that will answer. */
  const answersFlow = (sk: number): void => {
    back.fill(0)
    back[FL_FAMILY] = i32[sk + SK_FAMILY]
    back[FL_PROTO] = IPPROTO_TCP
    // they come in where ours go out
    back[FL_IIF] = i32[sk + SK_DST_DEV]
    back[FL_L3MDEV] = l3mdevOf(arena, i32[sk + SK_DST_DEV])
    for (let w = 0; w < 4; w++) {
      back[FL_SADDR + w] = i32[sk + SK_DADDR + w]
      back[FL_DADDR + w] = i32[sk + SK_SADDR + w]
    }
    back[FL_SPORT] = i32[sk + SK_DPORT]
  }
  /** A port that is not bound by another's wish, whose connection is new, and whose answers come here. */
  const usable = (port: number): boolean => {
    back[FL_DPORT] = port
    for (let other = ports.first(port); other !== 0; other = i32[other + SK_BIND_NEXT])
      if (
        (i32[other + SK_FLAGS] & SOCK_BINDPORT_LOCK) !== 0 ||
        i32[other + SK_STATE] === TCP_LISTEN
      )
        return false
    return isFree(false) && steer(back) === worker
  }
  /** No connection has these addresses and ports, or one in TIME_WAIT that gives way. */
  const isFree = (isBound: boolean): boolean => {
    const other = hash.lookupEstablished(back)
    return other === 0 || twReuse.mayReplace(other, isBound)
  }
  /** Takes the place of the connection in TIME_WAIT that has the port chosen, if there is one. */
  const takePlace = (): void => {
    const other = hash.lookupEstablished(back)
    if (other !== 0) twReuse.replace(other)
  }
  /** Gives the socket its port, or sees whether the one that it is bound to will do; 0 or -errno. */
  const chooseLocalPort = (sk: number): number => {
    answersFlow(sk)
    if (i32[sk + SK_NUM] !== 0) {
      back[FL_DPORT] = i32[sk + SK_NUM]
      if (!isFree(true) || steer(back) !== worker) return -Errno.EADDRNOTAVAIL
      takePlace()
      return 0
    }
    const start = secure.flowHash(
      i32,
      sk + SK_SADDR,
      sk + SK_DADDR,
      0,
      i32[sk + SK_DPORT],
      HASH_PORT
    )
    const port = ports.pick(lowPort(arena, sk), highPort(arena, sk), start + portOffset, usable)
    if (port === 0) return -Errno.EADDRNOTAVAIL
    back[FL_DPORT] = port
    takePlace()
    portOffset += 2
    ports.hold(sk, port)
    return 0
  }

  return { chooseLocalPort }
}
