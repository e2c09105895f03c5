// Messages of neighbour discovery for tests, as a neighbour on the link sends them, and what the host's own say.

import * as icmpv6 from '../../core/wire/icmpv6.ts'
import { formatIpv6 } from '../../core/wire/text.ts'
import { mac, macText } from './packets.ts'
import { icmpv6Frame, type Ip6Fields, readIcmpv6, readIp6 } from './packets6.ts'
import { words } from './path-tables.ts'

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
