// Multicast routes over the API of a whole router: set, shown, counted. The golden texts are those of Linux 6.18 and
// iproute2 6.1 for the same state.

import { expect, test } from 'bun:test'
import { createApp } from '../../../../api/app.ts'
import { run } from '../../../../api/cli/run.ts'
import { createSim } from '../../../../sim/net/net-sim.ts'
import { openUdp } from '../../../../sim/net/sim-apps.ts'

const router = async () => {
  const sim = createSim()
  const link = (n: number) => ({
    ifname: `e${n}`,
    kind: 'pipe',
    addresses: [`10.88.${n}.1/24`],
    up: true,
  })
  const h = await sim.host('h', {
    setup: { link: [{ ifname: 'lo', up: true }, link(0), link(1), link(2)] },
  })
  const source = await sim.host('source', {
    setup: {
      link: [{ ifname: 'eth0', kind: 'pipe', addresses: ['10.88.0.9/24'], up: true }],
      route: [{ dst: 'default', gateway: '10.88.0.1' }],
    },
  })
  sim.wire([h, 'e0'], [source, 'eth0'])
  const { request: ask } = createApp({ control: h.control, version: '0.1.0' })
  const request = async (path: string, method = 'GET', body?: object): Promise<Response> => {
    const headers = { 'Content-Type': 'application/json' }
    const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) }
    const answer = await ask(path, init, { listener: 'unix' })
    sim.run(1)
    return answer
  }
  const cli = async (line: string): Promise<string> => {
    let said = ''
    const write = (text: string): void => {
      said += text
    }
    const status = await run(line.split(' '), {
      fetch: (path: string, init: RequestInit = {}) =>
        Promise.resolve(ask(path, init, { listener: 'unix' })),
      endpoint: '',
      env: {},
      out: write,
      err: write,
      json: false,
    })
    return status === 0 ? said : `${status}: ${said}`
  }
  const proc = async (file: string): Promise<string> =>
    (await request(`/v1/proc/net/${file}`)).text()
  const message = async (answer: Response): Promise<string> => {
    const { detail, title } = (await answer.json()) as { detail?: string; title?: string }
    return `${answer.status} ${detail ?? title}`
  }
  const passing = async (): Promise<void> => {
    for (const name of ['e0', 'e1', 'e2'])
      expect((await request(`/v1/links/${name}/mvif`, 'PUT', { role: 'static' })).status).toBe(200)
  }
  return { sim, h, source, request, cli, proc, message, passing }
}

test('routes are set, shown as ip shows them, and deleted', async () => {
  const { sim, source, request, cli, proc, passing } = await router()
  await passing()
  const first = { src: '10.88.0.9', dst: '239.1.1.1', iif: 'e0' }
  const set = await request('/v1/mroutes', 'POST', {
    ...first,
    oifs: [{ dev: 'e1' }, { dev: 'e2', ttl: 5 }],
  })
  expect(set.status).toBe(201)
  await request('/v1/mroutes', 'POST', { src: '10.88.1.9', dst: '239.1.1.2', iif: 'e1' })
  const app = openUdp(source)
  source.stack.sockets.setsockopt(app.sk, 0, 33, 9)
  expect(app.send(new Uint8Array(100), '239.7.7.7', 99)).toBe(100)
  sim.run(10)
  expect(await cli('ip mroute show')).toBe(
    '(10.88.0.9,239.1.1.1)            Iif: e0         Oifs: e1 e2(ttl 5)  State: resolved\n' +
      '(10.88.1.9,239.1.1.2)            Iif: e1          State: resolved\n' +
      '(10.88.0.9,239.7.7.7)            Iif: unresolved  State: unresolved\n'
  )
  expect(await cli('ip -s mroute show from 10.88.1.0/24')).toBe(
    '(10.88.1.9,239.1.1.2)            Iif: e1          State: resolved\n' +
      '  0 packets, 0 bytes, Age 0.00\n'
  )
  expect(await cli('ip -j mroute show')).toBe(
    '[{"src":"10.88.0.9","dst":"239.1.1.1","iif":"e0","multipath":[{"oif":"e1"},{"oif":"e2","ttl":5}],"state":"resolved"},{"src":"10.88.1.9","dst":"239.1.1.2","iif":"e1","multipath":[],"state":"resolved"},{"src":"10.88.0.9","dst":"239.7.7.7","iif":"unresolved","state":"unresolved"}]\n'
  )
  expect(await cli('ip mroute show to 239.1.1.2 table all')).toBe(
    '(10.88.1.9,239.1.1.2)            Iif: e1          State: resolved Table: default\n'
  )
  expect(await proc('ip_mr_cache')).toBe(
    'Group    Origin   Iif     Pkts    Bytes    Wrong Oifs\n' +
      '010101EF 0900580A 0          0        0        0  1:1    2:5  \n' +
      '020101EF 0901580A 1          0        0        0\n' +
      '070707EF 0900580A -1         0        0        0\n'
  )
  expect(await proc('ip_mr_vif')).toBe(
    'Interface      BytesIn  PktsIn  BytesOut PktsOut Flags Local    Remote\n' +
      ' 0 e0                0       0         0       0 00008 00000002 00000000\n' +
      ' 1 e1                0       0         0       0 00008 00000003 00000000\n' +
      ' 2 e2                0       0         0       0 00008 00000004 00000000\n'
  )
  app.send(new Uint8Array(100), '239.1.1.1', 99)
  sim.run(10)
  expect(await cli('ip -s mroute show 239.1.1.1')).toStartWith(
    '(10.88.0.9,239.1.1.1)            Iif: e0         Oifs: e1 e2(ttl 5)  State: resolved\n' +
      '  1 packets, 128 bytes, Age 0.0'
  )
  expect(await proc('ip_mr_vif')).toContain(
    ' 2 e2                0       0       128       1 00008 00000004 00000000\n'
  )
  expect((await request('/v1/mroutes/10.88.0.9/239.1.1.1', 'DELETE')).status).toBe(200)
  expect(await cli('ip mroute show 239.1.1.1')).toBe('')
  app.close()
  sim.run(20_000)
  expect(await cli('ip mroute')).toBe(
    '(10.88.1.9,239.1.1.2)            Iif: e1          State: resolved\n'
  )
  expect(sim.leaks()).toEqual({})
})

test('what makes no sense is refused and changes nothing', async () => {
  const { request, cli, message, passing } = await router()
  const route = { dst: '239.1.1.1', iif: 'e0', oifs: [{ dev: 'e1' }] }
  const post = async (more: object): Promise<string> =>
    message(await request('/v1/mroutes', 'POST', { ...route, ...more }))
  expect(await post({})).toContain('Device does not forward multicast')
  await passing()
  expect(await post({ dst: '10.0.0.1' })).toContain('Invalid multicast group')
  expect(await post({ dst: '224.0.0.5' })).toContain('Invalid multicast group')
  expect(await post({ src: '239.1.1.1' })).toContain('Invalid source address')
  expect(await post({ src: 'fd00::1' })).toContain('Invalid source address')
  expect(await post({ iif: 'x0' })).toContain('Cannot find device "x0"')
  expect(await post({ oifs: [{ dev: 'e1' }, { dev: 'x0' }] })).toContain('Cannot find device "x0"')
  expect(await message(await request('/v1/mroutes/any/239.1.1.1', 'DELETE'))).toContain(
    'No such file or directory'
  )
  expect(await cli('ip mroute')).toBe('')
})

test('with a device go the routes by way of it', async () => {
  const { request, cli, passing } = await router()
  await passing()
  const oifs = [{ dev: 'e1' }, { dev: 'e2' }]
  await request('/v1/mroutes', 'POST', { src: '10.88.0.9', dst: '239.1.1.1', iif: 'e0', oifs })
  await request('/v1/mroutes', 'POST', { dst: '239.1.1.2', iif: 'e1', oifs })
  await request('/v1/links/e1', 'DELETE')
  expect(await cli('ip mroute')).toBe(
    '(10.88.0.9,239.1.1.1)            Iif: e0         Oifs: e2  State: resolved\n'
  )
  await request('/v1/links/e0/mvif', 'PUT', { role: 'none' })
  expect(await cli('ip mroute')).toBe('')
  const { items } = (await (await request('/v1/mvifs')).json()) as { items: { ifname: string }[] }
  expect(items.map(({ ifname }) => ifname)).toEqual(['e2'])
})
