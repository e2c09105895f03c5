/**
 * Router advertisements out: a router tells the hosts of its links that it is there, what prefixes its addresses have there, and
 * what else they are to know (adv_* of shm/devconf.ts), now and then and when they ask; and when it is one no longer. All
 * goes to all nodes, never more often than once in three seconds, however much is asked. CPU 0, by one timer for all links.
 * RFC 4861 section 6.2, 4191, 8106; there is no Linux counterpart: radvd.
 */
import { AF_INET6, copyAddr, isAnyAddr } from '../../base/family.ts'
import { createFlowi, FL_DADDR, FL_MTU, FL_SADDR } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import {
  IFA_ADDR,
  IFA_F_NOPREFIXROUTE,
  IFA_F_TENTATIVE,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_PREFERRED_UNTIL,
  IFA_PREFIXLEN,
  IFA_SCOPE,
  IFA_TOP,
  IFA_VALID_UNTIL,
} from '../../inet/addr/ifaddr-constants.ts'
import { RT_SCOPE_LINK } from '../../inet/fib/nexthop-constants.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import {
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NUD_STALE,
} from '../../neigh/neigh-constants.ts'
import type { NeighTable } from '../../neigh/neigh-table.ts'
import type { Neighbour } from '../../neigh/neighbour.ts'
import { DEV_GENERATION, deviceRow, speaks } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import { SKB_DATA, SKB_DEV, SKB_LEN } from '../../skb/skb.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import * as options from '../../wire/ndisc-options.ts'
import * as router from '../../wire/ndisc-router.ts'
import * as routerOptions from '../../wire/ndisc-router-options.ts'
import type { NdSend } from '../ndisc/nd-send.ts'

type RaOutputDeps = {
  arena: Arena
  time: Time
  wheel: TimerWheel
  /** TIMER_WORDS free words. */
  timer: number
  random: () => number
  /** The clock that lifetimes are counted by: longer than `time` counts. */
  nowUs: () => number
  drop: DropFn
  consume: ConsumeFn
  table: NeighTable
  /** First of four free words of this thread. */
  key: number
  ndSend: NdSend
} & Pick<PacketAddrs, 'loadAddrs'>
export type RaOutput = ReturnType<typeof createRaOutput>

type Prefix = { words: Int32Array; plen: number; valid: number; preferred: number }
type Advertising = {
  readonly generation: number
  /** When the next one is due, and when the last one was; null: never. */
  at: number
  last: number | null
  /** How many more come soon after one another, so that hosts need not ask. */
  initial: number
  /** Of all that is said: said anew soon when it has changed. */
  print: number
}

// RFC 4861 section 10.
const MAX_INITIAL_INTERVAL_MS = 16_000
const INITIAL = 3
const FINAL = 3
const BETWEEN_MS = 3000
const MAX_DELAY_MS = 500
/** All of these fit the least MTU. */
const MOST_PREFIXES = 32
const ALL_NODES = Int32Array.of(0xff020000, 0, 0, 1)

export const createRaOutput = (deps: RaOutputDeps) => {
  const { arena, time, wheel, timer, random, nowUs, drop, consume } = deps
  const { table, key, ndSend, loadAddrs } = deps
  const { i32, u8, layout } = arena
  const { devices } = layout.config
  const received = createFlowi()
  const links = new Map<number, Advertising>()
  const now = (): number => time[TIME_MS]
  const conf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  const upTo = (ms: number): number => (random() >>> 0) % Math.max(1, Math.ceil(ms))

  const isRouter = (ifindex: number): boolean =>
    speaks(arena, ifindex) &&
    conf(ifindex, Conf6.forwarding) !== 0 &&
    conf(ifindex, Conf6.adv_send_advertisements) !== 0 &&
    ndSend.linkLocalOf(ifindex) !== 0

  // ---- what is said

  /** Seconds from now until then, at most so many; -1 is never. */
  const left = (until: number, most: number): number => {
    if (until === -1) return most
    return Math.max(0, Math.min(most, until - Math.ceil(nowUs() / 1e6)))
  }
  const isAdvertised = (row: number, ifindex: number): boolean =>
    i32[row + IFA_IFINDEX] === ifindex &&
    i32[row + IFA_FAMILY] === AF_INET6 &&
    i32[row + IFA_SCOPE] < RT_SCOPE_LINK &&
    i32[row + IFA_PREFIXLEN] < 127 &&
    (i32[row + IFA_FLAGS] & (IFA_F_TENTATIVE | IFA_F_NOPREFIXROUTE)) === 0
  /** The prefixes of the device's addresses, each for as long as the last of them lives. */
  const prefixesOf = (ifindex: number): Prefix[] => {
    const found = new Map<string, Prefix>()
    const end = layout.ifaddrs + i32[layout.ifaddrs + IFA_TOP] * IFADDR_WORDS
    for (let row = layout.ifaddrs + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      if (!isAdvertised(row, ifindex) || found.size >= MOST_PREFIXES) continue
      const plen = i32[row + IFA_PREFIXLEN]
      const words = i32.slice(row + IFA_ADDR, row + IFA_ADDR + 4)
      for (let k = 0; k < 4; k++) {
        const kept = plen - k * 32
        if (kept < 32) words[k] = kept <= 0 ? 0 : words[k] & (-1 << (32 - kept))
      }
      const name = `${words.join()}/${plen}`
      const known = found.get(name)
      const valid = left(i32[row + IFA_VALID_UNTIL], conf(ifindex, Conf6.adv_valid_lifetime))
      const most = conf(ifindex, Conf6.adv_preferred_lifetime)
      const preferred = Math.min(valid, left(i32[row + IFA_PREFERRED_UNTIL], most))
      found.set(name, {
        words,
        plen,
        valid: Math.max(valid, known?.valid ?? 0),
        preferred: Math.max(preferred, known?.preferred ?? 0),
      })
    }
    return [...found.values()]
  }
  const maxIntervalMs = (ifindex: number): number =>
    conf(ifindex, Conf6.max_rtr_adv_interval) * 1000
  const minIntervalMs = (ifindex: number): number => {
    const longest = maxIntervalMs(ifindex)
    const wanted = conf(ifindex, Conf6.min_rtr_adv_interval) * 1000
    return wanted === 0 ? Math.max(BETWEEN_MS, longest / 3) : Math.min(wanted, longest * 0.75)
  }
  const lifetimeOf = (ifindex: number): number => {
    const wanted = conf(ifindex, Conf6.adv_default_lifetime)
    return wanted < 0 ? Math.min(9000, conf(ifindex, Conf6.max_rtr_adv_interval) * 3) : wanted
  }
  const rdnssOf = (ifindex: number): Int32Array[] => {
    const at = confRow(arena, ifindex) + Conf6.adv_rdnss
    return isAnyAddr(i32, at) ? [] : [i32.slice(at, at + 4)]
  }

  /** Sends an advertisement to all nodes; `lifetime` is the router's own. */
  const advertise = (ifindex: number, lifetime: number): void => {
    ndSend.toLink(ifindex)
    copyAddr(ndSend.fl, FL_DADDR, ALL_NODES, 0)
    if (!ndSend.fromLinkLocal(ifindex)) return
    const prefixes = prefixesOf(ifindex)
    const mtu = conf(ifindex, Conf6.adv_link_mtu)
    const servers = rdnssOf(ifindex)
    const len =
      router.RA_LEN +
      options.LL_ADDR_LEN +
      (mtu === 0 ? 0 : routerOptions.MTU_LEN) +
      prefixes.length * routerOptions.PREFIX_INFO_LEN +
      (servers.length === 0 ? 0 : routerOptions.rdnssLen(servers.length))
    if (len + ipv6.HEADER > ndSend.fl[FL_MTU]) return
    const skb = ndSend.begin(icmpv6.NDISC_ROUTER_ADVERTISEMENT, len)
    if (skb === 0) return
    let at = i32[skb + SKB_DATA]
    putRouter(at, ifindex, lifetime)
    at += router.RA_LEN
    ndSend.putOwnAddr(at, ifindex, options.ND_OPT_SOURCE_LL_ADDR)
    at += options.LL_ADDR_LEN
    if (mtu !== 0) {
      routerOptions.putMtu(u8, at, mtu)
      at += routerOptions.MTU_LEN
    }
    for (const prefix of prefixes) {
      putPrefix(at, ifindex, prefix)
      at += routerOptions.PREFIX_INFO_LEN
    }
    const rdnssLifetime = conf(ifindex, Conf6.max_rtr_adv_interval) * 3
    if (servers.length > 0)
      routerOptions.putRdnss(u8, at, lifetime === 0 ? 0 : rdnssLifetime, servers)
    ndSend.send(skb)
  }
  const putRouter = (at: number, ifindex: number, lifetime: number): void => {
    const bits =
      (conf(ifindex, Conf6.adv_managed_flag) !== 0 ? router.RA_MANAGED : 0) |
      (conf(ifindex, Conf6.adv_other_config_flag) !== 0 ? router.RA_OTHER : 0) |
      // who is no default router is worth nothing in particular (RFC 4191 section 2.2)
      router.prefBits(lifetime === 0 ? 0 : conf(ifindex, Conf6.adv_default_preference))
    const [hops, reachable, retrans] = [
      conf(ifindex, Conf6.adv_cur_hop_limit),
      conf(ifindex, Conf6.adv_reachable_time),
      conf(ifindex, Conf6.adv_retrans_timer),
    ]
    router.initRa(u8, at, hops, bits, lifetime, reachable, retrans)
  }
  const putPrefix = (at: number, ifindex: number, prefix: Prefix): void => {
    const isAuto = conf(ifindex, Conf6.adv_autonomous_flag) !== 0
    const flags = routerOptions.PIO_ONLINK | (isAuto ? routerOptions.PIO_AUTO : 0)
    const { words, plen, valid, preferred } = prefix
    routerOptions.putPrefixInfo(u8, at, words, plen, flags, valid, preferred)
  }

  // ---- when it is said

  /** Of what is configured, not of the seconds that pass. */
  const printOf = (ifindex: number): number => {
    let print = 0
    const add = (word: number): void => {
      print = (Math.imul(print, 31) + word) | 0
    }
    const first = confRow(arena, ifindex)
    for (let k = Conf6.adv_send_advertisements; k < Conf6.adv_rdnss + 4; k++) add(i32[first + k])
    for (const { words, plen } of prefixesOf(ifindex)) {
      words.forEach(add)
      add(plen)
    }
    return print
  }
  /** Takes in what control has changed: which devices advertise, and what. */
  const refresh = (): void => {
    for (let ifindex = 1; ifindex < devices; ifindex++) {
      const known = links.get(ifindex)
      const generation = i32[deviceRow(arena, ifindex) + DEV_GENERATION]
      if (known !== undefined && known.generation !== generation) links.delete(ifindex)
      if (hasEnded || !isRouter(ifindex)) cease(ifindex)
      else if (!links.has(ifindex)) {
        const at = (now() + upTo(MAX_DELAY_MS)) | 0
        links.set(ifindex, {
          generation,
          at,
          last: null,
          initial: INITIAL,
          print: printOf(ifindex),
        })
      } else noteChange(ifindex, links.get(ifindex)!)
    }
    arm()
  }
  const noteChange = (ifindex: number, one: Advertising): void => {
    const print = printOf(ifindex)
    if (print === one.print) return
    one.print = print
    one.initial = INITIAL
    soon(one)
  }
  /** It is said within a moment, but not too soon after the last one (section 6.2.6). */
  const soon = (one: Advertising): void => {
    const delay = upTo(MAX_DELAY_MS)
    const earliest = one.last === null ? now() : (one.last + BETWEEN_MS) | 0
    const base = ((earliest - now()) | 0) > 0 ? earliest : now()
    const at = (base + delay) | 0
    if (((at - one.at) | 0) < 0) one.at = at
  }
  /** It is a router no longer: hosts that can still be told are (section 6.2.5). */
  const cease = (ifindex: number): void => {
    const one = links.get(ifindex)
    links.delete(ifindex)
    if (one === undefined || one.last === null || !speaks(arena, ifindex)) return
    for (let k = 0; k < FINAL; k++) advertise(ifindex, 0)
  }
  let hasEnded = false
  /** The stack ends. */
  const ceaseAll = (): void => {
    hasEnded = true
    for (const ifindex of [...links.keys()]) cease(ifindex)
    arm()
  }
  const work = (ifindex: number, one: Advertising): void => {
    advertise(ifindex, lifetimeOf(ifindex))
    one.last = now()
    const shortest = minIntervalMs(ifindex)
    let delay = shortest + upTo(maxIntervalMs(ifindex) - shortest)
    if (one.initial > 0) {
      one.initial--
      if (one.initial > 0) delay = Math.min(delay, MAX_INITIAL_INTERVAL_MS)
    }
    one.at = (now() + delay) | 0
  }
  const fn = wheel.register(() => {
    for (const [ifindex, one] of links) if (((now() - one.at) | 0) >= 0) work(ifindex, one)
    arm()
  })
  const arm = (): void => {
    let least = Infinity
    for (const { at } of links.values()) least = Math.min(least, Math.max(1, (at - now()) | 0))
    if (least === Infinity) wheel.cancel(timer)
    else wheel.arm(timer, least, fn)
  }

  // ---- who asks

  /** From ndiscRcv on CPU 0: a solicitation, from this link and whole (section 6.1.1 and 6.2.6; ndisc_recv_rs). */
  const rsRcv = (skb: number, machine: Neighbour): void => {
    const at = i32[skb + SKB_DATA]
    const end = at + i32[skb + SKB_LEN]
    const dev = i32[skb + SKB_DEV]
    loadAddrs(skb, received)
    if (!options.check(u8, at + router.RS_LEN, end)) return drop(skb, Drop.IPV6_NDISC_BAD_OPTIONS)
    const option = options.find(u8, at + router.RS_LEN, end, options.ND_OPT_SOURCE_LL_ADDR)
    const isNobody = isAnyAddr(received, FL_SADDR)
    if ((isNobody && option >= 0) || (option >= 0 && !options.isLlAddr(u8, option)))
      return drop(skb, Drop.NOT_SPECIFIED)
    if (conf(dev, Conf6.forwarding) === 0) return consume(skb)
    if (!isNobody && option >= 0) learnHost(machine, dev, option)
    const one = links.get(dev)
    if (one !== undefined) {
      soon(one)
      arm()
    }
    consume(skb)
  }
  const learnHost = (machine: Neighbour, dev: number, option: number): void => {
    copyAddr(i32, key, received, FL_SADDR)
    const row = table.lookup(dev, key) || machine.create(dev, key)
    if (row === 0) return
    const how = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE
    const [hi, lo] = [options.llAddrHi(u8, option), options.llAddrLo(u8, option)]
    machine.update(row, hi, lo, NUD_STALE, how | NEIGH_UPDATE_F_OVERRIDE_ISROUTER)
  }

  return { refresh, rsRcv, ceaseAll }
}
