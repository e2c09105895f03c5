import { AF_INET, AF_INET6 } from '../../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import {
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  SHUT_WR,
  SO_ACCEPTCONN,
  SO_BINDTODEVICE,
  SO_DOMAIN,
  SO_ERROR,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_TYPE,
  SOL_SOCKET,
} from '../../../core/socket/socket-constants.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import {
  SEND_SHUTDOWN,
  SK_ERR,
  SK_REUSE,
  SK_SHUTDOWN,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../../../core/socket/sock.ts'
import { createFakeWorker, fakeArena } from '../../support/fake-worker.ts'
import { v4Words } from '../../../sim/net/packets.ts'

const setUp = () => {
  const arena = fakeArena({ socks: 8 })
  return { arena, ...createFakeWorker(arena) }
}

test('socket() finds the protocol of a type, or says as Linux does what is wrong', () => {
  const { sockets } = setUp()
  const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_PROTOCOL)).toBe(IPPROTO_TCP)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_TYPE)).toBe(SOCK_STREAM)
  const udp = sockets.socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP)
  expect(sockets.getsockopt(udp, SOL_SOCKET, SO_DOMAIN)).toBe(AF_INET6)
  expect(sockets.socket(1, SOCK_STREAM, 0)).toBe(-Errno.EAFNOSUPPORT)
  expect(sockets.socket(AF_INET, SOCK_RAW, 0)).toBe(-Errno.ESOCKTNOSUPPORT)
  expect(sockets.socket(AF_INET, SOCK_STREAM, IPPROTO_ICMP)).toBe(-Errno.EPROTONOSUPPORT)
  for (let k = 0; k < 6; k++) sockets.socket(AF_INET, SOCK_STREAM, 0)
  expect(sockets.socket(AF_INET, SOCK_STREAM, 0)).toBe(-Errno.ENFILE)
})

test('a call that the protocol lacks is not supported', () => {
  const { sockets } = setUp()
  const udp = sockets.socket(AF_INET, SOCK_DGRAM, 0)
  const tcp = sockets.socket(AF_INET, SOCK_STREAM, 0)
  expect(sockets.listen(udp, 1)).toBe(-Errno.EOPNOTSUPP)
  expect(sockets.accept(udp)).toBe(-Errno.EOPNOTSUPP)
  expect(sockets.recvfrom(tcp, 0, 1)).toBe(-Errno.EOPNOTSUPP)
  expect(sockets.bind(tcp, ...v4Words(0), 70000)).toBe(-Errno.EINVAL)
  expect(sockets.shutdown(udp, 5)).toBe(-Errno.EINVAL)
})

test('options of the socket and of IP are words of the row', () => {
  const { arena, sockets } = setUp()
  const sk = sockets.socket(AF_INET6, SOCK_STREAM, 0)
  sockets.setsockopt(sk, SOL_SOCKET, SO_REUSEADDR, 1)
  sockets.setsockopt(sk, SOL_SOCKET, SO_REUSEPORT, 1)
  sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_V6ONLY, 1)
  expect(arena.i32[sk + SK_REUSE]).toBe(7)
  sockets.setsockopt(sk, SOL_SOCKET, SO_REUSEADDR, 0)
  expect(arena.i32[sk + SK_REUSE]).toBe(6)
  expect(sockets.getsockopt(sk, IPPROTO_IPV6, IPV6_V6ONLY)).toBe(1)
  // twice what was asked for, as Linux has it, and no less than the least
  sockets.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, 100000)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_RCVBUF)).toBe(200000)
  // net.core.rmem_max, and whatever is below nothing
  for (const [asked, given] of [
    [1 << 30, 8388608],
    [-1, 8388608],
  ] as const) {
    sockets.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, asked)
    expect(sockets.getsockopt(sk, SOL_SOCKET, SO_RCVBUF)).toBe(given)
  }
  sockets.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, 1)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_RCVBUF)).toBe(2304)
  expect(sockets.getsockopt(sk, IPPROTO_IP, IP_TTL)).toBe(64)
  expect(sockets.setsockopt(sk, IPPROTO_IP, IP_TTL, 3)).toBe(0)
  expect(sockets.getsockopt(sk, IPPROTO_IP, IP_TTL)).toBe(3)
  expect(sockets.setsockopt(sk, IPPROTO_IP, IP_TTL, 256)).toBe(-Errno.EINVAL)
  // RFC 3493 5.1: IPv6's may be 0, IPv4's not; each has its own
  expect(sockets.setsockopt(sk, IPPROTO_IP, IP_TTL, 0)).toBe(-Errno.EINVAL)
  expect(sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0)).toBe(0)
  expect(sockets.getsockopt(sk, IPPROTO_IPV6, IPV6_UNICAST_HOPS)).toBe(0)
  expect(sockets.getsockopt(sk, IPPROTO_IP, IP_TTL)).toBe(3)
  for (const ifindex of [-1, arena.layout.config.devices, 0x7fffffff])
    expect(sockets.setsockopt(sk, SOL_SOCKET, SO_BINDTODEVICE, ifindex)).toBe(-Errno.ENODEV)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_BINDTODEVICE)).toBe(0)
  expect(sockets.setsockopt(sk, SOL_SOCKET, SO_BINDTODEVICE, 1)).toBe(0)
  expect(sockets.setsockopt(sk, IPPROTO_IP, IP_TOS, 0x10)).toBe(0)
  expect(sockets.getsockopt(sk, IPPROTO_IP, IP_TOS)).toBe(0x10)
})

test('SO_ERROR is told once; SO_ACCEPTCONN of a listener', () => {
  const { arena, sockets } = setUp()
  const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
  arena.i32[sk + SK_ERR] = Errno.ECONNREFUSED
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_ERROR)).toBe(Errno.ECONNREFUSED)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_ERROR)).toBe(0)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_ACCEPTCONN)).toBe(0)
  sockets.bind(sk, ...v4Words(0), 80)
  sockets.listen(sk, 1)
  expect(sockets.getsockopt(sk, SOL_SOCKET, SO_ACCEPTCONN)).toBe(1)
  const udp = sockets.socket(AF_INET, SOCK_DGRAM, 0)
  sockets.shutdown(udp, SHUT_WR)
  expect(arena.i32[udp + SK_SHUTDOWN]).toBe(SEND_SHUTDOWN)
})

test('a socket destroyed from outside is told, and its generation guards the next one in its row', () => {
  const { arena, sockets, slab, tcp } = setUp()
  const seen: number[] = []
  const handler = sockets.registerHandler((_sk, events) => seen.push(events))
  const udp = sockets.socket(AF_INET, SOCK_DGRAM, 0)
  sockets.attach(udp, handler, 0)
  const generation = arena.i32[udp]!
  expect(sockets.destroy(udp, generation)).toBe(0)
  sockets.runEvents()
  expect(seen).toEqual([4])
  expect(sockets.getsockopt(udp, SOL_SOCKET, SO_ERROR)).toBe(Errno.ECONNABORTED)
  sockets.close(udp)
  expect(sockets.destroy(udp, generation)).toBe(-Errno.ESRCH)
  expect(slab.live()).toBe(0)
  expect(tcp.listens(80)).toBe(false)
})
