/**
 * Routes by devices without a carrier, where nobody is to go by them (ignore_routes_with_linkdown): in their place the next route of
 * their prefix is seen, else what the prefix lies in. Control asks when it writes tries (fib-shown.ts), any thread of what it binds to
 * a device. Linux: ip_ignore_linkdown(), fib_lookup_good_nhc() (net/ipv4/fib_trie.c), find_match() (net/ipv6/route.c).
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import { RTN_LOCAL } from '../../base/flowi.ts'
import { DEV_FLAGS, deviceRow, IFF_LOWER_UP } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import { byFamily } from '../af-ops.ts'
import {
  NH_BY_ID,
  NH_DEV,
  NH_HOPS_LEFT,
  NH_NEXT,
  NH_TYPE,
  NH_UPPER_BOUND,
} from './nexthop-constants.ts'

/** IPv4 asks the device and all, IPv6 the device, which is set with all (addrconf_linkdown_change). */
const isAskedOf = byFamily<(arena: Arena, dev: number) => boolean>(
  (arena, dev) => asks(arena, dev, WORD4) || asks(arena, CONF_ALL, WORD4),
  (arena, dev) => asks(arena, dev, Conf6.ignore_routes_with_linkdown)
)
const WORD4 = Conf4.ignore_routes_with_linkdown
const asks = (arena: Arena, row: number, word: number): boolean =>
  arena.i32[confRow(arena, row) + word] !== 0

/** The device has no carrier, and nobody is to go by it. */
export const isIgnored = (arena: Arena, dev: number, family: number): boolean =>
  dev !== 0 &&
  (arena.i32[deviceRow(arena, dev) + DEV_FLAGS] & IFF_LOWER_UP) === 0 &&
  isAskedOf(family)(arena, dev)

export type Linkdown = ReturnType<typeof createLinkdown>

export const createLinkdown = (arena: Arena) => {
  const { i32, layout } = arena
  /** May one go by the route of these rows? To our own addresses always (fib_sync_down_dev, fib6_ifdown). */
  const leads = (row: number, family: number): boolean => {
    if (i32[row + NH_TYPE] === RTN_LOCAL) return true
    const isById = i32[row + NH_UPPER_BOUND] === NH_BY_ID
    for (let hop = isById ? i32[row + NH_NEXT] : row; ; hop = i32[hop + NH_NEXT]) {
      if (!isIgnored(arena, i32[hop + NH_DEV], family)) return true
      if (i32[hop + NH_HOPS_LEFT] === 0) return false
    }
  }
  /** Of a prefix's routes, whose rows begin with `row`, the first by which one may go; 0: none. */
  const firstUsable = (family: number, row: number): number => {
    let at = row
    while (at !== 0 && !leads(at, family)) {
      while (i32[at + NH_HOPS_LEFT] !== 0) at = i32[at + NH_NEXT]
      at = i32[at + NH_NEXT]
    }
    return at
  }
  /** Has anybody asked for that? */
  const isAsked = (): boolean => {
    for (let dev = 1; dev < layout.config.devices; dev++)
      if (isAskedOf(AF_INET)(arena, dev) || isAskedOf(AF_INET6)(arena, dev)) return true
    return false
  }
  return { firstUsable, isAsked }
}
