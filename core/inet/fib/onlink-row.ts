/**
 * Where what is sent goes by a device that no route leads by. Any thread. Linux: ip_route_output_key_hash_rcu(), "apparently, the
 * destination is on link".
 */
import type { Arena } from '../../shm/arena.ts'
import { NEXTHOP_WORDS } from '../../shm/layout.ts'

/** The nexthop row of a device, there from boot (nexthop-constants.ts). */
export const onlinkRow = ({ layout }: Arena, ifindex: number): number =>
  layout.nexthops + ifindex * NEXTHOP_WORDS
