/**
 * Pacing: a socket that asks for it (a congestion control like BBR, SO_MAX_PACING_RATE) sends a super-frame and then waits as
 * long as that takes at its rate, on a timer of its own. One that does not ask costs a look at a word. Called by tcp-output.ts and
 * tcp-transmit.ts, on the worker. Linux: tcp_pacing_check(), tcp_update_skb_after_send(), tcp_pace_kick().
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import { TP_DATA_SEGS_OUT, TP_LSNDTIME, TP_PACING, TP_WSTAMP_US } from '../sock/tcp-sock.ts'
import { pacingRate } from './tcp-pacing-rate.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'

/** The first window's worth goes as it comes: there is no rate to speak of. */
const UNPACED_SEGS = 10
/** The wheel's timers are so late at most: what was let pass meanwhile is made good. */
const TICK_US = 1000
/** No wait is longer. */
const MAX_WAIT_US = 60_000_000

export type TcpPacing = ReturnType<typeof createTcpPacing>
type TcpPacingDeps = { i32: Int32Array; time: Time; timers: TcpTimers }

export const createTcpPacing = ({ i32, time, timers }: TcpPacingDeps) => {
  /** Nothing may go yet; its timer will tell. */
  const mustWait = (sk: number): boolean => {
    if (i32[sk + TP_PACING] === 0) return false
    const left = (i32[sk + TP_WSTAMP_US] - time[TIME_US]) | 0
    if (left <= 0 || hasLapsed(sk)) return false
    timers.resetPacingTimer(sk, Math.ceil(left / 1000))
    return true
  }
  /** What was sent last was sent so long ago that microseconds may have come round since. */
  const hasLapsed = (sk: number): boolean =>
    ((time[TIME_MS] - i32[sk + TP_LSNDTIME]) | 0) * 1000 > MAX_WAIT_US

  /** When a paced socket may send, us: a time to come, or one of the recent past. */
  const departure = (sk: number): number => (hasLapsed(sk) ? time[TIME_US] : i32[sk + TP_WSTAMP_US])
  /** `len` octets have gone, which might have at `due`: the next may when those have had their time. */
  const departed = (sk: number, len: number, due: number): void => {
    const late = (time[TIME_US] - due) | 0
    const rate = pacingRate(i32, sk)
    const isPaced = i32[sk + TP_DATA_SEGS_OUT] >= UNPACED_SEGS && rate > 0 && Number.isFinite(rate)
    const lenUs = isPaced ? Math.min(Math.round((len * 1e6) / rate), MAX_WAIT_US) : 0
    const credit = isPaced ? Math.max(TICK_US, lenUs >> 1) : 0
    i32[sk + TP_WSTAMP_US] = (due + Math.max(0, late - credit) + lenUs) | 0
  }
  return { mustWait, departure, departed }
}
