/**
 * What cannot have arrived because it was too large for the path goes again, and the window stays: that says nothing of
 * congestion. Called by tcp-ipv.ts for what ICMP says, by Fast Open for text of a SYN, by tcp-recovery.ts for a probe of the
 * path MTU; on the worker. Linux: tcp_simple_retransmit, tcp_non_congestion_loss_retransmit.
 */
import { SKB_GSO_SIZE, SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import {
  TCP_CA_CWR,
  TCP_CA_LOSS,
  TP_CA_STATE,
  TP_FRTO,
  TP_HIGH_SEQ,
  TP_LOST_OUT,
  TP_PRIOR_SSTHRESH,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_UNDO_MARKER,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { currentSsthresh } from '../cong/tcp-cwnd.ts'
import type { TcpSacktag } from '../ack/tcp-sacktag.ts'

export type TcpSimpleRetransmit = ReturnType<typeof createTcpSimpleRetransmit>
type TcpSimpleRetransmitDeps = {
  i32: Int32Array
  cong: TcpCong
  mss: Pick<TcpMss, 'currentMss'>
  mtup: Pick<TcpMtuProbe, 'probeLost'>
} & Pick<TcpSacktag, 'markLost'>

export const createTcpSimpleRetransmit = (deps: TcpSimpleRetransmitDeps) => {
  const { i32, cong, mss, mtup, markLost } = deps

  /** What is larger than `size` cannot have arrived. */
  const simpleRetransmit = (sk: number, size: number): void => {
    const stop = i32[sk + TP_SEND_HEAD]
    const lostBefore = i32[sk + TP_LOST_OUT]
    for (let skb = i32[sk + TP_WQ_HEAD]; skb !== 0 && skb !== stop; skb = i32[skb + SKB_NEXT]) {
      const gso = i32[skb + SKB_GSO_SIZE]
      if ((gso !== 0 ? gso : i32[skb + SKB_LEN]) <= size) continue
      markLost(sk, skb)
    }
    if (i32[sk + TP_LOST_OUT] !== lostBefore) enterQuietLoss(sk)
  }
  /** Loss without a reduction, and without F-RTO: it is known what was lost. */
  const enterQuietLoss = (sk: number): void => {
    if (i32[sk + TP_CA_STATE] === TCP_CA_LOSS) return
    i32[sk + TP_FRTO] = 0
    i32[sk + TP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
    i32[sk + TP_SND_SSTHRESH] = currentSsthresh(i32, sk)
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    i32[sk + TP_UNDO_MARKER] = 0
    cong.setCaState(sk, TCP_CA_LOSS)
  }
  /** What is missing is the probe of the path MTU: it goes again in segments that are not too large. */
  const isProbeLost = (sk: number): boolean => {
    if (i32[sk + TP_CA_STATE] >= TCP_CA_CWR || !mtup.probeLost(sk)) return false
    simpleRetransmit(sk, mss.currentMss(sk))
    enterQuietLoss(sk)
    return true
  }

  return { simpleRetransmit, isProbeLost }
}
