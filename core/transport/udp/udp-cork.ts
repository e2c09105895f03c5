/**
 * Several calls that make one datagram (UDP_CORK, MSG_MORE): what they say is kept in a packet of the socket's until a call without
 * the flag, or the option turned off, sends it. Whom it is for, and all that the first call says, stays as it was then. Called by
 * udp-sock.ts; on the socket's worker. Linux: up->pending and inet->cork of udp_sendmsg(), udp_push_pending_frames().
 */
import { AF_INET } from '../../base/family.ts'
import { FL_FAMILY } from '../../base/flowi.ts'
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import { SKB_DATA, SKB_LEN } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { SK_INET_FLAGS } from '../../socket/inet-sock.ts'
import type { Ipcm } from '../../socket/msg/ipcm.ts'
import { INET_UDP_CORK, INET_PENDING, MSG_MORE } from '../../socket/socket-constants.ts'
import * as udp from '../../wire/udp.ts'
import { createDgramCork } from '../dgram-cork.ts'
import type { UdpOutput } from './udp-output.ts'

type UdpCorkDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  output: UdpOutput
  /** What the call's control messages say (socket/msg/ipcm.ts). */
  ipcm: Ipcm['words']
}
export const createUdpCork = (deps: UdpCorkDeps) => {
  const { arena, skbs, output, ipcm } = deps
  const { i32, u8 } = arena
  const cork = createDgramCork({ ...deps, flow: output.flow })
  const { isPending, pendingOf, flush } = cork

  /** Does this call begin a datagram that others go on with, or go on with one? */
  const isCorked = (sk: number, flags: number): boolean =>
    (i32[sk + SK_INET_FLAGS] & (INET_UDP_CORK | INET_PENDING)) !== 0 || (flags & MSG_MORE) !== 0
  const isMore = (sk: number, flags: number): boolean =>
    (i32[sk + SK_INET_FLAGS] & INET_UDP_CORK) !== 0 || (flags & MSG_MORE) !== 0

  /** Begins a datagram along the flow that was routed: 0, or -errno. */
  const begin = (sk: number): number => {
    const skb = output.allocDatagram(0)
    if (skb === 0) return -Errno.ENOBUFS
    skbs.put(skb, udp.MIN_HEADER)
    cork.begin(sk, skb)
    return 0
  }
  /** The socket has a peer now: over IPv4 what is pending goes there too, as connect() and it have one flow in Linux (__ip4_datagram_connect). */
  const redirect = (sk: number): void => {
    const pending = pendingOf(sk)
    const families = (pending?.flow[FL_FAMILY] ?? 0) | output.flow[FL_FAMILY]
    if (families === AF_INET) pending?.flow.set(output.flow)
  }
  /** Sends what there is: 0, or -errno. */
  const push = (sk: number): number => {
    const pending = pendingOf(sk)
    if (pending === undefined) return 0
    cork.resume(pending)
    const skb = cork.end(sk, pending)
    const result = output.send(sk, skb, i32[skb + SKB_DATA], i32[skb + SKB_LEN] - udp.MIN_HEADER)
    ipcm.fill(0)
    return Math.min(0, result)
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
    const pending = pendingOf(sk)
    if (error !== 0 || pending === undefined) return error
    cork.resume(pending)
    const { skb } = pending
    const tooLong = output.sizeError(sk, i32[skb + SKB_LEN] - udp.MIN_HEADER + len)
    const at = tooLong || cork.grow(skb, len)
    if (at < 0) {
      flush(sk)
      return at
    }
    u8.copyWithin(at, from, from + len)
    return isMore(sk, flags) ? len : push(sk) || len
  }
  return { isCorked, append, redirect, push, flush }
}
