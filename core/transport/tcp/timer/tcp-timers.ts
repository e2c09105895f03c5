/**
 * Arming TCP's timers. A deadline that moves later only changes a word: the timer in the wheel fires at the old
 * time, finds the word and goes back to sleep, so that the acknowledgement clock does not touch the wheel.
 * What happens when they fire is in tcp-timer.ts and the files beside it. Linux: inet_csk_reset_xmit_timer.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { TimerWheel } from '../../../base/timer-wheel.ts'
import {
  SK_TIMER_DELACK,
  SK_TIMER_EXTRA,
  SK_TIMER_KEEPALIVE,
  SK_TIMER_RETRANS,
} from '../../../socket/sock.ts'
import {
  ACK_SCHED,
  ACK_TIMER,
  TP_ACK_PENDING,
  TP_DELACK_TIMEOUT,
  TP_PENDING,
  TP_TIMEOUT,
  TP_TIMER_COMPRESSED_ACK,
  TP_TIMER_PACING,
} from '../sock/tcp-sock.ts'

export type TcpTimers = ReturnType<typeof createTcpTimers>
/** Called with the socket whose timer is due. */
export type TcpTimerHandlers = {
  retransmit: (sk: number) => void
  delayedAck: (sk: number) => void
  keepalive: (sk: number) => void
  extra: (sk: number) => void
  pacing: (sk: number) => void
  compressedAck: (sk: number) => void
}

export const createTcpTimers = (i32: Int32Array, time: Time, wheel: TimerWheel) => {
  // filled by tcp.ts with bind(): createTcpTimer's (tcp-timer.ts)
  let handlers: TcpTimerHandlers
  const { arm, cancel, isArmed, expiresAt } = wheel
  const fnRetrans = wheel.register((timer) => fireRetrans(timer - SK_TIMER_RETRANS))
  const fnDelack = wheel.register((timer) => fireDelack(timer - SK_TIMER_DELACK))
  const fnKeepalive = wheel.register((timer) => handlers.keepalive(timer - SK_TIMER_KEEPALIVE))
  const fnExtra = wheel.register((timer) => handlers.extra(timer - SK_TIMER_EXTRA))
  const fnPacing = wheel.register((timer) => handlers.pacing(timer - TP_TIMER_PACING))
  const fnCompressedAck = wheel.register((timer) =>
    handlers.compressedAck(timer - TP_TIMER_COMPRESSED_ACK)
  )

  const bind = (to: TcpTimerHandlers): void => {
    handlers = to
  }
  /** Makes sure that the timer fires no later than `deadline`. */
  const armBy = (timer: number, deadline: number, fn: number): void => {
    if (isArmed(timer) && ((expiresAt(timer) - deadline) | 0) <= 0) return
    arm(timer, (deadline - time[TIME_MS]) | 0, fn)
  }

  /** The retransmission timer stands for `event` and is due in `delayMs`. */
  const resetXmitTimer = (sk: number, event: number, delayMs: number): void => {
    i32[sk + TP_PENDING] = event
    const deadline = (time[TIME_MS] + (delayMs < 1 ? 1 : delayMs)) | 0
    i32[sk + TP_TIMEOUT] = deadline
    armBy(sk + SK_TIMER_RETRANS, deadline, fnRetrans)
  }
  const clearXmitTimer = (sk: number): void => {
    i32[sk + TP_PENDING] = 0
  }
  const fireRetrans = (sk: number): void => {
    if (i32[sk + TP_PENDING] === 0) return
    const left = (i32[sk + TP_TIMEOUT] - time[TIME_MS]) | 0
    if (left > 0) arm(sk + SK_TIMER_RETRANS, left, fnRetrans)
    else handlers.retransmit(sk)
  }

  const resetDelackTimer = (sk: number, deadline: number): void => {
    i32[sk + TP_ACK_PENDING] |= ACK_SCHED | ACK_TIMER
    i32[sk + TP_DELACK_TIMEOUT] = deadline
    armBy(sk + SK_TIMER_DELACK, deadline, fnDelack)
  }
  const clearDelackTimer = (sk: number): void => {
    i32[sk + TP_ACK_PENDING] = 0
  }
  const fireDelack = (sk: number): void => {
    if ((i32[sk + TP_ACK_PENDING] & ACK_TIMER) === 0) return
    const left = (i32[sk + TP_DELACK_TIMEOUT] - time[TIME_MS]) | 0
    if (left > 0) arm(sk + SK_TIMER_DELACK, left, fnDelack)
    else handlers.delayedAck(sk)
  }

  const resetKeepaliveTimer = (sk: number, delayMs: number): void =>
    arm(sk + SK_TIMER_KEEPALIVE, delayMs, fnKeepalive)
  const clearKeepaliveTimer = (sk: number): void => cancel(sk + SK_TIMER_KEEPALIVE)
  const resetExtraTimer = (sk: number, delayMs: number): void =>
    arm(sk + SK_TIMER_EXTRA, delayMs, fnExtra)

  const resetPacingTimer = (sk: number, delayMs: number): void => {
    if (!isArmed(sk + TP_TIMER_PACING)) arm(sk + TP_TIMER_PACING, delayMs, fnPacing)
  }
  const resetCompressedAckTimer = (sk: number, delayMs: number): void => {
    const timer = sk + TP_TIMER_COMPRESSED_ACK
    if (!isArmed(timer)) arm(timer, delayMs, fnCompressedAck)
  }
  const clearCompressedAckTimer = (sk: number): void => cancel(sk + TP_TIMER_COMPRESSED_ACK)

  /** Nothing of this socket will fire. */
  const clearAll = (sk: number): void => {
    i32[sk + TP_PENDING] = 0
    i32[sk + TP_ACK_PENDING] = 0
    cancel(sk + SK_TIMER_RETRANS)
    cancel(sk + SK_TIMER_DELACK)
    cancel(sk + SK_TIMER_KEEPALIVE)
    cancel(sk + SK_TIMER_EXTRA)
    cancel(sk + TP_TIMER_PACING)
    cancel(sk + TP_TIMER_COMPRESSED_ACK)
  }

  return {
    bind,
    resetXmitTimer,
    clearXmitTimer,
    resetDelackTimer,
    clearDelackTimer,
    resetKeepaliveTimer,
    clearKeepaliveTimer,
    resetExtraTimer,
    resetPacingTimer,
    resetCompressedAckTimer,
    clearCompressedAckTimer,
    clearAll,
  }
}
