// Reasons of windows, which go by memory, and of what goes by windows.

import { INFO } from '../end.ts'
import { isSameText, type Run } from '../play.ts'
import type { Segment } from '../script.ts'
import {
  ackOf,
  acknowledgedOf,
  bareOfPush,
  IS_HIDDEN,
  isOfHole,
  isSameFiles,
  sentLines,
  stepOf,
  textAt,
  WINDOW,
  without,
} from './lines.ts'

/**
 * It, or its end, lies between the edges of the two windows, or one's before did that no file could show. An edge that only the
 * kernel scales is not known to the octet.
 */
export const isAtEdge = ({ steps, edges, difference, halves }: Run): boolean => {
  const { at, before } = difference!
  const { scalesUnasked, wscale } = halves[0].flow
  const unit = scalesUnasked ? 1 << wscale : 0
  const from = IS_HIDDEN.test(before) ? 0 : at
  return steps.slice(0, at + 1).some((step, k) => {
    if (step.do !== 'segment') return false
    const [a, b] = edges[k]!
    const { seq, len, flags } = step.segment
    // that an RST was answered is only seen when the next such answer is one too many
    if (k < from && !flags.includes('R')) return false
    const end = seq + len + (flags.includes('F') ? 1 : 0)
    const [low, high] = [Math.min(a, b), Math.max(a, b) + unit]
    return [seq, end].some((one) => one >= low && one <= high) && low !== high
  })
}

const windowOf = (line: string): number => Number(/ win (\d+)/.exec(line)?.[1] ?? 0)

/** What lies behind a hole takes room, and one window is up to twice the other. */
export const isRoomOfHole = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const bare = (lines: readonly string[]): string => without(lines, WINDOW)
  return (
    bare(kernel) === bare(softnet) &&
    run.answers.some((lines) => lines.some((line) => isOfHole(line) === true)) &&
    kernel.every((line, k) => {
      const [a, b] = [windowOf(line), windowOf(softnet[k]!)]
      return a <= 2 * b && b <= 2 * a
    })
  )
}

const RCV_MSS = INFO.findIndex(([name]) => name === 'rcv_mss')

const AFTER = / after \d+ ms$/

const isAck = (line: string): boolean => /^> \. \d+:\d+\(0\) /.test(line)

/** One has acknowledged at once, and the other later: text of more than a segment, or their windows have grown differently. */
export const isAckAtOnce = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment') return false
  const { kernel, softnet } = run.difference!
  const others = (lines: readonly string[]): string => lines.filter((line) => !isAck(line)).join()
  const acks = [...kernel, ...softnet].filter(isAck)
  const size = Math.max(
    0,
    ...[...run.halves[0].shown.values()].map(({ info }) => info[RCV_MSS] ?? 0)
  )
  const [a, b] = run.halves.map(({ flow }) => flow.edge - flow.acked)
  const isAfterHole = run.answers.some((lines) => lines.some((line) => isOfHole(line) === true))
  return (
    (acks.length === 1 || acks.every((line) => AFTER.test(line))) &&
    others(kernel) === others(softnet) &&
    ackOf(acks) > run.halves[0].acked &&
    (a !== b || isAfterHole || ackOf(acks) - run.halves[0].acked > size)
  )
}

/** Text of a segment's size and a FIN were acknowledged, by one of the two in the tick after, which leaves the mode that a FIN enters. */
export const isAckInTick = (run: Run): boolean => {
  const step = stepOf(run)
  return (
    step.do === 'call' &&
    step.args[0] === 'TCP_QUICKACK' &&
    run.steps.some(
      (one) => one.do === 'segment' && one.segment.flags.includes('F') && one.segment.len > 0
    )
  )
}

/** The segments so far. */
const segmentsOf = ({ steps, difference }: Run): Segment[] =>
  steps
    .slice(0, difference!.at + 1)
    .flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
/** They know another window: a segment was ahead of text, and one after that is no further ahead. More may go from one at once. */
export const isWindowTakenBack = (run: Run): boolean => {
  const segments = segmentsOf(run)
  const isBack = segments.some(({ seq, len, win }, at) => {
    const ahead = segments.slice(0, at).map((one) => one.seq)
    return len > 0 && ahead.some((far) => far > seq && isLater(segments.slice(at + 1), far, win))
  })
  const [a, b] = sentLines(run)
  const [more, less] = a.length > b.length ? [a, b] : [b, a]
  return (
    isBack &&
    more.length > less.length &&
    less.every((line, k) => isSameText(run, bareOfPush(line), bareOfPush(more[k]!))) &&
    more.slice(less.length).every((line) => textAt(line) !== null)
  )
}

const isLater = (segments: readonly Segment[], far: number, win: number): boolean =>
  segments.some((one) => one.seq <= far && one.win !== win)

/**
 * Only softnet counts an acknowledgement as a duplicate: it lies behind text that was behind another segment, and not behind that,
 * so it brings the kernel a window.
 */
export const isDuplicateOfOne = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment' || step.segment.len > 0 || step.segment.flags !== '.') return false
  const { seq, ack } = step.segment
  const before = segmentsOf(run).slice(0, -1)
  const { kernel, softnet } = run.difference!
  return (
    ack === acknowledgedOf(run) &&
    before.some(
      (text, at) =>
        text.len > 0 &&
        text.seq < seq &&
        before.slice(0, at).some((far) => far.seq > text.seq && far.seq >= seq)
    ) &&
    kernel.length <= softnet.length &&
    sentLines(run).every((lines) => lines.length === 0) &&
    isSameFiles(run, / (ca_state|sacked|delivered|reordering) \d+/g)
  )
}
