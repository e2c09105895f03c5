import { expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../../../../core/base/family.ts'
import { createFibReader } from '../../../../../core/inet/fib/fib.ts'
import { createFibLookup } from '../../../../../core/inet/fib/trie/fib-lookup.ts'
import { createFibPrefetch } from '../../../../../core/inet/fib/trie/fib-prefetch.ts'
import { RT_TABLE_MAIN } from '../../../../../core/inet/fib/nexthop-constants.ts'
import { createFibWriter } from '../../../../../core/inet/fib/writer/fib-writer.ts'
import { INIT_NET } from '../../../../../core/netdev/netdev.ts'
import { type Arena, backlogRing, createArena } from '../../../../../core/shm/arena.ts'
import { FIB_SHORT_WORDS, G_FIB_PAGES, SMALL_ARENA } from '../../../../../core/shm/layout.ts'
import { ringPublish, ringPush } from '../../../../../core/shm/ring.ts'
import { RX_HEADROOM, SKB_DATA } from '../../../../../core/skb/skb.ts'
import { createSkbs } from '../../../../../core/skb/skbs.ts'
import * as ethernet from '../../../../../core/wire/ethernet.ts'
import * as ipv4 from '../../../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../../../core/wire/ipv6.ts'

const ROW = 32
const FRAME = 64

/** An arena whose words that are read are known. */
const watched = (arena: Arena) => {
  const read = new Set<number>()
  const i32 = new Proxy(arena.i32, {
    get(words, key) {
      if (typeof key === 'string') read.add(Number(key))
      return Reflect.get(words, key)
    },
  })
  return { arena: { ...arena, i32 } as Arena, read }
}

const tables = () => {
  const arena = createArena({ ...SMALL_ARENA, fibNodes: 4096 })
  const run = (done: () => void): void => done()
  const writer = createFibWriter({ arena, retire: run, reclaim: () => {} })
  writer.addNet(INIT_NET)
  const skbs = createSkbs(arena, 0)
  const ring = backlogRing(arena.layout, 0, arena.layout.nicThread)
  const frame = (type: number, setDst: (header: number) => void): void => {
    const skb = skbs.alloc(FRAME, RX_HEADROOM)
    const at = arena.i32[skb + SKB_DATA]!
    skbs.put(skb, FRAME)
    ethernet.setType(arena.u8, at, type)
    setDst(at + ethernet.ETH_HLEN)
    ringPush(arena.i32, ring, skb)
    ringPublish(arena.i32, ring)
  }
  return { arena, writer, ring, frame }
}

/** `nets` networks of 16 bits with nine prefixes each, some of which divide it once more. */
const setup = (nets: number) => {
  const { arena, writer, ring, frame: frameTo } = tables()
  const put = (addr: number, plen: number, n: number): void => {
    const words = [0, 0, 0xffff, addr] as const
    expect(writer.insert(INIT_NET, AF_INET, RT_TABLE_MAIN, words, plen, n * ROW)).toBe(0)
  }
  for (let net = 0; net < nets; net++) {
    const base = ((20 << 24) + (net << 16)) | 0
    for (let k = 0; k < 8; k++) put(base | (k << 8), 24, 1 + k)
    for (let k = 0; k < 9; k++) put(base | (7 << 8) | (k << 4), 28, 10 + k)
  }
  const frame = (type: number, addr: number): void =>
    frameTo(type, (at) => ipv4.setDst(arena.u8, at, addr))
  return { arena, ring, frame }
}
const ADDRS = [0x14000101, 0x14400742, 0x14810700, 0x14c10000, 0x14c0ffff]

test('what lookups of a batch will read of a large table has been read before, and nothing is written', () => {
  const { arena, ring, frame } = setup(600)
  expect(arena.i32[G_FIB_PAGES]!).toBeGreaterThan(512)
  for (const addr of ADDRS) frame(ethernet.ETH_P_IP, addr)
  frame(ethernet.ETH_P_IPV6, 0x14000101)
  const before = arena.i32.slice()
  const ahead = watched(arena)
  createFibPrefetch(ahead.arena, createFibReader(arena, INIT_NET)).prefetchRoutes(
    ring,
    ADDRS.length + 1
  )
  expect(arena.i32).toEqual(before)
  const later = watched(arena)
  const { main } = createFibReader(arena, INIT_NET)
  const { lookup4 } = createFibLookup(later.arena)
  later.read.clear()
  const rows = ADDRS.map((addr) => lookup4(main.v4, addr) / ROW)
  expect(rows).toEqual([2, 14, 10, 1, 0])
  for (const word of later.read)
    if (word >= main.v4 + FIB_SHORT_WORDS) expect(ahead.read).toContain(word)
})

/** Allocations that have a bucket, a node, a node of buckets, and a node of nodes: some are links of a bucket, some of a node. */
const setup6 = (sets: number) => {
  const { arena, writer, ring, frame: frameTo } = tables()
  const put = (first: number, second: number, plen: number, n: number): void => {
    const words = [first | 0, second | 0, 0, 0] as const
    expect(writer.insert(INIT_NET, AF_INET6, RT_TABLE_MAIN, words, plen, n * ROW)).toBe(0)
  }
  for (let n = 0; n < sets; n++) {
    const first = (IN_BUCKETS + (n << 8)) | 0
    put(first, 0x00070000, 48, 1)
    for (let k = 0; k < 9; k++) put(first | 1, k << 24, 40, 2)
    for (let k = 0; k < 9; k++) put(first | 2, (k << 24) | 0x70000, 48, 3)
    for (let k = 0; k < 9; k++) put(first | 3, k << 16, 48, 4)
    put(first | 4, 0, 31, 5)
  }
  for (let k = 0; k < 9; k++) put(IN_NODE | k, 0x00070000, 48, 6)
  const frame = (first: number, second: number): void =>
    frameTo(ethernet.ETH_P_IPV6, (at) => ipv6.setDst(arena.u8, at, first | 0, second | 0, 0, 1))
  return { arena, ring, frame }
}
const IN_BUCKETS = 0x2a000000
const IN_NODE = 0x2b000100
/** The first two words of addresses, and the rows that they lead to. */
const ADDRS6: readonly (readonly [first: number, second: number, row: number])[] = [
  [IN_BUCKETS, 0x00070001, 1],
  [IN_BUCKETS, 0x00080001, 0],
  [IN_BUCKETS | 0x101, 0x03123456, 2],
  [IN_BUCKETS | 0x202, 0x05070001, 3],
  [IN_BUCKETS | 0x303, 0x00020001, 4],
  [IN_BUCKETS | 0x303, 0x00120001, 0],
  [IN_BUCKETS | 0x405, 0x12345678, 5],
  [IN_BUCKETS | 0x506, 0x12345678, 0],
  [IN_NODE | 3, 0x00070001, 6],
  [IN_NODE | 9, 0x00070001, 0],
  [0x20010db8, 0x00010001, 0],
]

test('what lookups of IPv6 will read has been read before, line by line, as far as 48 bits', () => {
  const { arena, ring, frame } = setup6(200)
  expect(arena.i32[G_FIB_PAGES]!).toBeGreaterThan(512)
  for (const [first, second] of ADDRS6) frame(first, second)
  const before = arena.i32.slice()
  const ahead = watched(arena)
  createFibPrefetch(ahead.arena, createFibReader(arena, INIT_NET)).prefetchRoutes(
    ring,
    ADDRS6.length
  )
  expect(arena.i32).toEqual(before)
  const lines = new Set([...ahead.read].map((word) => word >> 4))
  const { main } = createFibReader(arena, INIT_NET)
  const address = new Int32Array(4)
  for (const [first, second, row] of ADDRS6) {
    const later = watched(arena)
    address.set([first, second, 0, 1])
    const found = createFibLookup(later.arena).lookup6(main.v6, address, 0)
    expect(found / ROW).toBe(row)
    for (const word of later.read)
      if (word >= main.v6 + FIB_SHORT_WORDS) expect(lines).toContain(word >> 4)
  }
})

test('a small table is left alone', () => {
  const { arena, ring, frame } = setup(3)
  for (const addr of ADDRS) frame(ethernet.ETH_P_IP, addr)
  const { arena: looked, read } = watched(arena)
  createFibPrefetch(looked, createFibReader(arena, INIT_NET)).prefetchRoutes(ring, ADDRS.length)
  expect([...read]).toEqual([G_FIB_PAGES])
})
