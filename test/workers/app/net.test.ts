import { afterEach, describe, expect, test } from 'bun:test'
import { readMembers } from '../../../core/inet/mc/mc-read.ts'
import { DEV_IFINDEX, deviceRow } from '../../../core/netdev/netdev.ts'
import { formatWords } from '../../../core/wire/text.ts'
import type { AppSocket } from '../../../workers/app/socket.ts'
import {
  createFakeHost,
  once,
  until,
  type FakeHost,
  type FakeHostOptions,
} from '../../support/fake-host.ts'
import type { Peer } from '../../support/fake-proto.ts'
import { randomBytes, seeded } from '../../support/random.ts'

let host: FakeHost | undefined
const setUp = (options: FakeHostOptions = {}): FakeHost => (host = createFakeHost(options))
afterEach(() => host?.stop())

const pools = ({ workers, app }: FakeHost) =>
  [...workers.map(({ skbs }) => skbs), app.skbs].map((skbs) => skbs.available())

const listen = async (h: FakeHost, onConnection: (socket: AppSocket) => void, options = {}) => {
  const server = h.app.net.createServer(options, onConnection)
  server.listen(8080)
  await once(server, 'listening')
  return server
}

describe('a listener', () => {
  test('listens on every worker and tells its address', async () => {
    const h = setUp()
    const server = await listen(h, () => {})
    expect(server.address()).toEqual({ address: '::', family: 'IPv6', port: 8080 })
    expect(h.workers.map(({ tcp }) => tcp.listens(8080))).toEqual([true, true])
  })

  test('with port 0 has the same port on every worker', async () => {
    const h = setUp()
    const server = h.app.net.createServer(() => {})
    server.listen(0, '0.0.0.0')
    await once(server, 'listening')
    const { port } = server.address()!
    expect(port).toBeGreaterThan(1024)
    expect(h.workers.map(({ tcp }) => tcp.listens(port))).toEqual([true, true])
  })

  test('whose port is taken says EADDRINUSE and holds nothing', async () => {
    const h = setUp()
    await listen(h, () => {})
    const inUse = h.app.inUse()
    const second = h.app.net.createServer(() => {})
    second.listen(8080)
    const error = await once<NodeJS.ErrnoException>(second, 'error')
    expect(error.code).toBe('EADDRINUSE')
    await until(() => h.app.inUse() === inUse, 'giving sids back')
  })

  test('takes many connections on all workers, and close() waits for them', async () => {
    const h = setUp({ config: { socks: 1024 } })
    const sockets: AppSocket[] = []
    const server = await listen(h, (socket) => sockets.push(socket))
    const peers: Peer[] = []
    for (let k = 0; k < 300; k++) peers.push(h.workers[k % 2]!.tcp.connect(8080))
    h.kick()
    await until(() => sockets.length === 300, 'accepting')
    expect(sockets.filter(({ worker }) => worker === 1).length).toBe(150)
    expect(sockets[0]!.remoteAddress).toBe('10.0.0.2')
    expect(sockets[0]!.localPort).toBe(8080)
    let closed = false
    server.close(() => (closed = true))
    await until(() => !h.workers[0]!.tcp.listens(8080), 'closing listeners')
    expect(closed).toBe(false)
    for (const socket of sockets) socket.destroy()
    await until(() => closed, 'closing')
    await until(() => h.app.inUse() === 0, 'giving sids back')
    expect(h.workers.map(({ slab }) => slab.live())).toEqual([0, 0])
  })
})

describe('a stream', () => {
  test.each([1, 2, 3, 4])(
    'is the same after an echo in chunks of any size (seed %i)',
    async (seed) => {
      const h = setUp({ seed, worker: { rcvbuf: 30000, sndbuf: 20000 } })
      const before = pools(h)
      const server = await listen(h, (socket) => socket.pipe(socket), { allowHalfOpen: true })
      const random = seeded(seed)
      const run = async (worker: number): Promise<void> => {
        const data = randomBytes(random, 300000)
        const peer = h.workers[worker]!.tcp.connect(8080)
        const back = Buffer.alloc(data.length)
        let written = 0
        let read = 0
        await until(() => {
          if (written < data.length)
            written += peer.write(
              data,
              written,
              Math.min(data.length - written, (random() >>> 1) % 12000)
            )
          else peer.end()
          if ((random() & 3) === 0) {
            const part = peer.read((random() >>> 1) % 30000)
            back.set(part, read)
            read += part.length
          }
          h.kick()
          return peer.ended()
        }, 'the echo')
        expect(read).toBe(data.length)
        expect(back.equals(data)).toBe(true)
      }
      await Promise.all([run(0), run(1), run(0)])
      server.close()
      await until(() => h.app.inUse() === 0, 'closing')
      const after = pools(h)
      // each worker keeps one large buffer to read into
      after.forEach((pool, k) => {
        expect(pool.smalls).toBe(before[k]!.smalls)
        expect(pool.larges).toBeGreaterThanOrEqual(before[k]!.larges - 1)
      })
    }
  )

  test('closes the peer window while the application does not read', async () => {
    const h = setUp({ workers: 1 })
    let socket: AppSocket | undefined
    await listen(h, (s) => (socket = s.pause()))
    const peer = h.workers[0]!.tcp.connect(8080)
    const data = new Uint8Array(65536)
    let written = 0
    for (let k = 0; k < 300; k++) {
      written += peer.write(data)
      h.kick()
      await new Promise((resolve) => setImmediate(resolve))
    }
    // the credit, the receive buffer, and no more
    expect(written).toBeLessThan(256 * 1024 + 2 * 65536 + 1)
    expect(peer.unread()).toBe(65536)
    let got = 0
    socket!.on('data', (bytes: Buffer) => (got += bytes.length)).resume()
    await until(() => got === written, 'reading what waited')
  })

  test('write() answers false when the peer does not read, and drains', async () => {
    const h = setUp({ workers: 1, worker: { sndbuf: 30000 } })
    let socket: AppSocket | undefined
    await listen(h, (s) => (socket = s))
    const peer = h.workers[0]!.tcp.connect(8080)
    h.kick()
    await until(() => socket !== undefined)
    const chunk = Buffer.alloc(50000, 7)
    let wrote = 0
    let full = false
    for (let k = 0; k < 100 && !full; k++) {
      wrote += chunk.length
      full = !socket!.write(chunk)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(full).toBe(true)
    expect(wrote).toBeLessThan(256 * 1024 + 30000 + 65536 + 100000)
    const larges = h.app.skbs.available().larges
    expect(larges).toBeGreaterThanOrEqual(64 - 8)
    let drained = false
    socket!.once('drain', () => (drained = true))
    let got = 0
    await until(() => {
      got += peer.read(20000).length
      h.kick()
      return got === wrote
    }, 'taking it all')
    await until(() => drained, 'drain')
    expect(h.app.skbs.available().larges).toBe(64)
  })

  test('a peer that resets makes an error with its code', async () => {
    const h = setUp({ workers: 1 })
    let error: NodeJS.ErrnoException | undefined
    await listen(h, (s) => s.on('error', (e) => (error = e)).resume())
    const peer = h.workers[0]!.tcp.connect(8080)
    h.kick()
    await until(() => h.workers[0]!.slab.live() === 3)
    peer.reset()
    h.kick()
    await until(() => error !== undefined, 'the error')
    expect(error!.code).toBe('ECONNRESET')
    await until(() => peer.isClosed())
  })

  test('resetAndDestroy sends a reset; end() does not', async () => {
    const h = setUp({ workers: 1 })
    const sockets: AppSocket[] = []
    await listen(h, (s) => sockets.push(s.resume()))
    const [one, two] = [h.workers[0]!.tcp.connect(8080), h.workers[0]!.tcp.connect(8080)]
    h.kick()
    await until(() => sockets.length === 2)
    sockets[0]!.resetAndDestroy()
    sockets[1]!.end('bye')
    await until(() => one.isClosed() && two.ended() === false && two.unsent() === 3)
    expect(one.wasAborted()).toBe(true)
    expect(Buffer.from(two.read(9)).toString()).toBe('bye')
    two.end()
    h.kick()
    await until(() => two.isClosed())
    expect(two.wasAborted()).toBe(false)
  })

  test('connects out, with what was written before', async () => {
    const h = setUp()
    let peer: Peer | undefined
    for (const { tcp } of h.workers) tcp.accepts((port) => (port === 99 ? (p) => (peer = p) : null))
    const socket = h.app.net.connect({ port: 99, host: '10.0.0.9' })
    socket.write('hello')
    expect(socket.readyState).toBe('opening')
    await once(socket, 'connect')
    await until(() => peer!.unsent() === 5)
    expect(socket.remoteAddress).toBe('10.0.0.9')
    expect(socket.localPort).toBeGreaterThan(0)
    const refused = h.app.net.connect({ port: 98, host: '10.0.0.9' })
    const error = await once<NodeJS.ErrnoException>(refused, 'error')
    expect(error.code).toBe('ECONNREFUSED')
    const positional = h.app.net.connect(98, '10.0.0.9')
    expect((await once<NodeJS.ErrnoException>(positional, 'error')).code).toBe('ECONNREFUSED')
    const named = h.app.net.connect({ port: 98, host: 'nowhere.example' })
    expect((await once<NodeJS.ErrnoException>(named, 'error')).code).toBe('ENOTFOUND')
    socket.destroy()
    await until(() => h.app.inUse() === 0)
  })
})

/** What one end of a connection may do next; all of it may happen at any time. */
const something = (random: () => number, peer: Peer, socket: AppSocket | undefined): void => {
  const size = (random() >>> 1) % 50000
  switch ((random() >>> 1) % 64) {
    case 0:
      return peer.end()
    case 1:
      return peer.reset()
    case 2:
      return void socket?.end('last')
    case 3:
      return void socket?.destroy()
    case 4:
      return void socket?.resetAndDestroy()
    case 5:
      return void socket?.pause()
    case 6:
      return void socket?.destroySoon()
  }
  if (size % 3 === 0) peer.write(new Uint8Array(size))
  else if (size % 3 === 1) peer.read(size)
  else if (socket?.writable) socket.write(Buffer.alloc(size))
}

test.each([1, 2, 3, 4, 5, 6])(
  'whatever both ends do, nothing is left behind (seed %i)',
  async (seed) => {
    const h = setUp({ seed, worker: { rcvbuf: 20000, sndbuf: 20000 } })
    const random = seeded(seed)
    const before = pools(h)
    const sockets: AppSocket[] = []
    const server = await listen(h, (socket) => {
      sockets.push(socket.on('error', () => {}))
      if ((random() & 3) !== 0) socket.resume()
    })
    const peers: Peer[] = []
    for (let k = 0; k < 4000; k++) {
      if (peers.length < 60 && k % 20 === 0) peers.push(h.workers[k % 2]!.tcp.connect(8080))
      const n = (random() >>> 1) % peers.length
      if (!peers[n]!.isClosed()) something(random, peers[n]!, sockets[n])
      h.kick()
      if (k % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => sockets.length === 60, 'accepting')
    for (const socket of sockets) socket.destroy()
    server.close()
    await until(() => h.app.inUse() === 0, 'closing')
    expect(h.workers.map(({ slab }) => slab.live())).toEqual([0, 0])
    pools(h).forEach((pool, k) => {
      expect(pool.smalls).toBe(before[k]!.smalls)
      expect(pool.larges).toBeGreaterThanOrEqual(before[k]!.larges - 1)
    })
  }
)

describe('when one side dies', () => {
  test('a restarted worker resets its connections and is listened on again', async () => {
    const h = setUp()
    const codes: string[] = []
    const sockets: AppSocket[] = []
    await listen(h, (s) => {
      sockets.push(s.resume())
      s.on('error', (e: NodeJS.ErrnoException) => codes.push(`${s.worker} ${e.code}`))
    })
    h.workers[0]!.tcp.connect(8080)
    h.workers[1]!.tcp.connect(8080)
    h.kick()
    await until(() => sockets.length === 2)
    h.restart(1)
    await until(() => h.workers[1]!.tcp.listens(8080), 'listening again')
    expect(codes).toEqual(['1 ECONNRESET'])
    h.workers[1]!.tcp.connect(8080)
    h.kick()
    await until(() => sockets.length === 3, 'accepting again')
    expect(sockets[0]!.destroyed).toBe(false)
  })

  test('a dead application loses its sockets and nothing else', async () => {
    const h = setUp()
    const before = h.app.skbs.available()
    await listen(h, (s) => s.write(Buffer.alloc(400000)))
    const peers = [h.workers[0]!.tcp.connect(8080), h.workers[1]!.tcp.connect(8080)]
    h.kick()
    await until(() => peers.every((peer) => peer.unsent() === 65536))
    h.kill()
    await until(() => peers.every((peer) => peer.isClosed()), 'closing')
    expect(h.workers.map(({ slab }) => slab.live())).toEqual([0, 0])
    expect(h.workers.map(({ port }) => port.count(0))).toEqual([0, 0])
    // its skbs have come home for whoever takes its place
    h.kick()
    await until(() => h.app.skbs.available().larges === before.larges, 'skbs')
  })
})

describe('datagrams', () => {
  test('come from any worker and are answered', async () => {
    const h = setUp()
    const socket = h.app.dgram.createSocket('udp4')
    socket.bind(5353)
    await once(socket, 'listening')
    socket.on('message', (message: Buffer, { address, port }) => {
      socket.send(`re: ${message}`, port, address)
    })
    h.workers[0]!.udp.arrive(5353, { data: Buffer.from('a'), addr: 0x0a000003, port: 1000 })
    h.workers[1]!.udp.arrive(5353, { data: Buffer.from('b'), addr: 0x0a000004, port: 1001 })
    h.kick()
    const sent = () => h.workers.flatMap(({ udp }) => udp.sent)
    await until(() => sent().length === 2)
    expect(
      sent()
        .map(({ data, port }) => `${Buffer.from(data)} ${port}`)
        .sort()
    ).toEqual(['re: a 1000', 're: b 1001'])
    socket.close()
    await until(() => h.app.inUse() === 0)
  })

  test('of groups are joined by its sockets of all workers, also by one that is made again', async () => {
    const h = setUp()
    h.arena.i32[deviceRow(h.arena, 2) + DEV_IFINDEX] = 2
    const joined = (): string[] =>
      [...readMembers(h.arena)]
        .map(({ thread, words, sources }) =>
          [thread, formatWords(...words), ...sources.map((one) => formatWords(...one))].join(' ')
        )
        .sort()
    const socket = h.app.dgram.createSocket('udp4')
    socket.addMembership('239.1.2.3', '::%2')
    socket.addSourceSpecificMembership('10.0.0.9', '232.1.1.1', '::%2')
    socket.setMulticastTTL(4)
    const all = [0, 1].flatMap((w) => [`${w} 232.1.1.1 10.0.0.9`, `${w} 239.1.2.3`])
    await until(() => joined().length === 4)
    expect(joined()).toEqual(all)
    h.restart(1)
    h.kick()
    await until(() => joined().length === 4 && h.workers[1]!.slab.live() === 1)
    expect(joined()).toEqual(all)
    socket.dropSourceSpecificMembership('10.0.0.9', '232.1.1.1', '::%2')
    await until(() => joined().length === 2)
    const errors: NodeJS.ErrnoException[] = []
    socket.on('error', (error) => errors.push(error))
    socket.addMembership('10.0.0.1', '::%2')
    socket.addMembership('239.1.2.4', '::%3')
    await until(() => errors.length >= 2)
    expect(errors.map(({ code, syscall }) => `${syscall} ${code}`)).toEqual([
      'addMembership EINVAL',
      'addMembership ENODEV',
    ])
    expect(() => socket.addMembership('ff02::9')).toThrow('EINVAL')
    socket.close()
    await until(() => h.app.inUse() === 0)
    expect(joined()).toEqual([])
  })

  test('wait in the worker when the application is slow, and none is lost', async () => {
    const h = setUp({ workers: 1 })
    const socket = h.app.dgram.createSocket('udp4')
    socket.bind(5353)
    await once(socket, 'listening')
    let got = 0
    socket.on('message', () => got++)
    for (let k = 0; k < 3000; k++)
      h.workers[0]!.udp.arrive(5353, { data: new Uint8Array(1400), addr: 1, port: 2 })
    h.kick()
    await until(() => got === 3000)
    expect(h.app.skbs.available()).toEqual({ skbs: 2048, smalls: 2048, larges: 64 })
  })
})
