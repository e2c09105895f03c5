/** Drops in words: by reason, with the place of a packet's way where it comes about and the devices where it did. */
import type * as numbers from '../rtnetlink.ts'
import type { DropItem } from './messages.ts'

/** The place of a packet's way where a reason strikes; what is not named here may strike anywhere. */
const PLACES: readonly (readonly [string, readonly string[]])[] = [
  ['backlog', ['CPU_BACKLOG', 'NOMEM', 'WORKER_RESTART']],
  [
    'ether',
    [
      'OTHERHOST',
      'UNHANDLED_PROTO',
      'DEV_HDR',
      'ARP_INVALID',
      'UNICAST_IN_L2_MULTICAST',
      'PKT_TOO_SMALL',
    ],
  ],
  [
    'ip-input',
    [
      'IP_CSUM',
      'IP_INHDR',
      'IP_RPFILTER',
      'IP_LOCAL_SOURCE',
      'IP_INVALID_SOURCE',
      'IP_INVALID_DEST',
      'IP_LOCALNET',
      'IPV6_BAD_EXTHDR',
      'IPV6DISABLED',
      'NETFILTER_DROP',
      'INVALID_PROTO',
    ],
  ],
  ['route', ['IP_INNOROUTES', 'IP_INADDRERRORS', 'IP_OUTNOROUTES']],
  ['forward', ['TTL_EXCEEDED', 'PKT_TOO_BIG']],
  ['local', ['IP_NOPROTO', 'FRAG_REASM_TIMEOUT', 'DUP_FRAG']],
  [
    'icmp',
    [
      'ICMP_CSUM',
      'IPV6_NDISC_FRAG',
      'IPV6_NDISC_HOP_LIMIT',
      'IPV6_NDISC_BAD_CODE',
      'IPV6_NDISC_BAD_OPTIONS',
    ],
  ],
  ['udp', ['UDP_CSUM']],
  ['socket', ['NO_SOCKET', 'SOCKET_RCVBUFF', 'PROTO_MEM']],
  ['neighbour', ['NEIGH_FAILED', 'NEIGH_QUEUEFULL']],
  ['qdisc', ['QDISC_DROP', 'LINK_IMPAIRED', 'SKB_GSO_SEG', 'DEV_READY']],
]
const PLACE_OF = new Map(
  PLACES.flatMap(([place, reasons]) => reasons.map((r) => [r, place] as const))
)

const placeOf = (reason: string): string =>
  PLACE_OF.get(reason) ?? (reason.startsWith('TCP_') ? 'tcp' : 'local')

export const writeDrops = (
  { reason, count, worker, devices }: numbers.Drops,
  nameOf: (ifindex: number) => string
): DropItem => ({
  reason,
  place: placeOf(reason),
  count,
  worker,
  devices: devices.map(({ ifindex, ...rest }) => ({ dev: nameOf(ifindex), ...rest })),
})
