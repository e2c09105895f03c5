import { expect, test } from 'bun:test'
import {
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../../../core/control/nlm-flags.ts'
import { batchLine, plainLine } from '../../../api/schemas/route.ts'
import { createSoftnet } from '../support/softnet.ts'

test.each([
  ['POST', '/v1/routes', {}, NLM_F_CREATE | NLM_F_EXCL, 201],
  ['POST', '/v1/routes?append=1', {}, NLM_F_CREATE | NLM_F_APPEND, 201],
  ['PUT', '/v1/routes', {}, NLM_F_CREATE | NLM_F_REPLACE, 200],
  ['PUT', '/v1/routes', { 'If-Match': '*' }, NLM_F_REPLACE, 404],
])('%s %s %j has the flags of its verb', async (method, path, headers, flags, status) => {
  const { send, asked } = createSoftnet()
  const answer = await send(
    method,
    path,
    { dst: '10.30.0.0/16', dev: 'veth0' },
    headers as Record<string, string>
  )
  expect(answer.status).toBe(status)
  expect(asked).toEqual([
    { type: 'RTM_NEWROUTE', flags, route: { dst: '10.30.0.0/16', dev: 'veth0' } },
  ])
})

test('what one types becomes what ip prints', async () => {
  const { send, asked } = createSoftnet()
  await send('POST', '/v1/routes', {
    dst: '10.30.0.0/16',
    via: '10.1.0.1',
    src: '10.1.0.254',
    mtu: 1400,
    table: 100,
    nexthops: [{ via: '10.1.0.1', weight: 2 }],
  })
  expect(asked[0]).toMatchObject({
    route: {
      gateway: '10.1.0.1',
      prefsrc: '10.1.0.254',
      metrics: [{ mtu: 1400 }],
      table: 100,
      nexthops: [{ gateway: '10.1.0.1', weight: 2 }],
    },
  })
})

test('the identity is the path and the query', async () => {
  const { send, json, asked } = createSoftnet()
  expect((await json('/v1/tables/main/routes/10.9.0.0/16')).body.metric).toBe(100)
  expect((await json('/v1/tables/main/routes/10.9.0.0/16?metric=5')).status).toBe(404)
  await send('DELETE', '/v1/tables/254/routes/fd00:9::/64?metric=3&dev=veth0')
  await send('DELETE', '/v1/tables/main/routes/::/0')
  expect(asked).toEqual([
    {
      type: 'RTM_DELROUTE',
      route: { dst: 'fd00:9::/64', family: 'inet6', table: 254, metric: 3, dev: 'veth0' },
    },
    { type: 'RTM_DELROUTE', route: { dst: 'default', family: 'inet6', table: 'main' } },
  ])
})

test('a prefix in the path that is none is 400', async () => {
  const { json } = createSoftnet()
  const { status, body } = await json('/v1/tables/main/routes/10.0.0.0/99')
  expect([status, body.detail]).toEqual([
    400,
    'Error: any valid prefix is expected rather than "10.0.0.0/99".',
  ])
})

test('route-lookup is ip route get', async () => {
  const { json } = createSoftnet()
  expect((await json('/v1/route-lookup?dst=10.9.1.1')).body.gateway).toBe('10.1.0.1')
  expect((await json('/v1/route-lookup?dst=10.7.8.8')).body.detail).toBe(
    'RTNETLINK answers: No route to host'
  )
  expect((await json('/v1/route-lookup')).body.errors[0].field).toBe('dst')
})

test('route-cache:flush is ip route flush cache, of one family', async () => {
  const { json, send, cli, asked } = createSoftnet()
  const { status, body } = await send('POST', '/v1/route-cache:flush', { family: 'inet' })
  expect([status, body.item]).toEqual([200, null])
  expect((await json('/v1/route-cache:flush', { method: 'POST', body: '{}' })).status).toBe(422)
  expect((await cli('ip -6 route flush cache')).status).toBe(0)
  expect((await cli('ip route flush cache')).status).toBe(0)
  expect(asked).toEqual([
    { type: 'RT_CACHE_FLUSH', family: 'inet' },
    { type: 'RT_CACHE_FLUSH', family: 'inet6' },
    { type: 'RT_CACHE_FLUSH', family: 'inet' },
  ])
})

const batch = (softnet: ReturnType<typeof createSoftnet>, lines: unknown[], query = '') =>
  softnet.request(`/v1/tables/main/routes:batch${query}`, {
    method: 'POST',
    body: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  })

test('a batch answers a line for each line', async () => {
  const softnet = createSoftnet()
  const response = await batch(softnet, [
    { dst: '10.40.0.0/16', via: '10.1.0.1' },
    '',
    { op: 'add', dst: 'default', dev: 'veth0' },
    { op: 'del', dst: '10.9.0.0/16' },
  ])
  expect(response.status).toBe(207)
  const lines = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ line, status }) => [line, status])).toEqual([
    [1, 200],
    [3, 409],
    [4, 200],
  ])
  expect(lines[1]).toMatchObject({
    detail: 'line 3: RTNETLINK answers: File exists',
    errno: 'EEXIST',
  })
  const dsts = (await softnet.items({ type: 'RTM_GETROUTE' })).map(({ dst }) => dst)
  expect(dsts).toContain('10.40.0.0/16')
  expect(dsts).not.toContain('10.9.0.0/16')
})

test('an atomic batch is applied whole or not at all', async () => {
  const softnet = createSoftnet()
  const routes = async () => (await softnet.items({ type: 'RTM_GETROUTE' })).length
  const before = await routes()
  const refused = await batch(
    softnet,
    [
      { dst: '10.40.0.0/16', dev: 'veth0' },
      { dst: '10.41.0.0/16', dev: 'nosuch' },
    ],
    '?atomic=1'
  )
  expect(refused.status).toBe(404)
  expect(await refused.json()).toMatchObject({
    detail: 'line 2: Cannot find device "nosuch"',
    errno: 'ENODEV',
    errors: [{ field: '[1].dev' }],
  })
  expect(await routes()).toBe(before)
  const lines = ['10.40.0.0/16', '10.41.0.0/16'].map((dst) => ({ dst, dev: 'veth0' }))
  expect((await batch(softnet, lines, '?atomic=1')).status).toBe(200)
  expect(await routes()).toBe(before + 2)
})

test.each([
  ['{"dst":', 400, 'line 2: '],
  ['{"dst":"10.0.0.0/8","gatway":"x"}', 422, 'line 2: Error: unknown field "gatway".'],
])('a batch with the line %s is refused before anything is done', async (line, status, detail) => {
  const softnet = createSoftnet()
  const response = await batch(softnet, [{ dst: '10.40.0.0/16' }, line])
  expect(response.status).toBe(status)
  expect((await response.json()).detail).toStartWith(detail)
  expect(softnet.asked).toEqual([])
})

test.each([
  { dst: '10.0.0.0/8' },
  { op: 'del', dst: '10.0.0.0/8', via: '10.1.0.1', dev: 'eth0' },
  { op: 'replace', dst: 'default', via: 'fe80::1', dev: 'eth0' },
])('the short way to read a line of a batch reads what the long one does: %j', (line) => {
  expect(plainLine(line)).toEqual(batchLine.parse(line))
})

test.each([
  null,
  [[]],
  'x',
  { dst: '10.0.0.0/8', metric: 5 },
  { dst: '10.0.0.0/99' },
  { dst: 7 },
  { dst: '10.0.0.0/8', via: 'x' },
  { dst: '10.0.0.0/8', dev: 'a/b' },
  { dst: '10.0.0.0/8', op: 'put' },
])('and leaves to the long one what it does not know or finds a fault in: %j', (line) => {
  expect(plainLine(line)).toBeNull()
})
