/**
 * The step into Loss: the retransmission timer has fired, so what is not heard of is lost, and the window begins anew. Called
 * by tcp-retransmit-timer.ts on the worker. Linux: tcp_enter_loss, tcp_timeout_mark_lost; RFC 5681 section 3.1.
 */
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_NEXT } from '../../../skb/skb.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import { CBF_SACKED, CB_FLAGS } from '../sock/tcp-cb.ts'
import {
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
  TP_FRTO,
  TP_HIGH_SEQ,
  TP_MTUP_PROBE,
  TP_PRIOR_CWND,
  TP_PRIOR_SSTHRESH,
  TP_REORDERING,
  TP_RETRANSMITS,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_CWND_CNT,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_TLP_HIGH_SEQ,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import type { TcpCaState } from './tcp-ca-state.ts'
import { CA_EVENT_LOSS, type TcpCong } from '../cong/tcp-cong.ts'
import { currentSsthresh, packetsInFlight } from '../cong/tcp-cwnd.ts'
import { ecnQueueCwr } from '../ecn/tcp-ecn.ts'
import type { TcpRack } from './tcp-rack.ts'
import { isSack } from './tcp-reno-sack.ts'
import type { TcpSacktag } from '../ack/tcp-sacktag.ts'

export type TcpEnterLoss = ReturnType<typeof createTcpEnterLoss>
type TcpEnterLossDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  sysctl: number
  cong: TcpCong
} & Pick<TcpWriteQueue, 'rtxHead'> &
  Pick<TcpSacktag, 'markLost'> &
  Pick<TcpRack, 'skbTimeout'> &
  Pick<TcpCaState, 'initUndo'>

export const createTcpEnterLoss = (deps: TcpEnterLossDeps) => {
  const { i32, f64, bank, sysctl, cong, rtxHead, markLost, skbTimeout, initUndo } = deps

  /** All but what was sent a moment ago is lost; all, when the peer has thrown away what it had reported. */
  const markTimedOut = (sk: number): void => {
    const head = rtxHead(sk)
    const reneged = head !== 0 && (i32[head + CB_FLAGS] & CBF_SACKED) !== 0
    if (reneged) f64[bank + Mib.TcpExtTCPSACKReneging]++
    if (reneged || !isSack(i32, sk)) i32[sk + TP_SACKED_OUT] = 0
    const stop = i32[sk + TP_SEND_HEAD]
    for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT]) {
      if (reneged) i32[skb + CB_FLAGS] &= ~CBF_SACKED
      else if (skb !== head && isSack(i32, sk) && skbTimeout(sk, skb, 0) > 0) continue
      markLost(sk, skb)
    }
  }
  /** Nothing has reduced the window for what is in flight now, or the timeout is the first of a Loss. */
  const isFirstReduction = (sk: number, state: number): boolean =>
    state <= TCP_CA_DISORDER ||
    ((i32[sk + TP_HIGH_SEQ] - i32[sk + TP_SND_UNA]) | 0) <= 0 ||
    (state === TCP_CA_LOSS && i32[sk + TP_RETRANSMITS] === 0)
  const reduce = (sk: number): void => {
    i32[sk + TP_PRIOR_SSTHRESH] = currentSsthresh(i32, sk)
    i32[sk + TP_PRIOR_CWND] = i32[sk + TP_SND_CWND]
    i32[sk + TP_SND_SSTHRESH] = cong.ops(sk).ssthresh(sk)
    cong.cwndEvent(sk, CA_EVENT_LOSS)
    initUndo(sk)
  }

  const enterLoss = (sk: number): void => {
    const state = i32[sk + TP_CA_STATE]
    markTimedOut(sk)
    if (isFirstReduction(sk, state)) reduce(sk)
    i32[sk + TP_SND_CWND] = packetsInFlight(i32, sk) + 1
    i32[sk + TP_SND_CWND_CNT] = 0
    // so many reports, and a timeout all the same: there was less reordering than thought
    const reordering = i32[sysctl + Sysctl.tcp_reordering]
    if (state <= TCP_CA_DISORDER && i32[sk + TP_SACKED_OUT] >= reordering)
      i32[sk + TP_REORDERING] = Math.min(i32[sk + TP_REORDERING], reordering)
    cong.setCaState(sk, TCP_CA_LOSS)
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    i32[sk + TP_TLP_HIGH_SEQ] = 0
    const isNew = state < TCP_CA_RECOVERY
    const mayBeSpurious = (isNew || i32[sk + TP_RETRANSMITS] !== 0) && i32[sk + TP_MTUP_PROBE] === 0
    i32[sk + TP_FRTO] = i32[sysctl + Sysctl.tcp_frto] !== 0 && mayBeSpurious ? 1 : 0
    ecnQueueCwr(i32, sk)
  }

  return { enterLoss }
}
