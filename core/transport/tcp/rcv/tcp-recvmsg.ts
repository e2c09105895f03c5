/**
 * Bytes of the receive queue to the application, and the acknowledgement that reading may call for. Called by the
 * socket layer on the worker. Linux: tcp_recvmsg_locked, tcp_cleanup_rbuf.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_DATA, SKB_FRAGS, SKB_LEN, SKB_NEXT, SKB_TAIL, SKB_TSTAMP } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import {
  RCV_SHUTDOWN,
  SK_ERR,
  SK_FLAGS,
  SK_RCVQ_HEAD,
  SK_RMEM,
  SK_SHUTDOWN,
  SK_STATE,
  TCP_CLOSE,
  TCP_LISTEN,
} from '../../../socket/sock.ts'
import { movePeekOff, peekOffOf, SK_CMSG } from '../../../socket/inet-sock.ts'
import type { Cmsg } from '../../../socket/msg/cmsg.ts'
import type { Timestamp } from '../../../socket/msg/timestamp.ts'
import {
  CMSG_INQ,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  TCP_INQ,
} from '../../../socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../wire/ipproto.ts'
import { TCP_FIN } from '../../../wire/tcp.ts'
import type { TcpRcvQueue } from './tcp-rcv-queue.ts'
import {
  ACK_PUSHED,
  ACK_PUSHED2,
  ACK_SCHED,
  TP_ACK_PENDING,
  TP_COPIED_SEQ,
  TP_PINGPONG,
  TP_RCV_MSS,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_URG_DATA,
  TP_URG_SEQ,
  TP_WINDOW_CLAMP,
} from '../sock/tcp-sock.ts'
import { SOCK_DONE } from '../sock/sock-flags.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import { receiveWindow } from '../sock/tcp-wnd.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpUrg } from './tcp-urg.ts'
import type { TcpWindow } from './tcp-window.ts'

const LOOP_MAX = 192

export type TcpRecvmsg = ReturnType<typeof createTcpRecvmsg>
type TcpRecvmsgDeps = {
  arena: Arena
  skbs: Skbs
  mem: Pick<TcpMem, 'isLarge'>
  rcvQueue: Pick<TcpRcvQueue, 'unlinkRcv' | 'dequeueRcv' | 'readable'>
  transmit: TcpTransmit
  window: TcpWindow
  urg: TcpUrg
  cmsg: Pick<Cmsg, 'putInt'>
  timestamp: Pick<Timestamp, 'wantsTime' | 'isStamped' | 'tellTimeOf'>
}

export const createTcpRecvmsg = (deps: TcpRecvmsgDeps) => {
  const { skbs, mem, rcvQueue, transmit, window, cmsg } = deps
  const { i32, u8 } = deps.arena
  const { isInline, recvUrg, passMark } = deps.urg
  const { wantsTime, isStamped, tellTimeOf } = deps.timestamp

  // Where takeSome copies to: arena bytes, or `target` when it is not null.
  let target: Uint8Array | null = null
  const copyOut = (skb: number, offset: number, to: number, n: number): void => {
    if (target === null) {
      skbs.copyBits(skb, offset, to, n)
      return
    }
    if (i32[skb + SKB_FRAGS] !== 0) {
      copyFrags(skb, offset, to, n)
      return
    }
    const from = i32[skb + SKB_DATA] + offset
    if (n <= LOOP_MAX) for (let k = 0; k < n; k++) target[to + k] = u8[from + k]
    else target.set(u8.subarray(from, from + n), to)
  }
  /** A chain made by GRO, to outside the arena: part by part. */
  const copyFrags = (skb: number, offset: number, to: number, n: number): void => {
    let at = offset
    let left = n
    let dst = to
    for (let part = skb; part !== 0 && left > 0; ) {
      const here = i32[part + SKB_TAIL] - i32[part + SKB_DATA]
      const next = part === skb ? i32[skb + SKB_FRAGS] : i32[part + SKB_NEXT]
      if (at >= here) {
        at -= here
        part = next
        continue
      }
      const m = Math.min(left, here - at)
      const from = i32[part + SKB_DATA] + at
      target!.set(u8.subarray(from, from + m), dst)
      dst += m
      left -= m
      at = 0
      part = next
    }
  }

  /** RFC 9293 3.8.6.2.2: tells the peer of room once it is worth a segment or half of the window. */
  const cleanupRbuf = (sk: number, copied: number): void => {
    const pending = i32[sk + TP_ACK_PENDING]
    let now = false
    if ((pending & ACK_SCHED) !== 0) {
      const unacked = (i32[sk + TP_RCV_NXT] - i32[sk + TP_RCV_WUP]) | 0
      now =
        unacked > i32[sk + TP_RCV_MSS] ||
        (copied > 0 &&
          i32[sk + SK_RMEM] === 0 &&
          ((pending & ACK_PUSHED2) !== 0 ||
            ((pending & ACK_PUSHED) !== 0 && i32[sk + TP_PINGPONG] === 0)))
    }
    if (copied > 0 && !now && (i32[sk + SK_SHUTDOWN] & RCV_SHUTDOWN) === 0) {
      const offered = receiveWindow(i32, sk)
      if (2 * offered <= i32[sk + TP_WINDOW_CLAMP]) {
        const wanted = window.wantedWindow(sk)
        now = wanted !== 0 && wanted >= 2 * offered
      }
    }
    if (now) transmit.sendAck(sk)
  }

  /** Takes up to `len` bytes in order; copies them unless `trunc`. */
  const takeSome = (sk: number, to: number, len: number, trunc: boolean): number => {
    let copied = 0
    for (
      let skb = i32[sk + SK_RCVQ_HEAD];
      skb !== 0 && copied < len;
      skb = i32[sk + SK_RCVQ_HEAD]
    ) {
      const seq = i32[sk + TP_COPIED_SEQ]
      if (copied > 0 && isMark(sk, seq)) break
      const hole = holeAtMark(sk, skb, seq)
      if (hole !== 0) i32[sk + TP_COPIED_SEQ] = (seq + hole) | 0
      const offset = (seq + hole - i32[skb + CB_SEQ]) | 0
      const n = upToMark(sk, (seq + hole) | 0, Math.min(i32[skb + SKB_LEN] - offset, len - copied))
      if (n > 0) {
        if (!trunc) copyOut(skb, offset, to + copied, n)
        copied += n
        i32[sk + TP_COPIED_SEQ] = (i32[sk + TP_COPIED_SEQ] + n) | 0
        if (asksTime) noteTime(skb)
      }
      if (i32[sk + TP_URG_DATA] !== 0) passMark(sk)
      if (offset + n < i32[skb + SKB_LEN]) break
      if (finishSkb(sk, skb)) break
    }
    return copied
  }
  // When the last of what is read came, where somebody asks and that was noted (tcp_update_recv_tstamps).
  let asksTime = false
  let isTimed = false
  let cameMs = 0
  let cameUs = 0
  const noteTime = (skb: number): void => {
    if (!isStamped(skb)) return
    isTimed = true
    cameMs = i32[skb + SKB_TSTAMP]
    cameUs = i32[skb + SKB_TSTAMP + 1]
  }
  const isMark = (sk: number, seq: number): boolean =>
    i32[sk + TP_URG_DATA] !== 0 && i32[sk + TP_URG_SEQ] === seq
  /** The octet at the mark, which is no part of the stream, where that is read: 1, or 0 when it is not there. */
  const holeAtMark = (sk: number, skb: number, seq: number): number =>
    isMark(sk, seq) && !isInline(sk) && ((seq - i32[skb + CB_SEQ]) | 0) < i32[skb + SKB_LEN] ? 1 : 0
  /** A read from `seq` on ends in front of the mark. */
  const upToMark = (sk: number, seq: number, n: number): number => {
    if (i32[sk + TP_URG_DATA] === 0) return n
    const ahead = (i32[sk + TP_URG_SEQ] - seq) | 0
    return ahead > 0 && ahead < n ? ahead : n
  }
  /** All of it is read. True at a FIN, where a read ends. */
  const finishSkb = (sk: number, skb: number): boolean => {
    const isFin = passFin(sk, skb)
    rcvQueue.dequeueRcv(sk)
    return isFin
  }
  const passFin = (sk: number, skb: number): boolean => {
    if (!isFin(skb)) return false
    i32[sk + TP_COPIED_SEQ] = i32[skb + CB_END_SEQ]
    return true
  }
  /** There may be text yet: recv says to wait, and nothing else. */
  const isAwaited = (sk: number): boolean => {
    const state = i32[sk + SK_STATE]
    const over = (i32[sk + SK_FLAGS] & SOCK_DONE) | (i32[sk + SK_SHUTDOWN] & RCV_SHUTDOWN)
    return (over | i32[sk + SK_ERR]) === 0 && state !== TCP_CLOSE && state !== TCP_LISTEN
  }
  /** What recv says when there is no text: end of file, an error, or to wait. */
  const nothing = (sk: number): number => {
    const state = i32[sk + SK_STATE]
    // whatever an attempt before has left (tcp_recvmsg_locked)
    if (state === TCP_LISTEN) return -Errno.ENOTCONN
    const err = i32[sk + SK_ERR]
    if ((i32[sk + SK_FLAGS] & SOCK_DONE) !== 0) return 0
    if (err !== 0) {
      i32[sk + SK_ERR] = 0
      return -err
    }
    if ((i32[sk + SK_SHUTDOWN] & RCV_SHUTDOWN) !== 0) return 0
    return state === TCP_CLOSE ? -Errno.ENOTCONN : -Errno.EAGAIN
  }
  /** As takeSome, but all of it stays where it is; from SO_PEEK_OFF on. */
  const peek = (sk: number, to: number, len: number): number => {
    let seq = (i32[sk + TP_COPIED_SEQ] + Math.max(0, peekOffOf(i32, sk))) | 0
    let copied = 0
    for (
      let skb = i32[sk + SK_RCVQ_HEAD];
      skb !== 0 && copied < len && !(copied > 0 && isMark(sk, seq));
      skb = i32[skb + SKB_NEXT]
    ) {
      seq = (seq + holeAtMark(sk, skb, seq)) | 0
      const offset = (seq - i32[skb + CB_SEQ]) | 0
      if (offset >= i32[skb + SKB_LEN]) {
        if (isFin(skb)) break
        continue
      }
      const n = upToMark(sk, seq, Math.min(i32[skb + SKB_LEN] - offset, len - copied))
      if (n > 0) copyOut(skb, offset, to + copied, n)
      if (n > 0 && asksTime) noteTime(skb)
      copied += n
      seq = (seq + n) | 0
      if (offset + n < i32[skb + SKB_LEN] || isFin(skb)) break
    }
    if (copied > 0) movePeekOff(i32, sk, copied)
    return copied
  }
  const isFin = (skb: number): boolean => (i32[skb + CB_FLAGS] & TCP_FIN) !== 0
  const putOctet = (to: number, octet: number): void => {
    const bytes = target ?? u8
    bytes[to] = octet
  }
  const receive = (sk: number, to: number, len: number, flags: number): number => {
    if ((flags & MSG_OOB) !== 0) return recvUrg(sk, len, flags, (octet) => putOctet(to, octet))
    if (len === 0 && rcvQueue.readable(sk) > 0) return 0
    if ((flags & MSG_PEEK) !== 0) return peek(sk, to, len) || nothing(sk)
    const copied = takeSome(sk, to, len, (flags & MSG_TRUNC) !== 0)
    if (copied === 0) return nothing(sk)
    movePeekOff(i32, sk, -copied)
    window.rcvSpaceAdjust(sk)
    cleanupRbuf(sk, copied)
    return copied
  }

  /** Copies up to `len` bytes to arena offset `to`: how many, 0 at end of file, or -errno. */
  const recvmsg = (sk: number, to: number, len: number, flags = 0): number => {
    asksTime = wantsTime(sk)
    isTimed = false
    const n = receive(sk, to, len, flags)
    if (isTimed) tellTimeOf(sk, cameMs, cameUs)
    asksTime = false
    if ((i32[sk + SK_CMSG] & CMSG_INQ) !== 0 && n >= 0) cmsg.putInt(IPPROTO_TCP, TCP_INQ, left(sk))
    return n
  }
  /** How much there is to read yet, the peer's FIN counted; and one at the end, so that somebody asks for it (tcp_inq_hint). */
  const left = (sk: number): number => {
    if (i32[sk + SK_STATE] === TCP_LISTEN) return 0
    const octets = (i32[sk + TP_RCV_NXT] - i32[sk + TP_COPIED_SEQ]) | 0
    return octets || ((i32[sk + SK_FLAGS] & SOCK_DONE) === 0 ? 0 : 1)
  }
  /**
   * What recvmsg of `len` bytes would begin with, as the skb that it came in, the caller's from now on; -EAGAIN where recvmsg would
   * say so; 0: it has to be copied, or recvmsg to say what there is. Linux: tcp_read_skb.
   */
  const readSkb = (sk: number, len: number): number => {
    const skb = i32[sk + SK_RCVQ_HEAD]
    if (skb === 0) return isAwaited(sk) ? -Errno.EAGAIN : 0
    // several are better copied together, and a large buffer is read into again while it is in this CPU's cache
    if (i32[skb + SKB_NEXT] !== 0 || mem.isLarge(skb)) return 0
    // what is told beside it recvmsg tells; another thread's pool is not to be held for long (budget.ts)
    if (i32[sk + SK_CMSG] !== 0 || wantsTime(sk) || !skbs.isOwn(skb)) return 0
    const offset = (i32[sk + TP_COPIED_SEQ] - i32[skb + CB_SEQ]) | 0
    const n = i32[skb + SKB_LEN] - offset
    if (n <= 0 || n > len || i32[sk + TP_URG_DATA] !== 0 || i32[skb + SKB_FRAGS] !== 0) return 0
    skbs.pull(skb, offset)
    i32[sk + TP_COPIED_SEQ] = (i32[sk + TP_COPIED_SEQ] + n) | 0
    passFin(sk, skb)
    rcvQueue.unlinkRcv(sk)
    window.rcvSpaceAdjust(sk)
    cleanupRbuf(sk, n)
    return skb
  }
  /** As recvmsg, into an array outside the arena. */
  const recvBytes = (sk: number, bytes: Uint8Array, at: number, len: number, flags = 0): number => {
    target = bytes
    const got = receive(sk, at, len, flags)
    target = null
    return got
  }

  return { recvmsg, readSkb, recvBytes, cleanupRbuf }
}
