/**
 * The error queues of a worker's sockets: what a socket is told beside its data, each piece a struct sock_extended_err with
 * the time that it stands for. What may be sent again now (MSG_ZEROCOPY), when something was sent (SO_TIMESTAMPING), what ICMP
 * and we ourselves had to say against it (IP_RECVERR). An ICMP message stays in the queue as it came, charged like what raw
 * sockets receive.
 * Protocols put it in, recvmsg with MSG_ERRQUEUE takes it out; a socket has no more than its share of the worker's table.
 * Linux: sk_error_queue, sock_queue_err_skb, __msg_zerocopy_callback, ip_icmp_error, ip_local_error; linux/errqueue.h.
 */
import { Errno } from '../../base/errno.ts'
import { copyAddr } from '../../base/family.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS, TIME_US } from '../../base/time.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { SK_ERR, SK_ERRQ } from '../sock.ts'
import {
  SO_EE_CODE_ZEROCOPY_COPIED,
  SO_EE_ORIGIN_ICMP,
  SO_EE_ORIGIN_ICMP6,
  SO_EE_ORIGIN_TIMESTAMPING,
  SO_EE_ORIGIN_ZEROCOPY,
} from '../socket-constants.ts'

// What take() tells: sock_extended_err, and when, by the stack's clock (base/time.ts).
export const EE_ERRNO = 0
export const EE_ORIGIN = 1
export const EE_CODE = 2
export const EE_INFO = 3
export const EE_DATA = 4
export const EE_TIME_MS = 5
export const EE_TIME_US = 6
/** MSG_TRUNC: it is about a packet, whose octets are not kept. */
export const EE_FLAGS = 7
export const EE_TYPE = 8
/** Of ICMP's and of our own: to whom the packet was, four words and the port. */
export const EE_ADDR = 9
export const EE_PORT = 13
/** Of ICMP's, the skb: data is what it quotes, from the payload on; of time stamps the frame that was sent, or 0. It is the taker's. */
export const EE_PACKET = 14
export const EE_WORDS = 15
// Behind them: the next of the socket's, 0 is none; of the first one the last, and how many there are.
const NEXT = 15
const LAST = 16
const LEN = 17
const WORDS = 18

const ENTRIES = 2048
/** Of one socket. */
const MOST = 256

export type ErrQueue = ReturnType<typeof createErrQueue>

/** struct sock_extended_err, without ee_data. */
export type ExtendedErr = {
  errno: number
  origin: number
  type: number
  code: number
  info: number
}
type ErrQueueDeps = {
  i32: Int32Array
  time: Time
  consume: ConsumeFn
  budget: Pick<Skbs['budget'], 'release'>
}

export const createErrQueue = ({ i32, time, consume, budget }: ErrQueueDeps) => {
  // the first is nobody's: 0 is none
  const table = new Int32Array((ENTRIES + 1) * WORDS)
  let free = 0
  for (let e = ENTRIES; e > 0; e--) {
    table[e * WORDS + NEXT] = free
    free = e * WORDS
  }

  const isEmpty = (sk: number): boolean => i32[sk + SK_ERRQ] === 0
  /** Is there a place for another? */
  const hasRoom = (sk: number): boolean => {
    const head = i32[sk + SK_ERRQ]
    return free !== 0 && (head === 0 || table[head + LEN] < MOST)
  }
  /** Puts an entry behind the others; false when there is no place for it. */
  const push = (
    sk: number,
    errno: number,
    origin: number,
    code: number,
    info: number,
    data: number,
    flags: number
  ): boolean => {
    if (!hasRoom(sk)) return false
    const e = free
    free = table[e + NEXT]
    table.fill(0, e, e + WORDS)
    table[e + EE_ERRNO] = errno
    table[e + EE_ORIGIN] = origin
    table[e + EE_CODE] = code
    table[e + EE_INFO] = info
    table[e + EE_DATA] = data
    table[e + EE_TIME_MS] = time[TIME_MS]
    table[e + EE_TIME_US] = time[TIME_US]
    table[e + EE_FLAGS] = flags
    const head = i32[sk + SK_ERRQ]
    if (head === 0) {
      i32[sk + SK_ERRQ] = e
      table[e + LEN] = 0
    } else table[table[head + LAST] + NEXT] = e
    const first = i32[sk + SK_ERRQ]
    table[first + LAST] = e
    table[first + LEN]++
    return true
  }
  /** The one that push() has put there last. */
  const lastOf = (sk: number): number => table[i32[sk + SK_ERRQ] + LAST]
  /** What is to be told of the packet to (words, at) and `port`; `packet` is the ICMP message that speaks of it, or 0. False: no place. */
  const pushAbout = (
    sk: number,
    error: Readonly<ExtendedErr>,
    words: Int32Array,
    at: number,
    port: number,
    packet: number
  ): boolean => {
    const { errno, origin, type, code, info } = error
    if (!push(sk, errno, origin, code, info, 0, 0)) return false
    const e = lastOf(sk)
    table[e + EE_TYPE] = type
    copyAddr(table, e + EE_ADDR, words, at)
    table[e + EE_PORT] = port
    table[e + EE_PACKET] = packet
    return true
  }
  /** When the packet went, which is kept, or 0; `what` is SCM_TSTAMP_*. False: no place. */
  const pushStamp = (sk: number, what: number, key: number, packet: number): boolean => {
    const origin = SO_EE_ORIGIN_TIMESTAMPING
    if (!push(sk, Errno.ENOMSG, origin, 0, what, key, 0)) return false
    table[lastOf(sk) + EE_PACKET] = packet
    return true
  }
  /**
   * The octets of the call with this number may be used again: they were copied. One notice tells of a range of calls. There
   * must be room.
   */
  const noteCopied = (sk: number, call: number): void => {
    const head = i32[sk + SK_ERRQ]
    const last = head === 0 ? 0 : table[head + LAST]
    if (
      last !== 0 &&
      table[last + EE_ORIGIN] === SO_EE_ORIGIN_ZEROCOPY &&
      ((table[last + EE_DATA] + 1) | 0) === call
    )
      table[last + EE_DATA] = call
    else push(sk, 0, SO_EE_ORIGIN_ZEROCOPY, SO_EE_CODE_ZEROCOPY_COPIED, call, call, 0)
  }

  /** Takes the oldest: EE_* words at (to, at), and 0; or -EAGAIN. */
  const take = (sk: number, to: Int32Array, at: number): number => {
    const e = i32[sk + SK_ERRQ]
    if (e === 0) return -Errno.EAGAIN
    for (let w = 0; w < EE_WORDS; w++) to[at + w] = table[e + w]
    const next = table[e + NEXT]
    if (next !== 0) {
      table[next + LAST] = table[e + LAST]
      table[next + LEN] = table[e + LEN] - 1
    }
    i32[sk + SK_ERRQ] = next
    table[e + NEXT] = free
    free = e
    // what is left is what the socket's next call is told (sock_dequeue_err_skb)
    if (isIcmp(next)) i32[sk + SK_ERR] = table[next + EE_ERRNO]
    else if (isIcmp(e)) i32[sk + SK_ERR] = 0
    if (to[at + EE_PACKET] !== 0) budget.release(to[at + EE_PACKET])
    return 0
  }
  const isIcmp = (e: number): boolean =>
    table[e + EE_ORIGIN] === SO_EE_ORIGIN_ICMP || table[e + EE_ORIGIN] === SO_EE_ORIGIN_ICMP6
  /** The socket ends. */
  const purge = (sk: number): void => {
    const head = i32[sk + SK_ERRQ]
    if (head === 0) return
    for (let e = head; e !== 0; e = table[e + NEXT]) {
      const packet = table[e + EE_PACKET]
      if (packet === 0) continue
      budget.release(packet)
      consume(packet)
    }
    table[table[head + LAST] + NEXT] = free
    free = head
    i32[sk + SK_ERRQ] = 0
  }

  return { isEmpty, hasRoom, push, pushAbout, pushStamp, noteCopied, take, purge }
}
