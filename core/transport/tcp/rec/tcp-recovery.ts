/**
 * Loss recovery: the states Open, Disorder, CWR, Recovery and Loss of a connection, what an acknowledgement does
 * to them, the step into Loss when the timer fires, and undoing a reduction that was not needed (Eifel, DSACK).
 * NewReno (RFC 6582) without SACK, RFC 6675 with it. Called by tcp-ack.ts and tcp-timer.ts.
 * Linux: tcp_fastretrans_alert, tcp_enter_loss, tcp_try_undo_*.
 */
import { Mib } from '../../../shm/counters.ts'
import { SKB_GSO_SIZE, SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import { CA_EVENT_COMPLETE_CWR, CA_EVENT_LOSS, type TcpCong } from './tcp-cong.ts'
import type { TcpSacktag } from './tcp-sacktag.ts'
import {
  CB_FLAGS,
  CBF_EVER_RETRANS,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
  OPT_SACK,
  OPT_TIMESTAMPS,
  packetsInFlight,
  TCP_CA_CWR,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TCP_FASTRETRANS_THRESH,
  TCP_INFINITE_SSTHRESH,
  TCP_MAX_REORDERING,
  TP_CA_STATE,
  TP_HIGH_SEQ,
  TP_LOST_OUT,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_PRIOR_CWND,
  TP_PRIOR_SSTHRESH,
  TP_REORDERING,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_RETRANSMITS,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_CWND_CNT,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_TS_OFFSET,
  TP_UNDO_MARKER,
  TP_UNDO_RETRANS,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

/** What the alert tells the caller to do with the retransmission queue. */
export const REXMIT_NONE = 0
const REXMIT_LOST = 1
/** At least one segment, whatever the window says. */
export const REXMIT_FORCE = 2

export type TcpRecovery = ReturnType<typeof createTcpRecovery>
type TcpRecoveryDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  queue: TcpWriteQueue
  sacktag: TcpSacktag
  cong: TcpCong
}

export const createTcpRecovery = ({ i32, f64, bank, queue, sacktag, cong }: TcpRecoveryDeps) => {
  const { setCaState } = cong
  const { pcount, rtxHead } = queue
  /** snd_una before the acknowledgement being processed. */
  let priorUna = 0
  /** The echoed timestamp of the acknowledgement being processed, 0 when it had none. */
  let tsecr = 0

  const isSack = (sk: number): boolean => (i32[sk + TP_OPTS] & OPT_SACK) !== 0
  const currentSsthresh = (sk: number): number => {
    const cwnd = i32[sk + TP_SND_CWND]
    if (i32[sk + TP_CA_STATE] === TCP_CA_CWR || i32[sk + TP_CA_STATE] === TCP_CA_RECOVERY)
      return i32[sk + TP_SND_SSTHRESH]
    return Math.max(i32[sk + TP_SND_SSTHRESH], (cwnd >> 1) + (cwnd >> 2))
  }
  const anyRetransDone = (sk: number): boolean => {
    if (i32[sk + TP_RETRANS_OUT] !== 0) return true
    const head = rtxHead(sk)
    return head !== 0 && (i32[head + CB_FLAGS] & CBF_EVER_RETRANS) !== 0
  }

  const initUndo = (sk: number): void => {
    i32[sk + TP_UNDO_MARKER] = i32[sk + TP_SND_UNA] || 1
    i32[sk + TP_UNDO_RETRANS] = i32[sk + TP_RETRANS_OUT] || -1
  }
  /** The acknowledgement answers the original, not the retransmission (Eifel, RFC 3522). */
  const packetDelayed = (sk: number): boolean => {
    const stamp = i32[sk + TP_RETRANS_STAMP]
    if (stamp === 0 || tsecr === 0 || (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) === 0) return false
    return ((tsecr - i32[sk + TP_TS_OFFSET] - stamp) | 0) < 0
  }
  const mayUndo = (sk: number): boolean =>
    i32[sk + TP_UNDO_MARKER] !== 0 && (i32[sk + TP_UNDO_RETRANS] === 0 || packetDelayed(sk))
  const undoReduction = (sk: number, unmark: boolean): void => {
    if (unmark) {
      const stop = i32[sk + TP_SEND_HEAD]
      for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT])
        i32[skb + CB_FLAGS] &= ~CBF_LOST
      i32[sk + TP_LOST_OUT] = 0
    }
    if (i32[sk + TP_PRIOR_SSTHRESH] !== 0) {
      i32[sk + TP_SND_CWND] = cong.ops(sk).undoCwnd(sk)
      if (i32[sk + TP_PRIOR_SSTHRESH] > i32[sk + TP_SND_SSTHRESH])
        i32[sk + TP_SND_SSTHRESH] = i32[sk + TP_PRIOR_SSTHRESH]
    }
    i32[sk + TP_UNDO_MARKER] = 0
  }

  /** Everything up to high_seq is acknowledged. True when the state must still be held (RFC 6582 section 5). */
  const tryUndoRecovery = (sk: number): boolean => {
    if (mayUndo(sk)) {
      const loss = i32[sk + TP_CA_STATE] === TCP_CA_LOSS
      undoReduction(sk, false)
      f64[bank + (loss ? Mib.TcpExtTCPLossUndo : Mib.TcpExtTCPFullUndo)]++
    }
    if (!isSack(sk) && i32[sk + TP_SND_UNA] === i32[sk + TP_HIGH_SEQ]) {
      // without SACK a duplicate ACK of old retransmissions could start a second reduction
      if (!anyRetransDone(sk)) i32[sk + TP_RETRANS_STAMP] = 0
      return true
    }
    setCaState(sk, TCP_CA_OPEN)
    return false
  }
  const tryUndoDsack = (sk: number): boolean => {
    if (i32[sk + TP_UNDO_MARKER] === 0 || i32[sk + TP_UNDO_RETRANS] !== 0) return false
    undoReduction(sk, false)
    f64[bank + Mib.TcpExtTCPDSACKUndo]++
    return true
  }
  const tryUndoLoss = (sk: number): boolean => {
    if (!mayUndo(sk)) return false
    undoReduction(sk, true)
    f64[bank + Mib.TcpExtTCPLossUndo]++
    i32[sk + TP_RETRANSMITS] = 0
    if (isSack(sk)) setCaState(sk, TCP_CA_OPEN)
    return true
  }
  const tryUndoPartial = (sk: number): boolean => {
    if (i32[sk + TP_UNDO_MARKER] === 0 || !packetDelayed(sk)) return false
    // the hole was filled by the original, which was late
    sacktag.noteReordering(sk, priorUna, sacktag.highestSack(sk), Mib.TcpExtTCPTSReorder)
    if (i32[sk + TP_RETRANS_OUT] !== 0) return true
    if (!anyRetransDone(sk)) i32[sk + TP_RETRANS_STAMP] = 0
    undoReduction(sk, true)
    f64[bank + Mib.TcpExtTCPPartialUndo]++
    keepOpen(sk)
    return true
  }

  const keepOpen = (sk: number): void => {
    const left = i32[sk + TP_SACKED_OUT] + i32[sk + TP_LOST_OUT]
    const next =
      left !== 0 || anyRetransDone(sk) || i32[sk + TP_UNDO_MARKER] !== 0
        ? TCP_CA_DISORDER
        : TCP_CA_OPEN
    if (i32[sk + TP_CA_STATE] === next) return
    setCaState(sk, next)
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
  }
  const tryToOpen = (sk: number): void => {
    if (!anyRetransDone(sk)) i32[sk + TP_RETRANS_STAMP] = 0
    if (i32[sk + TP_CA_STATE] !== TCP_CA_CWR) keepOpen(sk)
  }
  const endReduction = (sk: number): void => {
    const ssthresh = i32[sk + TP_SND_SSTHRESH]
    const state = i32[sk + TP_CA_STATE]
    if (
      ssthresh < TCP_INFINITE_SSTHRESH &&
      (state === TCP_CA_CWR || i32[sk + TP_UNDO_MARKER] !== 0)
    )
      i32[sk + TP_SND_CWND] = ssthresh
    cong.cwndEvent(sk, CA_EVENT_COMPLETE_CWR)
  }
  /** Local congestion or an ECN mark: one reduction a round trip. */
  const enterCwr = (sk: number): void => {
    if (i32[sk + TP_CA_STATE] >= TCP_CA_CWR) return
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    i32[sk + TP_UNDO_MARKER] = 0
    reduce(sk)
    setCaState(sk, TCP_CA_CWR)
  }
  const reduce = (sk: number): void => {
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    i32[sk + TP_PRIOR_CWND] = i32[sk + TP_SND_CWND]
    i32[sk + TP_SND_CWND_CNT] = 0
    i32[sk + TP_SND_SSTHRESH] = cong.ops(sk).ssthresh(sk)
    i32[sk + TP_SND_CWND] = i32[sk + TP_SND_SSTHRESH]
  }
  const enterRecovery = (sk: number): void => {
    f64[bank + (isSack(sk) ? Mib.TcpExtTCPSackRecovery : Mib.TcpExtTCPRenoRecovery)]++
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    initUndo(sk)
    if (i32[sk + TP_CA_STATE] < TCP_CA_CWR) {
      i32[sk + TP_PRIOR_SSTHRESH] = currentSsthresh(sk)
      reduce(sk)
    } else i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    setCaState(sk, TCP_CA_RECOVERY)
  }

  /** The timer fired: everything not SACKed is lost, and the window begins anew (RFC 5681 3.1). */
  const enterLoss = (sk: number): void => {
    const state = i32[sk + TP_CA_STATE]
    markAllLost(sk)
    const before = ((i32[sk + TP_HIGH_SEQ] - i32[sk + TP_SND_UNA]) | 0) <= 0
    if (
      state <= TCP_CA_DISORDER ||
      before ||
      (state === TCP_CA_LOSS && i32[sk + TP_RETRANSMITS] === 0)
    ) {
      i32[sk + TP_PRIOR_SSTHRESH] = currentSsthresh(sk)
      i32[sk + TP_PRIOR_CWND] = i32[sk + TP_SND_CWND]
      i32[sk + TP_SND_SSTHRESH] = cong.ops(sk).ssthresh(sk)
      cong.cwndEvent(sk, CA_EVENT_LOSS)
      initUndo(sk)
    }
    i32[sk + TP_SND_CWND] = packetsInFlight(i32, sk) + 1
    i32[sk + TP_SND_CWND_CNT] = 0
    i32[sk + TP_REORDERING] = Math.min(i32[sk + TP_REORDERING], TCP_FASTRETRANS_THRESH)
    setCaState(sk, TCP_CA_LOSS)
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
  }
  const markAllLost = (sk: number): void => {
    const head = rtxHead(sk)
    const reneged = head !== 0 && (i32[head + CB_FLAGS] & CBF_SACKED) !== 0
    if (reneged) f64[bank + Mib.TcpExtTCPSACKReneging]++
    if (reneged || !isSack(sk)) i32[sk + TP_SACKED_OUT] = 0
    const stop = i32[sk + TP_SEND_HEAD]
    for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT]) {
      if (reneged) i32[skb + CB_FLAGS] &= ~CBF_SACKED
      const flags = i32[skb + CB_FLAGS]
      if ((flags & CBF_SACKED) !== 0) continue
      if ((flags & CBF_RETRANS) !== 0) retransmitLost(sk, skb)
      sacktag.markLost(sk, skb)
    }
  }
  /** The retransmission is not on its way any more; of what was marked lost it is lost once more. */
  const retransmitLost = (sk: number, skb: number): void => {
    const n = pcount(skb)
    i32[sk + TP_RETRANS_OUT] -= n
    if ((i32[skb + CB_FLAGS] & CBF_LOST) !== 0) f64[bank + Mib.TcpExtTCPLostRetransmit] += n
    i32[skb + CB_FLAGS] &= ~CBF_RETRANS
  }

  /** What is larger than `size` cannot have arrived: send it again, without a reduction (tcp_simple_retransmit). */
  const simpleRetransmit = (sk: number, size: number): void => {
    const stop = i32[sk + TP_SEND_HEAD]
    const lostBefore = i32[sk + TP_LOST_OUT]
    for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT]) {
      const gso = i32[skb + SKB_GSO_SIZE]
      if ((gso !== 0 ? gso : i32[skb + SKB_LEN]) <= size) continue
      if ((i32[skb + CB_FLAGS] & CBF_RETRANS) !== 0) retransmitLost(sk, skb)
      sacktag.markLost(sk, skb)
    }
    if (i32[sk + TP_LOST_OUT] === lostBefore || i32[sk + TP_CA_STATE] === TCP_CA_LOSS) return
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    i32[sk + TP_SND_SSTHRESH] = currentSsthresh(sk)
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    i32[sk + TP_UNDO_MARKER] = 0
    setCaState(sk, TCP_CA_LOSS)
  }

  // Without SACK, duplicate ACKs stand for segments that arrived (RFC 6582: window inflation).
  const addRenoSack = (sk: number): void => {
    i32[sk + TP_SACKED_OUT]++
    checkRenoReordering(sk, 0)
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
    i32[sk + TP_REORDERING] = Math.min(packets + acked, TCP_MAX_REORDERING)
    f64[bank + Mib.TcpExtTCPRenoReorder]++
  }
  /** A partial ACK deflates by what it acknowledged, and leaves one for the hole it has filled. */
  const removeRenoSacks = (sk: number, acked: number): void => {
    if (acked > 0) i32[sk + TP_SACKED_OUT] = Math.max(0, i32[sk + TP_SACKED_OUT] - (acked - 1))
    checkRenoReordering(sk, acked)
  }

  const processLoss = (sk: number, advanced: boolean, dupack: boolean): number => {
    if (advanced && tryUndoLoss(sk)) return REXMIT_LOST
    if (((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) >= 0) {
      tryUndoRecovery(sk)
      return REXMIT_LOST
    }
    if (!isSack(sk)) {
      if (((i32[sk + TP_SND_NXT] - i32[sk + TP_HIGH_SEQ]) | 0) > 0 && dupack) addRenoSack(sk)
      else if (advanced) i32[sk + TP_SACKED_OUT] = 0
    }
    return REXMIT_LOST
  }

  const timeToRecover = (sk: number): boolean =>
    i32[sk + TP_LOST_OUT] !== 0 || i32[sk + TP_SACKED_OUT] + 1 > i32[sk + TP_REORDERING]

  /** CWR and Recovery end when what was in flight at their start is acknowledged. True: nothing more to do. */
  const leave = (sk: number): boolean => {
    const state = i32[sk + TP_CA_STATE]
    if (((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) < 0) return false
    if (state === TCP_CA_CWR) {
      // more than high_seq, or a burst would follow
      if (i32[sk + TP_SND_UNA] !== i32[sk + TP_HIGH_SEQ]) {
        endReduction(sk)
        setCaState(sk, TCP_CA_OPEN)
      }
    } else if (state === TCP_CA_RECOVERY) {
      if (!isSack(sk)) i32[sk + TP_SACKED_OUT] = 0
      if (tryUndoRecovery(sk)) return true
      endReduction(sk)
    }
    return false
  }

  /**
   * An acknowledgement that is not plain progress. `una`: snd_una before it; `dupack`: a duplicate;
   * `reported`: new SACK blocks; `acked`: segments; `echo`: the timestamp it echoes. Returns REXMIT_*.
   */
  const fastretransAlert = (
    sk: number,
    una: number,
    dupack: boolean,
    reported: boolean,
    acked: number,
    echo: number
  ): number => {
    const advanced = una !== i32[sk + TP_SND_UNA]
    priorUna = una
    tsecr = echo
    if (!isSack(sk) && advanced && i32[sk + TP_CA_STATE] === TCP_CA_RECOVERY)
      removeRenoSacks(sk, acked)
    if (i32[sk + TP_PACKETS_OUT] === 0) i32[sk + TP_SACKED_OUT] = 0
    const head = rtxHead(sk)
    if (advanced && head !== 0 && (i32[head + CB_FLAGS] & CBF_SACKED) !== 0) {
      // RFC 2018 section 8: the receiver has thrown away what it had reported
      enterLoss(sk)
      return REXMIT_FORCE
    }
    if (i32[sk + TP_CA_STATE] === TCP_CA_OPEN) i32[sk + TP_RETRANS_STAMP] = 0
    else if (leave(sk)) return REXMIT_NONE
    switch (i32[sk + TP_CA_STATE]) {
      case TCP_CA_RECOVERY:
        return inRecovery(sk, advanced, dupack)
      case TCP_CA_LOSS: {
        const rexmit = processLoss(sk, advanced, dupack)
        if (i32[sk + TP_CA_STATE] !== TCP_CA_OPEN) {
          if (isSack(sk) && reported) sacktag.updateScoreboard(sk, false)
          return rexmit
        }
        return outOfOrder(sk, advanced, dupack)
      }
      default:
        return outOfOrder(sk, advanced, dupack)
    }
  }
  const inRecovery = (sk: number, advanced: boolean, dupack: boolean): number => {
    if (!advanced) {
      if (!isSack(sk) && dupack) addRenoSack(sk)
    } else if (tryUndoPartial(sk)) return REXMIT_LOST
    if (tryUndoDsack(sk)) {
      tryToOpen(sk)
      return REXMIT_LOST
    }
    if (isSack(sk)) {
      sacktag.updateScoreboard(sk, advanced)
      return REXMIT_LOST
    }
    // NewReno: a partial ACK shows the next hole
    if (advanced) sacktag.markHeadLost(sk)
    return advanced ? REXMIT_FORCE : REXMIT_LOST
  }
  const outOfOrder = (sk: number, advanced: boolean, dupack: boolean): number => {
    if (!isSack(sk)) {
      if (advanced) i32[sk + TP_SACKED_OUT] = 0
      if (dupack) addRenoSack(sk)
    }
    if (i32[sk + TP_CA_STATE] <= TCP_CA_DISORDER) tryUndoDsack(sk)
    if (!timeToRecover(sk)) {
      tryToOpen(sk)
      return REXMIT_NONE
    }
    enterRecovery(sk)
    if (isSack(sk)) sacktag.updateScoreboard(sk, true)
    else sacktag.markHeadLost(sk)
    return REXMIT_FORCE
  }

  return { fastretransAlert, enterLoss, enterCwr, simpleRetransmit }
}
