/** Much data over few connections, one way or both; on a good path as fast as its bottleneck. */
import { fullMs } from '../bounds.ts'
import { mtuChanges } from '../changes.ts'
import { converse } from '../converse.ts'
import { Fault } from '../fault.ts'
import { isClean, type Knobs, windowOf } from '../knobs.ts'
import { createMeasure, shareOf } from '../measure.ts'
import type { Scenario } from '../scenarios.ts'
import { BBR } from '../world.ts'

/** Below this part of the bottleneck a good path is slow. */
const FAST = 0.9
/** What is measured: behind slow start, until the first flow has ended or is about to. */
const FROM = 0.3
const UNTIL = 0.9
/** Fewer windows than these are slow start. */
const WINDOWS = 30
/** In a queue of some packets one of many flows may come to a timeout, which must not be all there is. */
const TIMEOUTS_MS = 2000
const MOST = 6_000_000
/** Packets of a super-frame: one that does not fit into what a queue has left is lost whole. */
const SUPER = 44

/** Bytes of all flows that are enough to see how fast they are. */
const enough = (knobs: Knobs): number => {
  const { rate, flows } = knobs
  return Math.max(
    WINDOWS * windowOf(knobs) * 1500,
    (rate * 125 * TIMEOUTS_MS) / (flows > 1 ? 1 : 5)
  )
}
/** BBR's pace is paced.ts's. */
const isMeasured = (knobs: Knobs): boolean =>
  isClean(knobs) &&
  knobs.cc !== BBR &&
  knobs.rate > 0 &&
  knobs.back === 0 &&
  knobs.queue >= windowOf(knobs) + knobs.offload * SUPER &&
  knobs.bytes * knobs.flows >= enough(knobs)

export const bulk: Scenario = {
  name: 'bulk',
  does: 'much data over few connections, one way or both',
  draw: (draw, knobs) => {
    const flows = draw.pick([1, 1, 1, 2, 4])
    const all = enough({ ...knobs, flows })
    const bytes = draw.scale(20_000, 1_000_000) | 0
    if (isClean(knobs) && knobs.rate > 0 && all < MOST)
      return { flows, bytes: Math.max(bytes, Math.ceil(all / flows)) }
    return { flows, bytes, back: draw.chance(0.3) ? draw.scale(1000, 500_000) | 0 : 0 }
  },
  play: async (knobs, seed) => {
    const all = knobs.flows * (knobs.bytes + knobs.back)
    const measure = createMeasure(knobs, FROM, UNTIL)
    const { ms, finish } = await converse(knobs, seed, { changes: mtuChanges, look: measure.look })
    const figures = { ...finish(), mbit: (all * 8) / ms / 1000 }
    const measured = measure.result()
    if (!isMeasured(knobs) || measured === undefined) return figures
    // at the end all of a round trip may wait for one segment that a full queue has dropped
    const share = shareOf(knobs, measured, fullMs(knobs))
    if (share < FAST)
      throw new Fault('slow', `${(share * 100).toFixed(1)}% of what the bottleneck lets through`)
    return { ...figures, share }
  },
}
