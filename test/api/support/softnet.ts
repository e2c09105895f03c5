/** The API and the command line over a fake control plane, without a socket. */
import type { ServerBindings } from '../../../api/app.ts'
import { createApp } from '../../../api/app.ts'
import { run } from '../../../api/cli/run.ts'
import type { AppDeps } from '../../../api/endpoints/deps.ts'
import { createFakeControl } from './fake-control.ts'

export const createSoftnet = (
  more: Partial<AppDeps> = {},
  bindings: ServerBindings = { listener: 'unix' }
) => {
  const fake = createFakeControl()
  const app = createApp({ control: fake.control, version: '0.1.0', ...more })
  /** A body is JSON where the test says nothing else. */
  const request = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers)
    if (init.body && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
    return app.request(path, { ...init, headers }, bindings)
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
  const cli = async (line: string) => {
    let [out, err] = ['', '']
    const words = line.split(' ').filter((word) => word !== '')
    const isJson = words[0] === '-j'
    const status = await run(isJson ? words.slice(1) : words, {
      fetch: request,
      endpoint: 'unix:/test.sock',
      env: {},
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
  return { ...fake, app, request, json, send, cli }
}
