// Packet memory under attack: every holder filled by hostile input until it is full. Whatever is held, the host answers
// a ping and a new connection; each gauge is what the rows say and within its bound; in the end all is given back.

import { describe, expect, test } from 'bun:test'
import { SK_DADDR, SK_GENERATION, SK_RCVQ_LEN, sockSlab } from '../../core/socket/sock.ts'
import { createSim, type SimHost } from '../../sim/net/net-sim.ts'
import { boundOf, heldBy, heldInRows, type HolderName } from '../../sim/net/held.ts'
import { icmpMessage, ip, ipPacket, tcpSegment, udpDatagram } from '../../sim/net/packets.ts'
import { dialTcp } from '../../sim/net/sim-apps.ts'
import { ipStation, LONG_MS, MAC, twoHosts } from '../support/sim-topology.ts'
import { ETH_P_ALL } from '../../core/wire/ethernet.ts'
import * as icmp from '../../core/wire/icmp.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as tcp from '../../core/wire/tcp.ts'

const ATTACKER = '10.0.1.1'
const HOST = '10.0.1.254'
const ETH0 = { ifname: 'eth0', kind: 'pipe', up: true }
const V4_ANY = Int32Array.of(0, 0, 0xffff, 0)
const FRIEND_MAC = '02:00:00:00:00:0c'

/** The host under attack; an attacker and a friend on networks of their own; a third network that leads nowhere. */
const world = async (workers = 1) => {
  const sim = createSim(1)
  const eth = (ifname: string, address: string, cidr: string) => ({
    ifname,
    kind: 'pipe',
    address,
    addresses: [cidr],
    up: true,
  })
  const h = await sim.host('h', {
    workers,
    services: { echo: true, discard: true, chargen: true },
    config: { skbs: 4096, socks: 1024, neighbours: 1024 },
    setup: {
      link: [
        eth('eth1', MAC.r1, `${HOST}/24`),
        eth('eth2', MAC.r2, '10.0.2.254/24'),
        eth('eth3', '02:00:00:00:00:13', '10.0.3.254/24'),
      ],
      sysctl: { 'net.ipv4.ip_forward': 1 },
    },
  })
  const b = await sim.host('b', {
    setup: {
      link: [eth('eth0', MAC.b, '10.0.2.2/24')],
      route: [{ dst: 'default', gateway: '10.0.2.254' }],
    },
  })
  const a = ipStation(sim, { mac: MAC.a, addr: ATTACKER, gatewayMac: MAC.r1 })
  const far = ipStation(sim, { mac: FRIEND_MAC, addr: '10.0.3.1', gatewayMac: '02:00:00:00:00:13' })
  const near = sim.wire(a.station, [h, 'eth1'], {})
  sim.wire([h, 'eth2'], [b, 'eth0'], {})
  const nowhere = sim.wire([h, 'eth3'], far.station, {})
  // everybody has met before it starts
  far.send(ping('10.0.3.1', '10.0.3.254', 0))
  a.send(ping(ATTACKER, HOST, 0))
  const hello = dialTcp(b, '10.0.2.254', 7)
  sim.run(2000, () => hello.connected)
  hello.close()
  sim.run(LONG_MS / 2)
  h.rest()
  b.rest()
  return { sim, h, b, a, far, near, nowhere }
}
type World = Awaited<ReturnType<typeof world>>

const ping = (saddr: string, daddr: string, seq: number): Uint8Array =>
  ipPacket(
    { saddr, daddr, protocol: IPPROTO_ICMP },
    icmpMessage(icmp.ICMP_ECHO, 0, (0x77 << 16) | seq, new Uint8Array(56))
  )

/** Connections of the attacker, each from a port of its own; it says nothing but what the test tells it to. */
const attackerOf = ({ sim, a }: World) => {
  let port = 1024
  const segment = (
    sport: number,
    dport: number,
    fields: { seq: number; ack?: number; flags: number; window?: number },
    data = new Uint8Array(0)
  ): void => {
    const addresses = { saddr: ATTACKER, daddr: HOST, protocol: IPPROTO_TCP }
    a.send(ipPacket(addresses, tcpSegment(addresses, { sport, dport, ...fields }, data)))
  }
  /** Opens connections to a port, all at once; each as [own port, the peer's next sequence number]. */
  const open = (dport: number, count: number, window = 65535): [port: number, ack: number][] => {
    a.packets.length = 0
    const first = port
    for (let k = 0; k < count; k++) segment(port++, dport, { seq: 999, flags: tcp.TCP_SYN, window })
    sim.run(50)
    return a.packets.flatMap((packet) => {
      const th = ipv4.headerLen(packet, 0)
      if (ipv4.protocol(packet, 0) !== IPPROTO_TCP) return []
      const flags = tcp.flags(packet, th)
      const own = tcp.dstPort(packet, th)
      if (own < first || (flags & tcp.TCP_SYN) === 0) return []
      const ack = (tcp.seq(packet, th) + 1) | 0
      segment(own, dport, { seq: 1000, ack, flags: tcp.TCP_ACK, window })
      return [[own, ack] as [number, number]]
    })
  }
  const syn = (dport: number): void => segment(port++, dport, { seq: 999, flags: tcp.TCP_SYN })
  const send = (sport: number, dport: number, seq: number, ack: number, size: number): void =>
    segment(sport, dport, { seq, ack, flags: tcp.TCP_ACK }, new Uint8Array(size))
  const fragment = (id: number, offset: number): void =>
    a.send(
      ipPacket(
        { saddr: ATTACKER, daddr: HOST, id, offset, flags: ipv4.IP_MF, protocol: IPPROTO_UDP },
        new Uint8Array(8)
      )
    )
  const datagram = (daddr: string, dport: number): void => {
    const addresses = { saddr: ATTACKER, daddr, protocol: IPPROTO_UDP }
    a.send(ipPacket(addresses, udpDatagram(addresses, { sport: 5, dport }, new Uint8Array(1))))
  }
  return { open, syn, send, fragment, datagram }
}
type Attacker = ReturnType<typeof attackerOf>

const bindUnread = (host: SimHost, port: number): (() => void)[] =>
  host.stacks.map(({ sockets }) => {
    const sk = sockets.socket(2, 2, 0)
    sockets.setsockopt(sk, 1, 15, 1)
    sockets.bind(sk, V4_ANY, 0, port)
    return () => sockets.close(sk)
  })
/** A listener whose connections nobody reads. */
const listenUnread = (host: SimHost, port: number): (() => void)[] =>
  host.stacks.map(({ sockets }) => {
    const sk = sockets.socket(2, 1, 0)
    sockets.setsockopt(sk, 1, 15, 1)
    sockets.bind(sk, V4_ANY, 0, port)
    sockets.listen(sk, 1000)
    const children: number[] = []
    const handler = sockets.registerHandler(() => {
      for (let child = sockets.accept(sk); child > 0; child = sockets.accept(sk)) {
        sockets.attach(child, ignore, 0)
        children.push(child)
      }
    })
    const ignore = sockets.registerHandler(() => {})
    sockets.attach(sk, handler, 0)
    return () => {
      for (const child of children) sockets.close(child)
      sockets.close(sk)
    }
  })

type Attack = {
  holder: HolderName
  /** Fills it; returns what ends it, beside the passing of time. */
  run: (world: World, attacker: Attacker) => (() => void) | undefined
  /** What is seen of those that had to give way. */
  gaveWay: (host: SimHost) => number
}
const ATTACKS: Attack[] = [
  {
    holder: 'tcp_ofo',
    run: ({ sim }, { open, send }) => {
      for (const [port, ack] of open(9, 4))
        for (let k = 0; k < 3000; k++) {
          send(port, 9, 1002 + 2 * k, ack, 1)
          if (k % 64 === 0) sim.run(1)
        }
      return undefined
    },
    gaveWay: (h) => h.mib('TcpExtTCPOFODrop') + h.mib('TcpExtOfoPruned'),
  },
  {
    holder: 'tcp_rcv',
    run: ({ sim, h }, { open, send }) => {
      const closers = listenUnread(h, 5001)
      for (let round = 0; round < 8; round++)
        for (const [port, ack] of open(5001, 30))
          for (let k = 0; k < 40; k++) {
            // a full buffer for each: nothing to be coalesced
            send(port, 5001, 1000 + 1400 * k, ack, 1400)
            if (k % 20 === 0) sim.run(1)
          }
      return () => {
        for (const close of closers) close()
      }
    },
    gaveWay: (h) => h.mib('TcpExtTCPRcvQDrop'),
  },
  {
    holder: 'tcp_snd',
    run: ({ sim }, { open }) => {
      for (let round = 0; round < 20; round++) {
        open(19, 25, 2000)
        sim.run(100)
      }
      return undefined
    },
    gaveWay: (h) => h.mib('TcpExtTCPAbortOnMemory'),
  },
  {
    holder: 'udp_rcv',
    run: ({ sim, h }, { datagram }) => {
      const closers = Array.from({ length: 6 }, (_, k) => bindUnread(h, 6000 + k)).flat()
      for (let k = 0; k < 1500; k++) {
        datagram(HOST, 6000 + (k % 6))
        if (k % 64 === 0) sim.run(1)
      }
      return () => {
        for (const close of closers) close()
      }
    },
    gaveWay: (h) => h.mib('UdpMemErrors'),
  },
  {
    holder: 'reasm',
    run: ({ sim }, { fragment }) => {
      for (let k = 0; k < 3000; k++) {
        fragment(k >> 3, (k & 7) << 4)
        if (k % 64 === 0) sim.run(1)
      }
      return undefined
    },
    gaveWay: (h) => h.mib('IpReasmFails'),
  },
  {
    holder: 'neigh',
    run: ({ sim }, { datagram }) => {
      for (let k = 0; k < 900; k++) {
        datagram(`10.0.3.${2 + (k % 250)}`, 9)
        if (k % 64 === 0) sim.run(1)
      }
      return undefined
    },
    gaveWay: (h) => h.drops('NEIGH_QUEUEFULL'),
  },
  {
    holder: 'qdisc',
    run: ({ sim, nowhere }, { datagram }) => {
      nowhere.busy = true
      for (let k = 0; k < 2000; k++) {
        datagram('10.0.3.1', 9)
        if (k % 64 === 0) sim.run(1)
      }
      return () => {
        nowhere.busy = false
      }
    },
    gaveWay: (h) => h.drops('QDISC_DROP'),
  },
  {
    holder: 'tap',
    run: ({ sim, h }, { datagram }) => {
      const kept: [stack: (typeof h.stacks)[number], skb: number][] = []
      const off = h.stacks.map((stack) =>
        stack.ptype.devAddPack(ETH_P_ALL, (skb) => void kept.push([stack, skb]))
      )
      for (let k = 0; k < 500; k++) {
        datagram(HOST, 9)
        if (k % 64 === 0) sim.run(1)
      }
      return () => {
        for (const [stack, skb] of kept) stack.consume(skb)
        for (const each of off) each()
      }
    },
    gaveWay: () => 1,
  },
  {
    holder: 'service',
    run: ({ sim }, { open, send }) => {
      for (let round = 0; round < 12; round++) {
        const peers = open(7, 30, 1000)
        for (let k = 0; k < 40; k++) {
          for (const [port, ack] of peers) send(port, 7, 1000 + 1400 * k, ack, 1400)
          sim.run(2)
        }
      }
      return undefined
    },
    gaveWay: () => 1,
  },
]

/** Every gauge is the truth, and within its bound. */
const expectTrueAndBounded = (h: SimHost): void => {
  for (const { thread } of h.stacks) {
    const held = heldBy(h.arena, thread)
    expect(held).toEqual(heldInRows(h.arena, thread))
    for (const [name, { small, large }] of Object.entries(held)) {
      const bound = boundOf(h.arena, name as HolderName)
      expect({
        name,
        small: Math.min(small, bound.small),
        large: Math.min(large, bound.large),
      }).toEqual({ name, small, large })
    }
  }
}
/** A ping is answered, and so is a new connection, of somebody who has nothing to do with it. */
const expectAlive = (all: World): void => {
  const { sim, b, far, nowhere, a } = all
  const isBusy = nowhere.busy === true
  const friend = isBusy ? a : far
  friend.packets.length = 0
  for (let seq = 1; seq <= 10; seq++) {
    friend.send(isBusy ? ping(ATTACKER, HOST, seq) : ping('10.0.3.1', '10.0.3.254', seq))
    sim.run(20)
  }
  const answers = friend.packets.filter(
    (packet) => ipv4.protocol(packet, 0) === IPPROTO_ICMP && packet[20] === icmp.ICMP_ECHOREPLY
  )
  expect(answers).toHaveLength(10)
  for (let k = 0; k < 5; k++) {
    const call = dialTcp(b, '10.0.2.254', 7)
    call.start(1000)
    sim.run(3000, () => call.received === 1000)
    expect({ received: call.received, wrong: call.wrong, error: call.error }).toEqual({
      received: 1000,
      wrong: 0,
      error: 0,
    })
    call.close()
  }
}
/** The attacker's connections are cut off (ss -K); everything else runs out, and all comes home. */
const expectGone = ({ sim, h }: World): void => {
  const { i32 } = h.arena
  for (const { thread, sockets } of h.stacks) {
    const slab = sockSlab(h.arena, thread, false)
    for (let k = 0; k < slab.rows; k++) {
      const sk = slab.at(k)
      if (slab.isLive(sk) && i32[sk + SK_DADDR + 3] === ip(ATTACKER))
        sockets.destroy(sk, i32[sk + SK_GENERATION]!)
    }
  }
  sim.run(2 * LONG_MS)
  for (const { thread } of h.stacks) expect(heldBy(h.arena, thread)).toEqual({})
  expect(sim.leaks()).toEqual({})
}

describe.each([1, 2])('with %d workers', (workers) => {
  test.each(ATTACKS.map((attack) => [attack.holder, attack] as const))(
    '%s is full: the host answers as before, and gets it all back',
    async (holder, { run, gaveWay }) => {
      const all = await world(workers)
      const { sim, h } = all
      const end = run(all, attackerOf(all))
      sim.run(20)
      expectTrueAndBounded(h)
      const held = h.stacks.reduce(
        (sum, { thread }) => sum + (heldBy(h.arena, thread)[holder]?.small ?? 0),
        0
      )
      // much of its bound, on one worker at least
      expect(held).toBeGreaterThanOrEqual(boundOf(h.arena, holder).small >> 1)
      expectAlive(all)
      expect(gaveWay(h)).toBeGreaterThan(0)
      expectTrueAndBounded(h)
      end?.()
      expectGone(all)
    }
  )

  test('all at once, and a flood of SYNs', async () => {
    const all = await world(workers)
    const { sim, h, nowhere } = all
    const attacker = attackerOf(all)
    const ends = ATTACKS.filter(({ holder }) => holder !== 'qdisc').map(({ run }) =>
      run(all, attacker)
    )
    for (let k = 0; k < 3000; k++) {
      attacker.syn(9)
      if (k % 64 === 0) sim.run(1)
    }
    expectTrueAndBounded(h)
    expectAlive(all)
    ends.push(ATTACKS.find(({ holder }) => holder === 'qdisc')!.run(all, attacker))
    expectTrueAndBounded(h)
    expectAlive(all)
    expect(nowhere.busy).toBe(true)
    for (const end of ends) end?.()
    expectGone(all)
  })
})

test.each([1, 0])(
  'sixteen senders in very little memory, offload %d: each has its minimum, and none is reset',
  async (offload) => {
    const config = { skbs: 512, smallBuffers: 512, largeBuffers: 16 }
    const { sim, a, b } = await twoHosts({
      wire: { delayUs: 3000 },
      a: {
        setup: { link: [{ ...ETH0, address: MAC.a, addresses: ['10.0.1.1/24'] }] },
        offload: offload === 1,
        config,
      },
      b: {
        setup: { link: [{ ...ETH0, address: MAC.b, addresses: ['10.0.1.2/24'] }] },
        offload: offload === 1,
        services: { discard: true },
      },
    })
    const bytes = 60_000
    const senders = Array.from({ length: 16 }, () => {
      const call = dialTcp(a, '10.0.1.2', 9)
      call.start(bytes)
      return call
    })
    const look = (): boolean => {
      expectTrueAndBounded(a)
      return senders.every((call) => call.sent === bytes || call.error !== 0)
    }
    sim.run(5000, look)
    expect(senders.map(({ sent, error }) => [sent, error])).toEqual(senders.map(() => [bytes, 0]))
    expect([a.mib('TcpExtTCPAbortOnMemory'), b.mib('TcpEstabResets')]).toEqual([0, 0])
    for (const call of senders) call.close()
    sim.run(2 * LONG_MS)
    expect(sim.leaks()).toEqual({})
  }
)

describe('those who came first and are not read keep nothing that others make use of', () => {
  const AF_PACKET = 17
  const SOCK_RAW = 3
  /** Sockets that hear each datagram to a port of their own, or all there is. */
  const KINDS = [
    { name: 'UDP', args: [2, 2, 0], holder: 'udp_rcv', isBound: true, lost: 'UdpMemErrors' },
    { name: 'raw', args: [2, SOCK_RAW, IPPROTO_UDP], holder: 'sock_queue' },
    { name: 'packet', args: [AF_PACKET, SOCK_RAW, ETH_P_ALL], holder: 'tap' },
  ] as const
  test.each(KINDS.map((kind) => [kind.name, kind] as const))('%s sockets', async (_, kind) => {
    const all = await world()
    const { sim, h } = all
    const { datagram } = attackerOf(all)
    const [{ sockets, thread }] = h.stacks as [SimHost['stacks'][number]]
    const open = (port: number): number => {
      const [family, type, protocol] = kind.args
      const sk = sockets.socket(family, type, protocol)
      if ('isBound' in kind) sockets.bind(sk, V4_ANY, 0, port)
      return sk
    }
    const burst = (count: number, ports: number, first = 6000): void => {
      for (let k = 0; k < count; k++) {
        datagram(HOST, first + (k % ports))
        sim.run(1)
      }
    }
    const early = Array.from({ length: 8 }, (_, k) => open(6000 + k))
    burst(1500, 8)
    const full = heldBy(h.arena, thread)[kind.holder]?.small ?? 0
    expect(full).toBeGreaterThanOrEqual(boundOf(h.arena, kind.holder).small >> 1)
    const late = [open(7000), open(7001)]
    burst(60, 2, 7000)
    const lengths = (of: number[]): number[] => of.map((sk) => h.arena.i32[sk + SK_RCVQ_LEN]!)
    // whoever holds twice as much gives way
    const longest = Math.max(...lengths(early))
    expect(2 * (Math.min(...lengths(late)) + 1)).toBeGreaterThanOrEqual(longest)
    expect(longest).toBeGreaterThan(4)
    expectTrueAndBounded(h)
    if ('lost' in kind) expect(h.mib(kind.lost)).toBeGreaterThan(0)
    for (const sk of [...early, ...late]) sockets.close(sk)
    expectGone(all)
  })

  test('one listener that is flooded with SYNs leaves requests to another', async () => {
    const all = await world()
    const { sim, h, b } = all
    await h.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_syncookies', value: 0 })
    await h.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_max_syn_backlog', value: 4096 })
    const close = listenUnread(h, 5001)
    const attacker = attackerOf(all)
    for (let k = 0; k < 2000; k++) {
      attacker.syn(5001)
      if (k % 64 === 0) sim.run(1)
    }
    expect(h.mib('TcpExtTCPReqQFullDrop')).toBeGreaterThan(1000)
    const calls = Array.from({ length: 10 }, () => dialTcp(b, '10.0.2.254', 7))
    sim.run(500)
    expect(calls.map(({ connected }) => connected)).toEqual(calls.map(() => true))
    for (const call of calls) call.close()
    for (const end of close) end()
    expectGone(all)
  })
})
