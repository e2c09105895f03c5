/**
 * What is remembered of a peer between connections, by both addresses: the cookie that it has given us for Fast Open, the
 * segments that its SYN-ACK takes, and what became of SYNs with text. One small table a worker; the oldest of a bucket gives
 * way. tcp-fastopen-client.ts asks and tells. On the worker. Linux: net/ipv4/tcp_metrics.c, tcp_fastopen_cache_get, _set.
 */
import { copyAddr, isAnyAddr, isSameAddr } from '../../../base/family.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import { hashAddr } from '../../../base/u32.ts'
import { SK_DADDR, SK_SADDR } from '../../../socket/sock.ts'
import { FASTOPEN_MAX_COOKIE } from '../../../wire/tcp-options.ts'

const BUCKETS = 256
/** Peers of a bucket (TCP_METRICS_RECLAIM_DEPTH). */
const DEPTH = 5
// Words of an entry: the peer's address (of zeros when it is free), ours, and what is known.
const DADDR = 0
const SADDR = 4
/** When it was last written, ms. */
const STAMP = 8
/** 0: not known. */
export const TM_MSS = 9
/** Octets of the cookie; 0 is none. It came by the experimental number. */
export const TM_COOKIE_LEN = 10
export const TM_COOKIE_EXP = 11
/** 1: the old number of the option is to be tried, 2: it was. */
export const TM_TRY_EXP = 12
/** SYNs with text that were lost one after another. */
export const TM_SYN_LOSS = 13
const WORDS = 14

export type TcpMetricsCache = ReturnType<typeof createTcpMetricsCache>

export const createTcpMetricsCache = (i32: Int32Array, time: Time, seed: number) => {
  const table = new Int32Array(BUCKETS * DEPTH * WORDS)
  const cookies = new Uint8Array(BUCKETS * DEPTH * FASTOPEN_MAX_COOKIE)

  const bucketOf = (sk: number): number => {
    const at = sk + SK_DADDR
    const hash = hashAddr(seed, i32[at], i32[at + 1], i32[at + 2], i32[at + 3])
    return (hash & (BUCKETS - 1)) * DEPTH * WORDS
  }
  /** The entry of a socket's peer, or -1. */
  const find = (sk: number): number => {
    const bucket = bucketOf(sk)
    for (let e = bucket; e < bucket + DEPTH * WORDS; e += WORDS)
      if (
        isSameAddr(table, e + DADDR, i32, sk + SK_DADDR) &&
        isSameAddr(table, e + SADDR, i32, sk + SK_SADDR)
      )
        return e
    return -1
  }
  const oldestOf = (bucket: number): number => {
    let oldest = bucket
    for (let e = bucket; e < bucket + DEPTH * WORDS; e += WORDS) {
      if (isAnyAddr(table, e + DADDR)) return e
      if (((table[e + STAMP] - table[oldest + STAMP]) | 0) < 0) oldest = e
    }
    return oldest
  }
  /** As find, but makes one. */
  const entryFor = (sk: number): number => {
    let e = find(sk)
    if (e < 0) {
      e = oldestOf(bucketOf(sk))
      table.fill(0, e, e + WORDS)
      copyAddr(table, e + DADDR, i32, sk + SK_DADDR)
      copyAddr(table, e + SADDR, i32, sk + SK_SADDR)
    }
    table[e + STAMP] = time[TIME_MS]
    return e
  }
  const cookieAt = (e: number): number => (e / WORDS) * FASTOPEN_MAX_COOKIE

  /** Forgets everybody (ip tcp_metrics flush). */
  const flush = (): void => {
    table.fill(0)
  }
  return { table, cookies, find, entryFor, cookieAt, flush }
}
