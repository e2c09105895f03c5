// Receive offload: what continues a flow exactly becomes one super-frame, what does not is left as it came; and whatever is
// put together, software GSO cuts it into the very frames that came in, in their order.

import { describe, expect, test } from 'bun:test'
import { createGro } from '../../../core/dev/gro.ts'
import { createGso } from '../../../core/dev/gso.ts'
import {
  DEV_FEATURES,
  DevStat,
  deviceRow,
  NETIF_F_GRO,
  NETIF_F_GRO_UDP_FWD,
  sumDeviceStat,
} from '../../../core/netdev/netdev.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { createDrop } from '../../../core/skb/drop.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  GSO_ACCECN,
  GSO_TCPV4,
  GSO_UDP_L4,
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_DEV,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PROTOCOL,
  SKB_TRANSPORT,
} from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import { putU16 } from '../../../core/base/bytes.ts'
import { finish, pseudoSum, sumBytes } from '../../../core/base/checksum.ts'
import { ETH_P_IPV6 } from '../../../core/wire/ethernet.ts'
import { IPPROTO_TCP } from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import * as udp from '../../../core/wire/udp.ts'
import {
  etherFrame,
  ipFrame,
  type IpFields,
  type TcpFields,
  tcpFrame,
  tcpSegment,
  udpFrame,
} from '../../../sim/net/packets.ts'
import { randomBytes, seeded } from '../../support/random.ts'

const link = { dst: '02:00:00:00:03:09', src: '02:00:00:00:00:03' }
const fields = { saddr: '10.0.3.1', daddr: '10.0.3.9', flags: ipv4.IP_DF }
const stamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
const DEV = 3

type Out = { frame: Uint8Array; skb: number; size: number; segs: number }

/** Receive offload over a device; `out` are the packets it gave on, alive until `close`. */
const setup = (features = NETIF_F_GRO) => {
  const arena = createArena({ ...SMALL_ARENA })
  const { i32, u8 } = arena
  const skbs = createSkbs(arena, 0)
  const atStart = skbs.available()
  const { drop, consume } = createDrop(arena, skbs)
  i32[deviceRow(arena, DEV) + DEV_FEATURES] = features
  const gso = createGso({ arena, skbs, drop, consume })
  const out: Out[] = []
  const bytesOf = (skb: number): Uint8Array => {
    const at = i32[skb + SKB_DATA]!
    return u8.slice(at, at + i32[skb + SKB_LEN]!)
  }
  const deliver = (skb: number): void => {
    out.push({
      frame: bytesOf(skb),
      skb,
      size: i32[skb + SKB_GSO_SIZE]!,
      segs: i32[skb + SKB_GSO_SEGS]!,
    })
  }
  const gro = createGro({ arena, skbs, consume, handOn: deliver })
  let count = 0
  const put = (frame: Uint8Array, summed: number = CHECKSUM_NONE, dev = DEV): number => {
    // a reader of batches gives it frames in large buffers too
    const room = count++ % 2 === 0 ? frame.length : LARGE_ROOM
    const skb = skbs.alloc(room, RX_HEADROOM) || skbs.alloc(frame.length, RX_HEADROOM)
    u8.set(frame, skbs.put(skb, frame.length))
    i32[skb + SKB_DEV] = dev
    i32[skb + SKB_IP_SUMMED] = summed
    return skb
  }
  const batch = (...frames: Uint8Array[]): Out[] => {
    out.length = 0
    for (const frame of frames) gro.receive(put(frame))
    gro.flush()
    return out
  }
  /** Frees what came out; true when nothing is missing. */
  const close = (): boolean => {
    for (const { skb } of out) skbs.free(skb)
    return Bun.deepEquals(skbs.available(), atStart)
  }
  /** The frames that a packet is on the wire of a device without offload, checksums filled in. */
  const cut = (skb: number): Uint8Array[] => {
    if (i32[skb + SKB_GSO_SIZE] === 0) return [bytesOf(skb)]
    const network = i32[skb + SKB_DATA]! + 14
    const isV4 = u8[network]! >> 4 === 4
    i32[skb + SKB_NETWORK] = network
    i32[skb + SKB_TRANSPORT] = network + (isV4 ? 20 : 40)
    i32[skb + SKB_PROTOCOL] = isV4 ? 0x0800 : ETH_P_IPV6
    const frames: Uint8Array[] = []
    for (let seg = gso.segment(skbs.copy(skb, RX_HEADROOM)); seg !== 0; ) {
      const at = i32[seg + SKB_DATA]!
      const start = i32[seg + SKB_CSUM_START]!
      expect(i32[seg + SKB_IP_SUMMED]).toBe(CHECKSUM_PARTIAL)
      const sum = finish(sumBytes(u8, start, at + i32[seg + SKB_LEN]! - start, 0))
      putU16(u8, start + i32[seg + SKB_CSUM_OFFSET]!, sum)
      frames.push(bytesOf(seg))
      const next = i32[seg + SKB_NEXT]!
      skbs.free(seg)
      seg = next
    }
    return frames
  }
  return { arena, i32, skbs, gro, out, put, batch, close, cut }
}

const text = (len: number, from = 0): Uint8Array =>
  Uint8Array.from({ length: len }, (_, k) => (from + k) * 13)
type Segment = Partial<TcpFields> & { ip?: Partial<IpFields>; len?: number }
/** The k-th full segment of a flow, changed as said. */
const segment = (k: number, { ip = {}, len = 1000, ...changed }: Segment = {}): Uint8Array =>
  tcpFrame(
    link,
    { ...fields, id: 700 + k, ...ip },
    { sport: 1, dport: 2, seq: 5000 + k * 1000, ack: 9, options: stamps, ...changed },
    text(len, k)
  )
const tcp6Frame = (flow: number, seq: number, hopLimit: number, data: Uint8Array): Uint8Array => {
  const t = { sport: 1, dport: 2, seq, ack: 9, options: stamps }
  const segment = tcpSegment({ saddr: '0.0.0.0', daddr: '0.0.0.0' }, t, data)
  const packet = new Uint8Array(ipv6.HEADER + segment.length)
  ipv6.setTrafficClassFlow(packet, 0, 0, flow)
  ipv6.setPayloadLength(packet, 0, segment.length)
  packet[6] = IPPROTO_TCP
  packet[7] = hopLimit
  ipv6.setSrc(packet, 0, 0xfd000000 | 0, 0, 0, 1)
  ipv6.setDst(packet, 0, 0xfd000000 | 0, 0, 0, 2)
  const sum = pseudoSum(packet, ipv6.ADDRS, ipv6.ADDRS_LEN, IPPROTO_TCP, segment.length)
  tcp.setChecksum(segment, 0, segment.length, sum)
  packet.set(segment, ipv6.HEADER)
  return etherFrame(link, ETH_P_IPV6, packet)
}

describe('what is put together', () => {
  test('segments that follow one another: one super-frame, as from a device that segments', () => {
    const { batch, close, i32, arena, cut } = setup()
    const frames = [0, 1, 2].map((k) => segment(k))
    const [only, ...rest] = batch(...frames)
    expect(rest).toEqual([])
    expect(only).toMatchObject({ size: 1000, segs: 3 })
    const { skb, frame } = only!
    expect(frame).toHaveLength(66 + 3000)
    expect(ipv4.totalLength(frame, 14)).toBe(52 + 3000)
    expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
    expect([...frame.subarray(66)]).toEqual([...text(1000, 0), ...text(1000, 1), ...text(1000, 2)])
    expect(i32[skb + SKB_GSO_TYPE]).toBe(GSO_TCPV4)
    expect(i32[skb + SKB_IP_SUMMED]).toBe(CHECKSUM_PARTIAL)
    expect(i32[skb + SKB_CSUM_START]).toBe(i32[skb + SKB_DATA]! + 34)
    expect(i32[skb + SKB_CSUM_OFFSET]).toBe(tcp.CHECKSUM)
    expect(tcp.checksum(frame, 34)).toBe(pseudoSum(frame, 26, 8, IPPROTO_TCP, 32 + 3000))
    expect(sumDeviceStat(arena, DEV, DevStat.rx_gro_packets)).toBe(3)
    expect(sumDeviceStat(arena, DEV, DevStat.rx_gro_skbs)).toBe(1)
    expect(cut(skb)).toEqual(frames)
    expect(close()).toBe(true)
  })
  test('IPv6 with the same flow label', () => {
    const { batch, close, cut } = setup()
    const frames = [0, 1].map((k) => tcp6Frame(7, 5000 + k * 900, 64, text(900, k)))
    const [only] = batch(...frames)
    expect(only).toMatchObject({ size: 900, segs: 2 })
    expect(ipv6.payloadLength(only!.frame, 14)).toBe(32 + 1800)
    expect(cut(only!.skb)).toEqual(frames)
    expect(close()).toBe(true)
  })
  test('whatever the identifications of datagrams are that nobody cuts (RFC 6864 section 4.1)', () => {
    const { batch, close, cut } = setup()
    const out = batch(
      segment(0, { ip: { id: 9 } }),
      segment(1, { ip: { id: 9 } }),
      segment(2, { ip: { id: 30_000 } })
    )
    expect(out.map(({ segs }) => segs)).toEqual([3])
    expect(cut(out[0]!.skb).map((frame) => ipv4.id(frame, 14))).toEqual([9, 10, 11])
    expect(close()).toBe(true)
  })
  test('several flows at once, each in its order', () => {
    const { batch, close } = setup()
    const flow = (sport: number, k: number) => segment(k, { sport })
    batch(...[0, 1, 2].flatMap((k) => [flow(11, k), flow(12, k), flow(13, k)]))
    const { out } = { out: batch(...[0, 1, 2].flatMap((k) => [flow(21, k), flow(22, k)])) }
    expect(out.map(({ frame, segs }) => [tcp.srcPort(frame, 34), segs])).toEqual([
      [21, 3],
      [22, 3],
    ])
    close()
  })
  test('the last one may be short, and may say PSH or FIN', () => {
    for (const last of [{ len: 10 }, { flags: tcp.TCP_ACK | tcp.TCP_PSH }, { flags: 0x11 }]) {
      const { batch, close, cut } = setup()
      const frames = [segment(0), segment(1, last), segment(2)]
      const out = batch(...frames)
      expect(out.map(({ segs }) => segs)).toEqual([2, 0])
      expect(out.flatMap(({ skb }) => cut(skb))).toEqual(frames)
      expect(close()).toBe(true)
    }
  })
  test('those with one ACE field, whose CWR stays with all of them', () => {
    for (const ace of [0, 2, 5, 7]) {
      const { batch, close, cut, i32 } = setup()
      const flags = tcp.TCP_ACK | (ace << 6)
      const frames = [segment(0, { flags }), segment(1, { flags }), segment(2, { flags })]
      const [only] = batch(...frames)
      expect(i32[only!.skb + SKB_GSO_TYPE]).toBe(GSO_TCPV4 | ((ace & 2) !== 0 ? GSO_ACCECN : 0))
      expect(cut(only!.skb)).toEqual(frames)
      expect(close()).toBe(true)
    }
  })
  test('CWR of RFC 3168 goes alone, and what follows it is put together', () => {
    const { batch, close, cut } = setup()
    const frames = [segment(0, { flags: tcp.TCP_ACK | tcp.TCP_CWR }), segment(1), segment(2)]
    const out = batch(...frames)
    expect(out.map(({ segs }) => segs)).toEqual([0, 2])
    expect(out.flatMap(({ skb }) => cut(skb))).toEqual(frames)
    expect(close()).toBe(true)
  })
  test('no more than one IP packet can say', () => {
    const { batch, close } = setup()
    const out = batch(...Array.from({ length: 70 }, (_, k) => segment(k)))
    expect(out.map(({ segs }) => segs)).toEqual([65, 5])
    expect(close()).toBe(true)
  })
  test('a frame alone is handed on as it came', () => {
    const { batch, close, i32 } = setup()
    const [only] = batch(segment(0))
    expect(only).toMatchObject({ size: 0, frame: segment(0) })
    // and its checksum need not be looked at again
    expect(i32[only!.skb + SKB_IP_SUMMED]).toBe(CHECKSUM_UNNECESSARY)
    expect(close()).toBe(true)
  })
})

describe('datagrams, where the device is told to', () => {
  const both = NETIF_F_GRO | NETIF_F_GRO_UDP_FWD
  const datagram = (k: number, len = 100, ip: Partial<IpFields> = {}, sport = 1): Uint8Array =>
    udpFrame(link, { ...fields, id: 30 + k, ...ip }, { sport, dport: 2 }, text(len, k))

  test('of one length become one', () => {
    const { batch, close, cut, i32 } = setup(both)
    const frames = [0, 1, 2].map((k) => datagram(k))
    const [only, ...rest] = batch(...frames)
    expect(rest).toEqual([])
    expect(only).toMatchObject({ size: 100, segs: 3 })
    expect(i32[only!.skb + SKB_GSO_TYPE]).toBe(GSO_UDP_L4)
    expect(udp.length(only!.frame, 34)).toBe(8 + 300)
    expect(cut(only!.skb)).toEqual(frames)
    expect(close()).toBe(true)
  })
  test('a shorter one is the last, a longer one begins anew', () => {
    const { batch, close } = setup(both)
    const out = batch(datagram(0), datagram(1, 10), datagram(2), datagram(3), datagram(4, 101))
    expect(out.map(({ segs }) => segs)).toEqual([2, 2, 0])
    expect(close()).toBe(true)
  })
  test('sixty-four at most', () => {
    const { batch, close } = setup(both)
    const out = batch(...Array.from({ length: 70 }, (_, k) => datagram(k)))
    expect(out.map(({ segs }) => segs)).toEqual([64, 6])
    expect(close()).toBe(true)
  })
  test('not without a checksum, of another flow, of no payload, or out of count', () => {
    const bare = datagram(1)
    udp.putChecksum(bare, 34, 0)
    const cuttable = (k: number) => datagram(k, 100, { flags: 0 })
    for (const [first, other] of [
      [datagram(0), bare],
      [datagram(0), datagram(1, 100, {}, 9)],
      [datagram(0), datagram(1, 0)],
      [cuttable(0), cuttable(2)],
    ] as const) {
      const { batch, close } = setup(both)
      const out = batch(first, other)
      expect(out.map(({ size }) => size)).toEqual([0, 0])
      expect(close()).toBe(true)
    }
  })
})

const spoilt = (frame: Uint8Array, at: number): Uint8Array => {
  frame[at]! ^= 1
  return frame
}
const DIFFERENT: Record<string, Uint8Array> = {
  'a gap': segment(1, { seq: 6001 }),
  'an older segment': segment(1, { seq: 5000 }),
  'a longer segment': segment(1, { len: 1001 }),
  'no text': segment(1, { len: 0 }),
  'another acknowledgement': segment(1, { ack: 10 }),
  'another window': segment(1, { window: 100 }),
  'other options': segment(1, { options: [1, 1, 8, 10, 0, 0, 0, 3, 0, 0, 0, 2] }),
  'other length of options': segment(1, { options: [] }),
  ECE: segment(1, { flags: tcp.TCP_ACK | tcp.TCP_ECE }),
  CWR: segment(1, { flags: tcp.TCP_ACK | tcp.TCP_CWR }),
  AE: segment(1, { flags: tcp.TCP_ACK | tcp.TCP_AE }),
  URG: segment(1, { flags: tcp.TCP_ACK | tcp.TCP_URG }),
  RST: segment(1, { flags: tcp.TCP_ACK | tcp.TCP_RST }),
  SYN: segment(1, { flags: tcp.TCP_ACK | tcp.TCP_SYN }),
  'no ACK': segment(1, { flags: tcp.TCP_PSH }),
  'another TTL': segment(1, { ip: { ttl: 63 } }),
  'another TOS': segment(1, { ip: { tos: 2 } }),
  'no DF': segment(1, { ip: { flags: 0 } }),
  'IP options': segment(1, { ip: { options: [1, 1, 1, 1] } }),
  'a fragment': segment(1, { ip: { flags: ipv4.IP_MF } }),
  padding: Uint8Array.of(...segment(1), 0, 0),
  'a wrong TCP checksum': spoilt(segment(1), 100),
  'a wrong IP checksum': spoilt(segment(1), 24),
  'another source MAC': spoilt(segment(1), 11),
  'another destination MAC': spoilt(segment(1), 0),
}

describe('what is not', () => {
  for (const [what, frame] of Object.entries(DIFFERENT))
    test(`${what}: both as they came, in their order`, () => {
      const { batch, close } = setup()
      const out = batch(segment(0), frame)
      expect(out.map(({ frame: got }) => got)).toEqual([segment(0), frame])
      expect(out.map(({ size }) => size)).toEqual([0, 0])
      expect(close()).toBe(true)
    })
  test('identifications that do not count up, of datagrams that may be cut', () => {
    for (const [id, frames] of [
      [700, 2],
      [701, 1],
    ] as const) {
      const { batch, close } = setup()
      const cuttable = (k: number, id: number) => segment(k, { ip: { flags: 0, id } })
      expect(batch(cuttable(0, 700), cuttable(1, id))).toHaveLength(frames)
      expect(close()).toBe(true)
    }
  })
  test('IPv6 of another flow label or hop limit', () => {
    const { batch, close } = setup()
    const first = tcp6Frame(7, 5000, 64, text(900))
    const other = tcp6Frame(8, 5900, 64, text(900))
    const nearer = tcp6Frame(8, 6800, 63, text(900))
    expect(batch(first, other, nearer).map(({ size }) => size)).toEqual([0, 0, 0])
    expect(close()).toBe(true)
  })
  test('frames of another device', () => {
    const { gro, put, out, close, i32, arena } = setup()
    i32[deviceRow(arena, 4) + DEV_FEATURES] = NETIF_F_GRO
    gro.receive(put(segment(0)))
    gro.receive(put(segment(1), CHECKSUM_NONE, 4))
    gro.flush()
    expect(out.map(({ size }) => size)).toEqual([0, 0])
    expect(close()).toBe(true)
  })
  test('a super-frame, which ends what is held of its flow', () => {
    const { gro, put, out, close, i32 } = setup()
    gro.receive(put(segment(0)))
    const large = put(segment(1))
    i32[large + SKB_GSO_SIZE] = 500
    i32[large + SKB_GSO_TYPE] = GSO_TCPV4
    gro.receive(large)
    expect(out.map(({ size }) => size)).toEqual([0, 500])
    gro.receive(put(segment(2)))
    gro.flush()
    expect(out).toHaveLength(3)
    expect(close()).toBe(true)
  })
  test('anything while the device has it off', () => {
    const { batch, close } = setup(0)
    expect(batch(segment(0), segment(1)).map(({ size }) => size)).toEqual([0, 0])
    expect(close()).toBe(true)
  })
  test('UDP, which passes at once', () => {
    const { gro, put, out, close } = setup()
    const datagram = udpFrame(link, fields, { sport: 1, dport: 2 })
    gro.receive(put(segment(0)))
    gro.receive(put(datagram))
    expect(out.map(({ frame }) => frame)).toEqual([datagram])
    gro.flush()
    expect(close()).toBe(true)
  })
  test('frames too short for what they say', () => {
    const { batch, close } = setup()
    const whole = segment(1)
    const cut = Array.from({ length: whole.length }, (_, len) => whole.slice(0, len))
    const short = ipFrame(link, { ...fields, protocol: IPPROTO_TCP }, new Uint8Array(19))
    // what ends before the addresses is of no flow
    const all = [...cut.slice(14, 34), segment(0), ...cut.slice(34, 90), short]
    expect(batch(...all).map(({ frame }) => frame)).toEqual(all)
    expect(close()).toBe(true)
  })
  test('anything more when there is no large buffer', () => {
    const { batch, close, skbs } = setup()
    const taken: number[] = []
    for (let skb = skbs.alloc(60000, 0); skb !== 0; skb = skbs.alloc(60000, 0)) taken.push(skb)
    expect(batch(segment(0), segment(1)).map(({ size }) => size)).toEqual([0, 0])
    for (const skb of taken) skbs.free(skb)
    expect(close()).toBe(true)
  })
  test('more flows than are kept: the oldest goes on', () => {
    const { gro, put, out, close } = setup()
    for (let flow = 0; flow < 9; flow++) gro.receive(put(segment(0, { sport: 100 + flow })))
    expect(out.map(({ frame }) => tcp.srcPort(frame, 34))).toEqual([100])
    gro.flush()
    expect(out).toHaveLength(9)
    expect(close()).toBe(true)
  })
})

describe('whatever comes', () => {
  /** Frames of a few flows: mostly the next segment, sometimes something else. */
  const frames = (random: () => number, count: number): Uint8Array[] => {
    const below = (n: number): number => (random() >>> 0) % n
    const flows = Array.from({ length: 3 }, (_, k) => ({ sport: 100 + k, seq: random(), id: k }))
    return Array.from({ length: count }, () => {
      const flow = flows[below(3)]!
      const odd = below(12)
      const len = odd === 0 ? below(1400) : 1400
      const flags = odd === 1 ? tcp.TCP_ACK | (random() & 0xff) : tcp.TCP_ACK
      const ip = { ...fields, id: flow.id & 0xffff, tos: odd === 2 ? below(4) : 0 }
      const t = { sport: flow.sport, dport: 2, seq: flow.seq, ack: 9, flags, options: stamps }
      const frame = tcpFrame(link, ip, t, randomBytes(random, len))
      if (odd === 3) frame[below(frame.length)]! ^= 1 << below(8)
      if (odd !== 4) flow.seq = (flow.seq + len) | 0
      if (odd !== 5) flow.id++
      return frame
    })
  }
  /** The identification of a datagram that nobody cuts means nothing: its frame without that, where its header is right. */
  const withoutAtomicId = (frame: Uint8Array): Uint8Array => {
    if (!ipv4.dontFragment(frame, 14) || !ipv4.isChecksumOk(frame, 14)) return frame
    const bare = frame.slice()
    ipv4.setId(bare, 14, 0)
    ipv4.setChecksum(bare, 14)
    return bare
  }
  /** Ethertype, protocol, addresses and ports. */
  const flowOf = (frame: Uint8Array): string =>
    [frame.subarray(12, 14), frame[23], frame.subarray(26, 38)].join()

  test('what comes out, cut again, is what went in, each flow in its order', () => {
    let merged = 0
    for (let seed = 1; seed <= 60; seed++) {
      const { batch, close, cut } = setup()
      const sent = frames(seeded(seed), 64)
      const out = batch(...sent)
      const got = out.flatMap(({ skb }) => cut(skb))
      for (const flow of new Set(sent.map(flowOf))) {
        const of = (all: Uint8Array[]) =>
          all.filter((frame) => flowOf(frame) === flow).map(withoutAtomicId)
        expect(of(got)).toEqual(of(sent))
      }
      merged += out.filter(({ segs }) => segs > 1).length
      expect(close()).toBe(true)
    }
    expect(merged).toBeGreaterThan(300)
  })
})
