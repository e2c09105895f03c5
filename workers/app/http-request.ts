/** node:http's request as a web Request whose body is read only as fast as the handler reads it. Application thread. */
import type { IncomingMessage } from 'node:http'

/** What became of a request's body, for the one who answers. */
export type BodyState = { tooLarge: boolean }

/** What a method may not have in the web's Request, and what we do not do. */
const NOT_DONE = new Set(['CONNECT', 'TRACE', 'TRACK'])

/** The Request, or the status to refuse it with. */
export const requestOf = (
  req: IncomingMessage,
  maxBodyBytes: number,
  signal: AbortSignal,
  state: BodyState
): Request | number => {
  const method = req.method ?? 'GET'
  if (NOT_DONE.has(method)) return 501
  const url = urlOf(req)
  if (url === null) return 400
  const length = Number(req.headers['content-length'] ?? 0)
  if (length > maxBodyBytes) return 413
  const headers = new Headers()
  const raw = req.rawHeaders
  for (let k = 0; k < raw.length; k += 2) headers.append(raw[k], raw[k + 1])
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers, signal })
  const hasBody = length > 0 || req.headers['transfer-encoding'] !== undefined
  const body = hasBody ? bodyOf(req, maxBodyBytes, state) : null
  return new Request(url, { method, headers, signal, body, duplex: 'half' } as RequestInit)
}

/** RFC 9112 3.2: HTTP/1.1 without exactly one Host is a bad request; the target may be a whole URL. */
const urlOf = (req: IncomingMessage): string | null => {
  const { host } = req.headers
  if (host === undefined && req.httpVersion !== '1.0') return null
  const target = req.url ?? '/'
  const text = /^https?:\/\//i.test(target)
    ? target
    : `http://${host || 'localhost'}${target.startsWith('/') ? target : '/'}`
  return URL.canParse(text) ? text : null
}

/** It is the socket that pauses: Bun's node:http would go on reading it for a request that does. */
const bodyOf = (
  req: IncomingMessage,
  maxBytes: number,
  state: BodyState
): ReadableStream<Uint8Array> => {
  const { socket } = req
  let bytes = 0
  let over = false
  const finish = (act: () => void): void => {
    if (over) return
    over = true
    socket.resume()
    act()
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        req.on('data', (chunk: Buffer) => {
          if (over) return
          bytes += chunk.length
          if (bytes > maxBytes) {
            state.tooLarge = true
            finish(() => controller.error(new Error('the body is too large')))
            return
          }
          controller.enqueue(chunk)
          if ((controller.desiredSize ?? 0) <= 0) socket.pause()
        })
        const gone = (error?: Error): void =>
          finish(() => controller.error(error ?? new Error('the peer went away')))
        req.on('end', () => finish(() => controller.close()))
        req.on('error', gone)
        req.on('close', () => gone())
      },
      pull() {
        socket.resume()
      },
      cancel() {
        finish(() => {})
      },
    },
    { highWaterMark: 0 }
  )
}
