/**
 * An HTTP/1.1 server over softnet's sockets that answers with a fetch function (hono's app.fetch). The protocol is
 * node:http's: its Server takes any Duplex as a connection, so parsing, framing, keep-alive, pipelining and
 * 100-continue are the runtime's. What it leaves undone on Bun for connections it did not accept itself is done
 * here: time-outs, the Host check, the body limit. Application thread only. RFC 9110, RFC 9112.
 */
import { createServer, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { requestOf, type BodyState } from './http-request.ts'
import { sendResponse } from './http-response.ts'
import type { AppNet } from './net.ts'
import type { AppServer } from './server.ts'
import type { AppSocket } from './socket.ts'

/** What the fetch function is told of the connection, as hono's env. */
type HttpConnection = {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly worker: number
}
export type HttpOptions = {
  net: AppNet['net']
  port: number
  host?: string
  fetch: (request: Request, connection: HttpConnection) => Response | Promise<Response>
  /** Largest request body; more is answered with 413. */
  maxBodyBytes?: number
  maxHeaderBytes?: number
  /** How long a request's header, and its whole, may take; and how long a connection may be idle after one. */
  headersTimeoutMs?: number
  requestTimeoutMs?: number
  keepAliveTimeoutMs?: number
  /** How long a peer may take nothing of what it is sent. */
  stallTimeoutMs?: number
  /** Told of errors that the fetch function threw. */
  onError?: (error: unknown) => void
}
type HttpServer = { server: AppServer; close: () => Promise<void> }

/** What goes on on a connection, for its time-outs. */
type Connection = {
  since: number
  bytesRead: number
  receiving: IncomingMessage | null
  active: number
  bytesTaken: number
  tookAt: number
  closing: boolean
}

const CHECKS_PER_TIMEOUT = 8

export const serveHttp = (options: HttpOptions): HttpServer => {
  const {
    net,
    port,
    host,
    fetch,
    maxBodyBytes = 16 * 1024 * 1024,
    maxHeaderBytes = 16 * 1024,
    headersTimeoutMs = 30_000,
    requestTimeoutMs = 300_000,
    keepAliveTimeoutMs = 5_000,
    stallTimeoutMs = 60_000,
    onError = () => {},
  } = options
  const connections = new Map<AppSocket, Connection>()
  const http = createServer({ maxHeaderSize: maxHeaderBytes, keepAliveTimeout: keepAliveTimeoutMs })
  Object.assign(http, { httpAllowHalfOpen: true })

  /** Answers without the fetch function, and closes. */
  const refuse = (res: ServerResponse, status: number): void => {
    if (res.headersSent) {
      res.destroy()
      return
    }
    const text = `${STATUS_CODES[status]}\n`
    res.writeHead(status, {
      'content-type': 'text/plain',
      'content-length': text.length,
      connection: 'close',
    })
    res.end(text)
  }
  /** The same where there is no request to answer. */
  const refuseRaw = (socket: AppSocket, status: number): void => {
    if (!socket.writable) {
      socket.destroy()
      return
    }
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
    )
    socket.destroySoon()
  }

  const answer = async (
    req: IncomingMessage,
    res: ServerResponse,
    socket: AppSocket
  ): Promise<void> => {
    const aborted = new AbortController()
    res.once('close', () => {
      if (!res.writableFinished) aborted.abort()
    })
    const body: BodyState = { tooLarge: false }
    const request = requestOf(req, maxBodyBytes, aborted.signal, body)
    if (typeof request === 'number') return refuse(res, request)
    try {
      const response = await fetch(request, connectionOf(socket))
      if (body.tooLarge) {
        await response.body?.cancel()
        return refuse(res, 413)
      }
      await sendResponse(req, res, response)
    } catch (error) {
      if (body.tooLarge) return refuse(res, 413)
      // the peer went away while we read its body or wrote ours: nobody is left to be answered
      if (aborted.signal.aborted || req.errored) return void res.destroy()
      onError(error)
      refuse(res, 500)
    }
    // what the handler did not read is in the way of the next request
    if (!req.complete) socket.resume()
  }

  http.on('request', (req, res) => {
    const socket = req.socket as unknown as AppSocket
    const connection = connections.get(socket)
    if (connection !== undefined) {
      connection.active++
      connection.since = Date.now()
      connection.receiving = req
      res.once('close', () => {
        connection.active--
        connection.since = Date.now()
        connection.bytesRead = socket.bytesRead
        if (connection.active === 0 && socket.readableEnded) socket.destroySoon()
      })
    }
    void answer(req, res, socket)
  })
  http.on('checkExpectation', (_req, res: ServerResponse) => refuse(res, 417))
  http.on('connect', (_req, socket) => refuseRaw(socket as AppSocket, 501))
  http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    refuseRaw(socket as unknown as AppSocket, error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400)
  })

  /** True when the peer has taken nothing of what it is sent for too long. */
  const stalls = (socket: AppSocket, connection: Connection, now: number): boolean => {
    if (socket.bufferSize === 0 || socket.bytesTaken !== connection.bytesTaken) {
      connection.bytesTaken = socket.bytesTaken
      connection.tookAt = now
      return false
    }
    return now - connection.tookAt > stallTimeoutMs
  }
  /** The status to end a connection with, 0 without one, or -1 when it may go on. */
  const overdue = (socket: AppSocket, connection: Connection, waited: number): number => {
    if (connection.active > 0) {
      const receiving = connection.receiving !== null && !connection.receiving.complete
      return receiving && waited > requestTimeoutMs ? 408 : -1
    }
    const fresh = connection.bytesRead === 0
    if (socket.bytesRead > connection.bytesRead) return waited > headersTimeoutMs ? 408 : -1
    return waited > (fresh ? headersTimeoutMs : keepAliveTimeoutMs) ? 0 : -1
  }
  /** Closes what takes too long. */
  const check = (): void => {
    const now = Date.now()
    for (const [socket, connection] of connections) {
      if (stalls(socket, connection, now)) {
        socket.resetAndDestroy()
        continue
      }
      // a peer that takes its time over an answer is not idle
      if (socket.bufferSize > 0 && connection.active === 0) connection.since = now
      const waited = now - connection.since
      if (connection.closing) {
        if (waited > keepAliveTimeoutMs) socket.destroy()
      } else {
        const status = overdue(socket, connection, waited)
        if (status < 0) continue
        connection.closing = true
        connection.since = now
        if (status > 0) refuseRaw(socket, status)
        else socket.destroySoon()
      }
    }
  }
  const shortest = Math.min(headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, stallTimeoutMs)
  const checking = setInterval(check, Math.max(10, shortest / CHECKS_PER_TIMEOUT))
  checking.unref()

  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const now = Date.now()
    connections.set(socket, {
      since: now,
      bytesRead: 0,
      receiving: null,
      active: 0,
      bytesTaken: 0,
      tookAt: now,
      closing: false,
    })
    // node:http speaks of it too, as clientError; a peer that resets is no error of ours
    socket.on('error', () => {})
    socket.once('close', () => connections.delete(socket))
    // half-closed, it still gets the answers to what it asked, and no more
    socket.once('end', () => {
      if (connections.get(socket)?.active === 0) socket.destroySoon()
    })
    http.emit('connection', socket)
  })
  server.listen({ port, ...(host !== undefined && { host }) })

  /** Accepts no more and closes what is open. */
  const close = (): Promise<void> => {
    clearInterval(checking)
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    for (const socket of connections.keys()) socket.destroySoon()
    return promise
  }
  return { server, close }
}

const connectionOf = (socket: AppSocket): HttpConnection => ({
  localAddress: socket.localAddress ?? '',
  localPort: socket.localPort ?? 0,
  remoteAddress: socket.remoteAddress ?? '',
  remotePort: socket.remotePort ?? 0,
  worker: socket.worker,
})
