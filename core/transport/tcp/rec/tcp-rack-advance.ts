/**
 * RACK's clock: the segment sent last of all that have arrived (RFC 8985 section 6.2, steps 1 and 2). Told by tcp-ack.ts
 * and tcp-sacktag.ts of what arrives; tcp-rack.ts goes by it. Linux: tcp_rack_advance(), tcp_skb_sent_after().
 */
import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import {
  TP_RACK_ADVANCED,
  TP_RACK_END_SEQ,
  TP_RACK_MSTAMP_US,
  TP_RACK_RTT_US,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_TIME, CBF_EVER_RETRANS } from '../sock/tcp-cb.ts'
import { minRtt } from '../ack/tcp-rtt.ts'

/** Was (time1, seq1) sent after (time2, seq2)? */
export const sentAfter = (time1: number, time2: number, seq1: number, seq2: number): boolean =>
  ((time1 - time2) | 0) > 0 || (time1 === time2 && ((seq1 - seq2) | 0) > 0)

/** An skb has arrived; `flags` are the marks it had. */
export const createRackAdvance =
  (i32: Int32Array, time: Time) =>
  (sk: number, skb: number, flags: number): void => {
    const sentUs = i32[skb + CB_TIME]
    const rttUs = (time[TIME_US] - sentUs) | 0
    // sent again, and answered sooner than can be, or than is known to be: it may be the first that arrived
    if (rttUs < minRtt(i32, sk) && (flags & CBF_EVER_RETRANS) !== 0) return
    i32[sk + TP_RACK_ADVANCED] = 1
    i32[sk + TP_RACK_RTT_US] = rttUs
    const end = i32[skb + CB_END_SEQ]
    if (!sentAfter(sentUs, i32[sk + TP_RACK_MSTAMP_US], end, i32[sk + TP_RACK_END_SEQ])) return
    i32[sk + TP_RACK_MSTAMP_US] = sentUs
    i32[sk + TP_RACK_END_SEQ] = end
  }
