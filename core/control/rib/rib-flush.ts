/**
 * Deletes the routes of all tables that something holds of. Those that share a row are asked about once. Control thread only.
 * Linux: fib_flush(), fib6_clean_all().
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import type { RibCommit } from './rib-commit.ts'
import type { RibRead } from './rib-read.ts'
import type { Prefix, RibRoute } from './rib-route.ts'

/** All of a route but its address: what its row says, and the length of its prefix. */
type RouteOfRow = Omit<RibRoute, 'words'>
export type RibFlush = ReturnType<typeof createRibFlush>
type RibFlushDeps = {
  net: number
  fib: Pick<FibWriter, 'tableIds' | 'walk'>
} & Pick<RibCommit, 'change'> &
  Pick<RibRead, 'nextRoute' | 'routeOf' | 'routesFrom'>

export const createRibFlush = (deps: RibFlushDeps) => {
  const { net, fib, change, nextRoute, routeOf, routesFrom } = deps

  /** Deletes all routes of which `dead` says so, whatever their address; how many. Linux: fib_flush. */
  const flush = (
    dead: (route: RouteOfRow) => boolean,
    isTold: (family: number) => boolean = () => true
  ): number => {
    let flushed = 0
    for (const family of [AF_INET, AF_INET6]) {
      // asked once for all that share a row
      const rows = new Map<number, boolean>()
      const isDead = (prefix: Prefix, row: number): boolean => {
        let known = rows.get(row)
        if (known === undefined) rows.set(row, (known = dead(routeOf(prefix, row))))
        return known
      }
      for (const table of fib.tableIds(net, family)) {
        for (const { words, plen, row } of fib.walk(net, family, table)) {
          const prefix = { family, table, words, plen }
          let any = false
          for (let at = row; at !== 0; at = nextRoute(at)) if (isDead(prefix, at)) any = true
          if (!any) continue
          const routes = routesFrom(prefix, row)
          const gone = routes.filter(dead)
          change(
            prefix,
            routes.filter((route) => !gone.includes(route)),
            gone,
            [],
            isTold(family)
          )
          flushed += gone.length
        }
      }
    }
    return flushed
  }

  return { flush }
}
