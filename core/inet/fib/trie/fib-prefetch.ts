/**
 * Brings what routing a batch will read of the tries into the cache before the stack comes to it. Of a table that is larger than the
 * cache each lookup waits for memory at every step; here the lookups of a batch wait together, a step at a time, which
 * halves what a packet costs to a random address of a full table (bench/forward-table.ts). IPv6's steps are in fib-prefetch6.ts.
 * What is read is thrown away, so nothing depends on it. Called by softnet/net-rx.ts and workers/drivers/fd-rx.ts.
 */
import type { Arena } from '../../../shm/arena.ts'
import { FIB_SHORT_WORDS, G_FIB_PAGES } from '../../../shm/layout.ts'
import { ringAhead } from '../../../shm/ring.ts'
import { SKB_DATA } from '../../../skb/skb.ts'
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6, type as etherType } from '../../../wire/ethernet.ts'
import * as ipv4 from '../../../wire/ipv4.ts'
import * as ipv6 from '../../../wire/ipv6.ts'
import type { FibReader } from '../fib.ts'
import { FIB_BUCKET, FIB_PLACE, FIB_PLACE_SHIFT } from './fib-constants.ts'
import { createFibPrefetch6 } from './fib-prefetch6.ts'

/** net.core.dev_weight at most. */
const MOST = 1024
/** So many pages of tries stay in the cache by themselves. */
const FEW_PAGES = 512
/** Steps below a root: its blocks divide the other 16 bits by eight. */
const SHIFTS = [8, 0]

export type FibPrefetch = ReturnType<typeof createFibPrefetch>

export const createFibPrefetch = (arena: Arena, fib: FibReader) => {
  const { local, main } = fib
  const { i32, u8, layout } = arena
  const pool = layout.fibNodes
  const locals = local.v4 + FIB_SHORT_WORDS
  const mains = main.v4 + FIB_SHORT_WORDS
  const addrs = new Int32Array(MOST)
  /** The word of the main table's trie that each has come to. */
  const places = new Int32Array(MOST)
  /** Written so that the engine does not leave the loads out. */
  let fetched = 0
  /** Frames of IPv4 that are being looked up. */
  let count = 0
  const { note6, follow6 } = createFibPrefetch6(arena, fib, MOST)

  /** A frame of the batch: its lookup begins. */
  const note = (skb: number): void => {
    const at = i32[skb + SKB_DATA]
    const type = etherType(u8, at)
    if (type === ETH_P_IPV6) note6(ipv6.dst0(u8, at + ETH_HLEN), ipv6.dst1(u8, at + ETH_HLEN))
    if (type !== ETH_P_IP || count === MOST) return
    const addr = ipv4.dst(u8, at + ETH_HLEN)
    addrs[count] = addr
    places[count++] = mains + (addr >>> 16)
    fetched = (fetched + i32[locals + (addr >>> 16)]) | 0
  }
  /** All go on to the next block, those that have one. */
  const step = (shift: number): void => {
    for (let k = 0; k < count; k++) {
      const word = i32[places[k]]
      if (word >= 0) continue
      const block = pool + ((word & FIB_PLACE) >> FIB_PLACE_SHIFT)
      places[k] = (word & FIB_BUCKET) !== 0 ? block : block + ((addrs[k] >>> shift) & 255)
    }
  }
  const follow = (): void => {
    for (const shift of SHIFTS) step(shift)
    let sum = 0
    for (let k = 0; k < count; k++) sum += i32[places[k]]
    fetched = (fetched + sum) | 0
    count = 0
    follow6()
  }
  const isLarge = (): boolean => i32[G_FIB_PAGES] > FEW_PAGES

  /** Of the next `n` frames of a ring, which are there. */
  const prefetchRoutes = (ring: number, n: number): void => {
    if (!isLarge()) return
    for (let k = 0; k < n; k++) note(ringAhead(i32, ring, k))
    follow()
  }
  /** Of the first `n` of `skbs`, frames that were read together. */
  const prefetchFrames = (skbs: Int32Array, n: number): void => {
    if (!isLarge()) return
    for (let k = 0; k < n; k++) note(skbs[k])
    follow()
  }
  return { prefetchRoutes, prefetchFrames }
}
