// What a simulation is to find, it finds: a network or a host with a fault made on purpose has the fault that was made.

import { expect, test } from 'bun:test'
import { totalMs } from '../../sim/bounds.ts'
import { Fault } from '../../sim/fault.ts'
import { createFlows } from '../../sim/flow.ts'
import type { Knobs } from '../../sim/knobs.ts'
import { knobsOf } from '../../sim/play.ts'
import { createWorld, type World } from '../../sim/world.ts'

const CALM: Partial<Knobs> = {
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
  mark: 0,
  jitter: 0,
  changes: 0,
  workers: 1,
  offload: 0,
  mtu: 1500,
  rate: 20,
  queue: 100,
}
/** A transfer of 200 kB over a good path that is `spoilt`. */
const transfer = async (spoil: (world: World) => void, more: Partial<Knobs> = {}) => {
  const knobs = knobsOf({ scenario: 'bulk', seed: 1, set: { ...CALM, bytes: 200_000, ...more } })
  const world = await createWorld(knobs, 1)
  await world.impair()
  const flows = createFlows(world.b, knobs.family, world.sim.nowMs)
  spoil(world)
  const flow = flows.dial(world.a, world.to, { bytes: knobs.bytes, back: 0, rounds: 1 })
  try {
    await world.until([flow], { totalMs: totalMs(knobs, knobs.bytes) })
    flows.close()
    world.settle()
  } catch (error) {
    if (error instanceof Fault) return { world, kind: error.kind, text: error.message }
    throw error
  }
  return { world, kind: 'none', text: '' }
}

test.each([4, 6])('IPv%d: a good path has no fault', async (family) => {
  expect(await transfer(() => {}, { family })).toMatchObject({ kind: 'none' })
})

test('a path that lets nothing through any more: stalled', async () => {
  let frames = 0
  const found = await transfer(({ right }) => {
    right.filter = (_frame, from) => from !== 'r' || frames++ < 20
  })
  expect(found.kind).toBe('stalled')
  expect(found.text).toMatch(/of 200000 bytes there/)
})

test('a byte that is another, whose checksum nobody looks at: corrupt', async () => {
  const found = await transfer(
    ({ left }) => {
      left.filter = (frame, from) => {
        if (from === 'a' && frame.length > 1000) frame[frame.length - 1]! ^= 1
        return true
      }
    },
    { offload: 1 }
  )
  expect(found.kind).toBe('corrupt')
})

test('a packet that is not given back: leak', async () => {
  const found = await transfer(({ b }) => void b.stack.skbs.alloc(100, 0))
  expect(found).toMatchObject({
    kind: 'leak',
    text: 'b: thread 0: 1 skbs, b: thread 0: 1 small buffers',
  })
})

test('a bottleneck takes its time, drops what finds no room, and marks', async () => {
  const fast = await transfer(() => {}, { rate: 100, queue: 1000, bytes: 1_000_000 })
  expect(fast.world.a.mib('TcpRetransSegs')).toBe(0)
  const narrow = await transfer(() => {}, { rate: 2, delay: 5, queue: 20, bytes: 400_000 })
  expect(narrow.world.a.mib('TcpRetransSegs')).toBeGreaterThan(0)
  const marked = await transfer(() => {}, { mark: 10, ecn: 1, rate: 2, queue: 1000 })
  expect(marked.world.a.mib('TcpRetransSegs')).toBe(0)
  expect(marked.world.a.mib('TcpExtTCPDeliveredCE')).toBeGreaterThan(0)
})

test('a queue marks what finds it too long, and tells how long it is', async () => {
  let longest = 0
  const marked = await transfer(
    ({ right }) => {
      right.queued = (bytes) => (longest = Math.max(longest, bytes))
    },
    { ecn: 1, rate: 10, delay: 5, threshold: 10, queue: 1000, bytes: 1_000_000 }
  )
  expect(marked.world.a.mib('TcpRetransSegs')).toBe(0)
  expect(marked.world.a.mib('TcpExtTCPDeliveredCE')).toBeGreaterThan(0)
  expect(longest / 1514).toBeGreaterThan(10)
})
