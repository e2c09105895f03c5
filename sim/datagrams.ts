/**
 * Datagrams of a case: sockets of a client that send to a server, whose ends check every byte and count what came how often. A
 * datagram says whose it is, the how many-th, and how long: [flow, length, number] and the pattern from a place that is its own.
 */
import { SOCK_DGRAM } from '../core/socket/sock.ts'
import { PEER_ADDR, PEER_PORT } from '../core/socket/socket-constants.ts'
import { parseAddr } from '../core/wire/text.ts'
import type { SimHost } from './net/net-sim.ts'
import { pattern } from './net/pattern.ts'

export const HEADER = 8
const ROOM = 65536
const PERIOD = 1 << 16
const EAGAIN = 11
const PATTERN = Buffer.from(Uint8Array.from({ length: 2 * PERIOD }, (_, k) => pattern(k % PERIOD)))
const placeOf = (flow: number, number: number): number =>
  Math.imul(number * 64 + flow, 40503) & (PERIOD - 1)

/** Datagram `number` of a flow, of so many bytes in all. */
export const datagram = (flow: number, number: number, length: number): Buffer => {
  const place = placeOf(flow, number)
  const bytes = Buffer.alloc(length)
  bytes.writeUInt16BE(flow, 0)
  bytes.writeUInt16BE(length, 2)
  bytes.writeUInt32BE(number, 4)
  PATTERN.copy(bytes, HEADER, place, place + length - HEADER)
  return bytes
}

type Told = { flow: number; number: number; length: number }

/** What came to one side: how often each datagram of each flow, and what nobody has sent so. */
export const createLedger = (flows: number, rounds: number) => {
  const times = Array.from({ length: flows }, () => new Uint8Array(rounds))
  /** What the datagram at the beginning says of itself, if that may be. */
  const read = (bytes: Buffer): Told | undefined => {
    if (bytes.length < HEADER) return undefined
    const flow = bytes.readUInt16BE(0)
    const length = bytes.readUInt16BE(2)
    const number = bytes.readUInt32BE(4)
    const may = flow < flows && number < rounds && length >= HEADER && length <= bytes.length
    return may ? { flow, number, length } : undefined
  }
  const ledger = {
    /** Calls that received something. */
    calls: 0,
    /** Different datagrams, those that came again, and those that are not as they were sent. */
    came: 0,
    again: 0,
    wrong: 0,
    has: (flow: number, number: number): boolean => times[flow]![number]! > 0,
    /** Notes what a call has received, several datagrams where they came together (UDP_GRO). */
    note: (bytes: Buffer): Told[] => {
      ledger.calls++
      const told: Told[] = []
      for (let at = 0; at < bytes.length; ) {
        const rest = bytes.subarray(at)
        const next = read(rest)
        if (next === undefined || !isWhole(next, rest)) {
          ledger.wrong++
          return told
        }
        if (times[next.flow]![next.number]!++ === 0) ledger.came++
        else ledger.again++
        told.push(next)
        at += next.length
      }
      return told
    },
  }
  return ledger
}
const isWhole = ({ flow, number, length }: Told, bytes: Buffer): boolean =>
  Buffer.compare(datagram(flow, number, length), bytes.subarray(0, length)) === 0

export type Ledger = ReturnType<typeof createLedger>

export type Peer = { words: Int32Array; port: number }
export const peerAt = (text: string, port: number): Peer => ({
  words: Int32Array.from(parseAddr(text)!.words),
  port,
})

type Options = {
  port?: number
  /** Level, name, value. */
  set?: readonly (readonly [number, number, number])[]
  /** Hears what came, and from whom. */
  heard: (bytes: Buffer, from: Peer) => void
}
export type DatagramEnd = ReturnType<typeof openDatagrams>

/** A UDP socket of a worker. One that does not read lets it lie. */
export const openDatagrams = (host: SimHost, worker: number, family: number, options: Options) => {
  const { sockets } = host.stacks[worker]!
  const { u8 } = host.arena
  const must = (result: number): number => {
    if (result < 0) throw new Error(`errno ${-result}`)
    return result
  }
  const sk = must(sockets.socket(family, SOCK_DGRAM, 0))
  for (const [level, name, value] of options.set ?? [])
    must(sockets.setsockopt(sk, level, name, value))
  if (options.port !== undefined) must(sockets.bind(sk, new Int32Array(4), 0, options.port))
  const receive = (): void => {
    while (end.isReading) {
      const n = sockets.recvfrom(sk, host.page, ROOM)
      if (n === -EAGAIN) return
      if (n < 0) {
        end.errors.push(-n)
        continue
      }
      const peer = sockets.peerOf(sk)
      const words = Int32Array.from(peer.subarray(PEER_ADDR, PEER_ADDR + 4))
      options.heard(Buffer.from(u8.slice(host.page, host.page + n)), {
        words,
        port: peer[PEER_PORT]!,
      })
    }
  }
  const end = {
    isReading: true,
    errors: [] as number[],
    receive,
    connect: ({ words, port }: Peer): number => must(sockets.connect(sk, words, 0, port)),
    /** To a peer, or to the connected one; whether it went. An error from before is not this one's. */
    send: (bytes: Uint8Array, to?: Peer): boolean => {
      for (let tries = 0; tries < 2; tries++) {
        u8.set(bytes, host.page)
        const n =
          to === undefined
            ? sockets.sendmsg(sk, host.page, bytes.length, 0)
            : sockets.sendto(sk, host.page, bytes.length, to.words, 0, to.port)
        if (n === bytes.length) return true
        end.errors.push(-n)
      }
      return false
    },
    close: (): void => sockets.close(sk),
  }
  sockets.attach(sk, sockets.registerHandler(receive), 0)
  return end
}
