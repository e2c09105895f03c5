/** Keeps the routes of a topology case, as a routing daemon would, and changes what they lead over. */
import type { Draw } from '../draw.ts'
import {
  addressOf,
  type Edge,
  endOf,
  type Family,
  type Graph,
  isAlive,
  networkOf,
  type Node,
} from './graph.ts'

const FAMILIES = [4, 6] as const
const DEFAULTS = { 4: 'default', 6: '::/0' }
const NEW_OR_OTHER = 0x500

export const createController = (graph: Graph, draw: Draw) => {
  const { nodes, edges } = graph
  /** What was entered at each node: gateways by destination. */
  const entered = new Map<Node, Map<string, string>>(nodes.map((node) => [node, new Map()]))

  const gatewayOf = (edge: Edge, node: Node, family: Family): string =>
    addressOf(edge, 1 - endOf(edge, node), family)
  /** The routes that a node is to have. */
  const wanted = (node: Node): Map<string, string> => {
    const routes = new Map<string, string>()
    const [only] = node.edges
    if (!node.isRouter) {
      if (only?.ends[endOf(only, node)].isUp)
        for (const family of FAMILIES) routes.set(DEFAULTS[family], gatewayOf(only, node, family))
      return routes
    }
    for (const target of edges) {
      if (target.ends.every((side) => side.node.isRouter)) continue
      if (target.ends.some((side) => side.node === node)) continue
      const first = graph.wayTo(node, target)?.[0]
      if (first === undefined) continue
      for (const family of FAMILIES)
        routes.set(networkOf(target, family), gatewayOf(first, node, family))
    }
    return routes
  }
  /** All nodes have the routes of the graph as it is. */
  const converge = async (): Promise<void> => {
    for (const node of nodes) {
      const [has, wants] = [entered.get(node)!, wanted(node)]
      for (const dst of has.keys())
        if (!wants.has(dst)) await node.host.request({ type: 'RTM_DELROUTE', route: { dst } })
      for (const [dst, gateway] of wants)
        await node.host.must({
          type: 'RTM_NEWROUTE',
          flags: NEW_OR_OTHER,
          route: { dst, gateway },
        })
      entered.set(node, wants)
    }
  }

  const setLink = async (edge: Edge, end: 0 | 1, isUp: boolean): Promise<void> => {
    const side = edge.ends[end]
    side.isUp = isUp
    const { host } = side.node
    await host.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: side.ifname, up: isUp } })
    // addresses of IPv6 go with their link
    if (isUp) await graph.addAddresses(edge, side.node)
  }
  const cut = (edge: Edge, isCut: boolean): void => {
    edge.isCut = isCut
    edge.wire.loss = isCut ? 1 : 0
  }
  const setMtu = async (edge: Edge, mtu: number): Promise<void> => {
    edge.mtu = mtu
    for (const { node, ifname } of edge.ends)
      await node.host.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname, mtu } })
  }
  /** Changes something; what that was. */
  const change = async (): Promise<string> => {
    const edge = edges[draw.whole(0, edges.length - 1)]!
    const name = edge.ends.map(({ node, ifname }) => `${node.host.name}/${ifname}`).join('-')
    if (edge.isCut) {
      cut(edge, false)
      return `${name} joined`
    }
    const down = edge.ends.findIndex(({ isUp }) => !isUp)
    if (down >= 0) {
      await setLink(edge, down as 0 | 1, true)
      return `${name} up`
    }
    const kind = draw.pick(['cut', 'down', 'mtu', 'renumber', 'renumber'])
    if (kind === 'cut') cut(edge, true)
    else if (kind === 'down') await setLink(edge, draw.pick([0, 1]), false)
    else if (kind === 'mtu') await setMtu(edge, draw.whole(1280, 1500))
    else await graph.renumber(edge)
    return `${name} ${kind}`
  }
  /** Everything works again. */
  const calm = async (): Promise<void> => {
    for (const edge of edges.filter((each) => !isAlive(each))) {
      cut(edge, false)
      for (const end of [0, 1] as const) if (!edge.ends[end].isUp) await setLink(edge, end, true)
    }
    await converge()
  }
  return { converge, change, calm }
}
