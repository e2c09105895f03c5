// Programs for the hosts of a simulation (net-sim.ts): sockets of one worker, driven by events. A transfer carries a
// pattern, so that a byte that is wrong, missing or twice there is seen.

import { AF_INET, familyOf } from '../../core/base/family.ts'
import {
  SK_EVENT_ACCEPT,
  SK_EVENT_CONNECT,
  SK_EVENT_ERROR,
  SK_DPORT,
  SK_NUM,
  SOCK_DGRAM,
  SOCK_STREAM,
} from '../../core/socket/sock.ts'
import {
  PEER_ADDR,
  PEER_PORT,
  PEER_ZONE,
  SO_BINDTODEVICE,
  SO_REUSEPORT,
  SOL_SOCKET,
} from '../../core/socket/socket-constants.ts'
import type { SimHost } from './net-sim.ts'
import { formatWords, parseAddr } from '../../core/wire/text.ts'
import { pattern } from './pattern.ts'

const CHUNK = 65536
const EAGAIN = 11

const peerWords = (peer: Int32Array): [number, number, number, number] => {
  const [a, b, c, d] = peer.subarray(PEER_ADDR, PEER_ADDR + 4)
  return [a!, b!, c!, d!]
}
const must = (what: string, result: number): number => {
  if (result < 0) throw new Error(`${what}: errno ${-result}`)
  return result
}

/** An address of either family as it travels in the stack: (words, at). */
const address = (text: string): [words: Int32Array, at: number] => [
  Int32Array.from(parseAddr(text)!.words),
  0,
]
const ANY: [words: Int32Array, at: number] = [new Int32Array(4), 0]

/** `zone` is the device of the sender's link, where its address is one of that link. */
export type Datagram = { bytes: Uint8Array; from: string; port: number; zone?: number }
export type UdpEnd = ReturnType<typeof openUdp>

/** Binds a socket to a device by its name; '': to none. */
const bindToDevice = (host: SimHost, worker: number, sk: number, dev: string): void => {
  if (dev === '') return
  const { sockets } = host.stacks[worker]!
  must('SO_BINDTODEVICE', sockets.setsockopt(sk, SOL_SOCKET, SO_BINDTODEVICE, host.ifindex(dev)))
}

/** A UDP socket that keeps what it hears; port 0 is bound when it first sends. `dev`: what it is bound to. */
export const openUdp = (host: SimHost, port = 0, worker = 0, family = AF_INET, dev = '') => {
  const stack = host.stacks[worker]!
  const { sockets } = stack
  const { u8 } = host.arena
  const sk = must('socket', sockets.socket(family, SOCK_DGRAM, 0))
  bindToDevice(host, worker, sk, dev)
  if (port !== 0) must('bind', sockets.bind(sk, ...ANY, port))
  const heard: Datagram[] = []
  const errors: number[] = []
  const receive = (): void => {
    for (;;) {
      const n = sockets.recvfrom(sk, host.page, CHUNK)
      if (n === -EAGAIN) return
      if (n < 0) {
        errors.push(-n)
        continue
      }
      const peer = sockets.peerOf(sk)
      heard.push({
        bytes: u8.slice(host.page, host.page + n),
        from: formatWords(...peerWords(peer)),
        port: peer[PEER_PORT]!,
        ...(peer[PEER_ZONE] !== 0 && { zone: peer[PEER_ZONE] }),
      })
    }
  }
  sockets.attach(sk, sockets.registerHandler(receive), 0)
  return {
    sk,
    heard,
    errors,
    connect: (to: string, toPort: number): number => sockets.connect(sk, ...address(to), toPort),
    /** Sends to an address, or to the connected peer: the count, or -errno. */
    send: (bytes: Uint8Array, to?: string, toPort = 0, zone = 0): number => {
      u8.set(bytes, host.page)
      if (to === undefined) return sockets.sendmsg(sk, host.page, bytes.length, 0)
      return sockets.sendto(sk, host.page, bytes.length, ...address(to), toPort, zone)
    },
    close: (): void => sockets.close(sk),
  }
}

export type TcpEnd = ReturnType<typeof tcpEnd>

/** So many bytes of the pattern before it comes again, and a chunk more, so that each one lies in a piece. */
const PERIOD = 1 << 19
const PATTERN = Uint8Array.from({ length: PERIOD + CHUNK }, (_, k) => pattern(k % PERIOD))
/** Where in the pattern the stream of a connection begins: each client's port has a place of its own. */
const placeOf = (port: number): number => Math.imul(port, 40503)

/** One end of a connection: sends its pattern, takes and checks the peer's. */
const tcpEnd = (host: SimHost, worker: number, sk: number) => {
  const { sockets } = host.stacks[worker]!
  const { u8 } = host.arena
  const patternAt = (k: number): number => (state.place + k) & (PERIOD - 1)
  const state = {
    host,
    worker,
    sk,
    place: 0,
    /** Is told when something has come. */
    heard: () => {},
    /** Takes what has come; one that does not lets it lie. */
    isReading: true,
    connected: false,
    toSend: 0,
    sent: 0,
    received: 0,
    wrong: 0,
    eof: false,
    error: 0,
    open: true,
    finishing: false,
  }
  const send = (): void => {
    while (state.open && state.sent < state.toSend) {
      const n = Math.min(CHUNK, state.toSend - state.sent)
      const got = sockets.sendBytes(sk, PATTERN, patternAt(state.sent), n)
      if (got < 0 && got !== -EAGAIN) state.error ||= -got
      if (got <= 0) return
      state.sent += got
    }
    if (!state.finishing || !state.connected) return
    state.finishing = false
    sockets.shutdown(sk, 1)
  }
  /** Counts what is wrong in so many bytes that came. */
  const check = (n: number): void => {
    const from = patternAt(state.received)
    const due = PATTERN.subarray(from, from + n)
    const got = u8.subarray(host.page, host.page + n)
    if (Buffer.compare(due, got) === 0) return
    for (const [k, byte] of due.entries()) if (got[k] !== byte) state.wrong++
  }
  const receive = (): void => {
    while (state.open && state.isReading) {
      const n = sockets.recvmsg(sk, host.page, CHUNK)
      if (n === 0) state.eof = true
      if (n < 0 && n !== -EAGAIN) state.error ||= -n
      if (n <= 0) return
      check(n)
      state.received += n
    }
  }
  const handler = sockets.registerHandler((_sk, events) => {
    if ((events & SK_EVENT_CONNECT) !== 0) state.connected = true
    if ((events & SK_EVENT_ERROR) !== 0) state.error ||= sockets.takeError(sk)
    receive()
    state.heard()
    send()
  })
  sockets.attach(sk, handler, 0)
  return Object.assign(state, {
    /** Sends so many more bytes. */
    start: (bytes: number): void => {
      state.toSend += bytes
      send()
    },
    /** Ends the stream when all is sent. */
    finish: (): void => {
      state.finishing = true
      send()
    },
    close: (): void => {
      if (!state.open) return
      state.open = false
      sockets.close(sk)
    },
    /** Ends the connection with a reset. */
    abort: (): void => {
      if (!state.open) return
      state.open = false
      sockets.abort(sk)
    },
    poke: (): void => {
      receive()
      state.heard()
      send()
    },
  })
}

type ServerOptions = {
  /** Meets each end before its first event. */
  greet?: (end: TcpEnd) => void
  /** Connections that may come at one moment. */
  backlog?: number
  /** What it is bound to. */
  dev?: string
}
export type TcpServer = {
  sk: number
  ends: TcpEnd[]
  /** A worker has a new stack: what was there is no more, and one listens there again. */
  restarted: (worker: number) => void
  close: () => void
}

/** Listens on every worker of the host (an SO_REUSEPORT group); `ends` are the connections it got. */
export const serveTcp = (
  host: SimHost,
  port: number,
  family = AF_INET,
  { greet = () => {}, backlog = 16, dev = '' }: ServerOptions = {}
): TcpServer => {
  const ends: TcpEnd[] = []
  const listenOn = (worker: number) => {
    const { sockets } = host.stacks[worker]!
    const sk = must('socket', sockets.socket(family, SOCK_STREAM, 0))
    must('SO_REUSEPORT', sockets.setsockopt(sk, SOL_SOCKET, SO_REUSEPORT, 1))
    bindToDevice(host, worker, sk, dev)
    must('bind', sockets.bind(sk, ...ANY, port))
    must('listen', sockets.listen(sk, backlog))
    const handler = sockets.registerHandler((_sk, events) => {
      if ((events & SK_EVENT_ACCEPT) === 0) return
      for (let child = sockets.accept(sk); child > 0; child = sockets.accept(sk)) {
        const end = tcpEnd(host, worker, child)
        end.place = placeOf(host.arena.i32[child + SK_DPORT]!)
        end.connected = true
        ends.push(end)
        greet(end)
        end.poke()
      }
    })
    sockets.attach(sk, handler, 0)
    return { sockets, sk }
  }
  const listeners = host.stacks.map((_, worker) => listenOn(worker))
  return {
    sk: listeners[0]!.sk,
    ends,
    restarted: (worker) => {
      for (const end of ends) if (end.worker === worker) end.open = false
      listeners[worker] = listenOn(worker)
    },
    close: () => {
      for (const { sockets, sk } of listeners) sockets.close(sk)
    },
  }
}

/** A connection on its way. */
export const dialTcp = (
  host: SimHost,
  to: string,
  port: number,
  worker = 0,
  family = familyOf(...address(to)),
  zone = 0,
  dev = ''
): TcpEnd => {
  const { sockets } = host.stacks[worker]!
  const sk = must('socket', sockets.socket(family, SOCK_STREAM, 0))
  bindToDevice(host, worker, sk, dev)
  const end = tcpEnd(host, worker, sk)
  const result = sockets.connect(sk, ...address(to), port, zone)
  end.place = placeOf(host.arena.i32[sk + SK_NUM]!)
  if (result !== 0 && result !== -115) {
    end.error = -result
  }
  return end
}
