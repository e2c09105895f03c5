/**
 * Brings what another CPU wrote of skbs into this one's cache before the loops come to them that take them out of rings: of
 * packets (softnet/net-rx.ts), and of records to an application (socket/app-rings.ts).
 */
import type { Arena } from '../shm/arena.ts'
import { ringAhead } from '../shm/ring.ts'
import { SKB_DATA, SKB_LEN, SKB_SENDER, SKB_USERS } from './skb.ts'

/** Of a cache line. */
const LINE_BYTES = 64
/** As much of an skb's bytes as is asked for: of more, the copy itself makes the CPU run ahead. */
const MOST_BYTES = 512

export const createSkbPrefetch = ({ i32, u8 }: Arena) => {
  /** Written so that the engine does not leave the loads out. */
  let fetched = 0
  /**
   * Asks for the next `n` skbs of a ring, which are there, before the stack comes to them (prefetch()). Their rows and headers lie
   * in the cache of the CPU that wrote them: asked for one after another, each is waited for; all at once, they come in little
   * more than the time of one. With a CPU for each thread a forwarded packet takes a third less (bench scale --in own).
   */
  const prefetch = (ring: number, n: number): void => {
    let sum = 0
    for (let k = 0; k < n; k++) {
      const skb = ringAhead(i32, ring, k)
      sum += i32[skb + SKB_DATA] + i32[skb + SKB_USERS] + i32[skb + SKB_SENDER]
    }
    for (let k = 0; k < n; k++) sum += u8[i32[ringAhead(i32, ring, k) + SKB_DATA]]
    fetched = (fetched + sum) | 0
  }

  /**
   * The same of `n` records of `words` words, whose word `field` names an skb, with what it holds, or 0. An application's side of
   * its rings takes a sixth less with it (bench/app-request.ts two); the worker's takes no less.
   */
  const prefetchRecords = (ring: number, n: number, words: number, field: number): void => {
    let sum = 0
    for (let k = field; k < n * words; k += words) {
      const skb = ringAhead(i32, ring, k)
      if (skb !== 0) sum += i32[skb + SKB_DATA] + i32[skb + SKB_USERS] + i32[skb + SKB_SENDER]
    }
    for (let k = field; k < n * words; k += words) {
      const skb = ringAhead(i32, ring, k)
      if (skb !== 0) sum += touch(i32[skb + SKB_DATA], i32[skb + SKB_LEN])
    }
    fetched = (fetched + sum) | 0
  }
  const touch = (from: number, len: number): number => {
    const to = from + (len < MOST_BYTES ? len : MOST_BYTES)
    let sum = 0
    for (let at = from; at < to; at += LINE_BYTES) sum += u8[at]
    return sum
  }

  return { prefetch, prefetchRecords }
}
