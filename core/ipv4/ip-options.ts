/**
 * IPv4 options. A packet that comes in with options has them checked and filled in at once (compile): our address and
 * time where they ask every host and router on the way for them. A router then writes the address that the packet leaves
 * by (forward). What answers a packet, ICMP's errors included, carries what it had recorded (echo, then build).
 * Called by ip_rcv, ip_forward, ICMP and TCP's resets for packets that have options; on a worker. RFC 791 section
 * 3.1, 1122 section 3.2.1.8, 1812 section 5.3.13; Linux: net/ipv4/ip_options.c.
 */
import { AF_INET, V4_MAPPED } from '../base/family.ts'
import * as bytes from '../base/bytes.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_FAMILY,
  FL_SADDR,
  RTN_LOCAL,
  RTN_UNICAST,
  FL_OIF,
} from '../base/flowi.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { Arena } from '../shm/arena.ts'
import type { Skbs } from '../skb/skb.ts'
import { RX_HEADROOM, SKB_DEV, SKB_IPOPT, SKB_NETWORK, SKB_TRANSPORT } from '../skb/skb.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { AddrType } from '../inet/addr-type.ts'
import type { Route } from '../inet/route.ts'
import { l3mdevOf } from '../netdev/netdev.ts'

type IpOptionsDeps = {
  arena: Arena
  skbs: Skbs
  time: Time
  /** core/stack/ipv4.ts: select4 of inet/source.ts with RT_SCOPE_UNIVERSE; 0 is none. */
  selectSource: (dev: number, near: number) => number
  /** First of ten free words of this thread: the options of a reply. */
  scratch: number
} & Pick<AddrType, 'inetAddrType'> &
  Pick<Route, 'routeOutput'>
export type IpOptions = ReturnType<typeof createIpOptions>

const IPOPT_END = 0
const IPOPT_NOOP = 1
const IPOPT_RR = 7
const IPOPT_TS = 68
const IPOPT_LSRR = 131
const IPOPT_SSRR = 137
const IPOPT_RA = 148
// Octets of an option: its kind, length, pointer; of a timestamp also overflow and flags.
const LEN = 1
const PTR = 2
const FLAGS = 3
const IPOPT_TS_TSONLY = 0
const IPOPT_TS_TSANDADDR = 1
const IPOPT_TS_PRESPEC = 3
/** The time does not count from midnight UT (RFC 791). */
const NONSTANDARD_TIME = 0x80000000 | 0

// SKB_IPOPT, and the same of a reply (struct ip_options): where from the header's start record route and timestamp are, 0
// for nowhere, and what was done for them.
const RR_AT = 0xff
const TS_SHIFT = 8
const RR_NEEDADDR = 1 << 16
const TS_NEEDADDR = 1 << 17
const TS_NEEDTIME = 1 << 18
const HAS_SOURCE_ROUTE = 1 << 19
const IS_CHANGED = 1 << 20

/** What `compile` answers when all is well, and when the sender asks for a route of its own. */
export const OPTIONS_OK = 0
export const OPTIONS_SOURCE_ROUTE = -1
/** What `echo` answers when no reply can carry them. */
export const OPTIONS_NO_ECHO = -1

export const createIpOptions = (deps: IpOptionsDeps) => {
  const { arena, skbs, time, inetAddrType, routeOutput, selectSource, scratch } = deps
  const { i32, u8 } = arena
  const reply = scratch << 2
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
   * OPTIONS_SOURCE_ROUTE, or which octet of the header is wrong (for a parameter problem).
   */
  const compile = (skb: number, type: number): number => {
    packet = skb
    header = i32[skb + SKB_NETWORK]
    routeType = type
    options = 0
    const wrong = compileAll(i32[skb + SKB_TRANSPORT])
    if ((options & IS_CHANGED) !== 0) ipv4.setChecksum(u8, header)
    i32[skb + SKB_IPOPT] = options
    if (wrong !== OPTIONS_OK) return wrong - header
    return (options & HAS_SOURCE_ROUTE) === 0 ? OPTIONS_OK : OPTIONS_SOURCE_ROUTE
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
    if ((options & HAS_SOURCE_ROUTE) !== 0) return p
    options |= HAS_SOURCE_ROUTE
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

  /** A compiled packet leaves by the device that has `addr`: that is what its route is to show (ip_forward_options). */
  const forward = (skb: number, addr: number): void => {
    if ((i32[skb + SKB_IPOPT] & RR_NEEDADDR) === 0) return
    const at = i32[skb + SKB_NETWORK]
    const p = at + (i32[skb + SKB_IPOPT] & RR_AT)
    bytes.putI32(u8, p + u8[p + PTR] - 5, addr)
    ipv4.setChecksum(u8, at)
  }

  // ---- back

  /** Of the reply: as SKB_IPOPT, the offsets from where its options begin. */
  let replyOptions = 0

  /** Length of the options that a reply to this compiled packet carries, or OPTIONS_NO_ECHO; build() puts them on. */
  const echo = (request: number): number => {
    replyOptions = 0
    const at = i32[request + SKB_NETWORK]
    if (ipv4.headerLen(u8, at) === ipv4.MIN_HEADER) return 0
    const had = i32[request + SKB_IPOPT]
    let n = 0
    if ((had & RR_AT) !== 0) n = echoRoute(at + (had & RR_AT), had)
    const ts = (had >> TS_SHIFT) & 0xff
    if (ts !== 0 && n >= 0) n = echoTimes(at + ts, had, n, i32[request + SKB_DEV])
    for (; n > 0 && (n & 3) !== 0; n++) u8[reply + n] = IPOPT_END
    return n
  }
  const echoRoute = (p: number, had: number): number => {
    const [len, ptr] = [u8[p + LEN], u8[p + PTR]]
    bytes.copy(u8, reply, p, len)
    if ((had & RR_NEEDADDR) === 0 || ptr > len) return len
    if (ptr + 3 > len) return OPTIONS_NO_ECHO
    u8[reply + PTR] = ptr + 4
    replyOptions |= RR_NEEDADDR
    return len
  }
  const echoTimes = (p: number, had: number, n: number, dev: number): number => {
    const len = u8[p + LEN]
    const to = reply + n
    let ptr = u8[p + PTR]
    bytes.copy(u8, to, p, len)
    replyOptions |= n << TS_SHIFT
    if (ptr > len) return n + len
    if ((had & TS_NEEDADDR) !== 0) {
      if (ptr + 3 > len) return OPTIONS_NO_ECHO
      replyOptions |= TS_NEEDADDR
      ptr += 4
    }
    if ((had & TS_NEEDTIME) !== 0) {
      if (ptr + 3 > len) return OPTIONS_NO_ECHO
      const isNamed = (u8[to + FLAGS] & 15) === IPOPT_TS_PRESPEC
      const size = isNamed ? prespecified(to, ptr, len, dev) : 4
      if (size !== 0) replyOptions |= TS_NEEDTIME
      ptr += size
    }
    u8[to + PTR] = ptr
    return n + len
  }
  /** Octets that we write of a time stamp for hosts that its sender has named. */
  const prespecified = (to: number, ptr: number, len: number, dev: number): number =>
    ptr + 7 <= len && inetAddrType(bytes.i32(u8, to + ptr - 1), dev) !== RTN_UNICAST ? 8 : 0

  /** Puts the `n` octets of the last echo() in front of the reply's data, which leaves from `addr`. */
  const build = (skb: number, n: number, addr: number): void => {
    const ts = reply + ((replyOptions >> TS_SHIFT) & 0xff)
    if ((replyOptions & RR_NEEDADDR) !== 0) bytes.putI32(u8, reply + u8[reply + PTR] - 5, addr)
    if ((replyOptions & TS_NEEDADDR) !== 0) bytes.putI32(u8, ts + u8[ts + PTR] - 9, addr)
    if ((replyOptions & TS_NEEDTIME) !== 0) putTime(ts + u8[ts + PTR] - 5)
    bytes.copy(u8, skbs.push(skb, n), reply, n)
    // of what is ours nothing is recorded a second time
    i32[skb + SKB_IPOPT] = 0
  }

  return { own, compile, forward, echo, build, specDst }
}
