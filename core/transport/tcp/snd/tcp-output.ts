import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import {
  SK_STATE,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_LAST_ACK,
} from '../../../socket/sock.ts'
import { TCP_ACK, TCP_FIN } from '../../../wire/tcp.ts'
import { CA_EVENT_TX_START, type TcpCong } from '../cong/tcp-cong.ts'
import type { TcpChrono } from './tcp-chrono.ts'
import type { TcpMss } from './tcp-mss.ts'
import { PROBE_NONE, PROBE_READY, PROBE_WAIT, type TcpMtuProbe } from './tcp-mtu-probe.ts'
import type { TcpPacing } from './tcp-pacing.ts'
import {
  CHRONO_BUSY,
  CHRONO_RWND,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TP_LOST_OUT,
  TP_MTUP_ENABLED,
  TP_NONAGLE,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_PRR_OUT,
  TP_RETRANS_OUT,
  TP_RTO,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_SND_SML,
  TP_WQ_TAIL,
  TP_WRITE_SEQ,
  TP_MD5,
} from '../sock/tcp-sock.ts'
import { inCwndReduction, packetsInFlight } from '../cong/tcp-cwnd.ts'
import { CB_END_SEQ, CB_FLAGS } from '../sock/tcp-cb.ts'
import { TCP_RTO_MIN } from '../sock/tcp-constants.ts'
import { fitsWindow } from '../sock/tcp-wnd.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import { urgMode } from './tcp-urgent.ts'
import type { TcpTransmit } from './tcp-transmit.ts'
import { DEFER_CWND, DEFER_NOT, DEFER_RWND, type TcpNagle } from './tcp-nagle.ts'
import type { TcpCwndValidate } from '../cong/tcp-cwnd-validate.ts'
import type { TcpRetransmit } from './tcp-retransmit.ts'
import type { TcpTsq } from './tcp-tsq.ts'
import type { TcpRate } from '../ack/tcp-rate.ts'
import type { TcpXmitTimer } from '../timer/tcp-xmit-timer.ts'
import type { TcpWriteQueue } from './tcp-write-queue.ts'

/** States in which there is something to send, as bits. */
const SENDING =
  (1 << TCP_ESTABLISHED) |
  (1 << TCP_FIN_WAIT1) |
  (1 << TCP_CLOSE_WAIT) |
  (1 << TCP_LAST_ACK) |
  (1 << TCP_CLOSING)

export type TcpOutput = ReturnType<typeof createTcpOutput>
type TcpOutputDeps = {
  arena: Arena
  bank: number
  queue: TcpWriteQueue
  mss: TcpMss
  chrono: TcpChrono
  pacing: TcpPacing
  mtup: TcpMtuProbe
  timers: TcpTimers
  transmit: TcpTransmit
  cong: TcpCong
  mem: TcpMem
  tsq: TcpTsq
  rate: TcpRate
  xmitTimer: TcpXmitTimer
  nagle: TcpNagle
  cwndValidate: TcpCwndValidate
  retransmission: TcpRetransmit
}

/** What writeXmit sends: all that may go, one skb, or one as the probe of a lost tail. */
const PUSH_ALL = 0
const PUSH_ONE = 1
export const PUSH_PROBE = 2

export const createTcpOutput = (deps: TcpOutputDeps) => {
  const { queue, timers, bank, cong, mem, tsq, rate } = deps
  const { rearmRto, scheduleLossProbe } = deps.xmitTimer
  const { currentMss, tsoSegs } = deps.mss
  const { chronoStart, chronoStop } = deps.chrono
  const { mustWait } = deps.pacing
  const { mtup } = deps
  const { nagleAllows, shouldDefer, splitPoint } = deps.nagle
  const { validateCwnd } = deps.cwndValidate
  const { xmitRetransmitQueue } = deps.retransmission
  const { transmitClone, emptySegment } = deps.transmit
  const { pcount, setTsoSegs, fragment } = queue
  const { i32, f64 } = deps.arena

  const eventNewDataSent = (sk: number, skb: number): void => {
    const prior = i32[sk + TP_PACKETS_OUT]
    i32[sk + TP_SEND_HEAD] = i32[skb + SKB_NEXT]
    queue.sentLast(sk, skb)
    i32[sk + TP_SND_NXT] = i32[skb + CB_END_SEQ]
    i32[sk + TP_PACKETS_OUT] = prior + pcount(skb)
    f64[bank + Mib.TcpExtTCPOrigDataSent] += pcount(skb)
    const pending = i32[sk + TP_PENDING]
    if (
      prior === 0 ||
      pending === ICSK_TIME_PROBE0 ||
      pending === ICSK_TIME_LOSS_PROBE ||
      pending === 0
    )
      rearmRto(sk)
  }

  /**
   * Sends what may be sent, or what `push` (PUSH_*) says. True when nothing is in flight though data waits:
   * then only the probe timer will bring the connection on.
   */
  const writeXmit = (sk: number, mss: number, nonagle: number, push: number): boolean => {
    const before = i32[sk + TP_PACKETS_OUT]
    let sent = 0
    let cwndLimited = false
    let rwndLimited = false
    const most = tsoSegs(sk, mss)
    if (push === PUSH_ALL && i32[sk + TP_MTUP_ENABLED] !== 0) {
      const probe = sendMtuProbe(sk, mss)
      if (probe === PROBE_WAIT) return false
      if (probe === PROBE_READY) sent++
    }
    for (let skb = i32[sk + TP_SEND_HEAD]; skb !== 0; skb = i32[sk + TP_SEND_HEAD]) {
      if (mustWait(sk)) break
      const spare = i32[sk + TP_SND_CWND] - packetsInFlight(i32, sk)
      // a probe of the tail goes all the same
      if (spare <= 0 && push !== PUSH_PROBE) break
      // two super-frames at least are under way, or acknowledgements would come in bursts
      const half = Math.max(i32[sk + TP_SND_CWND] >> 1, 1)
      const quota = Math.min(Math.max(spare, 1), half, most)
      queue.grow(sk, skb, quota * mss - i32[skb + SKB_LEN])
      setTsoSegs(skb, mss)
      if (!fitsWindow(i32, sk, skb, mss)) {
        rwndLimited = true
        break
      }
      if (pcount(skb) === 1) {
        const nagle = i32[skb + SKB_NEXT] === 0 ? nonagle : TCP_NAGLE_PUSH
        if (!nagleAllows(sk, skb, mss, nagle)) break
      } else if (push === PUSH_ALL) {
        const defer = shouldDefer(sk, skb, spare, most)
        cwndLimited = defer === DEFER_CWND
        rwndLimited = defer === DEFER_RWND
        if (defer !== DEFER_NOT) break
      }
      if (!sendHead(sk, skb, mss, quota, nonagle)) break
      sent++
      if (push !== PUSH_ALL) break
    }
    if (rwndLimited) chronoStart(sk, CHRONO_RWND)
    else chronoStop(sk, CHRONO_RWND)
    cwndLimited ||= packetsInFlight(i32, sk) >= i32[sk + TP_SND_CWND]
    if (sent !== 0 || cwndLimited) validateCwnd(sk, cwndLimited)
    if (sent === 0) return i32[sk + TP_PACKETS_OUT] === 0 && i32[sk + TP_SEND_HEAD] !== 0
    if (inCwndReduction(i32, sk)) i32[sk + TP_PRR_OUT] += i32[sk + TP_PACKETS_OUT] - before
    if (push !== PUSH_PROBE) scheduleLossProbe(sk, false)
    return false
  }
  /** What tells how large a packet the path takes, when that is to be known now. PROBE_*. */
  const sendMtuProbe = (sk: number, mss: number): number => {
    if (i32[sk + TP_SEND_HEAD] === 0 || mustWait(sk)) return PROBE_NONE
    const found = mtup.mtuProbe(sk, mss)
    if (found !== PROBE_READY) return found
    const skb = i32[sk + TP_SEND_HEAD]
    rate.rateSent(sk, skb)
    // else it is cut into segments as all is
    if (transmitClone(sk, skb) < 0) return PROBE_NONE
    mtup.probeSent(sk, skb)
    eventNewDataSent(sk, skb)
    return PROBE_READY
  }
  /** Sends the first unsent skb, or the part of it that may go. */
  const sendHead = (
    sk: number,
    skb: number,
    mss: number,
    quota: number,
    nonagle: number
  ): boolean => {
    let front = skb
    // a super-frame's segments would all point to where the first one does, or be signed as that is
    const isWhole = pcount(skb) > 1 && !urgMode(i32, sk) && i32[sk + TP_MD5] === 0
    const limit = isWhole ? splitPoint(sk, skb, mss, quota, nonagle) : mss
    if (i32[skb + SKB_LEN] > limit) {
      if (limit <= 0) return false
      front = split(sk, skb, limit, mss)
      if (front === 0) return false
    }
    if (i32[sk + TP_PACKETS_OUT] === 0) cong.cwndEvent(sk, CA_EVENT_TX_START)
    if (tsq.holdsUp(sk, front, 0)) return false
    rate.rateSent(sk, front)
    const err = transmitClone(sk, front)
    if (err < 0) {
      // a full queue below has pushed it back
      if (err === -Errno.ENOBUFS) tsq.throttle(sk)
      return false
    }
    if (i32[front + SKB_LEN] < pcount(front) * mss) i32[sk + TP_SND_SML] = i32[front + CB_END_SEQ]
    eventNewDataSent(sk, front)
    return true
  }

  /**
   * Splits `limit` bytes off an unsent skb, or one segment when large buffers are short; 0 when it must wait, for a buffer
   * or since it has its share of them.
   */
  const split = (sk: number, skb: number, limit: number, mss: number): number => {
    if (!mem.mayCut(sk)) return 0
    if (queue.maySplit(skb, limit)) return fragment(sk, skb, limit, mss)
    const size = Math.min(limit, mss)
    return queue.maySplit(skb, size) || i32[sk + TP_PACKETS_OUT] === 0
      ? fragment(sk, skb, size, mss)
      : 0
  }

  /** Data waits, nothing flies, no timer runs: the window is closed, or something below failed. */
  const checkProbeTimer = (sk: number): void => {
    if (i32[sk + TP_PACKETS_OUT] === 0 && i32[sk + TP_PENDING] === 0)
      timers.resetXmitTimer(sk, ICSK_TIME_PROBE0, Math.max(i32[sk + TP_RTO], TCP_RTO_MIN))
  }
  const pushPending = (sk: number, mss: number, nonagle: number): void => {
    if (i32[sk + SK_STATE] === TCP_CLOSE) return
    if (writeXmit(sk, mss, nonagle, PUSH_ALL)) checkProbeTimer(sk)
  }
  /** After an acknowledgement, an option change or a write: sends what can go now. */
  const pushPendingFrames = (sk: number): void => {
    if (i32[sk + TP_SEND_HEAD] !== 0) pushPending(sk, currentMss(sk), i32[sk + TP_NONAGLE])
  }
  /** The first skb is full and more is being written: it goes whatever Nagle says. */
  const pushOne = (sk: number, mss: number): void => {
    writeXmit(sk, mss, TCP_NAGLE_PUSH, PUSH_ONE)
  }

  /** Those that were held up by what they have in queues below go on; how many still are. As turns of the loop end. */
  const releaseHeldUp = (drained: boolean): number =>
    tsq.release(drained, writeOn, pushPendingFrames)
  const writeOn = (sk: number): void => {
    if (((1 << i32[sk + SK_STATE]) & SENDING) === 0) return
    if (i32[sk + TP_LOST_OUT] > i32[sk + TP_RETRANS_OUT]) xmitRetransmitQueue(sk)
    pushPendingFrames(sk)
  }

  /** Queues the FIN behind the data and sends what may go. False when there is no memory for it. */
  const sendFin = (sk: number): boolean => {
    const tail = i32[sk + TP_WQ_TAIL]
    const isUnsent = tail !== 0 && tail === lastUnsent(sk)
    const mayQueue = mem.mayQueueFlag()
    if (isUnsent || (tail !== 0 && !mayQueue)) {
      i32[tail + CB_FLAGS] |= TCP_FIN
      i32[tail + CB_END_SEQ] = (i32[tail + CB_END_SEQ] + 1) | 0
      // without memory it goes with the last segment when that is sent again
      if (!isUnsent) i32[sk + TP_SND_NXT] = (i32[sk + TP_SND_NXT] + 1) | 0
    } else {
      if (!mayQueue) return false
      const skb = emptySegment(i32[sk + TP_WRITE_SEQ], TCP_ACK | TCP_FIN)
      if (skb === 0) return false
      i32[skb + CB_END_SEQ] = (i32[sk + TP_WRITE_SEQ] + 1) | 0
      setTsoSegs(skb, 1)
      queue.append(sk, skb)
      if (i32[sk + TP_SEND_HEAD] === skb) chronoStart(sk, CHRONO_BUSY)
    }
    i32[sk + TP_WRITE_SEQ] = (i32[sk + TP_WRITE_SEQ] + 1) | 0
    pushPending(sk, currentMss(sk), TCP_NAGLE_OFF)
    return true
  }
  const lastUnsent = (sk: number): number =>
    i32[sk + TP_SEND_HEAD] === 0 ? 0 : i32[sk + TP_WQ_TAIL]

  return {
    eventNewDataSent,
    writeXmit,
    writeOn,
    pushPending,
    pushPendingFrames,
    pushOne,
    checkProbeTimer,
    releaseHeldUp,
    sendFin,
  }
}
