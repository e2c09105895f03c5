// Neighbours as a user sees them, and what becomes of packets for one that is not there.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { NeighItem } from '../../core/control/text/messages.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { runIn, toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { A, B, createTopology, ROUTER_A } from './support/topology.ts'

const NOBODY = '10.0.2.77'
const VALID: (string | undefined)[] = ['REACHABLE', 'STALE', 'DELAY', 'PROBE']

describeE2e(import.meta.path, 'neighbours', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>

  beforeAll(async () => {
    net = await createTopology()
    await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  const neigh = async (dst: string): Promise<NeighItem | undefined> => {
    const { status, out, err } = await net.daemon.cli('ip', '-j', 'neigh')
    expect({ status, err }).toEqual({ status: 0, err: '' })
    return (JSON.parse(out) as NeighItem[]).find((entry) => entry.dst === dst)
  }
  const macOf = async (namespace: Topology['a']): Promise<string> =>
    (await runIn(namespace, ['cat', '/sys/class/net/eth0/address'])).out.trim()

  test('both neighbours stand in `ip neigh` with their link addresses and a valid state', async () => {
    for (const [dst, dev, namespace] of [
      [A, 'lan0', net.a],
      [B, 'lan1', net.b],
    ] as const) {
      const entry = await neigh(dst)
      expect(entry).toMatchObject({ dst, dev, lladdr: await macOf(namespace) })
      expect(VALID).toContain(entry?.state[0])
    }
    const { out } = await net.daemon.cli('ip', 'neigh', 'show', 'dev', 'lan0')
    expect(out).toMatch(new RegExp(`^${A} (dev lan0 )?lladdr ${await macOf(net.a)} [A-Z]+`, 'm'))
  })

  test('a next hop that does not answer gives host unreachable, and stands as FAILED', async () => {
    const { out, status } = await runIn(net.a, ['ping', '-c', '1', '-W', '5', NOBODY])
    expect(status).not.toBe(0)
    expect(out).toContain(`From ${ROUTER_A}`)
    expect(out).toContain('Destination Host Unreachable')
    expect((await neigh(NOBODY))?.state).toEqual(['FAILED'])
    expect(await net.daemon.dropped('NEIGH_FAILED')).toBeGreaterThan(0)
    await expectNothingLeaked(net.daemon, before)
  })

  test('a permanent entry is used at once, and a flush takes the others', async () => {
    const lladdr = await macOf(net.b)
    const added = await net.daemon.cli(
      ...['ip', 'neigh', 'replace', B, 'lladdr', lladdr, 'nud', 'permanent', 'dev', 'lan1']
    )
    expect(added).toEqual({ status: 0, out: '', err: '' })
    expect((await neigh(B))?.state).toEqual(['PERMANENT'])
    await net.daemon.must('POST', '/v1/neighs:flush', { dev: 'lan0' })
    expect(await neigh(A)).toBeUndefined()
    await toolIn(net.a, 'ping', ['-c', '3', '-i', '0.05', B])
    expect(VALID).toContain((await neigh(A))?.state[0])
  })
})
