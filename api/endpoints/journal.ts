/**
 * The last notifications of the control plane, each at its place, so that a subscriber who lost the connection can go on
 * where it was (Last-Event-ID). It subscribes when the first watcher comes and keeps a bounded number.
 */
import type { Control, Notification, WatchKind } from '../../core/control/text/messages.ts'

/** What costs control a look at all rows is subscribed to while somebody watches it, and a while longer. */
const LOOKED_AT = ['socket', 'worker', 'drop'] as const satisfies readonly WatchKind[]
const REPORTED = [
  'route',
  'rule',
  'nexthop',
  'nexthop_bucket',
  'neigh',
  'link',
  'address',
  'netns',
] as const
export const WATCH_KINDS: readonly WatchKind[] = [...REPORTED, ...LOOKED_AT]
const KEPT = 4096
/** Within this who has lost the connection comes back. */
const LINGER_MS = 30_000

/** The revision that held then, and which notification of it this is: a change's own first is 0. As text "12", or "12.3". */
export type Place = readonly [revision: number, nth: number]
export const placeText = ([revision, nth]: Place): string =>
  nth === 0 ? `${revision}` : `${revision}.${nth}`
export const readPlace = (text: string): Place | null => {
  const [, revision, nth] = /^(\d{1,15})(?:\.(\d{1,15}))?$/.exec(text) ?? []
  return revision === undefined ? null : [Number(revision), Number(nth ?? 0)]
}
const isAfter = (a: Place, b: Place): boolean => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])

export type Told = { readonly note: Notification; readonly at: Place }
type Listener = (told: Told) => void

/** What is answered calls it off. */
const afterAWhile = (run: () => void): (() => void) => {
  const timer = setTimeout(run, LINGER_MS).unref()
  return () => clearTimeout(timer)
}

export const createJournal = (control: Control, kept = KEPT, later = afterAWhile) => {
  const notes: Told[] = []
  const listeners = new Map<Listener, ReadonlySet<WatchKind>>()
  let last: Place = [-1, 0]
  /** Notifications behind this place are all here, but for kinds that nobody watched for a while. */
  let since: Place | null = null
  /** The same of each kind that is looked at. */
  const lookedAtSince = new Map<WatchKind, { from: Place; end: () => void }>()

  /** The place of the last notification, or of a change that told nothing. */
  const now = (): Place => (last[0] < control.revision() ? [control.revision(), 0] : last)
  const isChange = ({ kind }: Notification): boolean =>
    (REPORTED as readonly WatchKind[]).includes(kind) && kind !== 'neigh'
  const placeOf = (note: Notification): Place =>
    note.revision > last[0] ? [note.revision, isChange(note) ? 0 : 1] : [last[0], last[1] + 1]
  const take = (note: Notification): void => {
    last = placeOf(note)
    const told = { note, at: last }
    notes.push(told)
    if (notes.length > kept) since = notes.shift()!.at
    for (const listener of listeners.keys()) listener(told)
  }
  const start = (): void => {
    if (since !== null) return
    since = now()
    control.subscribe(REPORTED, take)
  }
  /** Has what is looked at looked at for as long as somebody listens. */
  const follow = (): void => {
    for (const kind of LOOKED_AT) {
      const isWanted = [...listeners.values()].some((kinds) => kinds.has(kind))
      const looking = lookedAtSince.get(kind)
      if (isWanted && looking === undefined)
        lookedAtSince.set(kind, { from: now(), end: control.subscribe([kind], take) })
      if (isWanted || looking === undefined) continue
      looking.end()
      lookedAtSince.delete(kind)
    }
  }

  /** One timer, however many come and go. */
  let stay = (): void => {}
  /** Calls `listener` with what comes from now on, of `kinds` at least; returns what ends it. */
  const listen = (kinds: ReadonlySet<WatchKind>, listener: Listener): (() => void) => {
    start()
    listeners.set(listener, kinds)
    follow()
    return () => {
      listeners.delete(listener)
      stay()
      stay = later(follow)
    }
  }
  /** What came after `place` of `kinds`, or null when that is not known any more, or not yet. */
  const after = (place: Place, kinds: ReadonlySet<WatchKind>): Told[] | null => {
    start()
    if (isAfter(since!, place) || isAfter(place, now())) return null
    for (const kind of LOOKED_AT) {
      if (!kinds.has(kind)) continue
      const from = lookedAtSince.get(kind)?.from
      if (from === undefined || isAfter(from, place)) return null
    }
    return notes.filter(({ note, at }) => kinds.has(note.kind) && isAfter(at, place))
  }
  return { listen, after, now }
}
