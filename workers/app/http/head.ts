/**
 * Reads a request's head: one pass over its bytes that checks them all and notes what framing depends on. The other
 * headers stay text until somebody asks (request.ts). Strict where leniency has led servers and proxies to disagree:
 * lines end in CR LF, no folding, no space before a colon. Application thread only. RFC 9112 2-3, 6.
 */
import { latin1Of } from '../text.ts'

/** What a head said. One is filled over and over. */
export type RequestHead = {
  method: string
  target: string
  /** 1.0 or 1.1 (what is later and compatible is taken for 1.1). */
  minor: number
  /** The header lines, each with its end. */
  headers: string
  host: string | null
  /** -1 without one. */
  contentLength: number
  isChunked: boolean
  keepAlive: boolean
  expectsContinue: boolean
}
export const createHead = (): RequestHead => ({
  method: '',
  target: '',
  minor: 1,
  headers: '',
  host: null,
  contentLength: -1,
  isChunked: false,
  keepAlive: true,
  expectsContinue: false,
})

export const INCOMPLETE = 0
const BAD_REQUEST = -400
const EXPECTATION_FAILED = -417
const NOT_IMPLEMENTED = -501
const VERSION_NOT_SUPPORTED = -505

const [HT, LF, CR, SP, COLON, DEL] = [9, 10, 13, 32, 58, 127]
const [ZERO, ONE, NINE, DOT] = [48, 49, 57, 46]
const DIGIT = -1

/** RFC 9110 5.6.2. */
const isTchar = Uint8Array.from({ length: 256 }, (_, c) =>
  /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(c)) ? 1 : 0
)
/** RFC 9110 5.5, with obs-text. */
const isField = Uint8Array.from({ length: 256 }, (_, c) =>
  (c >= SP && c !== DEL) || c === HT ? 1 : 0
)

const codes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
const VERSION = codes('HTTP/')
const VERSION_REST = [DIGIT, DOT, DIGIT, CR, LF]
const [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT] = [
  codes('host'),
  codes('connection'),
  codes('content-length'),
  codes('transfer-encoding'),
  codes('expect'),
]
/** One text for each of the usual methods: what looks things up by it need not make and hash one for each request. */
const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']
const methodOf = (bytes: Uint8Array, from: number, to: number): string | null => {
  for (const method of METHODS) if (isText(bytes, from, to, method)) return method
  return null
}
const isText = (bytes: Uint8Array, from: number, to: number, text: string): boolean => {
  if (to - from !== text.length) return false
  for (let k = 0; k < text.length; k++) if (bytes[from + k] !== text.charCodeAt(k)) return false
  return true
}
/** True when the name at `at` is `name`, which is in small letters; lengths are equal. */
const isNamed = (bytes: Uint8Array, at: number, name: Uint8Array): boolean => {
  for (let k = 0; k < name.length; k++) if ((bytes[at + k] | 32) !== name[k]) return false
  return true
}
/** What of the framing a header of this length may be about. */
const framingHeader = (bytes: Uint8Array, at: number, length: number): Uint8Array | null => {
  const name =
    length === 4
      ? HOST
      : length === 10
        ? CONNECTION
        : length === 14
          ? CONTENT_LENGTH
          : length === 17
            ? TRANSFER_ENCODING
            : length === 6
              ? EXPECT
              : null
  return name !== null && isNamed(bytes, at, name) ? name : null
}

/** The end of the head at `from`, INCOMPLETE, or -status to refuse it with. */
export const readHead = (bytes: Buffer, from: number, to: number, head: RequestHead): number => {
  let p = from
  // RFC 9112 2.2: empty lines before a request do no harm
  while (p + 1 < to && bytes[p] === CR && bytes[p + 1] === LF) p += 2
  if (p === to || (bytes[p] === CR && p + 1 === to)) return INCOMPLETE
  const methodAt = p
  while (p < to && isTchar[bytes[p]] !== 0) p++
  if (p === to) return INCOMPLETE
  if (bytes[p] !== SP || p === methodAt) return BAD_REQUEST
  const targetAt = ++p
  while (p < to && bytes[p] > SP && bytes[p] !== DEL) p++
  if (p === to) return INCOMPLETE
  if (bytes[p] !== SP || p === targetAt) return BAD_REQUEST
  const targetEnd = p++
  const lines = readVersion(bytes, p, to, head)
  if (lines <= 0) return lines
  head.host = null
  hostAt = 0
  head.contentLength = -1
  head.isChunked = false
  head.keepAlive = head.minor > 0
  head.expectsContinue = false
  const end = readLines(bytes, lines, to, head)
  if (end <= 0) return end
  // one text, of which the others are parts: a call costs more than its bytes
  const text = latin1Of(bytes, methodAt, end - 2)
  head.method = methodOf(bytes, methodAt, targetAt - 1) ?? text.slice(0, targetAt - 1 - methodAt)
  if (!isText(bytes, targetAt, targetEnd, lastTarget))
    lastTarget = latin1Of(bytes, targetAt, targetEnd)
  head.target = lastTarget
  head.headers = text.slice(lines - methodAt)
  if (hostAt !== 0) {
    if (!isText(bytes, hostAt, hostEnd, lastHost)) lastHost = latin1Of(bytes, hostAt, hostEnd)
    head.host = lastHost
  }
  return checkFraming(head) ?? end
}

/** The version and the end of its line; where the next one begins. */
const readVersion = (bytes: Buffer, at: number, to: number, head: RequestHead): number => {
  for (let k = 0; k < VERSION.length; k++) {
    if (at + k === to) return INCOMPLETE
    if (bytes[at + k] !== VERSION[k]) return BAD_REQUEST
  }
  const p = at + VERSION.length
  for (let k = 0; k < VERSION_REST.length; k++) {
    if (p + k === to) return INCOMPLETE
    const c = bytes[p + k]
    if (VERSION_REST[k] === DIGIT ? c < ZERO || c > NINE : c !== VERSION_REST[k]) return BAD_REQUEST
  }
  if (bytes[p] !== ONE) return VERSION_NOT_SUPPORTED
  head.minor = bytes[p + 2] === ZERO ? 0 : 1
  return p + VERSION_REST.length
}

/** The header lines at `at` up to and with the empty one; where that ends. */
const readLines = (bytes: Buffer, at: number, to: number, head: RequestHead): number => {
  let p = at
  for (;;) {
    if (p === to) return INCOMPLETE
    if (bytes[p] === CR) {
      if (p + 1 === to) return INCOMPLETE
      return bytes[p + 1] === LF ? p + 2 : BAD_REQUEST
    }
    const name = p
    while (p < to && isTchar[bytes[p]] !== 0) p++
    if (p === to) return INCOMPLETE
    if (bytes[p] !== COLON || p === name) return BAD_REQUEST
    const nameEnd = p++
    const value = p
    while (p < to && isField[bytes[p]] !== 0) p++
    if (p === to || (bytes[p] === CR && p + 1 === to)) return INCOMPLETE
    if (bytes[p] !== CR || bytes[p + 1] !== LF) return BAD_REQUEST
    const framing = framingHeader(bytes, name, nameEnd - name)
    if (framing === HOST) {
      if (hostAt !== 0) return BAD_REQUEST
      trim(bytes, value, p)
      hostAt = trimmedFrom
      hostEnd = trimmedTo
    } else if (framing !== null) {
      const refused = noteFraming(framing, textOf(bytes, value, p), head)
      if (refused !== 0) return refused
    }
    p += 2
  }
}

/** A value without the white space around it. */
const textOf = (bytes: Buffer, from: number, to: number): string => {
  trim(bytes, from, to)
  return latin1Of(bytes, trimmedFrom, trimmedTo)
}
let trimmedFrom = 0
let trimmedTo = 0
const trim = (bytes: Buffer, from: number, to: number): void => {
  let a = from
  let b = to
  while (a < b && (bytes[a] === SP || bytes[a] === HT)) a++
  while (b > a && (bytes[b - 1] === SP || bytes[b - 1] === HT)) b--
  trimmedFrom = a
  trimmedTo = b
}
// Where the value of the Host header lies; 0 where there is none yet.
let hostAt = 0
let hostEnd = 0
/** Many requests ask for what the one before did, most of the same host: one text for all of them, which is hashed once. */
let lastTarget = ''
let lastHost = ''

/** 0, or -status. */
const noteFraming = (name: Uint8Array, value: string, head: RequestHead): number => {
  switch (name) {
    case CONTENT_LENGTH:
      if (head.contentLength >= 0 || !/^\d{1,15}$/.test(value)) return BAD_REQUEST
      head.contentLength = Number(value)
      return 0
    case TRANSFER_ENCODING:
      // RFC 9112 6.1, 6.3: what does not end in chunked has no length; what has more than that we do not undo
      if (head.isChunked || !/(^|[ \t,])chunked$/i.test(value)) return BAD_REQUEST
      if (!/^chunked$/i.test(value)) return NOT_IMPLEMENTED
      head.isChunked = true
      return 0
    case EXPECT:
      if (!/^100-continue$/i.test(value)) return EXPECTATION_FAILED
      head.expectsContinue = true
      return 0
  }
  if (/(^|[ \t,])close($|[ \t,])/i.test(value)) head.keepAlive = false
  else if (/(^|[ \t,])keep-alive($|[ \t,])/i.test(value)) head.keepAlive = true
  return 0
}

/** What is wrong with it all together: -status, or null. RFC 9112 3.2, 6.1. */
const checkFraming = (head: RequestHead): number | null => {
  if (head.host === null && head.minor > 0) return BAD_REQUEST
  if (head.isChunked && (head.contentLength >= 0 || head.minor === 0)) return BAD_REQUEST
  return null
}
