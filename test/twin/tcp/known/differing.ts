// Differences made up for tests of the reasons: the steps that led to them, and the lines that they are of.

import { INFO } from '../end.ts'
import { isKnown, KNOWN_TCP } from '../known.ts'
import { type Half, makeRun, type Run } from '../play.ts'
import { decodeCase } from '../script.ts'

/** A difference and what led to it. */
type Parts = {
  /** The last of them is where they part. */
  steps: string
  kernel: string[]
  softnet: string[]
  /** What the kernel sent before. */
  sent?: string[]
  before?: string
}
const ESTABLISHED = 1
export const differing = ({
  steps,
  kernel,
  softnet,
  sent = [],
  before = '0 ESTAB OUT',
}: Parts): Run => {
  const given = decodeCase(`ipv4 isn 1000; ${steps}`)
  const run = makeRun('ipv4', 0, given.isn, () => null)
  run.steps.push(...given.steps)
  run.answers = given.steps.map((_, k) => (k === 0 ? sent : []))
  run.edges = given.steps.map(() => [65536, 65536])
  run.difference = { at: given.steps.length - 1, before, kernel, softnet }
  const ends = sent.map((line) => Number(/:(\d+)\(/.exec(line)?.[1]))
  for (const half of run.halves) half.flow.sent = half.hadSent = Math.max(1, ...ends)
  return run
}
/** What the kernel's or softnet's connection shows. */
export const show = (half: Half, values: Record<string, number>): void => {
  const info = INFO.map(([name]) => values[name] ?? 0)
  half.shown.set(0, { state: ESTABLISHED, bits: 4, info })
}
export const reasonOf = (run: Run): string | null => isKnown(KNOWN_TCP, run)
/** A line that was sent. */
export const text = (from: number, to: number, more = ''): string =>
  `> ${more === 'P' ? 'P' : ''}. ${from}:${to}(${to - from}) ack 1 win 65535 tos 0 ttl 64`
