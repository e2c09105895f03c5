import { describe, expect, test } from 'bun:test'
import { DevStat } from '../../../core/netdev/netdev.ts'
import { Mib } from '../../../core/shm/counters.ts'
import { CONF_ALL, Conf4 } from '../../../core/shm/devconf.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { Drop } from '../../../core/skb/drop.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import * as icmp from '../../../core/wire/icmp.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import { createPathHost, createRouter, toRouter } from '../../../sim/net/path-host.ts'
import {
  BROADCAST_MAC,
  etherFrame,
  icmpFrame,
  ipFrame,
  ipPacket,
  ipText,
  macText,
  udpFrame,
} from '../../../sim/net/packets.ts'

const fields = { saddr: '10.0.2.9', daddr: '10.0.2.1' }
const ports = { sport: 4000, dport: 9 }
const RTN_UNREACHABLE = 7
const router = () => {
  const path = createRouter()
  path.setNeigh(2, '10.0.2.9', toRouter.src)
  return path
}
/** A frame around an IP packet that the test has spoiled; the checksum is made right again unless it is the point. */
const spoiled = (spoil: (packet: Uint8Array) => void, isFixed = true): Uint8Array => {
  const packet = ipPacket(fields, new Uint8Array(20))
  spoil(packet)
  if (isFixed) ipv4.setChecksum(packet, 0)
  return etherFrame(toRouter, ethernet.ETH_P_IP, packet)
}

describe('ip_rcv', () => {
  const cases: [name: string, frame: Uint8Array, reason: number, counters: number[]][] = [
    [
      'a packet shorter than its header',
      etherFrame(toRouter, ethernet.ETH_P_IP, new Uint8Array(19)),
      Drop.PKT_TOO_SMALL,
      [Mib.IpInHdrErrors],
    ],
    ['another version', spoiled((p) => (p[0] = 0x65)), Drop.IP_INHDR, [Mib.IpInHdrErrors]],
    ['a header length below 20', spoiled((p) => (p[0] = 0x44)), Drop.IP_INHDR, [Mib.IpInHdrErrors]],
    [
      'a header that is longer than the packet',
      etherFrame(
        toRouter,
        ethernet.ETH_P_IP,
        (() => {
          const p = new Uint8Array(24)
          p[0] = 0x4f
          return p
        })()
      ),
      Drop.PKT_TOO_SMALL,
      [Mib.IpInHdrErrors],
    ],
    [
      'a wrong checksum',
      spoiled((p) => (p[10]! ^= 1), false),
      Drop.IP_CSUM,
      [Mib.IpInHdrErrors, Mib.IpExtInCsumErrors],
    ],
    [
      'a total length beyond the frame',
      spoiled((p) => ipv4.setTotalLength(p, 0, 100)),
      Drop.PKT_TOO_SMALL,
      [Mib.IpExtInTruncatedPkts],
    ],
    [
      'a total length below the header',
      spoiled((p) => ipv4.setTotalLength(p, 0, 19)),
      Drop.IP_INHDR,
      [Mib.IpInHdrErrors],
    ],
  ]
  for (const [name, frame, reason, counters] of cases) {
    test(`drops ${name}`, () => {
      const path = router()
      path.receive(frame, 2)
      expect(path.drops(reason)).toBe(1)
      for (const counter of counters) expect(path.counter(counter)).toBe(1)
      expect(path.counter(Mib.IpInReceives)).toBe(1)
      expect(path.sent).toHaveLength(0)
      expect(path.isAllReturned()).toBe(true)
    })
  }

  test('drops what is for another host on the link, uncounted by IP', () => {
    const path = router()
    path.receive(udpFrame({ ...toRouter, dst: '02:00:00:00:00:77' }, fields, ports), 2)
    expect(path.drops(Drop.OTHERHOST)).toBe(1)
    expect(path.counter(Mib.IpInReceives)).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })

  test('takes what is for us whatever TTL is left to it (RFC 1122 section 3.2.1.7)', () => {
    const path = router()
    for (const ttl of [0, 1])
      path.receive(icmpFrame(toRouter, { ...fields, ttl }, icmp.ICMP_ECHO, 0, 1), 2)
    expect(path.counter(Mib.IcmpOutEchoReps)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })
  test('takes the padding of a short frame off', () => {
    const path = router()
    const frame = icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, 0x00010001)
    const padded = new Uint8Array(60)
    padded.set(frame)
    path.receive(padded, 2)
    expect(ipv4.totalLength(path.sent[0]!.frame, 14)).toBe(28)
    expect(path.sent[0]!.frame).toHaveLength(42)
  })

  test('discards, and counts as such, what there is no memory to work on', () => {
    const path = router()
    const { skbs, consume } = path.first
    const skb = path.first.frameSkb(icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, 1), 2)
    const padding = skbs.alloc(10, 0)
    skbs.put(padding, 10)
    skbs.addFrag(skb, 0, padding)
    const hoard: number[] = []
    for (let more = skbs.alloc(1, 0); more !== 0; more = skbs.alloc(1, 0)) hoard.push(more)
    path.first.receive(skb)
    expect(path.counter(Mib.IpInDiscards)).toBe(1)
    expect(path.counter(Mib.IpInHdrErrors)).toBe(0)
    expect(path.drops(Drop.NOMEM)).toBe(1)
    for (const more of hoard) consume(more)
    expect(path.isAllReturned()).toBe(true)
  })

  test('counts by ECN field', () => {
    const path = router()
    for (const tos of [0, 1, 2, 3, 3])
      path.receive(udpFrame(toRouter, { ...fields, tos }, ports), 2)
    const counts = [
      Mib.IpExtInNoECTPkts,
      Mib.IpExtInECT1Pkts,
      Mib.IpExtInECT0Pkts,
      Mib.IpExtInCEPkts,
    ]
    expect(counts.map(path.counter)).toEqual([1, 1, 1, 2])
  })

  test('sends "protocol unreachable" for a protocol that nobody takes', () => {
    const path = router()
    path.receive(ipFrame(toRouter, { ...fields, protocol: 99 }, new Uint8Array(20)), 2)
    expect(path.drops(Drop.IP_NOPROTO)).toBe(1)
    expect(path.counter(Mib.IpInUnknownProtos)).toBe(1)
    expect(icmp.code(path.sent[0]!.frame, 34)).toBe(icmp.ICMP_PROT_UNREACH)
    expect(path.isAllReturned()).toBe(true)
  })

  test('as a router without a route says "network unreachable", and counts it', () => {
    const path = createPathHost()
    path.addDevice(2)
    path.addAddress(2, '10.0.2.1/24')
    path.setNeigh(2, '10.0.2.9', toRouter.src)
    path.receive(udpFrame(toRouter, { ...fields, daddr: '172.16.0.1' }, ports), 2)
    expect(icmp.code(path.sent[0]!.frame, 34)).toBe(icmp.ICMP_NET_UNREACH)
    expect(path.counter(Mib.IpExtInNoRoutes)).toBe(1)
    expect(path.drops(Drop.IP_INNOROUTES)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  const refusals: [string, number, number | null][] = [
    ['unreachable', 7, icmp.ICMP_HOST_UNREACH],
    ['prohibit', 8, icmp.ICMP_PKT_FILTERED],
    ['blackhole', 6, null],
  ]
  for (const [name, type, code] of refusals) {
    test(`answers for a route of type ${name} as Linux does`, () => {
      const path = router()
      path.addRoute('172.16.0.0/12', 3, { type })
      path.receive(udpFrame(toRouter, { ...fields, daddr: '172.16.0.1' }, ports), 2)
      expect(path.sent.map(({ frame }) => icmp.code(frame, 34))).toEqual(
        code === null ? [] : [code]
      )
      expect(path.isAllReturned()).toBe(true)
    })
  }

  test('as a host is silent about packets that are not for it', () => {
    const path = router()
    path.setConf(2, Conf4.forwarding, 0)
    path.receive(udpFrame(toRouter, { ...fields, daddr: '10.0.3.9' }, ports), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.IpInAddrErrors)).toBe(1)
    expect(path.drops(Drop.IP_INADDRERRORS)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  const martians: [string, string, string, number][] = [
    ['a multicast source', '224.0.0.5', '10.0.2.1', Drop.IP_INVALID_SOURCE],
    ['a broadcast source', '255.255.255.255', '10.0.2.1', Drop.IP_INVALID_SOURCE],
    ['a loopback source', '127.0.0.1', '10.0.2.1', Drop.IP_LOCALNET],
    ['our own source', '10.0.2.1', '10.0.2.1', Drop.IP_LOCAL_SOURCE],
    ['destination nobody', '10.0.2.9', '0.0.0.0', Drop.IP_INVALID_DEST],
  ]
  for (const [name, saddr, daddr, reason] of martians) {
    test(`drops ${name} without a word`, () => {
      const path = router()
      path.receive(udpFrame(toRouter, { saddr, daddr }, ports), 2)
      expect(path.drops(reason)).toBe(1)
      expect(path.sent).toHaveLength(0)
      expect(path.isAllReturned()).toBe(true)
    })
  }

  test('drops by reverse path filter and counts it', () => {
    const path = router()
    path.setConf(2, Conf4.rp_filter, 1)
    path.receive(udpFrame(toRouter, { saddr: '10.0.3.7', daddr: '10.0.2.1' }, ports), 2)
    expect(path.drops(Drop.IP_RPFILTER)).toBe(1)
    expect(path.counter(Mib.TcpExtIPReversePathFilter)).toBe(1)
  })

  test('counts martians on their device, where log_martians asks for it', () => {
    const path = router()
    const martian = udpFrame(toRouter, { saddr: '127.0.0.1', daddr: '10.0.2.1' }, ports)
    path.receive(martian, 2)
    expect(path.stat(2, DevStat.rx_martians)).toBe(0)
    path.setConf(CONF_ALL, Conf4.log_martians, 1)
    path.receive(martian, 2)
    expect([2, 3].map((dev) => path.stat(dev, DevStat.rx_martians))).toEqual([1, 0])
  })
  test('takes our own address as a source only where accept_local says so', () => {
    const path = router()
    const frame = udpFrame(toRouter, { saddr: '10.0.3.1', daddr: '10.0.2.1' }, ports)
    path.setConf(2, Conf4.accept_local, 1)
    path.receive(frame, 2)
    expect(path.drops(Drop.IP_LOCAL_SOURCE)).toBe(0)
    expect(path.counter(Mib.IpInDelivers)).toBeGreaterThan(0)
    // a broadcast address is nobody's source
    path.receive(udpFrame(toRouter, { saddr: '10.0.3.255', daddr: '10.0.2.1' }, ports), 2)
    expect(path.drops(Drop.IP_INNOROUTES)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('lets loopback addresses in and out only where route_localnet says so', () => {
    const path = router()
    const ping = icmpFrame(toRouter, { ...fields, daddr: '127.0.0.1' }, icmp.ICMP_ECHO, 0, 1)
    path.receive(ping, 2)
    expect(path.drops(Drop.IP_LOCALNET)).toBe(1)
    path.setConf(2, Conf4.route_localnet, 1)
    path.receive(ping, 2)
    expect(path.sent.map(({ frame }) => ipText(ipv4.src(frame, 14)))).toEqual(['127.0.0.1'])
    expect(path.isAllReturned()).toBe(true)
  })
  describe('a packet for one host that was sent to all of its link', () => {
    const toAll = { ...toRouter, dst: BROADCAST_MAC }
    test.each([
      ['for us', '10.0.2.1'],
      ['for another host', '10.0.3.9'],
      ['that has no way', '192.0.2.1'],
    ])('%s is dropped where drop_unicast_in_l2_multicast says so', (_, daddr) => {
      const path = router()
      path.addRoute('192.0.2.0/24', 3, { type: RTN_UNREACHABLE })
      path.setConf(2, Conf4.drop_unicast_in_l2_multicast, 1)
      path.receive(udpFrame(toAll, { ...fields, daddr }, ports), 2)
      expect(path.drops(Drop.UNICAST_IN_L2_MULTICAST)).toBe(1)
      expect(path.sent).toEqual([])
      expect(path.isAllReturned()).toBe(true)
    })
    test('is delivered else, and a broadcast always', () => {
      const path = router()
      path.receive(udpFrame(toAll, fields, ports), 2)
      path.setConf(2, Conf4.drop_unicast_in_l2_multicast, 1)
      path.receive(udpFrame(toAll, { ...fields, daddr: '10.0.2.255' }, ports), 2)
      expect(path.counter(Mib.UdpNoPorts) + path.counter(Mib.UdpIgnoredMulti)).toBe(2)
    })
  })
  test('sends on what is for all of another network only with bc_forwarding, of all and the device', () => {
    const path = router()
    const frame = udpFrame(toRouter, { ...fields, daddr: '10.0.3.255' }, ports)
    path.setConf(2, Conf4.bc_forwarding, 1)
    path.receive(frame, 2)
    expect(path.counter(Mib.UdpIgnoredMulti)).toBe(1)
    path.setConf(CONF_ALL, Conf4.bc_forwarding, 1)
    path.receive(frame, 2)
    expect(path.sent.map(({ dev, frame: sent }) => [dev, macText(sent, 0), sent[22]])).toEqual([
      [3, BROADCAST_MAC, 63],
    ])
    expect(path.counter(Mib.IpForwDatagrams)).toBe(1)
    expect(path.counter(Mib.UdpIgnoredMulti)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('tells one host five times at once that there is no way, and once a second', () => {
    const path = router()
    path.setSysctl(Sysctl.icmp_ratelimit, 0)
    path.addRoute('192.0.2.0/24', 3, { type: RTN_UNREACHABLE })
    const frame = udpFrame(toRouter, { ...fields, daddr: '192.0.2.1' }, ports)
    for (let k = 0; k < 9; k++) path.receive(frame, 2)
    expect(path.sent).toHaveLength(5)
    path.advance(1000)
    for (let k = 0; k < 9; k++) path.receive(frame, 2)
    expect(path.sent).toHaveLength(6)
  })
  test('does not tell a host that was told something else just before, where icmp_ratelimit is 0', () => {
    const path = router()
    path.setSysctl(Sysctl.icmp_ratelimit, 0)
    path.addRoute('192.0.2.0/24', 3, { type: RTN_UNREACHABLE })
    path.receive(udpFrame(toRouter, { ...fields, daddr: '10.0.3.9', ttl: 1 }, ports), 2)
    path.receive(udpFrame(toRouter, { ...fields, daddr: '192.0.2.1' }, ports), 2)
    expect(path.sent).toHaveLength(1)
    path.advance(1000)
    path.receive(udpFrame(toRouter, { ...fields, daddr: '192.0.2.1' }, ports), 2)
    expect(path.sent).toHaveLength(2)
  })

  test('skips options but refuses one that runs over the header, with its place', () => {
    const path = router()
    // padding, a stream identifier, and the end
    const good = [1, 1, 136, 4, 0, 7, 0, 0]
    path.receive(icmpFrame(toRouter, { ...fields, options: good }, icmp.ICMP_ECHO, 0, 1), 2)
    expect(icmp.type(path.sent[0]!.frame, 34)).toBe(icmp.ICMP_ECHOREPLY)
    path.sent.length = 0
    path.receive(udpFrame(toRouter, { ...fields, options: [1, 1, 7, 9] }, ports), 2)
    const { frame } = path.sent[0]!
    expect(icmp.type(frame, 34)).toBe(icmp.ICMP_PARAMETERPROB)
    expect(icmp.rest(frame, 34) >>> 24).toBe(22)
    expect(path.drops(Drop.IP_INHDR)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  test('refuses source routing', () => {
    const path = router()
    path.receive(udpFrame(toRouter, { ...fields, options: [131, 7, 4, 10, 0, 3, 9, 0] }, ports), 2)
    expect(path.drops(Drop.IP_INHDR)).toBe(1)
    expect(path.sent).toHaveLength(0)
  })

  test('drops what goes to a group that nobody here has joined', () => {
    const path = router()
    const group = { ...toRouter, dst: '01:00:5e:00:00:05' }
    path.receive(udpFrame(group, { ...fields, daddr: '224.0.0.5' }, ports), 2)
    expect(path.drops(Drop.NOT_SPECIFIED)).toBe(1)
    expect(path.counter(Mib.IpExtInMcastPkts)).toBe(0)
    expect(path.counter(Mib.IpInDelivers)).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })

  test('counts broadcasts and multicasts apart', () => {
    const path = router()
    const all = { ...toRouter, dst: 'ff:ff:ff:ff:ff:ff' }
    path.receive(udpFrame(all, { ...fields, daddr: '255.255.255.255' }, ports), 2)
    path.receive(udpFrame(all, { ...fields, daddr: '10.0.2.255' }, ports), 2)
    path.receive(
      udpFrame({ ...toRouter, dst: '01:00:5e:00:00:01' }, { ...fields, daddr: '224.0.0.1' }, ports),
      2
    )
    expect(path.counter(Mib.IpExtInBcastPkts)).toBe(2)
    expect(path.counter(Mib.IpExtInMcastPkts)).toBe(1)
    // nobody listens, and nothing is said to a group
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
})
