// SO_DONTROUTE and MSG_DONTROUTE: what a socket sends goes to hosts of a link alone, over IPv4.

import { describe, expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import { Errno } from '../../../../core/base/errno.ts'
import { SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../../../../core/socket/sock.ts'
import {
  MSG_DONTROUTE,
  SO_DONTROUTE,
  SOL_SOCKET,
} from '../../../../core/socket/socket-constants.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import * as tcp from '../../../../core/wire/tcp.ts'
import { parseAddr } from '../../../../core/wire/text.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { tcpFrame } from '../../../../sim/net/packets.ts'
import {
  CLIENT_MAC,
  createRouter,
  createRouter6,
  fromServer,
  type PathHost,
  SERVER_MAC,
} from '../../../../sim/net/path-host.ts'

const NEAR = '10.0.2.9'
const FAR = '192.0.2.9'
const PROTO_OTHER = 253
const [ECHO, ECHO6] = [8, 128]
const words = (addr: string): [Int32Array, number] => [Int32Array.from(parseAddr(addr)!.words), 0]
/** Twenty octets for `path` to send, an echo request's, and how they are given back. */
const octetsOf = (path: PathHost, first: number) => {
  const { skbs } = path.first
  const skb = skbs.alloc(20, 0)
  const page = skbs.put(skb, 20)
  path.arena.u8.fill(0, page, page + 20)
  path.arena.u8[page] = first
  return { page, free: () => skbs.free(skb) }
}
const host = () => {
  const path = createRouter()
  path.setNeigh(2, NEAR, CLIENT_MAC)
  path.setNeigh(3, '10.0.3.254', SERVER_MAC)
  path.setSysctl(Sysctl.ping_group_range_min, 0)
  path.setSysctl(Sysctl.ping_group_range_max, 0)
  const { sockets } = path.first
  const { page, free } = octetsOf(path, ECHO)
  const localRoute = (sk: number, on = 1): number =>
    sockets.setsockopt(sk, SOL_SOCKET, SO_DONTROUTE, on)
  const sendto = (sk: number, addr: string, flags = 0): number =>
    sockets.sendto(sk, page, 20, ...words(addr), 9, 0, flags)
  const isClean = (): boolean => {
    free()
    return path.isAllReturned()
  }
  return { path, sockets, page, localRoute, sendto, isClean }
}

describe.each([
  ['UDP', SOCK_DGRAM, 0],
  ['raw', SOCK_RAW, PROTO_OTHER],
  ['ping', SOCK_DGRAM, IPPROTO_ICMP],
] as const)('a %s socket', (_, type, protocol) => {
  test('that is not to be routed reaches its links, by the option or by the call', () => {
    const { path, sockets, page, localRoute, sendto, isClean } = host()
    const sk = sockets.socket(AF_INET, type, protocol)
    expect([sendto(sk, NEAR), sendto(sk, FAR)]).toEqual([20, 20])
    expect(path.sent.splice(0).map(({ dev }) => dev)).toEqual([2, 3])
    expect(sendto(sk, NEAR, MSG_DONTROUTE)).toBe(20)
    expect(sendto(sk, FAR, MSG_DONTROUTE)).toBe(-Errno.ENETUNREACH)
    // of that call alone
    expect(sendto(sk, FAR)).toBe(20)
    expect(sockets.connect(sk, ...words(FAR), 9)).toBe(0)
    expect(sockets.sendmsg(sk, page, 20, MSG_DONTROUTE)).toBe(-Errno.ENETUNREACH)
    expect(sockets.sendmsg(sk, page, 20, 0)).toBe(20)
    expect(path.sent.splice(0).map(({ dev }) => dev)).toEqual([2, 3, 3])
    expect(localRoute(sk)).toBe(0)
    expect(sockets.sendmsg(sk, page, 20, 0)).toBe(-Errno.ENETUNREACH)
    expect(sockets.connect(sk, ...words(FAR), 9)).toBe(-Errno.ENETUNREACH)
    expect(sendto(sk, NEAR)).toBe(20)
    expect(localRoute(sk, 0)).toBe(0)
    expect(sendto(sk, FAR)).toBe(20)
    sockets.close(sk)
    expect(isClean()).toBe(true)
  })
})
describe('a stream', () => {
  test('that is not to be routed connects on its links alone', () => {
    const { path, sockets, localRoute, isClean } = host()
    const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
    expect(localRoute(sk)).toBe(0)
    expect(sockets.connect(sk, ...words(FAR), 80)).toBe(-Errno.ENETUNREACH)
    expect(sockets.connect(sk, ...words(NEAR), 80)).toBe(-Errno.EINPROGRESS)
    expect(path.sent.map(({ dev }) => dev)).toEqual([2])
    sockets.close(sk)
    expect(isClean()).toBe(true)
  })
  test('has its route looked up anew when that changes', () => {
    const { path, sockets, localRoute, isClean } = host()
    const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
    expect(sockets.connect(sk, ...words(FAR), 80)).toBe(-Errno.EINPROGRESS)
    expect(path.sent.splice(0)).toHaveLength(1)
    localRoute(sk)
    path.advance(1000)
    expect(path.sent.splice(0)).toHaveLength(0)
    localRoute(sk, 0)
    path.advance(2000)
    expect([...new Set(path.sent.splice(0).map(({ dev }) => dev))]).toEqual([3])
    sockets.close(sk)
    expect(isClean()).toBe(true)
  })
  test('answers nobody behind a router where its listener is not to be routed', () => {
    const { path, sockets, localRoute, isClean } = host()
    const listener = sockets.socket(AF_INET, SOCK_STREAM, 0)
    localRoute(listener)
    sockets.bind(listener, ...words('0.0.0.0'), 80)
    sockets.listen(listener, 8)
    const syn = { sport: 4000, dport: 80, flags: tcp.TCP_SYN }
    path.receive(tcpFrame(fromServer, { saddr: FAR, daddr: '10.0.3.1' }, syn), 3)
    expect(path.sent).toEqual([])
    path.setNeigh(3, '10.0.3.9', SERVER_MAC)
    path.receive(tcpFrame(fromServer, { saddr: '10.0.3.9', daddr: '10.0.3.1' }, syn), 3)
    const [answer] = path.sent
    const at = 14 + ipv4.headerLen(answer!.frame, 14)
    expect(tcp.flags(answer!.frame, at)).toBe(tcp.TCP_SYN | tcp.TCP_ACK)
    sockets.close(listener)
    expect(isClean()).toBe(true)
  })
})
test('of IPv6 it changes nothing', () => {
  const path = createRouter6()
  path.setNeigh(3, '2001:db8:3::254', SERVER_MAC)
  const { sockets } = path.first
  const { page, free } = octetsOf(path, ECHO6)
  for (const [type, protocol] of [
    [SOCK_DGRAM, 0],
    [SOCK_RAW, IPPROTO_ICMPV6],
  ] as const) {
    const sk = sockets.socket(AF_INET6, type, protocol)
    expect(sockets.setsockopt(sk, SOL_SOCKET, SO_DONTROUTE, 7)).toBe(0)
    expect(sockets.getsockopt(sk, SOL_SOCKET, SO_DONTROUTE)).toBe(1)
    const port = type === SOCK_RAW ? 0 : 9
    const sent = sockets.sendto(sk, page, 20, ...words('2001:db8:9::9'), port, 0, MSG_DONTROUTE)
    expect(sent).toBe(20)
    sockets.close(sk)
  }
  expect(path.sent.map(({ dev }) => dev)).toEqual([3, 3])
  free()
  expect(path.isAllReturned()).toBe(true)
})
