// Topologies of VRFs. The kernels that these tests meet have none, so a VRF is compared with a router by itself: it forwards,
// answers and refuses as if it were one, whatever other VRFs of the same router have the same addresses.

import type { Plan } from './plan.ts'

const VRFS = { rred: 'r', rblue: 'r' }
/** Two tenants: a and b of the one, c and d of the other, with the same addresses. */
const TENANTS = [
  ['a.eth0 10.0.1.1/24 2001:db8:1::1/64', 'rred.red0 10.0.1.254/24 2001:db8:1::ff/64'],
  ['b.eth0 10.0.2.1/24 2001:db8:2::1/64', 'rred.red1 10.0.2.254/24 2001:db8:2::ff/64'],
  ['c.eth0 10.0.1.1/24 2001:db8:1::1/64', 'rblue.blue0 10.0.1.254/24 2001:db8:1::ff/64'],
  ['d.eth0 10.0.2.1/24 2001:db8:2::1/64', 'rblue.blue1 10.0.2.254/24 2001:db8:2::ff/64'],
] as const
const LEFT = ['a', 'c']
const RIGHT = ['b', 'd']
const BOTH = ['rred', 'rblue']
/** A line of each of these nodes. */
const each = (nodes: readonly string[], line: string): string[] =>
  nodes.map((node) => `${node} ${line}`)
const ROUTES = [
  ...each(LEFT, 'ip route add default via 10.0.1.254'),
  ...each(LEFT, 'ip route add default via 2001:db8:1::ff'),
  ...each(RIGHT, 'ip route add default via 10.0.2.254'),
  ...each(RIGHT, 'ip route add default via 2001:db8:2::ff'),
]

export const VRF: readonly Plan[] = [
  {
    title: 'VRFs of two tenants with the same networks',
    networks: TENANTS,
    vrfs: VRFS,
    steps: [
      ...ROUTES,
      ...each(LEFT, 'ping 10.0.2.1 => reply'),
      ...each(RIGHT, 'ping 10.0.1.1 => reply'),
      ...each(LEFT, 'ping 10.0.1.254 => reply'),
      ...each(LEFT, 'ping 10.0.2.254 => reply'),
      ...each(LEFT, 'ping 10.0.2.1 ttl 1 => time exceeded by 10.0.1.254'),
      ...each(LEFT, 'udp 9 10.0.2.1 => port unreachable by 10.0.2.1'),
      ...each(LEFT, 'udp 9 10.0.1.254 => port unreachable by 10.0.1.254'),
      ...each(LEFT, 'udp 9 10.0.2.254 => port unreachable by 10.0.2.254'),
      ...each(LEFT, 'tcp 9 10.0.2.1 => rst'),
      ...each(LEFT, 'tcp 9 10.0.1.254 => rst'),
      ...each(LEFT, 'ping 10.9.9.9 => net unreachable by 10.0.1.254'),
      ...each(LEFT, 'ping 10.0.2.77 => host unreachable by 10.0.1.254'),
      // records the routers that it meets, and the times
      ...each(LEFT, 'ping 10.0.2.1 options 07130400000000000000000000000000000000 => reply'),
      ...each(LEFT, 'ping 10.0.1.254 options 07130400000000000000000000000000000000 => reply'),
      ...each(BOTH, 'get 10.0.2.1'),
      ...each(BOTH, 'get 10.0.1.254'),
      ...each(BOTH, 'get 10.0.1.255'),
      'rred get 10.0.2.1 from 10.0.1.1 iif red0',
      'rblue get 10.0.2.1 from 10.0.1.1 iif blue0',
      'rred get 10.0.1.254 from 10.0.1.1 iif red0',
    ],
  },
  {
    title: 'IPv6 in VRFs of two tenants',
    networks: TENANTS,
    vrfs: VRFS,
    steps: [
      ...ROUTES,
      ...each(LEFT, 'ping 2001:db8:2::1 => reply'),
      ...each(RIGHT, 'ping 2001:db8:1::1 => reply'),
      ...each(LEFT, 'ping 2001:db8:1::ff => reply'),
      ...each(LEFT, 'ping 2001:db8:2::ff => reply'),
      ...each(LEFT, 'ping 2001:db8:2::1 ttl 1 => time exceeded by 2001:db8:1::ff'),
      ...each(LEFT, 'udp 9 2001:db8:1::ff => port unreachable by 2001:db8:1::ff'),
      ...each(LEFT, 'tcp 9 2001:db8:2::ff => rst'),
      ...each(LEFT, 'ping 2001:db8:9::9 => no route by 2001:db8:1::ff'),
      ...each(LEFT, 'ping 2001:db8:2::77 => address unreachable by 2001:db8:1::ff'),
      // routers' own: the anycast address of the network
      ...each(LEFT, 'ping 2001:db8:2:: => reply'),
      'rred get 2001:db8:2::1 from 2001:db8:1::1 iif red0',
      'rblue get 2001:db8:2::1 from 2001:db8:1::1 iif blue0',
    ],
  },
  {
    title: 'routes of one VRF alone',
    networks: TENANTS,
    vrfs: VRFS,
    steps: [
      ...ROUTES,
      'rred ip route add 10.30.0.0/16 via 10.0.2.1',
      'rblue ip route add unreachable 10.30.0.0/16',
      'rred ip route add prohibit 10.31.0.0/16',
      'rblue ip route add unreachable default',
      'rred ip route add 2001:db8:30::/48 via 2001:db8:2::1',
      'rblue ip route add prohibit 2001:db8:30::/48',
      ...each(RIGHT, 'sysctl net.ipv4.ip_forward=1'),
      'a ping 10.30.0.1 ttl 2 => time exceeded by 10.0.2.1',
      'c ping 10.30.0.1 ttl 2 => host unreachable by 10.0.1.254',
      'a ping 10.31.0.1 => filtered by 10.0.1.254',
      'c ping 10.31.0.1 => host unreachable by 10.0.1.254',
      'a ping 10.99.0.1 => net unreachable by 10.0.1.254',
      'c ping 2001:db8:30::1 => prohibited by 2001:db8:1::ff',
      ...each(BOTH, 'get 10.30.0.1'),
      ...each(BOTH, 'get 10.31.0.1'),
      'rred ip route del 10.30.0.0/16',
      'a ping 10.30.0.1 => net unreachable by 10.0.1.254',
    ],
  },
  {
    title: 'a VRF with a narrow network',
    networks: TENANTS,
    vrfs: VRFS,
    mtu: { 'rred.red1': 1400, 'b.eth0': 1400 },
    steps: [
      ...ROUTES,
      'a ping 10.0.2.1 size 1500 df => mtu 1400 by 10.0.1.254',
      'c ping 10.0.2.1 size 1500 df => reply',
      'a ping 10.0.2.1 size 1500 => reply, fragment',
      'c ping 10.0.2.1 size 1500 => reply',
      'a ping 2001:db8:2::1 size 1500 => mtu 1400 by 2001:db8:1::ff',
      'c ping 2001:db8:2::1 size 1500 => reply',
    ],
  },
  {
    title: 'who comes from elsewhere, in a VRF that looks',
    networks: TENANTS,
    vrfs: VRFS,
    steps: [
      ...ROUTES,
      'rred sysctl net.ipv4.conf.red0.rp_filter=1',
      'rblue sysctl net.ipv4.conf.blue0.rp_filter=2',
      'a ping 10.0.2.1 => reply',
      'a udp 9 10.0.2.1 from 10.0.2.99 => nothing',
      'a udp 9 10.0.1.254 from 10.0.1.254 => nothing',
      'c udp 9 10.0.1.254 from 10.0.2.254 => nothing',
      'c ping 10.0.2.1 => reply',
      // of a network that only the other VRF has
      'rred ip route add 10.40.0.0/16 via 10.0.1.1',
      'c udp 9 10.0.2.1 from 10.40.0.1 => nothing',
    ],
  },
  {
    title: 'a nearer router, and a host that is answered for, in a VRF',
    networks: [
      ['a.eth0 10.0.1.1/24', 'rred.red0 10.0.1.253/24', 'r2.lan 10.0.1.254/24'],
      ['b.eth0 10.0.2.1/24', 'r2.far 10.0.2.254/24'],
      ['c.eth0 10.0.1.1/16', 'rblue.blue0 10.0.1.253/24'],
      ['d.eth0 10.0.2.1/24', 'rblue.blue1 10.0.2.254/24'],
    ],
    vrfs: VRFS,
    steps: [
      'rred ip route add 10.0.2.0/24 via 10.0.1.254',
      'a ip route add default via 10.0.1.253',
      'b ip route add default via 10.0.2.254',
      'd ip route add default via 10.0.2.254',
      'rblue sysctl net.ipv4.neigh.blue0.proxy_delay=0',
      'rblue sysctl net.ipv4.conf.blue0.proxy_arp=1',
      'a ping 10.0.2.1 => redirect to 10.0.1.254 by 10.0.1.253, reply',
      'c ping 10.0.2.1 => reply',
      'rred get 10.0.2.1 from 10.0.1.1 iif red0',
    ],
  },
]
