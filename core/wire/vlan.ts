/**
 * VLAN tag, IEEE 802.1Q; stacked tags follow each other. Used by vlan devices and the dissector.
 *
 *  the outer EtherType (8100 or 88a8) lies before:  | PCP (3) DEI (1) VID (12) | inner type (2) |
 *
 * `at` is the TCI, just behind the outer EtherType. All functions assume check() passed.
 * Linux counterpart: include/linux/if_vlan.h.
 */
import { type Bytes, copy, putU16, u16 } from '../base/bytes.ts'
import { ETH_P_8021AD, ETH_P_8021Q } from './ethernet.ts'

const TCI = 0
const TYPE = 2
export const VLAN_HLEN = 4
export const VLAN_VID_MASK = 0x0fff
const PRIO_SHIFT = 13

/** The two MAC addresses, which stay in front when a tag is put in or taken out. */
const ADDRESSES_LEN = 12

export const check = (_mem: Bytes, _at: number, room: number): boolean => room >= VLAN_HLEN

export const isVlanType = (ethertype: number): boolean =>
  ethertype === ETH_P_8021Q || ethertype === ETH_P_8021AD

export const tci = (mem: Bytes, at: number): number => u16(mem, at + TCI)
export const type = (mem: Bytes, at: number): number => u16(mem, at + TYPE)
export const vid = (mem: Bytes, at: number): number => tci(mem, at) & VLAN_VID_MASK
export const priority = (mem: Bytes, at: number): number => tci(mem, at) >> PRIO_SHIFT

export const setTci = (mem: Bytes, at: number, value: number): void => putU16(mem, at + TCI, value)
export const setType = (mem: Bytes, at: number, value: number): void =>
  putU16(mem, at + TYPE, value)

export const makeTci = (vlanId: number, prio: number): number =>
  (prio << PRIO_SHIFT) | (vlanId & VLAN_VID_MASK)

/** Puts a tag in; needs 4 octets of headroom. Returns where the frame starts now. */
export const insert = (mem: Bytes, frameAt: number, protocol: number, tagTci: number): number => {
  const start = frameAt - VLAN_HLEN
  copy(mem, start, frameAt, ADDRESSES_LEN)
  putU16(mem, start + ADDRESSES_LEN, protocol)
  putU16(mem, start + ADDRESSES_LEN + 2, tagTci)
  return start
}

/** Takes the outermost tag out. Returns where the frame starts now. */
export const remove = (mem: Bytes, frameAt: number): number => {
  const start = frameAt + VLAN_HLEN
  copy(mem, start, frameAt, ADDRESSES_LEN)
  return start
}
