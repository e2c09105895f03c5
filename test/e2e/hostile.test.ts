// A mixed hostile load through a TAP: segments out of order, fragments, a scan for neighbours that are not there, SYNs,
// peers that do not read, all at once. Who has nothing to do with it is served as before, what is held stays within
// its bound, and afterwards nothing spins. 20 s; SOFTNET_LONG=1 makes it ten minutes, SOFTNET_HOSTILE_SECONDS anything.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { LinkItem, MemoryItem } from '../../core/control/text/messages.ts'
import { pingLoss, startIn, toolIn } from './support/commands.ts'
import { processUsage } from './support/daemon.ts'
import type { Attacked, Visited } from './support/hostile-load.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology, ROUTER_A } from './support/topology.ts'
import { requireTool } from '../support/tools.ts'

const TOOL = `${import.meta.dir}/support/hostile-load.ts`
const SECONDS = Number(process.env['SOFTNET_HOSTILE_SECONDS'] ?? (isLong ? 600 : 15))
/** Frames a second: what leaves a third of two busy CPUs idle. */
const RATE = Number(process.env['SOFTNET_HOSTILE_RATE'] ?? 3000)
const SETTLE_MS = 3000
const LOOK_MS = 2000

describeE2e(import.meta.path, 'a mixed hostile load', () => {
  let net: Topology

  beforeAll(async () => {
    net = await createTopology()
    await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
  })
  afterAll(() => net?.close())

  const memory = (): Promise<MemoryItem> => net.daemon.must<MemoryItem>('GET', '/v1/memory')
  const cpuMs = (): number => {
    const { userMs, systemMs } = processUsage(net.daemon.pid)
    return userMs + systemMs
  }
  /** Watches who holds what until `over`; the most that each has had, and what it had beyond its bound. */
  const watch = async (over: Promise<unknown>) => {
    const most: Record<string, number> = {}
    const beyond: string[] = []
    let isOver = false
    void over.finally(() => {
      isOver = true
    })
    while (!isOver) {
      for (const { holder, small, small_bound, large, large_bound, bytes } of (await memory())
        .holders) {
        most[holder] = Math.max(most[holder] ?? 0, bytes)
        if (small > small_bound || large > large_bound) beyond.push(`${holder} ${small} ${large}`)
      }
      await Bun.sleep(500)
    }
    return { most, beyond }
  }

  test(
    'neither pings through the router nor new connections notice it',
    async () => {
      const bun = process.execPath
      const limitMs = SECONDS * 1000 + 30_000
      const { address } = await net.daemon.must<LinkItem>('GET', '/v1/links/lan0')
      const before = cpuMs()
      const attack = startIn(net.a, [bun, TOOL, 'attack', address!, `${SECONDS}`, `${RATE}`], {
        limitMs,
      })
      const args = [requireTool('ping'), '-q', '-i', '0.05', '-w', `${SECONDS}`, B]
      const ping = startIn(net.a, args, { limitMs })
      const url = `http://${ROUTER_A}/whoami`
      const visit = startIn(net.a, [bun, TOOL, 'visit', url, `${SECONDS}`], { limitMs })
      const { most, beyond } = await watch(Promise.all([attack.result, ping.result, visit.result]))
      const busy = (cpuMs() - before) / (SECONDS * 1000)
      const attacked = await attack.result
      if (attacked.status !== 0) throw new Error(`the attacker: ${attacked.err}`)
      const sent = JSON.parse(attacked.out) as Attacked
      const visited = JSON.parse((await visit.result).out) as Visited
      const pinged = (await ping.result).out
      console.log(`  sent ${JSON.stringify(sent)}, the daemon took ${busy.toFixed(2)} CPUs`)
      const { out: counters } = await net.daemon.cli('nstat', 'TcpExt*')
      const { out: drops } = await net.daemon.cli('dropwatch')
      console.log(counters, drops)
      console.log(`  held at most ${JSON.stringify(most)}`)
      console.log(`  ${JSON.stringify(visited)} ${pinged.split('\n').slice(-3).join(' ')}`)
      expect(Object.values(sent).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(
        (SECONDS * RATE) / 2
      )
      expect(beyond).toEqual([])
      expect(pingLoss(pinged)).toBeLessThanOrEqual(1)
      expect(visited.answered).toBeGreaterThanOrEqual(visited.tried * 0.99)
      expect(visited.tried).toBeGreaterThan(SECONDS)
    },
    SECONDS * 1000 + 60_000
  )

  test('and afterwards nothing spins', async () => {
    await Bun.sleep(SETTLE_MS)
    const before = cpuMs()
    await Bun.sleep(LOOK_MS)
    expect((cpuMs() - before) / LOOK_MS).toBeLessThan(0.3)
    expect(await net.daemon.nstat('IpInReceives')).toBeGreaterThan(0)
  })
})
