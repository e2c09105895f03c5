import { describe, expect, test } from 'bun:test'
import { problemSchema } from '../../api/schemas/problem.ts'
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
      type: '/problems/EEXIST',
      title: 'File exists',
      status: 409,
      detail: 'RTNETLINK answers: File exists',
      errno: 'EEXIST',
      errors: [{ field: 'dst', message: 'exists already; replace changes it' }],
    })
    const response = await request('/v1/links/nosuch')
    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
  })

  test.each([
    ['GET', '/v1/links/nosuch', undefined, 404, 'ENODEV', 'Cannot find device "nosuch"'],
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
      'sysctl: cannot stat /proc/sys/net/bogus: No such file or directory',
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
    expect(problemSchema.parse(answer.body)).toEqual(answer.body)
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
      'Error: "type": expected one of unicast, local, broadcast, anycast, multicast, blackhole, unreachable, prohibit, throw',
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
    const { send, ready, control } = createSoftnet()
    await ready
    const revision = control.revision() + 1
    const { status, headers, body } = await send('PUT', '/v1/tables/main/routes/10.20.0.0/16', {
      via: '10.1.0.1',
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      item: { dst: '10.20.0.0/16', gateway: '10.1.0.1' },
      revision,
      applied_by: [0, 1],
    })
    expect(headers.get('ETag')).toBe(`"${revision}"`)
  })

  test('a stale If-Match is 412 and changes nothing', async () => {
    const { json, send, control } = createSoftnet()
    const { headers } = await json('/v1/routes')
    const before = headers.get('ETag')!
    expect((await send('PUT', '/v1/sysctl/net.ipv4.ip_forward', { value: 0 })).status).toBe(200)
    const whole = () => control.request({ type: 'CONFIG_GET', whole: true })
    const state = await whole()
    const late = await send('DELETE', '/v1/links/veth0', undefined, { 'If-Match': before })
    expect(late.status).toBe(412)
    const now = late.headers.get('ETag')!
    expect(now).not.toBe(before)
    // its revision with it
    expect(await whole()).toEqual(state)
    expect((await send('DELETE', '/v1/links/veth0', undefined, { 'If-Match': now })).status).toBe(
      200
    )
  })

  test('If-Match: * replaces only what exists', async () => {
    const { send } = createSoftnet()
    const path = '/v1/tables/main/routes/10.77.0.0/16'
    const route = { dev: 'veth0' }
    const { status, body } = await send('PUT', path, route, { 'If-Match': '*' })
    expect([status, body.errno]).toEqual([404, 'ENOENT'])
    expect((await send('PUT', path, route)).status).toBe(200)
    expect((await send('PUT', path, route, { 'If-Match': '*' })).status).toBe(200)
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

  test('over loopback anybody looks, and nothing else', async () => {
    const { request, asked } = createSoftnet({ tokens, token: 'all' }, { listener: 'loopback' })
    for (const path of ['/v1/links', '/v1/config', '/metrics', '/', '/openapi.json'])
      expect([path, (await request(path)).status]).toEqual([path, 200])
    asked.length = 0
    const changes = [
      ['PUT', '/v1/links/evil0', { kind: 'pcap', data: { record: '/tmp/evil' } }],
      ['POST', '/v1/links', { ifname: 'evil0', kind: 'tap' }],
      ['PATCH', '/v1/links/veth0', { up: false }],
      ['DELETE', '/v1/links/veth0', undefined],
      ['POST', '/v1/routes', { dst: '10.0.0.0/8', dev: 'veth0' }],
      ['POST', '/v1/tables/main/routes:batch', {}],
      ['PUT', '/v1/config?dry_run=1', {}],
      ['PUT', '/v1/sysctl/net.ipv4.ip_forward', { value: 0 }],
      ['POST', '/v1/no/such/path', {}],
    ] as const
    for (const [method, path, sent] of changes) {
      const init = { method, ...(sent && { body: JSON.stringify(sent) }) }
      const refused = await request(path, init)
      expect([method, path, refused.status]).toEqual([method, path, 401])
      expect(refused.headers.get('WWW-Authenticate')).toContain('Bearer')
      const reader = await request(path, { ...init, headers: bearer('reader') })
      expect([method, path, reader.status]).toEqual([method, path, 403])
    }
    for (const path of ['/v1/capture', '/v1/trace', '/v1/netns/user/capture', '/v1/%63apture']) {
      expect([path, (await request(path)).status]).toEqual([path, 401])
      expect([path, (await request(path, { headers: bearer('writer') })).status]).toEqual([
        path,
        403,
      ])
      const allowed = await request(path, { headers: bearer('all') })
      const isThere = !path.includes('netns')
      expect([path, allowed.status]).toEqual([path, isThere ? 200 : 404])
      await allowed.body?.cancel()
    }
    expect(asked).toEqual([])
    const headers = bearer('writer')
    expect((await request('/v1/links/veth0', { method: 'DELETE', headers })).status).toBe(200)
  })

  test('a command over loopback says what a change needs', async () => {
    const howToChange = 'the socket unix:/run/softnet.sock'
    const { cli } = createSoftnet({ howToChange }, { listener: 'loopback' })
    expect(await cli('ip route del default')).toEqual({
      status: 1,
      out: '',
      err: `Error: Permission denied: over loopback anybody may look, but to change anything needs ${howToChange}.\n`,
    })
    expect((await cli('ip route')).status).toBe(0)
  })

  test('a request that no listener brought gets nothing', async () => {
    expect((await createSoftnet({}, {}).request('/v1/links')).status).toBe(401)
  })

  const OWN = { Host: '127.0.0.1:7777' }
  test.each([
    ['a page from elsewhere', { ...OWN, Origin: 'http://evil.example' }, 403],
    ['a page of another port', { ...OWN, Origin: 'http://127.0.0.1:8888' }, 403],
    ['a page without an origin', { ...OWN, Origin: 'null' }, 403],
    ['a script tag elsewhere', { ...OWN, 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['an image on another port', { ...OWN, 'Sec-Fetch-Site': 'same-site' }, 403],
    [
      'a link that is followed',
      { ...OWN, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' },
      200,
    ],
    ['a name that was bound to loopback', { Host: 'evil.example:7777' }, 403],
    ['a name that only begins so', { Host: '127.0.0.1.evil.example' }, 403],
    ['our own page', { ...OWN, Origin: 'http://127.0.0.1:7777' }, 200],
    ['our own page, as browsers say it', { ...OWN, 'Sec-Fetch-Site': 'same-origin' }, 200],
    ['no browser', { Host: 'localhost:7777' }, 200],
  ])('loopback: %s', async (_, headers, status) => {
    const { request } = createSoftnet({}, { listener: 'loopback' })
    expect(
      (await request('/v1/links', { headers: headers as Record<string, string> })).status
    ).toBe(status)
  })
})

describe('methods', () => {
  test('a path that has others is 405 and says which', async () => {
    const { send } = createSoftnet()
    const { status, headers, body } = await send('PATCH', '/v1/routes', {})
    expect([status, body.title]).toEqual([405, 'Method Not Allowed'])
    expect(headers.get('Allow')).toBe('GET, PUT, POST, HEAD, OPTIONS')
    const neighs = await send('GET', '/v1/neighs:flush')
    expect([neighs.status, neighs.headers.get('Allow')]).toEqual([405, 'POST, OPTIONS'])
    expect((await send('PATCH', '/v1/nothing', {})).status).toBe(404)
  })

  test('OPTIONS tells them, and opens nothing to other sites', async () => {
    const { request } = createSoftnet({}, { listener: 'loopback' })
    const answer = await request('/v1/links/veth0', { method: 'OPTIONS' })
    expect([answer.status, answer.headers.get('Allow')]).toEqual([
      204,
      'GET, PUT, PATCH, DELETE, HEAD, OPTIONS',
    ])
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBeNull()
    expect((await request('/v1/nothing', { method: 'OPTIONS' })).status).toBe(404)
  })

  test('HEAD is GET without its body', async () => {
    const { request, control } = createSoftnet()
    const answer = await request('/v1/links', { method: 'HEAD' })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect(answer.headers.get('ETag')).toBe(`"${control.revision()}"`)
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
  test('need no token, nor do their scripts: they show nothing, and then ask with one', async () => {
    const { request } = createSoftnet({}, { listener: 'network' })
    for (const path of ['/', '/docs', '/page/main.js', '/page/docs.js', '/page/main.css'])
      expect([path, (await request(path)).status]).toEqual([path, 200])
    for (const path of ['/page/other.js', '/v1/links'])
      expect([path, (await request(path)).status]).not.toEqual([path, 200])
  })

  test('openapi.json says how each operation refuses, and that a token may be asked for', async () => {
    const { json } = createSoftnet()
    const { body } = await json('/openapi.json')
    const problem = body.components.schemas.Problem
    expect(problem.required).toEqual(['type', 'title', 'status', 'detail'])
    expect(Object.keys(problem.properties)).toContain('errors')
    type Operation = { responses: { default?: { content: object } } }
    const paths: Record<string, Record<string, Operation>> = body.paths
    const refusals = Object.values(paths)
      .flatMap((path) => Object.values(path))
      .flatMap((operation) => operation.responses.default?.content ?? [])
    expect(refusals.length).toBeGreaterThan(50)
    for (const content of refusals)
      expect(content).toEqual({
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
      })
    expect(body.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' })
    expect(body.paths['/v1/links'].post.security).toEqual([{}, { bearer: ['write'] }])
  })

  test('openapi.json describes the paths with their bodies', async () => {
    const { json } = createSoftnet()
    const { body } = await json('/openapi.json')
    expect(body.openapi).toStartWith('3.')
    const put = body.paths['/v1/tables/{table}/routes/{addr}/{len}'].put
    expect(Object.keys(put.requestBody.content['application/json'].schema.properties)).toContain(
      'gateway'
    )
    expect(body.components.schemas.Worker.properties.time_squeeze).toMatchObject({
      type: 'number',
      description: expect.stringContaining('packets left'),
    })
    expect(body.paths['/v1/links/{ifname}/rss'].put.summary).toBe('Sets the RSS table or key')
    const link = body.paths['/v1/links'].post.requestBody.content['application/json'].schema
    expect(link.properties.kind.description).toBe('info_kind: veth dummy port vrf')
    expect(link.properties.data.description).toBe(
      'info_data of the kind (veth: peer; port: peer port; vrf: table)'
    )
  })
})
