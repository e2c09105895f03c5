// A SYN flood through a TAP, as fast as one core can send it, from addresses that are nobody's: somebody who connects
// meanwhile is served, and what is held stays within its bounds. SOFTNET_LONG=1 makes it 1,000 connections.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { LinkItem, MemoryItem, SockItem } from '../../core/control/text/messages.ts'
import { startIn, toolIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Served } from './support/syn-flood.ts'
import { A, B, createTopology, ROUTER_A, type Topology } from './support/topology.ts'

const TOOL = `${import.meta.dir}/support/syn-flood.ts`
const VISITS = isLong ? 1000 : 100
const LIMIT_MS = isLong ? 240_000 : 60_000

describeE2e(import.meta.path, 'a SYN flood', () => {
  let net: Topology

  beforeAll(async () => {
    net = await createTopology()
    await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
    // answers to those addresses have a way
    await net.daemon.must('POST', '/v1/routes', { dst: '198.18.0.0/15', gateway: A })
  })
  afterAll(() => net?.close())

  test(
    'keeps nobody out',
    async () => {
      const bun = process.execPath
      const { address } = await net.daemon.must<LinkItem>('GET', '/v1/links/lan0')
      const seconds = `${LIMIT_MS / 1000}`
      const flood = startIn(net.a, [bun, TOOL, 'flood', address!, '80', seconds], {
        limitMs: LIMIT_MS + 10_000,
      })
      while ((await net.daemon.nstat('TcpExtSyncookiesSent')) === 0) await Bun.sleep(100)
      const url = `http://${ROUTER_A}/whoami`
      const visitor = startIn(net.a, [bun, TOOL, 'visit', url, `${VISITS}`], { limitMs: LIMIT_MS })
      const begun = performance.now()
      const beyond: string[] = []
      let isOver = false
      void visitor.result.finally(() => {
        isOver = true
      })
      while (!isOver) {
        const { holders } = await net.daemon.must<MemoryItem>('GET', '/v1/memory')
        for (const { holder, small, small_bound, large, large_bound } of holders)
          if (small > small_bound || large > large_bound) beyond.push(`${holder} ${small} ${large}`)
        await Bun.sleep(500)
      }
      const tookMs = performance.now() - begun
      const requests = await net.daemon.list<SockItem>('/v1/sockets/tcp')
      await flood.end()
      const visited = await visitor.result
      if (visited.status !== 0) throw new Error(`the visitor: ${visited.err}`)
      const served = JSON.parse(visited.out) as Served
      const { out: counters } = await net.daemon.cli('nstat', 'TcpInSegs', 'TcpExt*')
      console.log(`  ${VISITS} visits in ${tookMs.toFixed(0)} ms: ${JSON.stringify(served)}`)
      console.log(counters)
      expect(beyond).toEqual([])
      expect(served.answered).toBeGreaterThanOrEqual(VISITS * 0.99)
      expect(await net.daemon.nstat('TcpExtSyncookiesRecv')).toBeGreaterThan(0)
      expect(requests.filter(({ state }) => state === 'SYN-RECV').length).toBeLessThanOrEqual(8192)
    },
    LIMIT_MS + 30_000
  )
})
