// TCP between whole stacks: both ways at once through a router whose wires lose, repeat and reorder; over paths that
// get narrower; with links and routes that change under it. Every byte arrives once and in order, or the connection ends
// with an error, and everything is given back.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { SK_MTU } from '../../core/socket/sock.ts'
import { dialTcp, serveTcp, type TcpEnd } from '../../sim/net/sim-apps.ts'
import { LONG_MS, routed, twoHosts } from '../support/sim-topology.ts'
import { v4Words } from '../../sim/net/packets.ts'

type Net = Awaited<ReturnType<typeof routed>>
const MINUTES = 60_000

/** An established connection from a to b. */
const connect = (net: Pick<Net, 'sim' | 'a' | 'b'>, to = '10.0.2.2', port = 80) => {
  const server = serveTcp(net.b, port)
  const client = dialTcp(net.a, to, port)
  if (!net.sim.run(2 * MINUTES, () => client.connected && server.ends.length === 1))
    throw new Error(`no connection: errno ${client.error}`)
  return { server, client, peer: server.ends[0]! }
}
const intact = (end: TcpEnd) => ({ received: end.received, wrong: end.wrong, error: end.error })
/** Both ends close, and after TIME_WAIT nothing is left. */
const close = (
  net: Pick<Net, 'sim'>,
  { server, client, peer }: ReturnType<typeof connect>
): void => {
  client.finish()
  net.sim.run(2 * MINUTES, () => peer.eof)
  expect(peer.eof).toBe(true)
  peer.close()
  net.sim.run(2 * MINUTES, () => client.eof)
  client.close()
  server.close()
  net.sim.run(LONG_MS)
  expect(net.sim.leaks()).toEqual({})
}

const WIRES = [
  ['a good wire', {}],
  ['1% loss', { loss: 0.01, delayUs: 5000 }],
  ['10% loss', { loss: 0.1, delayUs: 2000 }],
  ['reordering and repeats', { reorder: 0.3, duplicate: 0.1, delayUs: 3000, reorderUs: 8000 }],
  ['all of it', { loss: 0.03, reorder: 0.1, duplicate: 0.05, delayUs: 10_000, reorderUs: 20_000 }],
] as const
const KINDS = [false, true]

describe.each(KINDS)('a transfer both ways at once, offloads %p', (offload) => {
  test.each(WIRES)('%s', async (_name, wire) => {
    for (const seed of [1, 2, 3]) {
      const net = await routed({ seed, wire, a: { offload }, b: { offload }, router: { offload } })
      const pair = connect(net)
      const total = 400_000
      pair.client.start(total)
      pair.peer.start(total)
      net.sim.run(30 * MINUTES, () => pair.client.received >= total && pair.peer.received >= total)
      expect(intact(pair.client)).toEqual({ received: total, wrong: 0, error: 0 })
      expect(intact(pair.peer)).toEqual({ received: total, wrong: 0, error: 0 })
      close(net, pair)
    }
  })
})

describe.each(KINDS)('a narrow link behind the router, offloads %p', (offload) => {
  test('FRAG_NEEDED makes TCP shrink, and the transfer goes on', async () => {
    const kind = { offload }
    const net = await routed({ mtu: 900, a: kind, b: kind, router: kind })
    const pair = connect(net)
    pair.client.start(200_000)
    net.sim.run(5 * MINUTES, () => pair.peer.received >= 200_000)
    expect(intact(pair.peer)).toEqual({ received: 200_000, wrong: 0, error: 0 })
    expect(net.a.mib('IcmpInDestUnreachs')).toBeGreaterThan(0)
    expect(net.a.arena.i32[pair.client.sk + SK_MTU]).toBe(900)
    expect(net.r.drops('PKT_TOO_BIG')).toBeGreaterThan(0)
    expect(net.r.mib('IpFragCreates')).toBe(0)
    close(net, pair)
  })
})

test('a path that was narrow is tried again after ten minutes', async () => {
  const net = await routed({ mtu: 900, a: { workers: 2 } })
  const pair = connect(net)
  const mtu = (): number => net.a.arena.i32[pair.client.sk + SK_MTU]!
  const send = (bytes: number): void => {
    const total = pair.peer.received + bytes
    pair.client.start(bytes)
    net.sim.run(5 * MINUTES, () => pair.peer.received >= total)
    expect(intact(pair.peer)).toEqual({ received: total, wrong: 0, error: 0 })
  }
  send(50_000)
  expect(mtu()).toBe(900)
  await net.r.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth2', mtu: 1500 } })
  net.sim.run(5 * MINUTES)
  send(50_000)
  expect(mtu()).toBe(900)
  net.sim.run(5 * MINUTES)
  send(50_000)
  expect(mtu()).toBe(1500)
  close(net, pair)
})

test('a link that goes down for ten seconds does not end a connection', async () => {
  const net = await routed({ wire: { delayUs: 2000 } })
  const pair = connect(net)
  pair.client.start(3_000_000)
  pair.peer.start(3_000_000)
  net.sim.run(100, () => pair.peer.received > 500_000)
  await net.r.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth2', up: false } })
  net.sim.run(10_000)
  const before = pair.peer.received
  expect(before).toBeLessThan(3_000_000)
  await net.r.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth2', up: true } })
  net.sim.run(
    10 * MINUTES,
    () => pair.peer.received >= 3_000_000 && pair.client.received >= 3_000_000
  )
  expect(intact(pair.peer)).toEqual({ received: 3_000_000, wrong: 0, error: 0 })
  expect(intact(pair.client)).toEqual({ received: 3_000_000, wrong: 0, error: 0 })
  close(net, pair)
})

test('a host whose own link goes down and comes back keeps its connections', async () => {
  const net = await routed({ wire: { delayUs: 2000 } })
  const pair = connect(net)
  pair.client.start(2_000_000)
  net.sim.run(100, () => pair.peer.received > 300_000)
  await net.a.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up: false } })
  net.sim.run(3000)
  await net.a.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up: true } })
  await net.a.must({
    type: 'RTM_NEWROUTE',
    flags: 0x500,
    route: { dst: 'default', gateway: '10.0.1.254' },
  })
  net.sim.run(10 * MINUTES, () => pair.peer.received >= 2_000_000)
  expect(intact(pair.peer)).toEqual({ received: 2_000_000, wrong: 0, error: 0 })
  close(net, pair)
})

test('a route withdrawn and put back under traffic delays, and loses nothing', async () => {
  const net = await routed({ wire: { delayUs: 2000, loss: 0.01 } })
  const pair = connect(net)
  const total = 2_000_000
  pair.client.start(total)
  pair.peer.start(total)
  for (let k = 0; k < 10; k++) {
    net.sim.run(30)
    await net.r.must({
      type: 'RTM_NEWROUTE',
      flags: 0x600,
      route: { dst: '10.0.2.2/32', type: k % 2 === 0 ? 'blackhole' : 'unreachable' },
    })
    net.sim.run(50)
    await net.r.must({ type: 'RTM_DELROUTE', route: { dst: '10.0.2.2/32' } })
  }
  net.sim.run(10 * MINUTES, () => pair.peer.received >= total && pair.client.received >= total)
  expect(intact(pair.peer)).toEqual({ received: total, wrong: 0, error: 0 })
  expect(intact(pair.client)).toEqual({ received: total, wrong: 0, error: 0 })
  close(net, pair)
})

test('a peer that vanishes ends the connection with ETIMEDOUT, and all is given back', async () => {
  const net = await routed()
  const pair = connect(net)
  await net.a.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_retries2', value: 5 })
  net.right.loss = 1
  pair.client.start(100_000)
  expect(net.sim.run(10 * MINUTES, () => pair.client.error !== 0)).toBe(true)
  expect([110, 113]).toContain(pair.client.error)
  pair.client.close()
  pair.peer.close()
  pair.server.close()
  net.right.loss = 0
  net.sim.run(20 * MINUTES)
  expect(net.sim.leaks()).toEqual({})
})

test('connecting to a closed port is refused, to a host that is not there unreachable', async () => {
  const net = await twoHosts()
  const refused = dialTcp(net.a, '10.0.1.2', 81)
  net.sim.run(1000, () => refused.error !== 0)
  expect(refused.error).toBe(Errno.ECONNREFUSED)
  const nobody = dialTcp(net.a, '10.0.1.77', 80)
  net.sim.run(10_000, () => nobody.error !== 0)
  expect(nobody.error).toBe(Errno.EHOSTUNREACH)
  refused.close()
  nobody.close()
  net.sim.run(LONG_MS)
  expect(net.sim.leaks()).toEqual({})
})

test('a connect given up by shutdown and begun again leaves nothing of the first', async () => {
  const net = await twoHosts()
  const end = dialTcp(net.a, '10.0.1.77', 80)
  const { sockets } = net.a.stack
  for (let k = 0; k < 5; k++) {
    expect(sockets.shutdown(end.sk, 2)).toBe(0)
    expect(sockets.connect(end.sk, ...v4Words((10 << 24) | (1 << 8) | 77), 80)).toBe(-115)
  }
  end.close()
  net.sim.run(LONG_MS)
  expect(net.sim.leaks()).toEqual({})
})

test('many short connections, opened and closed under loss, leave nothing behind', async () => {
  const net = await routed({ seed: 5, wire: { loss: 0.05, duplicate: 0.05, reorder: 0.1 } })
  const server = serveTcp(net.b, 80)
  const clients: TcpEnd[] = []
  for (let k = 0; k < 60; k++) {
    const client = dialTcp(net.a, '10.0.2.2', 80)
    client.start(1000 + k * 37)
    client.finish()
    clients.push(client)
    net.sim.run(20)
  }
  net.sim.run(5 * MINUTES, () => server.ends.length === 60 && server.ends.every((end) => end.eof))
  expect(server.ends.length).toBe(60)
  expect(server.ends.map((end) => end.wrong)).toEqual(Array(60).fill(0))
  for (const end of [...server.ends, ...clients]) end.close()
  server.close()
  net.sim.run(20 * MINUTES)
  expect(net.sim.leaks()).toEqual({})
})
