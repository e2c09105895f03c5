/**
 * The metrics of a route (`ip route add ... initcwnd 20`): what a row of nexthops says of how to use it. Read on any
 * thread by whoever sends along the row; a row without them is all zero. Linux: dst_metric_raw, dst_metric_locked.
 */

/** Word of a nexthop row (inet/fib/nexthop-constants.ts): the row of its metrics, or 0. */
export const NH_METRICS = 18
// include/uapi/linux/rtnetlink.h
/** Bits of the metrics that are to stay. */
export const RTAX_LOCK = 1
export const RTAX_MTU = 2
export const RTAX_WINDOW = 3
/** Eighths of a millisecond. */
export const RTAX_RTT = 4
/** Quarters of a millisecond. */
export const RTAX_RTTVAR = 5
export const RTAX_SSTHRESH = 6
export const RTAX_ADVMSS = 8
export const RTAX_HOPLIMIT = 10
export const RTAX_INITCWND = 11
/** Milliseconds. */
export const RTAX_RTO_MIN = 13
export const RTAX_INITRWND = 14
export const RTAX_QUICKACK = 15
export const RTAX_MAX = 15

/** Where RTAX_X is in a row of metrics. */
const RTAX_WORD = 1
/** By RTAX_*; what is not set is 0. */
export type Metrics = readonly number[]

/** RTAX_* of the route whose row is `dst`; 0: it says nothing. `dst` may be 0, no route. */
export const dstMetric = (i32: Int32Array, dst: number, metric: number): number => {
  const row = dst === 0 ? 0 : i32[dst + NH_METRICS]
  return row === 0 ? 0 : i32[row + RTAX_WORD + metric]
}
/** Is the metric to stay as the route says? */
export const dstMetricLocked = (i32: Int32Array, dst: number, metric: number): boolean =>
  ((dstMetric(i32, dst, RTAX_LOCK) >>> metric) & 1) !== 0

/** Writes metrics as the words of a row (nexthop.ts interns it). */
export const metricsContent = (content: Int32Array, metrics: Metrics): void => {
  content.fill(0)
  for (let k = RTAX_LOCK; k <= RTAX_MAX; k++) content[RTAX_WORD + k] = metrics[k] ?? 0
}

/** The metrics of the route whose row is `dst`, or null. */
export const metricsOf = (i32: Int32Array, dst: number): Metrics | null =>
  i32[dst + NH_METRICS] === 0
    ? null
    : Array.from({ length: RTAX_MAX + 1 }, (_, k) => dstMetric(i32, dst, k))
