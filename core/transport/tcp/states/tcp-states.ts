/**
 * A segment in any state but ESTABLISHED: the steps of RFC 9293 3.10.7.4, and where the ACK of our SYN or FIN and
 * the peer's FIN lead. tcp-ipv.ts calls it with the socket that it found, tcp-check-req.ts with the one that it made,
 * tcp-data-queue.ts when a FIN has its turn; on the worker. The skb is taken over.
 * Linux: tcp_rcv_state_process, tcp_fin.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_FLAGS,
  SK_SHUTDOWN,
  SK_STATE,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import { ACK_OK, type TcpAck } from '../ack/tcp-ack.ts'
import type { TcpFastopen } from '../fastopen/tcp-fastopen.ts'
import type { TcpHandshake } from './tcp-handshake.ts'
import type { TcpUrg } from '../rcv/tcp-urg.ts'
import type { TcpInput } from '../rcv/tcp-input.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpOfoQueue } from '../rcv/tcp-ofo-queue.ts'
import { scheduleAck } from '../rcv/tcp-quickack.ts'
import type { TcpRcvQueue } from '../rcv/tcp-rcv-queue.ts'
import type { TcpSndCheck } from '../snd/tcp-snd-check.ts'
import {
  FO_PASSIVE,
  TP_FASTOPEN,
  TP_LINGER2,
  TP_PINGPONG,
  TP_RCV_NXT,
  TP_SND_UNA,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import { SOCK_DONE } from '../sock/sock-flags.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import { TCP_TIMEWAIT_LEN } from '../sock/tcp-constants.ts'
import { finTime } from '../timer/tcp-sock-times.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpValidate } from '../rcv/tcp-validate.ts'
import type { TcpReply } from '../snd/tcp-reply.ts'
import type { TcpChallenge } from '../snd/tcp-challenge.ts'

export type TcpStates = ReturnType<typeof createTcpStates>
type TcpStatesDeps = {
  arena: Arena
  bank: number
  drop: DropFn
  consume: ConsumeFn
  timers: TcpTimers
  transmit: TcpTransmit
  ack: TcpAck
  rcvQueue: Pick<TcpRcvQueue, 'purge'>
  ofoQueue: Pick<TcpOfoQueue, 'purgeOfo'>
  life: TcpLifecycle
  paws: TcpPaws
  validate: TcpValidate
  handshake: TcpHandshake
  tcpInput: TcpInput
  urg: Pick<TcpUrg, 'urgent'>
  sndCheck: TcpSndCheck
  fastopen: TcpFastopen
} & Pick<TcpReply, 'sendReset'> &
  Pick<TcpChallenge, 'sendChallengeAck'>

export const createTcpStates = (deps: TcpStatesDeps) => {
  const { bank, drop, consume, timers, transmit, rcvQueue, ofoQueue, life } = deps
  const { sendReset, sendChallengeAck, fastopen } = deps
  const { tcpAck } = deps.ack
  const { raise, setState } = life
  const { options: opts, parseAgreed, parseOptions } = deps.paws
  const { validateIncoming } = deps.validate
  const { synSent, handshakeDone } = deps.handshake
  const { takeText } = deps.tcpInput
  const { urgent } = deps.urg
  const { dataSndCheck, ackSndCheck } = deps.sndCheck
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout

  /** Every state but ESTABLISHED, TIME_WAIT and those of a listener. */
  const rcvStateProcess = (sk: number, skb: number): void => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_CLOSE) {
      drop(skb, Drop.TCP_CLOSE)
      return
    }
    if (state === TCP_SYN_SENT) {
      parseOptions(skb)
      synSent(sk, skb)
      return
    }
    parseAgreed(sk, skb)
    if ((i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0 && !fastopen.check(sk, skb)) return
    const flags = i32[skb + CB_FLAGS]
    if ((flags & (TCP_ACK | TCP_RST | TCP_SYN)) === 0) {
      drop(skb, Drop.TCP_FLAGS)
      return
    }
    if (!validateIncoming(sk, skb, flags)) return
    if (!ackInState(sk, skb)) return
    textInState(sk, skb)
  }
  /** The ACK field and what it does to the state. False when the segment is gone. */
  const ackInState = (sk: number, skb: number): boolean => {
    const th = i32[skb + SKB_TRANSPORT]
    const seq = i32[skb + CB_SEQ]
    const state = i32[sk + SK_STATE]
    if ((i32[skb + CB_FLAGS] & TCP_ACK) === 0) {
      drop(skb, Drop.TCP_FLAGS)
      return false
    }
    const len = (i32[skb + CB_END_SEQ] - seq) | 0
    const result = tcpAck(sk, skb, opts, seq, tcp.ack(u8, th), len)
    if (result !== ACK_OK && (result < 0 || state === TCP_SYN_RECV)) {
      if (state === TCP_SYN_RECV) sendReset(skb)
      else if (result === -2) sendChallengeAck(sk)
      drop(skb, Drop.TCP_OLD_ACK)
      return false
    }
    if (state === TCP_FIN_WAIT1 && (i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0) fastopen.done(sk)
    if (state === TCP_SYN_RECV) handshakeDone(sk, skb)
    else if (i32[sk + TP_SND_UNA] === i32[sk + TP_WRITE_SEQ]) return finAcked(sk, skb, state)
    return true
  }
  /** Everything up to our FIN is acknowledged. */
  const finAcked = (sk: number, skb: number, state: number): boolean => {
    if (state === TCP_FIN_WAIT1) return enterFinWait2(sk, skb)
    if (state === TCP_CLOSING) {
      life.timeWait(sk, TCP_TIME_WAIT, TCP_TIMEWAIT_LEN)
      raise(sk, SK_EVENT_HUP)
      consume(skb)
      return false
    }
    if (state === TCP_LAST_ACK) {
      life.done(sk)
      consume(skb)
      return false
    }
    return true
  }
  const enterFinWait2 = (sk: number, skb: number): boolean => {
    setState(sk, TCP_FIN_WAIT2)
    i32[sk + SK_SHUTDOWN] |= SEND_SHUTDOWN
    if (!life.isDead(sk)) {
      raise(sk, SK_EVENT_WRITE)
      return true
    }
    const flags = i32[skb + CB_FLAGS]
    if (i32[sk + TP_LINGER2] < 0 || hasNewText(sk, skb, flags)) {
      // nobody is there to read it
      f64[bank + Mib.TcpExtTCPAbortOnData]++
      sendReset(skb)
      life.done(sk)
      drop(skb, Drop.TCP_ABORT_ON_DATA)
      return false
    }
    const wait = finTime(i32, sysctl, sk)
    if (wait > TCP_TIMEWAIT_LEN) timers.resetKeepaliveTimer(sk, wait - TCP_TIMEWAIT_LEN)
    else if ((flags & TCP_FIN) !== 0) timers.resetKeepaliveTimer(sk, wait)
    else {
      life.timeWait(sk, TCP_FIN_WAIT2, wait)
      consume(skb)
      return false
    }
    return true
  }
  /** Text beyond what was received, a payload byte at least. */
  const hasNewText = (sk: number, skb: number, flags: number): boolean => {
    const end = (i32[skb + CB_END_SEQ] - ((flags & TCP_FIN) !== 0 ? 1 : 0)) | 0
    return i32[skb + CB_END_SEQ] !== i32[skb + CB_SEQ] && ((end - i32[sk + TP_RCV_NXT]) | 0) > 0
  }
  /** Sixth, the urgent pointer, in every state, as Linux has it; seventh, the text. */
  const textInState = (sk: number, skb: number): void => {
    urgent(sk, skb)
    const state = i32[sk + SK_STATE]
    const flags = i32[skb + CB_FLAGS]
    const closing = state === TCP_CLOSE_WAIT || state === TCP_CLOSING || state === TCP_LAST_ACK
    if (closing && ((i32[skb + CB_SEQ] - i32[sk + TP_RCV_NXT]) | 0) >= 0) consume(skb)
    else if (
      state !== TCP_ESTABLISHED &&
      (i32[sk + SK_SHUTDOWN] & RCV_SHUTDOWN) !== 0 &&
      hasNewText(sk, skb, flags)
    ) {
      // text after close: the peer must learn that it is lost (RFC 9293 3.6.1)
      f64[bank + Mib.TcpExtTCPAbortOnData]++
      sendReset(skb)
      life.reset(sk)
      drop(skb, Drop.TCP_ABORT_ON_DATA)
      return
    } else takeText(sk, skb)
    const after = i32[sk + SK_STATE]
    if (after === TCP_CLOSE || after === TCP_TIME_WAIT) return
    dataSndCheck(sk)
    ackSndCheck(sk)
  }

  /** The peer's FIN in its turn (RFC 9293 3.10.7.4, eighth). */
  const fin = (sk: number): void => {
    scheduleAck(i32, sk)
    i32[sk + SK_SHUTDOWN] |= RCV_SHUTDOWN
    i32[sk + SK_FLAGS] |= SOCK_DONE
    switch (i32[sk + SK_STATE]) {
      case TCP_SYN_RECV:
      case TCP_ESTABLISHED:
        setState(sk, TCP_CLOSE_WAIT)
        i32[sk + TP_PINGPONG] = 1
        break
      case TCP_FIN_WAIT1:
        // simultaneous close
        transmit.sendAck(sk)
        setState(sk, TCP_CLOSING)
        break
      case TCP_FIN_WAIT2:
        transmit.sendAck(sk)
        life.timeWait(sk, TCP_TIME_WAIT, TCP_TIMEWAIT_LEN)
        break
      default:
        break
    }
    // the FIN itself lies in the queue of a socket that nobody will read
    if (life.isDead(sk)) rcvQueue.purge(sk)
    else ofoQueue.purgeOfo(sk)
    raise(sk, SK_EVENT_READ | SK_EVENT_HUP)
  }

  return { rcvStateProcess, fin }
}
