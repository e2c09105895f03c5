import { describe, expect, test } from 'bun:test'
import { createSoftnet } from './support/softnet.ts'

describe('errors', () => {
  test('are RFC 9457 documents with errno and the field at fault', async () => {
    const { send, request } = createSoftnet()
    const { status, body } = await send('POST', '/v1/routes', {
      dst: 'default',
      gateway: '10.1.0.1',
    })
    expect(status).toBe(409)
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      detail: 'RTNETLINK answers: File exists',
      errno: 'EEXIST',
      errors: [{ field: 'dst', message: 'exists already; replace changes it' }],
    })
    const response = await request('/v1/links/nosuch')
    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
  })

  test.each([
    ['GET', '/v1/links/nosuch', undefined, 404, 'ENODEV', 'Device "nosuch" does not exist.'],
    ['PATCH', '/v1/links/nosuch', { mtu: 1400 }, 404, 'ENODEV', 'Cannot find device "nosuch"'],
    [
      'DELETE',
      '/v1/tables/main/routes/1.2.3.0/24',
      undefined,
      404,
      'ESRCH',
      'RTNETLINK answers: No such process',
    ],
    [
      'POST',
      '/v1/routes',
      { dst: '1.0.0.0/8', gateway: '99.1.1.1' },
      422,
      'ENETUNREACH',
      'Error: Nexthop has invalid gateway.',
    ],
    [
      'POST',
      '/v1/neighs',
      { dev: 'veth0', dst: '10.1.0.5' },
      409,
      'EEXIST',
      'RTNETLINK answers: File exists',
    ],
    [
      'PUT',
      '/v1/sysctl/net.bogus',
      { value: 1 },
      404,
      'ENOENT',
      'RTNETLINK answers: No such file or directory',
    ],
    [
      'GET',
      '/v1/sockets/99',
      undefined,
      404,
      'ENOENT',
      'RTNETLINK answers: No such file or directory',
    ],
    [
      'GET',
      '/v1/proc/net/x',
      undefined,
      404,
      'ENOENT',
      'cat: /proc/net/x: No such file or directory',
    ],
  ])('%s %s %j is %d %s', async (method, path, sent, status, errno, detail) => {
    const { send } = createSoftnet()
    const answer = await send(method, path, sent)
    expect(answer.status).toBe(status)
    expect(answer.body.errno).toBe(errno)
    expect(answer.body.detail).toBe(detail)
  })

  test('a body that is no JSON is 400', async () => {
    const { json } = createSoftnet()
    const { status, body } = await json('/v1/routes', { method: 'POST', body: '{"dst":' })
    expect([status, body.errno]).toEqual([400, 'EINVAL'])
  })

  test.each([
    [{ dst: '10.0.0.0/8', gatway: '10.1.0.1' }, 'gatway', 'Error: unknown field "gatway".'],
    [
      { dst: '10.0.0.0/8', metrics: [{ mtuu: 1 }] },
      'metrics[0].mtuu',
      'Error: unknown field "metrics[0].mtuu".',
    ],
    [{ dst: 'bogus' }, 'dst', 'Error: any valid prefix is expected rather than "bogus".'],
    [
      { dst: '10.0.0.0/8', via: 'x' },
      'via',
      'Error: any valid address is expected rather than "x".',
    ],
    [{ gateway: '10.1.0.1' }, 'dst', 'Error: "dst": expected string'],
    [{ dst: '10.0.0.0/8', metric: -1 }, 'metric', 'Error: "metric": at least 0'],
    [
      { dst: '10.0.0.0/8', type: 'magic' },
      'type',
      'Error: "type": expected one of unicast, local, broadcast, multicast, blackhole, unreachable, prohibit',
    ],
  ])('the body %j is 422 and names %s', async (sent, field, detail) => {
    const { send, asked } = createSoftnet()
    const { status, body } = await send('POST', '/v1/routes', sent)
    expect(status).toBe(422)
    expect(body.detail).toBe(detail)
    expect(body.errors[0].field).toBe(field)
    expect(asked).toEqual([])
  })

  test('an unknown word in the query is refused by its name', async () => {
    const { json } = createSoftnet()
    const { status, body } = await json('/v1/routes?tabel=main')
    expect([status, body.errors]).toEqual([400, [{ field: 'tabel', message: 'unknown field' }]])
  })

  test('an unknown path is a problem document too', async () => {
    const { json } = createSoftnet()
    const { status, body } = await json('/v1/nothing')
    expect([status, body.status]).toEqual([404, 404])
  })
})

describe('changes', () => {
  test('answer with the item, the revision they made and the workers that have it', async () => {
    const { send } = createSoftnet()
    const { status, headers, body } = await send('PUT', '/v1/tables/main/routes/10.20.0.0/16', {
      via: '10.1.0.1',
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      item: { dst: '10.20.0.0/16', gateway: '10.1.0.1' },
      revision: 8,
      applied_by: [0, 1],
    })
    expect(headers.get('ETag')).toBe('"8"')
  })

  test('a stale If-Match is 412 and changes nothing', async () => {
    const { json, send, asked } = createSoftnet()
    const { headers } = await json('/v1/routes')
    const before = headers.get('ETag')!
    expect((await send('PUT', '/v1/sysctl/net.ipv4.ip_forward', { value: 0 })).status).toBe(200)
    asked.length = 0
    const late = await send('DELETE', '/v1/links/veth0', undefined, { 'If-Match': before })
    expect(late.status).toBe(412)
    expect(late.headers.get('ETag')).toBe('"8"')
    expect(asked).toEqual([])
    expect((await send('DELETE', '/v1/links/veth0', undefined, { 'If-Match': '"8"' })).status).toBe(
      200
    )
  })

  test('If-Match: * replaces only what exists', async () => {
    const { send } = createSoftnet()
    const path = '/v1/tables/main/routes/10.77.0.0/16'
    const { status, body } = await send('PUT', path, {}, { 'If-Match': '*' })
    expect([status, body.errno]).toEqual([404, 'ENOENT'])
    expect((await send('PUT', path, {})).status).toBe(200)
    expect((await send('PUT', path, {}, { 'If-Match': '*' })).status).toBe(200)
  })
})

describe('who may', () => {
  const tokens = [
    { token: 'reader', scope: 'read' as const },
    { token: 'writer', scope: 'write' as const },
  ]
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

  test('a listener that others reach wants a token', async () => {
    const { request } = createSoftnet({ tokens }, { listener: 'network' })
    const refused = await request('/v1/links')
    expect(refused.status).toBe(401)
    expect(refused.headers.get('WWW-Authenticate')).toContain('Bearer')
    expect((await request('/v1/links', { headers: bearer('wrong') })).status).toBe(401)
    expect((await request('/v1/links', { headers: bearer('reader') })).status).toBe(200)
    expect((await request('/healthz')).status).toBe(200)
  })

  test('a token that reads does not write', async () => {
    const { request } = createSoftnet({ tokens, token: 'all' }, { listener: 'network' })
    const change = (token: string) =>
      request('/v1/links/veth0', { method: 'DELETE', headers: bearer(token) })
    expect((await change('reader')).status).toBe(403)
    expect((await change('writer')).status).toBe(200)
    expect((await change('all')).status).toBe(404)
  })

  test.each([
    ['a page from elsewhere', { Host: '127.0.0.1:7777', Origin: 'http://evil.example' }, 403],
    ['a name that was bound to loopback', { Host: 'evil.example:7777' }, 403],
    ['our own page', { Host: '127.0.0.1:7777', Origin: 'http://127.0.0.1:7777' }, 200],
    ['no browser', { Host: 'localhost:7777' }, 200],
  ])('loopback: %s', async (_, headers, status) => {
    const { request } = createSoftnet({}, { listener: 'loopback' })
    expect(
      (await request('/v1/links', { headers: headers as Record<string, string> })).status
    ).toBe(status)
  })
})

test('the debug endpoint exists only when it was asked for', async () => {
  const thrown: number[] = []
  const throwInWorker = (worker: number): boolean => {
    thrown.push(worker)
    return worker < 2
  }
  const plain = createSoftnet({ throwInWorker })
  expect((await plain.request('/v1/debug/workers/1:throw', { method: 'POST' })).status).toBe(404)
  const debug = createSoftnet({ throwInWorker, debug: true })
  expect((await debug.request('/v1/debug/workers/1:throw', { method: 'POST' })).status).toBe(202)
  expect((await debug.request('/v1/debug/workers/7:throw', { method: 'POST' })).status).toBe(404)
  expect(thrown).toEqual([1, 7])
})

describe('pages', () => {
  test('the status page is whole in itself', async () => {
    const { request } = createSoftnet()
    const response = await request('/')
    const page = await response.text()
    expect(response.headers.get('Content-Type')).toContain('text/html')
    expect(response.headers.get('Content-Security-Policy')).toContain("connect-src 'self'")
    expect(page).not.toMatch(/(?:src|href)="https?:/)
  })

  test('openapi.json describes the paths with their bodies', async () => {
    const { json } = createSoftnet()
    const { body } = await json('/openapi.json')
    expect(body.openapi).toStartWith('3.')
    const put = body.paths['/v1/tables/{table}/routes/{addr}/{len}'].put
    expect(Object.keys(put.requestBody.content['application/json'].schema.properties)).toContain(
      'gateway'
    )
    expect(body.paths['/v1/links/{ifname}/rss'].put.summary).toBe('Sets the RSS table or key')
  })
})
