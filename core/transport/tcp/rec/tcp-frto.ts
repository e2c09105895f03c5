/**
 * An acknowledgement in Loss: was the timeout a mistake, is the loss over, or does what is lost go on being sent? F-RTO sends new
 * data first and sees what is answered. Called by tcp-recovery.ts on the worker. Linux: tcp_process_loss; RFC 5682.
 */
import {
  FLAG_DATA_SACKED,
  FLAG_ORIG_SACK_ACKED,
  FLAG_SND_UNA_ADVANCED,
  REXMIT_LOST,
  REXMIT_NEW,
  REXMIT_NONE,
} from '../ack/tcp-ack-constants.ts'
import {
  TP_FRTO,
  TP_HIGH_SEQ,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_SND_UNA,
} from '../sock/tcp-sock.ts'
import { wndEnd } from '../sock/tcp-wnd.ts'
import { type TcpRenoSack, isDupack, isSack } from './tcp-reno-sack.ts'
import type { TcpUndo } from './tcp-undo.ts'

export type TcpFrto = ReturnType<typeof createTcpFrto>
type TcpFrtoDeps = { i32: Int32Array } & Pick<TcpUndo, 'tryUndoLoss' | 'tryUndoRecovery'> &
  Pick<TcpRenoSack, 'addRenoSack'>

export const createTcpFrto = (deps: TcpFrtoDeps) => {
  const { i32, tryUndoLoss, tryUndoRecovery, addRenoSack } = deps

  const hasSentNew = (sk: number): boolean =>
    ((i32[sk + TP_SND_NXT] - i32[sk + TP_HIGH_SEQ]) | 0) > 0
  const maySendNew = (sk: number): boolean =>
    i32[sk + TP_SEND_HEAD] !== 0 && ((wndEnd(i32, sk) - i32[sk + TP_SND_NXT]) | 0) > 0

  /** RFC 5682 section 3.1, with SACK. REXMIT_NONE when it has not decided what is sent. */
  const frto = (sk: number, flags: number, tsecr: number, isRecovered: boolean): number => {
    // step 3.b: what was never sent again has arrived, so not all was lost
    if ((flags & FLAG_ORIG_SACK_ACKED) !== 0 && tryUndoLoss(sk, tsecr, true)) return REXMIT_LOST
    if (hasSentNew(sk)) {
      // step 3.a: the new data was reported, and the old was not
      if ((flags & FLAG_DATA_SACKED) !== 0 || isDupack(flags)) giveUpFrto(sk)
    } else if ((flags & FLAG_SND_UNA_ADVANCED) !== 0 && !isRecovered) {
      // step 2.b
      i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
      if (maySendNew(sk)) return REXMIT_NEW
      giveUpFrto(sk)
    }
    return REXMIT_NONE
  }
  /** It cannot be told, or there is no new data to tell it by. */
  const giveUpFrto = (sk: number): void => {
    i32[sk + TP_FRTO] = 0
  }

  /** REXMIT_*. `flags`: FLAG_*; `tsecr`: the timestamp that it echoes, or 0. */
  const processLoss = (sk: number, flags: number, tsecr: number): number => {
    const advanced = (flags & FLAG_SND_UNA_ADVANCED) !== 0
    if (advanced && tryUndoLoss(sk, tsecr, false)) return REXMIT_LOST
    const isRecovered = ((i32[sk + TP_SND_UNA] - i32[sk + TP_HIGH_SEQ]) | 0) >= 0
    const mayAddReno = hasSentNew(sk)
    if (i32[sk + TP_FRTO] !== 0) {
      const rexmit = frto(sk, flags, tsecr, isRecovered)
      if (rexmit !== REXMIT_NONE) return rexmit
    }
    if (isRecovered) {
      tryUndoRecovery(sk, tsecr)
      return REXMIT_LOST
    }
    if (!isSack(i32, sk)) {
      if (mayAddReno && isDupack(flags)) addRenoSack(sk)
      else if (advanced) i32[sk + TP_SACKED_OUT] = 0
    }
    return REXMIT_LOST
  }

  return { processLoss, giveUpFrto }
}
