/**
 * Proportional rate reduction: on its way from the old window to the threshold a sender may send about as much as arrives,
 * neither nothing for half a round trip nor a burst. Called when CWR or Recovery begins and ends and for each
 * acknowledgement between, on the worker. Linux: tcp_init_cwnd_reduction, tcp_cwnd_reduction; RFC 6937, RFC 9937.
 */
import { CA_EVENT_COMPLETE_CWR, type TcpCong } from '../cong/tcp-cong.ts'
import { ecnQueueCwr } from '../ecn/tcp-ecn.ts'
import {
  TCP_CA_CWR,
  TP_CA_STATE,
  TP_HIGH_SEQ,
  TP_PRIOR_CWND,
  TP_PRR_DELIVERED,
  TP_PRR_OUT,
  TP_SND_CWND,
  TP_SND_CWND_CNT,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_TLP_HIGH_SEQ,
  TP_UNDO_MARKER,
} from '../sock/tcp-sock.ts'
import { packetsInFlight } from '../cong/tcp-cwnd.ts'
import { TCP_INFINITE_SSTHRESH } from '../sock/tcp-constants.ts'

export type TcpPrr = ReturnType<typeof createTcpPrr>

export const createTcpPrr = (i32: Int32Array, cong: TcpCong) => {
  const initCwndReduction = (sk: number): void => {
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    i32[sk + TP_TLP_HIGH_SEQ] = 0
    i32[sk + TP_SND_CWND_CNT] = 0
    i32[sk + TP_PRIOR_CWND] = i32[sk + TP_SND_CWND]
    i32[sk + TP_PRR_DELIVERED] = 0
    i32[sk + TP_PRR_OUT] = 0
    i32[sk + TP_SND_SSTHRESH] = cong.ops(sk).ssthresh(sk)
    ecnQueueCwr(i32, sk)
  }
  /** `delivered` segments arrived and `lost` were marked; `advanced`: snd_una moved. */
  const cwndReduction = (sk: number, delivered: number, lost: number, advanced: boolean): void => {
    const prior = i32[sk + TP_PRIOR_CWND]
    if (delivered <= 0 || prior === 0) return
    const inFlight = packetsInFlight(i32, sk)
    const ssthresh = i32[sk + TP_SND_SSTHRESH]
    const out = i32[sk + TP_PRR_OUT]
    const sum = (i32[sk + TP_PRR_DELIVERED] += delivered)
    let count: number
    if (inFlight > ssthresh) count = Math.ceil((ssthresh * sum) / prior) - out
    else {
      // below the threshold: no slower than what arrives, and a slow start while nothing more is lost
      count = Math.max(sum - out, delivered)
      if (advanced && lost === 0) count++
      count = Math.min(ssthresh - inFlight, count)
    }
    // the first retransmission goes whatever is in flight
    i32[sk + TP_SND_CWND] = inFlight + Math.max(count, out === 0 ? 1 : 0)
  }
  const endCwndReduction = (sk: number): void => {
    if (cong.ops(sk).congControl !== undefined) return
    const isReduced = i32[sk + TP_CA_STATE] === TCP_CA_CWR || i32[sk + TP_UNDO_MARKER] !== 0
    if (isReduced && i32[sk + TP_SND_SSTHRESH] < TCP_INFINITE_SSTHRESH)
      i32[sk + TP_SND_CWND] = i32[sk + TP_SND_SSTHRESH]
    cong.cwndEvent(sk, CA_EVENT_COMPLETE_CWR)
  }
  return { initCwndReduction, cwndReduction, endCwndReduction }
}
