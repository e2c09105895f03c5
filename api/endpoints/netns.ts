/**
 * /netns: the network namespaces, like `ip netns`, and /netns/{name}/...: everything of the API, in one of them. They are stacks
 * of their own on another thread, which answers with whole bodies, and piece by piece where an answer never ends.
 */
import { Hono } from 'hono'
import { NLM_F_CREATE, NLM_F_EXCL } from '../../core/control/nlm-flags.ts'
import { DEFAULT_NETNS } from '../../core/control/text/link.ts'
import { isRead } from '../auth.ts'
import { Problem, refused } from '../problem.ts'
import { netnsItem, netnsSpec } from '../schemas/netns.ts'
import { readBody, sendChange, showItem } from './change.ts'
import type { Api, ApiEnv, AppDeps, NetnsItem, Pieces, ServerBindings } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'netns'

const METHODS = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE']
const ENDLESS = /^\/v1\/(watch|capture|trace)$/
/** What an answer's reader has to know; the rest is this app's to say. */
const KEPT_HEADERS = ['content-type', 'etag', 'retry-after', 'allow', 'cache-control']
const SENT_HEADERS = ['accept', 'content-type', 'if-match', 'last-event-id']

const pick = (headers: Headers, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers.get(name)
      return value === null ? [] : [[name, value]]
    })
  )

/** An answer that goes on, until its reader leaves; Bun says so of one who has left before it begins, too. */
const streamOf = ({ next, cancel }: Pieces, keep: () => () => void): ReadableStream<Uint8Array> => {
  const release = keep()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await next()
      if (piece !== null) return controller.enqueue(piece)
      release()
      controller.close()
    },
    cancel() {
      release()
      cancel()
    },
  })
}

/** `pass` answers a request that is for the whole of the daemon. */
export const createNetnsEndpoints = (
  { control, netns = () => [], askNetns }: AppDeps,
  pass: (request: Request, env: ServerBindings) => Promise<Response>
): Api => {
  const api: Api = new Hono<ApiEnv>()
  const find = (name: string): NetnsItem => {
    const item = netns().find((one) => one.name === name)
    if (item !== undefined) return item
    throw refused('ENOENT', `Cannot open network namespace "${name}": No such file or directory`)
  }
  api.get('/netns', doc('Network namespaces', { tag, like: 'ip netns', items: netnsItem }), (c) => {
    const { words } = readListQuery(c, {})
    return sendList(c, [[...netns()]], words, control.revision())
  })
  api.post(
    '/netns',
    doc('Adds a network namespace', {
      tag,
      like: 'ip netns add NAME',
      body: netnsSpec,
      example: { name: 'blue' },
      change: netnsSpec,
      status: 201,
    }),
    async (c) => {
      const { name } = await readBody(c, netnsSpec)
      const flags = NLM_F_CREATE | NLM_F_EXCL
      return sendChange(c, control, { type: 'NETNS_NEW', flags, name }, 201)
    }
  )
  api.get('/netns/:netns', doc('Shows a network namespace', { tag, item: netnsItem }), (c) =>
    showItem(c, find(c.req.param('netns')), control.revision())
  )
  api.put(
    '/netns/:netns',
    doc('Adds a network namespace, if there is none of the name', { tag, change: netnsSpec }),
    (c) =>
      sendChange(c, control, { type: 'NETNS_NEW', flags: NLM_F_CREATE, name: c.req.param('netns') })
  )
  api.delete(
    '/netns/:netns',
    doc('Deletes a network namespace, with all that it has', {
      tag,
      like: 'ip netns del NAME',
      change: netnsSpec,
    }),
    (c) => sendChange(c, control, { type: 'NETNS_DEL', name: c.req.param('netns') })
  )
  api.on(METHODS, '/netns/:netns/*', async (c) => {
    const name = c.req.param('netns')
    const url = new URL(c.req.url)
    const path = url.pathname.replace(/^\/v1\/netns\/[^/]+/, '/v1')
    const { method } = c.req
    const body = isRead(method) ? '' : await c.req.text()
    const isDefault = name === DEFAULT_NETNS && !netns().some((one) => one.name === name)
    const { pid } = isDefault ? { pid: undefined } : find(name)
    // what is the default net's, and the namespaces themselves, which are the same from everywhere
    if (isDefault || /^\/v1\/netns(\/|$)/.test(path)) {
      url.pathname = path
      const { headers } = c.req.raw
      return pass(new Request(url, { method, headers, ...(body !== '' && { body }) }), c.env)
    }
    if (pid !== undefined || askNetns === undefined)
      throw new Problem(
        'not-in-a-namespace',
        `Error: "${name}" is a namespace of the kernel: softnet exec enters it.`
      )
    const answer = await askNetns({
      name,
      method,
      path: path + url.search,
      headers: pick(c.req.raw.headers, SENT_HEADERS),
      body,
      isStream: isRead(method) && ENDLESS.test(path),
    })
    const whole =
      typeof answer.body === 'string'
        ? answer.body
        : streamOf(answer.body, c.env?.keep ?? (() => () => {}))
    return new Response(answer.status === 204 ? null : whole, {
      status: answer.status,
      headers: pick(new Headers(answer.headers), KEPT_HEADERS),
    })
  })
  return api
}
