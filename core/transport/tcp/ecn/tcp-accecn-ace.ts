/**
 * Accurate ECN, its counting: marked segments that arrive are counted in the ACE field of what we send, and the peer's ACE
 * field says how many of ours were marked. Three bits of a counter may have wrapped between two acknowledgements, so the
 * count is also held against what these deliver. tcp-ack.ts calls it, on the worker.
 * Linux: tcp_ecn_received_counters, tcp_accecn_process; RFC 9768 sections 3.2.2 and 3.2.2.5.
 */
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import { SKB_GSO_SEGS, SKB_LEN, SKB_NETWORK, SKB_TRANSPORT } from '../../../skb/skb.ts'
import { SK_FAMILY } from '../../../socket/sock.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  ACK_NOW,
  ACK_SCHED,
  ECN_SEEN,
  OPT_SACK,
  TCP_CA_CWR,
  TCP_CA_OPEN,
  TP_ACCECN_OPT_DEMAND,
  TP_ACK_PENDING,
  TP_CA_STATE,
  TP_DELIVERED_CE,
  TP_ECN,
  TP_MSS_CACHE,
  TP_OPTS,
  TP_PKTS_ACKED_EWMA,
  TP_PREV_ECNFIELD,
  TP_RECEIVED_CE,
  TP_RECEIVED_CE_PENDING,
} from '../sock/tcp-sock.ts'
import { ACE_INIT } from './tcp-accecn.ts'
import { countBytes, markedBytes, OPT_DEMAND, takeBytes } from './tcp-accecn-bytes.ts'
import { ECN_CE, ECN_MASK } from './tcp-ecn.ts'

const ACE_MASK = 7
/** Section 3.2.2.5.1: so many marks are told of at once, before the field could wrap twice (TCP_ACCECN_ACE_MAX_DELTA). */
const ACE_MAX_DELTA = 6
/** Half a segment's worth of marked octets is the least that makes one. */
const SAFETY_SHIFT = 1
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
    if (mark !== 0) {
      const len = i32[skb + SKB_LEN] - tcp.headerLen(u8, i32[skb + SKB_TRANSPORT])
      i32[sk + TP_ECN] |= ECN_SEEN
      if (len > 0) countBytes(i32, sk, mark, len)
    }
    if (mark === ECN_CE) countMark(sk, skb)
    // section 3.2.2.5.1: a change is told of at once
    if (mark === i32[sk + TP_PREV_ECNFIELD]) return
    i32[sk + TP_PREV_ECNFIELD] = mark
    i32[sk + TP_ACCECN_OPT_DEMAND] = OPT_DEMAND
    i32[sk + TP_ACK_PENDING] |= ACK_NOW
  }
  const countMark = (sk: number, skb: number): void => {
    const segs = Math.max(1, i32[skb + SKB_GSO_SEGS])
    const pending = Math.min(i32[sk + TP_RECEIVED_CE_PENDING] + segs, PENDING_MAX)
    i32[sk + TP_RECEIVED_CE] += segs
    i32[sk + TP_RECEIVED_CE_PENDING] = pending
    i32[sk + TP_ACCECN_OPT_DEMAND] = OPT_DEMAND
    if (pending >= ACE_MAX_DELTA) i32[sk + TP_ACK_PENDING] |= ackOf(sk)
  }
  /** Acknowledgements are acknowledged too, but where the peer could take that for a report of loss. */
  const ackOf = (sk: number): number =>
    (i32[sk + TP_OPTS] & OPT_SACK) !== 0 ? ACK_SCHED | ACK_NOW : ACK_NOW

  const average = (sk: number, segs: number): void => {
    const old = i32[sk + TP_PKTS_ACKED_EWMA]
    const now = segs << EWMA_PREC
    const ewma = old === 0 ? now : ((old << EWMA_WEIGHT) - old + now) >> EWMA_WEIGHT
    i32[sk + TP_PKTS_ACKED_EWMA] = Math.min(ewma, EWMA_MAX)
  }
  /**
   * How many of our segments an acknowledgement, which delivers `segs` of `bytes`, reports as marked since the last. Section
   * 3.2.2.5.2 and appendix A.2: as many as may be, if the field may have wrapped, unless the option says that it has not.
   */
  const marked = (
    sk: number,
    skb: number,
    opts: Int32Array,
    segs: number,
    bytes: number
  ): number => {
    const before = markedBytes(i32, sk)
    const isExact = takeBytes(i32, u8, sk, opts, bytes)
    if (segs !== 0) average(sk, segs)
    const ace = tcp.ace(u8, i32[skb + SKB_TRANSPORT]) - ACE_INIT
    const delta = (ace - i32[sk + TP_DELIVERED_CE]) & ACE_MASK
    if (segs <= ACE_MASK) return delta
    const safe = segs - ((segs - delta) & ACE_MASK)
    if (isExact) return byBytes(sk, delta, safe, segs, bytes, (markedBytes(i32, sk) - before) | 0)
    return i32[sk + TP_PKTS_ACKED_EWMA] > ACK_COMP_THRESH << EWMA_PREC ? delta : safe
  }
  /** Which of the two it is, or what lies between, when so many octets of them were marked (appendix A.2.2). */
  const byBytes = (
    sk: number,
    delta: number,
    safe: number,
    segs: number,
    bytes: number,
    markedOctets: number
  ): number => {
    if (markedOctets === 0) return delta
    if (segs >= 2 * (ACE_MASK + 1) && isOrderly(sk)) {
      if (bytes <= markedOctets) return safe
      return Math.min(safe, delta + (Math.ceil((markedOctets * segs) / bytes) & ~ACE_MASK))
    }
    const mss = i32[sk + TP_MSS_CACHE]
    if (markedOctets > delta * mss) return safe
    return markedOctets < (safe * mss) >> SAFETY_SHIFT ? delta : safe
  }
  /** What is delivered is known exactly, or nothing is missing. */
  const isOrderly = (sk: number): boolean => {
    const state = i32[sk + TP_CA_STATE]
    return (i32[sk + TP_OPTS] & OPT_SACK) !== 0 || state === TCP_CA_OPEN || state === TCP_CA_CWR
  }

  return { received, marked }
}
