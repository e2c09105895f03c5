/**
 * CUBIC: after a loss the window grows along a cubic function of the time since, flat where the loss was, so that flows
 * with long and with short round trips get a like share; never slower than Reno would. Slow start ends before losses by
 * HyStart: when acknowledgements of a round come for half a round trip, or later than they did. Default of new sockets;
 * on the worker. Linux: net/ipv4/tcp_cubic.c; RFC 9438, 9406, Ha and Rhee's HyStart.
 */
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import {
  TCP_CA_LOSS,
  TP_CA_PRIV,
  TP_LSNDTIME,
  TP_PRIOR_CWND,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
} from '../sock/tcp-sock.ts'
import { congAvoidAi, inSlowStart, isCwndLimited, slowStart } from './tcp-cong-avoid.ts'
import { CA_EVENT_TX_START, type CongestionControl } from './tcp-cong.ts'

// Private words. Times are ms but where they say us; windows are segments.
/** Segments to acknowledge until the window grows by one. */
const CNT = TP_CA_PRIV
const LAST_MAX_CWND = TP_CA_PRIV + 1
const LAST_TIME = TP_CA_PRIV + 2
/** Where the function is flat, and how long after the epoch's start. */
const ORIGIN = TP_CA_PRIV + 3
const K_MS = TP_CA_PRIV + 4
const DELAY_MIN_US = TP_CA_PRIV + 5
/** When growth began after the last loss; 0 is not yet. */
const EPOCH_START = TP_CA_PRIV + 6
/** The window that Reno would have (W_est), in 1024ths of a segment, and where it was before the loss. */
const RENO_CWND = TP_CA_PRIV + 7
const PRIOR_CWND = TP_CA_PRIV + 8
/** HyStart's round: its end, start, last acknowledgement of the train, least round trip of the first samples. */
const ROUND_END = TP_CA_PRIV + 9
const ROUND_START_US = TP_CA_PRIV + 10
const LAST_ACK_US = TP_CA_PRIV + 11
const CURR_RTT_US = TP_CA_PRIV + 12
const SAMPLES = TP_CA_PRIV + 13
const FOUND = TP_CA_PRIV + 14
/** The window when CNT was last worked out. */
const LAST_CWND = TP_CA_PRIV + 15

/** Multiplicative decrease (RFC 9438 section 4.6: 0.7), and the scale C in segments a cubic second. */
const BETA = 717 / 1024
const C = 0.4
/** Reno's growth with this decrease, until it is where it was: 3 (1 - beta) / (1 + beta) segments a round trip (section 4.3). */
const RENO_ALPHA = (3 * (1 - BETA)) / (1 + BETA)
/** Nothing is known of a loss: a twentieth a round trip. */
const FIRST_CNT = 20
/** What stands where growth is none. */
const NO_GROWTH = 100
/** While the window stands, growth is worked out anew after so long at most, and a quarter of a round trip. */
const LOOK_MS = 31

const HYSTART_LOW_WINDOW = 16
const HYSTART_MIN_SAMPLES = 8
/** A train's acknowledgements follow one another within that. */
const HYSTART_ACK_DELTA_US = 2000
const HYSTART_DELAY_MIN_US = 4000
const HYSTART_DELAY_MAX_US = 16_000

export const cubic: CongestionControl = {
  name: 'cubic',
  create: ({ i32, time }) => {
    /** A time that is not zero, which stands for none. */
    const nowMs = (): number => time[TIME_MS] || 1

    const reset = (sk: number): void => {
      const delay = i32[sk + DELAY_MIN_US]
      const prior = i32[sk + PRIOR_CWND]
      i32.fill(0, sk + CNT, sk + ROUND_END)
      i32[sk + DELAY_MIN_US] = delay
      i32[sk + PRIOR_CWND] = prior
      i32[sk + FOUND] = 0
      i32[sk + LAST_CWND] = 0
    }
    const beginRound = (sk: number): void => {
      i32[sk + ROUND_START_US] = time[TIME_US]
      i32[sk + LAST_ACK_US] = time[TIME_US]
      i32[sk + ROUND_END] = i32[sk + TP_SND_NXT]
      i32[sk + CURR_RTT_US] = 0x7fffffff
      i32[sk + SAMPLES] = 0
    }

    const beginEpoch = (sk: number, cwnd: number, now: number): void => {
      i32[sk + EPOCH_START] = now
      i32[sk + RENO_CWND] = cwnd << 10
      const max = i32[sk + LAST_MAX_CWND]
      i32[sk + K_MS] = max <= cwnd ? 0 : Math.cbrt((max - cwnd) / C) * 1000
      i32[sk + ORIGIN] = Math.max(max, cwnd)
    }
    /** Where the window should be a round trip from now (section 4.2), in whole segments from where the function is flat. */
    const target = (sk: number, now: number): number => {
      const ms = ((now - i32[sk + EPOCH_START]) | 0) + i32[sk + DELAY_MIN_US] / 1000
      const seconds = (ms - i32[sk + K_MS]) / 1000
      return i32[sk + ORIGIN] + Math.trunc(C * seconds * seconds * seconds)
    }
    /** How slowly the window grows, `acked` segments later. */
    const update = (sk: number, cwnd: number, acked: number): void => {
      const now = nowMs()
      growReno(sk, cwnd, acked)
      const isBegun = i32[sk + EPOCH_START] !== 0
      const since = (now - i32[sk + LAST_TIME]) | 0
      const look = Math.min(LOOK_MS, (i32[sk + DELAY_MIN_US] / 4000) | 0)
      if (isBegun && i32[sk + LAST_CWND] === cwnd && look > 0 && since <= look) return
      // within a millisecond the function says nothing new
      const cnt = isBegun && since === 0 ? i32[sk + CNT] : cubicCnt(sk, cwnd, now)
      i32[sk + CNT] = Math.max(2, Math.min(cnt, renoCnt(sk, cwnd)))
    }
    /** By the function. */
    const cubicCnt = (sk: number, cwnd: number, now: number): number => {
      i32[sk + LAST_CWND] = cwnd
      i32[sk + LAST_TIME] = now
      if (i32[sk + EPOCH_START] === 0) beginEpoch(sk, cwnd, now)
      const ahead = target(sk, now) - cwnd
      const cnt = ahead >= 1 ? (cwnd / ahead) | 0 : NO_GROWTH * cwnd
      return i32[sk + LAST_MAX_CWND] === 0 ? Math.min(cnt, FIRST_CNT) : cnt
    }
    /** Reno's window grows with each acknowledgement (section 4.3). */
    const growReno = (sk: number, cwnd: number, acked: number): void => {
      const alpha = i32[sk + RENO_CWND] >> 10 < i32[sk + PRIOR_CWND] ? RENO_ALPHA : 1
      i32[sk + RENO_CWND] += (alpha * acked * 1024) / cwnd
    }
    /** What brings ours to it. */
    const renoCnt = (sk: number, cwnd: number): number => {
      const ahead = (i32[sk + RENO_CWND] >> 10) - cwnd
      return ahead > 0 ? (cwnd / ahead) | 0 : NO_GROWTH * cwnd
    }

    const hystart = (sk: number, delayUs: number): void => {
      if (((i32[sk + TP_SND_UNA] - i32[sk + ROUND_END]) | 0) > 0) beginRound(sk)
      const now = time[TIME_US]
      const least = i32[sk + DELAY_MIN_US]
      // the train of a round's acknowledgements is as long as half a round trip: the path is full
      if (((now - i32[sk + LAST_ACK_US]) | 0) <= HYSTART_ACK_DELTA_US) {
        i32[sk + LAST_ACK_US] = now
        if (((now - i32[sk + ROUND_START_US]) | 0) > least >> 1) return leaveSlowStart(sk)
      }
      if (delayUs < i32[sk + CURR_RTT_US]) i32[sk + CURR_RTT_US] = delayUs
      if (i32[sk + SAMPLES] < HYSTART_MIN_SAMPLES) {
        i32[sk + SAMPLES]++
        return
      }
      const more = Math.min(Math.max(least >> 3, HYSTART_DELAY_MIN_US), HYSTART_DELAY_MAX_US)
      if (i32[sk + CURR_RTT_US] > least + more) leaveSlowStart(sk)
    }
    const leaveSlowStart = (sk: number): void => {
      i32[sk + FOUND] = 1
      i32[sk + TP_SND_SSTHRESH] = i32[sk + TP_SND_CWND]
    }

    return {
      init(sk) {
        beginRound(sk)
      },
      ssthresh(sk) {
        const cwnd = i32[sk + TP_SND_CWND]
        i32[sk + EPOCH_START] = 0
        i32[sk + PRIOR_CWND] = cwnd
        // fast convergence (section 4.7): who had more before leaves room for those who come
        const gives = cwnd < i32[sk + LAST_MAX_CWND]
        i32[sk + LAST_MAX_CWND] = gives ? (cwnd * (1 + BETA)) / 2 : cwnd
        return Math.max((cwnd * BETA) | 0, 2)
      },
      congAvoid(sk, _ack, acked) {
        if (!isCwndLimited(i32, sk)) return
        const left = inSlowStart(i32, sk) ? slowStart(i32, sk, acked) : acked
        if (left <= 0) return
        const cwnd = i32[sk + TP_SND_CWND]
        update(sk, cwnd, left)
        congAvoidAi(i32, sk, i32[sk + CNT], left)
      },
      setState(sk, state) {
        if (state !== TCP_CA_LOSS) return
        reset(sk)
        beginRound(sk)
      },
      cwndEvent(sk, event) {
        if (event !== CA_EVENT_TX_START || i32[sk + EPOCH_START] === 0) return
        // time that the application was silent is no time of growth
        const idle = (time[TIME_MS] - i32[sk + TP_LSNDTIME]) | 0
        if (idle <= 0) return
        const start = (i32[sk + EPOCH_START] + idle) | 0
        i32[sk + EPOCH_START] = ((start - nowMs()) | 0) > 0 ? nowMs() : start || 1
      },
      pktsAcked(sk, _acked, rttUs) {
        if (rttUs < 0) return
        const epoch = i32[sk + EPOCH_START]
        // what was measured right after recovery has waited for it
        if (epoch !== 0 && ((time[TIME_MS] - epoch) | 0) < 1000) return
        const delay = Math.max(rttUs, 1)
        const least = i32[sk + DELAY_MIN_US]
        if (least === 0 || delay < least) i32[sk + DELAY_MIN_US] = delay
        const mayLook = i32[sk + FOUND] === 0 && inSlowStart(i32, sk)
        if (mayLook && i32[sk + TP_SND_CWND] >= HYSTART_LOW_WINDOW) hystart(sk, delay)
      },
      undoCwnd: (sk) => Math.max(i32[sk + TP_SND_CWND], i32[sk + TP_PRIOR_CWND]),
    }
  },
}
