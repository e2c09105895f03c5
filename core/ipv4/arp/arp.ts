/**
 * ARP: IPv4's way to ask for a neighbour and to answer. arp_rcv takes every ARP frame, on worker 0 (other workers send
 * theirs there); arp_solicit is what the neighbour machine calls. Learns only what Linux learns: from a request
 * that is answered, and about entries that are already there. RFC 826, 5227; Linux: net/ipv4/arp.c.
 */
import { AF_INET, V4_MAPPED } from '../../base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_FAMILY,
  FL_IIF,
  FL_MARK,
  FL_OIF,
  FL_SADDR,
  FL_TYPE,
  RTN_LOCAL,
  RTN_UNICAST,
} from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { IFF_LOOPBACK, IFF_NOARP, l3mdevOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Softnet } from '../../shm/counters.ts'
import { CONF_ALL, Conf4, confRow } from '../../shm/devconf.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  PACKET_HOST,
  PACKET_OTHERHOST,
  SKB_DATA,
  SKB_DEV,
  SKB_LEN,
  SKB_MARK,
  SKB_PKT_TYPE,
  STAGE_RECEIVED,
} from '../../skb/skb.ts'
import * as arp from '../../wire/arp.ts'
import * as ethernet from '../../wire/ethernet.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import {
  NEIGH_ADDR,
  NEIGH_IFINDEX,
  NEIGH_LLADDR_BYTE,
  NEIGH_UPDATED,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../neigh/neigh-constants.ts'
import type { Pneigh } from '../../neigh/pneigh.ts'
import type { ProxyQueue } from '../../neigh/proxy-queue.ts'
import type { NeighTable } from '../../neigh/neigh-table.ts'
import type { Neighbour } from '../../neigh/neighbour.ts'
import { NEIGH_UPDATE_F_OVERRIDE } from '../../neigh/neigh-constants.ts'
import type { Machine } from '../../stack/machine.ts'
import type { Acd } from './acd.ts'
import type { ArpSend } from './arp-send.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { Route } from '../../inet/fib/route.ts'

type ArpDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  time: Time
  table: NeighTable
  /** The state machine, on worker 0; null on other workers, which re-steer what they get. */
  neighbour: Neighbour | null
  /** core/stack/neigh.ts: select4 of inet/addr/source.ts with RT_SCOPE_LINK; 0 is none. */
  selectSource: (dev: number, target: number) => number
  /** Address conflict detection, on worker 0. */
  acd: Pick<Acd, 'heard' | 'defend'> | null
  /** First of four free words of this thread. */
  key: number
} & Pick<Machine, 'steerTo'> &
  Pick<
    AddrType,
    | 'isLocalAddress'
    | 'inetAddrType'
    | 'isAddrOnLink'
    | 'isOwnOf'
    | 'isOwnBeyondHost'
    | 'forEachOwnOf'
  > &
  Pick<Route, 'routeInput' | 'routeOutput'> &
  Pick<Pneigh, 'pneighLookup'> &
  Pick<ProxyQueue, 'mustWait' | 'enqueue'> &
  Pick<ArpSend, 'arpSend' | 'arpAnnounce' | 'hasMac' | 'flagsOf'>

/** locktime counts in hundredths of a second. */
const LOCKTIME_UNIT_MS = 10
/** What became of a request. */
const NOT_OURS = 0
const ANSWERED = 1
const ANSWERED_LATER = 2

export const createArp = (deps: ArpDeps) => {
  const { arena, skbs, drop, consume, time, table, neighbour, steerTo, acd } = deps
  const { isLocalAddress, inetAddrType, isAddrOnLink, isOwnOf, isOwnBeyondHost, forEachOwnOf } =
    deps
  const {
    pneighLookup,
    mustWait,
    enqueue,
    routeInput,
    routeOutput,
    selectSource,
    arpSend,
    arpAnnounce,
    hasMac,
    flagsOf,
    key,
  } = deps
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const all = confRow(arena, CONF_ALL)
  const fl = createFlowi()
  fl[FL_FAMILY] = AF_INET
  fl[FL_SADDR + 2] = fl[FL_DADDR + 2] = V4_MAPPED
  i32[key] = 0
  i32[key + 1] = 0
  i32[key + 2] = V4_MAPPED

  const either = (dev: number, setting: number): boolean =>
    (i32[all + setting] | i32[confRow(arena, dev) + setting]) !== 0
  const most = (dev: number, setting: number): number =>
    Math.max(i32[all + setting], i32[confRow(arena, dev) + setting])

  /** Asks who has the entry's address, for a packet from the address at (words, from), which is zero for none. */
  const arpSolicit = (row: number, isUnicast: boolean, words: Int32Array, from: number): void => {
    const wantedBy = words[from + 3]
    const dev = i32[row + NEIGH_IFINDEX]
    const target = i32[row + NEIGH_ADDR + 3]
    const lladdr = (row << 2) + NEIGH_LLADDR_BYTE
    const hi = isUnicast ? ethernet.macHi(u8, lladdr) : 0xffff
    const lo = isUnicast ? ethernet.macLo(u8, lladdr) : -1
    arpSend(arp.ARPOP_REQUEST, dev, announced(dev, target, wantedBy), target, hi, lo, 0, 0)
  }
  /** Who asks: arp_announce 0, the packet's source when it is ours; 1, when the target knows it; 2, the best for the target. */
  const announced = (dev: number, target: number, wantedBy: number): number => {
    const how = most(dev, Conf4.arp_announce)
    if (wantedBy !== 0 && how < 2 && isLocalAddress(wantedBy, dev))
      if (how === 0 || isAddrOnLink(dev, target, wantedBy)) return wantedBy
    return selectSource(dev, target)
  }
  /** Says to all that the device's addresses are its own (arp_notify; an announcement, RFC 5227 section 3). */
  const arpNotify = (dev: number): void => {
    if (most(dev, Conf4.arp_notify) === 0) return
    forEachOwnOf(dev, (addr) => arpAnnounce(dev, addr))
  }

  /** A received ARP frame, data at the ARP header. */
  const arpRcv = (skb: number): void => {
    const dev = i32[skb + SKB_DEV]
    if (i32[skb + SKB_PKT_TYPE] === PACKET_OTHERHOST) return drop(skb, Drop.OTHERHOST)
    if ((flagsOf(dev) & (IFF_NOARP | IFF_LOOPBACK)) !== 0) return consume(skb)
    if (!skbs.mayPull(skb, arp.MIN_HEADER)) return drop(skb, Drop.ARP_INVALID)
    const at = i32[skb + SKB_DATA]
    if (!arp.check(u8, at, i32[skb + SKB_LEN])) return drop(skb, Drop.ARP_INVALID)
    if (neighbour === null) return steerTo(0, skb, STAGE_RECEIVED)
    arpProcess(skb, at, dev, neighbour)
  }

  const arpProcess = (skb: number, at: number, dev: number, machine: Neighbour): void => {
    const op = arp.operation(u8, at)
    const sip = arp.senderIp(u8, at)
    const tip = arp.targetIp(u8, at)
    const hi = arp.senderMacHi(u8, at)
    const lo = arp.senderMacLo(u8, at)
    if (op !== arp.ARPOP_REQUEST && op !== arp.ARPOP_REPLY) return drop(skb, Drop.ARP_INVALID)
    // nobody's link address is that of many (RFC 1812 section 3.3.2)
    if (ethernet.isMulticastMac(hi)) return drop(skb, Drop.ARP_INVALID)
    const isLoopback = ipv4.isLoopbackAddr(tip) && !either(dev, Conf4.route_localnet)
    if (ipv4.isMulticastAddr(tip) || isLoopback) return drop(skb, Drop.ARP_INVALID)
    if (sip === tip && either(dev, Conf4.drop_gratuitous_arp)) return drop(skb, Drop.ARP_INVALID)
    acd?.heard(dev, sip, tip, hi, lo)
    if (op === arp.ARPOP_REQUEST) {
      if (isLocalAddress(tip, dev)) countProbe(skb)
      switch (arpRequest(skb, dev, machine, sip, tip, hi, lo)) {
        case ANSWERED:
          return consume(skb)
        case ANSWERED_LATER:
          return enqueue(skb)
      }
    }
    // a probe: someone asks whether the address is free (RFC 5227 section 2.1.1)
    if (sip === 0) return consume(skb)
    if (!hasMac(dev, hi, lo) && isOwnOf(dev, sip)) conflict(dev, sip)
    const isGarp = isGratuitous(at, op, dev)
    const row = lookup(machine, dev, op, sip, isGarp)
    if (row === 0) return consume(skb)
    updateKnown(machine, row, op, isToUs(skb), isGarp, hi, lo)
    consume(skb)
  }
  const countProbe = (skb: number): void => {
    f64[count + (isToUs(skb) ? Softnet.neigh_rcv_probes_ucast : Softnet.neigh_rcv_probes_mcast)]++
  }
  /** Another station says that an address of this device is its own (RFC 5227 section 2.4). */
  const conflict = (dev: number, sip: number): void => {
    f64[count + Softnet.arp_conflicts]++
    acd?.defend(dev, sip)
  }

  /** Answers a request that is for us, or for whom we stand in; NOT_OURS when it is neither. */
  const arpRequest = (
    skb: number,
    dev: number,
    machine: Neighbour,
    sip: number,
    tip: number,
    hi: number,
    lo: number
  ): number => {
    if (sip === 0) {
      const isOurs = isLocalAddress(tip, dev) && !isIgnored(dev, sip, tip)
      if (isOurs) arpSend(arp.ARPOP_REPLY, dev, tip, sip, hi, lo, hi, lo)
      return ANSWERED
    }
    // whoever could not send from there is not answered either
    fl[FL_IIF] = dev
    fl[FL_SADDR + 3] = sip
    fl[FL_DADDR + 3] = tip
    fl[FL_MARK] = i32[skb + SKB_MARK]
    if (routeInput(fl) !== 0) return NOT_OURS
    const type = fl[FL_TYPE]
    if (type === RTN_LOCAL) {
      if (isIgnored(dev, sip, tip) || isFiltered(dev, sip, tip)) return ANSWERED
    } else if (type !== RTN_UNICAST || !standsIn(dev, sip, tip)) return NOT_OURS
    const knows = learnFromRequest(machine, dev, sip, hi, lo)
    if (type !== RTN_LOCAL && !isToUs(skb) && mustWait(skb)) return ANSWERED_LATER
    if (knows) arpSend(arp.ARPOP_REPLY, dev, tip, sip, hi, lo, hi, lo)
    return ANSWERED
  }
  /**
   * arp_ignore: 1, addresses of other devices are not ours here; 2, nor is one in another network than who asks; 3, nor
   * are those that this host keeps to itself; 8, none is.
   */
  const isIgnored = (dev: number, sip: number, tip: number): boolean => {
    switch (most(dev, Conf4.arp_ignore)) {
      case 1:
        return !isOwnOf(dev, tip)
      case 2:
        return !isOwnOf(dev, tip) || !isAddrOnLink(dev, tip, sip)
      case 3:
        return !isOwnBeyondHost(tip)
      case 8:
        return true
    }
    return false
  }
  /** arp_filter: what is sent to who asks would leave by another device. */
  const isFiltered = (dev: number, sip: number, tip: number): boolean => {
    if (!either(dev, Conf4.arp_filter)) return false
    fl[FL_IIF] = 0
    fl[FL_OIF] = l3mdevOf(arena, dev)
    fl[FL_SADDR + 3] = tip
    fl[FL_DADDR + 3] = sip
    return routeOutput(fl) !== 0 || fl[FL_DEV] !== dev
  }
  /** proxy_arp, or `ip neigh add proxy`: the target is reached by another device; proxy_arp_pvlan: by this one, whose hosts hear us alone (RFC 3069). */
  const standsIn = (dev: number, sip: number, tip: number): boolean =>
    fl[FL_DEV] !== dev
      ? either(dev, Conf4.proxy_arp) || pneighLookup(dev, fl, FL_DADDR) !== 0
      : sip !== tip && either(dev, Conf4.proxy_arp_pvlan)

  /** A gratuitous reply names its sender twice in full (arp_is_garp), and nobody says that he is us. */
  const isGratuitous = (at: number, op: number, dev: number): boolean =>
    arp.isGratuitous(u8, at) &&
    inetAddrType(arp.senderIp(u8, at), dev) === RTN_UNICAST &&
    (op !== arp.ARPOP_REPLY || ethernet.sameMac(u8, at + arp.SENDER_MAC, u8, at + arp.TARGET_MAC))
  const isToUs = (skb: number): boolean => i32[skb + SKB_PKT_TYPE] === PACKET_HOST

  /** The sender's entry; where arp_accept says so one is made for who was not asked: 1 all, 2 those of our networks. */
  const lookup = (
    machine: Neighbour,
    dev: number,
    op: number,
    sip: number,
    isGarp: boolean
  ): number => {
    i32[key + 3] = sip
    const row = table.lookup(dev, key)
    if (row !== 0 || !accepts(dev, sip)) return row
    const isNews = isGarp || (op === arp.ARPOP_REPLY && inetAddrType(sip, dev) === RTN_UNICAST)
    return isNews ? machine.create(dev, key) : 0
  }
  const accepts = (dev: number, sip: number): boolean => {
    const how = most(dev, Conf4.arp_accept)
    return how === 1 || (how === 2 && isAddrOnLink(dev, sip, 0))
  }

  /** Whoever asks for us will want our answer, and soon packets: an entry is made (neigh_event_ns). */
  const learnFromRequest = (
    machine: Neighbour,
    dev: number,
    sip: number,
    hi: number,
    lo: number
  ): boolean => {
    i32[key + 3] = sip
    const known = table.lookup(dev, key)
    const row = known !== 0 ? known : machine.create(dev, key)
    if (row === 0) return false
    machine.update(row, hi, lo, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE)
    return true
  }
  /** Only an answer sent to us alone proves that the neighbour hears us. */
  const updateKnown = (
    machine: Neighbour,
    row: number,
    op: number,
    toUs: boolean,
    isGratuitous: boolean,
    hi: number,
    lo: number
  ): void => {
    const age = (time[TIME_MS] - i32[row + NEIGH_UPDATED]) | 0
    // what comes so soon after the last change may be a second answer
    const lockedMs =
      i32[confRow(arena, i32[row + NEIGH_IFINDEX]) + Conf4.locktime] * LOCKTIME_UNIT_MS
    const override = age > lockedMs || isGratuitous ? NEIGH_UPDATE_F_OVERRIDE : 0
    const state = op === arp.ARPOP_REPLY && toUs ? NUD_REACHABLE : NUD_STALE
    machine.update(row, hi, lo, state, override)
  }

  return { arpRcv, arpSolicit, arpNotify }
}
