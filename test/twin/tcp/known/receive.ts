// Reasons of what is received: old acknowledgements, stamps, reports, the urgent pointer, text behind a FIN.

import type { Run } from '../play.ts'
import { encodeStep, type Segment } from '../script.ts'
import {
  ackOf,
  isOfHole,
  isOnly,
  isSameBut,
  isSameFiles,
  isSegment,
  OPTIONS,
  stepOf,
  type Stretch,
  stretchesOf,
  WINDOW,
  without,
} from './lines.ts'

/** Plain segments whose acknowledgement is older than one before them, of the steps so far. */
const oldSegments = ({ steps, halves: [kernel] }: Run): { at: number; segment: Segment }[] => {
  let highest = 1
  return steps.flatMap((step, at) => {
    if (step.do !== 'segment' || !step.segment.flags.includes('.')) return []
    const isOld = step.segment.ack < highest
    // one of what was never sent is none
    if (step.segment.ack <= kernel.flow.sent) highest = Math.max(highest, step.segment.ack)
    return isOld && /^P?\.[EW]*$/.test(step.segment.flags) ? [{ at, segment: step.segment }] : []
  })
}

const ECHO = / ts ecr \d+/g

/** The stamp of a segment whose acknowledgement is old. */
const isStampOfOld = (run: Run, stamp: string | undefined): boolean =>
  oldSegments(run).some(({ segment: { options } }) =>
    options.some((option) => option.startsWith(`ts ${stamp} `))
  )
const echoOf = (line: string | undefined): string | undefined =>
  / ts ecr (\d+)/.exec(line ?? '')?.[1]
/** The kernel echoes the stamp of a segment whose acknowledgement is old. */
export const isOldStamp = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const bare = (lines: readonly string[]): string => without([without(lines, ECHO)], WINDOW)
  return bare(kernel) === bare(softnet) && isStampOfOld(run, echoOf(kernel.join()))
}
/** The run as it would be if the kernel had echoed what softnet has, instead of the stamp of a segment whose acknowledgement is old. */
export const withoutOldStamp = (run: Run): Run | null => {
  const { kernel, softnet } = run.difference!
  const stamp = echoOf(softnet.find((line) => echoOf(line) !== undefined))
  const isOld = (line: string): boolean =>
    echoOf(line) !== undefined && echoOf(line) !== stamp && isStampOfOld(run, echoOf(line))
  if (stamp === undefined || !kernel.some(isOld)) return null
  const mended = kernel.map((line) => (isOld(line) ? line.replace(ECHO, ` ts ecr ${stamp}`) : line))
  return { ...run, difference: { ...run.difference!, kernel: mended } }
}

/** How much has been received, as files show it. */
const receivedOf = (lines: readonly string[]): number =>
  Math.max(0, ...lines.map((line) => Number(/ bytes_received (\d+)/.exec(line)?.[1] ?? 0)))

/** The kernel takes the text of a segment whose acknowledgement is old: of this one, or one before anyone could see it. */
export const isOldText = (run: Run): boolean => {
  const { at, before, kernel, softnet } = run.difference!
  return (
    (ackOf(kernel) > ackOf(softnet) || receivedOf(kernel) > receivedOf(softnet)) &&
    oldSegments(run).some(
      (old) => old.segment.len > 0 && (old.at === at || /^0 LISTEN[^,]*$/.test(before))
    )
  )
}

/** An old acknowledgement, and only the kernel sends by it what waited. */
export const isSentByOld = (run: Run): boolean => {
  const { at } = run.difference!
  const [kernel] = run.halves
  const isFresh = ({ kernel: text, softnet }: Stretch): boolean =>
    softnet.length === 0 && text.every(({ from }) => from >= kernel.hadSent)
  const stretches = stretchesOf(run) ?? []
  return (
    oldSegments(run).some((old) => old.at === at && old.segment.len === 0) &&
    stretches.length > 0 &&
    stretches.every(isFresh) &&
    isSameFiles(run, / (unacked|notsent_bytes) \d+/g)
  )
}

/** Only the kernel echoes a stamp, in a state that nothing is read in any more, of a peer whose SYN had none. */
export const isForeignStamp = (run: Run): boolean => {
  const { before, kernel, softnet } = run.difference!
  const hasStamp = ({ options }: Segment): boolean => options.some((one) => one.startsWith('ts '))
  return (
    /^$|^0 LISTEN(, 1 UNCONN[^,]*)?$/.test(before) &&
    run.steps.some(
      (step) => step.do === 'segment' && isSegment(step, /^S/) && !hasStamp(step.segment)
    ) &&
    / ts ecr [1-9]/.test(kernel.join()) &&
    !softnet.join().includes(' ts ecr ') &&
    isOnly(run, OPTIONS)
  )
}

const isClosed = (line: string): boolean => /CLOSE-WAIT|CLOSING|TIME-WAIT|UNCONN/.test(line)

/** A connection whose peer is done shows something else, and text has come that lies behind its FIN. */
export const hasTextBehindFin = ({ steps, difference }: Run): boolean => {
  const { kernel, softnet } = difference!
  const segments = steps.flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const ends = segments.filter(({ flags }) => flags.includes('F')).map(({ seq, len }) => seq + len)
  return (
    (kernel.filter(isClosed).join() !== softnet.filter(isClosed).join() ||
      ackOf(kernel) > ackOf(softnet)) &&
    segments.some(({ seq, len }) => ends.some((end) => seq <= end + 1 && seq + len > end))
  )
}

/** The first block is a duplicate of what the second one says (RFC 2883 4). */
const isDuplicateReport = (line: string): boolean => {
  const [from, to, low, high] = (/ sack ([-\d ]+)/.exec(line)?.[1] ?? '').split(' ').map(Number)
  return high !== undefined && from! >= low! && to! <= high
}
/** Where what a segment takes of sequence has ended, its text and a FIN. */
const endOf = ({ seq, len, flags }: Segment): number => seq + len + (flags.includes('F') ? 1 : 0)
/** Only softnet reports a duplicate: text goes on where a segment behind a hole has ended, and had come in part with another. */
export const isReportMissed = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment' || step.segment.len === 0) return false
  const { seq } = step.segment
  const before = run.steps
    .slice(0, run.difference!.at)
    .flatMap((one) =>
      one.do === 'segment' && endOf(one.segment) > one.segment.seq ? [one.segment] : []
    )
  const { kernel, softnet } = run.difference!
  return (
    before.some((one) => endOf(one) === seq) &&
    before.some((one) => one.seq < endOf(step.segment) && endOf(one) > seq) &&
    softnet.some(isDuplicateReport) &&
    !kernel.some(isDuplicateReport) &&
    isOnly(run, OPTIONS)
  )
}

/** Only softnet reports text that has come twice. */
export const isReportForgotten = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const isReport = (line: string): boolean => isOfHole(line) === false
  return softnet.some(isReport) && !kernel.some(isReport) && isOnly(run, OPTIONS)
}

const FILE = /^file \d+ [A-Z]/

const MOST_HEADER = 60

/** Only the kernel has an urgent octet, and there is a segment so little behind the pointer that it would lie in its header. */
export const isMarkInHeader = (run: Run): boolean => {
  const segments = run.steps.flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const marks = segments
    .filter(({ flags }) => flags.includes('U'))
    .map(({ seq, urg }) => seq + Math.max(0, urg - 1))
  const { kernel, softnet } = run.difference!
  const isMarked = (lines: readonly string[]): boolean => lines.some((line) => / PRI/.test(line))
  return (
    ((isSameBut(run, FILE) && isMarked(kernel) && !isMarked(softnet)) ||
      / recv \d+ .*oob/.test(encodeStep(stepOf(run)))) &&
    segments.some(({ seq }) => marks.some((mark) => seq > mark && seq <= mark + MOST_HEADER))
  )
}
