// The receive core under a whole stack: a frame that comes in pieces has the answers that it has in one, wherever it
// is cut; and a batch ends.

import { describe, expect, test } from 'bun:test'
import { DEV_FEATURES, deviceRow, NETIF_F_GRO } from '../../../core/netdev/netdev.ts'
import { RX_HEADROOM, SKB_DEV } from '../../../core/skb/skb.ts'
import * as arp from '../../../core/wire/arp.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import * as icmp from '../../../core/wire/icmp.ts'
import { IPPROTO_ICMP } from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import { GREETINGS_MS } from '../../support/sim-topology.ts'
import { createSim } from '../../../sim/net/net-sim.ts'
import { LONG_MS } from '../../support/sim-topology.ts'
import {
  arpFrame,
  BROADCAST_MAC,
  etherFrame,
  icmpFrame,
  icmpMessage,
  ipPacket,
  tcpFrame,
  udpFrame,
} from '../../../sim/net/packets.ts'

const ROUTER = '02:00:00:00:01:01'
const HOST = '02:00:00:00:00:77'
const link = { dst: ROUTER, src: HOST }
const fields = { saddr: '10.1.0.77', daddr: '10.1.0.254' }
const far = { saddr: '10.1.0.77', daddr: '10.2.0.77' }
const data = new Uint8Array(40).map((_, k) => k)

const network = async () => {
  const sim = createSim(5)
  const eth = (n: number) => ({
    ifname: `eth${n}`,
    kind: 'pipe',
    address: `02:00:00:00:0${n}:01`,
    addresses: [`10.${n}.0.254/24`],
    up: true,
  })
  const r = await sim.host('r', {
    services: { echo: true },
    setup: {
      link: [{ ifname: 'lo', up: true }, eth(1), eth(2)],
      neigh: [
        { dev: 'eth1', dst: '10.1.0.77', lladdr: HOST },
        { dev: 'eth2', dst: '10.2.0.77', lladdr: HOST },
      ],
      sysctl: { 'net.ipv4.ip_forward': 1, 'net.ipv4.icmp_ratelimit': 0 },
    },
  })
  const stations = [1, 2].map((n) => {
    const station = sim.station()
    sim.wire(station, [r, `eth${n}`])
    return station
  })
  sim.run(GREETINGS_MS)
  for (const station of stations) station.received.length = 0
  const { stack, arena } = r
  const { skbs } = stack
  const inbox: number[] = []
  stack.napiAdd(() => {
    const skb = inbox.shift()
    if (skb === undefined) return 0
    stack.receiveFrame(skb)
    return 1
  })
  const piece = (bytes: Uint8Array, headroom: number): number => {
    const skb = skbs.alloc(bytes.length, headroom)
    arena.u8.set(bytes, skbs.put(skb, bytes.length))
    return skb
  }
  /** A batch of frames comes in; how many packets were routed. */
  const receiveBatch = (...frames: Uint8Array[]): number => {
    const before = r.mib('IpForwDatagrams')
    let batch = frames.map((frame) => piece(frame, RX_HEADROOM))
    const remove = stack.napiAdd(() => {
      const [all, n] = [batch, batch.length]
      batch = []
      for (const skb of all) {
        arena.i32[skb + SKB_DEV] = r.ifindex('eth1')
        stack.receiveFrame(skb)
      }
      return n
    })
    sim.run(1)
    remove()
    return r.mib('IpForwDatagrams') - before
  }
  /** A frame comes in, cut where it is said; what is answered and sent on. */
  const receive = (frame: Uint8Array, ...cuts: number[]): string[] => {
    const ends = [...cuts, frame.length]
    const skb = piece(frame.subarray(0, ends[0]), RX_HEADROOM)
    let last = 0
    for (const [k, end] of ends.slice(1).entries()) {
      const frag = piece(frame.subarray(ends[k], end), 0)
      skbs.addFrag(skb, last, frag)
      last = frag
    }
    arena.i32[skb + SKB_DEV] = r.ifindex('eth1')
    inbox.push(skb)
    for (const station of stations) station.received.length = 0
    sim.run(1)
    return stations.flatMap(({ received }) => received.map(shown))
  }
  return { sim, r, receive, receiveBatch, stations }
}
/** A frame without what differs between two answers to the same: the identifier, and so the header's sum. */
const shown = (frame: Uint8Array): string => {
  const bytes = frame.slice()
  if (ethernet.type(bytes, 0) === ethernet.ETH_P_IP) {
    ipv4.setId(bytes, 14, 0)
    ipv4.putChecksum(bytes, 14, 0)
  }
  return bytes.toHex()
}
const padded = (frame: Uint8Array): Uint8Array => {
  const longer = new Uint8Array(frame.length + 18).fill(0xee)
  longer.set(frame)
  return longer
}

const FRAMES: [name: string, frame: Uint8Array][] = [
  [
    'an ARP request',
    arpFrame(
      { dst: BROADCAST_MAC, src: HOST },
      { op: arp.ARPOP_REQUEST, sha: HOST, sip: fields.saddr, tip: fields.daddr }
    ),
  ],
  ['an echo request', icmpFrame(link, fields, icmp.ICMP_ECHO, 0, 0x10001, data)],
  [
    'an echo request with padding behind',
    padded(icmpFrame(link, fields, icmp.ICMP_ECHO, 0, 0x10001, data)),
  ],
  [
    'an echo request with options',
    icmpFrame(link, { ...fields, options: [7, 7, 4, 0, 0, 0, 0, 0] }, icmp.ICMP_ECHO, 0, 1, data),
  ],
  ['a datagram to the echo service', udpFrame(link, fields, { sport: 4000, dport: 7 }, data)],
  ['one with padding behind', padded(udpFrame(link, fields, { sport: 4000, dport: 7 }, data))],
  ['a datagram to nobody', udpFrame(link, fields, { sport: 4000, dport: 4001 }, data)],
  [
    'a segment to nobody',
    tcpFrame(link, fields, { sport: 4000, dport: 4001, seq: 7, flags: tcp.TCP_SYN }, data),
  ],
  ['a packet to forward', udpFrame(link, far, { sport: 1, dport: 2 }, data)],
  ['a packet with a TTL of 1', udpFrame(link, { ...far, ttl: 1 }, { sport: 1, dport: 2 }, data)],
  [
    'an echo request with a TTL of 1',
    icmpFrame(link, { ...far, ttl: 1 }, icmp.ICMP_ECHO, 0, 1, data),
  ],
  [
    'a protocol that nobody takes',
    etherFrame(link, ethernet.ETH_P_IP, ipPacket({ ...fields, protocol: 99 }, data)),
  ],
]

describe('a frame in pieces', () => {
  test.each(FRAMES)('is answered as in one: %s', async (_, frame) => {
    const { sim, receive } = await network()
    const whole = receive(frame)
    expect(whole).toHaveLength(1)
    for (let cut = 1; cut < frame.length; cut++) {
      expect([cut, receive(frame, cut)]).toEqual([cut, whole])
      const next = Math.min(cut + 3, frame.length - 1)
      if (next > cut) expect([cut, next, receive(frame, cut, next)]).toEqual([cut, next, whole])
    }
    sim.run(1000)
    expect(sim.leaks()).toEqual({})
  })
  test('is a fragment like any', async () => {
    const { sim, r, receive } = await network()
    const message = icmpMessage(icmp.ICMP_ECHO, 0, 1, data)
    const fragment = (offset: number, end: number): Uint8Array => {
      const flags = end < message.length ? ipv4.IP_MF : 0
      const packet = ipPacket(
        { ...fields, protocol: IPPROTO_ICMP, flags, offset, id: 5 },
        message.subarray(offset, end)
      )
      return etherFrame(link, ethernet.ETH_P_IP, packet)
    }
    for (let cut = 1; cut < 50; cut++) {
      expect(receive(fragment(0, 24), cut)).toEqual([])
      expect(receive(fragment(24, message.length), cut)).toHaveLength(1)
    }
    expect(r.mib('IpReasmOKs')).toBe(49)
    expect(r.mib('IcmpInErrors')).toBe(0)
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })
})

describe('a batch', () => {
  /** The k-th segment of a transfer that is routed. */
  const segment = (k: number): Uint8Array =>
    tcpFrame(link, { ...far, id: k }, { sport: 1, dport: 2, seq: k * 100 }, new Uint8Array(100))
  test('of one TCP flow is routed once and leaves as it came', async () => {
    const { sim, r, receiveBatch, stations } = await network()
    const { arena } = r
    arena.i32[deviceRow(arena, r.ifindex('eth1')) + DEV_FEATURES]! |= NETIF_F_GRO
    expect(receiveBatch(segment(0), segment(1), segment(2))).toBe(1)
    const sent = stations[1]!.received.map((frame) => tcp.seq(frame, 34))
    expect(sent).toEqual([0, 100, 200])
    // the end of a batch keeps nothing for the next
    expect(receiveBatch(segment(3))).toBe(1)
    expect(stations[1]!.received).toHaveLength(4)
    sim.run(1000)
    expect(sim.leaks()).toEqual({})
  })
})
