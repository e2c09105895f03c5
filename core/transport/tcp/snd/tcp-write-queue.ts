/**
 * The write queue of a connection: skbs of stream data in order, sent ones first, unsent from SEND_HEAD on, with
 * the segment counts that the scoreboard is made of. sendmsg appends, tcp_write_xmit moves SEND_HEAD, the
 * acknowledgement frees. Splitting copies the shorter part out, so that the longer one keeps its buffer.
 * Linux: tcp_rtx_queue and sk_write_queue, tcp_fragment, tcp_trim_head.
 */
import type { ConsumeFn } from '../../../skb/drop.ts'
import {
  MAX_HEADER,
  SKB_DATA,
  SKB_END,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_HEAD,
  SKB_LEN,
  SKB_NEXT,
  SKB_PREV,
  SKB_TAIL,
} from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { SK_WMEM } from '../../../socket/sock.ts'
import { TCP_FIN, TCP_PSH } from '../../../wire/tcp.ts'
import { LARGE_PAYLOAD, SMALL_PAYLOAD, type TcpMem } from '../sock/tcp-mem.ts'
import { createTcpSentOrder } from './tcp-sent-order.ts'
import {
  OPT_SACK,
  TP_LOST_OUT,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_RETRANS_OUT,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_WQ_HEAD,
  TP_WQ_TAIL,
} from '../sock/tcp-sock.ts'
import {
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CB_TIME,
  CB_TSKEY,
  CBF_EVER_RETRANS,
  CBF_TCP_FLAGS,
  CBF_TX_ANY,
  CBF_IN_ORDER,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
  CBF_EOR,
} from '../sock/tcp-cb.ts'

export type TcpWriteQueue = ReturnType<typeof createTcpWriteQueue>

export const createTcpWriteQueue = (
  i32: Int32Array,
  u8: Uint8Array,
  skbs: Skbs,
  mem: TcpMem,
  consume: ConsumeFn
) => {
  const { leaveOrder, sentLast, splitOrder } = createTcpSentOrder(i32)
  const pcount = (skb: number): number => i32[skb + SKB_GSO_SEGS]
  /** Segments of `mss` that the skb makes. */
  const setTsoSegs = (skb: number, mss: number): void => {
    const len = i32[skb + SKB_LEN]
    if (len <= mss) {
      i32[skb + SKB_GSO_SEGS] = 1
      i32[skb + SKB_GSO_SIZE] = 0
    } else {
      i32[skb + SKB_GSO_SEGS] = ((len + mss - 1) / mss) | 0
      i32[skb + SKB_GSO_SIZE] = mss
    }
  }

  /** Appends an unsent skb and charges it. */
  const append = (sk: number, skb: number): void => {
    const tail = i32[sk + TP_WQ_TAIL]
    i32[skb + SKB_PREV] = tail
    i32[skb + SKB_NEXT] = 0
    if (tail === 0) i32[sk + TP_WQ_HEAD] = skb
    else i32[tail + SKB_NEXT] = skb
    i32[sk + TP_WQ_TAIL] = skb
    if (i32[sk + TP_SEND_HEAD] === 0) i32[sk + TP_SEND_HEAD] = skb
    i32[sk + SK_WMEM] += mem.sendCharge(skb)
    mem.holdSend(sk, skb)
  }
  /** Room for `n` more octets behind those of an skb that nobody shares, in a large buffer if need be and there are some. */
  const makeRoom = (sk: number, skb: number, n: number): boolean => {
    if (skbs.isShared(skb)) return false
    if (tailroom(skb) < n) moveToFront(skb)
    return tailroom(skb) >= n || enlarge(sk, skb, n)
  }
  const tailroom = (skb: number): number => i32[skb + SKB_END] - i32[skb + SKB_TAIL]
  /** What was split off, or acknowledged, leaves its room to what is behind it. */
  const moveToFront = (skb: number): void => {
    const from = i32[skb + SKB_DATA]
    const to = i32[skb + SKB_HEAD] + MAX_HEADER
    u8.copyWithin(to, from, i32[skb + SKB_TAIL])
    i32[skb + SKB_DATA] = to
    i32[skb + SKB_TAIL] += to - from
  }
  const enlarge = (sk: number, skb: number, n: number): boolean => {
    const len = i32[skb + SKB_LEN]
    if (mem.isLarge(skb) || len + n > LARGE_PAYLOAD || !mem.mayQueueLarge(sk)) return false
    mem.releaseSend(sk, skb)
    const isDone = skbs.expandTail(skb, LARGE_PAYLOAD - len)
    mem.holdSend(sk, skb)
    return isDone
  }
  /** Moves the first `n` octets of `next`, which comes after the skb and stays behind it, to the skb's end. */
  const shift = (skb: number, next: number, n: number): void => {
    skbs.copyBits(next, 0, skbs.put(skb, n), n)
    skbs.pull(next, n)
    i32[skb + CB_END_SEQ] = (i32[skb + CB_END_SEQ] + n) | 0
    i32[next + CB_SEQ] = (i32[next + CB_SEQ] + n) | 0
  }
  /** `next` has nothing left: its flags and marks go to the skb before it, and it goes. */
  const absorb = (sk: number, skb: number, next: number): void => {
    const flags = i32[next + CB_FLAGS] & (CBF_TCP_FLAGS | CBF_EOR | CBF_EVER_RETRANS | CBF_TX_ANY)
    i32[skb + CB_END_SEQ] = i32[next + CB_END_SEQ]
    i32[skb + CB_FLAGS] |= flags
    if ((flags & CBF_TX_ANY) !== 0) i32[skb + CB_TSKEY] = i32[next + CB_TSKEY]
    remove(sk, next)
  }
  /** An unsent skb takes over up to `amount` octets of the one behind it, so that more goes at once (tcp_grow_skb). */
  const grow = (sk: number, skb: number, amount: number): void => {
    const next = i32[skb + SKB_NEXT]
    if (amount <= 0 || next === 0 || (i32[skb + CB_FLAGS] & CBF_EOR) !== 0) return
    const n = Math.min(amount, i32[next + SKB_LEN])
    if (n === 0 || !makeRoom(sk, skb, n)) return
    shift(skb, next, n)
    if (i32[next + SKB_LEN] === 0) absorb(sk, skb, next)
  }
  /** Of a sent skb that is one segment: the one behind it, if that is too and both fit into `space` octets, goes along with it. */
  const collapse = (sk: number, skb: number, space: number): boolean => {
    const next = i32[skb + SKB_NEXT]
    const len = i32[next + SKB_LEN]
    if (!isOneSegment(next) || i32[skb + SKB_LEN] + len > space) return false
    if ((i32[skb + CB_FLAGS] & CBF_EOR) !== 0 || !makeRoom(sk, skb, len)) return false
    shift(skb, next, len)
    countFewer(sk, i32[next + CB_FLAGS], 1)
    absorb(sk, skb, next)
    return true
  }
  /** It may be put together with another: nobody else holds it, and the peer does not have it (tcp_can_collapse). */
  const isOneSegment = (skb: number): boolean =>
    pcount(skb) === 1 && (i32[skb + CB_FLAGS] & CBF_SACKED) === 0 && !skbs.isShared(skb)
  const insertAfter = (sk: number, skb: number, prev: number): void => {
    const next = i32[prev + SKB_NEXT]
    i32[skb + SKB_PREV] = prev
    i32[skb + SKB_NEXT] = next
    i32[prev + SKB_NEXT] = skb
    if (next === 0) i32[sk + TP_WQ_TAIL] = skb
    else i32[next + SKB_PREV] = skb
  }
  const insertBefore = (sk: number, skb: number, next: number): void => {
    const prev = i32[next + SKB_PREV]
    i32[skb + SKB_PREV] = prev
    i32[skb + SKB_NEXT] = next
    i32[next + SKB_PREV] = skb
    if (prev === 0) i32[sk + TP_WQ_HEAD] = skb
    else i32[prev + SKB_NEXT] = skb
    if (i32[sk + TP_SEND_HEAD] === next) i32[sk + TP_SEND_HEAD] = skb
  }
  /** Takes the skb out and frees it. */
  const remove = (sk: number, skb: number): void => {
    leaveOrder(sk, skb)
    const next = i32[skb + SKB_NEXT]
    const prev = i32[skb + SKB_PREV]
    if (prev === 0) i32[sk + TP_WQ_HEAD] = next
    else i32[prev + SKB_NEXT] = next
    if (next === 0) i32[sk + TP_WQ_TAIL] = prev
    else i32[next + SKB_PREV] = prev
    if (i32[sk + TP_SEND_HEAD] === skb) i32[sk + TP_SEND_HEAD] = next
    i32[sk + SK_WMEM] -= mem.sendCharge(skb)
    mem.releaseSend(sk, skb)
    consume(skb)
  }
  const purge = (sk: number): void => {
    while (i32[sk + TP_WQ_HEAD] !== 0) remove(sk, i32[sk + TP_WQ_HEAD])
    i32[sk + TP_PACKETS_OUT] = 0
    i32[sk + TP_SACKED_OUT] = 0
    i32[sk + TP_LOST_OUT] = 0
    i32[sk + TP_RETRANS_OUT] = 0
  }
  /** Oldest skb that was sent and is not acknowledged, or 0. */
  const rtxHead = (sk: number): number =>
    i32[sk + TP_WQ_HEAD] === i32[sk + TP_SEND_HEAD] ? 0 : i32[sk + TP_WQ_HEAD]

  /**
   * The counts of the scoreboard after a sent skb has become `n` segments fewer. Without SACK nobody knows which of them have
   * arrived: these are thought to have (tcp_adjust_pcount).
   */
  const countFewer = (sk: number, flags: number, n: number): void => {
    i32[sk + TP_PACKETS_OUT] -= n
    if ((i32[sk + TP_OPTS] & OPT_SACK) === 0 && n > 0)
      i32[sk + TP_SACKED_OUT] -= Math.min(i32[sk + TP_SACKED_OUT], n)
    if ((flags & CBF_SACKED) !== 0) i32[sk + TP_SACKED_OUT] -= n
    if ((flags & CBF_RETRANS) !== 0) i32[sk + TP_RETRANS_OUT] -= n
    if ((flags & CBF_LOST) !== 0) i32[sk + TP_LOST_OUT] -= n
  }

  /**
   * Splits the skb behind its first `len` bytes; returns the one that has those (the rest is next to it), or 0 when memory
   * is out. What is already sent keeps its marks on both parts.
   */
  const fragment = (sk: number, skb: number, len: number, mss: number): number => {
    const rest = i32[skb + SKB_LEN] - len
    const twin = mem.allocSplit(splitSize(sk, skb, len))
    if (twin === 0) return 0
    const sent = isSent(sk, skb)
    const before = pcount(skb)
    const flags = i32[skb + CB_FLAGS]
    const front = len <= rest ? twin : skb
    const back = len <= rest ? skb : twin
    if (front === twin) moveFront(sk, skb, twin, len)
    else moveRest(sk, skb, twin, len)
    for (let w = CB_TIME; w <= CB_TSKEY; w++) i32[twin + w] = i32[skb + w]
    i32[front + CB_FLAGS] = flags & ~(TCP_FIN | TCP_PSH | CBF_EOR)
    i32[back + CB_FLAGS] = flags
    if ((flags & CBF_TX_ANY) !== 0) splitMark(front, back)
    if ((flags & CBF_IN_ORDER) !== 0) splitOrder(sk, skb, twin, twin === front)
    setTsoSegs(front, mss)
    setTsoSegs(back, mss)
    mem.holdSend(sk, twin)
    // the bytes are charged once; the new skb's overhead comes on top
    i32[sk + SK_WMEM] += mem.sendCharge(twin) - i32[twin + SKB_LEN]
    if (sent) countFewer(sk, flags, before - pcount(front) - pcount(back))
    return front
  }
  /** The mark of a write goes where its last octet is (tcp_fragment_tstamp). */
  const splitMark = (front: number, back: number): void => {
    const other = ((i32[back + CB_TSKEY] - i32[back + CB_SEQ]) | 0) >= 0 ? front : back
    i32[other + CB_FLAGS] &= ~CBF_TX_ANY
  }
  /** How large the new buffer is: what the writer goes on filling is worth a large one. */
  const splitSize = (sk: number, skb: number, len: number): number => {
    const rest = i32[skb + SKB_LEN] - len
    if (len <= rest) return len
    return i32[skb + SKB_NEXT] === 0 && !isSent(sk, skb) && mem.plentyOfLarges() ? len : rest
  }
  const moveFront = (sk: number, skb: number, twin: number, len: number): void => {
    const seq = i32[skb + CB_SEQ]
    skbs.copyBits(skb, 0, skbs.put(twin, len), len)
    skbs.pull(skb, len)
    i32[twin + CB_SEQ] = seq
    i32[twin + CB_END_SEQ] = (seq + len) | 0
    i32[skb + CB_SEQ] = (seq + len) | 0
    insertBefore(sk, twin, skb)
  }
  const moveRest = (sk: number, skb: number, twin: number, len: number): void => {
    const rest = i32[skb + SKB_LEN] - len
    const seq = i32[skb + CB_SEQ]
    skbs.copyBits(skb, len, skbs.put(twin, rest), rest)
    skbs.trim(skb, len)
    i32[twin + CB_SEQ] = (seq + len) | 0
    i32[twin + CB_END_SEQ] = i32[skb + CB_END_SEQ]
    i32[skb + CB_END_SEQ] = (seq + len) | 0
    insertAfter(sk, twin, skb)
  }
  const isSent = (sk: number, skb: number): boolean => {
    const head = i32[sk + TP_SEND_HEAD]
    return head === 0 || ((i32[skb + CB_SEQ] - i32[head + CB_SEQ]) | 0) < 0
  }
  /** True when there is a buffer to split the skb behind `len` bytes, and no large one that others need. */
  const maySplit = (skb: number, len: number): boolean =>
    Math.min(len, i32[skb + SKB_LEN] - len) <= SMALL_PAYLOAD
      ? mem.maySplitSmall()
      : mem.plentyOfLarges()
  /** As fragment, but takes one segment only when `len` would need a large buffer and those are short. */
  const peel = (sk: number, skb: number, len: number, mss: number): number => {
    const shorter = Math.min(len, i32[skb + SKB_LEN] - len)
    const isDear = shorter > SMALL_PAYLOAD && (len <= 4 * mss || !mem.plentyOfLarges())
    return fragment(sk, skb, isDear ? mss : len, mss)
  }

  /** Drops the first `len` bytes of a sent skb: they are acknowledged. Returns by how many segments it shrank. */
  const trimHead = (sk: number, skb: number, len: number, mss: number): number => {
    const before = pcount(skb)
    skbs.pull(skb, len)
    i32[skb + CB_SEQ] = (i32[skb + CB_SEQ] + len) | 0
    i32[sk + SK_WMEM] -= len
    const size = i32[skb + SKB_GSO_SIZE]
    if (before > 1) setTsoSegs(skb, size !== 0 ? size : mss)
    return before - pcount(skb)
  }

  return {
    pcount,
    setTsoSegs,
    append,
    makeRoom,
    grow,
    isOneSegment,
    collapse,
    remove,
    leaveOrder,
    sentLast,
    purge,
    rtxHead,
    fragment,
    maySplit,
    peel,
    trimHead,
    countFewer,
    isSent,
  }
}
