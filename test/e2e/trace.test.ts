// `softnet trace` beside real traffic: a packet's way as it went, and the same way told beforehand by a dry run, which moves
// no counter.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { TracedPacket } from '../../core/control/text/messages.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { runIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { A, B, createTopology, ROUTER_A } from './support/topology.ts'

describeE2e(import.meta.path, 'traces', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>
  let mac = ''
  beforeAll(async () => {
    net = await createTopology()
    await ping(B)
    before = await freeBuffers(net.daemon)
    const link = await runIn(net.a, ['cat', '/sys/class/net/eth0/address'])
    mac = link.out.trim()
  })
  afterAll(() => net?.close())

  const ping = (to: string): Promise<unknown> => runIn(net.a, ['ping', '-c', '2', '-i', '0.01', to])
  /** A live trace of so many packets; there is traffic for as long as it runs. */
  const live = async (count: number, filter: string, to: string): Promise<TracedPacket[]> => {
    let isOver = false
    const tracing = net.daemon
      .cli('-j', 'trace', '-i', 'lan0', '-n', `${count}`, filter)
      .finally(() => {
        isOver = true
      })
    while (!isOver) await ping(to)
    const { status, out, err } = await tracing
    expect([status, err]).toEqual([0, ''])
    return out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as TracedPacket)
  }
  const dry = async (packet: string): Promise<TracedPacket> => {
    const { status, out, err } = await net.daemon.cli('-j', 'trace', '--dry', 'dev=lan0', packet)
    expect([status, err]).toEqual([0, ''])
    return JSON.parse(out) as TracedPacket
  }
  /** What the stages decided; who has the flow and how the neighbour is just then are of the moment. */
  const way = ({ stages, verdict }: TracedPacket): string[] => [
    ...stages
      .filter(({ stage }) => stage !== 'receive')
      .map(({ stage, text }) => `${stage} ${text.replace(/, id .*| [A-Z]+$/, '')}`),
    verdict,
  ]

  test.each([
    ['through the router', B, 'sent by lan1'],
    ['to the router', ROUTER_A, 'delivered: icmp'],
  ])('a packet %s goes the way that the dry run tells', async (_what, to, verdict) => {
    const all = await live(2, `icmp[icmptype] = icmp-echo and dst ${to}`, to)
    expect(all.map((packet) => packet.verdict)).toEqual([verdict, verdict])
    const told = await dry(`icmp ${A} > ${to} df from ${mac}`)
    for (const packet of all) expect(way(packet)).toEqual(way(told))
    expect(told.stages.map(({ stage }) => stage)).toContain('route')
  })
  test('as text: a line a stage, the drop with its remedy, the answer beside it', async () => {
    const { status, out } = await net.daemon.cli(
      'trace',
      '--dry',
      'dev=lan0',
      `udp ${A}:5000 > ${B}:80 ttl 1`
    )
    expect(status).toBe(0)
    expect(out).toMatch(
      /cpu \d {3}drop +TTL_EXCEEDED in ip_forward; it takes a TTL of at least 2\n/
    )
    expect(out).toMatch(
      /cpu \d > transmit +lan0: IP 10\.0\.1\.254 > 10\.0\.1\.1: ICMP, time exceeded/
    )
  })
  test('of all there is, under a flood, loses no packet', async () => {
    const tracing = net.daemon.cli('-j', 'trace', '-n', '20000', 'icmp')
    let isOver = false
    void tracing.finally(() => {
      isOver = true
    })
    while (!isOver) {
      const { out } = await runIn(net.a, ['ping', '-q', '-f', '-c', '5000', B])
      expect(out).toContain(' 0% packet loss')
    }
    const { status, out } = await tracing
    expect(status).toBe(0)
    expect(out.split('\n').length).toBeGreaterThan(100)
  }, 60_000)
  test('a dry run moves no counter', async () => {
    const counters = ['IpInReceives', 'IpForwDatagrams', 'IpOutRequests', 'IcmpOutTimeExcds']
    const read = () => Promise.all(counters.map((name) => net.daemon.nstat(name)))
    const was = await read()
    for (let k = 0; k < 5; k++) await dry(`udp ${A}:${5000 + k} > ${B}:80 ttl ${1 + (k % 2)}`)
    expect(await read()).toEqual(was)
  })
  test('what is refused is refused in one line', async () => {
    const { status, err } = await net.daemon.cli('trace', '--dry', 'dev=nope', `icmp ${A} > ${B}`)
    expect([status, err.split('\n')[0]]).toEqual([1, expect.stringContaining('Cannot find device')])
  })
  test('nothing leaked', () => expectNothingLeaked(net.daemon, before))
})
