// Messages of neighbour discovery for tests, as a neighbour on the link sends them, and what the host's own say.

import * as icmpv6 from '../../core/wire/icmpv6.ts'
import { formatIpv6 } from '../../core/wire/text.ts'
import { mac, macText } from '../../sim/net/packets.ts'
import { icmpv6Frame, type Ip6Fields, readIcmpv6, readIp6 } from '../../sim/net/packets6.ts'
import { words } from '../../sim/net/path-tables.ts'

export const SLLA = 1
export const TLLA = 2
/** Octets of an option with a link-layer address. */
export const llOption = (type: number, address: string): number[] => [type, 1, ...mac(address)]
/** The multicast group and link-layer address by which an address is asked for. */
export const solicitedNode = (addr: string): { daddr: string; dst: string } => {
  const low = words(addr)[3] & 0xffffff
  const octets = [low >> 16, (low >> 8) & 255, low & 255]
  const hex = octets.map((octet) => octet.toString(16).padStart(2, '0'))
  return {
    daddr: formatIpv6(0xff020000 | 0, 0, 1, 0xff000000 | low),
    dst: `33:33:ff:${hex.join(':')}`,
  }
}

export type NdFields = Partial<Ip6Fields> & {
  src: string
  dst: string
  saddr: string
  daddr: string
  type: number
  code?: number
  /** NA_* */
  flags?: number
  target: string
  options?: readonly number[]
}
const addrOctets = (addr: string): number[] =>
  words(addr).flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255])

/** A solicitation or an advertisement. */
export const ndFrame = (fields: NdFields): Uint8Array => {
  const { src, dst, type, code = 0, flags = 0, target, options = [], hops = 255 } = fields
  const data = Uint8Array.from([...addrOctets(target), ...options])
  return icmpv6Frame({ src, dst }, { ...fields, hops }, type, code, flags << 24, data)
}

/** What a solicitation or an advertisement says. */
export const readNd = (frame: Uint8Array) => {
  const { saddr, daddr, hops, payload } = readIp6(frame)
  const { type, code } = readIcmpv6(frame)
  const view = new DataView(payload.buffer, payload.byteOffset)
  const [a, b, c, d] = [8, 12, 16, 20].map((at) => view.getInt32(at))
  const hasOption = payload.length > 24
  return {
    saddr,
    daddr,
    dst: macText(frame, 0),
    hops,
    type,
    code,
    flags: payload[4]!,
    target: formatIpv6(a!, b!, c!, d!),
    option: hasOption ? [payload[24]!, macText(payload, 26)] : [],
  }
}
export const NS = icmpv6.NDISC_NEIGHBOUR_SOLICITATION
export const NA = icmpv6.NDISC_NEIGHBOUR_ADVERTISEMENT

// ---- routers

const octets32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255)
/** An option of a router's that says a prefix; `flags` 0xc0 has its addresses on the link, and hosts make some. */
export const prefixOption = (
  prefix: string,
  { plen = 64, flags = 0xc0, valid = 3600, preferred = 1800 } = {}
): number[] => [
  ...[3, 4, plen, flags, ...octets32(valid), ...octets32(preferred), 0, 0, 0, 0],
  ...addrOctets(prefix),
]
export const mtuOption = (mtu: number): number[] => [5, 1, 0, 0, ...octets32(mtu)]
/** pref as RFC 4191 has its bits: 1 high, 0 medium, 3 low. */
export const routeOption = (
  prefix: string,
  plen: number,
  pref: number,
  seconds: number
): number[] => [...[24, 3, plen, pref << 3, ...octets32(seconds)], ...addrOctets(prefix)]
export type RaFields = Partial<Ip6Fields> & {
  src?: string
  saddr?: string
  code?: number
  hopLimit?: number
  pref?: number
  /** Seconds. */
  lifetime?: number
  /** Milliseconds. */
  reachable?: number
  retrans?: number
  options?: readonly number[]
  /** The message is cut to so many octets. */
  cut?: number
}
export const ROUTER_MAC = '02:00:00:00:09:01'
export const ROUTER = 'fe80::ff:fe00:901'
/** A router's advertisement to all. */
export const raFrame = (fields: RaFields = {}): Uint8Array => {
  const { src = ROUTER_MAC, saddr = ROUTER, code = 0, hops = 255, cut } = fields
  const { hopLimit = 64, pref = 0, lifetime = 1800, options = llOption(SLLA, src) } = fields
  const word = (hopLimit << 24) | (pref << 19) | lifetime
  const { reachable = 0, retrans = 0 } = fields
  const data = Uint8Array.from([...octets32(reachable), ...octets32(retrans), ...options])
  const link = { src, dst: '33:33:00:00:00:01' }
  const about = { ...fields, saddr, daddr: fields.daddr ?? 'ff02::1', hops }
  return icmpv6Frame(link, about, RA, code, word, cut === undefined ? data : data.subarray(0, cut))
}
export const RS = icmpv6.NDISC_ROUTER_SOLICITATION
export const RA = icmpv6.NDISC_ROUTER_ADVERTISEMENT

/** What an advertisement says, option by option in words. */
export const readRa = (frame: Uint8Array) => {
  const { saddr, daddr, hops, payload } = readIp6(frame)
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const addrAt = (at: number): string => {
    const [a, b, c, d] = [0, 4, 8, 12].map((word) => view.getInt32(at + word))
    return formatIpv6(a!, b!, c!, d!)
  }
  const said: string[] = []
  for (let at = 16; at < payload.length; at += payload[at + 1]! * 8) {
    const seconds = view.getUint32(at + 4)
    const words: Record<number, () => string> = {
      1: () => `source ${macText(payload, at + 2)}`,
      3: () =>
        `prefix ${addrAt(at + 16)}/${payload[at + 2]} flags ${payload[at + 3]} valid ${seconds} preferred ${view.getUint32(at + 8)}`,
      5: () => `mtu ${seconds}`,
      25: () => `rdnss ${addrAt(at + 8)} for ${seconds}`,
    }
    said.push(words[payload[at]!]?.() ?? `option ${payload[at]}`)
  }
  return {
    saddr,
    daddr,
    hops,
    hopLimit: payload[4]!,
    flags: payload[5]!,
    lifetime: view.getUint16(6),
    reachable: view.getUint32(8),
    retrans: view.getUint32(12),
    said,
  }
}
