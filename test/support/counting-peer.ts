// The other side of a router's ports (bench/scale/router.ts), on a thread of its own: sends numbered frames of many flows by
// the nic thread, takes back what each worker has forwarded, and says what became of each flow. Told by shared words.
import { workerData } from 'node:worker_threads'
import { FLOWS, makeFrames } from '../../bench/scale/flows.ts'
import { i32 as readWord, putI32 } from '../../core/base/bytes.ts'
import { portRxRing, portTxRing } from '../../core/dev/kinds/ports.ts'
import { DEV_MAC, deviceRow } from '../../core/netdev/netdev.ts'
import { attachArena } from '../../core/shm/arena.ts'
import { G_SHUTDOWN } from '../../core/shm/layout.ts'
import { ringPublish, ringPush, ringReadable, ringRelease, ringTake } from '../../core/shm/ring.ts'
import {
  CHECKSUM_UNNECESSARY,
  OWNER_IN_RING,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
  SKB_OWNER,
} from '../../core/skb/skb.ts'
import { createThread } from '../../core/stack/thread.ts'
import { announce } from '../../workers/thread-data.ts'
import { createDoorbellWait, createWake } from '../../workers/wake.ts'
import { type CountingData, Word } from './counting-words.ts'

const BATCH = 32
/** Frames under way: fewer than any queue on the way has room for. */
const WINDOW = 192
const REST_MS = 0.05
/** Of a frame: where the flow and its number stand, in the payload. */
const FLOW_AT = 42
const NUMBER_AT = 46

const { config, buffer, id, thread, ifindex, words } = workerData as CountingData
const arena = attachArena(config, buffer)
const { i32, u8, layout } = arena
const { skbs, ipi } = createThread({ arena, thread, wake: createWake(arena, id, thread) })
const rest = createDoorbellWait(arena, thread)
const mac = (deviceRow(arena, ifindex) + DEV_MAC) << 2
const frames = makeFrames(u8.slice(mac, mac + 6))
const into = portRxRing(arena, 0)
const from = Array.from({ length: config.workers }, (_, worker) => portTxRing(arena, 1, worker))
const sent = new Int32Array(FLOWS)
const seen = new Int32Array(FLOWS)
let next = 0

const send = (count: number): void => {
  for (let k = 0; k < count; k++) {
    const skb = skbs.alloc(frames[next]!.length, RX_HEADROOM)
    const at = skbs.put(skb, frames[next]!.length)
    u8.set(frames[next]!, at)
    putI32(u8, at + FLOW_AT, next)
    putI32(u8, at + NUMBER_AT, ++sent[next]!)
    next = (next + 1) % FLOWS
    i32[skb + SKB_DEV] = ifindex
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    i32[skb + SKB_OWNER] = OWNER_IN_RING
    ringPush(i32, into, skb)
  }
  ringPublish(i32, into)
  ipi.kick(layout.nicThread)
}
/** What the router says of its own (that it is in groups) is none of it. */
const isOurs = (at: number): boolean => u8[at + 12] === 8 && u8[at + 13] === 0 && u8[at + 23] === 17
/** One frame; 1 when it counts. */
const hear = (skb: number, worker: number): number => {
  const at = i32[skb + SKB_DATA]!
  if (!isOurs(at)) {
    skbs.free(skb)
    return 0
  }
  const flow = readWord(u8, at + FLOW_AT)
  const number = readWord(u8, at + NUMBER_AT)
  if (number !== seen[flow]! + 1 || number > sent[flow]!) words[Word.DISORDERED]!++
  if (number > seen[flow]!) seen[flow] = number
  const owner = Word.OWNERS + flow
  if (words[owner] === 0) words[owner] = worker + 1
  else if (words[owner] !== worker + 1) words[Word.STRAYED]!++
  skbs.free(skb)
  return 1
}
const take = (): number => {
  let taken = 0
  for (const [worker, ring] of from.entries()) {
    const n = ringReadable(i32, ring)
    for (let k = 0; k < n; k++) taken += hear(ringTake(i32, ring), worker)
    if (n !== 0) ringRelease(i32, ring)
  }
  skbs.flush()
  return taken
}
/** How many of the thread's rows are out. */
const free = layout.freeSkbs + thread * (32 + config.skbs)
const rows = i32[free]!
const underWay = (): number => {
  skbs.reclaim()
  return rows - i32[free]!
}

const run = (count: number): void => {
  words.fill(0, Word.SENT, Word.OWNERS + FLOWS)
  let left = count
  while (left > 0 || underWay() > 0) {
    const room = WINDOW - underWay()
    const batch = Math.min(left, room, BATCH)
    if (batch > 0) send(batch)
    left -= batch
    words[Word.SENT]! += batch
    const taken = take()
    words[Word.RECEIVED]! += taken
    if (taken === 0 && batch <= 0) rest(REST_MS)
    if (Atomics.load(i32, G_SHUTDOWN) !== 0) return
  }
}

announce('ready')
let done = 0
while (Atomics.load(i32, G_SHUTDOWN) === 0) {
  const wanted = Atomics.load(words, Word.RUN)
  if (wanted === done) {
    rest(1)
    continue
  }
  run(Atomics.load(words, Word.FRAMES))
  done = wanted
  Atomics.store(words, Word.DONE, done)
}
announce('stopped')
