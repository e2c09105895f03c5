/**
 * Where the text of a segment goes: into the receive queue when it is next in order, with what has waited for it, into the
 * out-of-order queue when it is not, or away. Called by tcp-input.ts and the states, on the worker.
 * Linux: tcp_data_queue, tcp_data_queue_ofo, tcp_ofo_queue; RFC 9293 3.10.7.4.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { type ConsumeFn, Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_GSO_SEGS, SKB_LEN, SKB_NEXT, SKB_PREV } from '../../../skb/skb.ts'
import { SK_DROPS, SK_EVENT_READ, SK_RCVLOWAT } from '../../../socket/sock.ts'
import type { Timestamp } from '../../../socket/msg/timestamp.ts'
import { TCP_CWR, TCP_FIN } from '../../../wire/tcp.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  TP_RCV_OOOPACK,
  ACK_NOW,
  ACK_SCHED,
  ECN_MODE_RFC3168,
  OPT_SACK,
  TP_ACK_PENDING,
  TP_DSACK,
  TP_ECN,
  TP_NUM_SACKS,
  TP_OFO_HEAD,
  TP_OFO_TAIL,
  TP_OPTS,
  TP_RCV_NXT,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import { TCP_MAX_QUICKACKS } from '../sock/tcp-constants.ts'
import { receiveWindow } from '../sock/tcp-wnd.ts'
import type { TcpCoalesce } from './tcp-coalesce.ts'
import type { TcpDataEcn } from '../ecn/tcp-data-ecn.ts'
import type { TcpEventData } from './tcp-event-data.ts'
import type { TcpOfoQueue } from './tcp-ofo-queue.ts'
import type { TcpPrune } from './tcp-prune.ts'
import { enterQuickack, scheduleAck } from './tcp-quickack.ts'
import type { TcpRcvQueue } from './tcp-rcv-queue.ts'
import { dsackExtend, dsackSet, sackNewOfo, sackRemove } from './tcp-sack.ts'
import type { TcpCompressedAck } from './tcp-compressed-ack.ts'
import type { TcpWindow } from './tcp-window.ts'

export type TcpDataQueue = ReturnType<typeof createTcpDataQueue>
type TcpDataQueueDeps = {
  arena: Arena
  bank: number
  drop: DropFn
  consume: ConsumeFn
  window: TcpWindow
  coalesce: Pick<TcpCoalesce, 'tailroom' | 'absorb' | 'compact'>
  rcvQueue: Pick<TcpRcvQueue, 'queueRcv' | 'readable'>
  ofoQueue: Pick<TcpOfoQueue, 'insertOfo' | 'removeOfo' | 'renewHolder'>
  prune: TcpPrune
  dataEcn: TcpDataEcn
  eventData: TcpEventData
  timestamp: Pick<Timestamp, 'wantsTime' | 'stamp'>
  compressedAck: Pick<TcpCompressedAck, 'makeRoom'>
  /** core/transport/tcp/states/tcp-states.ts: fin, whose states take their text from here. */
  fin: (sk: number) => void
} & Pick<TcpLifecycle, 'raise'>

export const createTcpDataQueue = (deps: TcpDataQueueDeps) => {
  const { bank, drop, consume, window, dataEcn, compressedAck, fin, raise } = deps
  const { tailroom, absorb, compact } = deps.coalesce
  const { queueRcv, readable } = deps.rcvQueue
  const { insertOfo, removeOfo, renewHolder } = deps.ofoQueue
  const { mayHold, fitsOfo, makeRoomOfo } = deps.prune
  const { eventDataRecv } = deps.eventData
  const { wantsTime, stamp } = deps.timestamp
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  const dropDuplicate = (sk: number, skb: number): void => {
    noteTwice(sk, i32[skb + CB_SEQ], i32[skb + CB_END_SEQ])
    f64[bank + Mib.TcpExtTCPOFOMerge]++
    drop(skb, Drop.TCP_OFOMERGE)
  }
  /** What the queue has already is reported with the next acknowledgement (RFC 2883). */
  const noteTwice = (sk: number, seq: number, end: number): void => {
    f64[bank + dsackExtend(i32, sysctl, sk, seq, end)]++
  }
  const queueOfo = (sk: number, arrived: number): void => {
    scheduleAck(i32, sk)
    if (i32[sk + TP_ECN] !== 0) dataEcn.checkMark(sk, arrived)
    if (!fitsOfo(sk, arrived)) makeRoomOfo(sk, arrived)
    if (!fitsOfo(sk, arrived)) {
      f64[bank + Mib.TcpExtTCPOFODrop]++
      i32[sk + SK_DROPS]++
      drop(arrived, Drop.TCP_OFO_DROP)
      return
    }
    i32[sk + TP_RCV_OOOPACK] += Math.max(1, i32[arrived + SKB_GSO_SEGS])
    window.measureRcvMss(sk, arrived)
    if (wantsTime(sk)) stamp(arrived)
    if ((i32[sk + TP_OPTS] & OPT_SACK) !== 0) window.growWindow(sk, arrived)
    f64[bank + Mib.TcpExtTCPOFOQueue]++
    const skb = compact(arrived)
    const seq = i32[skb + CB_SEQ]
    const end = i32[skb + CB_END_SEQ]
    let after = i32[sk + TP_OFO_TAIL]
    while (after !== 0 && ((i32[after + CB_SEQ] - seq) | 0) > 0) after = i32[after + SKB_PREV]
    if (after !== 0 && ((i32[after + CB_END_SEQ] - end) | 0) >= 0) {
      dropDuplicate(sk, skb)
      noteSack(sk, seq, end)
      return
    }
    if (after !== 0 && i32[after + CB_SEQ] === seq) {
      // the longer one takes its place
      const before = i32[after + SKB_PREV]
      removeOfo(sk, after)
      dropDuplicate(sk, after)
      after = before
    }
    if (after !== 0 && ((i32[after + CB_END_SEQ] - seq) | 0) > 0)
      noteTwice(sk, seq, i32[after + CB_END_SEQ])
    let at = skb
    if (mayAbsorb(after, skb)) {
      at = after
      absorb(after, skb, (i32[after + CB_END_SEQ] - seq) | 0)
    } else insertOfo(sk, skb, after)
    // those that the new one covers are of no more use
    for (let next = i32[at + SKB_NEXT]; next !== 0; next = i32[at + SKB_NEXT]) {
      if (((i32[next + CB_END_SEQ] - end) | 0) > 0) {
        if (((i32[next + CB_SEQ] - end) | 0) < 0) noteTwice(sk, i32[next + CB_SEQ], end)
        break
      }
      removeOfo(sk, next)
      dropDuplicate(sk, next)
    }
    noteSack(sk, seq, end)
  }
  const noteSack = (sk: number, seq: number, end: number): void => {
    compressedAck.makeRoom(sk, seq, end)
    sackNewOfo(i32, sk, seq, end)
  }
  /** Whether `skb` goes on where `before`, its neighbour in the queue, ends, and there is room behind it. */
  const mayAbsorb = (before: number, skb: number): boolean => {
    if (before === 0 || (i32[before + CB_FLAGS] & TCP_FIN) !== 0) return false
    const overlap = (i32[before + CB_END_SEQ] - i32[skb + CB_SEQ]) | 0
    return overlap >= 0 && i32[skb + SKB_LEN] - overlap <= tailroom(before)
  }
  /** Moves what rcv_nxt has reached into the receive queue. */
  const drainOfo = (sk: number): void => {
    moveOfo(sk)
    renewHolder(sk)
  }
  const moveOfo = (sk: number): void => {
    const filled = i32[sk + TP_RCV_NXT]
    for (let skb = i32[sk + TP_OFO_HEAD]; skb !== 0; skb = i32[sk + TP_OFO_HEAD]) {
      const next = i32[sk + TP_RCV_NXT]
      if (((i32[skb + CB_SEQ] - next) | 0) > 0) return
      if (((i32[skb + CB_SEQ] - filled) | 0) < 0) {
        const end = i32[skb + CB_END_SEQ]
        noteTwice(sk, i32[skb + CB_SEQ], ((end - filled) | 0) < 0 ? end : filled)
      }
      removeOfo(sk, skb)
      if (((i32[skb + CB_END_SEQ] - next) | 0) <= 0) {
        drop(skb, Drop.TCP_OFO_DROP)
        continue
      }
      const hasFin = (i32[skb + CB_FLAGS] & TCP_FIN) !== 0
      queueRcv(sk, skb)
      if (hasFin) {
        fin(sk)
        return
      }
    }
  }

  const outOfWindow = (sk: number, skb: number, reason: Drop): void => {
    enterQuickack(i32, sk, TCP_MAX_QUICKACKS)
    scheduleAck(i32, sk)
    i32[sk + SK_DROPS]++
    drop(skb, reason)
  }
  const refuse = (sk: number, skb: number): void => {
    f64[bank + Mib.TcpExtTCPRcvQDrop]++
    i32[sk + SK_DROPS]++
    i32[sk + TP_ACK_PENDING] |= ACK_SCHED | ACK_NOW
    drop(skb, Drop.PROTO_MEM)
  }

  /** As queueRcv, and the FIN that it may have has its turn. */
  const takeNext = (sk: number, skb: number): void => {
    const hasFin = (i32[skb + CB_FLAGS] & TCP_FIN) !== 0
    queueRcv(sk, skb)
    if (hasFin) fin(sk)
  }
  const inOrder = (sk: number, skb: number): void => {
    if (!mayHold(sk, skb)) {
      refuse(sk, skb)
      return
    }
    const hasText = i32[skb + SKB_LEN] !== 0
    // before it is queued: queueing may copy it and free the original
    if (hasText) eventDataRecv(sk, skb)
    takeNext(sk, skb)
    if (i32[sk + TP_OFO_HEAD] !== 0) {
      drainOfo(sk)
      // RFC 5681 section 4.2: at once when a hole is filled
      if (i32[sk + TP_OFO_HEAD] === 0) i32[sk + TP_ACK_PENDING] |= ACK_NOW
    }
    if (i32[sk + TP_NUM_SACKS] !== 0) sackRemove(i32, sk)
    dataReady(sk)
  }
  /** There is something to read, enough of it where the socket wants so much (SO_RCVLOWAT; tcp_data_ready). */
  const dataReady = (sk: number): void => {
    if (readable(sk) >= i32[sk + SK_RCVLOWAT]) raise(sk, SK_EVENT_READ)
  }

  /** Takes a segment whose header was pulled: into one of the queues, or away. */
  const dataQueue = (sk: number, skb: number): void => {
    const seq = i32[skb + CB_SEQ]
    const end = i32[skb + CB_END_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    if (seq === end) {
      consume(skb)
      return
    }
    if ((i32[skb + CB_FLAGS] & TCP_CWR) !== 0 && (i32[sk + TP_ECN] & ECN_MODE_RFC3168) !== 0)
      dataEcn.acceptCwr(sk)
    i32[sk + TP_DSACK] = 0
    if (seq === next) {
      if (receiveWindow(i32, sk) === 0 && i32[skb + SKB_LEN] !== 0) {
        f64[bank + Mib.TcpExtTCPZeroWindowDrop]++
        outOfWindow(sk, skb, Drop.TCP_ZEROWINDOW)
      } else inOrder(sk, skb)
      return
    }
    if (((end - next) | 0) <= 0) {
      f64[bank + Mib.TcpExtDelayedACKLost]++
      f64[bank + dsackSet(i32, sysctl, sk, seq, end)]++
      outOfWindow(sk, skb, Drop.TCP_OLD_DATA)
      return
    }
    if (((seq - next - receiveWindow(i32, sk)) | 0) >= 0) {
      outOfWindow(sk, skb, Drop.TCP_OVERWINDOW)
      return
    }
    if (((seq - next) | 0) < 0) {
      f64[bank + dsackSet(i32, sysctl, sk, seq, next)]++
      if (receiveWindow(i32, sk) === 0) outOfWindow(sk, skb, Drop.TCP_ZEROWINDOW)
      else inOrder(sk, skb)
      return
    }
    queueOfo(sk, skb)
  }

  return { dataQueue, takeNext, dataReady }
}
