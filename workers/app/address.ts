/** Addresses between Node's words for them and the four int32 words of a record. Application thread. */
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { DEV_IFINDEX, deviceName, deviceRow } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { formatWords, mapIpv4, parseAddr } from '../../core/wire/text.ts'

export type AddressInfo = { address: string; family: 'IPv4' | 'IPv6'; port: number }

const LOOPBACK = 0x7f000001
const ANY_V4 = mapIpv4(0)
export const ANY_V6 = [0, 0, 0, 0] as const

/**
 * The words of an address in text, and behind them the device of its zone ("fe80::1%eth0"); null when it is a name
 * (softnet's applications have no resolver).
 */
export const wordsOf = (host: string, arena: Arena): readonly number[] | null => {
  if (host === 'localhost') return mapIpv4(LOOPBACK)
  const [text, zone] = host.split('%', 2)
  const words = parseAddr(text!)?.words ?? null
  if (words === null || zone === undefined) return words
  const ifindex = deviceOf(zone, arena)
  return ifindex === 0 ? null : [...words, ifindex]
}
/** A device by its name or number, whether there is one of that number or not; 0 when there is none of that name. */
export const deviceOf = (zone: string, arena: Arena): number => {
  const { devices } = arena.layout.config
  for (let ifindex = 1; ifindex < devices; ifindex++)
    if (isThere(arena, ifindex) && deviceName(arena, ifindex) === zone) return ifindex
  return /^\d+$/.test(zone) ? Number(zone) : 0
}
const isThere = (arena: Arena, ifindex: number): boolean =>
  arena.i32[deviceRow(arena, ifindex) + DEV_IFINDEX] === ifindex

export const familyOf = (words: readonly number[]): number =>
  words[0] === 0 && words[1] === 0 && words[2] === 0xffff ? AF_INET : AF_INET6

/** What a listener without an address listens on: both families. */
export const anyAddresses = (): (readonly number[])[] => [ANY_V4, ANY_V6]

/** What a socket was bound to, as Node shows it: a wildcard is stored without its family. */
export const boundAddress = (words: readonly number[], port: number): AddressInfo => {
  const family = familyOf(words) === AF_INET ? 'IPv4' : 'IPv6'
  const [w0, w1, w2, w3] = words
  return { address: formatWords(w0!, w1!, w2!, w3!), family, port }
}

/** Four words at `at` and a port, as Node shows them. */
export const addressAt = (i32: Int32Array, at: number, port: number): AddressInfo => {
  const address = formatWords(i32[at], i32[at + 1], i32[at + 2], i32[at + 3])
  return { address, family: address.includes(':') ? 'IPv6' : 'IPv4', port }
}
