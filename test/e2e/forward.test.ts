// Two namespaces and softnet as the router between them, with the tools that everybody knows.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { LinkItem } from '../../core/control/text/messages.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { iperf, pingLoss, toolIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology, ROUTER_A } from './support/topology.ts'

const SECONDS = isLong ? 10 : 2

describeE2e(import.meta.path, 'forwarding between two TAPs', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>
  /** What went wrong while the TAPs were on their way into their namespaces, where the kernel has them down. */
  let errorsBefore: number[]
  const links = () =>
    Promise.all(
      ['lan0', 'lan1'].map((name) => net.daemon.must<LinkItem>('GET', `/v1/links/${name}`))
    )
  const errors = async (): Promise<number[]> =>
    (await links()).flatMap(({ stats64: { rx, tx } }) => [rx.errors, tx.errors])

  beforeAll(async () => {
    net = await createTopology()
    await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
    before = await freeBuffers(net.daemon)
    errorsBefore = await errors()
  })
  afterAll(() => net?.close())

  test('ping through the router loses nothing', async () => {
    const start = await net.daemon.nstat('IpForwDatagrams')
    const out = await toolIn(net.a, 'ping', ['-c', '100', '-i', '0.01', B])
    expect(pingLoss(out)).toBe(0)
    const end = await net.daemon.nstat('IpForwDatagrams')
    expect(end - start).toBeGreaterThanOrEqual(200)
    await expectNothingLeaked(net.daemon, before)
  })

  test('ping of the router loses nothing, in any size', async () => {
    for (const size of ['0', '56', '1472', '8000', '30000']) {
      const out = await toolIn(net.a, 'ping', ['-c', '10', '-i', '0.01', '-s', size, ROUTER_A])
      expect(pingLoss(out)).toBe(0)
    }
    await expectNothingLeaked(net.daemon, before)
  })

  test('traceroute shows the router, then the target', async () => {
    const out = await toolIn(net.a, 'traceroute', ['-n', '-q', '1', '-N', '1', '-w', '2', B])
    const hops = out
      .split('\n')
      .slice(1, 3)
      .map((line) => line.trim().split(/\s+/).slice(0, 2))
    expect(hops).toEqual([
      ['1', ROUTER_A],
      ['2', B],
    ])
  })

  for (const [title, args] of [
    ['one TCP stream to b', []],
    ['one TCP stream from b', ['-R']],
    ['eight TCP streams', ['-P', '8']],
    ['UDP at 50 Mbit/s', ['-u', '-b', '50M', '-l', '1400']],
  ] as const) {
    test(`iperf3: ${title}`, async () => {
      const { bitsPerSecond, lostPercent } = await iperf(net.a, net.b, B, [...args], SECONDS)
      console.log(`  ${title}: ${(bitsPerSecond / 1e6).toFixed(0)} Mbit/s`)
      expect(bitsPerSecond).toBeGreaterThan(10e6)
      expect(lostPercent).toBeLessThan(5)
      await expectNothingLeaked(net.daemon, before)
    })
  }

  test('both links count what crossed them', async () => {
    for (const { stats64 } of await links()) {
      expect(stats64.rx.packets).toBeGreaterThan(200)
      expect(stats64.tx.packets).toBeGreaterThan(200)
    }
    expect(await errors()).toEqual(errorsBefore)
  })
})
