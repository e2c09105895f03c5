/**
 * A table as the Internet has it, from a seed: prefix lengths in the proportions that BGP collectors report, in blocks
 * that were allocated together and are announced in parts, so that some are dense and most are sparse. No prefix twice.
 */
import type { Words } from '../../core/wire/text.ts'

export type TablePrefix = { words: Words; plen: number }

/** Announced prefixes by length, of a thousand. */
const LENGTHS4: readonly (readonly [plen: number, share: number])[] = [
  [8, 0.1],
  [10, 0.1],
  [11, 0.1],
  [12, 0.3],
  [13, 0.6],
  [14, 1.2],
  [15, 2],
  [16, 14],
  [17, 8.5],
  [18, 14],
  [19, 25],
  [20, 45],
  [21, 55],
  [22, 118],
  [23, 106],
  [24, 610],
]
const LENGTHS6: readonly (readonly [plen: number, share: number])[] = [
  [20, 0.2],
  [24, 0.5],
  [28, 1],
  [29, 22],
  [30, 4],
  [31, 2],
  [32, 118],
  [33, 14],
  [34, 10],
  [35, 6],
  [36, 45],
  [38, 8],
  [40, 92],
  [42, 16],
  [44, 105],
  [45, 8],
  [46, 34],
  [47, 24],
  [48, 490],
]
/** First 16 bits of what registries give out. */
const REGISTRIES6 = [
  0x2001, 0x2003, 0x2400, 0x2401, 0x2402, 0x2403, 0x2404, 0x2405, 0x2406, 0x2407, 0x2408, 0x2409,
  0x240a, 0x240e, 0x2600, 0x2601, 0x2602, 0x2603, 0x2604, 0x2605, 0x2606, 0x2607, 0x2620, 0x2800,
  0x2801, 0x2803, 0x2804, 0x2806, 0x2a00, 0x2a01, 0x2a02, 0x2a03, 0x2a04, 0x2a05, 0x2a06, 0x2a07,
  0x2a09, 0x2a0a, 0x2a0b, 0x2a0c, 0x2a0d, 0x2a0e, 0x2a0f, 0x2a10, 0x2a11, 0x2a12, 0x2a13, 0x2a14,
  0x2c0f,
]
const ALLOCATIONS6 = 40_000

export const createRandom = (seed: number) => {
  const bits = (): number => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  return { bits, below: (limit: number): number => bits() % limit }
}
type Random = ReturnType<typeof createRandom>

/** Draws lengths by their shares. */
const lengthsOf = (shares: typeof LENGTHS4, { bits }: Random) => {
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  return (): number => {
    let at = (bits() / 2 ** 32) * total
    for (const [plen, share] of shares) {
      at -= share
      if (at < 0) return plen
    }
    return shares.at(-1)![0]
  }
}
/** Small numbers much more often than large ones. */
const skewed = ({ bits }: Random, limit: number): number =>
  Math.floor((bits() / 2 ** 32) ** 3 * limit)

const mask = (word: number, kept: number): number =>
  kept >= 32 ? word | 0 : kept <= 0 ? 0 : word & (-1 << (32 - kept))

export const fullTable4 = (count: number, seed = 4): TablePrefix[] => {
  const random = createRandom(seed)
  const drawLength = lengthsOf(LENGTHS4, random)
  const seen = new Set<number>()
  const prefixes: TablePrefix[] = []
  while (prefixes.length < count) {
    const plen = drawLength()
    // one of 223 * 256 blocks of 16 bits, some of them much fuller than others
    const block = random.below(3) === 0 ? random.below(57088) : skewed(random, 57088)
    const high = (256 + ((Math.imul(block, 40503) >>> 0) % 57088)) << 16
    const addr = mask(high | (random.bits() >>> 16), plen)
    const octet = addr >>> 24
    const key = (addr >>> 0) * 64 + plen
    if (octet === 10 || octet === 127 || octet === 0 || seen.has(key)) continue
    seen.add(key)
    prefixes.push({ words: [0, 0, 0xffff, addr], plen })
  }
  return prefixes
}

export const fullTable6 = (count: number, seed = 6): TablePrefix[] => {
  const random = createRandom(seed)
  const drawLength = lengthsOf(LENGTHS6, random)
  // allocations are given out one after the other, with room between them
  const allocations = Array.from(
    { length: Math.min(ALLOCATIONS6, count) },
    () => (REGISTRIES6[random.below(REGISTRIES6.length)]! << 16) | (skewed(random, 8192) << 3)
  )
  const seen = new Set<string>()
  const prefixes: TablePrefix[] = []
  while (prefixes.length < count) {
    const plen = drawLength()
    const allocation = allocations[skewed(random, allocations.length)]!
    const below = random.below(2) === 0 ? skewed(random, 65536) : random.below(65536)
    const high = mask(plen < 32 ? allocation : allocation | 0, plen)
    const words: Words = [high, mask(below << 16, plen - 32), 0, 0]
    const key = `${words[0]},${words[1]}/${plen}`
    if (seen.has(key)) {
      // a small block is soon full: another one is given out
      allocations[random.below(allocations.length)] =
        (REGISTRIES6[random.below(REGISTRIES6.length)]! << 16) | (random.bits() >>> 16)
      continue
    }
    seen.add(key)
    prefixes.push({ words, plen })
  }
  return prefixes
}

/** `count` addresses, of four words each, at random places of random prefixes. */
export const addressesIn = (prefixes: readonly TablePrefix[], count: number): Int32Array => {
  const { bits, below } = createRandom(2)
  const keys = new Int32Array(count * 4)
  for (let k = 0; k < count; k++) {
    const { words, plen } = prefixes[below(prefixes.length)]!
    const from = words[2] === 0xffff ? 3 : 0
    for (let w = 0; w < 4; w++) {
      const kept = plen - (w - from) * 32
      const host = kept >= 32 || w < from ? 0 : kept <= 0 ? -1 : ~(-1 << (32 - kept))
      keys[k * 4 + w] = words[w]! | (bits() & host)
    }
  }
  return keys
}
