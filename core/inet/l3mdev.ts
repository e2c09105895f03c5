/**
 * Where the addresses and routes of an L3 domain are found: a VRF has one table for both, the default domain has the
 * tables local and main. Any thread. Linux: inet_addr_type_dev_table(); Documentation/networking/vrf.rst.
 */
import { DEV_VRF_ROOT4, DEV_VRF_ROOT6 } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import type { FibLookup } from './fib/trie/fib-lookup.ts'

type Roots = { readonly v4: number; readonly v6: number }
type Lookups = FibLookup & { local: Roots; main: Roots }

export type L3Tables = ReturnType<typeof createL3Tables>

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
