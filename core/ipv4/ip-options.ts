/**
 * IPv4 options: checked when a packet comes in, and filled in where they ask every host and router on the way for its
 * address or time (record route, timestamp); a reply carries what its request had recorded. Called by ip_rcv, ip_forward
 * and ICMP, for packets that have options; on a worker. RFC 791 section 3.1, 1122 section 3.2.1.8, 1812 section
 * 5.3.13; Linux: net/ipv4/ip_options.c.
 */
import * as bytes from '../base/bytes.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { Arena } from '../shm/arena.ts'
import type { Skbs } from '../skb/skb.ts'
import { RX_HEADROOM, SKB_NETWORK, SKB_TRANSPORT } from '../skb/skb.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { AddrType } from '../inet/addr-type.ts'

type IpOptionsDeps = {
  arena: Arena
  skbs: Skbs
  time: Time
  /** First of ten free words of this thread: the options of a reply. */
  scratch: number
} & Pick<AddrType, 'isLocalAddress'>
export type IpOptions = ReturnType<typeof createIpOptions>

const IPOPT_END = 0
const IPOPT_NOOP = 1
const IPOPT_RR = 7
const IPOPT_TS = 68
const IPOPT_LSRR = 131
const IPOPT_SSRR = 137
// Octets of an option: its kind, length, pointer; of a timestamp also overflow and flags.
const LEN = 1
const PTR = 2
const FLAGS = 3
const IPOPT_TS_TSONLY = 0
const IPOPT_TS_TSANDADDR = 1
const IPOPT_TS_PRESPEC = 3
/** The time does not count from midnight UT (RFC 791). */
const NONSTANDARD_TIME = 0x80000000 | 0

/** What `check` answers when all is well, and when the sender asks for a route of its own (accept_source_route 0). */
export const OPTIONS_OK = 0
export const OPTIONS_SOURCE_ROUTE = -1

export const createIpOptions = ({ arena, skbs, time, isLocalAddress, scratch }: IpOptionsDeps) => {
  const { i32, u8 } = arena
  const reply = scratch << 2

  /** OPTIONS_OK, OPTIONS_SOURCE_ROUTE, or which octet of the header is wrong (for a parameter problem). */
  const check = (skb: number): number => {
    const at = i32[skb + SKB_NETWORK]
    const end = i32[skb + SKB_TRANSPORT]
    for (let p = at + ipv4.MIN_HEADER; p < end; ) {
      const kind = u8[p]
      if (kind === IPOPT_END) return OPTIONS_OK
      if (kind === IPOPT_NOOP) {
        p++
        continue
      }
      const len = p + 1 < end ? u8[p + LEN] : 0
      if (len < 2 || p + len > end) return p - at
      if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) return OPTIONS_SOURCE_ROUTE
      const wrong = kind === IPOPT_RR ? wrongRoute(p) : kind === IPOPT_TS ? wrongTimes(p) : 0
      if (wrong !== 0) return p - at + wrong
      p += len
    }
    return OPTIONS_OK
  }
  /** The octet of a record route that is wrong, or 0. */
  const wrongRoute = (p: number): number => {
    const len = u8[p + LEN]
    if (len < 3) return LEN
    const ptr = u8[p + PTR]
    return ptr < 4 || (ptr <= len && ptr + 3 > len) ? PTR : 0
  }
  const wrongTimes = (p: number): number => {
    const len = u8[p + LEN]
    if (len < 4) return LEN
    const ptr = u8[p + PTR]
    if (ptr < 5) return PTR
    if (ptr > len) return u8[p + FLAGS] >> 4 === 15 ? FLAGS : 0
    const size = slotOf(u8[p + FLAGS] & 15)
    if (size === 0) return FLAGS
    return ptr + size - 1 > len ? PTR : 0
  }
  /** Octets that one host writes, by the flags; 0 when they are none. */
  const slotOf = (flags: number): number =>
    flags === IPOPT_TS_TSONLY
      ? 4
      : flags === IPOPT_TS_TSANDADDR || flags === IPOPT_TS_PRESPEC
        ? 8
        : 0

  /** Writes our address and time where the options of a checked packet ask for them; false without memory for it. */
  const record = (skb: number, addr: number): boolean => {
    if (skbs.isShared(skb) && !skbs.expandHead(skb, RX_HEADROOM)) return false
    const at = i32[skb + SKB_NETWORK]
    fill(at + ipv4.MIN_HEADER, i32[skb + SKB_TRANSPORT], addr)
    ipv4.setChecksum(u8, at)
    return true
  }
  const fill = (from: number, end: number, addr: number): void => {
    for (let p = from; p < end && u8[p] !== IPOPT_END; ) {
      if (u8[p] === IPOPT_RR) fillRoute(p, addr)
      else if (u8[p] === IPOPT_TS) fillTimes(p, addr)
      p += u8[p] === IPOPT_NOOP ? 1 : u8[p + LEN]
    }
  }
  const fillRoute = (p: number, addr: number): void => {
    const ptr = u8[p + PTR]
    if (ptr > u8[p + LEN]) return
    bytes.putI32(u8, p + ptr - 1, addr)
    u8[p + PTR] = ptr + 4
  }
  const fillTimes = (p: number, addr: number): void => {
    const ptr = u8[p + PTR]
    if (ptr > u8[p + LEN]) {
      if (u8[p + FLAGS] >> 4 !== 15) u8[p + FLAGS] += 0x10
      return
    }
    const flags = u8[p + FLAGS] & 15
    const size = slotOf(flags)
    const slot = p + ptr - 1
    if (flags === IPOPT_TS_PRESPEC && !isLocalAddress(bytes.i32(u8, slot))) return
    if (flags === IPOPT_TS_TSANDADDR) bytes.putI32(u8, slot, addr)
    bytes.putI32(u8, slot + size - 4, time[TIME_MS] | NONSTANDARD_TIME)
    u8[p + PTR] = ptr + size
  }

  /**
   * Puts the options that a reply to this packet carries in front of the reply's data, our address filled in
   * (ip_options_echo); their length. The caller has left headroom.
   */
  const echo = (request: number, skb: number, addr: number): number => {
    const end = i32[request + SKB_TRANSPORT]
    let n = 0
    for (let p = i32[request + SKB_NETWORK] + ipv4.MIN_HEADER; p < end && u8[p] !== IPOPT_END; ) {
      const len = u8[p] === IPOPT_NOOP ? 1 : u8[p + LEN]
      if (u8[p] === IPOPT_RR || u8[p] === IPOPT_TS) {
        bytes.copy(u8, reply + n, p, len)
        n += len
      }
      p += len
    }
    if (n === 0) return 0
    for (; (n & 3) !== 0; n++) u8[reply + n] = IPOPT_END
    fill(reply, reply + n, addr)
    bytes.copy(u8, skbs.push(skb, n), reply, n)
    return n
  }
  return { check, record, echo }
}
