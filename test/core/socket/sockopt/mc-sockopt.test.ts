import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import { Errno } from '../../../../core/base/errno.ts'
import { createMcTable } from '../../../../core/inet/mc/mc-table.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../../../core/inet/mc/mc-constants.ts'
import { DEV_FLAGS, DEV_GENERATION, DEV_IFINDEX, IFF_UP } from '../../../../core/netdev/netdev.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { SK_BOUND_DEV, SOCK_DGRAM, SOCK_STREAM } from '../../../../core/socket/sock.ts'
import {
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
} from '../../../../core/socket/socket-constants.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import { addrWords, joinOn, type JoinOptions } from '../../../support/groups.ts'
import { ip, ipText, udpFrame, v4Words } from '../../../../sim/net/packets.ts'
import { createRouter, toRouter, type PathOptions } from '../../../../sim/net/path-host.ts'

const GROUP = '239.1.2.3'
const OTHER = '239.4.5.6'
const PORT = 5000
const text = (s: string): Uint8Array => new TextEncoder().encode(s)

const host = (options: PathOptions = {}) => {
  const path = createRouter(options)
  const { sockets, slab } = path.first
  const { i32 } = path.arena
  const table = createMcTable(path.arena)
  path.settle()
  const open = (family = AF_INET, type = SOCK_DGRAM, port = PORT): number => {
    const sk = sockets.socket(family, type, 0)
    sockets.setsockopt(sk, 1, 2, 1)
    if (type === SOCK_DGRAM) sockets.bind(sk, ...v4Words(0), port)
    return sk
  }
  const join = (sk: number, group: string, more: JoinOptions = {}): number =>
    joinOn(path.first, sk, group, more)
  const arrive = (group: string, { source = '10.0.2.9', dev = 2 } = {}): void =>
    path.receive(
      udpFrame(
        { ...toRouter, dst: '01:00:5e:00:00:00' },
        { saddr: source, daddr: group },
        { sport: 9, dport: PORT },
        text(source)
      ),
      dev
    )
  const buffer = new Uint8Array(2000)
  /** All that waits on the socket, as text. */
  const heard = (sk: number): string[] => {
    const all: string[] = []
    for (;;) {
      const n = path.first.udp.proto.recvBytes!(sk, buffer, 0, buffer.length)
      if (n < 0) return all
      all.push(new TextDecoder().decode(buffer.subarray(0, n)))
    }
  }
  const takes = (dev: number, group: string, source: string): boolean => {
    const words = Int32Array.from([...addrWords(group), ...addrWords(source)])
    return table.checkMc(dev, words, 0, words, 4)
  }
  const close = (...socks: number[]): void => {
    for (const sk of socks) sockets.close(sk)
    path.settle()
  }
  return { ...path, sockets, slab, i32, open, join, arrive, heard, takes, close, table }
}

describe('what is delivered', () => {
  test('a group that the socket has joined, on the device where it did', () => {
    const path = host()
    const sk = path.open()
    path.arrive(GROUP)
    expect(path.heard(sk)).toEqual([])
    expect(path.drops(Drop.NOT_SPECIFIED)).toBe(1)
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(0)
    path.arrive(GROUP)
    path.arrive(GROUP, { dev: 3, source: '10.0.3.9' })
    expect(path.heard(sk)).toEqual(['10.0.2.9'])
    expect(path.counter(Mib.IpExtInMcastPkts)).toBe(1)
    expect(path.join(sk, GROUP, { dev: 2, name: 'IP_DROP_MEMBERSHIP' })).toBe(0)
    path.arrive(GROUP)
    expect(path.heard(sk)).toEqual([])
    path.close(sk)
    expect(path.isAllReturned()).toBe(true)
  })
  test('what another socket joined too, unless IP_MULTICAST_ALL is off', () => {
    const path = host()
    const joined = path.open()
    const other = path.open()
    expect(path.join(joined, GROUP, { dev: 2 })).toBe(0)
    path.arrive(GROUP)
    expect(path.heard(other)).toEqual(['10.0.2.9'])
    path.sockets.setsockopt(other, IPPROTO_IP, IP_MULTICAST_ALL, 0)
    path.arrive(GROUP)
    expect(path.heard(other)).toEqual([])
    expect(path.heard(joined)).toHaveLength(2)
    path.close(joined, other)
  })
  test('only from the sources that each socket asked for', () => {
    const path = host()
    const [one, two, all] = [path.open(), path.open(), path.open()]
    const ssm = { dev: 2, name: 'IP_ADD_SOURCE_MEMBERSHIP' } as const
    expect(path.join(one!, GROUP, { ...ssm, source: '10.0.2.9' })).toBe(0)
    expect(path.join(two!, GROUP, { ...ssm, source: '10.0.2.8' })).toBe(0)
    for (const source of ['10.0.2.9', '10.0.2.8', '10.0.2.7']) path.arrive(GROUP, { source })
    expect(path.heard(one!)).toEqual(['10.0.2.9'])
    expect(path.heard(two!)).toEqual(['10.0.2.8'])
    // nobody asked for the third
    expect(path.drops(Drop.NOT_SPECIFIED)).toBe(1)
    expect(path.heard(all!)).toEqual(['10.0.2.9', '10.0.2.8'])
    expect(path.join(all!, GROUP, { dev: 2 })).toBe(0)
    const block = { dev: 2, name: 'IP_BLOCK_SOURCE' } as const
    expect(path.join(all!, GROUP, { ...block, source: '10.0.2.8' })).toBe(0)
    for (const source of ['10.0.2.9', '10.0.2.8', '10.0.2.7']) path.arrive(GROUP, { source })
    expect(path.heard(all!)).toEqual(['10.0.2.9', '10.0.2.7'])
    expect(path.heard(two!)).toEqual(['10.0.2.8'])
    path.close(one!, two!, all!)
    path.arrive(GROUP)
    expect(path.drops(Drop.NOT_SPECIFIED)).toBe(2)
  })
  test('to all hosts always, on every device', () => {
    const path = host()
    const sk = path.open()
    path.arrive('224.0.0.1')
    path.arrive('224.0.0.1', { dev: 3, source: '10.0.3.9' })
    expect(path.heard(sk)).toEqual(['10.0.2.9', '10.0.3.9'])
    path.close(sk)
  })
  test('nothing any more when the socket is closed, or its device has given way to another', () => {
    const path = host()
    const sk = path.open()
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(0)
    expect(path.takes(2, GROUP, '10.0.2.9')).toBe(true)
    const row = path.deviceRow(2)
    path.i32[row + DEV_IFINDEX] = 0
    path.settle()
    expect(path.takes(2, GROUP, '10.0.2.9')).toBe(false)
    path.i32[row + DEV_GENERATION]!++
    path.i32[row + DEV_IFINDEX] = 2
    path.settle()
    expect(path.takes(2, GROUP, '10.0.2.9')).toBe(false)
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(0)
    expect(path.takes(2, GROUP, '10.0.2.9')).toBe(true)
    path.close(sk)
    expect(path.takes(2, GROUP, '10.0.2.9')).toBe(false)
  })
  test('stays joined while the device is down', () => {
    const path = host()
    const sk = path.open()
    path.join(sk, GROUP, { dev: 2 })
    path.i32[path.deviceRow(2) + DEV_FLAGS]! &= ~IFF_UP
    path.settle()
    expect(path.takes(2, '224.0.0.1', '10.0.2.9')).toBe(false)
    path.i32[path.deviceRow(2) + DEV_FLAGS]! |= IFF_UP
    path.settle()
    path.arrive(GROUP)
    expect(path.heard(sk)).toHaveLength(1)
    path.close(sk)
  })
})

describe('the errors of the calls', () => {
  const one = (more: JoinOptions, group = GROUP): number => {
    const path = host()
    return path.join(path.open(), group, more)
  }
  test.each([
    ['no group', '10.0.2.9', { dev: 2 }, Errno.EINVAL],
    ['no such device', GROUP, { dev: 7 }, Errno.ENODEV],
    ['an address that no device has', GROUP, { address: '10.9.9.9' }, Errno.ENODEV],
    ['a group never joined', GROUP, { dev: 2, name: 'IP_DROP_MEMBERSHIP' }, Errno.EADDRNOTAVAIL],
    [
      'a source of nothing joined',
      GROUP,
      { dev: 2, source: '1.2.3.4', name: 'IP_BLOCK_SOURCE' },
      Errno.EINVAL,
    ],
    ['an IPv6 call of an IPv4 socket', 'ff02::9', { dev: 2 }, Errno.ENOPROTOOPT],
  ] as const)('%s', (_, group, more, errno) => {
    expect(one(more, group)).toBe(-errno)
  })
  test('a stream is no member', () => {
    const path = host()
    const sk = path.open(AF_INET, SOCK_STREAM)
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(-Errno.EPROTO)
    expect(path.sockets.setsockopt(sk, IPPROTO_IP, IP_MULTICAST_TTL, 3)).toBe(-Errno.EINVAL)
  })
  test('a group is joined once by a socket, but on several devices', () => {
    const path = host()
    const sk = path.open()
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(0)
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(-Errno.EADDRINUSE)
    expect(path.join(sk, GROUP, { dev: 3 })).toBe(0)
    path.close(sk)
  })
  test('so many groups, and so many sources, and no more', () => {
    const path = host()
    path.setSysctl(Sysctl.igmp_max_memberships, 2)
    path.setSysctl(Sysctl.igmp_max_msf, 2)
    const sk = path.open()
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(0)
    expect(path.join(sk, OTHER, { dev: 2 })).toBe(0)
    expect(path.join(sk, '239.9.9.9', { dev: 2 })).toBe(-Errno.ENOBUFS)
    const block = (source: string) =>
      path.join(sk, GROUP, { dev: 2, source, name: 'IP_BLOCK_SOURCE' })
    expect([block('1.1.1.1'), block('1.1.1.2'), block('1.1.1.3')]).toEqual([0, 0, -Errno.ENOBUFS])
    expect(block('1.1.1.1')).toBe(-Errno.EADDRNOTAVAIL)
    path.close(sk)
  })
  test('the modes of a filter do not mix, and the last source that is dropped leaves the group', () => {
    const path = host()
    const sk = path.open()
    const ask = (name: NonNullable<JoinOptions['name']>, source?: string): number =>
      path.join(sk, GROUP, { dev: 2, name, ...(source && { source }) })
    expect(ask('MCAST_JOIN_SOURCE_GROUP', '1.1.1.1')).toBe(0)
    expect(ask('MCAST_BLOCK_SOURCE', '1.1.1.2')).toBe(-Errno.EINVAL)
    expect(ask('MCAST_LEAVE_SOURCE_GROUP', '1.1.1.3')).toBe(-Errno.EADDRNOTAVAIL)
    expect(ask('MCAST_LEAVE_SOURCE_GROUP', '1.1.1.1')).toBe(0)
    expect(path.takes(2, GROUP, '1.1.1.1')).toBe(false)
    expect(ask('MCAST_LEAVE_GROUP')).toBe(-Errno.EADDRNOTAVAIL)
    expect(ask('MCAST_JOIN_GROUP')).toBe(0)
    expect(ask('MCAST_UNBLOCK_SOURCE', '1.1.1.1')).toBe(-Errno.EADDRNOTAVAIL)
    path.close(sk)
  })
  test('a refused source leaves no membership behind', () => {
    const path = host({ config: { members: 1 } })
    path.setSysctl(Sysctl.igmp_max_msf, 0)
    const sk = path.open()
    const ssm = { dev: 2, source: '1.1.1.1', name: 'IP_ADD_SOURCE_MEMBERSHIP' } as const
    expect(path.join(sk, GROUP, ssm)).toBe(-Errno.ENOBUFS)
    path.setSysctl(Sysctl.igmp_max_msf, 10)
    expect(path.join(sk, GROUP, ssm)).toBe(0)
    expect(path.join(sk, OTHER, ssm)).toBe(-Errno.ENOBUFS)
    path.close(sk)
  })
  test('the device is the one with the address, or on the way to the group', () => {
    const path = host()
    const sk = path.open()
    expect(path.join(sk, GROUP, { address: '10.0.2.1' })).toBe(0)
    // the default route
    expect(path.join(sk, OTHER)).toBe(0)
    expect(path.takes(2, GROUP, '1.1.1.1')).toBe(true)
    expect(path.takes(3, OTHER, '1.1.1.1')).toBe(true)
    const drop = { name: 'IP_DROP_MEMBERSHIP' } as const
    expect(path.join(sk, GROUP, { ...drop, address: '10.0.3.1' })).toBe(-Errno.EADDRNOTAVAIL)
    expect(path.join(sk, GROUP, { ...drop, address: '10.0.2.1' })).toBe(0)
    expect(path.join(sk, OTHER, drop)).toBe(0)
    path.close(sk)
  })
  test('an IPv6 socket joins groups of both families', () => {
    const path = host()
    const sk = path.open(AF_INET6)
    expect(path.join(sk, 'ff05::9', { dev: 2 })).toBe(0)
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(0)
    expect(path.takes(2, 'ff05::9', 'fd00::1')).toBe(true)
    expect(path.takes(2, GROUP, '1.1.1.1')).toBe(true)
    path.close(sk)
    expect(path.takes(2, 'ff05::9', 'fd00::1')).toBe(false)
  })
})

describe('a whole filter', () => {
  test('is set and read back, and to include nobody is to leave', () => {
    const path = host()
    const { members } = path.first
    const sk = path.open()
    const group = Int32Array.from(addrWords(GROUP))
    const sources = Int32Array.from(['1.1.1.1', '1.1.1.2'].flatMap((one) => [...addrWords(one)]))
    const set = (mode: number, count: number): number =>
      path.sockets.setFilter(sk, group, 0, 2, 0, mode, sources, 0, count)
    expect(set(MCAST_EXCLUDE, 2)).toBe(-Errno.EINVAL)
    expect(path.join(sk, GROUP, { dev: 2 })).toBe(0)
    expect(set(MCAST_INCLUDE, 2)).toBe(0)
    expect(path.takes(2, GROUP, '1.1.1.2')).toBe(true)
    expect(path.takes(2, GROUP, '1.1.1.3')).toBe(false)
    const got = new Int32Array(8)
    expect(path.sockets.getFilter(sk, group, 0, 2, got, 0, 2)).toBe(2)
    expect([...got]).toEqual([...sources])
    expect(members.filterMode[0]).toBe(MCAST_INCLUDE)
    expect(set(7, 0)).toBe(-Errno.EINVAL)
    expect(set(MCAST_INCLUDE, 0)).toBe(0)
    expect(path.takes(2, GROUP, '1.1.1.2')).toBe(false)
    path.close(sk)
  })
})

describe('sending to a group', () => {
  const send = (path: ReturnType<typeof host>, sk: number, group = GROUP): number =>
    path.first.udp.sendtoBytes(sk, text('me'), 0, 2, ...v4Words(ip(group)), PORT)
  test('is heard here by who joined, unless the sender does not want that', () => {
    const path = host()
    const sk = path.open()
    path.join(sk, GROUP, { dev: 3 })
    expect(send(path, sk)).toBe(2)
    path.settle()
    expect(path.heard(sk)).toEqual(['me'])
    path.sockets.setsockopt(sk, IPPROTO_IP, IP_MULTICAST_LOOP, 0)
    send(path, sk)
    send(path, sk, OTHER)
    path.settle()
    expect(path.heard(sk)).toEqual([])
    path.close(sk)
    expect(path.isAllReturned()).toBe(true)
  })
  test('goes by the device, from the address and with the hops that were set', () => {
    const path = host()
    const sk = path.open()
    const set = (name: number, value: number): number =>
      path.sockets.setsockopt(sk, IPPROTO_IP, name, value)
    const last = () => path.sent[path.sent.length - 1]!
    path.sent.length = 0
    send(path, sk)
    expect(last().dev).toBe(3)
    expect(set(IP_MULTICAST_IF, ip('10.9.9.9'))).toBe(-Errno.EADDRNOTAVAIL)
    expect(set(IP_MULTICAST_IF, ip('10.0.2.1'))).toBe(0)
    expect(set(IP_MULTICAST_TTL, 256)).toBe(-Errno.EINVAL)
    expect(set(IP_MULTICAST_TTL, 5)).toBe(0)
    send(path, sk)
    expect(last().dev).toBe(2)
    expect(ipv4.ttl(last().frame, 14)).toBe(5)
    expect(ipText(ipv4.src(last().frame, 14))).toBe('10.0.2.1')
    // a TTL of 0 keeps it here
    const count = path.sent.length
    set(IP_MULTICAST_TTL, 0)
    send(path, sk)
    expect(path.sent).toHaveLength(count)
    expect(path.sockets.getsockopt(sk, IPPROTO_IP, IP_MULTICAST_TTL)).toBe(0)
    set(IP_MULTICAST_TTL, -1)
    expect(path.sockets.getsockopt(sk, IPPROTO_IP, IP_MULTICAST_TTL)).toBe(1)
    path.i32[sk + SK_BOUND_DEV] = 3
    expect(set(IP_MULTICAST_IF, ip('10.0.2.1'))).toBe(-Errno.EINVAL)
    path.close(sk)
  })
  test("a socket's options for one family leave the other's alone", () => {
    const path = host()
    const sk = path.open(AF_INET6)
    const { setsockopt, getsockopt } = path.sockets
    expect(setsockopt(sk, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 7)).toBe(0)
    expect(setsockopt(sk, IPPROTO_IPV6, IPV6_MULTICAST_IF, 3)).toBe(0)
    expect(setsockopt(sk, IPPROTO_IPV6, IPV6_MULTICAST_IF, 7)).toBe(-Errno.ENODEV)
    expect(getsockopt(sk, IPPROTO_IPV6, IPV6_MULTICAST_HOPS)).toBe(7)
    expect(getsockopt(sk, IPPROTO_IPV6, IPV6_MULTICAST_IF)).toBe(3)
    expect(getsockopt(sk, IPPROTO_IP, IP_MULTICAST_TTL)).toBe(1)
    path.close(sk)
  })
})

describe('against sets', () => {
  const SOURCES = ['1.1.1.1', '1.1.1.2', '1.1.1.3']
  const NAMES = [
    'MCAST_JOIN_GROUP',
    'MCAST_LEAVE_GROUP',
    'MCAST_BLOCK_SOURCE',
    'MCAST_UNBLOCK_SOURCE',
    'MCAST_JOIN_SOURCE_GROUP',
    'MCAST_LEAVE_SOURCE_GROUP',
  ] as const
  const stepArb = fc.record({
    who: fc.nat({ max: 2 }),
    worker: fc.nat({ max: 1 }),
    name: fc.constantFrom(...NAMES),
    source: fc.constantFrom(...SOURCES),
    isClosed: fc.boolean(),
  })
  /** A membership as the RFC tells of it: whom it refuses or, in the other mode, wants. */
  type Naive = { wants: boolean; listed: Set<string>; hasList: boolean }
  const apply = (held: Naive | undefined, name: string, source: string): Naive | undefined => {
    const isJoin = name === 'MCAST_JOIN_GROUP'
    if (isJoin) return held ?? { wants: false, listed: new Set(), hasList: false }
    if (name === 'MCAST_LEAVE_GROUP') return undefined
    const wants = name.endsWith('SOURCE_GROUP')
    const isAdded = name === 'MCAST_BLOCK_SOURCE' || name === 'MCAST_JOIN_SOURCE_GROUP'
    if (held === undefined) {
      return wants && isAdded ? { wants, listed: new Set([source]), hasList: true } : undefined
    }
    if (held.wants !== wants && held.hasList) return held
    if (isAdded === held.listed.has(source)) return held
    const listed = new Set(held.listed)
    if (isAdded) listed.add(source)
    else listed.delete(source)
    if (wants && listed.size === 0) return undefined
    return { wants, listed, hasList: true }
  }

  test('what a device takes is what its sockets, of two workers, want together', () => {
    fc.assert(
      fc.property(fc.array(stepArb, { maxLength: 30 }), (steps) => {
        const path = host({ config: { workers: 2, skbs: 4096, smallBuffers: 4096 } })
        const socks = [0, 1].map((w) =>
          [0, 1, 2].map(() => path.workers[w]!.sockets.socket(AF_INET, SOCK_DGRAM, 0))
        )
        const naive = new Map<string, Naive | undefined>()
        for (const { who, worker, name, source, isClosed } of steps) {
          const key = `${worker} ${who}`
          const stack = path.workers[worker]!
          if (isClosed && name === 'MCAST_LEAVE_GROUP') {
            stack.sockets.close(socks[worker]![who]!)
            socks[worker]![who] = stack.sockets.socket(AF_INET, SOCK_DGRAM, 0)
          } else joinOn(stack, socks[worker]![who]!, GROUP, { dev: 2, name, source })
          naive.set(key, apply(naive.get(key), name, source))
          path.settle()
          for (const from of [...SOURCES, '9.9.9.9']) {
            const wanted = [...naive.values()].some(
              (one) => one !== undefined && one.listed.has(from) === one.wants
            )
            expect(path.takes(2, GROUP, from)).toBe(wanted)
          }
        }
      }),
      { numRuns: 60 }
    )
  })
})
