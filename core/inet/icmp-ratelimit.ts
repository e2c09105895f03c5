/**
 * How many ICMP errors a worker sends: a token bucket for all of them (icmp_msgs_per_sec, icmp_msgs_burst; each worker
 * has its share of the rate) and one for each destination (icmp_ratelimit). "Fragmentation needed" and replies
 * are never held back. Linux: net/ipv4/icmp.c icmp_global_allow(), inetpeer.c inet_peer_xrlim_allow().
 */
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import { hash32 } from '../base/u32.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Sysctl } from '../shm/sysctl.ts'
import * as icmp from '../wire/icmp.ts'

type IcmpRatelimitDeps = { arena: Arena; thread: number; time: Time }

const PEER_BITS = 10
// Words of a peer: address, tokens (ms), jiffies of the last look.
const PEER_WORDS = 3
/** Errors that a destination may get at once (XRLIM_BURST_FACTOR). */
const PEER_BURST = 6
/** icmp_ratemask: destination unreachable, source quench, time exceeded, parameter problem. */
const RATE_MASK = 0x1818
/** The bucket is filled in steps of 20 ms, as Linux fills it. */
const STEP_MS = 20

export const createIcmpRatelimit = ({ arena, thread, time }: IcmpRatelimitDeps) => {
  const { i32, f64, layout } = arena
  const { sysctl } = layout
  const { workers } = layout.config
  const count = counterBank(arena, thread)
  const peers = new Int32Array((1 << PEER_BITS) * PEER_WORDS)
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
  /** A peer whose place another had taken starts with a full bucket. */
  const peerAllows = (addr: number): boolean => {
    const timeout = i32[sysctl + Sysctl.icmp_ratelimit]
    if (timeout === 0) return true
    const p = hash32(addr, PEER_BITS) * PEER_WORDS
    const full = PEER_BURST * timeout
    const isKnown = peers[p] === addr && peers[p + 2] !== 0
    const since = (time[TIME_MS] - peers[p + 2]) | 0
    const tokens = isKnown ? Math.min(full, peers[p + 1] + since) : full
    peers[p] = addr
    peers[p + 2] = time[TIME_MS] === 0 ? 1 : time[TIME_MS]
    peers[p + 1] = tokens >= timeout ? tokens - timeout : tokens
    return tokens >= timeout
  }

  /** True when an error of this kind may go to `addr` now. */
  const icmpAllows = (type: number, code: number, addr: number): boolean => {
    if (type > 31 || ((RATE_MASK >>> type) & 1) === 0) return true
    if (type === icmp.ICMP_DEST_UNREACH && code === icmp.ICMP_FRAG_NEEDED) return true
    if (!peerAllows(addr)) {
      f64[count + Mib.IcmpOutRateLimitHost]++
      return false
    }
    if (globalAllows()) return true
    f64[count + Mib.IcmpOutRateLimitGlobal]++
    return false
  }
  return { icmpAllows }
}
