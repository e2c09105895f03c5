/**
 * Room for a segment where there is none: the receive queue is copied together, what is out of order is thrown away, that of
 * the socket and then of those that have waited longest, and the worst holder of the worker is trimmed. On the worker.
 * Linux: tcp_try_rmem_schedule, tcp_prune_queue, tcp_prune_ofo_queue, tcp_clamp_window.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SK_FLAGS, SK_RCVBUF, SK_RCVQ_HEAD, SK_RMEM } from '../../../socket/sock.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import type { TcpOom } from '../sock/tcp-oom.ts'
import {
  TP_ADVMSS,
  TP_NUM_SACKS,
  TP_OFO_TAIL,
  TP_QUICK,
  TP_RCV_NXT,
  TP_RCV_SSTHRESH,
  TP_WINDOW_CLAMP,
} from '../sock/tcp-sock.ts'
import { SOCK_RCVBUF_LOCK } from '../sock/sock-flags.ts'
import type { TcpCoalesce } from './tcp-coalesce.ts'
import type { TcpOfoQueue } from './tcp-ofo-queue.ts'
import type { TcpRcvQueue } from './tcp-rcv-queue.ts'

export type TcpPrune = ReturnType<typeof createTcpPrune>
type TcpPruneDeps = {
  arena: Arena
  bank: number
  drop: DropFn
  mem: TcpMem
  coalesce: Pick<TcpCoalesce, 'collapse'>
  rcvQueue: Pick<TcpRcvQueue, 'fits' | 'fillsTail'>
  ofoQueue: Pick<TcpOfoQueue, 'oldestHolder' | 'removeOfo' | 'pruneHolder'>
  trim: TcpOom['trimRcv']
}

export const createTcpPrune = (deps: TcpPruneDeps) => {
  const { bank, drop, mem, trim } = deps
  const { collapse } = deps.coalesce
  const { fits, fillsTail } = deps.rcvQueue
  const { oldestHolder, removeOfo, pruneHolder } = deps.ofoQueue
  const { i32, f64 } = deps.arena

  /** Whether there is room for one more skb, that is next in order; makes some first when not. */
  const mayHold = (sk: number, skb: number): boolean =>
    fits(sk, skb) || fillsTail(sk, skb, i32[sk + TP_RCV_NXT]) || makeRoom(sk, skb)
  /** Collapses, prunes what is out of order (its own, then the oldest of others), and trims the worst holder. */
  const makeRoom = (sk: number, skb: number): boolean => {
    pruneQueue(sk)
    if (!fits(sk, skb)) pruneOfo(sk, skb)
    if (isWithinPromise(sk)) makeWorkerRoom(sk, skb)
    if (isWithinPromise(sk) && mem.mayCharge(sk, skb)) return true
    f64[bank + Mib.TcpExtRcvPruned]++
    return false
  }
  const makeWorkerRoom = (sk: number, skb: number): void => {
    while (!mem.mayCharge(sk, skb) && oldestHolder() !== 0) pruneHolder(oldestHolder())
    if (!mem.mayCharge(sk, skb) && mem.hasLessThanMinimum(sk)) trim(sk)
  }
  /**
   * The window of before was computed from half of the memory being payload. Segments just too long for two of them to
   * share a buffer use less of it, two fifths, and the first buffer may be read almost to its end; what was offered is
   * taken all the same (RFC 9293 3.8.6).
   */
  const isWithinPromise = (sk: number): boolean => {
    const rcvbuf = i32[sk + SK_RCVBUF]
    const head = i32[sk + SK_RCVQ_HEAD]
    const held = i32[sk + SK_RMEM] - (head === 0 ? 0 : mem.truesize(head))
    return held <= rcvbuf + (rcvbuf >> 2)
  }

  const fitsOfo = (sk: number, skb: number): boolean =>
    i32[sk + SK_RMEM] <= i32[sk + SK_RCVBUF] && mem.mayChargeOfo(sk, skb)
  /** As makeRoom, for a segment out of order: it is worth no more than those of sockets that wait for less long. */
  const makeRoomOfo = (sk: number, skb: number): void => {
    pruneQueue(sk)
    if (i32[sk + SK_RMEM] > i32[sk + SK_RCVBUF]) return
    while (!mem.mayChargeOfo(sk, skb) && oldestHolder() !== 0 && oldestHolder() !== sk)
      pruneHolder(oldestHolder())
  }

  /** The buffer was guessed too small: it grows to what it holds, or else the window must fall. */
  const clampWindow = (sk: number): void => {
    i32[sk + TP_QUICK] = 0
    const locked = (i32[sk + SK_FLAGS] & SOCK_RCVBUF_LOCK) !== 0
    if (!locked && !mem.underPressure())
      i32[sk + SK_RCVBUF] = Math.max(
        i32[sk + SK_RCVBUF],
        Math.min(i32[sk + SK_RMEM], mem.maxRcvbuf())
      )
    if (i32[sk + SK_RMEM] > i32[sk + SK_RCVBUF])
      i32[sk + TP_RCV_SSTHRESH] = Math.min(i32[sk + TP_WINDOW_CLAMP], 2 * i32[sk + TP_ADVMSS])
  }
  const pruneQueue = (sk: number): void => {
    f64[bank + Mib.TcpExtPruneCalled]++
    if (i32[sk + SK_RMEM] >= i32[sk + SK_RCVBUF]) clampWindow(sk)
    else i32[sk + TP_RCV_SSTHRESH] = Math.min(i32[sk + TP_RCV_SSTHRESH], 4 * i32[sk + TP_ADVMSS])
    collapse(sk)
  }
  /** Throws the highest out-of-order segments away until there is room for `skb`, which fills the first hole. */
  const pruneOfo = (sk: number, skb: number): void => {
    if (i32[sk + TP_OFO_TAIL] === 0) return
    f64[bank + Mib.TcpExtOfoPruned]++
    while (i32[sk + TP_OFO_TAIL] !== 0 && !fits(sk, skb)) {
      const last = i32[sk + TP_OFO_TAIL]
      removeOfo(sk, last)
      drop(last, Drop.TCP_OFO_QUEUE_PRUNE)
    }
    // what was reported is gone: the peer must not count on it (RFC 2018 section 8)
    i32[sk + TP_NUM_SACKS] = 0
  }

  return { mayHold, fitsOfo, makeRoomOfo }
}
