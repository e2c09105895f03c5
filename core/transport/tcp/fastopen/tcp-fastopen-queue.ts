/**
 * How many connections a listener may have that only a SYN has made (Fast Open): a spoofed SYN costs no more than a place
 * here, and one whose owner answered with a RST keeps its place for a minute. On the worker.
 * Linux: fastopen_queue, tcp_fastopen_queue_check, reqsk_fastopen_remove; RFC 7413 section 5.1.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import { SK_COOKIE, SK_PARENT, SK_STATE, TCP_LISTEN } from '../../../socket/sock.ts'
import {
  FO_PASSIVE,
  TP_FASTOPEN,
  TP_FO_LISTENER,
  TP_FO_LISTENER_COOKIE,
  TP_FO_MAX_QLEN,
  TP_FO_QLEN,
} from '../sock/tcp-sock.ts'

/** So long a reset one counts, ms; and so many of all listeners. */
const RESET_STAYS = 60_000
const RESETS = 1024
/** Of a reset one: its listener, that one's cookie, until when. */
const RESET_WORDS = 3

export type FastopenQueue = ReturnType<typeof createFastopenQueue>

export const createFastopenQueue = (i32: Int32Array, time: Time) => {
  const resets = new Int32Array(RESETS * RESET_WORDS)
  let first = 0
  let count = 0

  const leave = (listener: number, cookie: number): void => {
    if (i32[listener + SK_COOKIE] === cookie && i32[listener + SK_STATE] === TCP_LISTEN)
      i32[listener + TP_FO_QLEN]--
  }
  const forgetReset = (): void => {
    const at = first * RESET_WORDS
    first = (first + 1) % RESETS
    count--
    leave(resets[at], resets[at + 1])
  }
  const forgetOld = (): void => {
    while (count !== 0 && ((time[TIME_MS] - resets[first * RESET_WORDS + 2]) | 0) >= 0)
      forgetReset()
  }
  const keepReset = (listener: number, cookie: number): void => {
    if (count === RESETS) forgetReset()
    const at = ((first + count++) % RESETS) * RESET_WORDS
    resets[at] = listener
    resets[at + 1] = cookie
    resets[at + 2] = (time[TIME_MS] + RESET_STAYS) | 0
  }

  const isFull = (listener: number): boolean => {
    if (i32[listener + TP_FO_QLEN] < i32[listener + TP_FO_MAX_QLEN]) return false
    forgetOld()
    return i32[listener + TP_FO_QLEN] >= i32[listener + TP_FO_MAX_QLEN]
  }
  const enter = (listener: number, child: number): void => {
    i32[child + TP_FASTOPEN] |= FO_PASSIVE
    i32[child + TP_FO_LISTENER] = listener
    i32[child + TP_FO_LISTENER_COOKIE] = i32[listener + SK_COOKIE]
    i32[listener + TP_FO_QLEN]++
  }
  /** Its handshake is over, or it has ended; by a RST, though it was accepted: then its place is not free yet. */
  const remove = (child: number, isReset: boolean): void => {
    if ((i32[child + TP_FASTOPEN] & FO_PASSIVE) === 0) return
    i32[child + TP_FASTOPEN] &= ~FO_PASSIVE
    const listener = i32[child + TP_FO_LISTENER]
    const cookie = i32[child + TP_FO_LISTENER_COOKIE]
    if (isReset && i32[child + SK_PARENT] === 0) keepReset(listener, cookie)
    else leave(listener, cookie)
  }

  return { isFull, enter, remove }
}
