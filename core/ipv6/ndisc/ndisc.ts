/**
 * Neighbour discovery: IPv6's way to ask for a neighbour and to answer. ndiscRcv takes solicitations and advertisements from
 * ICMPv6, on worker 0 (other workers send theirs there); ndSolicit is what the neighbour machine calls.
 * RFC 4861 section 7, 6980; Linux: net/ipv6/ndisc.c.
 */
import { AF_INET6, copyAddr, isAnyAddr, isGroupAddr } from '../../base/family.ts'
import { createFlowi, FL_DADDR, FL_SADDR } from '../../base/flowi.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import {
  IFA_F_OPTIMISTIC,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_ADDR,
  IFA_FAMILY,
  IFA_TOP,
} from '../../inet/addr/ifaddr-constants.ts'
import { IPCB_FLAGS, IPSKB_REASSEMBLED } from '../../inet/inet-constants.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import { createSourceSelection } from '../../inet/addr/source.ts'
import {
  NEIGH_ADDR,
  NEIGH_FLAGS,
  NEIGH_IFINDEX,
  NEIGH_STATE,
  NEIGH_UPDATE_F_ISROUTER,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NTF_ROUTER,
  NUD_FAILED,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../neigh/neigh-constants.ts'
import type { Pneigh } from '../../neigh/pneigh.ts'
import type { ProxyQueue } from '../../neigh/proxy-queue.ts'
import { PN_FLAGS } from '../../neigh/pneigh-constants.ts'
import type { NeighTable } from '../../neigh/neigh-table.ts'
import type { Neighbour } from '../../neigh/neighbour.ts'
import { DEV_FLAGS, DEV_MAC, deviceRow, IFF_LOOPBACK, IFF_NOARP } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Softnet } from '../../shm/counters.ts'
import { CONF_ALL, Conf6, confRow } from '../../shm/devconf.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  PACKET_HOST,
  PACKET_LOOPBACK,
  SKB_DATA,
  SKB_DEV,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  STAGE_SOCKET,
} from '../../skb/skb.ts'
import type { Machine } from '../../stack/machine.ts'
import * as ethernet from '../../wire/ethernet.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import * as ndisc from '../../wire/ndisc.ts'
import * as options from '../../wire/ndisc-options.ts'
import { ALL_HOPS, type NdSend } from './nd-send.ts'
import type { NdiscRedirect } from './ndisc-redirect.ts'
import type { RaInput } from '../addrconf/ra-input.ts'
import type { RaOutput } from '../addrconf/ra-output.ts'

type NdiscDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  table: NeighTable
  /** The state machine, on worker 0; null on other workers, which re-steer what they get. */
  neighbour: Neighbour | null
  /** core/stack/ipv6.ts: of an address that is being tried (dad.ts, on worker 0): it is somebody's; this question is our own. */
  trying: {
    gone: (row: number) => void
    hasAsked: (row: number, nonceHi: number, nonceLo: number) => boolean
  } | null
  ndSend: NdSend
  /** First of four free words of this thread. */
  key: number
} & Pick<RaInput, 'raRcv' | 'routerGone'> &
  Pick<RaOutput, 'rsRcv'> &
  Pick<NdiscRedirect, 'redirectRcv'> &
  Pick<AddrType, 'isAnycastOn'> &
  Pick<Pneigh, 'pneighLookup'> &
  Pick<ProxyQueue, 'mustWait' | 'enqueue'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Machine, 'steerTo'>

export type Ndisc = ReturnType<typeof createNdisc>

const ALL_NODES = Int32Array.of(0xff020000, 0, 0, 1)
const NO_FLAGS = 0

/** The group by which an address's owner is asked (RFC 4291 section 2.7.1). */
const toSolicitedNode = (to: Int32Array, toAt: number, words: Int32Array, at: number): void => {
  to[toAt] = 0xff020000 | 0
  to[toAt + 1] = 0
  to[toAt + 2] = 1
  to[toAt + 3] = 0xff000000 | (words[at + 3] & 0xffffff)
}
const isSolicitedNode = (words: Int32Array, at: number): boolean =>
  words[at] === (0xff020000 | 0) &&
  words[at + 1] === 0 &&
  words[at + 2] === 1 &&
  words[at + 3] >>> 24 === 0xff

export const createNdisc = (deps: NdiscDeps) => {
  const { arena, skbs, drop, consume, table, neighbour, trying, steerTo, key } = deps
  const { isAnycastOn, pneighLookup, mustWait, enqueue, loadAddrs, rsRcv, redirectRcv } = deps
  const { raRcv, routerGone } = deps
  const { i32, u8, f64, layout } = arena
  const { select6 } = createSourceSelection(arena)
  const count = counterBank(arena, skbs.thread)
  const received = createFlowi()
  const { fl, ownAddr, isTentative, toLink, fromLinkLocal, begin, putOwnAddr, send } = deps.ndSend
  const target = new Int32Array(4)
  const asked = new Int32Array(4)
  /** Does what is advertised next speak of a router? */
  let advertisesRouter = false

  const flagsOf = (dev: number): number => i32[deviceRow(arena, dev) + DEV_FLAGS]
  const hasNeighbours = (dev: number): boolean => (flagsOf(dev) & (IFF_LOOPBACK | IFF_NOARP)) === 0
  const isRouter = (dev: number): boolean => i32[confRow(arena, dev) + Conf6.forwarding] !== 0

  const isOptimistic = (row: number): boolean => (i32[row + IFA_FLAGS] & IFA_F_OPTIMISTIC) !== 0

  // ---- out

  /** Sends a solicitation or an advertisement about `about`; `option` is that of the device's own address, 0 for none. */
  const ndSend = (dev: number, type: number, flags: number, about: Int32Array, option: number) => {
    const skb = begin(type, ndisc.ND_MSG_LEN + (option === 0 ? 0 : options.LL_ADDR_LEN))
    if (skb === 0) return
    const at = i32[skb + SKB_DATA]
    ndisc.setFlags(u8, at, flags)
    ndisc.setTarget(u8, at, about, 0)
    if (option !== 0) putOwnAddr(at + ndisc.ND_MSG_LEN, dev, option)
    send(skb)
  }
  /** Asks whether the address in a row is anybody's, as nobody; with a nonce unless it is zero (RFC 4862 section 5.4.2, 7527). */
  const ndProbe = (row: number, nonceHi: number, nonceLo: number): void => {
    toLink(i32[row + IFA_IFINDEX])
    copyAddr(asked, 0, i32, row + IFA_ADDR)
    toSolicitedNode(fl, FL_DADDR, asked, 0)
    const hasNonce = (nonceHi | nonceLo) !== 0
    const len = ndisc.ND_MSG_LEN + (hasNonce ? options.LL_ADDR_LEN : 0)
    const skb = begin(icmpv6.NDISC_NEIGHBOUR_SOLICITATION, len)
    if (skb === 0) return
    const at = i32[skb + SKB_DATA]
    ndisc.setTarget(u8, at, asked, 0)
    if (hasNonce) options.putNonce(u8, at + ndisc.ND_MSG_LEN, nonceHi, nonceLo)
    send(skb)
  }

  /** Asks for the entry's neighbour, for a packet from the address at (words, from), which is zero for none (ndisc_solicit). */
  const ndSolicit = (row: number, isUnicast: boolean, words: Int32Array, from: number): void => {
    const dev = i32[row + NEIGH_IFINDEX]
    toLink(dev)
    copyAddr(asked, 0, i32, row + NEIGH_ADDR)
    if (isUnicast) copyAddr(fl, FL_DADDR, asked, 0)
    else toSolicitedNode(fl, FL_DADDR, asked, 0)
    const own = isAnyAddr(words, from) ? 0 : ownAddr(dev, words, from)
    if (own !== 0 && !isTentative(own)) copyAddr(fl, FL_SADDR, words, from)
    else if (!fromLinkLocal(dev)) return
    const option = options.ND_OPT_SOURCE_LL_ADDR
    ndSend(dev, icmpv6.NDISC_NEIGHBOUR_SOLICITATION, NO_FLAGS, asked, option)
  }
  /** Says that an address is here (ndisc_send_na), to FL_DADDR; from the address itself unless it is shared. */
  const sendAdvertisement = (dev: number, flags: number, isOwn: boolean, withAddr: boolean) => {
    if (isOwn) copyAddr(fl, FL_SADDR, target, 0)
    else if (!select6(fl, dev)) return
    const option = withAddr ? options.ND_OPT_TARGET_LL_ADDR : 0
    const all = flags | (advertisesRouter ? ndisc.NA_ROUTER : 0)
    ndSend(dev, icmpv6.NDISC_NEIGHBOUR_ADVERTISEMENT, all, target, option)
  }

  const notifies = (dev: number): boolean =>
    [CONF_ALL, dev].some((row) => i32[confRow(arena, row) + Conf6.ndisc_notify] !== 0)
  /** Says to all that the device's addresses are its own (ndisc_notify; ndisc_send_unsol_na, section 7.2.6). */
  const ndNotify = (dev: number): void => {
    if (!notifies(dev) || !hasNeighbours(dev)) return
    const end = layout.ifaddrs + i32[layout.ifaddrs + IFA_TOP] * IFADDR_WORDS
    for (let row = layout.ifaddrs + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      if (i32[row + IFA_IFINDEX] !== dev || i32[row + IFA_FAMILY] !== AF_INET6) continue
      if (isTentative(row)) continue
      toLink(dev)
      copyAddr(fl, FL_DADDR, ALL_NODES, 0)
      copyAddr(target, 0, i32, row + IFA_ADDR)
      advertisesRouter = isRouter(dev)
      sendAdvertisement(dev, ndisc.NA_OVERRIDE, true, true)
    }
  }

  // ---- in

  /** From icmpv6Rcv, the checksum right: data is the ICMPv6 header, and the message whole behind it. */
  const ndiscRcv = (skb: number): void => {
    const at = i32[skb + SKB_DATA]
    // RFC 6980: what was in pieces cannot be looked into on its way
    if ((i32[skb + IPCB_FLAGS] & IPSKB_REASSEMBLED) !== 0) return drop(skb, Drop.IPV6_NDISC_FRAG)
    if (ipv6.hopLimit(u8, i32[skb + SKB_NETWORK]) !== ALL_HOPS)
      return drop(skb, Drop.IPV6_NDISC_HOP_LIMIT)
    if (icmpv6.code(u8, at) !== 0) return drop(skb, Drop.IPV6_NDISC_BAD_CODE)
    if (neighbour === null) return steerTo(0, skb, STAGE_SOCKET)
    const type = icmpv6.type(u8, at)
    if (type === icmpv6.NDISC_ROUTER_SOLICITATION) return rsRcv(skb, neighbour)
    if (type === icmpv6.NDISC_ROUTER_ADVERTISEMENT) return raRcv(skb, neighbour)
    if (type === icmpv6.NDISC_REDIRECT) return redirectRcv(skb, neighbour)
    loadAddrs(skb, received)
    neighbourMessage(skb, type === icmpv6.NDISC_NEIGHBOUR_SOLICITATION ? recvNs : recvNa)
  }
  type Handler = (skb: number, at: number, end: number, dev: number, machine: Neighbour) => void
  /** What solicitations and advertisements have in common (sections 7.1.1 and 7.1.2). */
  const neighbourMessage = (skb: number, handler: Handler): void => {
    const at = i32[skb + SKB_DATA]
    const end = at + i32[skb + SKB_LEN]
    if (!ndisc.check(u8, at, end - at)) return drop(skb, Drop.PKT_TOO_SMALL)
    if (!options.check(u8, at + ndisc.ND_MSG_LEN, end))
      return drop(skb, Drop.IPV6_NDISC_BAD_OPTIONS)
    ndisc.target(u8, at, target, 0)
    if (isGroupAddr(target, 0)) return drop(skb, Drop.NOT_SPECIFIED)
    handler(skb, at, end, i32[skb + SKB_DEV], neighbour!)
  }
  const optionOf = (at: number, end: number, type: number): number =>
    options.find(u8, at + ndisc.ND_MSG_LEN, end, type)

  /** A solicitation (ndisc_recv_ns). */
  const recvNs = (skb: number, at: number, end: number, dev: number, machine: Neighbour): void => {
    const isProbe = isAnyAddr(received, FL_SADDR)
    const isToGroup = isGroupAddr(received, FL_DADDR)
    const option = optionOf(at, end, options.ND_OPT_SOURCE_LL_ADDR)
    if (isProbe && (!isSolicitedNode(received, FL_DADDR) || option >= 0))
      return drop(skb, Drop.NOT_SPECIFIED)
    if (option >= 0 && !options.isLlAddr(u8, option)) return drop(skb, Drop.NOT_SPECIFIED)
    const own = ownAddr(dev, target, 0)
    const proxied = own === 0 ? proxiedOn(dev) : 0
    if (own === 0 && proxied === 0 && !isAnycastOn(dev, target, 0)) return consume(skb)
    if (own === 0 && isToGroup && isForMany(skb) && mustWait(skb)) return enqueue(skb)
    advertisesRouter = proxied === 0 ? isRouter(dev) : (i32[proxied + PN_FLAGS] & NTF_ROUTER) !== 0
    if (own !== 0 && isTentative(own)) {
      if (isProbe) heardProbe(own, optionOf(at, end, options.ND_OPT_NONCE))
      // it is in use already, though not for sure
      if (isProbe || !isOptimistic(own)) return consume(skb)
    }
    if (isProbe) {
      answerProbe(dev, own !== 0)
      return consume(skb)
    }
    f64[count + (isToGroup ? Softnet.neigh_rcv_probes_mcast : Softnet.neigh_rcv_probes_ucast)]++
    if (!hasNeighbours(dev)) return consume(skb)
    if (learnAsker(machine, dev, option, !isToGroup)) answer(dev, own !== 0, isToGroup)
    consume(skb)
  }
  const isForMany = (skb: number): boolean => i32[skb + SKB_PKT_TYPE] !== PACKET_HOST
  /** Row of the target where a router answers for it (pndisc_is_router), or 0. */
  const proxiedOn = (dev: number): number => {
    const isOn = [CONF_ALL, dev].some((row) => i32[confRow(arena, row) + Conf6.proxy_ndp] !== 0)
    return isOn && isRouter(dev) ? pneighLookup(dev, target, 0) : 0
  }
  /** Somebody tries the address that we are trying, and neither shall have it (RFC 4862 section 5.4.3). */
  const heardProbe = (own: number, option: number): void => {
    const isMarked = option >= 0 && options.isNonce(u8, option)
    if (isMarked && trying!.hasAsked(own, options.nonceHi(u8, option), options.nonceLo(u8, option)))
      return
    trying!.gone(own)
  }
  /** Somebody tries whether the address is free: all hear that it is not (section 7.2.4). */
  const answerProbe = (dev: number, isOwn: boolean): void => {
    toLink(dev)
    copyAddr(fl, FL_DADDR, ALL_NODES, 0)
    sendAdvertisement(dev, isOwn ? ndisc.NA_OVERRIDE : 0, isOwn, true)
  }
  /** Who asked by its group may not know us at all; what is shared overrides nothing (section 7.2.7). */
  const answer = (dev: number, isOwn: boolean, isToGroup: boolean): void => {
    toLink(dev)
    copyAddr(fl, FL_DADDR, received, FL_SADDR)
    const override = isOwn && isToGroup && !isOptimisticTarget(dev) ? ndisc.NA_OVERRIDE : 0
    sendAdvertisement(dev, ndisc.NA_SOLICITED | override, isOwn, isToGroup)
  }
  /** What is not sure to be ours overrides nothing (RFC 4429 section 3.3). */
  const isOptimisticTarget = (dev: number): boolean => isOptimistic(ownAddr(dev, target, 0))
  /** Section 7.2.3: the asker's entry; one that gives no link-layer address is looked for only where we can answer it. */
  const learnAsker = (machine: Neighbour, dev: number, option: number, creates: boolean) => {
    copyAddr(i32, key, received, FL_SADDR)
    let row = table.lookup(dev, key)
    if (row === 0 && (creates || option >= 0)) row = machine.create(dev, key)
    if (row === 0) return false
    const hi = option < 0 ? -1 : options.llAddrHi(u8, option)
    const lo = option < 0 ? 0 : options.llAddrLo(u8, option)
    const how = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE
    machine.update(row, hi, lo, NUD_STALE, how)
    return true
  }

  /** An advertisement (ndisc_recv_na). */
  const recvNa = (skb: number, at: number, end: number, dev: number, machine: Neighbour): void => {
    const flags = ndisc.flags(u8, at)
    const isSolicited = (flags & ndisc.NA_SOLICITED) !== 0
    if (isSolicited && isGroupAddr(received, FL_DADDR)) return drop(skb, Drop.NOT_SPECIFIED)
    const option = optionOf(at, end, options.ND_OPT_TARGET_LL_ADDR)
    if (option >= 0 && !options.isLlAddr(u8, option)) return drop(skb, Drop.NOT_SPECIFIED)
    const own = ownAddr(dev, target, 0)
    if (own !== 0) {
      if (i32[skb + SKB_PKT_TYPE] !== PACKET_LOOPBACK) {
        f64[count + Softnet.ndisc_conflicts]++
        if (isTentative(own)) trying!.gone(own)
      }
      return consume(skb)
    }
    // our own answer for another, which comes back
    if (option >= 0 && isOwnMac(dev, option) && proxiedOn(dev) !== 0) return consume(skb)
    copyAddr(i32, key, target, 0)
    const row = table.lookup(dev, key)
    // what has failed is asked for anew, not believed
    if (row !== 0 && i32[row + NEIGH_STATE] !== NUD_FAILED) heard(machine, row, flags, option)
    consume(skb)
  }
  const isOwnMac = (dev: number, option: number): boolean => {
    const own = (deviceRow(arena, dev) + DEV_MAC) << 2
    return (
      options.llAddrHi(u8, option) === ethernet.macHi(u8, own) &&
      options.llAddrLo(u8, option) === ethernet.macLo(u8, own)
    )
  }
  /** Section 7.2.5. */
  const heard = (machine: Neighbour, row: number, flags: number, option: number): void => {
    const hi = option < 0 ? -1 : options.llAddrHi(u8, option)
    const lo = option < 0 ? 0 : options.llAddrLo(u8, option)
    const state = (flags & ndisc.NA_SOLICITED) !== 0 ? NUD_REACHABLE : NUD_STALE
    const override = (flags & ndisc.NA_OVERRIDE) !== 0 ? NEIGH_UPDATE_F_OVERRIDE : 0
    const router = (flags & ndisc.NA_ROUTER) !== 0 ? NEIGH_UPDATE_F_ISROUTER : 0
    const how = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER
    const wasRouter = (i32[row + NEIGH_FLAGS] & NTF_ROUTER) !== 0
    machine.update(row, hi, lo, state, how | override | router)
    // who is a host from now on is no way to anywhere (rt6_clean_tohost)
    if (wasRouter && (i32[row + NEIGH_FLAGS] & NTF_ROUTER) === 0)
      routerGone(i32[row + NEIGH_IFINDEX], target, 0)
  }

  return { ndiscRcv, ndSolicit, ndProbe, ndNotify }
}
