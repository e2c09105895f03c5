/**
 * Whether the sender of a packet that leaves by the link it came by is to hear of a better first hop on it. Asked by
 * ip_forward, which then tells it (ipv4/ip-redirect.ts), and by `ip route get`, whose cache it is a word of; any thread.
 * RFC 1812 section 5.2.7.2; Linux: IPSKB_DOREDIRECT of __mkroute_input().
 */
import type { Flowi } from '../../base/flowi.ts'
import { FL_DEV, FL_DST, FL_IIF, FL_SADDR } from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, confRow } from '../../shm/devconf.ts'
import { createAddrType } from '../addr/addr-type.ts'
import type { FibReader } from '../fib/fib.ts'
import { NH_FAMILY, NH_GATEWAY } from '../fib/nexthop-constants.ts'

export type DoRedirect = ReturnType<typeof createDoRedirect>

export const createDoRedirect = (arena: Arena, fib: FibReader) => {
  const { isOnLink, isAddrOnLink } = createAddrType(arena, fib)
  const { i32 } = arena
  const all = confRow(arena, CONF_ALL)
  /** The IPv4 gateway of the route that was found, or 0. */
  const gatewayOf = (fl: Flowi): number => {
    const row = fl[FL_DST]
    return i32[row + NH_FAMILY] !== 0 ? i32[row + NH_GATEWAY + 3] : 0
  }
  /** Of a received IPv4 packet that was routed by `fl`. */
  const wantsRedirect = (fl: Flowi): boolean => {
    const iif = fl[FL_IIF]
    if (fl[FL_DEV] !== iif) return false
    const conf = confRow(arena, iif)
    if ((i32[all + Conf4.send_redirects] | i32[conf + Conf4.send_redirects]) === 0) return false
    const saddr = fl[FL_SADDR + 3]
    if (!isOnLink(saddr, iif)) return false
    // on shared media hosts of other networks are on the link too
    if ((i32[all + Conf4.shared_media] | i32[conf + Conf4.shared_media]) !== 0) return true
    return isAddrOnLink(iif, saddr, gatewayOf(fl))
  }
  return { wantsRedirect, gatewayOf }
}
