// The same lab built of the kernel's namespaces and of softnet's by one script, line for line: in each `ip -j route get` says the
// same of every address, and a host behind the first net hears the same of its pings, replies and errors alike.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Cli } from '../../api/cli/cli.ts'
import { run } from '../../api/cli/run.ts'
import { createNamespace, joinVeth, type Namespace } from '../../workers/os/netns.ts'
import { seeded } from '../support/random.ts'
import { runIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { A, ROUTER_A, type Topology } from './support/topology.ts'
import { A6, createTopology6, ROUTER_A6 } from './support/topology6.ts'

const TOPOLOGIES = isLong ? 30 : 2
const DEFAULT = ''
/** What every net is told, here and there: to forward, to keep nothing back, and to have its addresses at once. */
const SYSCTLS = {
  'net.ipv4.ip_forward': 1,
  'net.ipv4.icmp_ratemask': 0,
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv6.icmp.ratelimit': 0,
  'net.ipv6.conf.default.accept_dad': 0,
}
/** And the kernel's nets besides, which have these of the machine. */
const KERNEL_SYSCTLS = {
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv6.conf.all.disable_ipv6': 0,
  'net.ipv6.conf.default.disable_ipv6': 0,
}

/** How a family writes the addresses of a network, which is named by its number. */
type Family = {
  ip: string
  lan: string
  host: string
  network: (net: number) => string
  address: (net: number, end: number) => string
  plen: number
  /** Nobody has it, and no route leads there. */
  nowhere: string
}
const IPV4: Family = {
  ip: '-4',
  lan: '10.0.1.0/24',
  host: A,
  network: (net) => `10.${net}.0.0/24`,
  address: (net, end) => `10.${net}.0.${end}`,
  plen: 24,
  nowhere: '10.77.0.1',
}
const IPV6: Family = {
  ip: '-6',
  lan: '2001:db8:1::/64',
  host: A6,
  network: (net) => `fd00:${net}::/64`,
  address: (net, end) => `fd00:${net}::${end}`,
  plen: 64,
  nowhere: 'fd77::1',
}
const NARROW_MTU = 1300
const LONG_PING = 1352

type Edge = { near: string; far: string; net: number }
/**
 * Namespaces in a tree with the default one at its root, and one edge more, some of them narrow; every net routes to every
 * other, but for some, by its main table, by one of its own that a rule leads to, or by one that throws it back.
 */
const draw = (seed: number, family: Family) => {
  const random = seeded(seed)
  const below = (n: number): number => (random() >>> 0) % n
  const names = Array.from({ length: 2 + below(3) }, (_, k) => `n${k}`)
  const all = [DEFAULT, ...names]
  const edges: Edge[] = names.map((far, k) => ({ near: all[below(k + 1)]!, far, net: 10 + k }))
  edges.push({ near: names[0]!, far: names.at(-1)!, net: 99 })
  /** The address by which a net is left on the way to another, as the tree has it. */
  const viaTo = (from: string, to: string): string => {
    const seen = new Map([[from, '']])
    const queue = [from]
    for (const at of queue)
      for (const { near, far, net } of edges)
        for (const [here, there, last] of [
          [near, far, 2],
          [far, near, 1],
        ] as const) {
          if (here !== at || seen.has(there)) continue
          seen.set(there, seen.get(at) || family.address(net, last))
          queue.push(there)
        }
    return seen.get(to)!
  }
  const inside = (name: string): string => (name === DEFAULT ? 'ip' : `ip -n ${name}`)
  const lines = names.map((name) => `ip netns add ${name}`)
  for (const [k, { near, far, net }] of edges.entries()) {
    const own = near === DEFAULT ? '' : ` netns ${near}`
    const mtu = below(3) === 0 ? ` mtu ${NARROW_MTU}` : ''
    lines.push(`ip link add a${k}${own} up${mtu} type veth peer name b${k}${mtu} netns ${far}`)
    lines.push(`${inside(far)} link set b${k} up`)
    const nodad = family === IPV6 ? ' nodad' : ''
    for (const [name, dev, end] of [
      [near, `a${k}`, 1],
      [far, `b${k}`, 2],
    ] as const)
      lines.push(
        `${inside(name)} addr add ${family.address(net, end)}/${family.plen} dev ${dev}${nodad}`
      )
  }
  const types = ['blackhole', 'unreachable', 'prohibit']
  for (const name of all) {
    const ip = `${inside(name)} ${family.ip}`
    for (const { near, far, net } of edges) {
      if (near === name || far === name) continue
      const to = family.network(net)
      const kind = name === DEFAULT ? 9 : below(10)
      if (kind < 3) lines.push(`${ip} route add ${types[kind]} ${to}`)
      if (kind <= 3) continue
      const way = `${to} via ${viaTo(name, near)}`
      const table = 100 + net
      const place = below(3)
      if (place > 0) lines.push(`${ip} rule add pref ${table} to ${to} lookup ${table}`)
      if (place === 1) lines.push(`${ip} route add ${way} table ${table}`)
      else if (place === 2) lines.push(`${ip} route add throw ${to} table ${table}`)
      if (place !== 1) lines.push(`${ip} route add ${way}`)
    }
    if (name !== DEFAULT) lines.push(`${ip} route add ${family.lan} via ${viaTo(name, DEFAULT)}`)
  }
  if (below(2) === 0) {
    const to = family.network(edges[below(edges.length)]!.net)
    lines.push(`ip ${family.ip} rule add pref 9 to ${to} prohibit`)
  }
  const addresses = edges.flatMap(({ net }) => [family.address(net, 1), family.address(net, 2)])
  /** What a net leaves behind in the default one. */
  const undo = lines
    .filter((line) => line.startsWith(`ip ${family.ip} r`))
    .map((line) => line.replace(' add ', ' del '))
    .reverse()
  return { names, all, lines, undo, inside, addresses: [...addresses, family.nowhere, family.host] }
}

describeE2e(import.meta.path, 'labs of namespaces', () => {
  let topology: Topology
  /** The kernel's net in the place of the daemon's default one, and the host that is on it. */
  let root: Namespace
  let host: Namespace

  beforeAll(async () => {
    topology = await createTopology6()
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
    await inKernel('sysctl -q -w net.ipv6.conf.lan0.disable_ipv6=0')
    await inKernel(`ip addr add ${ROUTER_A6}/64 dev lan0 nodad`)
    await runIn(host, ['sysctl', '-q', '-w', 'net.ipv6.conf.eth0.disable_ipv6=0'])
    await runIn(host, ['ip', 'addr', 'add', `${A6}/64`, 'dev', 'eth0', 'nodad'])
    await runIn(host, ['ip', '-6', 'route', 'add', 'default', 'via', ROUTER_A6])
  })
  afterAll(async () => {
    await host?.close()
    await root?.close()
    await topology?.close()
  })

  const tell = async (name: string): Promise<void> => {
    const where = name === DEFAULT ? '' : `ip netns exec ${name} `
    const words = Object.entries({ ...KERNEL_SYSCTLS, ...SYSCTLS }).map((one) => one.join('='))
    expect(await inKernel(`${where}sysctl -q -w ${words.join(' ')}`)).toBe('')
    const path = name === DEFAULT ? '/v1' : `/v1/netns/${name}`
    for (const [key, value] of Object.entries(SYSCTLS))
      await topology.daemon.must('PUT', `${path}/sysctl/${key}`, { value })
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
  const ping = async (from: Namespace, address: string, ...more: string[]): Promise<string> => {
    for (const patience of ['0.2', '0.6']) {
      const { out } = await runIn(from, ['ping', '-n', '-c', '1', '-W', patience, ...more, address])
      const [, said] = /^(\d+ bytes from [\da-f.:]+(?=:)|From .*)/m.exec(out) ?? []
      if (said !== undefined) return `${address} ${more.join(' ')}: ${said}`
    }
    return `${address} ${more.join(' ')}: nothing`
  }
  /** JSON as it is, and what is said of a refusal. */
  const answer = (said: string): unknown => (said.startsWith('[') ? JSON.parse(said) : said)

  /** Takes a lab down; a line that fails is one whose lab stopped half-way. */
  const tidy = async (names: string[], undo: string[], family: Family): Promise<void> => {
    const lines = [...names.map((name) => `ip netns del ${name}`), ...undo]
    for (const line of lines) for (const say of [inKernel, inSoftnet]) await say(line)
    for (const from of [host, topology.a])
      await runIn(from, ['ip', family.ip, 'route', 'flush', 'cache'])
  }
  const LABS = Array.from({ length: TOPOLOGIES }, (_, seed) => seed + 1).flatMap((seed) => [
    [seed, 'IPv4', IPV4] as const,
    [seed, 'IPv6', IPV6] as const,
  ])
  test.each(LABS)('lab %i of %s', async (seed, _, family) => {
    const { names, all, lines, undo, inside, addresses } = draw(seed, family)
    try {
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
          const said = await ping(from, address)
          heard.push(said)
          if (!said.includes('bytes from')) continue
          for (const ttl of ['2', '3']) heard.push(await ping(from, address, '-t', ttl))
          heard.push(await ping(from, address, '-M', 'do', '-s', String(LONG_PING)))
        }
        return heard
      }
      const [kernel, softnet] = await Promise.all([pingsOf(host), pingsOf(topology.a)])
      expect(softnet).toEqual(kernel)
      expect(kernel.some((line) => line.includes('bytes from'))).toBe(true)
      // routes by a device went with it
    } finally {
      await tidy(names, undo, family)
    }
    expect(await inSoftnet('ip -br link show type veth')).toBe('')
  })
})
