/**
 * Urgent data as it comes in: the octet that the urgent pointer names is kept beside the stream, for recv with MSG_OOB, or
 * stays in it with SO_OOBINLINE; a read of the stream ends at its mark. tcp-input.ts calls urgent() with segments that are
 * not predicted, tcp-recvmsg.ts asks where the mark is; on the worker. Linux: tcp_urg, tcp_check_urg, tcp_recv_urg; RFC 6093:
 * the pointer names the octet in front of the one it is said to (section 3.1), of several marks the newest stands.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_DATA, SKB_LEN, SKB_TRANSPORT } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { MSG_PEEK, MSG_TRUNC } from '../../../socket/socket-constants.ts'
import {
  RCV_SHUTDOWN,
  SK_EVENT_PRI,
  SK_EVENT_READ,
  SK_FLAGS,
  SK_RCVQ_HEAD,
  SK_SHUTDOWN,
  SK_STATE,
  TCP_CLOSE,
  TCP_LISTEN,
} from '../../../socket/sock.ts'
import { TCP_URG } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  TCP_URG_NOTYET,
  TCP_URG_READ,
  TCP_URG_VALID,
  TP_COPIED_SEQ,
  TP_RCV_NXT,
  TP_URG_DATA,
  TP_URG_SEQ,
} from '../sock/tcp-sock.ts'
import { SOCK_DONE, SOCK_URGINLINE } from '../sock/sock-flags.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import type { TcpRcvQueue } from './tcp-rcv-queue.ts'

export type TcpUrg = ReturnType<typeof createTcpUrg>
type TcpUrgDeps = {
  arena: Arena
  skbs: Skbs
  rcvQueue: Pick<TcpRcvQueue, 'dequeueRcv'>
  life: Pick<TcpLifecycle, 'raise'>
}

export const createTcpUrg = ({ arena, skbs, rcvQueue, life }: TcpUrgDeps) => {
  const { i32, u8, layout } = arena
  const { sysctl } = layout

  const isInline = (sk: number): boolean => (i32[sk + SK_FLAGS] & SOCK_URGINLINE) !== 0
  const isAtMark = (sk: number): boolean =>
    i32[sk + TP_URG_DATA] !== 0 && i32[sk + TP_URG_SEQ] === i32[sk + TP_COPIED_SEQ]

  /** A segment has an urgent pointer: is it a new mark? */
  const takePointer = (sk: number, skb: number): void => {
    const pointer = tcp.urgent(u8, i32[skb + SKB_TRANSPORT])
    const before = pointer !== 0 && i32[sysctl + Sysctl.tcp_stdurg] === 0 ? 1 : 0
    const mark = (i32[skb + CB_SEQ] + pointer - before) | 0
    // read already, or in what was received before
    if (((i32[sk + TP_COPIED_SEQ] - mark) | 0) > 0 || ((mark - i32[sk + TP_RCV_NXT]) | 0) < 0)
      return
    if (i32[sk + TP_URG_DATA] !== 0 && ((mark - i32[sk + TP_URG_SEQ]) | 0) <= 0) return
    life.raise(sk, SK_EVENT_PRI)
    if (isAtMark(sk) && !isInline(sk) && i32[sk + TP_COPIED_SEQ] !== i32[sk + TP_RCV_NXT])
      skipOctet(sk)
    i32[sk + TP_URG_DATA] = TCP_URG_NOTYET
    i32[sk + TP_URG_SEQ] = mark
  }
  /** The mark before this one stands where the stream is read: its octet is no part of that. */
  const skipOctet = (sk: number): void => {
    const copied = (i32[sk + TP_COPIED_SEQ] + 1) | 0
    i32[sk + TP_COPIED_SEQ] = copied
    const head = i32[sk + SK_RCVQ_HEAD]
    if (head !== 0 && ((copied - i32[head + CB_END_SEQ]) | 0) >= 0) rcvQueue.dequeueRcv(sk)
  }
  /** A segment whose header is still there, before its text is queued. */
  const urgent = (sk: number, skb: number): void => {
    if ((i32[skb + CB_FLAGS] & TCP_URG) !== 0) takePointer(sk, skb)
    if (i32[sk + TP_URG_DATA] !== TCP_URG_NOTYET) return
    const header = tcp.headerLen(u8, i32[skb + SKB_TRANSPORT])
    const at = (i32[sk + TP_URG_SEQ] - i32[skb + CB_SEQ] + header) | 0
    if (at < header || at >= i32[skb + SKB_LEN] || !skbs.mayPull(skb, at + 1)) return
    i32[sk + TP_URG_DATA] = TCP_URG_VALID | u8[i32[skb + SKB_DATA] + at]
    life.raise(sk, SK_EVENT_PRI | SK_EVENT_READ)
  }

  /** What recv with MSG_OOB answers; the octet through `put`. */
  const recvUrg = (
    sk: number,
    len: number,
    flags: number,
    put: (octet: number) => void
  ): number => {
    if (i32[sk + SK_STATE] === TCP_LISTEN) return -Errno.ENOTCONN
    const data = i32[sk + TP_URG_DATA]
    if (isInline(sk) || data === 0 || data === TCP_URG_READ) return -Errno.EINVAL
    const isClosed = i32[sk + SK_STATE] === TCP_CLOSE
    if (isClosed && (i32[sk + SK_FLAGS] & SOCK_DONE) === 0) return -Errno.ENOTCONN
    if ((data & TCP_URG_VALID) === 0)
      return isClosed || (i32[sk + SK_SHUTDOWN] & RCV_SHUTDOWN) !== 0 ? 0 : -Errno.EAGAIN
    if ((flags & MSG_PEEK) === 0) i32[sk + TP_URG_DATA] = TCP_URG_READ
    if (len === 0) return 0
    if ((flags & MSG_TRUNC) === 0) put(data & 0xff)
    return 1
  }
  /** The stream was read beyond the mark: it is forgotten. */
  const passMark = (sk: number): void => {
    if (((i32[sk + TP_COPIED_SEQ] - i32[sk + TP_URG_SEQ]) | 0) > 0) i32[sk + TP_URG_DATA] = 0
  }

  return { isInline, isAtMark, urgent, recvUrg, passMark }
}
