/**
 * An acknowledgement after a tail loss probe (timer/tcp-loss-probe.ts): was the tail lost for which it was sent, or was that in
 * vain? Called by tcp-ack.ts on the worker. Linux: tcp_process_tlp_ack; RFC 8985 section 7.4.2.
 */
import { Mib } from '../../../shm/counters.ts'
import {
  FLAG_DATA_SACKED,
  FLAG_DSACK_TLP,
  FLAG_NOT_DUP,
  FLAG_SND_UNA_ADVANCED,
} from '../ack/tcp-ack-constants.ts'
import { TCP_CA_CWR, TP_TLP_HIGH_SEQ, TP_TLP_RETRANS } from '../sock/tcp-sock.ts'
import type { TcpCaState } from './tcp-ca-state.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { TcpPrr } from './tcp-prr.ts'

export type TcpTlpAck = ReturnType<typeof createTcpTlpAck>
type TcpTlpAckDeps = { i32: Int32Array; f64: Float64Array; bank: number; cong: TcpCong } & Pick<
  TcpPrr,
  'initCwndReduction' | 'endCwndReduction'
> &
  Pick<TcpCaState, 'keepOpen'>

export const createTcpTlpAck = (deps: TcpTlpAckDeps) => {
  const { i32, f64, bank, cong, initCwndReduction, endCwndReduction, keepOpen } = deps

  /** The probe has mended a loss, of which nobody else knows: one reduction, over at once. */
  const mended = (sk: number): void => {
    initCwndReduction(sk)
    cong.setCaState(sk, TCP_CA_CWR)
    endCwndReduction(sk)
    keepOpen(sk)
    f64[bank + Mib.TcpExtTCPLossProbeRecovery]++
  }
  const processTlpAck = (sk: number, ack: number, flags: number): void => {
    const high = i32[sk + TP_TLP_HIGH_SEQ]
    if (((ack - high) | 0) < 0) return
    if (i32[sk + TP_TLP_RETRANS] === 0 || (flags & FLAG_DSACK_TLP) !== 0) {
      // new data was acknowledged; or both the segment and its copy have come
      i32[sk + TP_TLP_HIGH_SEQ] = 0
    } else if (((ack - high) | 0) > 0) {
      // without a report of a duplicate
      mended(sk)
    } else if ((flags & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED)) === 0)
      i32[sk + TP_TLP_HIGH_SEQ] = 0
  }

  return { processTlpAck }
}
