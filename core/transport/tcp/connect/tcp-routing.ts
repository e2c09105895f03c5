/**
 * What a connection has of its way: the route to its peer, our address on it, and the numbers that only this pair of addresses has.
 * Called by both kinds of open, on the worker. Linux: ip_route_connect, secure_tcp_seq, secure_tcp_ts_off; RFC 6528.
 */
import { Errno } from '../../../base/errno.ts'
import { copyAddr } from '../../../base/family.ts'
import { FL_SADDR, FL_TYPE, RTN_LOCAL, RTN_UNICAST } from '../../../base/flowi.ts'
import { TIME_US, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { SkDst } from '../../../inet/dst/sk-dst.ts'
import { SK_DADDR, SK_DPORT, SK_NUM, SK_SADDR } from '../../../socket/sock.ts'
import { HASH_ISN, HASH_TS } from '../../secure-constants.ts'
import type { SecureSeq } from '../../secure-seq.ts'
import { TP_TS_OFFSET } from '../sock/tcp-sock.ts'

export type TcpRouting = ReturnType<typeof createTcpRouting>

export const createTcpRouting = (
  arena: Arena,
  time: Time,
  secure: SecureSeq,
  { skDstLookup, flow }: SkDst
) => {
  const { i32, layout } = arena
  /** Looks up the way to a socket's peer and keeps it, and our address on it, in the row; 0 or -errno. */
  const routeSocket = (sk: number): number => {
    const err = skDstLookup(sk)
    if (err < 0) return err
    if (flow[FL_TYPE] !== RTN_UNICAST && flow[FL_TYPE] !== RTN_LOCAL) return -Errno.ENETUNREACH
    copyAddr(i32, sk + SK_SADDR, flow, FL_SADDR)
    return 0
  }
  /** RFC 6528: a clock of 64 ns ticks (by microseconds here) behind a keyed hash of the connection. */
  const secureSeq = (sk: number): number =>
    (secure.flowHash(
      i32,
      sk + SK_SADDR,
      sk + SK_DADDR,
      i32[sk + SK_NUM],
      i32[sk + SK_DPORT],
      HASH_ISN
    ) +
      (time[TIME_US] << 4)) |
    0
  /** Timestamp offset of the connection (RFC 7323 section 5.4); none with tcp_timestamps = 2. */
  const secureTsOffset = (sk: number): void => {
    i32[sk + TP_TS_OFFSET] =
      i32[layout.sysctl + Sysctl.tcp_timestamps] === 1
        ? secure.flowHash(i32, sk + SK_SADDR, sk + SK_DADDR, 0, 0, HASH_TS)
        : 0
  }

  return { routeSocket, secureSeq, secureTsOffset }
}
