// Differences that stay. A list of them is short, and each says why: the kernel is wrong by an RFC, or it is deliberate.

import type { Case } from './case.ts'

/** Where the two differ: lines of what only one of them did. */
export type Difference = { where: string; kernel: string[]; softnet: string[] }

export type Known = {
  reason: string
  /** Lines that count for nothing, as `WHERE SIDE: LINE`; in cases where `among` says so, if it is given. */
  line?: RegExp
  among?: (steps: Case) => boolean
  /** Is it this one? */
  isIt?: (steps: Case, difference: Difference) => boolean
}

/** What is left of a difference, or null when nothing is. */
export const withoutKnown = (
  known: readonly Known[],
  steps: Case,
  { where, kernel, softnet }: Difference
): Difference | null => {
  const counts = (side: string) => (line: string) =>
    !known.some(
      (one) => one.line?.test(`${where} ${side}: ${line}`) && one.among?.(steps) !== false
    )
  const left = {
    where,
    kernel: kernel.filter(counts('kernel')),
    softnet: softnet.filter(counts('softnet')),
  }
  if (left.kernel.length + left.softnet.length === 0) return null
  // what is said of requests and routes is the same, whatever comes in and goes out
  const isOfPackets = where !== 'requests' && where !== 'routes'
  return isOfPackets && known.some(({ isIt }) => isIt?.(steps, left)) ? null : left
}
