// How a family writes the addresses of a lab's networks, each of which is named by a number.

import { A, ROUTER_A } from '../support/topology.ts'
import { A6, ROUTER_A6 } from '../support/topology6.ts'

export type Family = {
  name: string
  /** ip's option. */
  ip: string
  network: (net: number) => string
  address: (net: number, end: number) => string
  plen: number
  /** The length of a prefix that is one address. */
  full: number
  /** What an address that is ready at once is added with. */
  nodad: string
  /** The LAN before the first net: its network, that net's address in it, the host's, and the second router's. */
  lan: {
    network: string
    router: string
    host: string
    second: string
    other: (k: number) => string
  }
  /** The second router by the address of its link, where a redirect has to name that. */
  secondGateway: string
  /** Where probes come from, each from an address of its own. */
  sources: string
  source: (k: number) => string
}

export const IPV4: Family = {
  name: 'IPv4',
  ip: '-4',
  network: (net) => `10.${net}.0.0/24`,
  address: (net, end) => `10.${net}.0.${end}`,
  plen: 24,
  full: 32,
  nodad: '',
  lan: {
    network: '10.0.1.0/24',
    router: ROUTER_A,
    host: A,
    second: '10.0.1.253',
    other: (k) => `10.0.1.${k}`,
  },
  secondGateway: '10.0.1.253',
  sources: '10.8.0.0/16',
  source: (k) => `10.8.${k >> 8}.${k & 255}`,
}
export const IPV6: Family = {
  name: 'IPv6',
  ip: '-6',
  network: (net) => `fd00:${net}::/64`,
  address: (net, end) => `fd00:${net}::${end}`,
  plen: 64,
  full: 128,
  nodad: ' nodad',
  lan: {
    network: '2001:db8:1::/64',
    router: ROUTER_A6,
    host: A6,
    second: '2001:db8:1::fd',
    other: (k) => `2001:db8:1::${k}`,
  },
  secondGateway: 'fe80::fd',
  sources: 'fd00:8::/64',
  source: (k) => `fd00:8::${k.toString(16)}`,
}

/** What is behind the second router; and what is behind the host, by way of it. */
export const BEHIND_SECOND = 200
export const BEHIND_HOST = 201
