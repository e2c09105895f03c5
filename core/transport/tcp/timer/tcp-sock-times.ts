/**
 * Times that a socket may have of its own, by its options, and has of the sysctls otherwise. Linux: include/net/tcp.h.
 */
import { Sysctl } from '../../../shm/sysctl.ts'
import { TCP_RTO_MAX } from '../sock/tcp-constants.ts'
import { TP_KEEPALIVE_TIME, TP_LINGER2, TP_RTO, TP_RTO_MAX, TP_RTO_MIN } from '../sock/tcp-sock.ts'

/** How long the connection is idle before it is probed, ms. */
export const keepaliveTime = (i32: Int32Array, sysctl: number, sk: number): number => {
  const own = i32[sk + TP_KEEPALIVE_TIME]
  return (own > 0 ? own : i32[sysctl + Sysctl.tcp_keepalive_time]) * 1000
}

/** How long FIN_WAIT2 may last without an application, ms: for the peer's FIN to be sent again, at the least (tcp_fin_time). */
export const finTime = (i32: Int32Array, sysctl: number, sk: number): number => {
  const own = i32[sk + TP_LINGER2]
  const seconds = own > 0 ? own : i32[sysctl + Sysctl.tcp_fin_timeout]
  return Math.max(seconds * 1000, (7 * i32[sk + TP_RTO]) >> 1)
}

/** tcp_rto_max(): the most of a timeout, ms. */
export const rtoMax = (i32: Int32Array, sk: number): number => i32[sk + TP_RTO_MAX] || TCP_RTO_MAX

/** A new socket's bounds; what is counted in is a millisecond, and part of one is one (usecs_to_jiffies). */
export const initRtoBounds = (i32: Int32Array, sysctl: number, sk: number): void => {
  i32[sk + TP_RTO_MIN] = Math.ceil(i32[sysctl + Sysctl.tcp_rto_min_us] / 1000)
  i32[sk + TP_RTO_MAX] = i32[sysctl + Sysctl.tcp_rto_max_ms]
}
