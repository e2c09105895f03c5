/**
 * Listening sockets of an application: one on every worker (and of each family when no address is given). Each has ACCEPTS
 * submissions outstanding; connections beyond them wait in its accept queue. A restarted worker gets its listeners anew.
 * server.ts is Node's net.Server over it; the HTTP server takes its connections as they are. Application thread only.
 */
import { AF_INET6 } from '../../core/base/family.ts'
import { EventEmitter } from 'node:events'
import { Errno } from '../../core/base/errno.ts'
import { AppOp, CLOSE_NOW, E_LPORT } from '../../core/socket/app-constants.ts'
import {
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
  SO_KEEPALIVE,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from '../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { SOCK_STREAM } from '../../core/socket/sock.ts'
import {
  ANY_V6,
  type AddressInfo,
  anyAddresses,
  boundAddress,
  familyOf,
  wordsOf,
} from './address.ts'
import type { Endpoint, Engine } from './engine.ts'
import { listenError, nodeError } from './errors.ts'
import { type ListenArgs, portOf, readListen } from './net-args.ts'
import { AppConnection, RECV_WINDOW } from './connection.ts'

/** What the connections of a listener begin with. */
export type ListenerOptions = {
  noDelay?: boolean
  keepAlive?: boolean
  keepAliveInitialDelay?: number
}

const BACKLOG = 511
const BUSY = 'Listen method has been called more than once without closing.'
const ACCEPTS = 32

type Listener = { sid: number; worker: number; words: readonly number[] }

/** Emits 'listening', 'error', 'close'; 'connection' and 'left' with each connection that comes and is gone. */
export class AppListener extends EventEmitter implements Endpoint {
  listening = false
  maxConnections = Number.POSITIVE_INFINITY
  /** Connections that came and have not ended. */
  protected live = 0
  readonly #engine: Engine
  readonly #options: ListenerOptions
  /** By sid, and the sids of children-to-be with the listener that waits for them. */
  readonly #listeners = new Map<number, Listener>()
  readonly #children = new Map<number, number>()
  #port = 0
  #host: string | undefined
  #backlog = BACKLOG
  #address: AddressInfo | null = null
  #answers = 0
  /** Between a call of listen() and the end that close() or an error makes. */
  #isBusy = false
  #addresses: (readonly number[])[] = []
  #closing = false
  /** Why it could not listen. */
  #error: Error | undefined

  constructor(engine: Engine, options: ListenerOptions) {
    super()
    this.#engine = engine
    this.#options = options
  }
  /** A connection has come; Node's shape of a listener makes another thing of it. */
  protected take(connection: AppConnection): void {
    this.emit('connection', connection)
  }

  /** Listens on all workers; 'listening' or 'error' follows. */
  listen(...args: ListenArgs): this {
    const [options, listening] = readListen(args)
    const { port = 0, host, backlog = BACKLOG, path, ipv6Only, signal } = options
    if (this.#isBusy) throw nodeError('ERR_SERVER_ALREADY_LISTEN', BUSY)
    this.#port = portOf(port, 'options.port')
    if (listening !== undefined) this.once('listening', listening)
    this.#host = host ?? path
    this.#backlog = backlog
    this.#isBusy = true
    this.#closing = false
    signal?.addEventListener('abort', () => this.close(), { once: true })
    this.#addresses = this.#addressesOf(host, ipv6Only === true)
    const [first] = this.#addresses
    if (first === undefined || path !== undefined) {
      const why = path === undefined ? Errno.EADDRNOTAVAIL : Errno.EOPNOTSUPP
      queueMicrotask(() => this.#fail(-why))
      return this
    }
    // the first one chooses the port when none is given; the others follow when it is known
    this.#open(0, first)
    if (this.#port !== 0) this.#openOthers()
    return this
  }
  #addressesOf(host: string | undefined, ipv6Only: boolean): (readonly number[])[] {
    if (host === undefined) return ipv6Only ? [ANY_V6] : anyAddresses()
    const words = wordsOf(host, this.#engine.arena)
    return words === null ? [] : [words]
  }
  #openOthers(): void {
    this.#addresses.forEach((words, k) => {
      for (let worker = k === 0 ? 1 : 0; worker < this.#engine.workers; worker++)
        this.#open(worker, words)
    })
  }
  #open(worker: number, words: readonly number[]): void {
    const engine = this.#engine
    const sid = engine.claim(worker, this)
    if (sid === 0) {
      queueMicrotask(() => this.#fail(-Errno.EMFILE))
      return
    }
    this.#listeners.set(sid, { sid, worker, words })
    this.#answers++
    const family = familyOf(words)
    engine.askSocket(sid, family, SOCK_STREAM, 0)
    engine.askOption(sid, SOL_SOCKET, SO_REUSEADDR, 1)
    engine.askOption(sid, SOL_SOCKET, SO_REUSEPORT, 1)
    if (family === AF_INET6) engine.askOption(sid, IPPROTO_IPV6, IPV6_V6ONLY, 1)
    // what a listener is set to, its connections begin with
    if (this.#options.noDelay) engine.askOption(sid, IPPROTO_TCP, TCP_NODELAY, 1)
    if (this.#options.keepAlive) {
      engine.askOption(sid, SOL_SOCKET, SO_KEEPALIVE, 1)
      const seconds = Math.floor((this.#options.keepAliveInitialDelay ?? 0) / 1000)
      if (seconds > 0) engine.askOption(sid, IPPROTO_TCP, TCP_KEEPIDLE, seconds)
    }
    engine.askWithAddress(AppOp.BIND, sid, words, this.#port)
    engine.ask(AppOp.LISTEN, sid, this.#backlog)
  }

  completion(op: number, at: number, result: number, sid: number): void {
    if (op === AppOp.ACCEPT) return this.#accepted(at, result, sid)
    if (op === AppOp.CLOSE) return this.#listenerClosed(sid)
    if (this.#closing) return
    if (result < 0) this.#fail(result)
    else if (op === AppOp.LISTEN) this.#listens(at, sid)
  }
  #listens(at: number, sid: number): void {
    const { i32 } = this.#engine.arena
    this.#answers--
    if (this.#address === null) {
      const words = this.#host === undefined ? ANY_V6 : this.#listeners.get(sid)!.words
      this.#address = boundAddress(words, i32[at + E_LPORT])
      if (this.#port === 0) {
        this.#port = this.#address.port
        this.#openOthers()
      }
    }
    for (let k = 0; k < ACCEPTS; k++) this.#arm(sid)
    if (this.#answers > 0 || this.listening) return
    this.listening = true
    this.emit('listening')
  }
  /** One more connection may come. */
  #arm(listener: number): void {
    const entry = this.#listeners.get(listener)
    if (entry === undefined || this.#closing) return
    const child = this.#engine.claim(entry.worker, this)
    if (child === 0) {
      this.#engine.onFreeSid(() => this.#arm(listener))
      return
    }
    this.#children.set(child, listener)
    this.#engine.askAccept(listener, child, RECV_WINDOW)
  }
  #accepted(at: number, result: number, child: number): void {
    // the listener's end is told elsewhere
    if (result < 0) return
    const listener = this.#children.get(child)!
    this.#children.delete(child)
    this.#arm(listener)
    const connection = new AppConnection(this.#engine, this.#engine.workerOf(child))
    connection.accepted(child, at, this.#gone)
    this.live++
    if (this.#closing || this.live > this.maxConnections) {
      const { local, remote } = connection
      this.emit('drop', {
        localAddress: local!.address,
        localPort: local!.port,
        localFamily: local!.family,
        remoteAddress: remote!.address,
        remotePort: remote!.port,
        remoteFamily: remote!.family,
      })
      connection.abort()
      return
    }
    this.take(connection)
  }
  readonly #gone = (connection: AppConnection): void => {
    this.live--
    this.emit('left', connection)
    this.#maybeClosed()
  }
  #fail(result: number): void {
    if (this.#closing) return
    this.#error = listenError(result, this.#host ?? '::', this.#port)
    this.#shut()
  }

  /** The worker of a listener, or of a child-to-be, was restarted: listens there again. */
  lost(sid: number, worker: number): void {
    this.#children.delete(sid)
    const listener = this.#listeners.get(sid)
    if (listener === undefined) return
    this.#listeners.delete(sid)
    if (!this.#closing) this.#open(worker, listener.words)
  }

  /** Accepts no more; 'close' follows when the last connection has ended. */
  close(callback?: (error?: Error) => void): this {
    const isRunning = this.#isBusy && !this.#closing
    const error = nodeError('ERR_SERVER_NOT_RUNNING', 'Server is not running.')
    if (callback !== undefined) this.once('close', () => callback(isRunning ? undefined : error))
    if (isRunning) this.#shut()
    else if (!this.#isBusy) queueMicrotask(() => this.emit('close'))
    return this
  }
  #shut(): void {
    this.#closing = true
    this.listening = false
    for (const sid of this.#listeners.keys()) this.#engine.askClose(sid, CLOSE_NOW)
    queueMicrotask(() => this.#maybeClosed())
  }
  #listenerClosed(sid: number): void {
    if (!this.#listeners.delete(sid)) return
    for (const [child, listener] of this.#children) {
      if (listener !== sid) continue
      this.#children.delete(child)
      this.#engine.release(child)
    }
    this.#maybeClosed()
  }
  /** Connections outlive a listener that has failed, and are waited for by one that was closed. */
  #maybeClosed(): void {
    const error = this.#error
    if (!this.#closing || !this.#isBusy || this.#listeners.size > 0) return
    if (error === undefined && this.live > 0) return
    this.#isBusy = false
    this.#error = undefined
    this.#address = null
    if (error === undefined) this.emit('close')
    else this.emit('error', error)
  }
  address(): AddressInfo | null {
    return this.#address
  }
}
