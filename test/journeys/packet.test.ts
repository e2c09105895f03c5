// Packet sockets of whole stacks: frames as links have them, in and out.

import { describe, expect, test } from 'bun:test'
import { AF_PACKET } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import { PACKET_HOST, PACKET_OTHERHOST, PACKET_OUTGOING } from '../../core/skb/skb.ts'
import { SK_DROPS, SOCK_DGRAM, SOCK_RAW } from '../../core/socket/sock.ts'
import {
  PACKET_AUXDATA,
  PACKET_FANOUT,
  PACKET_FANOUT_CPU,
  PACKET_FANOUT_FLAG_ROLLOVER,
  PACKET_FANOUT_HASH,
  PACKET_FANOUT_LB,
  PACKET_FANOUT_ROLLOVER,
  PACKET_IGNORE_OUTGOING,
  PACKET_STATISTICS,
  PEER_ADDR,
  PEER_AUX,
  PEER_PORT,
  PEER_ZONE,
  SHUT_RDWR,
  SLL_ADDR_HI,
  SLL_ADDR_LO,
  SLL_HATYPE,
  SLL_PKTTYPE,
  SO_ATTACH_FILTER,
  SO_RCVBUF,
  SOL_PACKET,
  SOL_SOCKET,
} from '../../core/socket/socket-constants.ts'
import { ETH_P_ALL, ETH_P_ARP, ETH_P_IP } from '../../core/wire/ethernet.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { etherFrame } from '../../sim/net/packets.ts'
import { LONG_MS, MAC, twoHosts } from '../support/sim-topology.ts'

const B = '10.0.1.2'
const EXPERIMENT = 0x88b5
const { EALREADY, EINVAL, EMSGSIZE, ENETDOWN, ENODEV, ENXIO, EOPNOTSUPP, ESOCKTNOSUPPORT } = Errno
const bytes = (length: number, salt = 0): Uint8Array =>
  new Uint8Array(length).map((_, k) => (Math.imul(k + salt, 2654435761) >>> 11) & 255)
const NOBODY: [Int32Array, number] = [new Int32Array(4), 0]

type Heard = {
  bytes: Uint8Array
  mac: string
  protocol: number
  ifindex: number
  pkttype: number
  hatype: number
  aux: number[]
}
/** A packet socket that keeps what it hears. */
const packet = (host: SimHost, protocol: number, type = SOCK_RAW, worker = 0) => {
  const { sockets } = host.stacks[worker]!
  const { u8, i32 } = host.arena
  const sk = sockets.socket(AF_PACKET, type, protocol)
  const heard: Heard[] = []
  const errors: number[] = []
  const read = (): void => {
    for (;;) {
      const n = sockets.recvfrom(sk, host.page, 65536)
      if (n === -Errno.EAGAIN) return
      if (n < 0) {
        errors.push(-n)
        continue
      }
      const peer = sockets.peerOf(sk)
      const [hi, lo] = [peer[PEER_ADDR + SLL_ADDR_HI]!, peer[PEER_ADDR + SLL_ADDR_LO]! >>> 0]
      const digits = hi.toString(16).padStart(4, '0') + lo.toString(16).padStart(8, '0')
      heard.push({
        bytes: u8.slice(host.page, host.page + n),
        mac: digits.match(/../g)!.join(':'),
        protocol: peer[PEER_PORT]!,
        ifindex: peer[PEER_ZONE]!,
        pkttype: peer[PEER_ADDR + SLL_PKTTYPE]!,
        hatype: peer[PEER_ADDR + SLL_HATYPE]!,
        aux: [...peer.subarray(PEER_AUX, PEER_AUX + 3)],
      })
    }
  }
  if (sk > 0) sockets.attach(sk, sockets.registerHandler(read), 0)
  const at = (mac: string): [Int32Array, number] => {
    const octets = mac.split(':').map((octet) => Number.parseInt(octet, 16))
    const lo = (octets[2]! << 24) | (octets[3]! << 16) | (octets[4]! << 8) | octets[5]!
    return [Int32Array.of((octets[0]! << 8) | octets[1]!, lo, 0, 0), 0]
  }
  return {
    sk,
    sockets,
    heard,
    errors,
    read,
    set: (name: number, value: number): number => sockets.setsockopt(sk, SOL_PACKET, name, value),
    get: (name: number): number => sockets.getsockopt(sk, SOL_PACKET, name),
    /** PACKET_STATISTICS. */
    stats: (): number[] => {
      const words = new Int32Array(16)
      expect(sockets.getsockoptName(sk, SOL_PACKET, PACKET_STATISTICS, words, 0)).toBe(8)
      return [words[0]!, words[1]!]
    },
    bind: (ifname: string, to = 0): number =>
      sockets.bind(sk, ...NOBODY, to, ifname === '' ? 0 : host.ifindex(ifname)),
    /** To a device, with SOCK_DGRAM to a MAC address; or by the one it is bound to. */
    send: (frame: Uint8Array, ifname?: string, mac?: string, to = 0): number => {
      u8.set(frame, host.page)
      if (ifname === undefined) return sockets.sendmsg(sk, host.page, frame.length, 0)
      const zone = host.ifindex(ifname)
      const address = mac === undefined ? NOBODY : at(mac)
      return sockets.sendto(sk, host.page, frame.length, ...address, to, zone)
    },
    drops: (): number => i32[sk + SK_DROPS]!,
    close: (): void => sockets.close(sk),
  }
}
const end = (
  sim: { run: (ms: number) => unknown; leaks: () => object },
  ...sockets: { close: () => void }[]
): void => {
  for (const socket of sockets) socket.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
}
const frame = (dst: string, length = 60, type = EXPERIMENT): Uint8Array =>
  etherFrame({ dst, src: MAC.a }, type, bytes(length))

describe('what a packet socket hears', () => {
  test('of all protocols: every frame, both ways, with its link header', async () => {
    const { sim, a, b } = await twoHosts()
    const tap = packet(b, ETH_P_ALL)
    const [client, server] = [openUdp(a), openUdp(b, 5000)]
    client.send(bytes(30), B, 5000)
    sim.run(100)
    expect(server.heard.length).toBe(1)
    const kinds = tap.heard.map(({ protocol, pkttype }) => [protocol, pkttype])
    // a question for us, our answer, the datagram
    expect(kinds.slice(0, 3)).toEqual([
      [ETH_P_ARP, 1],
      [ETH_P_ARP, PACKET_OUTGOING],
      [ETH_P_IP, PACKET_HOST],
    ])
    const { bytes: whole, mac, ifindex, hatype } = tap.heard[2]!
    expect([mac, ifindex, hatype]).toEqual([MAC.a, b.ifindex('eth0'), 1])
    expect(whole.subarray(42, 72)).toEqual(bytes(30))
    end(sim, tap, client, server)
  })

  test('of one protocol what comes in, on its device; without a header with SOCK_DGRAM', async () => {
    const { sim, a, b } = await twoHosts()
    const [whole, payload, onLo] = [
      packet(b, EXPERIMENT),
      packet(b, EXPERIMENT, SOCK_DGRAM),
      packet(b, EXPERIMENT),
    ]
    expect(onLo.bind('lo')).toBe(0)
    const from = packet(a, 0)
    expect(from.send(frame(MAC.b), 'eth0')).toBe(74)
    expect(from.send(frame('02:00:00:00:00:99'), 'eth0')).toBe(74)
    sim.run(100)
    expect(whole.heard.map(({ bytes: each }) => each.length)).toEqual([74, 74])
    expect(whole.heard.map(({ pkttype }) => pkttype)).toEqual([PACKET_HOST, PACKET_OTHERHOST])
    expect(payload.heard.map(({ bytes: each }) => each)).toEqual([bytes(60), bytes(60)])
    expect(onLo.heard).toEqual([])
    // somebody takes them: they are not unhandled
    expect(b.drops('UNHANDLED_PROTO')).toBe(0)
    end(sim, whole, payload, onLo, from)
  })

  test('what it sent it does not hear, others do, unless they ignore what goes out', async () => {
    const { sim, a } = await twoHosts()
    const [sender, other, deaf] = [packet(a, ETH_P_ALL), packet(a, ETH_P_ALL), packet(a, ETH_P_ALL)]
    expect(deaf.set(PACKET_IGNORE_OUTGOING, 2)).toBe(-EINVAL)
    expect(deaf.set(PACKET_IGNORE_OUTGOING, 1)).toBe(0)
    expect(deaf.get(PACKET_IGNORE_OUTGOING)).toBe(1)
    sender.send(frame(MAC.b), 'eth0')
    sim.run(100)
    expect(sender.heard.length).toBe(0)
    expect(other.heard.map(({ pkttype }) => pkttype)).toEqual([PACKET_OUTGOING])
    expect(deaf.heard.length).toBe(0)
    end(sim, sender, other, deaf)
  })

  test('the path asks nothing while nobody taps, and one that leaves leaves nothing behind', async () => {
    const { sim, a } = await twoHosts()
    expect(a.stack.ptype.isTapped()).toBe(false)
    const [tap, silent] = [packet(a, ETH_P_ALL), packet(a, 0)]
    expect(a.stack.ptype.isTapped()).toBe(true)
    tap.close()
    expect(a.stack.ptype.isTapped()).toBe(false)
    // bound to a protocol it begins to listen, bound to another it hears that
    expect(silent.bind('', ETH_P_ALL)).toBe(0)
    expect(a.stack.ptype.isTapped()).toBe(true)
    expect(silent.bind('eth0', EXPERIMENT)).toBe(0)
    expect(a.stack.ptype.isTapped()).toBe(false)
    end(sim, silent)
  })

  test('its filter sees the frame as it does, and cuts it', async () => {
    const { sim, a, b } = await twoHosts()
    const [whole, payload] = [packet(b, ETH_P_ALL), packet(b, EXPERIMENT, SOCK_DGRAM)]
    const program = (at: number, value: number, len: number): Int32Array =>
      Int32Array.of(0x30, at, 0x15 | (1 << 24), value, 0x06, len, 0x06, 0)
    const attach = ({ sockets, sk }: typeof whole, words: Int32Array): number =>
      sockets.setsockoptName(sk, SOL_SOCKET, SO_ATTACH_FILTER, words, 0, 32)
    const [first] = bytes(1)
    expect(attach(whole, program(14, first!, 20))).toBe(0)
    expect(attach(payload, program(0, first!, 5))).toBe(0)
    whole.set(PACKET_AUXDATA, 1)
    const from = packet(a, 0)
    from.send(frame(MAC.b), 'eth0')
    from.send(
      etherFrame({ dst: MAC.b, src: MAC.a }, EXPERIMENT, Uint8Array.of(first! ^ 1, 0)),
      'eth0'
    )
    sim.run(100)
    expect(whole.heard.map(({ bytes: each }) => each)).toEqual([frame(MAC.b).subarray(0, 20)])
    expect(whole.heard[0]!.aux[1]).toBe(74)
    expect(payload.heard.map(({ bytes: each }) => each)).toEqual([bytes(5)])
    // what a filter does not want is not lost
    expect(whole.stats()).toEqual([1, 0])
    end(sim, whole, payload, from)
  })

  test('what finds no room is counted, and the counts begin anew when they are read', async () => {
    const { sim, a, b } = await twoHosts()
    const tap = packet(b, EXPERIMENT)
    tap.sockets.detach(tap.sk)
    tap.sockets.setsockopt(tap.sk, SOL_SOCKET, SO_RCVBUF, 10_000)
    const from = packet(a, 0)
    for (let k = 0; k < 40; k++) from.send(frame(MAC.b), 'eth0')
    sim.run(100)
    const [came, lost] = tap.stats() as [number, number]
    expect(came).toBe(40)
    expect(lost).toBeGreaterThan(20)
    expect(tap.drops()).toBe(lost)
    expect(tap.stats()).toEqual([0, 0])
    tap.read()
    expect(tap.heard.length).toBe(40 - lost)
    end(sim, tap, from)
  })

  test('all together hold no more than taps may, and the stack goes on', async () => {
    const { sim, a, b } = await twoHosts()
    const taps = Array.from({ length: 8 }, () => packet(b, ETH_P_ALL))
    for (const { sockets, sk } of taps) {
      sockets.detach(sk)
      sockets.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, 1 << 22)
    }
    const [client, server] = [openUdp(a), openUdp(b, 5000)]
    for (let k = 0; k < 500; k++) {
      client.send(bytes(30), B, 5000)
      sim.run(1)
    }
    expect(server.heard.length).toBe(500)
    expect(taps.reduce((sum, tap) => sum + tap.drops(), 0)).toBeGreaterThan(0)
    end(sim, ...taps, client, server)
  })
})

describe('what a packet socket sends', () => {
  test('with SOCK_DGRAM gets the header that its address says', async () => {
    const { sim, a, b } = await twoHosts()
    const [to, from] = [packet(b, EXPERIMENT), packet(a, 0, SOCK_DGRAM)]
    expect(from.send(bytes(40), 'eth0', MAC.b, EXPERIMENT)).toBe(40)
    sim.run(100)
    const { bytes: whole } = to.heard[0]!
    expect(whole.subarray(0, 54)).toEqual(frame(MAC.b, 40))
    // bound, it knows the device and the protocol, but not where to
    expect(from.bind('eth0', EXPERIMENT)).toBe(0)
    expect(from.send(bytes(40))).toBe(-EINVAL)
    end(sim, to, from)
  })

  test('goes nowhere without a device, and no further than its MTU', async () => {
    const { sim, a } = await twoHosts()
    const from = packet(a, 0)
    expect(from.send(frame(MAC.b))).toBe(-ENXIO)
    expect(from.bind('eth0')).toBe(0)
    expect(from.send(frame(MAC.b))).toBe(74)
    expect(from.send(new Uint8Array(13))).toBe(-EINVAL)
    expect(from.send(frame(MAC.b, 1500))).toBe(1514)
    expect(from.send(frame(MAC.b, 1501))).toBe(-EMSGSIZE)
    expect(from.send(frame(MAC.b, 1504, ethernet.ETH_P_8021Q))).toBe(1518)
    expect(from.send(frame(MAC.b, 1505, ethernet.ETH_P_8021Q))).toBe(-EMSGSIZE)
    end(sim, from)
  })

  test('over lo comes back as received', async () => {
    const { sim, a } = await twoHosts()
    const [ear, from] = [packet(a, EXPERIMENT), packet(a, 0, SOCK_DGRAM)]
    expect(from.send(bytes(9), 'lo', '00:00:00:00:00:00', EXPERIMENT)).toBe(9)
    sim.run(100)
    expect(ear.heard.map(({ pkttype, ifindex }) => [pkttype, ifindex])).toEqual([[PACKET_HOST, 1]])
    end(sim, ear, from)
  })
})

describe('calls', () => {
  test('are refused as Linux does', async () => {
    const { sim, a } = await twoHosts()
    const { sockets } = a.stack
    expect(sockets.socket(AF_PACKET, 1, ETH_P_ALL)).toBe(-ESOCKTNOSUPPORT)
    const one = packet(a, 0)
    expect(sockets.bind(one.sk, ...NOBODY, ETH_P_ALL, 77)).toBe(-ENODEV)
    expect(sockets.connect(one.sk, ...NOBODY, 0)).toBe(-EOPNOTSUPP)
    expect(sockets.listen(one.sk, 1)).toBe(-EOPNOTSUPP)
    expect(sockets.accept(one.sk)).toBe(-EOPNOTSUPP)
    expect(sockets.shutdown(one.sk, SHUT_RDWR)).toBe(-EOPNOTSUPP)
    end(sim, one)
  })

  test('a device that goes down is an error, and sending by it too', async () => {
    const { sim, a } = await twoHosts()
    const one = packet(a, ETH_P_ALL)
    expect(one.bind('eth0')).toBe(0)
    await a.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up: false } })
    sim.run(10)
    expect(one.errors).toEqual([ENETDOWN])
    expect(one.send(frame(MAC.b))).toBe(-ENETDOWN)
    expect(one.bind('eth0')).toBe(0)
    sim.run(10)
    expect(one.errors).toEqual([ENETDOWN, ENETDOWN])
    one.close()
  })
})

describe('a fanout group', () => {
  const group = (sockets: ReturnType<typeof packet>[], type: number, id = 7): number[] =>
    sockets.map((socket) => socket.set(PACKET_FANOUT, id | (type << 16)))
  const counts = (sockets: ReturnType<typeof packet>[]): number[] =>
    sockets.map(({ heard }) => heard.length)

  test('takes turns', async () => {
    const { sim, a, b } = await twoHosts()
    const members = [packet(b, EXPERIMENT), packet(b, EXPERIMENT), packet(b, EXPERIMENT)]
    expect(group(members, PACKET_FANOUT_LB)).toEqual([0, 0, 0])
    expect(members[0]!.get(PACKET_FANOUT)).toBe(7 | (PACKET_FANOUT_LB << 16))
    const from = packet(a, 0)
    for (let k = 0; k < 9; k++) from.send(frame(MAC.b), 'eth0')
    sim.run(100)
    expect(counts(members)).toEqual([3, 3, 3])
    members[1]!.close()
    for (let k = 0; k < 8; k++) from.send(frame(MAC.b), 'eth0')
    sim.run(100)
    expect(counts([members[0]!, members[2]!])).toEqual([7, 7])
    end(sim, members[0]!, members[2]!, from)
  })

  test('keeps both ways of a flow together', async () => {
    const { sim, a, b } = await twoHosts({ b: { services: { echo: true } } })
    const members = [packet(b, ETH_P_ALL), packet(b, ETH_P_ALL), packet(b, ETH_P_ALL)]
    expect(group(members, PACKET_FANOUT_HASH)).toEqual([0, 0, 0])
    const clients = Array.from({ length: 24 }, () => openUdp(a))
    for (const client of clients) client.send(bytes(10), B, 7)
    sim.run(200)
    const flows = members.map(({ heard }) =>
      heard
        .filter(({ protocol }) => protocol === ETH_P_IP)
        .map(({ bytes: each, pkttype }) => {
          const ports = [(each[34]! << 8) | each[35]!, (each[36]! << 8) | each[37]!]
          return pkttype === PACKET_OUTGOING ? ports[1]! : ports[0]!
        })
    )
    // each flow has its question and its answer in one place, and there are several places
    for (const flow of flows)
      for (const port of flow) expect(flow.filter((each) => each === port).length).toBe(2)
    expect(flows.flat().length).toBe(48)
    expect(flows.filter((flow) => flow.length > 0).length).toBeGreaterThan(1)
    end(sim, ...members, ...clients)
  })

  test('goes by the CPU, and from one that is full to the next', async () => {
    const { sim, a, b } = await twoHosts()
    const from = packet(a, 0)
    const byCpu = [packet(b, EXPERIMENT), packet(b, EXPERIMENT)]
    expect(group(byCpu, PACKET_FANOUT_CPU, 1)).toEqual([0, 0])
    const rolling = [packet(b, EXPERIMENT), packet(b, EXPERIMENT)]
    expect(group(rolling, PACKET_FANOUT_CPU | (PACKET_FANOUT_FLAG_ROLLOVER >> 0), 2)).toEqual([
      0, 0,
    ])
    expect(rolling[0]!.get(PACKET_FANOUT) >>> 16).toBe(
      PACKET_FANOUT_CPU | PACKET_FANOUT_FLAG_ROLLOVER
    )
    const [first] = rolling
    first!.sockets.detach(first!.sk)
    first!.sockets.setsockopt(first!.sk, SOL_SOCKET, SO_RCVBUF, 1)
    for (let k = 0; k < 6; k++) from.send(frame(MAC.b), 'eth0')
    sim.run(100)
    expect(counts(byCpu)).toEqual([6, 0])
    expect(rolling[1]!.heard.length).toBeGreaterThan(2)
    end(sim, from, ...byCpu, ...rolling)
  })

  test('is of sockets alike', async () => {
    const { sim, b } = await twoHosts()
    const [one, other, unbound] = [packet(b, EXPERIMENT), packet(b, ETH_P_ALL), packet(b, 0)]
    expect(group([one], 99)).toEqual([-EINVAL])
    expect(group([unbound], PACKET_FANOUT_LB)).toEqual([-EINVAL])
    expect(group([one], PACKET_FANOUT_ROLLOVER)).toEqual([0])
    expect(group([one], PACKET_FANOUT_ROLLOVER)).toEqual([-EALREADY])
    expect(group([other], PACKET_FANOUT_ROLLOVER)).toEqual([-EINVAL])
    expect(group([other], PACKET_FANOUT_LB)).toEqual([-EINVAL])
    expect(one.bind('eth0')).toBe(-EINVAL)
    expect(group([other], PACKET_FANOUT_LB, 8)).toEqual([0])
    end(sim, one, other, unbound)
  })
})
