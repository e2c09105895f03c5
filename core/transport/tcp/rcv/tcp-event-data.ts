/**
 * What is learned of a segment with text that is next in order, before it is queued: the peer's segment size and rhythm, by
 * which its acknowledgements are delayed, and the room that it deserves. Called by tcp-input.ts and tcp-data-queue.ts, on the worker.
 * Linux: tcp_event_data_recv.
 */
import { TIME_MS, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_LEN } from '../../../skb/skb.ts'
import { TP_ATO, TP_ECN, TP_LRCVTIME, TP_RTO } from '../sock/tcp-sock.ts'
import { TCP_ATO_MIN, TCP_MAX_QUICKACKS } from '../sock/tcp-constants.ts'
import type { TcpDataEcn } from '../ecn/tcp-data-ecn.ts'
import { increaseQuick, scheduleAck } from './tcp-quickack.ts'
import type { TcpWindow } from './tcp-window.ts'

export type TcpEventData = ReturnType<typeof createTcpEventData>
type TcpEventDataDeps = {
  arena: Arena
  time: Time
  window: TcpWindow
  dataEcn: TcpDataEcn
}

export const createTcpEventData = ({ arena, time, window, dataEcn }: TcpEventDataDeps) => {
  const { i32 } = arena

  /** Learns from the arrival of data: the peer's segment size, its rhythm, the room it deserves. */
  const eventDataRecv = (sk: number, skb: number): void => {
    scheduleAck(i32, sk)
    if (i32[sk + TP_ECN] !== 0) dataEcn.checkMark(sk, skb)
    window.measureRcvMss(sk, skb)
    window.rcvRttMeasure(sk)
    const now = time[TIME_MS]
    const ato = i32[sk + TP_ATO]
    if (ato === 0) {
      increaseQuick(i32, sk, TCP_MAX_QUICKACKS)
      i32[sk + TP_ATO] = TCP_ATO_MIN
    } else {
      const gap = (now - i32[sk + TP_LRCVTIME]) | 0
      if (gap <= TCP_ATO_MIN >> 1) i32[sk + TP_ATO] = (ato >> 1) + (TCP_ATO_MIN >> 1)
      else if (gap < ato) i32[sk + TP_ATO] = Math.min((ato >> 1) + gap, i32[sk + TP_RTO])
      else if (gap > i32[sk + TP_RTO]) increaseQuick(i32, sk, TCP_MAX_QUICKACKS)
    }
    i32[sk + TP_LRCVTIME] = now
    if (i32[skb + SKB_LEN] >= 128) window.growWindow(sk, skb)
  }

  return { eventDataRecv }
}
