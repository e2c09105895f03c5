import { expect, test } from 'bun:test'
import { RequestBody } from '../../../../workers/app/http/body.ts'

const make = (length: number, maxBytes = 100, maxLineBytes = 40) => {
  const flow = { paused: false }
  const body = new RequestBody(
    length,
    { maxBytes, maxLineBytes },
    {
      pause: () => {
        flow.paused = true
      },
      resume: () => {
        flow.paused = false
      },
    }
  )
  return { body, flow }
}
/** Feeds `text` in two parts; how much of it was the body's. */
const feed = (body: RequestBody, text: string, cut: number): number => {
  const bytes = Buffer.from(text, 'latin1')
  const first = body.feed(bytes, 0, cut)
  return first < cut ? first : body.feed(bytes, first, bytes.length)
}
const CHUNKED = '5;a="b"\r\nhello\r\n1\r\n \r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'

test('chunks come out whole wherever they are cut, and what follows is left', async () => {
  for (let cut = 0; cut < CHUNKED.length; cut++) {
    const { body } = make(-1)
    const text = new Response(body.stream).text()
    expect(feed(body, `${CHUNKED}GET`, cut)).toBe(CHUNKED.length)
    expect(body.isDone).toBe(true)
    expect(await text).toBe('hello 0123456789')
  }
})

test('a body of a length ends there', async () => {
  const { body, flow } = make(5)
  expect(feed(body, 'helloGET', 2)).toBe(5)
  expect(body.isDone).toBe(true)
  expect(flow.paused).toBe(false)
  expect(await new Response(body.stream).text()).toBe('hello')
})

test.each([
  'x\r\n',
  '\r\n',
  '5\nhello',
  '5\r\nhello5\r\n',
  '5\rx\nhello',
  '-1\r\n',
  '0x5\r\nhello',
  '1000000000000000\r\n',
  `1;${'x'.repeat(50)}`,
  `0\r\n${'x'.repeat(50)}`,
  '0\r\nx\n',
  '5;\x01\r\n',
])('%j is no chunked body', (text) => {
  const { body } = make(-1)
  feed(body, text, 0)
  expect(body.isBad).toBe(true)
  expect(body.isDone).toBe(false)
})

test('one that is too large ends with an error', async () => {
  const { body } = make(-1, 8)
  const text = new Response(body.stream).text()
  feed(body, '5\r\nhello\r\n5\r\nhello\r\n', 0)
  expect(body.isTooLarge).toBe(true)
  expect(text).rejects.toThrow('too large')
})

test('what nobody reads stops the connection, and what nobody wants does not', () => {
  const { body, flow } = make(20)
  feed(body, 'hello', 0)
  expect(flow.paused).toBe(true)
  body.discard()
  expect(flow.paused).toBe(false)
  feed(body, 'hello', 0)
  expect(flow.paused).toBe(false)
})
