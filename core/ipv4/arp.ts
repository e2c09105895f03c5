/**
 * ARP: IPv4's way to ask for a neighbour and to answer. arp_rcv takes every ARP frame, on worker 0 (other workers send
 * theirs there); arp_solicit is what the neighbour machine calls. Learns only what Linux learns: from a request
 * for one of our addresses, and about entries that are already there. RFC 826, 5227; Linux: net/ipv4/arp.c.
 */
import { V4_MAPPED } from '../base/family.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import { DEV_FLAGS, DEV_MAC, IFF_LOOPBACK, IFF_NOARP } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Softnet } from '../shm/counters.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skb.ts'
import {
  MAX_HEADER,
  PACKET_HOST,
  PACKET_OTHERHOST,
  SKB_DATA,
  SKB_DEV,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
  STAGE_RECEIVED,
} from '../skb/skb.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import {
  NEIGH_ADDR,
  NEIGH_IFINDEX,
  NEIGH_LLADDR_BYTE,
  NEIGH_UPDATED,
  NUD_REACHABLE,
  NUD_STALE,
} from '../neigh/neigh-constants.ts'
import type { NeighTable } from '../neigh/neigh-table.ts'
import type { Neighbour } from '../neigh/neighbour.ts'
import { NEIGH_UPDATE_F_OVERRIDE } from '../neigh/neigh-constants.ts'
import type { Machine } from '../stack/machine.ts'
import type { AddrType } from '../inet/addr-type.ts'
import type { EtherOutput } from '../dev/ether-output.ts'
import type { DevQueueXmit } from '../dev/dev-queue-xmit.ts'

type ArpDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  time: Time
  table: NeighTable
  /** The state machine, on worker 0; null on other workers, which re-steer what they get. */
  neighbour: Neighbour | null
  /** core/stack/neigh.ts: select4 of inet/source.ts with RT_SCOPE_LINK; 0 is none. */
  selectSource: (dev: number, target: number) => number
  /** First of four free words of this thread. */
  key: number
} & Pick<Machine, 'steerTo'> &
  Pick<AddrType, 'isLocalAddress'> &
  Pick<EtherOutput, 'ethHeader'> &
  Pick<DevQueueXmit, 'devQueueXmit'>

/** An entry changed so lately is not changed again by what may be a second answer (locktime, 1 s). */
const LOCKTIME_MS = 1000

export const createArp = (deps: ArpDeps) => {
  const { arena, skbs, drop, consume, time, table, neighbour, steerTo } = deps
  const { isLocalAddress, selectSource, ethHeader, devQueueXmit, key } = deps
  const { i32, u8, f64, layout } = arena
  const { devices } = layout
  const count = counterBank(arena, skbs.thread)
  i32[key] = 0
  i32[key + 1] = 0
  i32[key + 2] = V4_MAPPED

  const flagsOf = (dev: number): number => i32[devices + dev * DEVICE_WORDS + DEV_FLAGS]

  /** Sends an ARP frame by `dev` from its own MAC; the frame goes to (hi, lo), the target field says (thi, tlo). */
  const arpSend = (
    op: number,
    dev: number,
    sip: number,
    tip: number,
    hi: number,
    lo: number,
    thi: number,
    tlo: number
  ): void => {
    if ((flagsOf(dev) & IFF_NOARP) !== 0) return
    const skb = skbs.alloc(arp.MIN_HEADER, MAX_HEADER)
    if (skb === 0) return
    const own = (devices + dev * DEVICE_WORDS + DEV_MAC) << 2
    const at = skbs.put(skb, arp.MIN_HEADER)
    arp.init(u8, at, op)
    arp.setSender(u8, at, ethernet.macHi(u8, own), ethernet.macLo(u8, own), sip)
    arp.setTarget(u8, at, thi, tlo, tip)
    i32[skb + SKB_DEV] = dev
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_PROTOCOL] = ethernet.ETH_P_ARP
    if (!ethHeader(skb, dev, hi, lo, ethernet.ETH_P_ARP)) return drop(skb, Drop.NOMEM)
    devQueueXmit(skb)
  }

  /** Asks who has the entry's address; from the waiting packet's source when that is ours (arp_announce 0). */
  const arpSolicit = (row: number, isUnicast: boolean, words: Int32Array, from: number): void => {
    const wantedBy = words[from + 3]
    const dev = i32[row + NEIGH_IFINDEX]
    const target = i32[row + NEIGH_ADDR + 3]
    const sip = wantedBy !== 0 && isLocalAddress(wantedBy) ? wantedBy : selectSource(dev, target)
    const lladdr = (row << 2) + NEIGH_LLADDR_BYTE
    const hi = isUnicast ? ethernet.macHi(u8, lladdr) : 0xffff
    const lo = isUnicast ? ethernet.macLo(u8, lladdr) : -1
    arpSend(arp.ARPOP_REQUEST, dev, sip, target, hi, lo, 0, 0)
  }
  /** Says to all that an address is ours (an announcement, RFC 5227 section 3). */
  const arpAnnounce = (dev: number, addr: number): void =>
    arpSend(arp.ARPOP_REQUEST, dev, addr, addr, 0xffff, -1, 0, 0)

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
    if (ipv4.isMulticastAddr(tip) || ipv4.isLoopbackAddr(tip)) return drop(skb, Drop.ARP_INVALID)
    const isForUs = op === arp.ARPOP_REQUEST && isLocalAddress(tip)
    if (isForUs)
      f64[count + (isToUs(skb) ? Softnet.neigh_rcv_probes_ucast : Softnet.neigh_rcv_probes_mcast)]++
    // a probe: someone wants the address and asks whether it is free (RFC 5227 section 2.1.1)
    if (sip === 0) {
      if (isForUs) arpSend(arp.ARPOP_REPLY, dev, tip, sip, hi, lo, hi, lo)
      return consume(skb)
    }
    // who claims our own address, or none that a host can have, is not learned from
    if (!isSourceOk(sip)) return drop(skb, Drop.ARP_INVALID)
    if (isForUs) {
      if (learnFromRequest(machine, dev, sip, hi, lo))
        arpSend(arp.ARPOP_REPLY, dev, tip, sip, hi, lo, hi, lo)
      return consume(skb)
    }
    i32[key + 3] = sip
    const row = table.lookup(dev, key)
    if (row !== 0) updateKnown(machine, row, op, isToUs(skb), isGratuitous(at, op), hi, lo)
    consume(skb)
  }
  /** A reply that nobody asked for names its sender twice in full (arp_is_garp). */
  const isGratuitous = (at: number, op: number): boolean =>
    arp.isGratuitous(u8, at) &&
    (op !== arp.ARPOP_REPLY || ethernet.sameMac(u8, at + arp.SENDER_MAC, u8, at + arp.TARGET_MAC))
  const isToUs = (skb: number): boolean => i32[skb + SKB_PKT_TYPE] === PACKET_HOST
  const isSourceOk = (sip: number): boolean =>
    !ipv4.isMulticastAddr(sip) &&
    !ipv4.isLoopbackAddr(sip) &&
    sip !== ipv4.INADDR_BROADCAST &&
    !isLocalAddress(sip)

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
    const override = age > LOCKTIME_MS || isGratuitous ? NEIGH_UPDATE_F_OVERRIDE : 0
    const state = op === arp.ARPOP_REPLY && toUs ? NUD_REACHABLE : NUD_STALE
    machine.update(row, hi, lo, state, override)
  }

  return { arpRcv, arpSolicit, arpSend, arpAnnounce }
}
