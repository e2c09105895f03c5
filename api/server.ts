/**
 * Puts the app on its addresses: unix sockets (mode 0600) and TCP. What a request may do depends on where it comes in
 * (auth.ts); a taken port or socket is one clear line; the socket file of a daemon that died is replaced. Main thread.
 */
import { renameSync, unlinkSync } from 'node:fs'
import type { Endpoint } from './cli/endpoint.ts'
import { formatEndpoint, isLoopback, parseEndpoint } from './cli/endpoint.ts'
import type { ListenerKind, ServerBindings } from './endpoints/deps.ts'
import { ListenError } from './listen-error.ts'
import { unreadable } from './problem.ts'
import { lstat, removeOwn, takeSocket } from './socket-file.ts'

export type Listener = {
  /** As it is told to users: unix:PATH or http://HOST:PORT with the real port. */
  readonly address: string
  readonly endpoint: Endpoint
  stop(): Promise<void>
}

export type App = {
  fetch(request: Request, bindings: ServerBindings): Response | Promise<Response>
}

type ListenOptions = {
  readonly app: App
  readonly addresses: readonly string[]
  /** Some token is configured. */
  readonly hasToken: boolean
}

/**
 * A connection that says nothing for so long is cut, in the middle of its headers too; a watcher hears a comment more
 * often. How much of a body is read is the app's to say (body.ts). Bun's types know neither of unix sockets.
 */
const IDLE_SEC = 30
const LIMITS = { idleTimeout: IDLE_SEC, maxRequestBodySize: Number.MAX_SAFE_INTEGER } as object

type Server = ReturnType<typeof Bun.serve>

const serve = (app: App, listener: ListenerKind, where: object): Server =>
  Bun.serve({
    ...LIMITS,
    ...where,
    fetch: (request: Request, server: Server) => {
      // without a host, or with one that is none, Bun gives a path for an address
      if (!/^https?:/.test(request.url)) return unreadable('Error: no host is named.').toResponse()
      const keep = () => {
        server.timeout(request, 0)
        return () => server.timeout(request, IDLE_SEC)
      }
      return app.fetch(request, { listener, keep })
    },
  } as Parameters<typeof Bun.serve>[0])

const reason = (error: unknown): string => {
  const { code, message } = error as { code?: string; message: string }
  if (code === 'EADDRINUSE') return 'the address is in use; stop who has it, or use --api'
  if (code === 'EACCES') return 'permission denied'
  return message
}

/**
 * Bun removes the name that it bound when it stops, whoever has it by then. So it binds another, which then becomes the
 * socket's; what is removed at the end is ours for certain, since our socket still holds its inode.
 */
const serveUnix = (app: App, path: string): Promise<Listener> =>
  takeSocket(path, () => {
    const bound = `${path}~`
    if (lstat(bound)?.isSocket()) unlinkSync(bound)
    // Between bind and rename nobody else may connect either.
    const before = process.umask(0o177)
    let server: Server
    try {
      server = serve(app, 'unix', { unix: bound })
    } finally {
      process.umask(before)
    }
    renameSync(bound, path)
    const inode = lstat(path)?.ino
    return {
      address: `unix:${path}`,
      endpoint: { kind: 'unix', path },
      stop: async () => {
        if (lstat(path)?.ino === inode) removeOwn(path)
        await server.stop(true)
      },
    }
  })

const serveTcp = (app: App, endpoint: Endpoint & { kind: 'tcp' }, hasToken: boolean): Listener => {
  const { host, port, tls } = endpoint
  const isOwn = isLoopback(host)
  if (tls) throw new ListenError(`cannot listen on ${formatEndpoint(endpoint)}: there is no TLS`)
  if (!isOwn && !hasToken) {
    throw new ListenError(
      `will not listen on ${host}:${port} without a token: set token under [api], or listen on 127.0.0.1`
    )
  }
  const server = serve(app, isOwn ? 'loopback' : 'network', { hostname: host, port })
  const real = { ...endpoint, port: server.port ?? port }
  return { address: formatEndpoint(real), endpoint: real, stop: () => server.stop(true) }
}

/** Listens on all of them or on none. */
export const listen = async ({ app, addresses, hasToken }: ListenOptions): Promise<Listener[]> => {
  const listeners: Listener[] = []
  try {
    for (const text of addresses) {
      const endpoint = parseEndpoint(text)
      if (endpoint === null)
        throw new ListenError(`"${text}" is no address of an API: unix:PATH or HOST:PORT`)
      try {
        listeners.push(
          endpoint.kind === 'unix'
            ? await serveUnix(app, endpoint.path)
            : serveTcp(app, endpoint, hasToken)
        )
      } catch (error) {
        if (error instanceof ListenError) throw error
        throw new ListenError(`cannot listen on ${text}: ${reason(error)}`)
      }
    }
  } catch (error) {
    for (const listener of listeners) await listener.stop()
    throw error
  }
  return listeners
}
