// Namespaces in one event loop, joined by veth pairs: what goes through them, and what is left when they end.

import { afterEach, expect, test } from 'bun:test'
import type { LinkItem, Message, Reply } from '../../../core/control/text/messages.ts'
import { isRefused } from '../../../core/control/text/names.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../../../core/control/nlm-flags.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { createThread } from '../../../core/stack/thread.ts'
import type { FarState } from '../../../workers/netns/far.ts'
import { createNets, type Net } from '../../../workers/netns/nets.ts'
import { createPairs } from '../../../workers/netns/pairs.ts'
import { createWires } from '../../../workers/netns/wires.ts'
import { randomBytes, seeded } from '../../support/random.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const createWorld = () => {
  const router = createArena({ ...SMALL_ARENA, apps: 1 })
  const thread = router.layout.appThread
  const { skbs, drop, ipi } = createThread({ arena: router, thread, wake: () => {} })
  let isOpen = true
  closers.push(() => {
    isOpen = false
  })
  const told: [port: number, state: FarState][] = []
  const wires = createWires({ router, skbs, drop, kick: ipi.kick })
  const pairs = createPairs({
    wires,
    find: (name) => nets.find(name),
    tell: (port, state) => told.push([port, state]),
  })
  const nets = createNets({
    wires,
    pairs,
    schedule: () => {},
    services: {},
    serve: null,
    keep: null,
    onError: (name, error) => {
      throw new Error(`${name}: ${error}`)
    },
    askDefault: () => Promise.reject(new Error('nobody is asked')),
    createApi: () => Promise.reject(new Error('nobody asks')),
  })
  const turn = (): void => {
    if (!isOpen) return
    nets.tick()
    wires.poll()
    nets.poll()
    wires.flush()
    setImmediate(turn)
  }
  turn()
  return { nets, told }
}

const done = <T>(reply: Reply<T>): T => {
  if (isRefused(reply)) throw new Error(reply.message)
  return (reply as { item: T }).item
}
const refusal = (reply: Reply): string => (isRefused(reply) ? reply.message : 'done')
const addLink = (ifname: string, kind: string, peer?: unknown): Message => ({
  type: 'RTM_NEWLINK',
  flags: NLM_F_CREATE | NLM_F_EXCL,
  link: { ifname, kind, ...(peer !== undefined && { data: { peer } }) },
})
const links = ({ control }: Net): LinkItem[] => [...control.dump({ type: 'RTM_GETLINK' })].flat()
const names = (net: Net): string[] => links(net).map(({ ifname }) => ifname)
const linkOf = (net: Net, name: string): LinkItem => links(net).find((l) => l.ifname === name)!
const setUp = async (net: Net, ifname: string, address?: string): Promise<void> => {
  done(await net.control.request({ type: 'RTM_NEWLINK', flags: 0, link: { ifname, up: true } }))
  if (address === undefined) return
  const [local = '', prefixlen] = address.split('/')
  const flags = NLM_F_CREATE | NLM_F_EXCL
  const spec = { dev: ifname, local, prefixlen: Number(prefixlen) }
  done(await net.control.request({ type: 'RTM_NEWADDR', flags, address: spec }))
}
const addRoute = async (net: Net, dst: string, gateway: string): Promise<void> => {
  const flags = NLM_F_CREATE | NLM_F_EXCL
  done(await net.control.request({ type: 'RTM_NEWROUTE', flags, route: { dst, gateway } }))
}
const skbsOf = ({ control }: Net) => [...control.dump({ type: 'SKBS' })].flat()
const nstat = async ({ control }: Net) => done(await control.request({ type: 'NSTAT_GET' }))

/** a (10.0.1.1) --- b, a router --- c (10.0.2.2) */
const inRow = async () => {
  const { nets, told } = createWorld()
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => nets.add(name)))
  done(await a!.control.request(addLink('toB', 'veth', { name: 'toA', netns: 'b' })))
  done(await c!.control.request(addLink('toB', 'veth', { name: 'toC', netns: 'b' })))
  await setUp(a!, 'toB', '10.0.1.1/24')
  await setUp(b!, 'toA', '10.0.1.254/24')
  await setUp(b!, 'toC', '10.0.2.254/24')
  await setUp(c!, 'toB', '10.0.2.2/24')
  await addRoute(a!, 'default', '10.0.1.254')
  await addRoute(c!, 'default', '10.0.2.254')
  return { nets, told, a: a!, b: b!, c: c! }
}

test('a stream goes through a namespace that forwards, is counted there alone, and nothing is left of it', async () => {
  const { a, b, c } = await inRow()
  const before = [a, b, c].map(skbsOf)
  const sent = randomBytes(seeded(1), 300_000)
  const server = c.app.net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
  server.listen(7)
  const socket = a.app.net.connect(7, '10.0.2.2')
  socket.end(sent)
  const heard = Buffer.concat(await socket.toArray())
  server.close()
  expect(heard.equals(sent)).toBe(true)
  const [ofA, ofB, ofC] = await Promise.all([a, b, c].map(nstat))
  expect(ofB!['IpForwDatagrams']).toBeGreaterThan(10)
  expect([ofA!['IpForwDatagrams'], ofC!['IpForwDatagrams']]).toEqual([0, 0])
  expect([ofA!['TcpActiveOpens'], ofB!['TcpActiveOpens'], ofC!['TcpPassiveOpens']]).toEqual([
    1, 0, 1,
  ])
  while (JSON.stringify([a, b, c].map(skbsOf)) !== JSON.stringify(before)) await Bun.sleep(5)
})

test('what goes to an end that is down dies with a reason', async () => {
  const { b, a } = await inRow()
  const link = { ifname: 'toA', up: false }
  done(await b.control.request({ type: 'RTM_NEWLINK', flags: 0, link }))
  const neigh = { dev: 'toB', dst: '10.0.1.254', lladdr: '02:00:00:00:00:01' }
  const flags = NLM_F_CREATE | NLM_F_EXCL
  done(await a.control.request({ type: 'RTM_NEWNEIGH', flags, neigh }))
  const drops = (): number =>
    [...a.control.dump({ type: 'DROPS' })].flat().find(({ reason }) => reason === 'DEV_READY')
      ?.count ?? 0
  const before = drops()
  const socket = a.app.dgram.createSocket('udp4')
  socket.send('nobody', 9, '10.0.1.254')
  while (drops() === before) await Bun.sleep(2)
  expect(drops()).toBe(before + 1)
  socket.close()
})

test('each end is shown with the other’s number and namespace, and has carrier while that is up', async () => {
  const { nets } = createWorld()
  const a = await nets.add('a')
  const b = await nets.add('b')
  done(await b.control.request(addLink('d0', 'dummy')))
  done(await a.control.request(addLink('x', 'veth', { name: 'y', netns: 'b', mtu: 1400 })))
  expect(linkOf(a, 'x')).toMatchObject({
    link: 'y',
    link_index: 3,
    link_netnsid: 0,
    link_netns: 'b',
  })
  expect(linkOf(b, 'y')).toMatchObject({ link: 'x', link_index: 2, link_netns: 'a', mtu: 1400 })
  await setUp(a, 'x')
  expect(linkOf(a, 'x').operstate).toBe('LOWERLAYERDOWN')
  await setUp(b, 'y')
  expect([linkOf(a, 'x').operstate, linkOf(b, 'y').operstate]).toEqual(['UP', 'UP'])
  const newname = { type: 'RTM_NEWLINK' as const, flags: 0, link: { ifname: 'y', newname: 'z' } }
  done(await b.control.request(newname))
  expect(linkOf(a, 'x').link).toBe('z')
})

test('one end goes with the other, and with the other’s namespace', async () => {
  const { nets, a, b, c } = await inRow()
  done(await a.control.request({ type: 'RTM_DELLINK', ifname: 'toB' }))
  expect([names(a), names(b)]).toEqual([['lo'], ['lo', 'toC']])
  await nets.del('b')
  expect(names(c)).toEqual(['lo'])
})

test('a pair that is refused there leaves nothing here', async () => {
  const { nets } = createWorld()
  const [a, b] = [await nets.add('a'), await nets.add('b')]
  done(await b.control.request(addLink('y', 'dummy')))
  const add = (peer: object) => a.control.request(addLink('x', 'veth', peer))
  expect(refusal(await add({ name: 'y', netns: 'b' }))).toBe('RTNETLINK answers: File exists')
  expect(refusal(await add({ name: 'z', netns: 'nope' }))).toBe(
    'Error: argument "nope" is wrong: Invalid "netns" value'
  )
  expect(refusal(await add({ name: 'a/b', netns: 'b' }))).toContain('"name" not a valid ifname')
  expect([names(a), names(b)]).toEqual([['lo'], ['lo', 'y']])
})

test('a device moves to another namespace, and what it is joined to stays joined', async () => {
  const { nets } = createWorld()
  const [a, b, c] = [await nets.add('a'), await nets.add('b'), await nets.add('c')]
  const move = (net: Net, ifname: string, netns: string) =>
    net.control.request({ type: 'RTM_NEWLINK', flags: 0, link: { ifname, netns } })
  done(await a.control.request(addLink('x', 'veth', 'y')))
  const { address } = linkOf(a, 'y')
  await setUp(a, 'y', '10.0.0.9/24')
  done(await move(a, 'y', 'b'))
  expect([names(a), names(b)]).toEqual([
    ['lo', 'x'],
    ['lo', 'y'],
  ])
  expect(linkOf(b, 'y')).toMatchObject({ address, link: 'x', link_netns: 'a', operstate: 'DOWN' })
  done(await move(a, 'x', 'c'))
  expect([names(a), names(c)]).toEqual([['lo'], ['lo', 'x']])
  expect(linkOf(b, 'y')).toMatchObject({ link: 'x', link_netns: 'c' })
  await setUp(b, 'y', '10.0.0.1/24')
  await setUp(c, 'x', '10.0.0.2/24')
  c.app.net.createServer((socket) => socket.end('here')).listen(7)
  const heard = await b.app.net.connect(7, '10.0.0.2').toArray()
  expect(String(Buffer.concat(heard))).toBe('here')
  expect(refusal(await move(b, 'lo', 'c'))).toBe('Error: The interface netns is immutable.')
})

test('changes that reach from one namespace into the other, and the other way round, do not wait for each other', async () => {
  const { nets } = createWorld()
  const [a, b] = [await nets.add('a'), await nets.add('b')]
  const add = (from: Net, to: string, k: number) =>
    from.control.request(
      addLink(`${from.name}${k}`, 'veth', { name: `p${from.name}${k}`, netns: to })
    )
  const rounds = Array.from({ length: 10 }, (_, k) => [add(a, 'b', k), add(b, 'a', k)]).flat()
  for (const reply of await Promise.all(rounds)) done(reply)
  expect([names(a).length, names(b).length]).toEqual([21, 21])
  const ends = links(a)
    .filter(({ ifname }) => ifname !== 'lo')
    .map(({ ifname }) => a.control.request({ type: 'RTM_DELLINK', ifname }))
  await Promise.all([...ends, nets.del('b')])
  expect(names(a)).toEqual(['lo'])
})
