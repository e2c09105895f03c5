// What reasons ask of a run: its steps, and the lines that the two parted with.
/** The step at which they part. */
export const stepOf = ({ steps, difference }: Run): Step => steps[difference!.at]!

import { isSameText, type Run } from '../play.ts'
import type { Step } from '../script.ts'

export const isSegment = (step: Step, flags: RegExp): boolean =>
  step.do === 'segment' && flags.test(step.segment.flags)

/** What they sent but for some words. */
export const without = (lines: readonly string[], words: RegExp): string =>
  lines.map((line) => line.replace(words, '')).join('\n')

export const isOnly = (run: Run, words: RegExp): boolean => {
  const { kernel, softnet } = run.difference!
  const bare = (line: string | undefined): string => (line ?? '').replace(words, '')
  return (
    kernel.length === softnet.length &&
    kernel.every((line, k) => isSameText(run, bare(line), bare(softnet[k])))
  )
}

/** They did the same but for these lines. */
export const isSameBut = (run: Run, lines: RegExp): boolean => {
  const others = (all: readonly string[]): string[] => all.filter((line) => !lines.test(line))
  const [kernel, softnet] = [others(run.difference!.kernel), others(run.difference!.softnet)]
  return (
    kernel.length === softnet.length &&
    kernel.every((line, k) => isSameText(run, line, softnet[k]!))
  )
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

/** The blocks of SACK of a segment. */
export const blocksOf = (step: Step): { from: number; to: number }[] => {
  const options = step.do === 'segment' ? step.segment.options : []
  const edges = options.flatMap((one) => (one.startsWith('sack ') ? one.split(' ').slice(1) : []))
  return Array.from({ length: edges.length >> 1 }, (_, k) => ({
    from: Number(edges[2 * k]),
    to: Number(edges[2 * k + 1]),
  }))
}
