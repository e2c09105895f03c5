/**
 * /watch: changes as server-sent events, like `ip monitor -j`. The event's name is the kind, its id the revision. A reader
 * who is too slow loses events and is told so by `resync`: it never slows anybody. A comment goes out every few seconds,
 * because Bun cuts an idle stream on a unix socket after ten.
 */
import { Hono } from 'hono'
import { z } from 'zod'
import type { Notification, WatchKind } from '../../core/control/text/messages.ts'
import { refused } from '../problem.ts'
import { check } from '../schemas/check.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { createJournal, WATCH_KINDS } from './journal.ts'

const HEARTBEAT_MS = 4000
/** Events that may wait for a reader. */
const MAX_WAITING = 1024
/** Each costs every change a line of JSON. */
export const MAX_WATCHERS = 256

const kinds = z
  .string()
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(WATCH_KINDS as unknown as [WatchKind, ...WatchKind[]])))

const query = { kinds: kinds.optional(), last_event_id: z.string().optional() }

const eventText = ({ kind, event, item, revision }: Notification): string =>
  `event: ${kind}\nid: ${revision}\ndata: ${JSON.stringify({ event, item, revision })}\n\n`

export const createWatchEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  const journal = createJournal(control)
  let watchers = 0

  const stream = (
    wanted: ReadonlySet<string>,
    lastId: number | null
  ): ReadableStream<Uint8Array> => {
    const encoder = new TextEncoder()
    let stop = (): void => {}
    let isBehind = false
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const write = (text: string): void => controller.enqueue(encoder.encode(text))
          const resync = (): void =>
            write(
              `event: resync\nid: ${control.revision()}\ndata: {"revision":${control.revision()}}\n\n`
            )
          const tell = (note: Notification): void => {
            if (!wanted.has(note.kind)) return
            if (controller.desiredSize! <= 0) isBehind = true
            else if (isBehind) catchUp()
            else write(eventText(note))
          }
          const catchUp = (): void => {
            isBehind = false
            resync()
          }
          // At once, so that the reader knows that it is heard.
          write(`: softnet revision ${control.revision()}\nretry: 1000\n\n`)
          if (lastId !== null) {
            const missed = journal.after(lastId)
            if (missed === null) resync()
            else for (const note of missed) tell(note)
          }
          const unlisten = journal.listen(tell)
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
      const { kinds, last_event_id } = check(z.strictObject(query), c.req.query(), 400)
      const lastId = c.req.header('Last-Event-ID') ?? last_event_id
      const resumeFrom = lastId !== undefined && /^\d+$/.test(lastId) ? Number(lastId) : null
      return c.body(
        stream(
          new Set<string>(kinds ?? WATCH_KINDS),
          lastId === undefined ? null : (resumeFrom ?? -1)
        ),
        200,
        {
          'Content-Type': 'text/event-stream',
          'Cache-Control': 'no-store',
        }
      )
    }
  )
  return api
}
