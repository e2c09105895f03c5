// Reasons of how much goes at once, and how it is cut.

import { INFO } from '../end.ts'
import { isSameText, lateness, type Run, stateOfLoss, TCP_CA_DISORDER } from '../play.ts'
import {
  bareOfPush,
  blocksOf,
  IS_HIDDEN,
  isAnew,
  isSameFiles,
  sentLines,
  stepOf,
  type Stretch,
  stretchesOf,
  type Text,
  textAt,
} from './lines.ts'

const SND_MSS = INFO.findIndex(([name]) => name === 'snd_mss')
/** The size of the kernel's segments. */
const segmentOf = (run: Run): number =>
  Math.max(0, ...[...run.halves[0].shown.values()].map(({ info }) => info[SND_MSS] ?? 0))
const lenOf = ({ from, to }: Text): number => to - from

/**
 * More can, or could, go at once from one. What both have sent is the same but for PSH at the ends of super-frames, and for how
 * writes of less than a segment were put together (tcp_grow_skb); what only one has sent is text that goes for the first time, at
 * once: nobody's timer has sent it.
 */
export const isPace = (run: Run): boolean => {
  if (!run.otherPaces.includes(true) || stepOf(run).do === 'wait') return false
  const [kernel, softnet] = sentLines(run)
  const size = segmentOf(run)
  const isOf = ({ kernel, softnet }: Stretch): boolean => {
    const sent = Math.max(run.halves[0].hadSent, run.halves[1].hadSent)
    const end = Math.min(kernel.at(-1)?.to ?? 0, softnet.at(-1)?.to ?? 0)
    return [...kernel, ...softnet].every(
      (text) => text.from >= sent && (text.from >= end || lenOf(text) < size)
    )
  }
  return kernel.join() !== softnet.join() && (stretchesOf(run)?.every(isOf) ?? false)
}
/**
 * What goes again is cut otherwise: by the kernel into segments of today's size, as it has put together what was reported (or left
 * together what was not), by softnet where it was cut when it went first.
 */
export const isCutAnew = (run: Run): boolean => {
  const [kernel] = run.halves
  const size = segmentOf(run)
  const before = run.answers.slice(0, run.difference!.at).flat()
  const bounds = new Set([...before.map(textAt), kernel.hadSent])
  const isOf = (stretch: Stretch): boolean =>
    stretch.kernel.length > 0 &&
    [...stretch.kernel, ...stretch.softnet].every(({ to }) => to <= kernel.hadSent) &&
    stretch.kernel.slice(0, -1).every((text) => lenOf(text) === size) &&
    stretch.softnet.every(({ from, to }) => bounds.has(from) && bounds.has(to))
  const stretches = stretchesOf(run)
  return (
    run.steps.slice(0, run.difference!.at + 1).some((step) => blocksOf(step).length > 0) &&
    stretches !== null &&
    stretches.length > 0 &&
    stretches.every(isOf) &&
    isSameFiles(run, / (unacked|sacked|lost|retrans|total_retrans|delivered) \d+/g)
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

/** Text that only softnet has sent, which goes for the first time. */
const isBeyond =
  ({ halves: [kernel] }: Run) =>
  (line: string): boolean =>
    (textAt(line) ?? -1) >= kernel.flow.sent
/** Only softnet sends, in Disorder and at once, text that goes for the first time. */
const hasLimitedTransmit = (run: Run): boolean => {
  const [kernel, softnet] = run.halves
  const { before } = run.difference!
  return (
    // Recovery may follow at once, and of what is closed nothing is shown
    (IS_HIDDEN.test(before) ||
      ((isAnew(run) || !kernel.hadLost) && stateOfLoss(kernel) >= TCP_CA_DISORDER)) &&
    stepOf(run).do !== 'wait' &&
    softnet.flow.sent > kernel.flow.sent
  )
}
/** And all else is the same. */
export const isLimitedTransmit = (run: Run): boolean => {
  const [less, more] = sentLines(run)
  const both = more.filter((line) => !isBeyond(run)(line))
  return (
    hasLimitedTransmit(run) &&
    less.length === both.length &&
    less.every((line, k) => isSameText(run, bareOfPush(line), bareOfPush(both[k]!)))
  )
}
/** The run as it would be without that, and what it counts. */
export const withoutLimitedTransmit = (run: Run): Run | null => {
  if (!hasLimitedTransmit(run)) return null
  const { kernel, softnet } = run.difference!
  const bare = (line: string): string =>
    line.startsWith('file ')
      ? line.replace(/ (unacked|lost|notsent_bytes|snd_cwnd) \d+/g, '')
      : line
  const mended = softnet.filter((line) => !isBeyond(run)(line))
  if (mended.length === softnet.length) return null
  return {
    ...run,
    difference: { ...run.difference!, kernel: kernel.map(bare), softnet: mended.map(bare) },
  }
}

/**
 * Only one has begun anew, or with half the window of the other, after silence of about its RTO, or of so many. What both have sent is
 * the same but for text that only one has room for.
 */
export const isIdleOfOne = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'call' || step.name !== 'send') return false
  const isNear = run.halves.some(({ idleMs, rtosBefore }) =>
    [...rtosBefore.values()].some((rto) => {
      const times = Math.max(1, Math.round(idleMs / rto)) * rto
      return Math.abs(idleMs - times) <= lateness(times, run.gapMs)
    })
  )
  const isMore = ({ kernel, softnet }: Stretch): boolean =>
    kernel.length === 0 || softnet.length === 0
  return (
    isNear &&
    / snd_cwnd \d/.test([...run.difference!.kernel, ...run.difference!.softnet].join()) &&
    isSameFiles(run, / (snd_cwnd|unacked|notsent_bytes) \d+/g) &&
    (stretchesOf(run)?.every(isMore) ?? false)
  )
}
