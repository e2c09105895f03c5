/**
 * Who may do what. The unix socket is its owner's, by the file's mode; over loopback anybody on the machine may look, as
 * with `ip` and `ss`, and a change or a capture needs a bearer token; from other machines everything does. Scopes: read <
 * write < capture. On every TCP listener a browser must not be turned against us by a page from elsewhere: a foreign Host
 * (DNS rebinding), Origin or Sec-Fetch-Site is refused, and no cookie exists that a browser could send by itself.
 */
import type { MiddlewareHandler } from 'hono'
import { isLoopback } from './cli/endpoint.ts'
import type { ApiEnv, AppDeps, ListenerKind } from './endpoints/deps.ts'
import { Problem } from './problem.ts'
import type { Scope } from './schemas/config.ts'
import { SCOPES } from './schemas/config.ts'

/** What needs no token. */
const OPEN: Readonly<Record<ListenerKind, Scope | null>> = {
  unix: 'capture',
  loopback: 'read',
  network: null,
}

/** They say nothing of the daemon's state: a load balancer's question, and the pages, which then ask with a token. */
const PUBLIC_PATHS: readonly string[] = ['/healthz', '/', '/docs']
const PAGE_FILES = /^\/(page\/[a-z.]+|problems(\/[A-Za-z-]+)?)$/
const saysNothing = (path: string): boolean => PUBLIC_PATHS.includes(path) || PAGE_FILES.test(path)
const READS: readonly string[] = ['GET', 'HEAD', 'OPTIONS']
export const isRead = (method: string): boolean => READS.includes(method)

/** Reads that show what is in packets. */
const CAPTURES = /^\/v1\/(netns\/[^/]+\/)?(capture|trace)(\/|$)/

const digest = (text: string): Uint8Array => new Bun.CryptoHasher('sha256').update(text).digest()

/** Compares digests, so that the time taken tells nothing of the token. */
const isSame = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

export const scopeNeeded = (method: string, path: string): Scope => {
  if (CAPTURES.test(path)) return 'capture'
  return isRead(method) ? 'read' : 'write'
}

const covers = (given: Scope | null, needed: Scope): boolean =>
  given !== null && SCOPES.indexOf(given) >= SCOPES.indexOf(needed)

const hostOf = (authority: string): string =>
  authority.toLowerCase().replace(/:\d+$/, '').replace(/[[\]]/g, '')

/** Throws where a browser asks for a page that is not ours. */
const refuseForeignPages = (headers: Headers, isOwnMachine: boolean): void => {
  const host = headers.get('Host')
  if (isOwnMachine && host !== null && !isLoopback(hostOf(host)))
    throw new Problem('foreign-page', `Error: this listener does not answer for host "${host}".`)
  const origin = headers.get('Origin')
  if (origin !== null && origin.replace(/^https?:\/\//, '') !== host)
    throw new Problem('foreign-page', `Error: requests from pages of ${origin} are refused.`)
  // A link or a bookmark may lead here; images, scripts and frames of other sites may not.
  const site = headers.get('Sec-Fetch-Site') ?? 'none'
  const isVisit = headers.get('Sec-Fetch-Mode') === 'navigate'
  if (site !== 'none' && site !== 'same-origin' && !isVisit)
    throw new Problem('foreign-page', 'Error: requests from pages of other sites are refused.')
}

type AuthDeps = Pick<AppDeps, 'token' | 'tokens' | 'howToChange'>

const unauthorized = (kind: ListenerKind, needed: Scope, howToChange: string): Problem => {
  const what = needed === 'capture' ? 'to capture' : 'to change anything'
  const detail =
    kind === 'loopback'
      ? `Error: Permission denied: over loopback anybody may look, but ${what} needs ${howToChange}.`
      : 'Error: a bearer token is needed on this address.'
  return new Problem('token-needed', detail, {
    headers: { 'WWW-Authenticate': 'Bearer realm="softnet"' },
  })
}

export const authenticate = ({
  token,
  tokens = [],
  howToChange = 'a bearer token, or the unix socket',
}: AuthDeps): MiddlewareHandler<ApiEnv> => {
  const known = [
    ...tokens,
    ...(token === undefined ? [] : [{ token, scope: 'capture' as const }]),
  ].map((one) => ({ digest: digest(one.token), scope: one.scope }))
  /** All are compared, so that the time taken does not tell which. */
  const scopeOf = (authorization: string | undefined): Scope | null => {
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (given === undefined) return null
    const hash = digest(given)
    return known.filter((one) => isSame(one.digest, hash))[0]?.scope ?? null
  }
  return async (c, next) => {
    // A request that no listener brought gets nothing.
    const { listener = 'network' } = c.env ?? {}
    if (listener !== 'unix') refuseForeignPages(c.req.raw.headers, listener === 'loopback')
    const needed = scopeNeeded(c.req.method, c.req.path)
    const isPublic = needed === 'read' && saysNothing(c.req.path)
    if (!isPublic && !covers(OPEN[listener], needed)) {
      const scope = scopeOf(c.req.header('Authorization'))
      if (scope === null) throw unauthorized(listener, needed, howToChange)
      if (!covers(scope, needed))
        throw new Problem(
          'scope-too-small',
          `Error: this needs a token with scope ${needed}, yours has ${scope}.`
        )
    }
    await next()
  }
}
