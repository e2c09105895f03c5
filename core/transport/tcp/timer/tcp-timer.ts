/**
 * What happens when a timer of a connection fires: retransmission with backoff, probing a closed window, the
 * delayed acknowledgement, keepalive, the ends of FIN_WAIT2 and TIME_WAIT, giving up. Called by the timer wheel
 * on the worker. Linux: net/ipv4/tcp_timer.c; RFC 6298 section 5, RFC 9293 3.8.3, 3.8.4, 3.8.6.1.
 */
import { Errno } from '../../../base/errno.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  SK_ERR,
  SK_ERR_SOFT,
  SK_EVENT_HUP,
  SK_EVENT_WRITE,
  SK_FLAGS,
  SK_STATE,
  TCP_CLOSE,
  TCP_FIN_WAIT2,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import type { FastopenActive } from '../fastopen/tcp-fastopen-active.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpCheckReq } from '../listen/tcp-check-req.ts'
import type { TcpSynack } from '../listen/tcp-synack.ts'
import type { TcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpLossProbe } from './tcp-loss-probe.ts'
import type { TcpProbe0 } from './tcp-probe0.ts'
import type { TcpXmitTimer } from './tcp-xmit-timer.ts'
import type { TcpEnterLoss } from '../rec/tcp-enter-loss.ts'
import type { TcpRecovery } from '../rec/tcp-recovery.ts'
import {
  ACK_SCHED,
  ACK_TIMER,
  FO_PASSIVE,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  OPT_SACK,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_RECOVERY,
  TP_ACK_PENDING,
  TP_ATO,
  TP_BACKOFF,
  TP_CA_STATE,
  TP_FASTOPEN,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_LINGER2,
  TP_LRCVTIME,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_PINGPONG,
  TP_PROBES_OUT,
  TP_PROBES_TSTAMP,
  TP_RCV_TSTAMP,
  TP_RETRANS_STAMP,
  TP_RETRANSMITS,
  TP_RTO,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_WND,
  TP_SYN_RETRIES,
  TP_USER_TIMEOUT,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import { SOCK_KEEPOPEN, SOCK_LINGER, SOCK_LINGERING, SOCK_NOSPACE } from '../sock/sock-flags.ts'
import {
  TCP_ATO_MIN,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
} from '../sock/tcp-constants.ts'
import { finTime, keepaliveTime, rtoMax } from './tcp-sock-times.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import type { TcpTimerHandlers, TcpTimers } from './tcp-timers.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

type TcpTimerDeps = {
  arena: Arena
  bank: number
  time: Time
  timers: TcpTimers
  transmit: TcpTransmit
  output: TcpOutput
  retransmission: TcpRetransmit
  lossProbe: TcpLossProbe
  probe0: TcpProbe0
  xmitTimer: TcpXmitTimer
  queue: TcpWriteQueue
  recovery: Pick<TcpRecovery, 'reoTimeout'>
  checkReq: Pick<TcpCheckReq, 'requestTimer'>
  synack: Pick<TcpSynack, 'retransmitSynAck'>
  life: TcpLifecycle
  mtup: Pick<TcpMtuProbe, 'suspectBlackHole'>
  mem: TcpMem
  fastopenActive: Pick<FastopenActive, 'timedOut'>
} & Pick<TcpEnterLoss, 'enterLoss'>

export const createTcpTimer = (deps: TcpTimerDeps): TcpTimerHandlers => {
  const {
    bank,
    time,
    timers,
    transmit,
    output,
    retransmission,
    lossProbe,
    probe0,
    xmitTimer,
    queue,
    recovery,
    checkReq,
    life,
    mem,
    synack,
    mtup,
    fastopenActive,
    enterLoss,
  } = deps
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

  /** True when the connection was given up. */
  const writeTimeout = (sk: number): boolean => {
    const state = i32[sk + SK_STATE]
    let expired = false
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV) {
      const own = i32[sk + TP_SYN_RETRIES]
      const most = state === TCP_SYN_RECV ? Sysctl.tcp_synack_retries : Sysctl.tcp_syn_retries
      const linear = state === TCP_SYN_SENT ? i32[sysctl + Sysctl.tcp_syn_linear_timeouts] : 0
      expired = i32[sk + TP_RETRANSMITS] >= (own !== 0 ? own : i32[sysctl + most]) + linear
      const user = i32[sk + TP_USER_TIMEOUT]
      if (user !== 0 && timedOut(sk, 0, user)) expired = true
    } else {
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

  const countTimeout = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPTimeouts]++
    if (i32[sk + TP_RETRANSMITS] !== 0) return
    const sack = (i32[sk + TP_OPTS] & OPT_SACK) !== 0
    const state = i32[sk + TP_CA_STATE]
    if (state === TCP_CA_RECOVERY)
      f64[bank + (sack ? Mib.TcpExtTCPSackRecoveryFail : Mib.TcpExtTCPRenoRecoveryFail)]++
    else if (state === TCP_CA_LOSS) f64[bank + Mib.TcpExtTCPLossFailures]++
    else if (state === TCP_CA_DISORDER || i32[sk + TP_SACKED_OUT] !== 0)
      f64[bank + (sack ? Mib.TcpExtTCPSackFailures : Mib.TcpExtTCPRenoFailures)]++
  }
  const backOff = (sk: number): void => {
    const isLinear =
      i32[sk + SK_STATE] === TCP_SYN_SENT &&
      i32[sk + TP_RETRANSMITS] <= i32[sysctl + Sysctl.tcp_syn_linear_timeouts]
    if (!isLinear) {
      i32[sk + TP_BACKOFF]++
      i32[sk + TP_RTO] = Math.min(i32[sk + TP_RTO] * 2, rtoMax(i32, sk))
    }
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, clampRto(sk))
  }
  /** The timeout, but no later than the user's (tcp_clamp_rto_to_user_timeout). */
  const clampRto = (sk: number): number => {
    const rto = i32[sk + TP_RTO]
    const user = i32[sk + TP_USER_TIMEOUT]
    if (user === 0) return rto
    const left = (user - ((time[TIME_MS] - i32[sk + TP_RETRANS_STAMP]) | 0)) | 0
    return Math.min(rto, Math.max(left, 1))
  }

  /** Fast Open: nothing of a connection is sent again before its SYN-ACK is answered, which has one try more. */
  const synAckTimer = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPTimeouts]++
    const most = i32[sk + TP_SYN_RETRIES] || i32[sysctl + Sysctl.tcp_synack_retries] + 1
    if (i32[sk + TP_RETRANSMITS] >= most) return giveUp(sk)
    if (i32[sk + TP_RETRANSMITS] === 1) enterLoss(sk)
    const sent = ++i32[sk + TP_RETRANSMITS]
    synack.retransmitSynAck(sk)
    if (i32[sk + TP_RETRANS_STAMP] === 0) i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
    const delay = Math.min(TCP_TIMEOUT_INIT * 2 ** sent, rtoMax(i32, sk))
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, delay)
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

  /** RFC 6298 section 5.4 to 5.7. */
  const retransmitTimer = (sk: number): void => {
    if ((i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0) return synAckTimer(sk)
    const head = queue.rtxHead(sk)
    if (i32[sk + TP_PACKETS_OUT] === 0 || head === 0) return
    const state = i32[sk + SK_STATE]
    const handshake = state === TCP_SYN_SENT || state === TCP_SYN_RECV
    if (i32[sk + TP_SND_WND] === 0 && !handshake && !life.isDead(sk)) {
      // the window was taken back under data in flight: a probe with no limit but the peer's silence
      if (isShutTooLong(sk)) {
        giveUp(sk)
        return
      }
      enterLoss(sk)
      retransmission.retransmit(sk, queue.rtxHead(sk), 1)
      backOff(sk)
      return
    }
    if (writeTimeout(sk)) return
    countTimeout(sk)
    enterLoss(sk)
    i32[sk + TP_RETRANSMITS]++
    if (retransmission.retransmit(sk, queue.rtxHead(sk), 1) < 0) {
      // no memory, no neighbour: try again soon, it says nothing about the path
      if (i32[sk + TP_RETRANS_STAMP] === 0) i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
      timers.resetXmitTimer(
        sk,
        ICSK_TIME_RETRANS,
        Math.min(i32[sk + TP_RTO], TCP_RESOURCE_PROBE_INTERVAL)
      )
      return
    }
    backOff(sk)
  }

  const probeTimer = (sk: number): void => {
    if (i32[sk + TP_PACKETS_OUT] !== 0 || i32[sk + TP_SEND_HEAD] === 0) {
      i32[sk + TP_PROBES_OUT] = 0
      i32[sk + TP_PROBES_TSTAMP] = 0
      return
    }
    let most = i32[sysctl + Sysctl.tcp_retries2]
    const user = i32[sk + TP_USER_TIMEOUT]
    // the user's time runs whatever the peer answers, as long as its window is closed
    const since = i32[sk + TP_PROBES_TSTAMP]
    if (since === 0) i32[sk + TP_PROBES_TSTAMP] = time[TIME_MS] || -1
    else if (user !== 0 && ((time[TIME_MS] - since) | 0) >= user) {
      giveUp(sk)
      return
    }
    if (life.isDead(sk)) {
      const alive = probe0.probe0When(sk) < rtoMax(i32, sk)
      most = orphanRetries(sk, alive)
      if (!alive && i32[sk + TP_BACKOFF] >= most) {
        giveUp(sk)
        return
      }
      if (outOfResources(sk, true)) return
    }
    if (i32[sk + TP_PROBES_OUT] >= most) giveUp(sk)
    else probe0.sendProbe0(sk)
  }

  /** The event stands until what follows is known: the timer goes on from it. */
  const lossProbeTimer = (sk: number): void => {
    i32[sk + TP_PENDING] = ICSK_TIME_LOSS_PROBE
    lossProbe.sendLossProbe(sk)
  }
  const reoTimer = (sk: number): void => {
    i32[sk + TP_PENDING] = ICSK_TIME_REO_TIMEOUT
    if (recovery.reoTimeout(sk)) retransmission.xmitRetransmitQueue(sk)
    if (i32[sk + TP_PENDING] !== ICSK_TIME_RETRANS) xmitTimer.rearmRto(sk)
  }

  const retransmit = (sk: number): void => {
    const event = i32[sk + TP_PENDING]
    if (i32[sk + SK_STATE] === TCP_NEW_SYN_RECV) checkReq.requestTimer(sk)
    else if (i32[sk + SK_STATE] !== TCP_CLOSE) {
      i32[sk + TP_PENDING] = 0
      if (event === ICSK_TIME_RETRANS) retransmitTimer(sk)
      else if (event === ICSK_TIME_PROBE0) probeTimer(sk)
      else if (event === ICSK_TIME_LOSS_PROBE) lossProbeTimer(sk)
      else if (event === ICSK_TIME_REO_TIMEOUT) reoTimer(sk)
    }
    life.flush()
  }

  const delayedAck = (sk: number): void => {
    const pending = i32[sk + TP_ACK_PENDING]
    i32[sk + TP_ACK_PENDING] = pending & ~ACK_TIMER
    if (i32[sk + SK_STATE] === TCP_CLOSE || (pending & ACK_SCHED) === 0) return
    if (i32[sk + TP_PINGPONG] === 0) {
      // the guess was too short
      i32[sk + TP_ATO] = Math.min(i32[sk + TP_ATO] << 1, i32[sk + TP_RTO])
    } else {
      i32[sk + TP_PINGPONG] = 0
      i32[sk + TP_ATO] = TCP_ATO_MIN
    }
    f64[bank + Mib.TcpExtDelayedACKs]++
    transmit.sendAck(sk)
  }

  const keepaliveInterval = (sk: number): number => {
    const own = i32[sk + TP_KEEPALIVE_INTVL]
    return (own !== 0 ? own : i32[sysctl + Sysctl.tcp_keepalive_intvl]) * 1000
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
    const own = i32[sk + TP_KEEPALIVE_PROBES]
    const most = own !== 0 ? own : i32[sysctl + Sysctl.tcp_keepalive_probes]
    const user = i32[sk + TP_USER_TIMEOUT]
    const silent =
      user !== 0 ? heard >= user && i32[sk + TP_PROBES_OUT] > 0 : i32[sk + TP_PROBES_OUT] >= most
    if (silent) {
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

  /** A writer that waits for the worker's memory, not for its peer; or a close that has waited long enough. */
  const extra = (sk: number): void => {
    if ((i32[sk + SK_FLAGS] & SOCK_LINGERING) !== 0) return lingered(sk)
    if ((i32[sk + SK_FLAGS] & SOCK_NOSPACE) === 0 || i32[sk + SK_ERR] !== 0) return
    i32[sk + SK_FLAGS] &= ~SOCK_NOSPACE
    life.raise(sk, SK_EVENT_WRITE)
    life.flush()
  }

  const lingered = (sk: number): void => {
    i32[sk + SK_FLAGS] &= ~SOCK_LINGER
    life.raise(sk, SK_EVENT_HUP)
    life.flush()
  }

  /** What was sent has had its time (tcp_pace_kick). */
  const pacing = (sk: number): void => {
    output.writeOn(sk)
    life.flush()
  }

  return { retransmit, delayedAck, keepalive, extra, pacing }
}
