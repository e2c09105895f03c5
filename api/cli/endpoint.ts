/**
 * Where the API is: the one place that knows the default socket and how an address of the API is written.
 * The daemon listens there and the command line looks there. Addresses: unix:PATH, HOST:PORT, http://HOST:PORT.
 */
import { existsSync } from 'node:fs'

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: boolean }

export type Env = Readonly<Record<string, string | undefined>>

export const DEFAULT_TCP = '127.0.0.1:7777'

/** One socket a user: the runtime directory where there is one, else /run for root, else a private folder in /tmp. */
export const defaultSocketPath = (env: Env, uid: number): string => {
  const runtime = env.XDG_RUNTIME_DIR
  if (runtime !== undefined && runtime !== '' && existsSync(runtime))
    return `${runtime}/softnet.sock`
  if (uid === 0 && existsSync('/run')) return '/run/softnet.sock'
  return `/tmp/softnet-${uid}/softnet.sock`
}

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

/** A bearer token is needed on every TCP address that other machines can reach. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)

/** What `softnet up` listens on when neither the configuration nor --api says. */
export const defaultListen = (env: Env, uid: number): string[] => [
  `unix:${defaultSocketPath(env, uid)}`,
  DEFAULT_TCP,
]

/** --api, then $SOFTNET_API, then the default socket. */
export const chooseEndpoint = (option: string | undefined, env: Env, uid: number): string =>
  option ?? (env.SOFTNET_API || `unix:${defaultSocketPath(env, uid)}`)
