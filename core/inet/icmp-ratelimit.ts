/**
 * How many ICMP messages of the limited types (icmp_ratemask) a worker sends: a token bucket for all of them
 * (icmp_msgs_per_sec, icmp_msgs_burst; each worker has its share of the rate) and one for each destination (icmp_ratelimit,
 * inet-peer.ts). "Fragmentation needed" is never held back, nor what stays on this host.
 * Linux: net/ipv4/icmp.c icmpv4_mask_allow(), icmp_global_allow(), icmpv4_xrlim_allow().
 */
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Sysctl } from '../shm/sysctl.ts'
import * as icmp from '../wire/icmp.ts'
import type { InetPeers } from './dst/inet-peer.ts'

type IcmpRatelimitDeps = {
  arena: Arena
  thread: number
  time: Time
  peers: Pick<InetPeers, 'xrlimAllow'>
}

/** Highest type that Linux knows (NR_ICMP_TYPES). */
const LAST_TYPE = 18
/** The bucket is filled in steps of 20 ms, as Linux fills it. */
const STEP_MS = 20

export const createIcmpRatelimit = ({ arena, thread, time, peers }: IcmpRatelimitDeps) => {
  const { i32, f64, layout } = arena
  const { sysctl } = layout
  const { workers } = layout.config
  const count = counterBank(arena, thread)
  let credit = i32[sysctl + Sysctl.icmp_msgs_burst]
  let stamp = time[TIME_MS]

  const globalAllows = (): boolean => {
    const delta = Math.min((time[TIME_MS] - stamp) | 0, 1000)
    if (delta >= STEP_MS) {
      const perSecond = i32[sysctl + Sysctl.icmp_msgs_per_sec] / workers
      const gained = Math.floor((perSecond * delta) / 1000)
      if (gained > 0) {
        credit = Math.min(credit + gained, i32[sysctl + Sysctl.icmp_msgs_burst])
        stamp = time[TIME_MS]
      }
    }
    if (credit <= 0) return false
    credit--
    return true
  }
  const isLimited = (type: number, code: number): boolean =>
    type <= LAST_TYPE &&
    !(type === icmp.ICMP_DEST_UNREACH && code === icmp.ICMP_FRAG_NEEDED) &&
    ((i32[sysctl + Sysctl.icmp_ratemask] >>> type) & 1) !== 0

  /** True when a message of this kind may go to the address now. */
  const icmpAllows = (type: number, code: number, words: Int32Array, at: number): boolean => {
    if (!isLimited(type, code)) return true
    if (!peers.xrlimAllow(words, at, i32[sysctl + Sysctl.icmp_ratelimit])) {
      f64[count + Mib.IcmpOutRateLimitHost]++
      return false
    }
    if (globalAllows()) return true
    f64[count + Mib.IcmpOutRateLimitGlobal]++
    return false
  }
  return { icmpAllows }
}
