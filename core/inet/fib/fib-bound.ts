/**
 * Lookups of what is bound to a device: by routes of that device alone, be it by a shorter prefix than others have. Any thread, no lock,
 * nothing allocated. Linux: flowi4_oif in fib_table_lookup() (net/ipv4/fib_trie.c), RT6_LOOKUP_F_IFACE in rt6_score_route()
 * (net/ipv6/route.c).
 */
import type { Flowi } from '../../base/flowi.ts'
import { FL_DADDR, FL_OIF, RTN_LOCAL, RTN_MULTICAST } from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { byFamily } from '../af-ops.ts'
import { createFibCovering } from './fib-covering.ts'
import { isIgnored } from './linkdown.ts'
import { NH_DEV, NH_NEXT, NH_PLEN, NH_TYPE } from './nexthop-constants.ts'

/** The row that a table's trie has for FL_DADDR, or 0. */
type RowFor = (root: number, fl: Flowi) => number

/** Does a route of the type refuse whoever asks, by whatever device? Those of IPv6 are by lo. */
const refusesOf = byFamily<(type: number) => boolean>(
  (type) => type > RTN_MULTICAST,
  () => false
)

/** By the routes of the device FL_OIF alone: the row of a table for FL_DADDR, or 0. */
export const createFibBound = (arena: Arena, family: number, rowFor: RowFor): RowFor => {
  const { i32 } = arena
  const covering = createFibCovering(arena, family)
  const refuses = refusesOf(family)

  /** First of a prefix's routes that leaves by the device, or 0; a route behind the first may be one that nobody is to go by. */
  const viaDevice = (row: number, oif: number): number => {
    let by = row
    while (by !== 0 && i32[by + NH_DEV] !== oif) by = i32[by + NH_NEXT]
    const isOut = by !== 0 && i32[by + NH_TYPE] !== RTN_LOCAL && isIgnored(arena, oif, family)
    return isOut ? 0 : by
  }
  return (root, fl) => {
    let row = rowFor(root, fl)
    while (row !== 0) {
      const by = refuses(i32[row + NH_TYPE]) ? row : viaDevice(row, fl[FL_OIF])
      if (by !== 0) return by
      row = covering(root, fl, FL_DADDR, i32[row + NH_PLEN] - 1)
    }
    return 0
  }
}
