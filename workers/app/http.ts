/**
 * An HTTP/1.1 server over softnet's sockets that answers with a fetch function (hono's app.fetch): http/connection.ts for
 * each connection, and here the time-outs of them all. Application thread only. RFC 9110, RFC 9112.
 */
import type { AppConnection } from './connection.ts'
import { HttpConnection, type HttpRules } from './http/connection.ts'
import type { AppListener, ListenerOptions } from './listener.ts'

/** What of an application's network (net.ts) it is served over. */
type HttpNet = { createListener: (options: ListenerOptions) => AppListener; bytes: Buffer }
export type HttpOptions = Pick<HttpRules, 'fetch'> &
  Partial<HttpRules> & { net: HttpNet; port: number; host?: string }
type HttpServer = { server: AppListener; close: () => Promise<void> }

const CHECKS_PER_TIMEOUT = 8

export const serveHttp = ({ net, port, host, ...options }: HttpOptions): HttpServer => {
  const rules: HttpRules = {
    maxBodyBytes: 16 * 1024 * 1024,
    maxHeaderBytes: 16 * 1024,
    headersTimeoutMs: 30_000,
    requestTimeoutMs: 300_000,
    keepAliveTimeoutMs: 5_000,
    stallTimeoutMs: 60_000,
    onError: () => {},
    ...options,
  }
  const connections = new Map<AppConnection, HttpConnection>()

  const check = (): void => {
    const now = Date.now()
    for (const connection of connections.values()) connection.check(now)
  }
  const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, stallTimeoutMs } = rules
  const shortest = Math.min(headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, stallTimeoutMs)
  const checking = setInterval(check, Math.max(10, shortest / CHECKS_PER_TIMEOUT))
  checking.unref()

  const server = net.createListener({ noDelay: true })
  server.on('connection', (connection: AppConnection) => {
    const user = new HttpConnection(rules, connection, net.bytes, Date.now())
    connection.user = user
    connections.set(connection, user)
  })
  server.on('left', (connection: AppConnection) => connections.delete(connection))
  server.listen({ port, ...(host !== undefined && { host }) })

  /** Accepts no more and closes what is open. */
  const close = (): Promise<void> => {
    clearInterval(checking)
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    for (const connection of connections.values()) connection.end()
    return promise
  }
  return { server, close }
}
