/** What most scenarios are: flows over the network of a case, with changes while they run, to the end of all of it. */
import { totalMs } from './bounds.ts'
import { createDraw, type Draw } from './draw.ts'
import { createFlows, type Flow } from './flow.ts'
import type { Knobs } from './knobs.ts'
import { type Change, createWorld, type World, type WorldOptions } from './world.ts'

type Options = {
  world?: WorldOptions
  /** What happens while they run. */
  changes?: (world: World, draw: Draw) => Change[]
  /** Sees every moment. */
  look?: (flows: readonly Flow[], world: World) => void
}

export const converse = async (knobs: Knobs, seed: number, options: Options = {}) => {
  const { changes = () => [], look = () => {} } = options
  const world = await createWorld(knobs, seed, options.world)
  await world.impair()
  const flows = createFlows(world.b, knobs.family, world.sim.nowMs)
  const { bytes, back, rounds } = knobs
  const open = Array.from({ length: knobs.flows }, (_, k) =>
    flows.dial(world.a, world.to, { bytes, back, rounds }, k % knobs.workers)
  )
  const beganMs = world.sim.nowMs()
  await world.until(open, {
    totalMs: totalMs(knobs, (bytes + back) * rounds, rounds),
    changes: changes(world, createDraw(seed, 'changes')),
    look: () => look(open, world),
  })
  const ms = world.sim.nowMs() - beganMs
  return {
    world,
    ms,
    /** Ends the applications and all that runs; the figures that every run has. */
    finish: () => {
      flows.close()
      return { virtualMs: world.settle(), ms }
    },
  }
}
