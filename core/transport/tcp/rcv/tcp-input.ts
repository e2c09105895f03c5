/**
 * A segment in ESTABLISHED: header prediction for the common case, else the steps of RFC 9293 3.10.7.4 in their
 * order (tcp-validate.ts, then ACK, then text). tcp-ipv.ts calls it with the socket that it found, on the worker;
 * the skb is taken over. Other states: tcp-states.ts. Linux: tcp_rcv_established.
 */
import { i32 as getI32 } from '../../../base/bytes.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_GSO_SEGS, SKB_LEN, SKB_TRANSPORT } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { SK_FLAGS } from '../../../socket/sock.ts'
import { TCP_ACK, TCP_PSH, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  ALIGNED_TIMESTAMPS,
  OPT_SEEN,
  OPT_TSECR,
  OPT_TSVAL,
  parse,
  SEEN_TIMESTAMPS,
} from '../../../wire/tcp-options.ts'
import type { TcpAck } from '../ack/tcp-ack.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpPaws } from './tcp-paws.ts'
import type { TcpDataQueue } from './tcp-data-queue.ts'
import type { TcpEventData } from './tcp-event-data.ts'
import type { TcpPrune } from './tcp-prune.ts'
import type { TcpRcvQueue } from './tcp-rcv-queue.ts'
import type { TcpSndCheck } from '../snd/tcp-snd-check.ts'
import {
  ECN_MODE_ACCECN,
  TP_COPIED_SEQ,
  TP_DATA_SEGS_IN,
  TP_ECN,
  TP_HEADER_LEN,
  TP_OFO_HEAD,
  TP_RCV_ISN,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_SND_WL1,
  TP_SND_WND,
  TP_SND_WSCALE,
  TP_TS_RECENT,
  TP_URG_DATA,
  TP_WQ_HEAD,
  ACK_SCHED,
  TP_ACK_PENDING,
} from '../sock/tcp-sock.ts'
import { SOCK_UNPREDICTED } from '../sock/sock-flags.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import { receiveWindow } from '../sock/tcp-wnd.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpValidate } from './tcp-validate.ts'
import type { TcpUrg } from './tcp-urg.ts'
import type { TcpWindow } from './tcp-window.ts'
import type { TcpChallenge } from '../snd/tcp-challenge.ts'

export type TcpInput = ReturnType<typeof createTcpInput>
type TcpInputDeps = {
  arena: Arena
  bank: number
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  window: TcpWindow
  transmit: TcpTransmit
  ack: TcpAck
  prune: Pick<TcpPrune, 'mayHold'>
  eventData: TcpEventData
  rcvQueue: Pick<TcpRcvQueue, 'queueRcv'>
  dataQueue: Pick<TcpDataQueue, 'dataQueue' | 'dataReady'>
  life: TcpLifecycle
  paws: TcpPaws
  validate: TcpValidate
  sndCheck: TcpSndCheck
  urg: Pick<TcpUrg, 'urgent'>
} & Pick<TcpChallenge, 'sendChallengeAck'>

export const createTcpInput = (deps: TcpInputDeps) => {
  const { bank, skbs, drop, consume, window, transmit, sendChallengeAck } = deps
  const { tcpAck } = deps.ack
  const { mayHold } = deps.prune
  const { eventDataRecv } = deps.eventData
  const { queueRcv } = deps.rcvQueue
  const { dataQueue, dataReady } = deps.dataQueue
  const { options: opts, parseAgreed, storeTsRecent } = deps.paws
  const { validateIncoming } = deps.validate
  const { dataSndCheck, ackSndCheck } = deps.sndCheck
  const { urgent } = deps.urg
  const { i32, u8, f64 } = deps.arena

  /** Header prediction (Jacobson): in order, nothing but ACK and text, options as expected. */
  const tcpRcvEstablished = (sk: number, skb: number): void => {
    const th = i32[skb + SKB_TRANSPORT]
    const headerLen = i32[sk + TP_HEADER_LEN]
    const seq = i32[skb + CB_SEQ]
    const ack = tcp.ack(u8, th)
    if (
      (i32[skb + CB_FLAGS] & ~TCP_PSH) !== TCP_ACK ||
      tcp.headerLen(u8, th) !== headerLen ||
      seq !== i32[sk + TP_RCV_NXT] ||
      // with AccECN three more flags of each segment count
      (i32[sk + TP_OFO_HEAD] | i32[sk + TP_URG_DATA] | (i32[sk + TP_ECN] & ECN_MODE_ACCECN)) !==
        0 ||
      ((ack - i32[sk + TP_SND_NXT]) | 0) > 0
    ) {
      slowPath(sk, skb)
      return
    }
    const len = i32[skb + SKB_LEN] - headerLen
    const isOld = ((ack - i32[sk + TP_SND_UNA]) | 0) < 0
    if (len > receiveWindow(i32, sk) || (isOld && (len !== 0 || !isPredicted(sk, skb)))) {
      slowPath(sk, skb)
      return
    }
    parse(u8, th + tcp.MIN_HEADER, headerLen - tcp.MIN_HEADER, opts)
    if (headerLen !== tcp.MIN_HEADER) {
      if (
        opts[OPT_SEEN] !== SEEN_TIMESTAMPS ||
        ((opts[OPT_TSVAL] - i32[sk + TP_TS_RECENT]) | 0) < 0
      ) {
        slowPath(sk, skb)
        return
      }
      if (seq === i32[sk + TP_RCV_WUP]) storeTsRecent(sk)
    }
    if (len === 0) fastAck(sk, skb, seq, ack)
    else fastData(sk, skb, seq, ack, headerLen, len)
  }
  const fastAck = (sk: number, skb: number, seq: number, ack: number): void => {
    const newlyAcked = (ack - i32[sk + TP_SND_UNA]) | 0
    if (newlyAcked >= 0)
      f64[bank + (newlyAcked !== 0 ? Mib.TcpExtTCPHPAcks : Mib.TcpExtTCPPureAcks)]++
    const isDue = (i32[sk + TP_ACK_PENDING] & ACK_SCHED) !== 0 && !isPredicted(sk, skb)
    if (tcpAck(sk, skb, opts, seq, ack, 0) < 0) {
      drop(skb, Drop.TCP_TOO_OLD_ACK)
      return
    }
    consume(skb)
    dataSndCheck(sk)
    if (isDue) ackSndCheck(sk)
  }
  /**
   * Its window is the last one's, and not that of a SYN-ACK where windows are scaled (tcp_fast_path_on, tcp_finish_connect). Such
   * an acknowledgement leaves what waits to be acknowledged, a SYN-ACK or text, to the timer, and such text says nothing of what
   * we have sent.
   */
  const isPredicted = (sk: number, skb: number): boolean => {
    const th = i32[skb + SKB_TRANSPORT]
    if (tcp.window(u8, th) !== i32[sk + TP_SND_WND] >>> i32[sk + TP_SND_WSCALE]) return false
    // stamps stand where they usually do (tcp_parse_aligned_timestamp)
    const isBare = tcp.headerLen(u8, th) === tcp.MIN_HEADER
    if (!isBare && getI32(u8, th + tcp.MIN_HEADER) !== ALIGNED_TIMESTAMPS) return false
    if ((i32[sk + SK_FLAGS] & SOCK_UNPREDICTED) === 0) return true
    return i32[sk + TP_RCV_NXT] !== ((i32[sk + TP_RCV_ISN] + 1) | 0)
  }
  /** A socket that holds nothing has no memory in hand, and takes text the long way (sk_forward_alloc). */
  const holdsText = (sk: number): boolean =>
    i32[sk + TP_WQ_HEAD] !== 0 || i32[sk + TP_COPIED_SEQ] !== i32[sk + TP_RCV_NXT]
  const fastData = (
    sk: number,
    skb: number,
    seq: number,
    ack: number,
    headerLen: number,
    len: number
  ): void => {
    if (!mayHold(sk, skb)) {
      slowPath(sk, skb)
      return
    }
    f64[bank + Mib.TcpExtTCPHPHits]++
    countData(sk, skb)
    const isForeseen = isPredicted(sk, skb) && holdsText(sk)
    if (isForeseen && ack !== i32[sk + TP_SND_UNA]) {
      // what its acknowledgement makes us send acknowledges the text, though the skb may go into another by that
      skbs.get(skb)
      queueText(sk, skb, headerLen)
      tcpAck(sk, skb, opts, seq, ack, len)
      consume(skb)
    } else {
      if (isForeseen) {
        if (((seq - i32[sk + TP_SND_WL1]) | 0) > 0) i32[sk + TP_SND_WL1] = seq
      } else if (tcpAck(sk, skb, opts, seq, ack, len) < 0) {
        drop(skb, Drop.TCP_TOO_OLD_ACK)
        return
      }
      queueText(sk, skb, headerLen)
    }
    dataReady(sk)
    dataSndCheck(sk)
    ackSndCheck(sk)
  }
  const queueText = (sk: number, skb: number, headerLen: number): void => {
    skbs.pull(skb, headerLen)
    measureRcvRtt(sk, skb)
    eventDataRecv(sk, skb)
    queueRcv(sk, skb)
  }
  /** Those that were put together count as what they were. */
  const countData = (sk: number, skb: number): void => {
    i32[sk + TP_DATA_SEGS_IN] += Math.max(1, i32[skb + SKB_GSO_SEGS])
  }
  const measureRcvRtt = (sk: number, skb: number): void => {
    if ((opts[OPT_SEEN] & SEEN_TIMESTAMPS) === 0 || opts[OPT_TSECR] === 0) return
    const elapsed = (transmit.tsval(sk) - opts[OPT_TSECR]) | 0
    window.rcvRttMeasureTs(sk, skb, opts[OPT_TSECR], elapsed)
  }

  /** Everything that is not predicted, in ESTABLISHED. */
  const slowPath = (sk: number, skb: number): void => {
    const flags = i32[skb + CB_FLAGS]
    parseAgreed(sk, skb)
    if ((flags & (TCP_ACK | TCP_RST | TCP_SYN)) === 0) {
      drop(skb, Drop.TCP_FLAGS)
      return
    }
    if (!validateIncoming(sk, skb, flags)) return
    if (!processAck(sk, skb)) return
    urgent(sk, skb)
    takeText(sk, skb)
    dataSndCheck(sk)
    ackSndCheck(sk)
  }
  /** Neither old, nor of what has not been sent. */
  const isOfFlight = (sk: number, ack: number): boolean =>
    ((ack - i32[sk + TP_SND_UNA]) | 0) >= 0 && ((ack - i32[sk + TP_SND_NXT]) | 0) <= 0
  /** Fifth check: the ACK field. False when the segment is gone. */
  const processAck = (sk: number, skb: number): boolean => {
    const th = i32[skb + SKB_TRANSPORT]
    const seq = i32[skb + CB_SEQ]
    if ((i32[skb + CB_FLAGS] & TCP_ACK) === 0) {
      drop(skb, Drop.TCP_FLAGS)
      return false
    }
    const ack = tcp.ack(u8, th)
    const len = (i32[skb + CB_END_SEQ] - seq) | 0
    if (len === 0 && isOfFlight(sk, ack)) f64[bank + Mib.TcpExtTCPPureAcks]++
    const result = tcpAck(sk, skb, opts, seq, ack, len)
    if (result >= 0) return true
    if (result === -2) sendChallengeAck(sk)
    drop(skb, result === -2 ? Drop.TCP_ACK_UNSENT_DATA : Drop.TCP_TOO_OLD_ACK)
    return false
  }
  /** Seventh, when the urgent pointer has been looked at: the text without its header. */
  const takeText = (sk: number, skb: number): void => {
    skbs.pull(skb, tcp.headerLen(u8, i32[skb + SKB_TRANSPORT]))
    if (i32[skb + SKB_LEN] !== 0) {
      countData(sk, skb)
      measureRcvRtt(sk, skb)
    }
    dataQueue(sk, skb)
  }

  return { tcpRcvEstablished, takeText }
}
