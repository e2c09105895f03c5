import { expect, test } from 'bun:test'
import { port } from '../../../../core/dev/kinds/port.ts'
import { PORT_PEER } from '../../../../core/dev/kinds/ports.ts'
import { deviceRow } from '../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { kindEnv } from '../../../support/control-plane.ts'

test('a port is gone when the thread at its other end has come to its end', async () => {
  const arena = createArena({ ...SMALL_ARENA, apps: 2 })
  const { appThread } = arena.layout
  const ended = new Set<number>()
  const ops = port.linkOps({ ...kindEnv(arena), hasEnded: (thread) => ended.has(thread) })
  for (const [ifindex, peer] of [
    [2, appThread],
    [3, appThread + 1],
  ] as const) {
    const spec = { ifname: `port${ifindex}`, flags: 0, change: 0, data: { peer } }
    const row = deviceRow(arena, ifindex)
    expect(await ops.newlink({ ifindex, row, spec })).toMatchObject({ error: 0 })
    expect(arena.i32[row + PORT_PEER]).toBe(peer)
  }
  ended.add(appThread + 1)
  expect([2, 3].map((ifindex) => ops.carrier!(ifindex))).toEqual(['up', 'gone'])
})
