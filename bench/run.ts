/**
 * `npm run bench`, which is `softnet bench`: what softnet costs and how fast it is, beside a reference in the same run. How
 * to read it: README.md.
 *
 *   softnet bench [PART...]        forward (in memory and through TAPs), tcp, fib, latency, scale; without one: all
 *   softnet bench --report DIR     all, written down as DIR/performance.md with its plots
 *   softnet bench --report DIR --from FILE...   without measuring again what stands in these results
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { followWrapper } from '../workers/os/parent.ts'
import { toolPath } from '../test/support/tools.ts'
import { runInNewNamespace } from '../workers/os/exec.ts'
import { runFib } from './fib.ts'
import { run as runForwardMemory } from './forward-memory.ts'
import type { Machine, Results } from './report/report.ts'
import { writeReport } from './report/report.ts'
import type { Feed } from './scale/shapes.ts'
import { runScale } from './scale/scale.ts'
import type { Steering } from './support/networks.ts'
import { runDriver } from './tap/driver.ts'
import { runTapForward } from './tap/forward.ts'
import { runLatency } from './tap/latency.ts'
import { runStream } from './tap/stream.ts'
import { runTcp } from './tap/tcp.ts'

/** Where the parts that need namespaces write their results: they are a process of its own. */
const RESULTS = 'SOFTNET_BENCH_RESULTS'

const USAGE = `Usage: softnet bench [ forward | memory | driver | stream | tap | tcp | fib | latency | scale ]... [ OPTIONS ]
   --workers 1,2  --steering rps,multiqueue   shapes of softnet
   --seconds N    --rounds N                  of each measurement, and how often
   --rate N       packets a second of the paced load of "tap"
   --in own,nic,tcp,connections               what the workers of "scale" do: forward what a peer of each sends or what the
                                              nic thread hands out, discard streams, answer connections
   --json FILE    the same figures for a program
   --report DIR   DIR/performance.md, with plots
   --from FILE    results of an earlier --json: what stands there is not measured again`

const OPTIONS = {
  workers: { type: 'string' },
  steering: { type: 'string', default: 'rps,multiqueue' },
  seconds: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '3' },
  rate: { type: 'string', default: '100000' },
  in: { type: 'string', default: 'own,nic,tcp,connections' },
  json: { type: 'string' },
  report: { type: 'string' },
  from: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', short: 'h' },
} as const

const usage = (message: string): never => {
  console.error(message)
  process.exit(2)
}
const readArgs = () => {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS })
  } catch (error) {
    return usage(`softnet bench: ${(error as Error).message}\n${USAGE}`)
  }
}
followWrapper()
const { values, positionals } = readArgs()

/** Parts that run as root of fresh namespaces. */
const INSIDE = ['driver', 'stream', 'tap', 'tcp', 'latency']
const PARTS: Record<string, string[]> = {
  forward: ['memory', 'driver', 'stream', 'tap'],
  memory: ['memory'],
  driver: ['driver'],
  stream: ['stream'],
  tap: ['tap'],
  tcp: ['tcp'],
  fib: ['fib'],
  latency: ['latency'],
  scale: ['scale'],
}
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const names = positionals.length === 0 ? Object.keys(PARTS) : positionals
const unknown = names.find((name) => !Object.hasOwn(PARTS, name))
if (unknown !== undefined)
  usage(`softnet bench: no part is called "${unknown}"; there are: ${Object.keys(PARTS).join(' ')}`)
const parts = new Set(names.flatMap((name) => PARTS[name]!))

const positive = (name: 'seconds' | 'rounds' | 'rate'): number => {
  const value = Number(values[name])
  return value > 0 ? value : usage(`softnet bench: --${name} ${values[name]} is no such number`)
}
const oneOf = <Name extends string>(option: 'steering' | 'in', known: readonly Name[]): Name[] =>
  values[option].split(',').map((name) => {
    if (known.includes(name as Name)) return name as Name
    return usage(`softnet bench: --${option} ${name}: there are ${known.join(', ')}`)
  })
const counts = (text: string): number[] =>
  text.split(',').map((word) => {
    const count = Number(word)
    const isCount = Number.isInteger(count) && count >= 1 && count <= MOST_WORKERS
    return isCount ? count : usage(`softnet bench: --workers ${word}: 1 to ${MOST_WORKERS}`)
  })
const MOST_WORKERS = 32

const shapes = {
  workers: counts(values.workers ?? '1'),
  steerings: oneOf<Steering>('steering', ['rps', 'multiqueue']),
  seconds: positive('seconds'),
  rounds: positive('rounds'),
  rate: positive('rate'),
}
const scaling = {
  workers: counts(values.workers ?? '1,2,4'),
  feeds: oneOf<Feed>('in', ['own', 'nic', 'tcp', 'connections']),
  seconds: shapes.seconds,
}

const machine: Machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cpus: availableParallelism(),
  kernel: release(),
  bun: Bun.version,
  date: new Date().toISOString().slice(0, 10),
}

/** Runs the parts that need namespaces as root of fresh ones; their results, or none when they failed. */
const runInside = async (): Promise<Partial<Results>> => {
  const folder = mkdtempSync(`${tmpdir()}/softnet-bench-`)
  try {
    const env = { ...process.env, PATH: toolPath(), [RESULTS]: `${folder}/results.json` }
    const argv = [process.execPath, import.meta.path, ...process.argv.slice(2)]
    const status = await runInNewNamespace(argv, { env })
    if (status === 0) return JSON.parse(readFileSync(`${folder}/results.json`, 'utf8'))
    process.exitCode = status
    return {}
  } finally {
    rmSync(folder, { recursive: true })
  }
}
const inside = async (): Promise<Partial<Results>> => ({
  ...(parts.has('driver') && { driver: runDriver() }),
  ...(parts.has('stream') && { stream: runStream() }),
  ...(parts.has('tap') && { tap: await runTapForward(shapes) }),
  ...(parts.has('tcp') && { tcp: await runTcp(shapes) }),
  ...(parts.has('latency') && { latency: await runLatency(shapes) }),
})
const measure = async (): Promise<Partial<Results>> => ({
  ...(parts.has('memory') && { memory: await runForwardMemory() }),
  ...(parts.has('fib') && { fib: runFib() }),
  ...(parts.has('scale') && { scale: await runScale(scaling) }),
  ...(INSIDE.some((part) => parts.has(part)) && (await runInside())),
})

/** What earlier runs have found; it is not measured again, and was measured there. */
const known: Partial<Results> = {}
for (const file of values.from) {
  const { machine: on, elsewhere, ...found } = JSON.parse(readFileSync(file, 'utf8')) as Results
  Object.assign(known, found)
  const there = Object.fromEntries(Object.keys(found).map((part) => [part, on]))
  known.elsewhere = { ...known.elsewhere, ...there, ...elsewhere }
}
for (const part of Object.keys(known)) parts.delete(part)

const main = async (): Promise<void> => {
  const results: Results = { ...known, machine, ...(await measure()) }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
  if (values.report !== undefined) writeReport(values.report, results)
}

const resultsFile = process.env[RESULTS]
if (resultsFile === undefined) await main()
else writeFileSync(resultsFile, JSON.stringify(await inside()))
