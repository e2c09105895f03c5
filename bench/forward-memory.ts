/**
 * What forwarding costs without a device, IPv4 and IPv6: the smallest UDP frames go into an skb, are dissected and steered, over the backlog
 * ring (the nic's part), then through net_rx_action, ip_rcv, FIB, ip_forward, neighbour, dev_queue_xmit, and over a
 * port's ring to a peer that frees them (the worker's part). Each part is measured in a thread of its own, as it runs in
 * the daemon, with stand-ins for the others: a heap with two stacks shares their compiled code, which then knows neither's
 * constants. Time is taken a batch at a time.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { portTxRing } from '../core/dev/kinds/ports.ts'
import { type Arena, backlogRing } from '../core/shm/arena.ts'
import { counterBank } from '../core/shm/counters.ts'
import { ringPublish, ringPush } from '../core/shm/ring.ts'
import { OWNER_IN_RING, SKB_HASH, SKB_OWNER } from '../core/skb/skb.ts'
import { createSkbs } from '../core/skb/skbs.ts'
import type { NicEnv, NicInput } from '../core/stack/nic.ts'
import { createNic } from '../core/stack/nic.ts'

import { forwardTable } from './forward-table.ts'
import {
  BATCH,
  createSink,
  createSource,
  type Family,
  FLOWS,
  makeArena,
  makeStack,
  V4,
  V6,
} from './support/forwarding.ts'

/**
 * What is measured, and what else has to be done each turn; `after` returns how many packets came out. `refresh` is what a
 * thread does when control has published something.
 */
type Part = {
  before: () => void
  measured: () => void
  after: () => number
  check: () => void
  refresh: () => void
}

const nicPart =
  (ip: Family) =>
  (arena: Arena): Part => {
    /** A device that always has a batch of frames. */
    const input = ({ skbs }: NicEnv): NicInput => {
      const source = createSource(arena, skbs, ip)
      return {
        refresh: () => {},
        receive(_budget, deliver) {
          for (let k = 0; k < BATCH; k++) deliver(source())
          return BATCH
        },
        wait: () => {},
        nextDelay: (limitMs) => limitMs,
      }
    }
    const { nicThread } = arena.layout
    const nothing = (): void => {}
    const nic = createNic({
      arena,
      thread: nicThread,
      wake: nothing,
      nowUs: () => 0,
      input,
      sleep: nothing,
      rest: nothing,
    })
    nic.refresh()
    const ring = backlogRing(arena.layout, 0, nicThread)
    const after = createSink(arena, ring, createSkbs(arena, 0))
    const { turn, refresh } = nic
    return { before: nothing, measured: turn, after, check: nothing, refresh }
  }

const workerPart =
  (ip: Family) =>
  (arena: Arena): Part => {
    const { i32, f64, layout } = arena
    const stack = makeStack(arena, ip)
    // a pool for each of those it stands in for would share the compiled code of the worker's own
    const { skbs } = stack
    const source = createSource(arena, skbs, ip)
    const ring = backlogRing(layout, 0, layout.nicThread)
    /** A nic thread that need not think: all flows are CPU 0's. */
    const before = (): void => {
      for (let k = 0; k < BATCH; k++) {
        const skb = source()
        i32[skb + SKB_HASH] = k + 1
        i32[skb + SKB_OWNER] = OWNER_IN_RING
        ringPush(i32, ring, skb)
      }
      ringPublish(i32, ring)
      skbs.reclaim()
    }
    let received = 0
    const sink = createSink(arena, portTxRing(arena, 0, 0), skbs)
    const after = (): number => {
      const n = sink()
      received += n
      return n
    }
    const check = (): void => {
      if (f64[counterBank(arena, 0) + ip.forwarded] !== received)
        throw new Error('packets were not forwarded')
    }
    return { before, measured: stack.poll, after, check, refresh: stack.refresh }
  }

export const PARTS = {
  nic: nicPart(V4),
  worker: workerPart(V4),
  nic6: nicPart(V6),
  worker6: workerPart(V6),
}
type Figures = { ns: number; coldNs: number }

/** Nanoseconds a packet, warm, and of the first 64 k packets. */
const measure = ({ before, measured, after, check }: Part, packets: number): Figures => {
  const run = (count: number): number => {
    let ms = 0
    let out = 0
    for (let done = 0; done < count; done += BATCH) {
      before()
      const start = performance.now()
      measured()
      ms += performance.now() - start
      out += after()
    }
    if (out !== count) throw new Error(`only ${out} of ${count} packets came out`)
    return (ms * 1e6) / count
  }
  const coldNs = run(64 * 1024)
  run(packets)
  const ns = run(packets)
  check()
  return { ns, coldNs }
}

const inThread = (part: keyof typeof PARTS, packets: number): Promise<Figures> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { part, packets } })
    worker.on('message', resolve)
    worker.on('error', reject)
  })

export type ForwardMemory = {
  workerNs: number
  nicNs: number
  packets: number
  coldWorkerNs: number
  /** The same of IPv6. */
  worker6Ns: number
  nic6Ns: number
  /** Of IPv4 to random addresses of a full table. */
  tableNs: number
}

const FULL = 1_000_000

/** Prints and returns nanoseconds of CPU a packet. */
export const run = async (packets = 2_000_000 - (2_000_000 % BATCH)): Promise<ForwardMemory> => {
  const show = (name: string, ns: number): void =>
    console.log(`  ${name.padEnd(40)} ${ns.toFixed(0).padStart(6)} ns/packet`)
  console.log(`forwarding in memory, smallest frames, ${FLOWS} flows, batches of ${BATCH}`)
  const both = async ({ name }: Family, nicName: keyof typeof PARTS, part: keyof typeof PARTS) => {
    const nic = await inThread(nicName, packets)
    const worker = await inThread(part, packets)
    show(`${name} worker: backlog to driver ring`, worker.ns)
    show(`${name} nic: frame, dissect, hash, enqueue`, nic.ns)
    show(`${name} worker, first 64 k packets (cold)`, worker.coldNs)
    return { nic, worker }
  }
  const v4 = await both(V4, 'nic', 'worker')
  const v6 = await both(V6, 'nic6', 'worker6')
  const tableNs = await forwardTable({ family: 'inet', routes: FULL, packets: 1 << 20 })
  show(`IPv4 worker, random addresses of ${FULL} routes`, tableNs)
  return {
    workerNs: v4.worker.ns,
    nicNs: v4.nic.ns,
    packets,
    coldWorkerNs: v4.worker.coldNs,
    worker6Ns: v6.worker.ns,
    nic6Ns: v6.nic.ns,
    tableNs,
  }
}

if (!isMainThread) {
  const { part, packets } = workerData as { part: keyof typeof PARTS; packets: number }
  parentPort!.postMessage(measure(PARTS[part](makeArena()), packets))
} else if (import.meta.main) await run()
