/** Addresses that come of a device's MAC. RFC 4291 appendix A; Linux: ipv6_generate_eui64() (include/net/addrconf.h). */
import { DEV_MAC, deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { macHi, macLo } from '../../wire/ethernet.ts'
import type { Words } from '../../wire/text.ts'

/** The lower half of them, in two words. */
export const interfaceIdOf = (arena: Arena, ifindex: number): readonly [number, number] => {
  const m = (deviceRow(arena, ifindex) + DEV_MAC) << 2
  const hi = macHi(arena.u8, m)
  const lo = macLo(arena.u8, m)
  return [((hi ^ 0x200) << 16) | ((lo >>> 16) & 0xff00) | 0xff, 0xfe000000 | (lo & 0xffffff)]
}
export const linkLocalOf = (arena: Arena, ifindex: number): Words => [
  0xfe800000 | 0,
  0,
  ...interfaceIdOf(arena, ifindex),
]
