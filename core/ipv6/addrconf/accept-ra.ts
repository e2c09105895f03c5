/**
 * Does a device listen to routers? A router does not, unless it is told to be both. Asked by CPU 0 and by control.
 * Linux: ipv6_accept_ra() (include/net/ipv6.h).
 */
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'

export const acceptsRa = (arena: Arena, ifindex: number): boolean => {
  const conf = confRow(arena, ifindex)
  const accepts = arena.i32[conf + Conf6.accept_ra]
  return arena.i32[conf + Conf6.forwarding] === 0 ? accepts !== 0 : accepts === 2
}
