/**
 * What a segment that was taken makes us send: text that may go now, an acknowledgement at once or a little
 * later; and what it makes of the send buffer, whose writer may wait. Called last for each segment, on the worker.
 * Linux: tcp_data_snd_check, tcp_ack_snd_check, tcp_send_delayed_ack, tcp_check_space; RFC 9293 3.8.6.3, RFC 1122.
 */
import { rtoMin } from '../sock/tcp-metrics.ts'
import { RTAX_QUICKACK } from '../../../shm/dst-metrics.ts'
import { tcpMetric } from '../sock/tcp-metrics.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SK_EVENT_WRITE, SK_FLAGS, SK_RCVLOWAT, SK_SNDBUF, SK_WMEM } from '../../../socket/sock.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import type { TcpChrono } from './tcp-chrono.ts'
import type { TcpOutput } from './tcp-output.ts'
import {
  ACK_NOW,
  ACK_SCHED,
  ACK_TIMER,
  CHRONO_SNDBUF,
  TP_MSS_CLAMP,
  TP_MSS_CACHE,
  TP_REORDERING,
  TP_ACK_PENDING,
  TP_ATO,
  TP_COPIED_SEQ,
  TP_DELACK_TIMEOUT,
  TP_OFO_HEAD,
  TP_PINGPONG,
  TP_QUICK,
  TP_RCV_MSS,
  TP_RCV_NXT,
  TP_RCV_WND,
  TP_RCV_WUP,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import { packetsInFlight } from '../cong/tcp-cwnd.ts'
import { mayQueueMore } from './tcp-notsent-lowat.ts'
import { SOCK_NOSPACE, SOCK_SNDBUF_LOCK } from '../sock/sock-flags.ts'
import { TCP_INIT_CWND, TCP_DELACK_MAX, TCP_DELACK_MIN } from '../sock/tcp-constants.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpTransmit } from './tcp-transmit.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { roundUpPowerOfTwo } from '../../../base/u32.ts'
import type { TcpCompressedAck } from '../rcv/tcp-compressed-ack.ts'
import type { TcpWindow } from '../rcv/tcp-window.ts'

/** What a segment that is an skb of its own costs Linux beside its text: in its buffer, a power of two, and for its row. */
const SEGMENT_HEADERS = 640
const SEGMENT_ROW = 256

export type TcpSndCheck = ReturnType<typeof createTcpSndCheck>
type TcpSndCheckDeps = {
  arena: Arena
  time: Time
  mem: TcpMem
  window: TcpWindow
  timers: TcpTimers
  transmit: TcpTransmit
  output: TcpOutput
  chrono: TcpChrono
  life: TcpLifecycle
  cong: TcpCong
  compressedAck: Pick<TcpCompressedAck, 'waits'>
}

export const createTcpSndCheck = (deps: TcpSndCheckDeps) => {
  const { time, mem, window, timers, transmit, output, cong, compressedAck } = deps
  const { raise } = deps.life
  const { chronoStop } = deps.chrono
  const { i32, layout } = deps.arena
  const { sysctl } = layout

  const sendDelayedAck = (sk: number): void => {
    const now = time[TIME_MS]
    let ato = i32[sk + TP_ATO]
    if (ato > TCP_DELACK_MIN) {
      let most = i32[sk + TP_PINGPONG] !== 0 ? TCP_DELACK_MAX : 500
      const srtt = i32[sk + TP_SRTT_US]
      if (srtt !== 0) most = Math.min(most, Math.max((srtt / 8000) | 0, TCP_DELACK_MIN))
      ato = Math.min(ato, most)
    }
    // none waits as long as a timeout of the peer's that is like ours (tcp_delack_max)
    const longest = Math.min(TCP_DELACK_MAX, Math.max(rtoMin(i32, sk), 2) - 1)
    let deadline = (now + Math.max(1, Math.min(ato, longest))) | 0
    if ((i32[sk + TP_ACK_PENDING] & ACK_TIMER) !== 0) {
      const old = i32[sk + TP_DELACK_TIMEOUT]
      if (((old - now - (ato >> 2)) | 0) <= 0) {
        transmit.sendAck(sk)
        return
      }
      if (((deadline - old) | 0) > 0) deadline = old
    }
    timers.resetDelackTimer(sk, deadline)
  }
  /** The window has not moved, and a reader is about to let it: there is enough for SO_RCVLOWAT. */
  const waitsForReader = (sk: number): boolean =>
    window.wantedWindow(sk) < i32[sk + TP_RCV_WND] &&
    ((i32[sk + TP_RCV_NXT] - i32[sk + TP_COPIED_SEQ]) | 0) >= i32[sk + SK_RCVLOWAT]
  /** RFC 9293 3.8.6.3: every second full segment at once, else within a fraction of a second. */
  const ackSndCheck = (sk: number): void => {
    const pending = i32[sk + TP_ACK_PENDING]
    if ((pending & ACK_SCHED) === 0) return
    const unacked = (i32[sk + TP_RCV_NXT] - i32[sk + TP_RCV_WUP]) | 0
    if (
      (unacked > i32[sk + TP_RCV_MSS] && !waitsForReader(sk)) ||
      (i32[sk + TP_QUICK] !== 0 && i32[sk + TP_PINGPONG] === 0) ||
      tcpMetric(i32, sk, RTAX_QUICKACK) !== 0 ||
      (pending & ACK_NOW) !== 0
    )
      transmit.sendAck(sk)
    else if (i32[sk + TP_OFO_HEAD] === 0) sendDelayedAck(sk)
    else if (!compressedAck.waits(sk)) transmit.sendAck(sk)
  }

  /** After an acknowledgement: sends what may go now, and tells a writer of room. */
  const dataSndCheck = (sk: number): void => {
    if (i32[sk + TP_SEND_HEAD] !== 0) output.pushPendingFrames(sk)
    if ((i32[sk + SK_FLAGS] & SOCK_NOSPACE) !== 0) checkSpace(sk)
  }
  const checkSpace = (sk: number): void => {
    const locked = (i32[sk + SK_FLAGS] & SOCK_SNDBUF_LOCK) !== 0
    if (!locked && packetsInFlight(i32, sk) < i32[sk + TP_SND_CWND]) expandSndbuf(sk)
    const room = i32[sk + SK_SNDBUF] - i32[sk + SK_WMEM]
    if (room < i32[sk + SK_WMEM] >> 1 || !mayQueueMore(i32, sysctl, sk, 1)) return
    i32[sk + SK_FLAGS] &= ~SOCK_NOSPACE
    chronoStop(sk, CHRONO_SNDBUF)
    raise(sk, SK_EVENT_WRITE)
  }
  /** What the send buffer should be for the window to stay full (Linux: tcp_sndbuf_expand). */
  const sndbufWanted = (sk: number): number => {
    const segment = Math.max(i32[sk + TP_MSS_CLAMP], i32[sk + TP_MSS_CACHE])
    const perSegment = roundUpPowerOfTwo(segment + SEGMENT_HEADERS) + SEGMENT_ROW
    const segments = Math.max(TCP_INIT_CWND, i32[sk + TP_SND_CWND], i32[sk + TP_REORDERING] + 1)
    return (cong.ops(sk).sndbufExpand ?? 2) * segments * perSegment
  }
  const expandSndbuf = (sk: number): void => {
    const wanted = Math.min(sndbufWanted(sk), mem.maxSndbuf())
    if (wanted > i32[sk + SK_SNDBUF]) i32[sk + SK_SNDBUF] = wanted
  }

  return { dataSndCheck, ackSndCheck, checkSpace, expandSndbuf }
}
