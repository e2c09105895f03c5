/**
 * TCP small queues: what a socket has sent and that still waits on this thread, for a driver or an address, is no more
 * than about a millisecond of its pace. The rest stays in the write queue, where acknowledgements and retransmission still
 * have a say in it. Whoever is held up, or pushed back by a full queue, goes on once a turn of the loop, as it drains;
 * and small writes of one turn leave together at its end.
 * tcp-output.ts asks and the loop calls `release`, on the worker.
 * Linux: tcp_small_queue_check(), tcp_tsq_handler(), tcp_tasklet_func().
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import { SK_FLAGS, SK_GENERATION, SK_WMEM_ALLOC } from '../../../socket/sock.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import { TP_PACING, TP_PACKETS_OUT, TP_SEND_HEAD, TP_WQ_HEAD } from '../sock/tcp-sock.ts'
import { pacingRate } from './tcp-pacing-rate.ts'
import { SOCK_AUTOCORKED, SOCK_TSQ_THROTTLED } from '../sock/sock-flags.ts'

export type TcpTsq = ReturnType<typeof createTcpTsq>
type TcpTsqDeps = { arena: Arena; bank: number; time: Time; slab: Slab; mem: TcpMem }

export const createTcpTsq = ({ arena, bank, time, slab, mem }: TcpTsqDeps) => {
  const { i32, f64, layout } = arena
  const { sysctl } = layout
  // a socket is on the list once
  // as long as they ever had to be, and no longer than there are sockets
  const waiting: number[] = []
  const generations: number[] = []
  let count = 0
  let lastMs = 0
  let isCorked = false

  /** What may wait below of a socket that sends skbs like this one. */
  const limitFor = (sk: number, skb: number): number => {
    const limit = Math.max(2 * mem.truesize(skb), pacingRate(i32, sk) / 1024)
    // one that is paced is no burst, however much that is
    if (i32[sk + TP_PACING] !== 0) return limit
    return Math.min(limit, i32[sysctl + Sysctl.tcp_limit_output_bytes])
  }
  /** Nothing or one skb is sent and not acknowledged: nobody else would let it go on. */
  const isIdle = (sk: number): boolean => {
    const head = i32[sk + TP_WQ_HEAD]
    const next = i32[sk + TP_SEND_HEAD]
    return head === next || i32[head + SKB_NEXT] === next
  }
  /** Enough of it waits below; it is told when some has gone. `factor` is 1 for what is sent again, that goes first. */
  const holdsUp = (sk: number, skb: number, factor: 0 | 1): boolean => {
    const below = i32[sk + SK_WMEM_ALLOC]
    if (below === 0 || below <= limitFor(sk, skb) << factor || isIdle(sk)) return false
    throttle(sk)
    return true
  }
  const throttle = (sk: number): void => {
    i32[sk + SK_FLAGS] &= ~SOCK_AUTOCORKED
    if ((i32[sk + SK_FLAGS] & SOCK_TSQ_THROTTLED) !== 0 || count === slab.rows) return
    i32[sk + SK_FLAGS] |= SOCK_TSQ_THROTTLED
    waiting[count] = sk
    generations[count++] = i32[sk + SK_GENERATION]
  }
  /**
   * What was just written is less than a super-frame while others are under way: more may be written before the turn ends,
   * and goes with it (tcp_should_autocork; the end of the turn stands for the end of transmission).
   */
  const corks = (sk: number, skb: number, goal: number): boolean => {
    if (i32[sysctl + Sysctl.tcp_autocorking] === 0) return false
    if (i32[sk + TP_PACKETS_OUT] === 0 || i32[skb + SKB_LEN] >= goal || count === slab.rows)
      return false
    isCorked = true
    if ((i32[sk + SK_FLAGS] & SOCK_TSQ_THROTTLED) !== 0) return true
    f64[bank + Mib.TcpExtTCPAutoCorking]++
    throttle(sk)
    i32[sk + SK_FLAGS] |= SOCK_AUTOCORKED
    return true
  }
  /**
   * Lets those go on that were held up, when something was `drained`, else once a millisecond; returns how many still are. Who
   * was not held up by anything below sends no more than its write would have.
   */
  const release = (
    drained: boolean,
    writeOn: (sk: number) => void,
    push: (sk: number) => void
  ): number => {
    const n = count
    if (n === 0 || (!drained && !isCorked && time[TIME_MS] === lastMs)) return count
    lastMs = time[TIME_MS]
    count = 0
    isCorked = false
    for (let k = 0; k < n; k++) {
      const sk = waiting[k]
      if (i32[sk + SK_GENERATION] !== generations[k]) continue
      const flags = i32[sk + SK_FLAGS]
      i32[sk + SK_FLAGS] = flags & ~(SOCK_TSQ_THROTTLED | SOCK_AUTOCORKED)
      if ((flags & SOCK_AUTOCORKED) === 0) writeOn(sk)
      else push(sk)
    }
    return count
  }
  return { holdsUp, throttle, corks, release }
}
