// The API over the wire, and what comes as no client would send it: paths that climb, hosts that are others', tokens that are
// none, bodies that never end, and more connections than there are readers for.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect as connectTo } from 'node:net'
import { MAX_WATCHERS } from '../../api/endpoints/watch.ts'
import { type Listener, listen } from '../../api/server.ts'
import { createSoftnet } from './support/softnet.ts'

const BODY_LIMITS = { maxBytes: 1000, withinMs: 100 }
/** Watchers and silent connections, each. */
const CROWD = 1000

const softnet = createSoftnet({ token: 'secret', bodyLimits: BODY_LIMITS })
/** A daemon whose sockets are without number; how far they have been read out, and whether that has ended. */
const walk = { chunks: 0, isOver: false }
function* endless() {
  const sockets = [...softnet.control.dump({ type: 'SOCK_DIAG' })].flat()
  try {
    for (;;) {
      walk.chunks++
      yield Array.from({ length: 256 }, () => sockets[0]!)
    }
  } finally {
    walk.isOver = true
  }
}
const without = createSoftnet({ control: { ...softnet.control, dump: endless as never } })
let listener: Listener
let port = 0
beforeAll(async () => {
  await softnet.ready
  ;[listener] = (await listen({
    app: softnet.app,
    addresses: ['127.0.0.1:0'],
    hasToken: true,
  })) as [Listener]
  port = Number(new URL(listener.address).port)
})
afterAll(() => listener.stop())

type Socket = Awaited<ReturnType<typeof connect>>
/** A connection that says `text`, and what has come back by it. */
const connect = async (
  text: string,
  onData: (all: string) => void = () => {},
  onEnd = () => {}
) => {
  let all = ''
  return Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      open: (socket) => void socket.write(text),
      data: (_, bytes) => {
        all += bytes.toString()
        onData(all)
      },
      close: onEnd,
    },
  })
}
/** The status that `text` is answered with. */
const statusOf = async (text: string): Promise<number> => {
  const answered = Promise.withResolvers<number>()
  const socket = await connect(text, (all) => answered.resolve(Number(all.slice(9, 12))))
  const status = await answered.promise
  socket.end()
  return status
}
const get = (path: string, ...headers: string[]): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...headers].join('\r\n')}\r\n\r\n`
const put = (...headers: string[]): string =>
  `${['PUT /v1/links/veth0 HTTP/1.1', 'Host: 127.0.0.1', 'Authorization: Bearer secret', 'Content-Type: application/json', ...headers].join('\r\n')}\r\n\r\n`

test.each([
  '/v1/x/../capture',
  '/v1/./capture',
  '/v1/%63apture',
  '/v1/%2e/capture',
  '/v1/capture/',
  '/problems/../v1/capture',
  '/page/..\\v1\\capture',
  '/v1/netns/../capture',
  'http://127.0.0.1/v1/capture',
])('%s is the capture, which needs a token', async (path) => {
  expect(await statusOf(get(path))).toBe(401)
})

test.each([
  '//v1/capture',
  '/v1/capture%00',
  '/v1/%',
  '/v1/%ff',
  '/v1/proc/net/../../../etc/passwd',
  '/v1/proc/net/..%2f..%2f..%2fetc%2fpasswd',
  '/v1/sysctl/..%2f..%2fkernel.hostname',
  '/page/../../../etc/passwd',
  '/page/..%2f..%2fapp.ts',
  '/page/%2e%2e/app.ts',
  '/problems/..%2f..%2fauth.ts',
])('%s leads nowhere', async (path) => {
  expect(await statusOf(get(path))).toBe(404)
})

test.each([
  ['LOCALHOST', 200],
  ['[::1]:7777', 200],
  ['127.0.0.1@evil.example', 400],
  ['evil.example@127.0.0.1', 400],
  ['127.0.0.1.', 403],
  ['2130706433', 403],
  ['127.0.0.1, evil.example', 400],
  ['127.0.0.1\r\nHost: evil.example', 403],
  ['evil.example\r\nHost: 127.0.0.1', 403],
])('Host: %j is %i', async (host, status) => {
  expect(await statusOf(`GET /v1/links HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toBe(status)
})

test('a request without a host is unreadable, in HTTP/1.0 too', async () => {
  for (const version of ['1.0', '1.1'])
    expect(await statusOf(`GET /x/v1/netns/1/links HTTP/${version}\r\n\r\n`)).toBe(400)
})

test('of two origins ours does not open for the other', async () => {
  const ours = `Origin: ${listener.address}`
  const host = `Host: 127.0.0.1:${port}`
  const ask = (...origins: string[]) =>
    statusOf(`${['GET /v1/links HTTP/1.1', host, ...origins].join('\r\n')}\r\n\r\n`)
  expect(await ask(ours)).toBe(200)
  expect(await ask(ours, 'Origin: http://evil.example')).toBe(403)
  expect(await ask('Origin: http://evil.example', ours)).toBe(403)
})

test.each([
  'Bearer',
  'Basic secret',
  'secret',
  'Bearer secre',
  'Bearer secrets',
  'Bearer Secret',
  'Bearer secret x',
  'Bearer secret, Bearer secret',
  `Bearer ${'x'.repeat(5000)}`,
  'Bearer wrong\r\nAuthorization: Bearer secret',
])('Authorization: %s is no token', async (given) => {
  expect(await statusOf(get('/v1/capture', `Authorization: ${given}`))).toBe(401)
})

test('a method that is said beside the method is not heard', async () => {
  const post = get('/v1/links/veth0', 'X-HTTP-Method-Override: DELETE').replace('GET', 'POST')
  expect(await statusOf(post)).toBe(401)
  expect(await statusOf(get('/v1/links/veth0', 'X-HTTP-Method-Override: DELETE'))).toBe(200)
})

describe('a body', () => {
  test('that is announced and does not come is 408, in chunks too, and the connection ends', async () => {
    for (const begun of [
      `${put('Content-Length: 100')}{`,
      `${put('Transfer-Encoding: chunked')}1\r\n{\r\n`,
    ]) {
      const ended = Promise.withResolvers<void>()
      let answer = ''
      await connect(
        begun,
        (all) => {
          answer = all
        },
        ended.resolve
      )
      await ended.promise
      expect(answer).toStartWith('HTTP/1.1 408 ')
    }
  })

  test('that comes byte by byte is not waited for any longer', async () => {
    const answered = Promise.withResolvers<string>()
    const socket = await connect(put('Content-Length: 1000'), answered.resolve)
    const timer = setInterval(() => socket.write(' '), 5)
    expect(await answered.promise).toStartWith('HTTP/1.1 408 ')
    clearInterval(timer)
    socket.end()
  })

  test('without an end is cut where it is too much', async () => {
    const chunk = `400\r\n${' '.repeat(1024)}\r\n`
    expect(await statusOf(put('Transfer-Encoding: chunked') + chunk.repeat(3))).toBe(413)
  })

  test('of two lengths, or of one that is none, is unreadable', async () => {
    expect(
      await statusOf(
        `${put('Content-Length: 2', 'Transfer-Encoding: chunked')}2\r\n{}\r\n0\r\n\r\n`
      )
    ).toBe(400)
    expect(await statusOf(put('Content-Length: -1'))).toBe(400)
  })
})

describe('a crowd', () => {
  /** So many connections that say `text`; resolves when each is open. */
  const crowd = (text: string, onData?: (all: string) => void): Promise<Socket[]> =>
    Promise.all(Array.from({ length: CROWD }, () => connect(text, onData)))

  test('of silent connections keeps nobody from being answered', async () => {
    const silent = await crowd('GET /v1/links HTTP/1.1\r\nHost: 127')
    expect(await statusOf(get('/healthz'))).toBe(200)
    for (const socket of silent) socket.end()
  })

  test('who would watch: so many are let in, the others are told so, and when they have gone there is room', async () => {
    const statuses: Record<string, number> = {}
    const answered = Promise.withResolvers<void>()
    const heard = Promise.withResolvers<void>()
    let [answers, hearers] = [0, 0]
    const watchers = await Promise.all(
      Array.from({ length: CROWD }, () => {
        let isAnswered = false
        let hasHeard = false
        return connect(get('/v1/watch?kinds=route'), (all) => {
          if (!isAnswered) {
            isAnswered = true
            const status = all.slice(9, 12)
            statuses[status] = (statuses[status] ?? 0) + 1
            if (++answers === CROWD) answered.resolve()
          }
          if (hasHeard || !all.includes('10.60.0.0/16')) return
          hasHeard = true
          if (++hearers === MAX_WATCHERS) heard.resolve()
        })
      })
    )
    await answered.promise
    expect(statuses).toEqual({ 200: MAX_WATCHERS, 503: CROWD - MAX_WATCHERS })
    softnet.change(1300)
    await heard.promise
    for (const socket of watchers) socket.end()
    while ((await statusOf(get('/v1/watch'))) !== 200);
  })
})

test.each(['application/json', 'application/x-ndjson'])(
  'who asks for a list without an end as %s and reads nothing holds a few chunks of it',
  async (type) => {
    Object.assign(walk, { chunks: 0, isOver: false })
    const [other] = await listen({ app: without.app, addresses: ['127.0.0.1:0'], hasToken: true })
    const { hostname, port } = new URL(other!.address)
    const deaf = connectTo(Number(port), hostname, () => {
      deaf.pause()
      deaf.write(get('/v1/sockets', `Accept: ${type}`))
    })
    const answers = async (): Promise<void> => {
      for (let k = 0; k < 30; k++)
        expect((await fetch(`${other!.address}/healthz`)).status).toBe(200)
    }
    // until no more of it goes anywhere, while others are answered
    for (let before = -1; before !== walk.chunks || before === 0; ) {
      before = walk.chunks
      await answers()
    }
    expect(walk.chunks).toBeLessThan(1000)
    deaf.destroy()
    while (!walk.isOver) await answers()
    await other!.stop()
  }
)
