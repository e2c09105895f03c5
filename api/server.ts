/**
 * Puts the app on its addresses: unix sockets (mode 0600) and TCP. An address that other machines reach needs a bearer
 * token; a taken port or socket is one clear line; the socket file of a daemon that died is replaced. Main thread.
 */
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Endpoint } from './cli/endpoint.ts'
import { formatEndpoint, isLoopback, parseEndpoint } from './cli/endpoint.ts'
import type { Api, ServerBindings } from './endpoints/deps.ts'

export type Listener = {
  /** As it is told to users: unix:PATH or http://HOST:PORT with the real port. */
  readonly address: string
  stop(): Promise<void>
}

/** Why an address cannot be listened on, in one line. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

/** A watcher may hear nothing for long. Bun's types say that unix sockets have no such option; they need it. */
const NEVER_IDLE = { idleTimeout: 0 } as object

type ListenOptions = {
  readonly app: Api
  readonly addresses: readonly string[]
  /** Some token is configured. */
  readonly hasToken: boolean
}

/** true when somebody answers on the socket. */
const isAlive = async (path: string): Promise<boolean> => {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } })
    socket.end()
    return true
  } catch {
    return false
  }
}

const lstat = (path: string) => {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}

/** The folder of a socket in /tmp is ours alone: nobody may have put one there for us. */
const makeFolder = (path: string): void => {
  const folder = dirname(path)
  const found = lstat(folder)
  if (found === null) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return
  }
  const uid = process.getuid?.() ?? 0
  if (folder === `/tmp/softnet-${uid}` && (found.uid !== uid || !found.isDirectory())) {
    throw new ListenError(`cannot listen on unix:${path}: ${folder} belongs to somebody else`)
  }
}

const clearSocket = async (path: string): Promise<void> => {
  const found = lstat(path)
  if (found === null) return
  if (!found.isSocket())
    throw new ListenError(`cannot listen on unix:${path}: the file exists and is no socket`)
  if (await isAlive(path)) {
    throw new ListenError(
      `cannot listen on unix:${path}: another daemon is there; stop it, or use --api`
    )
  }
  unlinkSync(path)
}

const reason = (error: unknown): string => {
  const { code, message } = error as { code?: string; message: string }
  if (code === 'EADDRINUSE') return 'the address is in use; stop who has it, or use --api'
  if (code === 'EACCES') return 'permission denied'
  return message
}

const serveUnix = async (app: Api, path: string): Promise<Listener> => {
  makeFolder(path)
  await clearSocket(path)
  const bindings: ServerBindings = { tcp: false, needsToken: false }
  // Between bind and chmod nobody else may connect.
  const before = process.umask(0o177)
  let server: ReturnType<typeof Bun.serve>
  try {
    server = Bun.serve({
      unix: path,
      ...NEVER_IDLE,
      fetch: (request) => app.fetch(request, bindings),
    })
    chmodSync(path, 0o600)
  } finally {
    process.umask(before)
  }
  const inode = lstat(path)?.ino
  return {
    address: `unix:${path}`,
    stop: async () => {
      await server.stop(true)
      // Bun may have removed it; another daemon may have put its own there.
      const now = lstat(path)
      if (now !== null && now.ino === inode) unlinkSync(path)
    },
  }
}

const serveTcp = (app: Api, endpoint: Endpoint & { kind: 'tcp' }, hasToken: boolean): Listener => {
  const { host, port } = endpoint
  const needsToken = !isLoopback(host)
  if (needsToken && !hasToken) {
    throw new ListenError(
      `will not listen on ${host}:${port} without a token: set token under [api], or listen on 127.0.0.1`
    )
  }
  const bindings: ServerBindings = { tcp: true, needsToken }
  const server = Bun.serve({
    hostname: host,
    port,
    ...NEVER_IDLE,
    fetch: (request) => app.fetch(request, bindings),
  })
  return {
    address: formatEndpoint({ ...endpoint, port: server.port ?? port }),
    stop: () => server.stop(true),
  }
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
