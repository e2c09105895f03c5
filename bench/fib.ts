/**
 * `softnet bench fib`: what a lookup costs, by the number of routes, beside random reads of an array as large as the table's
 * tries: what is more than that is instructions, the rest is memory. Independent lookups overlap their cache misses, as those of a
 * batch do; dependent ones wait, each for the one before, which is what a lookup takes.
 */
import { AF_INET, AF_INET6 } from '../core/base/family.ts'
import { RTN_UNICAST } from '../core/base/flowi.ts'
import { NLM_F_CREATE } from '../core/control/nlm-flags.ts'
import { createTables } from '../core/control/tables.ts'
import { createFibReader } from '../core/inet/fib/fib.ts'
import { RT_SCOPE_UNIVERSE, RT_TABLE_MAIN } from '../core/inet/fib/nexthop-constants.ts'
import { createArena } from '../core/shm/arena.ts'
import { DEFAULT_ARENA, FIB_NODE_WORDS, SMALL_ARENA } from '../core/shm/layout.ts'
import type { TablePrefix } from './support/full-table.ts'
import { addressesIn, createRandom, fullTable4, fullTable6 } from './support/full-table.ts'

/** Nanoseconds: of a lookup and of a read, one after the other and overlapping. */
export type FibResult = {
  family: string
  routes: number
  bytes: number
  dependentNs: number
  independentNs: number
  readDependentNs: number
  readIndependentNs: number
}

const LOOKUPS = 1 << 20
const ROUNDS = 7
const NEXTHOPS = 64

const makeTable = (family: number, prefixes: readonly TablePrefix[]) => {
  const { fibNodes, nexthops } = DEFAULT_ARENA
  const arena = createArena({ ...SMALL_ARENA, fibNodes, nexthops, devices: 128 })
  const nothing = (): void => {}
  const { rib, fib } = createTables({
    arena,
    ipi: { send: () => true, kick: () => {} },
    retire: (reclaim) => reclaim(),
    reclaim: nothing,
    onRoute: nothing,
    onAddress: nothing,
  })
  const none = { tos: 0, metric: 0, protocol: 0, scope: RT_SCOPE_UNIVERSE, flags: 0 }
  const unset = { prefsrc: null, metrics: null, gateway: null }
  const before = fib.available()
  for (const [k, { words, plen }] of prefixes.entries()) {
    const place = { family, table: RT_TABLE_MAIN, words, plen }
    const dev = 1 + (k % NEXTHOPS)
    const error = rib.add({ ...none, ...unset, ...place, type: RTN_UNICAST, dev }, NLM_F_CREATE)
    if (error !== 0) throw new Error(`route ${k} was refused: ${error}`)
  }
  // pages of the tries, and the words of the root that say something
  const sixteens = new Set(prefixes.map(({ words }) => (words[0] || words[3]) >>> 16))
  const bytes = (before - fib.available()) * FIB_NODE_WORDS * 4 + sixteens.size * 4
  return { reader: createFibReader(arena, 0), bytes }
}

/** The least of some rounds, in nanoseconds a step. */
const time = (round: () => number): number => {
  let best = Number.POSITIVE_INFINITY
  let found = 0
  for (let k = 0; k < ROUNDS; k++) {
    const start = performance.now()
    found += round()
    best = Math.min(best, performance.now() - start)
  }
  if (found === 0.5) console.log(found)
  return (best * 1e6) / LOOKUPS
}

const timeReads = (bytes: number) => {
  const { below } = createRandom(1)
  // written, so that it has memory of its own
  const array = new Int32Array(Math.max(bytes >> 2, 1)).fill(1)
  const places = Int32Array.from({ length: LOOKUPS }, () => below(array.length))
  const read = (isDependent: boolean) => () => {
    let sum = 0
    let last = 0
    for (let k = 0; k < LOOKUPS; k++) {
      const answer = array[places[k]! + last]!
      last = isDependent ? answer >> 31 : 0
      sum += answer
    }
    return sum
  }
  return { readDependentNs: time(read(true)), readIndependentNs: time(read(false)) }
}

const timeLookups4 = (prefixes: readonly TablePrefix[]) => {
  const { reader, bytes } = makeTable(AF_INET, prefixes)
  const { lookup4, main } = reader
  const all = addressesIn(prefixes, LOOKUPS)
  const keys = Int32Array.from({ length: LOOKUPS }, (_, k) => all[k * 4 + 3]!)
  const root = main.v4
  // the answer of one goes into the next: nothing is added, but that is not known
  const look = (isDependent: boolean) => () => {
    let sum = 0
    let last = 0
    for (let k = 0; k < LOOKUPS; k++) {
      const answer = lookup4(root, (keys[k]! + last) | 0)
      last = isDependent ? answer >> 31 : 0
      sum += answer
    }
    return sum
  }
  return { bytes, dependentNs: time(look(true)), independentNs: time(look(false)) }
}

const timeLookups6 = (prefixes: readonly TablePrefix[]) => {
  const { reader, bytes } = makeTable(AF_INET6, prefixes)
  const { lookup6, main } = reader
  const keys = addressesIn(prefixes, LOOKUPS)
  const root = main.v6
  const look = (isDependent: boolean) => () => {
    let sum = 0
    let last = 0
    for (let k = 0; k < LOOKUPS * 4; k += 4) {
      const answer = lookup6(root, keys, k + last)
      last = isDependent ? answer >> 31 : 0
      sum += answer
    }
    return sum
  }
  return { bytes, dependentNs: time(look(true)), independentNs: time(look(false)) }
}

const measure = (family: string, routes: number): FibResult => {
  const { bytes, ...lookups } =
    family === 'inet' ? timeLookups4(fullTable4(routes)) : timeLookups6(fullTable6(routes))
  return { family, routes, bytes, ...lookups, ...timeReads(bytes) }
}

const inMiB = (bytes: number): string => (bytes / 2 ** 20).toFixed(1).padStart(8)
const ns = (value: number): string => value.toFixed(1).padStart(9)

/** In a process of its own: code that has seen one table is compiled for it. */
const measureApart = (family: string, routes: number): FibResult => {
  const { stdout, success } = Bun.spawnSync([
    process.execPath,
    import.meta.path,
    family,
    `${routes}`,
  ])
  if (!success) throw new Error(`a table of ${routes} routes could not be measured`)
  return JSON.parse(`${stdout}`) as FibResult
}

const TABLES: readonly (readonly [family: string, routes: number])[] = [
  ['inet', 1],
  ['inet', 1000],
  ['inet', 30_000],
  ['inet', 1_000_000],
  ['inet6', 1000],
  ['inet6', 200_000],
]

export const runFib = (tables = TABLES): FibResult[] => {
  console.log('\nLookups of random addresses, and random reads of an array of that size; ns')
  console.log(
    '         routes      MiB  lookup, one by one  in a batch   read, one by one  in a batch'
  )
  return tables.map(([family, routes]) => {
    const result = measureApart(family, routes)
    console.log(
      [
        family.padEnd(5),
        `${routes}`.padStart(9),
        inMiB(result.bytes),
        ns(result.dependentNs).padStart(19),
        ns(result.independentNs).padStart(11),
        ns(result.readDependentNs).padStart(18),
        ns(result.readIndependentNs).padStart(11),
        `${(result.dependentNs / result.readDependentNs).toFixed(2)}x`.padStart(7),
        `${(result.independentNs / result.readIndependentNs).toFixed(2)}x`.padStart(7),
      ].join(' ')
    )
    return result
  })
}

if (import.meta.main) {
  const [family, routes] = process.argv.slice(2)
  if (family === undefined) runFib()
  else console.log(JSON.stringify(measure(family, Number(routes))))
}
