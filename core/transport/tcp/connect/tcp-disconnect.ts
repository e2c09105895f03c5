/**
 * What an attempt to connect leaves in a socket's row: all of it goes before the next, but what the user has set. Called by
 * tcp-connect.ts on the worker. Linux: tcp_disconnect.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_INET, familyOfSock } from '../../../socket/inet-sock.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_ERR,
  SK_ERR_SOFT,
  SK_FAMILY,
  SK_FLAGS,
  SK_PROTO,
  SK_REUSE,
  SK_SADDR,
} from '../../../socket/sock.ts'
import { MAPPED } from '../../../socket/socket-constants.ts'
import type { TcpRcvQueue } from '../rcv/tcp-rcv-queue.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import {
  SOCK_BINDADDR_LOCK,
  SOCK_DONE,
  SOCK_NOSPACE,
  SOCK_UNPREDICTED,
  SOCK_WRITE_PENDING,
} from '../sock/sock-flags.ts'
import {
  FO_USER,
  TP_CA_OPS,
  TP_DEFER_ACCEPT,
  TP_EVENTS,
  TP_FASTOPEN,
  TP_FO_MAX_QLEN,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_KEEPALIVE_TIME,
  TP_LINGER,
  TP_LINGER2,
  TP_MAX_PACING_RATE,
  TP_MD5,
  TP_MSS_CACHE,
  TP_NONAGLE,
  TP_NOTSENT_LOWAT,
  TP_PACING,
  TP_REORDERING,
  TP_RTO_MAX,
  TP_RTO_MIN,
  TP_SYN_RETRIES,
  TP_TSFLAGS,
  TP_TSKEY,
  TP_USER_MSS,
  TP_USER_TIMEOUT,
  TP_WINDOW_CLAMP,
  TP_ZCKEY,
} from '../sock/tcp-sock.ts'

/** What setsockopt has set: it outlives an attempt to connect. */
const USER_WORDS = [
  TP_WINDOW_CLAMP,
  TP_USER_MSS,
  TP_NONAGLE,
  TP_LINGER,
  TP_LINGER2,
  TP_KEEPALIVE_TIME,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_SYN_RETRIES,
  TP_USER_TIMEOUT,
  TP_DEFER_ACCEPT,
  TP_MD5,
  TP_CA_OPS,
  TP_EVENTS,
  TP_NOTSENT_LOWAT,
  TP_FO_MAX_QLEN,
  TP_PACING,
  TP_MAX_PACING_RATE,
  TP_TSFLAGS,
  TP_TSKEY,
  TP_ZCKEY,
  TP_RTO_MIN,
  TP_RTO_MAX,
  // as it was last, it is told (TCP_MAXSEG)
  TP_MSS_CACHE,
]

export type TcpDisconnect = ReturnType<typeof createTcpDisconnect>
type TcpDisconnectDeps = {
  arena: Arena
  queue: Pick<TcpWriteQueue, 'purge'>
  purgeRcv: TcpRcvQueue['purge']
  cong: Pick<TcpCong, 'release'>
}

export const createTcpDisconnect = ({ arena, queue, purgeRcv, cong }: TcpDisconnectDeps) => {
  const { i32, layout } = arena
  const { sysctl } = layout
  const kept = new Int32Array(USER_WORDS.length)

  /** An attempt before this one has left its state in the row (tcp_disconnect): only what the user set stays. */
  const startAfresh = (sk: number): void => {
    purgeRcv(sk)
    queue.purge(sk)
    cong.release(sk)
    for (let k = 0; k < USER_WORDS.length; k++) kept[k] = i32[sk + USER_WORDS[k]]
    const fastopen = i32[sk + TP_FASTOPEN] & FO_USER
    i32.fill(0, sk + SK_PROTO, sk + SK_INET)
    for (let k = 0; k < USER_WORDS.length; k++) i32[sk + USER_WORDS[k]] = kept[k]
    i32[sk + TP_FASTOPEN] = fastopen
    i32[sk + SK_ERR] = 0
    i32[sk + SK_ERR_SOFT] = 0
    i32[sk + SK_FLAGS] &= ~(SOCK_DONE | SOCK_NOSPACE | SOCK_WRITE_PENDING | SOCK_UNPREDICTED)
    i32[sk + TP_REORDERING] = i32[sysctl + Sysctl.tcp_reordering]
  }
  /** It has no peer any more, and no address that it was not bound to. */
  const undoConnect = (sk: number): void => {
    i32[sk + SK_FAMILY] = familyOfSock(i32, sk)
    i32[sk + SK_REUSE] &= ~MAPPED
    i32.fill(0, sk + SK_DADDR, sk + SK_DADDR + 4)
    i32[sk + SK_DPORT] = 0
    if ((i32[sk + SK_FLAGS] & SOCK_BINDADDR_LOCK) === 0)
      i32.fill(0, sk + SK_SADDR, sk + SK_SADDR + 4)
  }

  return { startAfresh, undoConnect }
}
