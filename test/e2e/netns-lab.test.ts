// The same lab built of the kernel's namespaces and of softnet's by one script, line for line: in each `ip -j route get` says the
// same of every address, and a host behind the first net hears the same of its pings, replies and errors alike.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Cli } from '../../api/cli/cli.ts'
import { run } from '../../api/cli/run.ts'
import { createNamespace, joinVeth, type Namespace } from '../../workers/os/netns.ts'
import { seeded } from '../support/random.ts'
import { runIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { A, createTopology, ROUTER_A, type Topology } from './support/topology.ts'

const TOPOLOGIES = isLong ? 30 : 2
const DEFAULT = ''
/** What every namespace of the kernel's is told: it has these of the machine; and nothing is kept back. */
const SYSCTLS = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.icmp_ratemask=0',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
]

type Edge = { near: string; far: string; net: string }
/** Namespaces in a tree with the default one at its root, and one edge more; every net routes to every other, but for some. */
const draw = (seed: number) => {
  const random = seeded(seed)
  const below = (n: number): number => (random() >>> 0) % n
  const names = Array.from({ length: 2 + below(3) }, (_, k) => `n${k}`)
  const all = [DEFAULT, ...names]
  const edges: Edge[] = names.map((far, k) => ({
    near: all[below(k + 1)]!,
    far,
    net: `10.${10 + k}.0`,
  }))
  edges.push({ near: names[0]!, far: names.at(-1)!, net: '10.99.0' })
  /** The address by which a net is left on the way to another, as the tree has it. */
  const viaTo = (from: string, to: string): string | undefined => {
    const seen = new Map([[from, '']])
    const queue = [from]
    for (const at of queue)
      for (const { near, far, net } of edges)
        for (const [here, there, last] of [
          [near, far, 2],
          [far, near, 1],
        ] as const) {
          if (here !== at || seen.has(there)) continue
          seen.set(there, seen.get(at) || `${net}.${last}`)
          queue.push(there)
        }
    return seen.get(to)
  }
  const inside = (name: string): string => (name === DEFAULT ? 'ip' : `ip -n ${name}`)
  const lines = names.map((name) => `ip netns add ${name}`)
  for (const [k, { near, far, net }] of edges.entries()) {
    const own = near === DEFAULT ? '' : ` netns ${near}`
    lines.push(`ip link add a${k}${own} up type veth peer name b${k} netns ${far}`)
    lines.push(`${inside(far)} link set b${k} up`)
    lines.push(`${inside(near)} addr add ${net}.1/24 dev a${k}`)
    lines.push(`${inside(far)} addr add ${net}.2/24 dev b${k}`)
  }
  for (const name of all) {
    for (const { near, far, net } of edges) {
      if (near === name || far === name) continue
      const kind = name === DEFAULT ? 9 : below(10)
      const types = ['blackhole', 'unreachable', 'prohibit']
      if (kind < 3) lines.push(`${inside(name)} route add ${types[kind]} ${net}.0/24`)
      else if (kind > 3)
        lines.push(`${inside(name)} route add ${net}.0/24 via ${viaTo(name, near)}`)
    }
    if (name !== DEFAULT)
      lines.push(`${inside(name)} route add 10.0.1.0/24 via ${viaTo(name, DEFAULT)}`)
  }
  const addresses = edges.flatMap(({ net }) => [`${net}.1`, `${net}.2`])
  return { names, all, lines, inside, addresses: [...addresses, '10.77.0.1', A] }
}

describeE2e(import.meta.path, 'labs of namespaces', () => {
  let topology: Topology
  /** The kernel's net in the place of the daemon's default one, and the host that is on it. */
  let root: Namespace
  let host: Namespace

  beforeAll(async () => {
    topology = await createTopology()
    root = await createNamespace({ name: 'root', device: 'none' })
    host = await createNamespace({ name: 'host', device: 'none' })
    await joinVeth(
      { namespace: host, ifname: 'eth0', address: `${A}/24` },
      { namespace: root, ifname: 'lan0', address: `${ROUTER_A}/24` }
    )
    await host.ask({ op: 'route', route: { to: 'default', via: ROUTER_A } })
    // a /run of its own, where namespaces have their names
    await inKernel('mount -t tmpfs none /run')
    await tell(DEFAULT)
  })
  afterAll(async () => {
    await host?.close()
    await root?.close()
    await topology?.close()
  })

  /** A net is a router that keeps nothing back. */
  const tell = async (name: string): Promise<void> => {
    const where = name === DEFAULT ? '' : `ip netns exec ${name} `
    for (const one of SYSCTLS) await inKernel(`${where}sysctl -q -w ${one}`)
    const path = name === DEFAULT ? '/v1' : `/v1/netns/${name}`
    await topology.daemon.must('PUT', `${path}/sysctl/net.ipv4.icmp_ratemask`, { value: 0 })
  }
  const inKernel = async (line: string): Promise<string> => {
    const { out, err } = await runIn(root, line.split(' '))
    return `${out}${err}`.trim()
  }
  const inSoftnet = async (line: string): Promise<string> => {
    let said = ''
    const say = (text: string): void => {
      said += text
    }
    const { unix } = topology.daemon
    const cli: Cli = {
      fetch: (path, init) => fetch(`http://softnet${path}`, { ...init, unix }),
      endpoint: unix,
      env: {},
      out: say,
      err: say,
      json: false,
    }
    await run(line.split(' '), cli)
    // it says what to do as well
    return said.replace(/ \([\w.]+: .*\)$/m, '').trim()
  }
  /** What a ping hears: of whom, and what. A busy machine may be late; what is nothing stays nothing however long one waits. */
  const ping = async (from: Namespace, address: string, ttl: number): Promise<string> => {
    for (const patience of ['0.2', '0.6']) {
      const argv = ['ping', '-n', '-c', '1', '-W', patience, '-t', String(ttl), address]
      const { out } = await runIn(from, argv)
      const [, said] = /^(\d+ bytes from [\d.]+|From .*)/m.exec(out) ?? []
      if (said !== undefined) return `${address} ttl ${ttl}: ${said}`
    }
    return `${address} ttl ${ttl}: nothing`
  }
  /** JSON as it is, and what is said of a refusal. */
  const answer = (said: string): unknown => (said.startsWith('[') ? JSON.parse(said) : said)

  test.each(Array.from({ length: TOPOLOGIES }, (_, seed) => seed + 1))('lab %i', async (seed) => {
    const { names, all, lines, inside, addresses } = draw(seed)
    for (const line of lines) {
      expect([line, await inKernel(line)]).toEqual([line, ''])
      expect([line, await inSoftnet(line)]).toEqual([line, ''])
      const [, name] = /^ip netns add (.*)/.exec(line) ?? []
      if (name !== undefined) await tell(name)
    }
    for (const name of all)
      for (const address of addresses) {
        const line = `${inside(name).replace('ip', 'ip -j')} route get ${address}`
        const kernel = answer(await inKernel(line))
        expect([line, answer(await inSoftnet(line))]).toEqual([line, kernel])
      }
    // a net says five times, and then once a second, that it has no way (ip_error): it is asked no more often than that
    const pingsOf = async (from: Namespace): Promise<string[]> => {
      const heard: string[] = []
      for (const address of addresses.slice(0, -1)) {
        const said = await ping(from, address, 64)
        heard.push(said)
        if (!said.includes('bytes from')) continue
        for (const ttl of [2, 3]) heard.push(await ping(from, address, ttl))
      }
      return heard
    }
    const [kernel, softnet] = await Promise.all([pingsOf(host), pingsOf(topology.a)])
    expect(softnet).toEqual(kernel)
    expect(kernel.some((line) => line.includes('bytes from'))).toBe(true)
    for (const name of names)
      for (const say of [inKernel, inSoftnet])
        expect([name, await say(`ip netns del ${name}`)]).toEqual([name, ''])
    expect(await inSoftnet('ip -br link show type veth')).toBe('')
  })
})
