/**
 * When a connection is given up: what was sent is not answered for too long, or nobody is there to wait for the answer. Asked by
 * the timers, on the worker. Linux: tcp_write_timeout, tcp_write_err, tcp_out_of_resources, tcp_orphan_retries,
 * retransmits_timed_out, tcp_rtx_probe0_timed_out; RFC 9293 section 3.8.3.
 */
import { Errno } from '../../../base/errno.ts'
import { TIME_MS, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_ERR_SOFT, SK_STATE, TCP_SYN_RECV, TCP_SYN_SENT } from '../../../socket/sock.ts'
import type { FastopenActive } from '../fastopen/tcp-fastopen-active.ts'
import type { TcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { TCP_RTO_MIN } from '../sock/tcp-constants.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import {
  TP_RCV_TSTAMP,
  TP_RETRANSMITS,
  TP_RETRANS_STAMP,
  TP_RTO,
  TP_SYN_RETRIES,
  TP_USER_TIMEOUT,
} from '../sock/tcp-sock.ts'
import { rtoMax } from './tcp-sock-times.ts'

export type TcpWriteTimeout = ReturnType<typeof createTcpWriteTimeout>
type TcpWriteTimeoutDeps = {
  arena: Arena
  bank: number
  time: Time
  life: Pick<TcpLifecycle, 'fail' | 'done' | 'isDead' | 'tooManyOrphans'>
  mem: Pick<TcpMem, 'isSendFull'>
  mtup: Pick<TcpMtuProbe, 'suspectBlackHole'>
  transmit: Pick<TcpTransmit, 'sendActiveReset'>
  fastopenActive: Pick<FastopenActive, 'timedOut'>
}

export const createTcpWriteTimeout = (deps: TcpWriteTimeoutDeps) => {
  const { bank, time, life, mem, mtup, transmit, fastopenActive } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  const giveUp = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPAbortOnTimeout]++
    const soft = i32[sk + SK_ERR_SOFT]
    life.fail(sk, soft !== 0 ? soft : Errno.ETIMEDOUT)
  }

  /** How long `boundary` retransmissions take when the first comes after `rtoBase` ms (tcp_model_timeout). */
  const modelTimeout = (sk: number, boundary: number, rtoBase: number): number => {
    const most = rtoMax(i32, sk)
    const linear = Math.floor(Math.log2(most / rtoBase))
    if (boundary <= linear) return (2 ** (boundary + 1) - 1) * rtoBase
    return (2 ** (linear + 1) - 1) * rtoBase + (boundary - linear) * most
  }
  /** `boundary` retransmissions' time is over, or `timeoutMs` is where that is not 0 (retransmits_timed_out). */
  const timedOut = (sk: number, boundary: number, timeoutMs: number): boolean => {
    if (i32[sk + TP_RETRANSMITS] === 0) return false
    const limit = timeoutMs !== 0 ? timeoutMs : modelTimeout(sk, boundary, TCP_RTO_MIN)
    return ((time[TIME_MS] - i32[sk + TP_RETRANS_STAMP] - limit) | 0) >= 0
  }
  /** Tries left for a connection whose application has gone. */
  const orphanRetries = (sk: number, alive: boolean): number => {
    if (i32[sk + SK_ERR_SOFT] !== 0 && !alive) return 0
    const own = i32[sysctl + Sysctl.tcp_orphan_retries]
    return own === 0 && alive ? 8 : own
  }
  /** Too many orphans, or no memory for those that are none: this one is not worth waiting for. True when it is gone. */
  const outOfResources = (sk: number, doReset: boolean): boolean => {
    if (!life.tooManyOrphans() && !mem.isSendFull()) return false
    if (doReset) transmit.sendActiveReset(sk)
    f64[bank + Mib.TcpExtTCPAbortOnMemory]++
    life.done(sk)
    return true
  }

  const isSynTimedOut = (sk: number, state: number): boolean => {
    const own = i32[sk + TP_SYN_RETRIES]
    const most = state === TCP_SYN_RECV ? Sysctl.tcp_synack_retries : Sysctl.tcp_syn_retries
    const linear = state === TCP_SYN_SENT ? i32[sysctl + Sysctl.tcp_syn_linear_timeouts] : 0
    if (i32[sk + TP_RETRANSMITS] >= (own !== 0 ? own : i32[sysctl + most]) + linear) return true
    const user = i32[sk + TP_USER_TIMEOUT]
    return user !== 0 && timedOut(sk, 0, user)
  }
  /** True when the connection was given up. */
  const writeTimeout = (sk: number): boolean => {
    const state = i32[sk + SK_STATE]
    let expired = false
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV) expired = isSynTimedOut(sk, state)
    else {
      if (timedOut(sk, i32[sysctl + Sysctl.tcp_retries1], 0)) mtup.suspectBlackHole(sk)
      let retries = i32[sysctl + Sysctl.tcp_retries2]
      if (life.isDead(sk)) {
        const alive = i32[sk + TP_RTO] < rtoMax(i32, sk)
        retries = orphanRetries(sk, alive)
        if (outOfResources(sk, alive || !timedOut(sk, retries, 0))) return true
      }
      expired = timedOut(sk, retries, i32[sk + TP_USER_TIMEOUT])
    }
    fastopenActive.timedOut(sk, expired)
    if (expired) giveUp(sk)
    return expired
  }

  /** The peer has been silent for longer than it may, and nothing has got on (tcp_rtx_probe0_timed_out). */
  const isShutTooLong = (sk: number): boolean => {
    const user = i32[sk + TP_USER_TIMEOUT]
    const since = i32[sk + TP_RETRANS_STAMP]
    const stuck = since === 0 ? 0 : (time[TIME_MS] - since) | 0
    if (user !== 0 && stuck > user) return true
    const twice = 2 * rtoMax(i32, sk)
    const most = user === 0 ? twice : Math.min(twice, user)
    return ((time[TIME_MS] - i32[sk + TP_RCV_TSTAMP]) | 0) > most && stuck > most
  }

  return { giveUp, orphanRetries, outOfResources, writeTimeout, isShutTooLong }
}
