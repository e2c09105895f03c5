import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../core/base/family.ts'
import { Mib } from '../../../core/shm/counters.ts'
import { Drop } from '../../../core/skb/drop.ts'
import { GSO_TCPV4, SKB_GSO_SIZE, SKB_GSO_TYPE, SKB_GSO_SEGS } from '../../../core/skb/skb.ts'
import { DEV_MTU, NETIF_F_HW_CSUM, NETIF_F_TSO } from '../../../core/netdev/netdev.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import * as icmp from '../../../core/wire/icmp.ts'
import { IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import { createRouter, SERVER_MAC, toRouter } from '../../../sim/net/path-host.ts'
import { ip, macText, tcpFrame, ipFrame, udpFrame } from '../../../sim/net/packets.ts'

const ports = { sport: 4000, dport: 9 }
const fields = { saddr: '10.0.2.9', daddr: '10.0.3.9' }

const router = () => {
  const path = createRouter()
  path.setNeigh(3, '10.0.3.9', SERVER_MAC)
  path.setNeigh(2, '10.0.2.9', toRouter.src)
  return path
}

describe('ip_forward', () => {
  test('sends the packet on with one hop less, a right checksum and new MAC addresses', () => {
    const path = router()
    path.receive(udpFrame(toRouter, { ...fields, ttl: 64 }, ports), 2)
    expect(path.sent).toHaveLength(1)
    const { dev, frame } = path.sent[0]!
    expect(dev).toBe(3)
    expect(macText(frame, 0)).toBe(SERVER_MAC)
    expect(macText(frame, 6)).toBe('02:00:00:00:00:03')
    expect(ethernet.type(frame, 0)).toBe(ethernet.ETH_P_IP)
    expect(ipv4.ttl(frame, 14)).toBe(63)
    expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
    expect(path.counter(Mib.IpForwDatagrams)).toBe(1)
    expect(path.counter(Mib.IpOutTransmits)).toBe(1)
    expect(path.counter(Mib.IpInReceives)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  test('a rule by ports is for the packets that have them, and for no fragment', () => {
    const path = router()
    path.prohibit(AF_INET, { proto: IPPROTO_UDP, sport: [4000, 4001], dport: [9, 9] })
    path.receive(udpFrame(toRouter, fields, ports), 2)
    expect(path.drops(Drop.IP_INNOROUTES)).toBe(1)
    path.receive(udpFrame(toRouter, fields, { sport: 4002, dport: 9 }), 2)
    path.receive(udpFrame(toRouter, fields, { sport: 4001, dport: 10 }), 2)
    path.receive(udpFrame(toRouter, { ...fields, flags: ipv4.IP_MF }, ports), 2)
    expect(path.sent.map(({ dev }) => dev)).toEqual([2, 3, 3, 3])
    expect(icmp.code(path.sent[0]!.frame, 34)).toBe(icmp.ICMP_PKT_FILTERED)
    expect(path.isAllReturned()).toBe(true)
  })

  test('keeps the header checksum right for every identification', () => {
    const path = router()
    for (let id = 0; id < 65536; id += 251)
      path.receive(udpFrame(toRouter, { ...fields, id }, ports), 2)
    expect(path.sent.every(({ frame }) => ipv4.isChecksumOk(frame, 14))).toBe(true)
    expect(path.isAllReturned()).toBe(true)
  })

  test('leaves DF, precedence and the reserved bit as they are (RFC 1812 5.2.5, RFC 6864 4.3)', () => {
    const path = router()
    for (const bits of [0, 0x40, 0x80, 0xc0]) {
      const before = udpFrame(toRouter, { ...fields, tos: 0xe0 }, ports)
      before[14 + 6] = bits
      ipv4.setChecksum(before, 14)
      path.receive(before, 2)
      const { frame } = path.sent.pop()!
      expect([frame[14 + 6]!, ipv4.tos(frame, 14)]).toEqual([bits, 0xe0])
    }
    expect(path.isAllReturned()).toBe(true)
  })
  test('uses the gateway of the default route', () => {
    const path = router()
    path.setNeigh(3, '10.0.3.254', '02:00:00:00:03:fe')
    path.receive(udpFrame(toRouter, { ...fields, daddr: '192.0.2.1' }, ports), 2)
    expect(macText(path.sent[0]!.frame, 0)).toBe('02:00:00:00:03:fe')
  })

  test('drops TTL 1 and sends time exceeded to the source, from its own address', () => {
    const path = router()
    path.receive(udpFrame(toRouter, { ...fields, ttl: 1 }, ports), 2)
    expect(path.sent).toHaveLength(1)
    const { dev, frame } = path.sent[0]!
    expect(dev).toBe(2)
    expect(ipv4.dst(frame, 14)).toBe(ip('10.0.2.9'))
    expect(ipv4.src(frame, 14)).toBe(ip('10.0.2.1'))
    expect(icmp.type(frame, 34)).toBe(icmp.ICMP_TIME_EXCEEDED)
    expect(icmp.code(frame, 34)).toBe(icmp.ICMP_EXC_TTL)
    expect(icmp.isChecksumOk(frame, 34, frame.length - 34)).toBe(true)
    expect(path.drops(Drop.TTL_EXCEEDED)).toBe(1)
    expect(path.counter(Mib.IpInHdrErrors)).toBe(1)
    expect(path.counter(Mib.IcmpOutTimeExcds)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  test('answers a packet with DF that is too big with the MTU of the next hop', () => {
    const path = router()
    path.addRoute('10.9.0.0/16', 3, { via: '10.0.3.9', mtu: 1300 })
    path.receive(
      udpFrame(
        toRouter,
        { ...fields, daddr: '10.9.0.1', flags: ipv4.IP_DF },
        ports,
        new Uint8Array(1400)
      ),
      2
    )
    const { frame } = path.sent[0]!
    expect(icmp.type(frame, 34)).toBe(icmp.ICMP_DEST_UNREACH)
    expect(icmp.code(frame, 34)).toBe(icmp.ICMP_FRAG_NEEDED)
    expect(icmp.nextHopMtu(frame, 34)).toBe(1300)
    // an error is at most 576 octets (RFC 1812 4.3.2.3)
    expect(ipv4.totalLength(frame, 14)).toBe(576)
    expect(path.drops(Drop.PKT_TOO_BIG)).toBe(1)
    expect(path.counter(Mib.IpFragFails)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  test('cuts a packet without DF that is too big', () => {
    const path = router()
    path.addRoute('10.9.0.0/16', 3, { via: '10.0.3.9', mtu: 1300 })
    const data = Uint8Array.from({ length: 1400 }, (_, k) => k)
    const whole = udpFrame(toRouter, { ...fields, daddr: '10.9.0.1' }, ports, data)
    path.receive(whole, 2)
    expect(path.sent).toHaveLength(2)
    const [a, b] = path.sent.map(({ frame }) => frame)
    expect(ipv4.totalLength(a!, 14)).toBe(1300)
    expect(ipv4.moreFragments(a!, 14)).toBe(true)
    expect(ipv4.moreFragments(b!, 14)).toBe(false)
    expect(ipv4.fragmentOffset(b!, 14)).toBe(1280)
    expect(ipv4.isChecksumOk(a!, 14) && ipv4.isChecksumOk(b!, 14)).toBe(true)
    expect([...a!.subarray(34), ...b!.subarray(34)]).toEqual([...whole.subarray(34)])
    expect([ipv4.id(a!, 14), ipv4.id(b!, 14)]).toEqual([ipv4.id(whole, 14), ipv4.id(whole, 14)])
    expect(path.counter(Mib.IpFragOKs)).toBe(1)
    expect(path.counter(Mib.IpFragCreates)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })

  test('takes a packet larger than the MTU of the link that brought it (RFC 1812 section 3.3.4)', () => {
    const path = router()
    path.arena.i32[path.deviceRow(2) + DEV_MTU] = 600
    path.receive(udpFrame(toRouter, fields, ports, new Uint8Array(1400)), 2)
    expect(path.sent).toMatchObject([{ dev: 3 }])
  })
  test('copies into later fragments only the options that are to be copied', () => {
    const path = router()
    path.addRoute('10.9.0.0/16', 3, { via: '10.0.3.9', mtu: 1300 })
    // record route (not copied), then a security option (copied)
    const options = [7, 7, 4, 0, 0, 0, 0, 0x82, 4, 1, 2, 0]
    path.receive(
      udpFrame(toRouter, { ...fields, daddr: '10.9.0.1', options }, ports, new Uint8Array(1400)),
      2
    )
    const [a, b] = path.sent.map(({ frame }) => frame)
    expect([...a!.subarray(34, 46)]).toEqual([7, 7, 8, 10, 0, 3, 1, 0x82, 4, 1, 2, 0])
    expect([...b!.subarray(34, 46)]).toEqual([1, 1, 1, 1, 1, 1, 1, 0x82, 4, 1, 2, 0])
    expect(path.isAllReturned()).toBe(true)
  })

  test('cuts a later fragment once more with its options as they are: they have been chosen', () => {
    const path = router()
    path.addRoute('10.9.0.0/16', 3, { via: '10.0.3.9', mtu: 1300 })
    const options = [7, 7, 4, 0, 0, 0, 0, 0]
    const piece = { ...fields, daddr: '10.9.0.1', offset: 1400, options, protocol: 17 }
    path.receive(ipFrame(toRouter, piece, new Uint8Array(1400)), 2)
    const recorded = [7, 7, 8, 10, 0, 3, 1, 0]
    expect(path.sent.map(({ frame }) => [...frame.subarray(34, 42)])).toEqual([recorded, recorded])
    expect(path.sent.map(({ frame }) => ipv4.fragmentOffset(frame, 14))).toEqual([1400, 2672])
    expect(path.isAllReturned()).toBe(true)
  })

  test('lets a super-frame pass whose segments fit, whole to a device with TSO, cut for one without', () => {
    const path = router()
    const frame = tcpFrame(
      toRouter,
      { ...fields, flags: ipv4.IP_DF },
      { ...ports, seq: 1 },
      new Uint8Array(4000)
    )
    const gso = () => {
      const skb = path.first.frameSkb(frame, 2)
      path.arena.i32[skb + SKB_GSO_SIZE] = 1460
      path.arena.i32[skb + SKB_GSO_TYPE] = GSO_TCPV4
      path.arena.i32[skb + SKB_GSO_SEGS] = 3
      path.first.receive(skb)
    }
    gso()
    expect(path.sent.map((s) => s.frame.length)).toEqual([1514, 1514, 1134])
    path.sent.length = 0
    path.addDevice(3, { features: NETIF_F_TSO | NETIF_F_HW_CSUM })
    gso()
    expect(path.sent.map((s) => s.frame.length)).toEqual([4054])
    expect(path.isAllReturned()).toBe(true)
  })

  test('does not forward what the link brought to many', () => {
    const path = router()
    path.receive(udpFrame({ ...toRouter, dst: 'ff:ff:ff:ff:ff:ff' }, fields, ports), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.drops(Drop.OTHERHOST)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })

  test('does not change the bytes that a tap holds', () => {
    const path = router()
    const seen: number[] = []
    path.first.ptype.devAddPack(ethernet.ETH_P_ALL, (skb) => void seen.push(skb))
    path.receive(udpFrame(toRouter, { ...fields, ttl: 9 }, ports), 2)
    const [incoming] = seen
    expect(ipv4.ttl(path.arena.u8, path.arena.i32[incoming! + 1]! + 14)).toBe(9)
    expect(ipv4.ttl(path.sent[0]!.frame, 14)).toBe(8)
    for (const skb of seen) path.first.consume(skb)
    expect(path.isAllReturned()).toBe(true)
  })
})
