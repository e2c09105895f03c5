// Routes over HTTP: what a PUT or DELETE has answered is what the next packet meets, and a storm of changes
// harms no traffic.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { expectNothingLeaked, freeBuffers, numbered } from './support/checks.ts'
import { pingLoss, runIn, toolIn } from './support/commands.ts'
import { processUsage } from './support/daemon.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology } from './support/topology.ts'

/** Addresses that only b has, and that only a route of softnet's leads to. */
const FAR = '10.77.0.1'
const FAR_ROUTE = '/v1/tables/main/routes/10.77.0.0/24'
const OTHER = '10.88.0.1'
const STORM_SECONDS = isLong ? 10 : 3
/** Of CPU time: changes, and the requests between them. */
const REQUESTS_PER_SECOND = 1000

describeE2e(import.meta.path, 'routes over HTTP', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>

  beforeAll(async () => {
    net = await createTopology()
    for (const address of [`${FAR}/32`, `${OTHER}/32`])
      await net.b.ask({ op: 'address', name: 'lo', address })
    // each of the pings below is to be told of, however fast they follow one another
    await net.daemon.must('PUT', '/v1/sysctl/net.ipv4.icmp_ratelimit', { value: 0 })
    await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  /** One packet. */
  const ping = async (address: string) => {
    const { out } = await runIn(net.a, ['ping', '-c', '1', '-W', '2', address])
    return { loss: pingLoss(out), out }
  }

  test('added, replaced and deleted routes hold for the next packet', async () => {
    const { daemon } = net
    expect((await ping(FAR)).out).toContain('Net Unreachable')

    await daemon.must('POST', '/v1/routes', { dst: '10.77.0.0/24', gateway: B })
    expect((await ping(FAR)).loss).toBe(0)
    const exists = await daemon.call('POST', '/v1/routes', { dst: '10.77.0.0/24', gateway: B })
    expect(exists.status).toBe(409)

    await daemon.must('PUT', FAR_ROUTE, { type: 'prohibit' })
    expect((await ping(FAR)).out).toContain('filtered')

    await daemon.must('PUT', FAR_ROUTE, { type: 'blackhole' })
    const dead = await ping(FAR)
    expect([dead.loss, dead.out.includes('Unreachable')]).toEqual([100, false])

    await daemon.must('PUT', FAR_ROUTE, { gateway: B })
    expect((await ping(FAR)).loss).toBe(0)

    await daemon.must('DELETE', FAR_ROUTE)
    expect((await ping(FAR)).out).toContain('Net Unreachable')
    expect((await daemon.call('DELETE', FAR_ROUTE)).status).toBe(404)
    await expectNothingLeaked(daemon, before)
  })

  test('the longest prefix wins as it comes and goes', async () => {
    const { daemon } = net
    await daemon.must('PUT', '/v1/tables/main/routes/10.88.0.0/16', { gateway: B })
    expect((await ping(OTHER)).loss).toBe(0)
    await daemon.must('PUT', '/v1/tables/main/routes/10.88.0.1/32', { type: 'unreachable' })
    expect((await ping(OTHER)).out).toContain('Host Unreachable')
    await daemon.must('DELETE', '/v1/tables/main/routes/10.88.0.1/32')
    expect((await ping(OTHER)).loss).toBe(0)
    await daemon.must('DELETE', '/v1/tables/main/routes/10.88.0.0/16')
  })

  test('changes come thick and fast under traffic, cost little, and no packet is lost', async () => {
    const { daemon } = net
    await daemon.must('PUT', FAR_ROUTE, { gateway: B })
    let made = 0
    let tookMs = 0
    // a request that does nothing, made beside the changes: what a request takes on this machine, as busy as it is
    let changingMs = 0
    let askingMs = 0
    const timed = async (work: Promise<unknown>): Promise<number> => {
      const startedMs = performance.now()
      await work
      return performance.now() - startedMs
    }
    const cpuMs = (): number => {
      const { userMs, systemMs } = processUsage(daemon.pid)
      return userMs + systemMs
    }
    // Around the traffic's own route, and that route itself replaced by its like.
    const change = async (n: number): Promise<void> => {
      const path = `/v1/tables/main/routes/10.77.${1 + (n % 250)}.0/24`
      if (n % 10 === 0) await daemon.must('PUT', FAR_ROUTE, { gateway: B })
      else if (n % 2 === 0) await daemon.must('PUT', path, { gateway: B })
      else await daemon.call('DELETE', `/v1/tables/main/routes/10.77.${1 + ((n - 1) % 250)}.0/24`)
      made++
    }
    const storm = async (): Promise<void> => {
      const startedMs = performance.now()
      let next = 0
      const client = async (): Promise<void> => {
        while (performance.now() - startedMs < STORM_SECONDS * 1000) {
          changingMs += await timed(change(next++))
          askingMs += await timed(daemon.must('GET', '/healthz'))
        }
      }
      await Promise.all(Array.from({ length: 8 }, client))
      tookMs = performance.now() - startedMs
    }
    const rate = 2000
    const packets = (rate * (STORM_SECONDS + 1)) / 4
    const sending = { address: FAR, port: 6100, firstPort: 31_000, flows: 4, packets, rate }
    const cpuBefore = cpuMs()
    const got = await numbered(net, sending, storm)
    const cpuSeconds = (cpuMs() - cpuBefore) / 1000
    const requests = 2 * made
    console.log(
      `  ${made} changes in ${tookMs.toFixed(0)} ms, ${(requests / cpuSeconds).toFixed(0)} requests a second of CPU; ` +
        `one takes ${(changingMs / made).toFixed(1)} ms, a request alone ${(askingMs / made).toFixed(1)} ms`
    )
    expect(got).toEqual({ received: 4 * packets, reordered: 0, duplicates: 0, flows: 4 })
    // by what the daemon gets of the machine, and by what else takes its time there
    expect(requests / cpuSeconds).toBeGreaterThan(REQUESTS_PER_SECOND)
    expect(changingMs).toBeLessThan(askingMs * 4)
    await daemon.must('DELETE', FAR_ROUTE)
    await expectNothingLeaked(daemon, before)
  })
})
