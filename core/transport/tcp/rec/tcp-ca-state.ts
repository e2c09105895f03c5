/**
 * The states of a connection's congestion (TCP_CA_*) and the steps into Open, Disorder, CWR and Recovery; that into Loss is
 * tcp-enter-loss.ts's. What is to be taken back if it was a mistake is noted here, tcp-undo.ts does so. Called by the other
 * parts of recovery, on the worker. Linux: tcp_try_keep_open, tcp_try_to_open, tcp_enter_cwr, tcp_enter_recovery, tcp_init_undo.
 */
import { Mib } from '../../../shm/counters.ts'
import { FLAG_ECE } from '../ack/tcp-ack-constants.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import { CBF_EVER_RETRANS, CB_FLAGS } from '../sock/tcp-cb.ts'
import {
  TCP_CA_CWR,
  TCP_CA_DISORDER,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
  TP_HIGH_SEQ,
  TP_LOST_OUT,
  TP_PRIOR_SSTHRESH,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_SACKED_OUT,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_TLP_HIGH_SEQ,
  TP_TLP_RETRANS,
  TP_UNDO_MARKER,
  TP_UNDO_RETRANS,
} from '../sock/tcp-sock.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { currentSsthresh, inCwndReduction } from '../cong/tcp-cwnd.ts'
import type { TcpPrr } from './tcp-prr.ts'
import { isSack } from './tcp-reno-sack.ts'

export type TcpCaState = ReturnType<typeof createTcpCaState>
type TcpCaStateDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  cong: TcpCong
} & Pick<TcpWriteQueue, 'rtxHead'> &
  Pick<TcpPrr, 'initCwndReduction'>

export const createTcpCaState = (deps: TcpCaStateDeps) => {
  const { i32, f64, bank, rtxHead, initCwndReduction } = deps
  const { setCaState } = deps.cong

  /** Something was sent again and is not acknowledged yet (tcp_any_retrans_done). */
  const anyRetransDone = (sk: number): boolean => {
    if (i32[sk + TP_RETRANS_OUT] !== 0) return true
    const head = rtxHead(sk)
    return head !== 0 && (i32[head + CB_FLAGS] & CBF_EVER_RETRANS) !== 0
  }
  /** Nothing that was sent again is missing: when that began is forgotten (tcp_retrans_stamp_cleanup). */
  const cleanRetransStamp = (sk: number): void => {
    if (!anyRetransDone(sk)) i32[sk + TP_RETRANS_STAMP] = 0
  }
  /** What is sent again from here on may come twice, as may what is on its way, the probe of a tail among it. */
  const initUndo = (sk: number): void => {
    const probes = i32[sk + TP_TLP_HIGH_SEQ] !== 0 && i32[sk + TP_TLP_RETRANS] !== 0 ? 1 : 0
    i32[sk + TP_UNDO_MARKER] = i32[sk + TP_SND_UNA] || 1
    i32[sk + TP_UNDO_RETRANS] = i32[sk + TP_RETRANS_OUT] + probes || -1
  }

  const keepOpen = (sk: number): void => {
    const left = i32[sk + TP_SACKED_OUT] + i32[sk + TP_LOST_OUT]
    const next = left !== 0 || anyRetransDone(sk) ? TCP_CA_DISORDER : TCP_CA_OPEN
    if (i32[sk + TP_CA_STATE] === next) return
    setCaState(sk, next)
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
  }
  /** Nothing is thought lost. `flags`: what the acknowledgement was, FLAG_*. */
  const tryToOpen = (sk: number, flags: number): void => {
    cleanRetransStamp(sk)
    if ((flags & FLAG_ECE) !== 0) enterCwr(sk)
    if (i32[sk + TP_CA_STATE] !== TCP_CA_CWR) keepOpen(sk)
  }
  /** The network says that it is full: one reduction a round trip. */
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
    f64[bank + (isSack(i32, sk) ? Mib.TcpExtTCPSackRecovery : Mib.TcpExtTCPRenoRecovery)]++
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    initUndo(sk)
    if (!inCwndReduction(i32, sk)) {
      i32[sk + TP_PRIOR_SSTHRESH] = currentSsthresh(i32, sk)
      initCwndReduction(sk)
    }
    setCaState(sk, TCP_CA_RECOVERY)
  }

  return { cleanRetransStamp, initUndo, keepOpen, tryToOpen, enterRecovery }
}
