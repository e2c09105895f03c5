/** Hosts of several workers whose steering changes while flows run: every packet finds the worker that has its flow. */
import { sometimesMtuChanges, steeringChanges } from '../changes.ts'
import { converse } from '../converse.ts'
import { Fault } from '../fault.ts'
import { isClean } from '../knobs.ts'
import type { Scenario } from '../scenarios.ts'

export const steering: Scenario = {
  name: 'steering',
  does: 'RSS and RPS change under load, over several workers',
  draw: (draw) => ({
    workers: draw.whole(2, 4),
    flows: draw.whole(2, 12),
    bytes: draw.scale(1000, 100_000) | 0,
    back: draw.scale(1, 50_000) | 0,
    rounds: draw.whole(1, 4),
    changes: draw.whole(2, 20),
  }),
  play: async (knobs, seed) => {
    const { world, finish } = await converse(knobs, seed, {
      world: { router: { workers: knobs.workers } },
      changes: (world, draw) => [
        ...steeringChanges(world, draw),
        ...sometimesMtuChanges(world, draw),
      ],
    })
    // where nothing comes late, nobody is told that there is no such connection
    if (isClean({ ...knobs, changes: 0 }))
      for (const host of [world.a, world.b])
        if (host.mib('TcpOutRsts') > 0)
          throw new Fault('error', `${host.name} sent ${host.mib('TcpOutRsts')} resets`)
    return finish()
  },
}
