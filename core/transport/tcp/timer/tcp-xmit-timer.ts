/**
 * Which timer runs while data is in flight: first that of a tail loss probe, two round trips after what was sent last, so that
 * the loss of a flight's end costs no timeout (RFC 8985 section 7); then the retransmission timer, from when the oldest
 * segment was sent (RFC 6298 section 5). Called as data is sent and acknowledged, on the worker.
 * Linux: tcp_schedule_loss_probe(), tcp_rearm_rto(), tcp_set_xmit_timer(), tcp_ld_RTO_revert().
 */
import { setRto } from '../ack/tcp-rtt.ts'
import { rtoMin } from '../sock/tcp-metrics.ts'
import { rtoMax } from './tcp-sock-times.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  OPT_SACK,
  TCP_CA_CWR,
  TCP_CA_OPEN,
  TP_BACKOFF,
  TP_CA_STATE,
  TP_OPTS,
  FO_PASSIVE,
  TP_FASTOPEN,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_RETRANSMITS,
  TP_RTO,
  TP_SND_UNA,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import { CB_TIME } from '../sock/tcp-cb.ts'
import { TCP_TIMEOUT_INIT, TCP_TIMEOUT_MIN } from '../sock/tcp-constants.ts'
import type { TcpTimers } from './tcp-timers.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

export type TcpXmitTimer = ReturnType<typeof createTcpXmitTimer>
type TcpXmitTimerDeps = {
  i32: Int32Array
  sysctl: number
  time: Time
  queue: TcpWriteQueue
  timers: TcpTimers
}

export const createTcpXmitTimer = ({ i32, sysctl, time, queue, timers }: TcpXmitTimerDeps) => {
  /** Milliseconds until the retransmission timer would fire that ran from the oldest segment. */
  const rtoDelta = (sk: number): number => {
    const head = queue.rtxHead(sk)
    if (head === 0) return i32[sk + TP_RTO]
    const elapsedUs = (time[TIME_US] - i32[head + CB_TIME]) | 0
    return Math.ceil(i32[sk + TP_RTO] - elapsedUs / 1000)
  }
  /** The retransmission timer, anew; behind another timer it goes on from when it would have begun. */
  const rearmRto = (sk: number): void => {
    // it is the SYN-ACK's
    if ((i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0) return
    if (i32[sk + TP_PACKETS_OUT] === 0) return timers.clearXmitTimer(sk)
    const pending = i32[sk + TP_PENDING]
    const isBehind = pending === ICSK_TIME_LOSS_PROBE || pending === ICSK_TIME_REO_TIMEOUT
    const delay = isBehind ? Math.max(rtoDelta(sk), 1) : i32[sk + TP_RTO]
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, delay)
  }

  const mayProbe = (sk: number): boolean => {
    const state = i32[sk + TP_CA_STATE]
    return (
      (i32[sk + TP_FASTOPEN] & FO_PASSIVE) === 0 &&
      i32[sysctl + Sysctl.tcp_early_retrans] >= 3 &&
      i32[sk + TP_PACKETS_OUT] !== 0 &&
      (i32[sk + TP_OPTS] & OPT_SACK) !== 0 &&
      (state === TCP_CA_OPEN || state === TCP_CA_CWR)
    )
  }
  /** Two round trips; a single segment may wait for its delayed acknowledgement (RFC 8985 section 7.2). */
  const probeTimeout = (sk: number): number => {
    const srtt = i32[sk + TP_SRTT_US]
    if (srtt === 0) return TCP_TIMEOUT_INIT
    const more = i32[sk + TP_PACKETS_OUT] === 1 ? rtoMin(i32, sk) : TCP_TIMEOUT_MIN
    return Math.ceil((srtt >> 2) / 1000) + more
  }
  /** `anew`: the retransmission timer would begin now. False when no probe is to be sent. */
  const scheduleLossProbe = (sk: number, anew: boolean): boolean => {
    if (!mayProbe(sk)) return false
    const rto = anew ? i32[sk + TP_RTO] : rtoDelta(sk)
    const timeout = probeTimeout(sk)
    timers.resetXmitTimer(sk, ICSK_TIME_LOSS_PROBE, rto > 0 ? Math.min(timeout, rto) : timeout)
    return true
  }
  /** Something was acknowledged. */
  const setXmitTimer = (sk: number): void => {
    if (!scheduleLossProbe(sk, true)) rearmRto(sk)
  }
  /**
   * RFC 6069: no congestion has lost what was sent again, which starts with `seq`, but a way that is missing. The timeout is
   * doubled once less, and may be over.
   */
  const revertRto = (sk: number, seq: number): void => {
    const backoff = i32[sk + TP_BACKOFF] - 1
    if (seq !== i32[sk + TP_SND_UNA] || i32[sk + TP_RETRANSMITS] === 0 || backoff < 0) return
    if (queue.rtxHead(sk) === 0) return
    i32[sk + TP_BACKOFF] = backoff
    if (i32[sk + TP_SRTT_US] !== 0) setRto(i32, sk)
    else i32[sk + TP_RTO] = TCP_TIMEOUT_INIT
    i32[sk + TP_RTO] = Math.min(i32[sk + TP_RTO] * 2 ** backoff, rtoMax(i32, sk))
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, Math.max(rtoDelta(sk), 1))
  }
  return { rearmRto, scheduleLossProbe, setXmitTimer, revertRto }
}
