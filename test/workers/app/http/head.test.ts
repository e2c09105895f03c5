import { expect, test } from 'bun:test'
import { createHead, INCOMPLETE, readHead } from '../../../../workers/app/http/head.ts'
import { HttpRequest, urlOf } from '../../../../workers/app/http/request.ts'

const read = (text: string) => {
  const head = createHead()
  const bytes = Buffer.from(`##${text}`, 'latin1')
  return { head, end: readHead(bytes, 2, bytes.length, head) }
}
const LINES = 'Host: h\r\n'

test('says what framing depends on, and where the head ends', () => {
  const text =
    'POST /a?b HTTP/1.1\r\nhOsT:  h:80 \r\nContent-Length: 12\r\nConnection: close\r\nExpect: 100-Continue\r\nX: y\r\n\r\n'
  const { head, end } = read(`${text}body`)
  expect(end).toBe(2 + text.length)
  expect(head).toMatchObject({
    method: 'POST',
    target: '/a?b',
    minor: 1,
    host: 'h:80',
    contentLength: 12,
    isChunked: false,
    keepAlive: false,
    expectsContinue: true,
  })
  const headers = new HttpRequest(head, 'http://h/', null).headers
  expect(headers.get('x')).toBe('y')
  expect([...headers.keys()]).toHaveLength(5)
})

test('a method and a host are read anew, however like those before', () => {
  for (const method of [
    'GET',
    'GOT',
    'get',
    'PUT',
    'POST',
    'HEAD',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'MOVE',
  ])
    for (const host of ['a.example', 'a.example', 'b.example', 'b.exampl', ''])
      expect(read(`${method} / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).head).toMatchObject({
        method,
        host,
      })
})

test('waits for the rest, wherever it is cut, and remembers nothing of the one before', () => {
  const text = '\r\nGET / HTTP/1.0\r\nAccept: */*\r\nConnection: x, Keep-Alive\r\n\r\n'
  for (let n = 0; n < text.length; n++) expect(read(text.slice(0, n)).end).toBe(INCOMPLETE)
  const head = createHead()
  const both = Buffer.from(
    `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n${text}`,
    'latin1'
  )
  const first = readHead(both, 0, both.length, head)
  expect(readHead(both, first, both.length, head)).toBe(both.length)
  expect(head).toMatchObject({ method: 'GET', minor: 0, host: null, contentLength: -1 })
  expect(head.keepAlive).toBe(true)
})

test.each([
  [400, 'GET  / HTTP/1.1\r\n'],
  [400, 'G(T / HTTP/1.1\r\n'],
  [400, ' GET / HTTP/1.1\r\n'],
  [400, '\x16\x03\x01'],
  [400, 'GET / HTTP/1.1\n'],
  [400, 'GET / http/1.1\r\n'],
  [400, 'GET / HTTP/1.1 \r\n'],
  [400, 'GET /\x00 HTTP/1.1\r\n'],
  [505, `GET / HTTP/2.0\r\n${LINES}\r\n`],
  [400, 'GET / HTTP/1.1\r\nHost : h\r\n\r\n'],
  [400, 'GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n'],
  [400, 'GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n'],
  [400, 'GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n'],
  [400, 'GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n'],
  [400, 'GET / HTTP/1.1\r\nX: y\r\n\r\n'],
  [400, `GET / HTTP/1.1\r\n${LINES}: y\r\n\r\n`],
  [400, `GET / HTTP/1.1\r\n${LINES}X: \x7f\r\n\r\n`],
  [400, `GET / HTTP/1.1\r\n${LINES}Content-Length: 1, 1\r\n\r\n`],
  [400, `GET / HTTP/1.1\r\n${LINES}Content-Length: +1\r\n\r\n`],
  [400, `GET / HTTP/1.1\r\n${LINES}Content-Length: 1\xa0\r\n\r\n`],
  [400, `GET / HTTP/1.1\r\n${LINES}Content-Length:\r\n\r\n`],
  [400, `GET / HTTP/1.1\r\n${LINES}Transfer-Encoding: chunked, gzip\r\n\r\n`],
  [400, `GET / HTTP/1.1\r\n${LINES}Transfer-Encoding: xchunked\r\n\r\n`],
  [
    400,
    `GET / HTTP/1.1\r\n${LINES}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ],
  [400, `GET / HTTP/1.0\r\n${LINES}Transfer-Encoding: chunked\r\n\r\n`],
  [501, `GET / HTTP/1.1\r\n${LINES}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  [417, `GET / HTTP/1.1\r\n${LINES}Expect: more\r\n\r\n`],
])('%i: %j', (status, text) => {
  expect(read(text).end).toBe(-status)
})

test.each([
  ['/a/b?c=/d&e=%20', 'h', 'http://h/a/b?c=/d&e=%20'],
  ['/', 'H.Example:80', 'http://h.example/'],
  ['/a/../b', 'h:8080', 'http://h:8080/b'],
  ['/a/%2E%2e/b', 'h', 'http://h/b'],
  ['/a b', 'h', 'http://h/a%20b'],
  ['/"', 'h', 'http://h/%22'],
  ['//x/y', 'h', 'http://h//x/y'],
  ['http://other/x', 'h', 'http://other/x'],
  ['*', 'h', 'http://h/'],
  ['/', '', 'http://localhost/'],
  ['/', '[::1]:81', 'http://[::1]:81/'],
  ['/', 'a/b', null],
  ['/', 'a@b', null],
  ['/', 'a:b', null],
] as const)('target %s at host %s is %s', (target, host, url) => {
  expect(urlOf({ ...createHead(), target, host })).toBe(url)
})
