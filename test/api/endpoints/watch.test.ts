import { IPPROTO_TCP } from '../../../core/wire/ipproto.ts'
import { expect, test } from 'bun:test'
import { createJournal } from '../../../api/endpoints/journal.ts'
import { MAX_WATCHERS } from '../../../api/endpoints/watch.ts'
import { AF_INET } from '../../../core/base/family.ts'
import { counterBank } from '../../../core/shm/counters.ts'
import { THREAD_RESTARTS, THREAD_WORDS } from '../../../core/shm/layout.ts'
import { deviceDrops, Drop, DROP_COUNTERS } from '../../../core/skb/drop.ts'
import {
  SK_COOKIE,
  SK_FAMILY,
  SK_STATE,
  SK_PROTOCOL,
  SK_TYPE,
  SOCK_STREAM,
  sockSlab,
  TCP_ESTABLISHED,
  TCP_SYN_SENT,
} from '../../../core/socket/sock.ts'
import { createSoftnet } from '../support/softnet.ts'

const isEvent = (text: string): boolean => text.startsWith('event: ')

/** Reads a stream until it holds `text`. */
const createReader = (response: Response) => {
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let seen = ''
  return {
    until: async (text: string): Promise<string> => {
      while (!seen.includes(text)) seen += decoder.decode((await reader.read()).value)
      return seen
    },
    close: () => reader.cancel(),
  }
}

test('tells changes by kind, with their revision as id', async () => {
  const { request, send, control } = createSoftnet()
  const reader = createReader(await request('/v1/watch?kinds=route'))
  const before = control.revision()
  await reader.until('retry')
  await send('POST', '/v1/routes', { dst: '10.40.0.0/16', dev: 'veth0' })
  await send('DELETE', '/v1/tables/main/routes/10.40.0.0/16')
  const seen = await reader.until(`id: ${before + 2}\ndata`)
  expect(seen).toContain(
    `event: route\nid: ${before + 1}\ndata: {"event":"new","item":{"type":"unicast","dst":"10.40.0.0/16"`
  )
  expect(seen).toContain(`event: route\nid: ${before + 2}\ndata: {"event":"del"`)
  await reader.close()
})

test('goes on after Last-Event-ID', async () => {
  const { request, send, control } = createSoftnet()
  const first = createReader(await request('/v1/watch'))
  const before = control.revision()
  for (const n of [1, 2, 3])
    await send('POST', '/v1/routes', { dst: `10.40.${n}.0/24`, dev: 'veth0' })
  await first.until(`id: ${before + 3}`)
  await first.close()
  const again = createReader(
    await request('/v1/watch', { headers: { 'Last-Event-ID': `${before + 1}` } })
  )
  const seen = await again.until(`id: ${before + 3}`)
  expect(seen).not.toContain(`id: ${before + 1}\n`)
  expect(seen).toContain(`id: ${before + 2}\n`)
  await again.close()
})

test.each(['3', '99', 'x'])('an id that is not known (%s) asks for a resync', async (id) => {
  const { request, control } = createSoftnet()
  const reader = createReader(await request('/v1/watch', { headers: { 'Last-Event-ID': id } }))
  expect(await reader.until('resync')).toContain(`event: resync\nid: ${control.revision()}\n`)
  await reader.close()
})

test('a reader who does not read loses events and is told', async () => {
  const { request, change } = createSoftnet()
  const reader = createReader(await request('/v1/watch?kinds=route'))
  await reader.until('retry')
  for (let n = 1; n <= 2000; n++) change(n)
  await reader.until('"mtu":500')
  // Room again: the next change says that some were lost.
  change(3000)
  expect(await reader.until('resync')).not.toContain('"mtu":2000')
  await reader.close()
})

test('an unknown kind is refused', async () => {
  const { json } = createSoftnet()
  expect((await json('/v1/watch?kinds=route,cats')).status).toBe(400)
})

test('the journal is bounded and knows what it forgot', async () => {
  const { control, change, ready } = createSoftnet()
  await ready
  const journal = createJournal(control, 2)
  const routes = new Set(['route'] as const)
  const before = control.revision()
  expect(journal.after([before, 0], routes)).toEqual([])
  for (let n = 1; n <= 3; n++) change(n)
  expect(journal.after([before, 0], routes)).toBeNull()
  expect(journal.after([before - 1, 0], routes)).toBeNull()
  expect(journal.after([before + 4, 0], routes)).toBeNull()
})

/** Socket and worker rows, to change as their threads do; `look` is when control looks at them again. */
const rows = ({ arena, control, clock }: ReturnType<typeof createSoftnet>) => {
  const { i32, layout } = arena
  const slab = sockSlab(arena, 1, false)
  const looks = (): void => {
    clock.us += 100_000
    control.poll()
  }
  const setState = (sk: number, state: number): void => {
    i32[sk + SK_STATE] = state
    looks()
  }
  const close = (sk: number): void => {
    slab.free(sk)
    looks()
  }
  const open = (): number => {
    const sk = slab.alloc()
    i32.fill(0, sk + SK_FAMILY, sk + SK_COOKIE)
    i32[sk + SK_TYPE] = SOCK_STREAM
    i32[sk + SK_PROTOCOL] = IPPROTO_TCP
    i32[sk + SK_FAMILY] = AF_INET
    i32[sk + SK_STATE] = TCP_SYN_SENT
    i32[sk + SK_COOKIE] = 0xabc
    looks()
    return sk
  }
  const restart = (worker: number): void => {
    i32[layout.threadBlocks + worker * THREAD_WORDS + THREAD_RESTARTS]!++
    looks()
  }
  return { open, setState, close, restart, looks }
}

test('sockets are told when they come, change their state and go, each at a place of its own', async () => {
  const softnet = createSoftnet()
  const { request, control } = softnet
  const reader = createReader(await request('/v1/watch?kinds=socket'))
  await reader.until('retry')
  const at = control.revision()
  const { open, setState, close } = rows(softnet)
  const sk = open()
  setState(sk, TCP_ESTABLISHED)
  close(sk)
  const events = (await reader.until(`id: ${at}.3\n`)).split('\n\n').filter(isEvent)
  expect(
    events.map((event) => /^event: socket\nid: ([\d.]+)\ndata: (.*)$/.exec(event)!.slice(1))
  ).toEqual(
    [
      ['1', 'new', 'SYN-SENT'],
      ['2', 'new', 'ESTAB'],
      ['3', 'del', 'ESTAB'],
    ].map(([nth, event, state]) => [
      `${at}.${nth}`,
      expect.stringMatching(new RegExp(`"event":"${event}".*"sk":"abc".*"state":"${state}"`)),
    ])
  )
  await reader.close()
})

test('a worker that has begun anew is told', async () => {
  const softnet = createSoftnet()
  const reader = createReader(await softnet.request('/v1/watch?kinds=worker'))
  await reader.until('retry')
  rows(softnet).restart(1)
  expect(await reader.until('event: worker')).toMatch(/"cpu":1,.*"restarts":1/)
  await reader.close()
})

test('drops are told with their place and their devices when there are more of a reason', async () => {
  const softnet = createSoftnet()
  const { arena, request } = softnet
  const reader = createReader(await request('/v1/watch?kinds=drop&initial=1'))
  const there = await reader.until('event: synced')
  expect(there.match(/^event: drop$/gm)).toHaveLength(2)
  arena.f64[counterBank(arena, 1) + DROP_COUNTERS + Drop.IP_CSUM] = 1
  arena.f64[deviceDrops(arena, 1, 2) + Drop.IP_CSUM] = 1
  rows(softnet).looks()
  const [, data = ''] = /^data: (.*IP_CSUM.*)$/m.exec(await reader.until('IP_CSUM')) ?? []
  expect(JSON.parse(data)).toMatchObject({
    event: 'new',
    item: {
      ...{ reason: 'IP_CSUM', place: 'ip-input', count: 1, worker: [0, 1] },
      devices: [{ dev: 'veth1', count: 1, worker: [0, 1] }],
    },
  })
  await reader.close()
})

test('sockets that nobody watched for a while are not known to be the same; other kinds are', async () => {
  const softnet = createSoftnet()
  const { control, change, ready } = softnet
  await ready
  let letGo = (): void => {}
  let waiting = 0
  const journal = createJournal(control, 10, (run) => {
    letGo = run
    waiting++
    return () => waiting--
  })
  const routes = new Set(['route'] as const)
  const both = new Set(['route', 'socket'] as const)
  const at = journal.now()
  const unlisten = journal.listen(both, () => {})
  expect(journal.after(at, both)).toEqual([])
  unlisten()
  // one timer waits, however many come and go
  for (let k = 0; k < 3; k++) journal.listen(both, () => {})()
  expect(waiting).toBe(1)
  // who comes back at once has missed nothing
  expect(journal.after(at, both)).toEqual([])
  letGo()
  rows(softnet).open()
  change(1)
  expect(journal.after(at, both)).toBeNull()
  expect(journal.after(at, routes)!.map(({ note }) => note.kind)).toEqual(['route'])
})

test('goes on in the middle of what one change told, and of what came without a change', async () => {
  const softnet = createSoftnet()
  const { request, send } = softnet
  const first = createReader(await request('/v1/watch?kinds=link,address,route,socket'))
  await first.until('retry')
  await send('DELETE', '/v1/links/veth0')
  const { open, setState } = rows(softnet)
  setState(open(), TCP_ESTABLISHED)
  const all = (await first.until('"state":"ESTAB"')).split('\n\n').filter(isEvent)
  const ids = all.map((event) => /^id: (.*)$/m.exec(event)![1]!)
  expect(ids[1]).toBe(`${ids[0]}.1`)
  expect(new Set(ids).size).toBe(ids.length)
  for (const [n, id] of ids.slice(0, -1).entries()) {
    const again = createReader(
      await request(`/v1/watch?kinds=link,address,route,socket&last_event_id=${id}`)
    )
    const seen = (await again.until('"state":"ESTAB"')).split('\n\n').filter(isEvent)
    expect(seen).toEqual(all.slice(n + 1))
    await again.close()
  }
  await first.close()
})

test('initial=1 begins with what is there, and says when that was all', async () => {
  const { request, send, control } = createSoftnet()
  const reader = createReader(await request('/v1/watch?kinds=route,worker&initial=1'))
  const seen = await reader.until('event: synced')
  expect(seen).toContain('"dst":"10.5.0.0/16"')
  expect(seen).toContain('"table":"local"')
  expect(seen.match(/^event: worker$/gm)).toHaveLength(2)
  expect(seen).toEndWith(
    `event: synced\nid: ${control.revision()}\ndata: {"revision":${control.revision()}}\n\n`
  )
  await send('POST', '/v1/routes', { dst: '10.40.0.0/16', dev: 'veth0' })
  await reader.until('"dst":"10.40.0.0/16"')
  await reader.close()
})

test('what is there is read out as fast as it is read, and no faster', async () => {
  const { request, send } = createSoftnet()
  await request('/v1/links')
  const lines = Array.from({ length: 8000 }, (_, n) =>
    JSON.stringify({ dst: `10.${100 + (n >> 8)}.${n & 255}.0/24`, dev: 'veth0' })
  )
  const batch = await request('/v1/tables/main/routes:batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: lines.join('\n'),
  })
  expect((await batch.text()).match(/"status":200/g)).toHaveLength(lines.length)
  const response = await request('/v1/watch?kinds=route&initial=1')
  await send('POST', '/v1/routes', { dst: '10.99.0.0/16', dev: 'veth0' })
  const reader = createReader(response)
  const seen = await reader.until('event: synced')
  // the change comes while most is still to be read out
  expect(seen.indexOf('"dst":"10.99.0.0/16"')).toBeLessThan(seen.length / 2)
  expect(seen.match(/"dst":"10\.1\d\d\./g)!.length).toBeGreaterThanOrEqual(8000)
  await reader.close()
})

test('dev= keeps what is about that device', async () => {
  const { request, send, json } = createSoftnet()
  const reader = createReader(await request('/v1/watch?dev=veth1&initial=1'))
  await send('POST', '/v1/routes', { dst: '10.40.0.0/16', dev: 'veth0' })
  await send('POST', '/v1/routes', { dst: '10.41.0.0/16', dev: 'veth1' })
  const seen = await reader.until('10.41.0.0/16')
  expect(seen).toContain('"ifname":"veth1"')
  expect(seen).not.toContain('10.40.0.0/16')
  expect(seen).not.toContain('"dev":"veth0"')
  await reader.close()
  const refused = await json('/v1/watch?dev=veth9')
  expect([refused.status, refused.body.detail]).toEqual([404, 'Cannot find device "veth9"'])
})

test('who only asks for the headers does not watch, and watchers have a bound', async () => {
  const { request } = createSoftnet()
  for (let n = 0; n <= MAX_WATCHERS; n++)
    expect((await request('/v1/watch', { method: 'HEAD' })).status).toBe(200)
  const readers = []
  for (let n = 0; n < MAX_WATCHERS; n++) readers.push(createReader(await request('/v1/watch')))
  const refused = await request('/v1/watch')
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '1'])
  await readers.pop()!.close()
  readers.push(createReader(await request('/v1/watch')))
  for (const reader of readers) await reader.close()
})
