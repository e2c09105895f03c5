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

const ECHO = / ts ecr (\d+)/g
/** Both sent the same but for the stamps that they echo; the kernel's. */
const otherEcho = ({ difference }: Run): number => {
  const [kernel, softnet] = [difference!.kernel.join('\n'), difference!.softnet.join('\n')]
  if (kernel.replace(ECHO, '') !== softnet.replace(ECHO, '')) return -1
  return Number([...kernel.matchAll(ECHO)].at(-1)?.[1] ?? -1)
}
/** A segment whose acknowledgement is older than one before it, with this stamp. */
const hasOldAck = ({ steps }: Run, stamp: number): boolean => {
  let highest = 0
  return steps.some((step) => {
    if (step.do !== 'segment' || !step.segment.flags.includes('.')) return false
    const { ack, options } = step.segment
    if (ack < highest || ack < 1) return options.some((option) => option.startsWith(`ts ${stamp} `))
    highest = Math.max(highest, ack)
    return false
  })
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
  {
    reason:
      'RFC 5961 5: what its ACK field shows to be old says nothing; where the kernel predicts the header it takes the time stamp before it looks at the ACK',
    isIt: (run) => {
      const stamp = otherEcho(run)
      return stamp >= 0 && hasOldAck(run, stamp)
    },
  },
  {
    reason:
      'RFC 7323 3.2: any stamp that we have sent may be echoed; in SYN-RECEIVED the kernel refuses those of its own acknowledgements',
    isIt: (run) => {
      const { before, kernel, softnet } = run.difference!
      const step = stepOf(run)
      return (
        before.includes('LISTEN') &&
        step.do === 'segment' &&
        step.segment.options.some((option) => /^ts \d+ 0$/.test(option)) &&
        !kernel.some((line) => line.includes('LISTEN IN')) &&
        softnet.some((line) => line.includes('LISTEN IN'))
      )
    },
  },
]
