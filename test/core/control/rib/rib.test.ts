import { AF_INET6 } from '../../../../core/base/family.ts'
import { expect, test } from 'bun:test'
import {
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../../../../core/control/nlm-flags.ts'
import { createNexthopStore } from '../../../../core/control/routes/nexthop-store.ts'
import type { RibRoute } from '../../../../core/control/rib/rib-route.ts'
import { createRib } from '../../../../core/control/rib/rib.ts'
import { createFibReader } from '../../../../core/inet/fib/fib.ts'
import { fibRoot } from '../../../../core/inet/fib/trie/fib-tables.ts'
import { maskWords } from '../../../../core/inet/fib/writer/addr-prefix.ts'
import { createFibWriter } from '../../../../core/inet/fib/writer/fib-writer.ts'
import { createNexthops } from '../../../../core/inet/fib/writer/nexthop.ts'
import { NH_DEV, NH_METRIC, NH_NEXT } from '../../../../core/inet/fib/nexthop-constants.ts'
import { INIT_NET } from '../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { FIB_SHORT_WORDS, SMALL_ARENA } from '../../../../core/shm/layout.ts'
import type { Words } from '../../../../core/wire/text.ts'

const route = (words: Words, plen: number, metric: number, dev: number): RibRoute => ({
  family: AF_INET6,
  table: 254,
  words: maskWords(words, plen),
  plen,
  tos: 0,
  metric,
  type: 1,
  protocol: 3,
  scope: 0,
  dev,
  gateway: null,
  prefsrc: null,
  flags: 0,
  metrics: null,
})

test.each<number>([1, 2, 3])(
  'random changes leave in the trie what the routes say, and no row behind (seed %d)',
  (seed) => {
    const random = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0
      return (seed >>> 8) & 0xffff
    }
    const arena = createArena({ ...SMALL_ARENA, fibNodes: 1024 })
    const deps = { arena, retire: (done: () => void) => done(), reclaim: () => {} }
    const fib = createFibWriter(deps)
    const nexthops = createNexthops(deps)
    fib.addNet(INIT_NET)
    const rib = createRib({
      arena,
      net: INIT_NET,
      fib,
      nexthops,
      objects: createNexthopStore(),
      random: () => 1,
      onEvent: () => {},
    })
    const reader = createFibReader(arena, INIT_NET)
    const before = [fib.available(), nexthops.available()]
    const address = (): Words => [0x20010000 | (random() & 1), random() & 0x8001, 0, random() & 3]
    const lengths = [0, 16, 31, 32, 48, 64, 127, 128]
    const oracle: RibRoute[] = []
    const probe = new Int32Array(4)
    const isCovered = (words: Words, r: RibRoute): boolean =>
      maskWords(words, r.plen).join() === r.words.join()

    for (let step = 0; step < 800; step++) {
      const wanted = route(
        address(),
        lengths[random() % lengths.length]!,
        1 + (random() % 3),
        2 + (random() % 3)
      )
      const at = oracle.findIndex(
        (r) =>
          r.plen === wanted.plen &&
          r.metric === wanted.metric &&
          r.words.join() === wanted.words.join()
      )
      if (random() % 2 === 0) {
        const isReplace = random() % 2 === 0
        const error = rib.add(wanted, NLM_F_CREATE | (isReplace ? NLM_F_REPLACE : NLM_F_EXCL))
        if (at < 0) oracle.push(wanted)
        else if (isReplace) oracle[at] = wanted
        expect(error).toBe(at >= 0 && !isReplace ? -17 : 0)
      } else if (oracle.length > 0) {
        const [victim] = oracle.splice(random() % oracle.length, 1)
        expect(rib.remove(victim!)).toEqual(victim!)
      }
      const to = address()
      const best = oracle
        .filter((r) => isCovered(to, r))
        .sort((a, b) => b.plen - a.plen || a.metric - b.metric)
      probe.set(to)
      let row = reader.lookup(AF_INET6, reader.main, probe, 0)
      for (const r of best.filter(({ plen }) => plen === best[0]!.plen)) {
        expect([arena.i32[row + NH_DEV], arena.i32[row + NH_METRIC]]).toEqual([r.dev, r.metric])
        row = arena.i32[row + NH_NEXT]!
      }
      expect(row).toBe(0)
    }
    expect([...rib.dump(AF_INET6, 254)].flat()).toHaveLength(oracle.length)
    expect(rib.flush(() => true)).toBe(oracle.length)
    expect([fib.available(), nexthops.available()]).toEqual(before)
  }
)

test('when no nexthop row is left, an added route is refused and the others stay', () => {
  const arena = createArena({ ...SMALL_ARENA, nexthops: SMALL_ARENA.devices + 2 })
  const deps = { arena, retire: (done: () => void) => done(), reclaim: () => {} }
  const nexthops = createNexthops(deps)
  const rib = createRib({
    arena,
    net: INIT_NET,
    fib: createFibWriter(deps),
    nexthops,
    objects: createNexthopStore(),
    random: () => 1,
    onEvent: () => {},
  })
  const words: Words = [0x20010db8, 0, 0, 0]
  expect(rib.add(route(words, 32, 1, 2), NLM_F_CREATE | NLM_F_APPEND)).toBe(0)
  expect(rib.add(route(words, 32, 2, 2), NLM_F_CREATE | NLM_F_APPEND)).toBe(-105)
  expect([...rib.dump(AF_INET6, 254)].flat()).toHaveLength(1)
  expect(nexthops.available()).toBe(1)
})

test('every table has its routes in a trie, and a table that does not fit is refused whole', () => {
  const arena = createArena(SMALL_ARENA)
  const deps = { arena, retire: (done: () => void) => done(), reclaim: () => {} }
  const nexthops = createNexthops(deps)
  const fib = createFibWriter(deps)
  const rib = createRib({
    arena,
    net: INIT_NET,
    fib,
    nexthops,
    objects: createNexthopStore(),
    random: () => 1,
    onEvent: () => {},
  })
  const words: Words = [0x20010db8, 0, 0, 0]
  const add = (table: number): number => rib.add({ ...route(words, 32, 1, 2), table }, NLM_F_CREATE)
  for (let table = 1; table <= SMALL_ARENA.fibTables; table++) expect(add(table)).toBe(0)
  const before = nexthops.available()
  expect(add(100)).toBe(-105)
  expect(nexthops.available()).toBe(before)
  expect(rib.tableIds(AF_INET6)).not.toContain(100)
  expect(rib.remove({ ...route(words, 32, 1, 2), table: 1 })).toMatchObject({ table: 1 })
  expect(add(100)).toBe(0)
  const root = fibRoot(arena, INIT_NET, AF_INET6, 100)
  // a block, for the prefix is longer than the root's stride
  expect(arena.i32[root + FIB_SHORT_WORDS + (words[0] >>> 16)]).toBeLessThan(0)
  expect(rib.flush(() => true)).toBe(SMALL_ARENA.fibTables)
  expect(fibRoot(arena, INIT_NET, AF_INET6, 100)).toBe(0)
})
