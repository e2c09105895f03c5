// Frames of IPv6's cases, out of a seed: every protocol, every kind of destination and source, sizes around the MTUs,
// extension headers in every order, fragments, and all of it spoilt a little now and then.

import * as ethernet from '../../../core/wire/ethernet.ts'
import {
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMPV6,
  IPPROTO_NONE,
  IPPROTO_ROUTING,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '../../../core/wire/ipproto.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import { etherFrame } from '../../../sim/net/packets.ts'
import {
  fragmentHeader,
  icmpv6Message,
  type Ip6Fields,
  ip6Packet,
  tcpSegment6,
  udpDatagram6,
} from '../../../sim/net/packets6.ts'
import { randomBytes } from '../../support/random.ts'
import type { Draw } from '../ipv4/packets.ts'
import {
  DISCARD_PORT,
  hostMac,
  hostOf,
  KNOWN,
  linkHostOf,
  linkLocalOf,
  LINKS,
  OWN,
  ownMac,
  ownOf,
} from './world.ts'

const FLAGS_OF_TCP = [0x02, 0x10, 0x04, 0x14, 0x12, 0x11, 0x18, 0x00, 0x3f, 0xc2]
const OTHER_MAC = '02:99:99:99:99:99'
type Ext = NonNullable<Ip6Fields['ext']>[number]

export const createPackets6 = (draw: Draw) => {
  const { random, below, oneIn, from } = draw
  const octets = (n: number): Uint8Array => randomBytes(random, n)
  const hex = (n: number): string => below(n).toString(16)

  // ---- addresses

  const known = (link: number): string => hostOf(link, from(KNOWN))
  const remote = (link: number): string => `2001:db8:10${link}:${hex(65536)}::${hex(65536)}`
  const oddSource = (): string =>
    from(['::', '::1', 'ff02::1', `ff0e::${hex(99)}`, '::ffff:10.0.0.1', '2001:db8:999::1'])
  const source = (link: number): string => {
    const kind = below(20)
    if (kind < 10) return known(link)
    if (kind < 13) return linkHostOf(link, from(KNOWN))
    if (kind < 16) return remote(link)
    if (kind < 17) return remote(from(LINKS))
    if (kind < 18) return from(OWN)
    return kind < 19 ? known(from(LINKS)) : oddSource()
  }
  const oddTarget = (): string =>
    from([
      '::',
      '::1',
      'ff00::1',
      'ff01::1',
      'ff02::1',
      'ff02::2',
      'ff02::99',
      'ff05::2',
      'ff0e::1',
      '2001:db8:110::1',
      '2001:db8:111::1',
      '2001:db8:112::1',
      '2001:db8:999::1',
      'fe80::99',
      '2001:db8:7::1',
      '2001:db8:3::77',
      ...LINKS.map((link) => `2001:db8:${link}::`),
      'fd00:3::',
    ])
  const target = (link: number): string => {
    const kind = below(20)
    if (kind < 6) return ownOf(link)
    if (kind < 8) return linkLocalOf(oneIn(4) ? from(LINKS) : link)
    if (kind < 9) return from(OWN)
    if (kind < 11) return known(from(LINKS))
    if (kind < 15) return remote(from(LINKS))
    return kind < 16 ? `2001:db8:105::${hex(99)}` : oddTarget()
  }

  // ---- what is in a packet

  const size = (): number => {
    const kind = below(8)
    if (kind < 4) return below(64)
    if (kind < 5) return below(1440)
    return Math.max(0, from([1280, 1300, 1500, 128]) - 40 - 8 + below(9) - 4)
  }
  const ports = () => ({
    sport: 1024 + below(60000),
    dport: from([DISCARD_PORT, 7, 1000 + below(60000)]),
  })
  const quoted = (fields: Ip6Fields): Uint8Array => {
    const about = { saddr: oneIn(2) ? fields.daddr : from(OWN), daddr: target(from(LINKS)) }
    const inner = ip6Packet(
      { ...about, protocol: from([58, 6, 17, 47]), hops: 1 + below(64) },
      octets(8 + below(40))
    )
    return oneIn(8) ? inner.subarray(0, below(inner.length)) : inner
  }
  /** Not those of discovery, of routers and of groups. */
  const otherType = (): number => from([0, 5, 100, 101, 127, 138, 139, 140, 144, 200, 255])
  const icmp = (fields: Ip6Fields): Uint8Array => {
    const kind = below(10)
    const message = (type: number, code: number, rest: number, data: Uint8Array): Uint8Array => {
      const made = icmpv6Message(fields, type, code, rest, data)
      if (oneIn(16)) made[2]! ^= 1
      return made
    }
    if (kind < 5) return message(128, oneIn(8) ? below(4) : 0, random(), octets(size()))
    if (kind < 6) return message(129, 0, random(), octets(below(40)))
    if (kind < 7) return message(otherType(), below(4), random(), octets(below(40)))
    const mtu = from([0, 68, 1279, 1280, 1300, 1499, 1500, 9000, -1])
    if (kind < 8) return message(2, oneIn(8) ? 1 : 0, mtu, quoted(fields))
    return message(from([1, 3, 4]), below(8), oneIn(2) ? random() : 0, quoted(fields))
  }
  const payload = (fields: Ip6Fields): Uint8Array => {
    switch (fields.protocol) {
      case IPPROTO_ICMPV6:
        return icmp(fields)
      case IPPROTO_TCP: {
        const flags = from(FLAGS_OF_TCP)
        const data = (flags & 2) !== 0 && !oneIn(4) ? 0 : oneIn(3) ? size() : 0
        const segment = { ...ports(), seq: random(), ack: random(), flags, window: below(65536) }
        return tcpSegment6(fields, segment, octets(data))
      }
      case IPPROTO_UDP: {
        const datagram = udpDatagram6(fields, ports(), octets(size()))
        const kind = below(12)
        if (kind === 0) datagram[6] = datagram[7] = 0
        if (kind === 1) datagram[6]! ^= 1
        return datagram
      }
      default:
        return octets(size())
    }
  }

  // ---- extension headers

  const option = (): number[] => {
    const kind = below(12)
    if (kind < 2) return [0]
    if (kind < 5) {
      const len = below(6)
      return [1, len, ...new Array(len).fill(oneIn(8) ? 1 : 0)]
    }
    if (kind < 6) return [5, oneIn(6) ? 1 : 2, 0, 0]
    if (kind < 7) return [0xc2, 4, 0, oneIn(2) ? 1 : 0, below(256), below(256)]
    const data = below(10)
    // not those that Linux knows: tunnel limit, IOAM, CALIPSO, home address
    const type = from([0x1e, 0x1e, 0x3e, 0x5e, 0x7e, 0x9e, 0xde, 0xfe])
    return [type, oneIn(20) ? 200 : data, ...octets(data)]
  }
  const optionsOf = (): number[] => {
    const all: number[] = []
    for (let n = below(oneIn(20) ? 12 : 4); n > 0; n--) all.push(...option())
    const pad = (8 - ((all.length + 2) & 7)) & 7
    if (pad === 1) all.push(0)
    else if (pad > 1) all.push(1, pad - 2, ...new Array(pad - 2).fill(0))
    const len = (all.length + 2) / 8 - 1
    return [0, oneIn(30) ? below(256) : len, ...all]
  }
  const routing = (): number[] => {
    const len = 2 * below(3)
    const left = oneIn(2) ? 0 : below(4)
    return [0, len, from([0, 0, 1, 2, 5, 253]), left, ...octets(4 + 8 * len)]
  }
  const ext = (): Ext => {
    const kind = below(10)
    if (kind < 4) return [IPPROTO_DSTOPTS, optionsOf()]
    if (kind < 6) return [IPPROTO_ROUTING, routing()]
    if (kind < 8) return [IPPROTO_FRAGMENT, fragmentHeader(0, false, random())]
    return [IPPROTO_HOPOPTS, optionsOf()]
  }
  const exts = (): Ext[] => {
    const all: Ext[] = oneIn(3) ? [[IPPROTO_HOPOPTS, optionsOf()]] : []
    for (let n = below(oneIn(10) ? 6 : 3); n > 0; n--) all.push(ext())
    return all
  }

  // ---- packets

  const fieldsTo = (link: number): Ip6Fields => ({
    saddr: source(link),
    daddr: target(link),
    protocol: from([58, 58, 58, 58, 17, 17, 17, 6, 6, 6, from([IPPROTO_NONE, 41, 47, 99, 255])]),
    hops: from([64, 64, 64, 64, 255, 2, 1, 0]),
    trafficClass: oneIn(3) ? below(256) : 0,
    label: oneIn(4) ? below(0x100000) : 0,
    ext: oneIn(4) ? exts() : [],
  })
  /** The link's address of a group is the group's. */
  const linkOf = (link: number, { daddr }: Ip6Fields) => {
    const last = ip6Packet({ saddr: '::', daddr }, new Uint8Array(0)).subarray(36, 40)
    const group = `33:33:${[...last].map((o) => o.toString(16).padStart(2, '0')).join(':')}`
    const own = daddr.startsWith('ff') ? group : ownMac(link)
    return {
      dst: oneIn(24) ? from(['33:33:00:00:00:01', OTHER_MAC]) : own,
      src: hostMac(link, from(KNOWN)),
    }
  }
  const spoil = (packet: Uint8Array): Uint8Array => {
    const spoilt = packet.slice()
    for (let k = 1 + below(3); k > 0; k--)
      spoilt[below(oneIn(3) ? spoilt.length : Math.min(56, spoilt.length))] = oneIn(2)
        ? below(256)
        : from([0, 1, 0x7f, 0x80, 0xff])
    if (oneIn(6)) return spoilt.subarray(0, 1 + below(spoilt.length))
    return spoilt
  }
  /** Discovery is not compared: a packet that has become one is sent as it was. */
  const isDiscovery = (packet: Uint8Array): boolean =>
    packet.length > 40 &&
    packet.includes(IPPROTO_ICMPV6, 6) &&
    packet.some((octet, at) => at >= 40 && ((octet >= 130 && octet <= 137) || octet === 143))
  const ipFrame = (link: number, fields: Ip6Fields, packet: Uint8Array): Uint8Array => {
    const changed = oneIn(12) ? spoil(packet) : packet
    const bytes = changed !== packet && isDiscovery(changed) ? packet : changed
    const padded = oneIn(10) ? Uint8Array.from([...bytes, ...octets(below(20))]) : bytes
    return etherFrame(linkOf(link, fields), ethernet.ETH_P_IPV6, padded)
  }

  const whole = (link: number): Uint8Array[] => {
    const fields = fieldsTo(link)
    return [ipFrame(link, fields, ip6Packet(fields, payload(fields)))]
  }
  /** A datagram in pieces: in order or not, some twice, some never, some that overlap. */
  const pieces = (link: number): Uint8Array[] => {
    const fields = fieldsTo(link)
    const data = payload(fields)
    const frames: Uint8Array[] = []
    const id = random()
    const before = oneIn(4) ? exts().filter(([type]) => type !== IPPROTO_FRAGMENT) : []
    const step = 8 * (1 + below(Math.max(1, data.length >> 4)))
    for (let at = 0; at < data.length || at === 0; at += step) {
      const more = at + step < data.length
      const offset = oneIn(30) ? Math.max(0, at - 8) : at
      const len = oneIn(40) ? step - 1 : step
      const piece: Ext = [IPPROTO_FRAGMENT, fragmentHeader(offset, more, id)]
      const trafficClass = oneIn(8) ? below(256) : (fields.trafficClass ?? 0)
      const packet = ip6Packet(
        { ...fields, trafficClass, ext: [...before, piece] },
        data.subarray(at, at + len)
      )
      if (!oneIn(25)) frames.push(ipFrame(link, fields, packet))
      if (oneIn(25)) frames.push(ipFrame(link, fields, packet))
      if (frames.length > 12) break
    }
    if (oneIn(2))
      for (let k = frames.length - 1; k > 0; k--) {
        const other = below(k + 1)
        ;[frames[k], frames[other]] = [frames[other]!, frames[k]!]
      }
    return frames
  }
  /** What comes in on a link: a frame, or several that belong together. */
  const some = (link: number): Uint8Array[] => (below(10) < 7 ? whole(link) : pieces(link))
  return { some }
}

/** Makes the payload length of a packet that was made smaller right. */
export const fixLength = (packet: Uint8Array): void => {
  if (packet.length >= ipv6.HEADER) ipv6.setPayloadLength(packet, 0, packet.length - ipv6.HEADER)
}
