/**
 * What a worker remembers of hosts that it has sent errors and redirects to, how many more they may get, and of who sends
 * fragments, how many. A table by address,
 * in which whoever was silent longest makes room. Linux: net/ipv4/inetpeer.c (struct inet_peer, inet_peer_xrlim_allow).
 */
import { copyAddr, isSameAddr } from '../../base/family.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { hashAddr } from '../../base/u32.ts'

export type InetPeers = ReturnType<typeof createInetPeers>

/** The table is buckets of some entries, so that hosts of one bucket do not take turns. */
const BUCKETS = 128
const WAYS = 8
// Words of a peer: four of its address, then these.
/** Milliseconds that it has saved for errors; jiffies when something was last counted; redirects sent. */
export const PEER_TOKENS = 4
export const PEER_LAST = 5
export const PEER_REDIRECTS = 6
/** Fragments that it has sent us. */
export const PEER_FRAGMENTS = 7
const USED = 8
const WORDS = 9
/** A new one has been silent for this long. */
const LONG_AGO_MS = 60_000
/** Errors that a host may get at once (XRLIM_BURST_FACTOR). */
const BURST = 6

export const createInetPeers = ({ time, random }: { time: Time; random: () => number }) => {
  const table = new Int32Array(BUCKETS * WAYS * WORDS)
  const seed = random()

  /** First word of the address's entry in `table`, which is made when there is none. */
  const find = (words: Int32Array, at: number): number => {
    const hash = hashAddr(seed, words[at], words[at + 1], words[at + 2], words[at + 3])
    const bucket = (hash & (BUCKETS - 1)) * WAYS * WORDS
    let oldest = bucket
    for (let p = bucket; p < bucket + WAYS * WORDS; p += WORDS) {
      if (table[p + USED] === 0) return enter(p, words, at)
      if (isSameAddr(table, p, words, at)) return p
      if (((table[p + PEER_LAST] - table[oldest + PEER_LAST]) | 0) < 0) oldest = p
    }
    return enter(oldest, words, at)
  }
  const enter = (p: number, words: Int32Array, at: number): number => {
    copyAddr(table, p, words, at)
    table[p + PEER_TOKENS] = 0
    table[p + PEER_LAST] = (time[TIME_MS] - LONG_AGO_MS) | 0
    table[p + PEER_REDIRECTS] = 0
    table[p + PEER_FRAGMENTS] = 0
    table[p + USED] = 1
    return p
  }
  /** Takes `cost` of the tokens, which grow with time to at most `most`; false when there are not so many. */
  const spend = (p: number, cost: number, most: number): boolean => {
    const since = (time[TIME_MS] - table[p + PEER_LAST]) | 0
    const saved = table[p + PEER_TOKENS]
    const tokens = since > 0 ? Math.min(most, saved + since) : saved
    table[p + PEER_LAST] = time[TIME_MS]
    table[p + PEER_TOKENS] = tokens >= cost ? tokens - cost : tokens
    return tokens >= cost
  }
  /**
   * True when the host may get one more ICMP error, of which `timeoutMs` pays for one; 0 is no limit, but takes what is saved
   * for errors of routes, as Linux's does.
   */
  const xrlimAllow = (words: Int32Array, at: number, timeoutMs: number): boolean =>
    spend(find(words, at), timeoutMs, BURST * timeoutMs)

  return { table, find, spend, xrlimAllow }
}
