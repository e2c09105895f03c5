/**
 * What is counted, read from shared memory by the names of nstat, softnet_stat and dropwatch. Control thread;
 * counters are one bank a thread, so a figure is a sum.
 */
import { Errno } from '../../base/errno.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { Arena } from '../../shm/arena.ts'
import { backlogRing, returnRing } from '../../shm/arena.ts'
import { counterBank, Mib, Softnet, sumCounter } from '../../shm/counters.ts'
import {
  FLOW_WORDS,
  THREAD_BUSY_US,
  THREAD_HEARTBEAT,
  THREAD_IDLE_US,
  THREAD_RESTARTS,
  THREAD_RUNNING,
  THREAD_SLEEPING,
  THREAD_WORDS,
} from '../../shm/layout.ts'
import { ringLength, ringPeek } from '../../shm/ring.ts'
import {
  type Looked,
  SENDER_COUNTERS,
  SOFTNET_STAT,
  WORKER_COUNTERS,
} from '../../shm/softnet-stat.ts'
import { Drop, DROP_COUNTERS, deviceDrops } from '../../skb/drop.ts'
import {
  FLOW_DEV,
  FLOW_DST,
  FLOW_HASH,
  FLOW_LAST,
  FLOW_PACKETS,
  FLOW_PORTS,
  FLOW_PROTO,
  FLOW_SRC,
} from '../../softnet/flow-table.ts'
import type { Words } from '../../wire/text.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { chunks, refuse, told } from '../rtnl/answers.ts'
import type { Drops, Flow, MessageOf, SkbItem, WorkerItem } from '../rtnetlink.ts'
import type { SocketDump } from './sockets.ts'

const REASON_NAMES = Object.fromEntries(
  Object.entries(Drop).map(([name, reason]) => [reason, name])
)

/** How long what is shown as a ratio is looked at. */
const INTERVAL_MS = 1000
/** Words of a worker's sample. */
const BUSY = 0
const IDLE = 1
const CALLS = 2
const VECTORS = 3
const SAMPLE = 4

type StatsDeps = {
  arena: Arena
  time: Time
  socketsOf: SocketDump['count']
}

export type Stats = ReturnType<typeof createStats>

export const createStats = ({ arena, time, socketsOf }: StatsDeps) => {
  const { i32, f64, layout } = arena
  const { workers, nics, flows } = layout.config

  const nstat = (): Outcome<Record<string, number>> =>
    told(
      Object.fromEntries(
        Object.entries(Mib).map(([name, index]) => [name, sumCounter(arena, index)])
      )
    )

  /** What ratios are made of, as it stood when the interval before the last began and when the last one did. */
  let [before, last] = [new Float64Array(workers * SAMPLE), new Float64Array(workers * SAMPLE)]
  let sampledAt: number | null = null
  const readSample = (w: number, into: Float64Array): void => {
    const bank = counterBank(arena, w)
    const block = layout.threadBlocks + w * THREAD_WORDS
    into[w * SAMPLE + BUSY] = f64[(block + THREAD_BUSY_US) >> 1]
    into[w * SAMPLE + IDLE] = f64[(block + THREAD_IDLE_US) >> 1]
    into[w * SAMPLE + CALLS] = f64[bank + Softnet.calls]
    into[w * SAMPLE + VECTORS] = f64[bank + Softnet.vectors]
  }
  /** Begins another interval when the last one is over; called now and then. */
  const sample = (): void => {
    const now = time[TIME_MS]
    if (sampledAt !== null && ((now - sampledAt) | 0) < INTERVAL_MS) return
    sampledAt = now
    const oldest = before
    before = last
    last = oldest
    for (let w = 0; w < workers; w++) readSample(w, last)
  }
  const now = new Float64Array(workers * SAMPLE)
  /** Since the interval before this one began: one to two intervals, so that there is always something to divide. */
  const ratios = (w: number): { vectors_per_call: number; busy_ratio: number } => {
    readSample(w, now)
    // a worker that began anew counts from nothing
    const since = (word: number): number =>
      Math.max(0, now[w * SAMPLE + word] - before[w * SAMPLE + word])
    const [busy, calls] = [since(BUSY), since(CALLS)]
    const total = busy + since(IDLE)
    return {
      vectors_per_call: calls === 0 ? 0 : since(VECTORS) / calls,
      busy_ratio: total === 0 ? 0 : busy / total,
    }
  }

  const backlogLen = (w: number): number => {
    let queued = 0
    for (let t = 0; t < layout.threads; t++) queued += ringLength(i32, backlogRing(layout, w, t))
    return queued
  }
  /** What nobody counts. */
  const looked = (w: number): Pick<WorkerItem, Looked> => {
    const block = layout.threadBlocks + w * THREAD_WORDS
    const queued = backlogLen(w)
    return {
      backlog_len: queued,
      cpu: w,
      input_qlen: queued,
      process_qlen: 0,
      ...ratios(w),
      sockets: socketsOf(w),
      restarts: i32[block + THREAD_RESTARTS],
      sleeping: i32[block + THREAD_SLEEPING] !== 0,
      running: i32[block + THREAD_RUNNING] === 1,
      heartbeat: i32[block + THREAD_HEARTBEAT],
    }
  }
  const worker = (w: number): WorkerItem => {
    const values: Partial<Record<string, number | boolean>> = looked(w)
    for (const name of WORKER_COUNTERS) values[name] = f64[counterBank(arena, w) + Softnet[name]]
    for (const name of SENDER_COUNTERS) values[name] = sumCounter(arena, Softnet[name] + w)
    return Object.fromEntries(SOFTNET_STAT.map(({ name }) => [name, values[name]])) as WorkerItem
  }
  /** Another number after each stop, start and restart. */
  const workerState = (w: number): number => {
    const block = layout.threadBlocks + w * THREAD_WORDS
    return 2 * i32[block + THREAD_RESTARTS] + (i32[block + THREAD_RUNNING] === 1 ? 1 : 0)
  }
  const workerGet = ({ worker: w }: MessageOf<'WORKER_GET'>): Outcome<WorkerItem> =>
    Number.isInteger(w) && w >= 0 && w < workers
      ? told(worker(w))
      : refuse(Errno.ENOENT, null, 'worker')
  const workerDump = (): Iterable<WorkerItem[]> =>
    chunks(Array.from({ length: workers }, (_, w) => worker(w)))

  const dropCount = (reason: number): number => sumCounter(arena, DROP_COUNTERS + reason)
  /** Of a reason, each device that it struck at, most often first. */
  const dropDevices = (reason: number): Drops['devices'] => {
    const at = (t: number, ifindex: number): number => f64[deviceDrops(arena, t, ifindex) + reason]
    const found: Drops['devices'] = []
    for (let ifindex = 1; ifindex < layout.config.devices; ifindex++) {
      let count = 0
      for (let t = 0; t < layout.threads; t++) count += at(t, ifindex)
      if (count === 0) continue
      const worker = Array.from({ length: workers }, (_, w) => at(w, ifindex))
      found.push({ ifindex, count, worker })
    }
    return found.sort((a, b) => b.count - a.count)
  }
  const drops = (reason: number): Drops => ({
    reason: REASON_NAMES[reason],
    count: dropCount(reason),
    worker: Array.from(
      { length: workers },
      (_, w) => f64[counterBank(arena, w) + DROP_COUNTERS + reason]
    ),
    devices: dropDevices(reason),
  })
  /** Reasons that were met, most often first. */
  const dropDump = (): Iterable<Drops[]> => {
    const met = Object.values(Drop).filter((reason) => dropCount(reason) > 0)
    return chunks(met.map(drops).sort((a, b) => b.count - a.count))
  }

  const wordsAt = (at: number): Words => [i32[at], i32[at + 1], i32[at + 2], i32[at + 3]]
  const flow = (row: number, w: number): Flow => ({
    worker: w,
    hash: i32[row + FLOW_HASH] >>> 0,
    protocol: i32[row + FLOW_PROTO] & 0xff,
    src: wordsAt(row + FLOW_SRC),
    dst: wordsAt(row + FLOW_DST),
    sport: i32[row + FLOW_PORTS] >>> 16,
    dport: i32[row + FLOW_PORTS] & 0xffff,
    dev: i32[row + FLOW_DEV],
    packets: i32[row + FLOW_PACKETS],
    // the worker's clock may be a moment ahead of ours
    last: Math.max(0, (time[TIME_MS] - i32[row + FLOW_LAST]) | 0),
  })
  function* liveFlows(only?: number): Generator<Flow> {
    for (let w = 0; w < workers; w++) {
      if (only !== undefined && only !== w) continue
      for (let k = 0; k < flows; k++) {
        const row = layout.flows + (w * flows + k) * FLOW_WORDS
        if (i32[row + FLOW_HASH] !== 0) yield flow(row, w)
      }
    }
  }
  const flowDump = (filter: { worker?: number } = {}): Iterable<Flow[]> =>
    chunks(liveFlows(filter.worker))

  const roleOf = (thread: number): string => {
    if (thread < workers) return 'worker'
    if (thread < workers + nics) return 'nic'
    return thread === layout.controlThread ? 'control' : 'app'
  }
  /** Adds what other threads have freed for this one and it has not yet taken home: a sleeper does so when it wakes. */
  const addReturned = (item: SkbItem): void => {
    for (let from = 0; from < layout.threads; from++) {
      const ring = returnRing(layout, item.thread, from)
      for (let k = ringLength(i32, ring) - 1; k >= 0; k--) {
        const freed = ringPeek(i32, ring, k)
        if (freed >= 0) item.skbs_free++
        else if (~freed < layout.smalls) item.small_free++
        else item.large_free++
      }
    }
  }
  /** Free rows and buffers of each thread: what was taken and not given back is missing here. */
  const pools = (): SkbItem[] => {
    const { skbs, smallBuffers, largeBuffers } = layout.config
    return Array.from({ length: layout.threads }, (_, thread) => {
      const item = {
        thread,
        role: roleOf(thread),
        skbs_free: i32[layout.freeSkbs + thread * (32 + skbs)],
        small_free: i32[layout.freeSmalls + thread * (32 + smallBuffers)],
        large_free: i32[layout.freeLarges + thread * (32 + largeBuffers)],
      }
      addReturned(item)
      return item
    })
  }
  const skbDump = (): Iterable<SkbItem[]> => chunks(pools())
  return {
    sample,
    nstat,
    worker,
    workerState,
    workerGet,
    workerDump,
    dropCount,
    drops,
    dropDump,
    flowDump,
    skbDump,
    pools,
  }
}
