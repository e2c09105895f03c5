/**
 * A stream socket of an application: shaped like Node's net.Socket, over a connection (connection.ts), whose bounds are
 * its own: write() answers false when they are reached, and a paused socket closes the peer's window.
 */
import type { LookupFunction, SetKeepAliveOptions, Socket, SocketReadyState } from 'node:net'
import { Duplex, type DuplexOptions } from 'node:stream'
import { AF_INET6 } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import {
  IP_TOS,
  IPPROTO_IP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_FASTOPEN_CONNECT,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from '../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { familyOf, wordsOf, type AddressInfo } from './address.ts'
import { AppConnection, SEGMENT, type ConnectionUser, type End } from './connection.ts'
import type { Engine } from './engine.ts'
import { nameError, netError, nodeError } from './errors.ts'
import { type ConnectArgs, type ConnectOptions, portOf, readConnect } from './net-args.ts'
import type { AppServer } from './server.ts'

type Callback = (error?: Error | null) => void
export type SocketOptions = DuplexOptions & { worker?: number }

/** What Node sets besides when keepalive is asked for. */
const KEEP_PROBES = 10
const KEEP_INTERVAL_MS = 1000

/** Spreads outgoing connections over the workers. */
let nextWorker = 0

export class AppSocket extends Duplex implements Socket, ConnectionUser {
  connecting = false
  timeout = 0
  /** The server that accepted it. */
  server: AppServer | null = null
  readonly #engine: Engine
  readonly #connection: AppConnection
  /** The address that connect() was given, and where it is to come from. */
  #asked: AddressInfo | undefined
  #from: AddressInfo | undefined
  /** Options that were set before there was a socket: level, name, value. */
  #early: [number, number, number][] = []
  #tos = 0
  /** Bytes that the stream has handed on, and of them those that it still counts as its own. */
  #handed = 0
  #held = 0
  #written: Callback | null = null
  #timer: Timer | undefined
  #aborting = false
  #ending = false
  #finished: Callback | null = null

  /** `accepted`: a connection that a listener brought, which has no user yet. */
  constructor(engine: Engine, options: SocketOptions = {}, accepted?: AppConnection) {
    super({ allowHalfOpen: false, highWaterMark: SEGMENT, ...options, emitClose: false })
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
    return this.#handed - this.#held + this.writableLength
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
  get remoteAddress() {
    return this.#connection.remote?.address
  }
  get remotePort() {
    return this.#connection.remote?.port
  }
  get remoteFamily() {
    return this.#connection.remote?.family
  }
  get pending() {
    return this.#connection.remote === undefined
  }
  get readyState(): SocketReadyState {
    if (this.connecting) return 'opening'
    if (this.readable && this.writable) return 'open'
    if (this.readable) return 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }
  /** Bytes written that the worker's protocol has not taken yet. */
  get bufferSize() {
    return this.writableLength - this.#held + this.#connection.untaken
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
  setKeepAlive(
    first: SetKeepAliveOptions | boolean = false,
    initialDelayMs?: number,
    intervalMs?: number,
    probes?: number
  ): this {
    const how =
      typeof first === 'object'
        ? first
        : { enable: first, initialDelay: initialDelayMs, interval: intervalMs, count: probes }
    const {
      enable = false,
      initialDelay = 0,
      interval = KEEP_INTERVAL_MS,
      count = KEEP_PROBES,
    } = how
    this.#option(SOL_SOCKET, SO_KEEPALIVE, enable ? 1 : 0)
    if (!enable) return this
    const seconds = (ms: number): number => Math.floor(ms / 1000)
    if (initialDelay >= 1000) this.#option(IPPROTO_TCP, TCP_KEEPIDLE, seconds(initialDelay))
    this.#option(IPPROTO_TCP, TCP_KEEPINTVL, seconds(interval))
    return this.#option(IPPROTO_TCP, TCP_KEEPCNT, count)
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
    if (this.#connection.isOpen) this.#connection.setOption(level, name, value)
    else this.#early.push([level, name, value])
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
  /** The stack keeps the program alive until it is closed, not its sockets. */
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  /** Sends a RST and closes. */
  resetAndDestroy(): this {
    if (this.#asked === undefined && !this.#connection.isOpen)
      return this.destroy(nodeError('ERR_SOCKET_CLOSED', 'Socket is closed'))
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

  connect(...args: ConnectArgs): this {
    const [options, connected] = readConnect(args)
    const { path, host = 'localhost', localAddress, noDelay, keepAlive, fastOpen } = options
    const port = portOf(options.port, 'options.port')
    const localPort = portOf(options.localPort ?? 0, 'options.localPort')
    if (connected !== undefined) this.once('connect', connected)
    if (noDelay) this.setNoDelay()
    if (fastOpen) this.#option(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    if (keepAlive) this.setKeepAlive(true, options.keepAliveInitialDelay)
    this.connecting = true
    if (path !== undefined) {
      this.#refuse(netError(-Errno.EOPNOTSUPP, 'connect', path))
      return this
    }
    const words = wordsOf(host, this.#engine.arena)
    const family = words !== null && familyOf(words) === AF_INET6 ? 'IPv6' : 'IPv4'
    if (localAddress !== undefined || localPort !== 0)
      this.#from = {
        address: localAddress ?? (family === 'IPv6' ? '::' : '0.0.0.0'),
        family,
        port: localPort,
      }
    if (words !== null) this.#connectTo(host, words, port)
    else if (options.lookup !== undefined) this.#lookUp(options.lookup, host, port, options)
    else this.#refuse(nameError(host))
    return this
  }
  #refuse(error: Error): void {
    queueMicrotask(() => this.destroy(error))
  }
  /** A name's address, by the function of who connects: applications of softnet have no resolver. */
  #lookUp(lookup: LookupFunction, host: string, port: number, options: ConnectOptions): void {
    const { family = 0, hints = 0 } = options
    lookup(host, { family, hints, all: false }, (error, found, foundFamily) => {
      this.emit('lookup', error, found, foundFamily, host)
      if (this.destroyed) return
      if (error !== null) return void this.destroy(error)
      const address = typeof found === 'string' ? found : found[0]!.address
      const words = wordsOf(address, this.#engine.arena)
      if (words === null) this.destroy(nameError(host))
      else this.#connectTo(address, words, port)
    })
  }
  #connectTo(address: string, words: readonly number[], port: number): void {
    const family = familyOf(words)
    this.#asked = { address, family: family === AF_INET6 ? 'IPv6' : 'IPv4', port }
    const from = this.#fromWords(family)
    if (from === null) return this.#refuse(this.#bindError(-Errno.EINVAL))
    if (!this.#connection.open(family)) {
      this.#refuse(netError(-Errno.EMFILE, 'connect', address, port))
      return
    }
    for (const option of this.#early.splice(0)) this.#connection.setOption(...option)
    this.#connection.connect({ words, port }, from)
  }
  /** Where it is to come from; undefined when that is the stack's to choose, null when it is no address of the family. */
  #fromWords(family: number): End | undefined | null {
    if (this.#from === undefined) return undefined
    const { address, port } = this.#from
    const words = wordsOf(address, this.#engine.arena)
    return words === null || familyOf(words) !== family ? null : { words, port }
  }
  #bindError(result: number): Error {
    return netError(result, 'bind', this.#from!.address, this.#from!.port)
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
    this.destroy(syscall === 'bind' ? this.#bindError(result) : netError(result, syscall))
  }
  override _read(): void {
    this.#connection.resume()
  }

  // What is written.

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    this.#write(chunk)
    this.#await(done)
  }
  override _writev(writes: { chunk: Buffer }[], done: Callback): void {
    for (const { chunk } of writes) this.#write(chunk)
    this.#await(done)
  }
  #write(chunk: Buffer): void {
    this.#handed += chunk.length
    this.#held += chunk.length
    this.#connection.writeSoon(chunk)
  }
  #await(done: Callback): void {
    this.#written = done
    if (this.#connection.hasRoom) this.#more()
  }
  #more(): void {
    const done = this.#written
    this.#written = null
    this.#held = 0
    done?.()
  }
  taken(): void {
    this.#active()
    if (this.#connection.hasRoom) this.#more()
  }
  override _final(done: Callback): void {
    if (this.connecting && !this.#connection.isOpen) {
      this.once('connect', () => this._final(done))
      return
    }
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
    // after 'error', which done() has put before it
    process.nextTick(() => this.emit('close', error !== null))
  }
  #active(): void {
    if (this.#timer !== undefined) this.#timer.refresh()
  }
}
