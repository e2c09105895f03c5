/**
 * Lists: {items, next, revision} by default, bare arrays of `ip -j` for ?format=iproute2, one item a line for
 * application/x-ndjson; `limit` with an opaque `cursor` for pages. Everything is sent in the dump's chunks with a turn
 * of the event loop between them, so a million routes stall nobody.
 */
import type { Context } from 'hono'
import { z } from 'zod'
import { unreadable } from '../problem.ts'
import { check } from '../schemas/check.ts'
import { queryFlag } from '../schemas/common.ts'
import type { ApiEnv } from './deps.ts'

const MAX_LIMIT = 100_000

/** The words every list understands, besides its filter. */
export const format = z.enum(['default', 'iproute2']).optional()
export const listWords = {
  format,
  /** With format=iproute2: what `ip -d` and `ip -s` add. */
  details: queryFlag.optional(),
  stats: queryFlag.optional(),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, { error: `expected a number from 1 to ${MAX_LIMIT}` })
    .transform(Number)
    .pipe(z.int().max(MAX_LIMIT))
    .optional(),
  cursor: z.string().max(32).optional(),
}
type ListWords = z.infer<z.ZodObject<typeof listWords>>

const listQuery = <S extends z.ZodRawShape>(filter: S) =>
  z.strictObject({ ...filter, ...listWords })

/** Splits a checked query into the list's words and the filter of the dump. */
export const readListQuery = <S extends z.ZodRawShape>(c: Context<ApiEnv>, filter: S) => {
  const query = check(listQuery(filter), c.req.query(), 'unreadable') as ListWords &
    Record<string, unknown>
  const { format, details, stats, limit, cursor, ...rest } = query
  return {
    words: { format, details, stats, limit, cursor },
    filter: rest as z.infer<z.ZodObject<S>>,
  }
}

const encodeCursor = (offset: number): string => btoa(`o${offset}`).replace(/=+$/, '')

const decodeCursor = (cursor: string): number => {
  try {
    const text = atob(cursor)
    if (/^o\d{1,9}$/.test(text)) return Number(text.slice(1))
  } catch {
    // Falls through: whatever it is, it is none of ours.
  }
  throw unreadable('Error: "cursor" is none that this API gave out.', [
    { field: 'cursor', message: 'use the "next" of the page before' },
  ])
}

/** Items from `offset` on, at most `limit`, and whether there are more. */
const page = <T>(chunks: Iterable<T[]>, offset: number, limit: number) => {
  const items: T[] = []
  let skip = offset
  for (const chunk of chunks) {
    if (skip >= chunk.length) {
      skip -= chunk.length
      continue
    }
    for (let i = skip; i < chunk.length; i++) {
      if (items.length === limit) return { items, more: true }
      items.push(chunk[i]!)
    }
    skip = 0
  }
  return { items, more: false }
}

/** A text made of parts, sent as the reader takes them. */
const textStream = (parts: Generator<string>): ReadableStream<Uint8Array> => {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        // A macrotask: other requests and the daemon's own work come first.
        await new Promise<void>((resolve) => setImmediate(resolve))
        const part = parts.next()
        if (part.done) controller.close()
        else controller.enqueue(encoder.encode(part.value))
      },
      /** Who walks a table lets it go. */
      cancel() {
        parts.return(undefined)
      },
    },
    { highWaterMark: 0 }
  )
}

function* jsonArrayParts<T>(
  chunks: Iterable<T[]>,
  show: (item: T) => unknown,
  before: string,
  after: string
): Generator<string> {
  let text = before
  let separator = ''
  for (const chunk of chunks) {
    for (const item of chunk) {
      text += separator + JSON.stringify(show(item))
      separator = ','
    }
    yield text
    text = ''
  }
  yield text + after
}

function* ndjsonParts<T>(chunks: Iterable<T[]>, show: (item: T) => unknown): Generator<string> {
  for (const chunk of chunks) {
    let text = ''
    for (const item of chunk) text += `${JSON.stringify(show(item))}\n`
    if (text !== '') yield text
  }
}

export const NDJSON = 'application/x-ndjson'
export const etag = (revision: number): string => `"${revision}"`

/** Answers a list request. `iproute2` turns an item into what `ip -j` prints for it. */
export const sendList = <T>(
  c: Context<ApiEnv>,
  chunks: Iterable<T[]>,
  words: ListWords,
  revision: number,
  iproute2: (item: T) => unknown = (item) => item
): Response => {
  const show = words.format === 'iproute2' ? iproute2 : (item: T) => item as unknown
  const headers = { 'Content-Type': 'application/json', ETag: etag(revision) }
  const wantsLines = (c.req.header('Accept') ?? '').includes(NDJSON)
  if (wantsLines) {
    const stream = textStream(ndjsonParts(chunks, show))
    return c.body(stream, 200, { ...headers, 'Content-Type': NDJSON })
  }
  if (words.limit === undefined && words.cursor === undefined) {
    const parts =
      words.format === 'iproute2'
        ? jsonArrayParts(chunks, show, '[', ']\n')
        : jsonArrayParts(chunks, show, '{"items":[', `],"next":null,"revision":${revision}}\n`)
    return c.body(textStream(parts), 200, headers)
  }
  const offset = words.cursor === undefined ? 0 : decodeCursor(words.cursor)
  const limit = words.limit ?? 1000
  const { items, more } = page(chunks, offset, limit)
  const next = more ? encodeCursor(offset + limit) : null
  const shown = items.map(show)
  if (words.format === 'iproute2')
    return c.json(
      shown,
      200,
      next === null ? headers : { ...headers, Link: `<?cursor=${next}>; rel="next"` }
    )
  return c.json({ items: shown, next, revision }, 200, headers)
}
