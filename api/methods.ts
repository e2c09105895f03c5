/** What a path understands: 405 with Allow for another method, and the answer to OPTIONS. Called where no endpoint is. */
import type { Context } from 'hono'
import type { Api, ApiEnv } from './endpoints/deps.ts'
import { Problem } from './problem.ts'

const METHODS = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'] as const

/** Middleware stands for every method ("ALL") and makes no endpoint. */
const methodsOf = (app: Api, path: string): string[] => {
  const found: string[] = METHODS.filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method)
  )
  if (found.includes('GET')) found.push('HEAD')
  return found.length === 0 ? found : [...found, 'OPTIONS']
}

export const answerUnknown = (app: Api, c: Context<ApiEnv>): Response => {
  const { method, path } = c.req
  const allowed = methodsOf(app, path)
  // an endpoint that understands the method has found nothing there
  if (allowed.length === 0 || (method !== 'OPTIONS' && allowed.includes(method)))
    return new Problem(
      'no-such-path',
      `Error: there is no ${method} ${path}; GET /openapi.json lists what there is.`
    ).toResponse()
  const headers = { Allow: allowed.join(', ') }
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers })
  return new Problem(
    'method-not-allowed',
    `Error: ${path} understands ${headers.Allow}, not ${method}.`,
    {
      headers,
    }
  ).toResponse()
}
