import { describe, expect, test } from 'bun:test'
import { createGso } from '../../../core/dev/gso.ts'
import { NETIF_F_HW_CSUM, NETIF_F_TSO, NETIF_F_VNET_HDR } from '../../../core/netdev/netdev.ts'
import { SKB_WORDS } from '../../../core/shm/layout.ts'
import { Drop } from '../../../core/skb/drop.ts'
import {
  CHECKSUM_PARTIAL,
  GSO_ACCECN,
  GSO_ECN,
  GSO_TCPV4,
  GSO_TCPV6,
  GSO_UDP_L4,
  SKB_CB,
  SKB_CB_WORDS,
  SKB_CT,
  SKB_CT_INFO,
  SKB_DATA,
  SKB_DST,
  SKB_FLAGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IIF,
  SKB_MARK,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PKT_TYPE,
  SKB_PRIORITY,
  SKB_PROTOCOL,
  SKB_QUEUE_MAPPING,
  SKB_TRANSPORT,
  SKB_TSTAMP,
} from '../../../core/skb/skb.ts'
import { pseudoSum } from '../../../core/base/checksum.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import * as udp from '../../../core/wire/udp.ts'
import { createPathHost } from '../../../sim/net/path-host.ts'
import { etherFrame, tcpFrame, tcpSegment, udpFrame } from '../../../sim/net/packets.ts'

const link = { dst: '02:00:00:00:03:09', src: '02:00:00:00:00:03' }
const fields = { saddr: '10.0.3.1', daddr: '10.0.3.9', id: 0xfffe, flags: ipv4.IP_DF, tos: 2 }
const data = Uint8Array.from({ length: 5000 }, (_, k) => k * 13)
const options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
const all = tcp.TCP_ACK | tcp.TCP_PSH | tcp.TCP_FIN | tcp.TCP_CWR | tcp.TCP_ECE

const host = (features = 0, gsoMax = 65536) => {
  const path = createPathHost()
  path.addDevice(3, { features, gsoMax })
  const { i32 } = path.arena
  const send = (
    frame: Uint8Array,
    type: number,
    size: number,
    headerLen = 20,
    protocol: number = ethernet.ETH_P_IP
  ): number => {
    const skb = path.first.frameSkb(frame, 3)
    i32[skb + SKB_NETWORK] = i32[skb + SKB_DATA]! + 14
    i32[skb + SKB_TRANSPORT] = i32[skb + SKB_DATA]! + 14 + headerLen
    i32[skb + SKB_PROTOCOL] = protocol
    i32[skb + SKB_GSO_TYPE] = type
    i32[skb + SKB_GSO_SIZE] = size
    return path.first.xmit.devQueueXmit(skb)
  }
  return { ...path, send }
}
const superFrame = tcpFrame(
  link,
  fields,
  { sport: 1, dport: 2, seq: -1000, ack: 5, flags: all, options },
  data
)

describe('software GSO of TCP over IPv4', () => {
  test('cuts the payload and continues sequence, identification, lengths and checksums', () => {
    const path = host()
    path.send(superFrame, GSO_TCPV4, 1448)
    expect(path.sent.map(({ frame }) => frame.length)).toEqual([
      1514,
      1514,
      1514,
      66 + 5000 - 3 * 1448,
    ])
    const bytes: number[] = []
    path.sent.forEach(({ frame, gsoSize }, k) => {
      expect(gsoSize).toBe(0)
      expect(ipv4.check(frame, 14, frame.length - 14)).toBe(true)
      expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
      expect(ipv4.totalLength(frame, 14)).toBe(frame.length - 14)
      expect(ipv4.id(frame, 14)).toBe((0xfffe + k) & 0xffff)
      expect(ipv4.tos(frame, 14)).toBe(2)
      expect(tcp.seq(frame, 34)).toBe((-1000 + k * 1448) | 0)
      expect(tcp.ack(frame, 34)).toBe(5)
      const len = frame.length - 34
      expect(tcp.isChecksumOk(frame, 34, len, pseudoSum(frame, 26, 8, IPPROTO_TCP, len))).toBe(true)
      expect([...frame.subarray(54, 66)]).toEqual(options)
      bytes.push(...frame.subarray(66))
    })
    expect(bytes).toEqual([...data])
    expect(path.isAllReturned()).toBe(true)
  })
  test('gives FIN and PSH to the last segment, CWR to the first, the rest to all', () => {
    const path = host()
    path.send(superFrame, GSO_TCPV4, 2000)
    const flags = path.sent.map(({ frame }) => tcp.flags(frame, 34))
    const rest = tcp.TCP_ACK | tcp.TCP_ECE
    expect(flags).toEqual([rest | tcp.TCP_CWR, rest, rest | tcp.TCP_PSH | tcp.TCP_FIN])
  })
  test('gives CWR to all when it is part of the ACE field', () => {
    const path = host()
    path.send(superFrame, GSO_TCPV4 | GSO_ACCECN, 2000)
    const flags = path.sent.map(({ frame }) => tcp.flags(frame, 34))
    const rest = tcp.TCP_ACK | tcp.TCP_ECE | tcp.TCP_CWR
    expect(flags).toEqual([rest, rest, rest | tcp.TCP_PSH | tcp.TCP_FIN])
  })
  test('cuts such a super-frame for a device that cannot be told, and for no other', () => {
    const tun = host(NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_VNET_HDR)
    tun.send(superFrame, GSO_TCPV4 | GSO_ACCECN, 2000)
    expect(tun.sent).toHaveLength(3)
    tun.send(superFrame, GSO_TCPV4 | GSO_ECN, 2000)
    expect(tun.sent).toHaveLength(4)
    const lo = host(NETIF_F_HW_CSUM | NETIF_F_TSO)
    lo.send(superFrame, GSO_TCPV4 | GSO_ACCECN, 2000)
    expect(lo.sent).toHaveLength(1)
  })
  test('leaves checksums to a device that computes them but does not segment', () => {
    const path = host(NETIF_F_HW_CSUM)
    path.send(superFrame, GSO_TCPV4, 1448)
    expect(path.sent).toHaveLength(4)
    for (const { frame, ipSummed } of path.sent) {
      expect(ipSummed).toBe(CHECKSUM_PARTIAL)
      expect(tcp.checksum(frame, 34)).toBe(pseudoSum(frame, 26, 8, IPPROTO_TCP, frame.length - 34))
    }
  })
  test('lets a device with TSO have the whole, unless it is more than it takes', () => {
    const path = host(NETIF_F_HW_CSUM | NETIF_F_TSO)
    path.send(superFrame, GSO_TCPV4, 1448)
    expect(path.sent.map(({ gsoSize }) => gsoSize)).toEqual([1448])
    const small = host(NETIF_F_HW_CSUM | NETIF_F_TSO, 4000)
    small.send(superFrame, GSO_TCPV4, 1448)
    expect(small.sent).toHaveLength(4)
  })
  test('drops a super-frame whole when there is no memory for its segments', () => {
    const path = host()
    const held: number[] = []
    for (
      let skb = path.first.skbs.alloc(10, 0);
      held.length < 2045;
      skb = path.first.skbs.alloc(10, 0)
    )
      held.push(skb)
    path.send(superFrame, GSO_TCPV4, 536)
    expect(path.sent).toHaveLength(0)
    expect(path.drops(Drop.SKB_GSO_SEG)).toBe(1)
  })
})

describe('software GSO of others', () => {
  test('cuts TCP over IPv6', () => {
    const segment = tcpSegment(fields, { sport: 1, dport: 2, seq: 7 }, data)
    const packet = new Uint8Array(ipv6.HEADER + segment.length)
    ipv6.setTrafficClassFlow(packet, 0, 0, 5)
    ipv6.setPayloadLength(packet, 0, segment.length)
    ipv6.setNextHeader(packet, 0, IPPROTO_TCP)
    packet.fill(0x20, 8, 40)
    packet.set(segment, ipv6.HEADER)
    const path = host()
    path.send(
      etherFrame(link, ethernet.ETH_P_IPV6, packet),
      GSO_TCPV6,
      1440,
      40,
      ethernet.ETH_P_IPV6
    )
    expect(path.sent).toHaveLength(4)
    path.sent.forEach(({ frame }, k) => {
      const len = frame.length - 54
      expect(ipv6.check(frame, 14, frame.length - 14)).toBe(true)
      expect(ipv6.payloadLength(frame, 14)).toBe(len)
      expect(tcp.seq(frame, 54)).toBe(7 + k * 1440)
      expect(tcp.isChecksumOk(frame, 54, len, pseudoSum(frame, 22, 32, IPPROTO_TCP, len))).toBe(
        true
      )
    })
    expect(path.isAllReturned()).toBe(true)
  })
  test('cuts UDP into datagrams', () => {
    const path = host()
    path.send(udpFrame(link, fields, { sport: 5, dport: 6 }, data), GSO_UDP_L4, 1200)
    expect(path.sent.map(({ frame }) => udp.length(frame, 34) - 8)).toEqual([
      1200, 1200, 1200, 1200, 200,
    ])
    for (const { frame } of path.sent)
      expect(
        udp.isChecksumOk(frame, 34, pseudoSum(frame, 26, 8, IPPROTO_UDP, frame.length - 34))
      ).toBe(true)
    expect(path.isAllReturned()).toBe(true)
  })
})

test('each segment knows what the super-frame knew, and nothing of the packets that had its row before', () => {
  const path = createPathHost()
  const { arena, first } = path
  const { skbs, drop, consume } = first
  const { i32 } = arena
  const gso = createGso({ arena, skbs, drop, consume })
  const stale: number[] = []
  for (let k = 0; k < 16; k++) stale.push(skbs.alloc(10, 0))
  for (const skb of stale) {
    i32.fill(3, skb + SKB_CB, skb + SKB_WORDS)
    skbs.free(skb)
  }
  const skb = first.frameSkb(superFrame, 3)
  i32[skb + SKB_NETWORK] = i32[skb + SKB_DATA]! + 14
  i32[skb + SKB_TRANSPORT] = i32[skb + SKB_DATA]! + 34
  i32[skb + SKB_GSO_TYPE] = GSO_TCPV4
  i32[skb + SKB_GSO_SIZE] = 1448
  const known = [
    SKB_PROTOCOL,
    SKB_MARK,
    SKB_DST,
    SKB_PKT_TYPE,
    SKB_IIF,
    SKB_FLAGS,
    SKB_PRIORITY,
    SKB_QUEUE_MAPPING,
    SKB_CT,
    SKB_CT_INFO,
    SKB_TSTAMP,
    SKB_TSTAMP + 1,
    ...Array.from({ length: SKB_CB_WORDS }, (_, k) => SKB_CB + k),
  ]
  for (const word of known) i32[skb + word] = 4 * word
  i32[skb + SKB_PROTOCOL] = ethernet.ETH_P_IP
  const expected = known.map((word) => i32[skb + word]!)
  let segments = 0
  for (let seg = gso.segment(skb); seg !== 0; segments++) {
    expect(known.map((word) => i32[seg + word]!)).toEqual(expected)
    const next = i32[seg + SKB_NEXT]!
    skbs.free(seg)
    seg = next
  }
  expect(segments).toBe(4)
  expect(path.isAllReturned()).toBe(true)
})
