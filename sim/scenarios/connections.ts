/** Many short connections that begin at any time, and are ended by the client, by the server or by a reset. */
import { totalMs } from '../bounds.ts'
import { mtuChanges } from '../changes.ts'
import { createDraw } from '../draw.ts'
import { createFlows, type Flow } from '../flow.ts'
import type { Scenario } from '../scenarios.ts'
import { createWorld } from '../world.ts'

const ENDS = ['client', 'server', 'reset'] as const

export const connections: Scenario = {
  name: 'connections',
  does: 'many short connections, ended in every way',
  draw: (draw) => ({
    flows: draw.whole(5, 60),
    bytes: draw.scale(1, 5000) | 0,
    back: draw.scale(1, 5000) | 0,
    rounds: draw.pick([1, 1, 2, 3]),
  }),
  play: async (knobs, seed) => {
    const draw = createDraw(seed, 'connections')
    const world = await createWorld(knobs, seed)
    await world.impair()
    const flows = createFlows(world.b, knobs.family, world.sim.nowMs)
    const { bytes, back, rounds } = knobs
    const open: Flow[] = []
    const withinMs = draw.scale(5, 5000)
    const dials = Array.from({ length: knobs.flows }, (_, k) => ({
      atMs: draw.between(0, withinMs),
      act: async () => {
        const ends = draw.pick(ENDS)
        // without an answer nobody knows when all has come
        const how = back === 0 && ends === 'reset' ? 'client' : ends
        open.push(
          flows.dial(world.a, world.to, { bytes, back, rounds, ends: how }, k % knobs.workers)
        )
      },
    }))
    const beganMs = world.sim.nowMs()
    await world.until(open, {
      totalMs: totalMs(knobs, (bytes + back) * rounds, rounds),
      changes: [...dials, ...mtuChanges(world, draw)],
      isAll: () => open.length === knobs.flows,
    })
    const ms = world.sim.nowMs() - beganMs
    flows.close()
    return { virtualMs: world.settle(), ms, perSecond: (knobs.flows * 1000) / ms }
  },
}
