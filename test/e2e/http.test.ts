// The web server of the daemon under many requests: all are answered, and what they needed is given back.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { runIn } from './support/commands.ts'
import { processUsage } from './support/daemon.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { createTopology, ROUTER_A } from './support/topology.ts'

const PROGRAM = `${import.meta.dir}/support/http-clients.ts`
const TIMES = isLong ? 10 : 1
const LIMIT_MS = 25_000 * TIMES
/** Megabytes that the daemon may grow: what a collector lets stand for a moment, with room for another's. */
const MOST_MB = 150
const SETTLED_MB = 80
const SETTLE_MS = 1500

describeE2e(import.meta.path, 'the web server', () => {
  let net: Topology
  let atStart = 0
  const rss = (): number => processUsage(net.daemon.pid).rssMb
  beforeAll(async () => {
    net = await createTopology()
    atStart = rss()
  })
  afterAll(() => net?.close())

  test.each([
    ['on 16 connections, several at a time', 150_000, 16],
    ['a connection for each', 10_000, 0],
  ])('%s: answers all, and does not grow', async (_what, requests, batch) => {
    const asked = requests * TIMES
    let most = 0
    const looking = setInterval(() => {
      most = Math.max(most, rss())
    }, 100)
    const args = [PROGRAM, ROUTER_A, '16', String(asked), String(batch)]
    const ran = await runIn(net.a, [process.execPath, ...args], LIMIT_MS)
    clearInterval(looking)
    expect(Number(ran.out)).toBe(asked)
    expect(most - atStart).toBeLessThan(MOST_MB)
    await Bun.sleep(SETTLE_MS)
    expect(rss() - atStart).toBeLessThan(SETTLED_MB)
  })
})
