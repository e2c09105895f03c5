// A frame without what two routers may do differently: the identification of packets of their own without DF (the same
// number stays the same number), the time of day, TCP's first sequence number and its clock. Checksums are looked at and
// then left out, since they depend on all that.

import * as csum from '../../../core/base/checksum.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import { ip } from '../../../sim/net/packets.ts'
import { ADDED, OWN } from './world.ts'

const ETH = ethernet.ETH_HLEN
const OWN_ADDRS = new Set(
  [...OWN, ...Array.from({ length: 256 }, (_, n) => ADDED.map((of) => of(n))).flat()].map(ip)
)
const isOwn = (addr: number): boolean => OWN_ADDRS.has(addr) || ipv4.isLoopbackAddr(addr)
const ICMP_TIMESTAMPREPLY = 14

export type Canonical = { bytes: Uint8Array; notes: string[] }
/** Numbers that the router has drawn, in the order in which they are seen. */
export type Drawn = Map<number, number>

const isSumOk = (bytes: Uint8Array, at: number, len: number, pseudo: number): boolean =>
  csum.isChecksumOk(bytes, at, len, pseudo)

const pseudo = (f: Uint8Array, at: number, protocol: number, len: number): number =>
  csum.pseudoSum(f, at + ipv4.ADDRS, ipv4.ADDRS_LEN, protocol, len)

/**
 * Leaves out the times that the router writes into time stamps: words that are neither others' times nor addresses. The
 * kernel's day has less than 0x06000000 milliseconds; softnet's clock says by its first bit that it is another.
 */
const isTime = (octet: number): boolean => octet < 6 || octet >> 1 === 0x40
const withoutTimes = (f: Uint8Array, at: number, end: number): void => {
  for (let p = at + ipv4.MIN_HEADER; p < end && f[p] !== 0; ) {
    const len = f[p] === 1 ? 1 : f[p + 1]!
    if (len === 0 || p + len > end) return
    if (f[p] === 68) {
      for (let word = p + 4; word + 4 <= p + len; word += 4)
        if (isTime(f[word]!)) f.fill(0xee, word, word + 4)
      // a pointer may be between the words: the last time is before it
      const last = p + f[p + 2]! - 5
      if (last >= p + 4 && last + 4 <= p + len && isTime(f[last]!)) f.fill(0xee, last, last + 4)
    }
    p += len
  }
}

const withoutTransport = (f: Uint8Array, at: number, end: number, notes: string[]): void => {
  const body = at + ipv4.headerLen(f, at)
  const len = end - body
  const protocol = ipv4.protocol(f, at)
  if (ipv4.isFragment(f, at)) return
  const check = (sumAt: number, sum: number): void => {
    if (!isSumOk(f, body, len, sum)) notes.push('bad transport checksum')
    else f.fill(0, body + sumAt, body + sumAt + 2)
  }
  if (protocol === IPPROTO_ICMP && len >= 8) {
    check(2, 0)
    if (f[body] === ICMP_TIMESTAMPREPLY && len >= 20) f.fill(0xee, body + 12, body + 20)
    const inner = body + 8
    const isError = [3, 4, 5, 11, 12].includes(f[body]!)
    if (isError && inner + ipv4.MIN_HEADER <= end && f[inner]! >> 4 === 4)
      withoutHeader(f, inner, Math.min(end, inner + ipv4.headerLen(f, inner)), [])
  }
  if (protocol === IPPROTO_UDP && len >= 8 && (f[body + 6]! | f[body + 7]!) !== 0)
    check(6, pseudo(f, at, protocol, len))
  if (protocol === IPPROTO_TCP && len >= 20) {
    const isSynAck = (f[body + 13]! & 0x12) === 0x12
    check(16, pseudo(f, at, protocol, len))
    if (isSynAck && isOwn(ipv4.src(f, at))) {
      tcp.setSeq(f, body, 0)
      // what is never cut to pieces may have any (RFC 6864)
      ipv4.setId(f, at, 0)
      withoutClock(f, body + 20, body + tcp.headerLen(f, body))
    }
  }
}
/** TSval of TCP's timestamps. */
const withoutClock = (f: Uint8Array, from: number, end: number): void => {
  for (let p = from; p < end && f[p] !== 0; p += f[p] === 1 ? 1 : f[p + 1]! || 1)
    if (f[p] === 8) f.fill(0, p + 2, p + 6)
}
/** The kernel fills options in before it quotes a packet, and leaves its old checksum: of what is quoted nobody looks at it. */
const withoutHeader = (f: Uint8Array, at: number, end: number, notes: string[]): void => {
  if (!isSumOk(f, at, end - at, 0)) notes.push('bad header checksum')
  ipv4.putChecksum(f, at, 0)
  withoutTimes(f, at, end)
}

/** `drawn` is the router's own, for a whole case; null where frames have no order. */
export const canonicalIpv4 = (frame: Uint8Array, drawn: Drawn | null): Canonical => {
  const bytes = frame.slice()
  const notes: string[] = []
  const room = bytes.length - ETH
  if (bytes.length < ETH || ethernet.type(bytes, 0) !== ethernet.ETH_P_IP) return { bytes, notes }
  if (!ipv4.check(bytes, ETH, room)) return { bytes, notes: ['not IP'] }
  const end = ETH + ipv4.totalLength(bytes, ETH)
  withoutHeader(bytes, ETH, ETH + ipv4.headerLen(bytes, ETH), notes)
  withoutTransport(bytes, ETH, end, notes)
  if (isOwn(ipv4.src(bytes, ETH)) && !ipv4.dontFragment(bytes, ETH)) {
    const id = ipv4.id(bytes, ETH)
    if (drawn?.has(id) === false) drawn.set(id, drawn.size + 1)
    ipv4.setId(bytes, ETH, drawn?.get(id) ?? 0)
  }
  return { bytes, notes }
}
