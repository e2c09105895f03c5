/**
 * How fast a path delivers: each segment carries what had been delivered when it was sent, so that its arrival tells how
 * many were since, and in what time. Sent too slowly because the application had no more, a sample is marked: it says
 * nothing of the path. Called as segments are sent and arrive, on the worker.
 * Linux: net/ipv4/tcp_rate.c; draft-ietf-ccwg-bbr, delivery rate samples.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import { SK_WMEM_ALLOC } from '../../../socket/sock.ts'
import {
  TP_APP_LIMITED,
  TP_DELIVERED,
  TP_DELIVERED_US,
  TP_FIRST_TX_US,
  TP_LOST_OUT,
  TP_MSS_CACHE,
  TP_PACKETS_OUT,
  TP_RATE_DELIVERED,
  TP_RATE_INTERVAL_US,
  TP_RATE_OF_PATH,
  TP_RETRANS_OUT,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import { packetsInFlight } from '../cong/tcp-cwnd.ts'
import {
  CB_END_SEQ,
  CB_TIME,
  CB_TX_APP_LIMITED,
  CB_TX_DELIVERED,
  CB_TX_DELIVERED_US,
  CB_TX_FIRST_US,
} from '../sock/tcp-cb.ts'
import { minRtt } from './tcp-rtt.ts'

// Words of the sample of an acknowledgement (struct rate_sample).
/** Segments newly acknowledged or reported by SACK; thought lost since the last one; in flight before it. */
export const RS_ACKED_SACKED = 0
export const RS_LOSSES = 1
export const RS_PRIOR_IN_FLIGHT = 2
/** The round trip that it measures, us; -1 when it measures none. */
export const RS_RTT_US = 3
/** Segments delivered over the interval, us; -1 when it measures none. */
export const RS_DELIVERED = 4
export const RS_INTERVAL_US = 5
/** TP_DELIVERED and TP_DELIVERED_US when that was sent, last of all, which it shows to have arrived. */
export const RS_PRIOR_DELIVERED = 6
const RS_PRIOR_US = 7
export const RS_IS_APP_LIMITED = 8
/** It is one. */
const RS_IS_SAMPLE = 9
const RS_LAST_END_SEQ = 10
/** A lone last segment was acknowledged: the peer may have held that back. */
export const RS_IS_ACK_DELAYED = 11
const RS_WORDS = 12

/** Counts and times run on for ever: of zero, which stands for none, is made what is next to it. */
const nonZero = (n: number): number => n || 1

export type TcpRate = ReturnType<typeof createTcpRate>

export const createTcpRate = (i32: Int32Array, time: Time) => {
  const sample = new Int32Array(RS_WORDS)

  /** An skb is about to be sent, or sent again. */
  const rateSent = (sk: number, skb: number): void => {
    if (i32[sk + TP_PACKETS_OUT] === 0) {
      i32[sk + TP_FIRST_TX_US] = time[TIME_US]
      i32[sk + TP_DELIVERED_US] = time[TIME_US]
    }
    i32[skb + CB_TX_FIRST_US] = i32[sk + TP_FIRST_TX_US]
    i32[skb + CB_TX_DELIVERED_US] = i32[sk + TP_DELIVERED_US]
    i32[skb + CB_TX_DELIVERED] = i32[sk + TP_DELIVERED]
    i32[skb + CB_TX_APP_LIMITED] = i32[sk + TP_APP_LIMITED] === 0 ? 0 : 1
  }

  /** An acknowledgement begins. */
  const rateBegin = (): void => {
    sample[RS_IS_SAMPLE] = 0
    sample[RS_PRIOR_DELIVERED] = 0
  }
  /** An skb has arrived. Of several the one sent last is the sample. */
  const rateArrived = (sk: number, skb: number): void => {
    const sentUs = i32[skb + CB_TIME]
    const end = i32[skb + CB_END_SEQ]
    const later = (sentUs - i32[sk + TP_FIRST_TX_US]) | 0
    if (sample[RS_IS_SAMPLE] !== 0) {
      if (later < 0 || (later === 0 && ((end - sample[RS_LAST_END_SEQ]) | 0) <= 0)) return
    }
    sample[RS_IS_SAMPLE] = 1
    sample[RS_LAST_END_SEQ] = end
    sample[RS_PRIOR_DELIVERED] = i32[skb + CB_TX_DELIVERED]
    sample[RS_PRIOR_US] = i32[skb + CB_TX_DELIVERED_US]
    sample[RS_IS_APP_LIMITED] = i32[skb + CB_TX_APP_LIMITED]
    // how long it took to send what has arrived
    sample[RS_INTERVAL_US] = (sentUs - i32[skb + CB_TX_FIRST_US]) | 0
    i32[sk + TP_FIRST_TX_US] = sentUs
  }
  /** The acknowledgement is through: `delivered` segments and `lost` ones. Makes the sample. */
  const rateGen = (sk: number, delivered: number, lost: number): void => {
    if (
      i32[sk + TP_APP_LIMITED] !== 0 &&
      ((i32[sk + TP_DELIVERED] - i32[sk + TP_APP_LIMITED]) | 0) > 0
    )
      i32[sk + TP_APP_LIMITED] = 0
    if (delivered !== 0) i32[sk + TP_DELIVERED_US] = time[TIME_US]
    sample[RS_ACKED_SACKED] = delivered
    sample[RS_LOSSES] = lost
    sample[RS_DELIVERED] = -1
    if (sample[RS_IS_SAMPLE] === 0) {
      sample[RS_INTERVAL_US] = -1
      return
    }
    const count = (i32[sk + TP_DELIVERED] - sample[RS_PRIOR_DELIVERED]) | 0
    const ackUs = (time[TIME_US] - sample[RS_PRIOR_US]) | 0
    const interval = Math.max(sample[RS_INTERVAL_US], ackUs)
    // in less than a round trip no rate is measured: acknowledgements came together
    if (interval < minRtt(i32, sk)) {
      sample[RS_INTERVAL_US] = -1
      return
    }
    sample[RS_DELIVERED] = count
    sample[RS_INTERVAL_US] = interval
    if (sample[RS_IS_APP_LIMITED] === 0 || isFaster(sk, count, interval)) keep(sk, count, interval)
  }
  const isFaster = (sk: number, count: number, interval: number): boolean =>
    count * i32[sk + TP_RATE_INTERVAL_US] >= i32[sk + TP_RATE_DELIVERED] * interval
  const keep = (sk: number, count: number, interval: number): void => {
    i32[sk + TP_RATE_DELIVERED] = count
    i32[sk + TP_RATE_INTERVAL_US] = interval
    i32[sk + TP_RATE_OF_PATH] = 1 - sample[RS_IS_APP_LIMITED]
  }

  /** The application writes: was there nothing else that kept the connection from sending? */
  const rateCheckAppLimited = (sk: number): void => {
    if (
      ((i32[sk + TP_WRITE_SEQ] - i32[sk + TP_SND_NXT]) | 0) < i32[sk + TP_MSS_CACHE] &&
      i32[sk + SK_WMEM_ALLOC] === 0 &&
      packetsInFlight(i32, sk) < i32[sk + TP_SND_CWND] &&
      i32[sk + TP_LOST_OUT] <= i32[sk + TP_RETRANS_OUT]
    )
      i32[sk + TP_APP_LIMITED] = nonZero(i32[sk + TP_DELIVERED] + packetsInFlight(i32, sk))
  }

  return { sample, rateSent, rateBegin, rateArrived, rateGen, rateCheckAppLimited }
}
