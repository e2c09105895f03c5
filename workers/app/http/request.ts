/**
 * A request as the web's Request, made of what was read of it only when somebody asks: headers, signal, and all that few
 * handlers use. Application thread only.
 */
import { delegate } from './delegate.ts'
import type { RequestHead } from './head.ts'

type Body = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null

const NativeRequest = globalThis.Request

export class HttpRequest {
  readonly method: string
  readonly url: string
  readonly #lines: string
  readonly #body: Body
  #headers: Headers | undefined
  #aborter: AbortController | undefined
  #native: Request | undefined
  #isAborted = false

  constructor(head: RequestHead, url: string, body: Body) {
    this.method = head.method
    this.url = url
    this.#lines = head.headers
    this.#body = body
  }
  get headers(): Headers {
    return (this.#headers ??= this.#native?.headers ?? headersOf(this.#lines))
  }
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController()
    if (this.#isAborted) this.#aborter.abort()
    return this.#aborter.signal
  }
  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#body === null ? null : this.native.body
  }
  /** The runtime's own Request of the same. */
  get native(): Request {
    return (this.#native ??= new NativeRequest(this.url, {
      method: this.method,
      headers: this.headers,
      signal: this.signal,
      body: this.#body,
      duplex: 'half',
    } as RequestInit))
  }
  /** The peer has gone away, or waits no more. */
  abort(): void {
    this.#isAborted = true
    this.#aborter?.abort()
  }
}

delegate(HttpRequest, NativeRequest)

const headersOf = (lines: string): Headers => {
  const headers = new Headers()
  for (let at = 0; at < lines.length; ) {
    const colon = lines.indexOf(':', at)
    const end = lines.indexOf('\r\n', colon)
    // which takes the white space off
    headers.append(lines.slice(at, colon), lines.slice(colon + 1, end))
    at = end + 2
  }
  return headers
}

// The URL.

/** What the URL parser leaves as it is: nothing to encode, no fragment, no dot segments. */
const PLAIN_TARGET = /^\/[\w~!$&()*+,;=:@/?%.-]*$/
const DOTS = /\/(?:\.|%2e)/i
/** What URLs begin with, by the host that was asked for. */
const origins = new Map<string, string | null>()
const MOST_ORIGINS = 64

/** `http://` and the Host header as a URL has it; null when it is none. */
const originOf = (host: string): string | null => {
  const known = origins.get(host)
  if (known !== undefined) return known
  const isOne = !/[/?#@\\\s]/.test(host) && URL.canParse(`http://${host}/`)
  const origin = isOne ? `http://${new URL(`http://${host}/`).host}` : null
  if (origins.size >= MOST_ORIGINS) origins.clear()
  origins.set(host, origin)
  return origin
}

/** The request before: another for the same has the same URL. */
const before = { target: '', host: null as string | null, url: null as string | null }
/** RFC 9112 3.2: the target may be a whole URL. Null when it makes none. */
export const urlOf = ({ target, host }: RequestHead): string | null => {
  if (target !== before.target || host !== before.host) {
    before.url = makeUrl(target, host)
    before.target = target
    before.host = host
  }
  return before.url
}
const makeUrl = (target: string, host: string | null): string | null => {
  const origin = originOf(host || 'localhost')
  if (origin === null) return null
  if (PLAIN_TARGET.test(target) && !DOTS.test(target)) return origin + target
  const text = /^https?:\/\//i.test(target)
    ? target
    : origin + (target.startsWith('/') ? target : '/')
  return URL.canParse(text) ? new URL(text).href : null
}
