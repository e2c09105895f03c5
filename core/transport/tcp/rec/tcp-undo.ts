/**
 * A reduction that was a mistake is taken back: by the timestamp that an acknowledgement echoes (Eifel), when all that was
 * sent again has come twice (DSACK), or when F-RTO knows. Called by tcp-recovery.ts, tcp-frto.ts and Fast Open, on the worker.
 * Linux: tcp_packet_delayed, tcp_may_undo, tcp_undo_cwnd_reduction, tcp_try_undo_*; RFC 3522, RFC 4015, RFC 3708.
 */
import { TIME_MS, type Time } from '../../../base/time.ts'
import { Mib } from '../../../shm/counters.ts'
import { SKB_NEXT } from '../../../skb/skb.ts'
import { SK_STATE, TCP_SYN_SENT } from '../../../socket/sock.ts'
import { CBF_LOST, CB_FLAGS } from '../sock/tcp-cb.ts'
import {
  OPT_TIMESTAMPS,
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TP_CA_STATE,
  TP_HIGH_SEQ,
  TP_LOST_OUT,
  TP_OPTS,
  TP_PRIOR_SSTHRESH,
  TP_RACK_ADVANCED,
  TP_RACK_REO_PERSIST,
  TP_RETRANSMITS,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_CWND_STAMP,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_TS_OFFSET,
  TP_UNDO_MARKER,
  TP_UNDO_RETRANS,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import type { TcpCaState } from './tcp-ca-state.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { ecnWithdrawCwr } from '../ecn/tcp-ecn.ts'
import { isSack } from './tcp-reno-sack.ts'
import type { TcpSacktag } from '../ack/tcp-sacktag.ts'

export type TcpUndo = ReturnType<typeof createTcpUndo>
type TcpUndoDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  time: Time
  cong: TcpCong
} & Pick<TcpCaState, 'cleanRetransStamp' | 'keepOpen'> &
  Pick<TcpSacktag, 'noteReordering'>

// `tsecr`: the timestamp that the acknowledgement echoes, 0 when it has none.
export const createTcpUndo = (deps: TcpUndoDeps) => {
  const { i32, f64, bank, time, cong, cleanRetransStamp, keepOpen, noteReordering } = deps
  const { setCaState } = cong

  /** The acknowledgement answers the original, not the retransmission. */
  const packetDelayed = (sk: number, tsecr: number): boolean => {
    const stamp = i32[sk + TP_RETRANS_STAMP]
    if (stamp === 0) {
      // nothing has been sent again yet; or it is forgotten, without SACK at the end of a recovery, and when the SYN is acknowledged
      const isOver = ((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) >= 0
      return (isSack(i32, sk) || !isOver) && i32[sk + SK_STATE] !== TCP_SYN_SENT
    }
    if (tsecr === 0 || (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) === 0) return false
    return ((tsecr - i32[sk + TP_TS_OFFSET] - stamp) | 0) < 0
  }
  const mayUndo = (sk: number, tsecr: number): boolean =>
    i32[sk + TP_UNDO_MARKER] !== 0 && (i32[sk + TP_UNDO_RETRANS] === 0 || packetDelayed(sk, tsecr))

  /** Nothing is thought lost any more. */
  const unmarkLost = (sk: number): void => {
    const stop = i32[sk + TP_SEND_HEAD]
    for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT])
      i32[skb + CB_FLAGS] &= ~CBF_LOST
    i32[sk + TP_LOST_OUT] = 0
  }
  /** The window is what it was (tcp_undo_cwnd_reduction). */
  const undoReduction = (sk: number): void => {
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

  /** Without SACK a duplicate ACK of old retransmissions could start a second reduction (tcp_is_non_sack_preventing_reopen). */
  const mustHoldState = (sk: number): boolean => {
    if (isSack(i32, sk) || i32[sk + TP_SND_UNA] !== i32[sk + TP_HIGH_SEQ]) return false
    cleanRetransStamp(sk)
    return true
  }

  /** Everything up to high_seq is acknowledged. True when the state must still be held (RFC 6582 section 5). */
  const tryUndoRecovery = (sk: number, tsecr: number): boolean => {
    if (mayUndo(sk, tsecr)) {
      const loss = i32[sk + TP_CA_STATE] === TCP_CA_LOSS
      undoReduction(sk)
      f64[bank + (loss ? Mib.TcpExtTCPLossUndo : Mib.TcpExtTCPFullUndo)]++
    } else if (i32[sk + TP_RACK_REO_PERSIST] !== 0) i32[sk + TP_RACK_REO_PERSIST]--
    if (mustHoldState(sk)) return true
    setCaState(sk, TCP_CA_OPEN)
    return false
  }
  const tryUndoDsack = (sk: number): boolean => {
    if (i32[sk + TP_UNDO_MARKER] === 0 || i32[sk + TP_UNDO_RETRANS] !== 0) return false
    undoReduction(sk)
    f64[bank + Mib.TcpExtTCPDSACKUndo]++
    return true
  }
  /** `isSpurious`: F-RTO knows that nothing was lost. */
  const tryUndoLoss = (sk: number, tsecr: number, isSpurious: boolean): boolean => {
    if (!isSpurious && !mayUndo(sk, tsecr)) return false
    unmarkLost(sk)
    undoReduction(sk)
    f64[bank + Mib.TcpExtTCPLossUndo]++
    if (isSpurious) f64[bank + Mib.TcpExtTCPSpuriousRTOs]++
    i32[sk + TP_RETRANSMITS] = 0
    if (!mustHoldState(sk) && (isSpurious || isSack(i32, sk))) setCaState(sk, TCP_CA_OPEN)
    return true
  }
  /**
   * snd_una has moved from `priorUna`, not to the end of the recovery. True while what was sent again is still on its way:
   * no more is thought lost so long.
   */
  const tryUndoPartial = (sk: number, tsecr: number, priorUna: number): boolean => {
    if (i32[sk + TP_UNDO_MARKER] === 0 || !packetDelayed(sk, tsecr)) return false
    // the hole was filled by the original, which was late
    noteReordering(sk, priorUna, Mib.TcpExtTCPTSReorder)
    if (i32[sk + TP_RETRANS_OUT] !== 0) return true
    cleanRetransStamp(sk)
    unmarkLost(sk)
    undoReduction(sk)
    f64[bank + Mib.TcpExtTCPPartialUndo]++
    keepOpen(sk)
    return false
  }

  return { tryUndoRecovery, tryUndoDsack, tryUndoLoss, tryUndoPartial }
}
