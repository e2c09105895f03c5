import { Errno } from '../../../base/errno.ts'
import { TIME_MS, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_LEN } from '../../../skb/skb.ts'
import { TCP_PSH } from '../../../wire/tcp.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import { TCP_RESOURCE_PROBE_INTERVAL, TCP_RTO_MIN, TCP_TIMEOUT_MIN } from '../sock/tcp-constants.ts'
import { rtoMax } from './tcp-sock-times.ts'
import {
  ICSK_TIME_PROBE0,
  TP_BACKOFF,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_PROBES_OUT,
  TP_PROBES_TSTAMP,
  TP_RTO,
  TP_SEND_HEAD,
  TP_USER_TIMEOUT,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from './tcp-timers.ts'
import { wndEnd } from '../sock/tcp-wnd.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { urgMode } from '../snd/tcp-urgent.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

export type TcpProbe0 = ReturnType<typeof createTcpProbe0>
type TcpProbe0Deps = {
  arena: Arena
  bank: number
  time: Time
  queue: TcpWriteQueue
  mss: TcpMss
  timers: TcpTimers
  transmit: TcpTransmit
  output: TcpOutput
}

export const createTcpProbe0 = (deps: TcpProbe0Deps) => {
  const { time, bank, timers } = deps
  const { currentMss } = deps.mss
  const { transmitClone, sendProbe } = deps.transmit
  const { eventNewDataSent } = deps.output
  const { setTsoSegs, fragment } = deps.queue
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

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
    let front = skb
    // a FIN has a number too
    if (room < ((i32[skb + CB_END_SEQ] - i32[skb + CB_SEQ]) | 0) || i32[skb + SKB_LEN] > mss) {
      front = fragment(sk, skb, Math.min(room, mss), mss)
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
    return Math.min(base * 2 ** backoff, rtoMax(i32, sk))
  }

  /** Nothing is in flight: an acknowledgement may answer a probe, and open the window (tcp_ack_probe). */
  const ackProbe = (sk: number): void => {
    const head = i32[sk + TP_SEND_HEAD]
    if (head === 0) return
    if (((i32[head + CB_END_SEQ] - wndEnd(i32, sk)) | 0) <= 0) {
      i32[sk + TP_BACKOFF] = 0
      i32[sk + TP_PROBES_TSTAMP] = 0
      if (i32[sk + TP_PENDING] === ICSK_TIME_PROBE0) timers.clearXmitTimer(sk)
    } else timers.resetXmitTimer(sk, ICSK_TIME_PROBE0, clampProbe0(sk, probe0When(sk)))
  }

  return { sendProbe0, probe0When, ackProbe }
}
