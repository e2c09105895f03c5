/** Questions and answers, one after the other on each connection: small ones live of quick ACKs, tails of probes. */
import { totalMs } from '../bounds.ts'
import { mtuChanges } from '../changes.ts'
import { createDraw } from '../draw.ts'
import { createFlows } from '../flow.ts'
import type { Scenario } from '../scenarios.ts'
import { createWorld } from '../world.ts'

export const requests: Scenario = {
  name: 'requests',
  does: 'questions and answers, one after the other on each connection',
  draw: (draw) => ({
    flows: draw.whole(1, 8),
    bytes: draw.scale(1, 20_000) | 0,
    back: draw.scale(1, 50_000) | 0,
    rounds: draw.whole(1, 20),
  }),
  play: async (knobs, seed) => {
    const world = await createWorld(knobs, seed)
    await world.impair()
    const flows = createFlows(world.b, knobs.family)
    const { bytes, back, rounds } = knobs
    const open = Array.from({ length: knobs.flows }, (_, k) =>
      flows.dial(world.a, world.to, { bytes, back, rounds }, k % knobs.workers)
    )
    const begunMs = world.sim.nowMs()
    const bound = totalMs(knobs, (bytes + back) * rounds, rounds)
    await world.until(open, bound, mtuChanges(world, createDraw(seed, 'requests changes')))
    const ms = world.sim.nowMs() - begunMs
    flows.close()
    const virtualMs = world.settle()
    return { virtualMs, ms, round: ms / rounds }
  },
}
