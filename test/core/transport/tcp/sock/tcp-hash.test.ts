import { AF_INET, AF_INET6 } from '../../../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_SADDR,
  FL_SPORT,
} from '../../../../../core/base/flowi.ts'
import { arenaBytes, createArena } from '../../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../../core/shm/layout.ts'
import {
  SK_BOUND_DEV,
  SK_DADDR,
  SK_DPORT,
  SK_FAMILY,
  SK_NUM,
  SK_REUSE,
  SK_SADDR,
  SK_STATE,
  sockSlab,
  TCP_ESTABLISHED,
  TCP_LISTEN,
} from '../../../../../core/socket/sock.ts'
import { REUSE_PORT, V6ONLY } from '../../../../../core/socket/socket-constants.ts'
import { createTcpHash } from '../../../../../core/transport/tcp/sock/tcp-hash.ts'
import { address, FAMILIES } from '../../../../support/tcp-host.ts'

const setup = (family: number) => {
  const arena = createArena(SMALL_ARENA, new ArrayBuffer(arenaBytes(SMALL_ARENA)))
  const { i32 } = arena
  const slab = sockSlab(arena, 0, true)
  const hash = createTcpHash(arena, 4, 99, { add: () => {}, remove: () => {} })
  const row = (state: number, port: number): number => {
    const sk = slab.alloc()
    i32[sk + SK_STATE] = state
    i32[sk + SK_FAMILY] = family
    i32[sk + SK_NUM] = port
    return sk
  }
  const connection = (peerPort: number): number => {
    const sk = row(TCP_ESTABLISHED, 80)
    i32.set(address(family, 1), sk + SK_SADDR)
    i32.set(address(family, 2), sk + SK_DADDR)
    i32[sk + SK_DPORT] = peerPort
    hash.hash(sk)
    return sk
  }
  const listener = (
    last: number,
    options: { reuse?: number; dev?: number; port?: number; family?: number } = {}
  ): number => {
    const sk = row(TCP_LISTEN, options.port ?? 80)
    if (last !== 0) i32.set(address(family, last), sk + SK_SADDR)
    i32[sk + SK_REUSE] = options.reuse ?? 0
    i32[sk + SK_BOUND_DEV] = options.dev ?? 0
    if (options.family) i32[sk + SK_FAMILY] = options.family
    hash.hash(sk)
    return sk
  }
  const flow = (peerPort: number, iif = 1): Int32Array => {
    const fl = createFlowi()
    fl[FL_FAMILY] = family
    fl.set(address(family, 2), FL_SADDR)
    fl.set(address(family, 1), FL_DADDR)
    fl[FL_SPORT] = peerPort
    fl[FL_DPORT] = 80
    fl[FL_IIF] = iif
    return fl
  }
  return { hash, connection, listener, flow, i32 }
}

describe.each(FAMILIES)('%s', (_name, family) => {
  test('finds each of many connections, and none that has gone', () => {
    const { hash, connection, flow } = setup(family)
    const sockets = Array.from({ length: 200 }, (_, port) => connection(port))
    for (const [port, sk] of sockets.entries()) expect(hash.lookupEstablished(flow(port))).toBe(sk)
    for (const [port, sk] of sockets.entries()) if (port % 3 === 0) hash.unhash(sk)
    for (const [port, sk] of sockets.entries())
      expect(hash.lookupEstablished(flow(port))).toBe(port % 3 === 0 ? 0 : sk)
    expect(hash.lookupEstablished(flow(1000))).toBe(0)
  })
  test('a listener on the address beats one on the device, and that the wildcard', () => {
    const { hash, listener, flow } = setup(family)
    expect(hash.lookupListener(flow(5))).toBe(0)
    const any = listener(0)
    expect(hash.lookupListener(flow(5))).toBe(any)
    const dev = listener(0, { dev: 1 })
    expect(hash.lookupListener(flow(5))).toBe(dev)
    expect(hash.lookupListener(flow(5, 2))).toBe(any)
    const exact = listener(1)
    expect(hash.lookupListener(flow(5))).toBe(exact)
    listener(7)
    listener(1, { port: 81 })
    expect(hash.lookupListener(flow(5))).toBe(exact)
    hash.unhash(exact)
    expect(hash.lookupListener(flow(5))).toBe(dev)
  })
  test('a group of SO_REUSEPORT shares connections, each always to the same one', () => {
    const { hash, listener, flow } = setup(family)
    const group = [1, 2, 3, 4].map(() => listener(0, { reuse: REUSE_PORT }))
    const hits = new Map<number, number>()
    for (let port = 0; port < 4000; port++) {
      const sk = hash.lookupListener(flow(port))
      expect(hash.lookupListener(flow(port))).toBe(sk)
      hits.set(sk, (hits.get(sk) ?? 0) + 1)
    }
    for (const sk of group) expect(Math.abs(hits.get(sk)! - 1000)).toBeLessThan(200)
  })
})

test('an IPv6 wildcard takes IPv4 unless it is v6only', () => {
  const { hash, listener, flow, i32 } = setup(AF_INET)
  const six = listener(0, { family: AF_INET6 })
  expect(hash.lookupListener(flow(1))).toBe(six)
  i32[six + SK_REUSE] = V6ONLY
  expect(hash.lookupListener(flow(1))).toBe(0)
})
