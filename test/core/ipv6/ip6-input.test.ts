import { describe, expect, test } from 'bun:test'
import { Mib } from '../../../core/shm/counters.ts'
import { CONF_ALL, Conf6 } from '../../../core/shm/devconf.ts'
import { Drop } from '../../../core/skb/drop.ts'
import { TCP_SYN } from '../../../core/wire/tcp.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import * as icmpv6 from '../../../core/wire/icmpv6.ts'
import {
  IPPROTO_NONE,
  IPPROTO_TCP,
  IPPROTO_ICMPV6,
  IPPROTO_MH,
} from '../../../core/wire/ipproto.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import { createRouter6, toRouter } from '../../../sim/net/path-host.ts'
import { etherFrame } from '../../../sim/net/packets.ts'
import {
  icmpv6Frame,
  ip6Frame,
  ip6Packet,
  readIcmpv6,
  readIp6,
  tcp6Frame,
  udp6Frame,
} from '../../../sim/net/packets6.ts'

const fields = { saddr: '2001:db8:2::9', daddr: '2001:db8:2::1' }
const ports = { sport: 4000, dport: 9 }
const router = () => {
  const path = createRouter6()
  path.setNeigh(2, '2001:db8:2::9', toRouter.src)
  return path
}
const spoiled = (spoil: (packet: Uint8Array) => void): Uint8Array => {
  const packet = ip6Packet(fields, new Uint8Array(20))
  spoil(packet)
  return etherFrame(toRouter, ethernet.ETH_P_IPV6, packet)
}
const from = (saddr: string, daddr = fields.daddr): Uint8Array =>
  udp6Frame(toRouter, { saddr, daddr }, ports)

describe('ip6_rcv', () => {
  const cases: [name: string, frame: Uint8Array, reason: number, counter: number][] = [
    [
      'a packet shorter than its header',
      etherFrame(toRouter, ethernet.ETH_P_IPV6, new Uint8Array(39).fill(0x60, 0, 1)),
      Drop.PKT_TOO_SMALL,
      Mib.Ip6InHdrErrors,
    ],
    ['another version', spoiled((p) => (p[0] = 0x45)), Drop.UNHANDLED_PROTO, Mib.Ip6InHdrErrors],
    [
      'a payload length beyond the frame',
      spoiled((p) => ipv6.setPayloadLength(p, 0, 21)),
      Drop.PKT_TOO_SMALL,
      Mib.Ip6InTruncatedPkts,
    ],
    ['a source that is a group', from('ff02::1'), Drop.IP_INHDR, Mib.Ip6InHdrErrors],
    ['the loopback address as source', from('::1'), Drop.IP_INHDR, Mib.Ip6InHdrErrors],
    [
      'the loopback address as destination',
      from('2001:db8:2::9', '::1'),
      Drop.IP_INHDR,
      Mib.Ip6InHdrErrors,
    ],
    [
      'a group of scope 0, which is reserved',
      from('2001:db8:2::9', 'ff00::1'),
      Drop.IP_INHDR,
      Mib.Ip6InHdrErrors,
    ],
    [
      'a group of the interface, from outside',
      from('2001:db8:2::9', 'ff01::1'),
      Drop.IP_INHDR,
      Mib.Ip6InHdrErrors,
    ],
  ]
  for (const [name, frame, reason, counter] of cases) {
    test(`drops ${name}`, () => {
      const path = router()
      path.receive(frame, 2)
      expect(path.drops(reason)).toBe(1)
      expect(path.counter(counter)).toBe(1)
      expect(path.counter(Mib.Ip6InReceives)).toBe(1)
      expect(path.sent).toHaveLength(0)
      expect(path.isAllReturned()).toBe(true)
    })
  }

  test('takes what is for us whatever hops it has left (RFC 8200 section 3)', () => {
    const path = router()
    for (const hops of [0, 1])
      path.receive(icmpv6Frame(toRouter, { ...fields, hops }, icmpv6.ICMPV6_ECHO_REQUEST, 0, 1), 2)
    expect(path.counter(Mib.Icmp6OutEchoReplies)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })

  test('drops what is for another host on the link, uncounted by IP', () => {
    const path = router()
    path.receive(udp6Frame({ ...toRouter, dst: '02:00:00:00:00:77' }, fields, ports), 2)
    expect(path.drops(Drop.OTHERHOST)).toBe(1)
    expect(path.counter(Mib.Ip6InReceives)).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })

  test('takes the padding of a short frame off', () => {
    const path = router()
    const frame = icmpv6Frame(toRouter, fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 0x00010001)
    const padded = new Uint8Array(80)
    padded.set(frame)
    path.receive(padded, 2)
    expect(path.sent[0]!.frame).toHaveLength(62)
  })

  test('discards, and counts as such, what there is no memory to work on', () => {
    const path = router()
    const { skbs, consume } = path.first
    const frame = icmpv6Frame(toRouter, fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 1)
    const skb = path.first.frameSkb(frame, 2)
    const padding = skbs.alloc(10, 0)
    skbs.put(padding, 10)
    skbs.addFrag(skb, 0, padding)
    const hoard: number[] = []
    for (let more = skbs.alloc(1, 0); more !== 0; more = skbs.alloc(1, 0)) hoard.push(more)
    path.first.receive(skb)
    expect(path.counter(Mib.Ip6InDiscards)).toBe(1)
    expect(path.counter(Mib.Ip6InHdrErrors)).toBe(0)
    expect(path.drops(Drop.NOMEM)).toBe(1)
    for (const more of hoard) consume(more)
    expect(path.isAllReturned()).toBe(true)
  })

  test('counts by ECN field', () => {
    const path = router()
    for (const trafficClass of [0, 1, 2, 3, 3])
      path.receive(udp6Frame(toRouter, { ...fields, trafficClass }, ports), 2)
    const counts = [Mib.Ip6InNoECTPkts, Mib.Ip6InECT1Pkts, Mib.Ip6InECT0Pkts, Mib.Ip6InCEPkts].map(
      path.counter
    )
    expect(counts).toEqual([1, 1, 1, 2])
  })
})

describe('delivery', () => {
  test('drops a datagram without a checksum, which IPv6 does not know (RFC 8200 section 8.1)', () => {
    const path = router()
    const frame = udp6Frame(toRouter, fields, ports)
    frame.fill(0, 14 + ipv6.HEADER + 6, 14 + ipv6.HEADER + 8)
    path.receive(frame, 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.Udp6InCsumErrors)).toBe(1)
    expect(path.drops(Drop.UDP_CSUM)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('answers an echo request to its address, and to a link-local one', () => {
    const path = router()
    path.setNeigh(2, 'fe80::9', toRouter.src)
    const link = { saddr: 'fe80::9', daddr: 'fe80::1' }
    for (const to of [fields, link])
      path.receive(icmpv6Frame(toRouter, to, icmpv6.ICMPV6_ECHO_REQUEST, 0, 7), 2)
    expect(path.sent.map(({ frame }) => readIp6(frame).daddr)).toEqual([fields.saddr, link.saddr])
    expect(path.sent.map(({ frame }) => readIcmpv6(frame).type)).toEqual([129, 129])
    expect(path.sent.map(({ dev }) => dev)).toEqual([2, 2])
    expect(path.counter(Mib.Ip6InDelivers)).toBe(2)
    expect(path.counter(Mib.Ip6OutRequests)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })

  test('refuses a segment to a closed port, as TCP does', () => {
    const path = router()
    path.receive(tcp6Frame(toRouter, fields, { ...ports, flags: TCP_SYN }), 2)
    const { next, payload, saddr } = readIp6(path.sent[0]!.frame)
    expect([next, saddr]).toEqual([IPPROTO_TCP, fields.daddr])
    expect(payload[13]! & 4).toBe(4)
    expect(path.isAllReturned()).toBe(true)
  })

  test('says "port unreachable" of a datagram that nobody listens for', () => {
    const path = router()
    const frame = udp6Frame(toRouter, fields, ports)
    path.receive(frame, 2)
    const { type, code, data } = readIcmpv6(path.sent[0]!.frame)
    expect([type, code]).toEqual([icmpv6.ICMPV6_DEST_UNREACH, icmpv6.ICMPV6_PORT_UNREACH])
    expect(data).toEqual(frame.subarray(14))
    expect(path.isAllReturned()).toBe(true)
  })

  test('says "unknown next header", and where that stands', () => {
    refusesNext(253, new Uint8Array(9))
  })
  test('so it does of a mobility header, which nothing is behind, though it look like an ICMPv6 error', () => {
    refusesNext(IPPROTO_MH, Uint8Array.of(IPPROTO_ICMPV6, 0))
  })
  const refusesNext = (protocol: number, data: Uint8Array): void => {
    const path = router()
    path.receive(ip6Frame(toRouter, { ...fields, protocol }, data), 2)
    const { type, code, rest } = readIcmpv6(path.sent[0]!.frame)
    expect([type, code, rest]).toEqual([
      icmpv6.ICMPV6_PARAMPROB,
      icmpv6.ICMPV6_UNK_NEXTHDR,
      ipv6.NEXT_HEADER_FIELD,
    ])
    expect(path.counter(Mib.Ip6InUnknownProtos)).toBe(1)
    expect(path.drops(Drop.IP_NOPROTO)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  }

  test('takes a packet with nothing in it (next header 59) in silence', () => {
    const path = router()
    path.receive(ip6Frame(toRouter, { ...fields, protocol: IPPROTO_NONE }, new Uint8Array(9)), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.Ip6InDelivers)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  test('counts what comes to a group', () => {
    const path = router()
    const link = { ...toRouter, dst: '33:33:00:00:00:01' }
    const frame = udp6Frame(link, { ...fields, daddr: 'ff02::1' }, ports)
    path.receive(frame, 2)
    expect(path.counter(Mib.Ip6InMcastPkts)).toBe(1)
    expect(path.counter(Mib.Ip6InMcastOctets)).toBe(frame.length - 14)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
})

test('drops what goes to a group that nobody here has joined', () => {
  const path = router()
  const link = { ...toRouter, dst: '33:33:00:00:00:77' }
  const frame = udp6Frame(link, { ...fields, daddr: 'ff02::77' }, ports)
  path.receive(frame, 2)
  expect(path.counter(Mib.Ip6InMcastPkts)).toBe(1)
  expect(path.drops(Drop.NOT_SPECIFIED)).toBe(1)
  expect(path.counter(Mib.Ip6InDelivers)).toBe(0)
  expect(path.isAllReturned()).toBe(true)
})

describe('no way for a packet', () => {
  const codeOf = (type: number): number[] => {
    const path = router()
    path.addRoute('2001:db8:bad::/48', 1, { type })
    path.receive(from(fields.saddr, '2001:db8:bad::1'), 2)
    expect(path.isAllReturned()).toBe(true)
    return path.sent.map(({ frame }) => readIcmpv6(frame).code)
  }
  test.each([
    ['unreachable', 7, [icmpv6.ICMPV6_NOROUTE]],
    ['prohibit', 8, [icmpv6.ICMPV6_ADM_PROHIBITED]],
    ['blackhole', 6, []],
  ])('an %s route', (_name, type, codes) => {
    expect(codeOf(type)).toEqual(codes)
  })

  test('no route at all: says so and counts it', () => {
    const path = router()
    path.addRoute('::/0', 1, { type: 7 })
    path.receive(from(fields.saddr, '2001:db8:99::1'), 2)
    expect(readIcmpv6(path.sent[0]!.frame).code).toBe(icmpv6.ICMPV6_NOROUTE)
    expect(path.counter(Mib.Ip6InNoRoutes)).toBe(1)
    expect(path.drops(Drop.IP_INNOROUTES)).toBe(1)
  })

  test('a host that does not forward is silent where it could, and says where nothing leads', () => {
    const path = router()
    path.setConf(CONF_ALL, Conf6.forwarding, 0)
    path.addRoute('2001:db8:98::/48', 1, { type: 7 })
    path.receive(from(fields.saddr, '2001:db8:98::1'), 2)
    expect(readIcmpv6(path.sent.pop()!.frame).code).toBe(icmpv6.ICMPV6_NOROUTE)
    expect(path.counter(Mib.Ip6InNoRoutes)).toBe(1)
    path.receive(from(fields.saddr, '2001:db8:3::9'), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.Ip6InAddrErrors)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
})
