// Random and malformed requests at the API over a real control plane and a running stack: none is answered 500, whatever
// is refused says so as openapi.json describes and has changed nothing, and the stack goes on.

import { expect, test } from 'bun:test'
import { createApp } from '../../api/app.ts'
import { problemSchema } from '../../api/schemas/problem.ts'
import type { Control, StackConfig } from '../../core/control/text/messages.ts'
import { dumped } from '../support/control-plane.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { MAC, routed } from '../support/sim-topology.ts'
import { seeded } from '../support/random.ts'

const PATHS = [
  '/v1/links',
  '/v1/links/:if',
  '/v1/addresses',
  '/v1/links/:if/addresses',
  '/v1/links/:if/addresses/:ip/:len',
  '/v1/routes',
  '/v1/tables/:table/routes',
  '/v1/tables/:table/routes:batch',
  '/v1/tables/:table/routes/:ip/:len',
  '/v1/route-lookup',
  '/v1/neighs',
  '/v1/neighs:flush',
  '/v1/links/:if/neighs',
  '/v1/links/:if/neighs/:ip',
  '/v1/sockets',
  '/v1/sockets/:word',
  '/v1/workers',
  '/v1/workers/:len',
  '/v1/nstat',
  '/v1/drops',
  '/v1/flows',
  '/v1/skbs',
  '/v1/rules',
  '/v1/sysctl',
  '/v1/sysctl/:sysctl',
  '/v1/netns',
  '/v1/config',
  '/v1/links/:if/rss',
  '/v1/links/:if/channels',
  '/v1/links/:if/features',
  '/v1/links/:if/rings',
  '/v1/links/:if/rps',
  '/v1/links/:if/stats',
  '/v1/links/:if/driver',
  '/v1/links/:if/rx-flow-hash',
  '/v1/proc/net/:word',
  '/v1/:word',
  '/healthz',
  '/readyz',
  '/version',
  '/metrics',
  '/openapi.json',
  '/:word',
]
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'POST', 'PUT', 'PATCH', 'HEAD', 'OPTIONS']
const NAMES = [
  'eth1',
  'eth2',
  'lo',
  'veth0',
  'veth1',
  'nosuch',
  '',
  'a/b',
  'x'.repeat(40),
  '..',
  'eth1 ',
]
const ADDRESSES = [
  '10.0.1.254',
  '10.0.2.254',
  '10.0.2.2',
  '10.7.0.1',
  '10.0.1.0',
  '0.0.0.0',
  '255.255.255.255',
  '224.0.0.1',
  '127.0.0.1',
  'fd00::1',
  '::',
  'ff02::1',
  'fe80::1',
  '::ffff:1.2.3.4',
  '1.2.3',
  '1.2.3.4.5',
  '300.1.1.1',
  'default',
  '',
  '10.0.1.1/24',
]
const PREFIXES = [
  '10.8.0.0/16',
  '10.0.1.0/24',
  'default',
  '10.8.0.1/32',
  'fd00:8::/32',
  '10.8.0.1/8',
  '1.2.3.4/33',
  '/',
]
const SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv4.tcp_sack',
  'net.core.somaxconn',
  'net.bogus',
  '',
  'net.ipv4.tcp_rmem',
]
const WORDS = [
  'main',
  'local',
  '254',
  '0',
  '-1',
  'true',
  'null',
  '%00',
  '../..',
  '日本',
  'tcp',
  'snmp',
  'arp',
  'route',
  '__proto__',
]
const FIELDS = [
  'ifname',
  'kind',
  'mtu',
  'up',
  'address',
  'dst',
  'gateway',
  'dev',
  'metric',
  'type',
  'table',
  'nexthops',
  'metrics',
  'local',
  'prefixlen',
  'broadcast',
  'scope',
  'lladdr',
  'state',
  'value',
  'equal',
  'weight',
  'hkey',
  'combined',
  'rps_cpus',
  'rps_flow_cnt',
  'flow-type',
  'fields',
  'link',
  'route',
  'neigh',
  'sysctl',
  'netem',
  'data',
  'newname',
  'flags',
  'prefsrc',
  'protocol',
  'tos',
  'family',
  'via',
  'op',
  'routes',
  'atomic',
  'txqlen',
  'rss-indirection-table',
  'rx-checksumming',
  'tcp-segmentation-offload',
  'num_tx_queues',
  'default',
  'constructor',
  'services',
  'addresses',
]
const QUERIES = [
  'limit',
  'cursor',
  'format',
  'dst',
  'family',
  'dev',
  'table',
  'dry_run',
  'state',
  'src',
  'atomic',
  'replace',
]

type Request = [method: string, path: string, body?: object]

const createRequests = (random: () => number) => {
  const below = (n: number): number => (random() >>> 0) % n
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!
  const number = (): number =>
    pick([0, 1, -1, 68, 1500, 65535, 65536, 2 ** 31, 2 ** 32, 1e20, 0.5, below(256), below(100000)])
  const scalar = (): unknown => {
    switch (below(9)) {
      case 0:
        return number()
      case 1:
        return below(2) === 0
      case 2:
        return null
      case 3:
        return pick(ADDRESSES)
      case 4:
        return pick(PREFIXES)
      case 5:
        return pick(NAMES)
      case 6:
        return pick([
          '02:00:00:00:00:99',
          'ff:ff:ff:ff:ff:ff',
          '02:0',
          'veth',
          'pipe',
          'tap',
          'bridge',
          'blackhole',
        ])
      default:
        return pick(WORDS)
    }
  }
  const value = (depth: number): unknown => {
    const kind = below(depth > 3 ? 6 : 9)
    if (kind === 7) return Array.from({ length: below(4) }, () => value(depth + 1))
    if (kind === 8) return object(depth + 1)
    return scalar()
  }
  const object = (depth: number): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length: below(6) }, () => [pick(FIELDS), value(depth)]))
  /** A body that makes sense, one of whose fields may then be spoilt. */
  const sensible = (): Record<string, unknown> => {
    const body: Record<string, unknown> = pick([
      () => ({ ifname: pick(NAMES), kind: 'veth', up: true, data: { peer: pick(NAMES) } }),
      () => ({ mtu: number(), up: below(4) !== 0 }),
      () => ({ dst: pick(PREFIXES), gateway: pick(ADDRESSES), metric: below(3) }),
      () => ({
        dst: pick(PREFIXES),
        dev: pick(NAMES),
        type: pick(['unicast', 'blackhole', 'unreachable']),
      }),
      () => ({ dev: pick(NAMES), local: pick(ADDRESSES), prefixlen: pick([24, 32, 0, 64, 33]) }),
      () => ({ dev: pick(NAMES), dst: pick(ADDRESSES), lladdr: '02:00:00:00:00:77' }),
      () => ({ value: number() }),
      () => ({ netem: { loss: number(), delay: number() } }),
      () => ({ equal: number() }),
      () => ({ 'rss-indirection-table': Array.from({ length: below(200) }, () => below(3)) }),
      () => ({ rps_cpus: pick(['0', '1', '3', 'ff', 'zz']), rps_flow_cnt: number() }),
      () => ({ route: [{ dst: pick(PREFIXES), gateway: pick(ADDRESSES) }] }),
      () => ({
        link: [{ ifname: pick(NAMES), kind: 'veth', data: { peer: pick(NAMES) } }],
        sysctl: { [pick(SYSCTLS)]: number() },
      }),
      () => ({
        routes: [{ op: pick(['add', 'del', 'replace']), dst: pick(PREFIXES), gateway: '10.0.1.9' }],
        atomic: true,
      }),
    ])()
    if (below(3) === 0) body[pick(below(2) === 0 ? Object.keys(body) : FIELDS)] = value(1)
    return body
  }
  const text = (): string => {
    const kind = below(10)
    if (kind === 0) return ''
    if (kind === 1)
      return pick([
        '{',
        '[]',
        'null',
        '"x"',
        '{"a":',
        '1e999',
        '\u0000',
        '[[[[[[[[',
        '{"mtu":1500}x',
      ])
    if (kind < 4) return JSON.stringify(value(0))
    if (kind === 4) return JSON.stringify(object(0))
    return JSON.stringify(sensible())
  }
  const path = (): string => {
    const filled = pick(PATHS)
      .replace(':if', () => encodeURIComponent(pick(NAMES)))
      .replace(':ip', () => encodeURIComponent(pick(ADDRESSES)))
      .replace(':len', () => String(number()))
      .replace(':table', () => encodeURIComponent(pick(WORDS)))
      .replace(':sysctl', () => pick(SYSCTLS))
      .replace(':word', () => pick(WORDS))
    if (below(3) !== 0) return filled
    return `${filled}?${pick(QUERIES)}=${encodeURIComponent(String(scalar()))}`
  }
  /** A request that fits its endpoint, as a client that knows the API sends it; a field of it may be spoilt. */
  const fitting = (): [path: string, init: RequestInit] => {
    const dev = pick(['eth1', 'eth2', 'veth0', 'veth1', 'lo'])
    const via = pick(['10.0.1.9', '10.0.2.9', '10.0.1.254', 'fd00::9', '99.1.1.1'])
    const [method, path, body] = pick<() => Request>([
      () => [
        'POST',
        '/v1/links',
        { ifname: 'veth0', kind: 'veth', up: true, data: { peer: 'veth1' } },
      ],
      () => ['PATCH', `/v1/links/${dev}`, { mtu: pick([576, 1400, 1500, 67, 9000]) }],
      () => ['PATCH', `/v1/links/${dev}`, { up: below(3) !== 0, txqlen: below(2000) }],
      () => [
        'PATCH',
        `/v1/links/${dev}`,
        { netem: { loss: below(101), delay: below(1000), limit: below(100) } },
      ],
      () => ['DELETE', `/v1/links/${pick(['veth0', 'veth1', 'lo', 'eth2'])}`],
      () => [
        'POST',
        `/v1/links/${dev}/addresses`,
        { local: pick(['10.7.0.1', '10.6.0.1', 'fd00:7::1']), prefixlen: pick([24, 64, 32]) },
      ],
      () => ['DELETE', `/v1/links/${dev}/addresses/10.7.0.1/24`],
      () => ['POST', '/v1/routes', { dst: pick(PREFIXES), gateway: via, metric: below(3) }],
      () => ['PUT', '/v1/routes', { dst: pick(PREFIXES), dev, metric: below(3) }],
      () => [
        'POST',
        '/v1/tables/main/routes',
        { dst: pick(PREFIXES), type: pick(['blackhole', 'unreachable', 'prohibit']) },
      ],
      () => [
        'DELETE',
        `/v1/tables/main/routes/${pick(['10.8.0.0/16', '10.8.0.1/32', '0.0.0.0/0'])}`,
      ],
      () => [
        'POST',
        '/v1/neighs',
        { dev, dst: pick(['10.0.1.50', '10.0.2.50', 'fd00::50']), lladdr: '02:00:00:00:00:50' },
      ],
      () => ['DELETE', `/v1/links/${dev}/neighs/10.0.1.50`],
      () => ['POST', '/v1/neighs:flush', {}],
      () => ['PUT', `/v1/sysctl/${pick(SYSCTLS)}`, { value: below(3) }],
      () => ['PUT', `/v1/links/${dev}/rss`, { equal: 1 + below(2) }],
      () => [
        'PUT',
        `/v1/links/${dev}/rps`,
        { rps_cpus: pick(['0', '1', '2']), rps_flow_cnt: pick([0, 64, 4096]) },
      ],
      () => ['PUT', `/v1/links/${dev}/features`, { 'tcp-segmentation-offload': below(2) === 0 }],
      () => [
        'PUT',
        `/v1/links/${dev}/rx-flow-hash`,
        { 'flow-type': 'tcp4', fields: ['ip-src', 'ip-dst'] },
      ],
      () => ['PUT', '/v1/config?dry_run=true', { route: [{ dst: pick(PREFIXES), gateway: via }] }],
      () => [
        'PUT',
        '/v1/config',
        {
          route: [
            { dst: '10.12.0.0/16', gateway: via },
            { dst: pick(PREFIXES), dev },
          ],
        },
      ],
      () => [
        'PUT',
        '/v1/config',
        {
          sysctl: { [pick(SYSCTLS)]: below(3) },
          neigh: [{ dev, dst: via, lladdr: '02:00:00:00:00:51' }],
        },
      ],
    ])()
    const sent: Record<string, unknown> | undefined = body && { ...body }
    if (sent && below(5) === 0) sent[pick([...Object.keys(sent), pick(FIELDS)])] = value(1)
    return [
      path,
      {
        method,
        headers: { 'Content-Type': 'application/json' },
        ...(sent && { body: JSON.stringify(sent) }),
      },
    ]
  }
  const next = (): [path: string, init: RequestInit] => {
    if (below(2) === 0) return fitting()
    const method = pick(METHODS)
    const hasBody = method !== 'GET' && method !== 'HEAD'
    const headers: Record<string, string> =
      below(12) === 0
        ? { 'Content-Type': pick(['text/plain', '', 'application/x-ndjson', 'x/y;']) }
        : { 'Content-Type': 'application/json' }
    if (below(20) === 0) headers['If-Match'] = pick(['"1"', '*', 'x', ''])
    return [path(), { method, headers, ...(hasBody && below(10) !== 0 && { body: text() }) }]
  }
  return { next }
}

/** The state that changes may touch, as text. */
const stateOf = async (control: Pick<Control, 'request' | 'dump'>): Promise<string> => {
  const config = await control.request({ type: 'CONFIG_GET' })
  const routes = dumped(control, { type: 'RTM_GETROUTE', filter: { table: 'all' } })
  const addresses = [...control.dump({ type: 'RTM_GETADDR' })].flat()
  const sysctl = [...control.dump({ type: 'SYSCTL' })].flat()
  if (!('item' in config)) throw new Error(JSON.stringify(config))
  // neighbours and routes have no order
  const sorted = (items: readonly unknown[]) => items.map((item) => JSON.stringify(item)).sort()
  const { link, neigh, route } = config.item
  const steering = [
    await control.request({ type: 'ETHTOOL_MSG_RSS_GET', ifname: 'eth1' }),
    await control.request({ type: 'ETHTOOL_MSG_FEATURES_GET', ifname: 'eth1' }),
    await control.request({ type: 'RPS_GET', ifname: 'eth1' }),
  ].map((reply) => ('item' in reply ? reply.item : null))
  return JSON.stringify([
    steering,
    link,
    sorted(neigh!),
    sorted(route!),
    sorted(routes),
    addresses,
    sysctl,
  ])
}

/** As /openapi.json describes every refusal. */
const isProblem = ({ status, headers }: Response, text: string): boolean => {
  if (headers.get('Content-Type') !== 'application/problem+json') return false
  return problemSchema.parse(JSON.parse(text)).status === status
}

const AS_IT_WAS: StackConfig = {
  link: [
    { ifname: 'lo', up: true },
    {
      ifname: 'eth1',
      kind: 'pipe',
      address: MAC.r1,
      mtu: 1500,
      up: true,
      netem: {},
      addresses: ['10.0.1.254/24'],
    },
    {
      ifname: 'eth2',
      kind: 'pipe',
      address: MAC.r2,
      mtu: 1500,
      up: true,
      netem: {},
      addresses: ['10.0.2.254/24'],
    },
  ],
  route: [],
  neigh: [],
}

test.each([1, 2, 3, 4])(
  '1,500 requests of seed %p: no 500, and a refusal is a problem document and changes nothing',
  async (seed) => {
    const { sim, a, b, r } = await routed({ seed })
    const control: Control = { ...r.control, request: r.request }
    const app = createApp({ control, version: '0', notReady: () => null })
    const { next } = createRequests(seeded(seed * 31337))
    let accepted = 0
    const sysctls = [...control.dump({ type: 'SYSCTL' })]
      .flat()
      .map((item) => [item.name, item.value] as const)
      // one is only to be read; and what IPv6 takes of a device is not more than the device itself, which has changed
      .filter(([name]) => !/available_congestion_control$|^net\.ipv6\.conf\.\w+\.mtu$/.test(name))
    for (let k = 0; k < 1500; k++) {
      const [path, init] = next()
      const before = init.method === 'GET' || init.method === 'HEAD' ? '' : await stateOf(control)
      const response = await app.request(`http://softnet${path}`, init, { listener: 'unix' })
      const answer = path.startsWith('/v1/watch') && response.ok ? '' : await response.text()
      const what = `${k}: ${init.method} ${path} ${init.body ?? ''} -> ${response.status}`
      if (response.status >= 500 && response.status !== 503) throw new Error(what)
      if (before !== '' && response.status >= 400 && (await stateOf(control)) !== before)
        throw new Error(`changed by a refused request: ${what}`)
      if (response.status >= 400 && init.method !== 'HEAD' && !isProblem(response, answer))
        throw new Error(`no problem document: ${what} ${answer}`)
      if (before !== '' && response.status < 300) accepted++
      if (k % 50 === 0) sim.run(10)
      if (k % 150 === 0) await r.request({ type: 'CONFIG_SET', config: AS_IT_WAS })
    }
    expect(accepted).toBeGreaterThan(100)
    // and the stack goes on as it did
    await r.must({ type: 'CONFIG_SET', config: AS_IT_WAS })
    for (const [name, value] of sysctls) await r.must({ type: 'SYSCTL_SET', name, value })
    sim.wire([a, 'eth0'], [r, 'eth1'])
    sim.wire([r, 'eth2'], [b, 'eth0'])
    const socket = openUdp(a)
    const server = openUdp(b, 5000)
    socket.send(new Uint8Array(100), '10.0.2.2', 5000)
    sim.run(5000)
    expect(server.heard.length).toBe(1)
  }
)
