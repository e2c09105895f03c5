/**
 * From a command to its daemon: tries the places where one may be, stays with the first that answers, and gives it the
 * token that is the user's to give. Nothing is sent twice: only a connection that was not made leads to the next place.
 */
import { accessSync, constants, lstatSync } from 'node:fs'
import { findToken } from '../token-file.ts'
import type { Fetch } from './cli.ts'
import type { Endpoint, Env } from './endpoint.ts'
import { formatEndpoint, isLoopback, privateFolder, tokenPaths } from './endpoint.ts'

/** What says that no daemon has heard the request. */
const NOT_MADE = ['ConnectionRefused', 'ECONNREFUSED', 'ENOENT', 'FailedToOpenSocket', 'EACCES']
const GONE = [...NOT_MADE, 'ECONNRESET', 'ConnectionClosed']

const isOneOf = (codes: readonly string[], error: unknown): boolean =>
  codes.includes((error as { code?: string }).code ?? '')

/** No daemon is there, or it went away in the middle. */
export const isGone = (error: unknown): boolean => isOneOf(GONE, error)

/** Why a socket is not even tried. */
const obstacle = (endpoint: Endpoint, uid: number): string | null => {
  if (endpoint.kind === 'tcp') return null
  const { path } = endpoint
  try {
    const { uid: owner } = lstatSync(path)
    // Anybody may make folders in /tmp.
    if (path.startsWith(`${privateFolder(uid)}/`) && owner !== uid) return "somebody else's"
    accessSync(path, constants.R_OK | constants.W_OK)
    return null
  } catch (error) {
    return (error as { code?: string }).code === 'EACCES' ? 'permission denied' : 'none there'
  }
}

/** The places as a message names them. */
export const describePlaces = (places: readonly Endpoint[], uid: number): string =>
  places
    .map((place) => {
      const why = obstacle(place, uid)
      return formatEndpoint(place) + (why === 'permission denied' ? ` (${why})` : '')
    })
    .join(', ')

/** --token, $SOFTNET_TOKEN, or the file that a daemon of this machine keeps for its owner. */
const tokenFor = (endpoint: Endpoint, said: string | undefined, env: Env, uid: number) => {
  if (said || endpoint.kind === 'unix') return said
  if (!isLoopback(endpoint.host)) return undefined
  return findToken(tokenPaths(endpoint.port, env, uid), formatEndpoint(endpoint))
}

const quote = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** A request as a line for a shell; a token is named, not said. */
export const curlLine = (
  endpoint: Endpoint,
  path: string,
  { method = 'GET', headers, body }: RequestInit
): string => {
  const isUnix = endpoint.kind === 'unix'
  const words = ['curl', ...(isUnix ? ['--unix-socket', quote(endpoint.path)] : [])]
  if (method !== 'GET') words.push('-X', method)
  for (const [name, value] of new Headers(headers))
    words.push(
      '-H',
      name === 'authorization'
        ? '"Authorization: Bearer $SOFTNET_TOKEN"'
        : quote(`${name}: ${value}`)
    )
  if (typeof body === 'string') words.push('-d', quote(body))
  return [...words, quote((isUnix ? 'http://localhost' : formatEndpoint(endpoint)) + path)].join(
    ' '
  )
}

type ConnectOptions = {
  token: string | undefined
  env: Env
  uid: number
  /** Hears each request as a line of curl. */
  tell?: (curl: string) => void
}

export const createFetch = (
  places: readonly Endpoint[],
  { token, env, uid, tell }: ConnectOptions
): Fetch => {
  const ask = (endpoint: Endpoint, path: string, init: RequestInit): Promise<Response> => {
    const base = endpoint.kind === 'unix' ? 'http://localhost' : formatEndpoint(endpoint)
    const unix = endpoint.kind === 'unix' ? { unix: endpoint.path } : {}
    const headers = new Headers(init.headers)
    const bearer = tokenFor(endpoint, token, env, uid)
    if (bearer) headers.set('Authorization', `Bearer ${bearer}`)
    tell?.(curlLine(endpoint, path, { ...init, headers }))
    return fetch(base + path, { ...init, ...unix, headers })
  }
  let chosen = places.length === 1 ? places[0] : undefined
  return async (path, init = {}) => {
    if (chosen !== undefined) return ask(chosen, path, init)
    for (const place of places) {
      if (obstacle(place, uid) !== null) continue
      try {
        const response = await ask(place, path, init)
        chosen = place
        return response
      } catch (error) {
        if (!isOneOf(NOT_MADE, error)) throw error
      }
    }
    throw Object.assign(new Error('no daemon'), { code: 'ECONNREFUSED' })
  }
}
