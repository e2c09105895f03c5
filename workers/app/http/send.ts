/**
 * Writes a response: head and body in one piece where the body is all there, a stream only as fast as the peer takes it.
 * Application thread only. RFC 9112 6-7.
 */
import type { AppConnection } from '../connection.ts'
import { type Answering, headBytes, makeHead, putHead } from './answer-head.ts'
import { type Fields, HttpResponse } from './response.ts'
import { writeUtf8 } from '../text.ts'

/** The length that the headers promise, or null. */
const promised = (headers: Fields): number | null => {
  const at = headers.indexOf('content-length')
  return at >= 0 && /^\d{1,15}$/.test(headers[at + 1]) ? Number(headers[at + 1]) : null
}

/** Writes an answer whose body, if it has one, is at hand. */
const sendWhole = (
  connection: AppConnection,
  { status, statusText }: { status: number; statusText: string },
  headers: Fields,
  body: string | Uint8Array | null,
  answering: Answering
): void => {
  const bytes = body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length
  if (!answering.isHead) {
    const head = makeHead(status, statusText, headers, bytes, answering)
    putMessage(connection, head, body, bytes, !answering.keepAlive)
    return
  }
  const length = promised(headers) ?? (body === null ? null : bytes)
  const head = makeHead(status, statusText, headers, length, answering)
  putMessage(connection, head, null, 0, !answering.keepAlive)
}
/** The head that was made, and a body of `bytes`, in one piece where there is room for both. */
const putMessage = (
  connection: AppConnection,
  head: number,
  body: string | Uint8Array | null,
  bytes: number,
  isLast: boolean
): void => {
  const at = connection.beginMessage(head + bytes)
  if (at === 0) {
    connection.write(headBytes())
    if (body !== null) connection.write(typeof body === 'string' ? Buffer.from(body) : body)
    return
  }
  const bodyAt = putHead(connection.bytes, at)
  if (typeof body === 'string') writeUtf8(connection.bytes, body, bodyAt, bytes)
  else if (body !== null) connection.bytes.set(body, bodyAt)
  connection.endMessage(isLast)
}

/** Writes what needs nothing of the runtime; false when this is no such response. */
export const sendPlain = (
  connection: AppConnection,
  response: Response,
  answering: Answering
): boolean => {
  const plain = HttpResponse.isOne(response) ? response.plain : null
  if (plain === null) return false
  sendWhole(connection, plain, plain.headers, plain.text, answering)
  return true
}

/** Writes any response; `drained` resolves when the peer has taken some. False when the body was not what it promised. */
export const sendResponse = async (
  connection: AppConnection,
  response: Response,
  answering: Answering,
  drained: () => Promise<void>
): Promise<boolean> => {
  const headers: string[] = []
  response.headers.forEach((value, name) => {
    headers.push(name, value)
  })
  if (HttpResponse.isOne(response) && response.isWhole && !answering.isHead) {
    sendWhole(connection, response, headers, await response.bytes(), answering)
    return true
  }
  const { body } = response
  if (body === null || answering.isHead) {
    await body?.cancel()
    sendWhole(connection, response, headers, null, answering)
    return true
  }
  const reader = body.getReader()
  try {
    return await sendStream(connection, response, headers, reader, answering, drained)
  } catch (error) {
    void reader.cancel(error).catch(() => {})
    throw error
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>
const nextTurn = (): Promise<null> => new Promise((resolve) => setImmediate(() => resolve(null)))

const sendStream = async (
  connection: AppConnection,
  response: Response,
  headers: Fields,
  reader: Reader,
  answering: Answering,
  drained: () => Promise<void>
): Promise<boolean> => {
  const first = await reader.read()
  const second = first.done ? Promise.resolve(first) : reader.read()
  const length = promised(headers)
  // a body that is one chunk, as most are, needs no chunked coding; a stream is not kept waiting for its next
  const quick = length === null ? await Promise.race([second, nextTurn()]) : null
  if (quick?.done) {
    sendWhole(connection, response, headers, first.value ?? null, answering)
    return true
  }
  const framing = length ?? (answering.minor > 0 ? 'chunked' : 'close')
  makeHead(response.status, response.statusText, headers, framing, answering)
  answering.hasBegun = true
  connection.write(headBytes())
  let sent = 0
  let next: Promise<Awaited<typeof second>> | null = second
  for (let chunk = first; !chunk.done; chunk = await (next ?? reader.read()), next = null) {
    sent += chunk.value.length
    if (length !== null && sent > length) break
    if (framing !== 'chunked') connection.write(chunk.value)
    else if (chunk.value.length > 0) writeChunk(connection, chunk.value)
    while (connection.queued > 0 && connection.isOpen) await drained()
    if (!connection.isOpen) break
  }
  if (framing === 'chunked') connection.write(LAST_CHUNK)
  else if (length !== null && sent !== length) {
    await reader.cancel()
    return false
  }
  return true
}
const LAST_CHUNK = Buffer.from('0\r\n\r\n')
const CHUNK_END = Buffer.from('\r\n')
const writeChunk = (connection: AppConnection, bytes: Uint8Array): void => {
  connection.write(Buffer.from(`${bytes.length.toString(16)}\r\n`))
  connection.write(bytes)
  connection.write(CHUNK_END)
}
