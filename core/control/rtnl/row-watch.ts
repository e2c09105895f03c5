/**
 * Sockets and workers change and packets die on threads of their own, at any rate, and report nothing. While somebody watches them control
 * looks at their rows now and then, and tells what is another than at the look before; what came and went in between is not told.
 * Control thread. (Linux tells the end of sockets alone: net/core/sock_diag.c, sock_diag_broadcast_destroy.)
 */
import { DROP_REASONS } from '../../shm/layout.ts'
import { Drop } from '../../skb/drop.ts'
import { SK_STATE } from '../../socket/sock.ts'
import type { Note, Notes } from './notes.ts'
import type { WatchKind } from '../rtnetlink.ts'
import type { SocketDump } from '../diag/sockets.ts'
import type { Stats } from '../diag/stats.ts'
import type { Transactions } from './transactions.ts'

const LOOK_MS = 100
/** What reports nothing. */
const LOOKED_AT: readonly WatchKind[] = ['socket', 'worker', 'drop']

type Event = Extract<Note, { kind: 'socket' | 'worker' | 'drop' }>

type RowWatchDeps = {
  i32: Int32Array
  sockets: Pick<SocketDump, 'rows' | 'cookieOf' | 'at'>
  stats: Pick<Stats, 'workerState' | 'worker' | 'dropCount' | 'drops'>
  workers: number
  nowMs: () => number
} & Pick<Notes, 'isWatched'> &
  Pick<Transactions, 'tellBehind'>

/** What is there, by a name that nobody has again, with a number for the state it was told in. */
type Seen<Item> = Map<number, { state: number; item: Item; look: number }>

export const createRowWatch = (deps: RowWatchDeps) => {
  const { i32, sockets, stats, workers, isWatched, tellBehind, nowMs } = deps
  /** None while nobody watches. */
  let socketsSeen: Seen<Extract<Event, { kind: 'socket' }>['item']> | null = null
  let workersSeen: Int32Array | null = null
  let dropsSeen: Float64Array | null = null
  let looks = 0
  let lookedMs = 0

  const lookAtSockets = (): void => {
    if (!isWatched('socket')) {
      socketsSeen = null
      return
    }
    const isFirst = socketsSeen === null
    const seen = (socketsSeen ??= new Map())
    const look = ++looks
    for (const [sk, worker] of sockets.rows()) {
      const cookie = sockets.cookieOf(sk)
      const state = i32[sk + SK_STATE]
      const known = seen.get(cookie)
      if (known !== undefined && known.state === state) {
        known.look = look
        continue
      }
      const item = sockets.at(sk, worker)
      seen.set(cookie, { state, item, look })
      if (!isFirst) tellBehind({ kind: 'socket', event: 'new', item })
    }
    for (const [cookie, known] of seen) {
      if (known.look === look) continue
      seen.delete(cookie)
      tellBehind({ kind: 'socket', event: 'del', item: known.item })
    }
  }
  const lookAtWorkers = (): void => {
    if (!isWatched('worker')) {
      workersSeen = null
      return
    }
    const isFirst = workersSeen === null
    const seen = (workersSeen ??= new Int32Array(workers))
    for (let w = 0; w < workers; w++) {
      const state = stats.workerState(w)
      if (state === seen[w]) continue
      seen[w] = state
      if (!isFirst) tellBehind({ kind: 'worker', event: 'new', item: stats.worker(w) })
    }
  }
  const lookAtDrops = (): void => {
    if (!isWatched('drop')) {
      dropsSeen = null
      return
    }
    const isFirst = dropsSeen === null
    const seen = (dropsSeen ??= new Float64Array(DROP_REASONS))
    for (const reason of Object.values(Drop)) {
      const count = stats.dropCount(reason)
      if (count === seen[reason]) continue
      seen[reason] = count
      if (!isFirst) tellBehind({ kind: 'drop', event: 'new', item: stats.drops(reason) })
    }
  }
  const lookNow = (): void => {
    lookedMs = nowMs()
    lookAtSockets()
    lookAtWorkers()
    lookAtDrops()
  }
  const look = (): void => {
    if (nowMs() - lookedMs >= LOOK_MS) lookNow()
  }
  const isOn = (): boolean => LOOKED_AT.some(isWatched)
  /** `lookNow` when somebody begins to watch: what is there then is no news. */
  return { isOn, look, lookNow }
}
