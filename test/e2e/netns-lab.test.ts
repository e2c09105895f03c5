// The same lab built of the kernel's namespaces and of softnet's by one script, line for line: in each `ip -j route get` says the
// same of every address, and a host on a LAN before the first net hears the same of what it sends, replies and errors alike, octet
// for octet.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createNamespace, joinVeth, type Namespace } from '../../workers/os/netns.ts'
import { DEFAULT, draw, inside } from './netns-lab/draw.ts'
import { BEHIND_HOST, BEHIND_SECOND, type Family, IPV4, IPV6 } from './netns-lab/family.ts'
import { createLan, type Lan } from './netns-lab/lan.ts'
import { differences, piecesTo, play, probesTo, type Sent } from './netns-lab/probes.ts'
import {
  kernelSide,
  PIECES_S,
  quickly,
  RETRANS_MS,
  type Side,
  softnetSide,
} from './netns-lab/sides.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { A, ROUTER_A, type Topology } from './support/topology.ts'
import { createTopology6, ROUTER_A6 } from './support/topology6.ts'

/** The first has some of everything. */
const TOPOLOGIES = isLong ? 30 : 1
const NEIGHBOURS_GONE_MS = 4 * RETRANS_MS
const QUIET_MS = 60
const PIECES_GONE_MS = 1400 * PIECES_S
/** Of what differs; the rest is alike. */
const MOST_SHOWN = 4

describeE2e(import.meta.path, 'labs of namespaces', () => {
  let topology: Topology
  /** The kernel's net in the place of the daemon's default one, and the host that is on it. */
  let root: Namespace
  let host: Namespace
  let kernel: Side
  let softnet: Side
  /** Before the kernel's, and before softnet's. */
  let lans: Lan[] = []

  beforeAll(async () => {
    topology = await createTopology6()
    root = await createNamespace({ name: 'root', device: 'none' })
    host = await createNamespace({ name: 'host', device: 'none' })
    await joinVeth(
      { namespace: host, ifname: 'eth0', address: `${A}/24` },
      { namespace: root, ifname: 'lan0', address: `${ROUTER_A}/24` }
    )
    kernel = kernelSide(root)
    softnet = softnetSide(topology.daemon)
    // a /run of its own, where namespaces have their names
    expect(await kernel.run(['mount -t tmpfs none /run'])).toEqual([''])
    for (const side of [kernel, softnet]) await side.tell(DEFAULT, 0)
    const [shown = ''] = await softnet.run(['ip -j addr show lan0'])
    const [{ address: mac, addr_info }] = JSON.parse(shown)
    await must(kernel, [
      // its link's own address is of the MAC, and the same on both sides
      'sysctl -q -w net.ipv6.conf.lan0.disable_ipv6=1',
      `ip link set lan0 address ${mac}`,
      'sysctl -q -w net.ipv6.conf.lan0.disable_ipv6=0',
      'sysctl -q -w net.ipv4.conf.lan0.accept_redirects=1',
      `ip addr add ${ROUTER_A6}/64 dev lan0 nodad`,
      ...quickly(DEFAULT, 'lan0'),
      'ip ntable change name arp_cache dev lan0 proxy_delay 0',
      'ip ntable change name ndisc_cache dev lan0 proxy_delay 0',
    ])
    await must(softnet, [
      'sysctl -q -w net.ipv4.conf.lan0.accept_redirects=1',
      'sysctl -q -w net.ipv4.neigh.lan0.proxy_delay=0',
      'sysctl -q -w net.ipv6.neigh.lan0.proxy_delay=0',
    ])
    const own: string = addr_info.find(({ scope }: { scope: string }) => scope === 'link').local
    lans = [await createLan(host, own), await createLan(topology.a, own)]
  })
  afterAll(async () => {
    for (const lan of lans) await lan.close()
    await host?.close()
    await root?.close()
    await topology?.close()
  })

  const must = async (side: Side, lines: readonly string[]): Promise<void> =>
    expect(await side.run(lines)).toEqual(lines.map(() => ''))
  /** Each line on both sides; the first that is refused. */
  const build = async (lines: readonly string[], policy: number): Promise<void> => {
    const make = async (side: Side): Promise<string | undefined> => {
      const names = lines.flatMap((line) => /^ip netns add (.*)/.exec(line)?.[1] ?? [])
      const said = await side.run(lines.slice(0, names.length))
      for (const name of [DEFAULT, ...names]) await side.tell(name, policy)
      said.push(...(await side.run(lines.slice(names.length))))
      const refused = said.findIndex((one) => one !== '')
      return refused < 0 ? undefined : `${lines[refused]}: ${said[refused]}`
    }
    expect(await Promise.all([make(kernel), make(softnet)])).toEqual([undefined, undefined])
  }
  /** JSON as it is, short of what counts down, and what is said of a refusal. */
  const answer = (said: string): unknown =>
    said.startsWith('[') ? JSON.parse(said, (key, value) => (key === 'expires' ? 0 : value)) : said
  const sameAnswers = async (lines: readonly string[]): Promise<void> => {
    const [theirs, ours] = await Promise.all([kernel.run(lines), softnet.run(lines)])
    for (const [k, line] of lines.entries())
      expect([line, answer(ours[k]!)]).toEqual([line, answer(theirs[k]!)])
  }

  /** Takes a lab down; a line that fails is one whose lab stopped half-way. */
  const tidy = async (names: string[], undo: string[], family: Family): Promise<void> => {
    const lines = [
      ...undo,
      ...names.map((name) => `ip netns del ${name}`),
      `ip ${family.ip} neigh flush dev lan0`,
    ]
    await Promise.all([kernel.run(lines), softnet.run(lines)])
    for (const lan of lans) await lan.forget(family)
  }
  const LABS = Array.from({ length: TOPOLOGIES }, (_, seed) => seed + 1).flatMap((seed) =>
    [IPV4, IPV6].map((family) => [seed, family.name, family] as const)
  )
  test.each(LABS)('lab %i of %s', async (seed, _, family) => {
    const { names, all, lines, undo, devices, addresses, nobody } = draw(seed, family)
    const { lan, address } = family
    try {
      // ports tell flows apart in every third
      await build(lines, seed % 3 === 2 ? 1 : 0)
      await must(
        kernel,
        devices.flatMap(({ name, dev }) => quickly(name, dev))
      )
      const ask = (name: string, oif = ''): string[] =>
        [...addresses, nobody].map(
          (one) => `${inside(name).replace('ip', 'ip -j')} route get ${one}${oif}`
        )
      await sameAnswers(all.flatMap((name) => ask(name)))
      // by a device, where that is all that is known, and where there is an address that it has or another has
      for (const from of ['', ` from ${devices[0]!.address}`])
        await sameAnswers(devices.flatMap(({ name, dev }) => ask(name, ` oif ${dev}${from}`)))
      const ears = lans.map((one) => ({ lan: one, heard: [] as Uint8Array[] }))
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
      const first = differences(nearer.flat(), ears)
      // some flows pass over next hops that are not known yet
      await play(ears, probesTo(addresses, family), QUIET_MS)
      for (const { heard } of ears) heard.length = 0
      await play(ears, probes, NEIGHBOURS_GONE_MS)
      const found = [...first, ...differences(probes, ears)]
      const heard = ears[0]!.heard.length
      if (isLong) {
        for (const { heard } of ears) heard.length = 0
        const pieces = piecesTo(addresses, family)
        await play(ears, pieces, PIECES_GONE_MS)
        found.push(...differences(pieces, ears))
        expect(ears[0]!.heard.length).toBeGreaterThan(0)
      }
      expect(found.slice(0, MOST_SHOWN)).toEqual([])
      expect(heard).toBeGreaterThan(addresses.length)
      const line = `ip -j route get ${address(BEHIND_SECOND, 1)}`
      const [theirs, ours] = await Promise.all(lans.map((one) => one.run(line)))
      expect(answer(ours!)).toEqual(answer(theirs!))
      // and the first net of what it was told, until it forgets that
      const told = `ip -j route get ${address(BEHIND_HOST, 1)}`
      await sameAnswers([told, `ip ${family.ip} route flush cache`, told])
      // routes by a device went with it
    } finally {
      await tidy(names, undo, family)
    }
    expect(await softnet.run(['ip -br link show type veth'])).toEqual([''])
  })
})
