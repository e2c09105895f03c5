/**
 * Routes as they are asked for: the one that leads to an address, and all of a table. Control thread only.
 * Linux: fib_check_nh(), inet_dump_fib(), inet6_dump_fib().
 */
import { networkWords } from '../../inet/fib/writer/addr-prefix.ts'
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import {
  NH_PLEN,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Words } from '../../wire/text.ts'
import type { RibRead } from './rib-read.ts'
import type { RibRoute } from './rib-route.ts'

export type RibDump = ReturnType<typeof createRibDump>
type RibDumpDeps = {
  arena: Arena
  net: number
  fib: Pick<FibWriter, 'longestRow' | 'coveringRow' | 'walk' | 'tableIds'>
} & Pick<RibRead, 'nextRoute' | 'routeOf'>

const LOOKUP_ORDER = [RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT]

export const createRibDump = ({ arena, net, fib, nextRoute, routeOf }: RibDumpDeps) => {
  const { i32 } = arena

  /**
   * The first of the wanted routes, longest prefix first, in one table after the other, local, main and default when none are
   * named: how a gateway is checked (Linux: fib_check_nh, ip6_route_check_nh).
   */
  const resolve = (
    family: number,
    words: Words,
    isWanted: (route: RibRoute) => boolean,
    tables: readonly number[] = LOOKUP_ORDER
  ): RibRoute | undefined => {
    for (const table of tables) {
      let row = fib.longestRow(net, family, table, words)
      while (row !== 0) {
        const plen = i32[row + NH_PLEN]
        const prefix = { family, table, words: networkWords(family)(words, plen), plen }
        for (let at = row; at !== 0; at = nextRoute(at)) {
          const route = routeOf(prefix, at)
          if (isWanted(route)) return route
        }
        row = plen === 0 ? 0 : fib.coveringRow(net, family, table, words, plen - 1)
      }
    }
    return undefined
  }

  /** Routes of a family and table, in chunks: the shortest prefix first, then by length and arrival. */
  function* dump(family: number, table: number, size = 256): Generator<RibRoute[]> {
    let chunk: RibRoute[] = []
    for (const { words, plen, row } of fib.walk(net, family, table)) {
      const prefix = { family, table, words, plen }
      for (let at = row; at !== 0; at = nextRoute(at)) chunk.push(routeOf(prefix, at))
      if (chunk.length < size) continue
      yield chunk
      chunk = []
    }
    if (chunk.length > 0) yield chunk
  }
  /** Ids of a family's tables that have routes. */
  const tableIds = (family: number): number[] => fib.tableIds(net, family)

  return { resolve, dump, tableIds }
}
