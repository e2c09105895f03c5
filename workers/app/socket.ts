/**
 * A stream socket of an application: shaped like Node's net.Socket, over a connection (connection.ts), whose bounds are
 * its own: write() answers false when they are reached, and a paused socket closes the peer's window.
 */
import { Duplex, type DuplexOptions } from 'node:stream'
import { Errno } from '../../core/base/errno.ts'
import {
  IP_TOS,
  IPPROTO_IP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { wordsOf, type AddressInfo } from './address.ts'
import { AppConnection, SEGMENT, type ConnectionUser } from './connection.ts'
import type { Engine } from './engine.ts'
import { netError } from './errors.ts'
import type { AppServer } from './server.ts'

type Callback = (error?: Error | null) => void

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

export class AppSocket extends Duplex implements ConnectionUser {
  connecting = false
  timeout = 0
  /** The server that accepted it. */
  server: AppServer | undefined
  readonly #engine: Engine
  readonly #connection: AppConnection
  /** The address that connect() was given. */
  #asked: AddressInfo | undefined
  #written: Callback | null = null
  #timer: Timer | undefined
  #tos = 0
  #aborting = false
  #ending = false
  #finished: Callback | null = null

  /** `accepted`: a connection that a listener brought, which has no user yet. */
  constructor(engine: Engine, options: SocketOptions = {}, accepted?: AppConnection) {
    super({ allowHalfOpen: false, highWaterMark: SEGMENT, ...options })
    this.#engine = engine
    this.#connection =
      accepted ?? new AppConnection(engine, options.worker ?? nextWorker++ % engine.workers)
    this.#connection.user = this
  }

  // What it is, in Node's words.

  /** The worker that owns the connection. */
  get worker() {
    return this.#connection.worker
  }
  get bytesRead() {
    return this.#connection.bytesRead
  }
  get bytesWritten() {
    return this.#connection.bytesWritten
  }
  get localAddress() {
    return this.#connection.local?.address
  }
  get localPort() {
    return this.#connection.local?.port
  }
  get localFamily() {
    return this.#connection.local?.family
  }
  get #remote() {
    return this.#connection.remote ?? this.#asked
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
    return this.writableLength + this.#connection.untaken - this.#connection.queued
  }
  /** All the addresses that connect() has tried: there is one. */
  get autoSelectFamilyAttemptedAddresses(): string[] {
    return this.#asked === undefined ? [] : [`${this.#asked.address}:${this.#asked.port}`]
  }
  address(): AddressInfo | Record<string, never> {
    return this.#connection.local ?? {}
  }

  setNoDelay(on = true): this {
    return this.#option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0)
  }
  setKeepAlive(on = false): this {
    return this.#option(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0)
  }
  /** What goes into the headers of both families. */
  setTypeOfService(tos: number): this {
    this.#tos = tos
    return this.#option(IPPROTO_IP, IP_TOS, tos)
  }
  getTypeOfService(): number {
    return this.#tos
  }
  #option(level: number, name: number, value: number): this {
    this.#connection.setOption(level, name, value)
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
    const words = wordsOf(host, this.#engine.arena)
    if (words === null || !this.#connection.connect(words, port)) {
      const error = netError(words === null ? -Errno.EINVAL : -Errno.EMFILE, 'connect', host, port)
      if (words === null) error.code = 'ENOTFOUND'
      queueMicrotask(() => this.destroy(error))
      return this
    }
    this.connecting = true
    this.#asked = { address: host, family: host.includes(':') ? 'IPv6' : 'IPv4', port }
    return this
  }

  // What the connection says.

  connected(result: number): void {
    this.connecting = false
    if (result < 0) {
      const { address, port } = this.#asked!
      this.destroy(netError(result, 'connect', address, port))
      return
    }
    this.#active()
    this.emit('connect')
    this.emit('ready')
  }
  received(from: number, length: number): void {
    this.#active()
    if (!this.push(this.#engine.copyBytes(from, length))) this.#connection.pause()
  }
  ended(): void {
    this.push(null)
  }
  failed(result: number, syscall: string): void {
    this.destroy(netError(result, syscall))
  }
  override _read(): void {
    this.#connection.resume()
  }

  // What is written.

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    this.#connection.writeSoon(chunk)
    this.#await(done)
  }
  override _writev(writes: { chunk: Buffer }[], done: Callback): void {
    for (const { chunk } of writes) this.#connection.writeSoon(chunk)
    this.#await(done)
  }
  #await(done: Callback): void {
    if (this.#connection.hasRoom) done()
    else this.#written = done
  }
  taken(): void {
    this.#active()
    if (!this.#connection.hasRoom) return
    const done = this.#written
    this.#written = null
    done?.()
  }
  override _final(done: Callback): void {
    if (!this.#connection.isOpen) {
      done()
      return
    }
    // 'finish' is when the protocol has all of it, so that destroy() then loses nothing
    this.#finished = done
    this.#connection.shutdown()
  }
  shut(): void {
    const done = this.#finished
    this.#finished = null
    done?.()
  }
  override _destroy(error: Error | null, done: Callback): void {
    clearTimeout(this.#timer)
    this.connecting = false
    if (this.#aborting) this.#connection.abort()
    else this.#connection.close()
    this.#written = null
    done(error)
  }
  #active(): void {
    if (this.#timer !== undefined) this.#timer.refresh()
  }
}
