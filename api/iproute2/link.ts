/**
 * Links as `ip link` prints them: the JSON of `ip -j` (what -s and -d add is left out unless asked for) and the text.
 * Used by the API's ?format=iproute2 and by the command line. iproute2: ip/ipaddress.c.
 */
import type { AddressItem, LinkItem, LinkStats } from '../../core/control/text/messages.ts'

type Show = { readonly stats?: boolean; readonly details?: boolean }

/** The words that a link and an address item share. */
type LinkHead = Omit<AddressItem, 'addr_info'> & Partial<Pick<LinkItem, 'link' | 'linkmode'>>

/** The words of one -s. */
const statsJson = ({ rx, tx }: LinkStats) => ({
  rx: {
    bytes: rx.bytes,
    packets: rx.packets,
    errors: rx.errors,
    dropped: rx.dropped,
    over_errors: rx.over_errors,
    multicast: rx.multicast,
  },
  tx: {
    bytes: tx.bytes,
    packets: tx.packets,
    errors: tx.errors,
    dropped: tx.dropped,
    carrier_errors: tx.carrier_errors,
    collisions: tx.collisions,
  },
})

export const linkJson = (
  link: LinkItem,
  { stats, details }: Show = {}
): Record<string, unknown> => ({
  ifindex: link.ifindex,
  ...(link.link === undefined ? {} : { link: link.link }),
  ifname: link.ifname,
  flags: link.flags,
  mtu: link.mtu,
  qdisc: link.qdisc,
  operstate: link.operstate,
  linkmode: link.linkmode,
  group: link.group,
  txqlen: link.txqlen,
  link_type: link.link_type,
  address: link.address,
  broadcast: link.broadcast,
  ...(details
    ? {
        promiscuity: link.promiscuity,
        allmulti: link.allmulti,
        ...(link.linkinfo && { linkinfo: link.linkinfo }),
        num_tx_queues: link.num_tx_queues,
        num_rx_queues: link.num_rx_queues,
        gso_max_size: link.gso_max_size,
        ...(link.netem && { netem: link.netem }),
      }
    : {}),
  ...(stats ? { stats64: statsJson(link.stats64) } : {}),
})

/** "3: veth0@veth1: <UP> mtu 1500 qdisc ..." and the line with the link-layer address. */
export const linkHeadText = (link: LinkHead): string => {
  const name = link.link === undefined ? link.ifname : `${link.ifname}@${link.link}`
  const mode = link.linkmode === undefined ? '' : ` mode ${link.linkmode}`
  return `${link.ifindex}: ${name}: <${link.flags.join(',')}> mtu ${link.mtu} qdisc ${link.qdisc} state ${link.operstate}${mode} group ${link.group} qlen ${link.txqlen}`
}

export const linkLayerText = (link: LinkHead): string =>
  `    link/${link.link_type} ${link.address} brd ${link.broadcast}`

const detailsText = (link: LinkItem): string => {
  const info = link.linkinfo
  const data = Object.entries(info?.info_data ?? {})
    .filter(([, value]) => typeof value !== 'object')
    .map(([key, value]) => `${key} ${String(value)} `)
    .join('')
  // A kind begins a line of its own.
  const kind = info === undefined ? '' : `\n    ${info.info_kind} ${data}`
  return `${` promiscuity ${link.promiscuity}  allmulti ${link.allmulti} `}${kind}numtxqueues ${link.num_tx_queues} numrxqueues ${link.num_rx_queues} gso_max_size ${link.gso_max_size} `
}

const WIDTHS = [
  '*X errors:',
  'packets',
  'errors',
  'dropped',
  'heartbt',
  'overrun',
  'compressed',
].map((word) => word.length)

/** Columns wide enough for every number below them. */
const widen = (widths: readonly number[], values: readonly number[]): number[] =>
  widths.map((width, i) => Math.max(width, String(values[i] ?? 0).length))

const statsBlock = (
  head: string,
  words: readonly string[],
  values: readonly number[],
  widths: readonly number[]
) => {
  const names = words.map((word, i) => word.padStart(i === 0 ? widths[0]! - 4 : widths[i]!))
  // ip leaves a column for "compressed" and prints it only when it is in use.
  const title = `    ${head}: ${names.join(' ')} ${' '.repeat(widths[6]!)}`
  return `${title}\n    ${values.map((value, i) => `${String(value).padStart(widths[i]!)} `).join('')}`
}

/** What `ip -s` prints under a link. */
export const statsText = ({ rx, tx }: LinkStats): string => {
  const rxValues = [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.missed_errors, rx.multicast]
  const txValues = [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions]
  const widths = widen(widen(WIDTHS, rxValues), txValues)
  return [
    statsBlock(
      'RX',
      ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast'],
      rxValues,
      widths
    ),
    statsBlock(
      'TX',
      ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns'],
      txValues,
      widths
    ),
  ].join('\n')
}

export const linkText = (link: LinkItem, { stats, details }: Show = {}): string => {
  const lines = [linkHeadText(link), linkLayerText(link) + (details ? detailsText(link) : '')]
  if (stats) lines.push(statsText(link.stats64))
  return lines.join('\n')
}

/** `ip -br link`. */
export const linkBrief = (link: LinkItem): string => {
  const name = link.link === undefined ? link.ifname : `${link.ifname}@${link.link}`
  return `${name.padEnd(16)} ${link.operstate.padEnd(14)} ${link.address} <${link.flags.join(',')}> `
}
