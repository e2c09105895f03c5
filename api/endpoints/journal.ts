/**
 * The last notifications of the control plane, so that a subscriber who lost the connection can go on where it was
 * (Last-Event-ID). It subscribes when the first watcher comes and keeps a bounded number.
 */
import type { Control, Notification, WatchKind } from '../../core/control/text/messages.ts'

export const WATCH_KINDS: readonly WatchKind[] = [
  'route',
  'rule',
  'nexthop',
  'neigh',
  'link',
  'address',
  'socket',
  'worker',
]
const KEPT = 4096

export const createJournal = (control: Control, kept = KEPT) => {
  const notes: Notification[] = []
  const listeners = new Set<(note: Notification) => void>()
  /** Notifications with a revision above this one are all here. */
  let since = -1

  const start = (): void => {
    if (since >= 0) return
    since = control.revision()
    control.subscribe(WATCH_KINDS, (note) => {
      notes.push(note)
      if (notes.length > kept) since = notes.shift()!.revision
      for (const listener of listeners) listener(note)
    })
  }

  return {
    /** Calls `listener` with what comes from now on; returns what ends it. */
    listen: (listener: (note: Notification) => void): (() => void) => {
      start()
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    /** What came after `revision`, or null when that is not known any more, or not yet. */
    after: (revision: number): Notification[] | null => {
      start()
      if (revision < since || revision > control.revision()) return null
      return notes.filter((note) => note.revision > revision)
    },
  }
}
