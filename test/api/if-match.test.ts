// If-Match over the whole of the API: who reads, changes what he has read and writes it back loses nothing to another who does the
// same. That every single writer takes it, openapi.test.ts holds.

import { describe, expect, test } from 'bun:test'
import { createSoftnet } from './support/softnet.ts'

const ROUTE = '/v1/tables/main/routes/10.44.0.0/16'
/** Right for an MTU, a TTL and a delay. */
const BEGIN = 100
const TTL = '/v1/sysctl/net.ipv4.ip_default_ttl'
type Softnet = ReturnType<typeof createSoftnet>
// biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
type Answer = any

/** What counts, and how one more is written. */
const COUNTERS: Readonly<
  Record<
    string,
    { path: string; method: string; of: (item: Answer) => number; next: (n: number) => object }
  >
> = {
  'a route': {
    path: ROUTE,
    method: 'PUT',
    of: (route) => route.metrics[0].mtu,
    next: (mtu) => ({ dev: 'veth0', metrics: [{ mtu }] }),
  },
  'a sysctl': { path: TTL, method: 'PUT', of: ({ value }) => value, next: (value) => ({ value }) },
  'a link, whose device takes its time': {
    path: '/v1/links/veth0',
    method: 'PATCH',
    of: ({ mtu }) => mtu,
    next: (mtu) => ({ mtu }),
  },
  'a qdisc': {
    path: '/v1/qdiscs/veth0',
    method: 'PUT',
    of: ({ options }) => options.delay,
    next: (delay) => ({ kind: 'netem', options: { delay } }),
  },
  'the configuration': {
    path: '/v1/config',
    method: 'PUT',
    of: (config) => config.sysctl['net.ipv4.ip_default_ttl'],
    next: (ttl) => ({ sysctl: { 'net.ipv4.ip_default_ttl': ttl } }),
  },
}

test.each(Object.entries(COUNTERS))(
  'of %s six writers at once, who add one each five times, make thirty',
  async (_, { path, method, of, next }) => {
    const { json, send } = createSoftnet()
    expect((await send(method, path, next(BEGIN))).status).toBe(200)
    let late = 0
    const add = async (): Promise<void> => {
      for (;;) {
        const { body, headers } = await json(path)
        const ifMatch = { 'If-Match': headers.get('ETag')! }
        const { status } = await send(method, path, next(of(body) + 1), ifMatch)
        if (status === 200) return
        expect(status).toBe(412)
        late++
      }
    }
    const writer = async (): Promise<void> => {
      for (let k = 0; k < 5; k++) await add()
    }
    await Promise.all(Array.from({ length: 6 }, writer))
    expect(of((await json(path)).body) - BEGIN).toBe(30)
    // they were in one another's way
    expect(late).toBeGreaterThan(0)
  }
)

test('one of several tags is enough, as a proxy may weaken it; what is no tag of ours matches nothing', async () => {
  const { send, control, ready } = createSoftnet()
  await ready
  const statusOf = async (tag: (now: number) => string): Promise<number> =>
    (await send('PUT', TTL, { value: 33 }, { 'If-Match': tag(control.revision()) })).status
  expect(await statusOf((now) => `"1", "${now}"`)).toBe(200)
  expect(await statusOf((now) => `W/"${now}"`)).toBe(200)
  expect(await statusOf(String)).toBe(200)
  for (const tag of ['"1"', '""', 'x', '"x"', '"9007199254740993"', '-1', '"1", "2"'])
    expect([tag, await statusOf(() => tag)]).toEqual([tag, 412])
})

describe('a batch of lines', () => {
  const LINES = 600
  const lines = Array.from({ length: LINES }, (_, k) =>
    JSON.stringify({ dst: `10.${100 + (k >> 8)}.${k & 255}.0/24`, dev: 'veth0' })
  ).join('\n')
  const batch = ({ request }: Softnet, body: string, revision: number): Promise<Response> =>
    request('/v1/tables/main/routes:batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson', 'If-Match': `"${revision}"` },
      body,
    })
  const routes = async ({ items }: Softnet): Promise<number> =>
    (await items({ type: 'RTM_GETROUTE', filter: { table: 'main' } })).length

  test('is one change at its revision: nobody else comes between', async () => {
    const softnet = createSoftnet()
    await softnet.ready
    const before = await routes(softnet)
    const answer = await batch(softnet, lines, softnet.control.revision())
    expect([answer.status, (await routes(softnet)) - before]).toEqual([200, LINES])
    const revisions = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).revision)
    expect([revisions.length, new Set(revisions).size]).toEqual([LINES, 1])
  })
  test('at an old one changes nothing, and so does one without lines', async () => {
    const softnet = createSoftnet()
    await softnet.ready
    const before = await routes(softnet)
    const old = softnet.control.revision()
    await softnet.send('PUT', TTL, { value: 33 })
    for (const body of [lines, '\n']) {
      const answer = await batch(softnet, body, old)
      expect([answer.status, await routes(softnet)]).toEqual([412, before])
    }
  })
})
