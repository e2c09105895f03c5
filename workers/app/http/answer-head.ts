/**
 * The head of an answer as octets, in three parts: the status line and the application's fields, which are those of the answer
 * before where they are the same list; a length; the last lines, which are the same for a second. Application thread only.
 * RFC 9112 4-6.
 */
import { STATUS_CODES } from 'node:http'
import { type Fields, isBodiless } from './response.ts'
import { writeLatin1 } from '../text.ts'
import { nowMs } from '../turn-time.ts'

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
const octets = (text: string): Buffer => Buffer.from(text, 'latin1')
const NONE = octets('')

/** The first lines of the answer before, and what they end with: a length follows, chunks do, or nothing is said of it. */
const first = { status: 0, text: '', fields: [] as Fields, end: '', closes: false, octets: NONE }
const SIZED = '\r\ncontent-length: '
const CHUNKED = '\r\ntransfer-encoding: chunked'
const readFirst = (status: number, text: string, fields: Fields, end: string): void => {
  const isOfBefore = fields === first.fields && status === first.status && text === first.text
  if (isOfBefore && end === first.end) return
  let lines = `HTTP/1.1 ${status} ${text || (STATUS_CODES[status] ?? '')}`
  first.closes = false
  for (let k = 0; k < fields.length; k += 2) {
    const [name, value] = [fields[k], fields[k + 1]]
    if (!NOT_THEIRS.has(name)) lines += `\r\n${name}: ${value}`
    else if (name === 'connection' && value.toLowerCase() === 'close') first.closes = true
  }
  first.status = status
  first.text = text
  first.fields = fields
  first.end = end
  first.octets = octets(lines + end)
}

/** The last lines of this second. RFC 9110 6.6.1, RFC 9112 9.3. */
const last = { second: 0, timeout: 0, goesOn: NONE, ends: NONE }
const readLast = (timeout: number): void => {
  const second = Math.floor(nowMs() / 1000)
  if (second === last.second && timeout === last.timeout) return
  const date = `\r\ndate: ${new Date(second * 1000).toUTCString()}\r\nconnection: `
  const goesOn = octets(`${date}keep-alive\r\nkeep-alive: timeout=${timeout}\r\n\r\n`)
  Object.assign(last, { second, timeout, goesOn, ends: octets(`${date}close\r\n\r\n`) })
}

/** Filled by one answer after the other. */
const head = { first: NONE, digits: '', last: NONE }
/** Makes the head of an answer, for the calls below; how long it is. */
export const makeHead = (
  status: number,
  text: string,
  fields: Fields,
  length: Length,
  answering: Answering
): number => {
  const isSized = typeof length === 'number' && !isBodiless(status)
  readFirst(status, text, fields, isSized ? SIZED : length === 'chunked' ? CHUNKED : '')
  readLast(answering.keepAliveSeconds)
  if (first.closes || length === 'close') answering.keepAlive = false
  head.first = first.octets
  head.digits = isSized ? String(length) : ''
  head.last = answering.keepAlive ? last.goesOn : last.ends
  return head.first.length + head.digits.length + head.last.length
}
/** Puts it at `at`; where it ends. */
export const putHead = (bytes: Buffer, at: number): number => {
  const digitsAt = at + head.first.length
  const lastAt = digitsAt + head.digits.length
  bytes.set(head.first, at)
  writeLatin1(bytes, head.digits, digitsAt)
  bytes.set(head.last, lastAt)
  return lastAt + head.last.length
}
export const headBytes = (): Buffer => Buffer.concat([head.first, octets(head.digits), head.last])
