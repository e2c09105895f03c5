/**
 * When what was written went, by SO_TIMESTAMPING: each write marks its last octet, and what has that octet is told of when it
 * comes to the device's queue, when the driver gets it, and when it is acknowledged. tcp-sendmsg.ts marks, tcp-transmit.ts
 * passes the mark on to the frame, dev/dev-queue-xmit.ts tells of it, tcp-ack.ts of acknowledgements; the error queue has it.
 * On the worker. Linux: tcp_tx_timestamp, tcp_ack_tstamp, __skb_tstamp_tx, sock_set_timestamping.
 */
import { Errno } from '../../../base/errno.ts'
import { SKB_TSKEY, SKB_TX_FLAGS, SKB_TX_SCHED, SKB_TX_SOFTWARE } from '../../../skb/skb.ts'
import type { ErrQueue } from '../../../socket/msg/errqueue.ts'
import type { Events } from '../../../socket/events.ts'
import {
  MSG_TRUNC,
  SCM_TSTAMP_ACK,
  SO_EE_ORIGIN_TIMESTAMPING,
  SOF_TIMESTAMPING_MASK,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID_TCP,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_TX_ACK,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
} from '../../../socket/socket-constants.ts'
import { SK_EVENT_ERROR, SK_STATE, TCP_CLOSE, TCP_LISTEN } from '../../../socket/sock.ts'
import { withStamping, SK_CMSG } from '../../../socket/inet-sock.ts'
import { TP_SND_UNA, TP_TSFLAGS, TP_TSKEY, TP_WRITE_SEQ } from '../sock/tcp-sock.ts'
import {
  CB_END_SEQ,
  CB_FLAGS,
  CB_TSKEY,
  CBF_TX_ACK,
  CBF_TX_SCHED,
  CBF_TX_SOFTWARE,
} from '../sock/tcp-cb.ts'

export type TcpTstamp = ReturnType<typeof createTcpTstamp>
type TcpTstampDeps = { i32: Int32Array; errqueue: ErrQueue } & Pick<Events, 'sockEvents'>

export const createTcpTstamp = ({ i32, errqueue, sockEvents }: TcpTstampDeps) => {
  /** setsockopt: 0 or -errno. The octets are counted from what is not acknowledged, or not written, now. */
  const setFlags = (sk: number, flags: number): number => {
    if ((flags & ~SOF_TIMESTAMPING_MASK) !== 0) return -Errno.EINVAL
    const counts = (flags & SOF_TIMESTAMPING_OPT_ID) !== 0
    if ((flags & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 && !counts) return -Errno.EINVAL
    if (counts && (i32[sk + TP_TSFLAGS] & SOF_TIMESTAMPING_OPT_ID) === 0) {
      const state = i32[sk + SK_STATE]
      if (state === TCP_CLOSE || state === TCP_LISTEN) return -Errno.EINVAL
      const from = (flags & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 ? TP_WRITE_SEQ : TP_SND_UNA
      i32[sk + TP_TSKEY] = i32[sk + from]
    }
    i32[sk + TP_TSFLAGS] = flags
    i32[sk + SK_CMSG] = withStamping(i32[sk + SK_CMSG], flags)
    return 0
  }

  /** A write ends in `skb`, which has not been sent. */
  const mark = (sk: number, skb: number): void => {
    const flags = i32[sk + TP_TSFLAGS]
    let bits = 0
    if ((flags & SOF_TIMESTAMPING_TX_SCHED) !== 0) bits |= CBF_TX_SCHED
    if ((flags & SOF_TIMESTAMPING_TX_SOFTWARE) !== 0) bits |= CBF_TX_SOFTWARE
    if ((flags & SOF_TIMESTAMPING_TX_ACK) !== 0) bits |= CBF_TX_ACK
    if (bits === 0) return
    i32[skb + CB_FLAGS] |= bits
    i32[skb + CB_TSKEY] = (i32[skb + CB_END_SEQ] - 1) | 0
  }
  /** `twin`, which has its sender, is a frame of what a mark lies in. */
  const passOn = (skb: number, twin: number): void => {
    const flags = i32[skb + CB_FLAGS]
    if ((flags & CBF_TX_SCHED) !== 0) i32[twin + SKB_TX_FLAGS] |= SKB_TX_SCHED
    if ((flags & CBF_TX_SOFTWARE) !== 0) i32[twin + SKB_TX_FLAGS] |= SKB_TX_SOFTWARE
    i32[twin + SKB_TSKEY] = i32[skb + CB_TSKEY]
  }

  /** What has a mark is where `what` says (SCM_TSTAMP_*). */
  const note = (sk: number, what: number, key: number): void => {
    const flags = i32[sk + TP_TSFLAGS]
    const data = (flags & SOF_TIMESTAMPING_OPT_ID) === 0 ? 0 : (key - i32[sk + TP_TSKEY]) | 0
    const trunc = (flags & SOF_TIMESTAMPING_OPT_TSONLY) === 0 ? MSG_TRUNC : 0
    const origin = SO_EE_ORIGIN_TIMESTAMPING
    if (errqueue.push(sk, Errno.ENOMSG, origin, 0, what, data, trunc))
      sockEvents(sk, SK_EVENT_ERROR)
  }
  /** What was sent up to `una` is acknowledged, and the skb with a mark lies across that, or before it. */
  const acked = (sk: number, skb: number): void => {
    const key = i32[skb + CB_TSKEY]
    if (((key - i32[sk + TP_SND_UNA]) | 0) >= 0) return
    i32[skb + CB_FLAGS] &= ~CBF_TX_ACK
    note(sk, SCM_TSTAMP_ACK, key)
  }
  return { setFlags, mark, passOn, sent: note, acked }
}
