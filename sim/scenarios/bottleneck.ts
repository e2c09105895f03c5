/** Many flows through one bottleneck: on a good path each gets its share (Jain's index), and together all there is. */
import { mtuChanges } from '../changes.ts'
import { converse } from '../converse.ts'
import { createDraw } from '../draw.ts'
import { Fault } from '../fault.ts'
import { isClean, type Knobs, windowOf } from '../knobs.ts'
import { createMeasure } from '../measure.ts'
import type { Scenario } from '../scenarios.ts'
import { POOLS } from '../world.ts'

const FAIR = 0.9
/** What is measured: the flows have met, and none has ended. */
const FROM = 0.25
const UNTIL = 0.65
/** Small buffers of the client: with few it is its memory that is shared out, as much as the path. */
const MEMORY = [512, 1024, 4096] as const
/**
 * So long the flows of a good path run. Two of them have some two losses a second to find their shares by, and which of them a full
 * queue hits is chance: over half of this one of ten networks had an index below FAIR that 10 us more of delay made 0.99.
 */
const SECONDS = 40

/** CUBIC flows whose shares are windows, and no single packets. */
const isMeasured = (knobs: Knobs): boolean =>
  isClean(knobs) &&
  knobs.rate > 0 &&
  knobs.cc === 0 &&
  knobs.ecn === 0 &&
  knobs.bytes * knobs.flows >= SECONDS * knobs.rate * 125_000 &&
  knobs.queue + windowOf(knobs) >= 5 * knobs.flows

export const bottleneck: Scenario = {
  name: 'bottleneck',
  does: 'many flows through one bottleneck',
  draw: (draw, knobs) => {
    const flows = draw.pick([2, 4, 8, 16, 16])
    if (!isClean(knobs) || !draw.chance(0.3))
      return { flows, bytes: draw.scale(10_000, 200_000) | 0 }
    const rate = draw.pick([5, 10])
    const bytes = Math.ceil((SECONDS * rate * 125_000) / flows)
    return { flows, bytes, rate, cc: 0, ecn: 0, delay: draw.scale(5, 40), offload: 0, mtu: 1500 }
  },
  play: async (knobs, seed) => {
    const measure = createMeasure(knobs, FROM, UNTIL)
    const pool = createDraw(seed, 'memory').pick(MEMORY)
    const { ms, finish } = await converse(knobs, seed, {
      world: {
        a: { config: { ...POOLS, skbs: pool, smallBuffers: pool, largeBuffers: pool >> 5 } },
      },
      changes: mtuChanges,
      look: measure.look,
    })
    const figures = { ...finish(), mbit: (knobs.flows * knobs.bytes * 8) / ms / 1000 }
    const measured = measure.result()
    if (!isMeasured(knobs) || measured === undefined) return figures
    const fairness = jain(measured.bytes)
    if (fairness < FAIR) throw new Fault('unfair', `Jain's index is ${fairness.toFixed(3)}`)
    return { ...figures, fairness }
  },
}
const jain = (shares: readonly number[]): number => {
  const sum = shares.reduce((all, each) => all + each, 0)
  const squares = shares.reduce((all, each) => all + each * each, 0)
  return (sum * sum) / (shares.length * squares)
}
