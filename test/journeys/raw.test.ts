// Raw and ping sockets of whole stacks: what they hear beside the transports, and what they send.

import { describe, expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import {
  SK_DROPS,
  SK_NUM,
  SK_RCVQ_LEN,
  SK_RMEM,
  SOCK_DGRAM,
  SOCK_RAW,
} from '../../core/socket/sock.ts'
import {
  ICMP_FILTER,
  IP_HDRINCL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_CHECKSUM,
  SHUT_WR,
  SO_ATTACH_FILTER,
  SO_BINDTOIFINDEX,
  SO_BROADCAST,
  SO_DETACH_FILTER,
  SO_LOCK_FILTER,
  SO_RCVBUF,
  SO_REUSEADDR,
  SOL_ICMPV6,
  SOL_RAW,
  SOL_SOCKET,
} from '../../core/socket/socket-constants.ts'
import { BPF_MAXINSNS } from '../../core/bpf/bpf-constants.ts'
import * as icmp from '../../core/wire/icmp.ts'
import * as icmpv6 from '../../core/wire/icmpv6.ts'
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_RAW,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { dialTcp, openUdp, serveTcp } from '../../sim/net/sim-apps.ts'
import { openSocket } from '../../sim/net/sim-raw.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { B6, routed6 } from '../../sim/net/routed.ts'
import { icmpMessage, ipPacket } from '../../sim/net/packets.ts'
import { describePacket, LONG_MS, routed, twoHosts } from '../support/sim-topology.ts'

const A = '10.0.1.1'
const B = '10.0.1.2'
const OTHER = 253
const { EACCES, EADDRINUSE, EADDRNOTAVAIL, EDESTADDRREQ, EHOSTUNREACH } = Errno
const { EINVAL, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP, EPERM, EPIPE } = Errno
const { EPROTONOSUPPORT } = Errno
const bytes = (length: number, salt = 0): Uint8Array =>
  new Uint8Array(length).map((_, k) => (Math.imul(k + salt, 2654435761) >>> 11) & 255)
const raw = (host: SimHost, protocol = OTHER, worker = 0) =>
  openSocket(host, SOCK_RAW, protocol, AF_INET, worker)
const raw6 = (host: SimHost, protocol = OTHER) => openSocket(host, SOCK_RAW, protocol, AF_INET6)
const pinger = (host: SimHost, worker = 0) =>
  openSocket(host, SOCK_DGRAM, IPPROTO_ICMP, AF_INET, worker)
const pinger6 = (host: SimHost) => openSocket(host, SOCK_DGRAM, IPPROTO_ICMPV6, AF_INET6)
const echo = (seq: number, size = 56): Uint8Array =>
  icmpMessage(icmp.ICMP_ECHO, 0, seq, bytes(size))
const echo6 = (seq: number, size = 56): Uint8Array =>
  icmpMessage(icmpv6.ICMPV6_ECHO_REQUEST, 0, seq, bytes(size))
const payloadOf = (packet: Uint8Array): Uint8Array => packet.subarray(ipv4.headerLen(packet, 0))

/** Ends all of it: nothing is left over. */
const end = (
  sim: { run: (ms: number) => unknown; leaks: () => object },
  ...sockets: { close: () => void }[]
) => {
  for (const socket of sockets) socket.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
}

describe('raw sockets', () => {
  test('carry any protocol, and show a packet with its header', async () => {
    const { sim, a, b } = await twoHosts()
    const [from, to] = [raw(a), raw(b)]
    expect(from.send(bytes(100), B)).toBe(100)
    expect(sim.run(1000, () => to.heard.length === 1)).toBe(true)
    const [{ bytes: packet, from: sender }] = to.heard as [{ bytes: Uint8Array; from: string }]
    expect(sender).toBe(A)
    expect(describePacket(packet)).toEqual({
      src: A,
      dst: B,
      ttl: 64,
      protocol: OTHER,
      length: 120,
    })
    expect(ipv4.dontFragment(packet, 0)).toBe(true)
    expect(payloadOf(packet)).toEqual(bytes(100))
    expect(b.mib('IpInDelivers')).toBe(1)
    expect(b.mib('IpInUnknownProtos')).toBe(0)
    expect(from.sockets.getsockopt(from.sk, SOL_SOCKET, 38)).toBe(OTHER)
    end(sim, from, to)
  })

  test('without one the protocol is unknown, and its sender hears so when it is connected', async () => {
    const { sim, a, b } = await twoHosts()
    const from = raw(a)
    from.send(bytes(10), B)
    sim.run(100)
    expect(b.mib('IpInUnknownProtos')).toBe(1)
    expect(from.errors).toEqual([])
    expect(from.connect(B)).toBe(0)
    from.send(bytes(10))
    sim.run(100)
    expect(from.errors).toEqual([Errno.ENOPROTOOPT])
    end(sim, from)
  })

  test('hear what the transport has too, and each of them', async () => {
    const { sim, a, b } = await twoHosts()
    const [first, second] = [raw(b, IPPROTO_UDP), raw(b, IPPROTO_UDP)]
    const [client, server] = [openUdp(a), openUdp(b, 5000)]
    client.send(bytes(30), B, 5000)
    sim.run(100)
    expect(server.heard.map((one) => one.bytes)).toEqual([bytes(30)])
    expect(first.heard.map((one) => payloadOf(one.bytes).subarray(8))).toEqual([bytes(30)])
    expect(second.heard).toEqual(first.heard)
    // nobody has the port: ICMP says so, whoever listens beside
    client.send(bytes(30), B, 5001)
    sim.run(100)
    expect(first.heard.length).toBe(2)
    expect(b.mib('UdpNoPorts')).toBe(1)
    first.close()
    client.send(bytes(30), B, 5000)
    sim.run(100)
    expect([first.heard.length, second.heard.length]).toEqual([2, 3])
    end(sim, second, client, server)
  })

  test('of TCP see segments, and TCP is not disturbed', async () => {
    const { sim, a, b } = await twoHosts()
    const ear = raw(b, IPPROTO_TCP)
    const server = serveTcp(b, 80)
    const client = dialTcp(a, B, 80)
    sim.run(1000, () => client.connected && server.ends.length === 1)
    client.start(100_000)
    sim.run(60_000, () => server.ends[0]?.received === 100_000)
    expect([server.ends[0]?.received, server.ends[0]?.wrong]).toEqual([100_000, 0])
    const carried = ear.heard.reduce(
      (sum, { bytes: packet }) =>
        sum + packet.length - ipv4.headerLen(packet, 0) - (packet[32]! >> 4) * 4,
      0
    )
    expect(carried).toBeGreaterThanOrEqual(100_000)
    // another that nobody reads holds no more than its share, and TCP goes on
    ear.sockets.detach(ear.sk)
    client.start(3_000_000)
    sim.run(60_000, () => server.ends[0]?.received === 3_100_000)
    expect([server.ends[0]?.received, server.ends[0]?.wrong]).toEqual([3_100_000, 0])
    expect(b.arena.i32[ear.sk + SK_DROPS]).toBeGreaterThan(0)
    client.close()
    server.ends[0]!.close()
    server.close()
    sim.run(200_000)
    end(sim, ear)
  })

  test('hear what is for their address, from their peer, on their device', async () => {
    const { sim, a, b } = await twoHosts()
    const [bound, elsewhere, peered, onLo, from] = [raw(b), raw(b), raw(b), raw(b), raw(a)]
    expect(bound.bind(B)).toBe(0)
    expect(elsewhere.bind('127.0.0.1')).toBe(0)
    expect(peered.connect('10.0.1.9')).toBe(0)
    expect(onLo.sockets.setsockopt(onLo.sk, SOL_SOCKET, SO_BINDTOIFINDEX, 1)).toBe(0)
    from.send(bytes(1), B)
    sim.run(100)
    expect([bound, elsewhere, peered, onLo].map(({ heard }) => heard.length)).toEqual([1, 0, 0, 0])
    expect(bound.bind('10.0.1.77')).toBe(-EADDRNOTAVAIL)
    // as long as it has no peer it may be bound anew
    expect(bound.bind('127.0.0.1')).toBe(0)
    expect(peered.bind(B)).toBe(-EINVAL)
    end(sim, bound, elsewhere, peered, onLo, from)
  })

  test('send a header of their own, with what no header can be without filled in', async () => {
    const { sim, a, b } = await twoHosts()
    const [from, to] = [raw(a, IPPROTO_RAW), raw(b)]
    const packet = ipPacket({ saddr: '0.0.0.0', daddr: B, ttl: 7, protocol: OTHER }, bytes(20))
    packet.set([0, 0, 0, 0], 2)
    packet.set([0xde, 0xad], 10)
    expect(from.send(packet, B)).toBe(packet.length)
    sim.run(100)
    const heard = to.heard[0]!.bytes
    expect(describePacket(heard)).toEqual({ src: A, dst: B, ttl: 7, protocol: OTHER, length: 40 })
    expect(ipv4.isChecksumOk(heard, 0)).toBe(true)
    expect(ipv4.id(heard, 0)).not.toBe(0)
    expect(payloadOf(heard)).toEqual(bytes(20))
    // a source that is not ours is the sender's affair
    packet.set([192, 0, 2, 1], 12)
    from.send(packet, B)
    sim.run(100)
    expect(b.mib('IpInReceives')).toBe(2)
    expect(from.send(packet.subarray(0, 19), B)).toBe(-EINVAL)
    const long = packet.slice()
    long[0] = 0x4f
    expect(from.send(long.subarray(0, 40), B)).toBe(-EINVAL)
    expect(from.send(bytes(1501), B)).toBe(-EMSGSIZE)
    // turned off, it is a protocol like others
    expect(from.sockets.setsockopt(from.sk, IPPROTO_IP, IP_HDRINCL, 0)).toBe(0)
    expect(from.send(bytes(3), B)).toBe(3)
    end(sim, from, to)
  })

  test('what is larger than a link is cut and put together, up to what IP carries', async () => {
    const { sim, a, b } = await twoHosts()
    const [from, to] = [raw(a), raw(b)]
    expect(from.send(bytes(60_000), B)).toBe(60_000)
    expect(sim.run(1000, () => to.heard.length === 1)).toBe(true)
    expect(Bun.hash(payloadOf(to.heard[0]!.bytes))).toBe(Bun.hash(bytes(60_000)))
    expect(from.send(bytes(65_516), B)).toBe(-EMSGSIZE)
    expect(from.send(bytes(65_536), B)).toBe(-EMSGSIZE)
    end(sim, from, to)
  })

  test('refuse as Linux does', async () => {
    const { sim, a } = await twoHosts()
    const { sockets } = a.stack
    expect(sockets.socket(AF_INET, SOCK_RAW, 0)).toBe(-EPROTONOSUPPORT)
    expect(sockets.socket(AF_INET6, SOCK_RAW, 0)).toBe(-EPROTONOSUPPORT)
    expect(sockets.socket(AF_INET, SOCK_RAW, 256)).toBe(-EINVAL)
    expect(sockets.socket(AF_INET, SOCK_RAW, -1)).toBe(-EINVAL)
    const from = raw(a)
    expect(from.send(bytes(1))).toBe(-EDESTADDRREQ)
    expect(from.send(bytes(1), '10.0.1.255')).toBe(-EACCES)
    expect(sockets.setsockopt(from.sk, SOL_SOCKET, SO_BROADCAST, 1)).toBe(0)
    expect(from.send(bytes(1), '10.0.1.255')).toBe(1)
    expect(from.send(bytes(1), '192.0.2.1')).toBe(-ENETUNREACH)
    expect(sockets.listen(from.sk, 1)).toBe(-EOPNOTSUPP)
    expect(sockets.setsockopt(from.sk, SOL_RAW, ICMP_FILTER, 1)).toBe(-EOPNOTSUPP)
    expect(sockets.setsockopt(from.sk, SOL_RAW, 99, 1)).toBe(-ENOPROTOOPT)
    expect(sockets.shutdown(from.sk, SHUT_WR)).toBe(-Errno.ENOTCONN)
    // its memory is not the socket's, so nobody asks, unless it sends headers too
    expect(from.send(bytes(1), B)).toBe(1)
    expect(sockets.setsockopt(from.sk, IPPROTO_IP, IP_HDRINCL, 1)).toBe(0)
    expect(from.send(bytes(20), B)).toBe(-EPIPE)
    end(sim, from)
  })

  test('a full receive buffer drops, and the socket knows how many', async () => {
    const { sim, a, b } = await twoHosts()
    const [from, to] = [raw(a), raw(b)]
    to.sockets.detach(to.sk)
    to.sockets.setsockopt(to.sk, SOL_SOCKET, SO_RCVBUF, 10_000)
    for (let k = 0; k < 50; k++) {
      from.send(bytes(100), B)
      sim.run(1)
    }
    const { i32 } = b.arena
    const kept = i32[to.sk + SK_RCVQ_LEN]!
    expect(i32[to.sk + SK_DROPS]).toBe(50 - kept)
    // what a packet takes is a slot: one more than fits is taken
    const each = i32[to.sk + SK_RMEM]! / kept
    expect([(kept - 1) * each < 20_000, kept * each >= 20_000]).toEqual([true, true])
    end(sim, from, to)
  })
})

describe('ICMP over raw sockets', () => {
  test('a filter keeps types out', async () => {
    const { sim, a, b } = await twoHosts()
    const [from, to] = [raw(a, IPPROTO_ICMP), raw(b, IPPROTO_ICMP)]
    const { sockets } = from
    expect(sockets.setsockopt(from.sk, SOL_RAW, ICMP_FILTER, ~(1 << icmp.ICMP_ECHOREPLY))).toBe(0)
    expect(sockets.getsockopt(from.sk, SOL_RAW, ICMP_FILTER)).toBe(~(1 << icmp.ICMP_ECHOREPLY))
    from.send(echo(1), B)
    sim.run(100)
    expect(to.heard.map(({ bytes: packet }) => payloadOf(packet)[0])).toEqual([icmp.ICMP_ECHO])
    expect(from.heard.map(({ bytes: packet }) => payloadOf(packet)[0])).toEqual([
      icmp.ICMP_ECHOREPLY,
    ])
    expect(a.mib('IcmpOutEchos')).toBe(1)
    expect(a.mib('IcmpOutMsgs')).toBe(1)
    // what is asked of us is answered, whoever listens beside, and the filter lets nothing of it in
    to.send(echo(2), A)
    sim.run(100)
    expect([from.heard.length, to.heard.length]).toEqual([1, 2])
    end(sim, from, to)
  })

  test('hears the answers to time-stamp requests (RFC 1122 section 3.2.2.8)', async () => {
    const { sim, a } = await twoHosts()
    const one = raw(a, IPPROTO_ICMP)
    one.send(icmpMessage(icmp.ICMP_TIMESTAMP, 0, 3, new Uint8Array(12)), B)
    sim.run(100)
    expect(one.heard.map(({ bytes: packet, from }) => [payloadOf(packet)[0], from])).toEqual([
      [icmp.ICMP_TIMESTAMPREPLY, B],
    ])
    end(sim, one)
  })

  test('of IPv6: the checksum is made and looked at, and eight words filter', async () => {
    const { sim, a, b } = await routed6()
    const [from, to] = [raw6(a, IPPROTO_ICMPV6), raw6(b, IPPROTO_ICMPV6)]
    const { sockets } = from
    const only = new Int32Array(16).fill(-1)
    only[icmpv6.ICMPV6_ECHO_REPLY >> 5]! &= ~(1 << (icmpv6.ICMPV6_ECHO_REPLY & 31))
    expect(sockets.setsockoptName(from.sk, SOL_ICMPV6, 1, only, 0, 32)).toBe(0)
    const back = new Int32Array(16)
    expect(sockets.getsockoptName(from.sk, SOL_ICMPV6, 1, back, 0)).toBe(32)
    expect(back.subarray(0, 8)).toEqual(only.subarray(0, 8))
    expect(sockets.getsockopt(from.sk, IPPROTO_IPV6, IPV6_CHECKSUM)).toBe(2)
    expect(sockets.setsockopt(from.sk, IPPROTO_IPV6, IPV6_CHECKSUM, 4)).toBe(-EINVAL)
    const request = echo6(1)
    request.set([0xba, 0xad], 2)
    expect(from.send(request, B6)).toBe(request.length)
    sim.run(500)
    expect(from.heard.map(({ bytes: message, from: sender }) => [message[0], sender])).toEqual([
      [icmpv6.ICMPV6_ECHO_REPLY, B6],
    ])
    // without a header, as it comes
    expect(to.heard.map(({ bytes: message }) => message[0])).toContain(icmpv6.ICMPV6_ECHO_REQUEST)
    expect(b.mib('Icmp6InCsumErrors')).toBe(0)
    expect(from.send(request, B6, 17)).toBe(-EINVAL)
    expect(from.send(request, B6, IPPROTO_ICMPV6)).toBe(request.length)
    expect(from.send(request, '::ffff:10.0.0.1')).toBe(-ENETUNREACH)
    end(sim, from, to)
  })

  test('of another protocol of IPv6 the socket says where the checksum is', async () => {
    const { sim, a, b } = await routed6()
    const [from, to] = [raw6(a), raw6(b)]
    for (const { sk, sockets } of [from, to]) {
      expect(sockets.getsockopt(sk, IPPROTO_IPV6, IPV6_CHECKSUM)).toBe(-1)
      expect(sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_CHECKSUM, 3)).toBe(-EINVAL)
    }
    expect(to.sockets.setsockopt(to.sk, IPPROTO_IPV6, IPV6_CHECKSUM, 6)).toBe(0)
    from.send(bytes(20), B6)
    sim.run(500)
    expect(to.heard).toEqual([])
    expect(b.drops('SKB_CSUM')).toBe(1)
    expect(from.sockets.setsockopt(from.sk, IPPROTO_IPV6, IPV6_CHECKSUM, 6)).toBe(0)
    from.send(bytes(20), B6)
    sim.run(500)
    expect(to.heard.length).toBe(1)
    expect(from.send(bytes(7), B6)).toBe(-EINVAL)
    end(sim, from, to)
  })
})

describe('ping sockets', () => {
  test('ask and hear the answers to what they asked, and nothing else', async () => {
    const { sim, a, b } = await twoHosts()
    const [one, other] = [pinger(a), pinger(a)]
    for (let seq = 1; seq <= 3; seq++) expect(one.send(echo(seq), B)).toBe(64)
    other.send(echo(9), B)
    sim.run(100)
    const ident = a.arena.i32[one.sk + SK_NUM]!
    expect(
      one.heard.map(({ bytes: message, from }) => [
        icmp.type(message, 0),
        icmp.id(message, 0),
        icmp.seq(message, 0),
        from,
      ])
    ).toEqual([1, 2, 3].map((seq) => [icmp.ICMP_ECHOREPLY, ident, seq, B]))
    expect(one.heard[0]!.bytes.subarray(8)).toEqual(bytes(56))
    expect(other.heard.map(({ bytes: message }) => icmp.seq(message, 0))).toEqual([9])
    expect(a.mib('IcmpOutEchos')).toBe(4)
    expect(b.mib('IcmpInEchos')).toBe(4)
    end(sim, one, other)
  })

  test('over IPv6', async () => {
    const { sim, a } = await routed6()
    const one = pinger6(a)
    expect(one.connect(B6)).toBe(0)
    expect(one.send(echo6(5))).toBe(64)
    sim.run(500)
    expect(
      one.heard.map(({ bytes: message, from }) => [message[0], icmp.seq(message, 0), from])
    ).toEqual([[icmpv6.ICMPV6_ECHO_REPLY, 5, B6]])
    expect(one.send(echo6(5), '::ffff:10.0.0.1')).toBe(-ENETUNREACH)
    end(sim, one)
  })

  test('the identifier is the port: chosen, or asked for', async () => {
    const { sim, a } = await twoHosts()
    const [one, two] = [pinger(a), pinger(a)]
    expect(one.bind(A, 77)).toBe(0)
    expect(one.bind(A, 78)).toBe(-EINVAL)
    // shared, unless one of them will not: the youngest hears
    expect(two.sockets.setsockopt(two.sk, SOL_SOCKET, SO_REUSEADDR, 0)).toBe(0)
    expect(two.bind('0.0.0.0', 77)).toBe(-EADDRINUSE)
    expect(two.bind('10.0.1.255', 78)).toBe(-EADDRNOTAVAIL)
    expect(two.bind('0.0.0.0')).toBe(0)
    expect(a.arena.i32[two.sk + SK_NUM]).not.toBe(0)
    one.send(echo(1), B)
    sim.run(100)
    expect(icmp.id(one.heard[0]!.bytes, 0)).toBe(77)
    end(sim, one, two)
  })

  test('send echo requests and nothing else', async () => {
    const { sim, a } = await twoHosts()
    const one = pinger(a)
    expect(one.send(bytes(7), B)).toBe(-EINVAL)
    expect(one.send(icmpMessage(icmp.ICMP_TIMESTAMP, 0, 0, bytes(12)), B)).toBe(-EINVAL)
    expect(one.send(icmpMessage(icmp.ICMP_ECHO, 1, 0, bytes(12)), B)).toBe(-EINVAL)
    expect(one.send(bytes(65_536), B)).toBe(-EMSGSIZE)
    expect(one.send(echo(1))).toBe(-EDESTADDRREQ)
    expect(one.send(echo(1), '10.0.1.255')).toBe(-EACCES)
    const { sockets } = a.stack
    expect(sockets.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP)).toBe(-EPROTONOSUPPORT)
    expect(sockets.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6)).toBe(-EPROTONOSUPPORT)
    end(sim, one)
  })

  test('are there for the groups that net.ipv4.ping_group_range says', async () => {
    const { sim, a } = await twoHosts()
    const name = 'net.ipv4.ping_group_range'
    await a.must({ type: 'SYSCTL_SET', name, value: '1 0' })
    expect(pinger(a).sk).toBe(-EACCES)
    await a.must({ type: 'SYSCTL_SET', name, value: '0 0' })
    const one = pinger(a)
    expect(one.sk).toBeGreaterThan(0)
    one.close()
    end(sim)
  })

  test('a connected one hears of errors about its requests', async () => {
    const { sim, a, r } = await routed()
    await r.must({
      type: 'RTM_NEWROUTE',
      flags: 0x400,
      route: { dst: '203.0.113.0/24', type: 'prohibit' },
    })
    const [one, other] = [pinger(a), pinger(a)]
    // the router is not to send there
    expect(one.connect('203.0.113.1')).toBe(0)
    one.send(echo(1))
    other.send(echo(1), '203.0.113.1')
    sim.run(500)
    expect(one.errors).toEqual([EHOSTUNREACH])
    expect(other.errors).toEqual([])
    // a neighbour that does not answer is nothing final
    expect(other.connect('10.0.2.77')).toBe(0)
    other.send(echo(2))
    sim.run(10_000)
    expect(other.errors).toEqual([])
    end(sim, one, other)
  })

  test('replies come to the socket whichever worker they reach', async () => {
    const { sim, a } = await twoHosts({ a: { workers: 4 } })
    const sockets = [0, 1, 2, 3].map((worker) => pinger(a, worker))
    for (const [k, socket] of sockets.entries())
      for (let n = 0; n < 5; n++) socket.send(echo(k * 16 + n), B)
    sim.run(500)
    for (const [k, { heard }] of sockets.entries())
      expect(heard.map(({ bytes: message }) => icmp.seq(message, 0))).toEqual(
        [0, 1, 2, 3, 4].map((n) => k * 16 + n)
      )
    expect(new Set(sockets.map(({ sk }) => a.arena.i32[sk + SK_NUM])).size).toBe(4)
    end(sim, ...sockets)
  })
})

describe('a filter', () => {
  const BPF_RET = 0x06
  const BPF_LDB_ABS = 0x30
  const JEQ = 0x15
  const insn = (code: number, jt: number, jf: number, k: number): number[] => [
    code | (jt << 16) | (jf << 24),
    k,
  ]
  const attach = (socket: ReturnType<typeof raw>, ...program: number[][]): number => {
    const words = Int32Array.from(program.flat())
    return socket.sockets.setsockoptName(
      socket.sk,
      SOL_SOCKET,
      SO_ATTACH_FILTER,
      words,
      0,
      words.length * 4
    )
  }
  /** Of what the socket gets, what has `value` at `at`, cut to `len`. */
  const only = (at: number, value: number, len = 0x40000): number[][] => [
    insn(BPF_LDB_ABS, 0, 0, at),
    insn(JEQ, 0, 1, value),
    insn(BPF_RET, 0, 0, len),
    insn(BPF_RET, 0, 0, 0),
  ]

  test('says what a socket gets, and how much of it', async () => {
    const { sim, a, b } = await twoHosts()
    const [from, to] = [raw(a), raw(b)]
    // behind a header of 20 octets
    expect(attach(to, ...only(20, 7, 21))).toBe(0)
    from.send(Uint8Array.of(6, 1), B)
    from.send(Uint8Array.of(7, 1), B)
    sim.run(100)
    expect(to.heard.map(({ bytes: packet }) => [...payloadOf(packet)])).toEqual([[7]])
    expect(b.arena.i32[to.sk + SK_DROPS]).toBe(1)
    expect(b.drops('SOCKET_FILTER')).toBe(1)
    const back = new Int32Array(16)
    expect(to.sockets.getsockoptName(to.sk, SOL_SOCKET, SO_ATTACH_FILTER, back, 0)).toBe(32)
    expect([...back.subarray(0, 8)]).toEqual(only(20, 7, 21).flat())
    expect(to.sockets.setsockopt(to.sk, SOL_SOCKET, SO_DETACH_FILTER, 0)).toBe(0)
    expect(to.sockets.setsockopt(to.sk, SOL_SOCKET, SO_DETACH_FILTER, 0)).toBe(-Errno.ENOENT)
    from.send(Uint8Array.of(6, 1), B)
    sim.run(100)
    expect(to.heard.length).toBe(2)
    end(sim, from, to)
  })

  test('of a UDP socket sees the UDP header, which is always left', async () => {
    const { sim, a, b } = await twoHosts()
    const [client, server] = [openUdp(a), openUdp(b, 5000)]
    const ear = { sk: server.sk, sockets: b.stack.sockets } as ReturnType<typeof raw>
    expect(attach(ear, ...only(8, 9, 1))).toBe(0)
    client.send(Uint8Array.of(8), B, 5000)
    client.send(Uint8Array.of(9), B, 5000)
    sim.run(100)
    expect(server.heard.map((one) => one.bytes.length)).toEqual([0])
    expect(b.mib('UdpInErrors')).toBe(1)
    end(sim, client, server)
  })

  test('that is none is refused, one that is locked stays, and all together are bounded', async () => {
    const { sim, a, b } = await twoHosts()
    const [from, to] = [raw(a), raw(b)]
    expect(attach(to, insn(0xffff, 0, 0, 0))).toBe(-EINVAL)
    expect(attach(to, insn(BPF_LDB_ABS, 0, 0, 0))).toBe(-EINVAL)
    expect(attach(to)).toBe(-EINVAL)
    const long = Array.from({ length: BPF_MAXINSNS }, () => insn(BPF_RET, 0, 0, 0))
    const others = Array.from({ length: 8 }, () => raw(b))
    expect(others.map((each) => attach(each, ...long))).toEqual(Array(8).fill(0))
    expect(attach(to, ...only(20, 7))).toBe(-Errno.ENOMEM)
    // what lay behind it has moved up, and is the same
    others[3]!.close()
    expect(attach(to, ...only(20, 7))).toBe(0)
    others[5]!.close()
    from.send(Uint8Array.of(7), B)
    from.send(Uint8Array.of(8), B)
    sim.run(100)
    expect(to.heard.map(({ bytes: packet }) => payloadOf(packet)[0])).toEqual([7])
    expect(others[7]!.heard).toEqual([])
    expect(to.sockets.setsockopt(to.sk, SOL_SOCKET, SO_LOCK_FILTER, 1)).toBe(0)
    expect(attach(to, ...only(20, 8))).toBe(-EPERM)
    expect(to.sockets.setsockopt(to.sk, SOL_SOCKET, SO_DETACH_FILTER, 0)).toBe(-EPERM)
    expect(to.sockets.setsockopt(to.sk, SOL_SOCKET, SO_LOCK_FILTER, 0)).toBe(-EPERM)
    end(sim, from, to, ...others.filter((_, k) => k !== 3 && k !== 5))
  })
})
