/**
 * Time passes in a simulation, and somebody watches: `until` all flows are done each must get on (bounds.ts), `settle` is the
 * end, when nothing may be left.
 */
import { quietMs } from './bounds.ts'
import { Fault } from './fault.ts'
import type { Flow } from './flow.ts'
import type { Knobs } from './knobs.ts'
import type { Sim } from './net/net-sim.ts'
import { LONG_MS } from './net/routed.ts'

/** How often flows are looked after. */
const LOOK_MS = 500

/** Something that happens while flows run. */
export type Change = { atMs: number; act: () => Promise<unknown> }
type UntilOptions = {
  /** How long a flow may take. */
  totalMs: number
  changes?: readonly Change[]
  /** Longer than losses explain, something may stand still. */
  patienceMs?: number
  /** Sees every moment. */
  look?: () => void
  /** All flows are there and nobody holds them up: from then on they are watched. */
  isAll?: () => boolean
}

export const createWatch = (sim: Sim, knobs: Knobs) => {
  const startMs = sim.nowMs()
  /** Whoever is not done must have got on lately, and be done within `limitMs` of its start. */
  const watch = (flows: readonly Flow[], limitMs: number, quiet: number): void => {
    const now = sim.nowMs()
    for (const [k, flow] of flows.entries()) {
      if (flow.isDone()) continue
      flow.look(now)
      if (now - flow.movedMs > quiet)
        throw new Fault('stalled', `flow ${k} stands still for ${quiet.toFixed()} ms: ${flow}`)
      if (now - flow.beganMs > limitMs)
        throw new Fault('stalled', `flow ${k} takes more than ${limitMs.toFixed()} ms: ${flow}`)
    }
  }
  /** Runs until all flows are done; changes come at their time from now. */
  const until = async (flows: readonly Flow[], options: UntilOptions): Promise<void> => {
    const { totalMs, changes = [], look = () => {}, isAll = () => true, patienceMs = 0 } = options
    const quiet = quietMs(knobs) + patienceMs
    const from = sim.nowMs()
    const done = (): boolean => {
      look()
      return isAll() && flows.every((flow) => flow.isDone())
    }
    for (const { atMs, act } of changes.toSorted((x, y) => x.atMs - y.atMs)) {
      if (sim.run(from + atMs - sim.nowMs(), done)) break
      if (isAll()) watch(flows, totalMs, quiet)
      await act()
    }
    while (!sim.run(LOOK_MS, done)) watch(flows, totalMs, quiet)
    for (const flow of flows) flow.check()
  }

  /** Everything has ended: what runs out runs out, and nothing is left. How long it all took. */
  const settle = (): number => {
    sim.run(2 * LONG_MS)
    const left = Object.entries(sim.leaks()).flatMap(([name, found]) =>
      found.map((each) => `${name}: ${each}`)
    )
    if (left.length > 0) throw new Fault('leak', left.join(', '))
    return sim.nowMs() - startMs
  }
  /** Runs for so long; changes come at their time from now. */
  const during = async (ms: number, changes: readonly Change[]): Promise<void> => {
    const from = sim.nowMs()
    for (const { atMs, act } of changes.toSorted((x, y) => x.atMs - y.atMs)) {
      sim.run(Math.max(0, from + atMs - sim.nowMs()))
      await act()
    }
    sim.run(Math.max(0, from + ms - sim.nowMs()))
  }
  return { until, during, settle }
}
