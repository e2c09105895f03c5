/**
 * A Response that is written without the runtime's: what most handlers make, a text with a few headers, is kept as it was
 * given, and a native Response made of it only when somebody asks for more. A thread of applications has it in the place
 * of the global one (`installWeb`), so that hono makes these. Application thread only.
 */
import { delegate } from './delegate.ts'
import { HttpRequest } from './request.ts'

const NativeResponse = globalThis.Response
const NativeRequest = globalThis.Request

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Header values that need no trimming and no check. */
const VALUE = /^(?:[!-~](?:[ -~]*[!-~])?)?$/
/** RFC 9110 6.4.1: what has no body. */
export const isBodiless = (status: number): boolean =>
  status === 204 || status === 304 || status === 205 || status < 200

/** Names (in small letters) and values by turns. */
export type Fields = readonly string[]
const NO_FIELDS: Fields = []
const TEXT_FIELDS: Fields = ['content-type', 'text/plain;charset=UTF-8']

/** What was given last, and its fields: most answers have those of the one before, and its list with what is known of it. */
let given: string[] = []
let givenFields: Fields = NO_FIELDS
let givenIsText = false
const isGiven = (init: Record<string, unknown>, isText: boolean): boolean => {
  let k = 0
  for (const name in init) {
    if (given[k] !== name || given[k + 1] !== init[name]) return false
    k += 2
  }
  return k === given.length && isText === givenIsText
}
/** Null for what the runtime is to judge. */
const plainFields = (init: HeadersInit | undefined, isText: boolean): Fields | null => {
  if (init === undefined) return isText ? TEXT_FIELDS : NO_FIELDS
  if (init instanceof Headers || Symbol.iterator in init) return null
  if (isGiven(init, isText)) return givenFields
  const all: string[] = []
  const fields: string[] = []
  for (const name in init) {
    const value: unknown = init[name]
    if (typeof value !== 'string' || !NAME.test(name) || !VALUE.test(value)) return null
    all.push(name, value)
    fields.push(name.toLowerCase(), value)
  }
  given = all
  givenIsText = isText
  givenFields = isText && !fields.includes('content-type') ? [...fields, ...TEXT_FIELDS] : fields
  return givenFields
}

type PlainResponse = {
  readonly status: number
  readonly statusText: string
  readonly headers: Fields
  readonly text: string | null
}

export class HttpResponse {
  readonly #text: string | null = null
  readonly #fields: Fields = NO_FIELDS
  readonly #status: number = 200
  #native: Response | undefined
  /** Its body is all there: a text, bytes, a file or a form, and no stream. */
  readonly isWhole: boolean = true

  constructor(body?: BodyInit | null, init: ResponseInit = {}) {
    const { status = 200, statusText = '', headers } = init
    // hono's html makes String objects
    const text = typeof body === 'string' || body instanceof String ? String(body) : null
    const isText = text !== null
    const fields = isText || body == null ? plainFields(headers, isText) : null
    const isPlain = status === 200 || (status > 200 && status < 600 && Number.isInteger(status))
    if (fields === null || !isPlain || statusText !== '' || (isText && isBodiless(status))) {
      this.#native = new NativeResponse(body, init)
      this.isWhole = !isStream(body)
      return
    }
    this.#text = text
    this.#status = status
    this.#fields = fields
  }
  /** What is to be sent, when nobody has asked for a native one. */
  get plain(): PlainResponse | null {
    if (this.#native !== undefined) return null
    return { status: this.#status, statusText: '', headers: this.#fields, text: this.#text }
  }
  get native(): Response {
    return (this.#native ??= new NativeResponse(this.#text, {
      status: this.#status,
      headers: pairs(this.#fields),
    }))
  }
  get status(): number {
    return this.#native?.status ?? this.#status
  }
  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }
  static isOne(value: unknown): value is HttpResponse {
    return typeof value === 'object' && value !== null && #text in value
  }
  /** To whoever asks, a native one is a Response as well. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof NativeResponse
  }
}

const pairs = (list: Fields): [string, string][] =>
  Array.from({ length: list.length / 2 }, (_, k) => [list[2 * k], list[2 * k + 1]])

/** A body that comes by and by. */
const isStream = (body: unknown): boolean =>
  body instanceof ReadableStream ||
  (typeof body === 'object' && body !== null && Symbol.asyncIterator in body)

delegate(HttpResponse, NativeResponse)

/** Makes the light ones this thread's Response, and lets its Request be made of a light one. */
export const installWeb = (): void => {
  for (const name of ['json', 'redirect', 'error'] as const)
    Object.defineProperty(HttpResponse, name, { value: NativeResponse[name].bind(NativeResponse) })
  class Request extends NativeRequest {
    constructor(input: RequestInfo | URL | HttpRequest, init?: RequestInit) {
      super(input instanceof HttpRequest ? input.native : input, init)
    }
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof NativeRequest
    }
  }
  Object.assign(globalThis, { Request, Response: HttpResponse })
}
