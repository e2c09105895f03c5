/**
 * Routes by nexthop objects: what an object says is for all of them, so their rows are turned over to others when it says something else,
 * and go with it. control/routes/nexthops.ts calls this. Control thread only. Linux: net/ipv4/nexthop.c (nh_rt_cache_flush, __remove_nexthop_fib).
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import type { Nexthops } from '../../inet/fib/writer/nexthop.ts'
import {
  NH_FAMILY,
  NH_HOPS_LEFT,
  NH_NEXT,
  NH_OWN_TYPE,
  NH_PLEN,
  NH_SCOPE,
  NH_TABLE,
} from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import type { RibEvents } from './rib-commit.ts'
import type { RibDump } from './rib-dump.ts'
import type { RibFlush } from './rib-flush.ts'
import type { RibRead } from './rib-read.ts'
import { NOWHERE } from './rib-route.ts'
import type { RibRows } from './rib-rows.ts'

type RibObjectsDeps = {
  arena: Arena
  nexthops: Nexthops
  fib: Pick<FibWriter, 'refresh'>
  onEvent: RibEvents
} & Pick<RibFlush, 'flush'> &
  Pick<RibDump, 'dump' | 'tableIds'> &
  Pick<RibRead, 'wayOf'> &
  Pick<RibRows, 'waysBy' | 'chainFrom' | 'typeBy'>

export const createRibObjects = (deps: RibObjectsDeps) => {
  const { arena, nexthops, fib, flush, onEvent, dump, tableIds } = deps
  const { wayOf, waysBy, chainFrom, typeBy } = deps
  const { i32 } = arena

  /** Of the routes by an object: the families and scopes that there are. */
  const usersOf = (nhid: number): { family: number; scope: number }[] =>
    nexthops
      .rowsOfId(nhid)
      .map((row) => ({ family: i32[row + NH_FAMILY], scope: i32[row + NH_SCOPE] }))
  /** Rows of an object's next hops as the route of that first row has them; 0 when there is no room for them. */
  const rowsBy = (nhid: number, first: number): number => {
    let end = i32[first + NH_NEXT]
    while (i32[end + NH_HOPS_LEFT] !== 0) end = i32[end + NH_NEXT]
    const prefix = {
      family: i32[first + NH_FAMILY],
      table: i32[first + NH_TABLE],
      words: NOWHERE,
      plen: i32[first + NH_PLEN],
    }
    const route = { ...wayOf(prefix, first), type: i32[first + NH_OWN_TYPE] }
    return chainFrom(waysBy(route, nhid), i32[end + NH_NEXT])
  }
  /** The objects say something else now: so do all routes by them. False when there is no room, and nothing has changed. */
  const turnOver = (nhids: readonly number[]): boolean => {
    const turned: { first: number; row: number; nhid: number }[] = []
    for (const nhid of nhids)
      for (const first of nexthops.rowsOfId(nhid)) {
        const row = rowsBy(nhid, first)
        if (row === 0) {
          for (const done of turned) nexthops.release(done.row)
          return false
        }
        turned.push({ first, row, nhid })
      }
    for (const { first, row, nhid } of turned)
      nexthops.turnOver(
        first,
        row,
        i32[row + NH_HOPS_LEFT] + 1,
        typeBy(nhid, i32[first + NH_OWN_TYPE])
      )
    fib.refresh()
    return true
  }
  /** Tells of all routes by these objects. */
  const tellOf = (nhids: readonly number[]): void => {
    if (!nhids.some((nhid) => nexthops.rowsOfId(nhid).length > 0)) return
    for (const family of [AF_INET, AF_INET6])
      for (const table of tableIds(family))
        for (const chunk of dump(family, table))
          for (const route of chunk)
            if (route.nhid !== undefined && nhids.includes(route.nhid)) onEvent('new', route, true)
  }
  /** An object goes, and its routes with it; `isTold`: those of IPv6 are told of (ip6_del_rt). */
  const flushBy = (nhid: number, isTold: boolean): void => {
    if (nexthops.rowsOfId(nhid).length > 0)
      flush(
        (route) => route.nhid === nhid,
        (family) => isTold || family === AF_INET
      )
  }

  return { usersOf, turnOver, tellOf, flushBy }
}
