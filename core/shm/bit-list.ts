/**
 * Sets of small numbers, a bit for each, in words of shared memory: the ports that are reserved
 * (net.ipv4.ip_local_reserved_ports) and the ICMPv6 types that are limited (net.ipv6.icmp.ratemask). Control writes them, workers
 * ask. As text they are `8080,9000-9100`. Linux: proc_do_large_bitmap, inet_is_local_reserved_port.
 */
import type { Arena } from './arena.ts'
import { PORT_BITS_WORDS } from './layout.ts'

type Words = Int32Array | readonly number[]
const hasBit = (words: Words, at: number, bit: number): boolean =>
  ((words[at + (bit >> 5)] >>> (bit & 31)) & 1) !== 0

/** May nobody have the port who has not asked for it? */
export const isReservedPort = ({ i32, layout }: Arena, port: number): boolean =>
  hasBit(i32, layout.reservedPorts, port)
export const reservePorts = ({ i32, layout }: Arena, words: Int32Array): void =>
  i32.set(words, layout.reservedPorts)
export const reservedPorts = ({ i32, layout }: Arena): Int32Array =>
  i32.slice(layout.reservedPorts, layout.reservedPorts + PORT_BITS_WORDS)

/** So many words of what a text lists, or null where that is no list of numbers that have a bit. */
export const parseBits = (text: string, size: number): Int32Array | null => {
  const words = new Int32Array(size)
  // nothing is a list too, and a comma may stand at its end
  for (const part of text.split(',').filter((part) => part !== '')) {
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? []
    if (first === undefined) return null
    const [from, to] = [Number(first), Number(last ?? first)]
    if (from > to || to >= size * 32) return null
    for (let bit = from; bit <= to; bit++) words[bit >> 5] |= 1 << (bit & 31)
  }
  return words
}
/** The list, as it is shown: what follows one another is a range. */
export const bitsText = (words: Words): string => {
  const ranges: string[] = []
  const size = words.length * 32
  for (let bit = 0; bit < size; bit++) {
    if (!hasBit(words, 0, bit)) continue
    const first = bit
    while (bit + 1 < size && hasBit(words, 0, bit + 1)) bit++
    ranges.push(first === bit ? `${first}` : `${first}-${bit}`)
  }
  return ranges.join(',')
}
export const countBits = (words: Words): number => {
  let count = 0
  for (let word of words) for (; word !== 0; word &= word - 1) count++
  return count
}
