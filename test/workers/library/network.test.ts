// Networks of hosts in one thread: sockets of Node's shapes in both families, over time that is turned by hand.

import { afterEach, describe, expect, test } from 'bun:test'
import { root } from '../../../bin/bootstrap.mjs'
import { createNetwork } from '../../../workers/library/network.ts'
import { realTime, virtualTime } from '../../../workers/library/time.ts'
import { once } from '../../support/fake-host.ts'
import { randomBytes, seeded } from '../../support/random.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const link = (...addresses: string[]) => [{ ifname: 'eth0', addresses }]
const twoHosts = async (time = virtualTime(), netem = {}) => {
  const network = createNetwork({ time })
  closers.push(network.close)
  const a = await network.host('a', { link: link('10.0.0.1/24', 'fd00::1/64') })
  const b = await network.host('b', {
    link: [{ ifname: 'eth0', addresses: ['10.0.0.2/24', 'fd00::2/64'], netem }],
  })
  await network.wire([a, 'eth0'], [b, 'eth0'])
  return { network, time, a, b }
}
test('a host with two links forwards nothing until it is told to (RFC 1122 section 3.1)', async () => {
  const time = virtualTime()
  const network = createNetwork({ time })
  closers.push(network.close)
  const to = (gateway: string) => ({ route: [{ dst: 'default', gateway }] })
  const a = await network.host('a', { link: link('10.0.1.1/24'), ...to('10.0.1.254') })
  const b = await network.host('b', { link: link('10.0.2.1/24'), ...to('10.0.2.254') })
  const between = await network.host('between', {
    link: [
      { ifname: 'eth0', addresses: ['10.0.1.254/24'] },
      { ifname: 'eth1', addresses: ['10.0.2.254/24'] },
    ],
  })
  await network.wire([a, 'eth0'], [between, 'eth0'])
  await network.wire([b, 'eth0'], [between, 'eth1'])
  b.net.createServer((socket) => socket.end('through')).listen(7)
  const said = (): Promise<Buffer[]> => a.net.connect(7, '10.0.2.1').toArray()
  await expect(time.until(said(), 2000)).rejects.toThrow('virtual time')
  const name = 'net.ipv4.ip_forward'
  await between.control.request({ type: 'SYSCTL_SET', name, value: 1 })
  expect(String(Buffer.concat(await time.until(said())))).toBe('through')
})

test('a network that sleeps wakes for a call of a program', async () => {
  const { time, a } = await twoHosts()
  await time.run(DAD_MS)
  // longer than it is awake without work
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done))
  const socket = await a.message.createSocket()
  await socket.bind('10.0.0.1', 53)
  expect((await socket.getsockname()).port).toBe(53)
})

/** Until addresses of IPv6 are found to be nobody else's. */
const DAD_MS = 3000

describe.each(['10.0.0.2', 'fd00::2'])('to %s', (address) => {
  test('a megabyte comes back from an echo over a bad wire', async () => {
    const { time, a, b } = await twoHosts(virtualTime(3))
    await time.run(DAD_MS)
    await b.control.request({
      type: 'RTM_NEWLINK',
      flags: 0,
      link: { ifname: 'eth0', netem: { delay: 10_000, jitter: 5000, loss: 2, duplicate: 2 } },
    })
    b.net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(7)
    const sent = randomBytes(seeded(1), 1 << 20)
    const socket = a.net.connect({ port: 7, host: address })
    socket.end(sent)
    const heard = Buffer.concat(await time.until(socket.toArray()))
    expect(heard.equals(sent)).toBe(true)
  })

  test('a datagram is answered', async () => {
    const { time, a, b } = await twoHosts()
    await time.run(DAD_MS)
    const type = address.includes(':') ? 'udp6' : 'udp4'
    const server = b.dgram.createSocket(type)
    server.on('message', (bytes: Buffer, from: { port: number; address: string }) =>
      server.send(`you said ${bytes}`, from.port, from.address)
    )
    server.bind(53)
    const client = a.dgram.createSocket(type)
    client.send('hello', 53, address)
    expect(String(await time.until(once(client, 'message')))).toBe('you said hello')
    server.close()
    client.close()
  })
})

test('virtual time stands until it is turned, and leaps', async () => {
  const { time, a } = await twoHosts()
  const start = time.nowUs()
  await Bun.sleep(20)
  expect(time.nowUs()).toBe(start)
  const realMs = performance.now()
  await time.run(3_600_000)
  expect(time.nowUs()).toBe(start + 3_600_000_000)
  expect(performance.now() - realMs).toBeLessThan(60_000)
  // nobody is there: the last SYN is given up after two minutes of it
  const socket = a.net.connect({ port: 7, host: '10.0.0.77' })
  const error = await time.until(once<NodeJS.ErrnoException>(socket, 'error'))
  expect(error.code).toBe('EHOSTUNREACH')
  await expect(time.until(new Promise(() => {}), 1000)).rejects.toThrow('1000 ms of virtual time')
})

test('time passes for a host that has no wire', async () => {
  const time = virtualTime()
  const network = createNetwork({ time })
  closers.push(network.close)
  await network.host('alone', { link: [{ ifname: 'lo', kind: 'lo', up: true }] })
  const from = time.nowUs()
  await time.run(100)
  expect(time.nowUs() - from).toBe(100_000)
})

test('one seed is one run', async () => {
  const play = async (seed: number): Promise<string> => {
    const { time, a, b } = await twoHosts(virtualTime(seed), { delay: 1000, jitter: 900, loss: 10 })
    await time.run(DAD_MS)
    const from = time.nowUs()
    b.net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(7)
    const socket = a.net.connect(7, '10.0.0.2')
    const ports: number[] = []
    socket.on('connect', () => ports.push(socket.localPort!))
    socket.end(new Uint8Array(300_000))
    await time.until(socket.toArray())
    return `${ports} ${time.nowUs() - from}`
  }
  const first = await play(5)
  expect(await play(5)).toBe(first)
  expect(await play(6)).not.toBe(first)
})

test('in the time of the machine', async () => {
  const { a, b } = await twoHosts(realTime() as ReturnType<typeof virtualTime>)
  b.net.createServer((socket) => socket.end('now')).listen(7)
  expect(String(Buffer.concat(await a.net.connect(7, '10.0.0.2').toArray()))).toBe('now')
})

test('in the time of the machine a program lives as long as its network', async () => {
  const program = `
    import { root } from '../../../bin/bootstrap.mjs'
import { createNetwork } from 'softnet'
    const network = createNetwork()
    const link = (address, delay) => [{ ifname: 'eth0', addresses: [address], netem: { delay } }]
    const a = await network.host('a', { link: link('10.0.0.1/24', 300_000) })
    const b = await network.host('b', { link: link('10.0.0.2/24', 0) })
    await network.wire([a, 'eth0'], [b, 'eth0'])
    b.net.createServer((socket) => socket.end('late')).listen(7)
    a.net.connect(7, '10.0.0.2').on('data', (said) => console.log(String(said))).on('close', network.close)
  `
  const { exited, stdout } = Bun.spawn([process.execPath, '-e', program], { cwd: root })
  expect([await exited, await new Response(stdout).text()]).toEqual([0, 'late\n'])
})

test('a link without a wire has no carrier; a wire that is moved leaves the old end', async () => {
  const { network, time, a, b } = await twoHosts()
  const state = async (): Promise<string[]> => {
    await time.run(1000)
    const links = [a, b].map(({ control }) =>
      control.request({ type: 'RTM_GETLINK', ifname: 'eth0' })
    )
    return (await Promise.all(links)).map(
      (reply) => (reply as { item: { operstate: string } }).item.operstate
    )
  }
  expect(await state()).toEqual(['UP', 'UP'])
  const c = await network.host('c', { link: link('10.0.0.3/24') })
  await network.wire([a, 'eth0'], [c, 'eth0'])
  expect(await state()).toEqual(['UP', 'DOWN'])
})

test('a host that is refused says why; names are given once', async () => {
  const { network } = await twoHosts()
  await expect(network.host('d', { link: link('10.0.0.300/24') })).rejects.toThrow('d: ')
  await expect(network.host('a')).rejects.toThrow('there is a host a already')
  await expect(network.wire([{ name: 'x' }, 'eth0'], [{ name: 'a' }, 'eth0'])).rejects.toThrow(
    'there is no host x'
  )
})
