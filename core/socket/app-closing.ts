/**
 * How a sid ends: its sending side, once what it sends is taken, and all of it, in order or at once, after what it still has
 * to answer is answered. Called by app-channel.ts. Worker only.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import type { AppAccepting } from './app-accepting.ts'
import type { AppCompletions } from './app-completions.ts'
import { AppOp, CLOSE_ABORT, CLOSE_DRAIN } from './app-constants.ts'
import type { AppSending } from './app-sending.ts'
import {
  type AppSids,
  SID_CLOSE_PENDING,
  SID_CLOSE_USER,
  SID_CONNECT_USER,
  SID_CONNECTING,
  SID_ENDED,
  SID_FLAGS,
  SID_LINGERING,
  SID_POLL_MASK,
  SID_POLL_USER,
  SID_SEND_HEAD,
  SID_SHUT_PENDING,
  SID_SHUT_USER,
} from './app-sids.ts'
import { SHUT_RDWR, SHUT_WR } from './socket-constants.ts'
import { SK_STATE, TCP_SYN_SENT } from './sock.ts'
import type { Sockets } from './sockets.ts'

type AppClosingDeps = {
  arena: Arena
  sockets: Pick<Sockets, 'sendmsg' | 'shutdown' | 'linger' | 'close' | 'abort'>
  completions: Pick<AppCompletions, 'post'>
  sids: AppSids
  sending: Pick<AppSending, 'drainSends' | 'failSends'>
  accepting: Pick<AppAccepting, 'cancelAccepts'>
}
export type AppClosing = ReturnType<typeof createAppClosing>

const { EALREADY, ECANCELED, ECONNRESET } = Errno

export const createAppClosing = (deps: AppClosingDeps) => {
  const { arena, sockets, completions, sending, accepting } = deps
  const { i32 } = arena
  const { rows, forget, sockOf } = deps.sids
  const { drainSends, failSends } = sending
  const { post } = completions

  /** Gives TCP what it takes; then does what waited for the queue to be empty. */
  const pumpSend = (row: number): void => {
    if (!drainSends(row)) return
    if ((rows[row + SID_FLAGS] & (SID_SHUT_PENDING | SID_CLOSE_PENDING)) !== 0) finish(row)
  }
  const finish = (row: number): void => {
    const sk = sockOf(row)
    if (isOpening(sk)) return
    if ((rows[row + SID_FLAGS] & SID_SHUT_PENDING) !== 0) finishShutdown(row, sk)
    if ((rows[row + SID_FLAGS] & SID_CLOSE_PENDING) !== 0) endClose(row, false)
  }
  /**
   * Its handshake is not over, though connect() has said so (TCP_FASTOPEN_CONNECT): an orderly end waits for that. With nothing
   * written the handshake begins now.
   */
  const isOpening = (sk: number): boolean => {
    if (sk === 0 || i32[sk + SK_STATE] !== TCP_SYN_SENT) return false
    sockets.sendmsg(sk, 0, 0, 0)
    return true
  }
  const finishShutdown = (row: number, sk: number): void => {
    rows[row + SID_FLAGS] &= ~SID_SHUT_PENDING
    const result = sk === 0 ? -ECONNRESET : sockets.shutdown(sk, SHUT_WR)
    post(AppOp.SHUTDOWN, row, rows[row + SID_SHUT_USER], result)
  }
  const shutdown = (row: number, user: number, how: number, sk: number): void => {
    if (how !== SHUT_WR) {
      if (how === SHUT_RDWR) failSends(row, -ECONNRESET)
      return post(AppOp.SHUTDOWN, row, user, sockets.shutdown(sk, how))
    }
    const flags = rows[row + SID_FLAGS]
    if ((flags & SID_SHUT_PENDING) !== 0) return post(AppOp.SHUTDOWN, row, user, -EALREADY)
    rows[row + SID_FLAGS] = flags | SID_SHUT_PENDING
    rows[row + SID_SHUT_USER] = user
    const isBusy = rows[row + SID_SEND_HEAD] !== 0 || (flags & SID_CONNECTING) !== 0
    if (isBusy || isOpening(sk)) return
    finishShutdown(row, sk)
  }

  /** What was asked for and will not come any more is answered: each submission has its completion. */
  const cancel = (row: number): void => {
    accepting.cancelAccepts(row)
    if ((rows[row + SID_FLAGS] & SID_CONNECTING) !== 0)
      post(AppOp.CONNECT, row, rows[row + SID_CONNECT_USER], -ECANCELED)
    if (rows[row + SID_POLL_MASK] !== 0)
      post(AppOp.POLL, row, rows[row + SID_POLL_USER], -ECANCELED)
  }
  const finishClose = (row: number, abort: boolean): void => {
    const sk = sockOf(row)
    cancel(row)
    failSends(row, -ECONNRESET)
    if ((rows[row + SID_FLAGS] & SID_SHUT_PENDING) !== 0) finishShutdown(row, sk)
    if (sk !== 0) {
      if (abort) sockets.abort(sk)
      else sockets.close(sk)
    }
    forget(row)
    post(AppOp.CLOSE, row, rows[row + SID_CLOSE_USER], 0)
  }
  const close = (row: number, user: number, how: number): void => {
    if ((rows[row + SID_FLAGS] & (SID_CLOSE_PENDING | SID_LINGERING)) !== 0)
      post(AppOp.CLOSE, row, rows[row + SID_CLOSE_USER], -ECANCELED)
    rows[row + SID_CLOSE_USER] = user
    const sk = sockOf(row)
    if (how === CLOSE_DRAIN && sk !== 0 && (rows[row + SID_SEND_HEAD] !== 0 || isOpening(sk))) {
      rows[row + SID_FLAGS] |= SID_CLOSE_PENDING
      return
    }
    endClose(row, how === CLOSE_ABORT)
  }
  /** The close of a living application, which waits where its socket lingers. */
  const endClose = (row: number, abort: boolean): void => {
    const sk = sockOf(row)
    if (abort || sk === 0 || !sockets.linger(sk)) return finishClose(row, abort)
    // nothing comes to it any more
    rows[row + SID_FLAGS] |= SID_LINGERING | SID_ENDED
  }
  return { pumpSend, shutdown, close, endClose, finishClose }
}
