/**
 * The retransmission timer: what was sent and is not acknowledged goes again, and twice as long is waited for it. Called by
 * tcp-timer.ts on the worker. Linux: tcp_retransmit_timer, tcp_fastopen_synack_timer; RFC 6298 section 5.
 */
import { TIME_MS, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_STATE, TCP_SYN_RECV, TCP_SYN_SENT } from '../../../socket/sock.ts'
import type { TcpSynack } from '../listen/tcp-synack.ts'
import type { TcpEnterLoss } from '../rec/tcp-enter-loss.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import { TCP_RESOURCE_PROBE_INTERVAL, TCP_TIMEOUT_INIT } from '../sock/tcp-constants.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  FO_PASSIVE,
  ICSK_TIME_RETRANS,
  OPT_SACK,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_RECOVERY,
  TP_BACKOFF,
  TP_CA_STATE,
  TP_FASTOPEN,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_RETRANSMITS,
  TP_RETRANS_STAMP,
  TP_RTO,
  TP_SACKED_OUT,
  TP_SND_WND,
  TP_SYN_RETRIES,
  TP_USER_TIMEOUT,
} from '../sock/tcp-sock.ts'
import { rtoMax } from './tcp-sock-times.ts'
import type { TcpTimers } from './tcp-timers.ts'
import type { TcpWriteTimeout } from './tcp-write-timeout.ts'

export type TcpRetransmitTimer = ReturnType<typeof createTcpRetransmitTimer>
type TcpRetransmitTimerDeps = {
  arena: Arena
  bank: number
  time: Time
  timers: TcpTimers
  queue: Pick<TcpWriteQueue, 'rtxHead'>
  retransmission: Pick<TcpRetransmit, 'retransmit'>
  synack: Pick<TcpSynack, 'retransmitSynAck'>
  life: Pick<TcpLifecycle, 'isDead'>
} & Pick<TcpEnterLoss, 'enterLoss'> &
  Pick<TcpWriteTimeout, 'giveUp' | 'writeTimeout' | 'isShutTooLong'>

export const createTcpRetransmitTimer = (deps: TcpRetransmitTimerDeps) => {
  const { bank, time, timers, queue, retransmission, synack, life, enterLoss } = deps
  const { giveUp, writeTimeout, isShutTooLong } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  const countTimeout = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPTimeouts]++
    if (i32[sk + TP_RETRANSMITS] !== 0) return
    const sack = (i32[sk + TP_OPTS] & OPT_SACK) !== 0
    const state = i32[sk + TP_CA_STATE]
    if (state === TCP_CA_RECOVERY)
      f64[bank + (sack ? Mib.TcpExtTCPSackRecoveryFail : Mib.TcpExtTCPRenoRecoveryFail)]++
    else if (state === TCP_CA_LOSS) f64[bank + Mib.TcpExtTCPLossFailures]++
    else if (state === TCP_CA_DISORDER || i32[sk + TP_SACKED_OUT] !== 0)
      f64[bank + (sack ? Mib.TcpExtTCPSackFailures : Mib.TcpExtTCPRenoFailures)]++
  }
  const backOff = (sk: number): void => {
    const isLinear =
      i32[sk + SK_STATE] === TCP_SYN_SENT &&
      i32[sk + TP_RETRANSMITS] <= i32[sysctl + Sysctl.tcp_syn_linear_timeouts]
    if (!isLinear) {
      i32[sk + TP_BACKOFF]++
      i32[sk + TP_RTO] = Math.min(i32[sk + TP_RTO] * 2, rtoMax(i32, sk))
    }
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, clampRto(sk))
  }
  /** The timeout, but no later than the user's (tcp_clamp_rto_to_user_timeout). */
  const clampRto = (sk: number): number => {
    const rto = i32[sk + TP_RTO]
    const user = i32[sk + TP_USER_TIMEOUT]
    if (user === 0) return rto
    const left = (user - ((time[TIME_MS] - i32[sk + TP_RETRANS_STAMP]) | 0)) | 0
    return Math.min(rto, Math.max(left, 1))
  }

  /** Fast Open: nothing of a connection is sent again before its SYN-ACK is answered, which has one try more. */
  const synAckTimer = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPTimeouts]++
    const most = i32[sk + TP_SYN_RETRIES] || i32[sysctl + Sysctl.tcp_synack_retries] + 1
    if (i32[sk + TP_RETRANSMITS] >= most) return giveUp(sk)
    if (i32[sk + TP_RETRANSMITS] === 1) enterLoss(sk)
    const sent = ++i32[sk + TP_RETRANSMITS]
    synack.retransmitSynAck(sk)
    if (i32[sk + TP_RETRANS_STAMP] === 0) i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
    const delay = Math.min(TCP_TIMEOUT_INIT * 2 ** sent, rtoMax(i32, sk))
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, delay)
  }

  /** The window was taken back under data in flight: a probe with no limit but the peer's silence. */
  const probeShutWindow = (sk: number): void => {
    if (isShutTooLong(sk)) {
      giveUp(sk)
      return
    }
    enterLoss(sk)
    retransmission.retransmit(sk, queue.rtxHead(sk), 1)
    backOff(sk)
  }
  /** No memory, no neighbour: try again soon, it says nothing about the path. */
  const trySoon = (sk: number): void => {
    if (i32[sk + TP_RETRANS_STAMP] === 0) i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
    const delay = Math.min(i32[sk + TP_RTO], TCP_RESOURCE_PROBE_INTERVAL)
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, delay)
  }

  /** RFC 6298 section 5.4 to 5.7. */
  const retransmitTimer = (sk: number): void => {
    if ((i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0) return synAckTimer(sk)
    if (i32[sk + TP_PACKETS_OUT] === 0 || queue.rtxHead(sk) === 0) return
    const state = i32[sk + SK_STATE]
    const isHandshake = state === TCP_SYN_SENT || state === TCP_SYN_RECV
    if (i32[sk + TP_SND_WND] === 0 && !isHandshake && !life.isDead(sk)) return probeShutWindow(sk)
    if (writeTimeout(sk)) return
    countTimeout(sk)
    enterLoss(sk)
    i32[sk + TP_RETRANSMITS]++
    if (retransmission.retransmit(sk, queue.rtxHead(sk), 1) < 0) trySoon(sk)
    else backOff(sk)
  }

  return { retransmitTimer }
}
