/**
 * The order of sending: those skbs of a write queue that are on their way, oldest first by when they were last sent. What is
 * sent again goes to the end; what is reported, or thought lost, is taken out. RACK walks it until it meets what was
 * sent too late to say anything of (rec/tcp-rack.ts). On the worker. Linux: tp->tsorted_sent_queue; RFC 8985 section 6.2.
 */
import { SKB_TIME_NEXT, SKB_TIME_PREV } from '../../../skb/skb.ts'
import { TP_SENT_HEAD, TP_SENT_TAIL } from '../sock/tcp-sock.ts'
import { CB_FLAGS, CBF_IN_ORDER } from '../sock/tcp-cb.ts'

export const createTcpSentOrder = (i32: Int32Array) => {
  const isIn = (skb: number): boolean => (i32[skb + CB_FLAGS] & CBF_IN_ORDER) !== 0

  /** Takes the skb out, if it is in. */
  const leaveOrder = (sk: number, skb: number): void => {
    if (!isIn(skb)) return
    i32[skb + CB_FLAGS] &= ~CBF_IN_ORDER
    const next = i32[skb + SKB_TIME_NEXT]
    const prev = i32[skb + SKB_TIME_PREV]
    if (prev === 0) i32[sk + TP_SENT_HEAD] = next
    else i32[prev + SKB_TIME_NEXT] = next
    if (next === 0) i32[sk + TP_SENT_TAIL] = prev
    else i32[next + SKB_TIME_PREV] = prev
  }
  /** Puts the skb behind `prev` (0: first). */
  const insert = (sk: number, skb: number, prev: number): void => {
    const next = prev === 0 ? i32[sk + TP_SENT_HEAD] : i32[prev + SKB_TIME_NEXT]
    i32[skb + CB_FLAGS] |= CBF_IN_ORDER
    i32[skb + SKB_TIME_PREV] = prev
    i32[skb + SKB_TIME_NEXT] = next
    if (prev === 0) i32[sk + TP_SENT_HEAD] = skb
    else i32[prev + SKB_TIME_NEXT] = skb
    if (next === 0) i32[sk + TP_SENT_TAIL] = skb
    else i32[next + SKB_TIME_PREV] = skb
  }
  /** It was sent just now. */
  const sentLast = (sk: number, skb: number): void => {
    leaveOrder(sk, skb)
    insert(sk, skb, i32[sk + TP_SENT_TAIL])
  }
  /** An skb that is in was split: `twin` is the part before it in sequence, or behind it. */
  const splitOrder = (sk: number, skb: number, twin: number, isBefore: boolean): void => {
    insert(sk, twin, isBefore ? i32[skb + SKB_TIME_PREV] : skb)
  }
  return { leaveOrder, sentLast, splitOrder }
}
