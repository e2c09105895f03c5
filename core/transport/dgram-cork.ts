/**
 * Packets that several calls make (MSG_MORE, UDP_CORK): what is there of one is kept for its socket, with the flow and the control
 * messages of the call that began it, until somebody sends it. UDP's (udp/udp-cork.ts) and raw sockets' (raw/raw-cork.ts); on the
 * socket's worker. Linux: sk_write_queue and inet->cork of ip_append_data(), ip6_append_data().
 */
import { Errno } from '../base/errno.ts'
import type { Flowi } from '../base/flowi.ts'
import { Holder } from '../skb/budget.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SK_INET_FLAGS } from '../socket/inet-sock.ts'
import type { Ipcm } from '../socket/msg/ipcm.ts'
import { INET_PENDING } from '../socket/socket-constants.ts'

type DgramCorkDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  /** The flow of the call (dgram-flow.ts). */
  flow: Flowi
  /** What the call's control messages say (socket/msg/ipcm.ts). */
  ipcm: Ipcm['words']
}
export type Pending = { skb: number; flow: Int32Array; ipcm: Int32Array }

export const createDgramCork = ({ arena, skbs, consume, flow, ipcm }: DgramCorkDeps) => {
  const { i32 } = arena
  const { budget } = skbs
  const pendings = new Map<number, Pending>()

  const isPending = (sk: number): boolean => (i32[sk + SK_INET_FLAGS] & INET_PENDING) !== 0
  const pendingOf = (sk: number): Pending | undefined => pendings.get(sk)
  /** Begins a packet in `skb` along the flow that was routed. */
  const begin = (sk: number, skb: number): void => {
    budget.hold(skb, Holder.sock_queue)
    pendings.set(sk, { skb, flow: flow.slice(), ipcm: ipcm.slice() })
    i32[sk + SK_INET_FLAGS] |= INET_PENDING
  }
  /** What the first call has said is so again. */
  const resume = (pending: Pending): void => {
    flow.set(pending.flow)
    ipcm.set(pending.ipcm)
  }
  /** The packet, which is nobody's any more. */
  const end = (sk: number, { skb }: Pending): number => {
    pendings.delete(sk)
    i32[sk + SK_INET_FLAGS] &= ~INET_PENDING
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
  /** What there is is forgotten (ip_flush_pending_frames). */
  const flush = (sk: number): void => {
    const pending = pendings.get(sk)
    if (pending !== undefined) consume(end(sk, pending))
  }
  return { isPending, pendingOf, begin, resume, end, grow, flush }
}
