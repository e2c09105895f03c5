/**
 * What a route's metrics make of a connection: its first windows, its thresholds, the floor of its timeout. On the sock's
 * worker; the route is the one that the sock keeps. Linux: tcp_init_cwnd, tcp_init_metrics (net/ipv4/tcp_metrics.c),
 * tcp_rto_min; RFC 6928 for the window that is the default.
 */
import {
  RTAX_INITCWND,
  RTAX_RTO_MIN,
  RTAX_RTT,
  RTAX_SSTHRESH,
  dstMetric,
  dstMetricLocked,
} from '../../../shm/dst-metrics.ts'
import { SK_DST } from '../../../socket/sock.ts'
import {
  TP_MDEV_MAX_US,
  TP_MDEV_US,
  TP_RTO,
  TP_RTO_MIN,
  TP_RTTVAR_US,
  TP_SRTT_US,
} from './tcp-sock.ts'
import {
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_RTO_MIN,
  TCP_TIMEOUT_FALLBACK,
} from './tcp-constants.ts'
import { rtoMax } from '../timer/tcp-sock-times.ts'

/** RTAX_* of the way to the sock's peer. */
export const tcpMetric = (i32: Int32Array, sk: number, metric: number): number =>
  dstMetric(i32, i32[sk + SK_DST], metric)

export const initCwnd = (i32: Int32Array, sk: number): number =>
  tcpMetric(i32, sk, RTAX_INITCWND) || TCP_INIT_CWND

/** Milliseconds. */
export const rtoMin = (i32: Int32Array, sk: number): number =>
  dstMetricLocked(i32, i32[sk + SK_DST], RTAX_RTO_MIN)
    ? tcpMetric(i32, sk, RTAX_RTO_MIN)
    : i32[sk + TP_RTO_MIN] || TCP_RTO_MIN

export const initSsthresh = (i32: Int32Array, sk: number): number =>
  tcpMetric(i32, sk, RTAX_SSTHRESH) || TCP_INFINITE_SSTHRESH

/**
 * A connection begins: a path known to be slow is not taken for lost at once, nor one whose SYN was (RFC 6298 5.7).
 * RTAX_RTT is in eighths of a millisecond.
 */
export const initRto = (i32: Int32Array, sk: number): void => {
  const rtt = tcpMetric(i32, sk, RTAX_RTT)
  if (rtt * 1000 <= i32[sk + TP_SRTT_US]) {
    if (i32[sk + TP_SRTT_US] === 0) fallBack(i32, sk)
    return
  }
  const ms = rtt >> 3
  i32[sk + TP_RTO] = Math.min(rtoMax(i32, sk), ms + Math.max(2 * ms, rtoMin(i32, sk)))
}
const fallBack = (i32: Int32Array, sk: number): void => {
  i32[sk + TP_RTO] = TCP_TIMEOUT_FALLBACK
  for (const word of [TP_RTTVAR_US, TP_MDEV_US, TP_MDEV_MAX_US])
    i32[sk + word] = TCP_TIMEOUT_FALLBACK * 1000
}
