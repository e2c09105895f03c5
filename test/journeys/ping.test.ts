// Echo requests and their answers through whole stacks: what a ping, a traceroute and a host without neighbours see.

import { expect, test } from 'bun:test'
import * as icmp from '../../core/wire/icmp.ts'
import { IPPROTO_ICMP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { createSim, type WireOptions } from '../../sim/net/net-sim.ts'
import { icmpMessage, ipPacket, udpDatagram } from '../../sim/net/packets.ts'
import { describePacket, ipStation, LONG_MS, MAC } from '../support/sim-topology.ts'

const NO_LEAKS = {}
const PING_ID = 0x1234

/** A station 10.0.1.1 - router - host b 10.0.2.2. */
const pinger = async (seed = 1, bad: WireOptions = {}) => {
  const sim = createSim(seed)
  const eth = (ifname: string, address: string, cidr: string) => ({
    ifname,
    kind: 'pipe',
    address,
    addresses: [cidr],
    up: true,
  })
  const r = await sim.host('r', {
    setup: {
      link: [eth('eth1', MAC.r1, '10.0.1.254/24'), eth('eth2', MAC.r2, '10.0.2.254/24')],
      sysctl: { 'net.ipv4.ip_forward': 1 },
    },
  })
  const b = await sim.host('b', {
    services: { echo: true },
    setup: {
      link: [eth('eth0', MAC.b, '10.0.2.2/24')],
      route: [{ dst: 'default', gateway: '10.0.2.254' }],
    },
  })
  const a = ipStation(sim, { mac: MAC.a, addr: '10.0.1.1', gatewayMac: MAC.r1 })
  sim.wire(a.station, [r, 'eth1'], bad)
  sim.wire([r, 'eth2'], [b, 'eth0'], bad)
  const ping = (daddr: string, seq: number, more: { ttl?: number; size?: number } = {}): void =>
    a.send(
      ipPacket(
        { saddr: '10.0.1.1', daddr, ttl: more.ttl ?? 64, protocol: IPPROTO_ICMP },
        icmpMessage(
          icmp.ICMP_ECHO,
          0,
          (PING_ID << 16) | seq,
          new Uint8Array(more.size ?? 56).map((_, k) => k)
        )
      )
    )
  const heard = (count: number): boolean => sim.run(20_000, () => a.packets.length >= count)
  return { sim, r, b, a, ping, heard }
}
const icmpOf = (packet: Uint8Array): [type: number, code: number] => [
  packet[ipv4.headerLen(packet, 0)]!,
  packet[ipv4.headerLen(packet, 0) + 1]!,
]

test('a ping crosses a router and comes back one hop older, bytes intact', async () => {
  const { sim, r, b, a, ping, heard } = await pinger()
  ping('10.0.2.2', 1)
  expect(heard(1)).toBe(true)
  const reply = a.last()
  expect(describePacket(reply)).toEqual({
    src: '10.0.2.2',
    dst: '10.0.1.1',
    ttl: 63,
    protocol: IPPROTO_ICMP,
    length: 84,
  })
  expect(icmpOf(reply)).toEqual([icmp.ICMP_ECHOREPLY, 0])
  expect(icmp.isChecksumOk(reply, 20, 64)).toBe(true)
  expect(ipv4.isChecksumOk(reply, 0)).toBe(true)
  expect(icmp.rest(reply, 20)).toBe((PING_ID << 16) | 1)
  expect([...reply.subarray(28)]).toEqual(Array.from({ length: 56 }, (_, k) => k))
  expect(r.mib('IpForwDatagrams')).toBe(2)
  expect(r.mib('IpInDelivers')).toBe(0)
  expect(b.mib('IcmpInEchos')).toBe(1)
  expect(b.mib('IcmpOutEchoReps')).toBe(1)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual(NO_LEAKS)
})

test('a thousand pings through a bad wire: each answer belongs to a question', async () => {
  const { sim, a, ping } = await pinger(7, {
    loss: 0.02,
    duplicate: 0.05,
    reorder: 0.2,
  })
  const seen = new Set<number>()
  for (let seq = 1; seq <= 1000; seq++) {
    ping('10.0.2.2', seq, { size: seq % 1400 })
    sim.run(1)
  }
  sim.run(5000)
  for (const packet of a.packets) {
    expect(icmpOf(packet)).toEqual([icmp.ICMP_ECHOREPLY, 0])
    expect(icmp.isChecksumOk(packet, 20, packet.length - 20)).toBe(true)
    seen.add(icmp.rest(packet, 20) & 0xffff)
  }
  expect(seen.size).toBeGreaterThan(850)
  expect(seen.size).toBeLessThan(1000)
  expect(a.packets.length).toBeGreaterThan(seen.size)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual(NO_LEAKS)
})

test('traceroute: TTL 1 is answered by the router, TTL 2 reaches the host', async () => {
  const { sim, r, b, a, heard } = await pinger()
  const fields = { saddr: '10.0.1.1', daddr: '10.0.2.2', protocol: 17 }
  const datagram = udpDatagram(fields, { sport: 40000, dport: 33434 }, new Uint8Array(12))
  a.send(ipPacket({ ...fields, ttl: 1 }, datagram))
  expect(heard(1)).toBe(true)
  expect(describePacket(a.last())).toMatchObject({ src: '10.0.1.254', dst: '10.0.1.1', ttl: 64 })
  expect(icmpOf(a.last())).toEqual([icmp.ICMP_TIME_EXCEEDED, icmp.ICMP_EXC_TTL])
  // the quoted packet is ours, as it arrived
  expect(ipv4.dst(a.last(), 28)).toBe((10 << 24) | (2 << 8) | 2)
  expect(r.drops('TTL_EXCEEDED')).toBe(1)
  a.send(ipPacket({ ...fields, ttl: 2 }, datagram))
  expect(heard(2)).toBe(true)
  expect(describePacket(a.last())).toMatchObject({ src: '10.0.2.2', ttl: 63 })
  expect(icmpOf(a.last())).toEqual([icmp.ICMP_DEST_UNREACH, icmp.ICMP_PORT_UNREACH])
  expect(b.mib('UdpNoPorts')).toBe(1)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual(NO_LEAKS)
})

test('a host that is not there is unreachable after three questions', async () => {
  const { sim, r, a, ping, heard } = await pinger()
  for (let seq = 1; seq <= 4; seq++) ping('10.0.2.77', seq)
  expect(heard(4)).toBe(true)
  expect(sim.nowMs()).toBeGreaterThan(1_000_000 + 2900)
  expect(sim.nowMs()).toBeLessThan(1_000_000 + 3200)
  for (const packet of a.packets) {
    expect(describePacket(packet)).toMatchObject({ src: '10.0.1.254', dst: '10.0.1.1' })
    expect(icmpOf(packet)).toEqual([icmp.ICMP_DEST_UNREACH, icmp.ICMP_HOST_UNREACH])
  }
  expect(r.drops('NEIGH_FAILED')).toBe(4)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual(NO_LEAKS)
})

test('a network without a route is unreachable at once', async () => {
  const { sim, r, a, ping, heard } = await pinger()
  ping('10.3.0.1', 1)
  expect(heard(1)).toBe(true)
  expect(icmpOf(a.last())).toEqual([icmp.ICMP_DEST_UNREACH, icmp.ICMP_NET_UNREACH])
  expect(r.drops('IP_INNOROUTES')).toBe(1)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual(NO_LEAKS)
})

test('a ping larger than the MTU travels in fragments both ways', async () => {
  const { sim, r, b, a } = await pinger()
  const data = new Uint8Array(4000).map((_, k) => (k * 7) & 255)
  const message = icmpMessage(icmp.ICMP_ECHO, 0, PING_ID << 16, data)
  for (let offset = 0; offset < message.length; offset += 1480) {
    const piece = message.subarray(offset, offset + 1480)
    const flags = offset + 1480 < message.length ? ipv4.IP_MF : 0
    const fields = { saddr: '10.0.1.1', daddr: '10.0.2.2', protocol: IPPROTO_ICMP, id: 99 }
    a.send(ipPacket({ ...fields, flags, offset }, piece))
  }
  sim.run(2000, () => a.packets.length === 3)
  expect(b.mib('IpReasmOKs')).toBe(1)
  expect(b.mib('IpFragCreates')).toBe(3)
  expect(r.mib('IpForwDatagrams')).toBe(6)
  const whole = new Uint8Array(message.length)
  for (const packet of a.packets) whole.set(packet.subarray(20), ipv4.fragmentOffset(packet, 0))
  expect(icmp.isChecksumOk(whole, 0, whole.length)).toBe(true)
  expect(whole.subarray(8)).toEqual(data)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual(NO_LEAKS)
})
