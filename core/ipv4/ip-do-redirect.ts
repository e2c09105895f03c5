/**
 * ICMP redirects in: whether the word of a router is taken that another is nearer to where our packet went. Called by ICMP
 * when the socket is found that sent it; on a worker. RFC 1122 section 3.2.2.2, 3.3.1.2; Linux: net/ipv4/route.c
 * __ip_do_redirect().
 */
import { AF_INET, V4_MAPPED } from '../base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DST,
  FL_FAMILY,
  FL_OIF,
  FL_SADDR,
  FL_TOS,
  FL_TYPE,
  RTN_UNICAST,
} from '../base/flowi.ts'
import type { AddrType } from '../inet/addr/addr-type.ts'
import { NH_FAMILY, NH_GATEWAY } from '../inet/fib/nexthop-constants.ts'
import type { Redirects } from '../inet/dst/redirects.ts'
import type { NeighOutput } from '../neigh/neigh-output.ts'
import type { Arena } from '../shm/arena.ts'
import { CONF_ALL, Conf4, confRow } from '../shm/devconf.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { l3mdevOf } from '../netdev/netdev.ts'

type IpDoRedirectDeps = { arena: Arena } & Pick<
  AddrType,
  'inetAddrType' | 'isAddrOnLink' | 'isDefaultGateway'
> &
  Pick<Redirects, 'routeOutput' | 'learnRedirect'> &
  Pick<NeighOutput, 'neighIsValid'>

export type IpDoRedirect = ReturnType<typeof createIpDoRedirect>

export const createIpDoRedirect = (deps: IpDoRedirectDeps) => {
  const { arena, inetAddrType, isAddrOnLink, isDefaultGateway } = deps
  const { routeOutput, learnRedirect, neighIsValid } = deps
  const { i32, u8 } = arena
  const all = confRow(arena, CONF_ALL)
  const fl = createFlowi()
  const gateway = Int32Array.of(0, 0, V4_MAPPED, 0)

  const either = (dev: number, setting: number): boolean =>
    (i32[all + setting] | i32[confRow(arena, dev) + setting]) !== 0
  const both = (dev: number, setting: number): boolean =>
    (i32[all + setting] & i32[confRow(arena, dev) + setting]) !== 0

  /** A router listens to others only where `all` says so too, a host where either does. */
  const listens = (dev: number): boolean =>
    i32[confRow(arena, dev) + Conf4.forwarding] !== 0
      ? both(dev, Conf4.accept_redirects)
      : either(dev, Conf4.accept_redirects)
  const isBelievable = (dev: number, from: number, to: number): boolean => {
    if (to === from || !listens(dev) || to === 0) return false
    if (either(dev, Conf4.shared_media)) return inetAddrType(to, dev) === RTN_UNICAST
    if (ipv4.isMulticastAddr(to) || to === ipv4.INADDR_BROADCAST) return false
    if (!isAddrOnLink(dev, to, from)) return false
    return !either(dev, Conf4.secure_redirects) || isDefaultGateway(dev, to)
  }

  /** `from`, heard on `dev`, says of our packet, whose header is at `at`, that `to` is the next hop. */
  const ipDoRedirect = (dev: number, from: number, to: number, at: number): void => {
    if (!isBelievable(dev, from, to)) return
    fl.fill(0)
    fl[FL_FAMILY] = AF_INET
    fl[FL_SADDR + 2] = fl[FL_DADDR + 2] = V4_MAPPED
    fl[FL_SADDR + 3] = ipv4.src(u8, at)
    fl[FL_DADDR + 3] = ipv4.dst(u8, at)
    fl[FL_TOS] = ipv4.tos(u8, at)
    fl[FL_OIF] = l3mdevOf(arena, dev)
    if (routeOutput(fl) !== 0 || fl[FL_TYPE] !== RTN_UNICAST) return
    const row = fl[FL_DST]
    // only the router that the packet was given to may say so
    if (i32[row + NH_FAMILY] !== AF_INET || i32[row + NH_GATEWAY + 3] !== from) return
    gateway[3] = to
    // one that nobody has met is asked for first; the next redirect finds it
    if (neighIsValid(dev, gateway, 0)) learnRedirect(fl, AF_INET, gateway, 0)
  }
  return { ipDoRedirect }
}
