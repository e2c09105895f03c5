/**
 * A stream socket of an application: shaped like Node's net.Socket, over one sid. Bytes go out in skbs of this thread's
 * pool, as many as SEND_WINDOW at a time, and come in as far as the credit goes that was granted; both are returned
 * only when the other side has used them, so write() answers false and a paused socket closes the peer's window.
 */
import { Duplex, type DuplexOptions } from 'node:stream'
import { Errno } from '../../core/base/errno.ts'
import { LARGE_BYTES } from '../../core/shm/layout.ts'
import { MAX_HEADER, SKB_DATA, SKB_END } from '../../core/skb/skb.ts'
import {
  AppOp,
  CLOSE_ABORT,
  CLOSE_NOW,
  E_ADDR,
  E_ARG0,
  E_LPORT,
  E_PORT,
} from '../../core/socket/app-constants.ts'
import {
  SHUT_WR,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { SOCK_STREAM } from '../../core/socket/sock.ts'
import { addressAt, familyOf, wordsOf, type AddressInfo } from './address.ts'
import type { Endpoint, Engine } from './engine.ts'
import { netError } from './errors.ts'

/** Bytes a socket may have on the way to its worker, and the worker on the way to it. */
const SEND_WINDOW = 256 * 1024
export const RECV_WINDOW = 256 * 1024
/** Credit goes back when so much was used, so that small messages do not cost a record each. */
const GRANT_AT = RECV_WINDOW / 4
const SEGMENT = Math.min(65536, LARGE_BYTES - MAX_HEADER)

type Callback = (error?: Error | null) => void
type Write = { chunks: Buffer[]; index: number; offset: number; done: Callback }

export type SocketOptions = DuplexOptions & { worker?: number }
export type ConnectOptions = { port: number; host?: string }

/** Node's two ways to call connect(). */
export type ConnectArgs =
  | [options: ConnectOptions, connected?: () => void]
  | [port: number, host?: string | (() => void), connected?: () => void]

const readConnect = (
  args: ConnectArgs
): ConnectOptions & { connected?: (() => void) | undefined } => {
  const connected = args.slice(1).find((arg) => typeof arg === 'function') as
    | (() => void)
    | undefined
  if (typeof args[0] !== 'number') return { ...args[0], connected }
  const host = typeof args[1] === 'string' ? { host: args[1] } : {}
  return { port: args[0], ...host, connected }
}

/** Spreads outgoing connections over the workers. */
let nextWorker = 0

export class AppSocket extends Duplex implements Endpoint {
  connecting = false
  bytesRead = 0
  bytesWritten = 0
  timeout = 0
  /** The worker that owns the connection. */
  worker: number
  readonly #engine: Engine
  #sid = 0
  #inFlight = 0
  #owed = 0
  #write: Write | null = null
  #local: AddressInfo | undefined
  #remote: AddressInfo | undefined
  #timer: Timer | undefined
  #aborting = false
  #ending = false
  #finished: Callback | null = null

  constructor(engine: Engine, options: SocketOptions = {}) {
    super({ allowHalfOpen: false, highWaterMark: SEGMENT, ...options })
    this.#engine = engine
    this.worker = options.worker ?? nextWorker++ % engine.workers
  }

  // What it is, in Node's words.

  get localAddress() {
    return this.#local?.address
  }
  get localPort() {
    return this.#local?.port
  }
  get localFamily() {
    return this.#local?.family
  }
  get remoteAddress() {
    return this.#remote?.address
  }
  get remotePort() {
    return this.#remote?.port
  }
  get remoteFamily() {
    return this.#remote?.family
  }
  get pending() {
    return this.#remote === undefined || this.connecting
  }
  get readyState() {
    if (this.connecting) return 'opening'
    if (this.readable && this.writable) return 'open'
    if (this.readable) return 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }
  /** Bytes written that the worker's protocol has not taken yet. */
  get bufferSize() {
    return this.writableLength + this.#inFlight
  }
  /** Bytes that it has taken. */
  get bytesTaken() {
    return this.bytesWritten - this.#inFlight
  }
  address(): AddressInfo | Record<string, never> {
    return this.#local ?? {}
  }

  setNoDelay(on = true): this {
    return this.#option(IPPROTO_TCP, TCP_NODELAY, on)
  }
  setKeepAlive(on = false): this {
    return this.#option(SOL_SOCKET, SO_KEEPALIVE, on)
  }
  #option(level: number, name: number, on: boolean): this {
    if (this.#sid !== 0 && !this.destroyed)
      this.#engine.askOption(this.#sid, level, name, on ? 1 : 0)
    return this
  }
  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (ms > 0) {
      this.#timer = setTimeout(() => this.emit('timeout'), ms)
      this.#timer.unref()
    }
    if (callback !== undefined) {
      if (ms > 0) this.once('timeout', callback)
      else this.off('timeout', callback)
    }
    return this
  }
  /** The doorbell keeps the thread alive, not its sockets. */
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  /** Sends a RST and closes. */
  resetAndDestroy(): this {
    this.#aborting = true
    return this.destroy()
  }
  destroySoon(): void {
    if (this.#ending) return
    this.#ending = true
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  // How it comes to be.

  connect(options: ConnectOptions, connected?: () => void): this
  connect(port: number, host?: string, connected?: () => void): this
  connect(...args: ConnectArgs): this {
    const { port, host = 'localhost', connected } = readConnect(args)
    if (connected !== undefined) this.once('connect', connected)
    const words = wordsOf(host)
    const sid = words === null ? 0 : this.#engine.claim(this.worker, this)
    if (words === null || sid === 0) {
      const error = netError(words === null ? -Errno.EINVAL : -Errno.EMFILE, 'connect', host, port)
      if (words === null) error.code = 'ENOTFOUND'
      queueMicrotask(() => this.destroy(error))
      return this
    }
    this.#sid = sid
    this.connecting = true
    const family = familyOf(words)
    this.#remote = { address: host, family: host.includes(':') ? 'IPv6' : 'IPv4', port }
    this.#engine.askSocket(sid, family, SOCK_STREAM, RECV_WINDOW)
    this.#engine.askWithAddress(AppOp.CONNECT, sid, words, port)
    this.#pump()
    return this
  }
  /** Takes over a connection that a listener accepted; `at` is the completion that brought it. */
  accepted(sid: number, at: number): void {
    this.#engine.assign(sid, this)
    this.#sid = sid
    this.#learnAddresses(at)
  }
  #learnAddresses(at: number): void {
    const { i32 } = this.#engine.arena
    this.#local = addressAt(i32, at + E_ARG0, i32[at + E_LPORT])
    this.#remote = addressAt(i32, at + E_ADDR, i32[at + E_PORT])
  }

  // What the worker says.

  completion(op: number, at: number, result: number): void {
    if (op === AppOp.RECV) return this.#received(at, result)
    if (op === AppOp.SEND) return this.#sent(result)
    if (op === AppOp.CONNECT) this.#connected(at, result)
    else if (op === AppOp.SHUTDOWN) this.#shut()
    else if (op === AppOp.SOCKET && result < 0) this.destroy(netError(result, 'socket'))
  }
  lost(): void {
    this.#sid = 0
    this.destroy(netError(-Errno.ECONNRESET, 'read'))
  }
  #connected(at: number, result: number): void {
    const { address, port } = this.#remote!
    this.connecting = false
    if (result < 0) {
      this.destroy(netError(result, 'connect', address, port))
      return
    }
    this.#learnAddresses(at)
    this.#active()
    this.emit('connect')
    this.emit('ready')
  }
  #received(at: number, result: number): void {
    if (result <= 0) {
      if (this.destroyed) return
      if (result === 0) this.push(null)
      else this.destroy(netError(result, 'read'))
      return
    }
    const bytes = this.#engine.takeBytes(at)
    if (this.destroyed) return
    this.bytesRead += result
    this.#active()
    this.#owed += result
    if (this.push(bytes)) this.#grant()
  }
  /** Returns the credit of what was used. */
  #grant(): void {
    if (this.#owed < GRANT_AT || this.#sid === 0) return
    this.#engine.ask(AppOp.RECV, this.#sid, this.#owed)
    this.#owed = 0
  }
  override _read(): void {
    this.#grant()
  }

  // What is written.

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    this.#begin([chunk], done)
  }
  override _writev(writes: { chunk: Buffer }[], done: Callback): void {
    this.#begin(
      writes.map(({ chunk }) => chunk),
      done
    )
  }
  #begin(chunks: Buffer[], done: Callback): void {
    this.#write = { chunks: chunks.filter(({ length }) => length > 0), index: 0, offset: 0, done }
    this.#pump()
  }
  /** Fills skbs from what is being written, as far as the window and the pool allow. */
  #pump(): void {
    const write = this.#write
    if (write === null || this.#sid === 0) return
    while (write.index < write.chunks.length) {
      const skb = this.#inFlight < SEND_WINDOW ? this.#fill(write) : 0
      if (skb === 0) return this.#await()
      this.#engine.askSend(this.#sid, skb)
    }
    this.#write = null
    write.done()
  }
  /** An skb of the next bytes to write; 0 when there is no memory. */
  #fill(write: Write): number {
    const { skbs, arena } = this.#engine
    let wanted = -write.offset
    for (let k = write.index; k < write.chunks.length && wanted < SEGMENT; k++)
      wanted += write.chunks[k].length
    const skb = this.#engine.allocSend(Math.min(wanted, SEGMENT), this.#inFlight)
    if (skb === 0) return 0
    const length = Math.min(wanted, SEGMENT, arena.i32[skb + SKB_END] - arena.i32[skb + SKB_DATA])
    let to = skbs.put(skb, length)
    for (let left = length; left > 0; ) {
      const chunk = write.chunks[write.index]
      const n = Math.min(left, chunk.length - write.offset)
      arena.u8.set(chunk.subarray(write.offset, write.offset + n), to)
      to += n
      left -= n
      write.offset += n
      if (write.offset < chunk.length) break
      write.index++
      write.offset = 0
    }
    this.#inFlight += length
    this.bytesWritten += length
    return skb
  }
  /** Nothing in flight will bring us back here when it was memory that lacked: then a timer does. */
  #await(): void {
    if (this.#inFlight === 0) setTimeout(() => this.#pump(), 1)
  }
  #sent(result: number): void {
    if (result < 0) {
      this.destroy(netError(result, 'write'))
      return
    }
    this.#inFlight -= result
    this.#active()
    if (!this.destroyed) this.#pump()
  }
  override _final(done: Callback): void {
    if (this.#sid === 0) {
      done()
      return
    }
    // 'finish' is when the protocol has all of it, so that destroy() then loses nothing
    this.#finished = done
    this.#engine.ask(AppOp.SHUTDOWN, this.#sid, SHUT_WR)
  }
  #shut(): void {
    const done = this.#finished
    this.#finished = null
    if (!this.destroyed) done?.()
  }
  override _destroy(error: Error | null, done: Callback): void {
    clearTimeout(this.#timer)
    this.connecting = false
    if (this.#sid !== 0) this.#engine.askClose(this.#sid, this.#aborting ? CLOSE_ABORT : CLOSE_NOW)
    this.#sid = 0
    this.#write = null
    done(error)
  }
  #active(): void {
    if (this.#timer !== undefined) this.#timer.refresh()
  }
}
