/**
 * When the packet memory of datagram sockets is full: the longest queue gives up the older half of what it holds to one that
 * is less than half as long. So those who came first and are not read keep nothing that others would make use of,
 * and each socket gets at least its minimum. Looks at a bounded number of rows, and at so many a millisecond. Whoever queues
 * datagrams asks (datagram.ts), on the worker. Longest queue drop, by which switches share their memory (Suter et al. 1999);
 * Linux, having gigabytes, refuses the newest (udp_mem, sk_rmem_schedule()).
 */
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { Arena } from '../shm/arena.ts'
import type { Slab } from '../shm/slab.ts'
import { type Holder, holderOf } from '../skb/budget.ts'
import { Drop, type DropFn } from '../skb/drop.ts'
import { SKB_CHARGE } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SK_DROPS, SK_RCVQ_HEAD, SK_RCVQ_LEN, SK_RMEM } from './sock.ts'

type LongestQueueDeps = {
  arena: Arena
  skbs: Skbs
  time: Time
  slab: Slab
  drop: DropFn
  /** datagram.ts: takes the oldest packet off a queue. */
  takeHead: (sk: number) => number
}

/** Rows looked at for the longest queue, and in a millisecond: a row is some cache misses. */
const SAMPLE = 256
const ROWS_A_MS = 512
/** Nobody counts a loss but the socket. */
const UNCOUNTED = (): void => {}

export const createLongestQueue = (deps: LongestQueueDeps) => {
  const { arena, skbs, time, slab, drop, takeHead } = deps
  const { i32 } = arena
  const { budget } = skbs
  const lost: ((sk: number) => void)[] = []
  let hand = 0
  let lastMs = -1
  let looks = 0

  /** Who counts what sockets of a holder lose. */
  const onLost = (holder: Holder, count: (sk: number) => void): void => {
    lost[holder] = count
  }
  const holderAt = (sk: number): number =>
    slab.isLive(sk) && i32[sk + SK_RCVQ_LEN] !== 0
      ? holderOf(i32[i32[sk + SK_RCVQ_HEAD] + SKB_CHARGE])
      : 0
  /** The socket with the longest queue above `least` bytes, of `holder` or of all on its line; 0: there is none. */
  const findLongest = (holder: Holder, isOwn: boolean, least: number): number => {
    const rows = slab.high()
    const sample = Math.min(SAMPLE, rows)
    looks += sample
    let longest = 0
    let most = least
    for (let k = sample; k > 0; k--) {
      hand = hand + 1 < rows ? hand + 1 : 0
      const sk = slab.at(hand)
      const other = holderAt(sk)
      if (other === 0 || (isOwn ? other !== holder : !budget.sharesLine(other, holder))) continue
      if (i32[sk + SK_RMEM] <= most) continue
      most = i32[sk + SK_RMEM]
      longest = sk
    }
    return longest
  }
  const halve = (sk: number): void => {
    const count = lost[holderAt(sk)] ?? UNCOUNTED
    const half = i32[sk + SK_RMEM] >> 1
    while (i32[sk + SK_RMEM] > half) {
      i32[sk + SK_DROPS]++
      count(sk)
      drop(takeHead(sk), Drop.PROTO_MEM)
    }
  }
  /** Makes room for a packet that `sk` is to have; false when nobody has twice as much. */
  const makeRoom = (sk: number, skb: number, holder: Holder): boolean => {
    if (time[TIME_MS] !== lastMs) looks = 0
    lastMs = time[TIME_MS]
    if (looks >= ROWS_A_MS) return false
    const isOwn = !budget.hasOwnRoom(holder, budget.slotsOf(skb))
    const longest = findLongest(holder, isOwn, 2 * (i32[sk + SK_RMEM] + budget.truesize(skb)))
    if (longest === 0) return false
    halve(longest)
    return true
  }
  return { makeRoom, onLost }
}
