// Differences that stay, each with its reason: the kernel is wrong by an RFC, or it is deliberate.

import type { Run } from './play.ts'
import type { Step } from './script.ts'

export type Known = {
  reason: string
  isIt: (run: Run) => boolean
}
/** The reason of a difference that is known, or null. */
export const isKnown = (known: readonly Known[], run: Run): string | null =>
  known.find(({ isIt }) => isIt(run))?.reason ?? null

/** The step at which they part. */
const stepOf = ({ steps, difference }: Run): Step => steps[difference!.at]!
const isSegment = (step: Step, flags: RegExp): boolean =>
  step.do === 'segment' && flags.test(step.segment.flags)
/** Both sent the same but for their options. */
const isOnlyOptions = ({ difference }: Run): boolean => {
  const bare = (lines: readonly string[]): string =>
    lines.map((line) => line.replace(/ \[[^\]]*\]/, '')).join('\n')
  return bare(difference!.kernel) === bare(difference!.softnet)
}

export const KNOWN_TCP: readonly Known[] = [
  {
    reason:
      'RFC 7323 1.3, 2.2, 3.2: what the peer has not offered in its SYN is not in our SYN-ACK; when SYNs cross, the kernel offers it again',
    isIt: (run) =>
      run.difference!.before.includes('SYN-') &&
      isSegment(stepOf(run), /^S[^.]*$/) &&
      isOnlyOptions(run),
  },
]
