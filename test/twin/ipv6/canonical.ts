// A frame without what two routers may do differently: the numbers of fragments, TCP's first sequence number and its
// clock. Checksums are looked at and then left out, since they depend on all that.

import * as csum from '../../../core/base/checksum.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import { IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import * as ext from '../../../core/wire/ipv6-ext.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import { words } from '../../../sim/net/path-tables.ts'
import type { Canonical, Drawn } from '../ipv4/canonical.ts'
import { ADDED, LINKS, linkLocalOf, OWN } from './world.ts'

const ETH = ethernet.ETH_HLEN
const keyOf = (address: readonly number[]): string => address.join()
const added = Array.from({ length: 256 }, (_, n) => ADDED.map((of) => of(n))).flat()
const OWN_ADDRS = new Set(
  [...OWN, ...LINKS.map(linkLocalOf), ...added].map((text) => keyOf(words(text)))
)

const isFromUs = (f: Uint8Array): boolean =>
  OWN_ADDRS.has(keyOf([ipv6.src0, ipv6.src1, ipv6.src2, ipv6.src3].map((word) => word(f, ETH))))

/** TSval of TCP's timestamps. */
const withoutClock = (f: Uint8Array, from: number, end: number): void => {
  for (let p = from; p < end && f[p] !== 0; p += f[p] === 1 ? 1 : f[p + 1]! || 1)
    if (f[p] === 8) f.fill(0, p + 2, p + 6)
}
const SUM_AT: Readonly<Record<number, number>> = {
  [IPPROTO_ICMPV6]: 2,
  [IPPROTO_UDP]: 6,
  [IPPROTO_TCP]: 16,
}
const LEAST: Readonly<Record<number, number>> = {
  [IPPROTO_ICMPV6]: 8,
  [IPPROTO_UDP]: 8,
  [IPPROTO_TCP]: 20,
}

export const canonicalIpv6 = (frame: Uint8Array, drawn: Drawn | null): Canonical => {
  const bytes = frame.slice()
  const notes: string[] = []
  if (bytes.length < ETH || ethernet.type(bytes, 0) !== ethernet.ETH_P_IPV6) return { bytes, notes }
  if (!ipv6.check(bytes, ETH, bytes.length - ETH)) return { bytes, notes: ['not IPv6'] }
  if (!isFromUs(bytes)) return { bytes, notes }
  const end = ETH + ipv6.HEADER + ipv6.payloadLength(bytes, ETH)
  const out = new Int32Array(ext.EXT_WORDS)
  if (ext.walk(bytes, ETH, end, out) !== ext.WALK_OK) return { bytes, notes }
  const fragmentAt = out[ext.EXT_FRAGMENT]!
  if (fragmentAt >= 0) {
    const id = ext.fragmentId(bytes, fragmentAt)
    if (drawn !== null && !drawn.has(id)) drawn.set(id, drawn.size + 1)
    const more = ext.moreFragments(bytes, fragmentAt)
    const offset = ext.fragmentOffset(bytes, fragmentAt)
    ext.putFragment(bytes, fragmentAt, bytes[fragmentAt]!, offset, more, drawn?.get(id) ?? 0)
    return { bytes, notes }
  }
  const [protocol, at] = [out[ext.EXT_PROTOCOL]!, out[ext.EXT_TRANSPORT]!]
  const len = end - at
  const sumAt = SUM_AT[protocol]
  if (sumAt === undefined || len < LEAST[protocol]!) return { bytes, notes }
  const sum = csum.pseudoSum(bytes, ETH + ipv6.ADDRS, ipv6.ADDRS_LEN, protocol, len)
  if (csum.isChecksumOk(bytes, at, len, sum)) bytes.fill(0, at + sumAt, at + sumAt + 2)
  else notes.push('bad transport checksum')
  if (protocol === IPPROTO_TCP && (bytes[at + 13]! & 0x12) === 0x12) {
    tcp.setSeq(bytes, at, 0)
    withoutClock(bytes, at + 20, at + tcp.headerLen(bytes, at))
  }
  return { bytes, notes }
}
