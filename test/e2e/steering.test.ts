// The indirection table may change at any moment: connections go on where they are.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { RssItem } from '../../core/control/text/messages.ts'
import { expectNothingLeaked, warmUp } from './support/checks.ts'
import { iperf, runIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology, ROUTER_A } from './support/topology.ts'

const SECONDS = isLong ? 10 : 3
const DOWNLOAD = isLong ? 1_000_000_000 : 100_000_000
const TABLES = [{ weight: [1, 0] }, { weight: [0, 1] }, { equal: 2 }, { weight: [1, 3] }]
const EVERY_MS = 50

describeE2e(import.meta.path, 'PUT rss under load', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof warmUp>>

  beforeAll(async () => {
    net = await createTopology({ workers: 2 })
    before = await warmUp(net)
  })
  afterAll(() => net?.close())

  /** Changes both links' tables until `running` has ended; how often. */
  const changeTables = async (running: Promise<unknown>): Promise<number> => {
    let isOver = false
    void running
      .catch(() => {})
      .finally(() => {
        isOver = true
      })
    let changes = 0
    for (; !isOver; changes++) {
      for (const link of ['lan0', 'lan1'])
        await net.daemon.must('PUT', `/v1/links/${link}/rss`, TABLES[changes % TABLES.length])
      await Bun.sleep(EVERY_MS)
    }
    return changes
  }

  const resets = (): Promise<number> => net.daemon.nstat('TcpOutRsts', 'TcpEstabResets')

  test('a download from port 80 ends whole, with no reset', async () => {
    const start = await resets()
    const url = `http://${ROUTER_A}/bytes/${DOWNLOAD}`
    const wanted = '%{size_download} %{http_code}'
    const argv = ['curl', '-sS', '--max-time', '60', '-o', '/dev/null', '-w', wanted, url]
    const download = runIn(net.a, argv, 65_000)
    const changes = await changeTables(download)
    expect(await download).toEqual({ status: 0, out: `${DOWNLOAD} 200`, err: '' })
    expect(changes).toBeGreaterThan(0)
    expect(await resets()).toBe(start)
    await expectNothingLeaked(net.daemon, before)
  })

  test('iperf3 through the router ends well', async () => {
    const running = iperf(net.a, net.b, B, ['-P', '4'], SECONDS)
    const changes = await changeTables(running)
    expect((await running).bitsPerSecond).toBeGreaterThan(1e6)
    expect(changes).toBeGreaterThan(SECONDS)
    await expectNothingLeaked(net.daemon, before)
  })

  test('the table that was set is the one that is shown', async () => {
    await net.daemon.must('PUT', '/v1/links/lan0/rss', { weight: [1, 0] })
    const shown = await net.daemon.must<RssItem>('GET', '/v1/links/lan0/rss')
    expect(new Set(shown['rss-indirection-table'])).toEqual(new Set([0]))
  })
})
