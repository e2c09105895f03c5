// Frames of IPv4's cases, out of a seed: every protocol, every kind of destination and source, sizes around the MTUs,
// options, fragments, and all of it spoilt a little now and then.

import * as csum from '../../../core/base/checksum.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import {
  arpFrame,
  BROADCAST_MAC,
  etherFrame,
  icmpMessage,
  ip,
  type IpFields,
  ipPacket,
  ipText,
  tcpSegment,
  udpDatagram,
} from '../../../sim/net/packets.ts'
import { randomBytes } from '../../support/random.ts'
import {
  BROADCASTS,
  DISCARD_PORT,
  hostMac,
  hostOf,
  KNOWN,
  LINKS,
  OWN,
  ownMac,
  ownOf,
} from './world.ts'

const ETH = ethernet.ETH_HLEN
const FLAGS_OF_TCP = [0x02, 0x10, 0x04, 0x14, 0x12, 0x11, 0x18, 0x00, 0x3f]
const OTHER_MAC = '02:99:99:99:99:99'

export type Draw = ReturnType<typeof createDraw>
export const createDraw = (random: () => number) => {
  const below = (n: number): number => (random() >>> 0) % n
  return {
    random,
    below,
    oneIn: (n: number): boolean => below(n) === 0,
    from: <T>(list: readonly T[]): T => list[below(list.length)]!,
  }
}

export type Packets = ReturnType<typeof createPackets>
export const createPackets = (draw: Draw) => {
  const { random, below, oneIn, from } = draw
  const octets = (n: number): Uint8Array => randomBytes(random, n)
  const anywhere = (net: string): string => `${net}.${below(256)}.${1 + below(254)}`

  // ---- addresses

  /** A host of the link that must be asked for. */
  const stranger = (link: number): string => hostOf(link, 60 + below(190))
  const known = (link: number): string => hostOf(link, from(KNOWN))
  const remote = (link: number): string => anywhere(`10.10${link}`)
  const oddAddress = (): string =>
    from([
      '0.0.0.0',
      `0.${below(256)}.0.1`,
      `127.0.0.${1 + below(3)}`,
      '255.255.255.255',
      '224.0.0.1',
      `224.0.0.${below(256)}`,
      anywhere('239.1'),
      anywhere('240.0'),
      anywhere('169.254'),
      anywhere('172.16'),
      anywhere('10.110'),
      anywhere('10.111'),
      anywhere('10.112'),
      ...BROADCASTS,
      '10.1.0.0',
      '10.3.0.0',
      '192.168.3.0',
      ipText(random()),
    ])
  /** Some are of no use here: see known.ts. */
  const oddSource = (): string => {
    const addr = oddAddress()
    const isKnown = (BROADCASTS as readonly string[]).includes(addr) || addr.startsWith('127.')
    return isKnown && !oneIn(8) ? oddSource() : addr
  }
  const source = (link: number): string => {
    const kind = below(20)
    if (kind < 9) return known(link)
    if (kind < 12) return stranger(link)
    if (kind < 15) return remote(link)
    if (kind < 16) return remote(from(LINKS))
    if (kind < 17) return from(OWN)
    return kind < 18 ? known(from(LINKS)) : oddSource()
  }
  const target = (link: number): string => {
    const kind = below(20)
    if (kind < 5) return ownOf(link)
    if (kind < 6) return from(OWN)
    if (kind < 8) return known(from(LINKS))
    if (kind < 9) return stranger(from(LINKS))
    if (kind < 13) return remote(from(LINKS))
    if (kind < 14) return anywhere(from(['10.104', '10.105']))
    return kind < 15 ? '172.16.1.1' : oddAddress()
  }

  // ---- what is in a packet

  const size = (): number => {
    const kind = below(8)
    if (kind < 4) return below(64)
    if (kind < 5) return below(1480)
    return Math.max(0, from([576, 700, 900, 1500, 68, 128]) - 20 - 8 + below(9) - 4)
  }
  const port = (): number => from([DISCARD_PORT, 7, 1000 + below(60000)])
  const ports = () => ({ sport: 1024 + below(60000), dport: port() })

  const quoted = (fields: IpFields): Uint8Array => {
    const about = { saddr: oneIn(2) ? fields.daddr : from(OWN), daddr: target(from(LINKS)) }
    const inner = ipPacket(
      { ...about, protocol: from([1, 6, 17, 47]), ttl: 1 + below(64), flags: from([0, 0x4000]) },
      octets(8 + below(40))
    )
    return oneIn(8) ? inner.subarray(0, below(inner.length)) : inner
  }
  const icmp = (fields: IpFields): Uint8Array => {
    const kind = below(12)
    if (kind < 4) return icmpMessage(8, oneIn(8) ? below(4) : 0, random(), octets(size()))
    if (kind < 5) return icmpMessage(13, 0, random(), octets(oneIn(4) ? below(16) : 12))
    if (kind < 6) return icmpMessage(from([17, 15, 10, 9, 0, 14]), 0, random(), octets(4))
    if (kind < 7) return icmpMessage(below(45), below(6), random(), octets(below(40)))
    if (kind < 8) return icmpMessage(5, below(4), 0x0a010002 + below(4), quoted(fields))
    const mtu = from([0, 68, 296, 551, 552, 576, 1000, 1499, 1500, 9000])
    if (kind < 9) return icmpMessage(3, 4, mtu, quoted(fields))
    return icmpMessage(from([3, 3, 11, 12, 4]), below(16), oneIn(2) ? random() : 0, quoted(fields))
  }
  const payload = (fields: IpFields): Uint8Array => {
    switch (fields.protocol) {
      case IPPROTO_ICMP:
        return icmp(fields)
      case IPPROTO_TCP: {
        const flags = from(FLAGS_OF_TCP)
        const data = (flags & 2) !== 0 && !oneIn(4) ? 0 : oneIn(3) ? size() : 0
        return tcpSegment(
          fields,
          { ...ports(), seq: random(), ack: random(), flags, window: below(65536) },
          octets(data)
        )
      }
      case IPPROTO_UDP: {
        const datagram = udpDatagram(fields, ports(), octets(size()))
        const kind = below(12)
        if (kind === 0) datagram[6] = datagram[7] = 0
        if (kind === 1) datagram[6]! ^= 1
        return datagram
      }
      default:
        return octets(size())
    }
  }

  // ---- options

  const slots = (n: number): number[] => Array.from({ length: n }, () => below(256))
  const recordRoute = (): number[] => {
    const room = 1 + below(9)
    const ptr = oneIn(5) ? below(48) : 4 + 4 * below(room + 1)
    return [7, 3 + 4 * room, ptr, ...slots(4 * room)]
  }
  /** Times that others have written begin with 0x7f, so that those of the two routers can be told from them. */
  const times = (addr: string): number[] => {
    const flags = from([0, 0, 1, 1, 3, 3, 2, 15])
    const width = flags === 0 ? 1 : 2
    const room = 1 + below(flags === 0 ? 9 : 4)
    const ptr = oneIn(5) ? from([0, 4, 5, 9, 13, 41, 60]) : 5 + 4 * width * below(room + 1)
    const words = Array.from({ length: room * width }, (_, k) => {
      if (width === 2 && k % 2 === 0) return oneIn(2) ? octetsOf(from(OWN)) : octetsOf(addr)
      return [0x7f, below(256), below(256), below(256)]
    })
    const overflow = oneIn(4) ? from([14, 15, 1]) : 0
    return [68, 4 + 4 * room * width, ptr, (overflow << 4) | flags, ...words.flat()]
  }
  const octetsOf = (addr: string): number[] => addr.split('.').map(Number)
  const sourceRoute = (): number[] => {
    const room = 1 + below(3)
    const hops = Array.from({ length: room }, () => octetsOf(target(from(LINKS))))
    return [from([131, 137]), 3 + 4 * room, 4 + 4 * below(room + 2), ...hops.flat()]
  }
  const option = (addr: string): number[] => {
    switch (below(10)) {
      case 0:
        return [1]
      case 1:
        return [148, 4, 0, oneIn(4) ? below(256) : 0]
      case 2:
        return sourceRoute()
      case 3:
        return [from([130, 133, 25, 82, 94]), 4 + below(8), ...slots(2)]
      case 4:
        return oneIn(3) ? [0, ...slots(2)] : [1, 1]
      case 5:
      case 6:
      case 7:
        return times(addr)
      default:
        return recordRoute()
    }
  }
  const options = (addr: string): number[] => {
    const all = option(addr)
    while (oneIn(3)) all.push(...option(addr))
    if (oneIn(16)) all.push(from([7, 68, 131, 148]), below(12))
    while ((all.length & 3) !== 0) all.push(oneIn(6) ? 1 : 0)
    return all.slice(0, 40)
  }

  // ---- packets

  const fieldsTo = (link: number): IpFields => {
    const saddr = source(link)
    const daddr = target(link)
    return {
      saddr,
      daddr,
      protocol: from([1, 1, 1, 1, 17, 17, 17, 6, 6, 6, from([41, 47, 50, 99, 254])]),
      ttl: from([64, 64, 64, 64, 255, 2, 1, 0]),
      tos: oneIn(3) ? below(256) : 0,
      id: below(65536),
      flags: oneIn(3) ? 0x4000 : 0,
      options: oneIn(5) ? options(daddr) : [],
    }
  }
  const link2 = (link: number) => ({
    dst: oneIn(16) ? from([BROADCAST_MAC, '01:00:5e:00:00:01', OTHER_MAC]) : ownMac(link),
    src: hostMac(link, from(KNOWN)),
  })
  /** Changes octets of the packet; mostly the header's sum is made right again. */
  const spoil = (packet: Uint8Array): Uint8Array => {
    const spoilt = packet.slice()
    for (let k = 1 + below(3); k > 0; k--)
      spoilt[below(oneIn(3) ? spoilt.length : Math.min(24, spoilt.length))] = oneIn(2)
        ? below(256)
        : from([0, 1, 0x7f, 0x80, 0xff])
    if (!oneIn(6) && spoilt.length >= 20) fixSum(spoilt)
    if (oneIn(6)) return spoilt.subarray(0, 1 + below(spoilt.length))
    return spoilt
  }
  const ipFrame = (link: number, packet: Uint8Array): Uint8Array => {
    const bytes = oneIn(12) ? spoil(packet) : packet
    const padded = oneIn(10) ? Uint8Array.from([...bytes, ...octets(below(20))]) : bytes
    const type = oneIn(60) ? from([0x86dd, 0x8100, 0x0801, 0x0060]) : ethernet.ETH_P_IP
    return etherFrame(link2(link), type, padded)
  }

  const whole = (link: number): Uint8Array[] => {
    const fields = fieldsTo(link)
    return [ipFrame(link, ipPacket(fields, payload(fields)))]
  }
  /** A datagram in pieces: in order or not, some twice, some never, some that overlap. */
  const pieces = (link: number): Uint8Array[] => {
    const fields: IpFields = { ...fieldsTo(link), flags: 0 }
    const data = payload(fields)
    const frames: Uint8Array[] = []
    const step = 8 * (1 + below(Math.max(1, data.length >> 4)))
    for (let at = 0; at < data.length || at === 0; at += step) {
      const more = at + step < data.length ? 0x2000 : 0
      const offset = oneIn(30) ? Math.max(0, at - 8) : at
      const piece = data.subarray(at, at + step)
      const tos = oneIn(8) ? below(256) : (fields.tos ?? 0)
      const packet = ipPacket(
        { ...fields, tos, flags: more | (oneIn(20) ? 0x4000 : 0), offset },
        piece
      )
      if (!oneIn(25)) frames.push(ipFrame(link, packet))
      if (oneIn(25)) frames.push(ipFrame(link, packet))
      if (frames.length > 12) break
    }
    if (oneIn(2)) for (let k = frames.length - 1; k > 0; k--) swap(frames, k, below(k + 1))
    return frames
  }
  const swap = (frames: Uint8Array[], a: number, b: number): void => {
    ;[frames[a], frames[b]] = [frames[b]!, frames[a]!]
  }
  const arp = (link: number): Uint8Array[] => {
    const host = from([2, 3, 60 + below(190)])
    const mac = hostMac(link, host)
    const sip = oneIn(2) ? hostOf(link, host) : source(link)
    const tip = oneIn(2) ? ownOf(link) : oneIn(4) ? sip : target(link)
    const op = from([1, 1, 1, 2, 2, below(12)])
    const tha = oneIn(4) ? from([mac, ownMac(link), BROADCAST_MAC]) : undefined
    const dst = from([BROADCAST_MAC, ownMac(link), OTHER_MAC])
    const frame = arpFrame({ dst, src: mac }, { op, sha: mac, sip, tip, ...(tha && { tha }) })
    if (oneIn(10)) frame[ETH + below(8)] = from([0, 1, 4, 6, 8, 255])
    return [oneIn(12) ? frame.subarray(0, ETH + below(29)) : frame]
  }
  /**
   * Echoes of a far host, and between them what a router says of the way of their replies: another next hop, or that it is
   * narrower. Is it listened to?
   */
  const corrected = (link: number): Uint8Array[] => {
    const fields = { saddr: remote(link), daddr: ownOf(link), protocol: IPPROTO_ICMP }
    const reply = { saddr: fields.daddr, daddr: fields.saddr, protocol: IPPROTO_ICMP }
    const links = { dst: ownMac(link), src: hostMac(link, 2) }
    const frame = (packet: Uint8Array): Uint8Array => etherFrame(links, ethernet.ETH_P_IP, packet)
    const length = from([20, 500, 840])
    const echo = (): Uint8Array => frame(ipPacket(fields, icmpMessage(8, 0, 1, octets(length))))
    const news = (): Uint8Array => {
      const inner = ipPacket(reply, icmpMessage(oneIn(8) ? 8 : 0, 0, 1, octets(20)))
      const gateway = oneIn(3) ? target(link) : known(link)
      const message = oneIn(2)
        ? icmpMessage(5, oneIn(8) ? below(8) : 1, ip(gateway), inner)
        : icmpMessage(3, 4, from([0, 68, 296, 551, 552, 600, 800, 899, 900, 1500]), inner)
      const router = oneIn(4) ? source(link) : hostOf(link, 2)
      return frame(ipPacket({ ...reply, saddr: router, daddr: ownOf(link) }, message))
    }
    return [echo(), news(), echo(), ...(oneIn(2) ? [news(), echo()] : [])]
  }
  /** The same packet again and again: how often is it answered? */
  const many = (link: number): Uint8Array[] => {
    const [frame] = whole(link)
    return Array.from({ length: 4 + below(12) }, () => frame!)
  }
  /** What comes in on a link: a frame, or several that belong together. */
  const some = (link: number): Uint8Array[] => {
    const kind = below(20)
    if (kind < 12) return whole(link)
    if (kind < 13) return many(link)
    if (kind < 16) return pieces(link)
    return kind < 19 ? arp(link) : corrected(link)
  }
  return { some, source, target, known, stranger, remote, oddAddress }
}

/** Makes the sum of an IPv4 header right, if it is one. */
export const fixSum = (packet: Uint8Array): void => {
  const len = ipv4.headerLen(packet, 0)
  if (len < ipv4.MIN_HEADER || len > packet.length) return
  ipv4.putChecksum(packet, 0, 0)
  ipv4.putChecksum(packet, 0, csum.checksum(packet, 0, len))
}
