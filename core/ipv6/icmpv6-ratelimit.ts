/**
 * How many ICMPv6 errors a worker sends: a token bucket for all of them (net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst; each
 * worker has its share of the rate) and one for each destination (net.ipv6.icmp.ratelimit). "Packet too big" is never
 * held back. Linux: net/ipv6/icmp.c icmpv6_xrlim_allow(), icmp_global_allow(); RFC 4443 section 2.4 f.
 */
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import { hashAddr } from '../base/u32.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Sysctl } from '../shm/sysctl.ts'
import * as icmpv6 from '../wire/icmpv6.ts'

type Icmpv6RatelimitDeps = { arena: Arena; thread: number; time: Time; random: () => number }
export type Icmpv6Ratelimit = ReturnType<typeof createIcmpv6Ratelimit>

const PEERS = 1024
// Words of a peer: hash of its address, tokens (ms), jiffies of the last look (0: never).
const HASH = 0
const TOKENS = 1
const LAST = 2
const WORDS = 3
/** Errors that a destination may get at once (XRLIM_BURST_FACTOR). */
const BURST = 6
/** The bucket is filled in steps of 20 ms, as Linux fills it. */
const STEP_MS = 20

export const createIcmpv6Ratelimit = ({ arena, thread, time, random }: Icmpv6RatelimitDeps) => {
  const { i32, f64, layout } = arena
  const { sysctl } = layout
  const { workers } = layout.config
  const count = counterBank(arena, thread)
  const peers = new Int32Array(PEERS * WORDS)
  const seed = random()
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
  const peerAllows = (hash: number): boolean => {
    const timeout = i32[sysctl + Sysctl.icmp6_ratelimit]
    if (timeout === 0) return true
    const p = (hash & (PEERS - 1)) * WORDS
    const full = BURST * timeout
    // a peer whose place another had taken starts with a full bucket
    const isKnown = peers[p + LAST] !== 0 && peers[p + HASH] === hash
    const saved = isKnown ? peers[p + TOKENS] + ((time[TIME_MS] - peers[p + LAST]) | 0) : full
    const tokens = Math.min(full, saved)
    peers[p + HASH] = hash
    peers[p + LAST] = time[TIME_MS] || 1
    peers[p + TOKENS] = tokens >= timeout ? tokens - timeout : tokens
    return tokens >= timeout
  }

  /** True when an error of this type may go to the address at words[at] now. */
  const icmpv6Allows = (type: number, words: Int32Array, at: number): boolean => {
    if (type === icmpv6.ICMPV6_PKT_TOOBIG) return true
    fill()
    const hash = hashAddr(seed, words[at], words[at + 1], words[at + 2], words[at + 3])
    if (credit > 0 && peerAllows(hash)) {
      credit--
      return true
    }
    f64[count + Mib.Icmp6OutRateLimitHost]++
    return false
  }
  return { icmpv6Allows }
}
