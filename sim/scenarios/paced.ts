/**
 * BBR over a path that loses nothing but what is drawn: it fills the bottleneck, its queue stays short behind Startup, and a loss
 * now and then is none of its business.
 */
import { converse } from '../converse.ts'
import { Fault } from '../fault.ts'
import { CLEAN, isClean, type Knobs, windowOf } from '../knobs.ts'
import { createMeasure, type Measured, shareOf } from '../measure.ts'
import type { Scenario } from '../scenarios.ts'
import { BBR, POOLS } from '../world.ts'

/** Below this part of the bottleneck it is slow. */
const FAST = 0.9
/** Where a packet is lost now and then. */
const FAST_ENOUGH = 0.75
/** What is measured: Startup and Drain are over, nobody has ended. */
const FROM = 0.5
const UNTIL = 0.9
/** So much is behind Startup; at the lowest rate ProbeRTT comes while it goes. */
const WINDOWS = 36
const LEAST = 2_000_000
/** Packets of a super-frame. */
const SUPER = 44
/** Startup sends at 2.89 times the bandwidth for some round trips: what is more than the bandwidth finds room. */
const ROOM = 2
/** What one flow keeps waiting: ProbeBW has a quarter more under way than the path holds, and bursts of a few segments. */
const SHORT = { windows: 0.5, packets: 16 }
/** A sender whose memory is short is limited by itself, which is no measure of the path. */
const MEMORY = { ...POOLS, skbs: 16384, smallBuffers: 16384, largeBuffers: 512 }

export const paced: Scenario = {
  name: 'paced',
  does: 'BBR fills a bottleneck, and not its queue',
  draw: (draw, knobs) => {
    const flows = draw.pick([1, 1, 2, 4])
    const rate = draw.pick([1, 2, 5, 10])
    const clean = { ...knobs, ...CLEAN, rate, delay: draw.scale(1, 40), flows, cc: BBR, mtu: 1500 }
    const full = windowOf(clean)
    return {
      ...clean,
      bytes: Math.ceil(Math.max(WINDOWS * full * 1500, LEAST) / flows),
      loss: draw.chance(0.4) ? draw.scale(0.1, 1) : 0,
      queue: Math.ceil(full * draw.between(ROOM, 3)) + (flows + 1) * SUPER,
      wire: draw.whole(0, 1),
    }
  },
  play: async (knobs, seed) => {
    const measure = createMeasure(knobs, FROM, UNTIL)
    const { world, finish } = await converse(knobs, seed, {
      world: { a: { config: MEMORY } },
      prepare: async (made) => measure.watch(made),
      look: measure.look,
    })
    const again = world.a.mib('TcpRetransSegs')
    const figures = finish()
    const measured = measure.result()
    if (measured === undefined) return figures
    return { ...figures, share: judge(knobs, measured, again), queue: measured.queue }
  },
}

/** Its part of the bottleneck, where that and the queue are what they have to be. */
const judge = (knobs: Knobs, measured: Measured, again: number): number => {
  // it sends small super-frames: each segment has its header
  const share = shareOf({ ...knobs, offload: 0 }, measured)
  const isGood = isClean(knobs)
  if (share < (isGood ? FAST : FAST_ENOUGH))
    throw new Fault('slow', `${(share * 100).toFixed(1)}% of what the bottleneck lets through`)
  // several find each other's queues, and take them for the path until ProbeRTT
  if (knobs.flows > 1 || !isGood) return share
  if (again > 0) throw new Fault('error', `${again} segments again, though nothing was lost`)
  const most = SHORT.windows * windowOf(knobs) + SHORT.packets
  if (measured.queue > most)
    throw new Fault(
      'queue',
      `${measured.queue.toFixed(1)} packets wait, and not ${most.toFixed(1)}`
    )
  return share
}
