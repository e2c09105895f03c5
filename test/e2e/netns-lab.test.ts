// The same lab built of the kernel's namespaces and of softnet's by one script, line for line: in each `ip -j route get` says the
// same of every address, and a host on a LAN before the first net hears the same of what it sends, replies and errors alike, octet
// for octet.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Cli } from '../../api/cli/cli.ts'
import { run } from '../../api/cli/run.ts'
import { createNamespace, joinVeth, type Namespace } from '../../workers/os/netns.ts'
import { DEFAULT, draw, inside } from './netns-lab/draw.ts'
import { BEHIND_HOST, BEHIND_SECOND, type Family, IPV4, IPV6 } from './netns-lab/family.ts'
import { createLan, type Lan } from './netns-lab/lan.ts'
import { differences, play, probesTo, type Sent } from './netns-lab/probes.ts'
import { runIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { A, ROUTER_A, type Topology } from './support/topology.ts'
import { createTopology6, ROUTER_A6 } from './support/topology6.ts'

const TOPOLOGIES = isLong ? 30 : 2
/** Neighbours that do not answer are given up after three times that. */
const RETRANS_MS = 100
const NEIGHBOURS_GONE_MS = 4 * RETRANS_MS
const QUIET_MS = 60
/**
 * What every net is told, here and there: to forward, to keep nothing back, to have its addresses at once, to believe what it
 * is told of nearer ways, and to choose among several next hops by the same hash.
 */
const SYSCTLS = {
  'net.ipv4.ip_forward': 1,
  'net.ipv4.icmp_ratemask': 0,
  'net.ipv4.icmp_msgs_per_sec': 1_000_000,
  'net.ipv4.icmp_msgs_burst': 1_000_000,
  'net.ipv4.conf.all.accept_redirects': 1,
  'net.ipv4.conf.default.accept_redirects': 1,
  'net.ipv4.fib_multipath_hash_seed': 42,
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv6.icmp.ratelimit': 0,
  'net.ipv6.conf.default.accept_dad': 0,
  'net.ipv6.auto_flowlabels': 0,
}
const SOFTNET_SYSCTLS = { 'net.ipv4.neigh.default.retrans_time_ms': RETRANS_MS }
/** And the kernel's nets besides, which have these of the machine. */
const KERNEL_SYSCTLS = {
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv4.conf.all.send_redirects': 1,
  'net.ipv4.conf.default.send_redirects': 1,
  'net.ipv6.conf.all.disable_ipv6': 0,
  'net.ipv6.conf.default.disable_ipv6': 0,
}

describeE2e(import.meta.path, 'labs of namespaces', () => {
  let topology: Topology
  /** The kernel's net in the place of the daemon's default one, and the host that is on it. */
  let root: Namespace
  let host: Namespace
  /** Before the kernel's, and before softnet's. */
  let kernelLan: Lan
  let softnetLan: Lan

  beforeAll(async () => {
    topology = await createTopology6()
    root = await createNamespace({ name: 'root', device: 'none' })
    host = await createNamespace({ name: 'host', device: 'none' })
    await joinVeth(
      { namespace: host, ifname: 'eth0', address: `${A}/24` },
      { namespace: root, ifname: 'lan0', address: `${ROUTER_A}/24` }
    )
    // a /run of its own, where namespaces have their names
    await inKernel('mount -t tmpfs none /run')
    await tell(DEFAULT)
    const [{ address: mac, addr_info }] = JSON.parse(await inSoftnet('ip -j addr show lan0'))
    for (const line of [
      // its link's own address is of the MAC, and the same on both sides
      'sysctl -q -w net.ipv6.conf.lan0.disable_ipv6=1',
      `ip link set lan0 address ${mac}`,
      'sysctl -q -w net.ipv6.conf.lan0.disable_ipv6=0',
      'sysctl -q -w net.ipv4.conf.lan0.accept_redirects=1',
      `ip addr add ${ROUTER_A6}/64 dev lan0 nodad`,
      ...quickly('', 'lan0'),
      'ip ntable change name arp_cache dev lan0 proxy_delay 0',
      'ip ntable change name ndisc_cache dev lan0 proxy_delay 0',
    ])
      expect([line, await inKernel(line)]).toEqual([line, ''])
    for (const line of [
      'sysctl -q -w net.ipv4.conf.lan0.accept_redirects=1',
      'sysctl -q -w net.ipv4.neigh.lan0.proxy_delay=0',
      'sysctl -q -w net.ipv6.neigh.lan0.proxy_delay=0',
    ])
      expect([line, await inSoftnet(line)]).toEqual([line, ''])
    const own: string = addr_info.find(({ scope }: { scope: string }) => scope === 'link').local
    kernelLan = await createLan(host, own)
    softnetLan = await createLan(topology.a, own)
  })
  afterAll(async () => {
    await kernelLan?.close()
    await softnetLan?.close()
    await host?.close()
    await root?.close()
    await topology?.close()
  })

  const tell = async (name: string): Promise<void> => {
    const where = name === DEFAULT ? '' : `ip netns exec ${name} `
    const words = Object.entries({ ...KERNEL_SYSCTLS, ...SYSCTLS }).map((one) => one.join('='))
    expect(await inKernel(`${where}sysctl -q -w ${words.join(' ')}`)).toBe('')
    const path = name === DEFAULT ? '/v1' : `/v1/netns/${name}`
    for (const [key, value] of Object.entries({ ...SYSCTLS, ...SOFTNET_SYSCTLS }))
      await topology.daemon.must('PUT', `${path}/sysctl/${key}`, { value })
  }
  /** The kernel has this of each device. */
  const quickly = (name: string, dev: string): string[] =>
    ['arp_cache', 'ndisc_cache'].map(
      (cache) => `${inside(name)} ntable change name ${cache} dev ${dev} retrans ${RETRANS_MS}`
    )
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
  /** JSON as it is, short of what counts down, and what is said of a refusal. */
  const answer = (said: string): unknown =>
    said.startsWith('[') ? JSON.parse(said, (key, value) => (key === 'expires' ? 0 : value)) : said
  const sameAnswer = async (line: string): Promise<void> => {
    const [kernel, softnet] = await Promise.all([inKernel(line), inSoftnet(line)])
    expect([line, answer(softnet)]).toEqual([line, answer(kernel)])
  }

  /** Takes a lab down; a line that fails is one whose lab stopped half-way. */
  const tidy = async (names: string[], undo: string[], family: Family): Promise<void> => {
    const lines = [
      ...undo,
      ...names.map((name) => `ip netns del ${name}`),
      `ip ${family.ip} neigh flush dev lan0`,
    ]
    for (const line of lines) await Promise.all([inKernel(line), inSoftnet(line)])
    for (const lan of [kernelLan, softnetLan]) await lan.forget(family)
  }
  const LABS = (
    process.env['LABS']
      ? process.env['LABS'].split(',').map(Number)
      : Array.from({ length: TOPOLOGIES }, (_, seed) => seed + 1)
  ).flatMap((seed) => [IPV4, IPV6].map((family) => [seed, family.name, family] as const))
  test.each(LABS)('lab %i of %s', async (seed, _, family) => {
    const { names, all, lines, undo, devices, addresses, nobody } = draw(seed, family)
    const { lan, address } = family
    try {
      for (const line of lines) {
        const [kernel, softnet] = await Promise.all([inKernel(line), inSoftnet(line)])
        expect([line, kernel, softnet]).toEqual([line, '', ''])
        const [, name] = /^ip netns add (.*)/.exec(line) ?? []
        if (name !== undefined) await tell(name)
      }
      for (const { name, dev } of devices)
        for (const line of quickly(name, dev))
          expect([line, await inKernel(line)]).toEqual([line, ''])
      for (const name of all)
        for (const one of [...addresses, nobody])
          await sameAnswer(`${inside(name).replace('ip', 'ip -j')} route get ${one}`)

      const ears = [kernelLan, softnetLan].map((one) => ({ lan: one, heard: [] as Uint8Array[] }))
      const [kernel, softnet] = ears as [(typeof ears)[0], (typeof ears)[0]]
      const from = (source: string, ...to: string[]): Sent[] =>
        to.map((one) => ({ words: `ping ${one}`, source }))
      const probes = probesTo([...addresses, nobody], family)
      // the host hears of a nearer way, and so does the first net, of whom it answers by the second router
      const nearer = [
        from(lan.host, address(BEHIND_SECOND, 1)),
        from(address(BEHIND_HOST, 1), lan.router),
        from(address(BEHIND_HOST, 1), lan.router),
      ]
      for (const one of nearer) await play(ears, one, QUIET_MS)
      const first = differences(nearer.flat(), kernel.heard, softnet.heard)
      // some flows pass over next hops that are not known yet
      await play(ears, probesTo(addresses, family), QUIET_MS)
      for (const { heard } of ears) heard.length = 0
      await play(ears, probes, NEIGHBOURS_GONE_MS)
      const found = [...first, ...differences(probes, kernel.heard, softnet.heard)]
      if (found.length)
        await Bun.write(
          `/tmp/labs-diff/${family.name}-${seed}`,
          JSON.stringify(found, null, 1) + lines.join('\n')
        )
      expect(found.map(({ sent }) => sent)).toEqual([])
      expect(kernel.heard.length).toBeGreaterThan(addresses.length)
      const line = `ip -j route get ${address(BEHIND_SECOND, 1)}`
      expect(answer(await softnetLan.run(line))).toEqual(answer(await kernelLan.run(line)))
      // routes by a device went with it
    } finally {
      await tidy(names, undo, family)
    }
    expect(await inSoftnet('ip -br link show type veth')).toBe('')
  })
})
