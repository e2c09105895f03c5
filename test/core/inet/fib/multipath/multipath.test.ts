// Which of several next hops flows go by: in proportion to the weights, the same for all of one flow, and by others while a
// device is down.

import { describe, expect, test } from 'bun:test'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
} from '../../../../../core/base/flowi.ts'
import { createFlowHash } from '../../../../../core/inet/fib/multipath/flow-hash.ts'
import { upperBounds } from '../../../../../core/inet/fib/multipath/multipath.ts'
import type { NexthopObjectSpec } from '../../../../../core/control/text/messages.ts'
import { Sysctl } from '../../../../../core/shm/sysctl.ts'
import { IPPROTO_FRAGMENT, IPPROTO_UDP } from '../../../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../../../core/wire/ipv4.ts'
import { parseAddr } from '../../../../../core/wire/text.ts'
import { icmpFrame, ipFrame, ipPacket, udpDatagram } from '../../../../../sim/net/packets.ts'
import {
  fragmentHeader,
  icmpv6Frame,
  ip6Frame,
  ip6Packet,
  udpDatagram6,
} from '../../../../../sim/net/packets6.ts'
import { createRouter, createRouter6, toRouter } from '../../../../../sim/net/path-host.ts'
import { makeControl } from '../../../../support/control-plane.ts'
import { seeded } from '../../../../support/random.ts'

const DEVICES = ['a', 'b', 'c', 'd'] as const
type Device = (typeof DEVICES)[number]
const WEIGHTS: Record<Device, number> = { a: 1, b: 2, c: 3, d: 10 }
const FLOWS = 10_000

type Family = {
  name: string
  family: number
  from: string
  to: string
  net: string
  gateway: (k: number) => string
  own: (k: number) => string
  policy: string
}
const FAMILIES: Family[] = [
  {
    name: 'IPv4',
    family: 2,
    from: '10.200.0.5',
    to: '203.0.113.9',
    net: '203.0.113.0/24',
    gateway: (k) => `10.0.${k}.2`,
    own: (k) => `10.0.${k}.1/24`,
    policy: 'net.ipv4.fib_multipath_hash_policy',
  },
  {
    name: 'IPv6',
    family: 10,
    from: 'fd00:200::5',
    to: '2001:db8::9',
    net: '2001:db8::/32',
    gateway: (k) => `fd00:${k}::2`,
    own: (k) => `fd00:${k}::1/64`,
    policy: 'net.ipv6.fib_multipath_hash_policy',
  },
]

/** A router with one link in and four out. */
const network = async (of: Family) => {
  const made = makeControl({ devices: 16, nhBuckets: 4096 })
  const { ip, router, control, unanswering } = made
  await ip.veth('in')
  for (const [k, dev] of DEVICES.entries()) {
    await ip.veth(dev)
    await ip.addr(of.own(k), dev)
  }
  for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'])
    await control.request({ type: 'SYSCTL_SET', name, value: 1 })
  const nexthops = DEVICES.map((dev, k) => ({ gateway: of.gateway(k), dev, weight: WEIGHTS[dev] }))
  const added = await control.request({
    type: 'RTM_NEWROUTE',
    flags: 0x400,
    route: { dst: of.net, nexthops },
  })
  expect(added.error).toBe(0)
  const index = new Map(
    [...control.dump({ type: 'RTM_GETLINK' })]
      .flat()
      .map(({ ifname, ifindex }) => [ifname, ifindex])
  )
  const nameOf = new Map([...index].map(([name, ifindex]) => [ifindex, name as Device]))
  const fl = createFlowi()
  const fill = (k: number, ports: number) => {
    fl.fill(0)
    fl[FL_FAMILY] = of.family
    fl.set(parseAddr(of.from)!.words, FL_SADDR)
    fl.set(parseAddr(of.to)!.words, FL_DADDR)
    fl[FL_SADDR + 3]! += k & 0xffff
    fl[FL_PROTO] = 17
    fl[FL_SPORT] = ports >>> 16
    fl[FL_DPORT] = ports & 0xffff
    fl[FL_IIF] = index.get('in')!
  }
  /** Device of flow `k`: another source each, or another port where the policy looks at them. */
  const wayOf = (k: number, ports = 0): Device => {
    fill(k, ports)
    expect(router.routeInput(fl)).toBe(0)
    return nameOf.get(fl[FL_DEV]!)!
  }
  const boundTo = (dev: Device): Device => {
    fill(0, 0)
    fl.fill(0, FL_SADDR, FL_SADDR + 4)
    if (of.family === 2) fl[FL_SADDR + 2] = 0xffff
    fl[FL_IIF] = 0
    fl[FL_OIF] = index.get(dev)!
    expect(router.routeOutput(fl)).toBe(0)
    return nameOf.get(fl[FL_DEV]!)!
  }
  const kill = (...devices: Device[]): void => {
    unanswering.clear()
    for (const dev of devices) unanswering.add(index.get(dev)!)
  }
  return { ...made, wayOf, boundTo, kill }
}
const shares = (ways: readonly Device[]): Record<Device, number> => {
  const found: Record<Device, number> = { a: 0, b: 0, c: 0, d: 0 }
  for (const dev of ways) found[dev]++
  return found
}
const expectWeights = (
  ways: readonly Device[],
  live: readonly Device[],
  weights = WEIGHTS
): void => {
  const total = live.reduce((sum, dev) => sum + weights[dev], 0)
  const got = shares(ways)
  for (const dev of DEVICES) {
    const share = live.includes(dev) ? weights[dev] / total : 0
    const expected = ways.length * share
    // within 5 %, or within three standard deviations where these are more
    const deviation = Math.sqrt(expected * (1 - share))
    const allowed = Math.max(0.05 * expected, 3 * deviation)
    expect(Math.abs(got[dev] - expected)).toBeLessThanOrEqual(allowed)
  }
}
const flows = Array.from({ length: FLOWS }, (_, k) => k)

describe.each(FAMILIES)('four next hops of $name', (of) => {
  test('get 10,000 flows in proportion to their weights, each flow always the same', async () => {
    const { wayOf } = await network(of)
    const ways = flows.map((k) => wayOf(k))
    expectWeights(ways, DEVICES)
    expect(flows.map((k) => wayOf(k))).toEqual(ways)
  })

  test('ports tell flows apart only where the policy says so', async () => {
    const { wayOf, control } = await network(of)
    const random = seeded(5)
    const ports = flows.map(() => random() | 0)
    expect(new Set(ports.map((port) => wayOf(0, port))).size).toBe(1)
    await control.request({ type: 'SYSCTL_SET', name: of.policy, value: 1 })
    expectWeights(
      ports.map((port) => wayOf(0, port)),
      DEVICES
    )
  })

  test('lose their flows to the others while their device is down, and get them back', async () => {
    const { wayOf, ip } = await network(of)
    const before = flows.map((k) => wayOf(k))
    await ip.link('d', { up: false })
    expectWeights(
      flows.map((k) => wayOf(k)),
      ['a', 'b', 'c']
    )
    await ip.link('d', { up: true })
    expect(flows.map((k) => wayOf(k))).toEqual(before)
  })

  test('are left out without a carrier only where that is asked for', async () => {
    const { wayOf, ip, control } = await network(of)
    const before = flows.map((k) => wayOf(k))
    await ip.link('ap', { up: false })
    expect(flows.map((k) => wayOf(k))).toEqual(before)
    const name = `net.${of.family === 2 ? 'ipv4' : 'ipv6'}.conf.a.ignore_routes_with_linkdown`
    await control.request({ type: 'SYSCTL_SET', name, value: 1 })
    expectWeights(
      flows.map((k) => wayOf(k)),
      ['b', 'c', 'd']
    )
    await ip.link('ap', { up: true })
    expect(flows.map((k) => wayOf(k))).toEqual(before)
  })

  test('who asks for a device gets it', async () => {
    const { boundTo } = await network(of)
    expect(DEVICES.map(boundTo)).toEqual([...DEVICES])
  })
})

const noNeigh = { fib_multipath_use_neigh: 'net.ipv4.fib_multipath_use_neigh' }
describe('next hops that do not answer', () => {
  test('are passed over where that is asked for', async () => {
    const { wayOf, kill, control } = await network(FAMILIES[0]!)
    const before = flows.map((k) => wayOf(k))
    kill('b', 'd')
    expect(flows.map((k) => wayOf(k))).toEqual(before)
    await control.request({ type: 'SYSCTL_SET', name: noNeigh.fib_multipath_use_neigh, value: 1 })
    const after = flows.map((k) => wayOf(k))
    expect([...new Set(after)].sort()).toEqual(['a', 'c'])
    for (const [k, dev] of before.entries())
      if (dev === 'a' || dev === 'c') expect(after[k]).toBe(dev)
    // where none answers, the first is asked
    kill('a', 'b', 'c', 'd')
    expect(new Set(flows.map((k) => wayOf(k)))).toEqual(new Set(['a']))
  })

  test.each(FAMILIES)('are passed over in a group, always ($name)', async (of) => {
    const { wayOf, kill, control } = await network(of)
    const put = (nexthop: NexthopObjectSpec) =>
      control.request({ type: 'RTM_NEWNEXTHOP', flags: 0x500, nexthop })
    for (const [k, dev] of DEVICES.entries()) await put({ id: k + 1, gateway: of.gateway(k), dev })
    await put({ id: 10, group: [1, 2, 3, 4].map((id) => ({ id })) })
    await control.request({ type: 'RTM_DELROUTE', route: { dst: of.net } })
    await control.request({ type: 'RTM_NEWROUTE', flags: 0x400, route: { dst: of.net, nhid: 10 } })
    const before = flows.map((k) => wayOf(k))
    expect(new Set(before)).toEqual(new Set(DEVICES))
    kill('b')
    const after = flows.map((k) => wayOf(k))
    // the next one has them
    for (const [k, dev] of before.entries()) expect(after[k]).toBe(dev === 'b' ? 'c' : dev)
    kill('c', 'd')
    for (const k of flows) if (before[k] === 'd') expect(wayOf(k)).toBe('d')
  })

  test('are not what a host of IPv6 goes by when the first may answer', async () => {
    const { wayOf, kill, control } = await network(FAMILIES[1]!)
    const host = { type: 'SYSCTL_SET', name: 'net.ipv6.conf.all.forwarding', value: 0 } as const
    const forwarded = {
      type: 'SYSCTL_SET',
      name: 'net.ipv6.conf.in.force_forwarding',
      value: 1,
    } as const
    await control.request(host)
    await control.request(forwarded)
    const before = flows.map((k) => wayOf(k))
    kill('b')
    const after = flows.map((k) => wayOf(k))
    for (const [k, dev] of before.entries()) expect(after[k]).toBe(dev === 'b' ? 'a' : dev)
  })
})

test.each([
  ['from the start', [1, 2]],
  ['later', [1]],
])('a group has several next hops %s, and its flows are told apart', async (_, members) => {
  const { ip, router, control } = makeControl({ devices: 16 })
  for (const [k, dev] of (['a', 'b'] as const).entries()) {
    await ip.veth(dev)
    await ip.addr(`10.0.${k}.1/24`, dev)
  }
  const put = async (nexthop: NexthopObjectSpec): Promise<void> =>
    expect((await control.request({ type: 'RTM_NEWNEXTHOP', flags: 0x500, nexthop })).error).toBe(0)
  const group = (ids: readonly number[]) => ({ id: 10, group: ids.map((id) => ({ id })) })
  await put({ id: 1, gateway: '10.0.0.2', dev: 'a' })
  await put({ id: 2, gateway: '10.0.1.2', dev: 'b' })
  await put(group(members))
  const route = { dst: '203.0.113.0/24', nhid: 10 }
  await control.request({ type: 'RTM_NEWROUTE', flags: 0x400, route })
  expect(router.flowHash.isUsed()).toBe(members.length > 1)
  await put(group([1, 2]))
  expect(router.flowHash.isUsed()).toBe(true)
})

// ip6_route_get_saddr asks the object of a route for its device, which is that of its first member (nexthop_fib6_nh)
test.each([
  ['IPv4', FAMILIES[0]!, (k: number) => `10.0.${k}.1`],
  ['IPv6', FAMILIES[1]!, () => 'fd00:0::1'],
] as const)(
  'what goes by a group is sent from an address of its next hop, and of IPv6 by the first one (%s)',
  async (_, of, sourceBy) => {
    const { control, router } = await network(of)
    const put = (nexthop: NexthopObjectSpec) =>
      control.request({ type: 'RTM_NEWNEXTHOP', flags: 0x500, nexthop })
    for (const [k, dev] of DEVICES.entries()) await put({ id: k + 1, gateway: of.gateway(k), dev })
    await put({ id: 10, group: [1, 2, 3, 4].map((id) => ({ id })) })
    await control.request({ type: 'RTM_DELROUTE', route: { dst: of.net } })
    await control.request({ type: 'RTM_NEWROUTE', flags: 0x400, route: { dst: of.net, nhid: 10 } })
    const index = [...control.dump({ type: 'RTM_GETLINK' })].flat()
    const fl = createFlowi()
    const ways = new Set<string>()
    for (let k = 0; k < 64; k++) {
      fl.fill(0)
      fl[FL_FAMILY] = of.family
      if (of.family === 2) fl[FL_SADDR + 2] = 0xffff
      fl.set(parseAddr(of.to)!.words, FL_DADDR)
      fl[FL_DADDR + 3]! += k
      expect(router.routeOutput(fl)).toBe(0)
      const { ifname } = index.find(({ ifindex }) => ifindex === fl[FL_DEV])!
      const { words } = parseAddr(sourceBy(DEVICES.indexOf(ifname as Device)))!
      expect([...fl.subarray(FL_SADDR, FL_SADDR + 4)]).toEqual([...words])
      ways.add(ifname)
    }
    expect(ways.size).toBe(4)
  }
)

describe.each(FAMILIES)('a resilient group of $name', (of) => {
  const equal: Record<Device, number> = { a: 1, b: 1, c: 1, d: 1 }
  const groupOf = (...members: number[]) => ({
    id: 10,
    group: members.map((id) => ({ id })),
    type: 'resilient' as const,
  })
  const PUT = 0x500
  const resilient = async (resilient_args: object) => {
    const made = await network(of)
    const { control } = made
    const put = async (nexthop: NexthopObjectSpec): Promise<void> =>
      expect((await control.request({ type: 'RTM_NEWNEXTHOP', flags: PUT, nexthop })).error).toBe(0)
    for (const [k, dev] of DEVICES.entries()) await put({ id: k + 1, gateway: of.gateway(k), dev })
    await put({ ...groupOf(1, 2, 3, 4), resilient_args })
    const replaced = { dst: of.net, nhid: 10 }
    await control.request({ type: 'RTM_DELROUTE', route: { dst: of.net } })
    expect(
      (await control.request({ type: 'RTM_NEWROUTE', flags: 0x400, route: replaced })).error
    ).toBe(0)
    const ways = (some = flows): Device[] => some.map((k) => made.wayOf(k))
    return { ...made, put, ways }
  }

  test('gives each next hop 10,000 flows by its weight, and those of one that goes alone move', async () => {
    const { control, ways } = await resilient({ buckets: 2048 })
    const before = ways()
    expectWeights(before, DEVICES, equal)
    const gone = await control.request({ type: 'RTM_DELNEXTHOP', id: 4 })
    expect(gone.error).toBe(0)
    const after = ways()
    expectWeights(after, ['a', 'b', 'c'], equal)
    expect(flows.filter((k) => before[k] !== after[k])).toEqual(
      flows.filter((k) => before[k] === 'd')
    )
  })

  test('lets a new next hop have what has been idle, and flows that go on go on', async () => {
    const { control, put, ways, setClock } = await resilient({ buckets: 1024, idle_timer: 10 })
    await put(groupOf(1, 2, 3))
    const live = flows.slice(0, 200)
    setClock(2e6)
    const before = ways(live)
    ways()
    await put(groupOf(1, 2, 3, 4))
    expect(ways(live)).toEqual(before)
    for (let second = 3; second < 20; second++) {
      setClock(second * 1e6)
      control.poll()
      expect(ways(live)).toEqual(before)
    }
    expectWeights(ways(), DEVICES, equal)
    expect(shares(ways()).d).toBeGreaterThan(0)
  })
})

test('bounds divide all hashes; a hop without weight gets none', () => {
  expect(upperBounds([1])).toEqual([2 ** 31 - 1])
  expect(upperBounds([1, 1])).toEqual([2 ** 30 - 1, 2 ** 31 - 1])
  expect(upperBounds([1, 0, 3])).toEqual([2 ** 29 - 1, -1, 2 ** 31 - 1])
})

describe('packets in packets', () => {
  const ROUNDS = 48
  const path = createRouter()
  path.addDevice(4)
  path.addAddress(4, '10.0.4.1/24')
  path.setNeigh(3, '10.0.3.9', '02:00:00:00:03:09')
  path.setNeigh(4, '10.0.4.9', '02:00:00:00:04:09')
  path.addRoute('10.9.0.0/16', 0, {
    hops: [
      { dev: 3, via: '10.0.3.9' },
      { dev: 4, via: '10.0.4.9' },
    ],
  })
  const outer = { saddr: '10.0.2.9', daddr: '10.9.0.1' }
  const inner4 = (k: number, sport = 7): Uint8Array => {
    const fields = { saddr: `172.16.0.${k}`, daddr: '172.16.1.1', protocol: IPPROTO_UDP }
    return ipPacket(fields, udpDatagram(fields, { sport, dport: 53 }, Uint8Array.of(1)))
  }
  const inner6 = (k: number, sport = 7): Uint8Array => {
    const fields = { saddr: `fd01::${k.toString(16)}`, daddr: 'fd02::1', protocol: IPPROTO_UDP }
    return ip6Packet(fields, udpDatagram6(fields, { sport, dport: 53 }, Uint8Array.of(1)))
  }
  const gre = (proto: number, flags: number, optional: number, packet: Uint8Array): Uint8Array =>
    Uint8Array.from([
      flags >> 8,
      flags & 255,
      proto >> 8,
      proto & 255,
      ...Array(optional).fill(9),
      ...packet,
    ])
  const ethernet = (packet: Uint8Array): Uint8Array =>
    Uint8Array.from([...Array(12).fill(2), 0x08, 0x00, ...packet])
  const KINDS: [name: string, protocol: number, make: (k: number, sport?: number) => Uint8Array][] =
    [
      ['IPv4 in IP', 4, inner4],
      ['IPv6 in IP', 41, inner6],
      ['IPv4 in GRE', 47, (k, sport) => gre(0x0800, 0, 0, inner4(k, sport))],
      [
        'IPv6 in GRE with key and sequence',
        47,
        (k, sport) => gre(0x86dd, 0x3000, 8, inner6(k, sport)),
      ],
      ['Ethernet in GRE', 47, (k, sport) => gre(0x6558, 0x2000, 4, ethernet(inner4(k, sport)))],
      [
        'IPv4 in IPv4 in IPv4',
        4,
        (k, sport) => ipPacket({ ...outer, protocol: 4 }, inner4(k, sport)),
      ],
    ]
  const way = (protocol: number, packet: Uint8Array): number => {
    path.sent.length = 0
    path.receive(ipFrame(toRouter, { ...outer, protocol }, packet), 2)
    expect(path.sent).toHaveLength(1)
    return path.sent[0]!.dev
  }
  const rounds = Array.from({ length: ROUNDS }, (_, k) => k + 1)
  const both = new Set([3, 4])

  test.each(KINDS)('go by the inner addresses (%s)', (_name, protocol, make) => {
    path.setSysctl(Sysctl.fib_multipath_hash_policy, 0)
    expect(new Set(rounds.map((k) => way(protocol, make(k)))).size).toBe(1)
    path.setSysctl(Sysctl.fib_multipath_hash_policy, 2)
    const ways = rounds.map((k) => way(protocol, make(k)))
    expect(new Set(ways)).toEqual(both)
    expect(rounds.map((k) => way(protocol, make(k, 8)))).toEqual(ways)
  })

  test.each(KINDS)('go by the inner fields that are named (%s)', (_name, protocol, make) => {
    path.setSysctl(Sysctl.fib_multipath_hash_policy, 3)
    path.setSysctl(Sysctl.fib_multipath_hash_fields, 0x400)
    expect(new Set(rounds.map((k) => way(protocol, make(k)))).size).toBe(1)
    expect(new Set(rounds.map((k) => way(protocol, make(1, k))))).toEqual(both)
    path.setSysctl(Sysctl.fib_multipath_hash_fields, 0x80)
    expect(new Set(rounds.map((k) => way(protocol, make(k, k)))).size).toBe(1)
    path.setSysctl(Sysctl.fib_multipath_hash_fields, 7)
  })

  test('that are pieces, broken, or of no kind that is known go by the outer addresses', () => {
    path.setSysctl(Sysctl.fib_multipath_hash_policy, 2)
    const short = (k: number): Uint8Array => inner4(k).subarray(0, 12)
    const wrong: [number, (k: number) => Uint8Array][] = [
      [4, short],
      [47, (k) => gre(0x0800, 1, 0, inner4(k))],
      [47, (k) => gre(0x880b, 0, 0, inner4(k))],
      [47, () => Uint8Array.of(0, 0)],
      [47, (k) => gre(0x6558, 0, 0, inner4(k).subarray(0, 10))],
    ]
    for (const [protocol, make] of wrong)
      expect(new Set(rounds.map((k) => way(protocol, make(k)))).size).toBe(1)
    path.sent.length = 0
    for (const k of rounds)
      path.receive(ipFrame(toRouter, { ...outer, protocol: 4, flags: ipv4.IP_MF }, inner4(k)), 2)
    expect(new Set(path.sent.map(({ dev }) => dev)).size).toBe(1)
    expect(path.isAllReturned()).toBe(true)
    path.setSysctl(Sysctl.fib_multipath_hash_policy, 0)
  })

  test('an error goes the way of the flow that it is about', () => {
    const seen = new Set<number>()
    for (const k of rounds) {
      const [here, there] = [`10.0.2.${k + 50}`, '10.9.0.7']
      const udp = { sport: 9, dport: 53 }
      path.sent.length = 0
      const flow = { saddr: here, daddr: there, protocol: IPPROTO_UDP }
      path.receive(ipFrame(toRouter, flow, udpDatagram(flow, udp, Uint8Array.of(1))), 2)
      const back = { saddr: there, daddr: here, protocol: IPPROTO_UDP }
      const quote = ipPacket(back, udpDatagram(back, udp, Uint8Array.of(1)))
      const about = { saddr: '10.0.2.250', daddr: there }
      path.receive(icmpFrame(toRouter, about, 3, 1, 0, quote), 2)
      expect(path.sent).toHaveLength(2)
      expect(path.sent[1]!.dev).toBe(path.sent[0]!.dev)
      seen.add(path.sent[0]!.dev)
    }
    expect(seen).toEqual(both)
  })
})

describe('datagrams in fragments', () => {
  const data = Uint8Array.from({ length: 2400 }, (_, k) => k)
  const PIECE = 1200
  type Piece = { offset: number; bytes: Uint8Array; more: boolean }
  const cut = (datagram: Uint8Array): Piece[] =>
    Array.from({ length: Math.ceil(datagram.length / PIECE) }, (_, k) => {
      const offset = k * PIECE
      const bytes = datagram.subarray(offset, offset + PIECE)
      return { offset, bytes, more: offset + PIECE < datagram.length }
    })
  /** The frames of datagram `k`, whose destination and port are its own. */
  const frames4 = (k: number): Uint8Array[] => {
    const fields = { saddr: '10.0.2.9', daddr: `10.9.0.${k}`, protocol: IPPROTO_UDP, id: k }
    const ports = { sport: 1000 + k, dport: 53 }
    return cut(udpDatagram(fields, ports, data)).map(({ offset, bytes, more }) =>
      ipFrame(toRouter, { ...fields, offset, flags: more ? ipv4.IP_MF : 0 }, bytes)
    )
  }
  const frames6 = (k: number): Uint8Array[] => {
    const daddr = `2001:db8:9::${k.toString(16)}`
    const fields = { saddr: '2001:db8:2::9', daddr, protocol: IPPROTO_UDP }
    const ports = { sport: 1000 + k, dport: 53 }
    return cut(udpDatagram6(fields, ports, data)).map(({ offset, bytes, more }) => {
      const header: [number, number[]] = [IPPROTO_FRAGMENT, fragmentHeader(offset, more, k)]
      return ip6Frame(toRouter, { ...fields, ext: [header] }, bytes)
    })
  }
  test.each([
    ['IPv4', createRouter, '10.0.4.1/24', ['10.0.3.9', '10.0.4.9'], '10.9.0.0/16', frames4],
    [
      'IPv6',
      createRouter6,
      '2001:db8:4::1/64',
      ['2001:db8:3::9', '2001:db8:4::9'],
      '2001:db8:9::/48',
      frames6,
    ],
  ] as const)(
    'go one way each, though ports tell flows apart (%s)',
    (_, create, own, [three, four], net, framesOf) => {
      const path = create()
      path.addDevice(4)
      path.addAddress(4, own)
      path.setNeigh(3, three, '02:00:00:00:03:09')
      path.setNeigh(4, four, '02:00:00:00:04:09')
      path.setSysctl(Sysctl.fib_multipath_hash_policy, 1)
      path.setSysctl(Sysctl.fib_multipath_hash_policy6, 1)
      const hops = [
        { dev: 3, via: three },
        { dev: 4, via: four },
      ]
      path.addRoute(net, 0, { hops })
      const ways = new Set<number>()
      for (let k = 1; k <= 64; k++) {
        path.sent.length = 0
        const frames = framesOf(k)
        for (const frame of frames) path.receive(frame, 2)
        expect(path.sent).toHaveLength(frames.length)
        expect(new Set(path.sent.map(({ dev }) => dev)).size).toBe(1)
        ways.add(path.sent[0]!.dev)
      }
      expect([...ways].sort()).toEqual([3, 4])
      expect(path.isAllReturned()).toBe(true)
    }
  )
})

// icmp_route_lookup and icmp6_send have the hash of the packet, not one of the addresses that the error has
describe.each([0, 1])('what is said of a packet, by policy %i', (policy) => {
  test.each([
    ['IPv4', createRouter, '10.0.4.1/24', ['10.0.3.9', '10.0.4.9'], '10.9.0.0/16', '10.9.0.'],
    [
      'IPv6',
      createRouter6,
      '2001:db8:4::1/64',
      ['2001:db8:3::9', '2001:db8:4::9'],
      '2001:db8:9::/48',
      '2001:db8:9::',
    ],
  ] as const)(
    'goes back by the next hop of its flow (%s)',
    (name, create, own, [three, four], net, sender) => {
      const path = create()
      path.addDevice(4)
      path.addAddress(4, own)
      path.setNeigh(3, three, '02:00:00:00:03:09')
      path.setNeigh(4, four, '02:00:00:00:04:09')
      path.setSysctl(Sysctl.icmp_ratemask, 0)
      path.setSysctl(Sysctl.icmp6_ratelimit, 0)
      path.setSysctl(Sysctl.fib_multipath_hash_policy, policy)
      path.setSysctl(Sysctl.fib_multipath_hash_policy6, policy)
      const hops = [
        { dev: 3, via: three },
        { dev: 4, via: four },
      ]
      path.addRoute(net, 0, { hops })
      const far = name === 'IPv4' ? '10.0.2.9' : '2001:db8:2::9'
      const frame = (saddr: string, daddr: string, ttl: number, sport: number, dport: number) => {
        const fields = { saddr, daddr, ttl, hops: ttl, protocol: IPPROTO_UDP }
        const data = new Uint8Array(8)
        return name === 'IPv4'
          ? ipFrame(toRouter, fields, udpDatagram(fields, { sport, dport }, data))
          : ip6Frame(toRouter, fields, udpDatagram6(fields, { sport, dport }, data))
      }
      const ways = new Set<number>()
      for (let k = 1; k <= 48; k++) {
        path.sent.length = 0
        path.receive(frame(`${sender}${k}`, far, 1, k, 53), 2)
        path.receive(frame(far, `${sender}${k}`, 64, 53, k), 2)
        expect(path.sent).toHaveLength(2)
        expect([k, path.sent[0]!.dev]).toEqual([k, path.sent[1]!.dev])
        ways.add(path.sent[0]!.dev)
      }
      expect([...ways].sort()).toEqual([3, 4])
      expect(path.isAllReturned()).toBe(true)
    }
  )
})

test('an ICMPv6 reply has its type where others have ports (struct flowi_uli)', () => {
  const path = createRouter6()
  path.addDevice(4)
  path.addAddress(4, '2001:db8:4::1/64')
  const hops = [3, 4].map((dev) => ({ dev, via: `2001:db8:${dev}::9` }))
  for (const { dev, via } of hops) path.setNeigh(dev, via, `02:00:00:00:0${dev}:09`)
  path.setSysctl(Sysctl.fib_multipath_hash_policy6, 1)
  path.addRoute('2001:db8:9::/48', 0, { hops })
  const { ofFlow } = createFlowHash(path.arena)
  for (let k = 1; k <= 48; k++) {
    const fields = { saddr: `2001:db8:9::${k}`, daddr: '2001:db8:2::1' }
    path.sent.length = 0
    path.receive(icmpv6Frame(toRouter, fields, 128, 0, k), 2)
    const fl = createFlowi()
    fl[FL_FAMILY] = 10
    fl.set(parseAddr(fields.daddr)!.words, FL_SADDR)
    fl.set(parseAddr(fields.saddr)!.words, FL_DADDR)
    fl[FL_PROTO] = 58
    fl[FL_DPORT] = 129 << 8
    expect([k, path.sent[0]!.dev]).toEqual([k, ofFlow(fl) >>> 1 < 2 ** 30 ? 3 : 4])
  }
  expect(path.isAllReturned()).toBe(true)
})
