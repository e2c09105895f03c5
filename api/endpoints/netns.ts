/**
 * /netns/{name}/...: everything of the API, in one namespace. Those of simulated hosts are stacks of their own on another
 * thread, which answer with whole bodies: what never ends (watch, capture, trace) is not passed on.
 */
import { Hono } from 'hono'
import { isRead } from '../auth.ts'
import { Problem, refused } from '../problem.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'

const METHODS = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE']
const ENDLESS = /^\/v1\/(watch|capture|trace)$/
/** What an answer's reader has to know; the rest is this app's to say. */
const KEPT_HEADERS = ['content-type', 'etag', 'retry-after', 'allow']
const SENT_HEADERS = ['accept', 'content-type', 'if-match']

const pick = (headers: Headers, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers.get(name)
      return value === null ? [] : [[name, value]]
    })
  )

export const createNetnsEndpoints = ({ netns, askNetns }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  api.on(METHODS, '/netns/:name/*', async (c) => {
    const name = c.req.param('name')
    const url = new URL(c.req.url)
    const path = url.pathname.replace(/^\/v1\/netns\/[^/]+/, '/v1')
    const item = netns?.().find((one) => one.name === name)
    if (item === undefined)
      throw refused('ENOENT', `Cannot open network namespace "${name}": No such file or directory`)
    if (item.pid !== undefined || askNetns === undefined)
      throw new Problem(
        501,
        `Error: "${name}" is a namespace of the kernel: softnet exec enters it.`
      )
    if (ENDLESS.test(path))
      throw new Problem(501, 'Error: a simulated host answers at once, and streams nothing.')
    const { status, headers, body } = await askNetns({
      host: name,
      method: c.req.method,
      path: path + url.search,
      headers: pick(c.req.raw.headers, SENT_HEADERS),
      body: isRead(c.req.method) ? '' : await c.req.text(),
    })
    return new Response(status === 204 ? null : body, {
      status,
      headers: pick(new Headers(headers), KEPT_HEADERS),
    })
  })
  return api
}
