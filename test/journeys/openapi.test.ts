// Every GET of a router that is at work (connections through loss, routes and rules of all kinds, a tunnel's worth of links)
// answers as /openapi.json says, with no field that it does not name; and so is what it tells who watches.

import { expect, test } from 'bun:test'
import { createApp } from '../../api/app.ts'
import { WATCH_KINDS } from '../../api/endpoints/journal.ts'
import type { Control, Notification, WatchKind } from '../../core/control/text/messages.ts'
import { createCheck, type Document, type Operation, operationsOf } from '../api/support/openapi.ts'
import { dialTcp, openUdp, serveTcp } from '../../sim/net/sim-apps.ts'
import { routed } from '../support/sim-topology.ts'

const METRICS = { mtu: 1400, lock: ['mtu'], rto_min: 300, initcwnd: 5, advmss: 900 }
const CHANGES: readonly [method: string, path: string, body: unknown][] = [
  ['POST', '/v1/links', { ifname: 'veth0', kind: 'veth', up: true, data: { peer: 'veth1' } }],
  ['POST', '/v1/links', { ifname: 'dum0', kind: 'dummy', up: true }],
  ['PATCH', '/v1/links/veth1', { up: true, netem: { loss: 1, delay: 1000, jitter: 10 } }],
  [
    'POST',
    '/v1/addresses',
    { dev: 'veth0', local: '10.7.0.1', prefixlen: 24, broadcast: '10.7.0.255' },
  ],
  ['POST', '/v1/addresses', { dev: 'veth0', local: '10.7.0.2', prefixlen: 24 }],
  [
    'POST',
    '/v1/addresses',
    {
      dev: 'veth0',
      local: 'fd00:7::1',
      prefixlen: 64,
      valid_life_time: 600,
      preferred_life_time: 0,
    },
  ],
  ['POST', '/v1/routes', { dst: '10.8.0.0/16', via: '10.7.0.9', metrics: [METRICS], metric: 7 }],
  ['POST', '/v1/routes', { dst: '10.9.0.0/16', dev: 'veth0', src: '10.7.0.1', table: 7 }],
  ['POST', '/v1/routes', { dst: 'fd00:8::/32', via: 'fd00:7::9', pref: 'high' }],
  ['POST', '/v1/routes', { dst: '10.10.0.0/16', via: { family: 'inet6', host: 'fd00:7::9' } }],
  [
    'POST',
    '/v1/routes',
    {
      dst: '10.11.0.0/16',
      nexthops: [
        { via: '10.7.0.9', weight: 2 },
        { via: '10.0.2.2', dev: 'eth2', flags: ['onlink'] },
      ],
    },
  ],
  ...['blackhole', 'unreachable', 'prohibit', 'throw'].map((type, n): [string, string, unknown] => [
    'POST',
    '/v1/routes',
    { dst: `10.12.${n}.0/24`, type },
  ]),
  [
    'POST',
    '/v1/rules',
    {
      from: '10.7.0.0/24',
      to: '10.8.0.0/16',
      not: true,
      iif: 'eth1',
      oif: 'gone0',
      tos: 8,
      fwmark: '1/0xff',
      ipproto: 'tcp',
      sport_start: 1,
      sport_end: 9,
      dport: 80,
      table: 7,
      suppress_prefixlen: 8,
      priority: 9,
    },
  ],
  ['POST', '/v1/rules', { priority: 10, goto: 32766 }],
  ['POST', '/v1/rules', { priority: 11, action: 'prohibit', family: 'inet6' }],
  ['POST', '/v1/neighs', { dev: 'veth0', dst: '10.7.0.9', lladdr: '02:00:00:00:07:09' }],
  [
    'POST',
    '/v1/neighs',
    { dev: 'veth0', dst: 'fd00:7::9', lladdr: '02:00:00:00:07:09', flags: ['router'] },
  ],
  ['POST', '/v1/neighs', { dev: 'veth0', dst: '10.7.0.8', flags: ['proxy'] }],
  ['POST', '/v1/maddrs', { dev: 'veth0', link: '33:33:00:00:00:aa' }],
  ['PUT', '/v1/links/eth1/mvif', { role: 'static' }],
  ['PUT', '/v1/links/eth2/mvif', { role: 'static' }],
  [
    'POST',
    '/v1/mroutes',
    { src: '10.0.1.1', dst: '239.2.2.2', iif: 'eth1', oifs: [{ dev: 'eth2', ttl: 3 }] },
  ],
  ['PUT', '/v1/links/eth1/rss', { equal: 1 }],
]

const atWork = async () => {
  const { sim, a, b, r } = await routed({ router: { workers: 2 } })
  const control: Control = { ...r.control, request: r.request }
  const app = createApp({
    control,
    version: '0',
    netns: () => [{ name: 'lab', pid: 42 }],
  })
  const send = async (method: string, path: string, body?: unknown): Promise<Response> =>
    app.request(
      `http://softnet${path}`,
      {
        method,
        ...(body !== undefined && {
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        }),
      },
      { listener: 'unix' }
    )
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
  const get = async (path: string): Promise<any> => (await send('GET', path)).json()
  const change = async (): Promise<void> => {
    for (const [method, path, body] of CHANGES) {
      const response = await send(method, path, body)
      if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`)
    }
  }
  const document: Document = await get('/openapi.json')
  return { sim, a, b, r, send, get, change, document, ...createCheck(document) }
}

type World = Awaited<ReturnType<typeof atWork>>

/** The paths of an operation: one for each thing that there is. */
const pathsOf = async ({ get }: World, { path }: Operation): Promise<string[]> => {
  const items = async (list: string): Promise<Record<string, string>[]> => (await get(list)).items
  const seg = encodeURIComponent
  const links = (await items('/v1/links')).map((link) => link.ifname!)
  if (path.includes('/addresses/'))
    return (await get('/v1/addresses')).items.flatMap(
      (link: { ifname: string; addr_info: { local: string; prefixlen: number }[] }) =>
        link.addr_info.map(
          ({ local, prefixlen }) => `/v1/links/${link.ifname}/addresses/${seg(local)}/${prefixlen}`
        )
    )
  if (path.endsWith('/neighs/{dst}'))
    return (await items('/v1/neighs')).map(({ dev, dst }) => `/v1/links/${dev}/neighs/${seg(dst!)}`)
  if (path.endsWith('/routes/{addr}/{len}'))
    return (await items('/v1/routes'))
      .filter(({ dst }) => dst !== 'default')
      .map(({ table, dst, tos = 0, metric = 0 }) => {
        const [addr, len = addr!.includes(':') ? '128' : '32'] = dst!.split('/')
        return `/v1/tables/${table}/routes/${seg(addr!)}/${len}?tos=${tos}&metric=${metric}`
      })
  if (path.endsWith('{cookie}'))
    return (await items('/v1/sockets')).map(({ sk }) => `/v1/sockets/${sk}`)
  if (path.endsWith('{worker}')) return ['/v1/workers/0', '/v1/workers/1']
  if (path.endsWith('{name}'))
    return (await items('/v1/sysctl')).map(({ name }) => `/v1/sysctl/${name}`)
  if (path.endsWith('{file}')) {
    const { errors } = await get('/v1/proc/net/none')
    const files: string[] = errors[0].message.replace('one of ', '').split(', ')
    return files.map((file) => `/v1/proc/net/${file}`)
  }
  if (path === '/v1/route-lookup')
    return [
      '10.8.0.1',
      '10.11.0.1',
      'fd00:8::1',
      '127.0.0.1',
      '10.0.2.2&src=10.0.1.1&iif=eth1',
    ].map((dst) => `${path}?dst=${dst}`)
  if (path.startsWith('/v1/tables/'))
    return [7, 'main', 'local'].map((t) => `/v1/tables/${t}/routes`)
  return path.includes('{ifname}') ? links.map((name) => path.replace('{ifname}', name)) : [path]
}

test('every GET of a router at work is as the document says', async () => {
  const world = await atWork()
  const { sim, a, b, r, send, get, change, document, check } = world
  await change()
  // sockets of the router's own: listening, talking through a lossy link, of both protocols and families
  await send('PATCH', '/v1/links/eth2', { netem: { loss: 2, delay: 5000 } })
  serveTcp(r, 80)
  serveTcp(b, 81)
  openUdp(r, 53)
  dialTcp(a, '10.0.1.254', 80).start(50_000)
  dialTcp(r, '10.0.2.2', 81).start(200_000)
  dialTcp(r, '127.0.0.1', 80, 1)
  dialTcp(r, '10.0.2.99', 9)
  openUdp(a).send(new Uint8Array(9), '10.66.0.1', 9)
  sim.run(400)

  const streams = ['/v1/watch', '/v1/capture', '/v1/trace']
  const operations = operationsOf(document).filter(
    ({ method, path }) => method === 'GET' && !streams.includes(path)
  )
  let asked = 0
  for (const operation of operations) {
    for (const path of await pathsOf(world, operation)) {
      const takesFormat = operation.parameters.some(({ name }) => name === 'format')
      const shown = path.includes('?') ? '&format=iproute2' : '?format=iproute2&details=1&stats=1'
      const isPlain = !takesFormat || path === '/v1/config'
      for (const url of isPlain ? [path] : [path, path + shown]) {
        const isItem = operation.parameters.every(({ name }) => name !== 'details')
        const asks = isItem ? url.replace('&details=1&stats=1', '') : url
        const response = await send('GET', asks)
        check(operation, response, await response.text(), asks)
        asked++
      }
    }
  }
  // each thing of each kind was seen
  const { items: sockets } = await get('/v1/sockets')
  const states = new Set(sockets.map(({ state }: { state: string }) => state))
  for (const state of ['LISTEN', 'ESTAB', 'UNCONN', 'SYN-SENT']) expect(states).toContain(state)
  expect((await get('/v1/drops')).items.length).toBeGreaterThan(0)
  expect((await get('/v1/flows')).items.length).toBeGreaterThan(0)
  expect(asked).toBeGreaterThan(400)

  const destroy = operationsOf(document).find(
    ({ method, path }) => method === 'DELETE' && path === '/v1/sockets/{cookie}'
  )!
  const { sk } = sockets.find(({ state }: { state: string }) => state === 'ESTAB')
  const gone = await send('DELETE', `/v1/sockets/${sk}`)
  expect(gone.status).toBe(200)
  check(destroy, gone, await gone.text(), sk)
})

test('what watchers are told is each kind as its GET has it', async () => {
  const { r, sim, change, document, check } = await atWork()
  const told: Pick<Notification, 'kind' | 'item'>[] = []
  r.control.subscribe(WATCH_KINDS, (note) => told.push(note))
  await change()
  sim.run(100)
  const paths: Partial<Record<WatchKind, string>> = {
    link: '/v1/links/{ifname}',
    route: '/v1/tables/{table}/routes/{addr}/{len}',
    neigh: '/v1/links/{ifname}/neighs/{dst}',
    address: '/v1/addresses',
    rule: '/v1/rules',
    drop: '/v1/drops',
  }
  for (const { kind, item } of told) {
    const operation = operationsOf(document).find(
      (one) => one.method === 'GET' && one.path === paths[kind]
    )!
    const isList = operation.parameters.some(({ name }) => name === 'limit')
    const answer = isList ? { items: [item], next: null, revision: 1 } : item
    const response = new Response(null, { headers: { 'Content-Type': 'application/json' } })
    check(operation, response, JSON.stringify(answer), kind)
  }
  expect(new Set(told.map(({ kind }) => kind))).toEqual(new Set(Object.keys(paths) as WatchKind[]))
})
