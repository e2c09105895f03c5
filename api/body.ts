/**
 * Bodies: one middleware reads them for every endpoint, counts the bytes that come rather than those that were announced,
 * waits no longer than a while, and takes only what says that it is JSON. Endpoints then have c.req.text() at hand. After
 * authentication, so that nobody's bytes are read who may not change anything.
 */
import type { MiddlewareHandler } from 'hono'
import { isRead } from './auth.ts'
import type { ApiEnv, BodyLimits } from './endpoints/deps.ts'
import { Problem, unreadable } from './problem.ts'

export const BODY_LIMITS: BodyLimits = { maxBytes: 64 * 1024 * 1024, withinMs: 30_000 }

const JSON_TYPE = /^application\/json\s*(;|$)/i
const NDJSON_TYPE = /^application\/x-ndjson\s*(;|$)/i

const tooLarge = (maxBytes: number): Problem =>
  new Problem('body-too-large', `Error: a body may have ${maxBytes} bytes.`, {
    headers: { Connection: 'close' },
  })

const tooSlow = (withinMs: number): Problem =>
  new Problem('body-too-slow', `Error: the body did not come within ${withinMs / 1000} s.`, {
    headers: { Connection: 'close' },
  })

/** What `read` gives of a body within the time; throws a problem where it comes too late, or breaks off. */
const inTime = async (
  withinMs: number,
  read: (late: Promise<never>) => Promise<Uint8Array>
): Promise<Uint8Array> => {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(tooSlow(withinMs)), withinMs)
  try {
    return await read(late.promise)
  } catch (error) {
    throw error instanceof Problem ? error : unreadable('Error: the body ended early.')
  } finally {
    clearTimeout(timer)
  }
}

/** All of a stream's bytes; throws a problem where they are too many or too late. */
export const readBytes = (
  body: ReadableStream<Uint8Array>,
  { maxBytes, withinMs }: BodyLimits
): Promise<Uint8Array> =>
  inTime(withinMs, async (late) => {
    const reader = body.getReader()
    const chunks: Uint8Array[] = []
    let length = 0
    try {
      for (;;) {
        const { done, value } = await Promise.race([reader.read(), late])
        if (done) return Buffer.concat(chunks, length)
        length += value.length
        if (length > maxBytes) throw tooLarge(maxBytes)
        chunks.push(value)
      }
    } catch (error) {
      // Not waited for: a reader whose sender has gone answers when it likes.
      reader.cancel().catch(() => {})
      throw error
    }
  })
/**
 * Of a body whose length was said within bounds, and the server reads no more than that. A stream for each request makes the engine
 * collect every twenty requests, this every five hundred.
 */
const readWhole = (request: Request, { maxBytes, withinMs }: BodyLimits): Promise<Uint8Array> =>
  inTime(withinMs, async (late) => {
    const bytes = await Promise.race([request.bytes(), late])
    if (bytes.length > maxBytes) throw tooLarge(maxBytes)
    return bytes
  })

const textOf = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw unreadable('Error: the body is no UTF-8.', [{ field: '', message: 'send JSON in UTF-8' }])
  }
}

const checkType = (type: string, path: string): void => {
  const isBatch = path.endsWith(':batch')
  if (JSON_TYPE.test(type) || (isBatch && NDJSON_TYPE.test(type))) return
  const wanted = isBatch ? 'application/x-ndjson' : 'application/json'
  throw new Problem('media-type', `Error: a body of type "${type}" is not understood.`, {
    errors: [{ field: 'Content-Type', message: `send ${wanted}` }],
    headers: { Accept: wanted },
  })
}

/** null: there is no body. */
const bytesOf = (request: Request, limits: BodyLimits): Promise<Uint8Array> | null => {
  const said = request.headers.get('Content-Length')
  if (said === null) return request.body && readBytes(request.body, limits)
  if (Number(said) > limits.maxBytes) throw tooLarge(limits.maxBytes)
  return readWhole(request, limits)
}

export const readBodies =
  (limits: BodyLimits): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    // A read has no use for a body, and anybody may send one.
    if (isRead(c.req.method)) return next()
    const bytes = await bytesOf(c.req.raw, limits)
    if (bytes === null) return next()
    const text = textOf(bytes)
    if (text !== '') checkType(c.req.header('Content-Type') ?? '', c.req.path)
    // hono keeps promises there, and its types say what they resolve to.
    c.req.bodyCache.text = Promise.resolve(text) as unknown as string
    // What the daemon does with it may take longer than a silent connection is kept.
    const release = c.env.keep?.()
    try {
      await next()
    } finally {
      release?.()
    }
  }
