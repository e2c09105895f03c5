/**
 * The keepalive timer of a connection, which is also that of FIN_WAIT2 and TIME_WAIT. Called by the timer wheel on the worker.
 * Linux: tcp_keepalive_timer, tw_timer_handler; RFC 9293 section 3.8.4.
 */
import { TIME_MS, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  SK_FLAGS,
  SK_STATE,
  TCP_CLOSE,
  TCP_FIN_WAIT2,
  TCP_LISTEN,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { SOCK_KEEPOPEN } from '../sock/sock-flags.ts'
import {
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
} from '../sock/tcp-constants.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_LINGER2,
  TP_LRCVTIME,
  TP_PACKETS_OUT,
  TP_PROBES_OUT,
  TP_RCV_TSTAMP,
  TP_USER_TIMEOUT,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import { finTime, keepaliveTime } from './tcp-sock-times.ts'
import type { TcpTimers } from './tcp-timers.ts'
import type { TcpWriteTimeout } from './tcp-write-timeout.ts'

export type TcpKeepaliveTimer = ReturnType<typeof createTcpKeepaliveTimer>
type TcpKeepaliveTimerDeps = {
  arena: Arena
  bank: number
  time: Time
  timers: TcpTimers
  transmit: Pick<TcpTransmit, 'sendActiveReset' | 'sendProbe'>
  life: Pick<TcpLifecycle, 'timeWait' | 'done' | 'twEnd' | 'isDead' | 'flush'>
} & Pick<TcpWriteTimeout, 'giveUp'>

export const createTcpKeepaliveTimer = (deps: TcpKeepaliveTimerDeps) => {
  const { bank, time, timers, transmit, life, giveUp } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  const keepaliveInterval = (sk: number): number => {
    const own = i32[sk + TP_KEEPALIVE_INTVL]
    return (own !== 0 ? own : i32[sysctl + Sysctl.tcp_keepalive_intvl]) * 1000
  }
  /** Enough probes were not answered, or the user's time is over; it was heard `heard` ms ago. */
  const isSilent = (sk: number, heard: number): boolean => {
    const sent = i32[sk + TP_PROBES_OUT]
    const user = i32[sk + TP_USER_TIMEOUT]
    if (user !== 0) return heard >= user && sent > 0
    const own = i32[sk + TP_KEEPALIVE_PROBES]
    return sent >= (own !== 0 ? own : i32[sysctl + Sysctl.tcp_keepalive_probes])
  }
  const keepaliveProbe = (sk: number): void => {
    if (i32[sk + TP_PACKETS_OUT] !== 0 || i32[sk + TP_WQ_HEAD] !== 0) {
      timers.resetKeepaliveTimer(sk, keepaliveTime(i32, sysctl, sk))
      return
    }
    const now = time[TIME_MS]
    const heard = Math.min((now - i32[sk + TP_RCV_TSTAMP]) | 0, (now - i32[sk + TP_LRCVTIME]) | 0)
    const idle = keepaliveTime(i32, sysctl, sk)
    if (heard < idle) {
      timers.resetKeepaliveTimer(sk, idle - heard)
      return
    }
    if (isSilent(sk, heard)) {
      transmit.sendActiveReset(sk)
      giveUp(sk)
      return
    }
    f64[bank + Mib.TcpExtTCPKeepAlive]++
    if (transmit.sendProbe(sk) >= 0) {
      i32[sk + TP_PROBES_OUT]++
      timers.resetKeepaliveTimer(sk, keepaliveInterval(sk))
    } else timers.resetKeepaliveTimer(sk, TCP_RESOURCE_PROBE_INTERVAL)
  }
  const finWait2Over = (sk: number): void => {
    const left = i32[sk + TP_LINGER2] >= 0 ? finTime(i32, sysctl, sk) - TCP_TIMEWAIT_LEN : 0
    if (left > 0) life.timeWait(sk, TCP_FIN_WAIT2, left)
    else {
      transmit.sendActiveReset(sk)
      life.done(sk)
    }
  }
  const keepalive = (sk: number): void => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_TIME_WAIT) life.twEnd(sk, Mib.TcpExtTW)
    else if (state === TCP_FIN_WAIT2 && life.isDead(sk)) finWait2Over(sk)
    else if (
      (i32[sk + SK_FLAGS] & SOCK_KEEPOPEN) !== 0 &&
      state !== TCP_CLOSE &&
      state !== TCP_LISTEN
    )
      if (state === TCP_SYN_SENT) timers.resetKeepaliveTimer(sk, TCP_TIMEOUT_INIT)
      else keepaliveProbe(sk)
    life.flush()
  }

  return { keepalive }
}
