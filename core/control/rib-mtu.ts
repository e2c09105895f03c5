/**
 * What a device's MTU does to routes of IPv6. Control thread only. Linux: rt6_mtu_change_route().
 */
import { AF_INET6 } from '../base/family.ts'
import type { FibWriter } from '../inet/fib/fib-writer.ts'
import { NH_MTU, NH_NEXT } from '../inet/fib/nexthop-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { RTAX_LOCK, RTAX_MTU } from '../shm/dst-metrics.ts'
import type { RibCommit } from './rib-commit.ts'
import type { RibRead } from './rib-read.ts'
import type { RibRoute } from './rib-route.ts'

type RibMtuDeps = {
  arena: Arena
  net: number
  fib: Pick<FibWriter, 'tableIds' | 'walk'>
} & Pick<RibCommit, 'change'> &
  Pick<RibRead, 'routesFrom'>

export const createRibMtu = ({ arena, net, fib, change, routesFrom }: RibMtuDeps) => {
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
    for (const table of fib.tableIds(net, AF_INET6))
      for (const { words, plen, row } of fib.walk(net, AF_INET6, table)) {
        if (!saysMtu(row)) continue
        const prefix = { family: AF_INET6, table, words, plen }
        change(prefix, routesFrom(prefix, row).map(rebound), [], [])
      }
  }
  const saysMtu = (first: number): boolean => {
    for (let row = first; row !== 0; row = i32[row + NH_NEXT])
      if (i32[row + NH_MTU] !== 0) return true
    return false
  }

  return { mtuChanged }
}
