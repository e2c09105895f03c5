/**
 * How messages of neighbour discovery leave: by a device, with all their hops, from an address of the link. What they say is
 * ndisc.ts's, rs.ts's and ra-output.ts's. On a worker. Linux: ndisc_send_skb(), ipv6_get_lladdr().
 */
import { AF_INET6, copyAddr, isGroupAddr, isSameAddr } from '../../base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_MTU,
  FL_NO_LOOP,
  FL_PROTO,
  FL_SADDR,
  FL_TYPE,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import {
  IFA_ADDR,
  IFA_F_TENTATIVE,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_SCOPE,
  IFA_TOP,
} from '../../inet/addr/ifaddr-constants.ts'
import { RT_SCOPE_LINK } from '../../inet/fib/nexthop-constants.ts'
import { onlinkRow } from '../../inet/fib/onlink-row.ts'
import { DEV_MAC, DEV_MTU, deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { MAX_HEADER } from '../../skb/skb.ts'
import * as ethernet from '../../wire/ethernet.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import { IPPROTO_ICMPV6 } from '../../wire/ipproto.ts'
import * as options from '../../wire/ndisc-options.ts'
import type { Icmpv6 } from '../icmp/icmpv6.ts'

type NdSendDeps = {
  arena: Arena
  skbs: Skbs
} & Pick<Icmpv6, 'icmpv6Transmit'>
export type NdSend = ReturnType<typeof createNdSend>

/** No router and no host beyond the link can have sent what has this left of its hops. */
export const ALL_HOPS = 255

export const createNdSend = ({ arena, skbs, icmpv6Transmit }: NdSendDeps) => {
  const { i32, u8, layout } = arena
  /** The way of the message that is being made; its addresses are set by whoever makes it. */
  const fl = createFlowi()

  /** Row of an address of the device, or 0 (ipv6_get_ifaddr). */
  const ownAddr = (dev: number, words: Int32Array, at: number): number => {
    const end = layout.ifaddrs + i32[layout.ifaddrs + IFA_TOP] * IFADDR_WORDS
    for (let row = layout.ifaddrs + IFADDR_WORDS; row < end; row += IFADDR_WORDS)
      if (i32[row + IFA_IFINDEX] === dev && isSameAddr(i32, row + IFA_ADDR, words, at)) return row
    return 0
  }
  const isTentative = (row: number): boolean => (i32[row + IFA_FLAGS] & IFA_F_TENTATIVE) !== 0
  /** Row of an address of the device's link that is sure to be ours, or 0. */
  const linkLocalOf = (dev: number): number => {
    const end = layout.ifaddrs + i32[layout.ifaddrs + IFA_TOP] * IFADDR_WORDS
    for (let row = layout.ifaddrs + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      if (i32[row + IFA_IFINDEX] !== dev || i32[row + IFA_FAMILY] !== AF_INET6) continue
      if (i32[row + IFA_SCOPE] === RT_SCOPE_LINK && !isTentative(row)) return row
    }
    return 0
  }

  /** Begins a message by a device: to FL_DADDR, which follows. */
  const toLink = (dev: number): void => {
    fl.fill(0)
    fl[FL_FAMILY] = AF_INET6
    fl[FL_PROTO] = IPPROTO_ICMPV6
    fl[FL_NO_LOOP] = 1
    fl[FL_DST] = onlinkRow(arena, dev)
    fl[FL_DEV] = dev
    fl[FL_MTU] = i32[deviceRow(arena, dev) + DEV_MTU]
  }
  /** From the link's address (ipv6_get_lladdr); false when there is none yet. */
  const fromLinkLocal = (dev: number): boolean => {
    const row = linkLocalOf(dev)
    if (row !== 0) copyAddr(fl, FL_SADDR, i32, row + IFA_ADDR)
    return row !== 0
  }
  /** A message of a type, `len` octets from its ICMPv6 header on, where data begins; 0: no memory. */
  const begin = (type: number, len: number): number => {
    const skb = skbs.alloc(len, MAX_HEADER)
    if (skb === 0) return 0
    const at = skbs.put(skb, len)
    icmpv6.setType(u8, at, type)
    icmpv6.setCode(u8, at, 0)
    icmpv6.setRest(u8, at, 0)
    return skb
  }
  /** Puts the device's own link-layer address there. */
  const putOwnAddr = (at: number, dev: number, option: number): void => {
    const own = (deviceRow(arena, dev) + DEV_MAC) << 2
    options.putLlAddr(u8, at, option, ethernet.macHi(u8, own), ethernet.macLo(u8, own))
  }
  const send = (skb: number): void => {
    fl[FL_TYPE] = isGroupAddr(fl, FL_DADDR) ? RTN_MULTICAST : RTN_UNICAST
    icmpv6Transmit(skb, fl, 0, ALL_HOPS)
  }

  return { fl, ownAddr, isTentative, linkLocalOf, toLink, fromLinkLocal, begin, putOwnAddr, send }
}
