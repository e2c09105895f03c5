// Links changed and taken away under traffic: the daemon goes on, the other link too, and every packet that had
// nowhere to go is counted.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { pingLoss, runIn, startIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology, ROUTER_A } from './support/topology.ts'

describeE2e(import.meta.path, 'links under traffic', () => {
  let net: Topology
  let traffic: ReturnType<typeof startIn>
  let dev: string

  beforeAll(async () => {
    net = await createTopology()
    dev = (await net.daemon.must<{ dev: string }[]>('GET', lookup)).at(0)!.dev
    traffic = startIn(net.a, ['ping', '-i', '0.002', '-q', B])
  })
  afterAll(async () => {
    await traffic?.end()
    await net?.close()
  })
  const lookup = `/v1/route-lookup?dst=${B}&format=iproute2`

  /** Percentage of three packets. */
  const loss = async (address: string): Promise<number> =>
    pingLoss((await runIn(net.a, ['ping', '-c', '3', '-i', '0.05', '-W', '1', address])).out)

  test('MTU, down and up take effect, and traffic comes back', async () => {
    const { daemon } = net
    await daemon.must('PATCH', `/v1/links/${dev}`, { mtu: 1400 })
    await daemon.must('PATCH', `/v1/links/${dev}`, { up: false })
    expect(await loss(B)).toBe(100)
    expect(await loss(ROUTER_A)).toBe(0)
    await daemon.must('PATCH', `/v1/links/${dev}`, { up: true })
    expect(await loss(B)).toBe(0)
    const [link] = await daemon.must<{ mtu: number; flags: string[] }[]>(
      'GET',
      `/v1/links?ifname=${dev}&format=iproute2`
    )
    expect(link).toMatchObject({ mtu: 1400 })
    expect(link!.flags).toContain('UP')
  })

  test('a link that is deleted is gone, the others stay, and no worker was harmed', async () => {
    const { daemon } = net
    await daemon.must('DELETE', `/v1/links/${dev}`)
    expect((await daemon.call('GET', `/v1/links/${dev}`)).status).toBe(404)
    expect(await loss(ROUTER_A)).toBe(0)
    expect(await loss(B)).toBe(100)
    expect(await daemon.dropped('IP_INNOROUTES')).toBeGreaterThan(0)
    for (const worker of await daemon.list<object>('/v1/workers'))
      expect(worker).toMatchObject({ restarts: 0, running: true })
  })
})
