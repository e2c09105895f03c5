/**
 * What each primitive of the filter language asks of a frame. Offsets are those of Ethernet, `link` octets in front of the
 * network header (a `vlan` in the expression moves what is behind it). Semantics: pcap-filter(7); libpcap's gencode.c.
 */
import {
  BPF_ABS,
  BPF_B,
  BPF_H,
  BPF_IND,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JSET,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_MSH,
  BPF_W,
  SKF_AD_OFF,
  SKF_AD_PKTTYPE,
} from '../../../bpf/bpf-constants.ts'
import { PACKET_OUTGOING } from '../../../skb/skb.ts'
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
} from '../../../wire/ethernet.ts'
import { IPPROTO_FRAGMENT, IPPROTO_TCP, IPPROTO_UDP } from '../../../wire/ipproto.ts'
import type { Mac, Prefix } from '../../../wire/text.ts'
import { and, type Condition, equals, type Insn, not, or, test } from './condition.ts'

export const ETH_P_RARP = 0x8035
const IPPROTO_SCTP = 132
const ETH_P_QINQ = 0x9100
const IPV4_FRAG_OFFSET = 0x1fff

export type Direction = 'src' | 'dst' | 'either' | 'both'

export const byte = (at: number): Insn => [BPF_LD | BPF_B | BPF_ABS, at]
export const half = (at: number): Insn => [BPF_LD | BPF_H | BPF_ABS, at]
export const word = (at: number): Insn => [BPF_LD | BPF_W | BPF_ABS, at]
/** X: the length of the IPv4 header. */
export const ipv4HeaderLen = (link: number): Insn => [BPF_LDX | BPF_B | BPF_MSH, link]

export const etherProto = (link: number, type: number): Condition => equals(half(link - 2), type)
export const isIpv4 = (link: number): Condition => etherProto(link, ETH_P_IP)
export const isIpv6 = (link: number): Condition => etherProto(link, ETH_P_IPV6)

/** In the direction that was asked for. */
const directed = (direction: Direction, src: () => Condition, dst: () => Condition): Condition => {
  switch (direction) {
    case 'src':
      return src()
    case 'dst':
      return dst()
    case 'both':
      return and(src(), dst())
    case 'either':
      return or(src(), dst())
  }
}

export const ipv4Proto = (link: number, protocol: number): Condition =>
  and(isIpv4(link), equals(byte(link + 9), protocol))
/** In the first header, or behind that of a fragment. */
export const ipv6Proto = (link: number, protocol: number): Condition =>
  and(
    isIpv6(link),
    or(
      equals(byte(link + 6), protocol),
      and(equals(byte(link + 6), IPPROTO_FRAGMENT), equals(byte(link + 40), protocol))
    )
  )
export const anyProto = (link: number, protocol: number): Condition =>
  or(ipv6Proto(link, protocol), ipv4Proto(link, protocol))

/** The first octets of what lies at `at` are the prefix. */
const hasPrefix = (at: number, words: readonly number[], prefixlen: number): Condition => {
  const tests = words.flatMap((value, k) => {
    const bits = Math.min(32, prefixlen - 32 * k)
    if (bits <= 0) return []
    const mask = bits === 32 ? -1 : ~(0xffffffff >>> bits)
    return [equals(word(at + 4 * k), value & mask, mask)]
  })
  // the whole Internet
  return tests.length === 0 ? test([[BPF_LD | BPF_LEN, 0]], BPF_JGE, 0) : and(...tests)
}
export const ipv4Net = (
  link: number,
  { words, prefixlen }: Prefix,
  direction: Direction,
  protocols: readonly number[]
): Condition =>
  or(
    ...protocols.map((type) => {
      const [src, dst] = type === ETH_P_IP ? [12, 16] : [14, 24]
      const at = (offset: number) => () => hasPrefix(link + offset, [words[3]], prefixlen)
      return and(etherProto(link, type), directed(direction, at(src!), at(dst!)))
    })
  )
export const ipv6Net = (
  link: number,
  { words, prefixlen }: Prefix,
  direction: Direction
): Condition => {
  const at = (offset: number) => () => hasPrefix(link + offset, words, prefixlen)
  return and(isIpv6(link), directed(direction, at(8), at(24)))
}
export const IPV4_AND_ARP = [ETH_P_IP, ETH_P_ARP, ETH_P_RARP]

export const etherHost = ({ hi, lo }: Mac, direction: Direction): Condition => {
  const at = (offset: number) => () => and(equals(word(offset + 2), lo), equals(half(offset), hi))
  return directed(direction, at(6), at(0))
}

/** The transport's first octets are only in a first fragment. */
export const isFirstFragment = (link: number): Condition =>
  not(test([half(link + 6)], BPF_JSET, IPV4_FRAG_OFFSET))

const WITH_PORTS = [IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP]
/** A port between two, both among them, of the protocol or of any that has ports. */
export const portRange = (
  link: number,
  protocol: number | null,
  direction: Direction,
  from: number,
  to: number
): Condition => {
  const protocols = protocol === null ? WITH_PORTS : [protocol]
  const isBetween = (load: readonly Insn[]): Condition =>
    from === to
      ? test(load, BPF_JEQ, from)
      : and(test(load, BPF_JGE, from), not(test(load, BPF_JGT, to)))
  const of6 = (offset: number) => () => isBetween([half(link + 40 + offset)])
  const of4 = (offset: number) => () =>
    isBetween([ipv4HeaderLen(link), [BPF_LD | BPF_H | BPF_IND, link + offset]])
  const isOne = (at: number): Condition =>
    or(...protocols.map((one) => equals(byte(link + at), one)))
  return or(
    and(isIpv6(link), isOne(6), directed(direction, of6(0), of6(2))),
    and(isIpv4(link), isOne(9), isFirstFragment(link), directed(direction, of4(0), of4(2)))
  )
}

export const etherBroadcast = (): Condition => etherHost({ hi: 0xffff, lo: -1 }, 'dst')
export const etherMulticast = (): Condition => test([byte(0)], BPF_JSET, 1)
export const ipv4Multicast = (link: number): Condition =>
  and(isIpv4(link), test([byte(link + 16)], BPF_JGE, 224))
export const ipv6Multicast = (link: number): Condition =>
  and(isIpv6(link), equals(byte(link + 24), 255))

/** A tag in the frame, whose VLAN is that one. */
export const vlanTag = (link: number, vid: number | null): Condition => {
  const isTag = or(...[ETH_P_8021Q, ETH_P_8021AD, ETH_P_QINQ].map((type) => etherProto(link, type)))
  return vid === null ? isTag : and(isTag, equals(half(link), vid, 0x0fff))
}

export const isOutbound = (): Condition =>
  equals([BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE], PACKET_OUTGOING)
