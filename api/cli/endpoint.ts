/**
 * Where the API is: the one place that knows the default socket and how an address of the API is written.
 * The daemon listens there and the command line looks there. Addresses: unix:PATH, HOST:PORT, http://HOST:PORT.
 */
import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: boolean }

export type Env = Readonly<Record<string, string | undefined>>

const DEFAULT_TCP = '127.0.0.1:7777'

/** Where there is no runtime directory. /tmp is everybody's: who uses it makes sure of its owner. */
export const privateFolder = (uid: number): string => `/tmp/softnet-${uid}`

const ROOT_SOCKET = '/run/softnet.sock'

/** One socket a user: the runtime directory where there is one, else /run for root, else a private folder in /tmp. */
export const defaultSocketPath = (env: Env, uid: number): string => {
  const runtime = env.XDG_RUNTIME_DIR
  // Root by su(1) may have another user's still, who may do there as he likes.
  if (runtime && statSync(runtime, { throwIfNoEntry: false })?.uid === uid)
    return `${runtime}/softnet.sock`
  if (uid === 0 && existsSync('/run')) return ROOT_SOCKET
  return `${privateFolder(uid)}/softnet.sock`
}

/** Where a daemon of this user, or root's, may have put its socket: it may have had another environment than we. */
const socketPaths = (env: Env, uid: number): string[] => [
  ...new Set([
    defaultSocketPath(env, uid),
    `/run/user/${uid}/softnet.sock`,
    ROOT_SOCKET,
    `${privateFolder(uid)}/softnet.sock`,
  ]),
]

/** The token's file lies beside the socket; without one, where it would be, by the port. */
export const tokenPath = (socket: string | undefined, port: number, env: Env, uid: number) =>
  socket === undefined
    ? `${dirname(defaultSocketPath(env, uid))}/softnet-${port}.token`
    : `${socket.replace(/\.sock$/, '')}.token`

/** Where a client looks for the token of an address. */
export const tokenPaths = (port: number, env: Env, uid: number): string[] =>
  socketPaths(env, uid).flatMap((socket) => [
    tokenPath(socket, port, env, uid),
    `${dirname(socket)}/softnet-${port}.token`,
  ])

/** null when the text is no address of an API. */
export const parseEndpoint = (text: string): Endpoint | null => {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '')
    return path === '' ? null : { kind: 'unix', path }
  }
  if (text.startsWith('/')) return { kind: 'unix', path: text }
  const found = /^(https?:\/\/)?(\[[0-9a-fA-F:.]+\]|[^/:[\]]+):(\d{1,5})\/?$/.exec(text)
  if (found === null) return null
  const port = Number(found[3])
  if (port > 65535) return null
  return { kind: 'tcp', host: found[2]!.replace(/[[\]]/g, ''), port, tls: found[1] === 'https://' }
}

export const formatEndpoint = (endpoint: Endpoint): string => {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `${endpoint.tls ? 'https' : 'http'}://${host}:${endpoint.port}`
}

/** Only this machine reaches it. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)

/** Where `softnet up` listens without --api: where its clients look, else what the configuration says, else by default. */
export const chooseListen = (
  configured: readonly string[] | undefined,
  env: Env,
  uid: number
): readonly string[] =>
  env.SOFTNET_API
    ? [env.SOFTNET_API]
    : (configured ?? [`unix:${defaultSocketPath(env, uid)}`, DEFAULT_TCP])

/** Where a command looks, in this order: --api, else $SOFTNET_API, else every default place. */
export const choosePlaces = (option: string | undefined, env: Env, uid: number): string[] => {
  const said = option ?? env.SOFTNET_API
  if (said) return [said]
  return [...socketPaths(env, uid).map((path) => `unix:${path}`), DEFAULT_TCP]
}
