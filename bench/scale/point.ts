/**
 * One point of the scaling curve, in a process of its own: the daemon's own threads (workers/net.ts, workers/nic.ts) over
 * one arena, two ports instead of devices, and peers that make frames and take them back. Prints one line of JSON:
 * bun point.ts WORKERS FEED SECONDS
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createTextControl } from '../../core/control/text/control.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { portRxRing, portTxRing } from '../../core/dev/kinds/port.ts'
import { type Arena, backlogRing, createArena } from '../../core/shm/arena.ts'
import { counterBank, Mib, Softnet, sumCounter } from '../../core/shm/counters.ts'
import { createIpi } from '../../core/shm/ipi.ts'
import { DEFAULT_ARENA, G_SHUTDOWN } from '../../core/shm/layout.ts'
import { kindsOf } from '../../workers/kinds.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import { random } from '../../workers/random.ts'
import type { ThreadData } from '../../workers/thread-data.ts'
import { startThread, type Thread } from '../../workers/threads.ts'
import { createWake } from '../../workers/wake.ts'
import { HOSTS } from './flows.ts'
import type { NumberedData, PeerData } from './thread-data.ts'

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
const WARM_PACKETS = 1_500_000
const WARM_MS = 8000
/** Frames under way to a worker: less than it may have in a port's ring. */
const WINDOW = 640
const ROUTES = 500
const LOOK_MS = 5

const [workers = 1, feed = 'own', seconds = 1.5] = ((argv) =>
  [Number(argv[0]), argv[1] as Feed, Number(argv[2])] as const)(process.argv.slice(2))

const isOwn = feed === 'own'
const peers = isOwn ? workers : 2
const threadCount = workers + peers + (isOwn ? 0 : 1)
const isOversubscribed = threadCount > availableParallelism()
const pools = { skbs: 16384, smallBuffers: 16384, largeBuffers: 128, socks: 1024 }
const config = { ...DEFAULT_ARENA, ...pools, workers, apps: peers }
const arena = createArena(config)
const { i32, layout } = arena
const id = crypto.randomUUID()
const wake = createWake(arena, id)
const tids = new Int32Array(new SharedArrayBuffer(layout.threads * 4))

const dataFor = (thread: number): ThreadData => ({
  config,
  buffer: arena.buffer as SharedArrayBuffer,
  id,
  thread,
  cpu: -1,
  secret: Int32Array.of(1, 2),
  services: { echo: false, discard: false, chargen: false },
})
const threads: Thread[] = []
const start = async <Data extends NumberedData>(data: Data): Promise<void> => {
  const entry = new URL('./numbered.ts', import.meta.url).href
  const onError = (thread: number, error: string): void => {
    console.error(`thread ${thread}: ${error}`)
    process.exit(1)
  }
  threads.push(await startThread(entry, data, onError))
}
const programOf = (path: string): string => new URL(path, import.meta.url).href

const createControl = () => {
  const ipi = createIpi(arena, layout.controlThread, wake)
  const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const host = { queues: null, namespaces: new Map(), files: null, say: console.error }
  const hasEnded = (): boolean => false
  const kinds = kindsOf(host)
  return createTextControl({ arena, nowUs: monotonicUs, wake, ipi, random, pause, kinds, hasEnded })
}

type TextControl = ReturnType<typeof createControl>

/** Two ports, 10.1/16 behind one and 10.2/16 behind the other, hosts that are known, and some hundred routes. */
const configure = async (control: TextControl, peer: number): Promise<number> => {
  const looking = setInterval(control.poll, LOOK_MS)
  const port = { kind: 'port', data: { peer }, up: true }
  const reply = await control.request({
    type: 'CONFIG_SET',
    config: {
      link: [
        { ...port, ifname: 'in', addresses: ['10.1.0.1/16'] },
        { ...port, ifname: 'out', addresses: ['10.2.0.1/16'] },
      ],
      route: Array.from({ length: ROUTES }, (_, k) => ({
        dst: `20.${k >> 8}.${k & 255}.0/24`,
        gateway: '10.2.0.10',
      })),
      neigh: Array.from({ length: HOSTS }, (_, k) => ({
        dev: 'out',
        dst: `10.2.0.${10 + k}`,
        lladdr: `02:02:00:00:00:${10 + k}`,
      })),
      sysctl: { 'net.ipv4.ip_forward': 1 },
    },
  })
  if (isRefused(reply)) throw new Error(`the configuration was refused: ${reply.message}`)
  const link = await control.request({ type: 'RTM_GETLINK', ifname: 'in' })
  clearInterval(looking)
  if (isRefused(link)) throw new Error(link.message)
  return link.item.ifindex
}

const peerData = (peer: number, ifindex: number): PeerData => {
  const thread = layout.appThread + peer
  const common = {
    ...dataFor(thread),
    tids,
    program: programOf('./peer.ts'),
    ifindex,
    spins: !isOversubscribed,
  }
  const out = (worker: number): number => portTxRing(arena, 1, worker)
  const everybody = Array.from({ length: workers }, (_, w) => out(w))
  if (isOwn) {
    const into = { ring: backlogRing(layout, peer, thread), kick: peer, onlyFor: peer }
    return { ...common, window: WINDOW, into, from: [out(peer)] }
  }
  const into = { ring: portRxRing(arena, 0), kick: layout.nicThread, onlyFor: null }
  return peer === 0
    ? { ...common, window: WINDOW * workers, into, from: [] }
    : { ...common, window: 0, into: null, from: everybody }
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

const main = async (): Promise<void> => {
  // it makes the tables that the others look into
  const control = createControl()
  for (let w = 0; w < workers; w++)
    await start({ ...dataFor(w), tids, program: programOf('../../workers/net.ts') })
  const nic = layout.nicThread
  await start({ ...dataFor(nic), tids, program: programOf('../../workers/nic.ts') })
  const ifindex = await configure(control, layout.appThread + peers - 1)
  // the sink first
  for (let peer = peers; peer-- > 0; ) await start(peerData(peer, ifindex))
  console.log(JSON.stringify(await measure()))
  Atomics.store(i32, G_SHUTDOWN, 1)
  for (let thread = 0; thread < layout.controlThread; thread++) wake(thread)
  process.exit()
}
await main()
