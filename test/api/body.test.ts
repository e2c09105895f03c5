import { describe, expect, test } from 'bun:test'
import { readBytes } from '../../api/body.ts'
import type { BodyLimits } from '../../api/endpoints/deps.ts'
import { Problem } from '../../api/problem.ts'
import { createSoftnet } from './support/softnet.ts'

const PATH = '/v1/tables/main/routes/10.20.0.0/16'
const BATCH = '/v1/tables/main/routes:batch'
const LIMITS: BodyLimits = { maxBytes: 1000, withinMs: 60_000 }

/** A body of unknown length, in chunks of 100 bytes. */
const chunked = (bytes: number, onCancel = () => {}): ReadableStream<Uint8Array> => {
  let left = bytes
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left > 0) controller.enqueue(new Uint8Array(Math.min(100, left)).fill(0x20))
      left -= 100
      if (left <= 0) controller.close()
    },
    cancel: onCancel,
  })
}

const statusOf = async (reading: Promise<Uint8Array>): Promise<number> => {
  const answer = await reading.catch((error: unknown) => error)
  return answer instanceof Problem ? answer.status : (answer as Uint8Array).length
}

describe('a body', () => {
  test('is read to its limit, whatever its length was said to be', async () => {
    expect(await statusOf(readBytes(chunked(1000), LIMITS))).toBe(1000)
    let isCancelled = false
    const endless = chunked(Number.MAX_SAFE_INTEGER, () => {
      isCancelled = true
    })
    expect(await statusOf(readBytes(endless, LIMITS))).toBe(413)
    expect(isCancelled).toBe(true)
  })

  test('whose length is said is read without a stream', async () => {
    const { app, ready, asked } = createSoftnet()
    await ready
    const body = '{"dev":"veth0"}'
    const headers = { 'Content-Type': 'application/json', 'Content-Length': `${body.length}` }
    const request = new Request(`http://softnet${PATH}`, { method: 'PUT', headers, body })
    Object.defineProperty(request, 'body', { get: () => expect.unreachable() })
    expect((await app.fetch(request, { listener: 'unix' })).status).toBe(200)
    expect(asked).toHaveLength(1)
  })

  test('that does not come is 408', async () => {
    let isCancelled = false
    const silent = new ReadableStream<Uint8Array>({
      cancel() {
        isCancelled = true
      },
    })
    expect(await statusOf(readBytes(silent, { ...LIMITS, withinMs: 1 }))).toBe(408)
    expect(isCancelled).toBe(true)
  })

  test('that breaks off is 400', async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull() {
        throw new Error('gone')
      },
    })
    expect(await statusOf(readBytes(broken, LIMITS))).toBe(400)
  })

  test.each([
    ['PUT', PATH],
    ['POST', '/v1/routes'],
    ['POST', BATCH],
    ['POST', '/v1/neighs:flush'],
    ['PATCH', '/v1/links/veth0'],
    ['PUT', '/v1/config'],
    ['DELETE', PATH],
  ])('%s %s counts its bytes', async (method, path) => {
    const { request, asked } = createSoftnet({ bodyLimits: LIMITS })
    const headers = { 'Content-Type': 'application/json' }
    const long = { method, headers, body: chunked(1001), duplex: 'half' } as RequestInit
    const answer = await request(path, long)
    expect([answer.status, answer.headers.get('Connection')]).toEqual([413, 'close'])
    const said = { method, headers: { ...headers, 'Content-Length': '1001' }, body: '{}' }
    expect((await request(path, said)).status).toBe(413)
    expect(asked).toEqual([])
  })

  test.each([
    'text/plain',
    'text/plain;charset=UTF-8',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    '',
  ])('of type "%s" is 415', async (type) => {
    const { request, asked } = createSoftnet()
    for (const [method, path] of [
      ['PUT', PATH],
      ['POST', '/v1/routes'],
      ['POST', BATCH],
      ['PATCH', '/v1/links/veth0'],
    ] as const) {
      const answer = await request(path, { method, headers: { 'Content-Type': type }, body: '{}' })
      expect([method, answer.status]).toEqual([method, 415])
      expect(answer.headers.get('Accept')).toStartWith('application/')
    }
    expect(asked).toEqual([])
  })

  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON'])(
    'of type %s is read',
    async (type) => {
      const { request } = createSoftnet()
      const body = '{"dev":"veth0"}'
      const init = { method: 'PUT', headers: { 'Content-Type': type }, body }
      expect((await request(PATH, init)).status).toBe(200)
    }
  )

  test('of lines is for a batch alone', async () => {
    const { request } = createSoftnet()
    const headers = { 'Content-Type': 'application/x-ndjson' }
    const body = '{"dst":"10.40.0.0/16","via":"10.1.0.1"}'
    expect((await request(BATCH, { method: 'POST', headers, body })).status).toBe(200)
    expect((await request('/v1/routes', { method: 'POST', headers, body })).status).toBe(415)
  })

  test('that is no UTF-8 is 400', async () => {
    const { request } = createSoftnet()
    const headers = { 'Content-Type': 'application/json' }
    const body = new Uint8Array([0x7b, 0xff, 0x7d])
    expect((await request(PATH, { method: 'PUT', headers, body })).status).toBe(400)
  })

  test('of somebody who may only look is not read', async () => {
    const { request } = createSoftnet({}, { listener: 'loopback' })
    let pulled = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++
          controller.enqueue(new Uint8Array(100))
        },
      },
      { highWaterMark: 0 }
    )
    const init = { method: 'PUT', body, duplex: 'half' } as RequestInit
    expect([(await request(PATH, init)).status, pulled]).toEqual([401, 0])
  })
})
