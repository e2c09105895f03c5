// Two TCPs joined by a wire that may lose, repeat, delay and reorder packets, by a seed. One thread, virtual time:
// `run` turns the clock from event to event until a condition holds or the time given has passed.

import { AF_INET } from '../../core/base/family.ts'
import { putI32 } from '../../core/base/bytes.ts'
import { SK_EVENT_CONNECT } from '../../core/socket/sock.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import * as tcp from '../../core/wire/tcp.ts'
import { TIME_MS } from '../../core/base/time.ts'
import {
  createTcpHost,
  type HostOptions,
  type Packet,
  sealChecksum,
  type TcpHost,
  tcpAt,
} from './tcp-host.ts'
import { seeded } from './random.ts'
import { pattern } from '../../sim/net/pattern.ts'

export type WireOptions = {
  delayUs?: number
  /** Probabilities. */
  loss?: number
  duplicate?: number
  reorder?: number
  /** Super-frames are cut into segments on the wire (else they travel whole, as with GRO at the other end). */
  segment?: boolean
  seed?: number
  /** Bytes a microsecond; 0 is no limit. */
  rate?: number
  queueLimit?: number
}
export type PairOptions = WireOptions & {
  family: number
  a?: Partial<HostOptions>
  b?: Partial<HostOptions>
  /** Sees each packet; false takes it off the wire. */
  filter?: (packet: Packet, from: 'a' | 'b') => boolean
}

type Flight = { at: number; order: number; to: 'a' | 'b'; packet: Packet }

/** Cuts a super-frame as a device would (TSO). */
export const segments = (family: number, packet: Packet): Packet[] => {
  const { bytes, gsoSize } = packet
  const at = tcpAt(family)
  const head = at + tcp.headerLen(bytes, at)
  const payload = bytes.length - head
  if (gsoSize === 0 || payload <= gsoSize) return [{ bytes, gsoSize: 0 }]
  const parts: Packet[] = []
  for (let offset = 0; offset < payload; offset += gsoSize) {
    const size = Math.min(gsoSize, payload - offset)
    const part = new Uint8Array(head + size)
    part.set(bytes.subarray(0, head))
    part.set(bytes.subarray(head + offset, head + offset + size), head)
    putI32(part, at + 4, tcp.seq(bytes, at) + offset)
    if (offset + size < payload)
      tcp.setFlags(part, at, tcp.flags(part, at) & ~(tcp.TCP_FIN | tcp.TCP_PSH))
    if (family === AF_INET) ipv4.setTotalLength(part, 0, part.length)
    else ipv6.setPayloadLength(part, 0, part.length - 40)
    sealChecksum(family, part)
    parts.push({ bytes: part, gsoSize: 0 })
  }
  return parts
}

export type TcpPair = ReturnType<typeof createTcpPair>

export const createTcpPair = (options: PairOptions) => {
  const {
    family,
    delayUs = 5000,
    loss = 0,
    duplicate = 0,
    reorder = 0,
    segment = true,
    rate = 0,
  } = options
  const { queueLimit = 1_000_000 } = options
  const random = seeded(options.seed ?? 1)
  const chance = (p: number): boolean => p > 0 && (random() >>> 0) / 0x100000000 < p
  const heap: Flight[] = []
  let order = 0
  let nowUs = options.a?.startUs ?? 1_000_000_000
  let sent = 0
  const busyUntil = { a: 0, b: 0 }

  const before = (x: Flight, y: Flight): boolean =>
    x.at < y.at || (x.at === y.at && x.order < y.order)
  const push = (flight: Flight): void => {
    let k = heap.push(flight) - 1
    while (k > 0 && before(heap[k]!, heap[(k - 1) >> 1]!)) {
      const up = (k - 1) >> 1
      ;[heap[k], heap[up]] = [heap[up]!, heap[k]!]
      k = up
    }
  }
  const pop = (): Flight => {
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return top
    heap[0] = last
    for (let k = 0; ; ) {
      let least = k
      for (const child of [2 * k + 1, 2 * k + 2])
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child
      if (least === k) return top
      ;[heap[k], heap[least]] = [heap[least]!, heap[k]!]
      k = least
    }
  }

  const put = (to: 'a' | 'b', packet: Packet): void => {
    sent++
    if (chance(loss)) return
    let start = nowUs
    if (rate > 0) {
      start = Math.max(nowUs, busyUntil[to])
      if ((start - nowUs) * rate > queueLimit) return
      busyUntil[to] = start + packet.bytes.length / rate
      start = busyUntil[to]
    }
    const extra = chance(reorder) ? ((random() >>> 0) % 4) * 1000 + 200 : 0
    push({ at: start + delayUs + extra, order: order++, to, packet })
    if (chance(duplicate)) push({ at: start + delayUs + 300, order: order++, to, packet })
  }
  const wire =
    (from: 'a' | 'b') =>
    (packet: Packet): void => {
      const to = from === 'a' ? 'b' : 'a'
      for (const part of segment ? segments(family, packet) : [packet])
        if (options.filter?.(part, from) ?? true) put(to, part)
    }
  const a: TcpHost = createTcpHost({ family, id: 1, send: wire('a'), ...options.a })
  const b: TcpHost = createTcpHost({ family, id: 2, send: wire('b'), ...options.b })
  const hosts = { a, b }

  const nextTimer = (host: TcpHost): number =>
    host.wheel.count() === 0
      ? Number.POSITIVE_INFINITY
      : (Math.floor(nowUs / 1000) + host.wheel.nextDelay(64)) * 1000
  const step = (limitUs: number): void => {
    a.endTurn()
    b.endTurn()
    const next = Math.min(
      heap.length > 0 ? heap[0]!.at : Number.POSITIVE_INFINITY,
      nextTimer(a),
      nextTimer(b)
    )
    nowUs = Math.min(Math.max(next, nowUs), limitUs)
    a.advance(nowUs)
    b.advance(nowUs)
    while (heap.length > 0 && heap[0]!.at <= nowUs) {
      const { to, packet } = pop()
      hosts[to].receive(packet)
    }
  }
  /** Runs until `done`, at most `ms` of virtual time; whether it was done. */
  const run = (ms: number, done: () => boolean = () => false): boolean => {
    const limit = nowUs + ms * 1000
    while (!done()) {
      if (nowUs >= limit) return false
      step(limit)
    }
    return true
  }
  /** a dials b's port: both ends of an established connection. */
  const connect = (port = 80): { client: number; server: number; listener: number } => {
    let server = 0
    const listener = b.serve(port, (child) => {
      server = child
    })
    const client = a.dial(b.address, port)
    let up = false
    a.handlers.set(client, (events) => {
      if ((events & SK_EVENT_CONNECT) !== 0) up = true
    })
    if (!run(120_000, () => up && server !== 0)) throw new Error('no connection')
    return { client, server, listener }
  }

  return {
    a,
    b,
    run,
    connect,
    nowMs: () => nowUs / 1000,
    inFlight: () => heap.length,
    sentPackets: () => sent,
    jiffies: () => a.time[TIME_MS]!,
    leaks: () => [a.leaks(), b.leaks()],
  }
}

/** Sends `total` patterned bytes from one socket to the other; drives itself by events. */
export const startTransfer = (
  from: TcpHost,
  sk: number,
  to: TcpHost,
  peer: number,
  total: number,
  chunk = 65536
) => {
  const out = new Uint8Array(chunk)
  const into = new Uint8Array(chunk)
  const state = { sent: 0, received: 0, wrong: 0, eof: false, error: 0 }
  const send = (): void => {
    while (state.sent < total) {
      const n = Math.min(chunk, total - state.sent)
      for (let k = 0; k < n; k++) out[k] = pattern(state.sent + k)
      const got = from.tcp.sendBytes(sk, out, 0, n)
      if (got < 0) {
        if (got !== -11) state.error = got
        return
      }
      state.sent += got
      if (got < n) return
    }
  }
  const receive = (): void => {
    for (;;) {
      const n = to.tcp.recvBytes(peer, into, 0, chunk)
      if (n === 0) state.eof = true
      if (n < 0 && n !== -11) state.error = n
      if (n <= 0) return
      for (let k = 0; k < n; k++) if (into[k] !== pattern(state.received + k)) state.wrong++
      state.received += n
    }
  }
  return { state, send, receive, done: () => state.received >= total }
}
