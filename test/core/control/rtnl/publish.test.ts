import { describe, expect, test } from 'bun:test'
import { createPublisher } from '../../../../core/control/rtnl/publish.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import {
  G_GENERATION,
  SMALL_ARENA,
  THREAD_ACK,
  THREAD_RUNNING,
  THREAD_WORDS,
} from '../../../../core/shm/layout.ts'
import { makeControl } from '../../../support/control-plane.ts'

const make = () => {
  const arena = createArena({ ...SMALL_ARENA, workers: 2 })
  const { i32, layout } = arena
  const block = (t: number): number => layout.threadBlocks + t * THREAD_WORDS
  const acking = new Set([0, 1])
  for (const w of acking) i32[block(w) + THREAD_RUNNING] = 1
  const kicked: number[] = []
  const pause = async () => {
    for (const w of acking) i32[block(w) + THREAD_ACK] = i32[G_GENERATION]!
  }
  const publisher = createPublisher({ arena, kick: (t) => kicked.push(t), pause })
  return { arena, i32, block, acking, kicked, ...publisher }
}

test('a publication resolves with its revision when every running thread has passed it', async () => {
  const { publish, appliedBy, acking, kicked } = make()
  acking.delete(1)
  let done = 0
  const first = publish().then((revision) => (done = revision))
  for (let k = 0; k < 20; k++) await Promise.resolve()
  expect(done).toBe(0)
  expect(appliedBy(1)).toEqual([0])
  acking.add(1)
  expect(await first).toBe(1)
  expect(appliedBy(1)).toEqual([0, 1])
  expect(kicked).toEqual([0, 1])
})

test('changes of one turn share a generation', async () => {
  const { publish, revision } = make()
  expect(await Promise.all([publish(), publish(), publish()])).toEqual([1, 1, 1])
  expect(await publish()).toBe(2)
  expect(revision()).toBe(2)
})

test('a change made while another is on its way gets a generation of its own', async () => {
  const { publish, acking } = make()
  acking.clear()
  const first = publish()
  await Promise.resolve()
  const second = publish()
  acking.add(0).add(1)
  expect([await first, await second]).toEqual([1, 2])
})

describe('what was taken out', () => {
  test('is used again only when every thread has passed the generation that took it out', async () => {
    const { publish, retire, reclaim, acking, i32, block } = make()
    let freed = false
    retire(() => (freed = true))
    reclaim()
    expect(freed).toBe(false)
    acking.delete(1)
    i32[block(1) + THREAD_ACK] = 0
    const published = publish()
    for (let k = 0; k < 10; k++) await Promise.resolve()
    reclaim()
    expect(freed).toBe(false)
    acking.add(1)
    await published
    expect(freed).toBe(true)
  })

  test('waits for no thread that is not running', async () => {
    const { publish, retire, acking, i32, block } = make()
    acking.delete(1)
    i32[block(1) + THREAD_RUNNING] = 0
    let freed = false
    retire(() => (freed = true))
    await publish()
    expect(freed).toBe(true)
  })

  test('is freed also where generations wrap around', async () => {
    const { publish, retire, i32, block } = make()
    i32[G_GENERATION] = 0x7fffffff
    for (const w of [0, 1]) i32[block(w) + THREAD_ACK] = 0x7fffffff
    let freed = false
    retire(() => (freed = true))
    expect(await publish()).toBe(-0x80000000)
    expect(freed).toBe(true)
  })
})

test('ten thousand route changes, each acknowledged by every worker, leave nothing behind', async () => {
  const { ip, control } = makeControl()
  await ip.veth('eth0')
  await ip.addr('10.0.0.1/24', 'eth0')
  const before = ip.routes({ table: 'all' })
  for (let k = 0; k < 5000; k++) {
    const route = { dst: `192.${k & 127}.2.0/24`, gateway: `10.0.0.${2 + (k % 200)}` }
    const added = await control.request({ type: 'RTM_NEWROUTE', flags: 0x600, route })
    expect(added).toMatchObject({ error: 0, applied_by: [0, 1] })
    await control.request({ type: 'RTM_DELROUTE', route })
  }
  expect(ip.routes({ table: 'all' })).toEqual(before)
  expect(control.revision()).toBeGreaterThan(10_000)
})
