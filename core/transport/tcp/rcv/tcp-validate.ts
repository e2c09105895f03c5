/**
 * The checks that come before the ACK field, the first four of RFC 9293 3.10.7.4: timestamp, sequence, RST, SYN,
 * and the answer that a segment which fails them is worth. For every state that has a peer's sequence number:
 * tcp-input.ts and tcp-states.ts call it, on the worker. Linux: tcp_validate_incoming; RFC 5961, RFC 7323 5.3.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import { SK_STATE, TCP_SYN_RECV } from '../../../socket/sock.ts'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import { OPT_SEEN, SEEN_TIMESTAMPS } from '../../../wire/tcp-options.ts'
import type { FastopenActive } from '../sock/tcp-fastopen-active.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpPaws } from './tcp-paws.ts'
import type { TcpRcvQueue } from './tcp-rcv-queue.ts'
import { dsackSet } from './tcp-sack.ts'
import {
  CB_END_SEQ,
  CB_SEQ,
  receiveWindow,
  TCP_MAX_QUICKACKS,
  TP_LAST_OOW_ACK,
  TP_OOW_ACKED,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_SND_NXT,
} from '../sock/tcp-sock.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpChallenge } from '../snd/tcp-challenge.ts'

export type TcpValidate = ReturnType<typeof createTcpValidate>
type TcpValidateDeps = {
  arena: Arena
  bank: number
  drop: DropFn
  transmit: TcpTransmit
  rcvQueue: TcpRcvQueue
  life: TcpLifecycle
  paws: TcpPaws
  fastopenActive: Pick<FastopenActive, 'resetAhead'>
} & Pick<TcpChallenge, 'sendChallengeAck'>

export const createTcpValidate = (deps: TcpValidateDeps) => {
  const { bank, drop, transmit, rcvQueue, life, fastopenActive, sendChallengeAck } = deps
  const { options: opts, pawsRejects } = deps.paws
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout

  const sendDupack = (sk: number, skb: number): void => {
    const seq = i32[skb + CB_SEQ]
    const end = i32[skb + CB_END_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    if (seq !== end && ((seq - next) | 0) < 0) {
      f64[bank + Mib.TcpExtDelayedACKLost]++
      rcvQueue.enterQuickack(sk, TCP_MAX_QUICKACKS)
      f64[bank + dsackSet(i32, sysctl, sk, seq, ((end - next) | 0) > 0 ? next : end)]++
    }
    transmit.sendAck(sk)
  }
  /** What carries text or a FIN is no part of a storm of acknowledgements, and always answered (tcp_oow_rate_limited). */
  const mayAnswer = (sk: number, skb: number, mib: number): boolean =>
    i32[skb + CB_SEQ] !== i32[skb + CB_END_SEQ] ||
    !transmit.oowRateLimited(sk, TP_LAST_OOW_ACK, TP_OOW_ACKED, mib)
  /** RFC 9293 3.4: some of it, or its empty place, lies in the window. */
  const inSequence = (sk: number, skb: number): boolean => {
    const next = i32[sk + TP_RCV_NXT]
    return (
      ((i32[skb + CB_END_SEQ] - i32[sk + TP_RCV_WUP]) | 0) >= 0 &&
      ((i32[skb + CB_SEQ] - next - receiveWindow(i32, sk)) | 0) <= 0
    )
  }
  const rejectSequence = (sk: number, skb: number, flags: number): void => {
    if ((flags & TCP_RST) !== 0) {
      drop(skb, Drop.TCP_INVALID_SEQUENCE)
      return
    }
    if ((flags & TCP_SYN) !== 0) challengeSyn(sk)
    else if (mayAnswer(sk, skb, Mib.TcpExtTCPACKSkippedSeq)) sendDupack(sk, skb)
    const old = ((i32[skb + CB_END_SEQ] - i32[sk + TP_RCV_WUP]) | 0) < 0
    drop(skb, old ? Drop.TCP_OLD_SEQUENCE : Drop.TCP_INVALID_SEQUENCE)
  }
  const challengeSyn = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPSYNChallenge]++
    sendChallengeAck(sk)
  }

  /** First four checks of 3.10.7.4 with RFC 5961's; false when the segment is gone. */
  const validateIncoming = (sk: number, skb: number, flags: number): boolean => {
    if ((opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 && (flags & TCP_RST) === 0 && pawsRejects(sk)) {
      f64[bank + Mib.TcpExtPAWSEstab]++
      if (mayAnswer(sk, skb, Mib.TcpExtTCPACKSkippedPAWS)) sendDupack(sk, skb)
      drop(skb, Drop.TCP_RFC7323_PAWS)
      return false
    }
    if (!inSequence(sk, skb)) {
      rejectSequence(sk, skb, flags)
      return false
    }
    if ((flags & TCP_RST) !== 0) {
      // RFC 5961 3.2: only the exact sequence number resets
      if (i32[skb + CB_SEQ] === i32[sk + TP_RCV_NXT]) life.reset(sk)
      else {
        fastopenActive.resetAhead(sk)
        sendChallengeAck(sk)
      }
      drop(skb, Drop.TCP_RESET)
      return false
    }
    if ((flags & TCP_SYN) !== 0) {
      if (isCrossedSyn(sk, skb, flags)) return true
      // RFC 5961 4.2
      challengeSyn(sk)
      drop(skb, Drop.TCP_INVALID_SYN)
      return false
    }
    return true
  }
  /** Simultaneous open: the peer's SYN-ACK repeats the SYN that we have. */
  const isCrossedSyn = (sk: number, skb: number, flags: number): boolean =>
    i32[sk + SK_STATE] === TCP_SYN_RECV &&
    (flags & TCP_ACK) !== 0 &&
    ((i32[skb + CB_SEQ] + 1) | 0) === i32[skb + CB_END_SEQ] &&
    i32[skb + CB_END_SEQ] === i32[sk + TP_RCV_NXT] &&
    tcp.ack(u8, i32[skb + SKB_TRANSPORT]) === i32[sk + TP_SND_NXT]

  return { validateIncoming }
}
