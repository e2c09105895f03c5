/**
 * What a device's MTU does to routes of IPv6. Control thread only. Linux: rt6_mtu_change_route().
 */
import { AF_INET6 } from '../../base/family.ts'
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import { NH_MTU, NH_NEXT, NH_PLEN, NH_TABLE } from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import { RTAX_LOCK, RTAX_MTU } from '../../shm/dst-metrics.ts'
import type { RibCommit } from './rib-commit.ts'
import type { RibRead } from './rib-read.ts'
import { NOWHERE, type RibRoute } from './rib-route.ts'

type RibMtuDeps = {
  arena: Arena
  fib: Pick<FibWriter, 'rowsInUse' | 'addressesBy'>
} & Pick<RibCommit, 'change'> &
  Pick<RibRead, 'routesFrom'>

export const createRibMtu = ({ arena, fib, change, routesFrom }: RibMtuDeps) => {
  const { i32 } = arena

  /**
   * A device has another MTU than IPv6 had: routes of IPv6 by it that say more, or as much as that was, say this now
   * (RFC 8201 section 4 knows of no other way for it to rise). Nobody is told.
   */
  const mtuChanged = (ifindex: number, before: number, mtu: number): void => {
    const isBound = ({ dev, metrics }: RibRoute): boolean =>
      dev === ifindex &&
      metrics !== null &&
      ((metrics[RTAX_LOCK] >>> RTAX_MTU) & 1) === 0 &&
      metrics[RTAX_MTU] !== 0 &&
      (metrics[RTAX_MTU] >= mtu || metrics[RTAX_MTU] === before)
    const rebound = (route: RibRoute): RibRoute =>
      isBound(route) ? { ...route, metrics: route.metrics!.with(RTAX_MTU, mtu) } : route
    // rows are shared by all prefixes that say the same, so there are few
    for (const { of, row } of [...fib.rowsInUse()]) {
      if (of !== AF_INET6 || !saysMtu(row)) continue
      const place = {
        family: of,
        table: i32[row + NH_TABLE],
        words: NOWHERE,
        plen: i32[row + NH_PLEN],
      }
      if (!routesFrom(place, row).some(isBound)) continue
      for (const words of fib.addressesBy(of, row)) {
        const prefix = { ...place, words }
        change(prefix, routesFrom(prefix, row).map(rebound), [], [])
      }
    }
  }
  const saysMtu = (first: number): boolean => {
    for (let row = first; row !== 0; row = i32[row + NH_NEXT])
      if (i32[row + NH_MTU] !== 0) return true
    return false
  }

  return { mtuChanged }
}
