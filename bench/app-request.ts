/**
 * What a request of a kept connection costs the worker that has it, without a device or a kernel: a hundred bytes from each of 64
 * clients come in a batch, go to an application over its rings, and its answers out to a port. Nanoseconds a request, of the
 * turn that takes them in, of that which sends the answers, and of the application, which does as little as it can; of
 * pieces of some milliseconds the least, and what a sixteenth of them stays below. With `two` the application is on another CPU,
 * so that what goes from one to the other has to be fetched from there.
 *
 *   bun bench/app-request.ts [ROUNDS] [two]
 */
import { Worker } from 'node:worker_threads'
import { portTxRing } from '../core/dev/kinds/ports.ts'
import { NUD_PERMANENT } from '../core/neigh/neigh-constants.ts'
import { DEFAULT_ARENA } from '../core/shm/layout.ts'
import { ringReadable, ringRelease, ringTake } from '../core/shm/ring.ts'
import {
  CHECKSUM_UNNECESSARY,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
} from '../core/skb/skb.ts'
import * as ethernet from '../core/wire/ethernet.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as tcp from '../core/wire/tcp.ts'
import { putMss } from '../core/wire/tcp-options.ts'
import { createAppAnswers } from './support/app-answers.ts'
import { TOLD, TOLD_BYTES } from './support/app-answers-told.ts'
import { makeArena, makeStack, V4 } from './support/forwarding.ts'

const CLIENTS = 64
const REQUEST = 100
const PORT = 80
const CLIENT_PORT = 1024
const WARM_UP = 12_000
const PIECE = 30
const HEADERS = ethernet.ETH_HLEN + ipv4.MIN_HEADER
const SYN_HEADER = 24

// as many applications as a daemon has room for, of which one is there
const arena = makeArena(DEFAULT_ARENA.apps)
const { i32, u8, layout } = arena
const stack = makeStack(arena, V4)
const { skbs } = stack
const us = V4.address(1, 1)
const addressOf = (client: number) => V4.address(1, 256 + client)
const key = layout.scratch + layout.nicThread * 1024
for (let k = 0; k < CLIENTS; k++) {
  i32.set(addressOf(k), key)
  const row = stack.neighbour!.create(1, key)
  stack.neighbour!.update(row, 0x0201, k, NUD_PERMANENT, 0x80000001 | 0)
}

// The application.

const options = { port: PORT, clients: CLIENTS, answerBytes: 420 }
/** `answer` is called until it says that all have their answers; `ms` is what that took it, of all time. */
type Application = { opened: () => number; answer: () => boolean; ms: () => number }

const inThisThread = (): Application => {
  const { listen, answer, opened } = createAppAnswers(arena, options)
  let ms = 0
  listen()
  return {
    opened,
    answer: () => {
      const start = performance.now()
      const answered = answer()
      ms += performance.now() - start
      return answered === CLIENTS
    },
    ms: () => ms,
  }
}
const inItsOwn = (): Application => {
  const told = new SharedArrayBuffer(TOLD_BYTES)
  const words = new Int32Array(told)
  const doubles = new Float64Array(told)
  const { config } = layout
  const workerData = { config, buffer: arena.buffer, options, told }
  new Worker(new URL('./support/app-answers-thread.ts', import.meta.url), { workerData })
  let wanted = 0
  return {
    opened: () => Atomics.load(words, TOLD.opened),
    answer: () => {
      if (((Atomics.load(words, TOLD.answered) - wanted) | 0) < CLIENTS) return false
      wanted = (wanted + CLIENTS) | 0
      return true
    },
    ms: () => doubles[TOLD.ms]!,
  }
}
const application = process.argv[3] === 'two' ? inItsOwn() : inThisThread()

// The clients, on a device queue that the worker reads.

const seq = Int32Array.from({ length: CLIENTS }, (_, client) => client * 1000)
const ack = new Int32Array(CLIENTS)
const frames: number[] = []
stack.napiAdd((weight) => {
  const taken = frames.splice(0, weight)
  for (const skb of taken) stack.receiveFrame(skb)
  return taken.length
})
const send = (client: number, flags: number, len: number): void => {
  const isSyn = flags === tcp.TCP_SYN
  const header = isSyn ? SYN_HEADER : tcp.MIN_HEADER
  const skb = skbs.alloc(HEADERS + header + len, RX_HEADROOM)
  const at = skbs.put(skb, HEADERS + header + len)
  const ip = at + ethernet.ETH_HLEN
  const segment = at + HEADERS
  ethernet.putMac(u8, at, 0x0200, 1)
  ethernet.putMac(u8, at + ethernet.ETH_ALEN, 0x0201, client)
  ethernet.setType(u8, at, ethernet.ETH_P_IP)
  ipv4.init(u8, ip, 6, addressOf(client)[3], us[3], segment + header + len - ip, 64)
  ipv4.setChecksum(u8, ip)
  u8.fill(0, segment, segment + header)
  tcp.setSrcPort(u8, segment, CLIENT_PORT + client)
  tcp.setDstPort(u8, segment, PORT)
  tcp.setSeq(u8, segment, seq[client]!)
  tcp.setAck(u8, segment, ack[client]!)
  tcp.setHeaderLenFlags(u8, segment, header, flags)
  tcp.setWindow(u8, segment, 60_000)
  if (isSyn) putMss(u8, segment + tcp.MIN_HEADER, 1460)
  i32[skb + SKB_DEV] = 1
  i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
  frames.push(skb)
  seq[client]! += len + (isSyn ? 1 : 0)
}
const out = portTxRing(arena, 0, 0)
/** Takes what was sent to the clients; how many segments had data. */
const take = (): number => {
  const n = ringReadable(i32, out)
  let full = 0
  for (let k = 0; k < n; k++) {
    const skb = ringTake(i32, out)
    const at = i32[skb + SKB_DATA]!
    const segment = at + HEADERS
    const client = tcp.dstPort(u8, segment) - CLIENT_PORT
    const total = (u8[at + ethernet.ETH_HLEN + 2]! << 8) | u8[at + ethernet.ETH_HLEN + 3]!
    const len = total - ipv4.MIN_HEADER - tcp.headerLen(u8, segment)
    const isSyn = (tcp.flags(u8, segment) & tcp.TCP_SYN) !== 0
    ack[client] = (tcp.seq(u8, segment) + len + (isSyn ? 1 : 0)) | 0
    if (len > 0) full++
    skbs.free(skb)
  }
  ringRelease(i32, out)
  return full
}
const fromAll = (flags: number, len: number): void => {
  for (let client = 0; client < CLIENTS; client++) send(client, flags, len)
}
/** The other side does its part, which takes a while where it is a thread that is only starting. */
const until = async (what: string, isSo: () => boolean): Promise<void> => {
  const limit = performance.now() + 5000
  while (!isSo()) {
    stack.poll()
    application.answer()
    if (performance.now() > limit) throw new Error(`not within five seconds: ${what}`)
    await Bun.sleep(1)
  }
}
const connect = async (): Promise<void> => {
  await until('it listens', () => application.opened() === 1)
  for (const flags of [tcp.TCP_SYN, tcp.TCP_ACK]) {
    fromAll(flags, 0)
    for (let turn = 0; turn < 3; turn++) stack.poll()
    take()
  }
  await until('all connections are accepted', () => application.opened() === 1 + CLIENTS)
}

// The measurement.

/** Milliseconds of taking in, and of sending. */
let into = 0
let from = 0
const round = (): void => {
  fromAll(tcp.TCP_ACK | tcp.TCP_PSH, REQUEST)
  const start = performance.now()
  stack.poll()
  into += performance.now() - start
  while (!application.answer());
  const then = performance.now()
  stack.poll()
  from += performance.now() - then
  if (take() !== CLIENTS) throw new Error('answers are missing')
  skbs.flush()
  skbs.reclaim()
}

await connect()
for (let k = 0; k < WARM_UP; k++) round()
const pieces: number[][] = []
for (let k = Number(process.argv[2] ?? 20_000); k > 0; k -= PIECE) {
  into = 0
  from = 0
  const before = application.ms()
  for (let n = 0; n < PIECE; n++) round()
  const parts = [into, application.ms() - before, from, into + from]
  pieces.push(parts.map((ms) => (ms * 1e6) / PIECE / CLIENTS))
}
for (const [k, name] of ['in', 'rings', 'out', 'worker'].entries()) {
  const sorted = pieces.map((piece) => piece[k]!).sort((a, b) => a - b)
  const shown = [sorted[0]!, sorted[sorted.length >> 4]!].map((ns) => ns.toFixed(0).padStart(6))
  console.log(`${name.padEnd(8)} ${shown.join(' ')} ns/request`)
}
process.exit(0)
