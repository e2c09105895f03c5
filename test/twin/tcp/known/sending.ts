// Reasons of how much goes at once, and how it is cut.
const SACK = /, nop, nop, sack [^\]]*/

import { isSameText, type Run, stateOfLoss, TCP_CA_DISORDER } from '../play.ts'
import { bareOfPush, IS_HIDDEN, stepOf, textAt } from './lines.ts'

/**
 * More can, or could, go at once from one. What both have sent is the same but for PSH at the ends of super-frames; what only one
 * has sent is text that goes for the first time, at once: nobody's timer has sent it.
 */
export const isPace = (run: Run): boolean => {
  if (!run.otherPaces.includes(true) || stepOf(run).do === 'wait') return false
  const [kernel, softnet] = [run.difference!.kernel, run.difference!.softnet].map((lines) =>
    lines.filter((line) => line.startsWith('> '))
  ) as [string[], string[]]
  const isKernelMore = kernel.length > softnet.length
  const [more, less] = isKernelMore ? [kernel, softnet] : [softnet, kernel]
  // what is reported by SACK goes in each segment of a super-frame
  const bare = (line: string): string => bareOfPush(line).replace(SACK, '')
  const { sent } = run.halves[isKernelMore ? 1 : 0].flow
  return (
    kernel.join() !== softnet.join() &&
    less.every((line, k) => isSameText(run, bare(line), bare(more[k]!))) &&
    more.slice(less.length).every((line) => (textAt(line) ?? -1) >= sent)
  )
}

/** They differ in PSH of what goes again. */
export const isCutForReports = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const { sent } = run.halves[0].flow
  return (
    kernel.length === softnet.length &&
    kernel.every((line, k) => {
      const other = softnet[k]!
      if (isSameText(run, line, other)) return true
      const isAgain = (textAt(line) ?? sent) < sent
      return isAgain && isSameText(run, bareOfPush(line), bareOfPush(other))
    })
  )
}

/** Only softnet sends, in Disorder and at once, text that goes for the first time; all else is the same. */
export const isLimitedTransmit = (run: Run): boolean => {
  const [kernel, softnet] = run.halves
  const lines = (all: readonly string[]): string[] => all.filter((line) => line.startsWith('> '))
  const [less, more] = [lines(run.difference!.kernel), lines(run.difference!.softnet)]
  const both = more.filter((line) => (textAt(line) ?? -1) < kernel.flow.sent)
  const { before, ...files } = run.difference!
  // one Recovery may have ended, where another begins
  const isAnew = [files.kernel, files.softnet].every((all) => / snd_ssthresh \d/.test(all.join()))
  return (
    // Recovery may follow at once, and of what is closed nothing is shown
    (IS_HIDDEN.test(before) ||
      ((isAnew || !kernel.hadLost) && stateOfLoss(kernel) >= TCP_CA_DISORDER)) &&
    stepOf(run).do !== 'wait' &&
    softnet.flow.sent > kernel.flow.sent &&
    less.length === both.length &&
    less.every((line, k) => isSameText(run, bareOfPush(line), bareOfPush(both[k]!)))
  )
}
