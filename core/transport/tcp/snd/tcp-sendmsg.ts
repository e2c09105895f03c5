/**
 * Bytes of the application into the write queue: filled into the last unsent skb, then into new ones as large as
 * a super-frame of the moment, and pushed. Called by the socket layer on the worker; the source is arena memory
 * or, for sockets in the worker, a Uint8Array of its own. Linux: tcp_sendmsg_locked.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_END, SKB_LEN, SKB_TAIL } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import {
  SEND_SHUTDOWN,
  SK_ERR,
  SK_EVENT_ERROR,
  SK_FLAGS,
  SK_SHUTDOWN,
  SK_SNDBUF,
  SK_STATE,
  SK_WMEM,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../../socket/sock.ts'
import {
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_ZEROCOPY,
  MSG_OOB,
} from '../../../socket/socket-constants.ts'
import { TCP_ACK, TCP_PSH } from '../../../wire/tcp.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import type { TcpChrono } from './tcp-chrono.ts'
import type { TcpMss } from './tcp-mss.ts'
import { markUrgent } from './tcp-urgent.ts'
import type { TcpCwndValidate } from '../cong/tcp-cwnd-validate.ts'
import type { TcpOutput } from './tcp-output.ts'
import type { TcpTsq } from './tcp-tsq.ts'
import type { TcpTstamp } from './tcp-tstamp.ts'
import type { ErrQueue } from '../../../socket/msg/errqueue.ts'
import type { Events } from '../../../socket/events.ts'
import {
  CHRONO_BUSY,
  TP_TSFLAGS,
  TP_ZCKEY,
  FO_DEFER,
  TCP_NAGLE_CORK,
  TCP_NAGLE_PUSH,
  FO_PASSIVE,
  TP_FASTOPEN,
  TP_MAX_WINDOW,
  TP_NONAGLE,
  TP_PUSHED_SEQ,
  TP_SEND_HEAD,
  TP_WQ_HEAD,
  TP_WQ_TAIL,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import { mayQueueMore } from './tcp-notsent-lowat.ts'
import { SOCK_NOSPACE, SOCK_WRITE_PENDING, SOCK_ZEROCOPY } from '../sock/sock-flags.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ, CBF_EOR } from '../sock/tcp-cb.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpRate } from '../ack/tcp-rate.ts'
import type { TcpWriteQueue } from './tcp-write-queue.ts'
import type { TcpOom } from '../sock/tcp-oom.ts'
import type { TcpSendmsgFastopen } from '../fastopen/tcp-sendmsg-fastopen.ts'

/** A writer that waits for the worker's memory is woken after this long, ms. */
const MEMORY_WAIT = 20
/** Up to here a loop beats making a view for TypedArray.set. */
const LOOP_MAX = 192

type TcpSendmsgDeps = {
  arena: Arena
  skbs: Skbs
  mem: TcpMem
  mss: TcpMss
  output: TcpOutput
  cwndValidate: Pick<TcpCwndValidate, 'cwndAfterIdle'>
  tsq: TcpTsq
  chrono: TcpChrono
  queue: TcpWriteQueue
  rate: TcpRate
  timers: TcpTimers
  trim: TcpOom['trimSnd']
  sendFastopen: TcpSendmsgFastopen['sendFastopen']
  tstamp: Pick<TcpTstamp, 'mark'>
  errqueue: Pick<ErrQueue, 'hasRoom' | 'noteCopied'>
} & Pick<Events, 'sockEvents'>

export const createTcpSendmsg = (deps: TcpSendmsgDeps) => {
  const { skbs, mem, mss, output, tsq, queue, rate, timers, trim, sendFastopen } = deps
  const { chronoStart } = deps.chrono
  const { tstamp, errqueue, sockEvents } = deps
  const { i32, u8, layout } = deps.arena
  const { sysctl } = layout

  /** 0 when the socket may send, else what to return. */
  const refusal = (sk: number, flags: number): number => {
    const err = i32[sk + SK_ERR]
    if (err !== 0) {
      i32[sk + SK_ERR] = 0
      return -err
    }
    const state = i32[sk + SK_STATE]
    // also one that was shut down meanwhile (sk_stream_wait_connect)
    if (state === TCP_SYN_SENT || (state === TCP_SYN_RECV && !isFastOpened(sk)))
      return wait(sk, flags)
    if ((i32[sk + SK_SHUTDOWN] & SEND_SHUTDOWN) !== 0) return -Errno.EPIPE
    return state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT || state === TCP_SYN_RECV
      ? 0
      : -Errno.EPIPE
  }
  /** Its SYN alone has made it: what is written goes at once. */
  const isFastOpened = (sk: number): boolean => (i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0
  /** connect() has left it to the first write. */
  const isDeferred = (sk: number): boolean =>
    (i32[sk + TP_FASTOPEN] & FO_DEFER) !== 0 && i32[sk + SK_STATE] === TCP_SYN_SENT
  const wait = (sk: number, flags: number): number => {
    i32[sk + SK_FLAGS] |=
      (flags & MSG_DONTWAIT) === 0 ? SOCK_NOSPACE | SOCK_WRITE_PENDING : SOCK_NOSPACE
    return -Errno.EAGAIN
  }

  /** Bytes that still go into the skb: whole segments, as far as its buffer has room. */
  const roomIn = (skb: number, size: number, goal: number): number => {
    const len = i32[skb + SKB_LEN]
    const capacity = len + i32[skb + SKB_END] - i32[skb + SKB_TAIL]
    const whole = capacity > size ? capacity - (capacity % size) : capacity
    return Math.min(goal, whole) - len
  }
  /** Whether something goes into the skb; it gets a larger buffer for `n` bytes where there is one. */
  const hasRoomFor = (sk: number, skb: number, size: number, goal: number, n: number): boolean => {
    if (roomIn(skb, size, goal) >= n) return true
    const len = i32[skb + SKB_LEN]
    const whole = Math.ceil((len + n) / size) * size
    queue.makeRoom(sk, skb, Math.min(whole, goal) - len)
    return roomIn(skb, size, goal) > 0
  }
  /** The skb to fill next, a new one if need be; 0 when there is no room or no memory. */
  const skbToFill = (sk: number, size: number, goal: number, wanted: number): number => {
    if (i32[sk + TP_SEND_HEAD] !== 0) {
      const tail = i32[sk + TP_WQ_TAIL]
      const len = i32[tail + SKB_LEN]
      if ((i32[tail + CB_FLAGS] & CBF_EOR) === 0) {
        if (len < goal && hasRoomFor(sk, tail, size, goal, Math.min(wanted, goal - len)))
          return tail
        // a full one waits already: bulk, so the next is large whatever this write brings
        if (len >= size) wanted = goal
      }
    }
    if (i32[sk + SK_WMEM] >= i32[sk + SK_SNDBUF] || !mayQueueMore(i32, sysctl, sk, 0)) return 0
    const skb = newSkb(sk, Math.min(wanted, goal))
    if (skb === 0) {
      // who has something queued hears of room when it is acknowledged
      if (i32[sk + TP_WQ_HEAD] === 0) timers.resetExtraTimer(sk, MEMORY_WAIT)
      return 0
    }
    const seq = i32[sk + TP_WRITE_SEQ]
    i32[skb + CB_SEQ] = seq
    i32[skb + CB_END_SEQ] = seq
    i32[skb + CB_FLAGS] = TCP_ACK
    queue.setTsoSegs(skb, size)
    queue.append(sk, skb)
    i32[sk + TP_NONAGLE] &= ~TCP_NAGLE_PUSH
    if (i32[sk + TP_SEND_HEAD] === skb) chronoStart(sk, CHRONO_BUSY)
    deps.cwndValidate.cwndAfterIdle(sk)
    return skb
  }
  const newSkb = (sk: number, size: number): number => {
    let skb = mem.allocSend(sk, size)
    if (skb < 0 && trim(sk)) skb = mem.allocSend(sk, size)
    return skb < 0 ? 0 : skb
  }
  /** Half a window was written since the last push (forced_push). */
  const isPushForced = (sk: number): boolean =>
    ((i32[sk + TP_WRITE_SEQ] - i32[sk + TP_PUSHED_SEQ] - (i32[sk + TP_MAX_WINDOW] >> 1)) | 0) > 0
  const markPush = (sk: number, skb: number): void => {
    i32[skb + CB_FLAGS] |= TCP_PSH
    i32[sk + TP_PUSHED_SEQ] = i32[sk + TP_WRITE_SEQ]
  }

  // Where sendSome copies from: arena bytes, or `source` when it is not null.
  let source: Uint8Array | null = null
  const copyIn = (to: number, from: number, n: number): void => {
    if (source === null) u8.copyWithin(to, from, from + n)
    else if (n <= LOOP_MAX) for (let k = 0; k < n; k++) u8[to + k] = source[from + k]
    else u8.set(source.subarray(from, from + n), to)
  }

  /** What a SYN takes comes from where the call's text begins. */
  let start = 0
  const copyOut = (to: number, n: number): void => copyIn(to, start, n)
  // The address of the call: null is of no family, port -1 none at all.
  let peer: Int32Array | null = null
  let peerAt = 0
  let peerPort = -1

  /**
   * MSG_ZEROCOPY of a socket with SO_ZEROCOPY: the octets are copied here all the same, and the error queue says that they
   * were, by the number of the call; that is none when nothing was taken.
   */
  const sendSome = (sk: number, from: number, len: number, flags: number): number => {
    const isNoted =
      (flags & MSG_ZEROCOPY) !== 0 && len !== 0 && (i32[sk + SK_FLAGS] & SOCK_ZEROCOPY) !== 0
    if (!isNoted) return sendAny(sk, from, len, flags)
    if (!errqueue.hasRoom(sk)) return -Errno.ENOBUFS
    const sent = sendAny(sk, from, len, flags)
    if (sent <= 0) return sent
    errqueue.noteCopied(sk, i32[sk + TP_ZCKEY])
    i32[sk + TP_ZCKEY]++
    sockEvents(sk, SK_EVENT_ERROR)
    return sent
  }
  const sendAny = (sk: number, from: number, len: number, flags: number): number => {
    if ((flags & MSG_FASTOPEN) !== 0 || isDeferred(sk)) {
      start = from
      const sent = sendFastopen(sk, peer, peerAt, peerPort, len, flags, copyOut)
      if (sent !== 0) return sent
    }
    const refused = refusal(sk, flags)
    if (refused !== 0) return refused
    rate.rateCheckAppLimited(sk)
    const size = mss.currentMss(sk)
    const isUrgent = (flags & MSG_OOB) !== 0
    const goal = isUrgent ? size : mss.sizeGoal(sk, size)
    let copied = 0
    while (copied < len) {
      const skb = skbToFill(sk, size, goal, len - copied)
      if (skb === 0) break
      // what an earlier write pushed goes on in this one
      if (copied === 0) i32[skb + CB_FLAGS] &= ~TCP_PSH
      const n = Math.min(roomIn(skb, size, goal), len - copied)
      copyIn(skbs.put(skb, n), from + copied, n)
      i32[skb + CB_END_SEQ] = (i32[skb + CB_END_SEQ] + n) | 0
      i32[sk + TP_WRITE_SEQ] = (i32[sk + TP_WRITE_SEQ] + n) | 0
      i32[sk + SK_WMEM] += n
      copied += n
      if (copied === len || i32[skb + SKB_LEN] < goal || isUrgent) continue
      if (isPushForced(sk)) {
        markPush(sk, skb)
        output.pushPending(sk, size, TCP_NAGLE_PUSH)
      } else if (skb === i32[sk + TP_SEND_HEAD]) output.pushOne(sk, size)
    }
    return finish(sk, copied, len, size, goal, flags)
  }
  const finish = (
    sk: number,
    copied: number,
    len: number,
    size: number,
    goal: number,
    flags: number
  ): number => {
    if (copied < len) i32[sk + SK_FLAGS] |= SOCK_NOSPACE
    if (i32[sk + TP_SEND_HEAD] !== 0) {
      // who waits for room has no more to come before that
      const more = (flags & MSG_MORE) !== 0 && copied === len
      const tail = i32[sk + TP_WQ_TAIL]
      if (copied > 0 && (!more || isPushForced(sk))) markPush(sk, tail)
      if (copied > 0 && i32[sk + TP_TSFLAGS] !== 0) tstamp.mark(sk, tail)
      if ((flags & MSG_OOB) !== 0 && copied > 0) markUrgent(i32, sk)
      if ((flags & MSG_EOR) !== 0 && copied === len) i32[tail + CB_FLAGS] |= CBF_EOR
      const nonagle = copied < len ? TCP_NAGLE_PUSH : i32[sk + TP_NONAGLE]
      // who says that more follows is waited for as long as that takes, not until the turn ends
      if (more || !tsq.corks(sk, tail, goal))
        output.pushPending(sk, size, more ? TCP_NAGLE_CORK : nonagle)
    }
    return copied === 0 && len !== 0 ? -Errno.EAGAIN : copied
  }

  /** Queues `len` bytes from arena offset `from`; how many were taken, or -errno. */
  const sendmsg = (sk: number, from: number, len: number, flags: number): number =>
    sendSome(sk, from, len, flags)
  /** As sendmsg, from an array outside the arena. */
  const sendBytes = (
    sk: number,
    bytes: Uint8Array,
    from: number,
    len: number,
    flags = 0
  ): number => {
    source = bytes
    const sent = sendSome(sk, from, len, flags)
    source = null
    return sent
  }
  /** sendto(2): as sendmsg, but that MSG_FASTOPEN connects first. */
  const sendto = (
    sk: number,
    from: number,
    len: number,
    words: Int32Array | null,
    at: number,
    port: number,
    flags = 0
  ): number => {
    peer = words
    peerAt = at
    peerPort = port
    const sent = sendSome(sk, from, len, flags)
    peer = null
    peerPort = -1
    return sent
  }
  const sendtoBytes = (
    sk: number,
    bytes: Uint8Array,
    from: number,
    len: number,
    words: Int32Array | null,
    at: number,
    port: number,
    flags: number
  ): number => {
    source = bytes
    const sent = sendto(sk, from, len, words, at, port, flags)
    source = null
    return sent
  }
  /** Bytes that may be written now. */
  const writable = (sk: number): number => {
    const state = i32[sk + SK_STATE]
    const isOpen = state === TCP_SYN_RECV && isFastOpened(sk)
    if (state !== TCP_ESTABLISHED && state !== TCP_CLOSE_WAIT && !isOpen) return 0
    if ((i32[sk + SK_SHUTDOWN] & SEND_SHUTDOWN) !== 0 || !mayQueueMore(i32, sysctl, sk, 1)) return 0
    return Math.max(0, i32[sk + SK_SNDBUF] - i32[sk + SK_WMEM])
  }

  return { sendmsg, sendBytes, sendto, sendtoBytes, writable }
}
