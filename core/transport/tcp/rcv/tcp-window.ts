/**
 * The receive window: how much is offered, how it opens with the first data and with the application's pace, and
 * what it is computed from. Called for each acknowledgement sent and each segment received. RFC 9293 3.8.6.2
 * (silly window avoidance). Linux: __tcp_select_window, tcp_grow_window, tcp_rcv_space_adjust.
 */
import { RTAX_INITRWND, RTAX_WINDOW } from '../../../shm/dst-metrics.ts'
import { tcpMetric } from '../sock/tcp-metrics.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import { log2 } from '../../../base/u32.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { TRUESIZE_SMALL } from '../../../skb/budget.ts'
import { SKB_DATA, SKB_GSO_SIZE, SKB_LEN, SKB_TRANSPORT } from '../../../skb/skb.ts'
import {
  SK_FLAGS,
  SK_RCVBUF,
  SK_RMEM,
  SK_STATE,
  TCP_NEW_SYN_RECV,
  SOCK_MIN_RCVBUF,
} from '../../../socket/sock.ts'
import { MIN_HEADER, TCP_FIN, TCP_PSH, TCP_SYN, TCP_URG } from '../../../wire/tcp.ts'
import { SMALL_PAYLOAD, type TcpMem } from '../sock/tcp-mem.ts'
import {
  ACK_PUSHED,
  ACK_PUSHED2,
  OPT_WSCALE,
  TP_ACK_PENDING,
  TP_ADVMSS,
  TP_COPIED_SEQ,
  TP_HEADER_LEN,
  TP_LAST_SEG_SIZE,
  TP_MSS_CACHE,
  TP_OPTS,
  TP_QUICK,
  TP_RCV_MSS,
  TP_RCV_NXT,
  TP_RCV_RTT_LAST_TSECR,
  TP_RCV_RTT_SEQ,
  TP_RCV_RTT_TIME,
  TP_RCV_RTT_US,
  TP_RCV_SSTHRESH,
  TP_RCV_WND,
  TP_RCV_WSCALE,
  TP_RCV_WUP,
  TP_RCVQ_SEQ,
  TP_RCVQ_SPACE,
  TP_RCVQ_TIME,
  TP_SCALING_RATIO,
  TP_WINDOW_CLAMP,
} from '../sock/tcp-sock.ts'
import { SOCK_RCVBUF_LOCK } from '../sock/sock-flags.ts'
import { CB_FLAGS } from '../sock/tcp-cb.ts'
import { TCP_INIT_CWND, TCP_MIN_MSS, TCP_MSS_DEFAULT } from '../sock/tcp-constants.ts'
import { receiveWindow } from '../sock/tcp-wnd.ts'

/** Flags of a segment that need not be full (TCP_REMNANT). */
const REMNANT = TCP_FIN | TCP_URG | TCP_SYN | TCP_PSH
const DEFAULT_RATIO = 128
const MAX_RATIO = 240
const MAX_WSCALE = 14
/** Payload that a small buffer holds in any case, behind the largest headers. */
const PACKED = SMALL_PAYLOAD - 64

export type TcpWindow = ReturnType<typeof createTcpWindow>
type TcpWindowDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  sysctl: number
  time: Time
  mem: TcpMem
}

export const createTcpWindow = ({ i32, f64, bank, sysctl, time, mem }: TcpWindowDeps) => {
  /** Payload that `space` bytes of packet memory will hold. */
  const winFromSpace = (sk: number, space: number): number =>
    ((space >> 4) * i32[sk + TP_SCALING_RATIO]) >> 4
  const spaceFromWin = (sk: number, win: number): number =>
    Math.min(0x3fffffff, Math.ceil((win * 256) / i32[sk + TP_SCALING_RATIO]))
  const fullSpace = (sk: number): number => winFromSpace(sk, i32[sk + SK_RCVBUF])
  const space = (sk: number): number => winFromSpace(sk, i32[sk + SK_RCVBUF] - i32[sk + SK_RMEM])

  /** First window and its scale, before the SYN or SYN-ACK goes out. */
  const selectInitialWindow = (sk: number, mss: number, scaling: boolean): void => {
    i32[sk + TP_SCALING_RATIO] = DEFAULT_RATIO
    if (i32[sk + TP_WINDOW_CLAMP] === 0)
      i32[sk + TP_WINDOW_CLAMP] = tcpMetric(i32, sk, RTAX_WINDOW) || 65535 << MAX_WSCALE
    const clamp = i32[sk + TP_WINDOW_CLAMP]
    let room = Math.min(fullSpace(sk), clamp)
    if (room > mss) room -= room % mss
    i32[sk + TP_RCV_WSCALE] = 0
    if (scaling) {
      const most = Math.min(Math.max(room, mem.mostRcvbuf()), clamp)
      i32[sk + TP_RCV_WSCALE] = Math.min(MAX_WSCALE, Math.max(0, log2(Math.max(1, most)) - 15))
    }
    let wnd = Math.min(room, 65535)
    const segments = tcpMetric(i32, sk, RTAX_INITRWND)
    if (segments !== 0) wnd = Math.min(wnd, segments * mss)
    i32[sk + TP_RCV_WND] = wnd
    i32[sk + TP_RCV_SSTHRESH] = wnd
    i32[sk + TP_WINDOW_CLAMP] = Math.min(clamp, 65535 << i32[sk + TP_RCV_WSCALE])
  }

  /** When the handshake is done: the peer's segments may be as large as ours until we know better. */
  const initBufferSpace = (sk: number): void => {
    const advmss = i32[sk + TP_ADVMSS]
    const hint = Math.min(
      advmss,
      i32[sk + TP_MSS_CACHE],
      i32[sk + TP_RCV_WND] >> 1,
      TCP_MSS_DEFAULT
    )
    i32[sk + TP_RCV_MSS] = Math.max(hint, TCP_MIN_MSS)
    i32[sk + TP_RCVQ_SEQ] = i32[sk + TP_COPIED_SEQ]
    i32[sk + TP_RCVQ_TIME] = time[TIME_US]
    clampToBuffer(sk, advmss)
    i32[sk + TP_RCVQ_SPACE] = Math.min(
      i32[sk + TP_RCV_SSTHRESH],
      i32[sk + TP_RCV_WND],
      TCP_INIT_CWND * advmss
    )
  }
  /** The window is never more than the buffer holds, a segment less (tcp_init_buffer_space). */
  const clampToBuffer = (sk: number, advmss: number): void => {
    const most = fullSpace(sk)
    let clamp = Math.min(i32[sk + TP_WINDOW_CLAMP], most)
    if (clamp > 2 * advmss && clamp + advmss > most) clamp = Math.max(2 * advmss, most - advmss)
    i32[sk + TP_WINDOW_CLAMP] = clamp
    if (i32[sk + TP_RCV_SSTHRESH] > clamp) i32[sk + TP_RCV_SSTHRESH] = clamp
  }

  /** The window we would like to offer now, bytes (0 when less than a segment fits). */
  const wantedWindow = (sk: number): number => {
    let mss = i32[sk + TP_RCV_MSS]
    const full = Math.min(i32[sk + TP_WINDOW_CLAMP], fullSpace(sk))
    if (mss > full) mss = full
    if (mss <= 0) return 0
    const scale = i32[sk + TP_RCV_WSCALE]
    let free = space(sk)
    if (mayShrink(sk)) return shrunkWindow(sk, free, full, mss)
    if (free < full >> 1) {
      i32[sk + TP_QUICK] = 0
      if (mem.underPressure())
        i32[sk + TP_RCV_SSTHRESH] = Math.min(i32[sk + TP_RCV_SSTHRESH], 4 * i32[sk + TP_ADVMSS])
      free = (free >> scale) << scale
      if (free < full >> 4 || free < mss) return 0
    }
    if (free > i32[sk + TP_RCV_SSTHRESH]) free = i32[sk + TP_RCV_SSTHRESH]
    if (scale !== 0) {
      const unit = (1 << scale) - 1
      return (free + unit) & ~unit
    }
    const old = i32[sk + TP_RCV_WND]
    if (old <= free - mss || old > free) return free - (free % mss)
    return mss === full && free > old + (full >> 1) ? free : old
  }

  /** Only where windows are scaled, as what is offered has to be a multiple then (tcp_shrink_window). */
  const mayShrink = (sk: number): boolean =>
    i32[sysctl + Sysctl.tcp_shrink_window] !== 0 && i32[sk + TP_RCV_WSCALE] !== 0
  /** What there is room for, and no more (shrink_window_allowed of __tcp_select_window). */
  const shrunkWindow = (sk: number, room: number, full: number, mss: number): number => {
    const unit = (1 << i32[sk + TP_RCV_WSCALE]) - 1
    const free = Math.max(room, 0) & ~unit
    if (free < full >> 1) {
      i32[sk + TP_QUICK] = 0
      if (mem.underPressure())
        i32[sk + TP_RCV_SSTHRESH] = Math.min(i32[sk + TP_RCV_SSTHRESH], 4 * i32[sk + TP_ADVMSS])
      if (free < fullSpace(sk) >> 4 || free < mss || free <= unit) return 0
    }
    return free > i32[sk + TP_RCV_SSTHRESH] ? (i32[sk + TP_RCV_SSTHRESH] + unit) & ~unit : free
  }
  /** The window field of a segment about to go out, scaled; remembers what it promises. */
  const selectWindow = (sk: number): number => {
    // a request has no buffer yet: what its SYN-ACK has offered
    if (i32[sk + SK_STATE] === TCP_NEW_SYN_RECV)
      return i32[sk + TP_RCV_WND] >>> i32[sk + TP_RCV_WSCALE]
    const old = i32[sk + TP_RCV_WND]
    const offered = receiveWindow(i32, sk)
    const scale = i32[sk + TP_RCV_WSCALE]
    let win = wantedWindow(sk)
    if (win < offered && !mayShrink(sk)) {
      // a window once offered is not taken back (RFC 9293 3.8.6)
      if (win === 0) f64[bank + Mib.TcpExtTCPWantZeroWindowAdv]++
      const unit = (1 << scale) - 1
      win = (offered + unit) & ~unit
    }
    const most = (i32[sk + TP_OPTS] & OPT_WSCALE) !== 0 ? 65535 << scale : 65535
    if (win > most) win = most
    i32[sk + TP_RCV_WND] = win
    i32[sk + TP_RCV_WUP] = i32[sk + TP_RCV_NXT]
    if (win === 0 && old !== 0) f64[bank + Mib.TcpExtTCPToZeroWindowAdv]++
    else if (win !== 0 && old === 0) f64[bank + Mib.TcpExtTCPFromZeroWindowAdv]++
    return win >>> scale
  }

  /** Opens the window as data comes in that uses its memory well. */
  const growWindow = (sk: number, skb: number): void => {
    const room = Math.min(i32[sk + TP_WINDOW_CLAMP], space(sk)) - i32[sk + TP_RCV_SSTHRESH]
    if (room <= 0 || mem.underPressure()) return
    const len = i32[skb + SKB_LEN]
    const increment = isDense(sk, skb, len) ? 2 * i32[sk + TP_ADVMSS] : slowIncrement(sk, skb, len)
    if (increment === 0) return
    i32[sk + TP_RCV_SSTHRESH] += Math.min(room, Math.max(increment, 2 * len))
    i32[sk + TP_QUICK] |= 1
  }
  /**
   * As much of it is payload as the window is computed from. So is what fills a large buffer badly, as it shares it with its
   * neighbours, and the size of segment by which that was measured.
   */
  const isDense = (sk: number, skb: number, len: number): boolean =>
    mem.isLarge(skb) ||
    (len >= i32[sk + TP_RCV_MSS] && i32[sk + TP_SCALING_RATIO] !== DEFAULT_RATIO) ||
    winFromSpace(sk, mem.truesize(skb)) <= len
  /** Small packets in big buffers open it only as far as the buffer could hold their like. */
  const slowIncrement = (sk: number, skb: number, len: number): number => {
    let truesize = winFromSpace(sk, mem.truesize(skb)) >> 1
    let window = winFromSpace(sk, mem.maxRcvbuf()) >> 1
    while (i32[sk + TP_RCV_SSTHRESH] <= window) {
      if (truesize <= len) return 2 * i32[sk + TP_RCV_MSS]
      truesize >>= 1
      window >>= 1
    }
    return 0
  }

  /** Follows the peer's segment size, and how well segments fill their buffers. */
  const measureRcvMss = (sk: number, skb: number): void => {
    const size = i32[skb + SKB_GSO_SIZE]
    const len = size !== 0 ? size : i32[skb + SKB_LEN]
    const mss = i32[sk + TP_RCV_MSS]
    const last = i32[sk + TP_LAST_SEG_SIZE]
    i32[sk + TP_LAST_SEG_SIZE] = 0
    if (len >= mss) {
      if (len !== mss) {
        i32[sk + TP_RCV_MSS] = Math.min(len, i32[sk + TP_ADVMSS])
        adaptRatio(sk, skb)
      }
      // it may end a write, so nothing may follow it that would be acknowledged with it
      if ((i32[skb + CB_FLAGS] & TCP_PSH) !== 0) i32[sk + TP_ACK_PENDING] |= ACK_PUSHED
      return
    }
    // a peer whose segments are smaller: believed when two in a row are alike, SACK aside, and were not just a push
    const whole = len + i32[skb + SKB_DATA] - i32[skb + SKB_TRANSPORT] - i32[sk + TP_HEADER_LEN]
    const isEnd = (i32[skb + CB_FLAGS] & REMNANT) !== 0
    const least = (isEnd ? TCP_MSS_DEFAULT : TCP_MIN_MSS) + MIN_HEADER - i32[sk + TP_HEADER_LEN]
    if (whole >= least) {
      i32[sk + TP_LAST_SEG_SIZE] = whole
      if (whole === last) {
        i32[sk + TP_RCV_MSS] = whole
        return
      }
    }
    const pending = i32[sk + TP_ACK_PENDING]
    i32[sk + TP_ACK_PENDING] = pending | ((pending & ACK_PUSHED) !== 0 ? ACK_PUSHED2 : ACK_PUSHED)
  }
  /**
   * Payload of the buffers that segments like this one fill: of small ones, as many whole segments as the queue copies
   * together; a window computed from less waste than that could not be held.
   */
  const ratioOf = (skb: number): number => {
    const len = i32[skb + SKB_LEN]
    if (len > PACKED || i32[skb + SKB_GSO_SIZE] !== 0)
      return Math.max(DEFAULT_RATIO, ((len << 8) / mem.truesize(skb)) | 0)
    return (((PACKED - (PACKED % Math.max(len, 1))) << 8) / TRUESIZE_SMALL) | 0
  }
  const adaptRatio = (sk: number, skb: number): void => {
    const ratio = Math.min(MAX_RATIO, ratioOf(skb))
    if (ratio === i32[sk + TP_SCALING_RATIO]) return
    i32[sk + TP_SCALING_RATIO] = ratio
    if ((i32[sk + SK_FLAGS] & SOCK_RCVBUF_LOCK) === 0) moveClamp(sk, fullSpace(sk))
  }

  /** What is offered falls with it, or rises to it as far as it was offered before (tcp_set_window_clamp). */
  const moveClamp = (sk: number, room: number): void => {
    const clamp = Math.max(SOCK_MIN_RCVBUF >> 1, room)
    const most = Math.max(i32[sk + TP_RCV_SSTHRESH], i32[sk + TP_RCV_WND])
    i32[sk + TP_WINDOW_CLAMP] = clamp
    i32[sk + TP_RCV_SSTHRESH] = Math.min(clamp, most)
  }

  const sampleRcvRtt = (sk: number, us: number, byWindow: boolean): void => {
    const sample = us > 0 ? us : 1
    const old = i32[sk + TP_RCV_RTT_US] // times eight
    if (old === 0) i32[sk + TP_RCV_RTT_US] = sample << 3
    else if (!byWindow) i32[sk + TP_RCV_RTT_US] = old + sample - (old >> 3)
    else if (sample << 3 < old) i32[sk + TP_RCV_RTT_US] = sample << 3
  }
  /** Without timestamps: a window's worth of data takes a round trip. */
  const rcvRttMeasure = (sk: number): void => {
    if (i32[sk + TP_RCV_RTT_TIME] !== 0) {
      if (((i32[sk + TP_RCV_NXT] - i32[sk + TP_RCV_RTT_SEQ]) | 0) < 0) return
      sampleRcvRtt(sk, (time[TIME_US] - i32[sk + TP_RCV_RTT_TIME]) | 0, true)
    }
    i32[sk + TP_RCV_RTT_SEQ] = (i32[sk + TP_RCV_NXT] + i32[sk + TP_RCV_WND]) | 0
    i32[sk + TP_RCV_RTT_TIME] = time[TIME_US] | 1
  }
  /** With timestamps: full segments that echo a new value of ours. `elapsedMs` since that value. */
  const rcvRttMeasureTs = (sk: number, skb: number, tsecr: number, elapsedMs: number): void => {
    if (tsecr === i32[sk + TP_RCV_RTT_LAST_TSECR] || i32[skb + SKB_LEN] < i32[sk + TP_RCV_MSS])
      return
    i32[sk + TP_RCV_RTT_LAST_TSECR] = tsecr
    if (elapsedMs >= 0 && elapsedMs < 100_000) sampleRcvRtt(sk, elapsedMs * 1000, false)
  }

  /**
   * After the application took data (dynamic right-sizing): what it takes in a round trip, doubled because the
   * sender may be in slow start, is what the buffer must hold.
   */
  const rcvSpaceAdjust = (sk: number): void => {
    const elapsed = (time[TIME_US] - i32[sk + TP_RCVQ_TIME]) | 0
    const rtt = i32[sk + TP_RCV_RTT_US] >> 3
    if (rtt === 0 || elapsed < rtt) return
    const copied = (i32[sk + TP_COPIED_SEQ] - i32[sk + TP_RCVQ_SEQ]) | 0
    if (copied > i32[sk + TP_RCVQ_SPACE]) growBuffer(sk, copied)
    i32[sk + TP_RCVQ_SEQ] = i32[sk + TP_COPIED_SEQ]
    i32[sk + TP_RCVQ_TIME] = time[TIME_US]
  }
  const growBuffer = (sk: number, copied: number): void => {
    const before = i32[sk + TP_RCVQ_SPACE]
    i32[sk + TP_RCVQ_SPACE] = copied
    if (i32[sysctl + Sysctl.tcp_moderate_rcvbuf] === 0) return
    if ((i32[sk + SK_FLAGS] & SOCK_RCVBUF_LOCK) !== 0) return
    const base = copied * 2 + 16 * i32[sk + TP_ADVMSS]
    const window = base + 2 * Math.floor((base * (copied - before)) / Math.max(1, before))
    const rcvbuf = Math.min(spaceFromWin(sk, Math.min(window, 0x1fffffff)), mem.maxRcvbuf())
    if (rcvbuf <= i32[sk + SK_RCVBUF]) return
    i32[sk + SK_RCVBUF] = rcvbuf
    i32[sk + TP_WINDOW_CLAMP] = Math.min(fullSpace(sk), 65535 << i32[sk + TP_RCV_WSCALE])
  }

  return {
    winFromSpace,
    fullSpace,
    space,
    selectInitialWindow,
    initBufferSpace,
    wantedWindow,
    selectWindow,
    growWindow,
    measureRcvMss,
    rcvRttMeasure,
    rcvRttMeasureTs,
    rcvSpaceAdjust,
  }
}
