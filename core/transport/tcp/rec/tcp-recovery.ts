/**
 * Loss recovery: what an acknowledgement that is not plain progress does to the states Open, Disorder, CWR, Recovery and Loss of
 * a connection, and what is to be sent for it. What is lost RACK says (tcp-rack.ts), or without SACK NewReno (RFC 6582). Called by
 * tcp-ack.ts and tcp-timer.ts on the worker. Linux: tcp_fastretrans_alert, tcp_rack_reo_timeout; RFC 5681, RFC 6675, RFC 8985.
 */
import {
  FLAG_ECE,
  FLAG_SND_UNA_ADVANCED,
  REXMIT_LOST,
  REXMIT_NONE,
} from '../ack/tcp-ack-constants.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import { CBF_SACKED, CB_FLAGS } from '../sock/tcp-cb.ts'
import {
  ICSK_TIME_RETRANS,
  TCP_CA_CWR,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
  TP_HIGH_SEQ,
  TP_LOST_OUT,
  TP_PACKETS_OUT,
  TP_PRIOR_SSTHRESH,
  TP_REORDERING,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_SACKED_OUT,
  TP_SND_UNA,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpCaState } from './tcp-ca-state.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { packetsInFlight } from '../cong/tcp-cwnd.ts'
import type { TcpFrto } from './tcp-frto.ts'
import type { TcpPrr } from './tcp-prr.ts'
import type { TcpRack } from './tcp-rack.ts'
import { type TcpRenoSack, isDupack, isSack } from './tcp-reno-sack.ts'
import type { TcpSacktag } from '../ack/tcp-sacktag.ts'
import type { TcpSimpleRetransmit } from './tcp-simple-retransmit.ts'
import type { TcpUndo } from './tcp-undo.ts'

/** What was reported has so long to be acknowledged, ms. */
const RENEGING_MIN_MS = 10

export type TcpRecovery = ReturnType<typeof createTcpRecovery>
type TcpRecoveryDeps = {
  i32: Int32Array
  timers: TcpTimers
  cong: TcpCong
  queue: Pick<TcpWriteQueue, 'rtxHead'>
  sacktag: Pick<TcpSacktag, 'markHeadLost'>
  rack: Pick<TcpRack, 'rackMarkLost' | 'detectLoss'>
  prr: TcpPrr
  caState: Pick<TcpCaState, 'enterRecovery' | 'tryToOpen'>
  undo: TcpUndo
  renoSack: Pick<TcpRenoSack, 'addRenoSack'>
  frto: Pick<TcpFrto, 'processLoss'>
  simple: Pick<TcpSimpleRetransmit, 'isProbeLost'>
}

// `flags`: what the acknowledgement was, FLAG_*; `tsecr`: the timestamp that it echoes, 0 when it has none.
export const createTcpRecovery = (deps: TcpRecoveryDeps) => {
  const { i32, timers, cong, sacktag, rack } = deps
  const { rtxHead } = deps.queue
  const { cwndReduction, endCwndReduction } = deps.prr
  const { enterRecovery, tryToOpen } = deps.caState
  const { tryUndoRecovery, tryUndoDsack, tryUndoPartial } = deps.undo
  const { addRenoSack } = deps.renoSack
  const { processLoss } = deps.frto
  const { isProbeLost } = deps.simple

  /** The alert has set a timer (FLAG_SET_XMIT_TIMER). */
  let timerSet = false
  const isTimerSet = (): boolean => timerSet

  /** Marks what is lost; true when a retransmission was (tcp_identify_packet_loss). */
  const identifyLoss = (sk: number, flags: number): boolean => {
    if (rtxHead(sk) === 0) return false
    if (!isSack(i32, sk)) {
      identifyRenoLoss(sk, flags)
      return false
    }
    const before = i32[sk + TP_RETRANS_OUT]
    if (rack.rackMarkLost(sk)) timerSet = true
    return before > i32[sk + TP_RETRANS_OUT]
  }
  /** Three duplicates show that the head is lost, in Recovery each partial acknowledgement does (tcp_newreno_mark_lost). */
  const identifyRenoLoss = (sk: number, flags: number): void => {
    const state = i32[sk + TP_CA_STATE]
    const isShown = state < TCP_CA_RECOVERY && i32[sk + TP_SACKED_OUT] >= i32[sk + TP_REORDERING]
    const isPartial = state === TCP_CA_RECOVERY && (flags & FLAG_SND_UNA_ADVANCED) !== 0
    if (isShown || isPartial) sacktag.markHeadLost(sk)
  }

  /** CWR and Recovery end when what was in flight at their start is acknowledged. True: nothing more to do. */
  const leave = (sk: number, tsecr: number): boolean => {
    const state = i32[sk + TP_CA_STATE]
    if (((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) < 0) return false
    if (state === TCP_CA_CWR) {
      // more than high_seq, or a burst would follow
      if (i32[sk + TP_SND_UNA] !== i32[sk + TP_HIGH_SEQ]) {
        endCwndReduction(sk)
        cong.setCaState(sk, TCP_CA_OPEN)
      }
    } else if (state === TCP_CA_RECOVERY) {
      if (!isSack(i32, sk)) i32[sk + TP_SACKED_OUT] = 0
      if (tryUndoRecovery(sk, tsecr)) return true
      endCwndReduction(sk)
    }
    return false
  }

  /** Returns REXMIT_*. `priorUna`: snd_una before the acknowledgement. */
  const fastretransAlert = (sk: number, priorUna: number, flags: number, tsecr: number): number => {
    timerSet = false
    // a mark is no mistake: what it leads to is not undone
    if ((flags & FLAG_ECE) !== 0) i32[sk + TP_PRIOR_SSTHRESH] = 0
    if (i32[sk + TP_PACKETS_OUT] === 0) i32[sk + TP_SACKED_OUT] = 0
    if (isHeadSacked(sk, flags)) {
      awaitSackedHead(sk)
      return REXMIT_NONE
    }
    if (i32[sk + TP_CA_STATE] === TCP_CA_OPEN) i32[sk + TP_RETRANS_STAMP] = 0
    else if (leave(sk, tsecr)) return REXMIT_NONE
    switch (i32[sk + TP_CA_STATE]) {
      case TCP_CA_RECOVERY:
        return inRecovery(sk, priorUna, flags, tsecr)
      case TCP_CA_LOSS:
        return inLoss(sk, flags, tsecr)
      default:
        return outOfOrder(sk, flags)
    }
  }
  /** The head was reported, and is not acknowledged: the receiver has thrown it away (RFC 2018 section 8). */
  const isHeadSacked = (sk: number, flags: number): boolean => {
    const head = (flags & FLAG_SND_UNA_ADVANCED) === 0 ? 0 : rtxHead(sk)
    return head !== 0 && (i32[head + CB_FLAGS] & CBF_SACKED) !== 0
  }
  /** What it says next may put that right: it has half a round trip (tcp_check_sack_reneging). */
  const awaitSackedHead = (sk: number): void => {
    const half = Math.ceil((i32[sk + TP_SRTT_US] >> 4) / 1000)
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, Math.max(half, RENEGING_MIN_MS))
    timerSet = true
  }
  const inRecovery = (sk: number, priorUna: number, flags: number, tsecr: number): number => {
    if ((flags & FLAG_SND_UNA_ADVANCED) === 0) {
      if (!isSack(i32, sk) && isDupack(flags)) addRenoSack(sk)
    } else if (tryUndoPartial(sk, tsecr, priorUna)) return REXMIT_NONE
    if (tryUndoDsack(sk)) tryToOpen(sk, flags)
    identifyLoss(sk, flags)
    if (i32[sk + TP_CA_STATE] !== TCP_CA_RECOVERY) {
      if (i32[sk + TP_LOST_OUT] === 0) return REXMIT_NONE
      enterRecovery(sk)
    }
    return REXMIT_LOST
  }
  const inLoss = (sk: number, flags: number, tsecr: number): number => {
    const rexmit = processLoss(sk, flags, tsecr)
    const isAgain = identifyLoss(sk, flags)
    if (i32[sk + TP_CA_STATE] !== TCP_CA_OPEN && !isAgain) return rexmit
    return outOfOrder(sk, flags)
  }
  /** Open, Disorder or CWR: the step into Recovery, when something is lost. */
  const outOfOrder = (sk: number, flags: number): number => {
    if (!isSack(i32, sk)) {
      if ((flags & FLAG_SND_UNA_ADVANCED) !== 0) i32[sk + TP_SACKED_OUT] = 0
      if (isDupack(flags)) addRenoSack(sk)
    }
    if (i32[sk + TP_CA_STATE] <= TCP_CA_DISORDER) tryUndoDsack(sk)
    identifyLoss(sk, flags)
    if (i32[sk + TP_LOST_OUT] === 0) {
      tryToOpen(sk, flags)
      return REXMIT_NONE
    }
    if (!isProbeLost(sk)) enterRecovery(sk)
    return REXMIT_LOST
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

  return { fastretransAlert, isTimerSet, reoTimeout }
}
