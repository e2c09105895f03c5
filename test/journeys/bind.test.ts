// The addresses that a stream socket may be bound to, and what becomes of them: as Linux's bind(2) has it.

import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { IPPROTO_IPV6, IPV6_V6ONLY } from '../../core/socket/socket-constants.ts'
import { SK_SADDR, SOCK_STREAM } from '../../core/socket/sock.ts'
import { ip, v4Words } from '../../sim/net/packets.ts'
import { twoHosts } from '../support/sim-topology.ts'

const setUp = async () => {
  const { sim, a } = await twoHosts()
  const { sockets } = a.stack
  const open = (family = AF_INET): number => sockets.socket(family, SOCK_STREAM, 0)
  const bind = (sk: number, addr: string): number => sockets.bind(sk, ...v4Words(ip(addr)), 80)
  return { sim, a, sockets, open, bind }
}

test.each(['10.0.1.1', '127.0.0.1', '10.0.1.255', '255.255.255.255', '224.0.0.5'])(
  'a listener may be bound to %s',
  async (addr) => {
    const { sim, sockets, open, bind } = await setUp()
    const sk = open()
    expect(bind(sk, addr)).toBe(0)
    expect(sockets.listen(sk, 1)).toBe(0)
    sockets.close(sk)
    expect(sim.leaks()).toEqual({})
  }
)
test.each(['10.0.1.9', '240.0.0.1', '0.1.2.3', '10.0.9.255'])('but not to %s', async (addr) => {
  const { sim, sockets, open, bind } = await setUp()
  const sk = open()
  expect(bind(sk, addr)).toBe(-Errno.EADDRNOTAVAIL)
  // nor has it taken the port
  expect(bind(sk, '10.0.1.1')).toBe(0)
  sockets.close(sk)
  expect(sim.leaks()).toEqual({})
})

test('where ip_nonlocal_bind says so it may be bound to any address of that family', async () => {
  const { sim, a, sockets, open, bind } = await setUp()
  const own = [open(), open(), open(AF_INET6)]
  const bind6 = (): number => sockets.bind(own[2]!, Int32Array.of(0x20010db8, 0, 0, 9), 0, 80)
  await a.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_nonlocal_bind', value: 1 })
  expect(bind(own[0]!, '10.0.1.9')).toBe(0)
  expect(sockets.listen(own[0]!, 1)).toBe(0)
  expect(bind6()).toBe(-Errno.EADDRNOTAVAIL)
  await a.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_nonlocal_bind', value: 0 })
  await a.must({ type: 'SYSCTL_SET', name: 'net.ipv6.ip_nonlocal_bind', value: 1 })
  expect(bind(own[1]!, '10.0.1.9')).toBe(-Errno.EADDRNOTAVAIL)
  expect(bind6()).toBe(0)
  for (const sk of own) sockets.close(sk)
  expect(sim.leaks()).toEqual({})
})

test.each(['10.0.1.255', '255.255.255.255', '224.0.0.5'])(
  'a connection from a socket bound to %s comes from our own address',
  async (addr) => {
    const { sim, a, sockets, open, bind } = await setUp()
    const sk = open()
    expect(bind(sk, addr)).toBe(0)
    expect(sockets.connect(sk, ...v4Words(ip('10.0.1.2')), 9)).toBe(-Errno.EINPROGRESS)
    expect(a.arena.i32[sk + SK_SADDR + 3]).toBe(ip('10.0.1.1'))
    sim.run(10 * 60_000)
    sockets.close(sk)
    expect(sim.leaks()).toEqual({})
  }
)

test('no connection leads to a group or a broadcast address', async () => {
  const { sockets, open } = await setUp()
  for (const addr of ['10.0.1.255', '255.255.255.255', '224.0.0.5'])
    expect(sockets.connect(open(), ...v4Words(ip(addr)), 9)).toBe(-Errno.ENETUNREACH)
})

test('an address of the other family is refused', async () => {
  const { sockets, open, bind } = await setUp()
  const loopback6 = Int32Array.of(0, 0, 0, 1)
  expect(sockets.bind(open(), loopback6, 0, 80)).toBe(-Errno.EAFNOSUPPORT)
  const six = open(AF_INET6)
  expect(sockets.setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, 1)).toBe(0)
  expect(bind(six, '10.0.1.1')).toBe(-Errno.EINVAL)
  expect(sockets.bind(six, loopback6, 0, 80)).toBe(0)
  expect(bind(open(AF_INET6), '10.0.1.1')).toBe(0)
})
