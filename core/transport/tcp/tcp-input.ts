/**
 * A segment for a connection: header prediction for the common case, else the steps of RFC 9293 3.10.7.4 in their
 * order (timestamps, sequence, RST, SYN, ACK, text, FIN), the SYN_SENT state (3.10.7.3) and the end of the
 * handshake. tcp-ipv.ts calls it with the socket that it found, on the worker; the skb is taken over.
 * Linux: tcp_rcv_established, tcp_validate_incoming, tcp_rcv_state_process; RFC 7323, RFC 5961.
 */
import type { Time } from '../../base/time.ts'
import { TIME_MS, TIME_US } from '../../base/time.ts'
import type { Arena } from '../../shm/arena.ts'
import { Mib } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { Drop, type DropFn } from '../../skb/drop.ts'
import { SKB_LEN, SKB_TRANSPORT, type Skbs } from '../../skb/skb.ts'
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SK_EVENT_CONNECT,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_FLAGS,
  SK_SHUTDOWN,
  SK_SNDBUF,
  SK_STATE,
  SK_WMEM,
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
} from '../../socket/sock.ts'
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN } from '../../wire/tcp.ts'
import * as tcp from '../../wire/tcp.ts'
import {
  OPT_MSS,
  OPT_SEEN,
  OPT_TSECR,
  OPT_TSVAL,
  OPT_WORDS,
  OPT_WSCALE as PARSED_WSCALE,
  parse,
  SEEN_MSS,
  SEEN_SACK_PERM,
  SEEN_TIMESTAMPS,
  SEEN_WSCALE,
} from '../../wire/tcp-options.ts'
import { ACK_OK, type TcpAck } from './tcp-ack.ts'
import { initCongestion } from './tcp-cong.ts'
import type { TcpLifecycle } from './tcp-lifecycle.ts'
import type { TcpMem } from './tcp-mem.ts'
import type { TcpMss } from './tcp-mss.ts'
import type { TcpOutput } from './tcp-output.ts'
import type { TcpRcvQueue } from './tcp-rcv-queue.ts'
import { dsackSet } from './tcp-sack.ts'
import {
  ACK_NOW,
  ACK_SCHED,
  ACK_TIMER,
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  packetsInFlight,
  receiveWindow,
  SOCK_DONE,
  SOCK_KEEPOPEN,
  SOCK_NOSPACE,
  SOCK_SNDBUF_LOCK,
  TCP_DELACK_MAX,
  TCP_DELACK_MIN,
  TCP_FASTRETRANS_THRESH,
  TCP_MAX_QUICKACKS,
  TCP_MSS_DEFAULT,
  TCP_PAWS_24DAYS,
  TCP_TIMEWAIT_LEN,
  TP_ACK_PENDING,
  TP_ADVMSS,
  TP_ATO,
  TP_COPIED_SEQ,
  TP_DATA_SEGS_IN,
  TP_DELACK_TIMEOUT,
  TP_HEADER_LEN,
  TP_KEEPALIVE_TIME,
  TP_LAST_OOW_ACK,
  TP_LINGER2,
  TP_LSNDTIME,
  TP_MAX_WINDOW,
  TP_MSS_CLAMP,
  TP_OFO_HEAD,
  TP_OOW_ACKED,
  TP_OPTS,
  TP_PINGPONG,
  TP_PUSHED_SEQ,
  TP_QUICK,
  TP_RCV_ISN,
  TP_RCV_MSS,
  TP_RCV_NXT,
  TP_RCV_WND,
  TP_RCV_WSCALE,
  TP_RCV_WUP,
  TP_REORDERING,
  TP_RETRANS_STAMP,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_SND_WL1,
  TP_SND_WND,
  TP_SND_WSCALE,
  TP_SRTT_US,
  TP_TS_OFFSET,
  TP_TS_RECENT,
  TP_TS_RECENT_STAMP,
  TP_WINDOW_CLAMP,
  TP_WQ_HEAD,
  TP_WRITE_SEQ,
} from './tcp-sock.ts'
import type { TcpTimers } from './tcp-timers.ts'
import type { TcpTransmit } from './tcp-transmit.ts'
import type { TcpWindow } from './tcp-window.ts'

export type TcpInput = ReturnType<typeof createTcpInput>
export type TcpInputDeps = {
  arena: Arena
  bank: number
  time: Time
  skbs: Skbs
  drop: DropFn
  consume: (skb: number) => void
  mem: TcpMem
  mss: TcpMss
  window: TcpWindow
  timers: TcpTimers
  transmit: TcpTransmit
  output: TcpOutput
  ack: TcpAck
  queue: TcpRcvQueue
  life: TcpLifecycle
  /** Answers a segment with a RST; the skb stays the caller's. */
  sendReset: (skb: number) => void
  sendChallengeAck: (sk: number) => void
}

export const createTcpInput = (deps: TcpInputDeps) => {
  const {
    bank,
    time,
    skbs,
    drop,
    consume,
    mem,
    mss,
    window,
    timers,
    transmit,
    output,
    queue,
    life,
  } = deps
  const { sendReset, sendChallengeAck } = deps
  const { tcpAck } = deps.ack
  const { raise, setState } = life
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout
  const opts = new Int32Array(OPT_WORDS)

  const seconds = (): number => (time[TIME_MS]! / 1000) | 0

  // Acknowledging.
  const sendDelayedAck = (sk: number): void => {
    const now = time[TIME_MS]!
    let ato = i32[sk + TP_ATO]!
    if (ato > TCP_DELACK_MIN) {
      let most = i32[sk + TP_PINGPONG] !== 0 ? TCP_DELACK_MAX : 500
      const srtt = i32[sk + TP_SRTT_US]!
      if (srtt !== 0) most = Math.min(most, Math.max((srtt / 8000) | 0, TCP_DELACK_MIN))
      ato = Math.min(ato, most)
    }
    let deadline = (now + Math.min(ato, TCP_DELACK_MAX)) | 0
    if ((i32[sk + TP_ACK_PENDING]! & ACK_TIMER) !== 0) {
      const old = i32[sk + TP_DELACK_TIMEOUT]!
      if (((old - now - (ato >> 2)) | 0) <= 0) {
        transmit.sendAck(sk)
        return
      }
      if (((deadline - old) | 0) > 0) deadline = old
    }
    timers.resetDelackTimer(sk, deadline)
  }
  /** RFC 9293 3.8.6.3: every second full segment at once, else within a fraction of a second. */
  const ackSndCheck = (sk: number): void => {
    const pending = i32[sk + TP_ACK_PENDING]!
    if ((pending & ACK_SCHED) === 0) return
    const unacked = (i32[sk + TP_RCV_NXT]! - i32[sk + TP_RCV_WUP]!) | 0
    if (
      (unacked > i32[sk + TP_RCV_MSS]! && window.wantedWindow(sk) >= i32[sk + TP_RCV_WND]!) ||
      (i32[sk + TP_QUICK] !== 0 && i32[sk + TP_PINGPONG] === 0) ||
      (pending & ACK_NOW) !== 0 ||
      i32[sk + TP_OFO_HEAD] !== 0
    )
      transmit.sendAck(sk)
    else sendDelayedAck(sk)
  }
  /** After an acknowledgement: sends what may go now, and tells a writer of room. */
  const dataSndCheck = (sk: number): void => {
    if (i32[sk + TP_SEND_HEAD] !== 0) output.pushPendingFrames(sk)
    if ((i32[sk + SK_FLAGS]! & SOCK_NOSPACE) !== 0) checkSpace(sk)
  }
  const checkSpace = (sk: number): void => {
    const locked = (i32[sk + SK_FLAGS]! & SOCK_SNDBUF_LOCK) !== 0
    if (!locked && packetsInFlight(i32, sk) < i32[sk + TP_SND_CWND]!) expandSndbuf(sk)
    const room = i32[sk + SK_SNDBUF]! - i32[sk + SK_WMEM]!
    if (room < i32[sk + SK_WMEM]! >> 1) return
    i32[sk + SK_FLAGS]! &= ~SOCK_NOSPACE
    raise(sk, SK_EVENT_WRITE)
  }
  const expandSndbuf = (sk: number): void => {
    const wanted = Math.min(output.sndbufWanted(sk, mss.currentMss(sk)), mem.maxSndbuf())
    if (wanted > i32[sk + SK_SNDBUF]!) i32[sk + SK_SNDBUF] = wanted
  }

  // Timestamps.
  const pawsRejects = (sk: number): boolean => {
    const recent = i32[sk + TP_TS_RECENT]!
    if (((recent - opts[OPT_TSVAL]!) | 0) <= 0) return false
    return recent !== 0 && ((seconds() - i32[sk + TP_TS_RECENT_STAMP]!) | 0) < TCP_PAWS_24DAYS
  }
  const storeTsRecent = (sk: number): void => {
    i32[sk + TP_TS_RECENT] = opts[OPT_TSVAL]!
    i32[sk + TP_TS_RECENT_STAMP] = seconds()
  }
  /** RFC 7323 4.3: from segments that are at or below the last acknowledgement sent. */
  const replaceTsRecent = (sk: number, seq: number): void => {
    if ((opts[OPT_SEEN]! & SEEN_TIMESTAMPS) === 0) return
    if (((seq - i32[sk + TP_RCV_WUP]!) | 0) <= 0 && !pawsRejects(sk)) storeTsRecent(sk)
  }
  const parseOptions = (skb: number): void => {
    const th = i32[skb + SKB_TRANSPORT]!
    parse(u8, th + tcp.MIN_HEADER, tcp.optionsLen(u8, th), opts)
  }
  const measureRcvRtt = (sk: number, skb: number): void => {
    if ((opts[OPT_SEEN]! & SEEN_TIMESTAMPS) === 0 || opts[OPT_TSECR] === 0) return
    const elapsed = (transmit.tsval(sk) - opts[OPT_TSECR]!) | 0
    window.rcvRttMeasureTs(sk, skb, opts[OPT_TSECR]!, elapsed)
  }

  // Checks that come before the ACK field.
  const sendDupack = (sk: number, skb: number): void => {
    const seq = i32[skb + CB_SEQ]!
    const end = i32[skb + CB_END_SEQ]!
    const next = i32[sk + TP_RCV_NXT]!
    if (seq !== end && ((seq - next) | 0) < 0) {
      f64[bank + Mib.TcpExtDelayedACKLost]!++
      queue.enterQuickack(sk, TCP_MAX_QUICKACKS)
      dsackSet(i32, sysctl, sk, seq, ((end - next) | 0) > 0 ? next : end)
    }
    transmit.sendAck(sk)
  }
  const mayAnswer = (sk: number, mib: number): boolean =>
    !transmit.oowRateLimited(sk, TP_LAST_OOW_ACK, TP_OOW_ACKED, mib)
  /** RFC 9293 3.4: some of it, or its empty place, lies in the window. */
  const inSequence = (sk: number, skb: number): boolean => {
    const next = i32[sk + TP_RCV_NXT]!
    return (
      ((i32[skb + CB_END_SEQ]! - i32[sk + TP_RCV_WUP]!) | 0) >= 0 &&
      ((i32[skb + CB_SEQ]! - next - receiveWindow(i32, sk)) | 0) <= 0
    )
  }
  const rejectSequence = (sk: number, skb: number, flags: number): void => {
    if ((flags & TCP_RST) !== 0) {
      drop(skb, Drop.TCP_INVALID_SEQUENCE)
      return
    }
    if ((flags & TCP_SYN) !== 0) challengeSyn(sk)
    else if (mayAnswer(sk, Mib.TcpExtTCPACKSkippedSeq)) sendDupack(sk, skb)
    const old = ((i32[skb + CB_END_SEQ]! - i32[sk + TP_RCV_WUP]!) | 0) < 0
    drop(skb, old ? Drop.TCP_OLD_SEQUENCE : Drop.TCP_INVALID_SEQUENCE)
  }
  const challengeSyn = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPSYNChallenge]!++
    sendChallengeAck(sk)
  }
  /** First four checks of 3.10.7.4 with RFC 5961's; false when the segment is gone. */
  const validateIncoming = (sk: number, skb: number, flags: number): boolean => {
    if ((opts[OPT_SEEN]! & SEEN_TIMESTAMPS) !== 0 && (flags & TCP_RST) === 0 && pawsRejects(sk)) {
      f64[bank + Mib.TcpExtPAWSEstab]!++
      if (mayAnswer(sk, Mib.TcpExtTCPACKSkippedPAWS)) sendDupack(sk, skb)
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
      else sendChallengeAck(sk)
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
    ((i32[skb + CB_SEQ]! + 1) | 0) === i32[skb + CB_END_SEQ] &&
    i32[skb + CB_END_SEQ] === i32[sk + TP_RCV_NXT] &&
    tcp.ack(u8, i32[skb + SKB_TRANSPORT]!) === i32[sk + TP_SND_NXT]

  /** The peer's FIN in its turn (RFC 9293 3.10.7.4, eighth). */
  const fin = (sk: number): void => {
    queue.scheduleAck(sk)
    i32[sk + SK_SHUTDOWN]! |= RCV_SHUTDOWN
    i32[sk + SK_FLAGS]! |= SOCK_DONE
    queue.purgeOfo(sk)
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
    raise(sk, SK_EVENT_READ | SK_EVENT_HUP)
  }

  /** ESTABLISHED: header prediction (Jacobson): in order, nothing but ACK and text, options as expected. */
  const tcpRcvEstablished = (sk: number, skb: number): void => {
    const th = i32[skb + SKB_TRANSPORT]!
    const headerLen = i32[sk + TP_HEADER_LEN]!
    const seq = i32[skb + CB_SEQ]!
    const ack = tcp.ack(u8, th)
    if (
      (i32[skb + CB_FLAGS]! & ~TCP_PSH) !== TCP_ACK ||
      tcp.headerLen(u8, th) !== headerLen ||
      seq !== i32[sk + TP_RCV_NXT] ||
      i32[sk + TP_OFO_HEAD] !== 0 ||
      ((ack - i32[sk + TP_SND_NXT]!) | 0) > 0
    ) {
      slowPath(sk, skb)
      return
    }
    parse(u8, th + tcp.MIN_HEADER, headerLen - tcp.MIN_HEADER, opts)
    const len = i32[skb + SKB_LEN]! - headerLen
    if (headerLen !== tcp.MIN_HEADER) {
      if (
        opts[OPT_SEEN] !== SEEN_TIMESTAMPS ||
        ((opts[OPT_TSVAL]! - i32[sk + TP_TS_RECENT]!) | 0) < 0
      ) {
        slowPath(sk, skb)
        return
      }
      if (seq === i32[sk + TP_RCV_WUP]) storeTsRecent(sk)
    }
    if (len === 0) fastAck(sk, skb, seq, ack)
    else if (len <= receiveWindow(i32, sk)) fastData(sk, skb, seq, ack, headerLen, len)
    else slowPath(sk, skb)
  }
  const fastAck = (sk: number, skb: number, seq: number, ack: number): void => {
    f64[bank + (ack !== i32[sk + TP_SND_UNA] ? Mib.TcpExtTCPHPAcks : Mib.TcpExtTCPPureAcks)]!++
    if (tcpAck(sk, skb, opts, seq, ack, 0) < 0) {
      drop(skb, Drop.TCP_TOO_OLD_ACK)
      return
    }
    consume(skb)
    dataSndCheck(sk)
  }
  const fastData = (
    sk: number,
    skb: number,
    seq: number,
    ack: number,
    headerLen: number,
    len: number
  ): void => {
    if (!queue.mayHold(sk, skb)) {
      slowPath(sk, skb)
      return
    }
    f64[bank + Mib.TcpExtTCPHPHits]!++
    i32[sk + TP_DATA_SEGS_IN]!++
    // the window update and the acknowledgement before the text: the skb may be gone after it
    if (tcpAck(sk, skb, opts, seq, ack, len) < 0) {
      drop(skb, Drop.TCP_TOO_OLD_ACK)
      return
    }
    skbs.pull(skb, headerLen)
    measureRcvRtt(sk, skb)
    queue.eventDataRecv(sk, skb)
    queue.queueRcv(sk, skb)
    raise(sk, SK_EVENT_READ)
    dataSndCheck(sk)
    ackSndCheck(sk)
  }

  /** Everything that is not predicted, in ESTABLISHED. */
  const slowPath = (sk: number, skb: number): void => {
    const flags = i32[skb + CB_FLAGS]!
    parseOptions(skb)
    if ((flags & (TCP_ACK | TCP_RST | TCP_SYN)) === 0) {
      drop(skb, Drop.TCP_FLAGS)
      return
    }
    if (!validateIncoming(sk, skb, flags)) return
    if (!processAck(sk, skb)) return
    takeText(sk, skb)
    dataSndCheck(sk)
    ackSndCheck(sk)
  }
  /** Fifth check: the ACK field. False when the segment is gone. */
  const processAck = (sk: number, skb: number): boolean => {
    const th = i32[skb + SKB_TRANSPORT]!
    const seq = i32[skb + CB_SEQ]!
    if ((i32[skb + CB_FLAGS]! & TCP_ACK) === 0) {
      drop(skb, Drop.TCP_FLAGS)
      return false
    }
    const len = (i32[skb + CB_END_SEQ]! - seq) | 0
    if (len === 0) f64[bank + Mib.TcpExtTCPPureAcks]!++
    replaceTsRecent(sk, seq)
    const result = tcpAck(sk, skb, opts, seq, tcp.ack(u8, th), len)
    if (result >= 0) return true
    if (result === -2) sendChallengeAck(sk)
    drop(skb, result === -2 ? Drop.TCP_ACK_UNSENT_DATA : Drop.TCP_TOO_OLD_ACK)
    return false
  }
  /** Seventh: the text, without its header. */
  const takeText = (sk: number, skb: number): void => {
    skbs.pull(skb, tcp.headerLen(u8, i32[skb + SKB_TRANSPORT]!))
    if (i32[skb + SKB_LEN] !== 0) {
      i32[sk + TP_DATA_SEGS_IN]!++
      measureRcvRtt(sk, skb)
    }
    queue.dataQueue(sk, skb)
  }

  /** States after ESTABLISHED, and SYN_RECV. */
  const rcvStateProcess = (sk: number, skb: number): void => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_CLOSE) {
      drop(skb, Drop.TCP_CLOSE)
      return
    }
    parseOptions(skb)
    if (state === TCP_SYN_SENT) {
      synSent(sk, skb)
      return
    }
    const flags = i32[skb + CB_FLAGS]!
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
    const th = i32[skb + SKB_TRANSPORT]!
    const seq = i32[skb + CB_SEQ]!
    const state = i32[sk + SK_STATE]!
    if ((i32[skb + CB_FLAGS]! & TCP_ACK) === 0) {
      drop(skb, Drop.TCP_FLAGS)
      return false
    }
    const len = (i32[skb + CB_END_SEQ]! - seq) | 0
    replaceTsRecent(sk, seq)
    const result = tcpAck(sk, skb, opts, seq, tcp.ack(u8, th), len)
    if (result !== ACK_OK && (result < 0 || state === TCP_SYN_RECV)) {
      if (state === TCP_SYN_RECV && result < 0) sendReset(skb)
      else if (result === -2) sendChallengeAck(sk)
      drop(skb, Drop.TCP_OLD_ACK)
      return false
    }
    if (state === TCP_SYN_RECV) handshakeDone(sk, th)
    else if (i32[sk + TP_SND_UNA] === i32[sk + TP_WRITE_SEQ]) return finAcked(sk, skb, state)
    return true
  }
  /** Everything up to our FIN is acknowledged. */
  const finAcked = (sk: number, skb: number, state: number): boolean => {
    if (state === TCP_FIN_WAIT1) return enterFinWait2(sk, skb)
    if (state === TCP_CLOSING) {
      life.timeWait(sk, TCP_TIME_WAIT, TCP_TIMEWAIT_LEN)
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
    i32[sk + SK_SHUTDOWN]! |= SEND_SHUTDOWN
    if (!life.isDead(sk)) {
      raise(sk, SK_EVENT_WRITE)
      return true
    }
    const flags = i32[skb + CB_FLAGS]!
    if (i32[sk + TP_LINGER2]! < 0 || hasNewText(sk, skb, flags)) {
      // nobody is there to read it
      f64[bank + Mib.TcpExtTCPAbortOnData]!++
      sendReset(skb)
      life.done(sk)
      drop(skb, Drop.TCP_ABORT_ON_DATA)
      return false
    }
    const wait = finTime(sk)
    if (wait > TCP_TIMEWAIT_LEN) timers.resetKeepaliveTimer(sk, wait - TCP_TIMEWAIT_LEN)
    else if ((flags & TCP_FIN) !== 0) timers.resetKeepaliveTimer(sk, wait)
    else {
      life.timeWait(sk, TCP_FIN_WAIT2, wait)
      consume(skb)
      return false
    }
    return true
  }
  /** How long FIN_WAIT2 may last without an application, ms. */
  const finTime = (sk: number): number => {
    const own = i32[sk + TP_LINGER2]!
    return (own > 0 ? own : i32[sysctl + Sysctl.tcp_fin_timeout]!) * 1000
  }
  /** Text beyond what was received, a payload byte at least. */
  const hasNewText = (sk: number, skb: number, flags: number): boolean => {
    const end = (i32[skb + CB_END_SEQ]! - ((flags & TCP_FIN) !== 0 ? 1 : 0)) | 0
    return i32[skb + CB_END_SEQ] !== i32[skb + CB_SEQ] && ((end - i32[sk + TP_RCV_NXT]!) | 0) > 0
  }
  const textInState = (sk: number, skb: number): void => {
    const state = i32[sk + SK_STATE]
    const flags = i32[skb + CB_FLAGS]!
    const closing = state === TCP_CLOSE_WAIT || state === TCP_CLOSING || state === TCP_LAST_ACK
    if (closing && ((i32[skb + CB_SEQ]! - i32[sk + TP_RCV_NXT]!) | 0) >= 0) consume(skb)
    else if (
      state !== TCP_ESTABLISHED &&
      (i32[sk + SK_SHUTDOWN]! & RCV_SHUTDOWN) !== 0 &&
      hasNewText(sk, skb, flags)
    ) {
      // text after close: the peer must learn that it is lost (RFC 9293 3.6.1)
      f64[bank + Mib.TcpExtTCPAbortOnData]!++
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

  /** A connection begins: buffers, windows and congestion control as of now. */
  const initTransfer = (sk: number): void => {
    mss.syncMss(sk)
    window.initBufferSpace(sk)
    initCongestion(i32, sk)
    i32[sk + TP_REORDERING] = TCP_FASTRETRANS_THRESH
    i32[sk + TP_PUSHED_SEQ] = i32[sk + TP_WRITE_SEQ]!
    i32[sk + TP_LSNDTIME] = time[TIME_MS]!
    if ((i32[sk + SK_FLAGS]! & SOCK_SNDBUF_LOCK) === 0) expandSndbuf(sk)
    if ((i32[sk + SK_FLAGS]! & SOCK_KEEPOPEN) !== 0)
      timers.resetKeepaliveTimer(sk, keepaliveTime(sk))
  }
  const keepaliveTime = (sk: number): number => {
    const own = i32[sk + TP_KEEPALIVE_TIME]!
    return (own > 0 ? own : i32[sysctl + Sysctl.tcp_keepalive_time]!) * 1000
  }
  /** SYN_RECV: our SYN is acknowledged. */
  const handshakeDone = (sk: number, th: number): void => {
    i32[sk + TP_SND_UNA] = tcp.ack(u8, th)
    i32[sk + TP_SND_WND] = tcp.window(u8, th) << i32[sk + TP_SND_WSCALE]!
    i32[sk + TP_MAX_WINDOW] = Math.max(i32[sk + TP_MAX_WINDOW]!, i32[sk + TP_SND_WND]!)
    initTransfer(sk)
    setState(sk, TCP_ESTABLISHED)
    raise(sk, SK_EVENT_CONNECT | SK_EVENT_WRITE)
  }

  // SYN_SENT (RFC 9293 3.10.7.3).
  const synSent = (sk: number, skb: number): void => {
    const th = i32[skb + SKB_TRANSPORT]!
    const flags = i32[skb + CB_FLAGS]!
    if ((flags & TCP_ACK) !== 0) {
      const ack = tcp.ack(u8, th)
      const stale =
        ((ack - i32[sk + TP_SND_UNA]!) | 0) <= 0 || ((ack - i32[sk + TP_SND_NXT]!) | 0) > 0
      if (stale || echoesForeignStamp(sk)) {
        if ((flags & TCP_RST) === 0) sendReset(skb)
        drop(skb, Drop.TCP_INVALID_SEQUENCE)
        return
      }
      if ((flags & TCP_RST) !== 0) {
        life.reset(sk)
        drop(skb, Drop.TCP_RESET)
        return
      }
      if ((flags & TCP_SYN) === 0) {
        drop(skb, Drop.TCP_FLAGS)
        return
      }
      synAckReceived(sk, skb, ack)
      return
    }
    if ((flags & TCP_RST) !== 0 || (flags & TCP_SYN) === 0) drop(skb, Drop.TCP_FLAGS)
    else crossedSyn(sk, skb)
  }
  const echoesForeignStamp = (sk: number): boolean => {
    if ((opts[OPT_SEEN]! & SEEN_TIMESTAMPS) === 0 || opts[OPT_TSECR] === 0) return false
    const stamp = i32[sk + TP_RETRANS_STAMP]!
    if (stamp === 0) return false
    const echo = (opts[OPT_TSECR]! - i32[sk + TP_TS_OFFSET]!) | 0
    if (((echo - stamp) | 0) >= 0 && ((time[TIME_MS]! - echo) | 0) >= 0) return false
    f64[bank + Mib.TcpExtPAWSActive]!++
    return true
  }
  /** What a SYN says of options: the lesser of both sides. */
  const takeSynOptions = (sk: number, skb: number): void => {
    const seen = opts[OPT_SEEN]!
    const seq = i32[skb + CB_SEQ]!
    i32[sk + TP_RCV_ISN] = seq
    i32[sk + TP_RCV_NXT] = (seq + 1) | 0
    i32[sk + TP_RCV_WUP] = (seq + 1) | 0
    i32[sk + TP_COPIED_SEQ] = (seq + 1) | 0
    i32[sk + TP_SND_WL1] = seq
    i32[sk + TP_SND_WND] = tcp.window(u8, i32[skb + SKB_TRANSPORT]!)
    i32[sk + TP_MAX_WINDOW] = i32[sk + TP_SND_WND]!
    i32[sk + TP_MSS_CLAMP] =
      (seen & SEEN_MSS) !== 0 && opts[OPT_MSS] !== 0 ? opts[OPT_MSS]! : TCP_MSS_DEFAULT
    if ((seen & SEEN_SACK_PERM) === 0) i32[sk + TP_OPTS]! &= ~OPT_SACK
    if ((seen & SEEN_WSCALE) !== 0 && (i32[sk + TP_OPTS]! & OPT_WSCALE) !== 0)
      i32[sk + TP_SND_WSCALE] = opts[PARSED_WSCALE]!
    else {
      i32[sk + TP_OPTS]! &= ~OPT_WSCALE
      i32[sk + TP_SND_WSCALE] = 0
      i32[sk + TP_RCV_WSCALE] = 0
      i32[sk + TP_WINDOW_CLAMP] = Math.min(i32[sk + TP_WINDOW_CLAMP]!, 65535)
    }
    if ((seen & SEEN_TIMESTAMPS) !== 0 && (i32[sk + TP_OPTS]! & OPT_TIMESTAMPS) !== 0) {
      i32[sk + TP_HEADER_LEN] = tcp.MIN_HEADER + 12
      i32[sk + TP_ADVMSS]! -= 12
      storeTsRecent(sk)
    } else {
      i32[sk + TP_OPTS]! &= ~OPT_TIMESTAMPS
      i32[sk + TP_HEADER_LEN] = tcp.MIN_HEADER
    }
  }
  const synAckReceived = (sk: number, skb: number, ack: number): void => {
    takeSynOptions(sk, skb)
    tcpAck(sk, skb, opts, i32[skb + CB_SEQ]!, ack, 0)
    i32[sk + TP_RETRANS_STAMP] = 0
    initTransfer(sk)
    setState(sk, TCP_ESTABLISHED)
    raise(sk, SK_EVENT_CONNECT | SK_EVENT_WRITE)
    consume(skb)
    i32[sk + TP_QUICK] = TCP_MAX_QUICKACKS
    transmit.sendAck(sk)
  }
  /** Simultaneous open: our SYN, sent before, is now a SYN-ACK. */
  const crossedSyn = (sk: number, skb: number): void => {
    takeSynOptions(sk, skb)
    setState(sk, TCP_SYN_RECV)
    mss.syncMss(sk)
    const syn = i32[sk + TP_WQ_HEAD]!
    consume(skb)
    if (syn === 0) return
    i32[syn + CB_FLAGS]! |= TCP_ACK
    transmit.transmitClone(sk, syn)
  }

  return {
    tcpRcvEstablished,
    rcvStateProcess,
    fin,
    dataSndCheck,
    ackSndCheck,
    finTime,
    keepaliveTime,
    expandSndbuf,
    options: opts,
    parseOptions,
    pawsRejects,
    storeTsRecent,
    nowUs: () => time[TIME_US]!,
    initTransfer,
  }
}
