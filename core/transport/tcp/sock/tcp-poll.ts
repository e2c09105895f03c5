/**
 * What a connection or a listener is ready for, and how much of what waits in it: the answers to poll(2) and to the ioctls of
 * a stream. Who is told that there is no room to write hears when there is again. Called by the socket layer on the worker.
 * Linux: tcp_poll, tcp_ioctl in net/ipv4/tcp.c.
 */
import { Errno } from '../../../base/errno.ts'
import {
  INET_SELECT_ERR,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
  SIOCINQ,
  SIOCOUTQ,
  SIOCOUTQNSD,
} from '../../../socket/socket-constants.ts'
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SK_ACK_BACKLOG,
  SK_ERR,
  SK_FLAGS,
  SK_RCVLOWAT,
  SK_SHUTDOWN,
  SK_SNDBUF,
  SK_STATE,
  SK_WMEM,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../../socket/sock.ts'
import { SK_INET_FLAGS } from '../../../socket/inet-sock.ts'
import type { ErrQueue } from '../../../socket/msg/errqueue.ts'
import type { TcpRcvQueue } from '../rcv/tcp-rcv-queue.ts'
import type { TcpUrg } from '../rcv/tcp-urg.ts'
import {
  FO_DEFER,
  FO_PASSIVE,
  TCP_URG_VALID,
  TP_COPIED_SEQ,
  TP_FASTOPEN,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_URG_DATA,
  TP_URG_SEQ,
  TP_WRITE_SEQ,
} from './tcp-sock.ts'
import { mayQueueMore } from '../snd/tcp-notsent-lowat.ts'
import { SOCK_NOSPACE } from './sock-flags.ts'

const READ = POLLIN | POLLRDNORM
const WRITE = POLLOUT | POLLWRNORM

type TcpPollDeps = {
  i32: Int32Array
  sysctl: number
  rcvQueue: Pick<TcpRcvQueue, 'readable'>
  errqueue: Pick<ErrQueue, 'isEmpty'>
  urg: Pick<TcpUrg, 'isAtMark' | 'isInline'>
}

export const createTcpPoll = ({ i32, sysctl, rcvQueue, errqueue, urg }: TcpPollDeps) => {
  const isConnected = (sk: number, state: number): boolean =>
    state !== TCP_SYN_SENT && (state !== TCP_SYN_RECV || (i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0)
  /** A third of the buffer is free, and what is unsent is little enough (__sk_stream_is_writeable). */
  const isWritable = (sk: number): boolean => {
    const room = i32[sk + SK_SNDBUF] - i32[sk + SK_WMEM]
    return room > 0 && room >= i32[sk + SK_WMEM] >> 1 && mayQueueMore(i32, sysctl, sk, 1)
  }
  const dataEvents = (sk: number): number => {
    // the octet at the mark is no part of the stream
    const hole = urg.isAtMark(sk) && !urg.isInline(sk) ? 1 : 0
    let bits = rcvQueue.readable(sk) >= (i32[sk + SK_RCVLOWAT] || 1) + hole ? READ : 0
    if ((i32[sk + TP_URG_DATA] & TCP_URG_VALID) !== 0) bits |= POLLPRI
    if ((i32[sk + SK_SHUTDOWN] & SEND_SHUTDOWN) !== 0 || isWritable(sk)) bits |= WRITE
    else i32[sk + SK_FLAGS] |= SOCK_NOSPACE
    return bits
  }

  /** POLL* bits. */
  const poll = (sk: number): number => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_LISTEN) return i32[sk + SK_ACK_BACKLOG] === 0 ? 0 : READ
    const shutdown = i32[sk + SK_SHUTDOWN]
    let bits = i32[sk + SK_ERR] === 0 && errqueue.isEmpty(sk) ? 0 : POLLERR
    if (bits !== 0 && (i32[sk + SK_INET_FLAGS] & INET_SELECT_ERR) !== 0) bits |= POLLPRI
    if (shutdown === (RCV_SHUTDOWN | SEND_SHUTDOWN) || state === TCP_CLOSE) bits |= POLLHUP
    if ((shutdown & RCV_SHUTDOWN) !== 0) bits |= READ | POLLRDHUP
    if (isConnected(sk, state)) bits |= dataEvents(sk)
    else if (state === TCP_SYN_SENT && (i32[sk + TP_FASTOPEN] & FO_DEFER) !== 0) bits |= WRITE
    return bits
  }

  /** Of so many octets those that come before the mark, where that is in the stream and not a part of it. */
  const upToMark = (sk: number, octets: number): number => {
    if (i32[sk + TP_URG_DATA] === 0 || urg.isInline(sk)) return octets
    const ahead = (i32[sk + TP_URG_SEQ] - i32[sk + TP_COPIED_SEQ]) | 0
    return ahead >= 0 && ahead < octets ? ahead : octets
  }
  /** Octets to read, not acknowledged, or not sent; -errno. */
  const ioctl = (sk: number, request: number): number => {
    if (request !== SIOCINQ && request !== SIOCOUTQ && request !== SIOCOUTQNSD) return -Errno.ENOTTY
    const state = i32[sk + SK_STATE]
    if (state === TCP_LISTEN) return -Errno.EINVAL
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV) return 0
    if (request === SIOCINQ) return upToMark(sk, rcvQueue.readable(sk))
    const from = request === SIOCOUTQ ? TP_SND_UNA : TP_SND_NXT
    return (i32[sk + TP_WRITE_SEQ] - i32[sk + from]) | 0
  }

  return { poll, ioctl }
}
