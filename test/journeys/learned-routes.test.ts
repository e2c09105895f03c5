// A host learns of what is on the way from what comes back of its own packets: `ip route get` says so, whichever worker learned
// it, as the kernel's says it, until it is over or flushed.

import { expect, test } from 'bun:test'
import { lookupJson, lookupText } from '../../api/iproute2/route.ts'
import type { FamilyName, RouteLookup } from '../../core/control/text/messages.ts'
import { dialTcp, serveTcp } from '../../sim/net/sim-apps.ts'
import { LONG_MS, routed } from '../support/sim-topology.ts'

const B = '10.0.2.2'
const TOTAL = 20_000

test('a path MTU is told of with the time that is left, and is learned again after a flush', async () => {
  const { sim, a, b, r } = await routed({ mtu: 1280, a: { workers: 2 } })
  const server = serveTcp(b, 80)
  const get = async (): Promise<RouteLookup> => {
    const reply = await a.request({ type: 'RTM_GETROUTE', dst: B })
    return (reply as { item: RouteLookup }).item
  }
  const plain = `${B} via 10.0.1.254 dev eth0 src 10.0.1.1 uid 0 \n    cache `
  const flush = async (family: FamilyName): Promise<unknown> =>
    a.request({ type: 'RT_CACHE_FLUSH', family })
  expect(lookupText(await get())).toBe(plain)
  /** The worker sends more than passes in one segment; the router refuses one, or none. */
  const send = (worker: number, isRefused: boolean): void => {
    const before = r.mib('IcmpOutDestUnreachs')
    const client = dialTcp(a, B, 80, worker)
    client.start(TOTAL)
    const peer = server.ends.length
    expect(sim.run(LONG_MS, () => server.ends[peer]?.received === TOTAL)).toBe(true)
    expect(r.mib('IcmpOutDestUnreachs') - before > 0).toBe(isRefused)
    client.close()
    server.ends[peer]!.close()
  }
  send(1, true)
  const found = await get()
  expect(found).toMatchObject({ gateway: '10.0.1.254', metrics: [{ mtu: 1280 }], cache: [] })
  const left = found.expires!
  expect(left).toBeGreaterThan(500)
  expect(lookupText(found)).toBe(`${plain}expires ${left}sec mtu 1280 `)
  // as `ip -j` of the kernel has it, word for word
  expect(JSON.stringify(lookupJson(found))).toBe(
    `{"dst":"${B}","gateway":"10.0.1.254","dev":"eth0","prefsrc":"10.0.1.1","flags":[],"uid":0,"cache":[],"expires":${left},"metrics":[{"mtu":1280}]}`
  )
  sim.run(60_000)
  expect((await get()).expires).toBeLessThanOrEqual(left - 60)

  // the other worker has heard of it
  send(0, false)
  await flush('inet6')
  expect((await get()).metrics).toEqual([{ mtu: 1280 }])
  await flush('inet')
  expect(lookupText(await get())).toBe(plain)
  send(0, true)
  expect((await get()).metrics).toEqual([{ mtu: 1280 }])
  sim.run(600_000)
  expect(lookupText(await get())).toBe(plain)
  server.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})
