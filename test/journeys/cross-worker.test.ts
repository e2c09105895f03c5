// Stacks of several workers, run by one thread in a seeded order: every packet of a flow comes to the worker that owns
// it, whatever the packet is (a fragment, an ICMP error, a frame of another link), and nothing is lost between them.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { SK_BOUND_DEV, SK_MTU, SK_NUM } from '../../core/socket/sock.ts'
import { counterBank, Mib, Softnet } from '../../core/shm/counters.ts'
import { DevStat, sumDeviceStat } from '../../core/netdev/netdev.ts'
import {
  NF_ACCEPT,
  NF_INET_LOCAL_IN,
  NF_INET_PRE_ROUTING,
} from '../../core/netfilter/nf-constants.ts'
import {
  PACKET_OUTGOING,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_PKT_TYPE,
} from '../../core/skb/skb.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import { arpFrame, BROADCAST_MAC } from '../../sim/net/packets.ts'
import { dialTcp, openUdp, serveTcp, type TcpEnd, type TcpServer } from '../../sim/net/sim-apps.ts'
import type { Sim, SimHost } from '../../sim/net/net-sim.ts'
import { routed6 } from '../../sim/net/routed.ts'
import { LONG_MS, MAC, routed, twoHosts } from '../support/sim-topology.ts'

const MINUTES = 60_000
const perWorker = (host: SimHost, counter: number): number[] =>
  host.stacks.map(({ thread }) => host.arena.f64[counterBank(host.arena, thread) + counter]!)
const bytes = (length: number, salt = 0): Uint8Array =>
  new Uint8Array(length).map((_, k) => (Math.imul(k + salt, 2654435761) >>> 11) & 255)

/** Everything ends, and comes home. */
const closeAll = (sim: Sim, server: TcpServer, clients: readonly TcpEnd[]): void => {
  for (const end of [...server.ends, ...clients]) end.close()
  server.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
}

describe.each([2, 4])('with %p workers a host', (workers) => {
  test('a connection lives on the worker that dialled, and on one at the other end', async () => {
    const many = { workers }
    const net = await routed({
      seed: workers,
      wire: { loss: 0.01, delayUs: 500 },
      a: many,
      b: many,
      router: many,
    })
    const { sim, a, b } = net
    const server = serveTcp(b, 80)
    const clients: TcpEnd[] = []
    for (let k = 0; k < 24; k++) clients.push(dialTcp(a, '10.0.2.2', 80, k % workers))
    sim.run(MINUTES, () => server.ends.length === 24 && clients.every((end) => end.connected))
    expect(clients.map((end) => end.error)).toEqual(Array(24).fill(0))
    expect(server.ends.length).toBe(24)
    // the port was chosen so that answers hash home: nothing had to be passed on
    expect(perWorker(a, Softnet.steered)).toEqual(Array(workers).fill(0))
    expect(new Set(server.ends.map((end) => end.worker)).size).toBe(workers)
    for (const end of [...clients, ...server.ends]) end.start(50_000)
    sim.run(10 * MINUTES, () =>
      [...clients, ...server.ends].every((end) => end.received === 50_000)
    )
    for (const end of [...clients, ...server.ends])
      expect([end.received, end.wrong, end.error]).toEqual([50_000, 0, 0])
    for (const segs of perWorker(a, Mib.TcpInSegs)) expect(segs).toBeGreaterThan(100)
    expect(perWorker(b, Mib.TcpOutRsts)).toEqual(Array(workers).fill(0))
    for (const end of clients) end.finish()
    sim.run(MINUTES, () => server.ends.every((end) => end.eof))
    closeAll(sim, server, clients)
  })

  test('UDP sockets of every worker hear their own answers', async () => {
    const many = { workers }
    const { sim, a } = await routed({
      a: many,
      b: { ...many, services: { echo: true } },
      router: many,
    })
    const sockets = Array.from({ length: 4 * workers }, (_, k) => openUdp(a, 0, k % workers))
    for (let round = 1; round <= 5; round++) {
      for (const [k, socket] of sockets.entries())
        expect(socket.send(bytes(100 + k, k), '10.0.2.2', 7)).toBe(100 + k)
      sim.run(2000, () => sockets.every((socket) => socket.heard.length === round))
    }
    for (const [k, socket] of sockets.entries()) {
      expect(socket.heard.length).toBe(5)
      for (const { bytes: got } of socket.heard) expect(got).toEqual(bytes(100 + k, k))
    }
    for (const socket of sockets) socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('a datagram in fragments is put together and comes to the worker of its ports', async () => {
    const many = { workers }
    const { sim, a, b } = await twoHosts({
      seed: 9,
      wire: { reorder: 0.3 },
      a: many,
      b: { ...many, services: { echo: true } },
    })
    const sockets = Array.from({ length: 3 * workers }, (_, k) => openUdp(a, 0, k % workers))
    for (const [k, socket] of sockets.entries()) socket.send(bytes(5000 + k, k), '10.0.1.2', 7)
    sim.run(5000, () => sockets.every((socket) => socket.heard.length === 1))
    for (const [k, socket] of sockets.entries())
      expect(socket.heard.map(({ bytes: got }) => Bun.hash(got))).toEqual([
        Bun.hash(bytes(5000 + k, k)),
      ])
    expect(b.mib('IpReasmOKs')).toBe(3 * workers)
    // pieces hash on addresses: all to one worker, and most of the wholes to another
    expect(perWorker(b, Mib.IpReasmOKs).filter((n) => n > 0).length).toBe(1)
    expect(perWorker(b, Softnet.steered).reduce((x, y) => x + y)).toBeGreaterThan(0)
    for (const socket of sockets) socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('an ICMP error comes to the worker whose socket it is about', async () => {
    const many = { workers }
    const { sim, a } = await routed({ a: many, b: many, router: many })
    const sockets = Array.from({ length: 4 * workers }, (_, k) => openUdp(a, 0, k % workers))
    for (const socket of sockets) {
      socket.connect('10.0.2.2', 4444)
      expect(socket.send(bytes(10))).toBe(10)
      // one error in a second and a burst of six is what one peer gets
      sim.run(1100)
    }
    for (const socket of sockets) expect(socket.errors).toEqual([Errno.ECONNREFUSED])
    for (const socket of sockets) socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('FRAG_NEEDED finds the connection it is about', async () => {
    const many = { workers }
    const { sim, a, b } = await routed({ mtu: 800, a: many, b: many, router: many })
    const server = serveTcp(b, 80)
    const clients = Array.from({ length: 2 * workers }, (_, k) =>
      dialTcp(a, '10.0.2.2', 80, k % workers)
    )
    sim.run(MINUTES, () => server.ends.length === clients.length)
    for (const end of clients) end.start(100_000)
    sim.run(10 * MINUTES, () => server.ends.every((end) => end.received === 100_000))
    for (const end of server.ends) expect([end.received, end.wrong]).toEqual([100_000, 0])
    expect(a.mib('IcmpInErrors')).toBe(0)
    for (const end of clients) end.finish()
    sim.run(MINUTES, () => server.ends.every((end) => end.eof))
    closeAll(sim, server, clients)
  })

  test('workers that are steered to by another table go on with their connections', async () => {
    const { sim, a, b } = await twoHosts({ a: { workers }, b: { workers } })
    const server = serveTcp(b, 80)
    const clients = Array.from({ length: 2 * workers }, (_, k) =>
      dialTcp(a, '10.0.1.2', 80, k % workers)
    )
    sim.run(MINUTES, () => server.ends.length === clients.length)
    for (const end of clients) end.start(300_000)
    sim.run(5)
    // all frames now come to worker 0, whoever owns the flow
    for (const host of [a, b])
      await host.must({
        type: 'ETHTOOL_MSG_RSS_SET',
        rss: { ifname: 'eth0', 'rss-indirection-table': Array(128).fill(0) },
      })
    sim.run(10 * MINUTES, () => server.ends.every((end) => end.received === 300_000))
    for (const end of server.ends)
      expect([end.received, end.wrong, end.error]).toEqual([300_000, 0, 0])
    for (const end of clients) end.finish()
    sim.run(MINUTES, () => server.ends.every((end) => end.eof))
    closeAll(sim, server, clients)
  })
})

describe.each([1, 2, 3, 4, 8, 16])(
  'with %p workers and a table that changes again and again',
  (workers) => {
    test('connections stay with their owner and in order, and nothing is left over', async () => {
      const many = { workers, config: { skbs: 4096, smallBuffers: 4096, largeBuffers: 256 } }
      const wire = { delayUs: 400 }
      const { sim, a, b } = await twoHosts({ seed: workers, wire, a: many, b: many })
      const server = serveTcp(b, 80)
      const clients = Array.from({ length: 16 }, (_, k) => dialTcp(a, '10.0.1.2', 80, k % workers))
      sim.run(MINUTES, () => server.ends.length === clients.length)
      const ends = [...clients, ...server.ends]
      const owners = ends.map((end) => end.worker)
      for (const end of ends) end.start(100_000)
      const isDone = (): boolean => ends.every((end) => end.received === 100_000)
      for (let turn = 1; !isDone() && turn < 1000; turn++) {
        sim.run(1, isDone)
        const table = Array.from({ length: 128 }, (_, k) => (k * turn + turn) % workers)
        for (const host of [a, b])
          await host.must({
            type: 'ETHTOOL_MSG_RSS_SET',
            rss: { ifname: 'eth0', 'rss-indirection-table': table },
          })
      }
      for (const end of ends) expect([end.received, end.wrong, end.error]).toEqual([100_000, 0, 0])
      expect(ends.map((end) => end.worker)).toEqual(owners)
      // frames came to workers that do not have the flow, and were passed on; none was answered with a reset
      if (workers > 1)
        expect(perWorker(b, Softnet.steered).reduce((x, y) => x + y)).toBeGreaterThan(0)
      for (const host of [a, b]) expect(host.mib('TcpOutRsts')).toBe(0)
      for (const end of clients) end.finish()
      sim.run(MINUTES, () => server.ends.every((end) => end.eof))
      for (const end of ends) end.close()
      server.close()
      sim.run(LONG_MS)
      expect(sim.leaks()).toEqual({})
    })
  }
)

/** What a host's taps and its hooks on the way in see, all workers together. */
const watch = (host: SimHost) => {
  const seen = { taps: 0, arps: 0, PRE_ROUTING: 0, LOCAL_IN: 0 }
  const { i32, u8 } = host.arena
  for (const { ptype, skbs, nf } of host.stacks) {
    ptype.devAddPack(ethernet.ETH_P_ALL, (skb) => {
      if (i32[skb + SKB_PKT_TYPE] !== PACKET_OUTGOING) seen.taps++
      const type = ethernet.type(u8, i32[skb + SKB_DATA]!)
      if (type === ethernet.ETH_P_ARP && i32[skb + SKB_PKT_TYPE] !== PACKET_OUTGOING) seen.arps++
      skbs.free(skb)
    })
    const count = (hook: number, name: 'PRE_ROUTING' | 'LOCAL_IN'): void => {
      nf.register({
        hook,
        priority: 1,
        fn: () => {
          seen[name]++
          return NF_ACCEPT
        },
      })
    }
    count(NF_INET_PRE_ROUTING, 'PRE_ROUTING')
    count(NF_INET_LOCAL_IN, 'LOCAL_IN')
  }
  host.turn()
  return seen
}

describe.each([
  ['IPv4', '10.0.2.2'],
  ['IPv6', '2001:db8:2::2'],
])(
  'what ICMP says over %s finds the worker that sent, whatever the steering is by then',
  (_name, to) => {
    const toWorker = (host: SimHost, worker: number) =>
      host.must({
        type: 'ETHTOOL_MSG_RSS_SET',
        rss: { ifname: 'eth0', 'rss-indirection-table': Array(128).fill(worker) },
      })
    const family = to.includes(':') ? AF_INET6 : AF_INET

    test('a path that takes less', async () => {
      const net = await routed6({ narrow: 1300, a: { workers: 2 } })
      const { sim, a, b } = net
      const server = serveTcp(b, 80, family)
      const clients = [0, 1].map((worker) => dialTcp(a, to, 80, worker))
      sim.run(MINUTES, () => server.ends.length === 2 && clients.every((end) => end.connected))
      for (const worker of [0, 1]) await toWorker(a, worker)
      for (const end of clients) end.start(50_000)
      sim.run(MINUTES, () => server.ends.every((end) => end.received === 50_000))
      expect(server.ends.map((end) => end.received)).toEqual([50_000, 50_000])
      expect(clients.map(({ sk }) => a.arena.i32[sk + SK_MTU])).toEqual([1300, 1300])
      expect(a.mib('IcmpInErrors') + a.mib('Icmp6InErrors')).toBe(0)
      for (const end of clients) end.finish()
      sim.run(MINUTES, () => server.ends.every((end) => end.eof))
      closeAll(sim, server, clients)
    })

    test('a port that nobody has', async () => {
      const { sim, a } = await routed6({ a: { workers: 2 } })
      const sockets = [0, 1].map((worker) => openUdp(a, 0, worker, family))
      for (const socket of sockets) expect(socket.connect(to, 9)).toBe(0)
      await toWorker(a, 1)
      for (const socket of sockets) socket.send(bytes(10))
      sim.run(1000)
      expect(sockets.map(({ errors }) => errors)).toEqual([
        [Errno.ECONNREFUSED],
        [Errno.ECONNREFUSED],
      ])
      for (const socket of sockets) socket.close()
      sim.run(LONG_MS)
      expect(sim.leaks()).toEqual({})
    })
  }
)

describe('what changes CPU on its way is seen once', () => {
  const steerToFirst = (host: SimHost) =>
    host.must({
      type: 'ETHTOOL_MSG_RSS_SET',
      rss: { ifname: 'eth0', 'rss-indirection-table': Array(128).fill(0) },
    })
  const frames = (host: SimHost): number =>
    sumDeviceStat(host.arena, host.ifindex('eth0'), DevStat.rx_packets)

  test('segments whose connection is another worker’s', async () => {
    const { sim, a, b } = await twoHosts({ a: { workers: 4 }, b: { workers: 4 } })
    const server = serveTcp(b, 80)
    const clients = Array.from({ length: 12 }, (_, k) => dialTcp(a, '10.0.1.2', 80, k % 4))
    sim.run(MINUTES, () => server.ends.length === clients.length)
    await steerToFirst(b)
    const seen = watch(b)
    const before = [frames(b), b.mib('IpInReceives'), b.mib('IpInDelivers'), b.mib('TcpInSegs')]
    for (const end of clients) end.start(50_000)
    sim.run(10 * MINUTES, () => server.ends.every((end) => end.received === 50_000))
    sim.run(100)
    expect(perWorker(b, Softnet.steered)[0]).toBeGreaterThan(100)
    const after = [frames(b), b.mib('IpInReceives'), b.mib('IpInDelivers'), b.mib('TcpInSegs')]
    const [rx, receives, delivers, segs] = after.map((n, k) => n - before[k]!)
    expect([receives, delivers, segs]).toEqual([rx! - seen.arps, rx! - seen.arps, segs!])
    expect(segs).toBe(delivers!)
    expect(seen).toMatchObject({ taps: rx!, PRE_ROUTING: receives!, LOCAL_IN: receives! })
    for (const end of clients) end.finish()
    sim.run(MINUTES, () => server.ends.every((end) => end.eof))
    closeAll(sim, server, clients)
  })

  test('fragments, and the datagram that they were', async () => {
    const { sim, a, b } = await twoHosts({ seed: 5, b: { workers: 4 } })
    const sinks = Array.from({ length: 4 }, (_, worker) => openUdp(b, 9, worker))
    const seen = watch(b)
    const sockets = Array.from({ length: 12 }, () => openUdp(a))
    // one by one: however they spread, a socket has room for each
    for (const [k, socket] of sockets.entries()) {
      socket.send(bytes(4000, k), '10.0.1.2', 9)
      sim.run(100)
    }
    expect(sinks.map(({ heard }) => heard.length).reduce((x, y) => x + y)).toBe(12)
    expect(sinks.filter(({ heard }) => heard.length > 0).length).toBeGreaterThan(1)
    expect(b.mib('IpInReceives')).toBe(36)
    expect(b.mib('IpInDelivers')).toBe(12)
    expect(seen).toMatchObject({ taps: 36 + seen.arps, PRE_ROUTING: 36, LOCAL_IN: 12 })
    for (const socket of [...sinks, ...sockets]) socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('a datagram whose port only another worker has', async () => {
    const { sim, a, b } = await twoHosts({ b: { workers: 4 } })
    const sink = openUdp(b, 9, 3)
    const seen = watch(b)
    const sockets = Array.from({ length: 20 }, () => openUdp(a))
    for (const [k, socket] of sockets.entries()) socket.send(bytes(100, k), '10.0.1.2', 9)
    sim.run(1000)
    expect(sink.heard).toHaveLength(20)
    expect(b.mib('IpInReceives')).toBe(20)
    expect(b.mib('IpInDelivers')).toBe(20)
    expect(b.mib('UdpNoPorts')).toBe(0)
    expect(seen).toMatchObject({ taps: 20 + seen.arps, PRE_ROUTING: 20, LOCAL_IN: 20 })
    for (const socket of [sink, ...sockets]) socket.close()
  })

  test('ARP, which worker 0 answers for all', async () => {
    const { sim, a, b } = await twoHosts({ b: { workers: 2 } })
    const stack = b.stacks[1]!
    const seen = watch(b)
    const frame = arpFrame(
      { dst: BROADCAST_MAC, src: MAC.a },
      { op: 1, sha: MAC.a, sip: '10.0.1.1', tip: '10.0.1.2' }
    )
    const skb = stack.skbs.alloc(frame.length, RX_HEADROOM)
    b.arena.u8.set(frame, stack.skbs.put(skb, frame.length))
    b.arena.i32[skb + SKB_DEV] = b.ifindex('eth0')
    // whoever put it there: it has come to worker 1
    stack.backlog.enqueueToBacklog(1, skb, 0)
    sim.run(10)
    expect(seen.arps).toBe(1)
    expect(perWorker(b, Softnet.steered)).toEqual([0, 1])
    expect(b.mib('IpInReceives')).toBe(0)
    // a heard the answer
    const socket = openUdp(a)
    socket.send(bytes(1), '10.0.1.2', 9)
    sim.run(10)
    expect(seen.PRE_ROUTING).toBe(1)
    socket.close()
  })
})

test('the first and the last of 32 workers keep their connections when all frames come to the other', async () => {
  const config = { skbs: 2048, smallBuffers: 1024, largeBuffers: 64 }
  const { sim, a, b } = await twoHosts({ a: { config }, b: { workers: 32, config } })
  const server = serveTcp(b, 80)
  const clients = Array.from({ length: 200 }, () => dialTcp(a, '10.0.1.2', 80))
  sim.run(MINUTES, () => server.ends.length === clients.length)
  for (const worker of [0, 31]) expect(server.ends.some((end) => end.worker === worker)).toBe(true)
  for (const only of [0, 31]) {
    await b.must({
      type: 'ETHTOOL_MSG_RSS_SET',
      rss: { ifname: 'eth0', 'rss-indirection-table': Array(128).fill(only) },
    })
    const before = server.ends.map(({ received }) => received)
    for (const end of clients) end.start(100)
    sim.run(MINUTES, () => server.ends.every(({ received }, k) => received === before[k]! + 100))
    for (const [k, end] of server.ends.entries())
      expect([end.received - before[k]!, end.wrong, end.error]).toEqual([100, 0, 0])
  }
  expect(b.mib('TcpOutRsts')).toBe(0)
  for (const end of clients) end.finish()
  sim.run(MINUTES, () => server.ends.every((end) => end.eof))
  closeAll(sim, server, clients)
})

test.each([2, 4])(
  'a new connection is answered where it arrives, though %p workers are full',
  async (workers) => {
    const config = { socks: 512 }
    const { sim, a, b } = await twoHosts({ a: { workers, config }, b: { workers, config } })
    const server = serveTcp(b, 80)
    const before = perWorker(b, Softnet.steered)
    const clients: TcpEnd[] = []
    for (let k = 0; k < 300; k++) {
      clients.push(dialTcp(a, '10.0.1.2', 80, k % workers))
      if (k % 10 === 9) sim.run(20)
    }
    sim.run(MINUTES, () => server.ends.length === clients.length)
    expect(server.ends.length).toBe(300)
    expect(perWorker(b, Softnet.steered)).toEqual(before)
    for (const end of clients) end.finish()
    sim.run(MINUTES, () => server.ends.every((end) => end.eof))
    closeAll(sim, server, clients)
  }
)

test('the same seed is the same run, down to the counters', async () => {
  const once = async () => {
    const many = { workers: 2 }
    const net = await routed({
      seed: 77,
      wire: { loss: 0.05, reorder: 0.2 },
      a: many,
      b: many,
      router: many,
    })
    const server = serveTcp(net.b, 80)
    const client = dialTcp(net.a, '10.0.2.2', 80, 1)
    client.start(300_000)
    net.sim.run(2 * MINUTES, () => server.ends[0]?.received === 300_000)
    const names = Object.keys(Mib) as (keyof typeof Mib)[]
    return {
      at: net.sim.nowMs(),
      port: net.a.arena.i32[client.sk + SK_NUM],
      dev: net.a.arena.i32[client.sk + SK_BOUND_DEV],
      counters: [net.a, net.b, net.r].map((host) => names.map((name) => host.mib(name))),
    }
  }
  expect(await once()).toEqual(await once())
})
