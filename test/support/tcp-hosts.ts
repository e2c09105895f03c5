// Two hosts whose TCP is the real one, joined below IP: what one sends the other receives some milliseconds of virtual
// time later, unless it is lost. Each has a worker with its socket layer, its services and its app port.
import { AF_INET } from '../../core/base/family.ts'
import { createFakeUdp } from './fake-proto.ts'
import { seeded } from './random.ts'
import {
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_MTU,
  FL_SADDR,
  FL_TYPE,
  type Flowi,
  RTN_LOCAL,
  RTN_UNICAST,
} from '../../core/base/flowi.ts'
import { createTime, setTime } from '../../core/base/time.ts'
import { createTimerWheel } from '../../core/base/timer-wheel.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import { createDrop } from '../../core/skb/drop.ts'
import {
  CHECKSUM_UNNECESSARY,
  createSkbs,
  RX_HEADROOM,
  SKB_DATA,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_TRANSPORT,
} from '../../core/skb/skb.ts'
import { createAppPort } from '../../core/socket/app-port.ts'
import { createServices } from '../../core/socket/services/services.ts'
import { SK_DADDR, SK_SADDR, sockSlab } from '../../core/socket/sock.ts'
import { createSockets, registerInet } from '../../core/socket/sockets.ts'
import { createOwnedFlows } from '../../core/transport/owned-flows.ts'
import { CONGESTION_CONTROLS } from '../../core/transport/tcp/rec/tcp-cong.ts'
import { createTcp } from '../../core/transport/tcp/tcp.ts'
import { createTcpProto } from '../../core/transport/tcp/sock/tcp-proto.ts'
import { fakeArena } from './fake-worker.ts'
import { createIpStub } from './ip-stub.ts'

const MAPPED = 0xffff
const IP_HEADER = 20
const MTU = 1500
const SUPER_FRAME = 65000

type Segment = {
  due: number
  bytes: Uint8Array
  src: number
  dst: number
  gsoSize: number
  gsoSegs: number
  gsoType: number
}
export type TcpHostOptions = {
  addr: number
  seed?: number
  config?: Partial<ArenaConfig>
  wakeApp?: (app: number) => void
}

const createHost = (options: TcpHostOptions, transmit: (segment: Segment) => void) => {
  const { addr, seed = 1, config = {}, wakeApp = () => {} } = options
  const arena = fakeArena({ smallBuffers: 4096, skbs: 4096, largeBuffers: 256, ...config })
  const { i32, u8 } = arena
  const random = seeded(seed)
  const time = createTime()
  setTime(time, 1_000_000)
  const wheel = createTimerWheel(i32, arena.layout.wheels, time)
  const skbs = createSkbs(arena, 0)
  const { drop, consume } = createDrop(arena, skbs)
  const slab = sockSlab(arena, 0, true)
  const sockets = createSockets({ arena, firstSock: slab.first })

  const send = (skb: number, src: number, dst: number): number => {
    const length = i32[skb + SKB_LEN]!
    const flat = skbs.copy(skb, 0)
    if (flat === 0) throw new Error('no memory')
    const bytes = u8.slice(i32[flat + SKB_DATA]!, i32[flat + SKB_DATA]! + length)
    transmit({
      due: 0,
      bytes,
      src,
      dst,
      gsoSize: i32[skb + SKB_GSO_SIZE]!,
      gsoSegs: i32[skb + SKB_GSO_SEGS]!,
      gsoType: i32[skb + SKB_GSO_TYPE]!,
    })
    consume(flat)
    consume(skb)
    return 0
  }
  const routeOutput = (fl: Flowi): number => {
    if (fl[FL_SADDR + 3] === 0) {
      fl[FL_SADDR + 2] = MAPPED
      fl[FL_SADDR + 3] = addr
    }
    fl[FL_TYPE] = 1
    fl[FL_DEV] = 1
    fl[FL_MTU] = MTU
    fl[FL_DST] = 1
    return 0
  }
  const ipAt = (at: number): number =>
    (u8[at]! << 24) | (u8[at + 1]! << 16) | (u8[at + 2]! << 8) | u8[at + 3]!
  const tcp = createTcp({
    arena,
    sockConfirm: () => {},
    worker: 0,
    skbs,
    drop,
    consume,
    wheel,
    time,
    random,
    slab,
    secret: new Int32Array([random(), random()]),
    ...createIpStub({
      arena,
      time,
      routeOutput,
      queueXmit: (skb, sk) => send(skb, i32[sk + SK_SADDR + 3]!, i32[sk + SK_DADDR + 3]!),
      send: (skb, fl) => send(skb, fl[FL_SADDR + 3]!, fl[FL_DADDR + 3]!),
    }),
    loadAddrs: (skb, fl) => {
      const at = i32[skb + SKB_NETWORK]!
      fl[FL_FAMILY] = AF_INET
      fl.set([0, 0, MAPPED, ipAt(at + 12), 0, 0, MAPPED, ipAt(at + 16)], FL_SADDR)
    },
    steer: () => 0,
    addrType: (words, at) => (words[at + 3] === addr ? RTN_LOCAL : RTN_UNICAST),
    gsoMax: () => SUPER_FRAME,
    congestion: CONGESTION_CONTROLS,
    sockEvents: sockets.sockEvents,
    owned: createOwnedFlows({ arena, worker: 0, steerTo: () => {} }),
  })
  const udp = createFakeUdp({ arena, slab, sockEvents: sockets.sockEvents, random })
  registerInet(sockets, createTcpProto(tcp), udp.proto)
  const services = createServices({ arena, skbs, sockets, consume, random })
  const port = createAppPort({ arena, worker: 0, skbs, sockets, consume, wakeApp })

  const receive = ({ bytes, src, dst, gsoSize, gsoSegs, gsoType }: Segment): void => {
    const skb = skbs.alloc(bytes.length + IP_HEADER, RX_HEADROOM)
    if (skb === 0) return
    const at = skbs.put(skb, bytes.length + IP_HEADER)
    u8.fill(0, at, at + IP_HEADER)
    u8[at] = 0x45
    u8[at + 8] = 64
    u8[at + 9] = 6
    new DataView(u8.buffer).setInt32(at + 12, src)
    new DataView(u8.buffer).setInt32(at + 16, dst)
    u8.set(bytes, at + IP_HEADER)
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    i32[skb + SKB_GSO_SIZE] = gsoSize
    i32[skb + SKB_GSO_SEGS] = gsoSegs
    i32[skb + SKB_GSO_TYPE] = gsoType
    skbs.pull(skb, IP_HEADER)
    i32[skb + SKB_TRANSPORT] = at + IP_HEADER
    tcp.tcpRcv(skb)
  }
  /** One turn of the worker's loop at `us`, with what has come in. */
  const turn = (us: number, segments: Segment[]): number => {
    setTime(time, us)
    skbs.reclaim()
    for (const segment of segments) receive(segment)
    let did = port.poll() + segments.length
    did += wheel.advance()
    did += sockets.runEvents()
    port.flush()
    skbs.flush()
    return did
  }
  return { arena, addr, skbs, slab, sockets, services, port, tcp, turn, wheel }
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
  let us = 2_000_000
  const wires: [Segment[], Segment[]] = [[], []]
  const onto = (wire: Segment[]) => (segment: Segment) => {
    if ((random() >>> 1) % 1000 < lossPerMille) return
    wire.push({ ...segment, due: us + delayMs * 1000 })
  }
  const a = createHost({ addr: 0x0a000001, seed: seed + 1, ...options.a }, onto(wires[1]))
  const b = createHost({ addr: 0x0a000002, seed: seed + 2, ...options.b }, onto(wires[0]))
  const arrived = (wire: Segment[]): Segment[] => {
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
