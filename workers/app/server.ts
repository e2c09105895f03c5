/** A listener shaped like Node's net.Server: each connection is a socket of Node's shape. Application thread only. */
import type { AppConnection } from './connection.ts'
import type { Engine } from './engine.ts'
import { AppListener, type ListenerOptions } from './listener.ts'
import { AppSocket } from './socket.ts'

export type ServerOptions = ListenerOptions & { allowHalfOpen?: boolean }

export class AppServer extends AppListener {
  readonly #engine: Engine
  readonly #allowHalfOpen: boolean

  constructor(engine: Engine, { allowHalfOpen = false, ...options }: ServerOptions = {}) {
    super(engine, options)
    this.#engine = engine
    this.#allowHalfOpen = allowHalfOpen
  }
  protected override take(connection: AppConnection): void {
    const allowHalfOpen = this.#allowHalfOpen
    this.emit('connection', new AppSocket(this.#engine, { allowHalfOpen }, connection))
  }
  getConnections(callback: (error: Error | null, count: number) => void): void {
    const { live } = this
    queueMicrotask(() => callback(null, live))
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}
