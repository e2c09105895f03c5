/**
 * A packet in words, for a dry run: `tcp 10.1.0.1:5000 > 10.2.0.1:80`, `icmp fd00::1 > fd00::2 ttl 1`, or a frame in hex.
 * Checksums are right and lengths are what they must be; who wants them wrong writes the octets.
 */
import { pseudoSum } from '../../base/checksum.ts'
import * as ethernet from '../../wire/ethernet.ts'
import * as icmp from '../../wire/icmp.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import * as tcp from '../../wire/tcp.ts'
import { type Addr, type Mac, parseAddr, parseMac } from '../../wire/text.ts'
import * as udp from '../../wire/udp.ts'

/** What is wrong with the words. */
type Mistake = { mistake: string }
type End = { addr: Addr; port: number }
type Words = {
  src: End
  dst: End
  ttl: number
  tos: number
  len: number
  isDf: boolean
  flags: number
  from: Mac | null
  to: Mac | null
}

const MAX_PAYLOAD = 65000
const HEX = /^(?:[0-9a-f]{2})+$/i
/** Before it there is not even an Ethernet header. */
const MIN_HEX = 2 * ethernet.ETH_HLEN
/** A neighbour that nobody knows. */
const STRANGER: Mac = { hi: 0x0200, lo: 0x5e10_0001 }
const FLAG_LETTERS: Readonly<Record<string, number>> = {
  F: tcp.TCP_FIN,
  S: tcp.TCP_SYN,
  R: tcp.TCP_RST,
  P: tcp.TCP_PSH,
  '.': tcp.TCP_ACK,
  A: tcp.TCP_ACK,
  U: tcp.TCP_URG,
  E: tcp.TCP_ECE,
  W: tcp.TCP_CWR,
}

const mistake = (text: string): Mistake => ({ mistake: text })

const readEnd = (text: string): End | null => {
  const parts = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+)(?::(\d{1,5}))?$/.exec(text)
  const addr = parseAddr(parts?.[1] ?? text)
  const port = Number(parts?.[2] ?? 0)
  return addr === null || port > 65535 ? null : { addr, port }
}

const readNumber = (text: string | undefined, max: number): number | null =>
  text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= max ? Number(text) : null

const readFlags = (text: string | undefined): number | null => {
  let bits = 0
  for (const letter of text ?? '?') {
    const bit = FLAG_LETTERS[letter.toUpperCase()]
    if (bit === undefined) return null
    bits |= bit
  }
  return bits
}

/** The words behind the addresses, into `words`; what is wrong with them. */
const readOptions = (list: readonly string[], words: Words): Mistake | null => {
  for (let k = 0; k < list.length; k++) {
    const name = list[k]
    if (name === 'df') {
      words.isDf = true
      continue
    }
    const value = list[++k]
    if (name === 'ttl' || name === 'tos' || name === 'len') {
      const number = readNumber(value, name === 'len' ? MAX_PAYLOAD : 255)
      if (number === null) return mistake(`"${value ?? ''}" is no ${name}`)
      words[name] = number
    } else if (name === 'flags') {
      const bits = readFlags(value)
      if (bits === null) return mistake(`"${value ?? ''}" are no TCP flags`)
      words.flags = bits
    } else if (name === 'from' || name === 'to') {
      words[name] = parseMac(value ?? '')
      if (words[name] === null) return mistake(`"${value ?? ''}" is no MAC address`)
    } else return mistake(`"${name}" is no word of a packet: ttl, tos, len, df, flags, from, to`)
  }
  return null
}

/** Writes the transport's header at the end of an IP header; its checksum, from the sum of the pseudo header. */
type Transport = {
  protocol: number
  headerLen: number
  write: (mem: Uint8Array, at: number, len: number, words: Words, pseudo: number) => void
}
const TCP: Transport = {
  protocol: IPPROTO_TCP,
  headerLen: tcp.MIN_HEADER,
  write: (mem, at, len, { src, dst, flags }, pseudo) => {
    tcp.setSrcPort(mem, at, src.port)
    tcp.setDstPort(mem, at, dst.port)
    tcp.setSeq(mem, at, 1)
    tcp.setHeaderLenFlags(mem, at, tcp.MIN_HEADER, flags)
    tcp.setWindow(mem, at, 65535)
    tcp.setChecksum(mem, at, len, pseudo)
  },
}
const UDP: Transport = {
  protocol: IPPROTO_UDP,
  headerLen: udp.MIN_HEADER,
  write: (mem, at, len, { src, dst }, pseudo) => {
    udp.setSrcPort(mem, at, src.port)
    udp.setDstPort(mem, at, dst.port)
    udp.setLength(mem, at, len)
    udp.setChecksum(mem, at, pseudo)
  },
}
const ICMP: Transport = {
  protocol: IPPROTO_ICMP,
  headerLen: icmp.MIN_HEADER,
  write: (mem, at, len) => {
    icmp.setType(mem, at, icmp.ICMP_ECHO)
    icmp.setId(mem, at, 1)
    icmp.setSeq(mem, at, 1)
    icmp.setChecksum(mem, at, len)
  },
}
const ICMPV6: Transport = {
  protocol: IPPROTO_ICMPV6,
  headerLen: icmp.MIN_HEADER,
  write: (mem, at, len, _words, pseudo) => {
    icmpv6.setType(mem, at, icmpv6.ICMPV6_ECHO_REQUEST)
    icmpv6.setId(mem, at, 1)
    icmpv6.setSeq(mem, at, 1)
    icmpv6.setChecksum(mem, at, len, pseudo)
  },
}
const TRANSPORTS: Readonly<Record<string, readonly [v4: Transport, v6: Transport]>> = {
  tcp: [TCP, TCP],
  udp: [UDP, UDP],
  icmp: [ICMP, ICMPV6],
}

/** Where a destination of many is heard; null for one host. */
const groupMac = ({ family, words: [w0, , , w3] }: Addr): Mac | null => {
  if (family === 6)
    return ipv6.isMulticastAddr(w0) ? { hi: ethernet.IPV6_MULTICAST_HI, lo: w3 } : null
  if (w3 === ipv4.INADDR_BROADCAST) return { hi: 0xffff, lo: -1 }
  if (!ipv4.isMulticastAddr(w3)) return null
  return { hi: ethernet.IPV4_MULTICAST_HI, lo: ethernet.ipv4MulticastLo(w3) }
}

const frameOf = (words: Words, transport: Transport, own: Mac): Uint8Array => {
  const isV6 = words.src.addr.family === 6
  const at = ethernet.ETH_HLEN
  const ipLen = isV6 ? ipv6.HEADER : ipv4.MIN_HEADER
  const len = transport.headerLen + words.len
  const mem = new Uint8Array(at + ipLen + len)
  const { hi, lo } = words.to ?? groupMac(words.dst.addr) ?? own
  const from = words.from ?? STRANGER
  ethernet.setDst(mem, 0, hi, lo)
  ethernet.setSrc(mem, 0, from.hi, from.lo)
  ethernet.setType(mem, 0, isV6 ? ethernet.ETH_P_IPV6 : ethernet.ETH_P_IP)
  if (isV6) {
    ipv6.init(mem, at, transport.protocol, len, words.ttl)
    ipv6.setTrafficClassFlow(mem, at, words.tos, 0)
    ipv6.setSrc(mem, at, ...words.src.addr.words)
    ipv6.setDst(mem, at, ...words.dst.addr.words)
  } else {
    const [saddr, daddr] = [words.src.addr.words[3], words.dst.addr.words[3]]
    ipv4.init(mem, at, transport.protocol, saddr, daddr, ipLen + len, words.ttl)
    ipv4.setTos(mem, at, words.tos)
    if (words.isDf) ipv4.setFragment(mem, at, ipv4.IP_DF, 0)
    ipv4.setChecksum(mem, at)
  }
  const [addrs, addrsLen] = isV6 ? [ipv6.ADDRS, ipv6.ADDRS_LEN] : [ipv4.ADDRS, ipv4.ADDRS_LEN]
  const pseudo = pseudoSum(mem, at + addrs, addrsLen, transport.protocol, len)
  transport.write(mem, at + ipLen, len, words, pseudo)
  return mem
}

/** The frame that a text means, addressed to the device's own MAC address where it does not say another. */
export const madePacket = (text: string, own: Mac): Uint8Array | Mistake => {
  const octets = text.replaceAll(/[\s:]/g, '')
  if (octets.length >= MIN_HEX && HEX.test(octets)) return Uint8Array.fromHex(octets)
  const [name = '', from = '', arrow, to = '', ...rest] = text.trim().split(/\s+/)
  if (!Object.hasOwn(TRANSPORTS, name) || arrow !== '>')
    return mistake('a packet is "tcp|udp|icmp SRC[:PORT] > DST[:PORT]", or a frame in hex')
  const [src, dst] = [readEnd(from), readEnd(to)]
  if (src === null) return mistake(`"${from}" is no address`)
  if (dst === null) return mistake(`"${to}" is no address`)
  if (src.addr.family !== dst.addr.family) return mistake('the addresses are of two families')
  const words: Words = {
    src,
    dst,
    ttl: 64,
    tos: 0,
    len: name === 'icmp' ? 56 : 0,
    isDf: false,
    flags: tcp.TCP_SYN,
    from: null,
    to: null,
  }
  const wrong = readOptions(rest, words)
  if (wrong !== null) return wrong
  return frameOf(words, TRANSPORTS[name][src.addr.family === 6 ? 1 : 0], own)
}
