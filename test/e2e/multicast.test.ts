// Groups beside the Linux kernel: hosts behind softnet that join what they want and get exactly that, a querier of the
// kernel's that softnet answers, and `ip maddress` in the same words for the same configuration.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import type { MaddrItem, MrouteItem } from '../../core/control/text/messages.ts'
import { runIn, startIn, toolIn } from './support/commands.ts'
import { requireTool } from '../support/tools.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { A, B, createTopology } from './support/topology.ts'

const GROUP = '239.1.2.3'
const OTHER = '239.9.9.9'
const PORT = 5000

/** Joins a group from one source, by the kernel's IP_ADD_SOURCE_MEMBERSHIP, and prints what it hears. */
const OF_ONE_SOURCE = `
const [group, own, port, source] = process.argv.slice(1)
const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true })
socket.on('message', (data) => process.stdout.write(data))
socket.bind(Number(port), () => socket.addSourceSpecificMembership(source, group, own))
`

/** Datagrams that programs of a namespace have read. */
const read = (pid: number): number => {
  const rows = readFileSync(`/proc/${pid}/net/snmp`, 'utf8').match(/^Udp: \d.*$/m)!
  return Number(rows[0].split(' ')[1])
}
const until = async (what: string, done: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 15_000
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen`)
    await Bun.sleep(20)
  }
}

describeE2e(import.meta.path, 'multicast', () => {
  let net: Topology

  beforeAll(async () => {
    net = await createTopology()
    for (const ifname of ['lan0', 'lan1'])
      await net.daemon.must('PUT', `/v1/links/${ifname}/mvif`, { role: 'downstream' })
  })
  afterAll(() => net?.close())

  /** Joins a group, from all or one source, and hears it until end(): a line a datagram. */
  const listen = (source?: string) => {
    const all = [
      requireTool('socat'),
      '-u',
      `UDP4-RECV:${PORT},ip-add-membership=${GROUP}:${B}`,
      '-',
    ]
    return startIn(
      net.b,
      source === undefined
        ? all
        : [process.execPath, '-e', OF_ONE_SOURCE, GROUP, B, `${PORT}`, source]
    )
  }
  const send = async (from: string, ...groups: string[]): Promise<void> => {
    for (const group of groups) {
      const how = `bind=${from},ip-multicast-if=${from},ip-multicast-ttl=8`
      const input = new Blob([`${from} to ${group}\n`])
      const to = `UDP4-DATAGRAM:${group}:${PORT},${how}`
      await startIn(net.a, [requireTool('socat'), '-u', '-', to], { input }).result
    }
  }
  const linesOf = (out: string): Set<string> => new Set(out.trim().split('\n'))
  const routes = (): Promise<MrouteItem[]> => net.daemon.list<MrouteItem>('/v1/mroutes')
  const routeTo = async (dst: string): Promise<string[] | undefined> =>
    (await routes()).find((route) => route.dst === dst)?.multipath.map(({ oif }) => oif)

  test('a receiver behind the router gets what it joined, and nothing else comes to its link', async () => {
    const receiver = listen()
    await until('joining', async () => {
      await send(A, GROUP, OTHER)
      return (await routeTo(GROUP))?.join() === 'lan1'
    })
    await send(A, GROUP, OTHER)
    await until('hearing', async () => read(net.b.pid) > 0)
    const { out } = await receiver.end()
    expect(linesOf(out)).toEqual(new Set([`${A} to ${GROUP}`]))
    expect(await routeTo(OTHER)).toEqual([])
    expect(await net.daemon.nstat('IpExtOutMcastPkts')).toBeGreaterThan(0)
  }, 30_000)

  test('one that joined a source gets that one; when it leaves, its link gets nothing within seconds', async () => {
    await toolIn(net.a, 'ip', ['addr', 'add', '10.0.1.2/24', 'dev', 'eth0'])
    const receiver = listen('10.0.1.2')
    await until('joining', async () => {
      for (const from of [A, '10.0.1.2']) await send(from, GROUP)
      const found = (await routes()).filter(({ dst }) => dst === GROUP)
      const oifsOf = (src: string) => found.find((route) => route.src === src)?.multipath.length
      return oifsOf('10.0.1.2') === 1 && oifsOf(A) === 0
    })
    const before = read(net.b.pid)
    for (const from of [A, '10.0.1.2']) await send(from, GROUP)
    await until('hearing', async () => read(net.b.pid) > before)
    const { out } = await receiver.end()
    expect(linesOf(out)).toEqual(new Set([`10.0.1.2 to ${GROUP}`]))
    await until('leaving', async () => {
      await send('10.0.1.2', GROUP)
      return (await routeTo(GROUP))?.length === 0
    })
  }, 40_000)

  test('the kernel hears our queries, and our lists are as its own', async () => {
    const igmp = await toolIn(net.b, 'ip', ['maddr', 'show', 'dev', 'eth0'])
    expect(igmp).toContain('inet  224.0.0.1')
    const ours = await net.daemon.cli('ip', '-4', 'maddr', 'show', 'dev', 'lan1')
    expect(ours.out).toContain('\tinet  224.0.0.22\n')
    await toolIn(net.b, 'ip', ['link', 'set', 'lo', 'up'])
    const kernel = await toolIn(net.b, 'ip', ['-4', 'maddr', 'show', 'dev', 'lo'])
    const { out } = await net.daemon.cli('ip', '-4', 'maddr', 'show', 'dev', 'lo')
    expect(out).toBe(kernel)
    const items = await net.daemon.list<MaddrItem>('/v1/maddrs')
    expect(items.find(({ ifname }) => ifname === 'lan0')!.links).toContainEqual({
      link: '01:00:5e:00:00:01',
      users: 1,
      static: false,
    })
  })

  test("the querier of a bridge of the kernel's hears what we join upstream, each time it asks", async () => {
    await net.daemon.must('PUT', '/v1/links/lan1/mvif', { role: 'upstream' })
    const bridge = 'mcast_snooping 1 mcast_stats_enabled 1 mcast_igmp_version 3'
    const times =
      'mcast_query_interval 100 mcast_startup_query_interval 100 mcast_query_response_interval 30 mcast_membership_interval 300'
    const ip = (line: string): Promise<string> => toolIn(net.b, 'ip', line.split(' '))
    await ip(`link add br0 type bridge ${bridge} ${times} mcast_querier 1`)
    await ip('link set eth0 master br0')
    await ip('addr flush dev eth0')
    await ip('addr add 10.0.2.1/24 dev br0')
    await ip('link set br0 up')
    const isMember = async (): Promise<boolean> =>
      (await runIn(net.b, ['bridge', 'mdb', 'show', 'dev', 'br0'])).out.includes(
        `port eth0 grp ${GROUP}`
      )
    const reports = async (): Promise<number> => {
      const shown = await ip('-s link xstats type bridge dev br0')
      return Number(/IGMP reports:\s+RX: v1 \d+ v2 \d+ v3 (\d+)/.exec(shown)?.[1])
    }
    const how = `ip-add-membership=${GROUP}:${A}`
    const host = startIn(net.a, [requireTool('socat'), '-u', `UDP4-RECV:${PORT},${how}`, '-'])
    await until('joining upstream', isMember)
    // it would be forgotten after three seconds
    const before = await reports()
    await until('answering', async () => (await reports()) >= before + 5)
    expect(await isMember()).toBe(true)
    await host.end()
    await until('leaving', async () => !(await isMember()))
  }, 60_000)
})
