/**
 * A route's metrics between text and numbers, with the fields of `ip -j route`, times in milliseconds; and `lock`, which
 * ip prints in its text alone. Linux: ip_metrics_convert (net/ipv4/metrics.c); iproute2: parse_metrics, print_metrics.
 */
import * as rtax from '../../shm/dst-metrics.ts'
import type { Metrics } from '../../shm/dst-metrics.ts'
import type { MetricName, Refused, RouteMetrics } from './messages.ts'
import { isRefused, wrong } from './names.ts'

const MAX_U32 = 0xffffffff
type Word = {
  name: MetricName
  index: number
  /** Of the number that the kernel keeps, for one of ours. */
  scale?: number
  /** What is more is refused; what is more than `most` is taken as that. */
  max: number
  most?: number
}
/** In the order of RTAX_*, which is that of printing. */
const WORDS: readonly Word[] = [
  { name: 'mtu', index: rtax.RTAX_MTU, max: MAX_U32, most: 65520 },
  { name: 'window', index: rtax.RTAX_WINDOW, max: MAX_U32 },
  { name: 'rtt', index: rtax.RTAX_RTT, scale: 8, max: 100_000_000 },
  { name: 'rttvar', index: rtax.RTAX_RTTVAR, scale: 4, max: 100_000_000 },
  { name: 'ssthresh', index: rtax.RTAX_SSTHRESH, max: MAX_U32 },
  { name: 'advmss', index: rtax.RTAX_ADVMSS, max: MAX_U32, most: 65495 },
  { name: 'hoplimit', index: rtax.RTAX_HOPLIMIT, max: 255 },
  { name: 'initcwnd', index: rtax.RTAX_INITCWND, max: MAX_U32 },
  { name: 'rto_min', index: rtax.RTAX_RTO_MIN, max: 100_000_000 },
  { name: 'initrwnd', index: rtax.RTAX_INITRWND, max: MAX_U32 },
  { name: 'quickack', index: rtax.RTAX_QUICKACK, max: 1 },
]

const readOne = ({ name, max }: Word, value: number): number | Refused =>
  Number.isInteger(value) && value >= 0 && value <= max
    ? value
    : wrong(
        value,
        name === 'quickack' ? '"quickack" value should be 0 or 1' : `"${name}" value is invalid`,
        `metrics.${name}`
      )

/** Null: none of them is set. */
export const readMetrics = (given: readonly RouteMetrics[] = []): Metrics | null | Refused => {
  if (given.length === 0) return null
  const spec: RouteMetrics = Object.assign({}, ...given)
  const metrics = Array.from({ length: rtax.RTAX_MAX + 1 }, () => 0)
  for (const word of WORDS) {
    const value = spec[word.name]
    if (value === undefined) continue
    const read = readOne(word, value)
    if (isRefused(read)) return read
    metrics[word.index] = Math.min(read, word.most ?? word.max) * (word.scale ?? 1)
    // a floor that could be left would be none
    const isLocked = spec.lock?.includes(word.name) || word.index === rtax.RTAX_RTO_MIN
    if (isLocked) metrics[rtax.RTAX_LOCK] |= 1 << word.index
  }
  return metrics.some((value) => value !== 0) ? metrics.map((value) => value | 0) : null
}

export const writeMetrics = (metrics: Metrics | null): RouteMetrics | undefined => {
  if (metrics === null) return undefined
  const shown: RouteMetrics = {}
  const lock: MetricName[] = []
  for (const { name, index, scale = 1 } of WORDS) {
    if (metrics[index] !== 0) shown[name] = Math.floor((metrics[index] >>> 0) / scale)
    if ((metrics[rtax.RTAX_LOCK] >>> index) & 1) lock.push(name)
  }
  return { ...shown, ...(lock.length > 0 && { lock }) }
}
