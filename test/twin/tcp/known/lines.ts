// What reasons ask of a run: its steps, and the lines that the two parted with.

import { isSameText, type Run } from '../play.ts'
import type { Step } from '../script.ts'

/** The step at which they part. */
export const stepOf = ({ steps, difference }: Run): Step => steps[difference!.at]!
export const isSegment = (step: Step, flags: RegExp): boolean =>
  step.do === 'segment' && flags.test(step.segment.flags)

/** What they sent but for some words. */
export const without = (lines: readonly string[], words: RegExp): string =>
  lines.map((line) => line.replace(words, '')).join('\n')

export const isOnly = (run: Run, words: RegExp): boolean => {
  const { kernel, softnet } = run.difference!
  const bare = (all: readonly string[]): string[] => all.map((line) => line.replace(words, ''))
  return isSameLines(run, bare(kernel), bare(softnet))
}

/** They sent the same, but for windows that are each one's own. */
export const isSameLines = (run: Run, a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((line, k) => isSameText(run, line, b[k]!))

/** They did the same but for these lines. */
export const isSameBut = (run: Run, lines: RegExp): boolean => {
  const others = (all: readonly string[]): string[] => all.filter((line) => !lines.test(line))
  return isSameLines(run, others(run.difference!.kernel), others(run.difference!.softnet))
}

export const OPTIONS = / \[[^\]]*\]/g

/** No connection has a file. */
export const IS_HIDDEN = /^$|^0 LISTEN[^,]*$/

export const WINDOW = / win \d+/g

/** The highest that is acknowledged. */
export const ackOf = (lines: readonly string[]): number =>
  Math.max(-1, ...lines.map((line) => Number(/ ack (-?\d+)/.exec(line)?.[1] ?? -1)))

/** What a line reports by SACK lies behind a hole, or has come twice; null when it reports nothing. */
export const isOfHole = (line: string): boolean | null => {
  const [, ack, start] = / ack (\d+) .*sack (-?\d+) /.exec(line) ?? []
  return ack === undefined ? null : Number(start) > Number(ack)
}

export const bareOfPush = (line: string): string => line.replace(/^> P?/, '> ')

/** Where text begins that a line has, or null. */
export const textAt = (line: string): number | null => {
  const [, seq, len] = /^> \S+ (\d+):\d+\((\d+)\)/.exec(line) ?? []
  return seq === undefined || len === '0' ? null : Number(seq)
}

/** What they sent. */
export const sentLines = ({ difference }: Run): [kernel: string[], softnet: string[]] => {
  const isSent = (line: string): boolean => line.startsWith('> ')
  return [difference!.kernel.filter(isSent), difference!.softnet.filter(isSent)]
}
/** What files show is the same but for some words. */
export const isSameFiles = ({ difference }: Run, words: RegExp): boolean => {
  const shown = (all: readonly string[]): string =>
    all
      .filter((line) => line.startsWith('file '))
      .map((line) => line.replace(words, ''))
      // nothing else has changed
      .filter((line) => !/^file \d+$/.test(line))
      .join()
  return shown(difference!.kernel) === shown(difference!.softnet)
}

/** What was before, a timeout or a recovery, may have ended, where a recovery begins. */
export const isAnew = ({ difference }: Run): boolean =>
  [difference!.kernel, difference!.softnet].every((all) =>
    / (ca_state|snd_ssthresh) \d/.test(all.join())
  )

/** Text that a line has, which is `rest` of its words beside its place and PSH. */
export type Text = { from: number; to: number; rest: string }
export const textOf = (line: string): Text | null => {
  const [, flags, from, to, rest] = /^> (\S+) (\d+):(\d+)\([1-9]\d*\) (.*)$/.exec(line) ?? []
  if (flags === undefined) return null
  return { from: Number(from), to: Number(to), rest: `${flags.replace('P', '')} ${rest}` }
}
// what is reported by SACK goes in each segment of a super-frame
const SACK = /, nop, nop, sack [^\]]*/
/** A line without what says where a super-frame ends. */
export const bareOfFrame = (line: string): string => bareOfPush(line).replace(SACK, '')

/** A stretch of text that both have sent from the same place on, and have cut otherwise; of the end one may have none. */
export type Stretch = { kernel: Text[]; softnet: Text[] }
/** What they have sent, where that is the same but for such stretches; null when it is not. */
export const stretchesOf = (run: Run): Stretch[] | null => {
  const [kernel, softnet] = sentLines(run)
  const found: Stretch[] = []
  while (kernel.length + softnet.length > 0) {
    const [a, b] = [kernel[0], softnet[0]]
    if (a !== undefined && b !== undefined && isSameText(run, bareOfFrame(a), bareOfFrame(b))) {
      kernel.shift()
      softnet.shift()
      continue
    }
    const stretch = { kernel: takeStretch(run, kernel), softnet: takeStretch(run, softnet) }
    const [one, other] = [stretch.kernel[0], stretch.softnet[0]]
    if (one === undefined && a !== undefined) return null
    if (other === undefined && b !== undefined) return null
    if (one && other && (one.from !== other.from || !isSameText(run, one.rest, other.rest)))
      return null
    found.push(stretch)
  }
  return found
}
/** Takes off the lines that begin with text and go on with what follows it. */
const takeStretch = (run: Run, lines: string[]): Text[] => {
  const texts: Text[] = []
  for (;;) {
    const text = textOf(bareOfFrame(lines[0] ?? ''))
    const last = texts.at(-1)
    if (text === null) return texts
    if (last && (text.from !== last.to || !isSameText(run, text.rest, last.rest))) return texts
    texts.push(text)
    lines.shift()
  }
}

/** How far what has been sent is acknowledged. */
export const acknowledgedOf = ({ steps, halves: [kernel] }: Run): number =>
  Math.max(
    1,
    ...steps
      .flatMap((step) =>
        step.do === 'segment' && step.segment.flags.includes('.') ? [step.segment.ack] : []
      )
      .filter((ack) => ack <= kernel.flow.sent)
  )

/** The blocks of SACK of a segment. */
export const blocksOf = (step: Step): { from: number; to: number }[] => {
  const options = step.do === 'segment' ? step.segment.options : []
  const edges = options.flatMap((one) => (one.startsWith('sack ') ? one.split(' ').slice(1) : []))
  return Array.from({ length: edges.length >> 1 }, (_, k) => ({
    from: Number(edges[2 * k]),
    to: Number(edges[2 * k + 1]),
  }))
}
