// Where IPv6's cases happen: a router with three links, each with hosts whose link addresses are configured, and a route
// of every kind. Nobody is asked for, and nothing is said of groups: neighbour discovery and MLD are not what is compared.

import * as ethernet from '../../../core/wire/ethernet.ts'
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6 } from '../../../core/wire/ipproto.ts'
import type { SetUp } from '../side.ts'

export const DISCARD_PORT = 9
export const LINKS = [1, 2, 3]

export const ownMac = (link: number): string => `02:00:00:00:0${link}:01`
export const hostMac = (link: number, host: number): string =>
  `02:00:00:01:0${link}:${(host & 255).toString(16).padStart(2, '0')}`
/** Hosts that are neighbours for good: many, since the kernel counts what it has sent to each. */
export const KNOWN = Array.from({ length: 50 }, (_, k) => 2 + k)

export const ownOf = (link: number): string => `2001:db8:${link}::1`
export const linkLocalOf = (link: number): string => `fe80::${link}`
export const hostOf = (link: number, host: number): string =>
  `2001:db8:${link}::${host.toString(16)}`
export const linkHostOf = (link: number, host: number): string =>
  `fe80::${link}:${host.toString(16)}`
export const OWN = [...LINKS.map(ownOf), '2001:db8:2:0:7::1', 'fd00:3::1'] as const
/** Addresses that cases give it besides. */
export const ADDED: readonly ((n: number) => string)[] = [
  () => '2001:db8:7::1',
  (n) => `2001:db8:101:${n}::1`,
  () => '2001:db8:3::77',
]

const BEFORE = [
  'sysctl net.ipv6.conf.default.accept_dad=0',
  'sysctl net.ipv6.conf.default.accept_ra=0',
  'sysctl net.ipv6.conf.default.addr_gen_mode=1',
  'sysctl net.ipv4.tcp_ecn=0',
]
/** Nothing is answered later than at once, or not at all because there was so much of it. */
const SYSCTLS = [
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv6.auto_flowlabels=0',
  'net.ipv6.icmp.ratelimit=0',
  'net.ipv4.icmp_msgs_per_sec=1000000',
  'net.ipv4.icmp_msgs_burst=1000000',
]
/** With the numbers of their links. */
export const ADDRESSES = [
  ...LINKS.flatMap((link) =>
    [`${ownOf(link)}/64`, `${linkLocalOf(link)}/64`].map((a) => [a, link] as const)
  ),
  ['2001:db8:2:0:7::1/64', 2],
  ['fd00:3::1/120', 3],
] as const
const ADD_ADDRESSES = ADDRESSES.map(([address, link]) => `ip addr add ${address} dev eth${link}`)
const ROUTES = [
  'ip route add 2001:db8:101::/48 via 2001:db8:1::2',
  'ip route add 2001:db8:102::/48 via fe80::2:2 dev eth2',
  'ip route add 2001:db8:103::/48 via 2001:db8:3::2',
  'ip route add 2001:db8:105::/48 via 2001:db8:1::3 mtu 1300',
  'ip route add blackhole 2001:db8:110::/48',
  'ip route add unreachable 2001:db8:111::/48',
  'ip route add prohibit 2001:db8:112::/48',
]
const NEIGHBOURS = LINKS.flatMap((link) =>
  KNOWN.flatMap((host) =>
    [hostOf(link, host), linkHostOf(link, host)].map(
      (address) =>
        `ip neigh add ${address} lladdr ${hostMac(link, host)} dev eth${link} nud permanent`
    )
  )
)
/** What goes with a link that goes down. */
export const afterDown = (link: number): string[] => [
  ...ADD_ADDRESSES.filter((line) => line.endsWith(` dev eth${link}`)),
  ...ROUTES.filter(
    (line) => line.includes(` via 2001:db8:${link}:`) || line.includes(` dev eth${link}`)
  ),
  ...NEIGHBOURS.filter((line) => line.includes(` dev eth${link} `)),
]

/** Neighbour discovery and multicast listener discovery. */
const isDiscovery = (frame: Uint8Array): boolean => {
  if (ethernet.type(frame, 0) !== ethernet.ETH_P_IPV6) return false
  const at = frame[20] === IPPROTO_HOPOPTS ? 54 + 8 * (frame[55]! + 1) : 54
  const next = frame[20] === IPPROTO_HOPOPTS ? frame[54] : frame[20]
  const type = frame[at]!
  return next === IPPROTO_ICMPV6 && ((type >= 130 && type <= 137) || type === 143)
}

export const IPV6_WORLD: SetUp = {
  links: [
    { mac: ownMac(1), mtu: 1500 },
    { mac: ownMac(2), mtu: 1280 },
    { mac: ownMac(3), mtu: 1500 },
  ],
  before: BEFORE,
  lines: [...SYSCTLS.map((line) => `sysctl ${line}`), ...ADD_ADDRESSES, ...ROUTES, ...NEIGHBOURS],
  port: DISCARD_PORT,
  hostname: '::',
  ignores: isDiscovery,
}
