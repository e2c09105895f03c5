/**
 * A request's body as it comes: takes the framing off (a length, or chunks) and gives the bytes to a stream that is read
 * only as fast as the handler reads. Application thread only. RFC 9112 6-7.
 */

export type BodyLimits = { maxBytes: number; maxLineBytes: number }
/** Called to stop and to go on reading the connection. */
export type Flow = { pause: () => void; resume: () => void }

const Part = { size: 0, extension: 1, data: 2, dataEnd: 3, trailer: 4, done: 5 } as const
const [LF, CR] = [10, 13]
/** What may follow the size of a chunk: ; SP HT CR. */
const SIZE_ENDS = new Set([59, 32, 9, CR, LF])

const hexOf = (c: number): number =>
  c >= 48 && c <= 57 ? c - 48 : (c | 32) >= 97 && (c | 32) <= 102 ? (c | 32) - 87 : -1

export class RequestBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  /** It is longer than it may be: what comes is no more looked at. */
  isTooLarge = false
  isBad = false
  readonly #limits: BodyLimits
  readonly #isChunked: boolean
  readonly #flow: Flow
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
  #isWanted = true
  #part: number
  /** Bytes of the body, or of the chunk, to come. */
  #left: number
  #total = 0
  #digits = 0
  #lineBytes = 0

  /** `length` is -1 for chunks. */
  constructor(length: number, limits: BodyLimits, flow: Flow) {
    this.#limits = limits
    this.#flow = flow
    this.#isChunked = length < 0
    this.#part = this.#isChunked ? Part.size : Part.data
    this.#left = Math.max(0, length)
    this.stream = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => flow.resume(),
        cancel: () => this.discard(),
      },
      { highWaterMark: 0 }
    )
  }

  get isDone(): boolean {
    return this.#part === Part.done
  }
  /** Nobody reads it: what is still to come is thrown away. */
  discard(): void {
    this.#isWanted = false
    this.#flow.resume()
  }
  /** It will not come whole. */
  fail(error: Error): void {
    if (this.#isWanted) this.#controller.error(error)
    this.discard()
  }
  /** Takes what is the body's of the bytes from `from` to `to`; where that ends. */
  feed(bytes: Buffer, from: number, to: number): number {
    let p = from
    while (p < to && !this.isDone && !this.isBad && !this.isTooLarge)
      p = this.#part === Part.data ? this.#feedData(bytes, p, to) : this.#feedFraming(bytes[p++], p)
    return p
  }
  #feedData(bytes: Buffer, from: number, to: number): number {
    const n = Math.min(this.#left, to - from)
    this.#total += n
    if (this.#total > this.#limits.maxBytes) {
      this.#tooLarge()
      return from
    }
    if (this.#isWanted) {
      const chunk = new Uint8Array(n)
      chunk.set(bytes.subarray(from, from + n))
      this.#controller.enqueue(chunk)
      if ((this.#controller.desiredSize ?? 0) <= 0) this.#flow.pause()
    }
    this.#left -= n
    if (this.#left === 0) {
      if (this.#isChunked) this.#part = Part.dataEnd
      else this.#end()
    }
    return from + n
  }
  #tooLarge(): void {
    this.isTooLarge = true
    this.fail(new Error('the body is too large'))
  }
  #end(): void {
    this.#part = Part.done
    if (this.#isWanted) this.#controller.close()
    this.discard()
  }
  #bad(): void {
    this.isBad = true
    this.fail(new Error('the body is not well formed'))
  }
  /** One character between chunks; the place behind it comes back. */
  #feedFraming(c: number, next: number): number {
    if (++this.#lineBytes > this.#limits.maxLineBytes) this.#bad()
    else if (this.#part === Part.dataEnd) this.#dataEnd(c)
    else if (this.#part === Part.trailer) this.#trailer(c)
    else this.#size(c)
    return next
  }
  #dataEnd(c: number): void {
    // #digits counts the CR
    if (c === CR && this.#digits === 0) this.#digits = 1
    else if (c === LF && this.#digits === 1) this.#line(Part.size)
    else this.#bad()
  }
  #line(part: number): void {
    this.#part = part
    this.#digits = 0
    this.#lineBytes = 0
  }
  #size(c: number): void {
    const digit = this.#part === Part.size ? hexOf(c) : -1
    if (digit >= 0) {
      this.#left = this.#left * 16 + digit
      // more than any limit, and still exact
      if (++this.#digits > 12) this.#bad()
    } else if (this.#digits === 0 || (this.#part === Part.size && !SIZE_ENDS.has(c))) this.#bad()
    else if (c === LF) this.#sizeEnd()
    else if (this.#cr || (c < 32 && c !== CR && c !== 9)) this.#bad()
    else {
      this.#cr = c === CR
      this.#part = Part.extension
    }
  }
  #cr = false
  #sizeEnd(): void {
    if (!this.#cr) return this.#bad()
    this.#cr = false
    this.#line(this.#left > 0 ? Part.data : Part.trailer)
  }
  /** Trailers are read over; #digits counts the characters of the line. */
  #trailer(c: number): void {
    if (c === LF) {
      if (!this.#cr) return this.#bad()
      if (this.#digits === 0) return this.#end()
      this.#digits = 0
    } else if (this.#cr) return this.#bad()
    else if (c !== CR) this.#digits++
    this.#cr = c === CR
  }
}
