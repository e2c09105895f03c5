/**
 * Multicast forwarding, one for each family: a packet to a group that came in by a device where multicast passes goes out by
 * each device that its route names, one hop less; a packet without a route waits for one, as few as may. Called by IP's
 * input; on a worker. Linux: net/ipv4/ipmr.c (ip_mr_input, ip_mr_forward, ipmr_cache_unresolved, ipmr_queue_xmit),
 * net/ipv6/ip6mr.c; RFC 1812 section 5.2.3, 4291 section 2.7.
 */
import { onlinkRow } from '../fib/onlink-row.ts'
import { isAnyAddr, isSameAddr } from '../../base/family.ts'
import { createFlowi, FL_DADDR, FL_SADDR, RTN_MULTICAST } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import type { Gso } from '../../dev/gso.ts'
import { DEV_FLAGS, DEV_MC_ROLE4, DEV_MC_ROLE6, DEV_MTU, IFF_UP } from '../../netdev/netdev.ts'
import type { NfHooks } from '../../netfilter/hooks.ts'
import { NF_INET_FORWARD, NF_PASSED } from '../../netfilter/nf-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Mib } from '../../shm/counters.ts'
import type { IpiSystem } from '../../shm/ipi.ts'
import { Ipi } from '../../shm/ipi.ts'
import { DEVICE_WORDS, MFC_WORDS, VIF_STATS } from '../../shm/layout.ts'
import { Holder } from '../../skb/budget.ts'
import type { DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  MAX_HEADER,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_GSO_SIZE,
  SKB_HEAD,
  SKB_IIF,
  SKB_LEN,
  SKB_NETWORK,
} from '../../skb/skb.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import { byFamily } from '../af-ops.ts'
import { IPCB_FLAGS, IPCB_MTU, IPCB_TYPE, IPSKB_FORWARDED } from '../inet-constants.ts'
import { MC_CPU } from './mc-constants.ts'
import {
  MC_ROLE_NONE,
  MFC_BYTES,
  MFC_FOUND,
  MFC_IIF,
  MFC_LAST_USE,
  MFC_OIF,
  MFC_OIFS,
  MFC_PACKETS,
  MFC_SET,
  MFC_SOURCE,
  MFC_UNRESOLVED,
  MFC_WRONG_IF,
  VIF_BYTES_IN,
  VIF_BYTES_OUT,
  VIF_PACKETS_IN,
  VIF_PACKETS_OUT,
} from './mfc-constants.ts'
import { createMfcReader } from './mfc-table.ts'
import type { IpForward } from '../../ipv4/ip-forward.ts'
import type { PacketAddrs } from '../packet-addrs.ts'

type MrForwardDeps = {
  arena: Arena
  family: number
  skbs: Skbs
  drop: DropFn
  nf: NfHooks
  time: Time
  wheel: TimerWheel
  worker: number
  /** TIMER_WORDS free words. */
  timer: number
} & Pick<IpForward, 'forwardFinish'> &
  Pick<IpiSystem, 'send'> &
  Pick<Gso, 'networkSegLen'> &
  Pick<PacketAddrs, 'loadAddrs'>
export type MrForward = ReturnType<typeof createMrForward>

/** What differs: a route for any source has the family's wildcard; IPv4 may cut what is too big, unless it must not. */
const FAMILY = byFamily(
  {
    role: DEV_MC_ROLE4,
    any: Int32Array.of(0, 0, 0xffff, 0),
    hops: ipv4.ttl,
    decrease: ipv4.decreaseTtl,
    mayCut: (mem: Uint8Array, at: number): boolean => !ipv4.dontFragment(mem, at),
    fragFails: Mib.IpFragFails,
    forwDatagrams: Mib.IpForwDatagrams,
  },
  {
    role: DEV_MC_ROLE6,
    any: new Int32Array(4),
    hops: ipv6.hopLimit,
    decrease: ipv6.decrementHopLimit,
    mayCut: (): boolean => false,
    fragFails: Mib.Ip6FragFails,
    // counted behind FORWARD (ip6-forward.ts)
    forwDatagrams: 0,
  }
)

/** Routes that packets wait for, and packets for each (Linux: cache_resolve_queue_len, unres.qlen). */
const MOST_WAITING = 10
const MOST_PACKETS = 4
const PATIENCE_MS = 10_000
/** Room that the widest link header takes. */
const LL_RESERVED = 16

/** The pair of its route: source and group. */
type Waiting = { pair: Int32Array; iif: number; skbs: number[]; since: number }

export const createMrForward = (deps: MrForwardDeps) => {
  const { arena, family, skbs, drop, nf, time, wheel, worker, timer, send } = deps
  const { networkSegLen, forwardFinish, loadAddrs } = deps
  const { i32, u8, f64, layout } = arena
  const { devices, vifStatsF64 } = layout
  const own = FAMILY(family)
  const count = counterBank(arena, skbs.thread)
  const { read, statsOf } = createMfcReader(arena)
  /** The route in hand; its table and number. */
  const route = new Int32Array(MFC_WORDS)
  let table = MFC_SET
  let number = -1
  const fl = createFlowi()
  /** Source, group, and any source. */
  const key = new Int32Array(12)
  const SOURCE = 0
  const GROUP = 4
  const ANY = 8
  key.set(own.any, ANY)
  let waiting: Waiting[] = []

  const mayPass = (dev: number): boolean =>
    i32[devices + dev * DEVICE_WORDS + own.role] !== MC_ROLE_NONE
  const vif = (dev: number): number =>
    vifStatsF64 + (worker * layout.config.devices + dev) * VIF_STATS

  /** Finds the route of the pair in hand: first what was set for it, then for any source, then what was found. */
  const find = (): boolean => {
    table = MFC_SET
    number = read(MFC_SET, key, SOURCE, GROUP, route)
    if (number < 0) number = read(MFC_SET, key, ANY, GROUP, route)
    if (number >= 0) return true
    table = MFC_FOUND
    number = read(MFC_FOUND, key, SOURCE, GROUP, route)
    return number >= 0 && route[MFC_UNRESOLVED] === 0
  }
  const loadPair = (skb: number): void => {
    loadAddrs(skb, fl)
    for (let w = 0; w < 4; w++) {
      key[SOURCE + w] = fl[FL_SADDR + w]
      key[GROUP + w] = fl[FL_DADDR + w]
    }
  }

  /** Forwards a packet that is also for us: what goes out are copies. */
  const forwardCopy = (skb: number): void => {
    const twin = skbs.copy(skb, RX_HEADROOM)
    if (twin !== 0) forward(twin)
  }
  /** Takes the packet over: data at its IP header. */
  const forward = (skb: number): void => {
    // looped back after it was forwarded: not a second time
    if ((i32[skb + IPCB_FLAGS] & IPSKB_FORWARDED) !== 0) return drop(skb, Drop.NOT_SPECIFIED)
    loadPair(skb)
    if (!find()) return wait(skb)
    along(skb)
  }
  const along = (skb: number): void => {
    const stats = statsOf(worker, table, number)
    const iif = i32[skb + SKB_DEV]
    const len = i32[skb + SKB_LEN]
    f64[stats + MFC_PACKETS]++
    f64[stats + MFC_BYTES] += len
    f64[stats + MFC_LAST_USE] = time[TIME_MS]
    // reverse path: of any source's route, each device that it names may be the one
    if (route[MFC_IIF] !== iif && !(isAnySource() && isOif(iif))) {
      f64[stats + MFC_WRONG_IF]++
      return drop(skb, Drop.IP_RPFILTER)
    }
    f64[vif(iif) + VIF_PACKETS_IN]++
    f64[vif(iif) + VIF_BYTES_IN] += len
    fanOut(skb, iif)
  }
  const isAnySource = (): boolean => isAnyAddr(route, MFC_SOURCE)
  const isOif = (dev: number): boolean => {
    for (let k = 0; k < route[MFC_OIFS]; k++) if ((route[MFC_OIF + k] & 0xffff) === dev) return true
    return false
  }
  /** Each device gets a copy, the last the packet itself. */
  const fanOut = (skb: number, iif: number): void => {
    const hops = own.hops(u8, i32[skb + SKB_NETWORK])
    let last = 0
    for (let k = 0; k < route[MFC_OIFS]; k++) {
      const dev = route[MFC_OIF + k] & 0xffff
      if (dev === iif || hops <= route[MFC_OIF + k] >>> 16) continue
      if (last !== 0) {
        const twin = skbs.copy(skb, RX_HEADROOM)
        if (twin !== 0) xmit(twin, last)
      }
      last = dev
    }
    if (last === 0) return drop(skb, Drop.NOT_SPECIFIED)
    xmit(skb, last)
  }
  const xmit = (skb: number, dev: number): void => {
    const row = devices + dev * DEVICE_WORDS
    if ((i32[row + DEV_FLAGS] & IFF_UP) === 0) return drop(skb, Drop.DEV_READY)
    const mtu = i32[row + DEV_MTU]
    // nothing is said of it: the sender would hear from everywhere
    if (i32[skb + SKB_LEN] > mtu && isTooBig(skb, mtu)) {
      f64[count + own.fragFails]++
      return drop(skb, Drop.PKT_TOO_BIG)
    }
    if (skbs.isShared(skb) || i32[skb + SKB_DATA] - i32[skb + SKB_HEAD] < LL_RESERVED)
      if (!skbs.expandHead(skb, MAX_HEADER)) return drop(skb, Drop.NOMEM)
    f64[vif(dev) + VIF_PACKETS_OUT]++
    f64[vif(dev) + VIF_BYTES_OUT] += i32[skb + SKB_LEN]
    own.decrease(u8, i32[skb + SKB_NETWORK])
    i32[skb + SKB_DST] = onlinkRow(arena, dev)
    i32[skb + IPCB_TYPE] = RTN_MULTICAST
    i32[skb + IPCB_MTU] = mtu
    i32[skb + IPCB_FLAGS] |= IPSKB_FORWARDED
    i32[skb + SKB_DEV] = dev
    f64[count + own.forwDatagrams]++
    if (nf.run(NF_INET_FORWARD, skb, i32[skb + SKB_IIF], dev) === NF_PASSED) forwardFinish(skb)
  }
  const isTooBig = (skb: number, mtu: number): boolean => {
    if (own.mayCut(u8, i32[skb + SKB_NETWORK])) return false
    return i32[skb + SKB_GSO_SIZE] === 0 || networkSegLen(skb) > mtu
  }

  // ---- packets without a route

  const isPair = ({ pair }: Waiting): boolean =>
    isSameAddr(pair, 0, key, SOURCE) && isSameAddr(pair, 4, key, GROUP)
  const hasRoom = (skb: number, known: Waiting | undefined): boolean =>
    (known === undefined ? waiting.length < MOST_WAITING : known.skbs.length < MOST_PACKETS) &&
    skbs.budget.mayHold(skb, Holder.mroute)
  const wait = (skb: number): void => {
    const known = waiting.find(isPair)
    if (!hasRoom(skb, known)) return drop(skb, Drop.NOT_SPECIFIED)
    skbs.budget.hold(skb, Holder.mroute)
    if (known !== undefined) {
      known.skbs.push(skb)
      return
    }
    const iif = i32[skb + SKB_DEV]
    const pair = key.slice(0, 8)
    waiting.push({ pair, iif, skbs: [skb], since: time[TIME_MS] })
    wheel.arm(timer, PATIENCE_MS, fn)
    const [s0, s1, s2, s3, g0, g1, g2, g3] = pair
    send(MC_CPU, Ipi.MFC_MISS, iif, s0, s1, s2, s3, g0, g1, g2, g3)
  }
  const letGo = (one: Waiting): void => {
    for (const skb of one.skbs) {
      skbs.budget.release(skb)
      along(skb)
    }
  }
  /** Routes have come: who waited for them goes on. */
  const resolve = (): void => {
    if (waiting.length === 0) return
    const all = waiting
    waiting = []
    for (const one of all) {
      key.set(one.pair)
      if (find()) letGo(one)
      else waiting.push(one)
    }
    if (waiting.length === 0) wheel.cancel(timer)
  }
  const expire = (): void => {
    const now = time[TIME_MS]
    const all = waiting
    waiting = []
    for (const one of all)
      if (((now - one.since) | 0) < PATIENCE_MS) waiting.push(one)
      else for (const skb of one.skbs) drop(skb, Drop.NOT_SPECIFIED)
    if (waiting.length > 0) wheel.arm(timer, PATIENCE_MS / 10, fn)
  }
  const fn = wheel.register(expire)
  /** The device is going away: what came in by it goes with it. */
  const dropDevice = (ifindex: number): void => {
    const all = waiting
    waiting = []
    for (const one of all)
      if (one.iif !== ifindex) waiting.push(one)
      else for (const skb of one.skbs) drop(skb, Drop.DEV_READY)
  }

  return { mayPass, forward, forwardCopy, resolve, dropDevice }
}
