/**
 * One connection of the HTTP server: takes requests out of its bytes, one after the other, has each answered, and knows
 * what it is waiting for and since when. Requests that come before their turn wait as bytes, and when they are many the
 * peer's window closes. Application thread only. RFC 9112.
 */
import { STATUS_CODES } from 'node:http'
import type { AppConnection, ConnectionUser } from '../connection.ts'
import { RequestBody } from './body.ts'
import { createHead, INCOMPLETE, readHead } from './head.ts'
import { HttpRequest, urlOf } from './request.ts'
import { Inbox } from '../inbox.ts'
import { sendPlain, sendResponse } from './send.ts'
import type { Answering } from './answer-head.ts'
import { nowMs } from '../turn-time.ts'

/** What the fetch function is told of the connection, as hono's env. */
type ConnectionInfo = {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly worker: number
}
export type HttpRules = {
  fetch: (request: Request, connection: ConnectionInfo) => Response | Promise<Response>
  /** Largest request body; more is answered with 413. */
  maxBodyBytes: number
  maxHeaderBytes: number
  /** How long a request's header, and its whole, may take; and how long a connection may be idle after one. */
  headersTimeoutMs: number
  requestTimeoutMs: number
  keepAliveTimeoutMs: number
  /** How long a peer may take nothing of what it is sent. */
  stallTimeoutMs: number
  /** Told of errors that the fetch function threw. */
  onError: (error: unknown) => void
}

/** What a method may not have in the web's Request, and what we do not do. */
const NOT_DONE = new Set(['CONNECT', 'TRACE', 'TRACK'])
/** A method may say so, but a Request of it has no body. */
const BODILESS = new Set(['GET', 'HEAD'])
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')
/** Filled by one reading of a head after the other. */
const head = createHead()

export class HttpConnection implements ConnectionUser {
  readonly #rules: HttpRules
  readonly #connection: AppConnection
  /** All of the arena. */
  readonly #bytes: Buffer
  readonly #info: ConnectionInfo
  readonly #answering: Answering
  /** Bytes whose turn has not come. */
  #waiting: Inbox | null = null
  #isTaking = false
  #request: HttpRequest | null = null
  /** Rises with each answer, so that one that is late finds it is not waited for. */
  #turn = 0
  /** The body that is coming, also after its request was answered. */
  #body: RequestBody | null = null
  #hasEnded = false
  #isClosing = false
  #drained: (() => void) | null = null
  // for the time-outs: since when it waits for what it waits for
  #since: number
  #isFresh = true
  #bytesTaken = 0
  #tookAt: number

  constructor(rules: HttpRules, connection: AppConnection, bytes: Buffer, now: number) {
    this.#rules = rules
    this.#connection = connection
    this.#bytes = bytes
    this.#info = new Info(connection)
    const keepAliveSeconds = Math.ceil(rules.keepAliveTimeoutMs / 1000)
    this.#answering = {
      isHead: false,
      minor: 1,
      keepAlive: true,
      keepAliveSeconds,
      hasBegun: false,
    }
    this.#since = now
    this.#tookAt = now
  }

  // What the connection says.

  connected(): void {}
  received(from: number, length: number): void {
    if (this.#isClosing) return
    if (this.#waiting !== null) {
      this.#waiting.append(this.#bytes, from, from + length)
      this.#goOn()
      return
    }
    const used = this.#take(this.#bytes, from, from + length)
    if (used < from + length) this.#keep(this.#bytes, used, from + length)
  }
  ended(): void {
    this.#hasEnded = true
    if (this.#isClosing) this.#connection.closeDrained()
    else if (this.#body !== null) this.#cut()
    // half-closed, it still gets the answers to what it asked
    else if (this.#request === null) this.end()
  }
  failed(): void {
    this.#connection.close()
    this.#abandon()
  }
  taken(): void {
    const drained = this.#drained
    this.#drained = null
    drained?.()
  }
  shut(): void {}

  // Requests.

  /** Waits until it is the turn of the bytes from `from` to `to`. */
  #keep(bytes: Buffer, from: number, to: number): void {
    if (this.#isClosing) return
    if (this.#request === null) this.#since = nowMs()
    else this.#connection.pause()
    this.#waiting = new Inbox()
    this.#waiting.append(bytes, from, to)
  }
  /** Takes what it can of what waits. */
  #goOn(): void {
    const waiting = this.#waiting
    if (waiting === null || this.#isTaking) return
    waiting.from = this.#take(waiting.bytes, waiting.from, waiting.to)
    if (waiting.from === waiting.to) this.#waiting = null
    if (this.#waiting === null || this.#request === null) this.#connection.resume()
    else this.#connection.pause()
  }
  /** Takes requests and bodies out of the bytes from `from` to `to`; where what it leaves begins. */
  #take(bytes: Buffer, from: number, to: number): number {
    this.#isTaking = true
    let at = from
    while (at < to && !this.#isClosing) {
      if (this.#body !== null) at = this.#feed(this.#body, bytes, at, to)
      else if (this.#request !== null) break
      else {
        const end = readHead(bytes, at, to, head)
        const size = (end > 0 ? end : to) - at
        if (size > this.#rules.maxHeaderBytes) this.#refuse(431)
        else if (end === INCOMPLETE) break
        else if (end < 0) this.#refuse(-end)
        else at = this.#begin(bytes, end, to)
      }
    }
    this.#isTaking = false
    return this.#isClosing ? to : at
  }
  #feed(body: RequestBody, bytes: Buffer, from: number, to: number): number {
    const at = body.feed(bytes, from, to)
    if (body.isDone) {
      this.#body = null
      if (this.#request === null) this.#since = nowMs()
    } else if (body.isBad) this.#refuse(400)
    else if (body.isTooLarge) this.#refuse(413)
    return at
  }
  /** A head was read, and `at` is where its body would begin; where the next request does, if this has come whole. */
  #begin(bytes: Buffer, at: number, to: number): number {
    const { method, contentLength, isChunked, minor, keepAlive } = head
    this.#isFresh = false
    const url = urlOf(head)
    if (NOT_DONE.has(method)) return this.#refuseAt(501, to)
    if (url === null) return this.#refuseAt(400, to)
    if (contentLength > this.#rules.maxBodyBytes) return this.#refuseAt(413, to)
    this.#answering.isHead = method === 'HEAD'
    this.#answering.minor = minor
    this.#answering.keepAlive = keepAlive
    if (!isChunked && contentLength <= 0) {
      this.#answer(new HttpRequest(head, url, null))
      return at
    }
    if (!isChunked && contentLength <= to - at) {
      const whole = new Uint8Array(contentLength)
      whole.set(bytes.subarray(at, at + contentLength))
      this.#answer(new HttpRequest(head, url, BODILESS.has(method) ? null : whole))
      return at + contentLength
    }
    if (head.expectsContinue && at === to && minor > 0) this.#connection.write(CONTINUE)
    const { maxBodyBytes: maxBytes, maxHeaderBytes: maxLineBytes } = this.#rules
    const body = new RequestBody(
      isChunked ? -1 : contentLength,
      { maxBytes, maxLineBytes },
      this.#connection
    )
    this.#body = body
    if (BODILESS.has(method)) body.discard()
    this.#answer(new HttpRequest(head, url, BODILESS.has(method) ? null : body.stream))
    return at
  }

  // Answers.

  #answer(request: HttpRequest): void {
    this.#request = request
    this.#answering.hasBegun = false
    this.#since = nowMs()
    const turn = ++this.#turn
    try {
      const response = this.#rules.fetch(request as unknown as Request, this.#info)
      if ('then' in response)
        response.then(
          (each) => this.#respond(each, turn),
          (error) => this.#fail(error, turn)
        )
      else this.#respond(response, turn)
    } catch (error) {
      this.#fail(error, turn)
    }
  }
  #respond(response: Response, turn: number): void {
    if (turn !== this.#turn) {
      // nobody waits for it any more
      response?.body?.cancel().catch(() => {})
      return
    }
    if (sendPlain(this.#connection, response, this.#answering)) this.#answered()
    else
      sendResponse(this.#connection, response, this.#answering, () => this.#drain()).then(
        (isWhole) => this.#sent(isWhole, turn),
        (error) => this.#fail(error, turn)
      )
  }
  #drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }
  #sent(isWhole: boolean, turn: number): void {
    if (turn !== this.#turn) return
    if (isWhole) this.#answered()
    else this.#cut()
  }
  /** The handler threw, or the body of its answer did. */
  #fail(error: unknown, turn: number): void {
    if (turn !== this.#turn) return
    this.#rules.onError(error)
    this.#refuse(500)
  }
  #answered(): void {
    this.#request = null
    this.#since = nowMs()
    if (!this.#answering.keepAlive) return this.end()
    // what the handler did not read is in the way of the next request
    this.#body?.discard()
    this.#goOn()
    if (this.#hasEnded && this.#request === null) this.end()
  }
  /** Abandons what goes on: the handler is told, and nothing of it is waited for. */
  #abandon(): void {
    this.#isClosing = true
    this.#since = nowMs()
    this.#turn++
    this.#request?.abort()
    this.#request = null
    this.#body?.fail(new Error('the connection has ended'))
    this.#waiting = null
    this.taken()
  }
  /** Ends the connection when all is sent. */
  end(): void {
    const isHalfRead = this.#body !== null
    this.#abandon()
    if (isHalfRead) this.#linger()
    else this.#connection.closeDrained()
  }
  /** A reset, which a close with bytes unread is, might overtake the answer: the peer is heard out. RFC 9112 9.6. */
  #linger(): void {
    this.#connection.shutdown()
    this.#connection.resume()
    if (this.#hasEnded) this.#connection.closeDrained()
  }
  /** What was promised cannot be kept: the peer must see that it is not whole. */
  #cut(): void {
    this.#abandon()
    this.#connection.abort()
  }
  /** Answers without the fetch function, and ends the connection. */
  #refuse(status: number): void {
    if (this.#answering.hasBegun) return this.#cut()
    const { isHead } = this.#answering
    this.#abandon()
    const text = `${STATUS_CODES[status]}\n`
    this.#connection.write(
      Buffer.from(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain\r\n` +
          `content-length: ${text.length}\r\nconnection: close\r\n\r\n${isHead ? '' : text}`
      )
    )
    this.#linger()
  }
  #refuseAt(status: number, at: number): number {
    this.#refuse(status)
    return at
  }

  // Time-outs.

  /** Ends what takes too long; called now and then. */
  check(now: number): void {
    if (this.#stalls(now)) return this.#cut()
    // a peer that takes its time over an answer is not idle
    if (this.#connection.untaken > 0 && this.#request === null) this.#since = now
    const waited = now - this.#since
    if (this.#isClosing) {
      if (waited > this.#rules.keepAliveTimeoutMs) this.#connection.close()
      return
    }
    const status = this.#overdue(waited)
    if (status > 0) this.#refuse(status)
    else if (status === 0) this.end()
  }
  /** True when the peer has taken nothing of what it is sent for too long. */
  #stalls(now: number): boolean {
    const { untaken, bytesTaken } = this.#connection
    if (untaken === 0 || bytesTaken !== this.#bytesTaken) {
      this.#bytesTaken = bytesTaken
      this.#tookAt = now
      return false
    }
    return now - this.#tookAt > this.#rules.stallTimeoutMs
  }
  /** The status to end with, 0 without one, or -1 when it may go on. */
  #overdue(waited: number): number {
    const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = this.#rules
    if (this.#body !== null) return waited > requestTimeoutMs ? 408 : -1
    if (this.#request !== null) return -1
    if (this.#waiting !== null) return waited > headersTimeoutMs ? 408 : -1
    return waited > (this.#isFresh ? headersTimeoutMs : keepAliveTimeoutMs) ? 0 : -1
  }
}

class Info implements ConnectionInfo {
  readonly #connection: AppConnection
  constructor(connection: AppConnection) {
    this.#connection = connection
  }
  get localAddress(): string {
    return this.#connection.local?.address ?? ''
  }
  get localPort(): number {
    return this.#connection.local?.port ?? 0
  }
  get remoteAddress(): string {
    return this.#connection.remote?.address ?? ''
  }
  get remotePort(): number {
    return this.#connection.remote?.port ?? 0
  }
  get worker(): number {
    return this.#connection.worker
  }
}
