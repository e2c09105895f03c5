/**
 * BBR's long-term sampling: a token bucket on the path lets a burst through and then drops what is beyond its rate. Two intervals
 * in a row, each with much loss, that come to about the same rate show one; that rate is then the bandwidth for some rounds, and
 * nothing is probed for. Called by tcp-bbr.ts for each acknowledgement, on the worker. Linux: bbr_lt_bw_sampling().
 */
import { TP_DELIVERED, TP_DELIVERED_US, TP_LOST } from '../sock/tcp-sock.ts'
import {
  BW_UNIT,
  bytesPerSecond,
  hasFlag,
  LT_BW,
  LT_DELIVERED,
  LT_IS_SAMPLING,
  LT_LOST,
  LT_ROUNDS,
  LT_STAMP_US,
  LT_USE_BW,
  MODE,
  PACING_GAIN,
  PROBE_BW,
  ROUND_START,
  setFlag,
  UNIT,
} from './tcp-bbr-words.ts'

/** An interval is so many rounds at least, and at most four times as many. */
const MIN_ROUNDS = 4
/** Lost to delivered, in 256ths, from which on it is lossy. */
const LOSS_THRESH = 50
/** Rates are the same that differ by an eighth, or by 4 kbit/s. */
const SAME_RATIO = 1 / 8
const SAME_DIFF = 4000 / 8
/** The policer's rate stands so many rounds. */
const MAX_ROUNDS = 48

export const createBbrPolicer = (i32: Int32Array, resumeProbing: (sk: number) => void) => {
  const resetInterval = (sk: number): void => {
    i32[sk + LT_STAMP_US] = i32[sk + TP_DELIVERED_US]
    i32[sk + LT_DELIVERED] = i32[sk + TP_DELIVERED]
    i32[sk + LT_LOST] = i32[sk + TP_LOST]
    i32[sk + LT_ROUNDS] = 0
  }
  const resetSampling = (sk: number): void => {
    i32[sk + LT_BW] = 0
    setFlag(i32, sk, LT_USE_BW | LT_IS_SAMPLING, false)
    resetInterval(sk)
  }
  const isSame = (sk: number, a: number, b: number): boolean => {
    const diff = Math.abs(a - b)
    return diff <= SAME_RATIO * b || bytesPerSecond(i32, sk, diff, UNIT) <= SAME_DIFF
  }
  const intervalDone = (sk: number, bw: number): void => {
    const before = i32[sk + LT_BW] >>> 0
    if (before !== 0 && isSame(sk, bw, before)) {
      i32[sk + LT_BW] = (bw + before) / 2
      setFlag(i32, sk, LT_USE_BW, true)
      i32[sk + PACING_GAIN] = UNIT
      i32[sk + LT_ROUNDS] = 0
      return
    }
    i32[sk + LT_BW] = bw
    resetInterval(sk)
  }
  const inUse = (sk: number): void => {
    if (i32[sk + MODE] !== PROBE_BW || !hasFlag(i32, sk, ROUND_START)) return
    if (++i32[sk + LT_ROUNDS] < MAX_ROUNDS) return
    resetSampling(sk)
    resumeProbing(sk)
  }
  /** `losses` segments were found lost; `isAppLimited`: the application had no more to send. */
  const sample = (sk: number, losses: number, isAppLimited: boolean): void => {
    if (hasFlag(i32, sk, LT_USE_BW)) return inUse(sk)
    if (!hasFlag(i32, sk, LT_IS_SAMPLING)) {
      // the bucket is empty from the first loss on
      if (losses === 0) return
      resetInterval(sk)
      setFlag(i32, sk, LT_IS_SAMPLING, true)
    }
    if (isAppLimited) return resetSampling(sk)
    if (hasFlag(i32, sk, ROUND_START)) i32[sk + LT_ROUNDS]++
    if (i32[sk + LT_ROUNDS] < MIN_ROUNDS) return
    if (i32[sk + LT_ROUNDS] > 4 * MIN_ROUNDS) return resetSampling(sk)
    if (losses === 0) return
    const lost = (i32[sk + TP_LOST] - i32[sk + LT_LOST]) | 0
    const delivered = (i32[sk + TP_DELIVERED] - i32[sk + LT_DELIVERED]) | 0
    if (delivered <= 0 || lost * UNIT < LOSS_THRESH * delivered) return
    // an interval of more than half an hour is taken for one that has not begun
    const elapsedUs = (i32[sk + TP_DELIVERED_US] - i32[sk + LT_STAMP_US]) | 0
    if (elapsedUs >= 1000) intervalDone(sk, Math.floor((delivered * BW_UNIT) / elapsedUs))
  }
  return { resetSampling, sample }
}
