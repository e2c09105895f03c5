/**
 * IPv4 options. A packet that comes in with options has them checked and filled in at once (compile): our address and
 * time where they ask every host and router on the way for them. A router then writes the address that the packet leaves
 * by (forward). Called by ip_rcv and ip_forward for packets that have options; on a worker. What answers them:
 * ip-options-echo.ts; who asks for a way of his own: ip-source-route.ts. RFC 791 section 3.1, 1122 section 3.2.1.8, 1812
 * section 5.3.13; Linux: net/ipv4/ip_options.c.
 */
import { AF_INET, V4_MAPPED } from '../../base/family.ts'
import * as bytes from '../../base/bytes.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_FAMILY,
  FL_HASH,
  FL_SADDR,
  RTN_LOCAL,
  RTN_UNICAST,
  FL_OIF,
} from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { RX_HEADROOM, SKB_DEV, SKB_IPOPT, SKB_NETWORK, SKB_TRANSPORT } from '../../skb/skb.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import {
  FLAGS,
  IPOPT_END,
  IPOPT_LSRR,
  IPOPT_NOOP,
  IPOPT_RA,
  IPOPT_RR,
  IPOPT_SSRR,
  IPOPT_TS,
  IPOPT_TS_PRESPEC,
  IPOPT_TS_TSANDADDR,
  IPOPT_TS_TSONLY,
  IS_CHANGED,
  LEN,
  NONSTANDARD_TIME,
  PTR,
  RR_AT,
  RR_NEEDADDR,
  SRR_AT,
  SRR_HIT_SHIFT,
  SRR_SHIFT,
  TS_NEEDADDR,
  TS_NEEDTIME,
  TS_SHIFT,
} from './ip-options-constants.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { Route } from '../../inet/fib/route.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'

type IpOptionsDeps = {
  arena: Arena
  skbs: Skbs
  time: Time
  /** core/stack/ipv4.ts: select4 of inet/addr/source.ts with RT_SCOPE_UNIVERSE; 0 is none. */
  selectSource: (dev: number, near: number) => number
} & Pick<AddrType, 'inetAddrType'> &
  Pick<Route, 'routeOutput'>
export type IpOptions = ReturnType<typeof createIpOptions>

/** What `compile` answers when all is well, and when the sender asks for a route of its own. */
export const OPTIONS_OK = 0
export const OPTIONS_SOURCE_ROUTE = -1

/** FL_HASH that is there, and 0. */
const LOWEST_HASH = 1 << 31
const srrOf = (options: number): number => (options >> SRR_SHIFT) & SRR_AT
/** Does the packet, whose options were compiled, ask for a way of its own? */
export const hasSourceRoute = (i32: Int32Array, skb: number): boolean =>
  i32[skb + SKB_TRANSPORT] - i32[skb + SKB_NETWORK] !== ipv4.MIN_HEADER &&
  srrOf(i32[skb + SKB_IPOPT]) !== 0
/** Is it on its way to the next hop that its sender has named, and so no longer for the address that it came to? */
export const isSourceRouted = (i32: Int32Array, skb: number): boolean =>
  hasSourceRoute(i32, skb) && i32[skb + SKB_IPOPT] >>> SRR_HIT_SHIFT !== 0
export const createIpOptions = (deps: IpOptionsDeps) => {
  const { arena, skbs, time, inetAddrType, routeOutput, selectSource } = deps
  const { i32, u8 } = arena
  const fl = createFlowi()

  /** Which of our addresses a packet meets here: its own destination, or where an answer would come from. */
  const specDst = (skb: number, type: number): number => {
    const at = i32[skb + SKB_NETWORK]
    if (type === RTN_LOCAL) return ipv4.dst(u8, at)
    const saddr = ipv4.src(u8, at)
    fl.fill(0)
    fl[FL_FAMILY] = AF_INET
    fl[FL_SADDR + 2] = fl[FL_DADDR + 2] = V4_MAPPED
    fl[FL_DADDR + 3] = saddr
    fl[FL_OIF] = l3mdevOf(arena, i32[skb + SKB_DEV])
    // of several next hops the first: nobody chooses for what is not sent (fib_compute_spec_dst)
    fl[FL_HASH] = LOWEST_HASH
    if (saddr !== 0 && routeOutput(fl) === 0) return fl[FL_SADDR + 3]
    return selectSource(i32[skb + SKB_DEV], saddr)
  }

  // ---- in

  /** Of the packet that is being compiled: SKB_IPOPT so far, its header, and the kind of its route (RTN_*). */
  let options = 0
  let header = 0
  let packet = 0
  let routeType = 0

  /**
   * Checks the options and fills them in, for a packet whose route is of this type (RTN_*): OPTIONS_OK,
   * OPTIONS_SOURCE_ROUTE, or which octet of the header is wrong (for a parameter problem). The header's checksum stays as
   * it came, and is quoted so, until the packet goes on.
   */
  const compile = (skb: number, type: number): number => {
    packet = skb
    header = i32[skb + SKB_NETWORK]
    routeType = type
    options = 0
    const wrong = compileAll(i32[skb + SKB_TRANSPORT])
    i32[skb + SKB_IPOPT] = options
    if (wrong !== OPTIONS_OK) return wrong - header
    return srrOf(options) === 0 ? OPTIONS_OK : OPTIONS_SOURCE_ROUTE
  }
  /** The octet that is wrong, or 0. */
  const compileAll = (end: number): number => {
    for (let p = header + ipv4.MIN_HEADER; p < end; ) {
      const kind = u8[p]
      if (kind === IPOPT_END) return clear(p + 1, end)
      if (kind === IPOPT_NOOP) {
        p++
        continue
      }
      const len = p + 1 < end ? u8[p + LEN] : 0
      if (len < 2 || p + len > end) return p
      const wrong = compileOne(p, kind, len)
      if (wrong !== 0) return wrong
      p += len
    }
    return 0
  }
  /** Nothing follows the end (RFC 791). */
  const clear = (from: number, end: number): number => {
    for (let p = from; p < end; p++)
      if (u8[p] !== IPOPT_END) {
        u8[p] = IPOPT_END
        options |= IS_CHANGED
      }
    return 0
  }
  const compileOne = (p: number, kind: number, len: number): number => {
    switch (kind) {
      case IPOPT_RR:
        return recordRoute(p, len)
      case IPOPT_TS:
        return timestamp(p, len)
      case IPOPT_LSRR:
      case IPOPT_SSRR:
        return sourceRoute(p, len)
      case IPOPT_RA:
        return len < 4 ? p + LEN : 0
    }
    return 0
  }
  const sourceRoute = (p: number, len: number): number => {
    if (len < 3) return p + LEN
    if (u8[p + PTR] < 4) return p + PTR
    if (srrOf(options) !== 0) return p
    options |= (p - header) << SRR_SHIFT
    return 0
  }
  const recordRoute = (p: number, len: number): number => {
    if ((options & RR_AT) !== 0) return p
    if (len < 3) return p + LEN
    const ptr = u8[p + PTR]
    if (ptr < 4) return p + PTR
    if (ptr <= len) {
      if (ptr + 3 > len) return p + PTR
      bytes.putI32(u8, p + ptr - 1, specDst(packet, routeType))
      u8[p + PTR] = ptr + 4
      options |= RR_NEEDADDR | IS_CHANGED
    }
    options |= p - header
    return 0
  }
  const timestamp = (p: number, len: number): number => {
    if (((options >> TS_SHIFT) & 0xff) !== 0) return p
    if (len < 4) return p + LEN
    const ptr = u8[p + PTR]
    if (ptr < 5) return p + PTR
    const wrong = ptr <= len ? stamp(p, ptr, len) : overflow(p)
    if (wrong !== 0) return wrong
    options |= (p - header) << TS_SHIFT
    return 0
  }
  const stamp = (p: number, ptr: number, len: number): number => {
    if (ptr + 3 > len) return p + PTR
    const flags = u8[p + FLAGS] & 15
    const slot = p + ptr - 1
    if (flags === IPOPT_TS_TSONLY) {
      putTime(slot)
      u8[p + PTR] = ptr + 4
      options |= TS_NEEDTIME | IS_CHANGED
      return 0
    }
    if (flags !== IPOPT_TS_TSANDADDR && flags !== IPOPT_TS_PRESPEC) return 0
    if (ptr + 7 > len) return p + PTR
    if (flags === IPOPT_TS_PRESPEC) {
      if (inetAddrType(bytes.i32(u8, slot), i32[packet + SKB_DEV]) === RTN_UNICAST) return 0
    } else {
      bytes.putI32(u8, slot, specDst(packet, routeType))
      options |= TS_NEEDADDR
    }
    putTime(slot + 4)
    u8[p + PTR] = ptr + 8
    options |= TS_NEEDTIME | IS_CHANGED
    return 0
  }
  /** One more host that found no room. */
  const overflow = (p: number): number => {
    if ((u8[p + FLAGS] & 15) === IPOPT_TS_PRESPEC) return 0
    if (u8[p + FLAGS] >> 4 === 15) return p + FLAGS
    u8[p + FLAGS] += 0x10
    options |= IS_CHANGED
    return 0
  }
  const putTime = (at: number): void => bytes.putI32(u8, at, time[TIME_MS] | NONSTANDARD_TIME)

  // ---- through

  /** Takes the bytes of a packet with options for writing; false without memory for it. */
  const own = (skb: number): boolean => !skbs.isShared(skb) || skbs.expandHead(skb, RX_HEADROOM)

  /**
   * A compiled packet leaves by the device that has `addr`: that is what a recorded route and a timestamp are to show (RFC
   * 1812 section 4.2.2.2), and what a source route has in place of the hop that it goes to now (ip_forward_options).
   */
  const forward = (skb: number, addr: number): void => {
    const had = i32[skb + SKB_IPOPT]
    const ptr = had >>> SRR_HIT_SHIFT
    if (ptr === 0 && (had & IS_CHANGED) === 0) return
    const at = i32[skb + SKB_NETWORK]
    if ((had & RR_NEEDADDR) !== 0) putBehind(at + (had & RR_AT), 5, addr)
    if ((had & TS_NEEDADDR) !== 0) putBehind(at + ((had >> TS_SHIFT) & 0xff), 9, addr)
    if (ptr !== 0) {
      const p = at + srrOf(had)
      ipv4.setDst(u8, at, bytes.i32(u8, p + ptr - 1))
      bytes.putI32(u8, p + ptr - 1, addr)
      u8[p + PTR] = ptr + 4
    }
    ipv4.setChecksum(u8, at)
  }
  /** Writes the address that lies `back` octets before the pointer of the option at `p`. */
  const putBehind = (p: number, back: number, addr: number): void =>
    bytes.putI32(u8, p + u8[p + PTR] - back, addr)

  return { own, compile, forward, specDst, putTime }
}
