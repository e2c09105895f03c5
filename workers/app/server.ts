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
    const socket = new AppSocket(this.#engine, { allowHalfOpen }, connection)
    socket.server = this
    this.emit('connection', socket)
  }
  getConnections(callback: (error: Error | null, count: number) => void): void {
    const { live } = this
    queueMicrotask(() => callback(null, live))
  }
  get connections(): number {
    return this.live
  }
  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve, reject) =>
      this.close((error) => (error === undefined ? resolve() : reject(error)))
    )
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}
