// Flows and workers: a flow stays with one worker, in order, and many flows make use of all of them.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { WorkerItem } from '../../core/control/text/messages.ts'
import { expectNothingLeaked, freeBuffers, numbered } from './support/checks.ts'
import { toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology, spreadTheSame } from './support/topology.ts'

type Flow = { worker: number; src: string; sport: number; dport: number }

const FLOWS = 64
const PACKETS = 150
const RATE = 20_000
const PORT = 6000
const FIRST_PORT = 30_001
const MOST = 32

const share = (steering: 'rps' | 'multiqueue', workers: number): void => {
  describe(`${FLOWS} flows on ${workers} workers by ${steering}`, () => {
    let net: Topology
    let before: Awaited<ReturnType<typeof freeBuffers>>

    beforeAll(async () => {
      net = await createTopology({ workers, steering })
      if (steering === 'rps') await spreadTheSame(net)
      await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
      before = await freeBuffers(net.daemon)
    })
    afterAll(() => net?.close())

    test('every datagram arrives once and in its flow’s order', async () => {
      const sending = { address: B, port: PORT, firstPort: FIRST_PORT, flows: FLOWS }
      const got = await numbered(net, { ...sending, packets: PACKETS, rate: RATE })
      expect(got).toEqual({
        received: FLOWS * PACKETS,
        reordered: 0,
        duplicates: 0,
        flows: FLOWS,
      })
      await expectNothingLeaked(net.daemon, before)
    })

    test('no flow was seen on two workers', async () => {
      const owners = new Map<string, Set<number>>()
      for (const { worker, ...flow } of await net.daemon.list<Flow>('/v1/flows')) {
        if (flow.dport !== PORT) continue
        const name = `${flow.src} ${flow.sport}`
        owners.set(name, (owners.get(name) ?? new Set()).add(worker))
      }
      // The table of recent flows is direct-mapped: two flows of one slot displace each other.
      expect(owners.size).toBeGreaterThan(FLOWS / 2)
      expect([...owners].filter(([, seenOn]) => seenOn.size > 1)).toEqual([])
    })

    // The queues of a multiqueue TAP are the kernel's choice.
    if (steering === 'rps') {
      test('each worker had between half and twice its share of the packets', async () => {
        const processed = (await net.daemon.list<WorkerItem>('/v1/workers')).map(
          (item) => item.processed
        )
        const mean = processed.reduce((sum, n) => sum + n, 0) / workers
        console.log(`  packets a worker: ${processed.join(' ')}`)
        for (const n of processed) {
          expect(n).toBeGreaterThan(mean / 2)
          expect(n).toBeLessThan(mean * 2)
        }
      })
    }
  })
}

/** As many as there can be: the arena's pools are smaller, masks of workers full, device rows have a queue for each. */
const most = (steering: 'rps' | 'multiqueue'): void => {
  test(`${MOST} workers start by ${steering} and share what comes`, async () => {
    const net = await createTopology({ workers: MOST, steering })
    try {
      if (steering === 'rps') await spreadTheSame(net)
      await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
      const before = await freeBuffers(net.daemon)
      const sending = { address: B, port: PORT, firstPort: FIRST_PORT, flows: 2 * FLOWS }
      const got = await numbered(net, { ...sending, packets: 10, rate: RATE / 10 })
      expect(got).toEqual({
        received: 2 * FLOWS * 10,
        reordered: 0,
        duplicates: 0,
        flows: 2 * FLOWS,
      })
      const workers = await net.daemon.list<WorkerItem>('/v1/workers')
      expect(workers.filter(({ running }) => running)).toHaveLength(MOST)
      expect(workers.filter(({ processed }) => processed > 0).length).toBeGreaterThan(MOST / 2)
      await expectNothingLeaked(net.daemon, before)
    } finally {
      await net.close()
    }
  })
}

describeE2e(import.meta.path, 'flows and workers', () => {
  for (const workers of [1, 2, 4]) share('rps', workers)
  share('multiqueue', 2)
  for (const steering of ['rps', 'multiqueue'] as const) most(steering)
})
