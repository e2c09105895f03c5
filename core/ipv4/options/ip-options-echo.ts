/**
 * IPv4 options of what answers a packet, ICMP's errors included: what the packet had recorded goes on with the answer, and
 * the way back is the way it came, where its sender had named that (echo, then build). Called by ICMP and TCP's resets, and by
 * what listens, whose connections keep them; on a worker. RFC 1122 section 3.2.1.8 and 3.2.2.6, 1812 section 4.3.2.6; Linux: __ip_options_echo(), ip_options_build().
 */
import * as bytes from '../../base/bytes.ts'
import { RTN_LOCAL, RTN_UNICAST } from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { SKB_DEV, SKB_IPOPT, SKB_NETWORK } from '../../skb/skb.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import { SK_IPOPT, SK_IPOPT_LEN } from '../../socket/inet-sock.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import {
  FLAGS,
  IPOPT_END,
  IPOPT_LSRR,
  IPOPT_NOOP,
  IPOPT_RR,
  IPOPT_SSRR,
  IPOPT_TS,
  IPOPT_TS_PRESPEC,
  IPOPT_TS_TSANDADDR,
  LEN,
  PTR,
  RR_AT,
  RR_NEEDADDR,
  SRR_AT,
  SRR_SHIFT,
  TS_NEEDADDR,
  TS_NEEDTIME,
  TS_SHIFT,
} from './ip-options-constants.ts'
import { noteFirstHop } from './ip-options-sock.ts'
import type { IpOptions } from './ip-options.ts'

type IpOptionsEchoDeps = {
  arena: Arena
  skbs: Skbs
  /** First of ten free words of this thread: the options of a reply. */
  scratch: number
} & Pick<AddrType, 'inetAddrType'> &
  Pick<IpOptions, 'putTime'>
export type IpOptionsEcho = ReturnType<typeof createIpOptionsEcho>

/** What `echo` answers when no reply can carry them. */
export const OPTIONS_NO_ECHO = -1

export const createIpOptionsEcho = (deps: IpOptionsEchoDeps) => {
  const { arena, skbs, inetAddrType, putTime, scratch } = deps
  const { i32, u8 } = arena
  const reply = scratch << 2

  /** Of the reply: as SKB_IPOPT, the offsets from where its options begin. */
  let replyOptions = 0
  /** To whom it goes first, where a source route names that; else 0. */
  let first = 0
  /** Of a socket's: no hop of its source route may be reached by a router between. */
  let strict = false
  /** The device that the request came in by. */
  let dev = 0

  /** Length of the options that a reply to this compiled packet carries, or OPTIONS_NO_ECHO; build() puts them on. */
  const echo = (request: number): number => {
    replyOptions = 0
    first = 0
    dev = i32[request + SKB_DEV]
    const at = i32[request + SKB_NETWORK]
    if (ipv4.headerLen(u8, at) === ipv4.MIN_HEADER) return 0
    const had = i32[request + SKB_IPOPT]
    let n = 0
    if ((had & RR_AT) !== 0) n = echoRoute(at + (had & RR_AT), had)
    const ts = (had >> TS_SHIFT) & 0xff
    if (ts !== 0 && n >= 0) n = echoTimes(at + ts, had, n)
    const srr = (had >> SRR_SHIFT) & SRR_AT
    if (srr !== 0 && n >= 0) n = echoSourceRoute(at, at + srr, n)
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
  const echoTimes = (p: number, had: number, n: number): number => {
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
      const size = (u8[to + FLAGS] & 15) === IPOPT_TS_PRESPEC ? prespecified(to, ptr, len) : 4
      if (size !== 0) replyOptions |= TS_NEEDTIME
      ptr += size
    }
    u8[to + PTR] = ptr
    return n + len
  }
  /** Octets that we write of a time stamp for hosts that its sender has named. */
  const prespecified = (to: number, ptr: number, len: number): number =>
    ptr + 7 <= len && inetAddrType(bytes.i32(u8, to + ptr - 1), dev) !== RTN_UNICAST ? 8 : 0

  /**
   * The way back: the hops that were recorded, the last of them first, which the reply goes to. Who put himself on his own
   * way is left out of it (RFC 1122 section 3.2.1.8 c).
   */
  const echoSourceRoute = (at: number, p: number, n: number): number => {
    let ptr = Math.min(u8[p + PTR], u8[p + LEN] + 1) - 4
    if (ptr < 4) return n
    const to = reply + n
    const via = bytes.i32(u8, p + ptr - 1)
    const type = inetAddrType(via, dev)
    if (type !== RTN_UNICAST && type !== RTN_LOCAL) return OPTIONS_NO_ECHO
    const daddr = ipv4.src(u8, at)
    let len = 7
    for (ptr -= 4; ptr > 3; ptr -= 4, len += 4) bytes.copy(u8, to + len - 4, p + ptr - 1, 4)
    if (bytes.i32(u8, p + ptr + 3) === daddr) len -= 4
    if (len === 3) return n
    first = via
    u8[to] = u8[p]
    u8[to + LEN] = len
    u8[to + PTR] = 4
    // the last slot is that of whom it is for
    bytes.putI32(u8, to + len - 4, daddr)
    return n + len
  }
  /** Whom a reply to `daddr` with the options of the last echo() is sent to. */
  const firstHop = (daddr: number): number => (first !== 0 ? first : daddr)

  // ---- of a socket's own

  /**
   * The options of what answers this compiled packet become the socket's own, none where no reply can carry them (RFC 1122
   * section 4.2.3.8, tcp_v4_save_options).
   */
  const keepOptions = (sk: number, request: number): void => {
    const n = Math.max(echo(request), 0)
    if ((n | i32[sk + SK_IPOPT_LEN]) === 0) return
    undo(n)
    bytes.copy(u8, (sk + SK_IPOPT) << 2, reply, n)
    i32[sk + SK_IPOPT_LEN] = n
    noteFirstHop(arena, sk)
  }
  /** As a socket asks for them, before anything of ours is in them (ip_options_undo). */
  const undo = (n: number): void => {
    for (let p = reply; p < reply + n && u8[p] !== IPOPT_END; p += lengthAt(p)) {
      const kind = u8[p]
      if (kind === IPOPT_RR && (replyOptions & RR_NEEDADDR) !== 0) u8[p + PTR] -= 4
      else if (kind === IPOPT_TS) undoTimes(p)
      else if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) {
        bytes.copy(u8, p + 7, p + 3, u8[p + LEN] - 7)
        bytes.putI32(u8, p + 3, first)
      }
    }
  }
  const undoTimes = (p: number): void => {
    if ((replyOptions & TS_NEEDTIME) !== 0)
      u8[p + PTR] -= (u8[p + FLAGS] & 15) === IPOPT_TS_PRESPEC ? 8 : 4
    if ((replyOptions & TS_NEEDADDR) !== 0) u8[p + PTR] -= 4
  }

  /** Length of the options that a packet of the socket's to `daddr` carries; build() puts them on. */
  const ofSocket = (sk: number, daddr: number): number => {
    const n = i32[sk + SK_IPOPT_LEN]
    replyOptions = 0
    first = 0
    strict = false
    bytes.copy(u8, reply, (sk + SK_IPOPT) << 2, n)
    for (let p = reply; p < reply + n && u8[p] !== IPOPT_END; p += lengthAt(p)) {
      const kind = u8[p]
      if (kind === IPOPT_RR) ownRoute(p)
      else if (kind === IPOPT_TS) ownTimes(p)
      else if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) ownSourceRoute(p, daddr)
    }
    return n
  }
  const lengthAt = (p: number): number => (u8[p] === IPOPT_NOOP ? 1 : u8[p + LEN])
  const ownRoute = (p: number): void => {
    if (u8[p + PTR] > u8[p + LEN]) return
    u8[p + PTR] += 4
    replyOptions |= RR_NEEDADDR | (p - reply)
  }
  const ownTimes = (p: number): void => {
    const [len, ptr] = [u8[p + LEN], u8[p + PTR]]
    if (ptr > len) return
    const flags = u8[p + FLAGS] & 15
    const size = flags === IPOPT_TS_PRESPEC ? prespecified(p, ptr, len) : flags === 0 ? 4 : 8
    if (size === 0) return
    u8[p + PTR] = ptr + size
    replyOptions |= TS_NEEDTIME | ((p - reply) << TS_SHIFT)
    if (flags === IPOPT_TS_TSANDADDR) replyOptions |= TS_NEEDADDR
  }
  /** It goes to the first of the hops; the others move up, and whom it is for is the last. */
  const ownSourceRoute = (p: number, daddr: number): void => {
    const len = u8[p + LEN]
    first = bytes.i32(u8, p + 3)
    strict = u8[p] === IPOPT_SSRR
    bytes.copy(u8, p + 3, p + 7, len - 7)
    bytes.putI32(u8, p + len - 4, daddr)
  }

  /** Puts the `n` octets of the last echo() or ofSocket() in front of the reply's data, which leaves from `addr`. */
  const build = (skb: number, n: number, addr: number): void => {
    const ts = reply + ((replyOptions >> TS_SHIFT) & 0xff)
    const rr = reply + (replyOptions & RR_AT)
    if ((replyOptions & RR_NEEDADDR) !== 0) bytes.putI32(u8, rr + u8[rr + PTR] - 5, addr)
    if ((replyOptions & TS_NEEDADDR) !== 0) bytes.putI32(u8, ts + u8[ts + PTR] - 9, addr)
    if ((replyOptions & TS_NEEDTIME) !== 0) putTime(ts + u8[ts + PTR] - 5)
    bytes.copy(u8, skbs.push(skb, n), reply, n)
    // of what is ours nothing is recorded a second time
    i32[skb + SKB_IPOPT] = 0
  }

  return {
    echo,
    keepOptions,
    ofSocket,
    isStrict: () => strict,
    firstHop,
    build,
    /** Where the octets of the last echo() lie. */
    replyAt: reply,
  }
}
