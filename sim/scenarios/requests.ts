/** Questions and answers, one after the other on each connection: small ones live of quick ACKs, tails of probes. */
import { mtuChanges } from '../changes.ts'
import { converse } from '../converse.ts'
import type { Scenario } from '../scenarios.ts'

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
    const { ms, finish } = await converse(knobs, seed, { changes: mtuChanges })
    return { ...finish(), round: ms / knobs.rounds }
  },
}
