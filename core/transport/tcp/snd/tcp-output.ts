/**
 * Sending from the write queue: as much as the congestion window, the peer's window and Nagle allow, in
 * super-frames; retransmission; the FIN; the probe of a closed window. Called by sendmsg, by each acknowledgement
 * and by timers. Linux: tcp_write_xmit, tcp_retransmit_skb, tcp_send_fin, tcp_write_wakeup; RFC 9293 3.8.
 */
import { initCwnd } from '../sock/tcp-metrics.ts'
import { roundUpPowerOfTwo } from '../../../base/u32.ts'
import { Errno } from '../../../base/errno.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_GSO_SIZE, SKB_LEN, SKB_NEXT, SKB_PREV } from '../../../skb/skb.ts'
import {
  SK_FLAGS,
  SK_STATE,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_LAST_ACK,
} from '../../../socket/sock.ts'
import { TCP_ACK, TCP_CWR, TCP_ECE, TCP_FIN, TCP_PSH, TCP_SYN } from '../../../wire/tcp.ts'
import { CA_EVENT_CWND_RESTART, CA_EVENT_TX_START, type TcpCong } from '../rec/tcp-cong.ts'
import { isCwndLimited } from '../rec/tcp-cong-avoid.ts'
import type { TcpChrono } from './tcp-chrono.ts'
import type { TcpMss } from './tcp-mss.ts'
import { PROBE_NONE, PROBE_READY, PROBE_WAIT, type TcpMtuProbe } from './tcp-mtu-probe.ts'
import type { TcpPacing } from './tcp-pacing.ts'
import {
  add64,
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CB_TIME,
  CBF_EVER_RETRANS,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
  CHRONO_BUSY,
  CHRONO_RWND,
  CHRONO_SNDBUF,
  currentSsthresh,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  inCwndReduction,
  packetsInFlight,
  SOCK_DEAD,
  SOCK_NOSPACE,
  TCP_CA_OPEN,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_RECOVERY,
  TCP_INIT_CWND,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_RTO_MAX,
  TCP_RTO_MIN,
  TP_ADVMSS,
  TP_BACKOFF,
  TP_BYTES_RETRANS,
  TP_CA_STATE,
  TP_CWND_USAGE_SEQ,
  TP_IS_CWND_LIMITED,
  TP_LOST_OUT,
  TP_LSNDTIME,
  TP_MSS_CACHE,
  TP_MSS_CLAMP,
  TP_REORDERING,
  TP_MAX_PACKETS_OUT,
  TP_MTUP_ENABLED,
  TP_MTUP_PROBE,
  TP_NONAGLE,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_PROBES_OUT,
  TP_PRR_OUT,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_RTO,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_CWND_STAMP,
  TP_SND_CWND_USED,
  TP_SND_NXT,
  TP_SND_SML,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_SND_WND,
  TP_SRTT_US,
  TP_TLP_HIGH_SEQ,
  TP_TLP_RETRANS,
  TP_TOTAL_RETRANS,
  TP_UNDO_RETRANS,
  TP_WQ_HEAD,
  TP_WQ_TAIL,
  TP_WRITE_SEQ,
  TP_WSTAMP_US,
  wndEnd,
  TP_MD5,
  TP_PROBES_TSTAMP,
  TP_USER_TIMEOUT,
  TCP_TIMEOUT_MIN,
} from '../sock/tcp-sock.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import type { TcpTimers } from '../sock/tcp-timers.ts'
import { urgMode } from './tcp-urgent.ts'
import type { TcpTransmit } from './tcp-transmit.ts'
import type { TcpTsq } from './tcp-tsq.ts'
import type { TcpRate } from '../rec/tcp-rate.ts'
import type { TcpXmitTimer } from './tcp-xmit-timer.ts'
import type { TcpWriteQueue } from './tcp-write-queue.ts'

/** Segments that a window may have to spare (tcp_max_tso_deferred_mss). */
const MAX_DEFER = 3
/** It waits no longer, us. */
const DEFER_MAX_US = 1000
// What shouldDefer says: it is not to wait, or what for.
const DEFER_NOT = 0
const DEFER_APP = 1
const DEFER_CWND = 2
const DEFER_RWND = 3
/** What a segment that is an skb of its own costs Linux beside its text: in its buffer, a power of two, and for its row. */
const SEGMENT_HEADERS = 640
const SEGMENT_ROW = 256
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
  time: Time
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
}

/** What writeXmit sends: all that may go, one skb, or one as the probe of a lost tail. */
const PUSH_ALL = 0
const PUSH_ONE = 1
const PUSH_PROBE = 2

export const createTcpOutput = (deps: TcpOutputDeps) => {
  const { queue, timers, time, bank, cong, mem, tsq, rate } = deps
  const { rearmRto, scheduleLossProbe } = deps.xmitTimer
  const { advertisedMss, currentMss, tsoSegs } = deps.mss
  const { chronoStart, chronoStop } = deps.chrono
  const { mustWait } = deps.pacing
  const { mtup } = deps
  const { transmitClone, emptySegment, sendProbe } = deps.transmit
  const { pcount, setTsoSegs, fragment } = queue
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  /** Nagle's algorithm with Minshall's change: one small segment of ours may be in flight. */
  const nagleAllows = (sk: number, skb: number, mss: number, nonagle: number): boolean => {
    if ((i32[skb + CB_FLAGS] & TCP_FIN) !== 0) return true
    return i32[skb + SKB_LEN] >= mss || allowsPart(sk, nonagle)
  }
  /** Whether a segment that is not full may go. */
  const allowsPart = (sk: number, nonagle: number): boolean => {
    if ((nonagle & TCP_NAGLE_PUSH) !== 0 || urgMode(i32, sk)) return true
    if ((nonagle & TCP_NAGLE_CORK) !== 0) return false
    if ((nonagle & TCP_NAGLE_OFF) !== 0 || i32[sk + TP_PACKETS_OUT] === 0) return true
    return !smallInFlight(sk)
  }
  const smallInFlight = (sk: number): boolean => {
    const sml = i32[sk + TP_SND_SML]
    return ((sml - i32[sk + TP_SND_UNA]) | 0) > 0 && ((sml - i32[sk + TP_SND_NXT]) | 0) <= 0
  }

  /**
   * What to wait for rather than send a part of a super-frame now: an acknowledgement that is due soon lets the rest go
   * with it (tcp_tso_should_defer).
   */
  const shouldDefer = (
    sk: number,
    skb: number,
    mss: number,
    quota: number,
    most: number
  ): number => {
    // what a duplicate acknowledgement lets go keeps the acknowledgements coming (limited transmit, RFC 3042)
    if (i32[sk + TP_CA_STATE] === TCP_CA_DISORDER || i32[sk + TP_CA_STATE] >= TCP_CA_RECOVERY)
      return DEFER_NOT
    // whoever paused for longer has no acknowledgements to fill up with
    if (((time[TIME_US] - i32[sk + TP_WSTAMP_US]) | 0) > DEFER_MAX_US) return DEFER_NOT
    const sendWindow = (wndEnd(i32, sk) - i32[skb + CB_SEQ]) | 0
    const congWindow = quota * mss
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
    return (i32[skb + CB_FLAGS] & TCP_FIN) !== 0 ? DEFER_NOT : DEFER_APP
  }
  /** The next acknowledgement is expected in less than half a round trip, and a millisecond; a round trip of no time is none. */
  const isAckSoon = (sk: number, head: number): boolean => {
    const srtt = i32[sk + TP_SRTT_US] >> 3
    const away = (i32[head + CB_TIME] + srtt - time[TIME_US]) | 0
    return away < Math.min(srtt >> 1, DEFER_MAX_US)
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
    if (most <= window && most <= len) return most
    const needed = Math.min(len, window)
    if (most <= needed) return most
    const partial = needed % mss
    return partial !== 0 && !allowsPart(sk, nonagle) ? needed - partial : needed
  }

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

  /** RFC 9293 3.8.6.1: after an idle time the window of old says nothing (RFC 5681 4.1). */
  const cwndAfterIdle = (sk: number): void => {
    if (i32[sysctl + Sysctl.tcp_slow_start_after_idle] === 0 || i32[sk + TP_PACKETS_OUT] !== 0)
      return
    if (cong.ops(sk).congControl !== undefined) return
    let idle = (time[TIME_MS] - i32[sk + TP_LSNDTIME]) | 0
    const rto = i32[sk + TP_RTO]
    if (idle <= rto) return
    cong.cwndEvent(sk, CA_EVENT_CWND_RESTART)
    const restart = Math.min(initCwnd(i32, sk), i32[sk + TP_SND_CWND])
    i32[sk + TP_SND_SSTHRESH] = currentSsthresh(i32, sk)
    let cwnd = i32[sk + TP_SND_CWND]
    while ((idle -= rto) > 0 && cwnd > restart) cwnd >>= 1
    i32[sk + TP_SND_CWND] = Math.max(cwnd, restart)
    i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    i32[sk + TP_SND_CWND_USED] = 0
  }

  /** Remembers whether the window was filled: it may grow only when it was. */
  const validateCwnd = (sk: number, limited: boolean): void => {
    const packets = i32[sk + TP_PACKETS_OUT]
    if (
      ((i32[sk + TP_SND_UNA] - i32[sk + TP_CWND_USAGE_SEQ]) | 0) >= 0 ||
      limited ||
      (i32[sk + TP_IS_CWND_LIMITED] === 0 && packets > i32[sk + TP_MAX_PACKETS_OUT])
    ) {
      i32[sk + TP_IS_CWND_LIMITED] = limited ? 1 : 0
      i32[sk + TP_MAX_PACKETS_OUT] = packets
      i32[sk + TP_CWND_USAGE_SEQ] = i32[sk + TP_SND_NXT]
    }
    if (isCwndLimited(i32, sk)) {
      i32[sk + TP_SND_CWND_USED] = 0
      i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    } else starved(sk, packets)
  }
  /** Something else than the congestion window keeps the network from being fed. */
  const starved = (sk: number, packets: number): void => {
    if (packets > i32[sk + TP_SND_CWND_USED]) i32[sk + TP_SND_CWND_USED] = packets
    const since = (time[TIME_MS] - i32[sk + TP_SND_CWND_STAMP]) | 0
    const isValidated = i32[sysctl + Sysctl.tcp_slow_start_after_idle] !== 0
    if (isValidated && since >= i32[sk + TP_RTO] && cong.ops(sk).congControl === undefined)
      cwndApplicationLimited(sk)
    // all was sent, and whoever has more to write has no room for it
    const hasNoRoom = (i32[sk + SK_FLAGS] & SOCK_NOSPACE) !== 0
    const state = i32[sk + SK_STATE]
    const mayWrite = state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT
    if (i32[sk + TP_SEND_HEAD] === 0 && hasNoRoom && mayWrite) chronoStart(sk, CHRONO_SNDBUF)
  }
  /** RFC 7661, as RFC 2861 had it: a window that was not filled for an RTO comes down to what was used of it. */
  const cwndApplicationLimited = (sk: number): void => {
    const hasRoom = (i32[sk + SK_FLAGS] & (SOCK_NOSPACE | SOCK_DEAD)) === 0
    const used = Math.max(i32[sk + TP_SND_CWND_USED], initCwnd(i32, sk))
    if (i32[sk + TP_CA_STATE] === TCP_CA_OPEN && hasRoom) {
      if (used < i32[sk + TP_SND_CWND]) {
        i32[sk + TP_SND_SSTHRESH] = currentSsthresh(i32, sk)
        i32[sk + TP_SND_CWND] = (i32[sk + TP_SND_CWND] + used) >> 1
      }
      i32[sk + TP_SND_CWND_USED] = 0
    }
    i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
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
      setTsoSegs(skb, mss)
      let quota = i32[sk + TP_SND_CWND] - packetsInFlight(i32, sk)
      if (quota <= 0) {
        cwndLimited = true
        // a probe of the tail goes all the same
        if (push !== PUSH_PROBE) break
        quota = 1
      }
      // a FIN takes room like an octet
      const end = i32[skb + SKB_LEN] > mss ? i32[skb + CB_SEQ] + mss : i32[skb + CB_END_SEQ]
      if (((end - wndEnd(i32, sk)) | 0) > 0) {
        rwndLimited = true
        break
      }
      const nagle = i32[skb + SKB_NEXT] === 0 ? nonagle : TCP_NAGLE_PUSH
      if (pcount(skb) === 1) {
        if (!nagleAllows(sk, skb, mss, nagle)) break
      } else if (push === PUSH_ALL) {
        const defer = shouldDefer(sk, skb, mss, quota, most)
        cwndLimited = defer === DEFER_CWND
        rwndLimited = defer === DEFER_RWND
        if (defer !== DEFER_NOT) break
      }
      // two super-frames at least are under way, or acknowledgements would come in bursts
      const half = Math.max(i32[sk + TP_SND_CWND] >> 1, 1)
      if (!sendHead(sk, skb, mss, Math.min(quota, half, most), nagle)) break
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

  /** Splits `limit` bytes off an unsent skb, or one segment when large buffers are short; 0 when it must wait. */
  const split = (sk: number, skb: number, limit: number, mss: number): number => {
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

  /** Sends `segs` segments of a sent skb again; 0 or -errno. */
  const retransmit = (sk: number, skb: number, segs: number): number => {
    const mss = currentMss(sk)
    const una = i32[sk + TP_SND_UNA]
    // what a probe would have shown is not clear any more
    i32[sk + TP_MTUP_PROBE] = 0
    const stale = (una - i32[skb + CB_SEQ]) | 0
    if (stale > 0 && stale <= i32[skb + SKB_LEN])
      i32[sk + TP_PACKETS_OUT] -= trimMarks(sk, skb, stale, mss)
    const room = (wndEnd(i32, sk) - i32[skb + CB_SEQ]) | 0
    if (room <= 0 && i32[skb + CB_SEQ] !== una) return -Errno.EAGAIN
    let len = i32[sk + TP_MD5] === 0 ? mss * segs : mss
    if (room > 0 && len > room) len = room < mss ? room : room - (room % mss)
    else if (room <= 0) len = Math.min(len, mss)
    let front = skb
    if (
      i32[skb + SKB_LEN] > len &&
      (queue.maySplit(skb, Math.min(len, mss)) || room < i32[skb + SKB_LEN])
    ) {
      front = queue.peel(sk, skb, len, mss)
      if (front === 0) return -Errno.ENOMEM
    } else retune(sk, skb, mss)
    return resend(sk, front)
  }
  const trimMarks = (sk: number, skb: number, stale: number, mss: number): number => {
    const flags = i32[skb + CB_FLAGS]
    const fewer = queue.trimHead(sk, skb, stale, mss)
    if ((flags & CBF_LOST) !== 0) i32[sk + TP_LOST_OUT] -= fewer
    if ((flags & CBF_RETRANS) !== 0) i32[sk + TP_RETRANS_OUT] -= fewer
    if ((flags & CBF_SACKED) !== 0) i32[sk + TP_SACKED_OUT] -= fewer
    return fewer
  }
  /** The segment size may have changed since the skb was sent. */
  const retune = (sk: number, skb: number, mss: number): void => {
    const size = i32[skb + SKB_GSO_SIZE]
    if (i32[skb + SKB_LEN] <= mss ? size === 0 : size === mss) return
    const before = pcount(skb)
    setTsoSegs(skb, mss)
    const fewer = before - pcount(skb)
    const flags = i32[skb + CB_FLAGS]
    i32[sk + TP_PACKETS_OUT] -= fewer
    if ((flags & CBF_LOST) !== 0) i32[sk + TP_LOST_OUT] -= fewer
    if ((flags & CBF_RETRANS) !== 0) i32[sk + TP_RETRANS_OUT] -= fewer
    if ((flags & CBF_SACKED) !== 0) i32[sk + TP_SACKED_OUT] -= fewer
  }
  const resend = (sk: number, skb: number): number => {
    const segs = pcount(skb)
    // RFC 3168 section 6.1.1.1: what drops a SYN that asks for ECN lets one through that does not
    if ((i32[skb + CB_FLAGS] & TCP_SYN) !== 0 && i32[sysctl + Sysctl.tcp_ecn_fallback] !== 0)
      i32[skb + CB_FLAGS] &= ~(TCP_ECE | TCP_CWR)
    // the path may have been found to take less meanwhile (tcp_advertise_mss)
    if ((i32[skb + CB_FLAGS] & TCP_SYN) !== 0)
      i32[sk + TP_ADVMSS] = Math.min(i32[sk + TP_ADVMSS], advertisedMss(sk))
    rate.rateSent(sk, skb)
    const err = transmitClone(sk, skb)
    i32[sk + TP_TOTAL_RETRANS] += segs
    add64(i32, sk + TP_BYTES_RETRANS, i32[skb + SKB_LEN])
    f64[bank + Mib.TcpRetransSegs] += segs
    if ((i32[skb + CB_FLAGS] & TCP_SYN) !== 0) f64[bank + Mib.TcpExtTCPSynRetrans]++
    if (err < 0) {
      f64[bank + Mib.TcpExtTCPRetransFail]++
      return err
    }
    queue.sentLast(sk, skb)
    if ((i32[skb + CB_FLAGS] & CBF_RETRANS) === 0) i32[sk + TP_RETRANS_OUT] += segs
    i32[skb + CB_FLAGS] |= CBF_RETRANS | CBF_EVER_RETRANS
    if (i32[sk + TP_RETRANS_STAMP] === 0) i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
    if (i32[sk + TP_UNDO_RETRANS] < 0) i32[sk + TP_UNDO_RETRANS] = 0
    i32[sk + TP_UNDO_RETRANS] += segs
    return 0
  }

  /** Sends again what is marked lost, as the window allows. */
  const xmitRetransmitQueue = (sk: number): void => {
    const end = i32[sk + TP_SEND_HEAD]
    const most = tsoSegs(sk, currentMss(sk))
    let skb = i32[sk + TP_WQ_HEAD]
    while (skb !== 0 && skb !== end && i32[sk + TP_LOST_OUT] > i32[sk + TP_RETRANS_OUT]) {
      if (mustWait(sk)) return
      const quota = i32[sk + TP_SND_CWND] - packetsInFlight(i32, sk)
      if (quota <= 0) return
      const flags = i32[skb + CB_FLAGS]
      // what was sent again just now is passed by too; of one that was split the rest comes next
      if ((flags & (CBF_SACKED | CBF_RETRANS)) !== 0 || (flags & CBF_LOST) === 0) {
        skb = i32[skb + SKB_NEXT]
        continue
      }
      if (tsq.holdsUp(sk, skb, 1)) return
      const first = skb === i32[sk + TP_WQ_HEAD]
      const before = i32[sk + TP_RETRANS_OUT]
      if (retransmit(sk, skb, Math.min(quota, most)) < 0) return
      const isLoss = i32[sk + TP_CA_STATE] === TCP_CA_LOSS
      f64[bank + (isLoss ? Mib.TcpExtTCPSlowStartRetrans : Mib.TcpExtTCPFastRetrans)]++
      if (inCwndReduction(i32, sk)) i32[sk + TP_PRR_OUT] += i32[sk + TP_RETRANS_OUT] - before
      const pending = i32[sk + TP_PENDING]
      if (first && pending !== ICSK_TIME_PROBE0 && pending !== ICSK_TIME_REO_TIMEOUT) rearmRto(sk)
    }
  }

  /**
   * The probe timer: the end of a flight was not heard of. New data is the best probe, else the last segment once more; one
   * probe at a time (RFC 8985 section 7.3, tcp_send_loss_probe).
   */
  const sendLossProbe = (sk: number): void => {
    if (i32[sk + TP_TLP_HIGH_SEQ] === 0 && probe(sk)) {
      i32[sk + TP_TLP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
      f64[bank + Mib.TcpExtTCPLossProbes]++
      // the retransmission timer runs from now
      i32[sk + TP_PENDING] = 0
    }
    rearmRto(sk)
  }
  const probe = (sk: number): boolean => {
    i32[sk + TP_TLP_RETRANS] = 0
    const mss = currentMss(sk)
    const before = i32[sk + TP_PACKETS_OUT]
    if (i32[sk + TP_SEND_HEAD] !== 0) {
      writeXmit(sk, mss, TCP_NAGLE_OFF, PUSH_PROBE)
      if (i32[sk + TP_PACKETS_OUT] > before) return true
    }
    let skb =
      i32[sk + TP_SEND_HEAD] === 0 ? i32[sk + TP_WQ_TAIL] : i32[i32[sk + TP_SEND_HEAD] + SKB_PREV]
    if (skb === 0) return false
    const segs = pcount(skb)
    if (segs > 1 && i32[skb + SKB_LEN] > (segs - 1) * mss) {
      if (!queue.maySplit(skb, (segs - 1) * mss)) return false
      const front = fragment(sk, skb, (segs - 1) * mss, mss)
      if (front === 0) return false
      skb = i32[front + SKB_NEXT]
    }
    if (retransmit(sk, skb, 1) < 0) return false
    i32[sk + TP_TLP_RETRANS] = 1
    return true
  }

  /** Those that were held up by what they have in queues below go on; how many still are. As turns of the loop end. */
  const releaseHeldUp = (drained: boolean): number => tsq.release(drained, writeOn)
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

  /** Sends into a closed or tiny window what makes the peer tell its window; 0 or -errno. */
  const writeWakeup = (sk: number): number => {
    const skb = i32[sk + TP_SEND_HEAD]
    const room = skb === 0 ? 0 : (wndEnd(i32, sk) - i32[skb + CB_SEQ]) | 0
    if (room <= 0) {
      // the peer learns of what is urgent though it takes nothing (RFC 9293 3.8.5)
      if (urgMode(i32, sk)) sendProbe(sk, 1)
      return sendProbe(sk)
    }
    const mss = currentMss(sk)
    const size = Math.min(room, mss)
    let front = skb
    if (i32[skb + SKB_LEN] > size) {
      front = fragment(sk, skb, size, mss)
      if (front === 0) return -Errno.ENOMEM
    } else setTsoSegs(skb, mss)
    i32[front + CB_FLAGS] |= TCP_PSH
    const err = transmitClone(sk, front)
    if (err >= 0) eventNewDataSent(sk, front)
    return err
  }

  /** The persist timer is due: probes, and waits twice as long for the next. */
  const sendProbe0 = (sk: number): void => {
    const err = writeWakeup(sk)
    if (i32[sk + TP_PACKETS_OUT] !== 0 || i32[sk + TP_SEND_HEAD] === 0) {
      i32[sk + TP_PROBES_OUT] = 0
      i32[sk + TP_BACKOFF] = 0
      i32[sk + TP_PROBES_TSTAMP] = 0
      return
    }
    i32[sk + TP_PROBES_OUT]++
    f64[bank + Mib.TcpExtTCPWinProbe]++
    let delay = TCP_RESOURCE_PROBE_INTERVAL
    if (err >= 0) {
      if (i32[sk + TP_BACKOFF] < i32[sysctl + Sysctl.tcp_retries2]) i32[sk + TP_BACKOFF]++
      delay = probe0When(sk)
    }
    timers.resetXmitTimer(sk, ICSK_TIME_PROBE0, clampProbe0(sk, delay))
  }
  /** No later than the user's timeout (tcp_clamp_probe0_to_user_timeout). */
  const clampProbe0 = (sk: number, delay: number): number => {
    const user = i32[sk + TP_USER_TIMEOUT]
    const since = i32[sk + TP_PROBES_TSTAMP]
    if (user === 0 || since === 0) return delay
    const elapsed = Math.max(0, (time[TIME_MS] - since) | 0)
    return Math.min(delay, Math.max(user - elapsed, TCP_TIMEOUT_MIN))
  }
  const probe0When = (sk: number): number => {
    const base = Math.max(i32[sk + TP_RTO], TCP_RTO_MIN)
    const backoff = Math.min(i32[sk + TP_BACKOFF], 16)
    return Math.min(base * 2 ** backoff, TCP_RTO_MAX)
  }

  /** What the send buffer should be for the window to stay full (Linux: tcp_sndbuf_expand). */
  const sndbufWanted = (sk: number): number => {
    const segment = Math.max(i32[sk + TP_MSS_CLAMP], i32[sk + TP_MSS_CACHE])
    const perSegment = roundUpPowerOfTwo(segment + SEGMENT_HEADERS) + SEGMENT_ROW
    const segments = Math.max(TCP_INIT_CWND, i32[sk + TP_SND_CWND], i32[sk + TP_REORDERING] + 1)
    return (cong.ops(sk).sndbufExpand ?? 2) * segments * perSegment
  }

  return {
    cwndAfterIdle,
    writeXmit,
    writeOn,
    pushPending,
    pushPendingFrames,
    pushOne,
    checkProbeTimer,
    sendLossProbe,
    retransmit,
    xmitRetransmitQueue,
    releaseHeldUp,
    sendFin,
    writeWakeup,
    sendProbe0,
    probe0When,
    clampProbe0,
    sndbufWanted,
  }
}
