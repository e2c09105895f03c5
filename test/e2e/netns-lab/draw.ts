// A lab: namespaces in a tree with the default one at its root, and some edges more, some of them double, some narrow. Every
// net routes to every other, but for some: by its main table, by one of its own that a rule leads to, or by one that throws it
// back; by one next hop, by several, by nexthop objects and their groups, or by a gateway that is on no network of the link's.
// It is lines of `ip` and `sysctl`, the same for the kernel and for softnet.

import { seeded } from '../../support/random.ts'
import { BEHIND_HOST, BEHIND_SECOND, type Family, IPV6 } from './family.ts'

export const DEFAULT = ''
export const NARROW_MTU = 1300

/** A veth pair: its network, and its two ends. */
type Edge = { net: number; ends: [End, End] }
type End = { name: string; dev: string; address: string }
type Hop = { gateway: string; dev: string }
/** A network that is no edge's, of which the first address is asked for, the net that others leave it to, and one that has a way of its own. */
type Stub = { net: number; at: string; own?: string }

export const inside = (name: string): string => (name === DEFAULT ? 'ip' : `ip -n ${name}`)
/** What a line has made in the default net is unmade so; what it has made elsewhere goes with its namespace. */
const undoing = (line: string): string[] => {
  if (/^ip (-\w )?(route|rule|neigh) add /.test(line)) return [line.replace(' add ', ' del ')]
  if (line.startsWith('sysctl ')) return [line.replace(/1$/, '0')]
  const [, id] = /^ip nexthop add id (\d+) /.exec(line) ?? []
  if (id !== undefined) return [`ip nexthop del id ${id}`]
  const [, dev] = /^ip link add (\w+) up /.exec(line) ?? []
  // the kernel ends what is in a namespace some time after the namespace
  return dev === undefined ? [] : [`ip link del ${dev}`]
}

export type Lab = ReturnType<typeof draw>

export const draw = (seed: number, family: Family) => {
  const random = seeded(seed)
  const below = (n: number): number => (random() >>> 0) % n
  const { network, address, plen, full, nodad, lan, secondGateway, sources } = family
  const names = Array.from({ length: 2 + below(3) }, (_, k) => `n${k}`)
  const all = [DEFAULT, ...names]
  const edges: Edge[] = []
  const stubs: Stub[] = [{ net: BEHIND_SECOND, at: DEFAULT }]
  const proxied: string[] = []
  const lines: string[] = []
  let nexthops = 0

  const join = (near: string, far: string, net: number): void => {
    const k = edges.length
    const end = (name: string, side: string, n: number): End => ({
      name,
      dev: `${side}${k}`,
      address: address(net, n),
    })
    edges.push({ net, ends: [end(near, 'a', 1), end(far, 'b', 2)] })
  }
  const ends = (): (readonly [End, End])[] =>
    edges.flatMap(({ ends: [a, b] }) => [[a, b] as const, [b, a] as const])
  const hopsTo = (from: string, isIt: (name: string) => boolean): Hop[] =>
    ends()
      .filter(([here, there]) => here.name === from && isIt(there.name))
      .map(([{ dev }, there]) => ({ gateway: there.address, dev }))
  /** The net next to `from` on the shortest way to another. */
  const nextTo = (from: string, to: string): string => {
    const first = new Map([[from, from]])
    for (const at of first.keys())
      for (const [here, there] of ends())
        if (here.name === at && !first.has(there.name))
          first.set(there.name, at === from ? there.name : first.get(at)!)
    return first.get(to)!
  }
  const ip = (name: string, rest: string): void => void lines.push(`${inside(name)} ${rest}`)
  const route = (name: string, rest: string): void => ip(name, `${family.ip} route add ${rest}`)

  /** Next hops, in words of a route, or as objects that are there before it. */
  const byHops = (name: string, hops: readonly Hop[]): string => {
    const form = below(hops.length > 1 ? 3 : 6)
    const weight = (): number => 1 + below(4)
    if (form === 0)
      return hops.map(({ gateway }) => `nexthop via ${gateway} weight ${weight()}`).join(' ')
    if (form > 1) return `via ${hops[0]!.gateway}`
    const members = hops.map(({ gateway, dev }) => {
      ip(name, `nexthop add id ${++nexthops} via ${gateway} dev ${dev}`)
      return `${nexthops},${weight()}`
    })
    ip(name, `nexthop add id ${++nexthops} group ${members.join('/')}`)
    return `nhid ${nexthops}`
  }
  const addEdge = ({ ends: [near, far] }: Edge): void => {
    const own = near.name === DEFAULT ? '' : ` netns ${near.name}`
    const mtu = below(3) === 0 ? ` mtu ${NARROW_MTU}` : ''
    lines.push(
      `ip link add ${near.dev}${own} up${mtu} type veth peer name ${far.dev}${mtu} netns ${far.name}`
    )
    ip(far.name, `link set ${far.dev} up`)
    for (const end of [near, far])
      ip(end.name, `addr add ${end.address}/${plen} dev ${end.dev}${nodad}`)
  }
  /** A network on the far net's lo, by a gateway that is on no network of the near one's. */
  const addOnlink = ({ ends: [near, far] }: Edge, k: number): void => {
    const [gateway, net] = [address(150 + k, 2), 160 + k]
    ip(far.name, `addr add ${gateway}/${full} dev ${far.dev}${nodad}`)
    ip(far.name, `addr add ${address(net, 1)}/${full} dev lo`)
    route(near.name, `${network(net)} via ${gateway} dev ${near.dev} onlink`)
    stubs.push({ net, at: near.name, own: far.name })
  }
  /** The far net sends back by the link what came by it, and says that there is a nearer way. */
  const addHairpin = ({ net, ends: [near, far] }: Edge): void => {
    const back = address(net, 3)
    const to = network(210)
    ip(near.name, `addr add ${back}/${plen} dev ${near.dev}${nodad}`)
    ip(near.name, `${family.ip} rule add pref 50 iif ${near.dev} to ${to} lookup 50`)
    route(near.name, `unreachable ${to} table 50`)
    route(near.name, `${to} via ${far.address}`)
    route(far.name, `${to} via ${back}`)
    stubs.push({ net: 210, at: near.name, own: far.name })
  }
  /** An address of the LAN's that is behind the default net, which answers for it. */
  const addProxied = ({ ends: [near, far] }: Edge, k: number): void => {
    if (near.name !== DEFAULT) return
    const one = lan.other(100 + k)
    const [key, isOn] = family === IPV6 ? ['ipv6', 'proxy_ndp'] : ['ipv4', 'proxy_arp']
    ip(far.name, `addr add ${one}/${full} dev ${far.dev}${nodad}`)
    route(DEFAULT, `${one}/${full} via ${far.address}`)
    if (proxied.length === 0) lines.push(`sysctl -q -w net.${key}.conf.lan0.${isOn}=1`)
    if (family === IPV6) ip(DEFAULT, `-6 neigh add proxy ${one} dev lan0`)
    proxied.push(one)
  }
  /** How a net reaches another's network, or does not. */
  const addWay = (name: string, net: number, at: string): void => {
    const to = network(net)
    const kind = name === DEFAULT ? 9 : below(10)
    if (kind < 3) route(name, `${['blackhole', 'unreachable', 'prohibit'][kind]} ${to}`)
    if (kind <= 3) return
    const next = nextTo(name, at)
    const isAnyWay = below(4) === 0
    const hops = hopsTo(name, (there) => isAnyWay || there === next)
    const way = byHops(name, hops)
    const place = below(3)
    const table = 100 + net
    if (place > 0) ip(name, `${family.ip} rule add pref ${table} to ${to} lookup ${table}`)
    if (place === 1) route(name, `${to} table ${table} ${way}`)
    else if (place === 2) route(name, `throw ${to} table ${table}`)
    if (place !== 1) route(name, `${to} ${way}`)
  }

  for (const [k, name] of names.entries()) join(all[below(k + 1)]!, name, 10 + k)
  for (const {
    net,
    ends: [near, far],
  } of [...edges])
    if (below(3) === 0) join(near.name, far.name, net + 30)
  join(names[0]!, names.at(-1)!, 99)
  for (const name of names) lines.push(`ip netns add ${name}`)
  for (const name of names) ip(name, 'link set lo up')
  for (const edge of edges) addEdge(edge)
  for (const [k, edge] of edges.entries()) {
    if (below(3) === 0) addOnlink(edge, k)
    if (below(3) === 0) addProxied(edge, k)
  }
  if (below(2) === 0) addHairpin(edges[below(edges.length)]!)
  route(DEFAULT, `${sources} via ${lan.host}`)
  route(DEFAULT, `${network(BEHIND_SECOND)} via ${secondGateway} dev lan0`)
  route(DEFAULT, `${network(BEHIND_HOST)} via ${lan.second} dev lan0`)
  for (const name of all) {
    for (const { net, ends } of edges)
      if (!ends.some((end) => end.name === name)) addWay(name, net, ends[0].name)
    for (const { net, at, own } of stubs) if (at !== name && own !== name) addWay(name, net, at)
    if (name === DEFAULT) continue
    const back = nextTo(name, DEFAULT)
    for (const to of [lan.network, sources, network(BEHIND_HOST)])
      route(
        name,
        `${to} ${byHops(
          name,
          hopsTo(name, (there) => there === back)
        )}`
      )
  }
  if (below(2) === 0) {
    const to = network(edges[below(edges.length)]!.net)
    ip(DEFAULT, `${family.ip} rule add pref 9 to ${to} prohibit`)
  }
  return {
    names,
    all,
    lines,
    undo: lines.flatMap(undoing).reverse(),
    /** Devices, by the net that they are in. */
    devices: ends().map(([end]) => end),
    proxied,
    addresses: [
      ...ends().map(([end]) => end.address),
      ...stubs.map(({ net }) => address(net, 1)),
      ...proxied,
      lan.router,
      // no route leads there
      address(77, 1),
    ],
    /** On a network, but nobody's. */
    nobody: address(edges[below(edges.length)]!.net, 9),
  }
}
