/**
 * Loss recovery: the states Open, Disorder, CWR, Recovery and Loss of a connection, what an acknowledgement does
 * to them, the step into Loss when the timer fires, and undoing a reduction that was not needed (Eifel, DSACK, F-RTO).
 * What is lost RACK says (tcp-rack.ts), or without SACK NewReno (RFC 6582). Called by tcp-ack.ts and tcp-timer.ts.
 * Linux: tcp_fastretrans_alert, tcp_enter_loss, tcp_process_loss, tcp_try_undo_*; RFC 5682, 3522.
 */
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_GSO_SIZE, SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import { CA_EVENT_LOSS, type TcpCong } from './tcp-cong.ts'
import { ecnQueueCwr, ecnWithdrawCwr } from './tcp-ecn.ts'
import { createTcpPrr } from './tcp-prr.ts'
import { createTcpRack } from './tcp-rack.ts'
import { SACK_DSACK, SACK_DSACK_TLP, SACK_NEW, SACK_ORIG, type TcpSacktag } from './tcp-sacktag.ts'
import { SK_STATE, TCP_SYN_SENT } from '../../../socket/sock.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import {
  ICSK_TIME_RETRANS,
  OPT_SACK,
  OPT_TIMESTAMPS,
  TCP_CA_CWR,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
  TP_DELIVERED,
  TP_FRTO,
  TP_MTUP_PROBE,
  TP_HIGH_SEQ,
  TP_LOST_OUT,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_PRIOR_CWND,
  TP_PRIOR_SSTHRESH,
  TP_RACK_ADVANCED,
  TP_RACK_REO_PERSIST,
  TP_REORD_SEEN,
  TP_REORDERING,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_RETRANSMITS,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_CWND_CNT,
  TP_SND_CWND_STAMP,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_SRTT_US,
  TP_TLP_HIGH_SEQ,
  TP_TLP_RETRANS,
  TP_TS_OFFSET,
  TP_UNDO_MARKER,
  TP_UNDO_RETRANS,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import { currentSsthresh, inCwndReduction, packetsInFlight } from './tcp-cwnd.ts'
import { CB_FLAGS, CBF_EVER_RETRANS, CBF_LOST, CBF_SACKED } from '../sock/tcp-cb.ts'
import { wndEnd } from '../sock/tcp-wnd.ts'
import type { TcpTimers } from '../sock/tcp-timers.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

/** What the alert tells the caller to send. */
export const REXMIT_NONE = 0
/** What is lost, as the window lets it. */
const REXMIT_LOST = 1
/** New data first: it will show whether the timeout was spurious. */
export const REXMIT_NEW = 2

// What the acknowledgement was, bits: SACK_* of tcp-sacktag.ts, and these.
/** It moved snd_una. */
export const ACK_ADVANCED = 256
/** It acknowledged, or carried, or changed the window: it is no duplicate. */
export const ACK_NOT_DUP = 512
/** It acknowledged something sent once and before recovery began. */
export const ACK_ORIG = SACK_ORIG
/** It echoes a congestion mark (RFC 3168 section 6.1.2). */
export const ACK_ECE = 1024

export type TcpRecovery = ReturnType<typeof createTcpRecovery>
type TcpRecoveryDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  sysctl: number
  time: Time
  queue: TcpWriteQueue
  mss: TcpMss
  mtup: TcpMtuProbe
  timers: TcpTimers
  sacktag: TcpSacktag
  cong: TcpCong
}

/** What was reported has so long to be acknowledged, ms. */
const RENEGING_MIN_MS = 10

export const createTcpRecovery = (deps: TcpRecoveryDeps) => {
  const { i32, f64, bank, sysctl, time, queue, sacktag, cong, mss, mtup } = deps
  const rack = createTcpRack({ ...deps, markLost: sacktag.markLost })
  const { initCwndReduction, cwndReduction, endCwndReduction } = createTcpPrr(i32, cong)
  const { setCaState } = cong
  const { rtxHead } = queue
  /** snd_una before the acknowledgement being processed. */
  let priorUna = 0
  /** The echoed timestamp of the acknowledgement being processed, 0 when it had none. */
  let tsecr = 0
  /** The alert has set a timer. */
  let timerSet = false
  /** The acknowledgement being processed has ECE. */
  let echoesMark = false
  const isTimerSet = (): boolean => timerSet

  const isSack = (sk: number): boolean => (i32[sk + TP_OPTS] & OPT_SACK) !== 0
  const anyRetransDone = (sk: number): boolean => {
    if (i32[sk + TP_RETRANS_OUT] !== 0) return true
    const head = rtxHead(sk)
    return head !== 0 && (i32[head + CB_FLAGS] & CBF_EVER_RETRANS) !== 0
  }

  /** Nothing that was sent again is missing: when that began is forgotten (tcp_retrans_stamp_cleanup). */
  const cleanRetransStamp = (sk: number): void => {
    if (!anyRetransDone(sk)) i32[sk + TP_RETRANS_STAMP] = 0
  }

  /** What is sent again from here on may come twice, as may what is on its way, the probe of a tail among it (tcp_init_undo). */
  const initUndo = (sk: number): void => {
    const probes = i32[sk + TP_TLP_HIGH_SEQ] !== 0 && i32[sk + TP_TLP_RETRANS] !== 0 ? 1 : 0
    i32[sk + TP_UNDO_MARKER] = i32[sk + TP_SND_UNA] || 1
    i32[sk + TP_UNDO_RETRANS] = i32[sk + TP_RETRANS_OUT] + probes || -1
  }
  /** The acknowledgement answers the original, not the retransmission (Eifel, RFC 3522). */
  const packetDelayed = (sk: number, echo: number): boolean => {
    const stamp = i32[sk + TP_RETRANS_STAMP]
    if (stamp === 0) {
      // nothing has been sent again yet; or it is forgotten, without SACK at the end of a recovery, and when the SYN is acknowledged
      const isOver = ((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) >= 0
      return (isSack(sk) || !isOver) && i32[sk + SK_STATE] !== TCP_SYN_SENT
    }
    if (echo === 0 || (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) === 0) return false
    return ((echo - i32[sk + TP_TS_OFFSET] - stamp) | 0) < 0
  }
  const mayUndo = (sk: number, echo: number): boolean =>
    i32[sk + TP_UNDO_MARKER] !== 0 && (i32[sk + TP_UNDO_RETRANS] === 0 || packetDelayed(sk, echo))
  const undoReduction = (sk: number, unmark: boolean): void => {
    if (unmark) {
      const stop = i32[sk + TP_SEND_HEAD]
      for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT])
        i32[skb + CB_FLAGS] &= ~CBF_LOST
      i32[sk + TP_LOST_OUT] = 0
    }
    if (i32[sk + TP_PRIOR_SSTHRESH] !== 0) {
      i32[sk + TP_SND_CWND] = cong.ops(sk).undoCwnd(sk)
      if (i32[sk + TP_PRIOR_SSTHRESH] > i32[sk + TP_SND_SSTHRESH]) {
        i32[sk + TP_SND_SSTHRESH] = i32[sk + TP_PRIOR_SSTHRESH]
        ecnWithdrawCwr(i32, sk)
      }
    }
    i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    i32[sk + TP_UNDO_MARKER] = 0
    // what was thought lost is looked at once more
    i32[sk + TP_RACK_ADVANCED] = 1
  }

  /** Everything up to high_seq is acknowledged. True when the state must still be held (RFC 6582 section 5). `echo`: the timestamp echoed, or 0. */
  const tryUndoRecovery = (sk: number, echo: number): boolean => {
    if (mayUndo(sk, echo)) {
      const loss = i32[sk + TP_CA_STATE] === TCP_CA_LOSS
      undoReduction(sk, false)
      f64[bank + (loss ? Mib.TcpExtTCPLossUndo : Mib.TcpExtTCPFullUndo)]++
    } else if (i32[sk + TP_RACK_REO_PERSIST] !== 0) i32[sk + TP_RACK_REO_PERSIST]--
    if (mustHoldState(sk)) return true
    setCaState(sk, TCP_CA_OPEN)
    return false
  }
  /** Without SACK a duplicate ACK of old retransmissions could start a second reduction (tcp_is_non_sack_preventing_reopen). */
  const mustHoldState = (sk: number): boolean => {
    if (isSack(sk) || i32[sk + TP_SND_UNA] !== i32[sk + TP_HIGH_SEQ]) return false
    cleanRetransStamp(sk)
    return true
  }
  const tryUndoDsack = (sk: number): boolean => {
    if (i32[sk + TP_UNDO_MARKER] === 0 || i32[sk + TP_UNDO_RETRANS] !== 0) return false
    undoReduction(sk, false)
    f64[bank + Mib.TcpExtTCPDSACKUndo]++
    return true
  }
  /** `spurious`: F-RTO knows that nothing was lost. */
  const tryUndoLoss = (sk: number, spurious: boolean): boolean => {
    if (!spurious && !mayUndo(sk, tsecr)) return false
    undoReduction(sk, true)
    f64[bank + Mib.TcpExtTCPLossUndo]++
    if (spurious) f64[bank + Mib.TcpExtTCPSpuriousRTOs]++
    i32[sk + TP_RETRANSMITS] = 0
    if (!mustHoldState(sk) && (spurious || isSack(sk))) setCaState(sk, TCP_CA_OPEN)
    return true
  }
  /** True while what was sent again is still on its way: no more is thought lost so long. */
  const tryUndoPartial = (sk: number): boolean => {
    if (i32[sk + TP_UNDO_MARKER] === 0 || !packetDelayed(sk, tsecr)) return false
    // the hole was filled by the original, which was late
    sacktag.noteReordering(sk, priorUna, Mib.TcpExtTCPTSReorder)
    if (i32[sk + TP_RETRANS_OUT] !== 0) return true
    cleanRetransStamp(sk)
    undoReduction(sk, true)
    f64[bank + Mib.TcpExtTCPPartialUndo]++
    keepOpen(sk)
    return false
  }

  const keepOpen = (sk: number): void => {
    const left = i32[sk + TP_SACKED_OUT] + i32[sk + TP_LOST_OUT]
    const next = left !== 0 || anyRetransDone(sk) ? TCP_CA_DISORDER : TCP_CA_OPEN
    if (i32[sk + TP_CA_STATE] === next) return
    setCaState(sk, next)
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
  }
  const tryToOpen = (sk: number): void => {
    cleanRetransStamp(sk)
    if (echoesMark) enterCwr(sk)
    if (i32[sk + TP_CA_STATE] !== TCP_CA_CWR) keepOpen(sk)
  }
  /** Local congestion, a lost tail or an ECN mark: one reduction a round trip. */
  const enterCwr = (sk: number): void => {
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    if (i32[sk + TP_CA_STATE] >= TCP_CA_CWR) return
    i32[sk + TP_UNDO_MARKER] = 0
    initCwndReduction(sk)
    setCaState(sk, TCP_CA_CWR)
  }
  const enterRecovery = (sk: number): void => {
    // it has a clock of its own
    cleanRetransStamp(sk)
    f64[bank + (isSack(sk) ? Mib.TcpExtTCPSackRecovery : Mib.TcpExtTCPRenoRecovery)]++
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    initUndo(sk)
    if (!inCwndReduction(i32, sk)) {
      i32[sk + TP_PRIOR_SSTHRESH] = currentSsthresh(i32, sk)
      initCwndReduction(sk)
    }
    setCaState(sk, TCP_CA_RECOVERY)
  }

  /** The timer fired: what is not heard of is lost, and the window begins anew (RFC 5681 3.1). */
  const enterLoss = (sk: number): void => {
    const state = i32[sk + TP_CA_STATE]
    const isNew = state < TCP_CA_RECOVERY
    markTimedOut(sk)
    const before = ((i32[sk + TP_HIGH_SEQ] - i32[sk + TP_SND_UNA]) | 0) <= 0
    if (
      state <= TCP_CA_DISORDER ||
      before ||
      (state === TCP_CA_LOSS && i32[sk + TP_RETRANSMITS] === 0)
    ) {
      i32[sk + TP_PRIOR_SSTHRESH] = currentSsthresh(i32, sk)
      i32[sk + TP_PRIOR_CWND] = i32[sk + TP_SND_CWND]
      i32[sk + TP_SND_SSTHRESH] = cong.ops(sk).ssthresh(sk)
      cong.cwndEvent(sk, CA_EVENT_LOSS)
      initUndo(sk)
    }
    i32[sk + TP_SND_CWND] = packetsInFlight(i32, sk) + 1
    i32[sk + TP_SND_CWND_CNT] = 0
    // so many reports, and a timeout all the same: there was less reordering than thought
    const reordering = i32[sysctl + Sysctl.tcp_reordering]
    if (state <= TCP_CA_DISORDER && i32[sk + TP_SACKED_OUT] >= reordering)
      i32[sk + TP_REORDERING] = Math.min(i32[sk + TP_REORDERING], reordering)
    setCaState(sk, TCP_CA_LOSS)
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    i32[sk + TP_TLP_HIGH_SEQ] = 0
    const mayBeSpurious = (isNew || i32[sk + TP_RETRANSMITS] !== 0) && i32[sk + TP_MTUP_PROBE] === 0
    i32[sk + TP_FRTO] = i32[sysctl + Sysctl.tcp_frto] !== 0 && mayBeSpurious ? 1 : 0
    ecnQueueCwr(i32, sk)
  }
  /** All but what was sent a moment ago (tcp_timeout_mark_lost). */
  const markTimedOut = (sk: number): void => {
    const head = rtxHead(sk)
    const reneged = head !== 0 && (i32[head + CB_FLAGS] & CBF_SACKED) !== 0
    if (reneged) f64[bank + Mib.TcpExtTCPSACKReneging]++
    if (reneged || !isSack(sk)) i32[sk + TP_SACKED_OUT] = 0
    const stop = i32[sk + TP_SEND_HEAD]
    for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT]) {
      if (reneged) i32[skb + CB_FLAGS] &= ~CBF_SACKED
      else if (skb !== head && isSack(sk) && rack.skbTimeout(sk, skb, 0) > 0) continue
      sacktag.markLost(sk, skb)
    }
  }

  /** What is larger than `size` cannot have arrived: send it again, without a reduction (tcp_simple_retransmit). */
  const simpleRetransmit = (sk: number, size: number): void => {
    const stop = i32[sk + TP_SEND_HEAD]
    const lostBefore = i32[sk + TP_LOST_OUT]
    for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT]) {
      const gso = i32[skb + SKB_GSO_SIZE]
      if ((gso !== 0 ? gso : i32[skb + SKB_LEN]) <= size) continue
      sacktag.markLost(sk, skb)
    }
    if (i32[sk + TP_LOST_OUT] !== lostBefore) enterQuietLoss(sk)
  }
  /** Something is to be sent again, and that says nothing of congestion: the window stays. */
  const enterQuietLoss = (sk: number): void => {
    if (i32[sk + TP_CA_STATE] === TCP_CA_LOSS) return
    i32[sk + TP_FRTO] = 0
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    i32[sk + TP_SND_SSTHRESH] = currentSsthresh(i32, sk)
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    i32[sk + TP_UNDO_MARKER] = 0
    setCaState(sk, TCP_CA_LOSS)
  }

  // Without SACK, duplicate ACKs stand for segments that arrived (RFC 6582: window inflation).
  const addRenoSack = (sk: number): void => {
    const before = i32[sk + TP_SACKED_OUT]
    i32[sk + TP_SACKED_OUT]++
    checkRenoReordering(sk, 0)
    countDelivered(sk, i32[sk + TP_SACKED_OUT] - before)
  }
  const countDelivered = (sk: number, n: number): void => {
    if (n <= 0) return
    i32[sk + TP_DELIVERED] += n
    f64[bank + Mib.TcpExtTCPDelivered] += n
  }
  /**
   * More duplicate ACKs than segments that could have caused them: the hole has filled meanwhile, so it was reordering;
   * `acked` segments are no longer in flight.
   */
  const checkRenoReordering = (sk: number, acked: number): void => {
    const packets = i32[sk + TP_PACKETS_OUT]
    const most = packets - Math.min(packets, Math.max(1, i32[sk + TP_LOST_OUT]))
    if (i32[sk + TP_SACKED_OUT] <= most) return
    i32[sk + TP_SACKED_OUT] = most
    i32[sk + TP_REORDERING] = Math.min(packets + acked, i32[sysctl + Sysctl.tcp_max_reordering])
    i32[sk + TP_REORD_SEEN]++
    f64[bank + Mib.TcpExtTCPRenoReorder]++
  }
  /**
   * Without SACK, `acked` segments are acknowledged: the duplicates that stood for them are, but one, which the hole was
   * (tcp_remove_reno_sacks).
   */
  const removeRenoSacks = (sk: number, acked: number): void => {
    const sacked = i32[sk + TP_SACKED_OUT]
    if (acked > 0) {
      countDelivered(sk, Math.max(acked - sacked, 1))
      i32[sk + TP_SACKED_OUT] = Math.max(0, sacked - (acked - 1))
    }
    checkRenoReordering(sk, acked)
  }

  /** Marks what is lost; true when a retransmission was (tcp_identify_packet_loss). */
  const identifyLoss = (sk: number, advanced: boolean): boolean => {
    if (rtxHead(sk) === 0) return false
    const state = i32[sk + TP_CA_STATE]
    if (!isSack(sk)) {
      const isShown = state < TCP_CA_RECOVERY && i32[sk + TP_SACKED_OUT] >= i32[sk + TP_REORDERING]
      if (isShown || (state === TCP_CA_RECOVERY && advanced)) sacktag.markHeadLost(sk)
      return false
    }
    const before = i32[sk + TP_RETRANS_OUT]
    if (rack.rackMarkLost(sk)) timerSet = true
    return before > i32[sk + TP_RETRANS_OUT]
  }

  /** In Loss: F-RTO (RFC 5682 section 3.1, with SACK), undo, or go on sending what is lost. */
  const processLoss = (sk: number, flags: number, dupack: boolean): number => {
    const advanced = (flags & ACK_ADVANCED) !== 0
    if (advanced && tryUndoLoss(sk, false)) return REXMIT_LOST
    const isRecovered = ((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) >= 0
    const hasSentNew = ((i32[sk + TP_SND_NXT] - i32[sk + TP_HIGH_SEQ]) | 0) > 0
    if (i32[sk + TP_FRTO] !== 0) {
      // step 3.b: what was never sent again has arrived, so not all was lost
      if ((flags & SACK_ORIG) !== 0 && tryUndoLoss(sk, true)) return REXMIT_LOST
      if (hasSentNew) {
        // step 3.a: the new data was reported, and the old was not
        if ((flags & SACK_NEW) !== 0 || dupack) i32[sk + TP_FRTO] = 0
      } else if (advanced && !isRecovered) {
        // step 2.b
        i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
        const mayProbe =
          i32[sk + TP_SEND_HEAD] !== 0 && ((wndEnd(i32, sk) - i32[sk + TP_SND_NXT]) | 0) > 0
        if (mayProbe) return REXMIT_NEW
        i32[sk + TP_FRTO] = 0
      }
    }
    if (isRecovered) {
      tryUndoRecovery(sk, tsecr)
      return REXMIT_LOST
    }
    if (!isSack(sk)) {
      if (hasSentNew && dupack) addRenoSack(sk)
      else if (advanced) i32[sk + TP_SACKED_OUT] = 0
    }
    return REXMIT_LOST
  }
  /** New data was to show whether the timeout was spurious, and there is none after all. */
  const giveUpFrto = (sk: number): void => {
    i32[sk + TP_FRTO] = 0
  }

  /** CWR and Recovery end when what was in flight at their start is acknowledged. True: nothing more to do. */
  const leave = (sk: number): boolean => {
    const state = i32[sk + TP_CA_STATE]
    if (((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) < 0) return false
    if (state === TCP_CA_CWR) {
      // more than high_seq, or a burst would follow
      if (i32[sk + TP_SND_UNA] !== i32[sk + TP_HIGH_SEQ]) {
        endCwndReduction(sk)
        setCaState(sk, TCP_CA_OPEN)
      }
    } else if (state === TCP_CA_RECOVERY) {
      if (!isSack(sk)) i32[sk + TP_SACKED_OUT] = 0
      if (tryUndoRecovery(sk, tsecr)) return true
      endCwndReduction(sk)
    }
    return false
  }

  /**
   * An acknowledgement that is not plain progress. `una`: snd_una before it; `flags`: SACK_*, ACK_*; `echo`: the timestamp
   * it echoes. Returns REXMIT_*.
   */
  const fastretransAlert = (sk: number, una: number, flags: number, echo: number): number => {
    const advanced = (flags & ACK_ADVANCED) !== 0
    const dupack = (flags & (ACK_ADVANCED | ACK_NOT_DUP | SACK_DSACK)) === 0
    priorUna = una
    tsecr = echo
    timerSet = false
    echoesMark = (flags & ACK_ECE) !== 0
    // a mark is no mistake: what it leads to is not undone
    if (echoesMark) i32[sk + TP_PRIOR_SSTHRESH] = 0
    if (i32[sk + TP_PACKETS_OUT] === 0) i32[sk + TP_SACKED_OUT] = 0
    const head = rtxHead(sk)
    if (advanced && head !== 0 && (i32[head + CB_FLAGS] & CBF_SACKED) !== 0) {
      awaitSackedHead(sk)
      return REXMIT_NONE
    }
    if (i32[sk + TP_CA_STATE] === TCP_CA_OPEN) i32[sk + TP_RETRANS_STAMP] = 0
    else if (leave(sk)) return REXMIT_NONE
    switch (i32[sk + TP_CA_STATE]) {
      case TCP_CA_RECOVERY:
        return inRecovery(sk, advanced, dupack)
      case TCP_CA_LOSS: {
        const rexmit = processLoss(sk, flags, dupack)
        const isAgain = identifyLoss(sk, advanced)
        if (i32[sk + TP_CA_STATE] !== TCP_CA_OPEN && !isAgain) return rexmit
        return outOfOrder(sk, advanced, dupack)
      }
      default:
        return outOfOrder(sk, advanced, dupack)
    }
  }
  /**
   * The head was reported, and is not acknowledged: the receiver has thrown it away (RFC 2018 section 8), unless what it says next
   * puts that right. It has half a round trip (tcp_check_sack_reneging).
   */
  const awaitSackedHead = (sk: number): void => {
    const half = Math.ceil((i32[sk + TP_SRTT_US] >> 4) / 1000)
    deps.timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, Math.max(half, RENEGING_MIN_MS))
    timerSet = true
  }
  const inRecovery = (sk: number, advanced: boolean, dupack: boolean): number => {
    if (!advanced) {
      if (!isSack(sk) && dupack) addRenoSack(sk)
    } else if (tryUndoPartial(sk)) return REXMIT_NONE
    if (tryUndoDsack(sk)) tryToOpen(sk)
    identifyLoss(sk, advanced)
    if (i32[sk + TP_CA_STATE] !== TCP_CA_RECOVERY) {
      if (i32[sk + TP_LOST_OUT] === 0) return REXMIT_NONE
      enterRecovery(sk)
    }
    return REXMIT_LOST
  }
  const outOfOrder = (sk: number, advanced: boolean, dupack: boolean): number => {
    if (!isSack(sk)) {
      if (advanced) i32[sk + TP_SACKED_OUT] = 0
      if (dupack) addRenoSack(sk)
    }
    if (i32[sk + TP_CA_STATE] <= TCP_CA_DISORDER) tryUndoDsack(sk)
    identifyLoss(sk, advanced)
    if (i32[sk + TP_LOST_OUT] === 0) {
      tryToOpen(sk)
      return REXMIT_NONE
    }
    if (!isProbeLost(sk)) enterRecovery(sk)
    return REXMIT_LOST
  }

  /** What is missing was too large for the path: it goes again in segments that are not, and the window stays. */
  const isProbeLost = (sk: number): boolean => {
    if (i32[sk + TP_CA_STATE] >= TCP_CA_CWR || !mtup.probeLost(sk)) return false
    simpleRetransmit(sk, mss.currentMss(sk))
    enterQuietLoss(sk)
    return true
  }

  /** The reordering timer: what it waited for has not come. True when there is something to send again. */
  const reoTimeout = (sk: number): boolean => {
    const before = packetsInFlight(i32, sk)
    rack.detectLoss(sk)
    if (packetsInFlight(i32, sk) === before) return false
    if (i32[sk + TP_CA_STATE] !== TCP_CA_RECOVERY && !isProbeLost(sk)) {
      enterRecovery(sk)
      if (cong.ops(sk).congControl === undefined) cwndReduction(sk, 1, 0, false)
    }
    return true
  }

  /** Was the tail lost for which the probe was sent, or was that in vain (RFC 8985 section 7.4.2)? */
  const processTlpAck = (sk: number, ack: number, flags: number): void => {
    const high = i32[sk + TP_TLP_HIGH_SEQ]
    if (((ack - high) | 0) < 0) return
    if (i32[sk + TP_TLP_RETRANS] === 0 || (flags & SACK_DSACK_TLP) !== 0) {
      // new data was acknowledged; or both the segment and its copy have come
      i32[sk + TP_TLP_HIGH_SEQ] = 0
    } else if (((ack - high) | 0) > 0) {
      // without a report of a duplicate: the probe has mended a loss
      initCwndReduction(sk)
      setCaState(sk, TCP_CA_CWR)
      endCwndReduction(sk)
      keepOpen(sk)
      f64[bank + Mib.TcpExtTCPLossProbeRecovery]++
    } else if ((flags & (ACK_ADVANCED | ACK_NOT_DUP | SACK_NEW)) === 0)
      i32[sk + TP_TLP_HIGH_SEQ] = 0
  }

  return {
    cleanRetransStamp,
    fastretransAlert,
    enterLoss,
    tryUndoRecovery,
    enterCwr,
    simpleRetransmit,
    removeRenoSacks,
    isTimerSet,
    reoTimeout,
    processTlpAck,
    giveUpFrto,
    cwndReduction,
    updateReoWnd: rack.updateReoWnd,
  }
}
