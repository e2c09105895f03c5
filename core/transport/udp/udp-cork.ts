/**
 * Several calls that make one datagram (UDP_CORK, MSG_MORE): what they say is kept in a packet of the socket's until a call without
 * the flag, or the option turned off, sends it. Whom it is for, and all that the first call says, stays as it was then. Called by
 * udp-sock.ts; on the socket's worker. Linux: up->pending and inet->cork of udp_sendmsg(), udp_push_pending_frames().
 */
import { AF_INET } from '../../base/family.ts'
import { FL_FAMILY } from '../../base/flowi.ts'
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import { Holder } from '../../skb/budget.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import { SKB_DATA, SKB_LEN } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { SK_INET_FLAGS } from '../../socket/inet-sock.ts'
import type { Ipcm } from '../../socket/msg/ipcm.ts'
import { INET_UDP_CORK, INET_UDP_PENDING, MSG_MORE } from '../../socket/socket-constants.ts'
import * as udp from '../../wire/udp.ts'
import type { UdpOutput } from './udp-output.ts'

type UdpCorkDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  output: UdpOutput
  /** What the call's control messages say (socket/msg/ipcm.ts). */
  ipcm: Ipcm['words']
}
/** A datagram that is not whole: its packet, and the flow and the control messages of the call that began it. */
type Pending = { skb: number; flow: Int32Array; ipcm: Int32Array }

export const createUdpCork = ({ arena, skbs, consume, output, ipcm }: UdpCorkDeps) => {
  const { i32, u8 } = arena
  const { budget } = skbs
  const pendings = new Map<number, Pending>()

  /** Does this call begin a datagram that others go on with, or go on with one? */
  const isCorked = (sk: number, flags: number): boolean =>
    (i32[sk + SK_INET_FLAGS] & (INET_UDP_CORK | INET_UDP_PENDING)) !== 0 || (flags & MSG_MORE) !== 0
  const isMore = (sk: number, flags: number): boolean =>
    (i32[sk + SK_INET_FLAGS] & INET_UDP_CORK) !== 0 || (flags & MSG_MORE) !== 0
  const isPending = (sk: number): boolean => (i32[sk + SK_INET_FLAGS] & INET_UDP_PENDING) !== 0

  /** Begins a datagram along the flow that was routed: 0, or -errno. */
  const begin = (sk: number): number => {
    const skb = output.allocDatagram(0)
    if (skb === 0) return -Errno.ENOBUFS
    skbs.put(skb, udp.MIN_HEADER)
    budget.hold(skb, Holder.sock_queue)
    pendings.set(sk, { skb, flow: output.flow.slice(), ipcm: ipcm.slice() })
    i32[sk + SK_INET_FLAGS] |= INET_UDP_PENDING
    return 0
  }
  /** What the first call has said is so again. */
  const resume = (pending: Pending): void => {
    output.flow.set(pending.flow)
    ipcm.set(pending.ipcm)
  }
  /** The socket has a peer now: over IPv4 what is pending goes there too, as connect() and it have one flow in Linux (__ip4_datagram_connect). */
  const redirect = (sk: number): void => {
    const pending = pendings.get(sk)
    const families = (pending?.flow[FL_FAMILY] ?? 0) | output.flow[FL_FAMILY]
    if (families === AF_INET) pending?.flow.set(output.flow)
  }
  /** The packet, which is nobody's any more. */
  const end = (sk: number, { skb }: Pending): number => {
    pendings.delete(sk)
    i32[sk + SK_INET_FLAGS] &= ~INET_UDP_PENDING
    budget.release(skb)
    return skb
  }
  /** Room behind what is there: its offset, or -errno. */
  const grow = (skb: number, len: number): number => {
    budget.release(skb)
    const hasRoom = skbs.expandTail(skb, len) && budget.mayHold(skb, Holder.sock_queue)
    budget.hold(skb, Holder.sock_queue)
    return hasRoom ? skbs.put(skb, len) : -Errno.ENOBUFS
  }
  /** Sends what there is: 0, or -errno. */
  const push = (sk: number): number => {
    const pending = pendings.get(sk)
    if (pending === undefined) return 0
    resume(pending)
    const skb = end(sk, pending)
    const result = output.send(sk, skb, i32[skb + SKB_DATA], i32[skb + SKB_LEN] - udp.MIN_HEADER)
    ipcm.fill(0)
    return Math.min(0, result)
  }
  /** What there is is forgotten (udp_flush_pending_frames). */
  const flush = (sk: number): void => {
    const pending = pendings.get(sk)
    if (pending !== undefined) consume(end(sk, pending))
  }

  /** `len` octets more at `from` of the arena; `prepare` routes to where a new datagram goes. `len`, or -errno. */
  const append = (
    sk: number,
    from: number,
    len: number,
    flags: number,
    prepare: () => number
  ): number => {
    const error = isPending(sk) ? 0 : prepare() || begin(sk)
    const pending = pendings.get(sk)
    if (error !== 0 || pending === undefined) return error
    resume(pending)
    const { skb } = pending
    const tooLong = output.sizeError(sk, i32[skb + SKB_LEN] - udp.MIN_HEADER + len)
    const at = tooLong || grow(skb, len)
    if (at < 0) {
      flush(sk)
      return at
    }
    u8.copyWithin(at, from, from + len)
    return isMore(sk, flags) ? len : push(sk) || len
  }
  return { isCorked, append, redirect, push, flush }
}
