/**
 * The checks that come before the ACK field, the first four of RFC 9293 3.10.7.4: timestamp, sequence, RST, SYN,
 * and the answer that a segment which fails them is worth. For every state that has a peer's sequence number:
 * tcp-input.ts and tcp-states.ts call it, on the worker. Linux: tcp_validate_incoming; RFC 5961, RFC 7323 5.3.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_NETWORK, SKB_TRANSPORT } from '../../../skb/skb.ts'
import {
  SK_FAMILY,
  SK_STATE,
  TCP_SYN_RECV,
  TCP_CLOSE_WAIT,
  SK_RCVQ_HEAD,
  TCP_CLOSING,
  TCP_LAST_ACK,
} from '../../../socket/sock.ts'
import { TCP_ACK, TCP_RST, TCP_SYN, TCP_FIN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import { OPT_SEEN, SEEN_TIMESTAMPS, OPT_TSVAL } from '../../../wire/tcp-options.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import { accecnThirdAckFlags, isAccecn } from '../ecn/tcp-accecn.ts'
import { noteOption, OPT_DEMAND } from '../ecn/tcp-accecn-bytes.ts'
import { ECN_MASK } from '../ecn/tcp-ecn.ts'
import type { FastopenActive } from '../fastopen/tcp-fastopen-active.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpPaws } from './tcp-paws.ts'
import { enterQuickack } from './tcp-quickack.ts'
import { dsackSet, highestSacked } from './tcp-sack.ts'
import {
  TP_ACCECN_OPT_DEMAND,
  TP_ECN,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_SND_NXT,
  TP_NUM_SACKS,
  TP_RTO,
  TP_TS_RECENT,
  TP_SND_WSCALE,
  TP_SND_UNA,
  TP_SYN_ECT_RCV,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_SEQ } from '../sock/tcp-cb.ts'
import { TCP_MAX_QUICKACKS } from '../sock/tcp-constants.ts'
import { mayUpdateWindow, receiveWindow } from '../sock/tcp-wnd.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpChallenge } from '../snd/tcp-challenge.ts'

/** So much older, in milliseconds, a stamp may be. */
const PAWS_WINDOW = 1
// What ackOrder says.
const ACK_NEW = 0
const ACK_OLD = 1
const ACK_DISORDERED = 2

export type TcpValidate = ReturnType<typeof createTcpValidate>
type TcpValidateDeps = {
  arena: Arena
  bank: number
  drop: DropFn
  transmit: TcpTransmit
  life: TcpLifecycle
  paws: TcpPaws
  afOps: AfOpsOf
  fastopenActive: Pick<FastopenActive, 'resetAhead'>
} & Pick<TcpChallenge, 'sendChallengeAck'>

export const createTcpValidate = (deps: TcpValidateDeps) => {
  const { bank, drop, transmit, life, fastopenActive, sendChallengeAck } = deps
  const { options: opts, pawsRejects } = deps.paws
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout

  const sendDupack = (sk: number, skb: number): void => {
    const seq = i32[skb + CB_SEQ]
    const end = i32[skb + CB_END_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    if (seq !== end && ((seq - next) | 0) < 0) {
      f64[bank + Mib.TcpExtDelayedACKLost]++
      enterQuickack(i32, sk, TCP_MAX_QUICKACKS)
      f64[bank + dsackSet(i32, sysctl, sk, seq, ((end - next) | 0) > 0 ? next : end)]++
    }
    transmit.sendAck(sk)
  }
  /**
   * RFC 9293 3.4: some of it, or its empty place, lies in the window. Text that goes on beyond it is taken only while
   * nothing else waits to be read; a FIN may lie behind it (tcp_sequence).
   */
  const inSequence = (sk: number, skb: number, flags: number): boolean => {
    const end = i32[skb + CB_END_SEQ]
    if (((end - i32[sk + TP_RCV_WUP]) | 0) < 0) return false
    const edge = (i32[sk + TP_RCV_NXT] + receiveWindow(i32, sk)) | 0
    if (((end - ((flags & TCP_FIN) !== 0 ? 1 : 0) - edge) | 0) <= 0) return true
    return ((i32[skb + CB_SEQ] - edge) | 0) <= 0 && i32[sk + SK_RCVQ_HEAD] === 0
  }
  const rejectSequence = (sk: number, skb: number, flags: number): void => {
    if ((flags & TCP_RST) !== 0) {
      if (isResetAfterFin(sk, skb)) life.reset(sk)
      drop(skb, Drop.TCP_INVALID_SEQUENCE)
      return
    }
    if ((flags & TCP_SYN) !== 0) challengeSyn(sk, skb)
    else if (!transmit.oowRateLimited(sk, skb, Mib.TcpExtTCPACKSkippedSeq)) sendDupack(sk, skb)
    const old = ((i32[skb + CB_END_SEQ] - i32[sk + TP_RCV_WUP]) | 0) < 0
    drop(skb, old ? Drop.TCP_OLD_SEQUENCE : Drop.TCP_INVALID_SEQUENCE)
  }
  const rejectStamp = (sk: number, skb: number, flags: number, order: number): void => {
    if ((flags & TCP_SYN) !== 0) {
      challengeSyn(sk, skb)
      drop(skb, Drop.TCP_INVALID_SYN)
      return
    }
    if (order === ACK_OLD) f64[bank + Mib.TcpExtPAWSOldAck]++
    else {
      f64[bank + Mib.TcpExtPAWSEstab]++
      if (!transmit.oowRateLimited(sk, skb, Mib.TcpExtTCPACKSkippedPAWS)) sendDupack(sk, skb)
    }
    drop(skb, Drop.TCP_RFC7323_PAWS)
  }
  /**
   * Acknowledgements may overtake each other: one without text that says nothing new is let through though its stamp is of
   * a moment ago, and an old one is not worth an answer (tcp_disordered_ack_check).
   */
  const ackOrder = (sk: number, skb: number, flags: number): number => {
    const seq = i32[skb + CB_SEQ]
    if ((flags & TCP_ACK) === 0 || seq !== i32[skb + CB_END_SEQ]) return ACK_NEW
    const behind = (seq - i32[sk + TP_RCV_NXT]) | 0
    if (behind !== 0) return behind < 0 ? ACK_OLD : ACK_NEW
    const th = i32[skb + SKB_TRANSPORT]
    if (tcp.ack(u8, th) !== i32[sk + TP_SND_UNA]) return ACK_NEW
    const wnd = tcp.window(u8, th) << i32[sk + TP_SND_WSCALE]
    if (mayUpdateWindow(i32, sk, seq, wnd)) return ACK_NEW
    const age = (i32[sk + TP_TS_RECENT] - opts[OPT_TSVAL]) | 0
    return age > i32[sk + TP_RTO] * 1.2 ? ACK_NEW : ACK_DISORDERED
  }

  /** What may be the SYN-ACK again is answered as it was the first time (RFC 9768 section 3.2.2.1). */
  const challengeSyn = (sk: number, skb: number): void => {
    f64[bank + Mib.TcpExtTCPSYNChallenge]++
    if (isAccecn(i32[sk + TP_ECN])) {
      i32[sk + TP_SYN_ECT_RCV] =
        deps.afOps(i32[sk + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK]) & ECN_MASK
      if (noteOption(i32, u8, sk, opts)) i32[sk + TP_ACCECN_OPT_DEMAND] = OPT_DEMAND
    }
    sendChallengeAck(sk, accecnThirdAckFlags(i32, sk))
  }

  /** First four checks of 3.10.7.4 with RFC 5961's; false when the segment is gone. */
  const validateIncoming = (sk: number, skb: number, flags: number): boolean => {
    if (
      (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 &&
      (flags & TCP_RST) === 0 &&
      pawsRejects(sk, PAWS_WINDOW)
    ) {
      const order = ackOrder(sk, skb, flags)
      if (order !== ACK_DISORDERED) {
        rejectStamp(sk, skb, flags, order)
        return false
      }
    }
    if (!inSequence(sk, skb, flags)) {
      rejectSequence(sk, skb, flags)
      return false
    }
    if ((flags & TCP_RST) !== 0) {
      if (isExactReset(sk, skb)) life.reset(sk)
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
      challengeSyn(sk, skb)
      drop(skb, Drop.TCP_INVALID_SYN)
      return false
    }
    return true
  }
  /** Some count the FIN that they have sent only when it was acknowledged. */
  const isResetAfterFin = (sk: number, skb: number): boolean => {
    const state = i32[sk + SK_STATE]
    return (
      i32[skb + CB_SEQ] === ((i32[sk + TP_RCV_NXT] - 1) | 0) &&
      (state === TCP_CLOSE_WAIT || state === TCP_LAST_ACK || state === TCP_CLOSING)
    )
  }
  /** RFC 5961 3.2: only the next sequence number resets, be it behind a hole that the peer does not know of. */
  const isExactReset = (sk: number, skb: number): boolean => {
    const seq = i32[skb + CB_SEQ]
    if (seq === i32[sk + TP_RCV_NXT] || isResetAfterFin(sk, skb)) return true
    return i32[sk + TP_NUM_SACKS] !== 0 && seq === highestSacked(i32, sk)
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
