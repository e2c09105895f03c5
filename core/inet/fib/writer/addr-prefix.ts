/**
 * The prefixes of addresses, which are four words each; an IPv4 one is the last of them. Control thread. Linux: ipv6_addr_prefix(),
 * inet_make_mask().
 */
import type { Words } from '../../../wire/text.ts'
import { byFamily } from '../../af-ops.ts'

/** The words with all bits after the first `bits` cleared. */
export const maskWords = (words: Words, bits: number): Words => {
  const mask = (at: number): number => {
    const kept = bits - at * 32
    return kept >= 32 ? words[at] : kept <= 0 ? 0 : words[at] & (-1 << (32 - kept))
  }
  return [mask(0), mask(1), mask(2), mask(3)]
}
/** The network of an address; an IPv4 one is the last of four words. */
export const networkWords = byFamily<(words: Words, plen: number) => Words>(
  (words, plen) => [0, 0, 0xffff, plen === 0 ? 0 : words[3] & (-1 << (32 - plen))],
  maskWords
)
