/**
 * Whether a full table says what it should: 1,000,000 IPv4 and 200,000 IPv6 prefixes beside an oracle that keeps the prefixes of each
 * length in a set and tries them from the longest on; for the edges of every prefix (its first and last address, and the ones
 * before and behind), and random addresses, before changes, while a part of the table is taken out and put in
 * again, and after. Prints figures; a wrong answer ends it with status 1. Minutes: not part of `npm test`, whose
 * tests do the same with small tables.
 *
 *   bun bench/fib-oracle.ts [IPV4-PREFIXES [IPV6-PREFIXES [RANDOM-ADDRESSES]]]
 */
import { AF_INET, AF_INET6 } from '../core/base/family.ts'
import { createFibReader } from '../core/inet/fib/fib.ts'
import { networkWords } from '../core/inet/fib/writer/addr-prefix.ts'
import { createFibWriter } from '../core/inet/fib/writer/fib-writer.ts'
import { RT_TABLE_MAIN } from '../core/inet/fib/nexthop-constants.ts'
import { createArena } from '../core/shm/arena.ts'
import { DEFAULT_ARENA, NEXTHOP_WORDS, SMALL_ARENA } from '../core/shm/layout.ts'
import type { Words } from '../core/wire/text.ts'
import type { TablePrefix } from './support/full-table.ts'
import { createRandom, fullTable4, fullTable6 } from './support/full-table.ts'

const [ipv4 = 1_000_000, ipv6 = 200_000, addresses = 1_000_000] = process.argv.slice(2).map(Number)
/** Every so manieth prefix goes, and comes again with another row. */
const CHANGED = 10

/** Prefixes by length; as numbers where they are short enough, since most are. */
const createOracle = (family: number) => {
  const byLength: Map<string | number, number>[] = Array.from({ length: 129 }, () => new Map())
  const mask = networkWords(family)
  const keyOf = (words: Words, plen: number): string | number => {
    const [a, b, c, d] = mask(words, plen)
    if (family === AF_INET) return d
    return plen <= 48 ? (a >>> 0) * 65536 + (b >>> 16) : `${a},${b},${c},${d}`
  }
  const set = ({ words, plen }: TablePrefix, row: number): void => {
    byLength[plen]!.set(keyOf(words, plen), row)
  }
  const remove = ({ words, plen }: TablePrefix): void => {
    byLength[plen]!.delete(keyOf(words, plen))
  }
  const lookup = (words: Words): number => {
    for (let plen = 128; plen >= 0; plen--) {
      const ofLength = byLength[plen]!
      if (ofLength.size === 0) continue
      const row = ofLength.get(keyOf(words, plen))
      if (row !== undefined) return row
    }
    return 0
  }
  return { set, remove, lookup }
}

/** The address so many further. */
const step = (words: Words, by: 1 | -1, least: number): Words => {
  const next: [number, number, number, number] = [...words]
  for (let k = 3; k >= least; k--) {
    next[k] = (next[k]! + by) | 0
    if (next[k] !== (by === 1 ? 0 : -1)) break
  }
  return next
}

const run = (family: number, prefixes: readonly TablePrefix[]): void => {
  const arena = createArena({ ...SMALL_ARENA, fibNodes: DEFAULT_ARENA.fibNodes, nexthops: 4096 })
  const writer = createFibWriter({ arena, retire: (done) => done(), reclaim: () => {} })
  writer.addNet(0)
  const { lookup, main } = createFibReader(arena, 0)
  const oracle = createOracle(family)
  const { bits, below } = createRandom(7)
  const least = family === AF_INET ? 3 : 0
  const address = new Int32Array(4)
  let asked = 0
  const check = (words: Words): void => {
    address.set(words)
    const [found, wanted] = [lookup(family, main, address, 0), oracle.lookup(words)]
    asked++
    if (found === wanted) return
    console.error(
      `family ${family}, ${words.map((word) => (word >>> 0).toString(16))}: ${found}, not ${wanted}`
    )
    process.exit(1)
  }
  const put = (prefix: TablePrefix): void => {
    const row = arena.layout.nexthops + (1 + below(4000)) * NEXTHOP_WORDS
    const error = writer.insert(0, family, RT_TABLE_MAIN, prefix.words, prefix.plen, row)
    if (error !== 0) throw new Error(`a prefix was refused: ${error}`)
    oracle.set(prefix, row)
  }
  const take = (prefix: TablePrefix): void => {
    writer.remove(0, family, RT_TABLE_MAIN, prefix.words, prefix.plen)
    oracle.remove(prefix)
  }
  const edges = ({ words, plen }: TablePrefix): void => {
    const host = family === AF_INET ? 96 + plen : plen
    const last = words.map((word, k) => {
      const kept = host - k * 32
      return kept >= 32 ? word : kept <= 0 ? -1 : word | ~(-1 << (32 - kept))
    }) as unknown as Words
    for (const one of [words, last, step(words, -1, least), step(last, 1, least)]) check(one)
  }
  const random = (): void => {
    // as often anywhere as in a prefix
    const { words, plen } = prefixes[below(prefixes.length)]!
    const host = family === AF_INET ? 96 + plen : plen
    const isAnywhere = below(2) === 0
    check(
      words.map((word, k) => {
        if (k < least) return word
        const kept = isAnywhere ? 0 : host - k * 32
        return kept >= 32 ? word : kept <= 0 ? bits() | 0 : word | (bits() & ~(-1 << (32 - kept)))
      }) as unknown as Words
    )
  }
  const checkAll = (): void => {
    for (const prefix of prefixes) edges(prefix)
    for (let k = 0; k < addresses; k++) random()
  }

  const start = performance.now()
  for (const prefix of prefixes) put(prefix)
  const loaded = performance.now() - start
  const { pages, inet, inet6 } = writer.usage()
  checkAll()
  const changed = prefixes.filter((_, k) => k % CHANGED === 0)
  for (const prefix of changed) {
    take(prefix)
    edges(prefix)
    random()
  }
  checkAll()
  for (const prefix of changed) {
    put(prefix)
    edges(prefix)
    random()
  }
  checkAll()
  for (const prefix of prefixes) take(prefix)
  if (writer.available() !== DEFAULT_ARENA.fibNodes) throw new Error('pages were lost')
  console.log(
    `${family === AF_INET ? 'IPv4' : 'IPv6'}: ${prefixes.length} prefixes in ${(loaded / 1000).toFixed(1)} s, tries ${pages} KiB, prefixes ${(inet.bytes + inet6.bytes) >> 10} KiB; ${changed.length * 2} changes, ${asked} lookups, none wrong`
  )
}

run(AF_INET, fullTable4(ipv4))
run(AF_INET6, fullTable6(ipv6))
