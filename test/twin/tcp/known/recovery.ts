// Reasons of what is reported, thought lost, and sent again.

import { INFO } from '../end.ts'
import { type Half, type Run, stateOfLoss, TCP_CA_DISORDER } from '../play.ts'
import {
  acknowledgedOf,
  blocksOf,
  isAnew,
  isOnly,
  isSameBut,
  isSameFiles,
  isSameLines,
  stepOf,
  textAt,
} from './lines.ts'

const SACKED = INFO.findIndex(([name]) => name === 'sacked')

const sackedOf = ({ shown }: Half): number =>
  Math.max(0, ...[...shown.values()].map(({ info }) => info[SACKED] ?? 0))

/** Only softnet has more reported, by a block that ends in one of before that began within a segment. */
export const isReportedInTwo = (run: Run): boolean => {
  const [kernel, softnet] = run.halves
  const before = run.steps.slice(0, run.difference!.at).map(blocksOf)
  const last = before.findLast((blocks) => blocks.length > 0) ?? []
  return (
    sackedOf(softnet) > sackedOf(kernel) &&
    blocksOf(stepOf(run)).some(({ from, to }) =>
      last.some(
        (old) =>
          from < old.from && to > old.from && to <= old.to && !kernel.flow.starts.has(old.from)
      )
    )
  )
}

const TOTAL_RETRANS = INFO.findIndex(([name]) => name === 'total_retrans')
/** Something was reported before, and something sent again: to the kernel they may be one. */
const mayBeOne = ({ steps, halves, difference }: Run): boolean =>
  steps.slice(0, difference!.at).some((step) => blocksOf(step).length > 0) &&
  [...halves[0].shown.values()].some(({ info }) => (info[TOTAL_RETRANS] ?? 0) > 0)

/** Only softnet ends its backoff, by a sample of what was sent once. */
export const isSampleOfOne = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const ends = (lines: readonly string[]): boolean =>
    lines.some((line) => / backoff 0\b/.test(line))
  return (
    ends(softnet) &&
    !ends(kernel) &&
    mayBeOne(run) &&
    isSameBut(run, /^file /) &&
    isSameFiles(run, / backoff 0\b/g)
  )
}
/** Only the kernel finds out of order what is reported twice: a segment that was sent once, and reported before. */
export const isLateForOne = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const [twice, ...others] = blocksOf(stepOf(run))
  const isLate = (lines: readonly string[]): boolean =>
    lines.some((line) => / reordering \d/.test(line))
  return (
    others.some(({ from, to }) => from <= twice!.from && twice!.to <= to) &&
    isLate(kernel) &&
    !isLate(softnet) &&
    mayBeOne(run) &&
    isSameBut(run, /^file /) &&
    isSameFiles(run, / reordering \d+/g)
  )
}

/**
 * Only softnet has more reported: all that blocks say above the acknowledgement lies within blocks of before, in part of one. Those
 * were taken back since, or it would be reported still.
 */
export const isReportAgain = (run: Run): boolean => {
  const [kernel, softnet] = run.halves
  const una = acknowledgedOf(run)
  const old = run.steps.slice(0, run.difference!.at).flatMap(blocksOf)
  const blocks = blocksOf(stepOf(run)).filter(({ from, to }) => to > from && from > una)
  return (
    sackedOf(softnet) > sackedOf(kernel) &&
    blocks.every(({ from, to }) => old.some((one) => one.from <= from && to <= one.to)) &&
    blocks.some(({ from, to }) => !old.some((one) => one.from === from && one.to === to))
  )
}

/** Both send the same, the kernel new text before something that it sends again. */
const isHoleLater = (
  run: Run,
  kernel: readonly string[],
  softnet: readonly string[],
  isFresh: (line: string) => boolean
): boolean => {
  const again = softnet.filter((line) => !isFresh(line))
  return (
    again.length > 1 &&
    isSameLines(
      run,
      kernel.filter((line) => !isFresh(line)),
      again
    ) &&
    isSameLines(run, [...again, ...kernel.filter(isFresh)], softnet)
  )
}

/**
 * Recovery, or what is sent again of a second hole, begins at once on softnet, and on the kernel a timer later, when new text has
 * gone. What is acknowledged, and what is missing behind it, were sent in one step.
 */
export const isReorderingTimer = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment' || blocksOf(step).length === 0) return false
  const { ack } = step.segment
  const una = acknowledgedOf({ ...run, steps: run.steps.slice(0, run.difference!.at) })
  const isMissing = (line: string): boolean => textAt(line) === ack
  const isArrived = (line: string): boolean => {
    const from = textAt(line)
    return from !== null && from >= una && from < ack
  }
  const lines = (all: readonly string[]): string[] => all.filter((line) => line.startsWith('> '))
  const [kernel, softnet] = [lines(run.difference!.kernel), lines(run.difference!.softnet)]
  const before = run.answers.slice(0, run.difference!.at)
  const at = kernel.findIndex(isMissing)
  const fresh = at < 0 ? kernel : kernel.slice(0, at)
  const sent = Math.max(...before.flat().map((line) => textAt(line) ?? 0))
  const isFresh = (line: string): boolean => (textAt(line) ?? 0) > sent
  if (isHoleLater(run, kernel, softnet, isFresh)) return true
  // where there is no new text the window tells, which has grown before it came down
  const isGrown =
    at === 0 && kernel.join() === softnet.join() && isSameFiles(run, / snd_(ssthresh|cwnd) \d+/g)
  return (
    softnet.findIndex(isMissing) === 0 &&
    stateOfLoss(run.halves[1]) > TCP_CA_DISORDER &&
    (isAnew(run) || !run.halves[0].hadLost) &&
    (isGrown || (fresh.length > 0 && fresh.every(isFresh))) &&
    before.some((all) => all.some(isArrived) && all.some(isMissing))
  )
}

const RETRANS = / retrans (\d+)/

const retransOf = (lines: readonly string[]): number =>
  Math.max(0, ...lines.map((line) => Number(RETRANS.exec(line)?.[1] ?? 0)))

/** They differ in how much of what was sent again is under way, of which the kernel has more. */
export const isCountedTwice = (run: Run): boolean =>
  isOnly(run, RETRANS) && retransOf(run.difference!.kernel) > retransOf(run.difference!.softnet)
