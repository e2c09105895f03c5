/**
 * The network of a topology case as a graph: nodes are hosts and routers, edges are cables with a network of their own in each
 * family. It says who can reach whom, which is what the stacks must find as well.
 */
import type { Draw } from '../draw.ts'
import { AF_INET6 } from '../../core/base/family.ts'
import { createSim, type SimHost, type WireOptions } from '../net/net-sim.ts'
import { greet } from '../net/routed.ts'
import { openUdp, type UdpEnd } from '../net/sim-apps.ts'

export type Family = 4 | 6
export type Edge = {
  ends: readonly [Side, Side]
  /** Says which networks it has: 10.200.N.0/24 and 2001:db8:N::/64. */
  number: number
  wire: WireOptions
  isCut: boolean
  mtu: number
}
/** A node's end of a cable. */
export type Side = { node: Node; ifname: string; isUp: boolean }
export type Node = {
  host: SimHost
  isRouter: boolean
  edges: Edge[]
  /** Asks others, in each family. */
  asks?: Record<Family, UdpEnd>
}
export type Graph = Awaited<ReturnType<typeof createGraph>>

const POOLS = { skbs: 1024, smallBuffers: 1024, largeBuffers: 32, devices: 16, ifaddrs: 96 }
const LEAST_ROUTERS = 2
const MOST_ROUTERS = 6
/** Networks that there are; 10.200.N.0/24. */
const NETWORKS = 254

export const networkOf = (edge: Edge, family: Family): string =>
  family === 4 ? `10.200.${edge.number}.0/24` : `2001:db8:${edge.number}::/64`
/** The address of one end: 0 or 1. */
export const addressOf = ({ number }: Edge, end: number, family: Family): string =>
  family === 4 ? `10.200.${number}.${end + 1}` : `2001:db8:${number}::${end + 1}`

export const endOf = (edge: Edge, node: Node): 0 | 1 => (edge.ends[0].node === node ? 0 : 1)
export const neighbour = (edge: Edge, node: Node): Node => edge.ends[1 - endOf(edge, node)]!.node
export const isAlive = ({ ends, isCut }: Edge): boolean => !isCut && ends.every(({ isUp }) => isUp)

type Options = { seed: number; flows: number; workers: number }

export const createGraph = async (draw: Draw, { seed, flows, workers }: Options) => {
  const sim = createSim(seed)
  const nodes: Node[] = []
  const edges: Edge[] = []
  let number = 0
  /** Of a network that no cable has; those of long ago come again. */
  const nextNumber = (): number => {
    do number = (number % NETWORKS) + 1
    while (edges.some((edge) => edge.number === number))
    return number
  }

  const addNode = async (name: string, isRouter: boolean): Promise<Node> => {
    const host = await sim.host(name, {
      workers: isRouter ? workers : 1,
      services: { echo: !isRouter },
      config: POOLS,
      setup: {
        link: [{ ifname: 'lo', up: true }],
        sysctl: {
          'net.ipv4.ip_forward': isRouter ? 1 : 0,
          'net.ipv6.conf.all.forwarding': isRouter ? 1 : 0,
        },
      },
    })
    const node = { host, isRouter, edges: [] }
    nodes.push(node)
    return node
  }
  const addEdge = async (a: Node, b: Node): Promise<void> => {
    const sides = [a, b].map((node) => ({ node, ifname: `eth${node.edges.length}`, isUp: true }))
    const edge: Edge = {
      ends: [sides[0]!, sides[1]!],
      number: nextNumber(),
      wire: {},
      isCut: false,
      mtu: 1500,
    }
    for (const [end, { node, ifname }] of edge.ends.entries()) {
      const mac = `02:00:00:00:${edge.number.toString(16).padStart(2, '0')}:0${end + 1}`
      await node.host.must({
        type: 'RTM_NEWLINK',
        flags: 0x600,
        link: { ifname, kind: 'pipe', address: mac, mtu: edge.mtu, up: true },
      })
      node.edges.push(edge)
    }
    const [one, other] = edge.ends
    edge.wire = sim.wire([one.node.host, one.ifname], [other.node.host, other.ifname], {
      delayUs: Math.round(draw.scale(50, 20_000)),
    })
    edges.push(edge)
    for (const { node } of edge.ends) await addAddresses(edge, node)
  }
  /** Enters the addresses that a node has on an edge; those that it has already stay. */
  const addAddresses = async (edge: Edge, node: Node): Promise<void> => {
    const end = endOf(edge, node)
    const dev = edge.ends[end].ifname
    for (const family of [4, 6] as const)
      await node.host.request({
        type: 'RTM_NEWADDR',
        flags: 0x600,
        address: { dev, local: addressOf(edge, end, family), prefixlen: family === 4 ? 24 : 64 },
      })
  }
  const removeAddresses = async (edge: Edge, node: Node): Promise<void> => {
    const end = endOf(edge, node)
    const dev = edge.ends[end].ifname
    for (const family of [4, 6] as const)
      await node.host.request({
        type: 'RTM_DELADDR',
        address: { dev, local: addressOf(edge, end, family), prefixlen: family === 4 ? 24 : 64 },
      })
  }
  /** Both ends of a cable get addresses of another network. */
  const renumber = async (edge: Edge): Promise<void> => {
    for (const { node } of edge.ends) await removeAddresses(edge, node)
    edge.number = nextNumber()
    for (const { node } of edge.ends) await addAddresses(edge, node)
  }

  const routers: Node[] = []
  for (let k = draw.whole(LEAST_ROUTERS, MOST_ROUTERS); k > 0; k--)
    routers.push(await addNode(`r${k}`, true))
  for (const [k, router] of routers.entries())
    if (k > 0) await addEdge(router, routers[draw.whole(0, k - 1)]!)
  for (let k = draw.whole(0, routers.length); k > 0; k--) {
    const [a, b] = [draw.whole(0, routers.length - 1), draw.whole(0, routers.length - 1)]
    if (a !== b) await addEdge(routers[a]!, routers[b]!)
  }
  for (let k = 0; k < flows; k++) {
    const node = await addNode(`h${k}`, false)
    await addEdge(node, routers[draw.whole(0, routers.length - 1)]!)
  }

  /** The living edges on a shortest way from a node to an edge's network, the first one first; none: there is no way. */
  const wayTo = (from: Node, target: Edge): Edge[] | undefined => {
    const seen = new Set([from])
    let front: { node: Node; way: Edge[] }[] = [{ node: from, way: [] }]
    while (front.length > 0) {
      const found = front.find(({ node }) => node.edges.includes(target) && isLinkUp(target, node))
      if (found !== undefined) return found.way
      const next: typeof front = []
      for (const { node, way } of front)
        for (const edge of node.edges) {
          const beyond = neighbour(edge, node)
          if (!isAlive(edge) || !beyond.isRouter || seen.has(beyond)) continue
          seen.add(beyond)
          next.push({ node: beyond, way: [...way, edge] })
        }
      front = next
    }
    return undefined
  }
  const isLinkUp = (edge: Edge, node: Node): boolean => edge.ends[endOf(edge, node)].isUp
  /** Whether packets of one host come to another. */
  const reaches = (from: Node, to: Node): boolean => {
    const [target] = to.edges
    return target !== undefined && isAlive(target) && wayTo(from, target) !== undefined
  }
  const close = (): void => {
    for (const { asks } of nodes) {
      asks?.[4].close()
      asks?.[6].close()
    }
  }
  greet(
    sim,
    nodes.map(({ host }) => host)
  )
  for (const node of nodes)
    if (!node.isRouter) node.asks = { 4: openUdp(node.host), 6: openUdp(node.host, 0, 0, AF_INET6) }
  return { sim, nodes, edges, wayTo, reaches, addAddresses, renumber, close }
}
