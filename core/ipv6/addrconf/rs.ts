/**
 * Asks for routers, on each device that listens to them and has an address of its link: again and again, ever more rarely,
 * until one answers. CPU 0, by one timer for all. RFC 4861 section 6.3.7, 7559;
 * Linux: addrconf_dad_completed(), addrconf_rs_timer() (net/ipv6/addrconf.c).
 */
import { copyAddr } from '../../base/family.ts'
import { FL_DADDR } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import { DEV_FLAGS, DEV_GENERATION, deviceRow, IFF_LOOPBACK, speaks } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import { SKB_DATA } from '../../skb/skb.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import { LL_ADDR_LEN, ND_OPT_SOURCE_LL_ADDR } from '../../wire/ndisc-options.ts'
import { RS_LEN } from '../../wire/ndisc-router.ts'
import { acceptsRa } from './accept-ra.ts'
import type { NdSend } from '../ndisc/nd-send.ts'

type RsDeps = {
  arena: Arena
  time: Time
  wheel: TimerWheel
  /** TIMER_WORDS free words. */
  timer: number
  random: () => number
  ndSend: NdSend
}

type Asking = {
  readonly generation: number
  /** When it is asked next; null: no longer. */
  at: number | null
  asked: number
  intervalMs: number
}
const ALL_ROUTERS = Int32Array.of(0xff020000, 0, 0, 2)

export const createRs = ({ arena, time, wheel, timer, random, ndSend }: RsDeps) => {
  const { i32, layout } = arena
  const { devices } = layout.config
  const links = new Map<number, Asking>()
  const now = (): number => time[TIME_MS]
  const conf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  /** A tenth more or less, so that hosts do not ask together (RFC 3315 section 14). */
  const spread = (ms: number): number => ms * (0.9 + 0.2 * ((random() >>> 8) / 0x1000000))

  const isAsking = (ifindex: number): boolean =>
    speaks(arena, ifindex) &&
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & IFF_LOOPBACK) === 0 &&
    acceptsRa(arena, ifindex) &&
    conf(ifindex, Conf6.router_solicitations) !== 0 &&
    ndSend.linkLocalOf(ifindex) !== 0
  /** Takes in what control has changed: devices, addresses and settings. */
  const refresh = (): void => {
    for (let ifindex = 1; ifindex < devices; ifindex++) {
      const known = links.get(ifindex)
      const generation = i32[deviceRow(arena, ifindex) + DEV_GENERATION]
      if (known !== undefined && known.generation !== generation) links.delete(ifindex)
      if (!isAsking(ifindex)) links.delete(ifindex)
      else if (!links.has(ifindex))
        links.set(ifindex, { generation, at: now(), asked: 0, intervalMs: 0 })
    }
    arm()
  }
  /** A router has spoken. */
  const routerHeard = (ifindex: number): void => {
    const one = links.get(ifindex)
    if (one === undefined || one.asked === 0) return
    one.at = null
    arm()
  }

  const ask = (ifindex: number): void => {
    ndSend.toLink(ifindex)
    copyAddr(ndSend.fl, FL_DADDR, ALL_ROUTERS, 0)
    if (!ndSend.fromLinkLocal(ifindex)) return
    const skb = ndSend.begin(icmpv6.NDISC_ROUTER_SOLICITATION, RS_LEN + LL_ADDR_LEN)
    if (skb === 0) return
    ndSend.putOwnAddr(i32[skb + SKB_DATA] + RS_LEN, ifindex, ND_OPT_SOURCE_LL_ADDR)
    ndSend.send(skb)
  }
  const work = (ifindex: number, one: Asking): void => {
    const most = conf(ifindex, Conf6.router_solicitations)
    if (most >= 0 && one.asked >= most) {
      one.at = null
      return
    }
    one.asked++
    const first = conf(ifindex, Conf6.router_solicitation_interval) * 1000
    const longest = conf(ifindex, Conf6.router_solicitation_max_interval) * 1000
    const wanted = one.asked === 1 ? spread(first) : one.intervalMs + spread(one.intervalMs)
    one.intervalMs = wanted > longest ? spread(longest) : wanted
    one.at = (now() + Math.max(1, one.intervalMs)) | 0
    ask(ifindex)
  }
  const fn = wheel.register(() => {
    for (const [ifindex, one] of links)
      if (one.at !== null && ((now() - one.at) | 0) >= 0) work(ifindex, one)
    arm()
  })
  const arm = (): void => {
    let least = Infinity
    for (const { at } of links.values())
      if (at !== null) least = Math.min(least, Math.max(1, (at - now()) | 0))
    if (least === Infinity) wheel.cancel(timer)
    else wheel.arm(timer, least, fn)
  }

  return { refresh, routerHeard }
}
