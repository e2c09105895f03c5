/**
 * Whether the sender of a received packet may be there where it came from. Called by route-input.ts, on any thread.
 * Linux: fib_validate_source() (net/ipv4/fib_frontend.c); RFC 1122 3.2.1.3, RFC 1812 5.3.7, RFC 3704.
 */
import { copyAddr } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_IIF,
  FL_L3MDEV,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, confRow } from '../../shm/devconf.ts'
import type { SourceSelection } from '../addr/source.ts'
import type { L3Tables } from '../l3mdev.ts'
import type { FibReader } from './fib.ts'
import { NH_TYPE } from './nexthop-constants.ts'
import type { RouteResult } from './route-result.ts'

export type ValidateSource = ReturnType<typeof createValidateSource>
type ValidateSourceDeps = { arena: Arena } & Pick<FibReader, 'fibLookup4'> &
  Pick<L3Tables, 'local4'> &
  Pick<SourceSelection, 'hasAddress4'> &
  Pick<RouteResult, 'isLoop' | 'isLoopback' | 'viaDevice' | 'either'>

export const createValidateSource = (deps: ValidateSourceDeps) => {
  const { arena, fibLookup4, local4, hasAddress4 } = deps
  const { isLoop, isLoopback, viaDevice, either } = deps
  const { i32 } = arena
  const confAll = confRow(arena, CONF_ALL)
  const back = createFlowi()

  /**
   * -EINVAL or -EXDEV when the sender's address may not come from there: nobody else sends from our addresses, nor from
   * a broadcast address. Linux has it for IPv4 alone (__fib_validate_source).
   */
  const validateSource4 = (fl: Flowi): number => {
    const iif = fl[FL_IIF]
    if (isLoop(fl, iif)) return 0
    const own = ownAtSender(fl)
    if (own !== 0 && !(i32[own + NH_TYPE] === RTN_LOCAL && either(iif, Conf4.accept_local)))
      return -Errno.EINVAL
    const filter = Math.max(
      i32[confAll + Conf4.rp_filter],
      i32[confRow(arena, iif) + Conf4.rp_filter]
    )
    return filter === 0 ? 0 : reversePath(fl, iif, filter)
  }
  /** Row of the sender's address where that is ours, or of a network of ours; a VRF's rules say so, else the table local alone. */
  const ownAtSender = (fl: Flowi): number => {
    if (fl[FL_L3MDEV] === 0) return local4(0, fl[FL_SADDR + 3])
    turnAround(fl, back)
    const row = fibLookup4(back)
    const isOurs = row > 0 && i32[row + NH_TYPE] !== RTN_UNICAST
    return isOurs && i32[row + NH_TYPE] < RTN_BLACKHOLE ? row : 0
  }
  /**
   * RFC 3704: is there a way back to the sender by the device it came from (1), or by any (2)? A device without an address
   * has no other way than its own.
   */
  const reversePath = (fl: Flowi, iif: number, filter: number): number => {
    turnAround(fl, back)
    const row = fibLookup4(back)
    const type = row < 0 ? RTN_BLACKHOLE : i32[row + NH_TYPE]
    if (type !== RTN_UNICAST && type !== RTN_LOCAL) return -Errno.EXDEV
    if (viaDevice(row, iif) !== 0 || (type === RTN_LOCAL && isLoopback(iif))) return 0
    return filter === 2 && hasAddress4(iif) ? 0 : -Errno.EXDEV
  }

  /** The flow of an answer: from us to the sender. */
  const turnAround = (fl: Flowi, back: Flowi): void => {
    copyAddr(back, FL_DADDR, fl, FL_SADDR)
    copyAddr(back, FL_SADDR, fl, FL_DADDR)
    back[FL_L3MDEV] = fl[FL_L3MDEV]
    back[FL_TOS] = fl[FL_TOS]
    back[FL_PROTO] = fl[FL_PROTO]
    back[FL_SPORT] = fl[FL_DPORT]
    back[FL_DPORT] = fl[FL_SPORT]
  }

  return { validateSource4 }
}
