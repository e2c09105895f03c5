/**
 * What devices do to routes of several next hops: those of a device that is down die, and come back with it. A route goes with the last of
 * its devices that is up, or with the first that is there no more. Control thread only.
 * Linux: fib_sync_down_dev, fib_sync_up, fib6_ifdown, fib6_ifup.
 */
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import { isThere, isUp } from '../../inet/fib/multipath/multipath.ts'
import type { Nexthops } from '../../inet/fib/writer/nexthop.ts'
import { NH_HOPS_LEFT, NH_PLEN, NH_TABLE } from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import type { RibCommit } from './rib-commit.ts'
import type { RibRead } from './rib-read.ts'
import { NOWHERE, type Prefix, type RibRoute } from './rib-route.ts'
import type { RibRows } from './rib-rows.ts'

type RibDevicesDeps = {
  arena: Arena
  fib: Pick<FibWriter, 'rowsInUse' | 'addressesBy' | 'refresh'>
  nexthops: Pick<Nexthops, 'release'>
} & Pick<RibCommit, 'change'> &
  Pick<RibRead, 'nextRoute' | 'isById' | 'routesFrom'> &
  Pick<RibRows, 'chainOf'>

export const createRibDevices = (deps: RibDevicesDeps) => {
  const { arena, change, nexthops, fib } = deps
  const { nextRoute, isById, routesFrom, chainOf } = deps
  const { i32 } = arena

  /** Devices have come, gone, or changed. */
  const devicesChanged = (): void => {
    // rows are shared by all prefixes that say the same, so there are few
    for (const { of, row } of [...fib.rowsInUse()]) {
      const place = {
        family: of,
        table: i32[row + NH_TABLE],
        words: NOWHERE,
        plen: i32[row + NH_PLEN],
      }
      if (!hasSeveral(row) || !turns(place, row)) continue
      for (const words of fib.addressesBy(of, row)) {
        const prefix = { ...place, words }
        const routes = routesFrom(prefix, row)
        const left = routes.filter((route) => !isDead(route))
        change(prefix, left, routes.filter(isDead), [])
      }
    }
    fib.refresh()
  }
  /** Has one of the routes from there on next hops of its own that may die by themselves? */
  const hasSeveral = (first: number): boolean => {
    for (let row = first; row !== 0; row = nextRoute(row))
      if (i32[row + NH_HOPS_LEFT] !== 0 && !isById(row)) return true
    return false
  }
  const isDead = ({ hops, nhid }: RibRoute): boolean =>
    hops !== undefined &&
    nhid === undefined &&
    (!hops.some(({ dev }) => isUp(arena, dev)) || !hops.every(({ dev }) => isThere(arena, dev)))
  /** Would what the row says be said otherwise now? */
  const turns = (place: Prefix, row: number): boolean => {
    const routes = routesFrom(place, row)
    if (routes.some(isDead)) return true
    const now = chainOf(routes)
    if (now !== 0) nexthops.release(now)
    return now !== row
  }

  return { devicesChanged }
}
