/**
 * When datagrams went, by SO_TIMESTAMPING: the packet of a socket that asks for it is marked, and what marks it is told of when it
 * comes to the device's queue and when the driver gets it, by dev/dev-queue-xmit.ts; the error queue has it, with the frame as it
 * was then. UDP's, raw sockets' and ping sockets'; streams have tcp/snd/tcp-tstamp.ts. On the worker.
 * Linux: sock_tx_timestamp(), __skb_tstamp_tx(), the tskey of __ip_append_data().
 */
import type { Arena } from '../shm/arena.ts'
import { Holder } from '../skb/budget.ts'
import {
  SKB_F_TRACE,
  SKB_FLAGS,
  SKB_TSKEY,
  SKB_TX_FLAGS,
  SKB_TX_SCHED,
  SKB_TX_SOFTWARE,
} from '../skb/skb.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { Events } from '../socket/events.ts'
import { SK_TSKEY } from '../socket/inet-sock.ts'
import type { ErrQueue } from '../socket/msg/errqueue.ts'
import type { Ipcm } from '../socket/msg/ipcm.ts'
import { SK_EVENT_ERROR, SK_TSFLAGS } from '../socket/sock.ts'
import {
  IPCM_TSFLAGS,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_TX_DGRAM,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
} from '../socket/socket-constants.ts'

type DgramTstampDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  errqueue: Pick<ErrQueue, 'pushStamp'>
  /** What the call's control messages say (socket/msg/ipcm.ts). */
  ipcm: Ipcm['words']
} & Pick<Events, 'sockEvents'>
export type DgramTstamp = ReturnType<typeof createDgramTstamp>

export const createDgramTstamp = (deps: DgramTstampDeps) => {
  const { arena, skbs, consume, errqueue, ipcm, sockEvents } = deps
  const { i32 } = arena
  const { budget } = skbs

  /** What this call, or else the socket, wants to be stamped: SOF_TIMESTAMPING_TX_* bits. */
  const wantsStamps = (sk: number): number =>
    (ipcm[IPCM_TSFLAGS] === 0 ? i32[sk + SK_TSFLAGS] : ipcm[IPCM_TSFLAGS] - 1) &
    SOF_TIMESTAMPING_TX_DGRAM
  /** Marks a packet of the socket's that is about to be sent. */
  const markSent = (sk: number, skb: number): void => {
    const wanted = wantsStamps(sk)
    if (wanted === 0) return
    skbs.setSender(skb, sk)
    if ((wanted & SOF_TIMESTAMPING_TX_SCHED) !== 0) i32[skb + SKB_TX_FLAGS] |= SKB_TX_SCHED
    if ((wanted & SOF_TIMESTAMPING_TX_SOFTWARE) !== 0) i32[skb + SKB_TX_FLAGS] |= SKB_TX_SOFTWARE
    i32[skb + SKB_TSKEY] = 0
    if ((i32[sk + SK_TSFLAGS] & SOF_TIMESTAMPING_OPT_ID) !== 0)
      i32[skb + SKB_TSKEY] = i32[sk + SK_TSKEY]++
  }
  const isAlone = (sk: number): boolean =>
    (i32[sk + SK_TSFLAGS] & SOF_TIMESTAMPING_OPT_TSONLY) !== 0
  /** A frame with a mark of the socket's as it is now, for frameSent; 0: there is no memory, or the time alone is wanted. */
  const keepFrame = (sk: number, skb: number): number => {
    if (isAlone(sk) || !budget.mayHold(skb, Holder.sock_queue)) return 0
    const frame = skbs.clone(skb)
    if (frame !== 0) i32[frame + SKB_FLAGS] &= ~SKB_F_TRACE
    return frame
  }
  /** A frame with a mark of the socket's is where `what` says (SCM_TSTAMP_*); `frame` is taken over. */
  const frameSent = (sk: number, what: number, key: number, frame: number): void => {
    if (frame === 0 && !isAlone(sk)) return
    if (!errqueue.pushStamp(sk, what, key, frame)) {
      if (frame !== 0) consume(frame)
      return
    }
    if (frame !== 0) budget.hold(frame, Holder.sock_queue)
    sockEvents(sk, SK_EVENT_ERROR)
  }
  return { markSent, keepFrame, frameSent }
}
