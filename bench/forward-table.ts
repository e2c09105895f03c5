/**
 * What a worker takes for a packet to a random address of a full table: its part in memory (forward-memory.ts), where packets
 * to eight hosts find all of their few prefixes in the cache. In a thread of its own, as there.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { backlogRing } from '../core/shm/arena.ts'
import { counterBank } from '../core/shm/counters.ts'
import { ringPublish, ringPush } from '../core/shm/ring.ts'
import { OWNER_IN_RING, SKB_DATA, SKB_HASH, SKB_OWNER } from '../core/skb/skb.ts'
import { portTxRing } from '../core/dev/kinds/ports.ts'
import { SOFT_KINDS } from '../core/dev/kinds/kinds.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as ipv6 from '../core/wire/ipv6.ts'
import {
  BATCH,
  createSink,
  createSource,
  makeArena,
  makeStack,
  V4,
  V6,
} from './support/forwarding.ts'
import { addressesIn, fullTable4, fullTable6 } from './support/full-table.ts'

const ADDRESSES = 1 << 18
const ETHER = 14

const TABLES = {
  inet: { ip: V4, make: fullTable4 },
  inet6: { ip: V6, make: fullTable6 },
}
export type TableFamily = keyof typeof TABLES
type Work = { family: TableFamily; routes: number; packets: number }

/** Nanoseconds a packet. */
const measure = ({ family, routes, packets }: Work): number => {
  const { ip, make } = TABLES[family]
  const arena = makeArena()
  const { i32, f64, u8, layout } = arena
  const prefixes = make(routes)
  const stack = makeStack(arena, ip, SOFT_KINDS, prefixes)
  const addresses = addressesIn(prefixes, ADDRESSES)
  const source = createSource(arena, stack.skbs, ip)
  const sink = createSink(arena, portTxRing(arena, 0, 0), stack.skbs)
  const ring = backlogRing(layout, 0, layout.nicThread)
  let next = 0
  const setDestination = (frame: number): void => {
    const at = (next++ % ADDRESSES) << 2
    if (ip === V4) {
      ipv4.setDst(u8, frame + ETHER, addresses[at + 3]!)
      ipv4.setChecksum(u8, frame + ETHER)
    } else
      ipv6.setDst(
        u8,
        frame + ETHER,
        addresses[at]!,
        addresses[at + 1]!,
        addresses[at + 2]!,
        addresses[at + 3]!
      )
  }
  const turn = (): void => {
    for (let k = 0; k < BATCH; k++) {
      const skb = source()
      setDestination(i32[skb + SKB_DATA]!)
      i32[skb + SKB_HASH] = k + 1
      i32[skb + SKB_OWNER] = OWNER_IN_RING
      ringPush(i32, ring, skb)
    }
    ringPublish(i32, ring)
    stack.skbs.reclaim()
  }
  const run = (count: number): number => {
    let ms = 0
    let out = 0
    for (let done = 0; done < count; done += BATCH) {
      turn()
      const start = performance.now()
      stack.poll()
      ms += performance.now() - start
      out += sink()
    }
    if (out !== count) throw new Error(`only ${out} of ${count} packets came out`)
    return (ms * 1e6) / count
  }
  run(packets)
  const ns = run(packets)
  if (f64[counterBank(arena, 0) + ip.forwarded] !== 2 * packets)
    throw new Error('packets were not forwarded')
  return ns
}

export const forwardTable = (work: Work): Promise<number> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: work })
    worker.on('message', resolve)
    worker.on('error', reject)
  })

// forward-memory.ts has threads of its own, which this is imported in
if (!isMainThread && 'routes' in workerData) parentPort!.postMessage(measure(workerData as Work))
else if (import.meta.main)
  for (const family of ['inet', 'inet6'] as const)
    for (const routes of family === 'inet' ? [8, 1_000_000] : [8, 200_000])
      console.log(family, routes, await forwardTable({ family, routes, packets: 1 << 20 }))
