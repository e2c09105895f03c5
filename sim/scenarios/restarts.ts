/**
 * Workers that throw and start over, of the router and of the server: what went through the router goes on; connections of
 * the server's worker break, and are made again.
 */
import { quietMs, totalMs } from '../bounds.ts'
import { sometimesMtuChanges } from '../changes.ts'
import { createDraw } from '../draw.ts'
import { createFlows } from '../flow.ts'
import type { Scenario } from '../scenarios.ts'
import { createWorld } from '../world.ts'

/** In how much time after the start workers throw, and in which call of their stack. */
const WITHIN_MS = 3000
const CALLS = 200

export const restarts: Scenario = {
  name: 'restarts',
  does: 'workers throw and start over, under load',
  draw: (draw) => ({
    workers: draw.whole(1, 3),
    flows: draw.whole(1, 8),
    bytes: draw.scale(100, 200_000) | 0,
    back: draw.scale(1, 100_000) | 0,
    rounds: draw.whole(1, 4),
    changes: draw.whole(1, 6),
  }),
  play: async (knobs, seed) => {
    const draw = createDraw(seed, 'restarts')
    const { workers, bytes, back, rounds } = knobs
    const world = await createWorld(knobs, seed, { router: { workers } })
    const { a, b, r, sim } = world
    await world.impair()
    const seen = Array.from({ length: workers }, (_, w) => b.restarts(w))
    let broken = 0
    const flows = createFlows(b, knobs.family, sim.nowMs, { mayBreak: () => broken > 0 })
    const open = Array.from({ length: knobs.flows }, (_, k) =>
      flows.dial(a, world.to, { bytes, back, rounds }, k % workers)
    )
    const listenAgain = (): void => {
      for (const [w, count] of seen.entries()) {
        if (b.restarts(w) === count) continue
        seen[w] = b.restarts(w)
        broken++
        flows.restarted(w)
      }
    }
    const changes = Array.from({ length: knobs.changes }, () => {
      const [host, worker, calls] = [
        draw.pick([b, r]),
        draw.whole(0, workers - 1),
        draw.whole(0, CALLS),
      ]
      return { atMs: draw.scale(1, WITHIN_MS), act: async () => host.throwAfter(worker, calls) }
    })
    const beganMs = sim.nowMs()
    await world.until(open, {
      totalMs: totalMs(knobs, (bytes + back) * rounds, rounds) * (1 + knobs.changes),
      changes: [...changes, ...sometimesMtuChanges(world, draw)],
      // a worker that throws does so over a packet, which is lost, and as likely as not one that was sent again
      patienceMs: quietMs(knobs, knobs.changes),
      look: listenAgain,
    })
    const ms = sim.nowMs() - beganMs
    // what was lit and has not gone off yet
    for (const host of [b, r]) host.throwAfter(-1, 0)
    flows.close()
    const dials = open.reduce((sum, flow) => sum + flow.dials, 0)
    return { virtualMs: world.settle(), ms, broken, dials }
  },
}
