/**
 * The scoreboard: which segments of the write queue the peer has reported by SACK (RFC 2018), which are thought lost, and
 * duplicates reported (RFC 2883). The marks are bits of the skbs; the counts are in the row. Called by tcp-ack.ts for
 * each acknowledgement with blocks, and by who finds losses (the parts of recovery), on the worker.
 * Linux: tcp_sacktag_write_queue, tcp_mark_skb_lost, tcp_newreno_mark_lost.
 */
import type { Bytes } from '../../../base/bytes.ts'
import { TIME_US, type Time } from '../../../base/time.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_GSO_SIZE, SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import { OPT_SACK_AT, OPT_SACK_COUNT, sackEnd, sackStart } from '../../../wire/tcp-options.ts'
import {
  FLAG_DATA_SACKED,
  FLAG_DSACKING_ACK,
  FLAG_DSACK_TLP,
  FLAG_ORIG_SACK_ACKED,
} from './tcp-ack-constants.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import {
  CBF_EVER_RETRANS,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CB_TIME,
} from '../sock/tcp-cb.ts'
import {
  TCP_CA_LOSS,
  TP_CA_STATE,
  TP_DELIVERED,
  TP_DSACK_DUPS,
  TP_FACK,
  TP_HIGH_SEQ,
  TP_LOST,
  TP_LOST_OUT,
  TP_MAX_WINDOW,
  TP_MSS_CACHE,
  TP_RACK_DSACK_SEEN,
  TP_REORDERING,
  TP_REORD_SEEN,
  TP_RETRANS_OUT,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_TLP_HIGH_SEQ,
  TP_TOTAL_RETRANS,
  TP_UNDO_MARKER,
  TP_UNDO_RETRANS,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'
import { createRackAdvance } from '../rec/tcp-rack-advance.ts'
import type { TcpRate } from './tcp-rate.ts'

const MAX_BLOCKS = 4
// What match says.
const MATCH_OUT = 0
const MATCH_IN = 1
const MATCH_END = -1

export type TcpSacktag = ReturnType<typeof createTcpSacktag>
type TcpSacktagDeps = {
  i32: Int32Array
  u8: Bytes
  f64: Float64Array
  bank: number
  time: Time
  sysctl: number
  queue: TcpWriteQueue
  mss: TcpMss
  rate: TcpRate
}

export const createTcpSacktag = (deps: TcpSacktagDeps) => {
  const { i32, u8, f64, bank, time, sysctl, queue, mss, rate } = deps
  const { pcount, peel, leaveOrder } = queue
  const rackAdvance = createRackAdvance(i32, time)
  // blocks in order of sequence: start, end
  const blocks = new Int32Array(MAX_BLOCKS * 2)
  let flags = 0
  /** Round trips of the first and the last that were sent once and are reported now. */
  let rttUs = -1
  let lastRttUs = -1
  /** Segments that are reported now for the first time, and their octets. */
  let delivered = 0
  let bytes = 0
  /** The first segment that was sent once and is reported now, behind one that was before; or comes twice though sent again. */
  let late = 0

  /** The first block is a duplicate when it lies below the acknowledgement, or inside the second. */
  const isDsack = (opts: Int32Array, ack: number): boolean => {
    const at = opts[OPT_SACK_AT]
    const start = sackStart(u8, at, 0)
    const end = sackEnd(u8, at, 0)
    if (((start - ack) | 0) < 0) return true
    if (opts[OPT_SACK_COUNT] < 2) return false
    return ((end - sackEnd(u8, at, 1)) | 0) <= 0 && ((start - sackStart(u8, at, 1)) | 0) >= 0
  }
  /**
   * Notes a duplicate below `una`, or out of order. False when it can be none of ours: more is reported than was sent again,
   * or than a window (tcp_check_dsack, tcp_dsack_seen).
   */
  const takeDsack = (sk: number, opts: Int32Array, ack: number, una: number): boolean => {
    const start = sackStart(u8, opts[OPT_SACK_AT], 0)
    const end = sackEnd(u8, opts[OPT_SACK_AT], 0)
    const isOld = ((start - ack) | 0) < 0
    f64[bank + (isOld ? Mib.TcpExtTCPDSACKRecv : Mib.TcpExtTCPDSACKOfoRecv)]++
    const len = (end - start) | 0
    const segs = Math.max(1, Math.ceil(len / i32[sk + TP_MSS_CACHE]))
    const isOurs = len > 0 && len <= i32[sk + TP_MAX_WINDOW]
    if (isOurs) i32[sk + TP_DSACK_DUPS] += segs
    // the tail that a probe repeated has come twice, whatever was made of earlier reports
    if (isOurs && segs === 1 && i32[sk + TP_TLP_HIGH_SEQ] === end) flags |= FLAG_DSACK_TLP
    if (!isOurs || i32[sk + TP_DSACK_DUPS] > i32[sk + TP_TOTAL_RETRANS]) {
      f64[bank + Mib.TcpExtTCPDSACKIgnoredDubious]++
      return false
    }
    f64[bank + Mib.TcpExtTCPDSACKRecvSegs] += segs
    delivered += segs
    flags |= FLAG_DSACKING_ACK
    if ((flags & FLAG_DSACK_TLP) === 0 && i32[sk + TP_REORD_SEEN] !== 0)
      i32[sk + TP_RACK_DSACK_SEEN] = 1
    // what is forgotten already is counted as it is said
    if (((end - una) | 0) <= 0) noteUndone(sk, end, segs)
    return true
  }
  /** So many segments that were sent again have come twice: they were sent in vain. */
  const noteUndone = (sk: number, end: number, segs: number): void => {
    const marker = i32[sk + TP_UNDO_MARKER]
    if (marker === 0 || ((end - marker) | 0) <= 0) return
    i32[sk + TP_UNDO_RETRANS] = Math.max(0, i32[sk + TP_UNDO_RETRANS] - segs)
  }
  /**
   * What it reports we may have sent: all of it above snd_una, or, of a duplicate while that tells whether a recovery was in vain,
   * all below (tcp_is_sackblock_valid).
   */
  const isValid = (sk: number, start: number, end: number, isDup: boolean): boolean => {
    const next = i32[sk + TP_SND_NXT]
    if (((end - next) | 0) > 0 || ((end - start) | 0) <= 0 || ((start - next) | 0) >= 0)
      return false
    const una = i32[sk + TP_SND_UNA]
    // what begins at the acknowledgement would have been acknowledged
    if (((start - una) | 0) > 0) return true
    const marker = i32[sk + TP_UNDO_MARKER]
    if (!isDup || marker === 0 || ((end - una) | 0) > 0) return false
    if (((start - marker) | 0) >= 0) return true
    return ((end - marker) | 0) > 0 && ((start - end + i32[sk + TP_MAX_WINDOW]) | 0) >= 0
  }
  /** What the last reports have said to have come. Those of an old acknowledgement are not asked for (tcp_ack). */
  const countDelivered = (sk: number): void => {
    i32[sk + TP_DELIVERED] += delivered
    f64[bank + Mib.TcpExtTCPDelivered] += delivered
  }

  /** Which of `blocks` is the duplicate, or -1. */
  let dupAt = -1
  /** Blocks that speak of what is in flight, or was before this acknowledgement, sorted; returns how many. */
  const gather = (sk: number, opts: Int32Array, una: number, isDup: boolean): number => {
    const at = opts[OPT_SACK_AT]
    const count = Math.min(opts[OPT_SACK_COUNT], MAX_BLOCKS)
    let n = 0
    dupAt = -1
    for (let b = 0; b < count; b++) {
      const start = sackStart(u8, at, b)
      const end = sackEnd(u8, at, b)
      const isIt = isDup && b === 0
      if (!isValid(sk, start, end, isIt) || ((end - una) | 0) <= 0) continue
      let slot = n++
      for (; slot > 0 && ((blocks[slot * 2 - 2] - start) | 0) > 0; slot--) {
        blocks[slot * 2] = blocks[slot * 2 - 2]
        blocks[slot * 2 + 1] = blocks[slot * 2 - 1]
      }
      blocks[slot * 2] = start
      blocks[slot * 2 + 1] = end
      if (isIt) dupAt = slot
      else if (dupAt >= slot) dupAt++
    }
    return n
  }

  const markSacked = (sk: number, skb: number): void => {
    leaveOrder(sk, skb)
    const old = i32[skb + CB_FLAGS]
    const n = pcount(skb)
    let next = old | CBF_SACKED
    rackAdvance(sk, skb, old)
    rate.rateArrived(sk, skb)
    const end = i32[skb + CB_END_SEQ]
    if ((old & CBF_EVER_RETRANS) === 0 && ((i32[skb + CB_SEQ] - highestSack(sk)) | 0) < 0)
      noteLate(skb)
    if (i32[sk + TP_SACKED_OUT] === 0 || ((end - i32[sk + TP_FACK]) | 0) > 0)
      i32[sk + TP_FACK] = end
    if ((old & CBF_LOST) !== 0) {
      i32[sk + TP_LOST_OUT] -= n
      next &= ~CBF_LOST
      if ((old & CBF_RETRANS) !== 0) {
        i32[sk + TP_RETRANS_OUT] -= n
        next &= ~CBF_RETRANS
      }
    }
    if ((old & CBF_EVER_RETRANS) === 0) {
      if (((end - i32[sk + TP_HIGH_SEQ]) | 0) <= 0) flags |= FLAG_ORIG_SACK_ACKED
      lastRttUs = (time[TIME_US] - i32[skb + CB_TIME]) | 0
      if (rttUs < 0) rttUs = lastRttUs
    }
    i32[skb + CB_FLAGS] = next
    i32[sk + TP_SACKED_OUT] += n
    delivered += n
    bytes += (end - i32[skb + CB_SEQ]) | 0
    flags |= FLAG_DATA_SACKED
  }
  /**
   * A hole that fills by itself was reordering, not loss: be as patient as that in future. What begins at `low` came after
   * what is reported by now; `counter` says how that was seen (tcp_check_sack_reordering).
   */
  const noteReordering = (sk: number, low: number, counter: number): void => {
    const distance = (highestSack(sk) - low) | 0
    if (distance <= 0) return
    const size = i32[sk + TP_MSS_CACHE]
    if (distance > i32[sk + TP_REORDERING] * size)
      i32[sk + TP_REORDERING] = Math.min(
        Math.ceil(distance / size),
        i32[sysctl + Sysctl.tcp_max_reordering]
      )
    i32[sk + TP_REORD_SEEN]++
    f64[bank + counter]++
  }

  /** End of the highest segment reported so far, or snd_una. */
  const highestSack = (sk: number): number =>
    i32[sk + TP_SACKED_OUT] === 0 ? i32[sk + TP_SND_UNA] : i32[sk + TP_FACK]

  const noteLate = (skb: number): void => {
    if (((i32[skb + CB_SEQ] - late) | 0) < 0) late = i32[skb + CB_SEQ]
  }

  /** The skb that was asked for last, or the front of it that was cut off to tell. */
  let front = 0
  /**
   * Does the block cover it? A super-frame is cut where one of its segments ends; MATCH_END says that the block ends within the
   * first of them (tcp_match_skb_to_sack).
   */
  const match = (sk: number, skb: number, start: number, end: number): number => {
    front = skb
    const seq = i32[skb + CB_SEQ]
    const isBehind = ((seq - start) | 0) >= 0
    if (isBehind && ((i32[skb + CB_END_SEQ] - end) | 0) <= 0) return MATCH_IN
    if (pcount(skb) <= 1 || ((i32[skb + CB_END_SEQ] - start) | 0) <= 0) return MATCH_OUT
    const size = i32[skb + SKB_GSO_SIZE] || mss.currentMss(sk)
    const most = isBehind ? (end - seq) | 0 : (start - seq + size - 1) | 0
    const cut = most - (most % size)
    if (cut === 0) return MATCH_END
    if (cut >= i32[skb + SKB_LEN]) return MATCH_OUT
    const piece = peel(sk, skb, cut, size)
    if (piece === 0) return MATCH_OUT
    front = piece
    return isBehind ? MATCH_IN : MATCH_OUT
  }
  /** A segment that a block covers, or its duplicate does (tcp_sacktag_one). */
  const tagOne = (sk: number, skb: number, isDup: boolean): void => {
    const isAgain = isDup && (i32[skb + CB_FLAGS] & CBF_EVER_RETRANS) !== 0
    const end = i32[skb + CB_END_SEQ]
    if (isAgain) {
      noteUndone(sk, end, pcount(skb))
      if ((i32[skb + CB_FLAGS] & CBF_SACKED) !== 0) noteLate(skb)
    }
    // acknowledged by now, and about to go
    if (((end - i32[sk + TP_SND_UNA]) | 0) <= 0) return
    if ((i32[skb + CB_FLAGS] & CBF_SACKED) === 0) markSacked(sk, skb)
    if (!isDup || (i32[skb + CB_FLAGS] & CBF_RETRANS) === 0) return
    // both have come: nothing of it is under way
    i32[skb + CB_FLAGS] &= ~CBF_RETRANS
    i32[sk + TP_RETRANS_OUT] -= pcount(skb)
  }
  /** Tags what block `b` covers from `skb` on; where it has ended, or 0 (tcp_sacktag_walk). */
  const walk = (sk: number, from: number, b: number): number => {
    const stop = i32[sk + TP_SEND_HEAD]
    let skb = from
    while (skb !== 0 && skb !== stop) {
      if (((i32[skb + CB_SEQ] - blocks[b * 2 + 1]) | 0) >= 0) return skb
      let isDup = b === dupAt
      let found = MATCH_OUT
      front = skb
      // the duplicate lies within this one
      if (b + 1 === dupAt && ((i32[skb + CB_SEQ] - blocks[b * 2 + 3]) | 0) < 0) {
        found = match(sk, skb, blocks[b * 2 + 2], blocks[b * 2 + 3])
        isDup = found === MATCH_IN
      }
      if (found !== MATCH_IN) found = match(sk, front, blocks[b * 2], blocks[b * 2 + 1])
      if (found === MATCH_END) return front
      if (found === MATCH_IN) tagOne(sk, front, isDup)
      skb = i32[front + SKB_NEXT]
    }
    return 0
  }
  /** The skb in which the sequence number lies, from `skb` on when that lies behind it; or 0 (tcp_sacktag_skip). */
  const skip = (sk: number, skb: number, seq: number): number => {
    if (skb !== 0 && ((i32[skb + CB_SEQ] - seq) | 0) > 0) return skb
    const stop = i32[sk + TP_SEND_HEAD]
    // blocks are in order: what lies before the one before has been looked at
    for (let at = skb || i32[sk + TP_WQ_HEAD]; at !== 0 && at !== stop; at = i32[at + SKB_NEXT]) {
      if (((seq - i32[at + CB_SEQ]) | 0) < 0) return 0
      if (((seq - i32[at + CB_END_SEQ]) | 0) < 0) return at
    }
    return 0
  }

  /** Sorted, it begins no earlier. */
  const liesIn = (b: number, outer: number): boolean =>
    ((blocks[b * 2 + 1] - blocks[outer * 2 + 1]) | 0) <= 0
  /** Applies the blocks of an acknowledgement, before which all up to `una` was; returns FLAG_*. */
  const sacktag = (sk: number, opts: Int32Array, ack: number, una: number): number => {
    flags = 0
    rttUs = -1
    delivered = 0
    bytes = 0
    const dsack = isDsack(opts, ack) && takeDsack(sk, opts, ack, una)
    if (((ack - una + i32[sk + TP_MAX_WINDOW]) | 0) < 0) return 0
    const n = gather(sk, opts, una, dsack)
    if (n === 0) return flags
    late = i32[sk + TP_SND_NXT]
    let skb = 0
    for (let b = 0; b < n; b++) {
      // tagged with the block that it lies in, which has gone to the end of what was sent
      if (b === dupAt && b > 0 && skb === 0 && liesIn(b, b - 1)) continue
      skb = walk(sk, skip(sk, skb, blocks[b * 2]), b)
    }
    const isOfTimeout = i32[sk + TP_CA_STATE] === TCP_CA_LOSS && i32[sk + TP_UNDO_MARKER] === 0
    if (!isOfTimeout) noteReordering(sk, late, Mib.TcpExtTCPSACKReorder)
    return flags
  }

  /** Not on its way any more, or not again (tcp_mark_skb_lost). */
  const markLost = (sk: number, skb: number): void => {
    const flags = i32[skb + CB_FLAGS]
    if ((flags & CBF_SACKED) !== 0) return
    const n = pcount(skb)
    if ((flags & CBF_LOST) === 0) {
      i32[skb + CB_FLAGS] |= CBF_LOST
      i32[sk + TP_LOST_OUT] += n
    } else if ((flags & CBF_RETRANS) !== 0) {
      i32[skb + CB_FLAGS] &= ~CBF_RETRANS
      i32[sk + TP_RETRANS_OUT] -= n
      f64[bank + Mib.TcpExtTCPLostRetransmit] += n
    } else return
    i32[sk + TP_LOST] += n
  }
  /** The first segment in flight is lost (NewReno). */
  const markHeadLost = (sk: number): void => {
    const head = queue.rtxHead(sk)
    if (head === 0 || (i32[head + CB_FLAGS] & (CBF_LOST | CBF_SACKED)) !== 0) return
    const size = mss.currentMss(sk)
    const front = i32[head + SKB_LEN] > size ? queue.fragment(sk, head, size, size) : head
    markLost(sk, front === 0 ? head : front)
  }
  const sackRtt = (): number => rttUs
  const lastSackRtt = (): number => lastRttUs
  const sackBytes = (): number => bytes

  return {
    sacktag,
    markLost,
    markHeadLost,
    countDelivered,
    noteReordering,
    highestSack,
    sackRtt,
    lastSackRtt,
    sackBytes,
  }
}
