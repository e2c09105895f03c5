/**
 * The write queue of a connection: skbs of stream data in order, sent ones first, unsent from SEND_HEAD on, with
 * the segment counts that the scoreboard is made of. sendmsg appends, tcp_write_xmit moves SEND_HEAD, the
 * acknowledgement frees. Splitting copies the front part out, so that the rest keeps its buffer and gains headroom.
 * Linux: tcp_rtx_queue and sk_write_queue, tcp_fragment, tcp_trim_head.
 */
import type { ConsumeFn } from '../../../skb/drop.ts'
import {
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_LEN,
  SKB_NEXT,
  SKB_PREV,
  type Skbs,
} from '../../../skb/skb.ts'
import { SK_WMEM } from '../../../socket/sock.ts'
import { TCP_FIN, TCP_PSH } from '../../../wire/tcp.ts'
import { SMALL_PAYLOAD, type TcpMem } from '../sock/tcp-mem.ts'
import {
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CB_TIME,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
  TP_LOST_OUT,
  TP_PACKETS_OUT,
  TP_RETRANS_OUT,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_WQ_HEAD,
  TP_WQ_TAIL,
} from '../sock/tcp-sock.ts'

export type TcpWriteQueue = ReturnType<typeof createTcpWriteQueue>

export const createTcpWriteQueue = (
  i32: Int32Array,
  skbs: Skbs,
  mem: TcpMem,
  consume: ConsumeFn
) => {
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
    mem.holdSend(skb)
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
    const next = i32[skb + SKB_NEXT]
    const prev = i32[skb + SKB_PREV]
    if (prev === 0) i32[sk + TP_WQ_HEAD] = next
    else i32[prev + SKB_NEXT] = next
    if (next === 0) i32[sk + TP_WQ_TAIL] = prev
    else i32[next + SKB_PREV] = prev
    if (i32[sk + TP_SEND_HEAD] === skb) i32[sk + TP_SEND_HEAD] = next
    i32[sk + SK_WMEM] -= mem.sendCharge(skb)
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

  /** The counts of the scoreboard after a sent skb has become `n` segments fewer. */
  const countFewer = (sk: number, flags: number, n: number): void => {
    i32[sk + TP_PACKETS_OUT] -= n
    if ((flags & CBF_SACKED) !== 0) i32[sk + TP_SACKED_OUT] -= n
    if ((flags & CBF_RETRANS) !== 0) i32[sk + TP_RETRANS_OUT] -= n
    if ((flags & CBF_LOST) !== 0) i32[sk + TP_LOST_OUT] -= n
  }

  /**
   * Splits off the first `len` bytes into a new skb that is put in front; returns it, or 0 when memory is out.
   * What is already sent keeps its marks on both parts.
   */
  const fragment = (sk: number, skb: number, len: number, mss: number): number => {
    const front = mem.allocSplit(len)
    if (front === 0) return 0
    const sent = isSent(sk, skb)
    const before = pcount(skb)
    skbs.copyBits(skb, 0, skbs.put(front, len), len)
    const flags = i32[skb + CB_FLAGS]
    const seq = i32[skb + CB_SEQ]
    i32[front + CB_SEQ] = seq
    i32[front + CB_END_SEQ] = (seq + len) | 0
    i32[front + CB_FLAGS] = flags & ~(TCP_FIN | TCP_PSH)
    i32[front + CB_TIME] = i32[skb + CB_TIME]
    i32[skb + CB_SEQ] = (seq + len) | 0
    skbs.pull(skb, len)
    setTsoSegs(front, mss)
    setTsoSegs(skb, mss)
    insertBefore(sk, front, skb)
    mem.holdSend(front)
    // the bytes are charged once; the new skb's overhead comes on top
    i32[sk + SK_WMEM] += mem.sendCharge(front) - len
    if (sent) countFewer(sk, flags, before - pcount(front) - pcount(skb))
    return front
  }
  const isSent = (sk: number, skb: number): boolean => {
    const head = i32[sk + TP_SEND_HEAD]
    return head === 0 || ((i32[skb + CB_SEQ] - i32[head + CB_SEQ]) | 0) < 0
  }
  /** True when splitting off `len` bytes does not eat into the large buffers that others need. */
  const maySplit = (len: number): boolean => len <= SMALL_PAYLOAD || mem.plentyOfLarges()
  /** As fragment, but takes one segment only when `len` would need a large buffer and those are short. */
  const peel = (sk: number, skb: number, len: number, mss: number): number =>
    fragment(
      sk,
      skb,
      len > SMALL_PAYLOAD && (len <= 4 * mss || !mem.plentyOfLarges()) ? mss : len,
      mss
    )

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
    remove,
    purge,
    rtxHead,
    fragment,
    maySplit,
    peel,
    trimHead,
    isSent,
  }
}
