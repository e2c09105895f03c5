// How long packets take while something else goes on. One turn says little: a machine that rests wakes up late, and another
// program's moment is a stall. So there are turns of both, one after the other, and their medians.

import type { Namespace } from '../../../workers/os/netns.ts'
import { toolIn } from './commands.ts'
import { isLong } from './inside.ts'

const INTERVAL_S = '0.004'
const LIMIT_MS = 25_000
const COUNT = 1000
const TURNS = isLong ? 5 : 1

/** Milliseconds: that which 99 of a hundred do not exceed, and the slowest. */
type Times = { p99: number; slowest: number }

/** What pings take while `meanwhile` goes on again and again. None may be lost. */
const times = async (
  from: Namespace,
  address: string,
  meanwhile: () => Promise<unknown>
): Promise<Times> => {
  let isOver = false
  const pings = toolIn(from, 'ping', ['-i', INTERVAL_S, '-c', String(COUNT), address], LIMIT_MS)
  void pings.finally(() => {
    isOver = true
  })
  while (!isOver) await meanwhile()
  const all = [...(await pings).matchAll(/time=([\d.]+)/g)].map(([, ms]) => Number(ms))
  if (all.length !== COUNT) throw new Error(`${all.length} of ${COUNT} pings are answered`)
  all.sort((a, b) => a - b)
  return { p99: all[Math.floor(COUNT * 0.99)]!, slowest: all.at(-1)! }
}
const median = (turns: readonly Times[]): Times => {
  const of = (what: keyof Times): number =>
    turns.map((turn) => turn[what]).sort((a, b) => a - b)[turns.length >> 1]!
  return { p99: of('p99'), slowest: of('slowest') }
}
/** What pings take by themselves, and while `meanwhile` goes on. */
export const quietAndBeside = async (
  from: Namespace,
  address: string,
  meanwhile: () => Promise<unknown>
): Promise<[quiet: Times, beside: Times]> => {
  const [quiet, beside]: [Times[], Times[]] = [[], []]
  for (let turn = 0; turn < TURNS; turn++) {
    quiet.push(await times(from, address, () => Bun.sleep(100)))
    beside.push(await times(from, address, meanwhile))
  }
  return [median(quiet), median(beside)]
}
