/**
 * Link types of captures: their names, and how a packet of one that is not Ethernet becomes an Ethernet frame: what lies
 * before the network header, and which protocol that is. Used by the pcap driver when it replays a capture. The numbers:
 * tcpdump.org/linktypes.html; LINUX_SLL: pcap-linktype(7).
 */
import type { Bytes } from '../base/bytes.ts'
import { i32, i32le, u16 } from '../base/bytes.ts'
import { ETH_P_802_3_MIN, ETH_P_IP, ETH_P_IPV6 } from './ethernet.ts'
import { LINKTYPE_ETHERNET } from './pcap.ts'

const LINKTYPE_NULL = 0
const LINKTYPE_RAW = 101
/** DLT_RAW as systems number it, which some programs write into files. */
const DLT_RAW = 12
const DLT_RAW_OPENBSD = 14
const LINKTYPE_LOOP = 108
const LINKTYPE_LINUX_SLL = 113
const LINKTYPE_IPV4 = 228
const LINKTYPE_IPV6 = 229
const LINKTYPE_LINUX_SLL2 = 276

/** Those that people meet; others go by their number. */
const NAMES: Record<number, string> = {
  [LINKTYPE_NULL]: 'NULL',
  [LINKTYPE_ETHERNET]: 'ETHERNET',
  6: 'IEEE802_5',
  9: 'PPP',
  [DLT_RAW]: 'RAW',
  [DLT_RAW_OPENBSD]: 'RAW',
  50: 'PPP_HDLC',
  51: 'PPP_ETHER',
  [LINKTYPE_RAW]: 'RAW',
  104: 'C_HDLC',
  105: 'IEEE802_11',
  [LINKTYPE_LOOP]: 'LOOP',
  [LINKTYPE_LINUX_SLL]: 'LINUX_SLL',
  119: 'IEEE802_11_PRISM',
  127: 'IEEE802_11_RADIOTAP',
  147: 'USER0',
  187: 'BLUETOOTH_HCI_H4',
  189: 'USB_LINUX',
  192: 'PPI',
  195: 'IEEE802_15_4_WITHFCS',
  220: 'USB_LINUX_MMAPPED',
  [LINKTYPE_IPV4]: 'IPV4',
  [LINKTYPE_IPV6]: 'IPV6',
  249: 'USBPCAP',
  [LINKTYPE_LINUX_SLL2]: 'LINUX_SLL2',
}
export const linkTypeName = (type: number): string => `${NAMES[type] ?? 'link type'} (${type})`

const READABLE = new Set([
  LINKTYPE_ETHERNET,
  LINKTYPE_NULL,
  LINKTYPE_RAW,
  DLT_RAW,
  DLT_RAW_OPENBSD,
  LINKTYPE_LOOP,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  LINKTYPE_IPV4,
  LINKTYPE_IPV6,
])
export const isReadableLinkType = (type: number): boolean => READABLE.has(type)

/** AF_INET is 2 everywhere; AF_INET6 differs: Linux, NetBSD and OpenBSD, FreeBSD, macOS. */
const AF_INET = 2
const isInet6 = (family: number): boolean =>
  family === 10 || family === 24 || family === 28 || family === 30

const NULL_HLEN = 4
const SLL_HLEN = 16
const SLL2_HLEN = 20
/** Pseudo devices whose protocol field is no ethertype: netlink, GRE, 802.11 with and without headers. */
const isOddDevice = (arphrd: number): boolean =>
  arphrd === 824 || arphrd === 778 || (arphrd >= 801 && arphrd <= 803)

/** What the latest linkHeader() found: one reader, so one answer at a time. */
export type LinkHeader = { len: number; type: number; isBroadcast: boolean }

/** Fills `out` with the header that a packet of a readable type other than Ethernet has; false when it is no such packet. */
export const readLinkHeader = (
  out: LinkHeader,
  linkType: number,
  mem: Bytes,
  at: number,
  len: number
): boolean => {
  out.isBroadcast = false
  switch (linkType) {
    case LINKTYPE_NULL:
    case LINKTYPE_LOOP:
      return readNull(out, linkType, mem, at, len)
    case LINKTYPE_LINUX_SLL:
      if (len < SLL_HLEN || isOddDevice(u16(mem, at + 2))) return false
      return readSll(out, SLL_HLEN, u16(mem, at + 14), u16(mem, at))
    case LINKTYPE_LINUX_SLL2:
      if (len < SLL2_HLEN || isOddDevice(u16(mem, at + 8))) return false
      return readSll(out, SLL2_HLEN, u16(mem, at), mem[at + 10])
    default:
      return readRaw(out, 0, mem, at, len)
  }
}

/** By the version in the IP header. */
const readRaw = (out: LinkHeader, len: number, mem: Bytes, at: number, room: number): boolean => {
  const version = room > len ? mem[at + len] >> 4 : 0
  out.len = len
  out.type = version === 4 ? ETH_P_IP : ETH_P_IPV6
  return version === 4 || version === 6
}
/** The address family, in the byte order of the machine that wrote it (NULL) or the network's (LOOP). */
const readNull = (
  out: LinkHeader,
  linkType: number,
  mem: Bytes,
  at: number,
  len: number
): boolean => {
  if (len < NULL_HLEN) return false
  const big = i32(mem, at)
  const family = linkType === LINKTYPE_LOOP || (big >= 0 && big < 256) ? big : i32le(mem, at)
  if (family !== AF_INET && !isInet6(family)) return false
  return readRaw(out, NULL_HLEN, mem, at, len)
}
/** Packet type 1 is broadcast; a protocol below 0x600 stands for 802.3 or 802.2 framing. */
const readSll = (out: LinkHeader, len: number, type: number, pktType: number): boolean => {
  out.len = len
  out.type = type
  out.isBroadcast = pktType === 1
  return type >= ETH_P_802_3_MIN
}
