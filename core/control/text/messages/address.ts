/** Addresses in the words of `ip addr`. */
import type { FamilyName } from './family.ts'
import type { LinkItem } from './link.ts'

export type AddressSpec = {
  dev: string
  local: string
  prefixlen: number
  broadcast?: string
  scope?: string | number
  label?: string
  /** 'noprefixroute', 'nodad', 'home' ... */
  flags?: string[]
  /** Seconds; 4294967295 is for ever. */
  valid_life_time?: number
  preferred_life_time?: number
}
export type AddressInfo = {
  family: FamilyName
  local: string
  prefixlen: number
  broadcast?: string
  scope: string
  /** ip -j prints flags as fields that are true. */
  secondary?: boolean
  temporary?: boolean
  nodad?: boolean
  optimistic?: boolean
  dadfailed?: boolean
  home?: boolean
  deprecated?: boolean
  tentative?: boolean
  dynamic?: boolean
  mngtmpaddr?: boolean
  noprefixroute?: boolean
  'stable-privacy'?: boolean
  label?: string
  valid_life_time: number
  preferred_life_time: number
}
/** As `ip -j addr` prints it: a link with its addresses. */
export type AddressItem = Pick<
  LinkItem,
  | 'ifindex'
  | 'link'
  | 'link_index'
  | 'link_netnsid'
  | 'link_netns'
  | 'ifname'
  | 'flags'
  | 'mtu'
  | 'qdisc'
  | 'master'
  | 'operstate'
  | 'group'
  | 'txqlen'
  | 'link_type'
  | 'address'
  | 'broadcast'
> & { addr_info: AddressInfo[] }
