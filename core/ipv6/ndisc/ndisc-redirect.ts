/**
 * Redirects of IPv6. Out: a router tells a host of its link that the next hop of a packet is on the same link, not more often
 * than once a second to each host and of each destination; called by ip6_forward, on a worker. In: a host believes the
 * router that it sends by, on CPU 0, which tells every worker what it learned (inet/dst/redirects.ts).
 * RFC 4861 section 8; Linux: ndisc_send_redirect(), ndisc_redirect_rcv() (net/ipv6/ndisc.c), rt6_do_redirect() (route.c).
 */
import { AF_INET6, copyAddr, isGroupAddr, isSameAddr } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_OIF,
  FL_SADDR,
  FL_TYPE,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import type { InetPeers } from '../../inet/dst/inet-peer.ts'
import { NH_FAMILY, NH_GATEWAY } from '../../inet/fib/nexthop-constants.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import type { Redirects } from '../../inet/dst/redirects.ts'
import {
  NEIGH_LLADDR_BYTE,
  NEIGH_SEQ,
  NEIGH_STATE,
  NEIGH_UPDATE_F_ISROUTER,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NUD_STALE,
  NUD_VALID,
} from '../../neigh/neigh-constants.ts'
import type { NeighTable } from '../../neigh/neigh-table.ts'
import type { Neighbour } from '../../neigh/neighbour.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import { Ipi, type IpiSystem } from '../../shm/ipi.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { SKB_DATA, SKB_DEV, SKB_LEN } from '../../skb/skb.ts'
import * as ethernet from '../../wire/ethernet.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import * as ndisc from '../../wire/ndisc.ts'
import * as options from '../../wire/ndisc-options.ts'
import * as router from '../../wire/ndisc-router.ts'
import * as routerOptions from '../../wire/ndisc-router-options.ts'
import type { NdSend } from './nd-send.ts'

type NdiscRedirectDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  ipi: Pick<IpiSystem, 'send'>
  peers: InetPeers
  table: NeighTable
  /** First of four free words of this thread. */
  key: number
  ndSend: NdSend
} & Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Redirects, 'routeOutput' | 'learnRedirect'>
export type NdiscRedirect = ReturnType<typeof createNdiscRedirect>

const BETWEEN_MS = 1000

export const createNdiscRedirect = (deps: NdiscRedirectDeps) => {
  const { arena, skbs, drop, consume, ipi, peers, table, key, ndSend } = deps
  const { loadAddrs, routeOutput, learnRedirect } = deps
  const { i32, u8, layout } = arena
  const about = createFlowi()
  const way = createFlowi()
  const target = new Int32Array(4)
  const dest = new Int32Array(4)

  // ---- out

  /** The packet, routed by `fl`, leaves by the device it came in on; it stays the caller's. */
  const sendRedirect = (skb: number, fl: Flowi): void => {
    const dev = fl[FL_DEV]
    loadAddrs(skb, about)
    const row = fl[FL_DST]
    if (i32[row + NH_FAMILY] === AF_INET6) copyAddr(target, 0, i32, row + NH_GATEWAY)
    else copyAddr(target, 0, about, FL_DADDR)
    if (!peers.xrlimAllow(about, FL_DADDR, BETWEEN_MS)) return
    ndSend.toLink(dev)
    if (!ndSend.fromLinkLocal(dev)) return
    // a router is known by its address of the link (section 8.2)
    const isOnLink = isSameAddr(target, 0, about, FL_DADDR)
    if (!isOnLink && !ipv6.isLinkLocalAddr(target[0])) return
    if (!isNeighbour(dev) || !peers.xrlimAllow(about, FL_SADDR, BETWEEN_MS)) return
    transmit(skb, dev)
  }
  /** Is who sent the packet a host of this link? */
  const isNeighbour = (dev: number): boolean => {
    way.fill(0)
    way[FL_FAMILY] = AF_INET6
    way[FL_OIF] = dev
    copyAddr(way, FL_DADDR, about, FL_SADDR)
    return routeOutput(way) === 0 && i32[way[FL_DST] + NH_FAMILY] === 0
  }
  /** The target's link-layer address goes along where it is known, and as much of the packet as fits. */
  const transmit = (skb: number, dev: number): void => {
    copyAddr(i32, key, target, 0)
    const row = table.lookup(dev, key)
    const [seq, state] = [i32[row + NEIGH_SEQ], i32[row + NEIGH_STATE]]
    const isKnown = row !== 0 && (seq & 1) === 0 && (state & NUD_VALID) !== 0
    const lladdrLen = isKnown ? options.LL_ADDR_LEN : 0
    const room = ipv6.MIN_MTU - ipv6.HEADER - router.RD_LEN - lladdrLen
    const quoted = Math.min(room, i32[skb + SKB_LEN] + routerOptions.REDIRECT_HDR_LEN) & ~7
    const message = ndSend.begin(icmpv6.NDISC_REDIRECT, router.RD_LEN + lladdrLen + quoted)
    if (message === 0) return
    const at = i32[message + SKB_DATA]
    ndisc.setTarget(u8, at, target, 0)
    router.setDestination(u8, at, about, FL_DADDR)
    const mac = (row << 2) + NEIGH_LLADDR_BYTE
    if (isKnown)
      options.putLlAddr(
        u8,
        at + router.RD_LEN,
        options.ND_OPT_TARGET_LL_ADDR,
        ethernet.macHi(u8, mac),
        ethernet.macLo(u8, mac)
      )
    const header = at + router.RD_LEN + lladdrLen
    routerOptions.putRedirectHdr(u8, header, quoted)
    const len = quoted - routerOptions.REDIRECT_HDR_LEN
    skbs.copyBits(skb, 0, header + routerOptions.REDIRECT_HDR_LEN, len)
    copyAddr(ndSend.fl, FL_DADDR, about, FL_SADDR)
    ndSend.send(message)
  }

  // ---- in

  /** From ndiscRcv on CPU 0: a redirect, from this link and whole (section 8.1). */
  const redirectRcv = (skb: number, machine: Neighbour): void => {
    const at = i32[skb + SKB_DATA]
    const end = at + i32[skb + SKB_LEN]
    const dev = i32[skb + SKB_DEV]
    if (end - at < router.RD_LEN) return drop(skb, Drop.PKT_TOO_SMALL)
    loadAddrs(skb, about)
    if (!ipv6.isLinkLocalAddr(about[FL_SADDR])) return drop(skb, Drop.NOT_SPECIFIED)
    if (!options.check(u8, at + router.RD_LEN, end)) return drop(skb, Drop.IPV6_NDISC_BAD_OPTIONS)
    ndisc.target(u8, at, target, 0)
    router.destination(u8, at, dest, 0)
    const isOnLink = isSameAddr(target, 0, dest, 0)
    if (isGroupAddr(dest, 0) || (!isOnLink && !ipv6.isLinkLocalAddr(target[0])))
      return drop(skb, Drop.NOT_SPECIFIED)
    const option = options.find(u8, at + router.RD_LEN, end, options.ND_OPT_TARGET_LL_ADDR)
    if (option >= 0 && !options.isLlAddr(u8, option)) return drop(skb, Drop.NOT_SPECIFIED)
    if (listens(dev) && isFromOurRouter(dev) && learnTarget(machine, dev, option, isOnLink))
      tellAll(dev)
    consume(skb)
  }
  const listens = (dev: number): boolean => {
    const conf = confRow(arena, dev)
    return i32[conf + Conf6.forwarding] === 0 && i32[conf + Conf6.accept_redirects] !== 0
  }
  /** The way to `dest` now, in `way`; false where none leads there by this device. */
  const findWay = (dev: number): boolean => {
    way.fill(0)
    way[FL_FAMILY] = AF_INET6
    way[FL_OIF] = dev
    copyAddr(way, FL_DADDR, dest, 0)
    return routeOutput(way) === 0 && way[FL_TYPE] === RTN_UNICAST && way[FL_DEV] === dev
  }
  /** Only the router that packets are given to may say so. */
  const isFromOurRouter = (dev: number): boolean => {
    if (!findWay(dev)) return false
    const row = way[FL_DST]
    return i32[row + NH_FAMILY] === AF_INET6 && isSameAddr(i32, row + NH_GATEWAY, about, FL_SADDR)
  }
  const learnTarget = (
    machine: Neighbour,
    dev: number,
    option: number,
    isOnLink: boolean
  ): boolean => {
    copyAddr(i32, key, target, 0)
    const row = table.lookup(dev, key) || machine.create(dev, key)
    if (row === 0) return false
    const hi = option < 0 ? -1 : options.llAddrHi(u8, option)
    const lo = option < 0 ? 0 : options.llAddrLo(u8, option)
    const how = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE
    const isRouter = NEIGH_UPDATE_F_OVERRIDE_ISROUTER | NEIGH_UPDATE_F_ISROUTER
    machine.update(row, hi, lo, NUD_STALE, isOnLink ? how : how | isRouter)
    return true
  }
  const tellAll = (dev: number): void => {
    const [a, b, c, d] = dest
    const [e, f, g, h] = target
    for (let cpu = 0; cpu < layout.config.workers; cpu++)
      ipi.send(cpu, Ipi.REDIRECT, dev, a, b, c, d, e, f, g, h)
  }
  /** CPU 0 has believed a redirect: packets to `words` go by `gateway` (which may be itself: it is on the link). */
  const redirected = (dev: number, words: Int32Array, gateway: Int32Array): void => {
    copyAddr(dest, 0, words, 0)
    if (findWay(dev)) learnRedirect(way, AF_INET6, gateway, 0)
  }

  return { sendRedirect, redirectRcv, redirected }
}
