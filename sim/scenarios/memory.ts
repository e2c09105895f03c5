/**
 * A server with little memory whose applications do not read for a while, and a client with little as well: windows close,
 * the worst holder may be reset, what is held stays within its bounds, and in the end everything arrives.
 */
import { boundsOf } from '../memory-bounds.ts'
import { totalMs } from '../bounds.ts'
import { mtuChanges } from '../changes.ts'
import { createDraw } from '../draw.ts'
import { createFlows } from '../flow.ts'
import type { Scenario } from '../scenarios.ts'
import { createWorld } from '../world.ts'

export const memory: Scenario = {
  name: 'memory',
  does: 'little memory, and applications that do not read for a while',
  draw: (draw) => ({
    flows: draw.whole(2, 24),
    bytes: draw.scale(2000, 200_000) | 0,
    back: draw.chance(0.5) ? draw.scale(100, 100_000) | 0 : 0,
  }),
  play: async (knobs, seed) => {
    const draw = createDraw(seed, 'memory')
    const pool = draw.pick([512, 1024])
    const config = { skbs: pool, smallBuffers: pool, largeBuffers: 32 }
    const world = await createWorld(knobs, seed, { a: { config }, b: { config } })
    const { a, b, sim } = world
    await world.impair()
    const aborted = (): boolean => [a, b].some((host) => host.mib('TcpExtTCPAbortOnMemory') > 0)
    const flows = createFlows(b, knobs.family, sim.nowMs, { mayBreak: aborted, isLazy: true })
    const { bytes, back, rounds } = knobs
    const open = Array.from({ length: knobs.flows }, (_, k) =>
      flows.dial(a, world.to, { bytes, back, rounds }, k % knobs.workers)
    )
    // what a full server has dropped is sent again after as long as it was silent, and twice that
    const wakeMs = draw.scale(100, 20_000)
    let isAwake = false
    const wake = async (): Promise<void> => {
      isAwake = true
      flows.read()
    }
    const beganMs = sim.nowMs()
    await world.until(open, {
      totalMs: 2 * totalMs(knobs, bytes + back) + wakeMs,
      changes: [{ atMs: wakeMs, act: wake }, ...mtuChanges(world, draw)],
      patienceMs: 3 * wakeMs,
      look: boundsOf([a, b]),
      isAll: () => isAwake,
    })
    const ms = sim.nowMs() - beganMs
    flows.close()
    const dials = open.reduce((sum, flow) => sum + flow.dials, 0)
    return { virtualMs: world.settle(), ms, dials }
  },
}
