/**
 * Router advertisements in: a host's side. What a router says of itself, of prefixes and of routes goes to control, which
 * writes the tables (addrconf.ts), a piece at a time and only so fast: a flood costs what is limited here. Called
 * by ndisc.ts on CPU 0. RFC 4861 section 6.1.2 and 6.3.4, 4191, 4862 section 5.5.3;
 * Linux: ndisc_router_discovery() (net/ipv6/ndisc.c).
 */
import { copyAddr } from '../../base/family.ts'
import { createFlowi, FL_SADDR, RTN_LOCAL } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import {
  NEIGH_UPDATE_F_ISROUTER,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NUD_STALE,
} from '../../neigh/neigh-constants.ts'
import type { NeighTable } from '../../neigh/neigh-table.ts'
import type { Neighbour } from '../../neigh/neighbour.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Softnet } from '../../shm/counters.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import { Addrconf, Ipi, type IpiSystem } from '../../shm/ipi.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { SKB_DATA, SKB_DEV, SKB_LEN } from '../../skb/skb.ts'
import { isLinkLocalAddr } from '../../wire/ipv6.ts'
import * as options from '../../wire/ndisc-options.ts'
import * as router from '../../wire/ndisc-router.ts'
import * as routerOptions from '../../wire/ndisc-router-options.ts'
import { acceptsRa } from './accept-ra.ts'

type RaInputDeps = {
  arena: Arena
  skbs: Skbs
  time: Time
  drop: DropFn
  consume: ConsumeFn
  ipi: Pick<IpiSystem, 'send'>
  table: NeighTable
  /** First of four free words of this thread. */
  key: number
  /** core/stack/ipv6.ts: routers need not be asked for on this device any more (rs.ts). */
  onRouter: (ifindex: number) => void
} & Pick<AddrType, 'addrType'> &
  Pick<PacketAddrs, 'loadAddrs'>
export type RaInput = ReturnType<typeof createRaInput>

/** Pieces that go to control at once, and then every so many milliseconds one. */
const BURST = 128
const PIECE_MS = 10
/** Prefixes and routes of one message that are looked at. */
const MOST_PIECES = 32

export const createRaInput = (deps: RaInputDeps) => {
  const { arena, skbs, time, drop, consume, ipi, table, key, onRouter, addrType, loadAddrs } = deps
  const { i32, u8, f64, layout } = arena
  const count = counterBank(arena, skbs.thread)
  const received = createFlowi()
  const prefix = new Int32Array(4)
  const conf = (dev: number, word: number): number => i32[confRow(arena, dev) + word]
  let tokens = BURST
  let refilledAt = time[TIME_MS]

  /** May one piece more go to control? */
  const isAllowed = (): boolean => {
    const earned = Math.floor(((time[TIME_MS] - refilledAt) | 0) / PIECE_MS)
    if (earned > 0) {
      tokens = Math.min(BURST, tokens + earned)
      refilledAt = (refilledAt + earned * PIECE_MS) | 0
    }
    if (tokens > 0) return tokens-- > 0
    f64[count + Softnet.ra_limited]++
    return false
  }

  /** From ndiscRcv: it came from this link, and the message is whole. */
  const raRcv = (skb: number, machine: Neighbour): void => {
    const at = i32[skb + SKB_DATA]
    const end = at + i32[skb + SKB_LEN]
    const dev = i32[skb + SKB_DEV]
    loadAddrs(skb, received)
    if (end - at < router.RA_LEN) return drop(skb, Drop.PKT_TOO_SMALL)
    if (!isLinkLocalAddr(received[FL_SADDR])) return drop(skb, Drop.NOT_SPECIFIED)
    if (!options.check(u8, at + router.RA_LEN, end)) return drop(skb, Drop.IPV6_NDISC_BAD_OPTIONS)
    learnNeighbour(machine, dev, optionOf(at, end, options.ND_OPT_SOURCE_LL_ADDR))
    if (acceptsRa(arena, dev) && !isFromUs(dev)) {
      onRouter(dev)
      tellRouter(dev, at, optionOf(at, end, routerOptions.ND_OPT_MTU))
      tellOptions(dev, at + router.RA_LEN, end)
    }
    consume(skb)
  }
  const optionOf = (at: number, end: number, type: number): number =>
    options.find(u8, at + router.RA_LEN, end, type)
  const isFromUs = (dev: number): boolean =>
    conf(dev, Conf6.accept_ra_from_local) === 0 && addrType(received, FL_SADDR, dev) === RTN_LOCAL
  /** The router is a neighbour, and says where it is. */
  const learnNeighbour = (machine: Neighbour, dev: number, option: number): void => {
    if (option >= 0 && !options.isLlAddr(u8, option)) return
    copyAddr(i32, key, received, FL_SADDR)
    const row = table.lookup(dev, key) || machine.create(dev, key)
    if (row === 0) return
    const how = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE
    const router = NEIGH_UPDATE_F_OVERRIDE_ISROUTER | NEIGH_UPDATE_F_ISROUTER
    const hi = option < 0 ? -1 : options.llAddrHi(u8, option)
    const lo = option < 0 ? 0 : options.llAddrLo(u8, option)
    machine.update(row, hi, lo, NUD_STALE, how | router)
  }

  const tell = (what: number, ...words: number[]): void => {
    if (isAllowed()) ipi.send(layout.controlThread, Ipi.ADDRCONF, what, ...words)
  }
  const sourceWords = (): [number, number, number, number] => [
    received[FL_SADDR],
    received[FL_SADDR + 1],
    received[FL_SADDR + 2],
    received[FL_SADDR + 3],
  ]
  const tellRouter = (dev: number, at: number, mtuOption: number): void => {
    const pref = router.prefOf(router.flags(u8, at))
    const hasMtu = mtuOption >= 0 && routerOptions.isMtu(u8, mtuOption)
    const mtu = hasMtu ? routerOptions.mtu(u8, mtuOption) | 0 : 0
    const seconds = router.lifetime(u8, at)
    const words = [...sourceWords(), seconds, pref, router.hopLimit(u8, at), mtu]
    tell(Addrconf.RA_ROUTER, dev, ...words, router.reachable(u8, at), router.retrans(u8, at))
  }
  const tellOptions = (dev: number, at: number, end: number): void => {
    let left = MOST_PIECES
    for (let next = at; next < end && left > 0; next += routerOptions.lenOf(u8, next)) {
      const type = u8[next]
      if (type === routerOptions.ND_OPT_PREFIX_INFO) left -= tellPrefix(dev, next)
      else if (type === routerOptions.ND_OPT_ROUTE_INFO) left -= tellRoute(dev, next)
    }
  }
  /** 1 when there was something to tell; so does tellRoute. */
  const tellPrefix = (dev: number, at: number): number => {
    if (!routerOptions.isPrefixInfo(u8, at) || conf(dev, Conf6.accept_ra_pinfo) === 0) return 0
    routerOptions.prefix(u8, at, prefix)
    const plen = routerOptions.prefixlen(u8, at)
    // of the link's own prefix nothing is to be said (section 5.5.3 b), nor of groups
    if (isLinkLocalAddr(prefix[0]) || prefix[0] >>> 24 === 0xff || plen > 128) return 0
    const how = plen | (routerOptions.prefixFlags(u8, at) << 8)
    const valid = routerOptions.lifetime(u8, at)
    tell(Addrconf.RA_PREFIX, dev, ...prefix, how, valid, routerOptions.preferred(u8, at))
    return 1
  }
  const tellRoute = (dev: number, at: number): number => {
    const plen = routerOptions.prefixlen(u8, at)
    const isWanted =
      plen >= conf(dev, Conf6.accept_ra_rt_info_min_plen) &&
      plen <= conf(dev, Conf6.accept_ra_rt_info_max_plen) &&
      (plen > 0 || conf(dev, Conf6.accept_ra_defrtr) !== 0)
    // one of the reserved preference is none (RFC 4191 section 2.3)
    const bits = routerOptions.prefixFlags(u8, at)
    if (!routerOptions.isRouteInfo(u8, at) || !isWanted || ((bits >> 3) & 3) === 2) return 0
    routerOptions.routePrefix(u8, at, prefix)
    const how = dev | (plen << 16) | (router.prefOf(bits) << 24)
    tell(Addrconf.RA_ROUTE, how, ...sourceWords(), ...prefix, routerOptions.lifetime(u8, at))
    return 1
  }

  /** The address (words, at) was a router's, who has just said as a neighbour that he is none any more. */
  const routerGone = (dev: number, words: Int32Array, at: number): void => {
    const gone = [words[at], words[at + 1], words[at + 2], words[at + 3]]
    if (acceptsRa(arena, dev)) tell(Addrconf.RA_ROUTER, dev, ...gone, 0, 0, 0, 0, 0, 0)
  }

  return { raRcv, routerGone }
}
