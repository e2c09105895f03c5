import { AF_INET, AF_INET6 } from '../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import { arenaBytes, createArena } from '../../../core/shm/arena.ts'
import { countBits, parseBits, reservePorts } from '../../../core/shm/bit-list.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { PORT_BITS_WORDS, SMALL_ARENA } from '../../../core/shm/layout.ts'
import {
  SK_BOUND_DEV,
  SK_FAMILY,
  SK_REUSE,
  SK_SADDR,
  SK_STATE,
  sockSlab,
  TCP_CLOSE,
  TCP_LISTEN,
} from '../../../core/socket/sock.ts'
import { REUSE_ADDR, REUSE_PORT, V6ONLY } from '../../../core/socket/socket-constants.ts'
import { createPorts } from '../../../core/transport/ports.ts'

const setup = () => {
  const arena = createArena(SMALL_ARENA, new ArrayBuffer(arenaBytes(SMALL_ARENA)))
  const slab = sockSlab(arena, 0, true)
  const ports = createPorts(arena)
  const socket = (
    family: number,
    last: number,
    reuse = 0,
    state: number = TCP_CLOSE,
    dev = 0
  ): number => {
    const sk = slab.alloc()
    arena.i32[sk + SK_FAMILY] = family
    arena.i32[sk + SK_STATE] = state
    arena.i32[sk + SK_REUSE] = reuse
    arena.i32[sk + SK_BOUND_DEV] = dev
    if (last !== 0) {
      if (family === AF_INET) arena.i32[sk + SK_SADDR + 2] = 0xffff
      arena.i32[sk + SK_SADDR + 3] = last
    }
    return sk
  }
  /** Makes a bound address an IPv4 one. */
  const map = (sk: number): number => {
    arena.i32[sk + SK_SADDR + 2] = 0xffff
    return sk
  }
  return { arena, ports, socket, map }
}

test('an IPv6 socket with an IPv4 address meets the IPv4 wildcard, and no IPv6 one that is v6only', () => {
  const { ports, socket, map } = setup()
  const mapped = map(socket(AF_INET6, 1))
  ports.hold(mapped, 80)
  expect(ports.conflicts(socket(AF_INET, 0), 80)).toBe(true)
  expect(ports.conflicts(socket(AF_INET6, 0), 80)).toBe(true)
  expect(ports.conflicts(socket(AF_INET6, 0, V6ONLY), 80)).toBe(false)
  expect(ports.conflicts(socket(AF_INET, 2), 80)).toBe(false)
})

describe('sharing a port', () => {
  type Side = [family: number, last: number, reuse?: number, state?: number, dev?: number]
  const cases: [string, Side, Side, boolean][] = [
    ['two wildcards', [AF_INET, 0], [AF_INET, 0], true],
    ['different addresses', [AF_INET, 1], [AF_INET, 2], false],
    ['the same address', [AF_INET, 1], [AF_INET, 1], true],
    ['a wildcard and an address', [AF_INET, 0], [AF_INET, 1], true],
    ['SO_REUSEADDR, none listening', [AF_INET, 0, REUSE_ADDR], [AF_INET, 0, REUSE_ADDR], false],
    [
      'SO_REUSEADDR, one listening',
      [AF_INET, 0, REUSE_ADDR, TCP_LISTEN],
      [AF_INET, 0, REUSE_ADDR],
      true,
    ],
    ['SO_REUSEADDR on one side only', [AF_INET, 0], [AF_INET, 0, REUSE_ADDR], true],
    ['SO_REUSEPORT', [AF_INET, 0, REUSE_PORT, TCP_LISTEN], [AF_INET, 0, REUSE_PORT], false],
    ['different devices', [AF_INET, 0, 0, TCP_CLOSE, 1], [AF_INET, 0, 0, TCP_CLOSE, 2], false],
    ['one device and none', [AF_INET, 0, 0, TCP_CLOSE, 1], [AF_INET, 0], true],
    ['the IPv6 wildcard covers IPv4', [AF_INET6, 0], [AF_INET, 1], true],
    ['unless it is v6only', [AF_INET6, 0, V6ONLY], [AF_INET, 0], false],
    ['an IPv6 address and the IPv4 wildcard', [AF_INET6, 1], [AF_INET, 0], false],
  ]
  test.each(cases)('%s', (_name, first, second, conflict) => {
    const { ports, socket } = setup()
    ports.hold(socket(...first), 80)
    expect(ports.conflicts(socket(...second), 80)).toBe(conflict)
    expect(ports.conflicts(socket(...second), 81)).toBe(false)
  })
})

test('a port is free again when its last socket lets go, in any order', () => {
  const { ports, socket } = setup()
  const sockets = [1, 2, 3, 4].map((last) => socket(AF_INET, last))
  for (const sk of sockets) ports.hold(sk, 80)
  for (const k of [1, 3, 0, 2]) {
    ports.release(sockets[k]!)
    ports.release(sockets[k]!)
  }
  expect(ports.first(80)).toBe(0)
  expect(ports.conflicts(socket(AF_INET, 0), 80)).toBe(false)
})

test('a reserved port is nobody who has not asked for it', () => {
  const { arena, ports } = setup()
  const reserved = parseBits('100,102-103', PORT_BITS_WORDS)!
  reservePorts(arena, reserved)
  arena.i32[arena.layout.sysctl + Sysctl.ip_local_reserved_ports] = countBits(reserved)
  const asked: number[] = []
  expect(ports.pick(100, 104, 2, (port) => asked.push(port) === 2)).toBe(101)
  expect(asked).toEqual([104, 101])
  expect(ports.pick(102, 103, 0, () => true)).toBe(0)
})

test('the search starts where it is told, goes round, and ends', () => {
  const { ports } = setup()
  const asked: number[] = []
  expect(ports.pick(100, 103, 2, (port) => asked.push(port) === 4)).toBe(101)
  expect(asked).toEqual([102, 103, 100, 101])
  expect(ports.pick(100, 103, -1, () => false)).toBe(0)
  expect(ports.pick(5, 4, 0, () => true)).toBe(0)
})
