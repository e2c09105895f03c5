// Where IPv4's cases happen: a router with three links, each with hosts whose link addresses are configured and hosts
// that must be asked for, and a route of every kind.

import type { SetUp } from '../side.ts'

export const DISCARD_PORT = 9
export const LINKS = [1, 2, 3]

export const ownMac = (link: number): string => `02:00:00:00:0${link}:01`
export const hostMac = (link: number, host: number): string =>
  `02:00:00:01:0${link}:${(host & 255).toString(16).padStart(2, '0')}`
/** Hosts that are neighbours for good: many, since the kernel counts what it has sent to each. */
export const KNOWN = Array.from({ length: 50 }, (_, k) => 2 + k)

export const OWN = ['10.1.0.1', '10.2.0.1', '10.2.7.1', '10.3.0.1', '192.168.3.1'] as const
/** Addresses that cases give it besides. */
export const ADDED: readonly ((n: number) => string)[] = [
  () => '10.7.0.1',
  (n) => `10.101.${n}.1`,
  () => '10.3.0.77',
]
/** Broadcast addresses of its networks. */
export const BROADCASTS = ['10.1.255.255', '10.2.255.255', '10.3.0.255', '192.168.3.15'] as const
export const ownOf = (link: number): string => `10.${link}.0.1`
export const hostOf = (link: number, host: number): string => `10.${link}.0.${host}`

/** Devices' own IPv6 would be traffic that nobody asked for. */
const BEFORE = [
  'sysctl net.ipv6.conf.all.disable_ipv6=1',
  'sysctl net.ipv6.conf.default.disable_ipv6=1',
]
/** Nothing is answered later than at once, or not at all because there was so much of it. */
const SYSCTLS = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.conf.all.accept_source_route=1',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv4.icmp_msgs_per_sec=1000000',
  'net.ipv4.icmp_msgs_burst=1000000',
]
const ADDRESSES = [
  'ip addr add 10.1.0.1/16 brd + dev eth1',
  'ip addr add 10.2.0.1/16 brd + dev eth2',
  'ip addr add 10.2.7.1/16 brd + dev eth2',
  'ip addr add 10.3.0.1/24 brd + dev eth3',
  'ip addr add 192.168.3.1/28 brd + dev eth3',
]
const ROUTES = [
  'ip route add 10.101.0.0/16 via 10.1.0.2',
  'ip route add 10.102.0.0/16 via 10.2.0.2',
  'ip route add 10.103.0.0/16 via 10.3.0.2',
  'ip route add 10.104.0.0/16 via 10.1.0.200',
  'ip route add 10.105.0.0/16 via 10.1.0.3 mtu 700',
  'ip route add blackhole 10.110.0.0/16',
  'ip route add unreachable 10.111.0.0/16',
  'ip route add prohibit 10.112.0.0/16',
]
const neighbours = (link: number): string[] =>
  KNOWN.map(
    (host) =>
      `ip neigh add ${hostOf(link, host)} lladdr ${hostMac(link, host)} dev eth${link} nud permanent`
  )
const NEIGHBOURS = LINKS.flatMap(neighbours)
/** What goes with a link that goes down or has no address any more. */
export const afterDown = (link: number): string[] => [
  ...ROUTES.filter((line) => line.includes(` via 10.${link}.`)),
  ...neighbours(link),
]
/** Nobody waits before he answers for others: answers come with their questions. */
const NO_DELAY = LINKS.map((link) => `sysctl net.ipv4.neigh.eth${link}.proxy_delay=0`)
export const IPV4_WORLD: SetUp = {
  links: [
    { mac: ownMac(1), mtu: 1500 },
    { mac: ownMac(2), mtu: 900 },
    { mac: ownMac(3), mtu: 1500 },
  ],
  before: BEFORE,
  lines: [
    ...SYSCTLS.map((line) => `sysctl ${line}`),
    ...NO_DELAY,
    ...ADDRESSES,
    ...ROUTES,
    ...NEIGHBOURS,
  ],
  port: DISCARD_PORT,
}
