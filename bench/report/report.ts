/** What was measured, as a page with plots: FOLDER/performance.md and its pictures. */
import { mkdirSync, writeFileSync } from 'node:fs'
import type { FibResult } from '../fib.ts'
import type { ForwardMemory } from '../forward-memory.ts'
import type { Curve, ScaleResult } from '../scale/scale.ts'
import { UNITS } from '../scale/scale.ts'
import { predict } from '../scale/usl.ts'
import type { ThreadCpu } from '../support/cpu.ts'
import type { Ratio } from '../support/pairs.ts'
import { showRatio } from '../support/pairs.ts'
import type { DriverResult } from '../tap/driver.ts'
import { nameOf } from '../tap/driver.ts'
import type { ForwardResult } from '../tap/forward.ts'
import type { LatencyResult } from '../tap/latency.ts'
import type { StreamResult } from '../tap/stream.ts'
import type { TcpResult } from '../tap/tcp.ts'
import { INTRODUCTION, LEFT_OUT, TEXTS } from './texts.ts'
import type { Bar } from './svg.ts'
import { barPlot, linePlot } from './svg.ts'

export type Machine = { cpu: string; cpus: number; kernel: string; bun: string; date: string }
export type Results = {
  machine: Machine
  memory?: ForwardMemory
  driver?: DriverResult[]
  stream?: StreamResult[]
  tap?: ForwardResult[]
  tcp?: TcpResult[]
  fib?: FibResult[]
  latency?: LatencyResult[]
  scale?: ScaleResult
  /** Where a part was measured that comes from another run. */
  elsewhere?: Partial<Record<Part, Machine>>
}
export type Part = keyof typeof TEXTS

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
const picture = (name: string): string => `![${name}](${name}.svg)`
const whole = (value: number): string =>
  Number.isNaN(value) || value === null ? '-' : Math.round(value).toLocaleString('en')
const barOf = ({ median: value, least, greatest }: Ratio): Bar => ({ value, least, greatest })
const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0)
const threads = (all: readonly ThreadCpu[]): string =>
  all.map(({ name, userMs, systemMs }) => `${name} ${ms(userMs)}+${ms(systemMs)}`).join(', ')
const machine = ({ cpu, cpus, kernel, bun, date }: Machine): string =>
  `${cpu}, ${cpus} CPUs, Linux ${kernel}, Bun ${bun}, ${date}`
const unique = <Value>(values: readonly Value[]): Value[] => [...new Set(values)]

type Page = { text: string; pictures: Record<string, string> }

const memory = (result: ForwardMemory): Page => ({
  pictures: {},
  text: table(
    ['part', 'ns a packet'],
    [
      ['nic: frame, dissect, hash, enqueue', whole(result.nicNs)],
      ['worker: backlog to driver ring', whole(result.workerNs)],
      ['worker, first 64 k packets (cold)', whole(result.coldWorkerNs)],
      ['nic, IPv6', whole(result.nic6Ns)],
      ['worker, IPv6', whole(result.worker6Ns)],
      ['worker, random addresses of 1,000,000 routes', whole(result.tableNs)],
    ]
  ),
})

const driver = (results: readonly DriverResult[]): Page => ({
  pictures: {},
  text: table(
    ['frames', 'ns a packet', 'a read alone', 'a write alone'],
    results.map(({ frames, turnNs, readNs, writeNs }) => [
      nameOf(frames),
      ...[turnNs, readNs, writeNs].map(whole),
    ])
  ),
})

const stream = (results: readonly StreamResult[]): Page => ({
  pictures: {},
  text: table(
    ['router', 'all, ms/GB', 'of it: worker, and what its writes deliver'],
    results.map(({ way, allMs, turnMs }) => [
      way,
      whole(allMs),
      way === 'softnet' ? whole(turnMs) : '-',
    ])
  ),
})

const tap = (results: readonly ForwardResult[]): Page => {
  const shapes = unique(results.map(({ shape }) => shape))
  const loads = unique(results.map(({ load }) => load))
  const find = (shape: string, load: string) =>
    results.find((result) => result.shape === shape && result.load === load)
  const groups = loads.map((load) => ({
    label: load,
    bars: shapes.map((shape) => {
      const found = find(shape, load)
      return found ? barOf(found.ratio) : null
    }),
  }))
  const title = 'Forwarding: softnet over the better of the kernel’s ways'
  const rows = results.map((result) => [
    result.shape,
    result.load,
    result.unit === 'Gbit/s' ? `${result.rate.toFixed(2)} Gbit/s` : `${whole(result.rate)}/s`,
    result.lossPercent.toFixed(1),
    result.unit === 'Gbit/s' ? result.kernelRate.toFixed(2) : whole(result.kernelRate),
    showRatio(result.ratio),
    whole(result.cpuNs),
    whole(result.kernelCpuNs),
    result.vectorsPerCall.toFixed(0),
    threads(result.threads),
  ])
  const head = ['shape', 'load', 'softnet', 'loss %', 'kernel', 'ratio (spread of the pairs)']
  const more = ['ns/packet', 'kernel', 'vectors/call', 'CPU ms by thread, user+system']
  return {
    pictures: { forward: barPlot({ title, unit: 'ratio', series: shapes, groups, mark: 1 }) },
    text: `${picture('forward')}\n\n${table([...head, ...more], rows)}`,
  }
}

const tcp = (results: readonly TcpResult[]): Page => {
  const stacks = unique(results.map(({ stack }) => stack))
  const tests = unique(results.map(({ test }) => test))
  const groups = tests.map((test) => ({
    label: test,
    bars: stacks.map((stack) => {
      const found = results.find((result) => result.stack === stack && result.test === test)
      return found ? barOf(found.ratio) : null
    }),
  }))
  const title = 'TCP that ends in the stack, over the kernel’s'
  const rows = results.map((result) => [
    result.stack,
    result.test,
    `${result.rate.toFixed(2)} ${result.unit}`,
    result.kernelRate.toFixed(2),
    showRatio(result.ratio),
    `${threads(result.cpu)} / ${result.per}`,
  ])
  const head = [
    'stack',
    'test',
    'rate',
    'kernel',
    'ratio (spread of the pairs)',
    'CPU ms by thread',
  ]
  return {
    pictures: { tcp: barPlot({ title, unit: 'ratio', series: stacks, groups, mark: 1 }) },
    text: `${picture('tcp')}\n\n${table(head, rows)}`,
  }
}

const fib = (results: readonly FibResult[]): Page => {
  const series = [
    'lookup, one by one',
    'read, one by one',
    'lookup, in a batch',
    'read, in a batch',
  ]
  const groups = results.map((result) => ({
    label: `${result.routes.toLocaleString('en')} routes, ${(result.bytes / 2 ** 20).toFixed(1)} MiB`,
    bars: [
      { value: result.dependentNs },
      { value: result.readDependentNs },
      { value: result.independentNs },
      { value: result.readIndependentNs },
    ],
  }))
  const title = 'A route lookup, beside random reads of an array of the table’s size'
  return { pictures: { fib: barPlot({ title, unit: 'ns', series, groups }) }, text: picture('fib') }
}

const latency = (results: readonly LatencyResult[]): Page => {
  const pictures: Record<string, string> = {}
  for (const way of unique(results.map((result) => result.way))) {
    const own = results.filter((result) => result.way === way)
    const stacks = unique(own.map(({ stack }) => stack))
    const groups = unique(own.map(({ share }) => share)).map((share) => ({
      label: `${share * 100} % of the limit`,
      bars: stacks.map((stack) => {
        const found = own.find((result) => result.share === share && result.stack === stack)
        return found ? { value: found.us.p50, least: found.us.p50, greatest: found.us.p99 } : null
      }),
    }))
    const title = `There and back, ${way}: median, and a line up to the 99th percentile`
    pictures[`latency-${way}`] = barPlot({ title, unit: 'µs', series: stacks, groups })
  }
  const rows = results.map(({ way, stack, limit, share, us }) => [
    way,
    stack,
    whole(limit),
    `${share * 100} %`,
    ...[us.p50, us.p90, us.p99, us.p999].map(whole),
  ])
  const head = ['way', 'stack', 'limit, packets/s', 'at', 'p50', 'p90', 'p99', 'p99.9 µs']
  return {
    pictures,
    text: `${Object.keys(pictures).map(picture).join('\n\n')}\n\n${table(head, rows)}`,
  }
}

const curveLines = ({ feed, points, usl }: Curve) => {
  const most = points.at(-1)!.workers
  const { scale: by } = UNITS[feed]
  const measured = points.map(({ workers, rate, oversubscribed }) => ({
    x: workers,
    y: rate * by,
    hollow: oversubscribed,
  }))
  const law = usl && {
    name: `${feed}, fitted`,
    dashed: true,
    points: Array.from({ length: most }, (_, k) => ({ x: k + 1, y: predict(usl, k + 1) * by })),
  }
  return [{ name: feed, points: measured }, ...(law ? [law] : [])]
}
const X_TITLE = 'workers (hollow: more threads than CPUs)'
/** Rates of curves that have one unit. */
const ratePlot = (title: string, curves: readonly Curve[]): string =>
  linePlot({
    title,
    unit: UNITS[curves[0]!.feed].rate,
    xTitle: X_TITLE,
    lines: curves.flatMap(curveLines),
  })
const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
/** Costs over that of the first point. */
const costPlot = (curves: readonly Curve[]): string =>
  linePlot({
    title: 'CPU that a worker takes for each, over that of the fewest workers',
    unit: 'times',
    xTitle: X_TITLE,
    lines: curves.map(({ feed, points }) => ({
      name: feed,
      points: points.map(({ workers, workerNs, oversubscribed }) => ({
        x: workers,
        y: average(workerNs) / average(points[0]!.workerNs),
        hollow: oversubscribed,
      })),
    })),
  })
const fitted = ({ feed, usl }: Curve): string => {
  if (usl === null) return `- ${feed}: no fit, too few points had a CPU for each thread.`
  const { rate, scale: by } = UNITS[feed]
  const peak = usl.peak === null ? '' : `, peak at ${usl.peak.toFixed(0)} workers`
  return `- ${feed}: L ${(usl.lambda * by).toFixed(2)} ${rate}, s ${usl.sigma.toFixed(4)}, k ${usl.kappa.toFixed(5)}${peak}.`
}
const scaleRows = ({ feed, points }: Curve): string[][] =>
  points.map((point) => [
    feed,
    `${point.workers}`,
    `${point.threads}${point.oversubscribed ? ' (more than CPUs)' : ''}`,
    `${(point.rate * UNITS[feed].scale).toFixed(2)} ${UNITS[feed].rate}`,
    `${whole(Math.min(...point.workerNs))}-${whole(Math.max(...point.workerNs))} ${UNITS[feed].cost}`,
    point.nicNs === null ? '-' : whole(point.nicNs),
    whole(point.peerNs),
    point.imbalance.toFixed(2),
    `${point.steered}`,
    `${point.dropped}`,
  ])
const scale = ({ curves: all }: ScaleResult): Page => {
  const curves = all.filter(({ points }) => points.length > 0)
  const plots: Record<string, string> = {}
  const plot = (name: string, title: string, feeds: readonly string[]): void => {
    const own = curves.filter(({ feed }) => feeds.includes(feed))
    if (own.length > 0) plots[name] = ratePlot(title, own)
  }
  plot('scale-forward', 'Forwarding in memory, by workers', ['own', 'nic'])
  plot('scale-tcp', 'TCP streams in memory, by workers', ['tcp'])
  plot('scale-connections', 'Connections in memory, by workers', ['connections'])
  plots['scale-cost'] = costPlot(curves)
  const head = ['in', 'workers', 'threads', 'rate', 'worker', 'nic', 'peers', 'imbalance']
  return {
    pictures: plots,
    text: [
      ...Object.keys(plots).map(picture),
      curves.map(fitted).join('\n'),
      table([...head, 'steered', 'dropped'], curves.flatMap(scaleRows)),
    ].join('\n\n'),
  }
}

const PAGES: { [One in Part]: (result: never) => Page } = {
  memory,
  driver,
  stream,
  tap,
  tcp,
  fib,
  latency,
  scale,
}

export const writeReport = (folder: string, results: Results): void => {
  mkdirSync(folder, { recursive: true })
  const sections = [INTRODUCTION.replace('MACHINE', machine(results.machine))]
  for (const part of Object.keys(PAGES) as Part[]) {
    const result = results[part]
    if (result === undefined) continue
    const on = results.elsewhere?.[part]
    const where = on === undefined ? '' : `\n\nMeasured on: ${machine(on)}.`
    const { text, pictures } = PAGES[part](result as never)
    for (const [name, svg] of Object.entries(pictures)) writeFileSync(`${folder}/${name}.svg`, svg)
    const { title, method } = TEXTS[part]
    sections.push(`## ${title}\n\n${method}${where}\n\n${text}`)
  }
  sections.push(LEFT_OUT)
  writeFileSync(`${folder}/performance.md`, `${sections.join('\n\n')}\n`)
}
