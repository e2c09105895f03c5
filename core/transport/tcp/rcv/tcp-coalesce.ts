/**
 * Segments that fill their buffers badly are copied together, so that a buffer full of small ones is worth its window.
 * Called by the receive queue, and by the out-of-order queue, on the worker. Linux: tcp_try_coalesce, tcp_collapse.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import {
  MAX_HEADER,
  SKB_END,
  SKB_FRAGS,
  SKB_GSO_SIZE,
  SKB_LEN,
  SKB_NEXT,
  SKB_TAIL,
  SKB_TSTAMP,
} from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { SK_RCVQ_HEAD, SK_RCVQ_LEN, SK_RCVQ_TAIL } from '../../../socket/sock.ts'
import type { Timestamp } from '../../../socket/msg/timestamp.ts'
import { TCP_FIN } from '../../../wire/tcp.ts'
import { LARGE_PAYLOAD, SMALL_PAYLOAD, type TcpMem } from '../sock/tcp-mem.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'

export type TcpCoalesce = ReturnType<typeof createTcpCoalesce>
type TcpCoalesceDeps = {
  arena: Arena
  bank: number
  skbs: Skbs
  consume: ConsumeFn
  mem: TcpMem
  timestamp: Pick<Timestamp, 'isStamped'>
}

export const createTcpCoalesce = (deps: TcpCoalesceDeps) => {
  const { arena, bank, skbs, consume, mem } = deps
  const { isStamped } = deps.timestamp
  const { i32, f64 } = arena

  const tailroom = (skb: number): number =>
    skbs.isShared(skb) || i32[skb + SKB_FRAGS] !== 0 ? 0 : i32[skb + SKB_END] - i32[skb + SKB_TAIL]

  /** What was put together came when the last of it did (tcp_try_coalesce). */
  const copyStamp = (to: number, skb: number): void => {
    i32[to + SKB_TSTAMP] = i32[skb + SKB_TSTAMP]
    i32[to + SKB_TSTAMP + 1] = i32[skb + SKB_TSTAMP + 1]
  }
  /** Copies `skb`'s bytes from `from` on behind those of `tail`, which has room. */
  const absorb = (tail: number, skb: number, from: number): void => {
    const len = i32[skb + SKB_LEN] - from
    skbs.copyBits(skb, from, skbs.put(tail, len), len)
    i32[tail + CB_END_SEQ] = i32[skb + CB_END_SEQ]
    i32[tail + CB_FLAGS] |= i32[skb + CB_FLAGS]
    if (isStamped(skb)) copyStamp(tail, skb)
    f64[bank + Mib.TcpExtTCPRcvCoalesce]++
    consume(skb)
  }
  /** A copy in a small buffer when the payload leaves most of its large one empty; else the skb itself. */
  const compact = (skb: number): number => {
    const len = i32[skb + SKB_LEN]
    if (len > SMALL_PAYLOAD || (!mem.isLarge(skb) && i32[skb + SKB_FRAGS] === 0)) return skb
    const small = skbs.alloc(SMALL_PAYLOAD, MAX_HEADER)
    if (small === 0) return skb
    skbs.copyBits(skb, 0, skbs.put(small, len), len)
    i32[small + CB_SEQ] = i32[skb + CB_SEQ]
    i32[small + CB_END_SEQ] = i32[skb + CB_END_SEQ]
    i32[small + CB_FLAGS] = i32[skb + CB_FLAGS]
    i32[small + SKB_GSO_SIZE] = i32[skb + SKB_GSO_SIZE]
    copyStamp(small, skb)
    consume(skb)
    return small
  }

  /** Copies neighbours of the receive queue together when a large buffer would hold them with less waste. */
  const collapse = (sk: number): void => {
    const first = i32[sk + SK_RCVQ_HEAD]
    let prev = first
    let skb = first === 0 ? 0 : i32[first + SKB_NEXT]
    // the first may be half read: it stays as it is
    while (skb !== 0) {
      const next = i32[skb + SKB_NEXT]
      const overlap = prev === 0 ? 0 : (i32[prev + CB_END_SEQ] - i32[skb + CB_SEQ]) | 0
      const len = i32[skb + SKB_LEN] - overlap
      if (
        prev !== first &&
        overlap >= 0 &&
        len <= tailroom(prev) &&
        (i32[prev + CB_FLAGS] & TCP_FIN) === 0
      ) {
        i32[prev + SKB_NEXT] = next
        if (next === 0) i32[sk + SK_RCVQ_TAIL] = prev
        i32[sk + SK_RCVQ_LEN]--
        mem.unchargeRcv(sk, skb)
        absorb(prev, skb, overlap)
        f64[bank + Mib.TcpExtTCPRcvCollapsed]++
      } else prev = rehouse(sk, prev, skb)
      skb = next
    }
  }
  /** Moves a run of small buffers into a large one: returns the skb that now stands in the queue. */
  const rehouse = (sk: number, prev: number, skb: number): number => {
    const next = i32[skb + SKB_NEXT]
    if (next === 0 || mem.isLarge(skb) || tailroom(skb) === 0 || !mem.mayTakeLarge()) return skb
    const len = i32[skb + SKB_LEN]
    const big = skbs.alloc(LARGE_PAYLOAD, MAX_HEADER)
    if (big === 0) return skb
    skbs.copyBits(skb, 0, skbs.put(big, len), len)
    i32[big + CB_SEQ] = i32[skb + CB_SEQ]
    i32[big + CB_END_SEQ] = i32[skb + CB_END_SEQ]
    i32[big + CB_FLAGS] = i32[skb + CB_FLAGS]
    copyStamp(big, skb)
    i32[big + SKB_NEXT] = next
    i32[prev + SKB_NEXT] = big
    mem.unchargeRcv(sk, skb)
    mem.chargeRcv(sk, big)
    consume(skb)
    return big
  }

  return { tailroom, absorb, compact, collapse }
}
