/**
 * Interface identifiers that stay the same on a network, are others on each, and tell nothing of the device (RFC 7217): a hash of
 * a secret, the prefix and the MAC. Control thread. Linux: ipv6_generate_stable_address() (net/ipv6/addrconf.c), whose octets these are.
 */
import { SHA1_BLOCK, sha1Block } from '../../base/sha1.ts'
import { DEV_MAC, deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confDefault, confRow } from '../../shm/devconf.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { macHi, macLo } from '../../wire/ethernet.ts'
import type { Words } from '../../wire/text.ts'

/** addr_gen_mode: of the MAC, none, of a secret, of a secret that is drawn. */
export const ADDR_GEN_EUI64 = 0
export const ADDR_GEN_NONE = 1
export const ADDR_GEN_STABLE = 2
export const ADDR_GEN_RANDOM = 3

// Words of the block that is hashed: the secret, the prefix, a MAC with room for any, and in the first octet how often it was in vain.
const SECRET = 0
const PREFIX = 4
const MAC = 6
const COUNT = 14

/**
 * Nobody's own: routers' anycast address, those of IANA's Ethernet block and of proxy mobile IPv6, and anycast addresses of networks (RFC 5453).
 */
export const isReservedId = (hi: number, lo: number): boolean =>
  (hi | lo) === 0 ||
  (hi === 0x02005eff && lo >>> 24 === 0xfe) ||
  (hi === (0xfdffffff | 0) && lo >>> 0 >= 0xffffff80)

/** The word of a device's secret, or of that of all that have none; 0: there is none. */
export const secretOf = (arena: Arena, ifindex: number): number => {
  const { i32 } = arena
  const isSet = (at: number): boolean => (i32[at] | i32[at + 1] | i32[at + 2] | i32[at + 3]) !== 0
  const places = [ifindex, confDefault(arena)].map(
    (row) => confRow(arena, row) + Conf6.stable_secret
  )
  return places.find(isSet) ?? 0
}

const swapped = (word: number): number =>
  (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)

/** That of a device on a network, where so many others were taken already; null: there is none. */
export const stableIdOf = (
  arena: Arena,
  ifindex: number,
  network: Words,
  taken: number
): readonly [number, number] | null => {
  const { i32, u8, layout } = arena
  const secret = secretOf(arena, ifindex)
  if (secret === 0) return null
  const block = new Int32Array(SHA1_BLOCK)
  block.set(i32.subarray(secret, secret + 4), SECRET)
  block.set(network.slice(0, 2), PREFIX)
  const mac = (deviceRow(arena, ifindex) + DEV_MAC) << 2
  block[MAC] = (macHi(u8, mac) << 16) | (macLo(u8, mac) >>> 16)
  block[MAC + 1] = macLo(u8, mac) << 16
  for (let count = taken; count <= i32[layout.sysctl + Sysctl.idgen_retries]; count++) {
    block[COUNT] = count << 24
    const [hi, lo] = sha1Block(block)
    if (!isReservedId(swapped(hi), swapped(lo))) return [swapped(hi), swapped(lo)]
  }
  return null
}
