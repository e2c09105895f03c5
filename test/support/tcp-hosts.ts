// Two hosts with all of TCP, the services and the rings of applications, over a wire in one process that loses and delays
// packets, under virtual time. Their UDP is a fake, since IP is one too (tcp-host.ts).
import { AF_INET } from '../../core/base/family.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import { IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import { SOCK_DGRAM } from '../../core/socket/sock.ts'
import { createFakeUdp } from './fake-proto.ts'
import { seeded } from './random.ts'
import { createTcpHost, type Packet } from './tcp-host.ts'

/** What both clocks say at first, or the first SYN would be a second old when it leaves. */
const START_US = 2_000_000

type Flight = Packet & { due: number }
export type TcpHostOptions = {
  /** Last number of the address: 10.0.0.n. */
  id: number
  seed?: number
  config?: Partial<ArenaConfig>
  wakeApp?: (app: number) => void
}

const createHost = (options: TcpHostOptions, send: (packet: Packet) => void) => {
  const { id, seed = 1, config = {}, wakeApp = () => {} } = options
  const host = createTcpHost({
    family: AF_INET,
    id,
    send,
    seed,
    gsoMax: 65000,
    checksums: false,
    startUs: START_US,
    config: { smallBuffers: 4096, skbs: 4096, largeBuffers: 256, ...config },
    wake: (thread) => wakeApp(thread - host.arena.layout.appThread),
  })
  const { arena, slab, sockets, skbs, appPort } = host
  const udp = createFakeUdp({ arena, slab, sockEvents: sockets.sockEvents, random: seeded(seed) })
  sockets.registerProto(SOCK_DGRAM, IPPROTO_UDP, udp.proto)

  /** One turn of the worker's loop at `us`, with what has come in. */
  const turn = (us: number, packets: Packet[]): number => {
    skbs.reclaim()
    host.setClock(us)
    for (const packet of packets) host.receive(packet)
    let did = appPort.poll() + packets.length
    did += host.wheel.advance()
    did += sockets.runEvents()
    appPort.flush()
    host.endTurn()
    skbs.flush()
    return did
  }
  return { ...host, addr: host.address[3]!, turn }
}
export type TcpHost = ReturnType<typeof createHost>

export type TcpHostsOptions = {
  seed?: number
  /** Packets lost, of a thousand; one way's delay in ms. */
  lossPerMille?: number
  delayMs?: number
  a?: Partial<TcpHostOptions>
  b?: Partial<TcpHostOptions>
}

export const createTcpHosts = (options: TcpHostsOptions = {}) => {
  const { seed = 1, lossPerMille = 0, delayMs = 1 } = options
  const random = seeded(seed)
  let us = START_US
  const wires: [Flight[], Flight[]] = [[], []]
  const onto = (wire: Flight[]) => (packet: Packet) => {
    if ((random() >>> 1) % 1000 < lossPerMille) return
    wire.push({ ...packet, due: us + delayMs * 1000 })
  }
  const a = createHost({ id: 1, seed: seed + 1, ...options.a }, onto(wires[1]))
  const b = createHost({ id: 2, seed: seed + 2, ...options.b }, onto(wires[0]))
  const arrived = (wire: Flight[]): Flight[] => {
    const n = wire.findIndex(({ due }) => due > us)
    return wire.splice(0, n < 0 ? wire.length : n)
  }
  /** Lets time go on by a millisecond and both hosts work; returns how much they did. */
  const step = (stepUs = 1000): number => {
    us += stepUs
    return a.turn(us, arrived(wires[0])) + b.turn(us, arrived(wires[1]))
  }
  /** Steps until `done` holds. */
  const until = (done: () => boolean, what = 'it', steps = 100000): void => {
    for (let k = 0; k < steps; k++) {
      if (done()) return
      step()
    }
    throw new Error(`${what} did not happen`)
  }
  return { a, b, step, until, random, now: () => us }
}
export type TcpHosts = ReturnType<typeof createTcpHosts>
