/**
 * What happens when a timer of a connection fires: which event it stands for, the delayed acknowledgement, pacing. The larger ones
 * have files of their own beside this. Called by the timer wheel (tcp-timers.ts) on the worker.
 * Linux: tcp_write_timer_handler, tcp_delack_timer_handler, tcp_pace_kick.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import {
  SK_ERR,
  SK_EVENT_HUP,
  SK_EVENT_WRITE,
  SK_FLAGS,
  SK_STATE,
  TCP_CLOSE,
  TCP_NEW_SYN_RECV,
} from '../../../socket/sock.ts'
import type { TcpCheckReq } from '../listen/tcp-check-req.ts'
import type { TcpRecovery } from '../rec/tcp-recovery.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import type { TcpCompressedAck } from '../rcv/tcp-compressed-ack.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { SOCK_LINGER, SOCK_LINGERING, SOCK_NOSPACE } from '../sock/sock-flags.ts'
import { TCP_ATO_MIN } from '../sock/tcp-constants.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  ACK_SCHED,
  ACK_TIMER,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  TP_ACK_PENDING,
  TP_ATO,
  TP_PENDING,
  TP_PINGPONG,
  TP_RTO,
} from '../sock/tcp-sock.ts'
import type { TcpKeepaliveTimer } from './tcp-keepalive-timer.ts'
import type { TcpLossProbe } from './tcp-loss-probe.ts'
import type { TcpProbeTimer } from './tcp-probe-timer.ts'
import type { TcpRetransmitTimer } from './tcp-retransmit-timer.ts'
import type { TcpTimerHandlers } from './tcp-timers.ts'
import type { TcpXmitTimer } from './tcp-xmit-timer.ts'

type TcpTimerDeps = {
  arena: Arena
  bank: number
  transmit: Pick<TcpTransmit, 'sendAck'>
  output: Pick<TcpOutput, 'writeOn'>
  retransmission: Pick<TcpRetransmit, 'xmitRetransmitQueue'>
  lossProbe: Pick<TcpLossProbe, 'sendLossProbe'>
  xmitTimer: Pick<TcpXmitTimer, 'rearmRto'>
  recovery: Pick<TcpRecovery, 'reoTimeout'>
  checkReq: Pick<TcpCheckReq, 'requestTimer'>
  life: Pick<TcpLifecycle, 'raise' | 'flush'>
  compressedAck: Pick<TcpCompressedAck, 'kick'>
} & TcpRetransmitTimer &
  TcpProbeTimer &
  TcpKeepaliveTimer

export const createTcpTimer = (deps: TcpTimerDeps): TcpTimerHandlers => {
  const { bank, transmit, output, retransmission, lossProbe, xmitTimer, recovery } = deps
  const { checkReq, life, retransmitTimer, probeTimer, keepalive } = deps
  const { i32, f64 } = deps.arena

  /** The event stands until what follows is known: the timer goes on from it. */
  const lossProbeTimer = (sk: number): void => {
    i32[sk + TP_PENDING] = ICSK_TIME_LOSS_PROBE
    lossProbe.sendLossProbe(sk)
  }
  const reoTimer = (sk: number): void => {
    i32[sk + TP_PENDING] = ICSK_TIME_REO_TIMEOUT
    if (recovery.reoTimeout(sk)) retransmission.xmitRetransmitQueue(sk)
    if (i32[sk + TP_PENDING] !== ICSK_TIME_RETRANS) xmitTimer.rearmRto(sk)
  }

  const retransmit = (sk: number): void => {
    const event = i32[sk + TP_PENDING]
    if (i32[sk + SK_STATE] === TCP_NEW_SYN_RECV) checkReq.requestTimer(sk)
    else if (i32[sk + SK_STATE] !== TCP_CLOSE) {
      i32[sk + TP_PENDING] = 0
      if (event === ICSK_TIME_RETRANS) retransmitTimer(sk)
      else if (event === ICSK_TIME_PROBE0) probeTimer(sk)
      else if (event === ICSK_TIME_LOSS_PROBE) lossProbeTimer(sk)
      else if (event === ICSK_TIME_REO_TIMEOUT) reoTimer(sk)
    }
    life.flush()
  }

  const delayedAck = (sk: number): void => {
    const pending = i32[sk + TP_ACK_PENDING]
    i32[sk + TP_ACK_PENDING] = pending & ~ACK_TIMER
    if (i32[sk + SK_STATE] === TCP_CLOSE || (pending & ACK_SCHED) === 0) return
    if (i32[sk + TP_PINGPONG] === 0) {
      // the guess was too short
      i32[sk + TP_ATO] = Math.min(i32[sk + TP_ATO] << 1, i32[sk + TP_RTO])
    } else {
      i32[sk + TP_PINGPONG] = 0
      i32[sk + TP_ATO] = TCP_ATO_MIN
    }
    f64[bank + Mib.TcpExtDelayedACKs]++
    transmit.sendAck(sk)
  }

  /** A writer that waits for the worker's memory, not for its peer; or a close that has waited long enough. */
  const extra = (sk: number): void => {
    if ((i32[sk + SK_FLAGS] & SOCK_LINGERING) !== 0) return lingered(sk)
    if ((i32[sk + SK_FLAGS] & SOCK_NOSPACE) === 0 || i32[sk + SK_ERR] !== 0) return
    i32[sk + SK_FLAGS] &= ~SOCK_NOSPACE
    life.raise(sk, SK_EVENT_WRITE)
    life.flush()
  }

  const lingered = (sk: number): void => {
    i32[sk + SK_FLAGS] &= ~SOCK_LINGER
    life.raise(sk, SK_EVENT_HUP)
    life.flush()
  }

  /** What was sent has had its time (tcp_pace_kick). */
  const pacing = (sk: number): void => {
    output.writeOn(sk)
    life.flush()
  }

  return {
    retransmit,
    delayedAck,
    keepalive,
    extra,
    pacing,
    compressedAck: deps.compressedAck.kick,
  }
}
