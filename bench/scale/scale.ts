/**
 * `softnet bench scale`: forwarding in memory by more and more workers, devices left out: point.ts measures each number
 * of workers in a process of its own. Prints a table, and the Universal Scalability Law over the points that had a CPU for
 * each thread.
 */
import { availableParallelism } from 'node:os'
import type { Point } from './point.ts'
import type { Feed } from './shapes.ts'
import { fitUsl, type Usl } from './usl.ts'

export type ScaleOptions = { workers: number[]; feeds: Feed[]; seconds: number }
export type Curve = { feed: Feed; points: Point[]; usl: Usl | null }

const POINT = new URL('./point.ts', import.meta.url).pathname
const POINT_WITHIN_MS = 40_000

/** A point that fails is said, and the others go on. */
const measure = async (workers: number, feed: Feed, seconds: number): Promise<Point | null> => {
  const argv = [process.execPath, POINT, ...[workers, feed, seconds].map(String)]
  const child = Bun.spawn(argv, { stdout: 'pipe', stderr: 'inherit', timeout: POINT_WITHIN_MS })
  const said = await new Response(child.stdout).text()
  if ((await child.exited) === 0) return JSON.parse(said) as Point
  console.error(`${workers} workers could not be measured`)
  process.exitCode = 1
  return null
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, v) => sum + v, 0) / values.length
const ns = (value: number | null): string => (value === null ? '-' : value.toFixed(0)).padStart(6)

/** What is counted, and how its rate and its cost are shown. */
export const UNITS: Record<Feed, { rate: string; scale: number; cost: string }> = {
  own: { rate: 'Mpkt/s', scale: 1e-6, cost: 'ns/pkt' },
  nic: { rate: 'Mpkt/s', scale: 1e-6, cost: 'ns/pkt' },
  tcp: { rate: 'Gbit/s', scale: 8e-6, cost: 'ns/KB' },
  connections: { rate: 'k/s', scale: 1e-3, cost: 'ns/conn' },
}

const line = (point: Point): string => {
  const { workers, threads, rate, rateRange, workerNs, feed } = point
  const { scale } = UNITS[feed]
  const spread = (100 * (rateRange[1] - rateRange[0])) / rate
  // what they would do, had each a CPU to itself
  const alone = workerNs.reduce((sum, value) => sum + 1e9 / value, 0)
  return [
    `${workers}`.padStart(7),
    `${threads}${point.oversubscribed ? '!' : ' '}`.padStart(8),
    (rate * scale).toFixed(2).padStart(8),
    `${spread.toFixed(0)}%`.padStart(7),
    (alone * scale).toFixed(2).padStart(9),
    ns(mean(workerNs)).padStart(7),
    `${Math.min(...workerNs).toFixed(0)}-${Math.max(...workerNs).toFixed(0)}`.padStart(11),
    ns(mean(point.workerSystemNs)),
    ns(point.nicNs),
    ns(point.peerNs),
    point.imbalance.toFixed(2).padStart(9),
    point.vectorsPerCall.toFixed(0).padStart(8),
    `${point.steered}`.padStart(8),
    `${point.dropped}`.padStart(8),
  ].join(' ')
}
const head = ({ rate, cost }: (typeof UNITS)[Feed]): string =>
  `workers  threads ${rate.padStart(8)}  spread    alone   ${cost.padStart(7)}       range system    nic   peer imbalance vec/call  steered  dropped`

const TITLES: Record<Feed, string> = {
  own: 'forwarding: each worker fed by a peer of its own, as by a queue of a multiqueue device',
  nic: 'forwarding: one nic thread hashes to all workers',
  tcp: 'TCP: eight streams of a host of its own are discarded by each worker',
  connections: 'TCP: connections of a host of its own are answered by each worker, 32 at a time',
}

const usl = ({ feed, points, usl: fit }: Curve): string => {
  const { rate, scale } = UNITS[feed]
  const fitted = points.filter((point) => !point.oversubscribed).length
  if (fit === null)
    return `no fit: ${fitted} points had a CPU for each thread, and three is the least`
  const peak = fit.peak === null ? 'no peak' : `peak at ${fit.peak.toFixed(1)} workers`
  return `C(N) = L N / (1 + s (N-1) + k N (N-1)) over ${fitted} points: L ${(fit.lambda * scale).toFixed(2)} ${rate}, s ${fit.sigma.toFixed(4)}, k ${fit.kappa.toFixed(5)}, ${peak}`
}

const runCurve = async (feed: Feed, { workers, seconds }: ScaleOptions): Promise<Curve> => {
  console.log(`\n${TITLES[feed]}\n${head(UNITS[feed])}`)
  const points: Point[] = []
  for (const count of workers) {
    const point = await measure(count, feed, seconds)
    if (point === null) continue
    points.push(point)
    console.log(line(point))
  }
  const own = points.filter((point) => !point.oversubscribed)
  const curve = { feed, points, usl: fitUsl(own.map(({ workers: n, rate }) => [n, rate])) }
  console.log(usl(curve))
  return curve
}

export type ScaleResult = { curves: Curve[] }

export const runScale = async (options: ScaleOptions): Promise<ScaleResult> => {
  const cpus = `${availableParallelism()} CPUs; ! more threads than that`
  console.log(`\nin memory, ${cpus}`)
  const curves: Curve[] = []
  for (const feed of options.feeds) curves.push(await runCurve(feed, options))
  return { curves }
}
