/**
 * Flows through a queue that marks packets early: nothing is lost, and DCTCP keeps the queue at its threshold and the bottleneck
 * full (RFC 8257; Alizadeh et al. 2010).
 */
import { converse } from '../converse.ts'
import { Fault } from '../fault.ts'
import { CLEAN, windowOf } from '../knobs.ts'
import { createMeasure, shareOf } from '../measure.ts'
import type { Scenario } from '../scenarios.ts'
import { DCTCP } from '../world.ts'

/** Below this part of the bottleneck DCTCP is slow; the others are halved for each round trip in which slow start is marked. */
const FAST = 0.9
/** What is measured: nobody has ended, and DCTCP knows by now how much is marked, of which it learns a sixteenth each round trip. */
const FROM = 0.45
const UNTIL = 0.9
const WINDOWS = 40
/** Bytes of each flow, so that those of their first windows are few. */
const LEAST = 400_000
/** Windows that a threshold is of: DCTCP gives way by as much as was marked, the others by a part of the whole window. */
const THRESHOLDS = { dctcp: [0.3, 1], other: [1, 1.5] } as const
/** Packets over its threshold: a mark comes a round trip late, in which each flow sends a segment more or two. */
const SLACK = 8
const SLACK_FLOW = 2

export const marking: Scenario = {
  name: 'marking',
  does: 'flows through a queue that marks early, and stays short',
  draw: (draw, knobs) => {
    const cc = draw.pick([DCTCP, DCTCP, DCTCP, 0, 1])
    const flows = draw.pick([1, 1, 2, 4])
    const rate = draw.pick([5, 10, 20])
    const ecn = draw.pick([cc === DCTCP ? 0 : 1, 1, 3])
    const delay = draw.scale(0.5, 20)
    const clean = { ...knobs, ...CLEAN, cc, flows, rate, ecn, delay, mtu: 1500 }
    const full = windowOf(clean)
    const [low, high] = cc === DCTCP ? THRESHOLDS.dctcp : THRESHOLDS.other
    const threshold = Math.ceil(full * draw.between(low, high)) + 2 * flows
    return {
      ...clean,
      threshold,
      bytes: Math.ceil(Math.max((WINDOWS * (full + threshold) * 1500) / flows, LEAST)),
      // slow start goes twice as far as it can before it sees a mark
      queue: 4 * (full + threshold) + 40 * flows,
    }
  },
  play: async (knobs, seed) => {
    const measure = createMeasure(knobs, FROM, UNTIL)
    const { world, finish } = await converse(knobs, seed, {
      prepare: async (made) => measure.watch(made),
      look: measure.look,
    })
    // a queue that grows before the first acknowledgements looks like a tail that was lost
    const again = world.a.mib('TcpRetransSegs') - world.a.mib('TcpExtTCPLossProbes')
    const figures = finish()
    if (again > 0) throw new Fault('error', `${again} segments again, though nothing was lost`)
    const measured = measure.result()
    if (measured === undefined) return figures
    // its super-frames are small: each segment has its header
    const share = shareOf({ ...knobs, offload: 0 }, measured)
    const over = measured.queue - knobs.threshold
    if (over > SLACK + SLACK_FLOW * knobs.flows)
      throw new Fault('queue', `${over.toFixed(1)} packets over the threshold wait`)
    if (knobs.cc === DCTCP && share < FAST)
      throw new Fault('slow', `${(share * 100).toFixed(1)}% of what the bottleneck lets through`)
    return { ...figures, share, over }
  },
}
