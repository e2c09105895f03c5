/**
 * Accurate ECN, its counting: marked segments that arrive are counted in the ACE field of what we send, and the peer's ACE
 * field says how many of ours were marked. Three bits of a counter may have wrapped between two acknowledgements, so the
 * count is also held against what these deliver. tcp-ack.ts calls it, on the worker.
 * Linux: tcp_ecn_received_counters, tcp_accecn_process; RFC 9768 sections 3.2.2 and 3.2.2.5.
 */
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import { SKB_GSO_SEGS, SKB_NETWORK, SKB_TRANSPORT } from '../../../skb/skb.ts'
import { SK_FAMILY } from '../../../socket/sock.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  ACK_NOW,
  ECN_SEEN,
  TP_ACK_PENDING,
  TP_DELIVERED_CE,
  TP_ECN,
  TP_PKTS_ACKED_EWMA,
  TP_PREV_ECNFIELD,
  TP_RECEIVED_CE,
  TP_RECEIVED_CE_PENDING,
} from '../sock/tcp-sock.ts'
import { ACE_INIT } from './tcp-accecn.ts'
import { ECN_CE, ECN_MASK } from './tcp-ecn.ts'

const ACE_MASK = 7
/** Section 3.2.2.5.1: so many marks are told of at once, before the field could wrap twice (TCP_ACCECN_ACE_MAX_DELTA). */
const ACE_MAX_DELTA = 6
/** No more are counted as waiting. */
const PENDING_MAX = 15

/** Acknowledgements that deliver more than this on average are thinned out on their way: a large one is no sign of a wrap. */
const ACK_COMP_THRESH = 4
const EWMA_WEIGHT = 6
const EWMA_PREC = 6
const EWMA_MAX = 0xffff

export type TcpAccecnAce = ReturnType<typeof createTcpAccecnAce>

export const createTcpAccecnAce = (i32: Int32Array, u8: Uint8Array, afOps: AfOpsOf) => {
  /** A segment has arrived; every one counts, whatever is in it (section 3.2.1). */
  const received = (sk: number, skb: number): void => {
    const mark = afOps(i32[sk + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK]) & ECN_MASK
    if (mark !== 0) i32[sk + TP_ECN] |= ECN_SEEN
    if (mark === ECN_CE) {
      const segs = Math.max(1, i32[skb + SKB_GSO_SEGS])
      const pending = Math.min(i32[sk + TP_RECEIVED_CE_PENDING] + segs, PENDING_MAX)
      i32[sk + TP_RECEIVED_CE] += segs
      i32[sk + TP_RECEIVED_CE_PENDING] = pending
      if (pending >= ACE_MAX_DELTA) i32[sk + TP_ACK_PENDING] |= ACK_NOW
    }
    // section 3.2.2.5.1: a change is told of at once
    if (mark === i32[sk + TP_PREV_ECNFIELD]) return
    i32[sk + TP_PREV_ECNFIELD] = mark
    i32[sk + TP_ACK_PENDING] |= ACK_NOW
  }

  const average = (sk: number, segs: number): void => {
    const old = i32[sk + TP_PKTS_ACKED_EWMA]
    const now = segs << EWMA_PREC
    const ewma = old === 0 ? now : ((old << EWMA_WEIGHT) - old + now) >> EWMA_WEIGHT
    i32[sk + TP_PKTS_ACKED_EWMA] = Math.min(ewma, EWMA_MAX)
  }
  /**
   * How many of our segments the ACE field of an acknowledgement, which delivers `segs`, reports as marked since the last.
   * Section 3.2.2.5.2 and appendix A.2: as many as may be, if the field may have wrapped.
   */
  const marked = (sk: number, skb: number, segs: number): number => {
    if (segs !== 0) average(sk, segs)
    const ace = tcp.ace(u8, i32[skb + SKB_TRANSPORT]) - ACE_INIT
    const delta = (ace - i32[sk + TP_DELIVERED_CE]) & ACE_MASK
    if (segs <= ACE_MASK) return delta
    if (i32[sk + TP_PKTS_ACKED_EWMA] > ACK_COMP_THRESH << EWMA_PREC) return delta
    return segs - ((segs - delta) & ACE_MASK)
  }

  return { received, marked }
}
