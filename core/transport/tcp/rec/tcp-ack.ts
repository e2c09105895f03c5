/**
 * An acknowledgement: what it frees of the write queue, the round trip it measures, the window it opens, and what
 * it means for congestion. Called once for each segment with ACK by tcp-input.ts or tcp-states.ts, on the worker.
 * Linux: tcp_ack, tcp_clean_rtx_queue, tcp_ack_update_window; RFC 9293 3.10.7.4, 5681, 5961 section 5.
 */
import { TIME_MS, TIME_US, type Time } from '../../../base/time.ts'
import { add64, read64 } from '../../../base/u64.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_GSO_SEGS, SKB_TRANSPORT } from '../../../skb/skb.ts'
import {
  OPT_SEEN,
  OPT_TSECR,
  OPT_TSVAL,
  SEEN_SACK,
  SEEN_TIMESTAMPS,
} from '../../../wire/tcp-options.ts'
import * as tcp from '../../../wire/tcp.ts'
import { TCP_ECE, TCP_SYN } from '../../../wire/tcp.ts'
import type { IpLocalOut } from '../../../ipv4/ip-local-out.ts'
import {
  SK_CONFIRMED,
  SK_ERR_SOFT,
  SK_FLAGS,
  SK_STATE,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../../socket/sock.ts'
import {
  FLAG_DATA_SACKED,
  FLAG_DSACKING_ACK,
  FLAG_ECE,
  FLAG_NOT_DUP,
  FLAG_ORIG_SACK_ACKED,
  FLAG_SND_UNA_ADVANCED,
  REXMIT_NEW,
  REXMIT_NONE,
} from '../ack/tcp-ack-constants.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpChallenge } from '../snd/tcp-challenge.ts'
import type { TcpChrono } from '../snd/tcp-chrono.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import { updatePacingRate } from '../snd/tcp-pacing-rate.ts'
import type { TcpProbe0 } from '../snd/tcp-probe0.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpTstamp } from '../snd/tcp-tstamp.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import type { TcpXmitTimer } from '../snd/tcp-xmit-timer.ts'
import { SOCK_UNPREDICTED } from '../sock/sock-flags.ts'
import {
  CBF_EVER_RETRANS,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
  CBF_TX_ACK,
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CB_TIME,
} from '../sock/tcp-cb.ts'
import {
  CHRONO_BUSY,
  ECN_MODE_RFC3168,
  ECN_NO_ACE,
  ICSK_TIME_PROBE0,
  TCP_CA_OPEN,
  TCP_NAGLE_OFF,
  TP_BACKOFF,
  TP_BYTES_ACKED,
  TP_CA_STATE,
  TP_DELIVERED,
  TP_DELIVERED_CE,
  TP_ECN,
  TP_FACK,
  TP_HIGH_SEQ,
  TP_LOST,
  TP_LOST_OUT,
  TP_MAX_WINDOW,
  TP_MSS_CACHE,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_PROBES_OUT,
  TP_PROBES_TSTAMP,
  TP_RCV_TSTAMP,
  TP_REORDERING,
  TP_RETRANSMITS,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_CWND_STAMP,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_SND_WL1,
  TP_SND_WND,
  TP_SND_WSCALE,
  TP_TLP_HIGH_SEQ,
  TP_TS_OFFSET,
  TP_TS_RECENT,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from '../sock/tcp-timers.ts'
import { mayUpdateWindow, wndEnd } from '../sock/tcp-wnd.ts'
import type { TcpAccecnAce } from './tcp-accecn-ace.ts'
import { isAccecn } from './tcp-accecn.ts'
import type { TcpCong } from './tcp-cong.ts'
import type { TcpCwndValidate } from './tcp-cwnd-validate.ts'
import { inCwndReduction, packetsInFlight } from './tcp-cwnd.ts'
import type { TcpFrto } from './tcp-frto.ts'
import type { TcpPrr } from './tcp-prr.ts'
import { createRackAdvance } from './tcp-rack-advance.ts'
import type { TcpRack } from './tcp-rack.ts'
import {
  RS_IS_ACK_DELAYED,
  RS_PRIOR_DELIVERED,
  RS_PRIOR_IN_FLIGHT,
  RS_RTT_US,
  type TcpRate,
} from './tcp-rate.ts'
import type { TcpRecovery } from './tcp-recovery.ts'
import { type TcpRenoSack, isSack } from './tcp-reno-sack.ts'
import { rttEstimator, setRto, stampRttUs, updateMinRtt } from './tcp-rtt.ts'
import type { TcpSacktag } from './tcp-sacktag.ts'
import type { TcpTlpAck } from './tcp-tlp-ack.ts'

const CONFIRM_EVERY_MS = 1000

// What tcpAck returns.
export const ACK_OK = 1
/** Older than anything the peer could send: answered by a challenge, the segment is dropped. */
const ACK_TOO_OLD = -1
const ACK_UNSENT_DATA = -2
/** Old but plausible: the segment's text may still be used. */
const ACK_OLD = 0

export type TcpAck = ReturnType<typeof createTcpAck>
type TcpAckDeps = {
  arena: Arena
  bank: number
  time: Time
  queue: TcpWriteQueue
  mss: TcpMss
  timers: TcpTimers
  output: TcpOutput
  retransmission: TcpRetransmit
  probe0: TcpProbe0
  cwndValidate: Pick<TcpCwndValidate, 'cwndAfterIdle'>
  chrono: TcpChrono
  mtup: TcpMtuProbe
  xmitTimer: TcpXmitTimer
  sacktag: TcpSacktag
  recovery: Pick<TcpRecovery, 'fastretransAlert' | 'isTimerSet'>
  prr: Pick<TcpPrr, 'cwndReduction'>
  rack: Pick<TcpRack, 'updateReoWnd'>
  renoSack: Pick<TcpRenoSack, 'removeRenoSacks'>
  frto: Pick<TcpFrto, 'giveUpFrto'>
  tlpAck: TcpTlpAck
  rate: TcpRate
  cong: TcpCong
  accecn: TcpAccecnAce
  tstamp: Pick<TcpTstamp, 'acked'>
} & Pick<TcpChallenge, 'sendChallengeAck'> &
  Pick<TcpPaws, 'replaceTsRecent'> &
  Pick<IpLocalOut, 'sockConfirm'>

export const createTcpAck = (deps: TcpAckDeps) => {
  const { bank, time, queue, mss, timers, output, sacktag, recovery, rate, cong, accecn } = deps
  const { xmitRetransmitQueue } = deps.retransmission
  const { clampProbe0, probe0When } = deps.probe0
  const { cwndAfterIdle } = deps.cwndValidate
  const { sendChallengeAck, sockConfirm, replaceTsRecent, tstamp } = deps
  const { chronoStop } = deps.chrono
  const { mtup, prr, rack, renoSack, frto, tlpAck } = deps
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout
  const { pcount } = queue
  const { sample } = rate
  const rackAdvance = createRackAdvance(i32, time)
  // Results of cleanRtxQueue.
  let ackedPackets = 0
  let retransAcked = false
  /** More than a SYN was. */
  let textAcked = false
  let seqRttUs = -1
  /** Of what was sent last of it. */
  let lastRttUs = -1
  /** Octets of it that a block had reported before. */
  let knownBytes = 0
  /** FLAG_ORIG_SACK_ACKED, when something sent once was acknowledged. */
  let origAcked = 0
  /** The first of those that were sent once, and that no block had reported. */
  let reord = 0

  /** True when the segment is newer than what last set the window. */
  const updateWindow = (sk: number, skb: number, ack: number, seq: number): boolean => {
    const th = i32[skb + SKB_TRANSPORT]
    const raw = tcp.window(u8, th)
    const wnd = (tcp.flags(u8, th) & TCP_SYN) !== 0 ? raw : raw << i32[sk + TP_SND_WSCALE]
    const may = ((ack - i32[sk + TP_SND_UNA]) | 0) > 0 || mayUpdateWindow(i32, sk, seq, wnd)
    if (may) {
      i32[sk + TP_SND_WL1] = seq
      if (i32[sk + TP_SND_WND] !== wnd) {
        i32[sk + TP_SND_WND] = wnd
        i32[sk + SK_FLAGS] &= ~SOCK_UNPREDICTED
        if (wnd > i32[sk + TP_MAX_WINDOW]) {
          i32[sk + TP_MAX_WINDOW] = wnd
          mss.syncMss(sk)
        }
        // what waited for the window has waited long
        if (i32[sk + TP_SEND_HEAD] !== 0) cwndAfterIdle(sk)
      }
    }
    add64(i32, sk + TP_BYTES_ACKED, (ack - i32[sk + TP_SND_UNA]) | 0)
    i32[sk + TP_SND_UNA] = ack
    return may
  }

  /** It was sent again, and the peer echoes a time before that: what arrived is the first (RFC 3522). */
  const isSpurious = (sk: number, skb: number, flags: number): boolean =>
    tsecr !== 0 &&
    (flags & CBF_EVER_RETRANS) !== 0 &&
    ((tsecr - i32[sk + TP_TS_OFFSET] - ((i32[skb + CB_TIME] / 1000) | 0)) | 0) < 0
  /** Counts n acknowledged segments of an skb with these marks, from `seq` to `end`. */
  const ackSegments = (sk: number, skb: number, n: number, seq: number, end: number): void => {
    const flags = i32[skb + CB_FLAGS]
    if ((flags & CBF_RETRANS) !== 0) i32[sk + TP_RETRANS_OUT] -= n
    if ((flags & CBF_EVER_RETRANS) !== 0) retransAcked = true
    else if ((flags & CBF_SACKED) === 0) {
      lastRttUs = (time[TIME_US] - i32[skb + CB_TIME]) | 0
      if (seqRttUs < 0) seqRttUs = lastRttUs
      if (((seq - reord) | 0) < 0) reord = seq
      if (((end - i32[sk + TP_HIGH_SEQ]) | 0) <= 0) origAcked = FLAG_ORIG_SACK_ACKED
    }
    if ((flags & CBF_SACKED) !== 0) {
      i32[sk + TP_SACKED_OUT] -= n
      knownBytes += (end - seq) | 0
    } else if (isSack(i32, sk)) {
      i32[sk + TP_DELIVERED] += n
      f64[bank + Mib.TcpExtTCPDelivered] += n
      if (!isSpurious(sk, skb, flags)) rackAdvance(sk, skb, flags)
    }
    if ((flags & CBF_SACKED) === 0) rate.rateArrived(sk, skb)
    if ((flags & CBF_LOST) !== 0) i32[sk + TP_LOST_OUT] -= n
    if ((flags & CBF_TX_ACK) !== 0) tstamp.acked(sk, skb)
    if ((flags & TCP_SYN) === 0) textAcked = true
    else i32[sk + TP_RETRANS_STAMP] = 0
    i32[sk + TP_PACKETS_OUT] -= n
    ackedPackets += n
  }

  /** Frees what snd_una has passed. */
  const cleanRtxQueue = (sk: number, fack: number): void => {
    ackedPackets = 0
    retransAcked = false
    textAcked = false
    seqRttUs = -1
    lastRttUs = -1
    origAcked = 0
    reord = i32[sk + TP_SND_NXT]
    const una = i32[sk + TP_SND_UNA]
    for (;;) {
      const skb = i32[sk + TP_WQ_HEAD]
      if (skb === 0 || skb === i32[sk + TP_SEND_HEAD]) break
      if (((i32[skb + CB_END_SEQ] - una) | 0) > 0) {
        ackPart(sk, skb, una)
        break
      }
      ackSegments(sk, skb, pcount(skb), i32[skb + CB_SEQ], i32[skb + CB_END_SEQ])
      queue.remove(sk, skb)
    }
    if (ackedPackets === 0) return
    mtup.probeAcked(sk)
    if (!isSack(i32, sk)) {
      renoSack.removeRenoSacks(sk, ackedPackets)
      // which of them had arrived before it was sent again, nobody has said
      if (retransAcked) origAcked = 0
    }
    // a hole filled that nobody had sent again: it was not loss
    else if (((reord - fack) | 0) < 0) sacktag.noteReordering(sk, reord, Mib.TcpExtTCPSACKReorder)
  }
  /** A super-frame acknowledged in part loses its front. */
  const ackPart = (sk: number, skb: number, una: number): void => {
    const seq = i32[skb + CB_SEQ]
    const acked = (una - seq) | 0
    if (acked <= 0 || i32[skb + SKB_GSO_SEGS] <= 1) return
    const n = queue.trimHead(sk, skb, acked, mss.currentMss(sk))
    if (n > 0) ackSegments(sk, skb, n, seq, una)
  }

  /**
   * One sample for the estimator: of what was never retransmitted (Karn), else by timestamp (RFC 7323 4). The shortest round trip
   * and the congestion control go by what was sent last of it (tcp_ack_update_rtt).
   */
  const updateRtt = (sk: number, opts: Int32Array): void => {
    let sample = retransAcked ? -1 : seqRttUs
    lastRtt = sacktagRtt >= 0 ? sacktag.lastSackRtt() : retransAcked ? -1 : lastRttUs
    if (sample < 0) sample = sacktagRtt
    if (
      sample < 0 &&
      ackedPackets > 0 &&
      (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 &&
      opts[OPT_TSECR] !== 0
    ) {
      const ms = (time[TIME_MS] + i32[sk + TP_TS_OFFSET] - opts[OPT_TSECR]) | 0
      sample = lastRtt = stampRttUs(ms)
    }
    if (sample < 0) return
    updateMinRtt(i32, sk, lastRtt)
    rttEstimator(i32, sk, sample)
    setRto(i32, sk)
    i32[sk + TP_BACKOFF] = 0
  }
  /** That of what the acknowledgement being processed says to have come, and was sent last; or -1. */
  let lastRtt = -1
  let sacktagRtt = -1

  /** Nothing is in flight: the acknowledgement may answer a window probe. */
  const ackProbe = (sk: number): void => {
    const head = i32[sk + TP_SEND_HEAD]
    if (head === 0) return
    if (((i32[head + CB_END_SEQ] - wndEnd(i32, sk)) | 0) <= 0) {
      i32[sk + TP_BACKOFF] = 0
      i32[sk + TP_PROBES_TSTAMP] = 0
      if (i32[sk + TP_PENDING] === ICSK_TIME_PROBE0) timers.clearXmitTimer(sk)
    } else {
      const delay = clampProbe0(sk, probe0When(sk))
      timers.resetXmitTimer(sk, ICSK_TIME_PROBE0, delay)
    }
  }

  /** The window grows with what was delivered, or is on its way down (tcp_cong_control). */
  const congControl = (sk: number, ack: number, flags: number, delivered: number, lost: number) => {
    const ops = cong.ops(sk)
    if (ops.congControl !== undefined) return ops.congControl(sk, ack, sample)
    if (inCwndReduction(i32, sk))
      prr.cwndReduction(sk, delivered, lost, (flags & FLAG_SND_UNA_ADVANCED) !== 0)
    else if (mayRaiseCwnd(sk, flags)) {
      ops.congAvoid(sk, ack, delivered)
      i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    }
    updatePacingRate(i32, sysctl, sk)
  }
  /** Where reordering is usual, reports alone are progress, as is that of a SYN (tcp_may_raise_cwnd). */
  const mayRaiseCwnd = (sk: number, flags: number): boolean => {
    if (i32[sk + TP_REORDERING] <= i32[sysctl + Sysctl.tcp_reordering]) return textAcked
    return ackedPackets !== 0 || (flags & FLAG_DATA_SACKED) !== 0
  }
  /** One segment that is not full, alone in flight: nobody has asked for an acknowledgement of it (FLAG_ACK_MAYBE_DELAYED). */
  const isMaybeDelayed = (sk: number, una: number): boolean =>
    ackedPackets === 1 &&
    ((i32[sk + TP_SND_UNA] - una) | 0) < i32[sk + TP_MSS_CACHE] &&
    ((sample[RS_PRIOR_DELIVERED] + 1) | 0) === i32[sk + TP_DELIVERED] &&
    i32[sk + TP_CA_STATE] === TCP_CA_OPEN
  /** The round trip of what was sent once alone (Karn), by the acknowledgement or by SACK. */
  const noteAcked = (sk: number, una: number): void => {
    sample[RS_RTT_US] = lastRtt
    sample[RS_IS_ACK_DELAYED] = isMaybeDelayed(sk, una) ? 1 : 0
    if (ackedPackets !== 0)
      cong.ops(sk).pktsAcked?.(sk, ackedPackets, lastRtt, sample[RS_PRIOR_IN_FLIGHT])
  }

  /** RFC 3168: a mark is echoed for all that is delivered until we have answered; a SYN's ECE is of the handshake. */
  const echoesMark = (sk: number, skb: number): boolean =>
    (i32[skb + CB_FLAGS] & (TCP_ECE | TCP_SYN)) === TCP_ECE &&
    (i32[sk + TP_ECN] & ECN_MODE_RFC3168) !== 0
  /** AccECN counts from the handshake on. */
  const hasAce = (sk: number, skb: number): boolean =>
    isAccecn(i32[sk + TP_ECN]) && (i32[skb + CB_FLAGS] & TCP_SYN) === 0
  /**
   * What the field says, if the acknowledgement is known to be newer than those before it: it says something new, or its
   * stamp does (RFC 9768 section 3.2.2.5.2). In that of our SYN-ACK it says something else.
   */
  const takeAce = (
    sk: number,
    skb: number,
    opts: Int32Array,
    una: number,
    isNewer: boolean,
    flags: number
  ): number => {
    if (!isNewer && (flags & (FLAG_SND_UNA_ADVANCED | FLAG_DATA_SACKED)) === 0) return flags
    if ((i32[sk + TP_ECN] & ECN_NO_ACE) !== 0 || i32[sk + SK_STATE] === TCP_SYN_RECV) return flags
    const sacked = (flags & FLAG_DATA_SACKED) !== 0 ? sacktag.sackBytes() : 0
    const bytes = ((i32[sk + TP_SND_UNA] - una) | 0) + sacked - knownBytes
    const segs = (i32[sk + TP_DELIVERED] - delivered) | 0
    const marked = accecn.marked(sk, skb, opts, segs, bytes)
    if (marked === 0) return flags
    countMarked(sk, marked)
    return flags | FLAG_ECE
  }
  const isStampNewer = (sk: number, opts: Int32Array): boolean =>
    (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 && ((opts[OPT_TSVAL] - i32[sk + TP_TS_RECENT]) | 0) > 0
  const countMarked = (sk: number, marked: number): void => {
    i32[sk + TP_DELIVERED_CE] += marked
    f64[bank + Mib.TcpExtTCPDeliveredCE] += marked
  }

  const oldAck = (sk: number, skb: number, opts: Int32Array, ack: number, una: number): number => {
    // RFC 5961 section 5.2; nothing before our first octet was ever sent
    const oldest = Math.min(i32[sk + TP_MAX_WINDOW], read64(i32, sk + TP_BYTES_ACKED))
    if (((ack - (una - oldest)) | 0) < 0) {
      if (i32[sk + SK_STATE] !== TCP_SYN_RECV) sendChallengeAck(sk)
      return ACK_TOO_OLD
    }
    if (i32[sk + TP_ECN] !== 0 && hasAce(sk, skb)) accecn.received(sk, skb)
    if ((opts[OPT_SEEN] & SEEN_SACK) !== 0 && isSack(i32, sk)) {
      begin(sk, opts)
      const found = sacktag.sacktag(sk, opts, ack, una)
      xmitRecovery(sk, recovery.fastretransAlert(sk, una, found | FLAG_NOT_DUP, tsecr))
    }
    return ACK_OLD
  }

  // What the acknowledgement being processed says, and what was counted before it.
  let tsecr = 0
  let delivered = 0
  let lost = 0
  const begin = (sk: number, opts: Int32Array): void => {
    tsecr = (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 ? opts[OPT_TSECR] : 0
    delivered = i32[sk + TP_DELIVERED]
    lost = i32[sk + TP_LOST]
    knownBytes = 0
    rate.rateBegin()
    sample[RS_PRIOR_IN_FLIGHT] = packetsInFlight(i32, sk)
  }
  /** Sends what the alert has said (tcp_xmit_recovery). */
  const xmitRecovery = (sk: number, rexmit: number): void => {
    // text that went with a SYN is dealt with once its SYN-ACK has been taken (tcp-fastopen-client.ts)
    if (rexmit === REXMIT_NONE || i32[sk + SK_STATE] === TCP_SYN_SENT) return
    if (rexmit === REXMIT_NEW) {
      output.pushPending(sk, mss.currentMss(sk), TCP_NAGLE_OFF)
      if (((i32[sk + TP_SND_NXT] - i32[sk + TP_HIGH_SEQ]) | 0) > 0) return
      frto.giveUpFrto(sk)
    }
    xmitRetransmitQueue(sk)
  }

  /**
   * Processes the ACK field `ack` of a segment at `seq` that carries `dataLen` bytes. `opts` are its parsed
   * options. Returns ACK_*.
   */
  const tcpAck = (
    sk: number,
    skb: number,
    opts: Int32Array,
    seq: number,
    ack: number,
    dataLen: number
  ): number => {
    const una = i32[sk + TP_SND_UNA]
    if (((ack - una) | 0) < 0) return oldAck(sk, skb, opts, ack, una)
    if (((ack - i32[sk + TP_SND_NXT]) | 0) > 0) return ACK_UNSENT_DATA
    const isAce = i32[sk + TP_ECN] !== 0 && hasAce(sk, skb)
    if (isAce) accecn.received(sk, skb)
    const isNewer = isAce && isStampNewer(sk, opts)
    // what is sent from here on echoes it
    replaceTsRecent(sk, seq)
    const advanced = ack !== una
    const priorPackets = i32[sk + TP_PACKETS_OUT]
    const newWindow = updateWindow(sk, skb, ack, seq)
    i32[sk + TP_RCV_TSTAMP] = time[TIME_MS]
    i32[sk + SK_ERR_SOFT] = 0
    i32[sk + TP_PROBES_OUT] = 0
    if (advanced) i32[sk + TP_RETRANSMITS] = 0
    let flags = advanced
      ? FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP
      : newWindow || dataLen !== 0
        ? FLAG_NOT_DUP
        : 0
    sacktagRtt = -1
    begin(sk, opts)
    const fack = i32[sk + TP_SACKED_OUT] === 0 ? una : i32[sk + TP_FACK]
    if ((opts[OPT_SEEN] & SEEN_SACK) !== 0 && isSack(i32, sk)) {
      flags |= sacktag.sacktag(sk, opts, ack, una)
      sacktagRtt = sacktag.sackRtt()
      sacktag.countDelivered(sk)
    }
    if (priorPackets === 0) {
      if (isAce) takeAce(sk, skb, opts, una, isNewer, flags)
      return ackOfNothing(sk, una, ack, flags)
    }
    cleanRtxQueue(sk, fack)
    flags |= origAcked
    if (isAce) flags = takeAce(sk, skb, opts, una, isNewer, flags)
    else if (echoesMark(sk, skb)) {
      flags |= FLAG_ECE
      countMarked(sk, (i32[sk + TP_DELIVERED] - delivered) | 0)
    }
    updateRtt(sk, opts)
    noteAcked(sk, una)
    cong.ops(sk).ackEvent?.(sk)
    rack.updateReoWnd(sk, sample[RS_PRIOR_DELIVERED])
    if (i32[sk + TP_TLP_HIGH_SEQ] !== 0) tlpAck.processTlpAck(sk, ack, flags)
    if (advanced) confirmNeighbour(sk)
    if (i32[sk + TP_PACKETS_OUT] === 0 && i32[sk + TP_SEND_HEAD] === 0) chronoStop(sk, CHRONO_BUSY)
    const mayReset = mayResetTimer(sk)
    const isDubious =
      (flags & FLAG_NOT_DUP) === 0 ||
      (flags & (FLAG_DATA_SACKED | FLAG_DSACKING_ACK | FLAG_ECE)) !== 0 ||
      i32[sk + TP_CA_STATE] !== TCP_CA_OPEN
    const rexmit = isDubious ? recovery.fastretransAlert(sk, una, flags, tsecr) : REXMIT_NONE
    // unless the alert has set it, or the one of reordering
    if (mayReset && !(isDubious && recovery.isTimerSet())) deps.xmitTimer.setXmitTimer(sk)
    delivered = (i32[sk + TP_DELIVERED] - delivered) | 0
    lost = (i32[sk + TP_LOST] - lost) | 0
    rate.rateGen(sk, delivered, lost)
    congControl(sk, ack, flags, delivered, lost)
    xmitRecovery(sk, rexmit)
    return ACK_OK
  }
  /** Nothing was in flight: it may answer a probe of the window, or report that something came twice. */
  const ackOfNothing = (sk: number, una: number, ack: number, flags: number): number => {
    if ((flags & FLAG_DSACKING_ACK) !== 0) recovery.fastretransAlert(sk, una, flags, tsecr)
    ackProbe(sk)
    if (i32[sk + TP_TLP_HIGH_SEQ] !== 0) tlpAck.processTlpAck(sk, ack, flags)
    return ACK_OK
  }
  /**
   * What was acknowledged, or reported though sent later than the head of the queue was, shows that the path is there: the
   * timer begins anew.
   */
  const mayResetTimer = (sk: number): boolean => {
    if (ackedPackets !== 0) return true
    const head = queue.rtxHead(sk)
    return head !== 0 && sacktagRtt >= 0 && sacktagRtt > ((time[TIME_US] - i32[head + CB_TIME]) | 0)
  }
  /** New data was acknowledged, so the next hop works; telling it so once a second is enough. */
  const confirmNeighbour = (sk: number): void => {
    const now = time[TIME_MS]
    if (((now - i32[sk + SK_CONFIRMED]) | 0) < CONFIRM_EVERY_MS) return
    i32[sk + SK_CONFIRMED] = now
    sockConfirm(sk)
  }
  return { tcpAck }
}
