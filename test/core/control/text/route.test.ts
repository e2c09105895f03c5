import { expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import type { RibRoute } from '../../../../core/control/rib/rib-route.ts'
import { readRoute, writeRoute } from '../../../../core/control/text/route.ts'
import { maskWords } from '../../../../core/inet/fib/writer/addr-prefix.ts'
import type { Words } from '../../../../core/wire/text.ts'
import { seeded } from '../../../support/random.ts'

const names = {
  ifindexOf: (name: string): number => Number(name.slice(3)),
  nameOf: (ifindex: number): string => `eth${ifindex}`,
}

test('a route that is printed and read again is the same numbers', () => {
  const random = seeded(7)
  const pick = <T>(...from: readonly T[]): T => from[(random() >>> 0) % from.length]!
  const wordsOf = (family: number): Words =>
    family === AF_INET ? [0, 0, 0xffff, random()] : [0x20010db8, random(), random(), random()]
  for (let n = 0; n < 2000; n++) {
    const family = pick(AF_INET, AF_INET6)
    const plen = pick(0, 1, 8, 16, 24, 31, 32, ...(family === AF_INET6 ? [48, 64, 127, 128] : []))
    const bits = family === AF_INET ? 96 + plen : plen
    const type = pick(1, 1, 1, 6, 7, 8)
    const gateway = type === 1 && pick(true, false) ? { family, words: wordsOf(family) } : null
    const route: RibRoute = {
      family,
      table: pick(254, 255, 253, 100, 0xffffffff),
      words: maskWords(wordsOf(family), bits),
      plen,
      tos: 0,
      metric: pick(0, 1, 1024, 0x7fffffff),
      type,
      protocol: pick(2, 3, 4, 186, 250),
      scope: family === AF_INET ? pick(0, 200, 253, 254, 77) : 0,
      dev: type === 1 ? pick(1, 2, 31) : 0,
      gateway,
      prefsrc: pick(null, wordsOf(family)),
      flags: gateway === null ? 0 : pick(0, 4),
      metrics: pick(null, [0, 4, 1400, 0, 80, 40, 0, 0, 1360, 0, 64, 9, 0, 0, 0, 1]),
    }
    const item = writeRoute(route, names)
    expect([item, readRoute(item, names)]).toEqual([item, route])
  }
})
