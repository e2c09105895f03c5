/**
 * Round-trip time and retransmission timeout: RFC 6298 with Linux's refinements (a floor of 200 ms on the
 * deviation's part, the deviation's maximum of each round, a damped fall). Called by tcp-ack.ts for each
 * sample. Linux: tcp_rtt_estimator, tcp_set_rto in net/ipv4/tcp_input.c.
 */
import { rtoMin } from '../sock/tcp-metrics.ts'
import {
  TP_MDEV_MAX_US,
  TP_MDEV_US,
  TP_MIN_RTT_US,
  TP_RTO,
  TP_RTT_SEQ,
  TP_RTTVAR_US,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import { rtoMax } from '../timer/tcp-sock-times.ts'

const rtoMinUs = (i32: Int32Array, sk: number): number => rtoMin(i32, sk) * 1000

/** First sample: SRTT = R, RTTVAR = R/2 (here scaled by 8 and 4), which makes an RTO of 3 R. */
const firstSample = (i32: Int32Array, sk: number, us: number): void => {
  const sample = us > 1 ? us : 1
  i32[sk + TP_SRTT_US] = sample << 3
  i32[sk + TP_MDEV_US] = sample << 1
  i32[sk + TP_RTTVAR_US] = Math.max(sample << 1, rtoMinUs(i32, sk))
  i32[sk + TP_MDEV_MAX_US] = i32[sk + TP_RTTVAR_US]
  i32[sk + TP_RTT_SEQ] = i32[sk + TP_SND_NXT]
}

/** Eight times as much is an int32; the timeout has been at its most for long. */
const MOST_US = 0x0fff_ffff

/** SRTT and RTTVAR after a sample of `us` microseconds. */
export const rttEstimator = (i32: Int32Array, sk: number, us: number): void => {
  const sample = us < MOST_US ? us : MOST_US
  const smoothed = i32[sk + TP_SRTT_US]
  if (smoothed === 0) {
    firstSample(i32, sk, sample)
    return
  }
  let error = sample - (smoothed >> 3)
  i32[sk + TP_SRTT_US] = Math.max(1, smoothed + error)
  const mdev = i32[sk + TP_MDEV_US]
  if (error < 0) {
    // a falling RTT must not widen the timeout: an eighth of the usual gain
    error = -error - (mdev >> 2)
    if (error > 0) error >>= 3
  } else error -= mdev >> 2
  const next = mdev + error
  i32[sk + TP_MDEV_US] = next
  if (next > i32[sk + TP_MDEV_MAX_US]) {
    i32[sk + TP_MDEV_MAX_US] = next
    if (next > i32[sk + TP_RTTVAR_US]) i32[sk + TP_RTTVAR_US] = next
  }
  endOfRound(i32, sk)
}

/** Once a round trip RTTVAR may fall, by a quarter of the way to the round's largest deviation. */
const endOfRound = (i32: Int32Array, sk: number): void => {
  if (((i32[sk + TP_RTT_SEQ] - i32[sk + TP_SND_UNA]) | 0) >= 0) return
  const max = i32[sk + TP_MDEV_MAX_US]
  const rttvar = i32[sk + TP_RTTVAR_US]
  if (max < rttvar) i32[sk + TP_RTTVAR_US] = rttvar - ((rttvar - max) >> 2)
  i32[sk + TP_RTT_SEQ] = i32[sk + TP_SND_NXT]
  i32[sk + TP_MDEV_MAX_US] = rtoMinUs(i32, sk)
}

/** Milliseconds: an echo of a time longer past tells nothing. */
const MOST_STAMP_MS = 2_147_483
/** The round trip that an echo of so many milliseconds ago tells, in microseconds, or -1 (tcp_rtt_tsopt_us). */
export const stampRttUs = (ms: number): number =>
  ms >= 0 && ms < MOST_STAMP_MS ? Math.max(ms, 1) * 1000 : -1

/** RTO = SRTT + 4 RTTVAR, in milliseconds, within bounds. */
export const setRto = (i32: Int32Array, sk: number): void => {
  const us = (i32[sk + TP_SRTT_US] >> 3) + i32[sk + TP_RTTVAR_US]
  const ms = ((us + 999) / 1000) | 0
  i32[sk + TP_RTO] = Math.min(ms, rtoMax(i32, sk))
}

/** Longer than any. */
export const NO_RTT = 0x7fffffff
/** The smallest sample seen, or NO_RTT before there is one (tcp_min_rtt). */
export const minRtt = (i32: Int32Array, sk: number): number => i32[sk + TP_MIN_RTT_US] || NO_RTT
/** Keeps the smallest sample seen (ss: minrtt). */
export const updateMinRtt = (i32: Int32Array, sk: number, us: number): void => {
  const sample = us > 1 ? us : 1
  if (sample < minRtt(i32, sk)) i32[sk + TP_MIN_RTT_US] = sample
}
