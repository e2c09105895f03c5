/**
 * Links as `ip link` prints them: the JSON of `ip -j` (what -s and -d add is left out unless asked for) and the text.
 * Used by the API's ?format=iproute2 and by the command line. iproute2: ip/ipaddress.c.
 */
import type { AddressItem, LinkItem } from '../../core/control/text/messages.ts'

export type LinkShow = {
  readonly stats?: boolean
  /** -s -s: errors by their kind. */
  readonly errors?: boolean
  readonly details?: boolean
}

/** The words that a link and an address item share. */
export type LinkHead = Omit<AddressItem, 'addr_info' | 'qdisc' | 'group' | 'txqlen'> & {
  txqlen?: number | undefined
  qdisc?: string | undefined
  group?: string | undefined
  linkmode?: string
}

/** Of what no device of ours knows: ip says so. */
const UNKNOWN_RX = { fifo_errors: 0 } as const
const UNKNOWN_TX = {
  aborted_errors: 0,
  fifo_errors: 0,
  window_errors: 0,
  heartbeat_errors: 0,
} as const

/** The words of -s, and of -s -s. */
export const statsJson = (
  { stats64: { rx, tx }, carrier_changes }: LinkItem,
  { errors }: LinkShow
) => ({
  rx: {
    bytes: rx.bytes,
    packets: rx.packets,
    errors: rx.errors,
    dropped: rx.dropped,
    over_errors: rx.over_errors,
    multicast: rx.multicast,
    ...(errors && {
      length_errors: rx.length_errors,
      crc_errors: rx.crc_errors,
      frame_errors: rx.frame_errors,
      ...UNKNOWN_RX,
      missed_errors: rx.missed_errors,
    }),
  },
  tx: {
    bytes: tx.bytes,
    packets: tx.packets,
    errors: tx.errors,
    dropped: tx.dropped,
    carrier_errors: tx.carrier_errors,
    collisions: tx.collisions,
    ...(errors && { ...UNKNOWN_TX, carrier_changes }),
  },
})

/** The words of -d; `of` is what else ip asks the kernel for when it is about links. */
export const detailsJson = (link: LinkItem, of: { addrGenMode?: boolean } = {}) => ({
  promiscuity: link.promiscuity,
  allmulti: link.allmulti,
  min_mtu: link.min_mtu,
  max_mtu: link.max_mtu,
  ...(link.linkinfo && { linkinfo: link.linkinfo }),
  ...(of.addrGenMode && { inet6_addr_gen_mode: link.inet6_addr_gen_mode }),
  num_tx_queues: link.num_tx_queues,
  num_rx_queues: link.num_rx_queues,
  gso_max_size: link.gso_max_size,
  gso_max_segs: link.gso_max_segs,
  tso_max_size: link.tso_max_size,
  tso_max_segs: link.tso_max_segs,
  gro_max_size: link.gro_max_size,
})

/** The other end: by its name, or by its number where it is in another namespace. */
export const otherEndJson = ({
  link,
  link_index,
}: Pick<LinkHead, 'link' | 'link_index'>): { link?: string; link_index?: number } => ({
  ...(link_index !== undefined && { link_index }),
  ...(link !== undefined && link_index === undefined && { link }),
})
export const netnsidJson = ({
  link_netnsid,
}: Pick<LinkHead, 'link_netnsid'>): { link_netnsid?: number } =>
  link_netnsid === undefined ? {} : { link_netnsid }

export const linkJson = (link: LinkItem, show: LinkShow = {}): Record<string, unknown> => ({
  ifindex: link.ifindex,
  ...otherEndJson(link),
  ifname: link.ifname,
  flags: link.flags,
  mtu: link.mtu,
  qdisc: link.qdisc,
  ...(link.master !== undefined && { master: link.master }),
  operstate: link.operstate,
  linkmode: link.linkmode,
  group: link.group,
  txqlen: link.txqlen,
  link_type: link.link_type,
  address: link.address,
  broadcast: link.broadcast,
  ...netnsidJson(link),
  ...(show.details && {
    ...detailsJson(link, { addrGenMode: true }),
    ...(link.netem && { netem: link.netem }),
  }),
  ...(show.stats && { stats64: statsJson(link, show) }),
})

/** `ip -j -br link`. */
export const linkBriefJson = ({ ifname, operstate, address, flags, ...link }: LinkItem) => ({
  ...otherEndJson(link),
  ifname,
  operstate,
  address,
  flags,
})

/** With the other end's, or its number. */
const fullName = ({
  ifname,
  link,
  link_index,
}: Pick<LinkHead, 'ifname' | 'link' | 'link_index'>) => {
  const other = link_index === undefined ? link : `if${link_index}`
  return other === undefined ? ifname : `${ifname}@${other}`
}

/** "3: veth0@veth1: <UP> mtu 1500 qdisc ..." and the line with the link-layer address. */
export const linkHeadText = (link: LinkHead): string => {
  const words = [
    ['mtu', link.mtu],
    ['qdisc', link.qdisc],
    ['master', link.master],
    ['state', link.operstate],
    ['mode', link.linkmode],
    ['group', link.group],
    ['qlen', link.txqlen],
  ].flatMap(([word, value]) => (value === undefined ? [] : [`${word} ${value}`]))
  return `${link.ifindex}: ${fullName(link)}: <${link.flags.join(',')}> ${words.join(' ')}`
}

/** A namespace is named, or has a number. */
const netnsText = ({ link_netns, link_netnsid }: LinkHead): string => {
  if (link_netns !== undefined) return ` link-netns ${link_netns}`
  return link_netnsid === undefined ? '' : ` link-netnsid ${link_netnsid}`
}
export const linkLayerText = (link: LinkHead): string =>
  `    link/${link.link_type} ${link.address} brd ${link.broadcast}${netnsText(link)}`

export const detailsText = (link: LinkItem, of: { addrGenMode?: boolean } = {}): string => {
  const { linkinfo: info, ...rest } = link
  const data = Object.entries(info?.info_data ?? {})
    .filter(([, value]) => typeof value !== 'object')
    .map(([key, value]) => `${key} ${String(value)} `)
    .join('')
  // A kind begins a line of its own.
  const kind = info === undefined ? '' : `\n    ${info.info_kind} ${data}`
  const slave = info?.info_slave_kind
  const slaveData = Object.entries(info?.info_slave_data ?? {})
    .map(([key, value]) => `${key} ${String(value)} `)
    .join('')
  const slaveKind = slave === undefined ? '' : `\n    ${slave}_slave ${slaveData}`
  const mtus = `minmtu ${rest.min_mtu} maxmtu ${rest.max_mtu} `
  const mode = of.addrGenMode ? `addrgenmode ${rest.inet6_addr_gen_mode} ` : ''
  const queues = `numtxqueues ${rest.num_tx_queues} numrxqueues ${rest.num_rx_queues} `
  const sizes = (['gso_max_size', 'gso_max_segs', 'tso_max_size', 'tso_max_segs'] as const)
    .map((word) => `${word} ${rest[word]} `)
    .join('')
  return ` promiscuity ${rest.promiscuity}  allmulti ${rest.allmulti} ${mtus}${kind}${slaveKind}${mode}${queues}${sizes}gro_max_size ${rest.gro_max_size} `
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

/** The second lines of a half, for -s -s: their first column is the head's. */
const errorsBlock = (
  half: string,
  words: readonly string[],
  values: readonly number[],
  widths: readonly number[]
) => {
  const names = words.map((word, i) => word.padStart(widths[i + 1]!))
  const numbers = values.map((value, i) => `${String(value).padStart(widths[i + 1]!)} `)
  const head = `${half} errors:`.padEnd(widths[0]!)
  return `    ${head} ${names.join(' ')}\n     ${' '.repeat(widths[0]!)}${numbers.join('')}`
}

/** What `ip -s` prints under a link, and `ip -s -s`. */
export const statsText = (
  { stats64: { rx, tx }, carrier_changes }: LinkItem,
  { errors }: LinkShow = {}
): string => {
  const rxValues = [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.missed_errors, rx.multicast]
  const txValues = [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions]
  const { fifo_errors } = UNKNOWN_RX
  const rxErrors = [rx.length_errors, rx.crc_errors, rx.frame_errors, fifo_errors, rx.over_errors]
  const txErrors = [...Object.values(UNKNOWN_TX), carrier_changes]
  const all = [
    rxValues,
    txValues,
    ...(errors
      ? [
          [0, ...rxErrors],
          [0, ...txErrors],
        ]
      : []),
  ]
  const widths = all.reduce(widen, WIDTHS)
  return [
    statsBlock(
      'RX',
      ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast'],
      rxValues,
      widths
    ),
    ...(errors
      ? [errorsBlock('RX', ['length', 'crc', 'frame', 'fifo', 'overrun'], rxErrors, widths)]
      : []),
    statsBlock(
      'TX',
      ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns'],
      txValues,
      widths
    ),
    ...(errors
      ? [errorsBlock('TX', ['aborted', 'fifo', 'window', 'heartbt', 'transns'], txErrors, widths)]
      : []),
  ].join('\n')
}

export const linkText = (link: LinkItem, show: LinkShow = {}): string => {
  const details = show.details ? detailsText(link, { addrGenMode: true }) : ''
  const lines = [linkHeadText(link), linkLayerText(link) + details]
  if (show.stats) lines.push(statsText(link, show))
  return lines.join('\n')
}

/** Of `ip monitor`, which says nothing of the mode and the queue. */
export const linkChangeText = ({ linkmode: _, ...link }: LinkItem): string =>
  `${linkHeadText({ ...link, txqlen: undefined })} \n${linkLayerText(link)}`

/** The name that `ip -br` has. */
export const briefName = (link: Parameters<typeof fullName>[0]): string => fullName(link).padEnd(16)

/** `ip -br link`. */
export const linkBrief = (link: LinkItem): string =>
  `${briefName(link)} ${link.operstate.padEnd(14)} ${link.address} <${link.flags.join(',')}> `
