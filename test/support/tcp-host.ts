// One TCP on a small arena, as core/stack makes it, without the layers below: IP is a few lines that build a header and
// hand the packet to the test. Virtual time; nothing here sleeps. tcp-pair.ts joins two, tcp-script.ts plays the peer, and
// tcp-hosts.ts runs applications over it.

import { CONGESTION_CONTROLS } from '../../core/transport/tcp/cong/tcp-cong-controls.ts'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { copyFrom } from '../../core/base/bytes.ts'
import {
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_IIF,
  FL_MTU,
  FL_SADDR,
  FL_TYPE,
  type Flowi,
  RTN_LOCAL,
  RTN_UNICAST,
} from '../../core/base/flowi.ts'
import { setTime } from '../../core/base/time.ts'
import { arenaBytes, createArena } from '../../core/shm/arena.ts'
import { Mib, sumCounter } from '../../core/shm/counters.ts'
import { type ArenaConfig, HELD_WORDS, SMALL_ARENA } from '../../core/shm/layout.ts'
import { setSysctlDefaults, Sysctl } from '../../core/shm/sysctl.ts'
import { heldAt } from '../../core/skb/budget.ts'
import { DROP_COUNTERS, Drop } from '../../core/skb/drop.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  RX_HEADROOM,
  SKB_DATA,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
} from '../../core/skb/skb.ts'
import { SK_DADDR, SK_EVENT_ACCEPT, SK_SADDR } from '../../core/socket/sock.ts'
import { createMachine } from '../../core/stack/machine.ts'
import { createSocketLayer, noRoutes } from '../../core/stack/sockets.ts'
import { createTcp } from '../../core/stack/tcp.ts'
import { SO_REUSEADDR, SOL_SOCKET } from '../../core/socket/socket-constants.ts'
import type { CongestionControl } from '../../core/transport/tcp/cong/tcp-cong.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import * as tcpWire from '../../core/wire/tcp.ts'
import { pseudoSum } from '../../core/base/checksum.ts'
import { createIpStub } from './ip-stub.ts'
import { seeded } from './random.ts'

/** An IP packet on the wire, and how many bytes a segment of it carries when it is a super-frame. */
export type Packet = { bytes: Uint8Array; gsoSize: number }

export type HostOptions = {
  family: number
  /** Last number of the address: 10.0.0.n, fd00::n. */
  id: number
  send: (packet: Packet) => void
  mtu?: number
  gsoMax?: number
  config?: Partial<ArenaConfig>
  /** Verify checksums in software. */
  checksums?: boolean
  steer?: (fl: Flowi) => number
  startUs?: number
  sendError?: () => number
  congestion?: readonly CongestionControl[]
  seed?: number
  wake?: (thread: number) => void
}

export const address = (family: number, id: number): Int32Array =>
  family === AF_INET
    ? Int32Array.of(0, 0, 0xffff, 0x0a000000 | id)
    : Int32Array.of(0xfd000000 | 0, 0, 0, id)
export const ANY = new Int32Array(4)

export type TcpHost = ReturnType<typeof createTcpHost>

export const createTcpHost = (options: HostOptions) => {
  const { family, id, send, mtu = 1500, gsoMax = 65535, checksums = true } = options
  const config = { ...SMALL_ARENA, socks: 64, ...options.config }
  const arena = createArena(config, new ArrayBuffer(arenaBytes(config)))
  const { i32, u8, layout } = arena
  setSysctlDefaults(arena)
  const random = seeded(options.seed ?? id * 7919 + 1)
  const startUs = options.startUs ?? 1_000_000_000
  const wake = options.wake ?? (() => {})
  const machine = createMachine({ arena, thread: 0, nowUs: () => startUs, random, wake })
  const { skbs, drop, consume, time, wheel } = machine
  const layer = createSocketLayer(machine, noRoutes(machine), wake)
  const { slab, sockets } = layer
  const handlers = new Map<number, (events: number) => void>()
  /** Tells `handlers` at once, and who is attached at the end of the turn. */
  const sockEvents = (sk: number, events: number): void => {
    sockets.sockEvents(sk, events)
    handlers.get(sk)?.(events)
  }
  const headerLen = family === AF_INET ? 20 : 40

  const emit = (skb: number, saddr: (w: number) => number, daddr: (w: number) => number): void => {
    const len = i32[skb + SKB_LEN]!
    const bytes = new Uint8Array(headerLen + len)
    if (family === AF_INET) ipv4.init(bytes, 0, 6, saddr(3), daddr(3), headerLen + len, 64)
    else {
      ipv6.init(bytes, 0, 6, len, 64)
      ipv6.setSrc(bytes, 0, saddr(0), saddr(1), saddr(2), saddr(3))
      ipv6.setDst(bytes, 0, daddr(0), daddr(1), daddr(2), daddr(3))
    }
    copyFrom(bytes, headerLen, u8, i32[skb + SKB_DATA]!, len)
    const gsoSize = i32[skb + SKB_GSO_SIZE]!
    consume(skb)
    if (checksums) sealChecksum(family, bytes)
    send({ bytes, gsoSize })
  }

  const inet = createIpStub(machine, {
    route: (fl) => {
      if (fl[FL_DADDR + 3] === 0x0a0000fe) return -113
      fl[FL_MTU] = mtu
      fl[FL_DEV] = 1
      fl[FL_DST] = 1
      fl[FL_TYPE] = RTN_UNICAST
      if ((fl[FL_SADDR]! | fl[FL_SADDR + 1]! | fl[FL_SADDR + 2]! | fl[FL_SADDR + 3]!) === 0)
        address(fl[FL_FAMILY]!, id).forEach((word, w) => {
          fl[FL_SADDR + w] = word
        })
      return 0
    },
    queueXmit: (skb, sk) => {
      const err = options.sendError?.() ?? 0
      if (err < 0) {
        drop(skb, Drop.QDISC_DROP)
        return err
      }
      emit(
        skb,
        (w) => i32[sk + SK_SADDR + w]!,
        (w) => i32[sk + SK_DADDR + w]!
      )
      return 0
    },
    send: (skb, fl) => {
      emit(
        skb,
        (w) => fl[FL_SADDR + w]!,
        (w) => fl[FL_DADDR + w]!
      )
      return 0
    },
    loadAddrs: (skb, fl) => {
      const at = i32[skb + SKB_NETWORK]!
      fl[FL_FAMILY] = family
      fl[FL_IIF] = 1
      if (family === AF_INET) {
        fl.set([0, 0, 0xffff, ipv4.src(u8, at)], FL_SADDR)
        fl.set([0, 0, 0xffff, ipv4.dst(u8, at)], FL_DADDR)
      } else {
        fl.set(
          [ipv6.src0(u8, at), ipv6.src1(u8, at), ipv6.src2(u8, at), ipv6.src3(u8, at)],
          FL_SADDR
        )
        fl.set(
          [ipv6.dst0(u8, at), ipv6.dst1(u8, at), ipv6.dst2(u8, at), ipv6.dst3(u8, at)],
          FL_DADDR
        )
      }
    },
    addrType: (words, at) =>
      address(family, id).every((word, w) => word === words[at + w]) ? RTN_LOCAL : RTN_UNICAST,
  })
  const { steer = machine.steer.steerFlow, congestion = CONGESTION_CONTROLS } = options
  const secret = Int32Array.of(random(), random())
  const heard = { ...layer, sockets: { ...sockets, sockEvents } }
  const tcp = createTcp(machine, inet, heard, secret, { steer, congestion, gsoMax: () => gsoMax })

  /** The packet comes in from the wire. */
  const receive = (packet: Packet): void => {
    const { bytes, gsoSize } = packet
    const skb = skbs.alloc(bytes.length, RX_HEADROOM)
    if (skb === 0) return
    u8.set(bytes, skbs.put(skb, bytes.length))
    i32[skb + SKB_NETWORK] = i32[skb + SKB_DATA]!
    i32[skb + SKB_IP_SUMMED] = checksums ? CHECKSUM_NONE : CHECKSUM_UNNECESSARY
    skbs.pull(skb, headerLen)
    if (gsoSize !== 0) {
      i32[skb + SKB_GSO_SIZE] = gsoSize
      i32[skb + SKB_GSO_SEGS] = Math.ceil((bytes.length - headerLen - 20) / gsoSize)
    }
    tcp.tcpRcv(skb)
    endTurn()
  }
  /** What the loop does at the end of a turn: small writes leave. */
  const endTurn = (): void => {
    tcp.releaseHeldUp(true)
  }
  const setClock = (us: number): void => setTime(time, us)
  const advance = (us: number): void => {
    setClock(us)
    wheel.advance()
    endTurn()
  }
  const atStart = skbs.available()

  return {
    arena,
    i32,
    ...layer,
    tcp,
    skbs,
    time,
    wheel,
    consume,
    handlers,
    receive,
    endTurn,
    setClock,
    advance,
    headerLen,
    family,
    id,
    address: address(family, id),
    mib: (name: keyof typeof Mib): number => sumCounter(arena, Mib[name]),
    drops: (name: keyof typeof Drop): number => sumCounter(arena, DROP_COUNTERS + Drop[name]),
    setSysctl: (name: keyof typeof Sysctl, value: number): void => {
      i32[layout.sysctl + Sysctl[name]] = value
    },
    /** What must be true at the end of a test, when everything was closed. */
    leaks: () => {
      const now = skbs.available()
      return {
        skbs: atStart.skbs - now.skbs,
        smalls: atStart.smalls - now.smalls,
        larges: atStart.larges - now.larges,
        socks: slab.live(),
        timers: wheel.count(),
        held: i32.slice(heldAt(arena, 0), heldAt(arena, 0) + HELD_WORDS).reduce((a, b) => a + b),
      }
    },
    /** A listening socket whose connections `onChild` gets. */
    serve: (port: number, onChild: (child: number) => void, backlog = 16): number => {
      const sk = tcp.open(family)
      sockets.setsockopt(sk, SOL_SOCKET, SO_REUSEADDR, 1)
      const bound = tcp.bind(sk, ANY, 0, port)
      if (bound < 0) throw new Error(`bind: ${bound}`)
      const listening = tcp.listen(sk, backlog)
      if (listening < 0) throw new Error(`listen: ${listening}`)
      handlers.set(sk, (events) => {
        if ((events & SK_EVENT_ACCEPT) === 0) return
        for (let child = tcp.accept(sk); child !== 0; child = tcp.accept(sk)) onChild(child)
      })
      return sk
    },
    /** A socket on its way to a peer. */
    dial: (peer: Int32Array, port: number): number => {
      const sk = tcp.open(family)
      const err = tcp.connect(sk, peer, 0, port)
      if (err !== -115) throw new Error(`connect: ${err}`)
      return sk
    },
  }
}

export const NO_LEAKS = { skbs: 0, smalls: 0, larges: 0, socks: 0, timers: 0, held: 0 }
export const FAMILIES: [name: string, family: number][] = [
  ['IPv4', AF_INET],
  ['IPv6', AF_INET6],
]

/** Where the TCP header of a packet lies. */
export const tcpAt = (family: number): number => (family === AF_INET ? 20 : 40)

/** Writes the TCP checksum of a packet. */
export const sealChecksum = (family: number, bytes: Uint8Array): void => {
  const at = tcpAt(family)
  const len = bytes.length - at
  const v4 = family === AF_INET
  const sum = pseudoSum(
    bytes,
    v4 ? ipv4.ADDRS : ipv6.ADDRS,
    v4 ? ipv4.ADDRS_LEN : ipv6.ADDRS_LEN,
    6,
    len
  )
  tcpWire.setChecksum(bytes, at, len, sum)
}
