/** A listener shaped like Node's net.Server: each connection is a socket of Node's shape. Application thread only. */
import type { Server } from 'node:net'
import type { AppConnection } from './connection.ts'
import type { Engine } from './engine.ts'
import { AppListener, type ListenerOptions } from './listener.ts'
import { AppSocket, type SocketOptions } from './socket.ts'

export type ServerOptions = ListenerOptions & {
  allowHalfOpen?: boolean
  pauseOnConnect?: boolean
  highWaterMark?: number
}

export class AppServer extends AppListener implements Server {
  readonly #engine: Engine
  readonly #options: SocketOptions
  readonly #pauseOnConnect: boolean

  constructor(engine: Engine, options: ServerOptions = {}) {
    super(engine, options)
    this.#engine = engine
    const { allowHalfOpen = false, pauseOnConnect = false, highWaterMark } = options
    this.#options = { allowHalfOpen, ...(highWaterMark && { highWaterMark }) }
    this.#pauseOnConnect = pauseOnConnect
  }
  protected override take(connection: AppConnection): void {
    const socket = new AppSocket(this.#engine, this.#options, connection)
    socket.server = this
    if (this.#pauseOnConnect) socket.pause()
    this.emit('connection', socket)
  }
  getConnections(callback: (error: Error | null, count: number) => void): this {
    const { live } = this
    queueMicrotask(() => callback(null, live))
    return this
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
