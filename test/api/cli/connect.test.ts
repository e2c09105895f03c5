import { afterAll, afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createFetch, curlLine, describePlaces, isGone } from '../../../api/cli/connect.ts'
import { parseEndpoint } from '../../../api/cli/endpoint.ts'
import { tokenLink, writeTokenFile } from '../../../api/token-file.ts'

const folder = mkdtempSync(`${tmpdir()}/softnet-connect-`)
const servers: { stop(force: boolean): unknown }[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true)
})
afterAll(() => rmSync(folder, { recursive: true }))

const uid = process.getuid!()
const env = { XDG_RUNTIME_DIR: folder }
const places = (...texts: string[]) => texts.map((text) => parseEndpoint(text)!)

/** Answers with its name and the token it was given. */
const serve = (name: string, where: object): number => {
  const server = Bun.serve({
    ...where,
    fetch: (request: Request) =>
      new Response(`${name} ${request.headers.get('Authorization') ?? 'no token'}`),
  } as Parameters<typeof Bun.serve>[0])
  servers.push(server)
  return server.port ?? 0
}
const onLoopback = { hostname: '127.0.0.1', port: 0 }

const said = async (fetch: ReturnType<typeof createFetch>): Promise<string> =>
  (await fetch('/')).text()

test('the first place that answers is the daemon, and stays so', async () => {
  const port = serve('tcp', onLoopback)
  const [late, tcp] = [`unix:${folder}/late.sock`, `127.0.0.1:${port}`]
  const fetch = createFetch(places(`unix:${folder}/none`, late, tcp), {
    token: undefined,
    env,
    uid,
  })
  expect(await said(fetch)).toBe('tcp no token')
  serve('late', { unix: `${folder}/late.sock` })
  expect(await said(fetch)).toBe('tcp no token')
  const again = createFetch(places(late, tcp), { token: undefined, env, uid })
  expect(await said(again)).toBe('late no token')
})

test('where none answers, it says so, and where it looked', async () => {
  const none = places(`unix:${folder}/none`, '127.0.0.1:1')
  const fetch = createFetch(none, { token: undefined, env, uid })
  const error = await fetch('/').catch((reason: unknown) => reason)
  expect(isGone(error)).toBe(true)
  expect(describePlaces(none, uid)).toBe(`unix:${folder}/none, http://127.0.0.1:1`)
})

test('the token is the one that was said, else the one of the file for this very address', async () => {
  const [port, other] = [serve('own', onLoopback), serve('other', onLoopback)]
  const address = `http://127.0.0.1:${port}`
  writeTokenFile(`${folder}/softnet.token`, [tokenLink(address, 'filed')])
  const to = (at: number, token?: string) =>
    said(createFetch(places(`127.0.0.1:${at}`), { token, env, uid }))
  expect(await to(port)).toBe('own Bearer filed')
  expect(await to(port, 'said')).toBe('own Bearer said')
  expect(await to(other)).toBe('other no token')
})

test.each([
  [
    { kind: 'unix', path: '/run/s.sock' },
    '/v1/links',
    {},
    'curl --unix-socket /run/s.sock http://localhost/v1/links',
  ],
  [
    { kind: 'tcp', host: '127.0.0.1', port: 7777, tls: false },
    '/v1/routes?append=1',
    {
      method: 'POST',
      headers: { Authorization: 'Bearer secret', 'Content-Type': 'application/json' },
      body: `{"dst":"10.0.0.0/8","dev":"it's"}`,
    },
    `curl -X POST -H "Authorization: Bearer $SOFTNET_TOKEN" -H 'content-type: application/json' -d '{"dst":"10.0.0.0/8","dev":"it'\\''s"}' 'http://127.0.0.1:7777/v1/routes?append=1'`,
  ],
] as const)('a request as a line of curl: %j %s', (endpoint, path, init, line) => {
  expect(curlLine(endpoint, path, init)).toBe(line)
})
