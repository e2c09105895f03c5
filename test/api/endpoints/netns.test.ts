import { describe, expect, test } from 'bun:test'
import type { AppDeps } from '../../../api/endpoints/deps.ts'
import { createHostApi } from '../../../api/host-api.ts'
import { G_CAPTURES } from '../../../core/shm/layout.ts'
import { createStreams } from '../../../workers/netns/streams.ts'
import { createSoftnet } from '../support/softnet.ts'

/** A router with a simulated host, whose stack is a second router, and a namespace of the kernel. */
const createWithHost = (bindings?: Parameters<typeof createSoftnet>[1]) => {
  const host = createSoftnet()
  const api = createHostApi(host.control)
  const streams = createStreams()
  const askNetns: AppDeps['askNetns'] = async (call) => {
    const { name, method, path, headers, body, isStream } = call
    const response = await api(
      new Request(`http://${name}${path}`, { method, headers, ...(body !== '' && { body }) })
    )
    const answer = { status: response.status, headers: Object.fromEntries(response.headers) }
    if (!isStream || response.body === null) return { ...answer, body: await response.text() }
    const id = streams.add(host, response.body)
    return {
      ...answer,
      body: { next: () => streams.next(id), cancel: () => void streams.cancel(id) },
    }
  }
  const netns: AppDeps['netns'] = () => [{ name: 'shop' }, { name: 'user', pid: 17 }]
  const router = createSoftnet({ netns, askNetns }, bindings)
  return { ...router, host }
}

describe('/v1/netns/NAME', () => {
  test('is all of the API, in that namespace', async () => {
    const { json, send, host } = createWithHost()
    await host.ready
    const inside = await json('/v1/netns/shop/sockets/tcp?limit=1')
    expect(inside.body.items).toEqual((await host.json('/v1/sockets/tcp?limit=1')).body.items)
    const path = '/tables/main/routes/192.0.2.0/24'
    expect((await send('PUT', `/v1/netns/shop${path}`, { type: 'blackhole' })).status).toBe(200)
    expect((await host.json(`/v1${path}`)).body.type).toBe('blackhole')
    expect((await json(`/v1${path}`)).status).toBe(404)
    const { headers, status } = await json(`/v1/netns/shop${path}`)
    expect([status, headers.get('ETag')]).toEqual([
      200,
      (await host.json(`/v1${path}`)).headers.get('ETag'),
    ])
  })
  test('says in words what is refused: no such name, the kernel’s, no such path, what a stream is asked', async () => {
    const { json, host } = createWithHost()
    await host.ready
    const refusal = async (path: string, init?: RequestInit) => {
      const { status, body } = await json(`/v1/netns/${path}`, init)
      return [status, body.detail]
    }
    expect(await refusal('nope/links')).toEqual([
      404,
      'Cannot open network namespace "nope": No such file or directory',
    ])
    expect((await refusal('user/links'))[0]).toBe(501)
    expect(await refusal('shop/watch?dev=nope')).toEqual([404, 'Cannot find device "nope"'])
    expect((await refusal('shop/capture?filter=port+port'))[0]).toBe(422)
    expect((await refusal('shop/trace?limit=0'))[0]).toBe(400)
    expect((await refusal('shop/nothing'))[0]).toBe(404)
    expect((await refusal('shop/links', { method: 'DELETE' }))[0]).toBe(405)
    expect((await refusal('shop/links', { method: 'PROPFIND' }))[0]).toBe(405)
    expect((await refusal('shop/links/nope/..%2f..'))[0]).toBe(404)
  })
  test('streams what happens in it, goes on after Last-Event-ID, and ends with its reader', async () => {
    const { request, send, host, arena } = createWithHost()
    await host.ready
    const add = async (dst: string) =>
      (await send('POST', '/v1/netns/shop/routes', { dst, type: 'blackhole' })).body.revision
    /** What is said until `text` is, and then no more is read. */
    const hear = async (response: Response, text: string): Promise<string> => {
      let said = ''
      const decoder = new TextDecoder()
      for await (const piece of response.body!) {
        said += decoder.decode(piece, { stream: true })
        if (said.includes(text)) break
      }
      return said
    }
    const watch = '/v1/netns/shop/watch?kinds=route'
    const first = await request(watch)
    expect(first.headers.get('Content-Type')).toBe('text/event-stream')
    expect(first.headers.get('Cache-Control')).toBe('no-store')
    const last = await add('10.40.0.0/16')
    const said = await hear(first, '10.40.0.0/16')
    expect(said).toContain(`event: route\nid: ${last}\ndata: {"event":"new"`)
    await add('10.41.0.0/16')
    const second = await request(watch, { headers: { 'Last-Event-ID': String(last) } })
    expect(await hear(second, '10.41.0.0/16')).not.toContain('10.40.0.0/16')

    const frames = await request('/v1/netns/shop/capture?dev=veth0')
    expect(frames.headers.get('Content-Type')).toBe('application/x-pcapng')
    expect([host.arena.i32[G_CAPTURES], arena.i32[G_CAPTURES]]).toEqual([1, 0])
    const reader = frames.body!.getReader()
    expect((await reader.read()).value!.subarray(0, 2)).toEqual(new Uint8Array([0x0a, 0x0d]))
    await reader.cancel()
    expect(host.arena.i32[G_CAPTURES]).toBe(0)
    // nobody reads the body of HEAD
    await request('/v1/netns/shop/capture', { method: 'HEAD' })
    expect(host.arena.i32[G_CAPTURES]).toBe(0)
  })
  test('follows a made-up packet there', async () => {
    const { send, host } = createWithHost()
    await host.ready
    const made = { dev: 'veth0', packet: 'udp 10.1.0.5:5000 > 10.5.0.1:53' }
    const { body } = await send('POST', '/v1/netns/shop/trace', made)
    expect(body.verdict).toContain('kept by neigh')
    expect(body).toEqual((await host.send('POST', '/v1/trace', made)).body)
  })
  test('is changed at the revision of that namespace which If-Match names', async () => {
    const { json, send, host } = createWithHost()
    await host.ready
    const path = '/v1/netns/shop/tables/main/routes/192.0.2.0/24'
    const tag = async () => (await json('/v1/netns/shop/links')).headers.get('ETag')!
    const put = async (ifMatch: string) =>
      (await send('PUT', path, { type: 'blackhole' }, { 'If-Match': ifMatch })).status
    const old = await tag()
    expect(await put(old)).toBe(200)
    const late = await send('DELETE', path, undefined, { 'If-Match': old })
    expect([late.status, late.body.type, late.headers.get('ETag')]).toEqual([
      412,
      '/problems/stale-revision',
      await tag(),
    ])
    expect((await send('DELETE', path, undefined, { 'If-Match': await tag() })).status).toBe(200)
  })
  test('is changed and captured only by who may', async () => {
    const { request } = createWithHost({ listener: 'loopback' })
    expect((await request('/v1/netns/shop/links')).status).toBe(200)
    expect((await request('/v1/netns/shop/neighs:flush', { method: 'POST' })).status).toBe(401)
    for (const path of ['capture', 'trace'])
      expect((await request(`/v1/netns/shop/${path}`)).status).toBe(401)
  })
})

test('the default namespace is 1; namespaces are the same from everywhere', async () => {
  const { json, send, cli, host } = createWithHost()
  await host.ready
  expect((await json('/v1/netns/1/links')).body).toEqual((await json('/v1/links')).body)
  expect((await send('POST', '/v1/netns/shop/netns', { name: 'blue' })).status).toBe(201)
  expect((await json('/v1/netns/shop/netns/user')).body).toEqual({ name: 'user', pid: 17 })
  expect((await cli('ip -n shop netns')).out).toBe('shop\nuser\n')
  const path = '/v1/netns/1/netns/shop/links/lo'
  expect((await json(path)).body).toEqual((await json('/v1/netns/shop/links/lo')).body)
})

test('ip link add: of a pair that reaches into the default namespace the end there is made first', async () => {
  const { cli, asked } = createWithHost()
  for (const line of [
    'ip link add v0 mtu 1400 type veth peer name v1 mtu 1300 netns shop',
    'ip link add v1 netns shop mtu 1300 type veth peer name v0 mtu 1400',
    'ip -n shop link add v1 mtu 1300 type veth peer name v0 mtu 1400 netns 1',
  ]) {
    asked.length = 0
    // there is no such namespace behind this API: it is refused, and what was asked is seen
    expect((await cli(line)).err).toBe('Error: argument "shop" is wrong: Invalid "netns" value\n')
    expect(asked).toMatchObject([
      {
        link: {
          ifname: 'v0',
          kind: 'veth',
          mtu: 1400,
          data: { peer: { name: 'v1', netns: 'shop', mtu: 1300 } },
        },
      },
    ])
  }
})

test('/v1/netns: PUT adds where there is none, POST is refused where there is one, DELETE ends it', async () => {
  const { json, send } = createSoftnet()
  expect((await send('PUT', '/v1/netns/blue')).status).toBe(200)
  expect((await send('PUT', '/v1/netns/blue')).status).toBe(200)
  const { status, body } = await send('POST', '/v1/netns', { name: 'blue' })
  expect([status, body.errno, body.detail]).toEqual([
    409,
    'EEXIST',
    'Cannot create namespace file "/run/netns/blue": File exists',
  ])
  expect((await json('/v1/netns')).body.items).toEqual([{ name: 'blue' }])
  expect((await json('/v1/netns/blue')).body).toEqual({ name: 'blue' })
  expect((await send('DELETE', '/v1/netns/blue')).status).toBe(200)
  expect((await send('DELETE', '/v1/netns/blue')).status).toBe(404)
  expect((await json('/v1/netns/blue')).status).toBe(404)
})

test('ip netns: list, add, delete, in the words of iproute2', async () => {
  const { cli } = createSoftnet()
  const done = { status: 0, out: '', err: '' }
  expect(await cli('ip netns add blue')).toEqual(done)
  expect(await cli('ip netns add red')).toEqual(done)
  expect((await cli('ip netns')).out).toBe('blue\nred\n')
  expect((await cli('ip netns show red')).out).toBe('red\n')
  expect(JSON.parse((await cli('ip -j netns list')).out)).toEqual([
    { name: 'blue' },
    { name: 'red' },
  ])
  const refusals: readonly (readonly [line: string, err: string])[] = [
    ['add blue', 'Cannot create namespace file "/run/netns/blue": File exists\n'],
    ['add a/b', 'Invalid netns name "a/b"\n'],
    ['add', 'No netns name specified\n'],
    ['del nope', 'Cannot remove namespace file "/run/netns/nope": No such file or directory\n'],
    ['del ..', 'Invalid netns name ".."\n'],
    ['foo', 'Command "foo" is unknown, try "ip netns help".\n'],
  ]
  for (const [line, err] of refusals)
    expect(await cli(`ip netns ${line}`)).toMatchObject({ out: '', err })
  expect(await cli('ip netns del blue')).toEqual(done)
  expect((await cli('ip netns')).out).toBe('red\n')
})

test('ip netns list-id: those that have a number here, and it stands beside their names', async () => {
  const netns = () => [{ name: 'red', id: 1 }, { name: 'blue', id: 0 }, { name: 'plain' }]
  const { cli } = createSoftnet({ netns })
  const [blue, red] = ['blue', 'red'].map((name, nsid) => ({ nsid, name }))
  expect((await cli('ip netns')).out).toBe('red (id: 1)\nblue (id: 0)\nplain\n')
  expect((await cli('ip netns list-id')).out).toBe(
    'nsid 0 (iproute2 netns name: blue)\nnsid 1 (iproute2 netns name: red)\n'
  )
  expect(JSON.parse((await cli('ip -j netns list-id')).out)).toEqual([blue, red])
  expect(JSON.parse((await cli('ip -j netns list-id nsid 1')).out)).toEqual([red])
  expect(await cli('ip netns list-id nsid 5')).toEqual({
    status: 1,
    out: '',
    err: 'Error: Peer netns reference is invalid.\n',
  })
})

test('ss -N, ip -n: what they show is that namespace’s', async () => {
  const { cli, host } = createWithHost()
  await host.ready
  await host.cli('ip route add blackhole 192.0.2.0/24')
  for (const words of ['ip -n shop', 'ip -netns shop'])
    expect((await cli(`${words} route show type blackhole`)).out).toBe('blackhole 192.0.2.0/24 \n')
  expect((await cli('ip route show type blackhole')).out).toBe('')
  const { out } = await host.cli('ss -tan')
  for (const words of ['-N shop', '--net=shop', '--net shop'])
    expect(await cli(`ss -tan ${words}`)).toEqual({ status: 0, out, err: '' })
  expect((await cli('ss -N nope')).err).toContain('Cannot open network namespace "nope"')
  expect((await cli('ss -N')).err).toContain("option requires an argument -- 'N'")
  expect((await cli('exec --netns shop -- true')).err).toContain("a namespace of softnet's own")
  expect((await cli('ip netns exec shop true')).err).toContain("a namespace of softnet's own")
  expect((await cli('ip netns exec shop')).err).toBe('No command specified\n')
  expect((await cli('exec --netns nope -- true')).err).toContain('there is user')
})
