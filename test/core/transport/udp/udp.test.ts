import {
  IP_FREEBIND,
  IP_MTU_DISCOVER,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_UNICAST_HOPS,
  POLLHUP,
} from '../../../../core/socket/socket-constants.ts'
import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../core/base/errno.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { TRUESIZE_SMALL } from '../../../../core/skb/budget.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import {
  CHECKSUM_UNNECESSARY,
  GSO_UDP_L4,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
} from '../../../../core/skb/skb.ts'
import {
  SK_BOUND_DEV,
  SK_DROPS,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_NUM,
  SK_RCVBUF,
  SK_REUSE,
  SK_RMEM,
  SK_SADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
} from '../../../../core/socket/sock.ts'
import * as icmp from '../../../../core/wire/icmp.ts'
import { IPPROTO_UDP } from '../../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../../core/wire/ipv6.ts'
import * as udp from '../../../../core/wire/udp.ts'
import { joinOn } from '../../../support/groups.ts'
import { CLIENT_MAC, createRouter, createRouter6, toRouter } from '../../../../sim/net/path-host.ts'
import { ip6Frame, udpDatagram6 } from '../../../../sim/net/packets6.ts'
import { V4, words } from '../../../../sim/net/path-tables.ts'
import {
  icmpFrame,
  ip,
  ipPacket,
  pseudo,
  udpDatagram,
  udpFrame,
  v4Words,
} from '../../../../sim/net/packets.ts'

const fields = { saddr: '10.0.2.9', daddr: '10.0.2.1' }
const ports = { sport: 4000, dport: 53 }
const REUSE_ADDR = 1
const REUSE_PORT = 2
const V6ONLY = 4
const text = (s: string): Uint8Array => new TextEncoder().encode(s)

const host = () => {
  const path = createRouter()
  path.setNeigh(2, '10.0.2.9', CLIENT_MAC)
  const { proto } = path.first.udp
  const { sockets } = path.first
  const { i32 } = path.arena
  const events: { sk: number; events: number }[] = []
  const handler = sockets.registerHandler((sk, bits) => void events.push({ sk, events: bits }))
  const at = (addr: string): [Int32Array, number] => v4Words(ip(addr))
  const bound = (
    addr: string,
    port: number,
    options: { reuse?: number; family?: number; dev?: number } = {}
  ): number => {
    const sk = proto.open(options.family ?? AF_INET)
    sockets.attach(sk, handler, 0)
    i32[sk + SK_REUSE] = options.reuse ?? 0
    i32[sk + SK_BOUND_DEV] = options.dev ?? 0
    const error = proto.bind(sk, ...at(addr), port)
    if (error !== 0) throw new Error(`bind: ${error}`)
    return sk
  }
  const buffer = new Uint8Array(70_000)
  /** The next datagram as text, or the errno. */
  const recv = (sk: number): string | number => {
    const n = proto.recvBytes!(sk, buffer, 0, buffer.length)
    return n < 0 ? n : new TextDecoder().decode(buffer.subarray(0, n))
  }
  const arrive = (
    data: string,
    f: Partial<typeof fields> = {},
    p: Partial<typeof ports> = {}
  ): void =>
    path.receive(udpFrame(toRouter, { ...fields, ...f }, { ...ports, ...p }, text(data)), 2)
  return {
    ...path,
    events,
    proto,
    i32,
    at,
    bound,
    recv,
    arrive,
    free: (sk: number) => proto.close(sk),
  }
}

describe('receiving', () => {
  test('queues a datagram, tells the socket, and says who sent it', () => {
    const path = host()
    const sk = path.bound('10.0.2.1', 53)
    path.arrive('hello')
    expect(path.events).toEqual([{ sk, events: SK_EVENT_READ }])
    expect(path.recv(sk)).toBe('hello')
    expect([...path.proto.peer!.subarray(0, 5)]).toEqual([0, 0, V4, ip('10.0.2.9'), 4000])
    expect(path.recv(sk)).toBe(-Errno.EAGAIN)
    expect(path.counter(Mib.UdpInDatagrams)).toBe(1)
    path.free(sk)
    expect(path.first.slab.live()).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('keeps datagrams in order, empty ones too, and cuts what does not fit', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    for (const data of ['one', '', 'three']) path.arrive(data)
    const to = path.first.words(2) << 2
    expect(path.recv(sk)).toBe('one')
    expect(path.recv(sk)).toBe('')
    expect(path.proto.recvfrom!(sk, to, 2)).toBe(2)
    expect(path.arena.u8[to + 1]).toBe('h'.charCodeAt(0))
    expect(path.recv(sk)).toBe(-Errno.EAGAIN)
    path.free(sk)
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops what its receive buffer has no room for', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    path.i32[sk + SK_RCVBUF] = 2 * TRUESIZE_SMALL
    for (let n = 0; n < 5; n++) path.arrive(`${n}`)
    expect(path.i32[sk + SK_DROPS]).toBe(2)
    expect(path.drops(Drop.SOCKET_RCVBUFF)).toBe(2)
    expect(path.counter(Mib.UdpRcvbufErrors)).toBe(2)
    expect(path.counter(Mib.UdpInErrors)).toBe(2)
    for (let n = 0; n < 3; n++) expect(path.recv(sk)).toBe(`${n}`)
    expect(path.i32[sk + SK_RMEM]).toBe(0)
    path.free(sk)
    expect(path.isAllReturned()).toBe(true)
  })
  test('answers "port unreachable" where nobody listens', () => {
    const path = host()
    path.arrive('hello')
    expect(path.counter(Mib.UdpNoPorts)).toBe(1)
    expect(path.drops(Drop.NO_SOCKET)).toBe(1)
    expect(icmp.code(path.sent[0]!.frame, 34)).toBe(icmp.ICMP_PORT_UNREACH)
    expect(path.isAllReturned()).toBe(true)
  })
  const broken: [string, (frame: Uint8Array) => void, number, number][] = [
    ['a wrong checksum', (f) => (f[50]! ^= 1), Drop.UDP_CSUM, 1],
    ['a length beyond the packet', (f) => udp.setLength(f, 34, 200), Drop.PKT_TOO_SMALL, 0],
    ['a length below the header', (f) => udp.setLength(f, 34, 7), Drop.PKT_TOO_SMALL, 0],
  ]
  for (const [name, spoil, reason, csumErrors] of broken) {
    test(`drops ${name}`, () => {
      const path = host()
      const sk = path.bound('0.0.0.0', 53)
      const frame = udpFrame(toRouter, fields, ports)
      spoil(frame)
      path.receive(frame, 2)
      expect(path.drops(reason)).toBe(1)
      expect(path.counter(Mib.UdpInErrors)).toBe(1)
      expect(path.counter(Mib.UdpInCsumErrors)).toBe(csumErrors)
      expect(path.recv(sk)).toBe(-Errno.EAGAIN)
      path.free(sk)
      expect(path.isAllReturned()).toBe(true)
    })
  }
  test('over IPv6 a length of 0 is that of the packet, over IPv4 none', () => {
    const path = host()
    const six = createRouter6()
    const { proto } = six.first.udp
    const sk = proto.open(AF_INET6)
    proto.bind(sk, new Int32Array(4), 0, 53)
    const fields6 = { saddr: '2001:db8:2::9', daddr: '2001:db8:2::1' }
    const datagram = udpDatagram6(fields6, ports, text('hello'))
    udp.setLength(datagram, 0, 0)
    // the sum counts the length twice: in the header, and in the pseudo header, where it is the packet's
    udp.putChecksum(datagram, 0, (udp.checksum(datagram, 0) + 13) % 0xffff)
    const buffer = new Uint8Array(10)
    for (const by of [0, 1]) {
      udp.putChecksum(datagram, 0, udp.checksum(datagram, 0) + by)
      six.receive(ip6Frame(toRouter, { ...fields6, protocol: IPPROTO_UDP }, datagram), 2)
    }
    expect(proto.recvBytes!(sk, buffer, 0, 10)).toBe(5)
    expect(proto.recvBytes!(sk, buffer, 0, 10)).toBe(-Errno.EAGAIN)
    expect([six.counter(Mib.Udp6InDatagrams), six.counter(Mib.Udp6InCsumErrors)]).toEqual([1, 1])
    proto.close(sk)
    expect(six.isAllReturned()).toBe(true)
    const frame = udpFrame(toRouter, fields, ports)
    udp.setLength(frame, 34, 0)
    path.receive(frame, 2)
    expect(path.drops(Drop.PKT_TOO_SMALL)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('takes a datagram without a checksum over IPv4, and one that the device has verified', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    const frame = udpFrame(toRouter, fields, ports, text('x'))
    udp.putChecksum(frame, 34, 0)
    path.receive(frame, 2)
    udp.putChecksum(frame, 34, 0x1234)
    path.first.receive(path.first.frameSkb(frame, 2, CHECKSUM_UNNECESSARY))
    expect(path.recv(sk)).toBe('x')
    expect(path.recv(sk)).toBe('x')
  })
  test('cuts a super-frame into the datagrams it is made of', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    const skb = path.first.frameSkb(
      udpFrame(toRouter, fields, ports, text('abcdefgh')),
      2,
      CHECKSUM_UNNECESSARY
    )
    path.i32[skb + SKB_GSO_SIZE] = 3
    path.i32[skb + SKB_GSO_TYPE] = GSO_UDP_L4
    path.first.receive(skb)
    expect([path.recv(sk), path.recv(sk), path.recv(sk)]).toEqual(['abc', 'def', 'gh'])
    path.free(sk)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('which socket', () => {
  test('a connected one before a bound one, a bound address before a wildcard', () => {
    const path = host()
    // the wildcard comes last, so that order alone would choose it
    const exact = path.bound('10.0.2.1', 53, { reuse: REUSE_ADDR })
    const any = path.bound('0.0.0.0', 53, { reuse: REUSE_ADDR })
    const connected = path.bound('10.0.2.1', 53, { reuse: REUSE_ADDR })
    expect(path.proto.connect(connected, ...path.at('10.0.2.9'), 4000)).toBe(0)
    path.arrive('for the connected')
    path.arrive('for the address', {}, { sport: 4001 })
    path.arrive('for anyone', { daddr: '10.0.3.1' })
    expect(path.recv(connected)).toBe('for the connected')
    expect(path.recv(exact)).toBe('for the address')
    expect(path.recv(any)).toBe('for anyone')
  })
  test('a socket of a device hears that device alone, and before one of none', () => {
    const path = host()
    const none = path.bound('0.0.0.0', 53, { reuse: REUSE_ADDR })
    const other = path.bound('0.0.0.0', 53, { reuse: REUSE_ADDR, dev: 3 })
    const here = path.bound('0.0.0.0', 53, { reuse: REUSE_ADDR, dev: 2 })
    path.arrive('x')
    expect([path.recv(none), path.recv(other)]).toEqual([-Errno.EAGAIN, -Errno.EAGAIN])
    expect(path.recv(here)).toBe('x')
  })
  test('an IPv6 wildcard hears IPv4 too, unless it is v6only', () => {
    const path = host()
    const six = path.proto.open(AF_INET6)
    expect(path.proto.bind(six, new Int32Array(4), 0, 53)).toBe(0)
    const only = path.proto.open(AF_INET6)
    path.i32[only + SK_REUSE] = V6ONLY
    expect(path.proto.bind(only, new Int32Array(4), 0, 54)).toBe(0)
    path.arrive('mapped')
    expect(path.recv(six)).toBe('mapped')
    path.arrive('no', {}, { dport: 54 })
    expect(path.counter(Mib.UdpNoPorts)).toBe(1)
  })
  test('sockets with SO_REUSEPORT share flows, each flow always the same', () => {
    const path = host()
    const group = [1, 2, 3].map(() => path.bound('0.0.0.0', 53, { reuse: REUSE_PORT }))
    for (let sport = 1000; sport < 1060; sport++)
      for (let n = 0; n < 2; n++) path.arrive(`${sport}`, {}, { sport })
    const got = group.map((sk) => {
      const flows: string[] = []
      for (let data = path.recv(sk); typeof data === 'string'; data = path.recv(sk))
        flows.push(data)
      return flows
    })
    expect(got.every((flows) => flows.length > 10)).toBe(true)
    for (const flows of got)
      for (let k = 0; k < flows.length; k += 2) expect(flows[k]).toBe(flows[k + 1]!)
    expect(got.flat()).toHaveLength(120)
  })
  test('all that hear a broadcast get it', () => {
    const path = host()
    const socks = [1, 2].map(() => path.bound('0.0.0.0', 53, { reuse: REUSE_ADDR }))
    const deaf = path.bound('10.0.2.1', 53, { reuse: REUSE_ADDR })
    const frame = udpFrame(
      { ...toRouter, dst: 'ff:ff:ff:ff:ff:ff' },
      { ...fields, daddr: '10.0.2.255' },
      ports,
      text('all')
    )
    path.receive(frame, 2)
    for (const sk of socks) expect(path.recv(sk)).toBe('all')
    expect(path.recv(deaf)).toBe(-Errno.EAGAIN)
    const group = path.bound('224.1.2.3', 54)
    expect(joinOn(path.first, group, '224.1.2.3', { dev: 2 })).toBe(0)
    path.receive(
      udpFrame(
        { ...toRouter, dst: '01:00:5e:01:02:03' },
        { ...fields, daddr: '224.1.2.3' },
        { sport: 1, dport: 54 },
        text('m')
      ),
      2
    )
    expect(path.recv(group)).toBe('m')
    for (const sk of [...socks, deaf, group]) path.first.sockets.close(sk)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('bind', () => {
  test('refuses a port that is taken, an address that is not ours, a second bind', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    const other = path.proto.open(AF_INET)
    expect(path.proto.bind(other, ...path.at('10.0.2.1'), 53)).toBe(-Errno.EADDRINUSE)
    expect(path.proto.bind(other, ...path.at('10.0.2.77'), 54)).toBe(-Errno.EADDRNOTAVAIL)
    expect(path.proto.bind(other, Int32Array.of(0x20010db8, 0, 0, 1), 0, 54)).toBe(
      -Errno.EAFNOSUPPORT
    )
    expect(path.proto.bind(sk, ...path.at('10.0.2.1'), 54)).toBe(-Errno.EINVAL)
    path.free(sk)
    expect(path.proto.bind(other, ...path.at('10.0.2.1'), 53)).toBe(0)
  })
  test("takes an address that is nobody's here with IP_FREEBIND", () => {
    const path = host()
    const { sockets } = path.first
    const sk = path.proto.open(AF_INET)
    expect(sockets.setsockopt(sk, IPPROTO_IP, IP_FREEBIND, 1)).toBe(0)
    expect(sockets.getsockopt(sk, IPPROTO_IP, IP_FREEBIND)).toBe(1)
    expect(path.proto.bind(sk, ...path.at('10.0.2.77'), 54)).toBe(0)
    sockets.close(sk)
    expect(path.isAllReturned()).toBe(true)
  })
  test('takes broadcast addresses and groups, and sends from the address of the device', () => {
    const path = host()
    for (const [addr, from] of [
      ['255.255.255.255', '10.0.2.9'],
      ['10.0.2.255', '10.0.2.9'],
      ['224.0.0.9', '10.0.2.9'],
    ] as const) {
      const sk = path.bound(addr, 53)
      path.sent.length = 0
      expect(path.proto.sendto!(sk, 0, 1, ...path.at(from), 9)).toBe(1)
      expect(ipv4.src(path.sent[0]!.frame, 14)).toBe(ip('10.0.2.1'))
      // it goes on receiving by that address when it is connected
      expect(path.proto.connect(sk, ...path.at('10.0.2.9'), 4000)).toBe(0)
      expect(path.i32[sk + SK_SADDR + 3]).toBe(ip(addr))
      expect(path.proto.sendBytes!(sk, text('x'), 0, 1)).toBe(1)
      expect(ipv4.src(path.sent[1]!.frame, 14)).toBe(ip('10.0.2.1'))
      path.free(sk)
    }
    for (const addr of ['240.0.0.1', '0.1.2.3'])
      expect(path.proto.bind(path.proto.open(AF_INET), ...path.at(addr), 53)).toBe(
        -Errno.EADDRNOTAVAIL
      )
    expect(path.isAllReturned()).toBe(true)
  })
  test('to an address sends limited broadcasts by the device that has it', () => {
    const path = host()
    for (const [addr, dev] of [
      ['10.0.2.1', 2],
      ['10.0.3.1', 3],
    ] as const) {
      const sk = path.bound(addr, 53)
      path.first.sockets.setsockopt(sk, 1, 6, 1)
      path.sent.length = 0
      expect(path.proto.sendto!(sk, 0, 1, ...path.at('255.255.255.255'), 9)).toBe(1)
      expect(path.sent[0]!.dev).toBe(dev)
      expect(ipv4.src(path.sent[0]!.frame, 14)).toBe(ip(addr))
      path.free(sk)
    }
  })
  test('chooses a port of the range', () => {
    const path = host()
    const taken = new Set<number>()
    for (let n = 0; n < 50; n++) taken.add(path.i32[path.bound('0.0.0.0', 0) + SK_NUM]!)
    expect(taken.size).toBe(50)
    for (const port of taken) {
      expect(port).toBeGreaterThanOrEqual(32768)
      expect(port).toBeLessThanOrEqual(60999)
    }
  })
})

describe('sending', () => {
  test('makes a datagram with a right checksum and DF', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    expect(path.first.udp.sendtoBytes(sk, text('hello'), 0, 5, ...path.at('10.0.2.9'), 4000)).toBe(
      5
    )
    const { frame } = path.sent[0]!
    expect(ipv4.src(frame, 14)).toBe(ip('10.0.2.1'))
    expect(ipv4.dontFragment(frame, 14)).toBe(true)
    expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
    expect(udp.srcPort(frame, 34)).toBe(53)
    expect(udp.dstPort(frame, 34)).toBe(4000)
    expect(udp.isChecksumOk(frame, 34, pseudo('10.0.2.1', '10.0.2.9', IPPROTO_UDP, 13))).toBe(true)
    expect(new TextDecoder().decode(frame.subarray(42))).toBe('hello')
    expect(path.counter(Mib.UdpOutDatagrams)).toBe(1)
    expect(path.counter(Mib.IpOutRequests)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('without DF where the socket was made with ip_no_pmtu_disc', () => {
    const path = host()
    path.setSysctl(Sysctl.ip_no_pmtu_disc, 1)
    const sk = path.bound('0.0.0.0', 53)
    path.setSysctl(Sysctl.ip_no_pmtu_disc, 0)
    path.first.udp.sendtoBytes(sk, text('hello'), 0, 5, ...path.at('10.0.2.9'), 4000)
    expect(ipv4.dontFragment(path.sent[0]!.frame, 14)).toBe(false)
    expect(path.first.sockets.getsockopt(sk, IPPROTO_IP, IP_MTU_DISCOVER)).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('IPV6_UNICAST_HOPS of 0 is sent so, by datagrams and by connections', () => {
    const path = createRouter6()
    path.setNeigh(2, '2001:db8:2::9', CLIENT_MAC)
    const { sockets } = path.first
    const peer = Int32Array.from(words('2001:db8:2::9'))
    path.sent.length = 0
    for (const type of [SOCK_DGRAM, SOCK_STREAM]) {
      const sk = sockets.socket(AF_INET6, type, 0)
      sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0)
      sockets.connect(sk, peer, 0, 4000)
      if (type === SOCK_DGRAM) path.first.udp.sendtoBytes(sk, text('hello'), 0, 5, peer, 0, 4000)
      path.settle()
      sockets.close(sk)
    }
    expect(path.sent.map(({ frame }) => ipv6.hopLimit(frame, 14))).toEqual([0, 0])
    expect(path.isAllReturned()).toBe(true)
  })
  test('takes a port of its own when it has none, and its peer with connect', () => {
    const path = host()
    const sk = path.proto.open(AF_INET)
    expect(path.proto.sendBytes!(sk, text('x'), 0, 1)).toBe(-Errno.EDESTADDRREQ)
    expect(path.proto.connect(sk, ...path.at('10.0.2.9'), 4000)).toBe(0)
    expect(path.i32[sk + SK_SADDR + 3]).toBe(ip('10.0.2.1'))
    expect(path.proto.sendBytes!(sk, text('x'), 0, 1)).toBe(1)
    expect(udp.srcPort(path.sent[0]!.frame, 34)).toBe(path.i32[sk + SK_NUM]!)
    path.arrive('back', {}, { dport: path.i32[sk + SK_NUM]! })
    path.arrive('from another', { saddr: '10.0.2.8' }, { dport: path.i32[sk + SK_NUM]! })
    expect(path.recv(sk)).toBe('back')
    expect(path.recv(sk)).toBe(-Errno.EAGAIN)
  })
  test('fragments what does not fit, and refuses what no datagram holds', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    const send = (len: number): number =>
      path.first.udp.sendtoBytes(sk, new Uint8Array(len), 0, len, ...path.at('10.0.2.9'), 9)
    expect(send(4000)).toBe(4000)
    expect(path.sent).toHaveLength(3)
    expect(
      path.sent.every(({ frame }) => !ipv4.dontFragment(frame, 14) && frame.length <= 1514)
    ).toBe(true)
    expect(new Set(path.sent.map(({ frame }) => ipv4.id(frame, 14))).size).toBe(1)
    expect(send(65508)).toBe(-Errno.EMSGSIZE)
    expect(send(65507)).toBe(65507)
    expect(path.isAllReturned()).toBe(true)
  })
  test('refuses what cannot be: port 0, no route, broadcast without leave', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    const send = (addr: string, port: number): number =>
      path.proto.sendto!(sk, 0, 1, ...path.at(addr), port)
    expect(send('10.0.2.9', 0)).toBe(-Errno.EINVAL)
    expect(send('10.0.2.255', 9)).toBe(-Errno.EACCES)
    expect(path.first.sockets.setsockopt(sk, 1, 6, 1)).toBe(0)
    expect(send('10.0.2.255', 9)).toBe(1)
    expect([...path.sent.at(-1)!.frame.subarray(0, 6)]).toEqual([255, 255, 255, 255, 255, 255])
    path.addRoute('0.0.0.0/0', 3, { type: 7 })
    expect(send('192.0.2.1', 9)).toBe(-Errno.EHOSTUNREACH)
    expect(path.counter(Mib.UdpOutDatagrams)).toBe(1)
  })
  test('sends to itself by loopback', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    path.first.udp.sendtoBytes(sk, text('me'), 0, 2, ...path.at('10.0.2.1'), 53)
    path.settle()
    expect(path.recv(sk)).toBe('me')
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('hears its own broadcasts and multicasts', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    path.first.sockets.setsockopt(sk, 1, 6, 1)
    path.first.udp.sendtoBytes(sk, text('all'), 0, 3, ...path.at('10.0.2.255'), 53)
    path.settle()
    expect(path.recv(sk)).toBe('all')
    expect(joinOn(path.first, sk, '224.0.0.9', { dev: 2 })).toBe(0)
    path.i32[sk + SK_BOUND_DEV] = 2
    path.first.udp.sendtoBytes(sk, text('grp'), 0, 3, ...path.at('224.0.0.9'), 53)
    path.settle()
    expect(path.recv(sk)).toBe('grp')
    expect(path.sent).toHaveLength(2)
    const { frame } = path.sent[1]!
    expect([...frame.subarray(0, 6)]).toEqual([1, 0, 0x5e, 0, 0, 9])
    expect(ipv4.ttl(frame, 14)).toBe(1)
    path.first.sockets.close(sk)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('ICMP errors', () => {
  const quote = (sport: number): Uint8Array =>
    ipPacket(
      { saddr: '10.0.2.1', daddr: '10.0.2.9' },
      udpDatagram(
        { saddr: '10.0.2.1', daddr: '10.0.2.9' },
        { sport, dport: 4000 },
        new Uint8Array(4)
      )
    )
  test('a connected socket is told once that its peer refuses', () => {
    const path = host()
    const sk = path.bound('10.0.2.1', 53)
    path.proto.connect(sk, ...path.at('10.0.2.9'), 4000)
    path.receive(icmpFrame(toRouter, fields, 3, icmp.ICMP_PORT_UNREACH, 0, quote(53)), 2)
    expect(path.events).toEqual([{ sk, events: SK_EVENT_ERROR }])
    expect(path.recv(sk)).toBe(-Errno.ECONNREFUSED)
    expect(path.recv(sk)).toBe(-Errno.EAGAIN)
    path.receive(icmpFrame(toRouter, fields, 3, icmp.ICMP_PORT_UNREACH, 0, quote(53)), 2)
    expect(path.proto.sendBytes!(sk, text('x'), 0, 1)).toBe(-Errno.ECONNREFUSED)
    expect(path.proto.sendBytes!(sk, text('x'), 0, 1)).toBe(1)
  })
  test('is not told of what may pass, nor an unconnected one of anything', () => {
    const path = host()
    const connected = path.bound('10.0.2.1', 53)
    path.proto.connect(connected, ...path.at('10.0.2.9'), 4000)
    const loose = path.bound('10.0.2.1', 54)
    path.receive(icmpFrame(toRouter, fields, 3, icmp.ICMP_HOST_UNREACH, 0, quote(53)), 2)
    path.receive(icmpFrame(toRouter, fields, 11, 0, 0, quote(53)), 2)
    path.receive(icmpFrame(toRouter, fields, 3, icmp.ICMP_PORT_UNREACH, 0, quote(54)), 2)
    expect([path.recv(connected), path.recv(loose)]).toEqual([-Errno.EAGAIN, -Errno.EAGAIN])
  })
  test('after "fragmentation needed" sends smaller packets to that host, never larger ones', () => {
    const path = host()
    const sk = path.bound('10.0.2.1', 53)
    const longest = (): number => {
      path.sent.length = 0
      const bytes = new Uint8Array(1300)
      path.first.udp.sendtoBytes(sk, bytes, 0, 1300, ...path.at('10.0.2.9'), 4000)
      return Math.max(...path.sent.map(({ frame }) => ipv4.totalLength(frame, 14)))
    }
    const needed = (mtu: number, port: number): void =>
      path.receive(icmpFrame(toRouter, fields, 3, icmp.ICMP_FRAG_NEEDED, mtu, quote(port)), 2)
    // about a datagram that nobody here has sent: not believed
    needed(600, 54)
    expect(longest()).toBe(1328)
    needed(600, 53)
    expect(longest()).toBeLessThanOrEqual(600)
    needed(1400, 53)
    expect(longest()).toBeLessThanOrEqual(600)
    expect(path.sent.length).toBe(3)
  })
})

describe('shutdown', () => {
  test('ends receiving and sending of a connected socket', () => {
    const path = host()
    const sk = path.bound('10.0.2.1', 53)
    expect(path.proto.shutdown!(sk, 2)).toBe(-Errno.ENOTCONN)
    path.proto.connect(sk, ...path.at('10.0.2.9'), 4000)
    expect(path.proto.shutdown!(sk, 2)).toBe(0)
    expect(path.proto.sendBytes!(sk, text('x'), 0, 1)).toBe(-Errno.EPIPE)
  })
  test('of both ends hangs up', () => {
    const path = host()
    const sk = path.bound('10.0.2.1', 53)
    path.proto.shutdown!(sk, 0)
    expect(path.proto.poll!(sk) & POLLHUP).toBe(0)
    path.proto.shutdown!(sk, 1)
    expect(path.proto.poll!(sk) & POLLHUP).toBe(POLLHUP)
  })
  test('has no end to read, as no empty datagrams come; what arrives is still received', () => {
    const path = host()
    const sk = path.bound('10.0.2.1', 53)
    // an unconnected socket is shut down too, though the answer is ENOTCONN, and who waits is woken
    expect(path.proto.shutdown!(sk, 0)).toBe(-Errno.ENOTCONN)
    path.settle()
    expect(path.events).toEqual([{ sk, events: SK_EVENT_HUP }])
    for (let n = 0; n < 3; n++) expect(path.recv(sk)).toBe(-Errno.EAGAIN)
    path.arrive('late')
    expect(path.recv(sk)).toBe('late')
    expect(path.recv(sk)).toBe(-Errno.EAGAIN)
    expect(path.proto.shutdown!(sk, 1)).toBe(-Errno.ENOTCONN)
    expect(path.proto.sendto!(sk, 0, 1, ...path.at('10.0.2.9'), 9)).toBe(-Errno.EPIPE)
    path.free(sk)
    expect(path.isAllReturned()).toBe(true)
  })
  test('close frees what was not read', () => {
    const path = host()
    const sk = path.bound('0.0.0.0', 53)
    for (let n = 0; n < 3; n++) path.arrive(`${n}`)
    path.free(sk)
    expect(path.isAllReturned()).toBe(true)
  })
})
