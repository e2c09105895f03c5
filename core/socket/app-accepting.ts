/**
 * Listeners of applications: children that were asked for wait in a chain until a connection is there for them. Called by
 * app-channel.ts and app-closing.ts. Worker only.
 */
import { Errno } from '../base/errno.ts'
import type { AppCompletions } from './app-completions.ts'
import { AppOp } from './app-constants.ts'
import type { AppReceiving } from './app-receiving.ts'
import {
  type AppSids,
  creditOf,
  SID_ACCEPT_HEAD,
  SID_ACCEPT_NEXT,
  SID_ACCEPT_OF,
  SID_ACCEPT_TAIL,
  SID_ACCEPT_USER,
  SID_AWAITING,
  SID_CREDIT,
  SID_FLAGS,
  SID_LISTENER,
  SID_STREAM,
} from './app-sids.ts'
import type { Sockets } from './sockets.ts'

type AppAcceptingDeps = {
  sockets: Pick<Sockets, 'listen' | 'accept'>
  completions: Pick<AppCompletions, 'post' | 'postWithAddresses'>
  sids: AppSids
  receiving: Pick<AppReceiving, 'pumpRecv'>
}
export type AppAccepting = ReturnType<typeof createAppAccepting>

const { EAGAIN, EBUSY, ECANCELED, EINVAL } = Errno

export const createAppAccepting = ({ sockets, completions, sids, receiving }: AppAcceptingDeps) => {
  const { rows, note, adopt, sockOf, isTaken } = sids
  const { post, postWithAddresses } = completions

  const listen = (row: number, backlog: number, sk: number): number => {
    const result = sockets.listen(sk, backlog)
    if (result === 0) rows[row + SID_FLAGS] |= SID_LISTENER
    return result
  }
  /** `child` waits to become a connection of the listener `row`. */
  const accept = (
    row: number,
    child: number,
    user: number,
    granted: number,
    isNow: boolean
  ): void => {
    const isListener = (rows[row + SID_FLAGS] & SID_LISTENER) !== 0
    const refused = !isListener ? -EINVAL : isTaken(child) ? -EBUSY : 0
    if (refused !== 0) return post(AppOp.ACCEPT, child, user, refused)
    rows[child + SID_ACCEPT_NEXT] = 0
    rows[child + SID_ACCEPT_USER] = user
    rows[child + SID_ACCEPT_OF] = row
    rows[child + SID_FLAGS] = SID_AWAITING
    rows[child + SID_CREDIT] = creditOf(granted)
    note(child)
    if (rows[row + SID_ACCEPT_HEAD] === 0) rows[row + SID_ACCEPT_HEAD] = child
    else rows[rows[row + SID_ACCEPT_TAIL] + SID_ACCEPT_NEXT] = child
    rows[row + SID_ACCEPT_TAIL] = child
    pumpAccept(row)
    if (isNow && (rows[child + SID_FLAGS] & SID_AWAITING) !== 0) cancelAccept(child, -EAGAIN)
  }
  const pumpAccept = (row: number): void => {
    const sk = sockOf(row)
    if (sk === 0) return
    for (
      let child = rows[row + SID_ACCEPT_HEAD];
      child !== 0;
      child = rows[row + SID_ACCEPT_HEAD]
    ) {
      const accepted = sockets.accept(sk)
      if (accepted < 0) return
      rows[row + SID_ACCEPT_HEAD] = rows[child + SID_ACCEPT_NEXT]
      if (rows[row + SID_ACCEPT_HEAD] === 0) rows[row + SID_ACCEPT_TAIL] = 0
      adopt(child, accepted, SID_STREAM, rows[child + SID_CREDIT])
      postWithAddresses(AppOp.ACCEPT, child, rows[child + SID_ACCEPT_USER], 0, accepted)
      receiving.pumpRecv(child)
    }
  }
  /** Takes a child-to-be out of its listener's chain, and answers for it. */
  const cancelAccept = (child: number, result = -ECANCELED): void => {
    const row = rows[child + SID_ACCEPT_OF]
    const next = rows[child + SID_ACCEPT_NEXT]
    let before = 0
    for (
      let each = rows[row + SID_ACCEPT_HEAD];
      each !== child;
      each = rows[each + SID_ACCEPT_NEXT]
    )
      before = each
    rows[before === 0 ? row + SID_ACCEPT_HEAD : before + SID_ACCEPT_NEXT] = next
    if (rows[row + SID_ACCEPT_TAIL] === child) rows[row + SID_ACCEPT_TAIL] = before
    rows[child + SID_FLAGS] = 0
    post(AppOp.ACCEPT, child, rows[child + SID_ACCEPT_USER], result)
  }
  /** What the sid has to do with listening and will not come any more is answered. */
  const cancelAccepts = (row: number): void => {
    while (rows[row + SID_ACCEPT_HEAD] !== 0) cancelAccept(rows[row + SID_ACCEPT_HEAD])
    if ((rows[row + SID_FLAGS] & SID_AWAITING) !== 0) cancelAccept(row)
  }
  return { listen, accept, pumpAccept, cancelAccepts }
}
