/**
 * The HTTP API: a hono app over the control plane. It reads snapshots and sends control messages; it never touches a
 * packet. On the main thread. Tests call app.request(); api/server.ts gives it sockets.
 */
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { openAPIRouteHandler } from 'hono-openapi'
import { authenticate } from './auth.ts'
import { createAddressEndpoints } from './endpoints/addresses.ts'
import { createConfigEndpoints } from './endpoints/config.ts'
import type { Api, ApiEnv, AppDeps } from './endpoints/deps.ts'
import { createLinkEndpoints } from './endpoints/links.ts'
import { createNeighEndpoints } from './endpoints/neighs.ts'
import { createProcEndpoints } from './endpoints/proc.ts'
import { createRouteEndpoints } from './endpoints/routes.ts'
import { createDebugEndpoints, createServiceEndpoints } from './endpoints/service.ts'
import { createSocketEndpoints } from './endpoints/sockets.ts'
import { createStatsEndpoints } from './endpoints/stats.ts'
import { createSteeringEndpoints } from './endpoints/steering.ts'
import { createWatchEndpoints } from './endpoints/watch.ts'
import { createPages } from './page/pages.ts'
import { asProblem, Problem } from './problem.ts'

export type { AppDeps, NetnsItem, ServerBindings } from './endpoints/deps.ts'

const MAX_BODY_BYTES = 64 * 1024 * 1024

export const createApp = (deps: AppDeps): Api => {
  const app: Api = new Hono<ApiEnv>()
  app.use(authenticate(deps))
  app.use(async (c, next) => {
    if (Number(c.req.header('Content-Length') ?? 0) > MAX_BODY_BYTES) {
      throw new Problem(413, `Error: a body may have ${MAX_BODY_BYTES} bytes.`)
    }
    await next()
  })
  const parts = [
    createLinkEndpoints,
    createAddressEndpoints,
    createRouteEndpoints,
    createNeighEndpoints,
    createSocketEndpoints,
    createSteeringEndpoints,
    createStatsEndpoints,
    createConfigEndpoints,
    createProcEndpoints,
    createWatchEndpoints,
  ]
  for (const create of parts) app.route('/v1', create(deps))
  if (deps.debug && deps.throwInWorker) app.route('/v1', createDebugEndpoints(deps.throwInWorker))
  app.route('/', createServiceEndpoints(deps))
  app.get(
    '/openapi.json',
    openAPIRouteHandler(app, {
      documentation: {
        info: {
          title: 'softnet',
          version: deps.version,
          description: 'The API of the softnet daemon.',
        },
      },
    })
  )
  app.route('/', createPages())

  app.notFound((c) =>
    new Problem(
      404,
      `Error: there is no ${c.req.method} ${c.req.path}; GET /openapi.json lists what there is.`
    ).toResponse()
  )
  app.onError((error) => {
    if (error instanceof HTTPException)
      return new Problem(error.status, `Error: ${error.message}`).toResponse()
    return asProblem(error).toResponse()
  })
  return app
}
