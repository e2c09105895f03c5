import { expect, test } from 'bun:test'
import { createByteSource, createHostApp, MAX_BYTES } from '../../api/host-app.ts'

const app = createHostApp({ hostname: 'h1.lan' })
const connection = {
  localAddress: '10.1.0.2',
  localPort: 80,
  remoteAddress: '10.2.0.9',
  remotePort: 40000,
  worker: 1,
}

test('says who answers, to whom, and which worker has the connection', async () => {
  const who = await (await app.request('/whoami', undefined, connection)).json()
  expect(who).toEqual({
    hostname: 'h1.lan',
    address: '10.1.0.2',
    port: 80,
    worker: 1,
    peer: { address: '10.2.0.9', port: 40000 },
  })
  const page = await (await app.request('/', undefined, connection)).text()
  expect(page).toContain('h1.lan')
  expect(page).toContain('10.2.0.9:40000')
})

test('a name is text, never markup', async () => {
  const page = await (await createHostApp({ hostname: '<script>' }).request('/')).text()
  expect(page).not.toContain('<script>')
})

test.each([0, 1, 65535, 65536, 65537, 1_000_003])(
  'sends exactly %d bytes, always the same',
  async (n) => {
    const response = await app.request(`/bytes/${n}`)
    expect(response.headers.get('Content-Length')).toBe(String(n))
    const bytes = await response.bytes()
    expect(bytes.length).toBe(n)
    // Chunks are of 64 KB, so a source asked for all of it gives the same words.
    expect(Bun.hash(bytes)).toBe(Bun.hash(createByteSource()(n)))
  }
)

test('does not make what nobody reads', async () => {
  const response = await app.request(`/bytes/${MAX_BYTES}`)
  const reader = response.body!.getReader()
  expect((await reader.read()).value!.length).toBe(65536)
  await reader.cancel()
  expect((await app.request(`/bytes/${MAX_BYTES + 1}`)).status).toBe(422)
})

test('counts what is sent to /sink and gives back what is sent to /echo', async () => {
  const body = createByteSource()(100_000)
  expect(await (await app.request('/sink', { method: 'POST', body })).json()).toEqual({
    bytes: 100_000,
  })
  const echoed = await (await app.request('/echo', { method: 'POST', body })).bytes()
  expect(Bun.hash(echoed)).toBe(Bun.hash(body))
})
