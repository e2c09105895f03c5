/**
 * ARP for IPv4 over Ethernet, RFC 826 (probes and announcements: RFC 5227). Used by core/neigh.
 *
 *  |0      hardware type         |2     protocol type         |
 *  |4 hw len  |5 proto len       |6     operation             |
 *  |8  sender hardware address (6)    |14 sender protocol address (4) |
 *  |18 target hardware address (6)    |24 target protocol address (4) |
 *
 * All functions assume check() passed for (mem, at). Linux counterpart: net/ipv4/arp.c.
 */
import { type Bytes, i32, putI32, putU16, u16 } from '../base/bytes.ts'
import { ETH_P_IP, putMac } from './ethernet.ts'

const HARDWARE = 0
const PROTOCOL = 2
const LENGTHS = 4
const OPERATION = 6
export const SENDER_MAC = 8
const SENDER_IP = 14
export const TARGET_MAC = 18
const TARGET_IP = 24
export const MIN_HEADER = 28

export const ARPHRD_ETHER = 1
const ARPHRD_IEEE802 = 6
/** Hardware length 6 and protocol length 4, read as one word. */
const ETHER_IPV4_LENGTHS = 0x0604
export const ARPOP_REQUEST = 1
export const ARPOP_REPLY = 2

/** Only Ethernet, by either number (RFC 1042), with IPv4 is understood; anything else is dropped, as arp_rcv does. */
export const check = (mem: Bytes, at: number, room: number): boolean =>
  room >= MIN_HEADER &&
  (u16(mem, at + HARDWARE) === ARPHRD_ETHER || u16(mem, at + HARDWARE) === ARPHRD_IEEE802) &&
  u16(mem, at + PROTOCOL) === ETH_P_IP &&
  u16(mem, at + LENGTHS) === ETHER_IPV4_LENGTHS

export const operation = (mem: Bytes, at: number): number => u16(mem, at + OPERATION)
export const senderIp = (mem: Bytes, at: number): number => i32(mem, at + SENDER_IP)
export const targetIp = (mem: Bytes, at: number): number => i32(mem, at + TARGET_IP)
export const senderMacHi = (mem: Bytes, at: number): number => u16(mem, at + SENDER_MAC)
export const senderMacLo = (mem: Bytes, at: number): number => i32(mem, at + SENDER_MAC + 2)
export const targetMacHi = (mem: Bytes, at: number): number => u16(mem, at + TARGET_MAC)
export const targetMacLo = (mem: Bytes, at: number): number => i32(mem, at + TARGET_MAC + 2)

/** Sender and target in one protocol address: an announcement (RFC 5227 section 1.1). */
export const isGratuitous = (mem: Bytes, at: number): boolean =>
  senderIp(mem, at) === targetIp(mem, at)

/** Writes the fixed part; sender and target follow with setSender and setTarget. */
export const init = (mem: Bytes, at: number, op: number): void => {
  putU16(mem, at + HARDWARE, ARPHRD_ETHER)
  putU16(mem, at + PROTOCOL, ETH_P_IP)
  putU16(mem, at + LENGTHS, ETHER_IPV4_LENGTHS)
  putU16(mem, at + OPERATION, op)
}

export const setSender = (mem: Bytes, at: number, hi: number, lo: number, ip: number): void => {
  putMac(mem, at + SENDER_MAC, hi, lo)
  putI32(mem, at + SENDER_IP, ip)
}

export const setTarget = (mem: Bytes, at: number, hi: number, lo: number, ip: number): void => {
  putMac(mem, at + TARGET_MAC, hi, lo)
  putI32(mem, at + TARGET_IP, ip)
}
