/**
 * The receive queue, which recv reads in place: text that is in order. tcp-input.ts and tcp-data-queue.ts put segments in,
 * tcp-recvmsg.ts takes bytes out, on the worker. Linux: sk_receive_queue, tcp_queue_rcv.
 */
import type { Arena } from '../../../shm/arena.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import {
  SK_RCVBUF,
  SK_RCVQ_HEAD,
  SK_RCVQ_LEN,
  SK_RCVQ_TAIL,
  SK_RMEM,
} from '../../../socket/sock.ts'
import type { Timestamp } from '../../../socket/msg/timestamp.ts'
import { TCP_FIN } from '../../../wire/tcp.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import { TP_BYTES_RECEIVED, TP_COPIED_SEQ, TP_RCV_NXT } from '../sock/tcp-sock.ts'
import { add64 } from '../../../base/u64.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import type { TcpCoalesce } from './tcp-coalesce.ts'
import type { TcpOfoQueue } from './tcp-ofo-queue.ts'

export type TcpRcvQueue = ReturnType<typeof createTcpRcvQueue>
type TcpRcvQueueDeps = {
  arena: Arena
  consume: ConsumeFn
  mem: TcpMem
  coalesce: Pick<TcpCoalesce, 'tailroom' | 'absorb' | 'compact'>
  ofoQueue: Pick<TcpOfoQueue, 'purgeOfo'>
  timestamp: Pick<Timestamp, 'wantsTime' | 'isStamped' | 'stamp'>
}

export const createTcpRcvQueue = (deps: TcpRcvQueueDeps) => {
  const { consume, mem, ofoQueue } = deps
  const { i32 } = deps.arena
  const { tailroom, absorb, compact } = deps.coalesce
  const { wantsTime, isStamped, stamp } = deps.timestamp

  /** The buffer may be passed by one skb, or a large one would never fit. */
  const fits = (sk: number, skb: number): boolean =>
    i32[sk + SK_RMEM] <= i32[sk + SK_RCVBUF] && mem.mayCharge(sk, skb)
  /** More than half of its buffer is empty. */
  const isPoor = (skb: number): boolean => i32[skb + SKB_LEN] * 2 < mem.truesize(skb)
  /** Three quarters of the buffer hold what is promised if the rest is copied together: there is no need to as yet. */
  const isSpacious = (sk: number, skb: number): boolean =>
    mem.isLarge(skb) && i32[sk + SK_RMEM] <= i32[sk + SK_RCVBUF] >> 2 && !mem.underPressure()
  /**
   * It goes into what the last buffer of the queue has left, so it takes no memory: when it wastes its own, or there is
   * no more. `next` is rcv_nxt.
   */
  const fillsTail = (sk: number, skb: number, next: number): boolean => {
    const tail = i32[sk + SK_RCVQ_TAIL]
    if (tail === 0 || i32[tail + CB_END_SEQ] !== next) return false
    if ((!isPoor(skb) || isSpacious(sk, skb)) && fits(sk, skb)) return false
    return i32[skb + SKB_LEN] - ((next - i32[skb + CB_SEQ]) | 0) <= tailroom(tail)
  }

  /** Appends a segment that is next in order (its front may repeat what came before). */
  const queueRcv = (sk: number, skb: number): void => {
    const end = i32[skb + CB_END_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    if (wantsTime(sk) && !isStamped(skb)) stamp(skb)
    add64(i32, sk + TP_BYTES_RECEIVED, (end - next) | 0)
    i32[sk + TP_RCV_NXT] = end
    const tail = i32[sk + SK_RCVQ_TAIL]
    if (fillsTail(sk, skb, next)) {
      absorb(tail, skb, (next - i32[skb + CB_SEQ]) | 0)
      return
    }
    const kept = isPoor(skb) ? compact(skb) : skb
    i32[kept + SKB_NEXT] = 0
    if (tail === 0) i32[sk + SK_RCVQ_HEAD] = kept
    else i32[tail + SKB_NEXT] = kept
    i32[sk + SK_RCVQ_TAIL] = kept
    i32[sk + SK_RCVQ_LEN]++
    mem.chargeRcv(sk, kept)
  }
  /** Takes the first skb off. */
  const unlinkRcv = (sk: number): number => {
    const skb = i32[sk + SK_RCVQ_HEAD]
    const next = i32[skb + SKB_NEXT]
    i32[sk + SK_RCVQ_HEAD] = next
    if (next === 0) i32[sk + SK_RCVQ_TAIL] = 0
    i32[sk + SK_RCVQ_LEN]--
    mem.unchargeRcv(sk, skb)
    return skb
  }
  /** Takes the first skb off and frees it: it was read. */
  const dequeueRcv = (sk: number): void => consume(unlinkRcv(sk))

  const purgeRead = (sk: number): void => {
    while (i32[sk + SK_RCVQ_HEAD] !== 0) dequeueRcv(sk)
  }
  /** Both queues. */
  const purge = (sk: number): void => {
    purgeRead(sk)
    ofoQueue.purgeOfo(sk)
  }
  /** Bytes that recv would get now. */
  const readable = (sk: number): number => {
    let bytes = (i32[sk + TP_RCV_NXT] - i32[sk + TP_COPIED_SEQ]) | 0
    const tail = i32[sk + SK_RCVQ_TAIL]
    if (tail !== 0 && (i32[tail + CB_FLAGS] & TCP_FIN) !== 0) bytes--
    return bytes
  }

  return { fits, fillsTail, queueRcv, unlinkRcv, dequeueRcv, purgeRead, purge, readable }
}
