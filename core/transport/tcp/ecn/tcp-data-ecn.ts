/**
 * What the IP header of text that came in says of the path: its marks are echoed by the acknowledgements, until the peer says
 * that it has heard. Asked for each segment with text of a connection that agreed on ECN (tcp-ecn.ts), on the worker.
 * Linux: tcp_data_ecn_check, tcp_ecn_accept_cwr, dctcp_ece_ack_update; RFC 3168 section 6.1.3.
 */
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_NETWORK } from '../../../skb/skb.ts'
import { SK_FAMILY } from '../../../socket/sock.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { ECN_CE, ECN_MASK } from './tcp-ecn.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import {
  ACK_NOW,
  ACK_SCHED,
  ACK_TIMER,
  ECN_DEMAND_CWR,
  ECN_MODE_ACCECN,
  ECN_SEEN,
  TP_ACK_PENDING,
  TP_ECN,
} from '../sock/tcp-sock.ts'
import { enterQuickack } from '../rcv/tcp-quickack.ts'

/** Acknowledgements that are not delayed after a mark. */
const ECN_QUICKACKS = 2

export type TcpDataEcn = ReturnType<typeof createTcpDataEcn>
type TcpDataEcnDeps = {
  arena: Arena
  afOps: AfOpsOf
  transmit: Pick<TcpTransmit, 'sendAck'>
  cong: Pick<TcpCong, 'needsEcn'>
}

export const createTcpDataEcn = ({ arena, afOps, transmit, cong }: TcpDataEcnDeps) => {
  const { i32, u8 } = arena

  /**
   * What the path has marked is echoed until the peer says that it has heard (RFC 3168 section 6.1.3). A sender whose
   * window is small waits for these acknowledgements: they are not delayed (Linux: __tcp_ecn_check_ce).
   */
  const checkMark = (sk: number, skb: number): void => {
    const ecn = i32[sk + TP_ECN]
    const mark = afOps(i32[sk + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK]) & ECN_MASK
    if (mark === 0) {
      // of a capable sender: it is sent again
      if ((ecn & ECN_SEEN) !== 0) enterQuickack(i32, sk, ECN_QUICKACKS)
      return
    }
    // counted, when its acknowledgement field was looked at (tcp-accecn-ace.ts)
    if ((ecn & ECN_MODE_ACCECN) !== 0) return
    if (cong.needsEcn(sk)) return echoEach(sk, mark === ECN_CE)
    i32[sk + TP_ECN] = ecn | (mark === ECN_CE ? ECN_SEEN | ECN_DEMAND_CWR : ECN_SEEN)
    if (mark === ECN_CE && (ecn & ECN_DEMAND_CWR) === 0) enterQuickack(i32, sk, ECN_QUICKACKS)
  }
  /**
   * What is acknowledged together was marked alike: the acknowledgement that waits goes before the first that is not like
   * those before it, and that one is answered at once (RFC 8257 section 3.2; dctcp_ece_ack_update).
   */
  const echoEach = (sk: number, isMarked: boolean): void => {
    const ecn = i32[sk + TP_ECN]
    i32[sk + TP_ECN] = ecn | ECN_SEEN
    if (((ecn & ECN_DEMAND_CWR) !== 0) === isMarked) return
    if ((i32[sk + TP_ACK_PENDING] & ACK_TIMER) !== 0) transmit.sendAck(sk)
    i32[sk + TP_ECN] ^= ECN_DEMAND_CWR
    i32[sk + TP_ACK_PENDING] |= ACK_SCHED | ACK_NOW
  }
  /** The peer has reduced its window; it may be one segment, so it hears at once (tcp_ecn_accept_cwr). */
  const acceptCwr = (sk: number): void => {
    if (!cong.needsEcn(sk)) i32[sk + TP_ECN] &= ~ECN_DEMAND_CWR
    i32[sk + TP_ACK_PENDING] |= ACK_NOW
  }

  return { checkMark, acceptCwr }
}
