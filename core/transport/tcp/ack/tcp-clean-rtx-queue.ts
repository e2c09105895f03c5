/**
 * What an acknowledgement takes out of the write queue, and what that tells: round trips, segments that were never lost. Called by
 * tcp-ack.ts on the worker. Linux: tcp_clean_rtx_queue.
 */
import { TIME_US, type Time } from '../../../base/time.ts'
import { Mib } from '../../../shm/counters.ts'
import { SKB_GSO_SEGS } from '../../../skb/skb.ts'
import { TCP_SYN } from '../../../wire/tcp.ts'
import { createRackAdvance } from '../rec/tcp-rack-advance.ts'
import type { TcpRate } from './tcp-rate.ts'
import { type TcpRenoSack, isSack } from '../rec/tcp-reno-sack.ts'
import type { TcpSacktag } from './tcp-sacktag.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import type { TcpTstamp } from '../snd/tcp-tstamp.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import {
  CBF_EVER_RETRANS,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
  CBF_TX_ACK,
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CB_TIME,
} from '../sock/tcp-cb.ts'
import {
  TP_DELIVERED,
  TP_HIGH_SEQ,
  TP_LOST_OUT,
  TP_PACKETS_OUT,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_TS_OFFSET,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import {
  FLAG_DATA_ACKED,
  FLAG_ORIG_SACK_ACKED,
  FLAG_RETRANS_DATA_ACKED,
  FLAG_SYN_ACKED,
} from './tcp-ack-constants.ts'

// What the acknowledgement being processed has taken out: words of `acked`.
export const ACKED_PACKETS = 0
/** Round trips, us, of the first and the last of it that were sent once, and that no block had reported; or -1. */
export const ACKED_FIRST_RTT_US = 1
export const ACKED_LAST_RTT_US = 2
/** Octets of it that a block had reported before. */
export const ACKED_SACKED_BYTES = 3
const ACKED_WORDS = 4

export type TcpCleanRtxQueue = ReturnType<typeof createTcpCleanRtxQueue>
type TcpCleanRtxQueueDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  time: Time
  queue: TcpWriteQueue
  mss: Pick<TcpMss, 'currentMss'>
  mtup: Pick<TcpMtuProbe, 'probeAcked'>
  rate: Pick<TcpRate, 'rateArrived'>
  sacktag: Pick<TcpSacktag, 'noteReordering'>
  renoSack: Pick<TcpRenoSack, 'removeRenoSacks'>
  tstamp: Pick<TcpTstamp, 'acked'>
}

export const createTcpCleanRtxQueue = (deps: TcpCleanRtxQueueDeps) => {
  const { i32, f64, bank, time, queue, mss, mtup, rate, sacktag, renoSack, tstamp } = deps
  const { pcount } = queue
  const rackAdvance = createRackAdvance(i32, time)
  const acked = new Int32Array(ACKED_WORDS)
  /** Where the first begins of those that were sent once, and that no block had reported. */
  let reord = 0
  /** The timestamp that the acknowledgement echoes, or 0. */
  let tsecr = 0

  /** An acknowledgement begins, which echoes this timestamp; 0: none. */
  const beginAcked = (echo: number): void => {
    acked[ACKED_PACKETS] = 0
    acked[ACKED_FIRST_RTT_US] = -1
    acked[ACKED_LAST_RTT_US] = -1
    acked[ACKED_SACKED_BYTES] = 0
    tsecr = echo
  }

  /** It was sent again, and the peer echoes a time before that: what arrived is the first (RFC 3522). */
  const isSpurious = (sk: number, skb: number, flags: number): boolean =>
    tsecr !== 0 &&
    (flags & CBF_EVER_RETRANS) !== 0 &&
    ((tsecr - i32[sk + TP_TS_OFFSET] - ((i32[skb + CB_TIME] / 1000) | 0)) | 0) < 0
  /** Sent once, and not reported before: it tells a round trip. FLAG_ORIG_SACK_ACKED when it went before recovery began, or 0. */
  const ackOriginal = (sk: number, skb: number, seq: number, end: number): number => {
    const rttUs = (time[TIME_US] - i32[skb + CB_TIME]) | 0
    acked[ACKED_LAST_RTT_US] = rttUs
    if (acked[ACKED_FIRST_RTT_US] < 0) acked[ACKED_FIRST_RTT_US] = rttUs
    if (((seq - reord) | 0) < 0) reord = seq
    return ((end - i32[sk + TP_HIGH_SEQ]) | 0) <= 0 ? FLAG_ORIG_SACK_ACKED : 0
  }
  /** Counts n acknowledged segments of an skb, from `seq` to `end`; FLAG_* of them. */
  const ackSegments = (sk: number, skb: number, n: number, seq: number, end: number): number => {
    const flags = i32[skb + CB_FLAGS]
    let found = (flags & TCP_SYN) === 0 ? FLAG_DATA_ACKED : FLAG_SYN_ACKED
    if ((flags & CBF_RETRANS) !== 0) i32[sk + TP_RETRANS_OUT] -= n
    if ((flags & CBF_EVER_RETRANS) !== 0) found |= FLAG_RETRANS_DATA_ACKED
    else if ((flags & CBF_SACKED) === 0) found |= ackOriginal(sk, skb, seq, end)
    if ((flags & CBF_SACKED) !== 0) {
      i32[sk + TP_SACKED_OUT] -= n
      acked[ACKED_SACKED_BYTES] += (end - seq) | 0
    } else {
      if (isSack(i32, sk)) {
        i32[sk + TP_DELIVERED] += n
        f64[bank + Mib.TcpExtTCPDelivered] += n
        if (!isSpurious(sk, skb, flags)) rackAdvance(sk, skb, flags)
      }
      rate.rateArrived(sk, skb)
    }
    if ((flags & CBF_LOST) !== 0) i32[sk + TP_LOST_OUT] -= n
    if ((flags & CBF_TX_ACK) !== 0) tstamp.acked(sk, skb)
    if ((flags & TCP_SYN) !== 0) i32[sk + TP_RETRANS_STAMP] = 0
    i32[sk + TP_PACKETS_OUT] -= n
    acked[ACKED_PACKETS] += n
    return found
  }
  /** A super-frame acknowledged in part loses its front. */
  const ackPart = (sk: number, skb: number, una: number): number => {
    const seq = i32[skb + CB_SEQ]
    const len = (una - seq) | 0
    if (len <= 0 || i32[skb + SKB_GSO_SEGS] <= 1) return 0
    const n = queue.trimHead(sk, skb, len, mss.currentMss(sk))
    return n > 0 ? ackSegments(sk, skb, n, seq, una) : 0
  }
  /** All that snd_una has passed; FLAG_* of it. */
  const ackQueue = (sk: number): number => {
    const una = i32[sk + TP_SND_UNA]
    let flags = 0
    for (;;) {
      const skb = i32[sk + TP_WQ_HEAD]
      if (skb === 0 || skb === i32[sk + TP_SEND_HEAD]) return flags
      const end = i32[skb + CB_END_SEQ]
      if (((end - una) | 0) > 0) return flags | ackPart(sk, skb, una)
      flags |= ackSegments(sk, skb, pcount(skb), i32[skb + CB_SEQ], end)
      queue.remove(sk, skb)
    }
  }

  /** Frees what snd_una has passed; FLAG_* of it. `fack`: how far had been reported before. */
  const cleanRtxQueue = (sk: number, fack: number): number => {
    reord = i32[sk + TP_SND_NXT]
    const flags = ackQueue(sk)
    if (flags === 0) return 0
    mtup.probeAcked(sk)
    if (isSack(i32, sk)) {
      // a hole filled that nobody had sent again: it was not loss
      if (((reord - fack) | 0) < 0) sacktag.noteReordering(sk, reord, Mib.TcpExtTCPSACKReorder)
      return flags
    }
    renoSack.removeRenoSacks(sk, acked[ACKED_PACKETS])
    // which of them had arrived before it was sent again, nobody has said
    return (flags & FLAG_RETRANS_DATA_ACKED) === 0 ? flags : flags & ~FLAG_ORIG_SACK_ACKED
  }

  return { acked, beginAcked, cleanRtxQueue }
}
