/**
 * What a worker remembers of hosts that it has sent errors and redirects to: how many more they may get. A table by address;
 * who comes to another's place begins anew. Linux: net/ipv4/inetpeer.c (struct inet_peer, inet_peer_xrlim_allow).
 */
import { copyAddr, isSameAddr } from '../../base/family.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { hashAddr } from '../../base/u32.ts'

export type InetPeers = ReturnType<typeof createInetPeers>

const ENTRIES = 1024
// Words of a peer: four of its address, then these.
/** Milliseconds that it has saved for errors; jiffies when something was last counted; redirects sent. */
export const PEER_TOKENS = 4
export const PEER_LAST = 5
export const PEER_REDIRECTS = 6
const USED = 7
const WORDS = 8
/** A new one has been silent for this long. */
const LONG_AGO_MS = 60_000
/** Errors that a host may get at once (XRLIM_BURST_FACTOR). */
const BURST = 6

export const createInetPeers = ({ time, random }: { time: Time; random: () => number }) => {
  const table = new Int32Array(ENTRIES * WORDS)
  const seed = random()

  /** First word of the address's entry in `table`. */
  const find = (words: Int32Array, at: number): number => {
    const hash = hashAddr(seed, words[at], words[at + 1], words[at + 2], words[at + 3])
    const p = (hash & (ENTRIES - 1)) * WORDS
    if (table[p + USED] !== 0 && isSameAddr(table, p, words, at)) return p
    copyAddr(table, p, words, at)
    table[p + PEER_TOKENS] = 0
    table[p + PEER_LAST] = (time[TIME_MS] - LONG_AGO_MS) | 0
    table[p + PEER_REDIRECTS] = 0
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
