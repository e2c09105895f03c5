/**
 * The order in which the kernel tells routes, and `ip route` prints them: IPv4 as the trie is walked, by address and the
 * longer prefix first; IPv6 likewise, but what lies inside a prefix comes before it, so that `default` is last.
 */
import type { RouteItem } from '../../core/control/text/messages.ts'
import type { Prefix } from '../../core/wire/text.ts'
import { networkOf, parsePrefix } from '../../core/wire/text.ts'

/** The prefix that a route leads to; `default` is the empty one of its family. */
export const prefixOf = ({ dst, family }: Pick<RouteItem, 'dst' | 'family'>): Prefix =>
  parsePrefix(dst === 'default' ? (family === 'inet6' ? '::/0' : '0.0.0.0/0') : dst)!

/** Whether all of `inner` lies in `outer`. */
export const contains = (outer: Prefix, inner: Prefix): boolean =>
  outer.family === inner.family &&
  outer.prefixlen <= inner.prefixlen &&
  networkOf({ ...inner, prefixlen: outer.prefixlen }).words.join() === networkOf(outer).words.join()

const compareWords = (a: Prefix, b: Prefix): number => {
  for (let i = 0; i < 4; i++) {
    const difference = (a.words[i]! >>> 0) - (b.words[i]! >>> 0)
    if (difference !== 0) return difference
  }
  return 0
}

const comparePrefixes = (a: Prefix, b: Prefix): number => {
  if (a.family === 6 && a.prefixlen !== b.prefixlen && (contains(a, b) || contains(b, a))) {
    return b.prefixlen - a.prefixlen
  }
  return compareWords(a, b) || b.prefixlen - a.prefixlen
}

const TABLES: Readonly<Record<string, number>> = { local: 255, main: 254, default: 253 }
/** IPv4 first, then table by table as they lie in a hash table of 256 chains (fib_get_table). */
const groupOf = ({ family, table }: RouteItem): number =>
  (family === 'inet' ? 0 : 256) + ((TABLES[table] ?? Number(table)) & 255)

/** Sorted within family and table. */
export const inKernelOrder = <T extends RouteItem>(routes: readonly T[]): T[] => {
  const keyed = routes.map((route) => ({ route, group: groupOf(route), prefix: prefixOf(route) }))
  keyed.sort(
    (a, b) =>
      a.group - b.group ||
      comparePrefixes(a.prefix, b.prefix) ||
      (a.route.metric ?? 0) - (b.route.metric ?? 0)
  )
  return keyed.map(({ route }) => route)
}
