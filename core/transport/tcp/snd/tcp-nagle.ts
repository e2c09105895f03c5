import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import { TCP_FIN } from '../../../wire/tcp.ts'
import {
  TCP_CA_DISORDER,
  TCP_CA_RECOVERY,
  TCP_NAGLE_CORK,
  TCP_NAGLE_PUSH,
  TP_CA_STATE,
  TP_MSS_CACHE,
  TP_PACKETS_OUT,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_SND_SML,
  TP_SND_UNA,
  TP_SND_WND,
  TP_SRTT_US,
  TP_WSTAMP_US,
} from '../sock/tcp-sock.ts'
import { CB_FLAGS, CB_SEQ, CB_TIME, CBF_EOR } from '../sock/tcp-cb.ts'
import { wndEnd } from '../sock/tcp-wnd.ts'
import { urgMode } from './tcp-urgent.ts'
import type { TcpWriteQueue } from './tcp-write-queue.ts'

/** Segments that a window may have to spare (tcp_max_tso_deferred_mss). */
const MAX_DEFER = 3
/** It waits no longer, us. */
const DEFER_MAX_US = 1000
// What shouldDefer says: it is not to wait, or what for.
export const DEFER_NOT = 0
const DEFER_APP = 1
export const DEFER_CWND = 2
export const DEFER_RWND = 3

export type TcpNagle = ReturnType<typeof createTcpNagle>
type TcpNagleDeps = { arena: Arena; time: Time; queue: TcpWriteQueue }

export const createTcpNagle = (deps: TcpNagleDeps) => {
  const { queue, time } = deps
  const { i32, layout } = deps.arena
  const { sysctl } = layout

  /** Nagle's algorithm with Minshall's change: one small segment of ours may be in flight. */
  const nagleAllows = (sk: number, skb: number, mss: number, nonagle: number): boolean => {
    if ((nonagle & TCP_NAGLE_PUSH) !== 0 || urgMode(i32, sk)) return true
    if ((i32[skb + CB_FLAGS] & TCP_FIN) !== 0) return true
    return i32[skb + SKB_LEN] >= mss || !holdsPart(sk, nonagle)
  }
  /** What is less than a segment waits for more (tcp_nagle_check). */
  const holdsPart = (sk: number, nonagle: number): boolean => {
    if ((nonagle & TCP_NAGLE_CORK) !== 0) return true
    return nonagle === 0 && i32[sk + TP_PACKETS_OUT] !== 0 && smallInFlight(sk)
  }
  const smallInFlight = (sk: number): boolean => {
    const sml = i32[sk + TP_SND_SML]
    return ((sml - i32[sk + TP_SND_UNA]) | 0) > 0 && ((sml - i32[sk + TP_SND_NXT]) | 0) <= 0
  }

  /**
   * What to wait for rather than send a part of a super-frame now: an acknowledgement that is due soon lets the rest go
   * with it (tcp_tso_should_defer).
   */
  const shouldDefer = (sk: number, skb: number, spare: number, most: number): number => {
    // what a duplicate acknowledgement lets go keeps the acknowledgements coming (limited transmit, RFC 3042)
    if (i32[sk + TP_CA_STATE] === TCP_CA_DISORDER || i32[sk + TP_CA_STATE] >= TCP_CA_RECOVERY)
      return DEFER_NOT
    // whoever paused for longer, which in whole microseconds may be as long, has no acknowledgements to fill up with
    if (((time[TIME_US] - i32[sk + TP_WSTAMP_US]) | 0) >= DEFER_MAX_US) return DEFER_NOT
    const sendWindow = (wndEnd(i32, sk) - i32[skb + CB_SEQ]) | 0
    const mss = i32[sk + TP_MSS_CACHE]
    const congWindow = spare * mss
    const limit = Math.min(sendWindow, congWindow)
    if (limit >= most * mss) return DEFER_NOT
    const len = i32[skb + SKB_LEN]
    if (i32[skb + SKB_NEXT] !== 0 && limit >= len) return DEFER_NOT
    const chunk = Math.min(i32[sk + TP_SND_WND], i32[sk + TP_SND_CWND] * mss)
    const divisor = i32[sysctl + Sysctl.tcp_tso_win_divisor]
    // without a divisor, as Reno has it: what two segments cannot fill, waits
    if (divisor !== 0 ? limit >= ((chunk / divisor) | 0) : limit > MAX_DEFER * mss) return DEFER_NOT
    const head = queue.rtxHead(sk)
    if (head === 0 || !isAckSoon(sk, head)) return DEFER_NOT
    if (len >= limit) return congWindow < sendWindow ? DEFER_CWND : DEFER_RWND
    // it will not get more data
    return (i32[skb + CB_FLAGS] & (TCP_FIN | CBF_EOR)) !== 0 ? DEFER_NOT : DEFER_APP
  }
  /** The next acknowledgement is expected within half a round trip, and a millisecond; while none was measured, at any time. */
  const isAckSoon = (sk: number, head: number): boolean => {
    // in eighths, as it is kept: the shortest that was measured is not none
    const srtt = i32[sk + TP_SRTT_US]
    const away = ((i32[head + CB_TIME] - time[TIME_US]) | 0) * 8 + srtt
    return away <= Math.min(srtt / 2, DEFER_MAX_US * 8)
  }

  /** How much of the skb may go: whole segments within quota and window, the rest only at the queue's end. */
  const splitPoint = (
    sk: number,
    skb: number,
    mss: number,
    quota: number,
    nonagle: number
  ): number => {
    const len = i32[skb + SKB_LEN]
    const window = (wndEnd(i32, sk) - i32[skb + CB_SEQ]) | 0
    const most = quota * mss
    if (most <= window && i32[skb + SKB_NEXT] !== 0) return most
    const needed = Math.min(len, window)
    if (most <= needed) return most
    const partial = needed % mss
    return partial !== 0 && holdsPart(sk, nonagle) ? needed - partial : needed
  }

  return { nagleAllows, shouldDefer, splitPoint }
}
