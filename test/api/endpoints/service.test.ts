import { expect, test } from 'bun:test'
import { createSoftnet } from '../support/softnet.ts'

test('healthz answers, readyz says what is missing', async () => {
  expect((await createSoftnet().json('/healthz')).body).toEqual({ status: 'ok' })
  expect((await createSoftnet().json('/readyz')).status).toBe(200)
  const { status, body, headers } = await createSoftnet({ notReady: () => 'worker 1' }).json(
    '/readyz'
  )
  expect([status, body.missing, headers.get('Retry-After')]).toEqual([503, 'worker 1', '1'])
})

test('metrics are Prometheus text: each name once, every line well made', async () => {
  const response = await createSoftnet().request('/metrics')
  expect(response.headers.get('Content-Type')).toContain('version=0.0.4')
  const text = await response.text()
  const lines = text.trimEnd().split('\n')
  const names = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2])
  expect(new Set(names).size).toBe(names.length)
  for (const line of lines.filter((line) => !line.startsWith('#'))) {
    expect(line).toMatch(/^[a-z_:][a-z0-9_:]*(\{([a-z_]+="[^"]*",?)*\})? -?[\d.e+]+$/)
  }
  expect(text).toContain(
    '# HELP softnet_worker_processed_total Packets that net_rx_action took.\n' +
      '# TYPE softnet_worker_processed_total counter\n' +
      'softnet_worker_processed_total{worker="0"} 47522\n' +
      'softnet_worker_processed_total{worker="1"} 47522\n'
  )
  expect(text).toContain('# TYPE softnet_worker_backlog_len gauge\n')
  expect(text).toContain('\nsoftnet_worker_neigh_res_failed_total{worker="0"} 0\n')
  expect(text).toContain('softnet_link_rx_bytes_total{device="veth0"} 90')
  expect(text).toContain('softnet_drops_total{reason="NO_SOCKET"} 4')
  expect(text).toContain('softnet_ip_in_receives_total 5')
  expect(text).toContain('softnet_tcp_curr_estab 2')
})

test('workers, drops, flows, netns', async () => {
  const { json } = createSoftnet({ netns: () => [{ name: 'user', pid: 42 }] })
  expect((await json('/v1/workers/1')).body.cpu).toBe(1)
  expect((await json('/v1/workers/7')).status).toBe(404)
  expect((await json('/v1/drops')).body.items[0]).toEqual({
    reason: 'NO_SOCKET',
    place: 'socket',
    count: 4,
    worker: [1, 3],
    devices: [
      { dev: 'veth0', count: 2, worker: [1, 1] },
      { dev: 'veth1', count: 1, worker: [0, 1] },
    ],
  })
  expect((await json('/v1/netns')).body.items).toEqual([{ name: 'user', pid: 42 }])
})

test('config: a dry run tells the steps and is told apart', async () => {
  const { send, asked, control, ready } = createSoftnet()
  await ready
  const before = control.revision()
  const config = {
    route: [{ dst: '10.9.0.0/16', via: '10.1.0.1' }],
    link: [{ name: 'lan0', kind: 'tap' }],
  }
  const { body } = await send('PUT', '/v1/config?dry_run=1', config)
  expect(body.item.map(({ op, at }: { op: string; at?: string }) => at ?? op)).toEqual([
    ...Array(5).fill('del'),
    'link[0]',
    'route[0]',
  ])
  expect(control.revision()).toBe(before)
  expect(asked[0]).toEqual({
    type: 'CONFIG_SET',
    dry_run: true,
    config: {
      route: [{ dst: '10.9.0.0/16', gateway: '10.1.0.1' }],
      link: [{ up: true, ifname: 'lan0', kind: 'tap' }],
    },
  })
  expect((await send('PUT', '/v1/config', { workers: 4 })).body.errors[0].field).toBe('workers')
})
