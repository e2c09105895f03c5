/**
 * The SYN of a connection that is begun: what it offers, and the skb that is sent again until it is answered. Called by
 * tcp-connect.ts and tcp-sendmsg-fastopen.ts on the worker. Linux: tcp_connect_init, tcp_connect.
 */
import { Errno } from '../../../base/errno.ts'
import { TIME_MS, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { MIN_HEADER } from '../../../wire/tcp.ts'
import type { TcpWindow } from '../rcv/tcp-window.ts'
import { accecnSendSyn } from '../ecn/tcp-accecn.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import { CB_END_SEQ } from '../sock/tcp-cb.ts'
import { TCP_INFINITE_SSTHRESH, TCP_TIMEOUT_INIT } from '../sock/tcp-constants.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import { initCwnd } from '../sock/tcp-metrics.ts'
import type { TcpOom } from '../sock/tcp-oom.ts'
import {
  ICSK_TIME_RETRANS,
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  TP_ADVMSS,
  TP_HEADER_LEN,
  TP_MSS_CLAMP,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_RETRANS_STAMP,
  TP_RTO,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_ISN,
  TP_SND_NXT,
  TP_SND_SML,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_SND_WND,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpRouting } from './tcp-routing.ts'
import type { TcpTwReuse } from './tcp-tw-reuse.ts'

export type TcpSendSyn = ReturnType<typeof createTcpSendSyn>
type TcpSendSynDeps = {
  arena: Arena
  bank: number
  time: Time
  life: Pick<TcpLifecycle, 'fail'>
  timers: TcpTimers
  mss: TcpMss
  window: TcpWindow
  transmit: TcpTransmit
  queue: TcpWriteQueue
  cong: TcpCong
  md5: Pick<TcpMd5, 'optionLen'>
  mem: TcpMem
  trim: TcpOom['trimSnd']
  routing: Pick<TcpRouting, 'secureSeq' | 'secureTsOffset'>
  twReuse: Pick<TcpTwReuse, 'inherit'>
}

export const createTcpSendSyn = (deps: TcpSendSynDeps) => {
  const { bank, time, life, timers, mss, window, transmit, queue, cong, md5 } = deps
  const { mem, trim, routing, twReuse } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  /** What a SYN says, and where its connection begins (tcp_connect_init). */
  const initSyn = (sk: number): void => {
    let opts = 0
    const signature = md5.optionLen(sk)
    // both, and SACK, have no room beside one another
    if (i32[sysctl + Sysctl.tcp_timestamps] !== 0 && signature === 0) opts |= OPT_TIMESTAMPS
    if (i32[sysctl + Sysctl.tcp_sack] !== 0) opts |= OPT_SACK
    if (i32[sysctl + Sysctl.tcp_window_scaling] !== 0) opts |= OPT_WSCALE
    i32[sk + TP_OPTS] = opts
    i32[sk + TP_HEADER_LEN] = MIN_HEADER + signature + ((opts & OPT_TIMESTAMPS) !== 0 ? 12 : 0)
    i32[sk + TP_ADVMSS] = mss.advertisedMss(sk)
    i32[sk + TP_MSS_CLAMP] = mss.defaultMss(sk)
    mss.syncMss(sk)
    window.selectInitialWindow(sk, i32[sk + TP_ADVMSS], (opts & OPT_WSCALE) !== 0)
    const isn = twReuse.inherit(sk) || routing.secureSeq(sk)
    routing.secureTsOffset(sk)
    i32[sk + TP_SND_ISN] = isn
    i32[sk + TP_SND_UNA] = isn
    i32[sk + TP_SND_SML] = isn
    i32[sk + TP_SND_NXT] = isn
    i32[sk + TP_WRITE_SEQ] = isn
    i32[sk + TP_SND_WND] = 0
    i32[sk + TP_SND_CWND] = initCwnd(i32, sk)
    i32[sk + TP_SND_SSTHRESH] = TCP_INFINITE_SSTHRESH
    i32[sk + TP_RTO] = TCP_TIMEOUT_INIT
  }
  /** The SYN in the queue, as if it had gone, and waited for; 0 when there is no memory, which ends the connection. */
  const queueSyn = (sk: number): number => {
    f64[bank + Mib.TcpActiveOpens]++
    const isn = i32[sk + TP_SND_ISN]
    const flags = accecnSendSyn(i32, sk, i32[sysctl + Sysctl.tcp_ecn], cong.needsEcn(sk))
    const mayQueue = mem.mayQueueFlag() || trim(sk)
    const syn = mayQueue ? transmit.emptySegment(isn, flags) : 0
    if (syn === 0) {
      life.fail(sk, Errno.ENOBUFS)
      return 0
    }
    i32[syn + CB_END_SEQ] = (isn + 1) | 0
    queue.setTsoSegs(syn, 1)
    queue.append(sk, syn)
    i32[sk + TP_SND_NXT] = (isn + 1) | 0
    i32[sk + TP_WRITE_SEQ] = (isn + 1) | 0
    i32[sk + TP_SEND_HEAD] = 0
    i32[sk + TP_PACKETS_OUT] = 1
    i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT)
    return syn
  }

  return { initSyn, queueSyn }
}
