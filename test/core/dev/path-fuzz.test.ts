import { AF_INET } from '../../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { GSO_TCPV4, GSO_UDP_L4, SKB_GSO_SIZE, SKB_GSO_TYPE } from '../../../core/skb/skb.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import { CLIENT_MAC, createRouter, SERVER_MAC, toRouter } from '../../../sim/net/path-host.ts'
import { seeded } from '../../support/random.ts'
import {
  arpFrame,
  icmpFrame,
  ipPacket,
  tcpFrame,
  udpFrame,
  v4Words,
} from '../../../sim/net/packets.ts'

/** Frames of every kind that the path knows, to be spoiled. */
const seeds = (): Uint8Array[] => {
  const local = { saddr: '10.0.2.9', daddr: '10.0.2.1' }
  const through = { saddr: '10.0.2.9', daddr: '10.0.3.9' }
  const ports = { sport: 4000, dport: 53 }
  const quote = ipPacket({ saddr: '10.0.2.1', daddr: '10.0.2.9' }, new Uint8Array(8))
  return [
    udpFrame(toRouter, local, ports),
    udpFrame(toRouter, { ...through, ttl: 1 }, ports),
    udpFrame(toRouter, { ...local, flags: ipv4.IP_MF, id: 3 }, ports, new Uint8Array(800)),
    udpFrame(toRouter, { ...local, offset: 808, id: 3 }, ports, new Uint8Array(300)),
    udpFrame(
      toRouter,
      { ...through, options: [7, 7, 4, 0, 0, 0, 0, 0] },
      ports,
      new Uint8Array(1480)
    ),
    tcpFrame(toRouter, through, { ...ports, options: [1, 1, 1, 1] }, new Uint8Array(100)),
    icmpFrame(toRouter, local, 8, 0, 7, new Uint8Array(56)),
    icmpFrame(toRouter, local, 3, 4, 600, quote),
    arpFrame(
      { dst: 'ff:ff:ff:ff:ff:ff', src: CLIENT_MAC },
      { op: 1, sha: CLIENT_MAC, sip: '10.0.2.9', tip: '10.0.2.1' }
    ),
  ]
}

test('no frame, however spoiled, throws or leaks', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = seeded(seed)
    const below = (n: number): number => (random() >>> 8) % n
    const path = createRouter({ seed })
    path.setNeigh(2, '10.0.2.9', CLIENT_MAC)
    path.setNeigh(3, '10.0.3.9', SERVER_MAC)
    const { proto } = path.first.udp
    const sk = proto.open(AF_INET)
    proto.bind(sk, ...v4Words(0), 53)
    const frames = seeds()
    for (let n = 0; n < 4000; n++) {
      const frame = frames[below(frames.length)]!.slice()
      for (let k = below(4); k > 0; k--) frame[below(Math.min(frame.length, 60))] = random()
      const isIp = frame[12] === 8 && frame[13] === 0
      // half of them with a right header checksum, or nothing would pass it
      if (isIp && below(2) === 0 && ipv4.headerLen(frame, 14) + 14 <= frame.length)
        ipv4.setChecksum(frame, 14)
      const cut = below(8) === 0 ? frame.subarray(0, below(frame.length)) : frame
      const skb = path.first.frameSkb(cut, 2, below(2))
      if (below(16) === 0) {
        path.arena.i32[skb + SKB_GSO_SIZE] = 1 + below(200)
        path.arena.i32[skb + SKB_GSO_TYPE] = below(2) === 0 ? GSO_TCPV4 : GSO_UDP_L4
      }
      path.first.receive(skb)
      if (below(64) === 0) path.advance(below(40))
    }
    proto.close(sk)
    path.advance(35_000)
    expect(path.isAllReturned()).toBe(true)
  }
})
