// Nexthop objects over HTTP, in the configuration and among the events; what ip prints and refuses is beside the kernel in
// test/e2e/nexthop.test.ts.

import { expect, test } from 'bun:test'
import type { BucketItem } from '../../../../core/control/text/messages.ts'
import { createSession } from '../../support/session.ts'

const SETUP = `
ip link set lo up
ip link add d0 type veth peer name d1
ip link set d0 up
ip link set d1 up
ip addr add 10.0.0.1/24 dev d0
ip nexthop add id 5 via 10.0.0.2 dev d0 protocol static
ip nexthop add via 10.0.0.3 dev d0
ip -6 nexthop add id 8 blackhole
ip nexthop add id 4 group 5,3/1
ip route add 10.1.0.0/16 nhid 4
ip route add 10.2.0.0/16 nhid 5 metric 7
ip -6 route add 2001:db8::/32 nhid 8`

const session = async () => {
  const made = createSession()
  await made.all(SETUP)
  const ask = async (method: string, path: string, body?: object) => {
    const response = await made.request(path, {
      method,
      headers: { 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
    return { status: response.status, body: (await response.json()) as any }
  }
  return { ...made, ask }
}

test('are resources under their ids', async () => {
  const { ask, cli } = await session()
  const list = await ask('GET', '/v1/nexthops')
  expect(list.body.items).toMatchObject([
    { id: 1, gateway: '10.0.0.3', dev: 'd0', scope: 'link', protocol: 'unspec', flags: [] },
    { id: 4, group: [{ id: 5, weight: 3 }, { id: 1 }], flags: [] },
    { id: 5, gateway: '10.0.0.2', dev: 'd0', protocol: 'static', family: 'inet' },
    { id: 8, blackhole: null, family: 'inet6' },
  ])
  expect((await ask('GET', '/v1/nexthops?groups=1')).body.items).toHaveLength(1)
  expect((await ask('POST', '/v1/nexthops', { id: 5, dev: 'd0' })).status).toBe(409)
  expect((await ask('PUT', '/v1/nexthops/6', { group: [{ id: 5 }] })).status).toBe(200)
  const wrong = await ask('PUT', '/v1/nexthops/6', { group: [{ id: 5, weight: 257 }] })
  expect([wrong.status, wrong.body.errors[0].field]).toEqual([422, 'group[0].weight'])
  expect((await ask('GET', '/v1/nexthops/6')).body).toMatchObject({ group: [{ id: 5 }] })
  expect((await ask('DELETE', '/v1/nexthops/6')).status).toBe(200)
  expect((await ask('GET', '/v1/nexthops/6')).status).toBe(404)
  expect((await ask('DELETE', '/v1/nexthops/6')).status).toBe(404)
  expect((await ask('POST', '/v1/nexthops', { via: '10.0.0.9', dev: 'd0' })).status).toBe(201)
  expect(await cli('ip nexthop get id 2')).toBe('id 2 via 10.0.0.9 dev d0 scope link \n')
})

test('the configuration has them and the routes by them, and makes them so', async () => {
  const { ask, cli, all } = await session()
  const before = (await ask('GET', '/v1/config')).body
  expect(before.nexthop).toEqual([
    { id: 1, gateway: '10.0.0.3', dev: 'd0' },
    { id: 5, gateway: '10.0.0.2', dev: 'd0', protocol: 'static' },
    { id: 8, blackhole: null, family: 'inet6' },
    { id: 4, group: [{ id: 5, weight: 3 }, { id: 1 }] },
  ])
  expect(before.route).toContainEqual(expect.objectContaining({ dst: '10.1.0.0/16', nhid: 4 }))
  expect((await ask('PUT', '/v1/config?dry_run=1', before)).body.item).toEqual([])

  // another state, in which one id is a group that was none
  await all(`
ip nexthop del id 5
ip nexthop del id 8
ip nexthop replace id 1 via 10.0.0.7 dev d0
ip nexthop add id 5 group 1
ip nexthop add id 20 dev d1
ip route add 10.3.0.0/16 nhid 20`)
  const steps = await ask('PUT', '/v1/config', before)
  expect(steps.status).toBe(200)
  expect((await ask('GET', '/v1/config')).body).toEqual(before)
  expect(await cli('ip route show 10.1.0.0/16')).toContain('nhid 4')

  const bad = {
    ...before,
    nexthop: [
      { id: 1, dev: 'd0' },
      { id: 30, group: [{ id: 31 }] },
    ],
  }
  const refused = await ask('PUT', '/v1/config', bad)
  expect([refused.status, refused.body.errors[0].field]).toEqual([422, 'nexthop[1].group'])
  expect((await ask('GET', '/v1/config')).body).toEqual(before)
})

test('changes of them are told, and those of the routes by them', async () => {
  const { request, ask } = await session()
  const response = await request('/v1/watch?kinds=nexthop,route')
  const reader = response.body!.getReader()
  await ask('PUT', '/v1/nexthops/5', { gateway: '10.0.0.8', dev: 'd0' })
  await ask('DELETE', '/v1/nexthops/5')
  const decoder = new TextDecoder()
  let seen = ''
  while (!seen.includes('"event":"new","item":{"id":4'))
    seen += decoder.decode((await reader.read()).value)
  await reader.cancel()
  const events = [...seen.matchAll(/^event: (\w+)\nid: [\d.]+\ndata: (.*)$/gm)].map(
    ([, kind, data]) => {
      const { event, item } = JSON.parse(data!)
      return `${kind} ${event} ${item.id ?? item.dst}`
    }
  )
  expect(events).toEqual([
    'nexthop new 5',
    'route new 10.1.0.0/16',
    'route new 10.2.0.0/16',
    'route del 10.2.0.0/16',
    'nexthop del 5',
    'nexthop new 4',
  ])
})

test('a resilient group and its buckets are resources, and it is kept in the configuration', async () => {
  const { ask, cli, all } = await session()
  const args = { buckets: 4, idle_timer: 0.5 }
  const group = [{ id: 1 }, { id: 5, weight: 3 }]
  const made = await ask('PUT', '/v1/nexthops/9', {
    group,
    type: 'resilient',
    resilient_args: args,
  })
  expect([made.status, made.body.item]).toMatchObject([
    200,
    {
      group,
      type: 'resilient',
      resilient_args: { ...args, unbalanced_timer: 0, unbalanced_time: 0 },
    },
  ])
  const list = await ask('GET', '/v1/nexthop-buckets?id=9')
  expect(list.body.items.map((one: BucketItem) => [one.bucket.index, one.bucket.nhid])).toEqual([
    [0, 5],
    [1, 5],
    [2, 5],
    [3, 1],
  ])
  expect((await ask('GET', '/v1/nexthop-buckets?id=9&nhid=1')).body.items).toHaveLength(1)
  expect((await ask('GET', '/v1/nexthop-buckets?id=4')).status).toBe(422)
  expect((await ask('GET', '/v1/nexthops/9/buckets/3')).body).toMatchObject({
    id: 9,
    bucket: { index: 3, nhid: 1 },
    flags: [],
  })
  expect((await ask('GET', '/v1/nexthops/9/buckets/4')).status).toBe(404)
  const wrong = await ask('PUT', '/v1/nexthops/4', { group, resilient_args: args })
  expect([wrong.status, wrong.body.errors[0].field]).toEqual([422, 'resilient_args'])
  const memory = await ask('GET', '/v1/memory')
  expect(memory.body.fib.nexthop_buckets).toBe(4)

  await all('ip route add 10.9.0.0/16 nhid 9')
  const before = (await ask('GET', '/v1/config')).body
  expect(before.nexthop).toContainEqual({
    id: 9,
    group,
    type: 'resilient',
    resilient_args: { ...args, unbalanced_timer: 0 },
  })
  expect((await ask('PUT', '/v1/config?dry_run=1', before)).body.item).toEqual([])
  // other timers alone are changed where they are; another number of buckets is another group
  await all('ip nexthop replace id 9 group 1/5,3 type resilient idle_timer 7')
  expect((await ask('PUT', '/v1/config', before)).body.item).toHaveLength(1)
  expect((await ask('GET', '/v1/config')).body).toEqual(before)
  await all(`
ip nexthop del id 9
ip nexthop add id 9 group 1 type resilient buckets 2`)
  expect((await ask('PUT', '/v1/config', before)).status).toBe(200)
  expect((await ask('GET', '/v1/config')).body).toEqual(before)
  expect(await cli('ip nexthop bucket get id 9 index 3')).toMatch(
    /^id 9 index 3 idle_time \S+ nhid 1 \n$/
  )
})
