/** Addresses as `ip addr` prints them. iproute2: ip/ipaddress.c. */
import type { AddressInfo, AddressItem, FamilyName } from '../../core/control/text/messages.ts'
import { linkHeadText, linkLayerText } from './link.ts'

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

/** The kernel tells of IPv4 addresses first. */
export const addrJson = <T extends AddressItem>(item: T): T => ({
  ...item,
  addr_info: [...item.addr_info].sort((a, b) => a.family.length - b.family.length),
})

/** With a family the link-layer line is left out, as ip does. */
export const addrText = (item: AddressItem & { link?: string }, family?: FamilyName): string => {
  const lines = [linkHeadText(item)]
  if (family === undefined) lines.push(linkLayerText(item))
  for (const info of item.addr_info) lines.push(`    ${infoHead(info)}`, infoLife(info))
  return lines.join('\n')
}

/** `ip -o addr`: a line an address. */
export const addrOneline = (item: AddressItem): string[] =>
  item.addr_info.map(
    (info) => `${item.ifindex}: ${item.ifname}    ${infoHead(info)}\\${infoLife(info)}`
  )

/** `ip -br addr`. */
export const addrBrief = (item: AddressItem): string => {
  const addrs = item.addr_info.map((info) => `${info.local}/${info.prefixlen} `).join('')
  return `${item.ifname.padEnd(16)} ${item.operstate.padEnd(14)} ${addrs}`
}
