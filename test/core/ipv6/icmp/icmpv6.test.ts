import { GREETINGS_MS } from '../../../support/sim-topology.ts'
import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../core/base/errno.ts'
import { FL_MTU, FL_SADDR, FL_TYPE } from '../../../../core/base/flowi.ts'
import { NO_MTU } from '../../../../core/inet/inet-constants.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { Conf6 } from '../../../../core/shm/devconf.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import * as icmpv6 from '../../../../core/wire/icmpv6.ts'
import { IPPROTO_DSTOPTS, IPPROTO_ICMPV6 } from '../../../../core/wire/ipproto.ts'
import * as ipv6 from '../../../../core/wire/ipv6.ts'
import { createRouter6, SERVER_MAC, toRouter } from '../../../../sim/net/path-host.ts'
import {
  icmpv6Frame,
  icmpv6Message,
  ip6Frame,
  ip6Packet,
  optionsHeader,
  pseudo6,
  readIcmpv6,
  readIp6,
  tcp6Frame,
  udp6Frame,
} from '../../../../sim/net/packets6.ts'

const fields = { saddr: '2001:db8:2::9', daddr: '2001:db8:2::1' }
const ports = { sport: 4000, dport: 9 }
const group = { daddr: 'ff02::1' }
const groupLink = { ...toRouter, dst: '33:33:00:00:00:01' }
const router = () => {
  const path = createRouter6()
  path.setNeigh(2, '2001:db8:2::9', toRouter.src)
  path.setNeigh(3, '2001:db8:3::9', SERVER_MAC)
  return path
}
const echo = (over = {}, link = toRouter, data = new Uint8Array(8)): Uint8Array =>
  icmpv6Frame(link, { ...fields, ...over }, icmpv6.ICMPV6_ECHO_REQUEST, 0, 7, data)

describe('echo', () => {
  test('the request becomes the reply: data, traffic class, a right checksum', () => {
    const path = router()
    path.receive(echo({ trafficClass: 0xb8, hops: 3 }, toRouter, new Uint8Array(99).fill(5)), 2)
    const { saddr, daddr, hops, payload } = readIp6(path.sent[0]!.frame)
    expect([saddr, daddr, hops]).toEqual([fields.daddr, fields.saddr, 64])
    expect(ipv6.trafficClass(path.sent[0]!.frame, 14)).toBe(0xb8)
    expect([...payload.subarray(8)]).toEqual(new Array(99).fill(5))
    const sum = pseudo6(saddr, daddr, IPPROTO_ICMPV6, payload.length)
    expect(icmpv6.isChecksumOk(payload, 0, payload.length, sum)).toBe(true)
    expect(path.counter(Mib.Icmp6InEchos)).toBe(1)
    expect(path.counter(Mib.Icmp6OutEchoReplies)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('to a group it is answered by one of our own addresses', () => {
    const path = router()
    path.receive(echo(group, groupLink), 2)
    expect(readIp6(path.sent[0]!.frame).saddr).toBe('2001:db8:2::1')
    path.setSysctl(Sysctl.icmp6_echo_ignore_multicast, 1)
    path.receive(echo(group, groupLink), 2)
    expect(path.sent).toHaveLength(1)
  })
  test('echo_ignore_all', () => {
    const path = router()
    path.setSysctl(Sysctl.icmp6_echo_ignore_all, 1)
    path.receive(echo(), 2)
    path.receive(echo(group, groupLink), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('nobody is not answered', () => {
    const path = router()
    path.receive(echo({ saddr: '::' }), 2)
    expect(path.sent).toHaveLength(0)
  })
  test('a question of a type that nobody knows is dropped in silence (RFC 4443 section 2.4 b)', () => {
    const path = router()
    path.receive(icmpv6Frame(toRouter, fields, 200, 0, 1), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.Icmp6InMsgs)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('a wrong checksum, and a message that is too short', () => {
    const path = router()
    const frame = echo()
    frame[frame.length - 1]! ^= 1
    path.receive(frame, 2)
    path.receive(ip6Frame(toRouter, { ...fields, protocol: IPPROTO_ICMPV6 }, new Uint8Array(7)), 2)
    expect(path.counter(Mib.Icmp6InCsumErrors)).toBe(1)
    expect(path.counter(Mib.Icmp6InErrors)).toBe(2)
    expect(path.counter(Mib.Icmp6InMsgs)).toBe(2)
    expect(path.drops(Drop.ICMP_CSUM)).toBe(1)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('an error is sent', () => {
  test('with as much of the packet as 1,280 octets hold, from the address it was sent to', () => {
    const path = router()
    const frame = udp6Frame(toRouter, fields, ports, new Uint8Array(1400).fill(7))
    path.receive(frame, 2)
    const sent = path.sent[0]!.frame
    expect(sent).toHaveLength(14 + 1280)
    expect(readIp6(sent).saddr).toBe(fields.daddr)
    expect(readIcmpv6(sent).data).toEqual(frame.subarray(14, 14 + 1280 - 48))
    expect(path.counter(Mib.Icmp6OutDestUnreachs)).toBe(1)
    expect(path.counter(Mib.Icmp6OutMsgs)).toBe(1)
  })
  const unknown = (option: number, over = {}, link = toRouter) =>
    ip6Frame(
      link,
      {
        ...fields,
        ...over,
        ext: [[IPPROTO_DSTOPTS, optionsHeader(option, 0)]],
        protocol: IPPROTO_ICMPV6,
      },
      icmpv6Message({ ...fields, ...over }, icmpv6.ICMPV6_ECHO_REQUEST, 0, 1, new Uint8Array(4))
    )
  test('about a packet to a group only where its option asks for it', () => {
    const path = router()
    path.receive(unknown(0x9e, group, groupLink), 2)
    path.receive(unknown(0xde, group, groupLink), 2)
    expect(path.sent.map(({ frame }) => readIcmpv6(frame).code)).toEqual([icmpv6.ICMPV6_UNK_OPTION])
  })
  test('from an address of our own where the link brought to many what is for the anycast address', () => {
    const path = router()
    path.receive(unknown(0x9e, { daddr: '2001:db8:2::' }, groupLink), 2)
    path.receive(unknown(0x9e, { daddr: '2001:db8:2::' }, toRouter), 2)
    const [fromMany, toOne] = path.sent.map(({ frame }) => readIp6(frame).saddr)
    expect([fromMany, toOne]).toEqual(['2001:db8:2::1', '2001:db8:2::'])
  })
  test('never about what the link brought to many and is for one', () => {
    const path = router()
    for (const dst of ['33:33:00:00:00:01', 'ff:ff:ff:ff:ff:ff'])
      path.receive(udp6Frame({ ...toRouter, dst }, fields, ports), 2)
    expect(path.counter(Mib.Udp6NoPorts)).toBe(2)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('from an address of the link, where the link addressed the packet to many', () => {
    const path = router()
    path.addAddress(2, '2001:db8:2::5/64')
    path.receive(unknown(0xbe), 2)
    path.receive(unknown(0xbe, {}, groupLink), 2)
    const sources = path.sent.map(({ frame }) => readIp6(frame).saddr)
    expect(sources).toEqual(['2001:db8:2::1', '2001:db8:2::5'])
  })
  test('never about options that break off in front of what may be an error', () => {
    const path = router()
    const cutOff = (next: number): Uint8Array =>
      ip6Frame(
        toRouter,
        { ...fields, daddr: '2001:db8:3::9', hops: 1, protocol: IPPROTO_DSTOPTS },
        Uint8Array.of(next, 9)
      )
    path.receive(cutOff(IPPROTO_ICMPV6), 2)
    expect(path.sent).toHaveLength(0)
    path.receive(cutOff(17), 2)
    expect(readIcmpv6(path.sent[0]!.frame).type).toBe(icmpv6.ICMPV6_TIME_EXCEED)
    expect(path.isAllReturned()).toBe(true)
  })
  test('about what stands behind options of any length, unless it is an error', () => {
    const path = router()
    const behind = (type: number): Uint8Array => {
      const octets = new Uint8Array(576 + 1)
      octets.set([IPPROTO_ICMPV6, 576 / 8 - 1])
      octets[576] = type
      const through = { ...fields, daddr: '2001:db8:3::9', hops: 1, protocol: IPPROTO_DSTOPTS }
      return ip6Frame(toRouter, through, octets)
    }
    path.receive(behind(icmpv6.ICMPV6_TIME_EXCEED), 2)
    expect(path.sent).toHaveLength(0)
    path.receive(behind(icmpv6.ICMPV6_ECHO_REPLY), 2)
    expect(readIcmpv6(path.sent[0]!.frame).type).toBe(icmpv6.ICMPV6_TIME_EXCEED)
    expect(path.isAllReturned()).toBe(true)
  })
  test('never about another error, a redirect, or to nobody', () => {
    const path = router()
    const quoted = ip6Packet({ saddr: fields.saddr, daddr: '2001:db8:3::9' }, new Uint8Array(20))
    const through = { ...fields, daddr: '2001:db8:3::9', hops: 1 }
    for (const type of [1, 2, 3, 4, 100, 127, icmpv6.NDISC_REDIRECT])
      path.receive(icmpv6Frame(toRouter, through, type, 0, 0, quoted), 2)
    path.receive(udp6Frame(toRouter, { ...fields, saddr: '::' }, ports), 2)
    expect(path.sent).toHaveLength(0)
    // but about other messages
    path.receive(icmpv6Frame(toRouter, through, icmpv6.ICMPV6_ECHO_REPLY, 0, 0, quoted), 2)
    expect(readIcmpv6(path.sent[0]!.frame).type).toBe(icmpv6.ICMPV6_TIME_EXCEED)
    expect(path.isAllReturned()).toBe(true)
  })
  test('six at once to a host, then one a second; "packet too big" always', () => {
    const path = router()
    path.advance(GREETINGS_MS)
    path.sent.length = 0
    path.addDevice(3, { mtu: 1280 })
    const closed = udp6Frame(toRouter, fields, ports)
    for (let k = 0; k < 10; k++) path.receive(closed, 2)
    expect(path.sent).toHaveLength(6)
    expect(path.counter(Mib.Icmp6OutRateLimitHost)).toBe(4)
    path.advance(1000)
    for (let k = 0; k < 3; k++) path.receive(closed, 2)
    expect(path.sent).toHaveLength(7)
    const large = udp6Frame(
      toRouter,
      { ...fields, daddr: '2001:db8:3::9' },
      ports,
      new Uint8Array(1300)
    )
    for (let k = 0; k < 10; k++) path.receive(large, 2)
    expect(path.sent).toHaveLength(17)
    path.setSysctl(Sysctl.icmp6_ratelimit, 0)
    for (let k = 0; k < 10; k++) path.receive(closed, 2)
    expect(path.sent).toHaveLength(27)
    expect(path.isAllReturned()).toBe(true)
  })
  test('of the types of ratemask, which may be others: echo replies too', () => {
    const path = router()
    path.advance(GREETINGS_MS)
    path.sent.length = 0
    const closed = udp6Frame(toRouter, fields, ports)
    const ping = icmpv6Frame(toRouter, fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 1)
    // 129 alone
    path.setSysctl(Sysctl.icmp6_ratemask_0, 0)
    path.setSysctl(Sysctl.icmp6_ratemask_4, 2)
    for (let k = 0; k < 10; k++) path.receive(closed, 2)
    expect(path.sent).toHaveLength(10)
    for (let k = 0; k < 10; k++) path.receive(ping, 2)
    expect(path.sent).toHaveLength(16)
    expect(path.counter(Mib.Icmp6OutRateLimitHost)).toBe(4)
    expect(path.isAllReturned()).toBe(true)
  })
  test('by the link that the packet came from, to an address of that link', () => {
    const path = router()
    for (const dev of [2, 3]) path.setNeigh(dev, 'fe80::9', toRouter.src)
    path.receive(
      udp6Frame(
        { ...toRouter, dst: '02:00:00:00:00:03' },
        { saddr: 'fe80::9', daddr: 'fe80::1' },
        ports
      ),
      3
    )
    expect(path.sent.map(({ dev }) => dev)).toEqual([3])
  })
})

describe('an error that comes in', () => {
  type Heard = [errno: number, isFatal: boolean, mtu: number]
  /** What the transport of a datagram of ours hears of an error about it. */
  const heardOf = (type: number, code: number, rest = 0, spoil = (q: Uint8Array) => q): Heard[] => {
    const heard: Heard[] = []
    const path = createRouter6({
      moreProtocols: (protos) =>
        protos.inetAddProtocol(
          253,
          () => {},
          (_skb, errno, isFatal, mtu) => heard.push([errno, isFatal, mtu]) > 0
        ),
    })
    const ours = { saddr: fields.daddr, daddr: '2001:db8:77::7', protocol: 253 }
    const quoted = spoil(ip6Packet(ours, new Uint8Array(8)))
    path.receive(icmpv6Frame(toRouter, fields, type, code, rest, quoted), 2)
    expect(path.isAllReturned()).toBe(true)
    return heard
  }
  const { ENETUNREACH, EACCES, EHOSTUNREACH, ECONNREFUSED, EMSGSIZE } = Errno
  test.each<[string, number, number, number, Heard]>([
    ['no route', 1, 0, 0, [ENETUNREACH, false, NO_MTU]],
    ['prohibited', 1, 1, 0, [EACCES, true, NO_MTU]],
    ['beyond scope', 1, 2, 0, [EHOSTUNREACH, false, NO_MTU]],
    ['address unreachable', 1, 3, 0, [EHOSTUNREACH, false, NO_MTU]],
    ['port unreachable', 1, 4, 0, [ECONNREFUSED, true, NO_MTU]],
    ['policy', 1, 5, 0, [EACCES, true, NO_MTU]],
    ['reject route', 1, 6, 0, [EACCES, true, NO_MTU]],
    ['a code that is not known', 1, 9, 0, [71, true, NO_MTU]],
    ['packet too big', 2, 0, 1400, [EMSGSIZE, false, 1400]],
    ['packet too big by nothing', 2, 0, -1, [EMSGSIZE, false, 0x7fffffff]],
    ['time exceeded', 3, 0, 0, [EHOSTUNREACH, false, NO_MTU]],
    ['parameter problem', 4, 0, 40, [71, true, NO_MTU]],
    ['a type that is not known', 100, 0, 0, [71, false, NO_MTU]],
  ])('%s', (_name, type, code, rest, expected) => {
    expect(heardOf(type, code, rest)).toEqual([expected])
  })
  test('is for nobody when it quotes what we did not send, or too little', () => {
    const another = (q: Uint8Array): Uint8Array => {
      q[8] = 0x30
      return q
    }
    expect(heardOf(1, 0, 0, another)).toEqual([])
    expect(heardOf(1, 0, 0, (q) => q.subarray(0, 39))).toEqual([])
    expect(heardOf(1, 0, 0, (q) => q.subarray(0, 47))).toEqual([])
    expect(heardOf(1, 0, 0, (q) => (q[0] = 0x45) && q)).toEqual([])
  })
  test('lets the path to whom we ping be no wider than it says, and never below 1,280', () => {
    const path = router()
    const told = (mtu: number): number => {
      const ours = { saddr: fields.daddr, daddr: fields.saddr, protocol: IPPROTO_ICMPV6 }
      const quoted = ip6Packet(ours, new Uint8Array(1000))
      path.receive(icmpv6Frame(toRouter, fields, icmpv6.ICMPV6_PKT_TOOBIG, 0, mtu, quoted), 2)
      const fl = path.flow('::', fields.saddr)
      expect(path.first.routeOutput(fl)).toBe(0)
      return fl[FL_MTU]!
    }
    expect([1600, -5, 1400, 1500, 1000, 1280].map(told)).toEqual([
      1500, 1500, 1400, 1400, 1400, 1280,
    ])
    expect(path.counter(Mib.Icmp6InPktTooBigs)).toBe(6)
  })
})

test('a datagram of ours that is too big for its path is cut to what it takes', () => {
  const path = router()
  const quoted = ip6Packet(
    { saddr: fields.daddr, daddr: fields.saddr, protocol: IPPROTO_ICMPV6 },
    new Uint8Array(100)
  )
  path.receive(icmpv6Frame(toRouter, fields, icmpv6.ICMPV6_PKT_TOOBIG, 0, 1280, quoted), 2)
  path.receive(echo({}, toRouter, new Uint8Array(1400)), 2)
  expect(path.sent.map(({ frame }) => frame.length - 14)).toEqual([1280, 1448 + 16 - 1280 + 40])
})

describe('the anycast address of a network (RFC 4291 section 2.6.1)', () => {
  const toNet = { daddr: '2001:db8:2::' }
  test('is every router’s, who answers from an address of its own, and says errors from it', () => {
    const path = router()
    path.receive(echo(toNet), 2)
    expect(readIp6(path.sent[0]!.frame).saddr).toBe('2001:db8:2::1')
    path.receive(udp6Frame(toRouter, { ...fields, ...toNet }, ports), 2)
    expect(readIp6(path.sent[1]!.frame).saddr).toBe('2001:db8:2::')
    expect(readIcmpv6(path.sent[1]!.frame).code).toBe(icmpv6.ICMPV6_PORT_UNREACH)
    expect(path.isAllReturned()).toBe(true)
  })
  test('does not answer by another link than the one it was asked on', () => {
    const path = router()
    path.addRoute('2001:db8:9::/64', 3, { via: '2001:db8:3::9' })
    path.receive(echo({ ...toNet, saddr: '2001:db8:9::9' }), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('opens no stream', () => {
    const path = router()
    path.receive(tcp6Frame(toRouter, { ...fields, ...toNet }, { ...ports, flags: 2 }), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('is here too for whoever sends from here', () => {
    const fl = router().flow('::', '2001:db8:2::')
    const path = router()
    expect(path.first.routeOutput(fl)).toBe(0)
    expect([...fl.subarray(FL_SADDR, FL_SADDR + 4)]).toEqual([0x20010db8, 0x20000, 0, 1])
  })
  test('of a host, or of a link between two routers, there is none', () => {
    const path = router()
    path.addAddress(3, '2001:db8:7::1/127')
    path.setConf(3, Conf6.forwarding, 0)
    path.addAddress(3, '2001:db8:8::1/64')
    for (const net of ['2001:db8:7::', '2001:db8:8::']) {
      const fl = path.flow('::', net)
      expect(path.first.routeOutput(fl)).toBe(0)
      expect(fl[FL_TYPE]).toBe(1)
    }
  })
})
