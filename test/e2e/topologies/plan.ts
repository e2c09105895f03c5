// A topology as data: its networks, and what happens in it, line by line.
//
// Networks name who is on them: `a.eth0 10.0.1.1/24 2001:db8:1::1/64`, a node's device and its addresses. A node whose name
// begins with r is a router, and what is tested; the others are hosts. Lines of `steps` begin with the node they are of:
//
//   a ip route add default via 10.0.1.254     `ip` and `sysctl` configure it
//   a ping 10.0.9.9 ttl 3 => time exceeded by 10.0.1.254
//                                             a packet leaves it, and that is all it hears: what ICMP says, `reply`, `rst`
//   r get 10.0.2.1 from 10.0.1.1 iif lan0     what `ip -j route get` says is compared
//   a wait 150                                so many milliseconds
//
// Packets are `ping`, `udp PORT`, `tcp PORT` or `proto NUMBER`, with: from ADDRESS, ttl N, tos N, size N (of the whole packet),
// df, mf (a first piece), dev NAME, options HEX, and of IPv6 ext NUMBER header HEX, an extension header.

export type Plan = {
  title: string
  networks: readonly (readonly string[])[]
  /** Of every network; 1500 where it is not said. */
  mtu?: Readonly<Record<string, number>>
  /** Routers that are VRFs of one router of softnet's, by its name: the kernel's way each is one by itself. */
  vrfs?: Readonly<Record<string, string>>
  steps: readonly string[]
}

export type Member = { node: string; dev: string; mac: string; mtu: number; addresses: string[] }
export type Step =
  | { kind: 'run'; node: string; line: string }
  | { kind: 'get'; node: string; line: string }
  | { kind: 'wait'; ms: number }
  | { kind: 'send'; node: string; words: string[]; outcome: string }

export const isRouter = (node: string): boolean => node.startsWith('r')

/** Who is on each network. Link addresses are alike wherever the plan is built. */
export const readNetworks = ({ networks, mtu = {} }: Plan): Member[][] =>
  networks.map((members, network) =>
    members.map((member, k) => {
      const [place = '', ...addresses] = member.split(' ')
      const [node = '', dev = ''] = place.split('.')
      return { node, dev, addresses, mtu: mtu[place] ?? 1500, mac: `02:00:00:00:0${network}:0${k}` }
    })
  )

export const nodesOf = (plan: Plan): string[] => [
  ...new Set(readNetworks(plan).flatMap((members) => members.map(({ node }) => node))),
]

export const readStep = (text: string): Step => {
  const [node = '', verb = '', ...rest] = text.split(' ')
  if (verb === 'ip' || verb === 'sysctl')
    return { kind: 'run', node, line: text.slice(node.length + 1) }
  if (verb === 'wait') return { kind: 'wait', ms: Number(rest[0]) }
  if (verb === 'get') return { kind: 'get', node, line: `ip -j route get ${rest.join(' ')}` }
  const [packet = '', outcome] = text.slice(node.length + 1).split(' => ')
  if (outcome === undefined) throw new Error(`what is heard? ${text}`)
  return { kind: 'send', node, words: packet.split(' '), outcome }
}

/** What every node is told before it has links, and behind that. */
export const BEFORE = [
  'sysctl net.ipv6.conf.default.accept_dad=0',
  'sysctl net.ipv6.conf.default.accept_ra=0',
  'sysctl net.ipv6.auto_flowlabels=0',
  // a new namespace has these of the machine
  ...['rp_filter=0', 'accept_redirects=1', 'secure_redirects=1', 'send_redirects=1'].flatMap(
    (value) => ['all', 'default'].map((dev) => `sysctl net.ipv4.conf.${dev}.${value}`)
  ),
  // nothing is kept back because there was much of it
  'sysctl net.ipv4.icmp_ratemask=0',
  'sysctl net.ipv6.icmp.ratelimit=0',
]
export const AS_ROUTER = ['sysctl net.ipv4.ip_forward=1', 'sysctl net.ipv6.conf.all.forwarding=1']
/** Routers do not wait for long; not everybody may set the kernel's by sysctl. */
export const QUICKLY = ['ipv4', 'ipv6'].map(
  (family) => `sysctl net.${family}.neigh.default.retrans_time_ms=30`
)
/** Hosts wait until a router of a busy program has had its turn. */
export const quicklyIn = ({ node, dev }: Member): string[] =>
  ['arp_cache', 'ndisc_cache'].map(
    (cache) => `ip ntable change name ${cache} dev ${dev} retrans ${isRouter(node) ? 30 : 200}`
  )
export const addressLines = (members: readonly Member[]): string[] =>
  members.flatMap(({ dev, addresses }) =>
    addresses.map((address) =>
      address.includes(':')
        ? `ip addr add ${address} dev ${dev} nodad`
        : `ip addr add ${address}${/\/3[12]$/.test(address) ? '' : ' brd +'} dev ${dev}`
    )
  )
