/**
 * What sockets of datagrams have in common, whatever protocol is under them: the row of a new one, the receive queue and who
 * pays for it, what poll tells. A packet in the queue is the socket's until it is read. Worker only.
 * Linux: sock_init_data(), sock_queue_rcv_skb() (net/core/sock.c), net/core/datagram.c.
 */
import { Errno } from '../base/errno.ts'
import type { Time } from '../base/time.ts'
import { TIME_US } from '../base/time.ts'
import type { Arena } from '../shm/arena.ts'
import type { Slab } from '../shm/slab.ts'
import { Sysctl } from '../shm/sysctl.ts'
import type { Holder } from '../skb/budget.ts'
import { type ConsumeFn, Drop, type DropFn } from '../skb/drop.ts'
import {
  SKB_CB,
  SKB_CB_WORDS,
  SKB_CHARGE,
  SKB_F_PEEKED,
  SKB_FLAGS,
  SKB_LEN,
  SKB_MARK,
  SKB_NEXT,
  SKB_SK,
} from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { Cmsg } from './msg/cmsg.ts'
import type { ErrQueue } from './msg/errqueue.ts'
import type { Events } from './events.ts'
import { createLongestQueue } from './longest-queue.ts'
import type { SkFilter } from './sk-filter.ts'
import type { Timestamp } from './msg/timestamp.ts'
import {
  newCookie,
  SK_COOKIE,
  SK_CREATED,
  SK_DROPS,
  SK_ERR,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_FAMILY,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_RCVQ_HEAD,
  SK_RCVQ_LEN,
  SK_RCVQ_TAIL,
  SK_RMEM,
  SK_SHUTDOWN,
  SK_SNDBUF,
  SK_STATE,
  SK_TYPE,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from './sock.ts'
import { movePeekOff, peekOffOf, SK_CMSG, initInet, SK_INET_FLAGS } from './inet-sock.ts'
import {
  CMSG_MARK,
  CMSG_OVFL,
  CMSG_PEEK_OFF,
  INET_SELECT_ERR,
  MSG_PEEK,
  MSG_TRUNC,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
  SIOCINQ,
  SIOCOUTQ,
  SO_MARK,
  SO_RXQ_OVFL,
  SOL_SOCKET,
} from './socket-constants.ts'

type DatagramDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  drop: DropFn
  time: Time
  slab: Slab
  filter: Pick<SkFilter, 'skFilter' | 'skTrim' | 'release'>
  errqueue: Pick<ErrQueue, 'isEmpty' | 'purge'>
  cmsg: Pick<Cmsg, 'putFlags' | 'putInt'>
  timestamp: Pick<Timestamp, 'wantsTime' | 'stamp' | 'tellTime'>
} & Pick<Events, 'sockEvents'>
/** How many the socket had lost when the packet came; a word of who holds it. */
const CB_DROPS = SKB_CB + SKB_CB_WORDS - 1

export type Datagram = ReturnType<typeof createDatagram>

export const createDatagram = (deps: DatagramDeps) => {
  const { arena, skbs, consume, time, slab, filter, errqueue, cmsg, sockEvents } = deps
  const { wantsTime, stamp, tellTime } = deps.timestamp
  const { i32, layout } = arena
  const { sysctl } = layout
  const { budget } = skbs

  /** The row of a new socket, or 0. */
  const alloc = (family: number, type: number, protocol: number): number => {
    const sk = slab.alloc()
    if (sk === 0) return 0
    i32[sk + SK_FAMILY] = family
    i32[sk + SK_TYPE] = type
    i32[sk + SK_PROTOCOL] = protocol
    i32[sk + SK_STATE] = TCP_CLOSE
    i32[sk + SK_RCVBUF] = i32[sysctl + Sysctl.rmem_default]
    i32[sk + SK_SNDBUF] = i32[sysctl + Sysctl.wmem_default]
    initInet(arena, sk)
    i32[sk + SK_CREATED] = time[TIME_US]
    i32[sk + SK_COOKIE] = newCookie(arena, skbs.thread, slab)
    return sk
  }

  /** Puts a packet behind the others; its memory is charged to `holder`, unless it already is to somebody. */
  const append = (sk: number, skb: number, holder: Holder): void => {
    if (i32[skb + SKB_CHARGE] === 0) budget.hold(skb, holder)
    i32[sk + SK_RMEM] += budget.truesize(skb)
    if ((i32[sk + SK_CMSG] & CMSG_OVFL) !== 0) i32[skb + CB_DROPS] = i32[sk + SK_DROPS]
    if (wantsTime(sk)) stamp(skb)
    i32[skb + SKB_SK] = sk
    i32[skb + SKB_NEXT] = 0
    if (i32[sk + SK_RCVQ_LEN] === 0) i32[sk + SK_RCVQ_HEAD] = skb
    else i32[i32[sk + SK_RCVQ_TAIL] + SKB_NEXT] = skb
    i32[sk + SK_RCVQ_TAIL] = skb
    i32[sk + SK_RCVQ_LEN]++
    sockEvents(sk, SK_EVENT_READ)
  }
  /** Its receive buffer is full. */
  const isFull = (sk: number): boolean => i32[sk + SK_RMEM] >= i32[sk + SK_RCVBUF]
  /** Queues what the socket's filter leaves of a packet: 0, or the reason why it is not to have it (Drop). */
  const queueRcv = (sk: number, skb: number, holder: Holder): Drop | 0 => {
    const len = filter.skFilter(sk, skb)
    if (len === 0) return refused(sk, Drop.SOCKET_FILTER)
    if (isFull(sk)) return refused(sk, Drop.SOCKET_RCVBUFF)
    if (!filter.skTrim(skb, len) || !mayHold(sk, skb, holder)) return refused(sk, Drop.PROTO_MEM)
    append(sk, skb, holder)
    return 0
  }
  /** There is memory for it, if need be by taking some of the longest queue's. */
  const mayHold = (sk: number, skb: number, holder: Holder): boolean =>
    budget.mayHold(skb, holder) || (makeRoom(sk, skb, holder) && budget.mayHold(skb, holder))
  const refused = (sk: number, reason: Drop): Drop => {
    i32[sk + SK_DROPS]++
    return reason
  }

  /** Reports a pending error once (sock_error): 0, or -errno. */
  const takeError = (sk: number): number => {
    const error = i32[sk + SK_ERR]
    if (error !== 0) i32[sk + SK_ERR] = 0
    return -error
  }
  /** What keeps a socket from sending, which is asked when memory is (sock_alloc_send_skb): 0, or -errno. */
  const sendError = (sk: number): number => {
    if (i32[sk + SK_ERR] !== 0) return takeError(sk)
    return (i32[sk + SK_SHUTDOWN] & SEND_SHUTDOWN) === 0 ? 0 : -Errno.EPIPE
  }
  /** The packet at the head of the queue, taken off; or why there is none, negative. */
  const take = (sk: number): number => {
    if (i32[sk + SK_ERR] !== 0) return takeError(sk)
    return i32[sk + SK_RCVQ_LEN] === 0 ? -Errno.EAGAIN : takeHead(sk)
  }
  const takeHead = (sk: number): number => {
    const skb = i32[sk + SK_RCVQ_HEAD]
    i32[sk + SK_RCVQ_HEAD] = i32[skb + SKB_NEXT]
    i32[sk + SK_RCVQ_LEN]--
    budget.release(skb)
    i32[sk + SK_RMEM] -= budget.truesize(skb)
    i32[skb + SKB_NEXT] = 0
    i32[skb + SKB_SK] = 0
    return skb
  }

  const { makeRoom, onLost } = createLongestQueue({ ...deps, takeHead })

  /** What is at the head of the queue and stays there (MSG_PEEK); or why there is nothing, negative. */
  const peek = (sk: number): number => {
    if (i32[sk + SK_ERR] !== 0) return takeError(sk)
    return i32[sk + SK_RCVQ_LEN] === 0 ? -Errno.EAGAIN : i32[sk + SK_RCVQ_HEAD]
  }
  /** How much of a packet is passed over that peekAt has found. */
  let passed = 0
  /**
   * The packet with the octet that is told next where SO_PEEK_OFF says so, `skip` octets of each being no part of it: an empty one
   * is told once (__skb_try_recv_from_queue). Or why there is none, negative.
   */
  const peekAt = (sk: number, skip: number): number => {
    let skb = peek(sk)
    passed = peekOffOf(i32, sk)
    for (; skb > 0; skb = i32[skb + SKB_NEXT]) {
      const len = i32[skb + SKB_LEN] - skip
      const wasTold = (i32[skb + SKB_FLAGS] & SKB_F_PEEKED) !== 0
      if (passed < len || (passed === 0 && !wasTold)) {
        if (len === 0) i32[skb + SKB_FLAGS] |= SKB_F_PEEKED
        return skb
      }
      passed -= len
    }
    return skb || -Errno.EAGAIN
  }
  /**
   * One packet without its first `skip` octets, cut to `len`, into the arena; `note` tells whose it was. How much that is,
   * with MSG_TRUNC how much there was; or -errno.
   */
  const receive = (
    sk: number,
    to: number,
    len: number,
    flags: number,
    skip: number,
    note: (sk: number, skb: number) => void
  ): number => {
    const isPeek = (flags & MSG_PEEK) !== 0
    const wanted = i32[sk + SK_CMSG]
    passed = 0
    const isAt = isPeek && (wanted & CMSG_PEEK_OFF) !== 0
    const skb = isAt ? peekAt(sk, skip) : isPeek ? peek(sk) : take(sk)
    if (skb < 0) return skb
    if (wanted !== 0) tellOf(sk, skb)
    note(sk, skb)
    const whole = i32[skb + SKB_LEN] - skip
    const n = Math.min(len, whole - passed)
    if (n === len && n < whole) cmsg.putFlags(MSG_TRUNC)
    skbs.copyBits(skb, skip + passed, to, n)
    if (!isPeek) consume(skb)
    const answer = (flags & MSG_TRUNC) === 0 ? n : whole
    if (wanted !== 0) movePeekOff(i32, sk, isPeek ? answer : -answer)
    return answer
  }

  /** What any socket may be told beside a packet (__sock_recv_cmsgs). */
  const tellOf = (sk: number, skb: number): void => {
    const wanted = i32[sk + SK_CMSG]
    const drops = i32[skb + CB_DROPS]
    if (wantsTime(sk)) tellTime(sk, skb)
    if ((wanted & CMSG_OVFL) !== 0 && drops !== 0) cmsg.putInt(SOL_SOCKET, SO_RXQ_OVFL, drops)
    if ((wanted & CMSG_MARK) !== 0) cmsg.putInt(SOL_SOCKET, SO_MARK, i32[skb + SKB_MARK])
  }

  /** The socket is gone. */
  const free = (sk: number): void => {
    while (i32[sk + SK_RCVQ_LEN] !== 0) consume(takeHead(sk))
    filter.release(sk)
    errqueue.purge(sk)
    slab.free(sk)
  }

  /**
   * As in Linux (inet_shutdown, __skb_wait_for_more_packets): it takes hold of an unconnected socket too, though the
   * answer is ENOTCONN, and wakes who waits. Datagrams go on being received: there is no end of them, an empty queue
   * is EAGAIN as before, never an empty datagram.
   */
  const shutdown = (sk: number, how: number): number => {
    // SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2 are one less than the bits they mean
    i32[sk + SK_SHUTDOWN] |= how + 1
    sockEvents(sk, SK_EVENT_HUP)
    return i32[sk + SK_STATE] === TCP_ESTABLISHED ? 0 : -Errno.ENOTCONN
  }
  const errorMask = (sk: number): number =>
    (i32[sk + SK_INET_FLAGS] & INET_SELECT_ERR) === 0 ? POLLERR : POLLERR | POLLPRI
  /** datagram_poll: what is sent does not wait in the socket, so there always is room. */
  const poll = (sk: number): number => {
    let mask = POLLOUT | POLLWRNORM | POLLWRBAND
    if (i32[sk + SK_ERR] !== 0 || !errqueue.isEmpty(sk)) mask |= errorMask(sk)
    if (i32[sk + SK_SHUTDOWN] === (RCV_SHUTDOWN | SEND_SHUTDOWN)) mask |= POLLHUP
    if ((i32[sk + SK_SHUTDOWN] & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if (i32[sk + SK_RCVQ_LEN] !== 0) mask |= POLLIN | POLLRDNORM
    return mask
  }
  const ioctl = (sk: number, request: number): number => {
    if (request === SIOCOUTQ) return 0
    if (request !== SIOCINQ) return -Errno.ENOTTY
    return i32[sk + SK_RCVQ_LEN] === 0 ? 0 : i32[i32[sk + SK_RCVQ_HEAD] + SKB_LEN]
  }
  /** The calls that are the same for all of them but packet sockets, which are not shut down. */
  const calls = { shutdown, poll, ioctl }

  return {
    alloc,
    append,
    isFull,
    mayHold,
    makeRoom,
    onLost,
    queueRcv,
    sendError,
    take,
    receive,
    free,
    calls,
  }
}
