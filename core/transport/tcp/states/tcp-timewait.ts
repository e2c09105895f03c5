/**
 * A segment for a connection in TIME_WAIT, or in FIN_WAIT2 after its application has gone: acknowledge what is
 * repeated, end early on a RST, give way to a new connection. The rows are in tcp-lifecycle.ts.
 * Linux: tcp_timewait_state_process; RFC 9293 3.10.7.4, RFC 6191, RFC 1337 (tcp_rfc1337: a RST is not ignored by default).
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import { SK_FAMILY, TCP_FIN_WAIT2, TCP_TIME_WAIT } from '../../../socket/sock.ts'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import { OPT_SEEN, OPT_TSVAL, SEEN_TIMESTAMPS } from '../../../wire/tcp-options.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  OPT_TIMESTAMPS,
  TP_OPTS,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_TS_RECENT,
  TP_TW_ENTRY_STAMP,
  TP_TW_SUBSTATE,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import { TCP_TIMEWAIT_LEN } from '../sock/tcp-constants.ts'
import { receiveWindow } from '../sock/tcp-wnd.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpReply } from '../snd/tcp-reply.ts'
import { isWithin } from '../listen/tcp-synack.ts'

type TcpTimewaitDeps = {
  i32: Int32Array
  sysctl: number
  f64: Float64Array
  bank: number
  time: Time
  drop: DropFn
  consume: ConsumeFn
  paws: TcpPaws
  life: TcpLifecycle
  timers: TcpTimers
  transmit: TcpTransmit
  afOps: AfOpsOf
  md5: Pick<TcpMd5, 'isReplySigned' | 'signatureAt'>
} & Pick<TcpReply, 'sendReset'>

export type TcpTimewait = ReturnType<typeof createTcpTimewait>

export const createTcpTimewait = (deps: TcpTimewaitDeps) => {
  const { i32, sysctl, f64, bank, time, drop, consume, life, timers, transmit, md5 } = deps
  const { afOps, sendReset } = deps
  const { options: opts, parseOptions, pawsRejects, storeTsRecent } = deps.paws

  const restart = (sk: number): void => timers.resetKeepaliveTimer(sk, TCP_TIMEWAIT_LEN)
  const killed = (sk: number, skb: number): void => {
    life.twEnd(sk, Mib.TcpExtTWKilled)
    drop(skb, Drop.TCP_RESET)
  }

  /** A RST, signed while the connection's key is there; none for what is signed where there is no key (tcp_v4_send_reset). */
  const refuse = (skb: number): void => {
    if (md5.isReplySigned() || md5.signatureAt(i32[skb + SKB_TRANSPORT]) === 0) sendReset(skb)
  }

  /** FIN_WAIT2 that nobody holds: only the peer's FIN is still awaited. */
  const finWait2 = (sk: number, skb: number, flags: number): void => {
    const seq = i32[skb + CB_SEQ]
    const end = i32[skb + CB_END_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    if (!isWithin(seq, end, next, receiveWindow(i32, sk))) {
      acknowledge(sk, skb, Mib.TcpExtTCPACKSkippedFinWait2)
    } else if ((flags & TCP_RST) !== 0) killed(sk, skb)
    else if ((flags & TCP_SYN) !== 0 && ((seq - next) | 0) >= 0) {
      refuse(skb)
      life.twEnd(sk, Mib.TcpExtTWKilled)
      drop(skb, Drop.TCP_INVALID_SYN)
    } else if ((flags & TCP_ACK) === 0 || ((end - next) | 0) <= 0 || end === seq) consume(skb)
    else if ((flags & TCP_FIN) === 0 || end !== ((next + 1) | 0)) {
      // text for an application that has closed
      refuse(skb)
      life.twEnd(sk, Mib.TcpExtTWKilled)
      drop(skb, Drop.TCP_ABORT_ON_DATA)
    } else {
      i32[sk + TP_RCV_NXT] = end
      // its window is what it was (tw_rcv_wnd)
      i32[sk + TP_RCV_WUP] = (i32[sk + TP_RCV_WUP] + end - next) | 0
      i32[sk + TP_TW_SUBSTATE] = TCP_TIME_WAIT
      i32[sk + TP_TW_ENTRY_STAMP] = time[TIME_MS]
      if ((opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0) i32[sk + TP_TS_RECENT] = opts[OPT_TSVAL]
      restart(sk)
      sendAck(sk, skb)
      consume(skb)
    }
  }
  /** Nothing is left of the connection's own options: those of what it answers are echoed (tcp_v4_timewait_ack). */
  const sendAck = (sk: number, skb: number): void => {
    afOps(i32[sk + SK_FAMILY]).keepOptions(sk, skb)
    transmit.sendAck(sk)
  }
  /** `skipped` counts what was not answered. */
  const acknowledge = (sk: number, skb: number, skipped: number): void => {
    if (!transmit.oowRateLimited(sk, skb, skipped)) sendAck(sk, skb)
    consume(skb)
  }

  /**
   * Takes the segment, or answers false when it is a SYN that begins a new connection in the old one's place, if
   * somebody listens: then the old one has ended, and the segment goes to the listener.
   */
  const timewaitRcv = (sk: number, skb: number, mayReopen: boolean): boolean => {
    const flags = i32[skb + CB_FLAGS]
    const seq = i32[skb + CB_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    parseOptions(skb)
    const stamped =
      (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 && (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0
    const paws = stamped && pawsRejects(sk)
    if (i32[sk + TP_TW_SUBSTATE] === TCP_FIN_WAIT2) {
      if (paws) acknowledge(sk, skb, Mib.TcpExtTCPACKSkippedFinWait2)
      else finWait2(sk, skb, flags)
      return true
    }
    const empty = seq === i32[skb + CB_END_SEQ]
    if (!paws && seq === next && (empty || (flags & TCP_RST) !== 0)) {
      const isReset = (flags & TCP_RST) !== 0
      if (isReset && i32[sysctl + Sysctl.tcp_rfc1337] === 0) {
        killed(sk, skb)
        return true
      }
      if (!isReset) restart(sk)
      if (stamped) storeTsRecent(sk)
      consume(skb)
      return true
    }
    // a SYN of a later incarnation: by sequence, or by a later timestamp (RFC 6191)
    const fresh =
      ((seq - next) | 0) > 0 || (stamped && ((opts[OPT_TSVAL] - i32[sk + TP_TS_RECENT]) | 0) > 0)
    if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN && !paws && fresh) {
      if (mayReopen) life.twEnd(sk, Mib.TcpExtTWRecycled)
      else {
        sendAck(sk, skb)
        consume(skb)
      }
      return !mayReopen
    }
    if (paws) f64[bank + Mib.TcpExtPAWSEstab]++
    if ((flags & TCP_RST) !== 0) {
      drop(skb, Drop.TCP_INVALID_SEQUENCE)
      return true
    }
    if (paws || (flags & TCP_ACK) !== 0) restart(sk)
    acknowledge(sk, skb, Mib.TcpExtTCPACKSkippedTimeWait)
    return true
  }

  return { timewaitRcv }
}
