// Capture files as devices: what softnet sends on one is read by everybody's tools, and what a file holds is received.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import type { LinkItem } from '../../core/control/text/messages.ts'
import { createCaptureReader } from '../../core/wire/pcap-reader.ts'
import { requireTool } from '../support/tools.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { runIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { A, createTopology, ROUTER_A } from './support/topology.ts'

const PINGS = 20
const RECORDED = '10.5.0.1'

describeE2e(import.meta.path, 'pcap devices', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>
  const file = () => `${net.daemon.folder}/out.pcap`

  beforeAll(async () => {
    net = await createTopology({ config: 'files = "."\n' })
    await runIn(net.a, ['ping', '-c', '2', '-i', '0.05', ROUTER_A])
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  const addLink = (ifname: string, data: object) =>
    net.daemon.must('PUT', `/v1/links/${ifname}`, { kind: 'pcap', up: true, data })
  const packetsIn = async (ifname: string): Promise<number> =>
    (await net.daemon.must<LinkItem>('GET', `/v1/links/${ifname}`)).stats64.rx.packets

  test('what is sent stands in the file, and tcpdump reads it', async () => {
    const { daemon } = net
    await addLink('rec0', { record: file() })
    await daemon.must('PUT', '/v1/links/rec0/addresses/10.5.0.254/24', {})
    await daemon.must('PUT', `/v1/links/rec0/neighs/${RECORDED}`, { lladdr: '02:00:00:00:00:05' })
    await runIn(net.a, ['ping', '-c', `${PINGS}`, '-i', '0.01', '-W', '1', RECORDED])
    // as root it would change to a user of its own, which it may not in a user namespace: so not as root
    const tcpdump = ['unshare', '--user', requireTool('tcpdump'), '-n', '-r', file(), 'icmp']
    const { out, err, status } = await runIn(net.a, tcpdump)
    if (status !== 0) throw new Error(err)
    const lines = out.trim().split('\n')
    expect(lines).toHaveLength(PINGS)
    expect(lines[0]).toContain(`IP ${A} > ${RECORDED}: ICMP echo request`)
    await expectNothingLeaked(daemon, before)
  })

  test('what a file holds is received, all of it', async () => {
    // the device itself goes on talking of its addresses and groups
    await net.daemon.must('DELETE', '/v1/links/rec0')
    const reader = createCaptureReader(new Uint8Array(readFileSync(file())))!
    let frames = 0
    while (reader.next()) frames++
    expect(frames).toBeGreaterThanOrEqual(PINGS)
    await addLink('play0', { replay: file() })
    const deadline = performance.now() + 5000
    while ((await packetsIn('play0')) < frames) expect(performance.now()).toBeLessThan(deadline)
    expect(await packetsIn('play0')).toBe(frames)
    await expectNothingLeaked(net.daemon, before)
  })
})
