// Single frames that a router and host once answered wrongly, as they lie on the wire, each with the answer that Linux
// gives; and IPv4 options and redirects, which only show frame by frame.

import { describe, expect, test } from 'bun:test'
import { NLM_F_CREATE } from '../../core/control/nlm-flags.ts'
import { RX_HEADROOM, SKB_DEV, SKB_VLAN } from '../../core/skb/skb.ts'
import * as arp from '../../core/wire/arp.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as icmp from '../../core/wire/icmp.ts'
import { IPPROTO_ICMP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as tcp from '../../core/wire/tcp.ts'
import * as vlan from '../../core/wire/vlan.ts'
import { GREETINGS_MS } from '../support/sim-topology.ts'
import { createSim } from '../../sim/net/net-sim.ts'
import {
  arpFrame,
  BROADCAST_MAC,
  etherFrame,
  icmpFrame,
  icmpMessage,
  ip,
  ipPacket,
  ipText,
  macText,
  tcpFrame,
  udpFrame,
} from '../../sim/net/packets.ts'

const ROUTER = '02:00:00:00:01:01'
const HOST = '02:00:00:00:00:77'
const NEIGHBOUR = '02:00:00:00:00:88'
const FAR = '02:00:00:00:02:77'

/** 10.1.0.77 (HOST) and .88 on the link of 10.1.0.254; far link 10.2.0.254, where 10.2.0.77 (FAR) is the default route. */
const network = async () => {
  const sim = createSim(5)
  const eth = (n: number) => ({
    ifname: `eth${n}`,
    kind: 'pipe',
    address: `02:00:00:00:0${n}:01`,
    addresses: [`10.${n}.0.254/24`],
    up: true,
  })
  const neigh = (n: number, dst: string, lladdr: string) => ({ dev: `eth${n}`, dst, lladdr })
  const r = await sim.host('r', {
    setup: {
      link: [{ ifname: 'lo', up: true }, eth(1), eth(2)],
      route: [
        { dst: 'default', gateway: '10.2.0.77' },
        { dst: '192.0.2.0/24', gateway: '10.1.0.88' },
      ],
      neigh: [
        neigh(1, '10.1.0.77', HOST),
        neigh(1, '10.1.0.88', NEIGHBOUR),
        neigh(2, '10.2.0.77', FAR),
      ],
      sysctl: { 'net.ipv4.ip_forward': 1 },
    },
  })
  const near = sim.station()
  const far = sim.station()
  sim.wire(near, [r, 'eth1'])
  sim.wire(far, [r, 'eth2'])
  sim.run(GREETINGS_MS)
  near.received.length = 0
  far.received.length = 0
  const send = (frame: Uint8Array): Uint8Array[] => {
    near.received.length = 0
    far.received.length = 0
    near.send(frame)
    sim.run(50)
    return near.received
  }
  return { sim, r, near, far, send }
}
const hex = (text: string): Uint8Array => Uint8Array.fromHex(text)

describe('an echo request of nothing but zeroes', () => {
  test('is answered with a checksum that verifies: all ones', async () => {
    const { send } = await network()
    const [answer] = send(
      hex(
        '02000000010102000000007708004500001c00010000400165940a01004d0a0100fe0800f7ff00000000000000000000000000000000000000000000'
      )
    )
    expect(icmp.type(answer!, 34)).toBe(icmp.ICMP_ECHOREPLY)
    expect(icmp.checksum(answer!, 34)).toBe(0xffff)
    expect(icmp.isChecksumOk(answer!, 34, 8)).toBe(true)
  })
})

describe('a priority tag', () => {
  test('of VLAN 0 before ARP is as none', async () => {
    const { send } = await network()
    const [answer] = send(
      hex(
        'ffffffffffff0200000000778100c000080600010800060400010200000000770a01004d0000000000000a0100fe0000000000000000000000000000'
      )
    )
    expect(macText(answer!, 0)).toBe(HOST)
    expect(arp.operation(answer!, 14)).toBe(arp.ARPOP_REPLY)
    expect(arp.senderIp(answer!, 14)).toBe(ip('10.1.0.254'))
  })
  test('of VLAN 0 before IPv4 is as none', async () => {
    const { send, r } = await network()
    const [answer] = send(
      hex(
        '0200000001010200000000778100c00008004500002000010000400165900a01004d0a0100fe08001e19000400017072696f00000000000000000000'
      )
    )
    expect(icmp.type(answer!, 34)).toBe(icmp.ICMP_ECHOREPLY)
    expect([...answer!.subarray(42, 46)]).toEqual([...'prio'].map((c) => c.charCodeAt(0)))
    expect(r.mib('IcmpInEchos')).toBe(1)
  })
  const echo = icmpFrame(
    { dst: ROUTER, src: HOST },
    { saddr: '10.1.0.77', daddr: '10.1.0.254' },
    icmp.ICMP_ECHO,
    0,
    0x00010001,
    new Uint8Array(20)
  )
  const tagged = (frame: Uint8Array, ...tags: [type: number, vid: number][]): Uint8Array =>
    tags.reduceRight((inner, [type, vid]) => {
      const outer = new Uint8Array(inner.length + vlan.VLAN_HLEN)
      outer.set(inner, vlan.VLAN_HLEN)
      vlan.insert(outer, vlan.VLAN_HLEN, type, vlan.makeTci(vid, 6))
      return outer
    }, frame)
  test('two of VLAN 0, of either kind, are as none', async () => {
    const { send } = await network()
    const frame = tagged(echo, [ethernet.ETH_P_8021AD, 0], [ethernet.ETH_P_8021Q, 0])
    expect(send(frame).map((answer) => icmp.type(answer, 34))).toEqual([icmp.ICMP_ECHOREPLY])
  })
  test.each([
    ['a VLAN', [[ethernet.ETH_P_8021Q, 5]]],
    [
      'a VLAN behind a priority tag',
      [
        [ethernet.ETH_P_8021Q, 0],
        [ethernet.ETH_P_8021Q, 5],
      ],
    ],
    ['a provider’s VLAN', [[ethernet.ETH_P_8021AD, 5]]],
  ] as [string, [number, number][]][])(
    'of %s that is not here is another host’s',
    async (_, tags) => {
      const { sim, send, r } = await network()
      expect(send(tagged(echo, ...tags))).toEqual([])
      expect(r.drops('OTHERHOST')).toBe(1)
      expect(send(tagged(arpRequest(), ...tags))).toEqual([])
      expect(r.drops('OTHERHOST')).toBe(2)
      sim.run(1000)
      expect(sim.leaks()).toEqual({})
    }
  )
  test('cut short is no tag', async () => {
    const { send, r } = await network()
    expect(send(tagged(echo, [ethernet.ETH_P_8021Q, 0]).subarray(0, 16))).toEqual([])
    expect(r.drops('UNHANDLED_PROTO')).toBe(1)
  })
  test('that the driver took off counts the same', async () => {
    const { sim, near, r } = await network()
    const inbox: [Uint8Array, number][] = [
      [arpRequest(), vlan.makeTci(5, 0)],
      [echo, vlan.makeTci(5, 3)],
      [echo, vlan.makeTci(0, 3)],
    ]
    const { stack, arena } = r
    stack.napiAdd(() => {
      const next = inbox.shift()
      if (next === undefined) return 0
      const skb = stack.skbs.alloc(next[0].length, RX_HEADROOM)
      arena.u8.set(next[0], stack.skbs.put(skb, next[0].length))
      arena.i32[skb + SKB_DEV] = r.ifindex('eth1')
      arena.i32[skb + SKB_VLAN] = next[1]
      stack.receiveFrame(skb)
      return 1
    })
    sim.run(50)
    expect(r.drops('OTHERHOST')).toBe(2)
    expect(near.received.map((answer) => icmp.type(answer, 34))).toEqual([icmp.ICMP_ECHOREPLY])
  })
})
const arpRequest = (): Uint8Array =>
  arpFrame(
    { dst: BROADCAST_MAC, src: HOST },
    { op: arp.ARPOP_REQUEST, sha: HOST, sip: '10.1.0.77', tip: '10.1.0.254' }
  )

describe('a tagged ARP request of a VLAN that is not here', () => {
  test('is not answered', async () => {
    const { send } = await network()
    expect(
      send(
        hex(
          'ffffffffffff02000000007781000005080600010800060400010200000000770a01004d0000000000000a0100fe0000000000000000000000000000'
        )
      )
    ).toEqual([])
  })
})

describe('record route', () => {
  test('is written by a router with the address of the link it leaves by', async () => {
    const { send, far } = await network()
    send(
      hex(
        '020000000101020000000077080048000028000100004001582d0a01004d0a02004d070b040000000000000000000800f7fb00030001000000000000'
      )
    )
    const [frame] = far.received
    expect([...frame!.subarray(34, 46)]).toEqual([7, 11, 8, 10, 2, 0, 254, 0, 0, 0, 0, 0])
    expect(ipv4.isChecksumOk(frame!, 14)).toBe(true)
    expect(ipv4.ttl(frame!, 14)).toBe(63)
  })
  test('is answered by a host with the way recorded, its own address on it both ways', async () => {
    const { send } = await network()
    const [answer] = send(
      hex(
        '020000000101020000000077080048000028000100004001577d0a01004d0a0100fe070b040000000000000000000800f7fa00030002000000000000'
      )
    )
    expect([...answer!.subarray(34, 46)]).toEqual([7, 11, 12, 10, 1, 0, 254, 10, 1, 0, 254, 0])
    expect(ipv4.isChecksumOk(answer!, 14)).toBe(true)
    expect(ipv4.headerLen(answer!, 14)).toBe(32)
    expect(icmp.type(answer!, 46)).toBe(icmp.ICMP_ECHOREPLY)
    expect(icmp.isChecksumOk(answer!, 46, 8)).toBe(true)
    expect(answer!.length).toBe(54)
  })
})

/** A UDP datagram with options from HOST through the router. */
const through = (options: number[], data = 20): Uint8Array => {
  const fields = { saddr: '10.1.0.77', daddr: '10.2.0.77', options }
  return udpFrame({ dst: ROUTER, src: HOST }, fields, { sport: 1, dport: 2 }, new Uint8Array(data))
}
describe('IPv4 options', () => {
  const optionsOf = (frame: Uint8Array): number[] => [
    ...frame.subarray(34, 14 + ipv4.headerLen(frame, 14)),
  ]
  const parameterProblem = (frame: Uint8Array): number | undefined => {
    const at = 14 + ipv4.headerLen(frame, 14)
    return icmp.type(frame, at) === icmp.ICMP_PARAMETERPROB
      ? icmp.rest(frame, at) >>> 24
      : undefined
  }

  test.each([
    ['a full record route', [7, 7, 8, 1, 2, 3, 4, 0]],
    ['a stream identifier', [136, 4, 0, 7]],
    ['padding and the end', [1, 1, 0, 0]],
    ['a timestamp of an unknown kind', [68, 8, 5, 2, 0, 0, 0, 0]],
    ['a full timestamp for hosts that its sender named', [68, 12, 13, 3, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['a router alert', [148, 4, 0, 0]],
  ])('%s goes through as it is', async (_, options) => {
    const { send, far } = await network()
    send(through(options))
    expect(optionsOf(far.received[0]!)).toEqual(options)
    expect(ipv4.isChecksumOk(far.received[0]!, 14)).toBe(true)
  })
  test('an error about a packet carries what its options had recorded, with our address', async () => {
    const { send } = await network()
    const fields = {
      saddr: '10.1.0.77',
      daddr: '10.2.0.77',
      ttl: 1,
      options: [7, 11, 4, ...new Array(9).fill(0)],
    }
    const frame = udpFrame({ dst: ROUTER, src: HOST }, fields, { sport: 1, dport: 2 })
    const sum = ipv4.checksum(frame, 14)
    const [error] = send(frame)
    expect(optionsOf(error!)).toEqual([7, 11, 12, 10, 1, 0, 254, 10, 1, 0, 254, 0])
    expect(icmp.type(error!, 46)).toBe(icmp.ICMP_TIME_EXCEEDED)
    expect(icmp.isChecksumOk(error!, 46, error!.length - 46)).toBe(true)
    // what is quoted shows that it was here, and has the checksum that it came with (ip_options_compile)
    expect([...error!.subarray(74, 82)]).toEqual([7, 11, 8, 10, 1, 0, 254, 0])
    expect(ipv4.checksum(error!, 54)).toBe(sum)
  })
  test('what waited for a neighbour in vain is quoted with our address twice (ipv4_send_dest_unreach)', async () => {
    const { sim, send, near } = await network()
    const fields = {
      saddr: '10.1.0.77',
      daddr: '10.2.0.99',
      options: [7, 15, 4, ...new Array(13).fill(0)],
    }
    send(udpFrame({ dst: ROUTER, src: HOST }, fields, { sport: 1, dport: 2 }))
    sim.run(3000)
    const [error] = near.received
    const [out, back] = [
      [10, 2, 0, 254],
      [10, 1, 0, 254],
    ]
    expect(icmp.type(error!, 50)).toBe(icmp.ICMP_DEST_UNREACH)
    expect(icmp.code(error!, 50)).toBe(icmp.ICMP_HOST_UNREACH)
    expect(optionsOf(error!)).toEqual([7, 15, 16, ...out!, ...back!, ...back!, 0])
    expect([...error!.subarray(78, 94)]).toEqual([7, 15, 12, ...out!, ...back!, 0, 0, 0, 0, 0])
  })
  test('a reset carries them too, and the TOS of what it answers, but for ECN', async () => {
    const { send } = await network()
    const options = [7, 7, 4, 0, 0, 0, 0, 0]
    const fields = { saddr: '10.1.0.77', daddr: '10.1.0.254', tos: 0x2a, options }
    const [reset] = send(tcpFrame({ dst: ROUTER, src: HOST }, fields, { sport: 1, dport: 2 }))
    expect(optionsOf(reset!)).toEqual([7, 7, 8, 10, 1, 0, 254, 0])
    expect(reset![14 + 28 + 13]).toBe(tcp.TCP_RST)
    expect(ipv4.tos(reset!, 14)).toBe(0x28)
    // it is whole for good: it needs no identification (RFC 6864)
    expect([ipv4.dontFragment(reset!, 14), ipv4.id(reset!, 14)]).toEqual([true, 0])
    expect(ipv4.isChecksumOk(reset!, 14)).toBe(true)
  })
  test('options are judged before a route that refuses the packet, and after a martian is', async () => {
    const { send, r } = await network()
    await r.must({
      type: 'RTM_NEWROUTE',
      flags: NLM_F_CREATE,
      route: { dst: '10.8.0.0/16', type: 'blackhole' },
    })
    const bad = { saddr: '10.1.0.77', daddr: '10.8.0.1', options: [7, 2, 1, 1] }
    const toRouter = { dst: ROUTER, src: HOST }
    const [error] = send(udpFrame(toRouter, bad, { sport: 1, dport: 2 }))
    expect(parameterProblem(error!)).toBe(21)
    expect(
      send(udpFrame(toRouter, { ...bad, saddr: '127.0.0.1' }, { sport: 1, dport: 2 }))
    ).toEqual([])
  })
  test('what lies behind the end is cleared', async () => {
    const { send, far } = await network()
    send(through([1, 1, 0, 9]))
    expect(optionsOf(far.received[0]!)).toEqual([1, 1, 0, 0])
    expect(ipv4.isChecksumOk(far.received[0]!, 14)).toBe(true)
  })
  test('a timestamp gets ours, not from midnight; with our address where it asks', async () => {
    const { send, far, sim } = await network()
    const now = (sim.nowMs() & 0x7fffffff) >>> 0
    send(through([68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
    const only = optionsOf(far.received[0]!)
    expect(only.slice(0, 4)).toEqual([68, 12, 9, 0])
    const stamp = new DataView(Uint8Array.from(only).buffer).getUint32(4)
    expect(stamp >>> 31).toBe(1)
    expect(Math.abs((stamp & 0x7fffffff) - now)).toBeLessThan(100)
    expect(only.slice(8)).toEqual([0, 0, 0, 0])
    send(through([68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
    // that of the link that it leaves by (RFC 1812 section 4.2.2.2)
    expect(optionsOf(far.received[0]!).slice(0, 8)).toEqual([68, 12, 13, 1, 10, 2, 0, 254])
  })
  test('a timestamp asked of another host is left alone; one without room counts us', async () => {
    const { send, far } = await network()
    const asked = [68, 12, 5, 3, 10, 9, 9, 9, 0, 0, 0, 0]
    send(through(asked))
    expect(optionsOf(far.received[0]!)).toEqual(asked)
    send(through([68, 12, 5, 3, 10, 1, 0, 254, 0, 0, 0, 0]))
    expect(optionsOf(far.received[0]!).slice(0, 4)).toEqual([68, 12, 13, 3])
    send(through([68, 8, 9, 0x10, 1, 2, 3, 4]))
    expect(optionsOf(far.received[0]!)).toEqual([68, 8, 9, 0x20, 1, 2, 3, 4])
  })
  test.each([
    ['a length beyond the header', [7, 9, 4, 0], 20],
    ['no length', [1, 1, 1, 7], 23],
    ['a length of one', [7, 1, 4, 0], 20],
    ['a record route too short', [7, 2, 1, 1], 21],
    ['a pointer before the first slot', [7, 7, 3, 0, 0, 0, 0, 0], 22],
    ['a pointer into the middle of a slot', [7, 7, 6, 0, 0, 0, 0, 0], 22],
    ['a timestamp too short', [68, 3, 5, 1], 21],
    ['a timestamp whose pointer is too small', [68, 8, 4, 0, 0, 0, 0, 0], 22],
    ['a timestamp without room for address and time', [68, 8, 5, 1, 0, 0, 0, 0], 22],
    ['a second record route', [7, 3, 4, 7, 3, 4, 0, 0], 23],
    ['a second timestamp', [68, 4, 5, 0, 68, 4, 5, 0], 24],
    ['a router alert too short', [148, 3, 0, 0], 21],
    ['a source route too short', [131, 2, 0, 0], 21],
    ['a source route whose pointer is too small', [137, 7, 3, 1, 2, 3, 4, 0], 22],
    ['a second source route', [131, 3, 4, 137, 3, 4, 0, 0], 23],
    ['a timestamp that nobody can count on', [68, 8, 9, 0xf0, 0, 0, 0, 0], 23],
  ])('%s is a parameter problem that says where', async (_, options, where) => {
    const { sim, send, far, r } = await network()
    const [error] = send(through(options))
    expect(parameterProblem(error!)).toBe(where)
    expect(far.received).toEqual([])
    expect(r.drops('IP_INHDR')).toBe(1)
    sim.run(1000)
    expect(sim.leaks()).toEqual({})
  })
  test('the bytes of a tap are not written', async () => {
    const { send, far, r } = await network()
    const seen: number[][] = []
    r.stack.ptype.devAddPack(ethernet.ETH_P_ALL, (skb) => {
      kept.push(skb)
    })
    const kept: number[] = []
    send(through([7, 7, 4, 0, 0, 0, 0, 0]))
    for (const skb of kept) {
      const at = r.arena.i32[skb + 1]!
      seen.push([...r.arena.u8.slice(at + 34, at + 42)])
      r.stack.skbs.free(skb)
    }
    expect(seen[0]).toEqual([7, 7, 4, 0, 0, 0, 0, 0])
    expect(optionsOf(far.received[0]!)).toEqual([7, 7, 8, 10, 2, 0, 254, 0])
  })
  test('a reply to fragments carries the options of the first', async () => {
    const { near, sim } = await network()
    const message = icmpMessage(icmp.ICMP_ECHO, 0, 1, new Uint8Array(2000))
    for (const offset of [0, 1480]) {
      const fields = {
        saddr: '10.1.0.77',
        daddr: '10.1.0.254',
        protocol: IPPROTO_ICMP,
        flags: offset === 0 ? ipv4.IP_MF : 0,
        offset,
        options: [7, 7, 4, 0, 0, 0, 0, 0],
      }
      const packet = ipPacket(fields, message.subarray(offset, offset + 1480))
      near.send(etherFrame({ dst: ROUTER, src: HOST }, ethernet.ETH_P_IP, packet))
    }
    sim.run(50)
    expect(near.received.length).toBe(2)
    expect(optionsOf(near.received[0]!)).toEqual([7, 7, 8, 10, 1, 0, 254, 0])
    expect(near.received.every((frame) => ipv4.isChecksumOk(frame, 14))).toBe(true)
  })
})

test('a device that comes up, or has another link address, tells its neighbours where arp_notify says so', async () => {
  const { sim, near, r } = await network()
  const setLink = async (set: object): Promise<string[]> => {
    near.received.length = 0
    await r.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth1', ...set } })
    sim.run(10)
    return near.received
      .filter((frame) => ethernet.type(frame, 0) === ethernet.ETH_P_ARP)
      .map((frame) => `${macText(frame, 14 + arp.SENDER_MAC)} ${ipText(arp.senderIp(frame, 14))}`)
  }
  expect(await setLink({ address: '02:00:00:00:01:02' })).toEqual([])
  await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.conf.eth1.arp_notify', value: 1 })
  expect(await setLink({ address: '02:00:00:00:01:03' })).toEqual(['02:00:00:00:01:03 10.1.0.254'])
  expect(await setLink({ up: false })).toEqual([])
  expect(await setLink({ up: true })).toEqual(['02:00:00:00:01:03 10.1.0.254'])
})

describe('a time-stamp request', () => {
  const ask = (data: Uint8Array, daddr = '10.1.0.254'): Uint8Array =>
    icmpFrame(
      { dst: ROUTER, src: HOST },
      { saddr: '10.1.0.77', daddr },
      icmp.ICMP_TIMESTAMP,
      0,
      0x12345678,
      data
    )
  test('is answered with our time, not from midnight', async () => {
    const { send, sim, r } = await network()
    const now = (sim.nowMs() & 0x7fffffff) >>> 0
    const [answer] = send(ask(Uint8Array.of(0, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1)))
    const view = new DataView(answer!.buffer, answer!.byteOffset)
    expect(icmp.type(answer!, 34)).toBe(icmp.ICMP_TIMESTAMPREPLY)
    expect(icmp.isChecksumOk(answer!, 34, 20)).toBe(true)
    expect([view.getUint32(38), view.getUint32(42)]).toEqual([0x12345678, 9])
    expect(view.getUint32(46) >>> 31).toBe(1)
    expect((view.getUint32(46) & 0x7fffffff) - now).toBeLessThan(100)
    expect(view.getUint32(50)).toBe(view.getUint32(46))
    expect(r.mib('IcmpOutTimestampReps')).toBe(1)
  })
  test('without a time is an error, and one to all is not answered', async () => {
    const { send, r } = await network()
    expect(send(ask(new Uint8Array(3)))).toEqual([])
    expect(r.mib('IcmpInErrors')).toBe(1)
    expect(send(ask(new Uint8Array(12), '10.1.0.255'))).toEqual([])
    expect(r.mib('IcmpInErrors')).toBe(2)
  })
})

describe('a packet that leaves by the link it came in on', () => {
  const toNeighbour = hex(
    '02000000010102000000007708004500001d00010000401166290a01004d0a0100580001000200090000780000000000000000000000000000000000'
  )
  const redirects = (frames: Uint8Array[]): string[] =>
    frames
      .filter((frame) => macText(frame, 0) === HOST && icmp.type(frame, 34) === icmp.ICMP_REDIRECT)
      .map((frame) => `${icmp.code(frame, 34)} ${ipText(icmp.gateway(frame, 34))}`)
  test('is forwarded, and its sender told of the neighbour', async () => {
    const { send, r } = await network()
    const frames = send(toNeighbour)
    expect(frames.map((frame) => macText(frame, 0)).sort()).toEqual([HOST, NEIGHBOUR])
    expect(redirects(frames)).toEqual(['1 10.1.0.88'])
    expect(r.mib('IcmpOutRedirects')).toBe(1)
  })
  test('names the gateway where there is one', async () => {
    const { send } = await network()
    const fields = { saddr: '10.1.0.77', daddr: '192.0.2.9' }
    const frame = udpFrame({ dst: ROUTER, src: HOST }, fields, { sport: 1, dport: 2 })
    expect(redirects(send(frame))).toEqual(['1 10.1.0.88'])
  })
  test('is not spoken of when its sender is not on that link, nor with send_redirects 0', async () => {
    const { send, r } = await network()
    const fields = { saddr: '10.7.0.1', daddr: '10.1.0.88' }
    const frame = udpFrame({ dst: ROUTER, src: HOST }, fields, { sport: 1, dport: 2 })
    expect(redirects(send(frame))).toEqual([])
    // either says so
    for (const row of ['all', 'default'])
      await r.must({
        type: 'SYSCTL_SET',
        name: `net.ipv4.conf.${row}.send_redirects`,
        value: 0,
      })
    expect(send(toNeighbour).map((answer) => macText(answer, 0))).toEqual([NEIGHBOUR])
  })
  test('is spoken of ever more rarely, nine times, and again after a silence', async () => {
    const { sim, send, near, r } = await network()
    for (let k = 0; k < 400; k++) {
      send(toNeighbour)
      near.received.length = 0
    }
    expect(r.mib('IcmpOutRedirects')).toBe(9)
    sim.run(21_000)
    send(toNeighbour)
    expect(r.mib('IcmpOutRedirects')).toBe(10)
  })
})

test('a packet to 0.1.2.3 takes the default route: of 0/8 only 0.0.0.0 is nobody', async () => {
  const { send, far } = await network()
  send(
    hex(
      '02000000010102000000007708004500001d0001000040116e7e0a01004d000102030001000200090000780000000000000000000000000000000000'
    )
  )
  expect(far.received.map((frame) => ipText(ipv4.dst(frame, 14)))).toEqual(['0.1.2.3'])
})
