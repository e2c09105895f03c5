// Reasons of windows, which go by memory, and of what goes by windows.

import { INFO } from '../end.ts'
import { isSameText, type Run } from '../play.ts'
import type { Segment, Step } from '../script.ts'
import {
  ackOf,
  acknowledgedOf,
  bareOfPush,
  IS_HIDDEN,
  isOfHole,
  isSameBut,
  isSameFiles,
  sentLines,
  stepOf,
  textAt,
  textOf,
  WINDOW,
  without,
} from './lines.ts'

/**
 * The segment of a step, or its end, lies between the edges of the two windows. An edge that only the kernel scales is not known to
 * the octet.
 */
const isBetweenEdges = ({ steps, edges, halves }: Run, at: number): boolean => {
  const step = steps[at]!
  if (step.do !== 'segment') return false
  const { scalesUnasked, wscale } = halves[0].flow
  const unit = scalesUnasked ? 1 << wscale : 0
  const [a, b] = edges[at]!
  const { seq, len, flags } = step.segment
  const end = seq + len + (flags.includes('F') ? 1 : 0)
  const [low, high] = [Math.min(a, b), Math.max(a, b) + unit]
  return [seq, end].some((one) => one >= low && one <= high) && low !== high
}
/**
 * An RST, or what acknowledges text that was never sent, nor before the first: that it was answered is only seen when the next such
 * answer is one too many.
 */
const isLimited = ({ halves: [kernel] }: Run, step: Step): boolean => {
  if (step.do !== 'segment') return false
  const { flags, ack } = step.segment
  return flags.includes('R') || ack > kernel.flow.sent || ack < 0
}
/** It is there now, or one before was that no file could show. */
export const isAtEdge = (run: Run): boolean => {
  const { at, before } = run.difference!
  const from = IS_HIDDEN.test(before) ? 0 : at
  return run.steps.slice(0, at + 1).some((step, k) => {
    return (k >= from || isLimited(run, step)) && isBetweenEdges(run, k)
  })
}
/** Only one has taken the window of a segment there, and sends more by it, or less. */
export const isWindowAtEdge = (run: Run): boolean =>
  run.steps.slice(0, run.difference!.at).some((_, k) => isBetweenEdges(run, k)) && isMoreOfOne(run)

const windowOf = (line: string): number => Number(/ win (\d+)/.exec(line)?.[1] ?? 0)

/** What lies behind a hole takes room, and one window is up to twice the other. */
export const isRoomOfHole = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const bare = (lines: readonly string[]): string => without(lines, WINDOW)
  return (
    bare(kernel) === bare(softnet) &&
    hasHole(run) &&
    kernel.every((line, k) => {
      const [a, b] = [windowOf(line), windowOf(softnet[k]!)]
      return a <= 2 * b && b <= 2 * a
    })
  )
}

/** Something that lay behind a hole was reported. */
const hasHole = ({ answers }: Run): boolean =>
  answers.some((lines) => lines.some((line) => isOfHole(line) === true))

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
  return (
    (acks.length === 1 || acks.every((line) => AFTER.test(line))) &&
    others(kernel) === others(softnet) &&
    ackOf(acks) > run.halves[0].acked &&
    (a !== b || hasHole(run) || ackOf(acks) - run.halves[0].acked > size)
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

/** Text behind a hole has let only one window grow, and what acknowledged it there left the mode that this enters. */
export const isGrownByHole = (run: Run): boolean => {
  const step = stepOf(run)
  const [a, b] = run.halves.map(({ flow }) => flow.edge - flow.acked)
  return (
    step.do === 'call' &&
    step.name === 'get' &&
    step.args[0] === 'TCP_QUICKACK' &&
    a !== b &&
    hasHole(run)
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
  return isBack && isMoreOfOne(run)
}
/**
 * They have sent the same, but that one has sent more text; an acknowledgement goes along with that. Where the other stopped it may
 * have cut a segment.
 */
const isMoreOfOne = (run: Run): boolean => {
  const [kernel, softnet] = sentLines(run)
  const isKernelMore = run.halves[0].flow.sent > run.halves[1].flow.sent
  const [more, less] = isKernelMore ? [kernel, softnet] : [softnet, kernel]
  const same = less.filter((line) => !isAck(line) || more.includes(line))
  return (
    more.length > same.length &&
    same.every(
      (line, k) =>
        isSameText(run, bareOfPush(line), bareOfPush(more[k]!)) ||
        (k === same.length - 1 && isFrontOf(line, more[k]!))
    ) &&
    more.slice(same.length).every((line) => textAt(line) !== null || line.startsWith('> F'))
  )
}
/** Text that begins where the other does, and ends before it. */
const isFrontOf = (line: string, whole: string): boolean => {
  const [front, all] = [textOf(line), textOf(whole)]
  return (
    front !== null &&
    all !== null &&
    front.from === all.from &&
    front.to < all.to &&
    front.rest === all.rest
  )
}

/** The segments that end a handshake whose SYNs have crossed: the peer's SYN, and the first with ACK after it. */
const crossedOf = (run: Run): [syn: Segment, last: Segment] | null => {
  const connect = run.steps.findIndex((step) => step.do === 'call' && step.name === 'connect')
  if (connect < 0) return null
  const segments = run.steps
    .slice(connect, run.difference!.at + 1)
    .flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const at = segments.findIndex(({ flags }) => /^S[^.]*$/.test(flags))
  const last = segments.slice(at + 1).find(({ flags }) => flags.includes('.'))
  return at < 0 || last === undefined ? null : [segments[at]!, last]
}
/** The kernel scales the window of the SYN-ACK that answers a crossed SYN, and sends more. */
export const isScaledSyn = (run: Run): boolean => {
  const [syn, last] = crossedOf(run) ?? []
  return (
    syn !== undefined &&
    last!.flags.includes('S') &&
    syn.options.some((option) => /^wscale [1-9]/.test(option)) &&
    run.halves[0].flow.sent > run.halves[1].flow.sent &&
    isMoreOfOne(run)
  )
}
/** The most that a window is scaled by (RFC 7323 2.3). */
const MAX_WSCALE = 14
/**
 * A segment has the window that the peer's SYN had, in what is left of that by the peer's scale: to the kernel nothing has changed,
 * and only the kernel sends text by it.
 */
export const isForeseenWindow = (run: Run): boolean => {
  const [syn, ...others] = segmentsOf(run).filter(({ flags }) => !flags.includes('R'))
  const option = syn?.options.find((one) => one.startsWith('wscale ')) ?? 'wscale 0'
  const scale = Math.min(MAX_WSCALE, Number(option.split(' ')[1]))
  const left = (syn?.win ?? 0) >> scale
  const [kernel, softnet] = sentLines(run)
  const isNew = (line: string): boolean => textAt(line) !== null && !softnet.includes(line)
  return (
    syn?.flags.includes('S') === true &&
    left << scale !== syn.win &&
    others.some(({ win }) => win === left) &&
    kernel.some(isNew) &&
    softnet.every((line) => textAt(line) === null || kernel.includes(line))
  )
}
/**
 * What ended a handshake of crossed SYNs was no newer than the peer's SYN: the kernel does not count its window among those by
 * whose largest it bounds segments, the peer's it thinks as small as its own, by which windows grow, and what it believes to have come twice.
 */
export const isWindowNotCounted = (run: Run): boolean => {
  const [syn, last] = crossedOf(run) ?? []
  const [kernel, softnet] = sentLines(run)
  return (
    syn !== undefined &&
    last!.seq <= syn.seq &&
    last!.win > syn.win &&
    isSameBut(run, /^(file |> )/) &&
    without(kernel, WINDOW) === without(softnet, WINDOW) &&
    isSameFiles(run, / (snd_mss|rcv_mss|delivered) \d+/g)
  )
}

const isLater = (segments: readonly Segment[], far: number, win: number): boolean =>
  segments.some((one) => one.seq <= far && one.win !== win)

/** An acknowledgement that lies behind text that was behind another segment, and not behind that: it brings the kernel a window. */
const isWindowOfOne = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment' || step.segment.len > 0 || !/^P?\.$/.test(step.segment.flags))
    return false
  const { seq, ack } = step.segment
  const before = segmentsOf(run).slice(0, -1)
  return (
    ack === acknowledgedOf(run) &&
    before.some(
      (text, at) =>
        text.len > 0 &&
        text.seq < seq &&
        before.slice(0, at).some((far) => far.seq > text.seq && far.seq >= seq)
    )
  )
}
/** Only softnet counts it as a duplicate. */
export const isDuplicateOfOne = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  return (
    isWindowOfOne(run) &&
    kernel.length <= softnet.length &&
    sentLines(run).every((lines) => lines.length === 0) &&
    isSameFiles(run, / (ca_state|sacked|delivered|reordering) \d+/g)
  )
}

/**
 * Only the kernel answers it, whose stamp is older than one before: what is a duplicate, and brings no window, is taken as one that was
 * overtaken (tcp_disordered_ack).
 */
export const isStaleOfOne = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const stamps = segmentsOf(run).map(stampOf)
  const last = stamps.pop() ?? null
  return (
    isWindowOfOne(run) &&
    last !== null &&
    stamps.some((stamp) => stamp !== null && stamp > last) &&
    kernel.length === 1 &&
    isAck(kernel[0]!) &&
    softnet.length === 0
  )
}
const stampOf = ({ options }: Segment): number | null => {
  const stamp = options.find((option) => option.startsWith('ts '))
  return stamp === undefined ? null : Number(stamp.split(' ')[1])
}
