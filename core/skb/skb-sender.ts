/**
 * Which socket is charged for an skb on its way out, until that is freed or leaves the thread: SK_WMEM_ALLOC, which bounds what a
 * datagram socket may have under way. Called by what sends, by segmentation, and when an skb is freed. Any thread; one instance a
 * thread. Linux: skb_set_owner_w, skb_orphan.
 */
import type { Arena } from '../shm/arena.ts'
import { SK_GENERATION, SK_WMEM_ALLOC } from '../socket/sock.ts'
import type { SkbBudget } from './budget.ts'
import {
  SKB_SENDER,
  SKB_SENDER_CHARGE,
  SKB_SENDER_GENERATION,
  SKB_TSKEY,
  SKB_TX_FLAGS,
} from './skb.ts'

export type SkbSender = ReturnType<typeof createSkbSender>

export const createSkbSender = ({ i32 }: Arena, budget: SkbBudget) => {
  /** Charges the socket for what it sends, until that is freed or leaves the thread (skb_set_owner_w). */
  const setSender = (skb: number, sk: number): void => {
    const charge = budget.truesize(skb)
    i32[skb + SKB_SENDER] = sk
    i32[skb + SKB_SENDER_GENERATION] = i32[sk + SK_GENERATION]
    i32[skb + SKB_SENDER_CHARGE] = charge
    i32[skb + SKB_TX_FLAGS] = 0
    i32[sk + SK_WMEM_ALLOC] += charge
  }
  /** The charge goes over to another skb: it is the last of those that this one was cut into. */
  const moveSender = (skb: number, to: number): void => {
    i32[to + SKB_SENDER] = i32[skb + SKB_SENDER]
    i32[to + SKB_SENDER_GENERATION] = i32[skb + SKB_SENDER_GENERATION]
    i32[to + SKB_SENDER_CHARGE] = i32[skb + SKB_SENDER_CHARGE]
    i32[to + SKB_TX_FLAGS] = i32[skb + SKB_TX_FLAGS]
    i32[to + SKB_TSKEY] = i32[skb + SKB_TSKEY]
    i32[skb + SKB_SENDER] = 0
  }
  /** The socket that is charged, or 0 when that is no more. */
  const senderOf = (skb: number): number => {
    const sk = i32[skb + SKB_SENDER]
    return sk !== 0 && i32[sk + SK_GENERATION] === i32[skb + SKB_SENDER_GENERATION] ? sk : 0
  }
  /** Nobody is charged for it any more: it is freed, or its way goes on elsewhere (skb_orphan). */
  const orphan = (skb: number): void => {
    const sk = i32[skb + SKB_SENDER]
    if (sk === 0) return
    i32[skb + SKB_SENDER] = 0
    // the row may be another socket's by now
    if (i32[sk + SK_GENERATION] === i32[skb + SKB_SENDER_GENERATION])
      i32[sk + SK_WMEM_ALLOC] -= i32[skb + SKB_SENDER_CHARGE]
  }

  return { setSender, moveSender, senderOf, orphan }
}
