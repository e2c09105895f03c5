/**
 * What congestion controls share: whether the window was filled, slow start, additive increase. Called by the algorithms
 * (tcp-reno.ts and its like), on the worker. Linux: net/ipv4/tcp_cong.c tcp_slow_start(), tcp_cong_avoid_ai(); RFC 5681,
 * RFC 3465 (bytes acknowledged are counted), RFC 7661.
 */
import {
  TP_IS_CWND_LIMITED,
  TP_MAX_PACKETS_OUT,
  TP_SND_CWND,
  TP_SND_CWND_CNT,
  TP_SND_SSTHRESH,
} from '../sock/tcp-sock.ts'

const CWND_MAX = 1 << 20

export const inSlowStart = (i32: Int32Array, sk: number): boolean =>
  i32[sk + TP_SND_CWND] < i32[sk + TP_SND_SSTHRESH]

/** True when the window, not the application, bounds what is sent; else it must not grow (RFC 7661). */
export const isCwndLimited = (i32: Int32Array, sk: number): boolean =>
  i32[sk + TP_IS_CWND_LIMITED] !== 0 ||
  (inSlowStart(i32, sk) && i32[sk + TP_SND_CWND] < 2 * i32[sk + TP_MAX_PACKETS_OUT])

/** A segment for each one acknowledged, up to the threshold; returns those left over. */
export const slowStart = (i32: Int32Array, sk: number, acked: number): number => {
  const cwnd = i32[sk + TP_SND_CWND]
  const next = Math.min(cwnd + acked, i32[sk + TP_SND_SSTHRESH], CWND_MAX)
  i32[sk + TP_SND_CWND] = next
  return acked - (next - cwnd)
}

/** One segment for each `w` acknowledged. */
export const congAvoidAi = (i32: Int32Array, sk: number, w: number, acked: number): void => {
  let cwnd = i32[sk + TP_SND_CWND]
  let count = i32[sk + TP_SND_CWND_CNT]
  if (count >= w) {
    count = 0
    cwnd++
  }
  count += acked
  if (count >= w) {
    const delta = (count / w) | 0
    count -= delta * w
    cwnd += delta
  }
  i32[sk + TP_SND_CWND_CNT] = count
  i32[sk + TP_SND_CWND] = Math.min(cwnd, CWND_MAX)
}
