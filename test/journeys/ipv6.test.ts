// What IPv6 carries between whole stacks: datagrams and streams through a router, in one piece and in many.

import { describe, expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { TCP_SYN } from '../../core/wire/tcp.ts'
import { dumped } from '../support/control-plane.ts'
import { dialTcp, openUdp, serveTcp } from '../../sim/net/sim-apps.ts'
import { GREETINGS_MS, LONG_MS } from '../support/sim-topology.ts'
import { A6, B6, LINK, routed6 } from '../../sim/net/routed.ts'

const bytes = (length: number, salt = 0): Uint8Array =>
  new Uint8Array(length).map((_, k) => (Math.imul(k + salt, 2654435761) >>> 11) & 255)

/** The neighbours' own words. */
const isIcmpv6 = (frame: Uint8Array): boolean => frame[20] === 58

describe.each([false, true])('with offloads %p', (offload) => {
  const more = { offload }
  test('echo answers through a router', async () => {
    const { sim, a, b, r } = await routed6({ b: { services: { echo: true }, ...more }, a: more })
    const socket = openUdp(a, 0, 0, AF_INET6)
    for (let k = 0; k < 50; k++) {
      expect(socket.send(bytes(k * 29, k), B6, 7)).toBe(k * 29)
      sim.run(1000, () => socket.heard.length === k + 1)
      expect(socket.heard[k]).toEqual({ bytes: bytes(k * 29, k), from: B6, port: 7 })
    }
    expect(r.mib('Ip6OutForwDatagrams')).toBe(100)
    expect(b.mib('Udp6InDatagrams')).toBe(50)
    expect(a.mib('Udp6OutDatagrams')).toBe(50)
    expect([a.mib('UdpOutDatagrams'), b.mib('UdpInDatagrams')]).toEqual([0, 0])
    socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test.each([60_000, 65_527])(
    'a datagram of %i bytes is cut, crosses out of order and is put together',
    async (length) => {
      const { sim, a, b } = await routed6({ seed: 3, a: more, b: more, wire: { reorder: 0.5 } })
      const socket = openUdp(a, 0, 0, AF_INET6)
      const server = openUdp(b, 5000, 0, AF_INET6)
      expect(socket.send(bytes(length), B6, 5000)).toBe(length)
      expect(sim.run(5000, () => server.heard.length === 1)).toBe(true)
      expect(Bun.hash(server.heard[0]!.bytes)).toBe(Bun.hash(bytes(length)))
      expect(a.mib('Ip6FragOKs')).toBe(1)
      expect(a.mib('Ip6FragCreates')).toBe(Math.ceil((length + 8) / 1448))
      expect(b.mib('Ip6ReasmOKs')).toBe(1)
      expect(socket.send(bytes(65_528), B6, 5000)).toBe(-Errno.EMSGSIZE)
      socket.close()
      server.close()
      sim.run(LONG_MS)
      expect(sim.leaks()).toEqual({})
    }
  )

  test('a stream crosses a bad router both ways', async () => {
    const wire = { loss: 0.02, reorder: 0.1, duplicate: 0.02 }
    const { sim, a, b } = await routed6({ seed: 7, a: more, b: more, wire })
    const server = serveTcp(b, 80, AF_INET6)
    const client = dialTcp(a, B6, 80)
    client.start(300_000)
    sim.run(600_000, () => server.ends.length === 1)
    const end = server.ends[0]!
    end.start(300_000)
    const done = (): boolean => end.received === 300_000 && client.received === 300_000
    expect(sim.run(600_000, done)).toBe(true)
    expect([client.wrong, end.wrong, client.error, end.error]).toEqual([0, 0, 0, 0])
    client.finish()
    end.finish()
    sim.run(10_000)
    for (const each of [client, end, server]) each.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })
})

test('a SYN says an MSS that is 60 octets less than what the link takes (RFC 8200 8.3)', async () => {
  const said: number[] = []
  const filter = (frame: Uint8Array): boolean => {
    const isSyn = frame[20] === IPPROTO_TCP && (frame[14 + 40 + 13]! & TCP_SYN) !== 0
    // the first option of a SYN (RFC 9293 3.7.1)
    if (isSyn) said.push((frame[14 + 60 + 2]! << 8) | frame[14 + 60 + 3]!)
    return true
  }
  const { sim, a, b } = await routed6({ wire: { filter } })
  const server = serveTcp(b, 80, AF_INET6)
  const client = dialTcp(a, B6, 80)
  sim.run(1000, () => server.ends.length === 1)
  expect(new Set(said)).toEqual(new Set([1500 - 60]))
  for (const each of [client, ...server.ends, server]) each.close()
})

describe('a socket of both families', () => {
  test('hears IPv4 as mapped addresses, and answers the same way', async () => {
    const { sim, a, b } = await routed6()
    const server = openUdp(b, 5000, 0, AF_INET6)
    const four = openUdp(a)
    const six = openUdp(a, 0, 0, AF_INET6)
    four.send(bytes(10), '10.0.2.2', 5000)
    six.send(bytes(11), B6, 5000)
    six.send(bytes(12), '::ffff:10.0.2.2', 5000)
    expect(sim.run(5000, () => server.heard.length === 3)).toBe(true)
    const heard = server.heard.map(({ bytes, from }) => `${bytes.length} ${from}`).sort()
    expect(heard).toEqual(['10 10.0.1.1', `11 ${A6}`, '12 10.0.1.1'])
    expect([b.mib('UdpInDatagrams'), b.mib('Udp6InDatagrams')]).toEqual([2, 1])
    expect(server.send(bytes(1), '10.0.1.1', server.heard[0]!.port)).toBe(1)
    expect(sim.run(5000, () => four.heard.length + six.heard.length === 1)).toBe(true)
    for (const each of [server, four, six]) each.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('accepts streams of both', async () => {
    const { sim, a, b } = await routed6()
    const server = serveTcp(b, 80, AF_INET6)
    const clients = ['10.0.2.2', B6, '::ffff:10.0.2.2'].map((to, k) =>
      dialTcp(a, to, 80, 0, k === 0 ? AF_INET : AF_INET6)
    )
    for (const client of clients) client.start(1000)
    const all = (): boolean => server.ends.filter((end) => end.received === 1000).length === 3
    expect(sim.run(5000, all)).toBe(true)
    for (const each of [...clients, ...server.ends, server]) each.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('V6ONLY leaves IPv4 to another, and speaks none itself', async () => {
    const { sim, a, b } = await routed6()
    const { sockets } = b.stack
    const only = openUdp(b, 0, 0, AF_INET6)
    expect(sockets.setsockopt(only.sk, 41, 26, 1)).toBe(0)
    expect(sockets.bind(only.sk, new Int32Array(4), 0, 5000)).toBe(0)
    const four = openUdp(b, 5000)
    expect(only.send(bytes(1), '10.0.1.1', 5000)).toBe(-Errno.ENETUNREACH)
    const client = openUdp(a, 0, 0, AF_INET6)
    client.send(bytes(3), '10.0.2.2', 5000)
    client.send(bytes(4), B6, 5000)
    expect(sim.run(5000, () => only.heard.length + four.heard.length === 2)).toBe(true)
    expect([four.heard[0]!.bytes.length, only.heard[0]!.bytes.length]).toEqual([3, 4])
    for (const each of [only, four, client]) each.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })
})

describe('addresses of a link', () => {
  const services = { services: { echo: true } }
  test('are spoken to on the link that the zone names, and answered there', async () => {
    const { sim, a, b, r } = await routed6({ a: services, b: services, router: services })
    const socket = openUdp(r, 0, 0, AF_INET6)
    const [eth1, eth2] = [r.ifindex('eth1'), r.ifindex('eth2')]
    socket.send(bytes(10), LINK.a, 7, eth1)
    socket.send(bytes(20), LINK.b, 7, eth2)
    expect(sim.run(2000, () => socket.heard.length === 2)).toBe(true)
    const heard = socket.heard.map(({ bytes, from, zone }) => [bytes.length, from, zone])
    expect(heard).toContainEqual([10, LINK.a, eth1])
    expect(heard).toContainEqual([20, LINK.b, eth2])
    // the other way round: the echo service knows by which link to answer
    const far = openUdp(b, 0, 0, AF_INET6)
    far.send(bytes(30), LINK.r2, 7, b.ifindex('eth0'))
    expect(sim.run(2000, () => far.heard.length === 1)).toBe(true)
    // there is no such address on that link
    far.send(bytes(30), LINK.r1, 7, b.ifindex('eth0'))
    sim.run(2000)
    expect(far.heard).toHaveLength(1)
    for (const each of [socket, far]) each.close()
    expect(a.mib('Udp6InDatagrams')).toBe(1)
  })

  test('streams too', async () => {
    const { sim, a, b, r } = await routed6({ a: services, b: services })
    for (const [host, to, ifname] of [
      [r, LINK.a, 'eth1'],
      [r, LINK.b, 'eth2'],
    ] as const) {
      const client = dialTcp(host, to, 7, 0, AF_INET6, host.ifindex(ifname))
      client.start(5000)
      expect(sim.run(5000, () => client.received === 5000)).toBe(true)
      client.close()
    }
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
    expect([a.mib('TcpPassiveOpens'), b.mib('TcpPassiveOpens')]).toEqual([1, 1])
  })

  test('need a zone, which is the socket’s own', async () => {
    const { a } = await routed6()
    const eth0 = a.ifindex('eth0')
    const { sockets } = a.stack
    const words: [Int32Array, number] = [Int32Array.of(0xfe800000, 0, 0xff, 0xfe00000a), 0]
    for (const type of [1, 2]) {
      const sk = sockets.socket(AF_INET6, type, 0)
      expect(sockets.bind(sk, ...words, 99)).toBe(-Errno.EINVAL)
      expect(sockets.connect(sk, ...words, 99)).toBe(-Errno.EINVAL)
      expect(sockets.bind(sk, ...words, 99, eth0)).toBe(0)
      expect(sockets.getsockopt(sk, 1, 62)).toBe(eth0)
      expect(sockets.connect(sk, ...words, 98, eth0 + 1)).toBe(-Errno.EINVAL)
      expect(sockets.getsockopt(sk, 1, 62)).toBe(eth0)
      sockets.close(sk)
    }
  })
})

test('one flow has one label, and another has another (RFC 6437)', async () => {
  const labels = new Map<number, Set<number>>()
  const { sim, a, b, left } = await routed6({ b: { services: { echo: true } } })
  sim.run(GREETINGS_MS)
  left.filter = (frame, from) => {
    const port = (frame[54]! << 8) | frame[55]!
    const label = ((frame[15]! & 15) << 16) | (frame[16]! << 8) | frame[17]!
    if (from === 'a' && !isIcmpv6(frame))
      labels.set(port, (labels.get(port) ?? new Set()).add(label))
    return true
  }
  const sockets = [1, 2, 3].map(() => openUdp(a, 0, 0, AF_INET6))
  for (let k = 0; k < 4; k++) for (const socket of sockets) socket.send(bytes(20), B6, 7)
  const client = dialTcp(a, B6, 7)
  client.start(20_000)
  expect(sim.run(5000, () => client.received === 20_000)).toBe(true)
  expect(labels.size).toBe(4)
  expect([...labels.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1])
  const all = new Set([...labels.values()].flatMap((each) => [...each]))
  expect(all.size).toBe(4)
  expect(all.has(0)).toBe(false)
  for (const each of [...sockets, client]) each.close()
  expect(b.mib('Udp6InDatagrams')).toBe(12)
})

describe('path MTU discovery (RFC 8201)', () => {
  const services = { services: { echo: true } }
  test('a stream shrinks to what the path takes, and all of it arrives', async () => {
    const { sim, a, b, r } = await routed6({ mtu: 1280 })
    const server = serveTcp(b, 80, AF_INET6)
    const client = dialTcp(a, B6, 80)
    sim.run(2000, () => server.ends.length === 1)
    client.start(100_000)
    expect(sim.run(60_000, () => server.ends[0]!.received === 100_000)).toBe(true)
    expect(server.ends[0]!.wrong).toBe(0)
    // b had told a what its own link takes: nothing was too big
    expect(r.mib('Icmp6OutPktTooBigs')).toBe(0)
    for (const each of [client, ...server.ends, server]) each.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('also where the narrow link is one that neither end knows', async () => {
    const { sim, a, b, r } = await routed6({ narrow: 1300 })
    const server = serveTcp(b, 80, AF_INET6)
    const client = dialTcp(a, B6, 80)
    client.start(100_000)
    sim.run(60_000, () => server.ends[0]?.received === 100_000)
    expect(server.ends[0]!.received).toBe(100_000)
    expect(r.mib('Icmp6OutPktTooBigs')).toBeGreaterThan(0)
    expect(a.mib('Icmp6InPktTooBigs')).toBe(r.mib('Icmp6OutPktTooBigs'))
    expect(a.mib('TcpRetransSegs')).toBeGreaterThan(0)
    for (const each of [client, ...server.ends, server]) each.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test.each([false, true])(
    'datagrams are cut at the source from then on (offloads %p)',
    async (offload) => {
      const { sim, a, r } = await routed6({
        narrow: 1280,
        a: { offload },
        b: { offload, ...services },
        router: { offload },
      })
      const socket = openUdp(a, 0, 0, AF_INET6)
      socket.send(bytes(1400), B6, 7)
      sim.run(1000)
      expect(socket.heard).toHaveLength(0)
      expect(a.mib('Icmp6InPktTooBigs')).toBe(1)
      for (const length of [1400, 30_000]) {
        socket.heard.length = 0
        socket.send(bytes(length), B6, 7)
        expect(sim.run(2000, () => socket.heard.length === 1)).toBe(true)
        expect(Bun.hash(socket.heard[0]!.bytes)).toBe(Bun.hash(bytes(length)))
      }
      expect(r.mib('Icmp6OutPktTooBigs')).toBeLessThan(4)
      // ten minutes later the path is tried again
      sim.run(610_000)
      socket.send(bytes(1400), B6, 7)
      sim.run(1000)
      expect(a.mib('Icmp6InPktTooBigs')).toBe(2)
      socket.close()
      sim.run(LONG_MS)
      expect(sim.leaks()).toEqual({})
    }
  )
})

test('a closed port refuses a connected socket, and a stream', async () => {
  const { sim, a, b } = await routed6()
  const socket = openUdp(a, 0, 0, AF_INET6)
  expect(socket.connect(B6, 4000)).toBe(0)
  socket.send(bytes(10))
  sim.run(1000, () => socket.errors.length > 0)
  expect(socket.errors).toEqual([Errno.ECONNREFUSED])
  expect(b.mib('Udp6NoPorts')).toBe(1)
  const client = dialTcp(a, B6, 4000)
  sim.run(1000, () => client.error !== 0)
  expect(client.error).toBe(Errno.ECONNREFUSED)
  client.close()
  socket.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('a router without a route tells a stream that connects at once', async () => {
  const { sim, a, r } = await routed6()
  const client = dialTcp(a, '2001:db8:99::1', 80)
  expect(sim.run(5000, () => client.error !== 0)).toBe(true)
  expect(client.error).toBe(Errno.ENETUNREACH)
  expect(r.mib('Ip6InNoRoutes')).toBeGreaterThan(0)
  client.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('fragments whose datagram never ends are given up after a minute, with a word to the sender', async () => {
  let seen = 0
  const { sim, a, b, left } = await routed6()
  const socket = openUdp(a, 0, 0, AF_INET6)
  left.filter = (frame) => !(frame.length > 1000 && seen++ === 2)
  socket.send(bytes(9000), B6, 5000)
  sim.run(59_000)
  expect(b.mib('Ip6ReasmFails')).toBe(0)
  sim.run(2000)
  expect(b.mib('Ip6ReasmTimeout')).toBe(1)
  expect(b.mib('Icmp6OutTimeExcds')).toBe(1)
  expect(a.mib('Icmp6InTimeExcds')).toBe(1)
  socket.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('anycast addresses come and go with forwarding', async () => {
  const { r } = await routed6()
  const anycasts = (): string[] =>
    dumped(r.control, { type: 'RTM_GETROUTE', filter: { family: 'inet6', table: 'local' } })
      .filter(({ type }) => type === 'anycast')
      .map(({ dst, dev }) => `${dst} ${dev}`)
  const all = ['2001:db8:1:: eth1', '2001:db8:2:: eth2', 'fe80:: eth1', 'fe80:: eth2']
  expect(anycasts().sort()).toEqual(all)
  const set = (dev: string, value: number) =>
    r.must({ type: 'SYSCTL_SET', name: `net.ipv6.conf.${dev}.forwarding`, value })
  await set('eth1', 0)
  expect(anycasts().sort()).toEqual(['2001:db8:2:: eth2', 'fe80:: eth2'])
  await set('all', 0)
  expect(anycasts()).toEqual([])
  await set('all', 1)
  expect(anycasts().sort()).toEqual(all)
})

test('auto_flowlabels, bindv6only and ip6frag_time', async () => {
  const { sim, a, b, left } = await routed6()
  const set = (host: typeof a, name: string, value: number) =>
    host.must({ type: 'SYSCTL_SET', name: `net.ipv6.${name}`, value })
  await set(a, 'auto_flowlabels', 0)
  await set(a, 'bindv6only', 1)
  await set(b, 'ip6frag_time', 3)
  const words: number[] = []
  let seen = 0
  left.filter = (frame) => {
    if (isIcmpv6(frame)) return true
    words.push(new DataView(frame.buffer, frame.byteOffset).getInt32(14))
    return seen++ !== 1
  }
  const socket = openUdp(a, 0, 0, AF_INET6)
  socket.send(bytes(2000), B6, 5000)
  expect(socket.send(bytes(1), '10.0.2.2', 5000)).toBe(-Errno.ENETUNREACH)
  sim.run(2900)
  expect(b.mib('Ip6ReasmTimeout')).toBe(0)
  sim.run(200)
  expect(b.mib('Ip6ReasmTimeout')).toBe(1)
  expect(words.slice(0, 2)).toEqual([0x60000000, 0x60000000])
  socket.close()
})
