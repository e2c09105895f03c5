/**
 * The parts of TCP that take acknowledgements, and recovery from loss. Made by tcp-receiving.ts over what sends.
 */
import { createTcpAckRtt } from '../ack/tcp-ack-rtt.ts'
import { createTcpAckWindow } from '../ack/tcp-ack-window.ts'
import { createTcpAck } from '../ack/tcp-ack.ts'
import { createTcpCleanRtxQueue } from '../ack/tcp-clean-rtx-queue.ts'
import { createTcpSacktag } from '../ack/tcp-sacktag.ts'
import { createTcpCongControl } from '../cong/tcp-cong-control.ts'
import { createTcpAccecnAce } from '../ecn/tcp-accecn-ace.ts'
import { createTcpAckEcn } from '../ecn/tcp-ack-ecn.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import { createTcpCaState } from '../rec/tcp-ca-state.ts'
import { createTcpEnterLoss } from '../rec/tcp-enter-loss.ts'
import { createTcpFrto } from '../rec/tcp-frto.ts'
import { createTcpPrr } from '../rec/tcp-prr.ts'
import { createTcpRack } from '../rec/tcp-rack.ts'
import { createTcpRecovery } from '../rec/tcp-recovery.ts'
import { createTcpRenoSack } from '../rec/tcp-reno-sack.ts'
import { createTcpSimpleRetransmit } from '../rec/tcp-simple-retransmit.ts'
import { createTcpTlpAck } from '../rec/tcp-tlp-ack.ts'
import { createTcpUndo } from '../rec/tcp-undo.ts'
import type { Base, TcpDeps } from './tcp-base.ts'
import type { Sending } from './tcp-sending.ts'

/** What is lost, what that means for the window, and whether it was a mistake. */
export const createRecovering = (lower: Base & Sending) => {
  const { i32, queue, cong } = lower
  const { rtxHead } = queue
  const sacktag = createTcpSacktag(lower)
  const { markLost, noteReordering } = sacktag
  const rack = createTcpRack({ ...lower, markLost })
  const prr = createTcpPrr(i32, cong)
  const caState = createTcpCaState({ ...lower, ...prr, rtxHead })
  const undo = createTcpUndo({ ...lower, ...caState, noteReordering })
  const renoSack = createTcpRenoSack(lower)
  const frto = createTcpFrto({ i32, ...undo, ...renoSack })
  const simple = createTcpSimpleRetransmit({ ...lower, markLost })
  const { enterLoss } = createTcpEnterLoss({ ...lower, ...rack, ...caState, markLost, rtxHead })
  const tlpAck = createTcpTlpAck({ ...lower, ...prr, ...caState })
  const parts = { sacktag, rack, prr, caState, undo, renoSack, frto, simple }
  const recovery = createTcpRecovery({ ...lower, ...parts })
  const { tryUndoRecovery } = undo
  const { cleanRetransStamp } = caState
  return { ...parts, recovery, enterLoss, tlpAck, tryUndoRecovery, cleanRetransStamp }
}

type Recovering = ReturnType<typeof createRecovering>

/** What an acknowledgement says, and what is done for it. */
export const createAcking = (
  lower: Base & Sending & Recovering & Pick<TcpPaws, 'replaceTsRecent'>,
  { afOps, sockConfirm }: TcpDeps
) => {
  const rtxQueue = createTcpCleanRtxQueue(lower)
  const { acked } = rtxQueue
  const accecn = createTcpAccecnAce(lower.i32, lower.u8, afOps)
  const ackEcn = createTcpAckEcn({ ...lower, accecn, acked })
  const window = createTcpAckWindow(lower)
  const rtt = createTcpAckRtt({ ...lower, acked })
  const congControl = createTcpCongControl({ ...lower, acked })
  return createTcpAck({
    ...lower,
    ...window,
    ...rtt,
    ...congControl,
    rtxQueue,
    ackEcn,
    sockConfirm,
  })
}
