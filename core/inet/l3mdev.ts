/**
 * L3 domains: which one a device is in, and where a domain's addresses and routes are found. A VRF has one table for
 * both, the default domain has the tables local and main. Any thread.
 * Linux: net/l3mdev/l3mdev.c, inet_addr_type_dev_table(); Documentation/networking/vrf.rst.
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_IIF, FL_L3MDEV } from '../base/flowi.ts'
import { DEV_L3MDEV, DEV_VRF_ROOT4, DEV_VRF_ROOT6, DEV_VRF_TABLE } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import type { FibReader } from './fib.ts'

/** L3 master of a device, or 0; also of device 0, which is none. */
export const l3mdevOf = ({ i32, layout }: Arena, ifindex: number): number =>
  i32[layout.devices + ifindex * DEVICE_WORDS + DEV_L3MDEV]

/** Number of the table of a device's VRF, or 0 (l3mdev_fib_table). */
export const l3TableOf = (arena: Arena, ifindex: number): number => {
  const { i32, layout } = arena
  return i32[layout.devices + l3mdevOf(arena, ifindex) * DEVICE_WORDS + DEV_VRF_TABLE] >>> 0
}

/**
 * Does a socket bound to `bound` (0: to none) hear a packet of this flow? One that is bound to none hears VRFs only where
 * it is said to (inet_sk_bound_dev_eq; tcp_l3mdev_accept and its like).
 */
export const isBoundTo = (bound: number, fl: Flowi, acceptsVrfs: boolean): boolean =>
  bound === 0 ? fl[FL_L3MDEV] === 0 || acceptsVrfs : bound === fl[FL_IIF] || bound === fl[FL_L3MDEV]

type Lookups = Pick<FibReader, 'local' | 'main' | 'lookup4' | 'lookup6'>

export const createL3Tables = (arena: Arena, { local, main, lookup4, lookup6 }: Lookups) => {
  const { i32, layout } = arena
  const rootOf = (l3mdev: number, word: number, byDefault: number): number =>
    l3mdev === 0 ? byDefault : i32[layout.devices + l3mdev * DEVICE_WORDS + word]
  const in4 = (root: number, addr: number): number => (root === 0 ? 0 : lookup4(root, addr))
  const in6 = (root: number, words: Int32Array, at: number): number =>
    root === 0 ? 0 : lookup6(root, words, at)

  // A nexthop row of the longest prefix in the domain's table, or 0.
  const local4 = (l3mdev: number, addr: number): number =>
    in4(rootOf(l3mdev, DEV_VRF_ROOT4, local.v4), addr)
  const main4 = (l3mdev: number, addr: number): number =>
    in4(rootOf(l3mdev, DEV_VRF_ROOT4, main.v4), addr)
  const local6 = (l3mdev: number, words: Int32Array, at: number): number =>
    in6(rootOf(l3mdev, DEV_VRF_ROOT6, local.v6), words, at)
  const main6 = (l3mdev: number, words: Int32Array, at: number): number =>
    in6(rootOf(l3mdev, DEV_VRF_ROOT6, main.v6), words, at)
  return { local4, main4, local6, main6 }
}
