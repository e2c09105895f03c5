/**
 * Delayed acknowledgement's state in the row: how many go at once before they are delayed again, and that one is due. Set by all
 * that receives, on the worker; tcp-snd-check.ts and tcp-timer.ts send. Linux: tcp_input.c; RFC 5681 section 4.2.
 */
import {
  ACK_SCHED,
  TP_ACK_PENDING,
  TP_ATO,
  TP_PINGPONG,
  TP_QUICK,
  TP_RCV_MSS,
  TP_RCV_WND,
} from '../sock/tcp-sock.ts'
import { TCP_ATO_MIN } from '../sock/tcp-constants.ts'

/** As many as a window has segments, two at least (tcp_incr_quickack). */
export const increaseQuick = (i32: Int32Array, sk: number, most: number): void => {
  const segments = (i32[sk + TP_RCV_WND] / (2 * Math.max(1, i32[sk + TP_RCV_MSS]))) | 0
  const quick = Math.min(segments === 0 ? 2 : segments, most)
  if (quick > i32[sk + TP_QUICK]) i32[sk + TP_QUICK] = quick
}
/** The next `most` are not delayed, whatever the rhythm was before (tcp_enter_quickack_mode). */
export const enterQuickack = (i32: Int32Array, sk: number, most: number): void => {
  increaseQuick(i32, sk, most)
  i32[sk + TP_PINGPONG] = 0
  i32[sk + TP_ATO] = TCP_ATO_MIN
}
/** What has come is acknowledged, soon (inet_csk_schedule_ack). */
export const scheduleAck = (i32: Int32Array, sk: number): void => {
  i32[sk + TP_ACK_PENDING] |= ACK_SCHED
}
