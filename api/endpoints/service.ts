/** /healthz /readyz /version /metrics, which have no /v1, and the debug endpoint that makes a worker throw. */
import { Hono } from 'hono'
import { z } from 'zod'
import { refused } from '../problem.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { metricsText } from './metrics.ts'

const tag = 'service'
const ready = z.strictObject({ status: z.literal('ready'), revision: z.int() })
const unready = z.strictObject({ status: z.literal('not ready'), missing: z.string() })
const versionAnswer = z.strictObject({
  name: z.literal('softnet'),
  version: z.string(),
  bun: z.string(),
  api: z.literal('v1'),
})

/** A worker that runs no loop is being restarted; the others go on. */
const stoppedWorkers = ({ control }: AppDeps): number[] =>
  [...control.dump({ type: 'WORKER' })]
    .flat()
    .filter((worker) => !worker.running)
    .map((worker) => worker.cpu)

export const createServiceEndpoints = (deps: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  const { control, version, notReady } = deps

  api.get(
    '/healthz',
    doc('200 while the daemon answers', {
      tag,
      answer: z.strictObject({ status: z.literal('ok') }),
    }),
    (c) => c.json({ status: 'ok' })
  )
  api.get(
    '/readyz',
    doc('200 when every worker runs', {
      tag,
      answer: ready,
      also: { 503: { 'application/json': unready } },
    }),
    (c) => {
      const missing = notReady?.() ?? null
      if (missing !== null)
        return c.json({ status: 'not ready', missing }, 503, { 'Retry-After': '1' })
      const stopped = stoppedWorkers(deps)
      if (stopped.length > 0) {
        return c.json({ status: 'not ready', missing: `worker ${stopped.join(', ')}` }, 503, {
          'Retry-After': '1',
        })
      }
      return c.json({ status: 'ready', revision: control.revision() })
    }
  )
  api.get('/version', doc('Version', { tag, answer: versionAnswer }), (c) =>
    c.json({ name: 'softnet', version, bun: Bun.version, api: 'v1' })
  )
  api.get(
    '/metrics',
    doc('Prometheus metrics', { tag, media: { 'text/plain': z.string() } }),
    async (c) =>
      c.body(await metricsText(control, version), 200, {
        'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      })
  )
  return api
}

export const createDebugEndpoints = (throwInWorker: (worker: number) => boolean): Api => {
  const api: Api = new Hono<ApiEnv>()
  api.post('/debug/workers/:worker{[0-9]+:throw}', (c) => {
    const worker = Number.parseInt(c.req.param('worker'), 10)
    if (!throwInWorker(worker)) throw refused('ENOENT', `Error: there is no worker ${worker}.`)
    return c.json({ worker, thrown: true }, 202)
  })
  return api
}
