/**
 * How many ICMPv6 errors a worker sends: a token bucket for all of them (net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst; each
 * worker has its share of the rate) and one for each destination (net.ipv6.icmp.ratelimit, inet-peer.ts). Types that are not
 * in net.ipv6.icmp.ratemask are never held back, "packet too big" at first. Linux: net/ipv6/icmp.c icmpv6_xrlim_allow(),
 * icmp_global_allow(); RFC 4443 section 2.4 f.
 */
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { InetPeers } from '../../inet/dst/inet-peer.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Mib } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'

type Icmpv6RatelimitDeps = {
  arena: Arena
  thread: number
  time: Time
  peers: Pick<InetPeers, 'xrlimAllow'>
}
export type Icmpv6Ratelimit = ReturnType<typeof createIcmpv6Ratelimit>

/** The words of net.ipv6.icmp.ratemask, a bit for each type. */
const MASK = [
  Sysctl.icmp6_ratemask_0,
  Sysctl.icmp6_ratemask_1,
  Sysctl.icmp6_ratemask_2,
  Sysctl.icmp6_ratemask_3,
  Sysctl.icmp6_ratemask_4,
  Sysctl.icmp6_ratemask_5,
  Sysctl.icmp6_ratemask_6,
  Sysctl.icmp6_ratemask_7,
] as const
/** The bucket is filled in steps of 20 ms, as Linux fills it. */
const STEP_MS = 20

export const createIcmpv6Ratelimit = ({ arena, thread, time, peers }: Icmpv6RatelimitDeps) => {
  const { i32, f64, layout } = arena
  const { sysctl } = layout
  const { workers } = layout.config
  const count = counterBank(arena, thread)
  let credit = i32[sysctl + Sysctl.icmp_msgs_burst]
  let stamp = time[TIME_MS]

  const fill = (): void => {
    const delta = Math.min((time[TIME_MS] - stamp) | 0, 1000)
    const perSecond = i32[sysctl + Sysctl.icmp_msgs_per_sec] / workers
    const gained = delta >= STEP_MS ? Math.floor((perSecond * delta) / 1000) : 0
    if (gained === 0) return
    credit = Math.min(credit + gained, i32[sysctl + Sysctl.icmp_msgs_burst])
    stamp = time[TIME_MS]
  }
  /** True when a message of this type may go to the address at words[at] now. */
  const icmpv6Allows = (type: number, words: Int32Array, at: number): boolean => {
    if (((i32[sysctl + MASK[type >> 5]] >>> (type & 31)) & 1) === 0) return true
    fill()
    const timeoutMs = i32[sysctl + Sysctl.icmp6_ratelimit]
    if (credit > 0 && (timeoutMs === 0 || peers.xrlimAllow(words, at, timeoutMs))) {
      credit--
      return true
    }
    f64[count + Mib.Icmp6OutRateLimitHost]++
    return false
  }
  return { icmpv6Allows }
}
