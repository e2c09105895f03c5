/**
 * The beginning of a socket, and the end of all of them. Called by the socket layer on the worker. Linux: tcp_init_sock.
 */
import { TIME_US, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { initInet } from '../../../socket/inet-sock.ts'
import {
  SK_CREATED,
  SK_FAMILY,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_SNDBUF,
  SK_STATE,
  SK_TYPE,
  SOCK_STREAM,
  TCP_CLOSE,
  TCP_NEW_SYN_RECV,
} from '../../../socket/sock.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { TcpListenQueues } from '../listen/tcp-listen-queues.ts'
import { initRtoBounds } from '../timer/tcp-sock-times.ts'
import { TCP_TIMEOUT_INIT } from './tcp-constants.ts'
import type { TcpLifecycle } from './tcp-lifecycle.ts'
import { TP_REORDERING, TP_RTO, TP_SCALING_RATIO } from './tcp-sock.ts'

const IPPROTO_TCP = 6

type TcpInitSockDeps = {
  arena: Arena
  time: Time
  slab: Slab
  cong: Pick<TcpCong, 'assign'>
  life: Pick<TcpLifecycle, 'allocSock' | 'destroyNow'>
  listenQueues: Pick<TcpListenQueues, 'dropRequest'>
}

export const createTcpInitSock = (deps: TcpInitSockDeps) => {
  const { arena, time, slab, cong, life, listenQueues } = deps
  const { i32, layout } = arena
  const { sysctl } = layout

  /** A closed socket of a family, or 0 when the worker has no row left. */
  const open = (family: number): number => {
    const sk = life.allocSock()
    if (sk === 0) return 0
    i32[sk + SK_FAMILY] = family
    i32[sk + SK_TYPE] = SOCK_STREAM
    i32[sk + SK_PROTOCOL] = IPPROTO_TCP
    i32[sk + SK_STATE] = TCP_CLOSE
    initInet(arena, sk)
    i32[sk + SK_CREATED] = time[TIME_US]
    i32[sk + SK_RCVBUF] = i32[sysctl + Sysctl.tcp_rmem_default]
    i32[sk + SK_SNDBUF] = i32[sysctl + Sysctl.tcp_wmem_default]
    i32[sk + TP_RTO] = TCP_TIMEOUT_INIT
    initRtoBounds(i32, sysctl, sk)
    i32[sk + TP_REORDERING] = i32[sysctl + Sysctl.tcp_reordering]
    i32[sk + TP_SCALING_RATIO] = 128
    cong.assign(sk)
    return sk
  }
  /** Ends everything at once, without a word to anyone (the worker stops, a test ends). */
  const destroyAll = (): void => {
    for (let k = 0; k < slab.rows; k++) {
      const sk = slab.at(k)
      if (!slab.isLive(sk) || i32[sk + SK_TYPE] !== SOCK_STREAM) continue
      if (i32[sk + SK_STATE] === TCP_NEW_SYN_RECV) listenQueues.dropRequest(sk)
      else life.destroyNow(sk)
    }
  }

  return { open, destroyAll }
}
