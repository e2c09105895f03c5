/**
 * /watch: changes as server-sent events, like `ip monitor -j`. The event's name is the kind, its id says where a reader is to go
 * on. A reader who is too slow loses events and is told so by `resync`: it never slows anybody. A comment goes out every few
 * seconds, because Bun cuts an idle stream on a unix socket after ten.
 */
import { Hono } from 'hono'
import { z } from 'zod'
import type { Control, WatchKind } from '../../core/control/text/messages.ts'
import { refused } from '../problem.ts'
import { check } from '../schemas/check.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { dumpOf } from './change.ts'
import { doc } from './doc.ts'
import type { Place, Told } from './journal.ts'
import { createJournal, placeText, readPlace, WATCH_KINDS } from './journal.ts'
import { concerns, present } from './watched.ts'

const HEARTBEAT_MS = 4000
/** Events that may wait for a reader. */
const MAX_WAITING = 1024
/** Pieces of what is there that wait for a reader: the next is read out when one has gone. */
const MAX_PIECES = 4
/** What is told to who names no kind: packets die ten times a second and more. */
const CHANGES = WATCH_KINDS.filter((kind) => kind !== 'drop')
/** Each costs every change a line of JSON. */
export const MAX_WATCHERS = 256

const kinds = z
  .string()
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(WATCH_KINDS as unknown as [WatchKind, ...WatchKind[]])))

const query = {
  kinds: kinds.optional(),
  dev: z.string().optional(),
  initial: z.enum(['0', '1']).optional(),
  last_event_id: z.string().optional(),
}

type Wanted = {
  kinds: ReadonlySet<WatchKind>
  dev: string | undefined
  /** Begins with what is there. */
  isInitial: boolean
  /** Goes on behind this place; null is one that nobody has told. */
  from: Place | null | undefined
}

const eventText = (kind: string, at: Place, data: object): string =>
  `event: ${kind}\nid: ${placeText(at)}\ndata: ${JSON.stringify(data)}\n\n`

const encoder = new TextEncoder()
/** A notification as all its readers get it, made once. */
const createWriter = () => {
  let last: Told | null = null
  let bytes = encoder.encode('')
  return (told: Told): Uint8Array => {
    if (told === last) return bytes
    const { kind, event, item, revision } = told.note
    last = told
    bytes = encoder.encode(eventText(kind, told.at, { event, item, revision }))
    return bytes
  }
}

/** Events of what is there, piece by piece, and the one that says that this was all. */
function* initialText(
  control: Control,
  { kinds, dev }: Wanted,
  now: () => Place
): Generator<string> {
  for (const kind of WATCH_KINDS)
    if (kinds.has(kind))
      for (const items of present(control, kind, dev)) {
        const [at, revision] = [now(), control.revision()]
        yield items.map((item) => eventText(kind, at, { event: 'new', item, revision })).join('')
      }
  yield eventText('synced', now(), { revision: control.revision() })
}

export const createWatchEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  const journal = createJournal(control)
  const bytesOf = createWriter()
  let watchers = 0

  const stream = (wanted: Wanted): ReadableStream<Uint8Array> => {
    const initial = wanted.isInitial ? initialText(control, wanted, journal.now) : null
    let stop = (): void => {}
    let isBehind = false
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const write = (text: string): void => controller.enqueue(encoder.encode(text))
          const resync = (): void =>
            write(eventText('resync', journal.now(), { revision: control.revision() }))
          const tell = (told: Told): void => {
            if (!wanted.kinds.has(told.note.kind) || !concerns(told.note, wanted.dev)) return
            if (controller.desiredSize! <= 0) isBehind = true
            else if (isBehind) catchUp()
            else controller.enqueue(bytesOf(told))
          }
          const catchUp = (): void => {
            isBehind = false
            resync()
          }
          const unlisten = journal.listen(wanted.kinds, tell)
          // At once, so that the reader knows that it is heard.
          write(`: softnet revision ${control.revision()}\nretry: 1000\n\n`)
          if (wanted.from !== undefined) {
            const missed = wanted.from && journal.after(wanted.from, wanted.kinds)
            if (missed === null) resync()
            else for (const told of missed) tell(told)
          }
          const heartbeat = setInterval(() => {
            if (controller.desiredSize! <= 0) return
            if (isBehind) catchUp()
            else write(': \n\n')
          }, HEARTBEAT_MS)
          watchers++
          stop = () => {
            watchers--
            clearInterval(heartbeat)
            unlisten()
          }
        },
        pull(controller) {
          if (controller.desiredSize! < MAX_WAITING - MAX_PIECES) return
          const { value } = initial?.next() ?? {}
          if (value !== undefined) controller.enqueue(encoder.encode(value))
        },
        cancel() {
          stop()
        },
      },
      { highWaterMark: MAX_WAITING }
    )
  }

  api.get(
    '/watch',
    doc('Changes, as server-sent events', {
      tag: 'watch',
      like: 'ip monitor -j',
      query,
      media: { 'text/event-stream': z.string() },
    }),
    (c) => {
      if (watchers >= MAX_WATCHERS) throw refused('ENOBUFS', 'Error: too many watch already.')
      const { kinds, dev, initial, last_event_id } = check(
        z.strictObject(query),
        c.req.query(),
        'unreadable'
      )
      if (dev !== undefined) dumpOf(control, { type: 'RTM_GETLINK', filter: { ifname: dev } })
      const id = c.req.header('Last-Event-ID') ?? last_event_id
      const wanted: Wanted = {
        kinds: new Set(kinds ?? CHANGES),
        dev,
        isInitial: initial === '1',
        from: id === undefined ? undefined : readPlace(id),
      }
      return c.body(stream(wanted), 200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store',
      })
    }
  )
  return api
}
