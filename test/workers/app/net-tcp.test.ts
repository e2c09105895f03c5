// An application over the real TCP: its rings, its streams and its web server on one host, sockets on the other.
import { AF_INET } from '../../../core/base/family.ts'
import { afterEach, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { createByteSource, createHostApp } from '../../../api/host-app.ts'
import { Errno } from '../../../core/base/errno.ts'
import { SHUT_WR } from '../../../core/socket/socket-constants.ts'
import { SOCK_STREAM } from '../../../core/socket/sock.ts'
import { HttpResponse } from '../../../workers/app/http/response.ts'
import { serveHttp } from '../../../workers/app/http.ts'
import { type AppNet, createAppNet } from '../../../workers/app/net.ts'
import type { AppSocket } from '../../../workers/app/socket.ts'
import { once } from '../../support/fake-host.ts'
import { randomBytes } from '../../support/random.ts'
import { createTcpHosts, type TcpHosts, type TcpHostsOptions } from '../../support/tcp-hosts.ts'
import { v4Words } from '../../../sim/net/packets.ts'

let running: AppNet | undefined
afterEach(() => running?.close())

const setUp = (options: TcpHostsOptions = {}) => {
  let ring = (): void => {}
  const hosts = createTcpHosts({
    ...options,
    b: {
      ...options.b,
      config: { apps: 1, ...options.b?.config },
      wakeApp: () => setImmediate(() => ring()),
    },
  })
  const { arena } = hosts.b
  const bell = {
    listen: (fn: () => void) => {
      ring = fn
    },
    close: () => {
      ring = () => {}
    },
  }
  const app = createAppNet({ arena, thread: arena.layout.appThread, wake: () => {}, bell })
  running = app
  /** Time goes on, and the application has its turns, until `done`. */
  const run = async (done: () => boolean, what = 'it', stepUs = 1000): Promise<void> => {
    for (let k = 0; k < 200000; k++) {
      if (done()) return
      hosts.step(stepUs)
      await new Promise((resolve) => setImmediate(resolve))
    }
    throw new Error(`${what} did not happen`)
  }
  const settled = async (listening: Promise<unknown>): Promise<void> => {
    let done = false
    void listening.then(() => (done = true))
    await run(() => done, 'listening')
  }
  return { ...hosts, app, run, settled }
}

const connect = ({ a, b }: TcpHosts, port: number): number => {
  const sk = a.sockets.socket(AF_INET, SOCK_STREAM, 0)
  a.sockets.connect(sk, ...v4Words(b.addr), port)
  return sk
}
/** Reads what there is: bytes, null at the end, or undefined when there is nothing yet. Throws an error's number. */
const read = ({ a }: TcpHosts, sk: number, max = 4096): Uint8Array | null | undefined => {
  const page = a.arena.layout.scratch << 2
  const n = a.sockets.recvmsg(sk, page, Math.min(max, 4096))
  if (n > 0) return a.arena.u8.slice(page, page + n)
  // not connected yet
  if (n === -Errno.EAGAIN || n === -Errno.ENOTCONN) return undefined
  if (n === 0) return null
  throw new Error(`recv: ${n}`)
}

describe('a stream over TCP', () => {
  test.each([
    [1, 0],
    [2, 0],
    [3, 10],
    [4, 30],
  ])(
    'comes back from the application unchanged (seed %i, loss %i per mille)',
    async (seed, lossPerMille) => {
      const h = setUp({ seed, lossPerMille })
      const server = h.app.net.createServer(
        { allowHalfOpen: true },
        (s: AppSocket) => void s.pipe(s)
      )
      server.listen(8080)
      await h.settled(once(server, 'listening'))
      const before = h.app.skbs.available()
      const data = randomBytes(h.random, 500000)
      const parts: Uint8Array[] = []
      const sk = connect(h, 8080)
      let sent = 0
      let ended = false
      await h.run(() => {
        const n = Math.min(data.length - sent, (h.random() >>> 1) % 40000)
        if (n > 0) sent += Math.max(0, h.a.sockets.sendBytes(sk, data, sent, n))
        else if (sent === data.length) h.a.sockets.shutdown(sk, SHUT_WR)
        if ((h.random() & 3) === 0) return false
        const part = read(h, sk)
        if (part) parts.push(part)
        ended = part === null
        return ended
      }, 'the echo')
      expect(Buffer.concat(parts).equals(data)).toBe(true)
      h.a.sockets.close(sk)
      server.close()
      await h.run(
        () => h.app.inUse() === 0 && h.a.slab.live() === 0 && h.b.slab.live() === 0,
        'closing'
      )
      expect(h.app.skbs.available()).toEqual(before)
    }
  )

  test('an application that does not read closes the window of its peer', async () => {
    const h = setUp()
    let socket: AppSocket | undefined
    const server = h.app.net.createServer((s) => (socket = s.pause()))
    server.listen(8080)
    await h.settled(once(server, 'listening'))
    const sk = connect(h, 8080)
    const chunk = new Uint8Array(65536)
    let sent = 0
    let steps = 0
    await h.run(() => {
      sent += Math.max(0, h.a.sockets.sendBytes(sk, chunk, 0, chunk.length))
      return ++steps === 1500
    })
    // credit, the receive buffer, the send buffer of the peer; not without bound
    expect(sent).toBeLessThan(16_000_000)
    const stuck = sent
    for (let k = 0; k < 100; k++) {
      h.step()
      sent += Math.max(0, h.a.sockets.sendBytes(sk, chunk, 0, chunk.length))
    }
    expect(sent).toBe(stuck)
    let got = 0
    socket!.on('data', (bytes: Buffer) => (got += bytes.length)).resume()
    await h.run(() => got === sent, 'reading what waited')
  })

  test('connects out and is reset', async () => {
    const h = setUp()
    const listener = h.a.sockets.socket(AF_INET, SOCK_STREAM, 0)
    h.a.sockets.bind(listener, ...v4Words(0), 9000)
    h.a.sockets.listen(listener, 5)
    const socket = h.app.net.connect({ port: 9000, host: '10.0.0.1' })
    socket.write('hello')
    await h.settled(once(socket, 'connect'))
    expect(socket.localAddress).toBe('10.0.0.2')
    let sk = 0
    await h.run(() => (sk = h.a.sockets.accept(listener)) > 0, 'accepting')
    let text: Uint8Array | null | undefined
    await h.run(() => (text = read(h, sk)) !== undefined)
    expect(Buffer.from(text!).toString()).toBe('hello')
    h.a.sockets.abort(sk)
    let code = ''
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? ''))
    await h.run(() => code !== '')
    expect(code).toBe('ECONNRESET')
    const refused = h.app.net.connect({ port: 9001, host: '10.0.0.1' })
    let second = ''
    refused.on('error', (error: NodeJS.ErrnoException) => (second = error.code ?? ''))
    await h.run(() => second !== '')
    expect(second).toBe('ECONNREFUSED')
  })
})

test.each([1, 2, 3, 4])('whatever both ends do, nothing is left behind (seed %i)', async (seed) => {
  const h = setUp({ seed, lossPerMille: 10 })
  const { a, b, app, random } = h
  const sockets: AppSocket[] = []
  const server = app.net.createServer({ allowHalfOpen: (seed & 1) === 0 }, (socket) => {
    sockets.push(socket.on('error', () => {}))
    if ((random() & 3) !== 0) socket.resume()
  })
  server.listen(8080)
  await h.settled(once(server, 'listening'))
  const pools = () => [a.skbs, b.skbs, app.skbs].map((skbs) => skbs.available())
  const before = pools()
  const peers: number[] = []
  const bytes = new Uint8Array(60000)
  let steps = 0
  await h.run(() => {
    if (peers.length < 40 && steps % 10 === 0) peers.push(connect(h, 8080))
    const n = (random() >>> 1) % peers.length
    const size = (random() >>> 1) % bytes.length
    const sk = peers[n]!
    const socket = sockets[n]
    const what = (random() >>> 1) % 60
    if (sk !== 0 && what < 2) {
      if (what === 0) a.sockets.abort(sk)
      else a.sockets.close(sk)
      peers[n] = 0
    } else if (what === 2) socket?.end('last')
    else if (what === 3) socket?.destroy()
    else if (what === 4) socket?.resetAndDestroy()
    else if (what === 5) socket?.pause()
    else if (what === 6 && sk !== 0) a.sockets.shutdown(sk, SHUT_WR)
    else if (size % 3 === 0 && socket?.writable) socket.write(bytes.subarray(0, size))
    else if (sk !== 0 && size % 3 === 1) a.sockets.sendBytes(sk, bytes, 0, size)
    else if (sk !== 0) a.sockets.recvmsg(sk, a.arena.layout.scratch << 2, 4096)
    return ++steps === 3000
  })
  for (const sk of peers) if (sk !== 0) a.sockets.close(sk)
  for (const socket of sockets) socket.destroy()
  server.close()
  const live = () => a.slab.live() + b.slab.live()
  await h.run(() => app.inUse() === 0 && live() === 0, 'the end of all')
  pools().forEach((pool, k) => {
    expect(pool.smalls).toBe(before[k]!.smalls)
    expect(pool.larges).toBeGreaterThanOrEqual(before[k]!.larges - 1)
  })
})

test.each([
  [1, 0],
  [2, 10],
])(
  'the web server sends a large body whole (seed %i, loss %i per mille)',
  async (seed, lossPerMille) => {
    const h = setUp({ seed, lossPerMille })
    const host = createHostApp({ hostname: 'b' })
    const http = serveHttp({ net: h.app.net, port: 80, fetch: (r, c) => host.fetch(r, c) })
    await h.settled(once(http.server, 'listening'))
    const sk = connect(h, 80)
    const total = 3_000_000
    const request = Buffer.from(
      `GET /bytes/${total} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n`
    )
    const parts: Uint8Array[] = []
    let asked = false
    await h.run(() => {
      if (!asked) asked = h.a.sockets.sendBytes(sk, request, 0, request.length) > 0
      for (let part = read(h, sk); ; part = read(h, sk)) {
        if (part === null) return true
        if (part === undefined) return false
        parts.push(part)
      }
    }, 'the download')
    const text = Buffer.concat(parts)
    const body = text.subarray(text.indexOf('\r\n\r\n') + 4)
    expect(body.length).toBe(total)
    const source = createByteSource()
    const wanted = createHash('sha1')
    for (let left = total; left > 0; left -= 65536) wanted.update(source(Math.min(left, 65536)))
    expect(createHash('sha1').update(body).digest('hex')).toBe(wanted.digest('hex'))
  }
)

test('the last answer of a connection and its end leave in one segment', async () => {
  const h = setUp()
  const answer = () => new HttpResponse('hello') as unknown as Response
  const http = serveHttp({ net: h.app.net, port: 80, fetch: answer })
  await h.settled(once(http.server, 'listening'))
  const sk = connect(h, 80)
  const request = Buffer.from('GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n')
  let asked = false
  let text = ''
  await h.run(() => {
    if (!asked) asked = h.a.sockets.sendBytes(sk, request, 0, request.length) > 0
    for (let part = read(h, sk); part !== undefined; part = read(h, sk)) {
      if (part === null) return true
      text += Buffer.from(part).toString()
    }
    return false
  }, 'the answer')
  expect(text).toEndWith('\r\n\r\nhello')
  expect(h.b.mib('TcpExtTCPOrigDataSent')).toBe(1)
})
