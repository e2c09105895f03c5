/**
 * What an application sends by a sid: skbs that wait until TCP takes them, in order, and the answers for them. Called by
 * app-channel.ts and app-closing.ts. Worker only.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import { SKB_CB, SKB_DATA, SKB_LEN, SKB_NEXT } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { AppCompletions } from './app-completions.ts'
import { AppOp } from './app-constants.ts'
import {
  type AppSids,
  SID_CONNECTING,
  SID_FLAGS,
  SID_SEND_HEAD,
  SID_SEND_TAIL,
} from './app-sids.ts'
import type { Sockets } from './sockets.ts'

type AppSendingDeps = {
  arena: Arena
  skbs: Pick<Skbs, 'pull'>
  sockets: Pick<Sockets, 'sendmsg'>
  consume: ConsumeFn
  completions: Pick<AppCompletions, 'post'>
  sids: AppSids
}
export type AppSending = ReturnType<typeof createAppSending>

const { EAGAIN, ECONNRESET, EINPROGRESS } = Errno
// Words of an skb that waits: its user word, all of its bytes, flags.
const CB_USER = SKB_CB
const CB_BYTES = SKB_CB + 1
const CB_MORE = SKB_CB + 2

export const createAppSending = (deps: AppSendingDeps) => {
  const { arena, skbs, sockets, consume, completions } = deps
  const { i32 } = arena
  const { rows, sockOf } = deps.sids
  const { post } = completions

  /** Puts an skb behind those that wait. True when it is the first, and may go. */
  const queueSend = (row: number, skb: number, user: number, more: number): boolean => {
    i32[skb + CB_USER] = user
    i32[skb + CB_BYTES] = i32[skb + SKB_LEN]
    i32[skb + CB_MORE] = more
    i32[skb + SKB_NEXT] = 0
    const isFirst = rows[row + SID_SEND_HEAD] === 0
    if (isFirst) rows[row + SID_SEND_HEAD] = skb
    else i32[rows[row + SID_SEND_TAIL] + SKB_NEXT] = skb
    rows[row + SID_SEND_TAIL] = skb
    return isFirst && (rows[row + SID_FLAGS] & SID_CONNECTING) === 0
  }
  /** Takes the first skb off the queue, answers for it and frees it. */
  const sendDone = (row: number, result: number): void => {
    const skb = rows[row + SID_SEND_HEAD]
    rows[row + SID_SEND_HEAD] = i32[skb + SKB_NEXT]
    i32[skb + SKB_NEXT] = 0
    post(AppOp.SEND, row, i32[skb + CB_USER], result)
    consume(skb)
  }
  const failSends = (row: number, err: number): void => {
    while (rows[row + SID_SEND_HEAD] !== 0) sendDone(row, err)
  }
  /** Gives TCP what it takes; true when nothing waits any more. */
  const drainSends = (row: number): boolean => {
    const sk = sockOf(row)
    for (let skb = rows[row + SID_SEND_HEAD]; skb !== 0; skb = rows[row + SID_SEND_HEAD]) {
      const n =
        sk === 0
          ? -ECONNRESET
          : sockets.sendmsg(sk, i32[skb + SKB_DATA], i32[skb + SKB_LEN], i32[skb + CB_MORE])
      // it has begun to connect, or there is no room
      if (n === -EAGAIN || n === -EINPROGRESS) return false
      if (n < 0) {
        failSends(row, n)
        return true
      }
      skbs.pull(skb, n)
      if (i32[skb + SKB_LEN] === 0) sendDone(row, i32[skb + CB_BYTES])
    }
    return true
  }
  return { queueSend, failSends, drainSends }
}
