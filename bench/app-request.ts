/**
 * What a request of a kept connection costs the worker that has it, without a device, a kernel or the other threads: a hundred bytes from
 * each of 64 clients come in a batch, go to an application over its rings, and its answers out to a port. Nanoseconds a request, of
 * the turn that takes them in, of that which sends the answers, and of the application's side of the rings; of pieces of some
 * milliseconds the least, and what a sixteenth of them stays below.
 *
 *   bun bench/app-request.ts [ROUNDS]
 */
import { AF_INET } from '../core/base/family.ts'
import { portTxRing } from '../core/dev/kinds/ports.ts'
import { NUD_PERMANENT } from '../core/neigh/neigh-constants.ts'
import { DEFAULT_ARENA } from '../core/shm/layout.ts'
import { ringReadable, ringRelease, ringTake } from '../core/shm/ring.ts'
import {
  CHECKSUM_UNNECESSARY,
  MAX_HEADER,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
} from '../core/skb/skb.ts'
import {
  AppOp,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_LEN,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
} from '../core/socket/app-constants.ts'
import { createAppRings } from '../core/socket/app-rings.ts'
import { SOCK_STREAM } from '../core/socket/sock.ts'
import { createThread } from '../core/stack/thread.ts'
import * as ethernet from '../core/wire/ethernet.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as tcp from '../core/wire/tcp.ts'
import { putMss } from '../core/wire/tcp-options.ts'
import { makeArena, makeStack, V4 } from './support/forwarding.ts'

const CLIENTS = 64
const REQUEST = 100
const ANSWER = 420
const PORT = 80
const CLIENT_PORT = 1024
const CREDIT = 0x3fffffff
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

const app = createThread({ arena, thread: layout.appThread, wake: () => {} })
const accepted: number[] = []
let asking: number[] = []
const completion = (_worker: number, at: number): void => {
  const [op, sid, result] = [i32[at + E_OP]!, i32[at + E_SID]!, i32[at + E_LEN]!]
  if (result < 0) throw new Error(`operation ${op}: ${result}`)
  if (op === AppOp.ACCEPT) accepted.push(sid)
  if (op !== AppOp.RECV) return
  asking.push(sid)
  app.consume(i32[at + E_SKB]!)
}
const nothing = (): void => {}
const rings = createAppRings({
  ...app,
  arena,
  app: 0,
  wake: nothing,
  completion,
  workerLost: nothing,
})
const ask = (op: number, sid: number, words: [word: number, value: number][]): void => {
  const at = rings.begin(0, op, sid, 0)
  for (const [word, value] of words) i32[at + word] = value
  rings.commit()
}
const listen = (): void => {
  const listener = rings.allocSid()
  ask(AppOp.SOCKET, listener, [
    [E_ARG0, AF_INET],
    [E_ARG1, SOCK_STREAM],
  ])
  ask(AppOp.BIND, listener, [
    [E_ADDR + 2, 0xffff],
    [E_PORT, PORT],
  ])
  ask(AppOp.LISTEN, listener, [[E_LEN, CLIENTS]])
  for (let k = 0; k < CLIENTS; k++)
    ask(AppOp.ACCEPT, listener, [
      [E_PORT, rings.allocSid()],
      [E_LEN, CREDIT],
    ])
  rings.flush()
}
const answer = (): void => {
  asking = []
  rings.poll()
  if (asking.length !== CLIENTS) throw new Error(`${asking.length} requests came`)
  for (const sid of asking) {
    const skb = app.skbs.alloc(ANSWER, MAX_HEADER)
    app.skbs.put(skb, ANSWER)
    i32[rings.begin(0, AppOp.SEND, sid, 0) + E_SKB] = skb
    rings.commit()
  }
  rings.flush()
}

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
const connect = (): void => {
  listen()
  stack.poll()
  for (const flags of [tcp.TCP_SYN, tcp.TCP_ACK]) {
    fromAll(flags, 0)
    for (let turn = 0; turn < 3; turn++) stack.poll()
    take()
  }
  rings.poll()
  if (accepted.length !== CLIENTS) throw new Error(`${accepted.length} connections were accepted`)
}

// The measurement.

/** Milliseconds of taking in, of the application, of sending. */
const ms = [0, 0, 0]
const timed = (part: number, run: () => void): void => {
  const start = performance.now()
  run()
  ms[part]! += performance.now() - start
}
const round = (): void => {
  fromAll(tcp.TCP_ACK | tcp.TCP_PSH, REQUEST)
  timed(0, stack.poll)
  timed(1, answer)
  timed(2, stack.poll)
  if (take() !== CLIENTS) throw new Error('answers are missing')
  skbs.flush()
  skbs.reclaim()
}

connect()
for (let k = 0; k < WARM_UP; k++) round()
const pieces: number[][] = []
for (let k = Number(process.argv[2] ?? 20_000); k > 0; k -= PIECE) {
  ms.fill(0)
  for (let n = 0; n < PIECE; n++) round()
  const [into, rings, from] = ms.map((each) => (each * 1e6) / PIECE / CLIENTS)
  pieces.push([into!, rings!, from!, into! + from!])
}
for (const [k, name] of ['in', 'rings', 'out', 'worker'].entries()) {
  const sorted = pieces.map((piece) => piece[k]!).sort((a, b) => a - b)
  const shown = [sorted[0]!, sorted[sorted.length >> 4]!].map((ns) => ns.toFixed(0).padStart(6))
  console.log(`${name.padEnd(8)} ${shown.join(' ')} ns/request`)
}
process.exit(0)
