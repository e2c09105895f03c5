import { expect, test } from 'bun:test'
import { createJournal } from '../../../api/endpoints/journal.ts'
import { MAX_WATCHERS } from '../../../api/endpoints/watch.ts'
import { createSoftnet } from '../support/softnet.ts'

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
  const before = control.revision()
  expect(journal.after(before)).toEqual([])
  for (let n = 1; n <= 3; n++) change(n)
  expect(journal.after(before)).toBeNull()
  expect(journal.after(before - 1)).toBeNull()
  expect(journal.after(before + 4)).toBeNull()
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
