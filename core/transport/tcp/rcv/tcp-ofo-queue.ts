/**
 * The out-of-order queue of a socket, sorted and doubly linked, and the list of the sockets that have one. tcp-data-queue.ts
 * puts segments in and takes them out, tcp-prune.ts throws them away, on the worker. Linux: out_of_order_queue.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { type ConsumeFn, Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_NEXT, SKB_PREV } from '../../../skb/skb.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import {
  TP_DSACK,
  TP_NUM_SACKS,
  TP_OFO_HEAD,
  TP_OFO_LEN,
  TP_OFO_NEWER,
  TP_OFO_OLDER,
  TP_OFO_TAIL,
} from '../sock/tcp-sock.ts'

export type TcpOfoQueue = ReturnType<typeof createTcpOfoQueue>
type TcpOfoQueueDeps = {
  arena: Arena
  bank: number
  drop: DropFn
  consume: ConsumeFn
  mem: TcpMem
}

export const createTcpOfoQueue = ({ arena, bank, drop, consume, mem }: TcpOfoQueueDeps) => {
  const { i32, f64 } = arena

  // The sockets that have segments out of order: the one whose hole is oldest gives way first.
  let ofoOldest = 0
  let ofoNewest = 0
  const linkHolder = (sk: number): void => {
    i32[sk + TP_OFO_OLDER] = ofoNewest
    i32[sk + TP_OFO_NEWER] = 0
    if (ofoNewest === 0) ofoOldest = sk
    else i32[ofoNewest + TP_OFO_NEWER] = sk
    ofoNewest = sk
  }
  const unlinkHolder = (sk: number): void => {
    const older = i32[sk + TP_OFO_OLDER]
    const newer = i32[sk + TP_OFO_NEWER]
    if (older === 0) ofoOldest = newer
    else i32[older + TP_OFO_NEWER] = newer
    if (newer === 0) ofoNewest = older
    else i32[newer + TP_OFO_OLDER] = older
  }
  const oldestHolder = (): number => ofoOldest
  /** It gets on: the hole that is left is a new one. */
  const renewHolder = (sk: number): void => {
    if (i32[sk + TP_OFO_LEN] === 0 || sk === ofoNewest) return
    unlinkHolder(sk)
    linkHolder(sk)
  }

  const removeOfo = (sk: number, skb: number): void => {
    const next = i32[skb + SKB_NEXT]
    const prev = i32[skb + SKB_PREV]
    if (prev === 0) i32[sk + TP_OFO_HEAD] = next
    else i32[prev + SKB_NEXT] = next
    if (next === 0) i32[sk + TP_OFO_TAIL] = prev
    else i32[next + SKB_PREV] = prev
    if (--i32[sk + TP_OFO_LEN] === 0) unlinkHolder(sk)
    mem.unchargeRcv(sk, skb)
  }
  const insertOfo = (sk: number, skb: number, after: number): void => {
    const next = after === 0 ? i32[sk + TP_OFO_HEAD] : i32[after + SKB_NEXT]
    i32[skb + SKB_PREV] = after
    i32[skb + SKB_NEXT] = next
    if (after === 0) i32[sk + TP_OFO_HEAD] = skb
    else i32[after + SKB_NEXT] = skb
    if (next === 0) i32[sk + TP_OFO_TAIL] = skb
    else i32[next + SKB_PREV] = skb
    if (i32[sk + TP_OFO_LEN]++ === 0) linkHolder(sk)
    mem.chargeOfo(sk, skb)
  }
  const purgeOfo = (sk: number): void => {
    for (let skb = i32[sk + TP_OFO_HEAD]; skb !== 0; skb = i32[sk + TP_OFO_HEAD]) {
      removeOfo(sk, skb)
      consume(skb)
    }
    i32[sk + TP_NUM_SACKS] = 0
    i32[sk + TP_DSACK] = 0
  }
  /** A socket loses all that it has out of order: its peer sends it again. */
  const pruneHolder = (sk: number): void => {
    f64[bank + Mib.TcpExtOfoPruned]++
    for (let last = i32[sk + TP_OFO_TAIL]; last !== 0; last = i32[sk + TP_OFO_TAIL]) {
      removeOfo(sk, last)
      drop(last, Drop.TCP_OFO_QUEUE_PRUNE)
    }
    i32[sk + TP_NUM_SACKS] = 0
  }

  return { oldestHolder, renewHolder, removeOfo, insertOfo, purgeOfo, pruneHolder }
}
