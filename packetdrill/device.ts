/**
 * Commands of scripts about the device, `tun0` to them: its queue (tc), the route to the peer (ip route), its offloads (ethtool). What they ask for is made true of the host under test;
 * what cannot be is not taken, and the script is skipped.
 */
import {
  RTAX_ADVMSS,
  RTAX_INITCWND,
  RTAX_LOCK,
  RTAX_MAX,
  RTAX_MTU,
} from '../core/shm/dst-metrics.ts'
import type { Host } from './host.ts'

/** A queue for nothing: every packet finds it full. */
const FULL = /^tc qdisc (?:add|replace) dev tun0 root pfifo limit 0$/
/** Flows leave one by one at their pace: sockets that are made from then on are paced. */
const FAIR = /^tc qdisc (?:add|replace) dev tun0 root fq$/
/** The queue that the device has anyway. */
const PLAIN = /^tc qdisc (?:(?:add|replace) dev tun0 root pfifo|del(?:ete)? dev tun0 root)$/

/** It makes no segments of super-frames itself: the stack always does. */
const OFFLOADS_OFF = /^ethtool -K tun0(?: (?:gso|tso) off)+$/
const ROUTE =
  /^ip (?:-6 )?route change (\S+) via (\S+) dev tun0((?: (?:advmss|mtu|mtu lock|initcwnd) \d+)*)$/
const METRICS: Record<string, number> = {
  advmss: RTAX_ADVMSS,
  mtu: RTAX_MTU,
  initcwnd: RTAX_INITCWND,
}
const metricsOf = (text: string): number[] => {
  const metrics: number[] = new Array(RTAX_MAX + 1).fill(0)
  for (const [, name, lock, value] of text.matchAll(/(\w+)( lock)? (\d+)/g)) {
    const metric = METRICS[name!]!
    metrics[metric] = Number(value)
    if (lock !== undefined) metrics[RTAX_LOCK]! |= 1 << metric
  }
  return metrics
}

/** False when the line is none of these. */
export const runDeviceCommand = (
  line: string,
  host: Pick<Host, 'setFull' | 'setRoute' | 'setPaced'>
): boolean => {
  const text = line.replace(/\s*2>\s*\/dev\/null/, '').trim()
  if (FULL.test(text)) host.setFull(true)
  else if (PLAIN.test(text)) host.setFull(false)
  else if (FAIR.test(text)) host.setPaced()
  else if (ROUTE.test(text)) {
    const [, to, via, metrics] = ROUTE.exec(text)!
    return host.setRoute(to!, via!, metricsOf(metrics!))
  } else if (!OFFLOADS_OFF.test(text)) return false
  return true
}
