/**
 * One point of the scaling curve, in a process of its own: a router in memory (router.ts), and peers that make frames and take
 * them back. Prints one line of JSON: bun point.ts WORKERS FEED SECONDS
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { counterBank, Softnet, sumCounter } from '../../core/shm/counters.ts'
import { getAffinity, setAffinity } from '../../workers/os/affinity.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import { type Feed, SHAPES, startShape } from './shapes.ts'

export type Point = {
  workers: number
  feed: Feed
  threads: number
  /** More threads than CPUs: its rate says nothing, its costs do. */
  oversubscribed: boolean
  /** Packets, kilobytes or connections a second: the median of the samples, and the least and the greatest. */
  rate: number
  rateRange: [number, number]
  /** CPU nanoseconds of its thread for each of a worker's; the median of the samples. */
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
/** Until the compiler is done, at the longest. */
const WARM_MS = 12_000

const [workers = 1, feed = 'own', seconds = 1.5] = ((argv) =>
  [Number(argv[0]), argv[1] as Feed, Number(argv[2])] as const)(process.argv.slice(2))

const shape = SHAPES[feed]
const isNic = feed === 'nic'
const threadCount = workers + shape.peers(workers) + (isNic ? 1 : 0)
const isOversubscribed = threadCount > availableParallelism()
const router = await startShape(feed, workers)
const { arena, tids } = router
const { layout } = arena

/**
 * A worker and its peer have neighbouring CPUs, or share one where there are not enough: how far apart their caches are must not
 * differ from point to point.
 */
const pinPairs = (): void => {
  const cpus = getAffinity()
  const pin = (thread: number, cpu: number): void =>
    setAffinity([cpus[cpu % cpus.length]!], tids[thread])
  for (let w = 0; w < workers; w++) {
    pin(w, isOversubscribed ? w : 2 * w)
    pin(layout.appThread + w, isOversubscribed ? w : 2 * w + 1)
  }
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
const ofWorkers = (counter: number): number[] =>
  each(workers, (w) => arena.f64[counterBank(arena, w) + counter]!)
const total = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0)

/** What is counted on the way, at one moment. */
const look = () => ({
  atUs: monotonicUs(),
  done: each(workers, (w) => shape.done(router, w)),
  calls: total(ofWorkers(Softnet.calls)),
  vectors: total(ofWorkers(Softnet.vectors)),
  steered: total(ofWorkers(Softnet.steered)),
  dropped: total(each(workers, (w) => sumCounter(arena, Softnet.dropped + w))),
  cpu: each(layout.controlThread, cpuOf),
})
type Look = ReturnType<typeof look>

const between = (a: Look, b: Look) => {
  const done = b.done.map((n, w) => n - a.done[w]!)
  const all = total(done)
  const ns = b.cpu.map((cpu, t) => cpu.ns - a.cpu[t]!.ns)
  const systemNs = b.cpu.map((cpu, t) => cpu.systemNs - a.cpu[t]!.systemNs)
  return {
    rate: (all * 1e6) / (b.atUs - a.atUs),
    workerNs: done.map((n, w) => ns[w]! / n),
    workerSystemNs: done.map((n, w) => systemNs[w]! / n),
    nicNs: ns[layout.nicThread]! / all,
    peerNs: total(ns.slice(layout.appThread)) / all,
    imbalance: (Math.max(...done) * workers) / all,
    vectorsPerCall: (b.vectors - a.vectors) / (b.calls - a.calls),
    steered: b.steered - a.steered,
    dropped: b.dropped - a.dropped,
  }
}
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!

const measure = async (): Promise<Point> => {
  const deadline = performance.now() + WARM_MS
  while (Math.min(...look().done) < shape.warm && performance.now() < deadline) await Bun.sleep(20)
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
    nicNs: isNic ? median(samples.map(({ nicNs }) => nicNs)) : null,
  }
}

await shape.startPeers(router, workers, !isOversubscribed)
if (!isNic) pinPairs()
console.log(JSON.stringify(await measure()))
await router.stop()
process.exit()
