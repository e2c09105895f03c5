import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../../../core/inet/mc/mc-constants.ts'
import {
  type McFilter,
  isSameFilter,
  mergeFilters,
  NOTHING,
  sourcesOf,
  takesSource,
} from '../../../../core/inet/mc/mc-filter.ts'
import type { Words } from '../../../../core/wire/text.ts'

const UNIVERSE: Words[] = [1, 2, 3, 4, 5].map((n) => [0, 0, 0xffff, n])
const filterArb = fc
  .record({
    mode: fc.constantFrom(MCAST_EXCLUDE, MCAST_INCLUDE),
    sources: fc.uniqueArray(fc.constantFrom(...UNIVERSE.slice(0, 4)), { maxLength: 4 }),
  })
  .map(({ mode, sources }): McFilter => ({ mode, sources: sourcesOf(sources) }))

test('a device takes from a source exactly what any of its filters takes', () => {
  fc.assert(
    fc.property(fc.array(filterArb, { minLength: 1, maxLength: 6 }), (filters) => {
      const merged = mergeFilters(filters)
      // the fifth source is in no list: it stands for all others
      for (const source of UNIVERSE)
        expect(takesSource(merged, source)).toBe(filters.some((one) => takesSource(one, source)))
    })
  )
})
test('the order of filters makes no difference, nor does one that is there twice', () => {
  fc.assert(
    fc.property(fc.array(filterArb, { minLength: 1, maxLength: 6 }), (filters) => {
      const merged = mergeFilters(filters)
      expect(isSameFilter(mergeFilters(filters.toReversed()), merged)).toBe(true)
      expect(isSameFilter(mergeFilters([...filters, filters[0]!]), merged)).toBe(true)
      expect(isSameFilter(mergeFilters([merged]), merged)).toBe(true)
    })
  )
})
test('the filter of nobody takes nothing', () => {
  expect(isSameFilter(mergeFilters([]), NOTHING)).toBe(true)
  for (const source of UNIVERSE) expect(takesSource(NOTHING, source)).toBe(false)
})
