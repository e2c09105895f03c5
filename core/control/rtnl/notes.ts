/**
 * What a change has changed, for those who watch: gathered while it runs, told with the revision that holds it. Control
 * thread. Linux: rtnl_notify() and the groups RTNLGRP_*, net/core/rtnetlink.c.
 */
import type { Notification, WatchKind } from '../rtnetlink.ts'

export type Note = Notification extends infer One
  ? One extends Notification
    ? Omit<One, 'revision'>
    : never
  : never
export type Notes = ReturnType<typeof createNotes>

export const createNotes = () => {
  const watchers = new Set<{ kinds: ReadonlySet<WatchKind>; fn: (note: Notification) => void }>()
  let notes: Note[] = []

  const isWatched = (kind: WatchKind): boolean => [...watchers].some(({ kinds }) => kinds.has(kind))
  const note = (kind: WatchKind, event: 'new' | 'del', item: () => Notification['item']): void => {
    if (isWatched(kind)) notes.push({ kind, event, item: item() } as Note)
  }
  /** Hands over what the change that has just run leaves. */
  const take = (): Note[] => {
    const mine = notes
    notes = []
    return mine
  }
  /** Where the change that runs is; what it has noted from there on is undone. */
  const mark = (): (() => void) => {
    const before = notes.length
    return () => {
      notes.length = before
    }
  }
  const tell = (told: readonly Note[], revision: number): void => {
    for (const one of told)
      for (const { kinds, fn } of watchers)
        if (kinds.has(one.kind)) fn({ ...one, revision } as Notification)
  }
  /** Tells `fn` of changes of these kinds, until what is returned is called. */
  const watch = (kinds: readonly WatchKind[], fn: (note: Notification) => void): (() => void) => {
    const watcher = { kinds: new Set(kinds), fn }
    watchers.add(watcher)
    return () => {
      watchers.delete(watcher)
    }
  }
  return { isWatched, note, take, mark, tell, watch }
}
