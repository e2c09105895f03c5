/** Addresses as `ip addr` prints them. iproute2: ip/ipaddress.c. */
import type {
  AddressInfo,
  AddressItem,
  FamilyName,
  LinkItem,
} from '../../core/control/text/messages.ts'
import {
  briefName,
  detailsJson,
  detailsText,
  type LinkHead,
  linkHeadText,
  linkLayerText,
  type LinkShow,
  netnsidJson,
  otherEndJson,
  statsJson,
  statsText,
} from './link.ts'

const FOREVER = 4294967295

const lifetime = (seconds: number): string => (seconds >= FOREVER ? 'forever' : `${seconds}sec`)

/** Flags that ip prints as words, in its order; they are fields that are true in its JSON. */
const FLAG_WORDS = [
  'secondary',
  'temporary',
  'nodad',
  'optimistic',
  'dadfailed',
  'home',
  'deprecated',
  'tentative',
  'dynamic',
  'mngtmpaddr',
  'noprefixroute',
  'stable-privacy',
] as const

const infoHead = (info: AddressInfo): string => {
  const flags: Record<string, unknown> = info
  const words = FLAG_WORDS.filter((word) => flags[word] === true)
  const parts = [`${info.family} ${info.local}/${info.prefixlen}`]
  if (info.broadcast !== undefined) parts.push(`brd ${info.broadcast}`)
  parts.push(`scope ${info.scope}`, ...words)
  if (info.label !== undefined) parts.push(info.label)
  // iproute2 ends the line with a blank where no label follows.
  return parts.join(' ') + (info.label === undefined ? ' ' : '')
}

const infoLife = (info: AddressInfo): string =>
  `       valid_lft ${lifetime(info.valid_life_time)} preferred_lft ${lifetime(info.preferred_life_time)}`

/** Wider scopes are smaller numbers (rtnetlink.h). */
const SCOPES: Readonly<Record<string, number>> = {
  global: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
}
const scopeOf = ({ scope }: AddressInfo): number => SCOPES[scope] ?? Number(scope)

/** IPv4: behind those of its scope and of narrower ones; secondary ones last (__inet_insert_ifa). */
const insert4 = (list: AddressInfo[], info: AddressInfo): void => {
  const before = (one: AddressInfo): boolean => !one.secondary && scopeOf(info) <= scopeOf(one)
  if (info.secondary) list.push(info)
  else list.splice(list.findLastIndex(before) + 1, 0, info)
}
/** IPv6: before those of its scope and of narrower ones (ipv6_link_dev_addr). */
const insert6 = (list: AddressInfo[], info: AddressInfo): void => {
  const at = list.findIndex((one) => scopeOf(info) <= scopeOf(one))
  list.splice(at < 0 ? list.length : at, 0, info)
}

/** In the order in which the kernel keeps them, which tells of IPv4 first. */
const inKernelOrder = (infos: readonly AddressInfo[]): AddressInfo[] => {
  const [four, six]: AddressInfo[][] = [[], []]
  for (const info of infos) {
    if (info.family === 'inet') insert4(four!, info)
    else insert6(six!, info)
  }
  return [...four!, ...six!]
}
export const addrJson = <T extends AddressItem>(item: T): T => ({
  ...item,
  addr_info: inKernelOrder(item.addr_info),
})

/** What -d and -s show of the link besides; `link` is where they are taken from. */
export type AddrShow = LinkShow & {
  readonly link?: LinkItem | undefined
  /** Of one family, whose dump says less of the links: IPv6's no qdisc and no group. */
  readonly family?: FamilyName | undefined
  readonly isOne?: boolean
}

/** What ip says of a link before its addresses. */
const isSpare = ({ family, isOne }: AddrShow): boolean => family === 'inet6' && !isOne
const headOf = (item: AddressItem, show: AddrShow): LinkHead =>
  isSpare(show) ? { ...item, qdisc: undefined, group: undefined } : item
const hasLayer = ({ family, details }: AddrShow): boolean =>
  family === undefined || details === true

/** `ip -j addr`, with what -d and -s add. */
export const addrShown = (item: AddressItem, show: AddrShow): object => {
  const { addr_info, link_type, address, broadcast, ...rest } = item
  const { link, details, stats } = show
  const { qdisc, group, ...head } = rest
  const { ifindex, ifname, flags, mtu, master, operstate, txqlen } = head
  return {
    ifindex,
    ...otherEndJson(head),
    ifname,
    flags,
    mtu,
    ...(!isSpare(show) && { qdisc }),
    ...(master !== undefined && { master }),
    operstate,
    ...(!isSpare(show) && { group }),
    txqlen,
    ...(hasLayer(show) && { link_type, address, broadcast, ...netnsidJson(head) }),
    ...(link && details && detailsJson(link)),
    addr_info,
    ...(link && stats && { stats64: statsJson(link, show) }),
  }
}

/** `ip -j -br addr`. */
export const addrBriefJson = ({ ifname, operstate, addr_info, ...link }: AddressItem) => ({
  ...otherEndJson(link),
  ifname,
  operstate,
  addr_info: addr_info.map(({ local, prefixlen }) => ({ local, prefixlen })),
})

/** With a family the link-layer line is left out, as ip does, but for -d. */
export const addrText = (item: AddressItem, show: AddrShow = {}): string => {
  const { link, details, stats } = show
  const more = link && details ? detailsText(link) : ''
  const lines = [linkHeadText(headOf(item, show))]
  if (hasLayer(show)) lines.push(linkLayerText(item) + more)
  for (const info of item.addr_info) lines.push(`    ${infoHead(info)}`, infoLife(info))
  if (link && stats) lines.push(statsText(link, show))
  return lines.join('\n')
}

/** Each address with its device before it: of `ip monitor`, and where `end` says so all in a line, of `ip -o addr`. */
export const addrLines = (item: AddressItem, end = '\n'): string[] =>
  item.addr_info.map(
    (info) => `${item.ifindex}: ${item.ifname}    ${infoHead(info)}${end}${infoLife(info)}`
  )

/** `ip -br addr`. */
export const addrBrief = (item: AddressItem): string => {
  const addrs = item.addr_info.map((info) => `${info.local}/${info.prefixlen} `).join('')
  return `${briefName(item)} ${item.operstate.padEnd(14)} ${addrs}`
}
