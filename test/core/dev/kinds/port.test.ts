import { expect, test } from 'bun:test'
import { port } from '../../../../core/dev/kinds/port.ts'
import type { XmitEnv } from '../../../../core/dev/kinds/link-kind.ts'
import {
  createPorts,
  createPortXmit,
  PORT_PEER,
  portTxRing,
} from '../../../../core/dev/kinds/ports.ts'
import { deviceRow, NETDEV_TX_OK } from '../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { ringReadable } from '../../../../core/shm/ring.ts'
import { createSkbs } from '../../../../core/skb/skbs.ts'
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

test('peers see the frames of a batch, and are woken, when it ends', () => {
  const arena = createArena({ ...SMALL_ARENA, apps: 2 })
  const { appThread } = arena.layout
  const ports = createPorts(arena)
  const peers = [appThread, appThread + 1]
  const rings = peers.map((peer, k) => {
    const port = ports.take()
    ports.fill(deviceRow(arena, k + 2), port, peer)
    return portTxRing(arena, port, 0)
  })
  const skbs = createSkbs(arena, 0)
  const woken: number[] = []
  const ends: (() => number)[] = []
  const start = () =>
    createPortXmit({
      arena,
      skbs,
      kick: (peer: number) => void woken.push(peer),
      onBatchEnd: (end: () => number) => void ends.push(end),
    } as unknown as XmitEnv)
  const readable = () => rings.map((ring) => ringReadable(arena.i32, ring))
  const send = (xmit: ReturnType<typeof start>, ifindex: number) =>
    expect(xmit(skbs.alloc(60, 0), deviceRow(arena, ifindex))).toBe(NETDEV_TX_OK)

  const xmit = start()
  for (const ifindex of [2, 3, 2]) send(xmit, ifindex)
  expect(readable()).toEqual([0, 0])
  expect(ends[0]!()).toBe(0)
  expect(readable()).toEqual([2, 1])
  expect(woken).toEqual(peers)
  ends[0]!()
  expect(woken).toEqual(peers)
  // a worker that dies within a batch leaves its frames to the next one, which tells of them with its own
  send(xmit, 2)
  const again = start()
  send(again, 2)
  ends[1]!()
  expect(readable()).toEqual([4, 1])
  expect(woken).toEqual([...peers, appThread])
})
