/**
 * Who may do what. On a listener that other machines reach, a bearer token with the scope that the request needs
 * (read < write < capture). On every TCP listener, loopback too, a browser must not be turned against us by a page from
 * elsewhere: a foreign Host (DNS rebinding) or Origin is refused.
 */
import type { MiddlewareHandler } from 'hono'
import { isLoopback } from './cli/endpoint.ts'
import type { ApiEnv, AppDeps } from './endpoints/deps.ts'
import { Problem } from './problem.ts'
import type { Scope } from './schemas/config.ts'
import { SCOPES } from './schemas/config.ts'

const digest = (text: string): Uint8Array => new Bun.CryptoHasher('sha256').update(text).digest()

/** Compares digests, so that the time taken tells nothing of the token. */
const isSame = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

const scopeNeeded = (method: string, path: string): Scope => {
  if (path.startsWith('/v1/capture')) return 'capture'
  return method === 'GET' || method === 'HEAD' ? 'read' : 'write'
}

const hostOf = (authority: string): string => authority.replace(/:\d+$/, '').replace(/[[\]]/g, '')

export const authenticate = ({
  token,
  tokens = [],
}: Pick<AppDeps, 'token' | 'tokens'>): MiddlewareHandler<ApiEnv> => {
  const known = [
    ...tokens,
    ...(token === undefined ? [] : [{ token, scope: 'capture' as const }]),
  ].map((one) => ({ digest: digest(one.token), scope: one.scope }))
  return async (c, next) => {
    const { needsToken = false, tcp = false } = c.env ?? {}
    const host = c.req.header('Host')
    if (tcp && !needsToken && host !== undefined && !isLoopback(hostOf(host))) {
      throw new Problem(403, `Error: this listener does not answer for host "${host}".`, {
        errno: 'EPERM',
      })
    }
    const origin = c.req.header('Origin')
    if (tcp && origin !== undefined && origin.replace(/^https?:\/\//, '') !== host) {
      throw new Problem(403, `Error: requests from pages of ${origin} are refused.`, {
        errno: 'EPERM',
      })
    }
    if (needsToken && c.req.path !== '/healthz') {
      const given = /^Bearer +(\S+)$/i.exec(c.req.header('Authorization') ?? '')?.[1]
      const hash = given === undefined ? null : digest(given)
      const found = hash && known.find((one) => isSame(one.digest, hash))
      if (!found) {
        throw new Problem(401, 'Error: a bearer token is needed on this address.', {
          errno: 'EACCES',
          headers: { 'WWW-Authenticate': 'Bearer realm="softnet"' },
        })
      }
      const needed = scopeNeeded(c.req.method, c.req.path)
      if (SCOPES.indexOf(found.scope) < SCOPES.indexOf(needed)) {
        throw new Problem(
          403,
          `Error: this needs a token with scope ${needed}, yours has ${found.scope}.`,
          { errno: 'EPERM' }
        )
      }
    }
    await next()
  }
}
