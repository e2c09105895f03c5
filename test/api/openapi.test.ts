// /openapi.json against the API that it describes: each operation's example is sent, and the answer is as the document says,
// with no field that it does not name.

import { expect, test } from 'bun:test'
import { problemSchema } from '../../api/schemas/problem.ts'
import { createCheck, type Document, exampleOf, firstOf, operationsOf } from './support/openapi.ts'
import { createSoftnet } from './support/softnet.ts'

const { json } = createSoftnet()
const document = (await json('/openapi.json')).body as Document
const { check, described } = createCheck(document)
const operations = operationsOf(document)

type Sent = [method: string, path: string, body: unknown]
const isMulticastRouter = ['veth0', 'veth1'].map((ifname): Sent => {
  return ['PUT', `/v1/links/${ifname}/mvif`, { role: 'static' }]
})
const hasNexthop: Sent[] = [['PUT', '/v1/nexthops/7', { via: '10.1.0.7', dev: 'veth0' }]]
/** What is to be there before an example that names it. */
const BEFORE: Readonly<Record<string, Sent[]>> = {
  'POST /v1/mroutes': isMulticastRouter,
  'DELETE /v1/mroutes/{src}/{dst}': [
    ...isMulticastRouter,
    [
      'POST',
      '/v1/mroutes',
      { src: '10.1.0.5', dst: '239.2.2.2', iif: 'veth0', oifs: [{ dev: 'veth1' }] },
    ],
  ],
  'DELETE /v1/links/{ifname}/maddrs/{link}': [
    ['POST', '/v1/maddrs', { dev: 'veth0', link: '33:33:00:00:00:aa' }],
  ],
  'GET /v1/nexthops/{id}': hasNexthop,
  'GET /v1/nexthops/{id}/buckets/{index}': [
    ['PUT', '/v1/nexthops/6', { via: '10.1.0.7', dev: 'veth0' }],
    [
      'PUT',
      '/v1/nexthops/8',
      { group: [{ id: 6 }], type: 'resilient', resilient_args: { buckets: 8 } },
    ],
  ],
  'DELETE /v1/nexthops/{id}': hasNexthop,
  'DELETE /v1/netns/{netns}': [['PUT', '/v1/netns/blue', {}]],
  'POST /v1/config:confirm': [
    ['PUT', '/v1/config?confirm_within=60s', { route: [{ dst: '10.8.0.0/16', via: '10.1.0.1' }] }],
  ],
}
/** A change that an example has nothing to do with. */
const SOMEBODY_ELSE: Sent = ['PUT', '/v1/sysctl/net.ipv4.ip_default_ttl', { value: 33 }]
/** Refused here, with this errno: no device has rings, and no worker runs who would end a socket (journeys/openapi.test.ts). */
const REFUSED: Readonly<Record<string, string>> = {
  'GET /v1/links/{ifname}/rings': 'EOPNOTSUPP',
  'PUT /v1/links/{ifname}/rings': 'EOPNOTSUPP',
  'DELETE /v1/sockets/{cookie}': 'ETIMEDOUT',
}
const STREAMS = ['/v1/watch', '/v1/capture', '/v1/trace']
/** Their fields are names of what there is, which no schema can list. */
const NAMES = ['/v1/links/{ifname}/stats', '/v1/links/{ifname}/features']

const world = async () => {
  const softnet = createSoftnet({
    saveConfig: () => '/etc/softnet.toml',
    netns: () => [
      { name: 'lab', pid: 42 },
      { name: 'blue', addresses: ['10.1.0.2/24'] },
    ],
  })
  await softnet.ready
  await softnet.send('POST', '/v1/qdiscs', { dev: 'veth1', kind: 'netem', options: { loss: 1 } })
  return softnet
}

const untouched = world()

test('is OpenAPI 3.1; every operation has examples of what it needs, and says who may ask', () => {
  expect(document.openapi).toMatch(/^3\.1\./)
  expect(operations.length).toBeGreaterThan(85)
  for (const { method, path, parameters, requestBody, security } of operations) {
    const bare = parameters.filter((one) => one.required && one.example === undefined)
    expect([method, path, bare]).toEqual([method, path, []])
    for (const { example } of Object.values(requestBody?.content ?? {}))
      expect([method, path, typeof example]).not.toEqual([method, path, 'undefined'])
    const isCapture = path === '/v1/capture' || path === '/v1/trace'
    const scope = isCapture ? 'capture' : method === 'GET' ? 'read' : 'write'
    expect([path, security]).toEqual([path, [{}, { bearer: [scope] }]])
  }
})

test.each(operations.map((one) => [one.method, one.path, one] as const))(
  '%s %s answers its example as described',
  async (method, path, operation) => {
    // who only asks leaves all as it was
    const { request, send } = method === 'GET' ? await untouched : await world()
    const name = `${method} ${path}`
    for (const before of BEFORE[name] ?? [])
      expect((await send(...before)).status).toBeLessThan(300)
    const { url, init } = exampleOf(operation)
    const response = await request(url, init)
    const isStream = method === 'GET' && STREAMS.includes(path)
    const text = isStream ? await firstOf(response) : await response.text()
    check(operation, response, text, url)
    expect([text, response.ok ? undefined : JSON.parse(text).errno]).toEqual([text, REFUSED[name]])
    if (!/application\/(problem\+)?json/.test(response.headers.get('Content-Type')!)) return
    if (NAMES.includes(path)) return
    // and would be found out with one field more
    const surprised = JSON.stringify({ ...JSON.parse(text), surprise: 1 })
    expect(described(operation, response).safeParse(JSON.parse(surprised)).success).toBe(false)
  }
)

const writers = operations.filter(({ security }) =>
  Bun.deepEquals(security[1], { bearer: ['write'] })
)

test.each(writers.map((one) => [one.method, one.path, one] as const))(
  '%s %s is for the revision that If-Match names, and of two at once for one of them',
  async (method, path, operation) => {
    const word = operation.parameters.find((one) => one.in === 'header')
    expect([word?.name, Object.hasOwn(operation.responses, 412)]).toEqual(['If-Match', true])
    const { request, send, control } = await world()
    const ifMatch = (headers: Record<string, string>, revision: number) => ({
      headers: { ...headers, 'If-Match': `"${revision}"` },
    })
    const stale = control.revision()
    for (const before of [SOMEBODY_ELSE, ...(BEFORE[`${method} ${path}`] ?? [])])
      expect((await send(...before)).status).toBeLessThan(300)
    const { url, init } = exampleOf(operation)
    const wholeState = () => control.request({ type: 'CONFIG_GET', whole: true })

    const was = await wholeState()
    const late = await request(url, { ...init, ...ifMatch(init.headers ?? {}, stale) })
    const problem = problemSchema.parse(await late.json())
    expect([url, late.status, problem.type]).toEqual([url, 412, '/problems/stale-revision'])
    expect(late.headers.get('ETag')).toBe(`"${control.revision()}"`)
    expect(await wholeState()).toEqual(was)

    const now = control.revision()
    const asked = { ...init, ...ifMatch(init.headers ?? {}, now) }
    const both = await Promise.all([request(url, asked), request(url, asked)])
    const statuses = both.map((one) => one.status)
    // what changes nothing is for both: a dry run, an example that is in force
    if (control.revision() !== now) expect([url, statuses[1]]).toEqual([url, 412])
    const errno = both[0].ok ? undefined : problemSchema.parse(await both[0].json()).errno
    expect([url, errno]).toEqual([url, REFUSED[`${method} ${path}`]])
  }
)
