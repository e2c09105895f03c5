/**
 * Received text: the receive queue that recv reads in place, the out-of-order queue beside it, and the memory
 * both may hold. Segments that fill their buffer badly are copied together, so that a buffer full of small ones
 * is worth its window. tcp-input.ts puts segments in, tcp-recvmsg.ts takes bytes out, on the worker.
 * Linux: tcp_data_queue, tcp_data_queue_ofo, tcp_ofo_queue, tcp_try_coalesce, tcp_prune_queue; RFC 9293 3.10.7.4.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import {
  MAX_HEADER,
  SKB_END,
  SKB_FRAGS,
  SKB_GSO_SIZE,
  SKB_LEN,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PREV,
  SKB_TAIL,
  type Skbs,
} from '../../../skb/skb.ts'
import {
  SK_DROPS,
  SK_EVENT_READ,
  SK_FAMILY,
  SK_FLAGS,
  SK_RCVBUF,
  SK_RCVLOWAT,
  SK_RCVQ_HEAD,
  SK_RCVQ_LEN,
  SK_RCVQ_TAIL,
  SK_RMEM,
} from '../../../socket/sock.ts'
import { TCP_CWR, TCP_FIN } from '../../../wire/tcp.ts'
import { LARGE_PAYLOAD, SMALL_PAYLOAD, type TcpMem } from '../sock/tcp-mem.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { TcpCong } from '../rec/tcp-cong.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { ECN_CE, ECN_MASK } from '../rec/tcp-ecn.ts'
import { dsackExtend, dsackSet, sackNewOfo, sackRemove } from './tcp-sack.ts'
import {
  ACK_NOW,
  ACK_SCHED,
  ACK_TIMER,
  add64,
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  ECN_DEMAND_CWR,
  ECN_MODE_ACCECN,
  ECN_MODE_RFC3168,
  ECN_SEEN,
  receiveWindow,
  OPT_SACK,
  SOCK_RCVBUF_LOCK,
  TCP_ATO_MIN,
  TCP_MAX_QUICKACKS,
  TP_ACK_PENDING,
  TP_ADVMSS,
  TP_ATO,
  TP_BYTES_RECEIVED,
  TP_COPIED_SEQ,
  TP_DSACK,
  TP_ECN,
  TP_LRCVTIME,
  TP_NUM_SACKS,
  TP_OFO_HEAD,
  TP_OFO_LEN,
  TP_OFO_NEWER,
  TP_OFO_OLDER,
  TP_OFO_TAIL,
  TP_OPTS,
  TP_PINGPONG,
  TP_QUICK,
  TP_RCV_MSS,
  TP_RCV_NXT,
  TP_RCV_SSTHRESH,
  TP_RCV_WND,
  TP_RTO,
  TP_WINDOW_CLAMP,
} from '../sock/tcp-sock.ts'
import type { TcpWindow } from './tcp-window.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpOom } from '../sock/tcp-oom.ts'

/** Acknowledgements that are not delayed after a mark. */
const ECN_QUICKACKS = 2

export type TcpRcvQueue = ReturnType<typeof createTcpRcvQueue>
type TcpRcvQueueDeps = {
  arena: Arena
  bank: number
  time: Time
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  mem: TcpMem
  window: TcpWindow
  trim: TcpOom['trimRcv']
  /** core/transport/tcp/states/tcp-states.ts: fin, whose states take their text from here. */
  fin: (sk: number) => void
  afOps: AfOpsOf
  transmit: Pick<TcpTransmit, 'sendAck'>
  cong: Pick<TcpCong, 'needsEcn'>
} & Pick<TcpLifecycle, 'raise'>

export const createTcpRcvQueue = (deps: TcpRcvQueueDeps) => {
  const { bank, time, skbs, drop, consume, mem, window, raise, trim, fin } = deps
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout

  // Delayed acknowledgement's state (Linux: tcp_incr_quickack, tcp_enter_quickack_mode, tcp_event_data_recv).
  const increaseQuick = (sk: number, most: number): void => {
    const segments = (i32[sk + TP_RCV_WND] / (2 * Math.max(1, i32[sk + TP_RCV_MSS]))) | 0
    const quick = Math.min(segments === 0 ? 2 : segments, most)
    if (quick > i32[sk + TP_QUICK]) i32[sk + TP_QUICK] = quick
  }
  const enterQuickack = (sk: number, most: number): void => {
    increaseQuick(sk, most)
    i32[sk + TP_PINGPONG] = 0
    i32[sk + TP_ATO] = TCP_ATO_MIN
  }
  const scheduleAck = (sk: number): void => {
    i32[sk + TP_ACK_PENDING] |= ACK_SCHED
  }
  /**
   * What the path has marked is echoed until the peer says that it has heard (RFC 3168 section 6.1.3). A sender whose
   * window is small waits for these acknowledgements: they are not delayed (Linux: __tcp_ecn_check_ce).
   */
  const checkMark = (sk: number, skb: number): void => {
    const ecn = i32[sk + TP_ECN]
    const mark = deps.afOps(i32[sk + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK]) & ECN_MASK
    if (mark === 0) {
      // of a capable sender: it is sent again
      if ((ecn & ECN_SEEN) !== 0) enterQuickack(sk, ECN_QUICKACKS)
      return
    }
    // counted, when its acknowledgement field was looked at (tcp-accecn-ace.ts)
    if ((ecn & ECN_MODE_ACCECN) !== 0) return
    if (deps.cong.needsEcn(sk)) return echoEach(sk, mark === ECN_CE)
    i32[sk + TP_ECN] = ecn | (mark === ECN_CE ? ECN_SEEN | ECN_DEMAND_CWR : ECN_SEEN)
    if (mark === ECN_CE && (ecn & ECN_DEMAND_CWR) === 0) enterQuickack(sk, ECN_QUICKACKS)
  }
  /**
   * What is acknowledged together was marked alike: the acknowledgement that waits goes before the first that is not like
   * those before it, and that one is answered at once (RFC 8257 section 3.2; dctcp_ece_ack_update).
   */
  const echoEach = (sk: number, isMarked: boolean): void => {
    const ecn = i32[sk + TP_ECN]
    i32[sk + TP_ECN] = ecn | ECN_SEEN
    if (((ecn & ECN_DEMAND_CWR) !== 0) === isMarked) return
    if ((i32[sk + TP_ACK_PENDING] & ACK_TIMER) !== 0) deps.transmit.sendAck(sk)
    i32[sk + TP_ECN] ^= ECN_DEMAND_CWR
    i32[sk + TP_ACK_PENDING] |= ACK_SCHED | ACK_NOW
  }
  /** The peer has reduced its window; it may be one segment, so it hears at once (tcp_ecn_accept_cwr). */
  const acceptCwr = (sk: number): void => {
    if (!deps.cong.needsEcn(sk)) i32[sk + TP_ECN] &= ~ECN_DEMAND_CWR
    i32[sk + TP_ACK_PENDING] |= ACK_NOW
  }
  /** Learns from the arrival of data: the peer's segment size, its rhythm, the room it deserves. */
  const eventDataRecv = (sk: number, skb: number): void => {
    scheduleAck(sk)
    if (i32[sk + TP_ECN] !== 0) checkMark(sk, skb)
    window.measureRcvMss(sk, skb)
    window.rcvRttMeasure(sk)
    const now = time[TIME_MS]
    const ato = i32[sk + TP_ATO]
    if (ato === 0) {
      increaseQuick(sk, TCP_MAX_QUICKACKS)
      i32[sk + TP_ATO] = TCP_ATO_MIN
    } else {
      const gap = (now - i32[sk + TP_LRCVTIME]) | 0
      if (gap <= TCP_ATO_MIN >> 1) i32[sk + TP_ATO] = (ato >> 1) + (TCP_ATO_MIN >> 1)
      else if (gap < ato) i32[sk + TP_ATO] = Math.min((ato >> 1) + gap, i32[sk + TP_RTO])
      else if (gap > i32[sk + TP_RTO]) increaseQuick(sk, TCP_MAX_QUICKACKS)
    }
    i32[sk + TP_LRCVTIME] = now
    if (i32[skb + SKB_LEN] >= 128) window.growWindow(sk, skb)
  }

  const tailroom = (skb: number): number =>
    skbs.isShared(skb) || i32[skb + SKB_FRAGS] !== 0 ? 0 : i32[skb + SKB_END] - i32[skb + SKB_TAIL]

  /** Copies `skb`'s bytes from `from` on behind those of `tail`, which has room. */
  const absorb = (tail: number, skb: number, from: number): void => {
    const len = i32[skb + SKB_LEN] - from
    skbs.copyBits(skb, from, skbs.put(tail, len), len)
    i32[tail + CB_END_SEQ] = i32[skb + CB_END_SEQ]
    i32[tail + CB_FLAGS] |= i32[skb + CB_FLAGS]
    f64[bank + Mib.TcpExtTCPRcvCoalesce]++
    consume(skb)
  }
  /** A copy in a small buffer when the payload leaves most of its large one empty; else the skb itself. */
  const compact = (skb: number): number => {
    const len = i32[skb + SKB_LEN]
    if (len > SMALL_PAYLOAD || (!mem.isLarge(skb) && i32[skb + SKB_FRAGS] === 0)) return skb
    const small = skbs.alloc(SMALL_PAYLOAD, MAX_HEADER)
    if (small === 0) return skb
    skbs.copyBits(skb, 0, skbs.put(small, len), len)
    i32[small + CB_SEQ] = i32[skb + CB_SEQ]
    i32[small + CB_END_SEQ] = i32[skb + CB_END_SEQ]
    i32[small + CB_FLAGS] = i32[skb + CB_FLAGS]
    i32[small + SKB_GSO_SIZE] = i32[skb + SKB_GSO_SIZE]
    consume(skb)
    return small
  }

  /** More than half of its buffer is empty. */
  const isPoor = (skb: number): boolean => i32[skb + SKB_LEN] * 2 < mem.truesize(skb)
  /** Three quarters of the buffer hold what is promised if the rest is copied together: there is no need to as yet. */
  const isSpacious = (sk: number, skb: number): boolean =>
    mem.isLarge(skb) && i32[sk + SK_RMEM] <= i32[sk + SK_RCVBUF] >> 2 && !mem.underPressure()
  /**
   * It goes into what the last buffer of the queue has left, so it takes no memory: when it wastes its own, or there is
   * no more. `next` is rcv_nxt.
   */
  const fillsTail = (sk: number, skb: number, next: number): boolean => {
    const tail = i32[sk + SK_RCVQ_TAIL]
    if (tail === 0 || i32[tail + CB_END_SEQ] !== next) return false
    if ((!isPoor(skb) || isSpacious(sk, skb)) && fits(sk, skb)) return false
    return i32[skb + SKB_LEN] - ((next - i32[skb + CB_SEQ]) | 0) <= tailroom(tail)
  }

  /** Appends a segment that is next in order (its front may repeat what came before). */
  const queueRcv = (sk: number, skb: number): void => {
    const end = i32[skb + CB_END_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    add64(i32, sk + TP_BYTES_RECEIVED, (end - next) | 0)
    i32[sk + TP_RCV_NXT] = end
    const tail = i32[sk + SK_RCVQ_TAIL]
    if (fillsTail(sk, skb, next)) {
      absorb(tail, skb, (next - i32[skb + CB_SEQ]) | 0)
      return
    }
    const kept = isPoor(skb) ? compact(skb) : skb
    i32[kept + SKB_NEXT] = 0
    if (tail === 0) i32[sk + SK_RCVQ_HEAD] = kept
    else i32[tail + SKB_NEXT] = kept
    i32[sk + SK_RCVQ_TAIL] = kept
    i32[sk + SK_RCVQ_LEN]++
    mem.chargeRcv(sk, kept)
  }
  /** Takes the first skb off and frees it: it was read. */
  const dequeueRcv = (sk: number): void => {
    const skb = i32[sk + SK_RCVQ_HEAD]
    const next = i32[skb + SKB_NEXT]
    i32[sk + SK_RCVQ_HEAD] = next
    if (next === 0) i32[sk + SK_RCVQ_TAIL] = 0
    i32[sk + SK_RCVQ_LEN]--
    mem.unchargeRcv(sk, skb)
    consume(skb)
  }

  // The sockets that have segments out of order: the one whose hole is oldest gives way first.
  let ofoOldest = 0
  let ofoNewest = 0
  const linkHolder = (sk: number): void => {
    i32[sk + TP_OFO_OLDER] = ofoNewest
    i32[sk + TP_OFO_NEWER] = 0
    if (ofoNewest === 0) ofoOldest = sk
    else i32[ofoNewest + TP_OFO_NEWER] = sk
    ofoNewest = sk
  }
  const unlinkHolder = (sk: number): void => {
    const older = i32[sk + TP_OFO_OLDER]
    const newer = i32[sk + TP_OFO_NEWER]
    if (older === 0) ofoOldest = newer
    else i32[older + TP_OFO_NEWER] = newer
    if (newer === 0) ofoNewest = older
    else i32[newer + TP_OFO_OLDER] = older
  }

  // The out-of-order queue, sorted, doubly linked.
  const removeOfo = (sk: number, skb: number): void => {
    const next = i32[skb + SKB_NEXT]
    const prev = i32[skb + SKB_PREV]
    if (prev === 0) i32[sk + TP_OFO_HEAD] = next
    else i32[prev + SKB_NEXT] = next
    if (next === 0) i32[sk + TP_OFO_TAIL] = prev
    else i32[next + SKB_PREV] = prev
    if (--i32[sk + TP_OFO_LEN] === 0) unlinkHolder(sk)
    mem.unchargeRcv(sk, skb)
  }
  const insertOfo = (sk: number, skb: number, after: number): void => {
    const next = after === 0 ? i32[sk + TP_OFO_HEAD] : i32[after + SKB_NEXT]
    i32[skb + SKB_PREV] = after
    i32[skb + SKB_NEXT] = next
    if (after === 0) i32[sk + TP_OFO_HEAD] = skb
    else i32[after + SKB_NEXT] = skb
    if (next === 0) i32[sk + TP_OFO_TAIL] = skb
    else i32[next + SKB_PREV] = skb
    if (i32[sk + TP_OFO_LEN]++ === 0) linkHolder(sk)
    mem.chargeOfo(sk, skb)
  }
  const purgeOfo = (sk: number): void => {
    for (let skb = i32[sk + TP_OFO_HEAD]; skb !== 0; skb = i32[sk + TP_OFO_HEAD]) {
      removeOfo(sk, skb)
      consume(skb)
    }
    i32[sk + TP_NUM_SACKS] = 0
    i32[sk + TP_DSACK] = 0
  }
  const purgeRead = (sk: number): void => {
    while (i32[sk + SK_RCVQ_HEAD] !== 0) dequeueRcv(sk)
  }
  const purge = (sk: number): void => {
    purgeRead(sk)
    purgeOfo(sk)
  }

  const dropDuplicate = (sk: number, skb: number): void => {
    noteTwice(sk, i32[skb + CB_SEQ], i32[skb + CB_END_SEQ])
    f64[bank + Mib.TcpExtTCPOFOMerge]++
    drop(skb, Drop.TCP_OFOMERGE)
  }
  /** What the queue has already is reported with the next acknowledgement (RFC 2883). */
  const noteTwice = (sk: number, seq: number, end: number): void => {
    f64[bank + dsackExtend(i32, sysctl, sk, seq, end)]++
  }
  const queueOfo = (sk: number, arrived: number): void => {
    scheduleAck(sk)
    if (i32[sk + TP_ECN] !== 0) checkMark(sk, arrived)
    if (!fitsOfo(sk, arrived)) makeRoomOfo(sk, arrived)
    if (!fitsOfo(sk, arrived)) {
      f64[bank + Mib.TcpExtTCPOFODrop]++
      i32[sk + SK_DROPS]++
      drop(arrived, Drop.TCP_OFO_DROP)
      return
    }
    window.measureRcvMss(sk, arrived)
    if ((i32[sk + TP_OPTS] & OPT_SACK) !== 0) window.growWindow(sk, arrived)
    f64[bank + Mib.TcpExtTCPOFOQueue]++
    const skb = compact(arrived)
    const seq = i32[skb + CB_SEQ]
    const end = i32[skb + CB_END_SEQ]
    let after = i32[sk + TP_OFO_TAIL]
    while (after !== 0 && ((i32[after + CB_SEQ] - seq) | 0) > 0) after = i32[after + SKB_PREV]
    if (after !== 0 && ((i32[after + CB_END_SEQ] - end) | 0) >= 0) {
      dropDuplicate(sk, skb)
      sackNewOfo(i32, sk, seq, end)
      return
    }
    if (after !== 0 && i32[after + CB_SEQ] === seq) {
      // the longer one takes its place
      const before = i32[after + SKB_PREV]
      removeOfo(sk, after)
      dropDuplicate(sk, after)
      after = before
    }
    if (after !== 0 && ((i32[after + CB_END_SEQ] - seq) | 0) > 0)
      noteTwice(sk, seq, i32[after + CB_END_SEQ])
    let at = skb
    if (mayAbsorb(after, skb)) {
      at = after
      absorb(after, skb, (i32[after + CB_END_SEQ] - seq) | 0)
    } else insertOfo(sk, skb, after)
    // those that the new one covers are of no more use
    for (let next = i32[at + SKB_NEXT]; next !== 0; next = i32[at + SKB_NEXT]) {
      if (((i32[next + CB_END_SEQ] - end) | 0) > 0) {
        if (((i32[next + CB_SEQ] - end) | 0) < 0) noteTwice(sk, i32[next + CB_SEQ], end)
        break
      }
      removeOfo(sk, next)
      dropDuplicate(sk, next)
    }
    sackNewOfo(i32, sk, seq, end)
  }
  /** Whether `skb` goes on where `before`, its neighbour in the queue, ends, and there is room behind it. */
  const mayAbsorb = (before: number, skb: number): boolean => {
    if (before === 0 || (i32[before + CB_FLAGS] & TCP_FIN) !== 0) return false
    const overlap = (i32[before + CB_END_SEQ] - i32[skb + CB_SEQ]) | 0
    return overlap >= 0 && i32[skb + SKB_LEN] - overlap <= tailroom(before)
  }
  /** Moves what rcv_nxt has reached into the receive queue. */
  const drainOfo = (sk: number): void => {
    moveOfo(sk)
    // it gets on: the hole that is left is a new one
    if (i32[sk + TP_OFO_LEN] !== 0 && sk !== ofoNewest) {
      unlinkHolder(sk)
      linkHolder(sk)
    }
  }
  const moveOfo = (sk: number): void => {
    const filled = i32[sk + TP_RCV_NXT]
    for (let skb = i32[sk + TP_OFO_HEAD]; skb !== 0; skb = i32[sk + TP_OFO_HEAD]) {
      const next = i32[sk + TP_RCV_NXT]
      if (((i32[skb + CB_SEQ] - next) | 0) > 0) return
      if (((i32[skb + CB_SEQ] - filled) | 0) < 0) {
        const end = i32[skb + CB_END_SEQ]
        noteTwice(sk, i32[skb + CB_SEQ], ((end - filled) | 0) < 0 ? end : filled)
      }
      removeOfo(sk, skb)
      if (((i32[skb + CB_END_SEQ] - next) | 0) <= 0) {
        drop(skb, Drop.TCP_OFO_DROP)
        continue
      }
      const hasFin = (i32[skb + CB_FLAGS] & TCP_FIN) !== 0
      queueRcv(sk, skb)
      if (hasFin) {
        fin(sk)
        return
      }
    }
  }

  // The buffer may be passed by one skb, or a large one would never fit.
  const fits = (sk: number, skb: number): boolean =>
    i32[sk + SK_RMEM] <= i32[sk + SK_RCVBUF] && mem.mayCharge(sk, skb)
  const fitsOfo = (sk: number, skb: number): boolean =>
    i32[sk + SK_RMEM] <= i32[sk + SK_RCVBUF] && mem.mayChargeOfo(sk, skb)
  /** Whether there is room for one more skb, that is next in order; makes some first when not. */
  const mayHold = (sk: number, skb: number): boolean =>
    fits(sk, skb) || fillsTail(sk, skb, i32[sk + TP_RCV_NXT]) || makeRoom(sk, skb)
  /** Collapses, prunes what is out of order (its own, then the oldest of others), and trims the worst holder. */
  const makeRoom = (sk: number, skb: number): boolean => {
    pruneQueue(sk)
    if (!fits(sk, skb)) pruneOfo(sk, skb)
    if (isWithinPromise(sk)) makeWorkerRoom(sk, skb)
    if (isWithinPromise(sk) && mem.mayCharge(sk, skb)) return true
    f64[bank + Mib.TcpExtRcvPruned]++
    return false
  }
  const makeWorkerRoom = (sk: number, skb: number): void => {
    while (!mem.mayCharge(sk, skb) && ofoOldest !== 0) pruneHolder(ofoOldest)
    if (!mem.mayCharge(sk, skb) && mem.hasLessThanMinimum(sk)) trim(sk)
  }
  /**
   * The window of before was computed from half of the memory being payload. Segments just too long for two of them to
   * share a buffer use less of it, two fifths, and the first buffer may be read almost to its end; what was offered is
   * taken all the same (RFC 9293 3.8.6).
   */
  const isWithinPromise = (sk: number): boolean => {
    const rcvbuf = i32[sk + SK_RCVBUF]
    const head = i32[sk + SK_RCVQ_HEAD]
    const held = i32[sk + SK_RMEM] - (head === 0 ? 0 : mem.truesize(head))
    return held <= rcvbuf + (rcvbuf >> 2)
  }
  /** As makeRoom, for a segment out of order: it is worth no more than those of sockets that wait for less long. */
  const makeRoomOfo = (sk: number, skb: number): void => {
    pruneQueue(sk)
    if (i32[sk + SK_RMEM] > i32[sk + SK_RCVBUF]) return
    while (!mem.mayChargeOfo(sk, skb) && ofoOldest !== 0 && ofoOldest !== sk) pruneHolder(ofoOldest)
  }
  /** A socket loses all that it has out of order: its peer sends it again. */
  const pruneHolder = (sk: number): void => {
    f64[bank + Mib.TcpExtOfoPruned]++
    for (let last = i32[sk + TP_OFO_TAIL]; last !== 0; last = i32[sk + TP_OFO_TAIL]) {
      removeOfo(sk, last)
      drop(last, Drop.TCP_OFO_QUEUE_PRUNE)
    }
    i32[sk + TP_NUM_SACKS] = 0
  }
  /** The buffer was guessed too small: it grows to what it holds, or else the window must fall. */
  const clampWindow = (sk: number): void => {
    i32[sk + TP_QUICK] = 0
    const locked = (i32[sk + SK_FLAGS] & SOCK_RCVBUF_LOCK) !== 0
    if (!locked && !mem.underPressure())
      i32[sk + SK_RCVBUF] = Math.max(
        i32[sk + SK_RCVBUF],
        Math.min(i32[sk + SK_RMEM], mem.maxRcvbuf())
      )
    if (i32[sk + SK_RMEM] > i32[sk + SK_RCVBUF])
      i32[sk + TP_RCV_SSTHRESH] = Math.min(i32[sk + TP_WINDOW_CLAMP], 2 * i32[sk + TP_ADVMSS])
  }
  const pruneQueue = (sk: number): void => {
    f64[bank + Mib.TcpExtPruneCalled]++
    if (i32[sk + SK_RMEM] >= i32[sk + SK_RCVBUF]) clampWindow(sk)
    else i32[sk + TP_RCV_SSTHRESH] = Math.min(i32[sk + TP_RCV_SSTHRESH], 4 * i32[sk + TP_ADVMSS])
    collapse(sk)
  }
  /** Throws the highest out-of-order segments away until there is room for `skb`, which fills the first hole. */
  const pruneOfo = (sk: number, skb: number): void => {
    if (i32[sk + TP_OFO_TAIL] === 0) return
    f64[bank + Mib.TcpExtOfoPruned]++
    while (i32[sk + TP_OFO_TAIL] !== 0 && !fits(sk, skb)) {
      const last = i32[sk + TP_OFO_TAIL]
      removeOfo(sk, last)
      drop(last, Drop.TCP_OFO_QUEUE_PRUNE)
    }
    // what was reported is gone: the peer must not count on it (RFC 2018 section 8)
    i32[sk + TP_NUM_SACKS] = 0
  }
  /** Copies neighbours of the receive queue together when a large buffer would hold them with less waste. */
  const collapse = (sk: number): void => {
    const first = i32[sk + SK_RCVQ_HEAD]
    let prev = first
    let skb = first === 0 ? 0 : i32[first + SKB_NEXT]
    // the first may be half read: it stays as it is
    while (skb !== 0) {
      const next = i32[skb + SKB_NEXT]
      const overlap = prev === 0 ? 0 : (i32[prev + CB_END_SEQ] - i32[skb + CB_SEQ]) | 0
      const len = i32[skb + SKB_LEN] - overlap
      if (
        prev !== first &&
        overlap >= 0 &&
        len <= tailroom(prev) &&
        (i32[prev + CB_FLAGS] & TCP_FIN) === 0
      ) {
        i32[prev + SKB_NEXT] = next
        if (next === 0) i32[sk + SK_RCVQ_TAIL] = prev
        i32[sk + SK_RCVQ_LEN]--
        mem.unchargeRcv(sk, skb)
        absorb(prev, skb, overlap)
        f64[bank + Mib.TcpExtTCPRcvCollapsed]++
      } else prev = rehouse(sk, prev, skb)
      skb = next
    }
  }
  /** Moves a run of small buffers into a large one: returns the skb that now stands in the queue. */
  const rehouse = (sk: number, prev: number, skb: number): number => {
    const next = i32[skb + SKB_NEXT]
    if (next === 0 || mem.isLarge(skb) || tailroom(skb) === 0 || !mem.mayTakeLarge()) return skb
    const len = i32[skb + SKB_LEN]
    const big = skbs.alloc(LARGE_PAYLOAD, MAX_HEADER)
    if (big === 0) return skb
    skbs.copyBits(skb, 0, skbs.put(big, len), len)
    i32[big + CB_SEQ] = i32[skb + CB_SEQ]
    i32[big + CB_END_SEQ] = i32[skb + CB_END_SEQ]
    i32[big + CB_FLAGS] = i32[skb + CB_FLAGS]
    i32[big + SKB_NEXT] = next
    i32[prev + SKB_NEXT] = big
    mem.unchargeRcv(sk, skb)
    mem.chargeRcv(sk, big)
    consume(skb)
    return big
  }

  const outOfWindow = (sk: number, skb: number, reason: Drop): void => {
    enterQuickack(sk, TCP_MAX_QUICKACKS)
    scheduleAck(sk)
    i32[sk + SK_DROPS]++
    drop(skb, reason)
  }
  const refuse = (sk: number, skb: number): void => {
    f64[bank + Mib.TcpExtTCPRcvQDrop]++
    i32[sk + SK_DROPS]++
    i32[sk + TP_ACK_PENDING] |= ACK_SCHED | ACK_NOW
    drop(skb, Drop.PROTO_MEM)
  }

  /** As queueRcv, and the FIN that it may have has its turn. */
  const takeNext = (sk: number, skb: number): void => {
    const hasFin = (i32[skb + CB_FLAGS] & TCP_FIN) !== 0
    queueRcv(sk, skb)
    if (hasFin) fin(sk)
  }
  const inOrder = (sk: number, skb: number): void => {
    if (!mayHold(sk, skb)) {
      refuse(sk, skb)
      return
    }
    const hasText = i32[skb + SKB_LEN] !== 0
    // before it is queued: queueing may copy it and free the original
    if (hasText) eventDataRecv(sk, skb)
    takeNext(sk, skb)
    if (i32[sk + TP_OFO_HEAD] !== 0) {
      drainOfo(sk)
      // RFC 5681 section 4.2: at once when a hole is filled
      if (i32[sk + TP_OFO_HEAD] === 0) i32[sk + TP_ACK_PENDING] |= ACK_NOW
    }
    if (i32[sk + TP_NUM_SACKS] !== 0) sackRemove(i32, sk)
    dataReady(sk)
  }
  /** There is something to read, enough of it where the socket wants so much (SO_RCVLOWAT; tcp_data_ready). */
  const dataReady = (sk: number): void => {
    if (readable(sk) >= i32[sk + SK_RCVLOWAT]) raise(sk, SK_EVENT_READ)
  }

  /** Takes a segment whose header was pulled: into one of the queues, or away. */
  const dataQueue = (sk: number, skb: number): void => {
    const seq = i32[skb + CB_SEQ]
    const end = i32[skb + CB_END_SEQ]
    const next = i32[sk + TP_RCV_NXT]
    if (seq === end) {
      consume(skb)
      return
    }
    if ((i32[skb + CB_FLAGS] & TCP_CWR) !== 0 && (i32[sk + TP_ECN] & ECN_MODE_RFC3168) !== 0)
      acceptCwr(sk)
    i32[sk + TP_DSACK] = 0
    if (seq === next) {
      if (receiveWindow(i32, sk) === 0 && i32[skb + SKB_LEN] !== 0) {
        f64[bank + Mib.TcpExtTCPZeroWindowDrop]++
        outOfWindow(sk, skb, Drop.TCP_ZEROWINDOW)
      } else inOrder(sk, skb)
      return
    }
    if (((end - next) | 0) <= 0) {
      f64[bank + Mib.TcpExtDelayedACKLost]++
      f64[bank + dsackSet(i32, sysctl, sk, seq, end)]++
      outOfWindow(sk, skb, Drop.TCP_OLD_DATA)
      return
    }
    if (((seq - next - receiveWindow(i32, sk)) | 0) >= 0) {
      outOfWindow(sk, skb, Drop.TCP_OVERWINDOW)
      return
    }
    if (((seq - next) | 0) < 0) {
      f64[bank + dsackSet(i32, sysctl, sk, seq, next)]++
      if (receiveWindow(i32, sk) === 0) outOfWindow(sk, skb, Drop.TCP_ZEROWINDOW)
      else inOrder(sk, skb)
      return
    }
    queueOfo(sk, skb)
  }

  /** Bytes that recv would get now. */
  const readable = (sk: number): number => {
    let bytes = (i32[sk + TP_RCV_NXT] - i32[sk + TP_COPIED_SEQ]) | 0
    const tail = i32[sk + SK_RCVQ_TAIL]
    if (tail !== 0 && (i32[tail + CB_FLAGS] & TCP_FIN) !== 0) bytes--
    return bytes
  }

  return {
    queueRcv,
    takeNext,
    dequeueRcv,
    dataQueue,
    dataReady,
    eventDataRecv,
    enterQuickack,
    scheduleAck,
    purge,
    purgeRead,
    purgeOfo,
    readable,
    mayHold,
  }
}
