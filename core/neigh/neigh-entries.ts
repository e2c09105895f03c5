/**
 * Entries as worker 0 keeps them for all: their ends, what workers noted of their use, and how workers are told of them.
 * Called by the state machine (neighbour.ts) and garbage collection. Linux: neigh_destroy, neigh_cleanup_and_release.
 */
import { isAfter } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Arena } from '../shm/arena.ts'
import { Ipi, type IpiSystem } from '../shm/ipi.ts'
import {
  NEIGH_ADDR,
  NEIGH_CONFIRMED,
  NEIGH_IFINDEX,
  NEIGH_STATE,
  NEIGH_TIMER,
  NEIGH_UPDATED,
  NEIGH_USED,
  NEIGH_USE_CONFIRMED,
  NEIGH_USE_USED,
  NEIGH_USE_WORDS,
  NUD_INCOMPLETE,
} from './neigh-constants.ts'
import type { NeighTable } from './neigh-table.ts'
import type { NeighWriter } from './neigh-writer.ts'

export type NeighEntries = ReturnType<typeof createNeighEntries>
type NeighEntriesDeps = {
  arena: Arena
  wheel: TimerWheel
  ipi: IpiSystem
  table: NeighTable
  writer: NeighWriter
  /** core/stack/neigh.ts: tells watchers of a change (RTM_NEWNEIGH) or an end (RTM_DELNEIGH). */
  notify: (row: number, isGone: boolean) => void
}

export const createNeighEntries = (deps: NeighEntriesDeps) => {
  const { arena, wheel, ipi, table, writer, notify } = deps
  const { i32, layout } = arena
  const { workers } = layout.config
  const rows = layout.config.neighbours
  // when the entry was made
  const created = new Int32Array(rows)

  /** Workers first to last - 1: worker 0, who tells, acts at once, and the row may be another's by then. */
  const tell = (first: number, last: number, row: number, dev: number, isValid: boolean): void => {
    const a0 = i32[row + NEIGH_ADDR]
    const a1 = i32[row + NEIGH_ADDR + 1]
    const a2 = i32[row + NEIGH_ADDR + 2]
    const a3 = i32[row + NEIGH_ADDR + 3]
    for (let worker = first; worker < last; worker++)
      ipi.send(worker, Ipi.NEIGH_UPDATE, row, dev, a0, a1, a2, a3, isValid ? 1 : 0)
  }
  const tellWorker = (worker: number, row: number, isValid: boolean): void =>
    tell(worker, worker + 1, row, i32[row + NEIGH_IFINDEX], isValid)
  const tellWorkers = (row: number, isValid: boolean): void =>
    tell(0, workers, row, i32[row + NEIGH_IFINDEX], isValid)

  /** It is what it is since it was last updated: what was noted of its row before does not count. */
  const begin = (row: number): void => {
    created[table.indexOf(row)] = i32[row + NEIGH_UPDATED]
  }
  /** Brings in what the workers noted of an entry's use and confirmation. */
  const gatherUse = (row: number): void => {
    const n = table.indexOf(row)
    for (let worker = 0; worker < workers; worker++) {
      const at = layout.neighUse + (worker * rows + n) * NEIGH_USE_WORDS
      const used = i32[at + NEIGH_USE_USED]
      const confirmed = i32[at + NEIGH_USE_CONFIRMED]
      if (used !== 0 && isAfter(used, i32[row + NEIGH_USED])) i32[row + NEIGH_USED] = used
      // a confirmation from before the entry was made was its row's former owner's
      if (
        confirmed !== 0 &&
        isAfter(confirmed, i32[row + NEIGH_CONFIRMED]) &&
        !isAfter(created[n], confirmed)
      )
        i32[row + NEIGH_CONFIRMED] = confirmed
    }
  }

  /**
   * Ends an entry. What waits for it is given up when nobody finds it any more: an error of ICMP's that goes the same way asks
   * for a new one.
   */
  const destroy = (row: number): void => {
    const isAwaited = i32[row + NEIGH_STATE] === NUD_INCOMPLETE
    const dev = i32[row + NEIGH_IFINDEX]
    wheel.cancel(row + NEIGH_TIMER)
    notify(row, true)
    writer.release(row)
    // a free row has its address until it is another's
    if (isAwaited) tell(0, workers, row, dev, false)
  }

  return { tellWorker, tellWorkers, begin, gatherUse, destroy }
}
