/**
 * The files of /proc/net that are IPv6's alone, byte for byte as the kernel's seq_files print them: net/ipv6/proc.c,
 * addrconf.c (if_inet6), anycast.c (anycast6), route.c (ipv6_route). Made from the control plane's items; the sockets' are in proc-net.ts.
 */
import type { AddressInfo, RouteItem } from '../../core/control/text/messages.ts'
import { parseAddr, parsePrefix } from '../../core/wire/text.ts'

const hex = (n: number, width: number): string => (n >>> 0).toString(16).padStart(width, '0')
const address = (text: string | undefined): string =>
  (parseAddr(text ?? '::')?.words ?? [0, 0, 0, 0]).map((word) => hex(word, 8)).join('')

const UDP6 = [
  'InDatagrams',
  'NoPorts',
  'InErrors',
  'OutDatagrams',
  'RcvbufErrors',
  'SndbufErrors',
  'InCsumErrors',
]
/** Messages that Linux counts by name, in and out. */
const ICMP6 = [
  'DestUnreachs',
  'PktTooBigs',
  'TimeExcds',
  'ParmProblems',
  'Echos',
  'EchoReplies',
  'GroupMembQueries',
  'GroupMembResponses',
  'GroupMembReductions',
  'RouterSolicits',
  'RouterAdvertisements',
  'NeighborSolicits',
  'NeighborAdvertisements',
  'Redirects',
  'MLDv2Reports',
]
/** The lines of snmp6 in the kernel's order; what is not counted here is 0. */
const SNMP6 = [
  ...[
    ...['InReceives', 'InHdrErrors', 'InTooBigErrors', 'InNoRoutes', 'InAddrErrors'],
    ...['InUnknownProtos', 'InTruncatedPkts', 'InDiscards', 'InDelivers', 'OutForwDatagrams'],
    ...['OutRequests', 'OutDiscards', 'OutNoRoutes', 'ReasmTimeout', 'ReasmReqds', 'ReasmOKs'],
    ...['ReasmFails', 'FragOKs', 'FragFails', 'FragCreates', 'InMcastPkts', 'OutMcastPkts'],
    ...['InOctets', 'OutOctets', 'InMcastOctets', 'OutMcastOctets', 'InBcastOctets'],
    ...['OutBcastOctets', 'InNoECTPkts', 'InECT1Pkts', 'InECT0Pkts', 'InCEPkts', 'OutTransmits'],
  ].map((name) => `Ip6${name}`),
  ...['InMsgs', 'InErrors', 'OutMsgs', 'OutErrors', 'InCsumErrors', 'OutRateLimitHost'].map(
    (name) => `Icmp6${name}`
  ),
  ...['In', 'Out'].flatMap((way) => ICMP6.map((name) => `Icmp6${way}${name}`)),
  ...[...UDP6, 'IgnoredMulti', 'MemErrors'].map((name) => `Udp6${name}`),
  ...[...UDP6, 'MemErrors'].map((name) => `UdpLite6${name}`),
]

export const snmp6 = (counters: Readonly<Record<string, number>>): string =>
  SNMP6.map((name) => `${name.padEnd(32)}\t${counters[name] ?? 0}\n`).join('')

/** Scopes as an address's type has them (IFA_HOST, IFA_LINK, IFA_SITE). */
const SCOPES: Readonly<Record<string, number>> = { host: 0x10, link: 0x20, site: 0x40 }
type Device = { ifindex: number; ifname: string; addr_info: readonly AddressInfo[] }

/** IFA_F_* of an address, as ip tells of them by words of their own. */
const flagsOf = (info: AddressInfo): number => {
  const said: Readonly<Record<string, unknown>> = { ...info }
  const flags = {
    temporary: 1,
    nodad: 2,
    optimistic: 4,
    dadfailed: 8,
    deprecated: 0x20,
    tentative: 0x40,
  }
  return Object.entries(flags).reduce(
    (sum, [word, flag]) => (said[word] === true ? sum | flag : sum),
    said['dynamic'] === true ? 0 : 0x80
  )
}
export const ifInet6 = (devices: readonly Device[]): string =>
  devices
    .flatMap(({ ifindex, ifname, addr_info }) =>
      addr_info
        .filter(({ family }) => family === 'inet6')
        .map((info) => {
          const numbers = [ifindex, info.prefixlen, SCOPES[info.scope] ?? 0, flagsOf(info)]
          const columns = [address(info.local), ...numbers.map((n) => hex(n, 2))]
          return `${columns.join(' ')} ${ifname.padStart(8)}\n`
        })
    )
    .join('')

const RTF_UP = 1
const RTF_GATEWAY = 2
const RTF_REJECT = 0x200
const RTF_ANYCAST = 0x100000
const RTF_NONEXTHOP = 0x200000
const RTF_LOCAL = 0x80000000
const REJECTS = ['unreachable', 'prohibit', 'blackhole', 'throw']

/** RTF_PREF: two bits from the 27th on. */
const PREFS: Readonly<Record<string, number>> = { high: 0x08000000, low: 0x18000000 }

const routeFlags = ({ type, dev, dst, pref = '' }: RouteItem, gateway?: string): number => {
  // what leads to lo leads nowhere, but for what is ours
  const isDead = REJECTS.includes(type) || (type === 'unicast' && dev === 'lo' && dst !== '::1')
  const worth = PREFS[pref] ?? 0
  if (isDead) return RTF_REJECT | RTF_NONEXTHOP | worth
  if (type === 'local') return RTF_UP | RTF_LOCAL | RTF_NONEXTHOP
  if (type === 'anycast') return RTF_UP | RTF_ANYCAST | RTF_NONEXTHOP
  return (gateway === undefined ? RTF_UP : RTF_UP | RTF_GATEWAY) | worth
}
/** What stands at the root of a table without a default route (fib6_null_entry). */
const nullEntry = (table: string): RouteItem => ({
  type: 'unreachable',
  dst: 'default',
  dev: 'lo',
  table,
  protocol: 'kernel',
  metric: -1,
  flags: [],
  family: 'inet6',
})
/** A table is there from its first route on. */
const nullEntries = (routes: readonly RouteItem[]): RouteItem[] => {
  const withDefault = new Set(routes.filter(({ dst }) => dst === 'default').map((r) => r.table))
  const tables = new Set(['main', 'local', ...routes.map(({ table }) => table)])
  return [...tables].filter((table) => !withDefault.has(table)).map(nullEntry)
}
const line = (route: RouteItem, hop: Pick<RouteItem, 'gateway' | 'dev'>): string => {
  const dst = parsePrefix(route.dst === 'default' ? '::/0' : route.dst)
  const numbers = [route.metric ?? 0, 1, 0, routeFlags(route, hop.gateway)]
  const columns = [
    dst === null ? address(undefined) : dst.words.map((word) => hex(word, 8)).join(''),
    hex(dst?.prefixlen ?? 0, 2),
    address(undefined),
    '00',
    address(hop.gateway),
    ...numbers.map((n) => hex(n, 8)),
  ]
  return `${columns.join(' ')} ${(hop.dev ?? 'lo').padStart(8)}\n`
}
/** Sources, which no route has here, are ::/0; references and uses are nobody's. A line for each next hop. */
export const ipv6Route = (all: readonly RouteItem[]): string => {
  const routes = all.filter(({ family }) => family === 'inet6')
  return [...routes, ...nullEntries(routes)]
    .flatMap((route) => (route.nexthops ?? [route]).map((hop) => line(route, hop)))
    .join('')
}

/** Anycast addresses, each as often as something has brought it. */
export const anycast6 = (
  routes: readonly RouteItem[],
  indexOf: (dev: string) => number | undefined
): string =>
  routes
    .filter(({ type }) => type === 'anycast')
    .map(({ dst, dev = '' }) => {
      const [ifindex, users] = [String(indexOf(dev) ?? 0).padEnd(4), '1'.padStart(5)]
      return `${ifindex} ${dev.padEnd(15)} ${address(dst.split('/')[0])} ${users}\n`
    })
    .join('')
