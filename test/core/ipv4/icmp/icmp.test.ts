import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../core/base/errno.ts'
import { FL_DST } from '../../../../core/base/flowi.ts'
import { NO_MTU } from '../../../../core/inet/inet-constants.ts'
import { NH_GATEWAY } from '../../../../core/inet/fib/nexthop-constants.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../../../core/wire/ipproto.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { CONF_ALL, Conf4 } from '../../../../core/shm/devconf.ts'
import { Ipi } from '../../../../core/shm/ipi.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import * as arp from '../../../../core/wire/arp.ts'
import * as icmp from '../../../../core/wire/icmp.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import { createRouter, toRouter } from '../../../../sim/net/path-host.ts'
import {
  icmpFrame,
  ip,
  ipPacket,
  ipText,
  tcpFrame,
  udpDatagram,
  udpFrame,
} from '../../../../sim/net/packets.ts'

const fields = { saddr: '10.0.2.9', daddr: '10.0.2.1' }
const ports = { sport: 4000, dport: 9 }
/** A transport of the test's own. */
const OTHER_PROTOCOL = 253
type Heard = { errno: number; isFatal: boolean; mtu: number }
/** What is learned of path MTUs is told to the second worker. */
const router = () => {
  const heard: Heard[] = []
  const mtus: { addr: number; mtu: number }[] = []
  const path = createRouter({
    config: { workers: 2 },
    moreProtocols: (protos) =>
      protos.inetAddProtocol(
        OTHER_PROTOCOL,
        (skb) => path.first.consume(skb),
        (_skb, errno, isFatal, mtu) => heard.push({ errno, isFatal, mtu }) > 0
      ),
  })
  path.setNeigh(2, '10.0.2.9', toRouter.src)
  path.workers[1]!.ipi.on(
    Ipi.PMTU_UPDATE,
    (_from, _a0, _a1, _a2, _a3, addr, mtu) => void mtus.push({ addr, mtu })
  )
  return { ...path, heard, mtus }
}
/** An error about a packet that this host sent to 10.0.2.9. */
const quoting = (protocol = OTHER_PROTOCOL, saddr = '10.0.2.1', daddr = '10.0.2.9'): Uint8Array =>
  ipPacket({ saddr, daddr, protocol }, new Uint8Array(8))

describe('echo', () => {
  test('answers with the same identifier, sequence and data', () => {
    const path = router()
    const data = Uint8Array.from({ length: 56 }, (_, k) => k)
    path.receive(
      icmpFrame(toRouter, { ...fields, tos: 0x10 }, icmp.ICMP_ECHO, 0, 0x12340007, data),
      2
    )
    const { frame } = path.sent[0]!
    expect(ipv4.src(frame, 14)).toBe(ip('10.0.2.1'))
    expect(ipv4.dst(frame, 14)).toBe(ip('10.0.2.9'))
    expect(ipv4.ttl(frame, 14)).toBe(64)
    expect(ipv4.tos(frame, 14)).toBe(0x10)
    expect(icmp.type(frame, 34)).toBe(icmp.ICMP_ECHOREPLY)
    expect(icmp.rest(frame, 34)).toBe(0x12340007)
    expect(icmp.isChecksumOk(frame, 34, 64)).toBe(true)
    expect([...frame.subarray(42)]).toEqual([...data])
    expect(path.counter(Mib.IcmpInEchos)).toBe(1)
    expect(path.counter(Mib.IcmpOutEchoReps)).toBe(1)
    expect(path.counter(Mib.IcmpOutMsgs)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('says nothing when icmp_echo_ignore_all is set', () => {
    const path = router()
    path.setSysctl(Sysctl.icmp_echo_ignore_all, 1)
    path.receive(icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, 1), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('says nothing to a broadcast', () => {
    const path = router()
    path.receive(
      icmpFrame(
        { ...toRouter, dst: 'ff:ff:ff:ff:ff:ff' },
        { ...fields, daddr: '10.0.2.255' },
        icmp.ICMP_ECHO,
        0,
        1
      ),
      2
    )
    expect(path.sent).toHaveLength(0)
    expect(path.drops(Drop.INVALID_PROTO)).toBe(1)
  })
  test('is never held back by the error limits', () => {
    const path = router()
    for (let k = 0; k < 200; k++) path.receive(icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, k), 2)
    expect(path.sent).toHaveLength(200)
  })
  test('ip_default_ttl is what is sent with (RFC 1122 section 3.2.1.7)', () => {
    const path = router()
    path.setSysctl(Sysctl.ip_default_ttl, 77)
    path.receive(icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, 1), 2)
    expect(ipv4.ttl(path.sent[0]!.frame, 14)).toBe(77)
  })
  test('drops a message of a type that nobody knows, in silence (RFC 1122 section 3.2.2)', () => {
    const path = router()
    path.receive(icmpFrame(toRouter, fields, 200, 0, 0), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops a wrong checksum', () => {
    const path = router()
    const frame = icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, 1)
    frame[36]! ^= 1
    path.receive(frame, 2)
    expect(path.drops(Drop.ICMP_CSUM)).toBe(1)
    expect(path.counter(Mib.IcmpInCsumErrors)).toBe(1)
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('counts questions and answers about address masks, and takes them no further', () => {
    const path = router()
    for (const type of [icmp.ICMP_ADDRESS, icmp.ICMP_ADDRESSREPLY, icmp.ICMP_ADDRESSREPLY])
      path.receive(icmpFrame(toRouter, fields, type, 0, 1), 2)
    expect(path.sent).toEqual([])
    expect(path.counter(Mib.IcmpInAddrMasks)).toBe(1)
    expect(path.counter(Mib.IcmpInAddrMaskReps)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })
  test('counts a reply, and drops it when nobody here has asked for it', () => {
    const path = router()
    path.receive(icmpFrame(toRouter, fields, icmp.ICMP_ECHOREPLY, 0, 1), 2)
    expect(path.counter(Mib.IcmpInEchoReps)).toBe(1)
    expect(Object.values(Drop).filter((reason) => path.drops(reason) !== 0)).toEqual([
      Drop.NO_SOCKET,
    ])
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('icmp_send', () => {
  test('quotes the header and the data that caused it, with precedence 6', () => {
    const path = router()
    const offending = udpFrame(toRouter, { ...fields, tos: 0x08 }, ports)
    path.receive(offending, 2)
    const { frame } = path.sent[0]!
    expect(icmp.type(frame, 34)).toBe(icmp.ICMP_DEST_UNREACH)
    expect(icmp.code(frame, 34)).toBe(icmp.ICMP_PORT_UNREACH)
    expect([...frame.subarray(42)]).toEqual([...offending.subarray(14)])
    expect(ipv4.tos(frame, 14)).toBe(0xc8)
    expect(ipv4.dontFragment(frame, 14)).toBe(false)
    expect(path.isAllReturned()).toBe(true)
  })
  const silent: [string, Uint8Array][] = [
    [
      'an error',
      icmpFrame(
        toRouter,
        { ...fields, daddr: '10.0.3.9', ttl: 1 },
        icmp.ICMP_DEST_UNREACH,
        1,
        0,
        quoting()
      ),
    ],
    [
      'an unknown ICMP type',
      icmpFrame(toRouter, { ...fields, daddr: '10.0.3.9', ttl: 1 }, 200, 0, 0),
    ],
    [
      'a fragment but the first',
      udpFrame(toRouter, { ...fields, daddr: '10.0.3.9', ttl: 1, offset: 64 }, ports),
    ],
  ]
  for (const [name, frame] of silent) {
    test(`is silent about ${name}`, () => {
      const path = router()
      path.receive(frame, 2)
      expect(path.sent).toHaveLength(0)
      expect(path.drops(Drop.TTL_EXCEEDED)).toBe(1)
      expect(path.isAllReturned()).toBe(true)
    })
  }
  test('speaks about an echo request and a first fragment', () => {
    const path = router()
    path.receive(
      icmpFrame(toRouter, { ...fields, daddr: '10.0.3.9', ttl: 1 }, icmp.ICMP_ECHO, 0, 1),
      2
    )
    path.receive(
      udpFrame(toRouter, { ...fields, daddr: '10.0.3.9', ttl: 1, flags: ipv4.IP_MF }, ports),
      2
    )
    expect(path.sent).toHaveLength(2)
  })
  test('is silent about a unicast packet in a link broadcast', () => {
    const path = router()
    path.receive(udpFrame({ ...toRouter, dst: 'ff:ff:ff:ff:ff:ff' }, fields, ports), 2)
    expect(path.counter(Mib.UdpNoPorts)).toBe(1)
    expect(path.sent).toHaveLength(0)
  })
  test('limits the types that icmp_ratemask has, and none where icmp_ratelimit is 0', () => {
    const count = (setting: number, value: number): number => {
      const path = router()
      path.setSysctl(setting, value)
      for (let k = 0; k < 10; k++) path.receive(udpFrame(toRouter, fields, ports), 2)
      return path.sent.length
    }
    expect(count(Sysctl.icmp_ratemask, 0)).toBe(10)
    expect(count(Sysctl.icmp_ratelimit, 0)).toBe(10)
  })
  test('limits echo replies too where icmp_ratemask says so', () => {
    const path = router()
    path.setSysctl(Sysctl.icmp_ratemask, 1 << icmp.ICMP_ECHOREPLY)
    for (let k = 0; k < 10; k++) path.receive(icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, k), 2)
    expect(path.sent).toHaveLength(6)
    expect(path.isAllReturned()).toBe(true)
  })
  test('comes from an address of the device the packet came in on, where that is asked for', () => {
    const source = (value: number): string => {
      const path = router()
      path.addRoute('10.0.2.9/32', 3, { via: '10.0.3.9' })
      path.setNeigh(3, '10.0.3.9', toRouter.src)
      path.setSysctl(Sysctl.icmp_errors_use_inbound_ifaddr, value)
      path.receive(udpFrame(toRouter, { ...fields, daddr: '192.0.2.1', ttl: 1 }, ports), 2)
      return ipText(ipv4.src(path.sent[0]!.frame, 14))
    }
    expect([0, 1].map(source)).toEqual(['10.0.3.1', '10.0.2.1'])
  })
  test('sends one host six errors at once, then one a second', () => {
    const path = router()
    for (let k = 0; k < 10; k++) path.receive(udpFrame(toRouter, fields, ports), 2)
    expect(path.sent).toHaveLength(6)
    expect(path.counter(Mib.IcmpOutRateLimitHost)).toBe(4)
    path.advance(1000)
    for (let k = 0; k < 3; k++) path.receive(udpFrame(toRouter, fields, ports), 2)
    expect(path.sent).toHaveLength(7)
    expect(path.isAllReturned()).toBe(true)
  })
  test('sends all hosts together no more than the burst at once', () => {
    const path = router()
    for (let k = 0; k < 100; k++) path.setNeigh(2, `10.0.2.${100 + k}`, toRouter.src)
    for (let k = 0; k < 100; k++)
      path.receive(udpFrame(toRouter, { ...fields, saddr: `10.0.2.${100 + k}` }, ports), 2)
    expect(path.sent).toHaveLength(50)
    expect(path.counter(Mib.IcmpOutRateLimitGlobal)).toBe(50)
  })
  test('never holds "fragmentation needed" back', () => {
    const path = router()
    path.addRoute('10.9.0.0/16', 3, { via: '10.0.3.9', mtu: 1300 })
    const big = udpFrame(
      toRouter,
      { ...fields, daddr: '10.9.0.1', flags: ipv4.IP_DF },
      ports,
      new Uint8Array(1400)
    )
    for (let k = 0; k < 60; k++) path.receive(big, 2)
    expect(path.sent).toHaveLength(60)
  })
})

test('answers have the mark of what they answer, where fwmark_reflect says so', () => {
  const path = router()
  const marks = (): number[] => path.sent.splice(0).map(({ mark }) => mark)
  const ask = (): void => {
    path.receive(icmpFrame(toRouter, fields, icmp.ICMP_ECHO, 0, 1), 2, path.first, 7)
    path.receive(udpFrame(toRouter, fields, { sport: 1, dport: 9 }), 2, path.first, 8)
    path.receive(tcpFrame(toRouter, fields, { sport: 1, dport: 9 }), 2, path.first, 9)
  }
  ask()
  expect(marks()).toEqual([0, 0, 0])
  path.setSysctl(Sysctl.fwmark_reflect, 1)
  ask()
  expect(marks()).toEqual([7, 8, 9])
  expect(path.isAllReturned()).toBe(true)
})

describe('what was sent to all', () => {
  const ask = (type: number) =>
    icmpFrame(toRouter, { ...fields, daddr: '10.0.2.255' }, type, 0, 1, new Uint8Array(12))
  test('is answered only with icmp_echo_ignore_broadcasts 0, from our own address', () => {
    const path = router()
    for (const type of [icmp.ICMP_ECHO, icmp.ICMP_TIMESTAMP]) path.receive(ask(type), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.IcmpInErrors)).toBe(2)
    path.setSysctl(Sysctl.icmp_echo_ignore_broadcasts, 0)
    for (const type of [icmp.ICMP_ECHO, icmp.ICMP_TIMESTAMP]) path.receive(ask(type), 2)
    expect(
      path.sent.map(({ frame }) => [ipText(ipv4.src(frame, 14)), icmp.type(frame, 34)])
    ).toEqual([
      ['10.0.2.1', icmp.ICMP_ECHOREPLY],
      ['10.0.2.1', icmp.ICMP_TIMESTAMPREPLY],
    ])
    expect(path.isAllReturned()).toBe(true)
  })
  test('is no error that is believed; address masks are read by nobody', () => {
    const path = router()
    path.receive(ask(icmp.ICMP_DEST_UNREACH), 2)
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    path.receive(ask(icmp.ICMP_ADDRESS), 2)
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    expect(path.sent).toHaveLength(0)
  })
})

describe('errors in', () => {
  const errors: [number, number, number, boolean][] = [
    [icmp.ICMP_DEST_UNREACH, icmp.ICMP_NET_UNREACH, Errno.ENETUNREACH, false],
    [icmp.ICMP_DEST_UNREACH, icmp.ICMP_HOST_UNREACH, Errno.EHOSTUNREACH, false],
    [icmp.ICMP_DEST_UNREACH, icmp.ICMP_PORT_UNREACH, Errno.ECONNREFUSED, true],
    [icmp.ICMP_TIME_EXCEEDED, icmp.ICMP_EXC_TTL, Errno.EHOSTUNREACH, false],
    [icmp.ICMP_PARAMETERPROB, 0, 71, true],
  ]
  for (const [type, code, errno, isFatal] of errors) {
    test(`gives type ${type} code ${code} to the transport it quotes`, () => {
      const path = router()
      path.receive(icmpFrame(toRouter, fields, type, code, 0, quoting()), 2)
      expect(path.heard).toEqual([{ errno, isFatal, mtu: NO_MTU }])
      expect(path.isAllReturned()).toBe(true)
    })
  }
  const needed = (mtu: number, protocol = OTHER_PROTOCOL): Uint8Array =>
    icmpFrame(
      toRouter,
      fields,
      icmp.ICMP_DEST_UNREACH,
      icmp.ICMP_FRAG_NEEDED,
      mtu,
      quoting(protocol)
    )
  test('gives the transport the MTU, and believes none that no transport vouches for', () => {
    const path = router()
    path.receive(needed(1400), 2)
    expect(path.heard).toEqual([{ errno: Errno.EMSGSIZE, isFatal: true, mtu: 1400 }])
    path.receive(needed(1300, 47), 2)
    expect(path.mtus).toEqual([])
    expect(path.first.pmtuSerial()).toBe(0)
  })
  test('ip_no_pmtu_disc: 1 is the least, 2 is deaf, 3 believes only who can tell a forged one', () => {
    const path = router()
    for (const how of [1, 2, 3]) {
      path.setSysctl(Sysctl.ip_no_pmtu_disc, how)
      path.receive(needed(1400), 2)
    }
    expect(path.heard).toEqual([{ errno: Errno.EMSGSIZE, isFatal: true, mtu: 0 }])
    // TCP's numbers vouch for what is said; this one has no connection here
    path.receive(needed(1400, IPPROTO_TCP), 2)
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    path.setSysctl(Sysctl.ip_no_pmtu_disc, 2)
    path.receive(needed(1400, IPPROTO_TCP), 2)
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    // other errors are heard as ever
    path.receive(icmpFrame(toRouter, fields, 3, 1, 0, quoting()), 2)
    expect(path.heard).toHaveLength(2)
    expect(path.isAllReturned()).toBe(true)
  })
  test('believes what is said of the way of our own echoes', () => {
    const path = router()
    path.receive(needed(1300, IPPROTO_ICMP), 2)
    expect(path.mtus).toEqual([{ addr: ip('10.0.2.9'), mtu: 1300 }])
    expect(path.isAllReturned()).toBe(true)
  })
  test('about what we are said to have sent to a broadcast address is believed unless told not to', () => {
    const path = router()
    const frame = icmpFrame(
      toRouter,
      fields,
      3,
      1,
      0,
      quoting(OTHER_PROTOCOL, '10.0.2.1', '10.0.2.255')
    )
    path.receive(frame, 2)
    path.setSysctl(Sysctl.icmp_ignore_bogus_error_responses, 0)
    path.receive(frame, 2)
    expect(path.heard).toHaveLength(1)
  })
  test('extended echo (RFC 8335) is not answered, and no error', () => {
    const path = router()
    for (const type of [42, 43]) path.receive(icmpFrame(toRouter, fields, type, 0, 0), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.IcmpInErrors)).toBe(0)
    path.receive(icmpFrame(toRouter, fields, 44, 0, 0), 2)
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    // nobody answers many
    path.receive(icmpFrame(toRouter, { ...fields, daddr: '10.0.2.255' }, 43, 0, 0), 2)
    expect(path.counter(Mib.IcmpInErrors)).toBe(2)
  })
  const ignored: [string, Uint8Array][] = [
    [
      'what quotes a packet that is not ours',
      icmpFrame(toRouter, fields, 3, 1, 0, quoting(OTHER_PROTOCOL, '10.0.2.77')),
    ],
    [
      'what quotes less than eight octets',
      icmpFrame(toRouter, fields, 3, 1, 0, quoting().subarray(0, 24)),
    ],
    ['what quotes no IP header', icmpFrame(toRouter, fields, 3, 1, 0, new Uint8Array(28))],
    ['reassembly timeouts', icmpFrame(toRouter, fields, 11, 1, 0, quoting())],
  ]
  for (const [name, frame] of ignored) {
    test(`ignores ${name}`, () => {
      const path = router()
      path.receive(frame, 2)
      expect(path.heard).toEqual([])
      expect(path.isAllReturned()).toBe(true)
    })
  }
  describe('a redirect', () => {
    /** A host on one network with two routers, .254 its default route and .253; it has sent something to 192.0.2.7. */
    const host = () => {
      const path = router()
      for (const dev of [2, 3]) path.setConf(dev, Conf4.forwarding, 0)
      path.addRoute('0.0.0.0/0', 2, { via: '10.0.2.254' })
      for (const last of ['253', '254'])
        path.setNeigh(2, `10.0.2.${last}`, `02:00:00:00:02:${last.slice(1)}`)
      return path
    }
    const redirect = (to: string, from = '10.0.2.254', code = 1): Uint8Array =>
      icmpFrame(
        toRouter,
        { saddr: from, daddr: '10.0.2.1' },
        icmp.ICMP_REDIRECT,
        code,
        ip(to),
        quoting(OTHER_PROTOCOL, '10.0.2.1', '192.0.2.7')
      )
    const gatewayOf = (path: ReturnType<typeof host>, daddr = '192.0.2.7'): string => {
      const fl = path.flow('0.0.0.0', daddr)
      expect(path.first.routeOutput(fl)).toBe(0)
      return ipText(path.arena.i32[fl[FL_DST]! + NH_GATEWAY + 3]!)
    }
    test('is honoured by a host, for its destination alone, for five minutes', () => {
      const path = host()
      const serial = path.first.pmtuSerial()
      path.receive(redirect('10.0.2.253'), 2)
      expect(gatewayOf(path)).toBe('10.0.2.253')
      expect(gatewayOf(path, '192.0.2.8')).toBe('10.0.2.254')
      // connections look their way up again
      expect(path.first.pmtuSerial()).not.toBe(serial)
      path.advance(299_000)
      expect(gatewayOf(path)).toBe('10.0.2.253')
      path.advance(2000)
      expect(gatewayOf(path)).toBe('10.0.2.254')
      expect(path.isAllReturned()).toBe(true)
    })
    test('may be followed by another, of the new router', () => {
      const path = host()
      path.setNeigh(2, '10.0.2.252', '02:00:00:00:02:52')
      path.receive(redirect('10.0.2.253'), 2)
      path.receive(redirect('10.0.2.252'), 2)
      expect(gatewayOf(path)).toBe('10.0.2.253')
      path.receive(redirect('10.0.2.252', '10.0.2.253'), 2)
      expect(gatewayOf(path)).toBe('10.0.2.252')
    })
    test('ends with the route that it is about', () => {
      const path = host()
      path.receive(redirect('10.0.2.253'), 2)
      path.addRoute('0.0.0.0/0', 2, { via: '10.0.2.250' })
      expect(gatewayOf(path)).toBe('10.0.2.250')
    })
    test('to a router that nobody has met has it asked for first', () => {
      const path = host()
      path.receive(redirect('10.0.2.251'), 2)
      expect(gatewayOf(path)).toBe('10.0.2.254')
      expect(path.sent.map(({ frame }) => ipText(arp.targetIp(frame, 14)))).toEqual(['10.0.2.251'])
      path.setNeigh(2, '10.0.2.251', '02:00:00:00:02:51')
      path.receive(redirect('10.0.2.251'), 2)
      expect(gatewayOf(path)).toBe('10.0.2.251')
    })
    test.each([
      ['from another than the router in use', redirect('10.0.2.253', '10.0.2.9'), {}],
      ['to a broadcast address', redirect('10.0.2.255'), {}],
      ['to a group', redirect('224.0.0.1'), {}],
      ['to nobody', redirect('0.0.0.0'), {}],
      ['to the router itself', redirect('10.0.2.254'), {}],
      ['to ourselves', redirect('10.0.2.1'), {}],
      ['of an unknown kind', redirect('10.0.2.253', '10.0.2.254', 5), {}],
      ['where none is accepted', redirect('10.0.2.253'), { accept_redirects: 0 }],
      ['by a router', redirect('10.0.2.253'), { forwarding: 1 }],
      ['to no default router of one network', redirect('10.0.2.253'), { shared_media: 0 }],
    ])('%s is not honoured', (_, frame, settings) => {
      const path = host()
      for (const row of [CONF_ALL, 2])
        for (const [name, value] of Object.entries(settings))
          if (row !== CONF_ALL || name !== 'accept_redirects')
            path.setConf(row, Conf4[name as keyof typeof Conf4], value)
      path.receive(frame, 2)
      expect(gatewayOf(path)).toBe('10.0.2.254')
      expect(path.isAllReturned()).toBe(true)
    })
    test('on a link of one network goes to a router that is not in any route only without secure_redirects', () => {
      const path = host()
      for (const row of [CONF_ALL, 2])
        for (const setting of [Conf4.shared_media, Conf4.secure_redirects])
          path.setConf(row, setting, 0)
      path.setNeigh(2, '10.0.2.253', '02:00:00:00:02:53')
      path.receive(redirect('10.0.2.253'), 2)
      expect(gatewayOf(path)).toBe('10.0.2.253')
    })
    test('about what nobody here has sent is not honoured', () => {
      const path = host()
      const quoted = quoting(IPPROTO_UDP, '10.0.2.1', '192.0.2.7')
      const fields = { saddr: '10.0.2.254', daddr: '10.0.2.1' }
      path.receive(icmpFrame(toRouter, fields, icmp.ICMP_REDIRECT, 1, ip('10.0.2.253'), quoted), 2)
      expect(gatewayOf(path)).toBe('10.0.2.254')
      expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    })
  })
  test.each([
    ['source quench', 4],
    ['redirects', 5],
  ])('%s say nothing to a socket, which is looked for', (_, type) => {
    const path = router()
    path.receive(icmpFrame(toRouter, fields, type, 1, 0, quoting()), 2)
    expect(path.heard).toEqual([{ errno: 0, isFatal: false, mtu: -1 }])
    expect(path.isAllReturned()).toBe(true)
  })
  test('quotes of UDP reach UDP', () => {
    const path = router()
    const datagram = udpDatagram(
      { saddr: '10.0.2.1', daddr: '10.0.2.9' },
      { sport: 5, dport: 6 },
      new Uint8Array(4)
    )
    const quote = ipPacket({ saddr: '10.0.2.1', daddr: '10.0.2.9' }, datagram)
    path.receive(icmpFrame(toRouter, fields, 3, 3, 0, quote), 2)
    // no such socket
    expect(path.counter(Mib.IcmpInErrors)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
})
