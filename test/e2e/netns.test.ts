// Network namespaces inside one daemon: made and ended while it runs, each with tables, rules, sysctls, links, neighbours,
// sockets and counters of its own.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type Cli, inNetns } from '../../api/cli/cli.ts'
import { run } from '../../api/cli/run.ts'
import type { StackConfig } from '../../core/control/text/messages.ts'
import { MAX_NETNS } from '../../workers/netns/control.ts'
import { pingLoss, runIn, toolIn } from './support/commands.ts'
import type { Daemon } from './support/daemon.ts'
import { describeE2e } from './support/inside.ts'
import { createTopology, type Topology } from './support/topology.ts'

let topology: Topology
let daemon: Daemon
/** What a command line says, run here over the daemon's API. */
const softnet = async (line: string): Promise<string> => {
  let said = ''
  const say = (text: string): void => {
    said += text
  }
  const words = line.split(' ')
  const netns = words[0] === '--netns' ? words.splice(0, 2)[1] : undefined
  const outside: Cli = {
    fetch: (path, init) => fetch(`http://softnet${path}`, { ...init, unix: daemon.unix }),
    endpoint: daemon.unix,
    env: {},
    out: say,
    err: say,
    json: false,
  }
  await run(words, inNetns(outside, netns))
  return said
}
const add = (name: string) => daemon.call('POST', '/v1/netns', { name })
const del = (name: string) => daemon.call('DELETE', `/v1/netns/${name}`)
const names = async () => (await daemon.list<{ name: string }>('/v1/netns')).map((o) => o.name)
const inside = <T>(name: string, path: string): Promise<T> =>
  daemon.must<T>('GET', `/v1/netns/${name}${path}`)

/** What is made again comes behind the others, and has the hash key that it had as its own. */
const inOrder = ({ netns = [], ...config }: StackConfig): StackConfig =>
  JSON.parse(
    JSON.stringify({ ...config, netns: netns.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }),
    (key, value) => (key === 'rss' ? undefined : value)
  )

describeE2e(import.meta.path, 'network namespaces', () => {
  beforeAll(async () => {
    topology = await createTopology()
    daemon = topology.daemon
  })
  afterAll(() => topology?.close())

  test('each has tables, rules, sysctls, links, neighbours, sockets and counters of its own', async () => {
    expect(await softnet('ip netns add blue')).toBe('')
    expect(await softnet('ip netns add red')).toBe('')
    expect(await softnet('ip netns')).toBe('blue\nred\n')
    for (const line of [
      'ip -n blue link add d0 type dummy',
      'ip -n blue addr add 10.1.0.1/24 dev d0',
      'ip -n blue link set d0 up',
      'ip -n blue route add default via 10.1.0.9',
      'ip -n blue rule add from 10.1.0.0/24 table 7 priority 5',
      'ip -n blue neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev d0',
      '--netns blue sysctl -q -w net.ipv4.ip_forward=0',
    ])
      expect([line, await softnet(line)]).toEqual([line, ''])
    expect(await softnet('ip -n blue route show default')).toBe('default via 10.1.0.9 dev d0 \n')
    for (const path of ['/links', '/routes', '/rules', '/neighs']) {
      const ofBlue = await inside<{ items: unknown[] }>('blue', path)
      const ofRed = await inside<{ items: unknown[] }>('red', path)
      expect([path, ofBlue.items.length > ofRed.items.length]).toEqual([path, true])
    }
    expect(await softnet('ip route show default')).toBe('')
    const forwards = (path: string) => daemon.must(`GET`, `${path}/sysctl/net.ipv4.ip_forward`)
    expect(await forwards('/v1/netns/blue')).toMatchObject({ value: 0 })
    for (const path of ['/v1', '/v1/netns/red'])
      expect(await forwards(path)).toMatchObject({ value: 1 })
    expect(await softnet('ss -tln -N blue')).toContain('0.0.0.0:7')
  })

  test('one that is gone is not found, and its name is free', async () => {
    expect(await softnet('ip netns del blue')).toBe('')
    expect(await softnet('ip -n blue link')).toBe(
      'Cannot open network namespace "blue": No such file or directory\n'
    )
    expect((await add('blue')).status).toBe(201)
    expect((await inside<{ items: unknown[] }>('blue', '/links')).items).toHaveLength(1)
  })

  test('the kernel speaks with what is two namespaces away, and each on the way counts it', async () => {
    for (const line of [
      'ip netns add green',
      'ip link add to-blue type veth peer name out netns blue',
      'ip link add x type veth peer name y',
      'ip link set x netns blue',
      'ip link set y netns green',
      'ip addr add 10.1.0.1/24 dev to-blue',
      'ip link set to-blue up',
      'ip route add 10.2.0.0/24 via 10.1.0.2',
      'ip -n blue addr add 10.1.0.2/24 dev out',
      'ip -n blue link set out up',
      'ip -n blue addr add 10.2.0.1/24 dev x',
      'ip -n blue link set x up',
      'ip -n blue route add default via 10.1.0.1',
      'ip -n green addr add 10.2.0.2/24 dev y',
      'ip -n green link set y up',
      'ip -n green route add default via 10.2.0.1',
    ])
      expect([line, await softnet(line)]).toEqual([line, ''])
    const { a } = topology
    expect(pingLoss((await runIn(a, ['ping', '-c', '3', '-i', '0.05', '10.2.0.2'])).out)).toBe(0)
    const late = await runIn(a, ['ping', '-c', '1', '-t', '2', '10.2.0.2'])
    expect(late.out).toContain('From 10.1.0.2 icmp_seq=1 Time to live exceeded')
    const bytes = 3_000_000
    const got = await toolIn(a, 'curl', [
      '-s',
      `http://10.2.0.2/bytes/${bytes}`,
      '-o',
      '/dev/null',
      '-w',
      '%{size_download}',
    ])
    expect(Number(got)).toBe(bytes)
    const kernelOf = async (path: string) =>
      (await daemon.must<{ kernel: Record<string, number> }>('GET', `${path}/nstat`)).kernel
    const [ofBlue, ofGreen] = [await kernelOf('/v1/netns/blue'), await kernelOf('/v1/netns/green')]
    expect(ofGreen).toMatchObject({ IcmpInEchos: 3, TcpPassiveOpens: 1, IpForwDatagrams: 0 })
    expect(ofBlue).toMatchObject({ IcmpInEchos: 0, TcpPassiveOpens: 0, IcmpOutTimeExcds: 1 })
    expect(ofBlue['IpForwDatagrams']).toBeGreaterThan(100)
  })

  test('a configuration has the namespaces, and one that is refused half-way inside one is taken back', async () => {
    const saved = await daemon.must<StackConfig>('GET', '/v1/config')
    const { netns = [] } = saved
    expect(netns.map(({ name }) => name)).toEqual(['red', 'blue', 'green'])
    expect(netns[2]?.link).toMatchObject([
      { ifname: 'y', kind: 'veth', data: { peer: { name: 'x', netns: 'blue' } } },
    ])
    const toml = await fetch('http://softnet/v1/config?format=toml', { unix: daemon.unix })
    const written = Bun.TOML.parse(await toml.text()) as { netns: { name: string }[] }
    expect(written.netns.map(({ name }) => name)).toEqual(['red', 'blue', 'green'])
    const put = (config: object, query = '') => daemon.call('PUT', `/v1/config${query}`, config)
    expect((await put(written, '?dry_run=1')).body).toMatchObject({ item: [] })
    const bad = {
      name: 'bad',
      link: [
        { name: 'd', kind: 'dummy' },
        { name: 'x', kind: 'none' },
      ],
    }
    const refused = await put({ netns: [netns[0], netns[2], bad] })
    expect(refused).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'netns[2].link[1].kind' }] },
    })
    expect(inOrder(await daemon.must<StackConfig>('GET', '/v1/config'))).toEqual(inOrder(saved))
    const less = netns.map((one) => (one.name === 'red' ? { name: 'red', rule: [] } : one))
    const rule = [{ priority: 9, table: 9 }]
    expect((await put({ netns: [...less, { name: 'more', rule }] })).status).toBe(200)
    expect(await softnet('ip -n more rule')).toContain('9:\tfrom all lookup 9')
    expect((await put({ netns })).status).toBe(200)
    expect((await names()).sort()).toEqual(['blue', 'green', 'red'])
  })

  test('ends go with each other, and with their namespace, before it is answered', async () => {
    expect(await softnet('ip link show to-blue')).toMatch(
      /to-blue@if\d+: .*state UP .*\n.*link-netns blue/
    )
    const [shown] = JSON.parse(await softnet('ip -j link show to-blue'))
    expect(shown).toMatchObject({ link_index: expect.any(Number), link_netnsid: 0 })
    expect(shown.link).toBeUndefined()
    expect(await softnet('ip -n blue link del out')).toBe('')
    expect(await softnet('ip link show to-blue')).toBe('Device "to-blue" does not exist.\n')
    expect(await softnet('ip link add to-blue type veth peer name out netns blue')).toBe('')
    expect(await softnet('ip netns del blue')).toBe('')
    expect(await softnet('ip link show to-blue')).toBe('Device "to-blue" does not exist.\n')
    expect(await softnet('ip -n green link show y')).toBe('Device "y" does not exist.\n')
    for (const worker of await daemon.list<object>('/v1/workers'))
      expect(worker).toMatchObject({ restarts: 0, running: true })
    expect(await softnet('ip netns add blue')).toBe('')
    expect((await del('green')).status).toBe(200)
  })

  test('there are so many and no more', async () => {
    const fill = Array.from({ length: MAX_NETNS - 2 }, (_, k) => `n${k}`)
    for (const name of fill) expect((await add(name)).status).toBe(201)
    expect(await softnet('ip netns add more')).toBe(
      'Failed to create a new network namespace "more": No space left on device\n'
    )
    expect((await names()).length).toBe(MAX_NETNS)
    for (const name of [...fill, 'red']) expect((await del(name)).status).toBe(200)
    expect(await names()).toEqual(['blue'])
    expect((await add('more')).status).toBe(201)
  })
})
