/** Frames for the steering tests, as plain byte lists; readable, not fast. */
import * as ethernet from '../../../core/wire/ethernet.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import { parseIpv4, parseIpv6 } from '../../../core/wire/text.ts'

export const be16 = (value: number): number[] => [value >> 8, value & 255]

export const ports = (source: number, destination: number): number[] => [
  ...be16(source),
  ...be16(destination),
  ...[0, 8, 0, 0],
]

/** fragment is the raw flags-and-offset field; options are padded by the caller. */
export const ip4 = (
  source: string,
  destination: string,
  protocol: number,
  body: number[],
  { fragment = 0, options = [] as number[] } = {}
): number[] => {
  const mem = new Uint8Array(20 + options.length + body.length)
  ipv4.init(mem, 0, protocol, parseIpv4(source)!, parseIpv4(destination)!, mem.length, 64)
  ipv4.setVersionIhl(mem, 0, 20 + options.length)
  mem.set(be16(fragment), 6)
  mem.set(options, 20)
  mem.set(body, 20 + options.length)
  return [...mem]
}

export const ip6 = (
  source: string,
  destination: string,
  next: number,
  body: number[]
): number[] => {
  const mem = new Uint8Array(40 + body.length)
  ipv6.init(mem, 0, next, body.length, 64)
  ipv6.setSrc(mem, 0, ...parseIpv6(source)!)
  ipv6.setDst(mem, 0, ...parseIpv6(destination)!)
  mem.set(body, 40)
  return [...mem]
}

const MACS = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]
export const ether = (packet: number[], ...tags: number[][]): number[] => {
  const type = packet[0]! >> 4 === 6 ? ethernet.ETH_P_IPV6 : ethernet.ETH_P_IP
  return [...MACS, ...tags.flat(), ...be16(type), ...packet]
}

export const icmpError = (type: number, quoted: number[]): number[] => [
  ...[type, 0, 0, 0, 0, 0, 0, 0],
  ...quoted,
]
