// VRFs: a router of two tenants whose hosts have the same addresses. What each sends goes to its own, is answered in its own
// domain, and what is learned in one is not known in the other. The kernel of this machine has no VRFs to be compared
// with: what is expected is what Documentation/networking/vrf.rst says.

import { describe, expect, test } from 'bun:test'
import { AF_INET6 } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import { openUdp, dialTcp, serveTcp } from '../../sim/net/sim-apps.ts'
import { createSim, type SimHost } from '../../sim/net/net-sim.ts'
import { dumped } from '../support/control-plane.ts'
import { GREETINGS_MS, LONG_MS } from '../support/sim-topology.ts'

const lo = { ifname: 'lo', up: true }
const bytes = (length: number, salt = 0): Uint8Array =>
  new Uint8Array(length).map((_, k) => (Math.imul(k + salt, 2654435761) >>> 11) & 255)

const FAMILIES = [
  { family: 2, a: '10.0.1.1', b: '10.0.2.2', left: '10.0.1.254', right: '10.0.2.254' },
  {
    family: AF_INET6,
    a: '2001:db8:1::1',
    b: '2001:db8:2::2',
    left: '2001:db8:1::ff',
    right: '2001:db8:2::ff',
  },
]

const TENANTS = ['red', 'blue'] as const
type Tenant = (typeof TENANTS)[number]
/**
 * For each tenant a host a - router - b, all with the addresses of the other tenant's. `mtus` are those of the networks
 * that b is in.
 */
const tenants = async (mtus: Partial<Record<Tenant, number>> = {}) => {
  const sim = createSim(5)
  const eth = (ifname: string, tail: string, four: string, six: string, more = {}) => ({
    ifname,
    kind: 'pipe',
    address: `02:00:00:00:${tail}`,
    addresses: [`${four}/24`, `${six}/64`],
    up: true,
    ...more,
  })
  const r = await sim.host('r', {
    config: { devices: 16, nexthops: 1024, fibTables: 16 },
    setup: {
      link: [
        lo,
        eth('eth1', '01:01', '10.0.1.254', '2001:db8:1::ff', { master: 'red' }),
        eth('eth2', '01:02', '10.0.2.254', '2001:db8:2::ff', { master: 'red' }),
        eth('eth3', '01:03', '10.0.1.254', '2001:db8:1::ff', { master: 'blue' }),
        eth('eth4', '01:04', '10.0.2.254', '2001:db8:2::ff', { master: 'blue' }),
        { ifname: 'red', kind: 'vrf', data: { table: 10 }, up: true },
        { ifname: 'blue', kind: 'vrf', data: { table: 20 }, up: true },
      ],
      sysctl: { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 },
    },
  })
  const end = (name: string, tail: string, n: number, host: number, mtu = 1500) =>
    sim.host(name, {
      services: { echo: true },
      setup: {
        link: [lo, eth('eth0', tail, `10.0.${n}.${host}`, `2001:db8:${n}::${host}`, { mtu })],
        route: [
          { dst: 'default', gateway: `10.0.${n}.254` },
          { dst: '::/0', gateway: `2001:db8:${n}::ff` },
        ],
      },
    })
  const hosts = {} as Record<Tenant, { a: SimHost; b: SimHost }>
  for (const [k, tenant] of TENANTS.entries()) {
    const a = await end(`${tenant}-a`, `0${k + 2}:0a`, 1, 1)
    const b = await end(`${tenant}-b`, `0${k + 2}:0b`, 2, 2, mtus[tenant])
    if (mtus[tenant] !== undefined)
      await r.must({
        type: 'RTM_NEWLINK',
        flags: 0,
        link: { ifname: `eth${2 * k + 2}`, mtu: mtus[tenant] },
      })
    sim.wire([a, 'eth0'], [r, `eth${2 * k + 1}`])
    sim.wire([r, `eth${2 * k + 2}`], [b, 'eth0'])
    hosts[tenant] = { a, b }
  }
  sim.run(GREETINGS_MS)
  return { sim, r, ...hosts }
}

describe.each(FAMILIES)('$family', ({ family, a: A, b: B, left, right }) => {
  test('each tenant reaches its own, by the same addresses', async () => {
    const { sim, red, blue } = await tenants()
    for (const [k, { a, b }] of [red, blue].entries()) {
      const socket = openUdp(a, 0, 0, family)
      expect(socket.send(bytes(100, k), B, 7)).toBe(100)
      expect(sim.run(5000, () => socket.heard.length === 1)).toBe(true)
      expect(socket.heard).toEqual([{ bytes: bytes(100, k), from: B, port: 7 }])
      expect(b.mib(family === 2 ? 'UdpInDatagrams' : 'Udp6InDatagrams')).toBe(1)
      socket.close()
    }
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('a socket that is bound to a VRF is its own, and others are deaf to it', async () => {
    const { sim, r, red, blue } = await tenants()
    const inRed = openUdp(r, 5000, 0, family, 'red')
    const inBlue = openUdp(r, 5001, 0, family, 'blue')
    const unbound = openUdp(r, 5002, 0, family)
    const onEth1 = openUdp(r, 5003, 0, family, 'eth1')
    const clients = [red, blue].map(({ a }) => openUdp(a, 0, 0, family))
    for (const [k, client] of clients.entries())
      for (const port of [5000, 5001, 5002, 5003]) client.send(bytes(10, k), left, port)
    sim.run(3000)
    expect(
      [inRed, inBlue, unbound, onEth1].map(({ heard }) => heard.map(({ from }) => from))
    ).toEqual([[A], [A], [], [A]])
    // it answers in its domain
    expect(inBlue.send(bytes(20), A, inBlue.heard[0]!.port)).toBe(20)
    expect(inRed.send(bytes(30), A, inRed.heard[0]!.port)).toBe(30)
    expect(unbound.send(bytes(40), A, 9)).toBe(-Errno.ENETUNREACH)
    sim.run(3000)
    expect(clients.map(({ heard }) => heard.map((one) => one.bytes.length))).toEqual([[30], [20]])
    await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.udp_l3mdev_accept', value: 1 })
    for (const client of clients) client.send(bytes(10), left, 5002)
    sim.run(3000)
    expect(unbound.heard.length).toBe(2)
    for (const socket of [inRed, inBlue, unbound, onEth1, ...clients]) socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('a closed port of a VRF is said to be closed, to who asked', async () => {
    const { sim, red, blue } = await tenants()
    for (const { a } of [red, blue]) {
      const socket = openUdp(a, 0, 0, family)
      socket.connect(left, 9)
      socket.send(bytes(1))
      expect(sim.run(3000, () => socket.errors.length === 1)).toBe(true)
      expect(socket.errors).toEqual([Errno.ECONNREFUSED])
      const dial = dialTcp(a, right, 9)
      expect(sim.run(3000, () => dial.error !== 0)).toBe(true)
      expect(dial.error).toBe(Errno.ECONNREFUSED)
      socket.close()
      dial.close()
    }
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('streams to servers of two VRFs on one port', async () => {
    const { sim, r, red, blue } = await tenants()
    const servers = TENANTS.map((dev) => serveTcp(r, 80, family, { dev }))
    const ends = [red, blue].map(({ a }) => dialTcp(a, left, 80))
    for (const [k, end] of ends.entries()) {
      end.start(50_000 + k)
      end.finish()
    }
    expect(sim.run(20_000, () => servers.every(({ ends: [one] }) => one?.eof === true))).toBe(true)
    for (const [k, server] of servers.entries()) {
      const [one] = server.ends
      expect([one!.received, one!.wrong]).toEqual([50_000 + k, 0])
      one!.close()
      server.close()
    }
    for (const end of ends) end.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('with tcp_l3mdev_accept one listener serves all, each connection in its VRF', async () => {
    const { sim, r, red, blue } = await tenants()
    const server = serveTcp(r, 80, family)
    const deaf = dialTcp(red.a, left, 80)
    sim.run(3000, () => deaf.error !== 0)
    expect(deaf.error).toBe(Errno.ECONNREFUSED)
    await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_l3mdev_accept', value: 1 })
    const ends = [red, blue].map(({ a }) => dialTcp(a, left, 80))
    for (const end of ends) end.start(30_000)
    sim.run(10_000, () => server.ends.filter((end) => end.received === 30_000).length === 2)
    expect(server.ends.map(({ received, wrong }) => [received, wrong])).toEqual([
      [30_000, 0],
      [30_000, 0],
    ])
    const socks = dumped(r.control, { type: 'SOCK_DIAG' }).filter(({ state }) => state === 'ESTAB')
    expect(socks.map(({ dev }) => dev).sort()).toEqual(['blue', 'red'])
    for (const end of [...ends, ...server.ends, deaf, server]) end.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('what is sent to itself goes through the VRF, and is counted there', async () => {
    const { sim, r } = await tenants()
    const server = openUdp(r, 5000, 0, family, 'red')
    const client = openUdp(r, 0, 0, family, 'red')
    const other = openUdp(r, 0, 0, family, 'blue')
    expect(client.send(bytes(100), right, 5000)).toBe(100)
    expect(other.send(bytes(200), right, 5000)).toBe(200)
    sim.run(3000)
    expect(server.heard).toMatchObject([{ bytes: bytes(100), from: right }])
    expect(other.errors).toEqual([])
    const stats = (ifname: string) =>
      dumped(r.control, { type: 'RTM_GETLINK', filter: { ifname } })[0]!.stats64
    expect(stats('red').tx.packets).toBe(1)
    expect(stats('red').rx.packets).toBe(1)
    for (const socket of [server, client, other]) socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('datagrams in pieces of both, at once and by the same addresses, do not mix', async () => {
    const { sim, r, red, blue } = await tenants()
    const servers = TENANTS.map((dev) => openUdp(r, 5000, 0, family, dev))
    const clients = [red, blue].map(({ a }) => openUdp(a, 0, 0, family))
    for (const [k, client] of clients.entries())
      expect(client.send(bytes(5000, k), left, 5000)).toBe(5000)
    expect(sim.run(5000, () => servers.every(({ heard }) => heard.length === 1))).toBe(true)
    for (const [k, { heard }] of servers.entries())
      expect(Bun.hash(heard[0]!.bytes)).toBe(Bun.hash(bytes(5000, k)))
    for (const socket of [...servers, ...clients]) socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('a path that is narrow in one VRF is wide in the other', async () => {
    const { sim, r, red } = await tenants({ red: 1280 })
    const onRed = dumped(r.control, { type: 'RTM_GETLINK', filter: { ifname: 'red' } })[0]!
    const socket = openUdp(red.a, 0, 0, family)
    // who sent what is too large is told of it, in its own VRF
    expect(socket.send(bytes(1400), B, 7)).toBe(1400)
    sim.run(3000)
    expect(red.a.mib(family === 2 ? 'IcmpInDestUnreachs' : 'Icmp6InPktTooBigs')).toBe(1)
    expect(socket.send(bytes(1400), B, 7)).toBe(1400)
    expect(sim.run(3000, () => socket.heard.length === 1)).toBe(true)
    // all that came in by its devices is counted on the VRF
    const now = dumped(r.control, { type: 'RTM_GETLINK', filter: { ifname: 'red' } })[0]!
    expect(now.stats64.rx.packets - onRed.stats64.rx.packets).toBeGreaterThanOrEqual(4)
    socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })
})
