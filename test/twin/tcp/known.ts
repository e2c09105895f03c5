// Differences that stay, each with its reason: the kernel is wrong by an RFC, or it is deliberate.

import type { Run } from './play.ts'

export type Known = {
  reason: string
  isIt: (run: Run) => boolean
}
/** The reason of a difference that is known, or null. */
export const isKnown = (known: readonly Known[], run: Run): string | null =>
  known.find(({ isIt }) => isIt(run))?.reason ?? null

export const KNOWN_TCP: readonly Known[] = []
