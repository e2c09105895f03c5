/**
 * Filters of sources: what one socket wants of a group, and what a device must receive so that all its sockets get what
 * they want. Rare work, on CPU 0 and on control. RFC 3376 section 3.2.
 */
import type { Words } from '../../wire/text.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from './mc-constants.ts'

export type Sources = ReadonlyMap<string, Words>
/** From these sources alone (MCAST_INCLUDE), or from all but these. */
export type McFilter = { readonly mode: number; readonly sources: Sources }

/** What a device has that nobody has asked for anything. */
export const NOTHING: McFilter = { mode: MCAST_INCLUDE, sources: new Map() }

export const addrKey = (words: Words): string => words.join(' ')
export const sourcesOf = (list: Iterable<Words>): Sources =>
  new Map(Array.from(list, (words) => [addrKey(words), words]))

export const uniqueAddrs = (list: readonly Words[]): Words[] => [...sourcesOf(list).values()]

const keep = (from: Sources, isKept: (key: string) => boolean): Sources =>
  new Map([...from].filter(([key]) => isKept(key)))
export const minus = (a: Sources, b: Sources): Sources => keep(a, (key) => !b.has(key))
export const both = (a: Sources, b: Sources): Sources => keep(a, (key) => b.has(key))
export const union = (a: Sources, b: Sources): Sources => new Map([...a, ...b])

export const isSameFilter = (a: McFilter, b: McFilter): boolean =>
  a.mode === b.mode &&
  a.sources.size === b.sources.size &&
  both(a.sources, b.sources).size === a.sources.size

/** Does the filter let the source through? */
export const takesSource = ({ mode, sources }: McFilter, source: Words): boolean =>
  sources.has(addrKey(source)) === (mode === MCAST_INCLUDE)

/**
 * The least that gives each of the filters what it lets through: with one that excludes, all but what every excluding one
 * refuses and no including one wants.
 */
export const mergeFilters = (filters: readonly McFilter[]): McFilter => {
  const wanted = filters
    .filter(({ mode }) => mode === MCAST_INCLUDE)
    .reduce<Sources>((all, { sources }) => union(all, sources), new Map())
  const [first, ...rest] = filters.filter(({ mode }) => mode === MCAST_EXCLUDE)
  if (first === undefined) return { mode: MCAST_INCLUDE, sources: wanted }
  const refused = rest.reduce<Sources>((all, { sources }) => both(all, sources), first.sources)
  return { mode: MCAST_EXCLUDE, sources: minus(refused, wanted) }
}
