/**
 * The sockets of all applications: what they ask for (app-submit.ts) and what the socket layer's events say of them, done by
 * the files of each verb: sending, receiving, accepting, connecting, closing, over the rows of app-sids.ts; answers go
 * through app-completions.ts. One instance a worker, whatever the number of applications. Worker only.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { createAppAccepting } from './app-accepting.ts'
import { createAppClosing } from './app-closing.ts'
import type { AppCompletions } from './app-completions.ts'
import { createAppConnecting } from './app-connecting.ts'
import { AppOp } from './app-constants.ts'
import { createAppReceiving } from './app-receiving.ts'
import { createAppSending } from './app-sending.ts'
import {
  createAppSids,
  SID_CONNECTING,
  SID_FLAGS,
  SID_LINGERING,
  SID_LISTENER,
  SID_POLL_MASK,
  SID_POLL_USER,
  SID_STREAM,
} from './app-sids.ts'
import {
  SK_EVENT_ACCEPT,
  SK_EVENT_CONNECT,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_EVENT_MASK,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SOCK_STREAM,
} from './sock.ts'
import type { Sockets } from './sockets.ts'

type AppChannelDeps = {
  arena: Arena
  skbs: Skbs
  sockets: Sockets
  consume: ConsumeFn
  completions: AppCompletions
}
const { EBUSY, ECANCELED, EINVAL } = Errno

export type AppChannel = ReturnType<typeof createAppChannel>

export const createAppChannel = (deps: AppChannelDeps) => {
  const { sockets, consume, completions } = deps
  const { post } = completions
  const handler = sockets.registerHandler((_sk, events, row) => event(row, events))
  const sids = createAppSids({ ...deps, handler })
  const { rows, sockOf, isTaken, adopt } = sids
  const sending = createAppSending({ ...deps, sids })
  const receiving = createAppReceiving({ ...deps, sids })
  const accepting = createAppAccepting({ ...deps, sids, receiving })
  const closing = createAppClosing({ ...deps, sids, sending, accepting })
  const connecting = createAppConnecting({ ...deps, sids, sending, closing })
  const { queueSend } = sending
  const { pumpRecv } = receiving
  const { pumpSend } = closing

  /** 0, or -errno. */
  const open = (
    row: number,
    family: number,
    type: number,
    protocol: number,
    granted: number
  ): number => {
    if (isTaken(row)) return -EBUSY
    const sk = sockets.socket(family, type, protocol)
    if (sk < 0) return sk
    adopt(row, sk, type === SOCK_STREAM ? SID_STREAM : 0, granted)
    return 0
  }
  /** Sends an skb, or puts it behind those that wait. */
  const send = (row: number, skb: number, user: number, more: number): void => {
    if (queueSend(row, skb, user, more)) pumpSend(row)
  }
  /** Tells once when one of `events` has happened; a newer wish takes the older one's place. */
  const poll = (row: number, user: number, events: number): void => {
    if (rows[row + SID_POLL_MASK] !== 0)
      post(AppOp.POLL, row, rows[row + SID_POLL_USER], -ECANCELED)
    rows[row + SID_POLL_MASK] = events & SK_EVENT_MASK
    rows[row + SID_POLL_USER] = user
    if ((events & SK_EVENT_MASK) === 0) post(AppOp.POLL, row, user, -EINVAL)
  }

  /** What the socket layer has to say about a sid's socket. */
  const event = (row: number, events: number): void => {
    const sk = sockOf(row)
    if (sk === 0) return
    const flags = rows[row + SID_FLAGS]
    if ((flags & SID_LINGERING) !== 0) return closing.endClose(row, false)
    if ((flags & SID_CONNECTING) !== 0) {
      if ((events & (SK_EVENT_CONNECT | SK_EVENT_ERROR | SK_EVENT_HUP)) === 0) return
      connecting.endConnect(row, sk)
      if ((events & SK_EVENT_CONNECT) === 0) return
    }
    const met = rows[row + SID_POLL_MASK] & events
    if (met !== 0) {
      rows[row + SID_POLL_MASK] = 0
      post(AppOp.POLL, row, rows[row + SID_POLL_USER], met)
    }
    if ((flags & SID_LISTENER) !== 0) return accepting.pumpAccept(row)
    // what was received before an error is delivered before it
    if ((events & ~(SK_EVENT_WRITE | SK_EVENT_ACCEPT)) !== 0) pumpRecv(row)
    if ((events & ~(SK_EVENT_READ | SK_EVENT_ACCEPT)) !== 0) pumpSend(row)
  }

  /** Tries again what waited for memory or for room in the ring. */
  const retry = (app: number): void => {
    if (!completions.isStalled(app)) return
    completions.retry(app)
    receiving.retry(app)
  }
  /** True when what stalled may go on. With the application's look at PAIR_STALLED, no wake-up is missed. */
  const canRetry = (app: number): boolean =>
    completions.isStalled(app) && (completions.canRetry(app) || receiving.canRetry(app))
  const end = (row: number): void => closing.finishClose(row, false)
  /** The application is gone, or another has come in its place: ends all it had. `next` tags what follows. */
  const reset = (app: number, next: number): void => {
    completions.clear(app, consume)
    sids.reset(app, end)
    receiving.clear(app)
    completions.setTag(app, next)
  }

  return {
    sockOf,
    open,
    listen: accepting.listen,
    accept: accepting.accept,
    isConnecting: connecting.isConnecting,
    connecting: connecting.connecting,
    send,
    grant: receiving.grant,
    recvmsg: receiving.recvmsg,
    shutdown: closing.shutdown,
    close: closing.close,
    poll,
    retry,
    canRetry,
    putBack: receiving.putBack,
    reset,
    count: sids.count,
  }
}
