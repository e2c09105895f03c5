/**
 * The HTTP API: a hono app over the control plane. It reads snapshots and sends control messages; it never touches a
 * packet. On the main thread. Tests call app.request(); api/server.ts gives it sockets.
 */
import { Hono, type MiddlewareHandler } from 'hono'
import type { Log } from '../workers/log.ts'
import { audit } from './audit.ts'
import { authenticate } from './auth.ts'
import { BODY_LIMITS, readBodies } from './body.ts'
import { createAddressEndpoints } from './endpoints/addresses.ts'
import { createCaptureEndpoints } from './endpoints/capture.ts'
import { createConfigEndpoints } from './endpoints/config.ts'
import type { Api, ApiEnv, AppDeps } from './endpoints/deps.ts'
import { createLinkEndpoints } from './endpoints/links.ts'
import { createMaddrEndpoints } from './endpoints/maddrs.ts'
import { createMrouteEndpoints } from './endpoints/mroutes.ts'
import { createNeighEndpoints } from './endpoints/neighs.ts'
import { createNexthopEndpoints } from './endpoints/nexthops.ts'
import { createOpenapi } from './endpoints/openapi.ts'
import { createNetnsEndpoints } from './endpoints/netns.ts'
import { createProcEndpoints } from './endpoints/proc.ts'
import { createQdiscEndpoints } from './endpoints/qdiscs.ts'
import { createRouteEndpoints } from './endpoints/routes.ts'
import { createRuleEndpoints } from './endpoints/rules.ts'
import { createDebugEndpoints, createServiceEndpoints } from './endpoints/service.ts'
import { createSocketEndpoints } from './endpoints/sockets.ts'
import { createStatsEndpoints } from './endpoints/stats.ts'
import { createSteeringEndpoints } from './endpoints/steering.ts'
import { createTraceEndpoints } from './endpoints/trace.ts'
import { createWatchEndpoints } from './endpoints/watch.ts'
import { answerUnknown } from './methods.ts'
import { createPages } from './page/pages.ts'
import { asProblem, Problem } from './problem.ts'

export type { AppDeps, NetnsItem, ServerBindings } from './endpoints/deps.ts'

/** Answers are data for whom they were meant for: no page of another site may embed them. */
const HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
}

/** Each request has a line, for who looks for what goes wrong; when its answer begins. */
const logRequests =
  (log: Log): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    const startMs = performance.now()
    await next()
    const ms = Math.round(performance.now() - startMs)
    log('debug', `${c.req.method} ${c.req.path}`, { status: c.res.status, ms })
  }

export const createApp = (deps: AppDeps): Api => {
  const app: Api = new Hono<ApiEnv>()
  app.use(async (c, next) => {
    await next()
    for (const [name, value] of Object.entries(HEADERS)) c.res.headers.set(name, value)
    // hono answers HEAD as GET and forgets the body: a stream must be told that nobody reads it.
    if (c.req.method === 'HEAD') await c.res.body?.cancel()
  })
  if (deps.log) app.use(logRequests(deps.log))
  if (deps.tellChange) app.use(audit(deps, deps.tellChange, Date.now))
  app.use(authenticate(deps))
  app.use(readBodies(deps.bodyLimits ?? BODY_LIMITS))
  const parts = [
    createLinkEndpoints,
    createAddressEndpoints,
    createRouteEndpoints,
    createRuleEndpoints,
    createNexthopEndpoints,
    createNeighEndpoints,
    createMaddrEndpoints,
    createQdiscEndpoints,
    createMrouteEndpoints,
    createSocketEndpoints,
    createSteeringEndpoints,
    createStatsEndpoints,
    createConfigEndpoints,
    createProcEndpoints,
    createWatchEndpoints,
    createCaptureEndpoints,
    createTraceEndpoints,
  ]
  for (const create of parts) app.route('/v1', create(deps))
  app.route(
    '/v1',
    createNetnsEndpoints(deps, (request, env) => Promise.resolve(app.fetch(request, env)))
  )
  if (deps.debug && deps.throwInWorker) app.route('/v1', createDebugEndpoints(deps.throwInWorker))
  app.route('/', createServiceEndpoints(deps))
  app.get('/openapi.json', createOpenapi(app, deps.version))
  app.route('/', createPages())

  app.notFound((c) => answerUnknown(app, c))
  app.onError((error) => {
    if (!(error instanceof Problem)) deps.log?.('err', error.stack ?? error.message)
    return asProblem(error).toResponse()
  })
  return app
}
