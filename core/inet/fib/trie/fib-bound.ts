/**
 * Lookups of what does not go by any route: of what is bound to a device by that device's alone, and of what is to meet no router by
 * those of a link, be it by a shorter prefix than others have. Any thread, no lock, nothing allocated. Linux: flowi4_oif and
 * flowi4_scope in fib_table_lookup() (net/ipv4/fib_trie.c), RT6_LOOKUP_F_IFACE in rt6_score_route()
 * (net/ipv6/route.c).
 */
import type { Flowi } from '../../../base/flowi.ts'
import {
  FL_DADDR,
  FL_F_LINK_SCOPE,
  FL_FLAGS,
  FL_OIF,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_MULTICAST,
} from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { byFamily } from '../../af-ops.ts'
import { createFibCovering } from './fib-covering.ts'
import { isIgnored } from '../linkdown.ts'
import {
  NH_BY_ID,
  NH_DEV,
  NH_ID,
  NH_NEXT,
  NH_PLEN,
  NH_SCOPE,
  NH_TYPE,
  NH_UPPER_BOUND,
  RT_SCOPE_LINK,
} from '../nexthop-constants.ts'

/** The row that a table's trie has for FL_DADDR, or 0. */
type RowFor = (root: number, fl: Flowi) => number

type BoundFamily = {
  /** Does what begins with the row refuse whoever asks, by whatever device? Other refusals of IPv6 are by lo. */
  refuses: (type: number, isById: boolean) => boolean
  /** A route by a nexthop object that has a next hop by the device goes by any of the object's (fib6_select_path). */
  byAnyOfObject: boolean
}
const boundFamily = byFamily<BoundFamily>(
  { refuses: (type) => type > RTN_MULTICAST, byAnyOfObject: false },
  { refuses: (type, isById) => isById && type === RTN_BLACKHOLE, byAnyOfObject: true }
)

/** By the routes of the device FL_OIF, or any device's, and of the scope that is asked for: the row of a table for FL_DADDR, or 0. */
export const createFibBound = (arena: Arena, family: number, rowFor: RowFor): RowFor => {
  const { i32 } = arena
  const covering = createFibCovering(arena, family)
  const { refuses, byAnyOfObject } = boundFamily(family)

  /** Of a prefix's routes the first that will do, or that refuses; or 0. One behind the first may be one that nobody is to go by. */
  const firstOf = (row: number, fl: Flowi): number => {
    const oif = fl[FL_OIF]
    const narrowest = (fl[FL_FLAGS] & FL_F_LINK_SCOPE) === 0 ? 0 : RT_SCOPE_LINK
    let object = 0
    for (let by = row; by !== 0; by = i32[by + NH_NEXT]) {
      if (i32[by + NH_SCOPE] < narrowest) continue
      const isById = i32[by + NH_UPPER_BOUND] === NH_BY_ID
      if (refuses(i32[by + NH_TYPE], isById)) return by
      if (isById && oif === 0) return by
      if (isById) object = by
      else if ((oif === 0 || i32[by + NH_DEV] === oif) && !isOut(by))
        return byAnyOfObject && i32[by + NH_ID] !== 0 ? object : by
    }
    return 0
  }
  const isOut = (row: number): boolean =>
    i32[row + NH_TYPE] !== RTN_LOCAL && isIgnored(arena, i32[row + NH_DEV], family)

  return (root, fl) => {
    let row = rowFor(root, fl)
    while (row !== 0) {
      const by = firstOf(row, fl)
      if (by !== 0) return by
      row = covering(root, fl, FL_DADDR, i32[row + NH_PLEN] - 1)
    }
    return 0
  }
}
