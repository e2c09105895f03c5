/** The API and the command line over the router of router.ts, without a socket. */
import type { ServerBindings } from '../../../api/app.ts'
import { createApp } from '../../../api/app.ts'
import { run } from '../../../api/cli/run.ts'
import type { AppDeps } from '../../../api/endpoints/deps.ts'
import type { Control, DumpOf, DumpType, Message } from '../../../core/control/text/messages.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../../../core/control/nlm-flags.ts'
import { itemOf } from '../../support/control-plane.ts'
import { holdExplained } from './problems.ts'
import { createRouter } from './router.ts'

export const createSoftnet = (
  more: Partial<AppDeps> = {},
  bindings: ServerBindings = { listener: 'unix' }
) => {
  const router = createRouter()
  const asked: Message[] = []
  const listenIn: Control['request'] = (message, ifAt) => {
    asked.push(message)
    return router.control.request(message, ifAt)
  }
  const control = { ...router.control, request: listenIn }
  const netns = () => router.nets.names().map((name) => ({ name }))
  const app = createApp({ control, version: '0.1.0', netns, ...more })
  const ready = router.setUp()
  /** A body is JSON where the test says nothing else. */
  const request = async (path: string, init: RequestInit = {}): Promise<Response> => {
    await ready
    const headers = new Headers(init.headers)
    if (init.body && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
    return holdExplained(app, await app.request(path, { ...init, headers }, bindings))
  }
  /** What the control plane has. */
  const items = async <T extends DumpType>(dump: DumpOf<T>) => {
    await ready
    return [...router.control.dump(dump)].flat()
  }
  /** Gives the route to 10.60.0.0/16 another MTU, at once: one more revision, whose notifications name it. */
  const change = (mtu: number): void => {
    const route = { dst: '10.60.0.0/16', dev: 'veth0', metrics: [{ mtu }] }
    const flags = NLM_F_CREATE | NLM_F_REPLACE
    itemOf(router.control.apply({ type: 'RTM_NEWROUTE', flags, route }))
    router.turn()
    router.control.poll()
  }
  const json = async (path: string, init?: RequestInit) => {
    const response = await request(path, init)
    return {
      status: response.status,
      headers: response.headers,
      // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
      body: (await response.json()) as any,
    }
  }
  const send = (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {}
  ) => json(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
  /** Runs a command line; words are split at blanks. */
  const cli = async (line: string, env: Readonly<Record<string, string>> = {}) => {
    let [out, err] = ['', '']
    const words = line.split(' ').filter((word) => word !== '')
    const isJson = words[0] === '-j'
    const status = await run(isJson ? words.slice(1) : words, {
      fetch: request,
      endpoint: 'unix:/test.sock',
      env,
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      json: isJson,
    })
    return { status, out, err }
  }
  return { ...router, control, asked, ready, items, change, app, request, json, send, cli }
}
