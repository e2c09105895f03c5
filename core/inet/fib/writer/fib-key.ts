/**
 * The prefix that is being put in, or taken out: what all steps of one change have in common. The writer (fib-writer.ts) names it, and the
 * tries follow its bits (fib-insert.ts, fib-remove.ts). Control thread.
 */
import type { Words } from '../../../wire/text.ts'
import { byFamily } from '../../af-ops.ts'
import { networkWords } from './addr-prefix.ts'

export type FibKey = ReturnType<typeof createFibKey>

/** Where in an address its first word is. */
const firstWord = byFamily(3, 0)

export const createFibKey = () => {
  let first = 0
  const key = {
    family: 0,
    /** Number of its table's root. */
    table: 0,
    words: [0, 0, 0, 0] as Words,
    plen: 0,
    /** Its bits in the w-th word of the address. */
    wordAt: (w: number): number => key.words[first + w],
    /** Makes a prefix the one that is being changed. */
    take: (family: number, table: number, address: Words, plen: number): void => {
      key.family = family
      key.table = table
      key.words = networkWords(family)(address, plen)
      key.plen = plen
      first = firstWord(family)
    },
  }
  return key
}
