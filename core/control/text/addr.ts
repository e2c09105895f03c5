/**
 * Addresses between words and numbers, with the defaults of `ip addr` (ip/ipaddress.c).
 */
import { AF_INET } from '../../base/family.ts'
import {
  FOREVER,
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_HOMEADDRESS,
  IFA_F_MANAGETEMPADDR,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_F_STABLE_PRIVACY,
  IFA_F_TENTATIVE,
} from '../../inet/addr/ifaddr-constants.ts'
import type { Ifaddr } from '../../inet/addr/ifaddr-held.ts'
import { RT_SCOPE_HOST, RT_SCOPE_UNIVERSE } from '../../inet/fib/nexthop-constants.ts'
import { scopeOf6 } from '../../inet/addr/source.ts'
import type { Addr } from '../../wire/text.ts'
import {
  addrLen,
  formatAddr,
  formatIpv4,
  parseAddr,
  parseIpv4,
  parsePrefix,
} from '../../wire/text.ts'
import type { AddressFilter, AddressKey } from '../rtnetlink.ts'
import type {
  AddressInfo,
  AddressItem,
  AddressSpec,
  DumpOf,
  LinkItem,
  Refused,
} from './messages.ts'
import type { DeviceNames } from './names.ts'
import {
  addrOf,
  badAddress,
  badPrefix,
  familyName,
  familyNumber,
  familyOf,
  noSuchDevice,
  scopeNames,
  wrong,
  isRefused,
} from './names.ts'

/** What may be asked of an address; most is IPv6's, and nothing to IPv4, which is tried where dad_transmits says so. */
const ASKED: Readonly<Record<string, number>> = {
  nodad: IFA_F_NODAD,
  optimistic: IFA_F_OPTIMISTIC,
  home: IFA_F_HOMEADDRESS,
  mngtmpaddr: IFA_F_MANAGETEMPADDR,
  noprefixroute: IFA_F_NOPREFIXROUTE,
}
/** Flags that are told as fields which are true, in ip's order. */
const TOLD = {
  nodad: IFA_F_NODAD,
  optimistic: IFA_F_OPTIMISTIC,
  dadfailed: IFA_F_DADFAILED,
  home: IFA_F_HOMEADDRESS,
  deprecated: IFA_F_DEPRECATED,
  tentative: IFA_F_TENTATIVE,
} as const
const TOLD_LAST = {
  mngtmpaddr: IFA_F_MANAGETEMPADDR,
  noprefixroute: IFA_F_NOPREFIXROUTE,
  'stable-privacy': IFA_F_STABLE_PRIVACY,
} as const
const toldOf = (flags: number, words: Readonly<Record<string, number>>): Record<string, true> =>
  Object.fromEntries(
    Object.entries(words)
      .filter(([, flag]) => (flags & flag) !== 0)
      .map(([word]) => [word, true])
  )

export const readAddressKey = (
  { dev, local, prefixlen }: Pick<AddressSpec, 'dev' | 'local' | 'prefixlen'>,
  names: DeviceNames
): AddressKey | Refused => {
  const ifindex = names.ifindexOf(dev)
  if (ifindex === 0) return noSuchDevice(dev)
  const addr = parseAddr(local)
  if (addr === null) return badPrefix(local, 'local')
  if (!(Number.isInteger(prefixlen) && prefixlen >= 0 && prefixlen <= addrLen(addr.family)))
    return badPrefix(`${local}/${prefixlen}`, 'prefixlen')
  return { ifindex, family: familyOf(addr), words: addr.words, prefixlen }
}
/** '+' is the network's last address, as `brd +`. */
const readBroadcast = (text: string, { family, words, prefixlen }: AddressKey): number | null => {
  if (family !== AF_INET) return null
  if (text !== '+') return parseIpv4(text)
  const mask = prefixlen === 0 ? 0 : -1 << (32 - prefixlen)
  return prefixlen > 30 ? 0 : words[3] | ~mask
}
const defaultScope = ({ family, words }: AddressKey): number => {
  if (family !== AF_INET) return scopeOf6(...words)
  return words[3] >>> 24 === 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE
}

export const readAddress = (spec: AddressSpec, names: DeviceNames): Ifaddr | Refused => {
  const key = readAddressKey(spec, names)
  if (isRefused(key)) return key
  const scope = spec.scope === undefined ? defaultScope(key) : scopeNames.parse(spec.scope)
  if (scope === null) return wrong(spec.scope, 'invalid scope value.', 'scope')
  const broadcast = spec.broadcast === undefined ? 0 : readBroadcast(spec.broadcast, key)
  if (broadcast === null) return badAddress(spec.broadcast ?? '', 'broadcast')
  let flags = 0
  for (const word of spec.flags ?? []) {
    const flag = Object.hasOwn(ASKED, word) ? ASKED[word] : undefined
    if (flag === undefined)
      return wrong(word, 'is not a flag that an address may be given', 'flags')
    flags |= flag
  }
  if (key.family === AF_INET) flags &= IFA_F_NOPREFIXROUTE | IFA_F_NODAD
  const { valid_life_time: validLft = FOREVER, preferred_life_time = FOREVER } = spec
  const preferredLft = Math.min(preferred_life_time, FOREVER)
  const { dev, label = dev } = spec
  return {
    ...key,
    scope,
    broadcast,
    flags,
    validLft: Math.min(validLft, FOREVER),
    preferredLft,
    ...(key.family === AF_INET && label !== dev && { label }),
  }
}

export const readAddressFilter = (
  filter: NonNullable<DumpOf<'RTM_GETADDR'>['filter']>,
  names: DeviceNames
): AddressFilter | Refused => {
  const { family, dev, scope, to } = filter
  const read: AddressFilter = {}
  if (family !== undefined) read.family = familyNumber(family)
  if (dev !== undefined) {
    read.ifindex = names.ifindexOf(dev)
    if (read.ifindex === 0) return noSuchDevice(dev)
  }
  if (scope !== undefined) {
    const number = scopeNames.parse(scope)
    if (number === null) return wrong(scope, 'invalid "scope" value', 'scope')
    read.scope = number
  }
  if (to !== undefined) {
    const prefix = parsePrefix(to)
    if (prefix === null) return badPrefix(to, 'to', 'any valid')
    read.to = { family: familyOf(prefix), words: prefix.words, plen: prefix.prefixlen }
  }
  return read
}

export const writeAddress = (at: Ifaddr, dev: string): AddressInfo => ({
  family: familyName(at.family),
  local: formatAddr(addrOf(at.family, at.words) as Addr),
  prefixlen: at.prefixlen,
  ...(at.broadcast !== 0 && { broadcast: formatIpv4(at.broadcast) }),
  scope: scopeNames.format(at.scope),
  ...((at.flags & IFA_F_SECONDARY) !== 0 &&
    (at.family === AF_INET ? { secondary: true } : { temporary: true })),
  ...toldOf(at.flags, TOLD),
  ...((at.flags & IFA_F_PERMANENT) === 0 && { dynamic: true }),
  ...toldOf(at.flags, TOLD_LAST),
  ...(at.family === AF_INET && { label: at.label ?? dev }),
  valid_life_time: at.validLft,
  preferred_life_time: at.preferredLft,
})

/** Where a link's other end is, if it has one. */
const pickOtherEnd = ({ link, link_index, link_netnsid, link_netns }: LinkItem) => ({
  ...(link !== undefined && { link }),
  ...(link_index !== undefined && { link_index }),
  ...(link_netnsid !== undefined && { link_netnsid }),
  ...(link_netns !== undefined && { link_netns }),
})

/** A link with these of its addresses. */
export const writeAddresses = (link: LinkItem, addresses: readonly Ifaddr[]): AddressItem => ({
  ifindex: link.ifindex,
  ...pickOtherEnd(link),
  ifname: link.ifname,
  flags: link.flags,
  mtu: link.mtu,
  qdisc: link.qdisc,
  ...(link.master !== undefined && { master: link.master }),
  operstate: link.operstate,
  group: link.group,
  txqlen: link.txqlen,
  link_type: link.link_type,
  address: link.address,
  broadcast: link.broadcast,
  addr_info: addresses.map((at) => writeAddress(at, link.ifname)),
})
