/**
 * `softnet bench fib`: what a lookup costs, by the number of routes, beside random reads of an array as large as the table's
 * tries: what is more than that is instructions, the rest is memory. Independent lookups overlap their cache misses, as those of a
 * batch do; dependent ones wait, each for the one before, which is what a lookup takes.
 */
import { AF_INET } from '../core/base/family.ts'
import { RTN_UNICAST } from '../core/base/flowi.ts'
import { NLM_F_CREATE } from '../core/control/nlm-flags.ts'
import { createTables } from '../core/control/tables.ts'
import { createFibReader } from '../core/inet/fib.ts'
import { RT_SCOPE_UNIVERSE, RT_TABLE_MAIN } from '../core/inet/nexthop-constants.ts'
import { createArena } from '../core/shm/arena.ts'
import { FIB_NODE_WORDS, FIB_ROOT_WORDS, SMALL_ARENA } from '../core/shm/layout.ts'

/** Nanoseconds: of a lookup and of a read, one after the other and overlapping. */
export type FibResult = {
  routes: number
  bytes: number
  dependentNs: number
  independentNs: number
  readDependentNs: number
  readIndependentNs: number
}

const LOOKUPS = 1 << 20
const ROUNDS = 5
const NEXTHOPS = 64
/** Prefixes are 20.0.0.0/24 and so on, far apart as in a full table. */
const SPREAD = 0x9e3779b1

const createRandom = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0
  return seed ^ (seed >>> 15)
}

const makeTable = (routes: number) => {
  // a node for each /16 that has a longer prefix, one for each /24 that has
  const config = { ...SMALL_ARENA, fibNodes: Math.min(65536, routes) + 64, nexthops: 4096 }
  const arena = createArena(config)
  const nothing = (): void => {}
  const { rib } = createTables({
    arena,
    ipi: { send: () => true, kick: () => {} },
    retire: nothing,
    reclaim: nothing,
    onRoute: nothing,
    onAddress: nothing,
  })
  const none = { tos: 0, metric: 0, protocol: 0, scope: RT_SCOPE_UNIVERSE, flags: 0 }
  const unset = { prefsrc: null, metrics: null, gateway: null }
  const heads = new Int32Array(routes)
  const sixteens = new Set<number>()
  for (let k = 0; k < routes; k++) {
    const addr = (Math.imul(k + 1, SPREAD) >>> 8) << 8
    heads[k] = addr
    sixteens.add(addr >>> 16)
    const place = {
      family: AF_INET,
      table: RT_TABLE_MAIN,
      words: [0, 0, 0xffff, addr] as const,
      plen: 24,
    }
    const dev = 1 + (k % NEXTHOPS)
    const error = rib.add({ ...none, ...unset, ...place, type: RTN_UNICAST, dev }, NLM_F_CREATE)
    if (error !== 0) throw new Error(`route ${k} was refused: ${error}`)
  }
  const bytes = (FIB_ROOT_WORDS + sixteens.size * FIB_NODE_WORDS) * 4
  return { reader: createFibReader(arena, 0), heads, bytes }
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

const measure = (routes: number): FibResult => {
  const { reader, heads, bytes } = makeTable(routes)
  const { lookup4, main } = reader
  const random = createRandom(routes)
  const addresses = Int32Array.from(
    { length: LOOKUPS },
    () => heads[(random() >>> 0) % routes]! | (random() & 255)
  )
  // written, so that it has memory of its own
  const array = new Int32Array(bytes >> 2).fill(1)
  const places = Int32Array.from({ length: LOOKUPS }, () => (random() >>> 0) % array.length)
  const root = main.v4
  // the answer of one goes into the next: nothing is added, but that is not known
  const walk = (read: (at: number) => number, keys: Int32Array, isDependent: boolean) => () => {
    let sum = 0
    let last = 0
    for (let k = 0; k < LOOKUPS; k++) {
      const answer = read(keys[k]! + last)
      last = isDependent ? answer >> 31 : 0
      sum += answer
    }
    return sum
  }
  const look = (addr: number): number => lookup4(root, addr | 0)
  const read = (at: number): number => array[at]!
  return {
    routes,
    bytes,
    dependentNs: time(walk(look, addresses, true)),
    independentNs: time(walk(look, addresses, false)),
    readDependentNs: time(walk(read, places, true)),
    readIndependentNs: time(walk(read, places, false)),
  }
}

const inMiB = (bytes: number): string => (bytes / 2 ** 20).toFixed(1).padStart(6)
const ns = (value: number): string => value.toFixed(1).padStart(9)

/** In a process of its own: code that has seen one table is compiled for it. */
const measureApart = (routes: number): FibResult => {
  const { stdout, success } = Bun.spawnSync([process.execPath, import.meta.path, `${routes}`])
  if (!success) throw new Error(`a table of ${routes} routes could not be measured`)
  return JSON.parse(`${stdout}`) as FibResult
}

export const runFib = (sizes: readonly number[] = [1, 1000, 30_000, 500_000]): FibResult[] => {
  console.log('\nIPv4 lookups of random addresses, and random reads of an array of that size; ns')
  console.log('  routes      MiB  lookup, one by one  in a batch   read, one by one  in a batch')
  return sizes.map((routes) => {
    const result = measureApart(routes)
    console.log(
      [
        `${routes}`.padStart(8),
        inMiB(result.bytes).padStart(8),
        ns(result.dependentNs).padStart(19),
        ns(result.independentNs).padStart(11),
        ns(result.readDependentNs).padStart(18),
        ns(result.readIndependentNs).padStart(11),
      ].join(' ')
    )
    return result
  })
}

if (import.meta.main) console.log(JSON.stringify(measure(Number(process.argv[2]))))
