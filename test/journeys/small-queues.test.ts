// What a host sends itself and cannot get rid of at once waits in TCP's write queue, not in queues below, and is not lost
// there: a driver that is busy, a bad link's queue, a CPU whose backlog is full.

import { describe, expect, test } from 'bun:test'
import { SK_WMEM_ALLOC } from '../../core/socket/sock.ts'
import { dialTcp, serveTcp } from '../../sim/net/sim-apps.ts'
import { LONG_MS, twoHosts } from '../support/sim-topology.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'

const TOTAL = 2_000_000
const MINUTE = 60_000

type Pair = Awaited<ReturnType<typeof twoHosts>>

/** One connection from a carries TOTAL bytes to the address; returns the most that waited below TCP meanwhile. */
const bulk = ({ sim, a }: Pair, to: string, listener: SimHost): number => {
  const server = serveTcp(listener, 80)
  const client = dialTcp(a, to, 80)
  expect(sim.run(MINUTE, () => client.connected && server.ends.length === 1)).toBe(true)
  const peer = server.ends[0]!
  let most = 0
  client.start(TOTAL)
  const done = sim.run(MINUTE, () => {
    most = Math.max(most, a.arena.i32[client.sk + SK_WMEM_ALLOC]!)
    return peer.received >= TOTAL
  })
  expect({ done, received: peer.received, wrong: peer.wrong }).toEqual({
    done: true,
    received: TOTAL,
    wrong: 0,
  })
  expect(a.arena.i32[client.sk + SK_WMEM_ALLOC]).toBe(0)
  client.finish()
  sim.run(MINUTE, () => peer.eof)
  peer.close()
  sim.run(MINUTE, () => client.eof)
  client.close()
  server.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
  return most
}
const expectNoneLost = ({ a }: Pair): void => {
  expect(a.drops('QDISC_DROP')).toBe(0)
  expect(a.drops('CPU_BACKLOG')).toBe(0)
  expect(a.mib('TcpRetransSegs')).toBe(0)
}
/** Drivers that take one frame of three that they are offered. */
const slowDown = ({ wire }: Pair): void => {
  let offered = 0
  Object.defineProperty(wire, 'busy', { get: () => ++offered % 3 !== 0 })
}

describe.each([false, true])('offloads %p', (offload) => {
  const kind = { a: { offload }, b: { offload } }

  test('a slow driver with a short queue', async () => {
    const net = await twoHosts(kind)
    slowDown(net)
    await net.a.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', txqlen: 20 } })
    const most = bulk(net, '10.0.1.2', net.b)
    expectNoneLost(net)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThan(500_000)
  })
  test('a slow driver, and tcp_limit_output_bytes', async () => {
    const net = await twoHosts(kind)
    slowDown(net)
    await net.a.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_limit_output_bytes', value: 10_000 })
    expect(bulk(net, '10.0.1.2', net.b)).toBeLessThan(10_000 + 2 * 70_000)
    expectNoneLost(net)
  })
  test('a link with a delay and a short queue', async () => {
    const net = await twoHosts(kind)
    const netem = { delay: 5000, limit: 20 }
    await net.a.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', netem } })
    bulk(net, '10.0.1.2', net.b)
    expectNoneLost(net)
  })
  test('lo, with a short backlog', async () => {
    const net = await twoHosts(kind)
    await net.a.must({ type: 'SYSCTL_SET', name: 'net.core.netdev_max_backlog', value: 4 })
    bulk(net, '127.0.0.1', net.a)
    expectNoneLost(net)
  })
})
