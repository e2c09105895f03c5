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
/** A command line, run here over the daemon's API; what it says so far, and all of it once it has ended. */
const begin = (line: string) => {
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
  const ended = run(words, inNetns(outside, netns)).then(() => said)
  return { said: () => said, ended }
}
const softnet = (line: string): Promise<string> => begin(line).ended
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

  const captures = async (name: string) =>
    (await inside<{ items: unknown[] }>(name, '/captures')).items.length
  const untilCapturing = async (name: string, count: number): Promise<void> => {
    while ((await captures(name)) !== count) await Bun.sleep(5)
  }

  test('who looks into one sees what goes by there, and what became of it', async () => {
    const ping = () => runIn(topology.a, ['ping', '-c', '1', '10.2.0.2'])
    const dumping = softnet('--netns blue tcpdump -c 4 icmp')
    await untilCapturing('blue', 1)
    expect(await daemon.list('/v1/captures')).toEqual([])
    await ping()
    const lines = (await dumping).split('\n')
    expect(lines.map((line) => line.split(' ').slice(1, 3).join(' '))).toEqual([
      'out In',
      'x Out',
      'x In',
      'out Out',
      'packets captured',
      'packets dropped',
      '',
    ])
    const tracing = begin('--netns blue trace -n 1 -i out icmp and dst 10.2.0.2')
    while (tracing.said() === '') await ping()
    const way = await tracing.ended
    expect(way).toContain('ip_forward: out -> x')
    expect(way).toContain('=> sent by x')
    const made = 'udp 10.1.0.1:5000 > 10.3.0.1:53 ttl 1'
    const dry = await softnet(`--netns blue trace --dry dev=out ${made}`)
    expect(dry).toContain('TTL_EXCEEDED')
    // of the packet that died there, and not of the one that was made up
    expect(await softnet('--netns blue dropwatch')).toMatch(/ 1 +TTL_EXCEEDED +forward +out /)
    expect(await softnet('dropwatch')).not.toContain('TTL_EXCEEDED')
  })

  test('who has asked and left, at whatever moment, is captured for no more', async () => {
    for (let k = 0; k < 30; k++) {
      const left = new AbortController()
      const asked = fetch('http://softnet/v1/netns/blue/capture', {
        unix: daemon.unix,
        signal: left.signal,
      })
      asked.catch(() => {})
      await Bun.sleep(k / 10)
      left.abort()
    }
    await untilCapturing('blue', 0)
  })

  test('who watches one hears what changes there and nothing else, until it ends', async () => {
    expect(await softnet('ip netns add short')).toBe('')
    const monitor = begin('ip -n short monitor route')
    const other = begin('ip -n blue monitor link')
    let mtu = 1280
    while (monitor.said() === '' || other.said() === '') {
      await softnet(`ip -n short route replace blackhole 10.9.0.0/16 mtu ${mtu++}`)
      await softnet(`ip -n blue link set x txqueuelen ${mtu}`)
      await softnet('ip route replace blackhole 10.8.0.0/16')
    }
    expect(await softnet('ip netns del short')).toBe('')
    const said = (await monitor.ended).trim().split('\n')
    expect(said.pop()).toBe('softnet: the daemon ended the stream')
    expect(said.filter((line) => !line.startsWith('blackhole 10.9.0.0/16 '))).toEqual([])
    expect(other.said()).not.toContain('blackhole')
    expect(await softnet('ip route del blackhole 10.8.0.0/16')).toBe('')
    expect(await softnet('ip -n short monitor route')).toBe(
      'Cannot open network namespace "short": No such file or directory\n'
    )
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

  test('a device comes from a namespace to the default net, and what it is joined to stays joined', async () => {
    const must = async (...lines: string[]): Promise<void> => {
      for (const line of lines) expect([line, await softnet(line)]).toEqual([line, ''])
    }
    await must(
      'ip netns add east',
      'ip netns add west',
      'ip -n east link add x address 02:00:00:00:00:0e mtu 1400 type veth peer name y netns west',
      'ip -n west addr add 10.5.0.2/24 dev y',
      'ip -n west link set y up',
      'ip -n west route add default via 10.5.0.1',
      // joined to what is in another namespace
      'ip -n east link set x netns 1 name to-west',
      'ip addr add 10.5.0.1/24 dev to-west',
      'ip link set to-west up'
    )
    expect(await softnet('ip -n east link show x')).toBe('Device "x" does not exist.\n')
    expect(JSON.parse(await softnet('ip -j link show to-west'))).toMatchObject([
      { address: '02:00:00:00:00:0e', mtu: 1400, link_netnsid: expect.any(Number) },
    ])
    const { a } = topology
    const ping = async () => pingLoss((await runIn(a, ['ping', '-c', '1', '10.5.0.2'])).out)
    expect(await ping()).toBe(0)
    // to what is in the same one
    await must(
      'ip -n east link add p0 type veth peer name p1',
      'ip -n east link set p1 netns 1',
      'ip -n east addr add 10.6.0.2/24 dev p0',
      'ip -n east link set p0 up',
      'ip addr add 10.6.0.1/24 dev p1',
      'ip link set p1 up'
    )
    expect(await softnet('ip -br link show p1')).toMatch(/^p1@if\d+ +UP /)
    // to what is in the default net itself: there they are a pair as any
    const moved = await daemon.call('PATCH', '/v1/netns/west/links/y', { netns: '1' })
    expect(moved.status).toBe(200)
    expect(await softnet('ip -br link show y')).toMatch(/^y@to-west +DOWN /)
    expect(await softnet('ip -n west -br link show type veth')).toBe('')
    await must('ip netns del west', 'ip link set y up')
    expect(await softnet('ip -br link show to-west')).toMatch(/^to-west@y +UP /)
    await must('ip link del y')
    expect(await softnet('ip link show to-west')).toBe('Device "to-west" does not exist.\n')
    // where it is it stays
    await must('ip link set p1 netns 1 mtu 1300')
    expect(await softnet('ip link show p1')).toContain(' mtu 1300 ')
    // and back
    await must('ip link set p1 netns east', 'ip -n east link set p1 netns east')
    expect(await softnet('ip -n east -br link show p1')).toMatch(/^p1@p0 +DOWN /)
  })

  test('what does not come from a namespace is left there', async () => {
    const refused = async (words: string): Promise<string> =>
      (await softnet(`ip -n east link set ${words}`)).replace(/( \(.*)?\n/, '')
    expect(await refused('nope netns 1')).toBe('Cannot find device "nope"')
    expect(await refused('lo netns 1')).toBe('Error: The interface netns is immutable.')
    expect(await refused('p1 netns 1 name lan0')).toBe('RTNETLINK answers: File exists')
    expect(await softnet('ip -n east -br link show p1')).toMatch(/^p1@p0 /)
    expect(await softnet('ip netns del east')).toBe('')
    for (const worker of await daemon.list<object>('/v1/workers'))
      expect(worker).toMatchObject({ restarts: 0, running: true })
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
