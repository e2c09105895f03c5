/**
 * One point of the scaling curve, in a process of its own: a router in memory (router.ts), and peers that make frames and take
 * them back. Prints one line of JSON: bun point.ts WORKERS FEED SECONDS
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { portRxRing, portTxRing } from '../../core/dev/kinds/port.ts'
import { type Arena, backlogRing } from '../../core/shm/arena.ts'
import { counterBank, Mib, Softnet, sumCounter } from '../../core/shm/counters.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import { startRouter } from './router.ts'
import type { PeerOptions } from './thread-data.ts'

/**
 * How frames come to the workers. nic: one generator, whose frames the nic thread hashes to all of them. own: each
 * worker's backlog is filled by a peer of its own with the flows that hash to it, as by a queue of a multiqueue device.
 */
export type Feed = 'nic' | 'own'

export type Point = {
  workers: number
  feed: Feed
  threads: number
  /** More threads than CPUs: its rate says nothing, its costs do. */
  oversubscribed: boolean
  /** Packets a second: the median of the samples, and the least and the greatest. */
  rate: number
  rateRange: [number, number]
  /** CPU nanoseconds of its thread for each packet of a worker; the median of the samples. */
  workerNs: number[]
  /** The part of it that is the kernel's: sleeps and wake-ups. */
  workerSystemNs: number[]
  /** CPU nanoseconds of the nic thread a packet; null without one. */
  nicNs: number | null
  peerNs: number
  /** Packets of the busiest worker over the mean. */
  imbalance: number
  vectorsPerCall: number
  /** Packets that a worker gave to another. */
  steered: number
  dropped: number
}

const SAMPLES = 5
/** Until the compiler is done: packets that each worker has forwarded, or this long. */
const WARM_PACKETS = 2_500_000
const WARM_MS = 12_000
/** Frames under way to a worker: less than it may have in a port's ring. */
const WINDOW = 640

const [workers = 1, feed = 'own', seconds = 1.5] = ((argv) =>
  [Number(argv[0]), argv[1] as Feed, Number(argv[2])] as const)(process.argv.slice(2))

const isOwn = feed === 'own'
const peers = isOwn ? workers : 2
const threadCount = workers + peers + (isOwn ? 0 : 1)
const isOversubscribed = threadCount > availableParallelism()
const pools = { skbs: 16384, smallBuffers: 16384, largeBuffers: 128, socks: 1024 }
const PEER = new URL('./peer.ts', import.meta.url).href
const router = await startRouter(workers, peers, pools)
const { arena, tids, ifindex } = router
const { layout } = arena

/** Where a peer's frames go, and which it takes back. */
const flowsOf = (peer: number): PeerOptions => {
  const common = { ifindex, spins: !isOversubscribed }
  const out = (worker: number): number => portTxRing(arena, 1, worker)
  if (isOwn) {
    const ring = backlogRing(layout, peer, layout.appThread + peer)
    const into = { ring, kick: peer, onlyFor: peer }
    return { ...common, window: WINDOW, into, from: [out(peer)] }
  }
  if (peer === 1) return { ...common, window: 0, into: null, from: each(workers, out) }
  const into = { ring: portRxRing(arena, 0), kick: layout.nicThread, onlyFor: null }
  return { ...common, window: WINDOW * workers, into, from: [] }
}

/** CPU time of each thread in nanoseconds, and the kernel's part, which is counted in ticks. */
const cpuOf = (thread: number): { ns: number; systemNs: number } => {
  const folder = `/proc/self/task/${tids[thread]}`
  const stat = readFileSync(`${folder}/stat`, 'utf8')
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[12])
  return {
    ns: Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]),
    systemNs: ticks * 1e7,
  }
}

const each = <Value>(count: number, value: (k: number) => Value): Value[] =>
  Array.from({ length: count }, (_, k) => value(k))
const ofWorkers = ({ f64 }: Arena, counter: number): number[] =>
  each(workers, (w) => f64[counterBank(arena, w) + counter]!)
const total = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0)

/** What is counted on the way, at one moment. */
const look = () => ({
  atUs: monotonicUs(),
  forwarded: ofWorkers(arena, Mib.IpForwDatagrams),
  calls: total(ofWorkers(arena, Softnet.calls)),
  vectors: total(ofWorkers(arena, Softnet.vectors)),
  steered: total(ofWorkers(arena, Softnet.steered)),
  dropped: total(each(workers, (w) => sumCounter(arena, Softnet.dropped + w))),
  cpu: each(layout.controlThread, cpuOf),
})
type Look = ReturnType<typeof look>

const between = (a: Look, b: Look) => {
  const forwarded = b.forwarded.map((n, w) => n - a.forwarded[w]!)
  const all = total(forwarded)
  const ns = b.cpu.map((cpu, t) => cpu.ns - a.cpu[t]!.ns)
  const systemNs = b.cpu.map((cpu, t) => cpu.systemNs - a.cpu[t]!.systemNs)
  return {
    rate: (all * 1e6) / (b.atUs - a.atUs),
    workerNs: forwarded.map((n, w) => ns[w]! / n),
    workerSystemNs: forwarded.map((n, w) => systemNs[w]! / n),
    nicNs: ns[layout.nicThread]! / all,
    peerNs: total(ns.slice(layout.appThread)) / all,
    imbalance: (Math.max(...forwarded) * workers) / all,
    vectorsPerCall: (b.vectors - a.vectors) / (b.calls - a.calls),
    steered: b.steered - a.steered,
    dropped: b.dropped - a.dropped,
  }
}
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!

const measure = async (): Promise<Point> => {
  const deadline = performance.now() + WARM_MS
  while (Math.min(...look().forwarded) < WARM_PACKETS && performance.now() < deadline)
    await Bun.sleep(20)
  const looks = [look()]
  for (let sample = 0; sample < SAMPLES; sample++) {
    await Bun.sleep((seconds * 1000) / SAMPLES)
    looks.push(look())
  }
  const samples = each(SAMPLES, (k) => between(looks[k]!, looks[k + 1]!))
  const rates = samples.map(({ rate }) => rate)
  const whole = between(looks[0]!, looks.at(-1)!)
  return {
    ...whole,
    workers,
    feed,
    threads: threadCount,
    oversubscribed: isOversubscribed,
    rate: median(rates),
    rateRange: [Math.min(...rates), Math.max(...rates)],
    workerNs: each(workers, (w) => median(samples.map(({ workerNs }) => workerNs[w]!))),
    nicNs: isOwn ? null : median(samples.map(({ nicNs }) => nicNs)),
  }
}

// the sink first
for (let peer = peers; peer-- > 0; ) await router.startPeer(peer, PEER, flowsOf(peer))
console.log(JSON.stringify(await measure()))
await router.stop()
process.exit()
