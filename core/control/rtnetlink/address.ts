/** Addresses. Linux: include/uapi/linux/if_addr.h. */
import type { Ifaddr } from '../../inet/addr/ifaddr-held.ts'
import type { Words } from '../../wire/text.ts'

export type AddressKey = Pick<Ifaddr, 'ifindex' | 'family' | 'words' | 'prefixlen'>
export type AddressFilter = {
  family?: number
  ifindex?: number
  scope?: number
  to?: { family: number; words: Words; plen: number }
}
