/**
 * Writes a response: head and body in one piece where the body is all there, a stream only as fast as the peer takes it.
 * Application thread only. RFC 9112 6-7.
 */
import { STATUS_CODES } from 'node:http'
import type { AppConnection } from './connection.ts'
import { type Fields, HttpResponse, isBodiless } from './http-response.ts'

/** What of the request and its connection has to do with the answer. */
export type Answering = {
  isHead: boolean
  minor: number
  /** Whether the connection goes on; an answer may end that. */
  keepAlive: boolean
  keepAliveSeconds: number
  /** A head has been written whose body is yet to come. */
  hasBegun: boolean
}
/** The answer's promise of a length: bytes, chunks, or that the end of the connection is its end. */
type Length = number | 'chunked' | 'close' | null

/** What is the server's to say. */
const NOT_THEIRS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length'])

let dateSecond = 0
let dateTimeout = 0
let goesOn = ''
let ends = ''
/** The last lines of a head, the same for a second: RFC 9110 6.6.1, RFC 9112 9.3. */
const lastLines = ({ keepAlive, keepAliveSeconds }: Answering): string => {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond || keepAliveSeconds !== dateTimeout) {
    dateSecond = second
    dateTimeout = keepAliveSeconds
    const date = `date: ${new Date(second * 1000).toUTCString()}\r\n`
    goesOn = `${date}connection: keep-alive\r\nkeep-alive: timeout=${keepAliveSeconds}\r\n\r\n`
    ends = `${date}connection: close\r\n\r\n`
  }
  return keepAlive ? goesOn : ends
}

/** The first lines of the answer before: where its fields are the same list, they are those of this one. */
const first = { status: 0, text: '', fields: [] as Fields, lines: '', closes: false }
/** The status line, and the fields that are theirs to say; whether these end the connection. */
const firstLines = (status: number, text: string, fields: Fields): typeof first => {
  if (fields === first.fields && status === first.status && text === first.text) return first
  let lines = `HTTP/1.1 ${status} ${text || (STATUS_CODES[status] ?? '')}\r\n`
  first.closes = false
  for (let k = 0; k < fields.length; k += 2) {
    const [name, value] = [fields[k], fields[k + 1]]
    if (!NOT_THEIRS.has(name)) lines += `${name}: ${value}\r\n`
    else if (name === 'connection' && value.toLowerCase() === 'close') first.closes = true
  }
  return Object.assign(first, { status, text, fields, lines })
}

/** The length that the headers promise, or null. */
const promised = (headers: Fields): number | null => {
  const at = headers.indexOf('content-length')
  return at >= 0 && /^\d{1,15}$/.test(headers[at + 1]) ? Number(headers[at + 1]) : null
}
const headOf = (
  status: number,
  text: string,
  headers: Fields,
  length: Length,
  answering: Answering
): string => {
  const { lines, closes } = firstLines(status, text, headers)
  if (closes || length === 'close') answering.keepAlive = false
  const last = lastLines(answering)
  if (length === 'chunked') return `${lines}transfer-encoding: chunked\r\n${last}`
  if (length === 'close' || length === null || isBodiless(status)) return lines + last
  return `${lines}content-length: ${length}\r\n${last}`
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
    const head = headOf(status, statusText, headers, bytes, answering)
    connection.writeMessage(head, body ?? '', bytes, !answering.keepAlive)
    return
  }
  const length = promised(headers) ?? (body === null ? null : bytes)
  const head = headOf(status, statusText, headers, length, answering)
  connection.writeMessage(head, '', 0, !answering.keepAlive)
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
  const head = headOf(response.status, response.statusText, headers, framing, answering)
  answering.hasBegun = true
  connection.write(Buffer.from(head, 'latin1'))
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
