import { afterEach, expect, test } from 'bun:test'
import { createHostApp } from '../../../api/host-app.ts'
import { HttpResponse } from '../../../workers/app/http/response.ts'
import { serveHttp, type HttpOptions } from '../../../workers/app/http.ts'
import { createFakeHost, once, until, type FakeHost } from '../../support/fake-host.ts'

let host: FakeHost | undefined
afterEach(() => host?.stop())

const setUp = async (options: Partial<HttpOptions> = {}) => {
  const h = (host = createFakeHost({ workers: 1 }))
  const app = createHostApp({ hostname: 'h1' })
  app.post('/reverse', async (c) => c.text([...(await c.req.text())].reverse().join('')))
  app.get('/slow', async (c) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    return c.text('slow')
  })
  app.get('/hang', () => new Promise(() => {}))
  app.get('/throw', () => {
    throw new Error('no')
  })
  app.get('/cookies', (c) => {
    c.header('set-cookie', 'a=1', { append: true })
    c.header('set-cookie', 'b=2', { append: true })
    return c.body(null, 204)
  })
  const http = serveHttp({
    net: h.app.net,
    port: 80,
    fetch: (request, connection) => app.fetch(request, connection),
    ...options,
  })
  await once(http.server, 'listening')
  /** A client that says `text` and hears until `done` holds or the server closes. */
  const client = () => {
    const peer = h.workers[0]!.tcp.connect(80)
    const parts: Uint8Array[] = []
    const heard = (): string => Buffer.concat(parts).toString('latin1')
    const hear = (): void => {
      const part = peer.read(1 << 20)
      if (part.length > 0) parts.push(part)
      h.kick()
    }
    return {
      peer,
      heard,
      say: async (text: string | Uint8Array) => {
        const bytes = Buffer.from(text as string)
        let at = 0
        await until(() => {
          at += peer.write(bytes, at)
          hear()
          return at === bytes.length || peer.ended()
        })
      },
      hears: async (done: (text: string) => boolean) => {
        await until(() => {
          hear()
          return done(heard())
        }, 'the answer')
        return heard()
      },
      closed: async () => {
        await until(() => {
          hear()
          return peer.ended()
        }, 'the end')
        return heard()
      },
    }
  }
  return { h, http, client }
}
const GET = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: h1\r\n${more}\r\n`

test('a hono app answers, and knows the connection', async () => {
  const { client } = await setUp()
  const c = client()
  await c.say(GET('/whoami'))
  const text = await c.hears((t) => t.includes('}}'))
  expect(text.startsWith('HTTP/1.1 200 OK\r\n')).toBe(true)
  expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({
    hostname: 'h1',
    address: '10.0.0.1',
    port: 80,
    worker: 0,
    peer: { address: '10.0.0.2' },
  })
})

test('pipelined requests are answered in order, on one connection', async () => {
  const { client } = await setUp()
  const c = client()
  await c.say(GET('/slow') + GET('/bytes/3') + GET('/nothing') + GET('/slow'))
  const text = await c.hears((t) => t.split('slow').length === 3)
  expect([...text.matchAll(/HTTP\/1.1 (\d+)/g)].map((m) => m[1])).toEqual([
    '200',
    '200',
    '404',
    '200',
  ])
  expect(c.peer.ended()).toBe(false)
})

test('a body comes with a length, in chunks, and after 100-continue', async () => {
  const { client } = await setUp()
  const c = client()
  const post = 'POST /reverse HTTP/1.1\r\nHost: h1\r\n'
  await c.say(
    `${post}Content-Length: 3\r\n\r\nabc${post}Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\n\r\n`
  )
  await c.hears((t) => t.includes('cba') && t.includes('fed'))
  await c.say(`${post}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`)
  await c.hears((t) => t.includes('100 Continue'))
  await c.say('ghi')
  await c.hears((t) => t.includes('ihg'))
})

test('HEAD has the headers alone; a 204 no body; cookies stay apart', async () => {
  const { client } = await setUp()
  const c = client()
  await c.say('HEAD /bytes/5000 HTTP/1.1\r\nHost: h1\r\n\r\n')
  const head = await c.hears((t) => t.includes('\r\n\r\n'))
  expect(head.toLowerCase()).toContain('content-length: 5000')
  expect(head.endsWith('\r\n\r\n')).toBe(true)
  await c.say(GET('/cookies'))
  const text = await c.hears((t) => t.includes('204') && t.endsWith('\r\n\r\n'))
  expect(text.toLowerCase().match(/set-cookie: /g)).toHaveLength(2)
})

test.each([
  ['a request line that is none', 'blah\r\n\r\n', 400],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  [
    'two lengths',
    'POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    400,
  ],
  [
    'a length and chunks',
    'POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['a header without end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20000)}`, 431],
  [
    'a body over the limit',
    'POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n',
    413,
  ],
  [
    'chunks over the limit',
    `POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n${'x'.repeat(4095)}\r\nfff\r\n`,
    413,
  ],
  ['TRACE', 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', 501],
  [
    'an expectation we do not know',
    'POST /sink HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n',
    417,
  ],
])('%s is refused, and the connection closed', async (_what, text, status) => {
  const { client } = await setUp({ maxBodyBytes: 4000 })
  const c = client()
  await c.say(text)
  const heard = await c.closed()
  expect(heard).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})

test('a handler that throws answers 500 and the connection lives on', async () => {
  const { client } = await setUp()
  const c = client()
  await c.say(GET('/throw'))
  await c.hears((t) => t.includes('500'))
  await c.say(GET('/bytes/1'))
  await c.hears((t) => t.includes('200'))
})

test('HTTP/1.0 and Connection: close end the connection; so does a client that half-closes', async () => {
  const { client, h } = await setUp()
  const [a, b, d] = [client(), client(), client()]
  await a.say('GET /bytes/3 HTTP/1.0\r\n\r\n')
  expect(await a.closed()).toContain('200')
  await b.say(GET('/bytes/3', 'Connection: close\r\n'))
  expect(await b.closed()).toContain('200')
  await d.say(GET('/slow'))
  d.peer.end()
  expect(await d.closed()).toContain('slow')
  const e = client()
  await e.say(GET('/bytes/3'))
  await e.hears((t) => t.includes('200'))
  for (const c of [a, b, e]) c.peer.end()
  await until(() => {
    h.kick()
    return [a, b, d, e].every((c) => c.peer.isClosed())
  }, 'closing')
})

test('slow headers and slow bodies are answered with 408, idle connections closed', async () => {
  const { client } = await setUp({
    headersTimeoutMs: 60,
    requestTimeoutMs: 60,
    keepAliveTimeoutMs: 60,
  })
  const [header, body, idle, silent] = [client(), client(), client(), client()]
  await header.say('GET / HT')
  await body.say('POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc')
  await idle.say(GET('/bytes/1'))
  expect(await header.closed()).toContain('408')
  expect(await body.closed()).toContain('408')
  expect(await idle.closed()).toContain('200')
  expect(await silent.closed()).toBe('')
})

test('a client that stops reading is cut off in the end, and gives its memory back', async () => {
  const { client, h } = await setUp({ stallTimeoutMs: 60 })
  const larges = h.app.skbs.available().larges
  const c = client()
  await c.say(GET('/bytes/20000000'))
  await until(() => {
    h.kick()
    return c.peer.isClosed()
  }, 'cutting off')
  expect(c.peer.wasAborted()).toBe(true)
  await until(() => h.app.skbs.available().larges === larges)
})

test('a slow client gets all of a short answer, however long it takes', async () => {
  const { client, h } = await setUp({ keepAliveTimeoutMs: 20, stallTimeoutMs: 10000 })
  const c = client()
  await c.say(GET('/bytes/200000'))
  let got = 0
  for (let k = 0; k < 40; k++) {
    got += c.peer.read(4000).length
    h.kick()
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  await until(() => {
    got += c.peer.read(100000).length
    h.kick()
    return c.peer.ended()
  })
  expect(got).toBeGreaterThan(200000)
})

test('many clients that stop reading leave memory for the others', async () => {
  const { client, h } = await setUp()
  const stalled = Array.from({ length: 200 }, () => client())
  await Promise.all(stalled.map((c) => c.say(GET('/bytes/20000000'))))
  for (let k = 0; k < 50; k++) {
    h.kick()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(h.app.skbs.available().smalls).toBeGreaterThan(100)
  const c = client()
  await c.say(GET('/bytes/500000'))
  await c.hears((t) => t.length > 500000)
})

test('a large download flows no faster than the client reads, is whole, and leaves nothing behind', async () => {
  const { client, h } = await setUp()
  const larges = h.app.skbs.available().larges
  const c = client()
  await c.say(GET('/bytes/20000000'))
  let got = 0
  await until(() => {
    got += c.peer.read(100000).length
    h.kick()
    return got >= 20000000
  }, 'the download')
  await until(() => h.app.skbs.available().larges === larges)
})

test('a client that goes away in the middle frees everything', async () => {
  const { client, h, http } = await setUp()
  const larges = h.app.skbs.available().larges
  const [a, b] = [client(), client()]
  await a.say(GET('/bytes/20000000'))
  await a.hears((t) => t.length > 200000)
  a.peer.reset()
  await b.say(GET('/hang'))
  b.peer.reset()
  h.kick()
  await until(() => a.peer.isClosed() && b.peer.isClosed(), 'closing')
  await until(() => h.app.skbs.available().larges === larges)
  await http.close()
  await until(() => h.app.inUse() === 0)
})

test('an upload is counted, and stops while the handler does not read', async () => {
  let go = (): void => {}
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  const { client, h } = await setUp({
    maxBodyBytes: 1e9,
    fetch: async (request) => {
      await gate
      let bytes = 0
      for await (const chunk of request.body!) bytes += chunk.length
      return new Response(`got ${bytes}`)
    },
  })
  const c = client()
  const total = 5_000_000
  await c.say(`POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`)
  const data = new Uint8Array(65536)
  let sent = 0
  const push = (): void => {
    sent += c.peer.write(data, 0, Math.min(data.length, total - sent))
    h.kick()
  }
  for (let k = 0; k < 500; k++) {
    push()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(sent).toBeLessThan(1_000_000)
  go()
  await until(() => {
    push()
    return sent === total
  }, 'the upload')
  await c.hears((t) => t.includes(`got ${total}`))
})

test('a light response is written as a native one is', async () => {
  const { client } = await setUp({
    fetch: (request) => {
      const { pathname } = new URL(request.url)
      const headers = { 'Content-Length': '1', 'X-Path': pathname, Connection: 'Keep-Alive' }
      const status = pathname === '/none' ? 204 : 200
      return new HttpResponse(status === 204 ? null : 'h\u00e9llo', {
        status,
        headers,
      }) as unknown as Response
    },
  })
  const c = client()
  await c.say(GET('/a') + GET('/none') + GET('/b').replace('GET', 'HEAD') + GET('/c'))
  const text = await c.hears((t) => t.includes('/c') && t.split('llo').length === 3)
  const [a, none, b] = text.split(/(?=HTTP\/1.1 )/)
  expect(a).toContain('content-length: 6\r\n')
  expect(a).toEndWith(Buffer.from('\r\n\r\nh\u00e9llo').toString('latin1'))
  expect(a!.match(/connection:/gi)).toHaveLength(1)
  expect(none).toMatch(/^HTTP\/1.1 204 No Content\r\n/)
  expect(none).not.toContain('content-length')
  expect(b).toEndWith('\r\n\r\n')
})

test('each answer has its own status and fields, whatever the one before had', async () => {
  const answers: [string, number, Record<string, string>][] = [
    ['one', 200, { 'X-A': '1' }],
    ['two', 200, { 'X-A': '1' }],
    ['three', 404, { 'X-A': '1' }],
    ['four', 404, { 'X-A': '2' }],
    ['five', 404, { 'X-A': '2', 'X-B': '3' }],
    ['six', 404, {}],
    ['seven', 404, { 'x-a': '1', connection: 'close' }],
  ]
  let k = 0
  const { client } = await setUp({
    fetch: () => {
      const [text, status, headers] = answers[k++]!
      return new HttpResponse(text, { status, headers }) as unknown as Response
    },
  })
  const c = client()
  await c.say(answers.map(() => GET('/')).join(''))
  const heard = (await c.closed()).split(/(?=HTTP\/1.1 )/)
  expect(heard).toHaveLength(answers.length)
  for (const [at, [text, status, headers]] of answers.entries()) {
    const [head, body] = heard[at]!.split('\r\n\r\n')
    expect(body).toBe(text)
    const isLast = at === answers.length - 1
    const wanted = [
      `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Not Found'}`,
      ...Object.entries(headers).flatMap(([name, value]) =>
        name === 'connection' ? [] : [`${name.toLowerCase()}: ${value}`]
      ),
      'content-type: text/plain;charset=UTF-8',
      `content-length: ${text.length}`,
      ...(isLast ? ['connection: close'] : ['connection: keep-alive', 'keep-alive: timeout=5']),
    ]
    expect(head!.split('\r\n').filter((line) => !line.startsWith('date: '))).toEqual(wanted)
  }
})

test('a body that is not as long as it promised ends the connection', async () => {
  const short = (): ReadableStream =>
    new ReadableStream({
      start: (controller) => {
        controller.enqueue(Buffer.from('abc'))
        controller.close()
      },
    })
  const { client } = await setUp({
    fetch: () => new Response(short(), { headers: { 'content-length': '10' } }),
  })
  const c = client()
  await c.say(GET('/'))
  expect(await c.closed()).toContain('abc')
  expect(c.peer.wasAborted()).toBe(true)
})

test('a handler learns that its peer went away', async () => {
  let signal: AbortSignal | undefined
  const { client, h } = await setUp({
    fetch: (request) => {
      signal = request.signal
      return new Promise(() => {})
    },
  })
  const c = client()
  await c.say(GET('/'))
  await until(() => signal !== undefined)
  c.peer.reset()
  await until(() => {
    h.kick()
    return signal!.aborted
  }, 'the abort')
})

test('bytes that come one by one, and requests that wait for their turn, are all answered', async () => {
  const { client } = await setUp()
  const c = client()
  const request = `POST /reverse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc`
  for (const character of GET('/slow') + request) await c.say(character)
  await c.say(GET('/slow').repeat(200) + request)
  const text = await c.hears((t) => t.split('cba').length === 3)
  expect(text.split('slow').length).toBe(202)
})
