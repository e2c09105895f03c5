/**
 * Sockets of applications that connect: the rest of a handshake is an event's, and what was written meanwhile goes out then.
 * Called by app-channel.ts. Worker only.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import type { AppClosing } from './app-closing.ts'
import type { AppCompletions } from './app-completions.ts'
import { AppOp } from './app-constants.ts'
import type { AppSending } from './app-sending.ts'
import { type AppSids, SID_CONNECT_USER, SID_CONNECTING, SID_FLAGS } from './app-sids.ts'
import { SK_DADDR, SK_DPORT } from './sock.ts'
import type { Sockets } from './sockets.ts'

type AppConnectingDeps = {
  arena: Arena
  sockets: Pick<Sockets, 'connect'>
  completions: Pick<AppCompletions, 'postWithAddresses'>
  sids: AppSids
  sending: Pick<AppSending, 'failSends'>
  closing: Pick<AppClosing, 'pumpSend'>
}
const { EALREADY, EINPROGRESS } = Errno

export const createAppConnecting = (deps: AppConnectingDeps) => {
  const { arena, sockets, completions, sending, closing } = deps
  const { i32 } = arena
  const { rows } = deps.sids
  const { postWithAddresses } = completions

  /** True until the application was told how its last connect ended. */
  const isConnecting = (row: number): boolean => (rows[row + SID_FLAGS] & SID_CONNECTING) !== 0
  /** What sockets.connect answered; when the handshake is under way the rest is an event's, unless the call is not to wait. */
  const connecting = (
    row: number,
    user: number,
    result: number,
    sk: number,
    isNow: boolean
  ): void => {
    const isUnderWay = result === -EINPROGRESS || result === -EALREADY
    if (isNow || !isUnderWay) return postWithAddresses(AppOp.CONNECT, row, user, result, sk)
    rows[row + SID_CONNECT_USER] = user
    rows[row + SID_FLAGS] |= SID_CONNECTING
  }
  /** As the call that waited would have said: another asks how the first has ended (inet_stream_connect). */
  const endConnect = (row: number, sk: number): void => {
    const result = sockets.connect(sk, i32, sk + SK_DADDR, i32[sk + SK_DPORT])
    if (result !== -EALREADY) connected(row, result, sk)
  }
  const connected = (row: number, result: number, sk: number): void => {
    rows[row + SID_FLAGS] &= ~SID_CONNECTING
    postWithAddresses(AppOp.CONNECT, row, rows[row + SID_CONNECT_USER], result, sk)
    if (result < 0) sending.failSends(row, result)
    closing.pumpSend(row)
  }
  return { isConnecting, connecting, endConnect }
}
