/**
 * `npm run bench`: how fast softnet forwards, in memory and through TAPs beside the kernel. How to read it: README.md.
 *
 *   npm run bench [-- forward]               both, under two minutes
 *   npm run bench -- memory | tap            one of them
 *   npm run bench -- scale                   in memory, by more and more workers
 *   options: --workers 1,2   --steering rps,multiqueue   --seconds N   --rate PACKETS/S   --feed own,nic   --json FILE
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { toolPath } from '../test/support/tools.ts'
import { runInNewNamespace } from '../workers/os/exec.ts'
import { run as runForwardMemory } from './forward-memory.ts'
import type { Feed } from './scale/point.ts'
import { runScale } from './scale/scale.ts'
import type { Steering } from './support/networks.ts'
import type { TapOptions } from './tap-forward.ts'
import { runTapForward } from './tap-forward.ts'

/** Where the part that needs namespaces writes its results: it is a process of its own. */
const RESULTS = 'SOFTNET_BENCH_RESULTS'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workers: { type: 'string', default: '1,2' },
    steering: { type: 'string', default: 'rps,multiqueue' },
    seconds: { type: 'string', default: '1.5' },
    rate: { type: 'string', default: '100000' },
    feed: { type: 'string', default: 'own,nic' },
    json: { type: 'string' },
  },
})

const PARTS: Record<string, string[]> = {
  forward: ['memory', 'tap'],
  memory: ['memory'],
  tap: ['tap'],
  scale: ['scale'],
}
const names = positionals.length === 0 ? ['forward'] : positionals
const unknown = names.find((name) => !Object.hasOwn(PARTS, name))
if (unknown !== undefined) {
  const known = Object.keys(PARTS).join(' ')
  console.error(`softnet bench: no part is called "${unknown}"; there are: ${known}`)
  process.exit(2)
}
const parts = names.flatMap((name) => PARTS[name]!)

const tapOptions: TapOptions = {
  workers: values.workers.split(',').map(Number),
  steerings: values.steering.split(',') as Steering[],
  seconds: Number(values.seconds),
  rate: Number(values.rate),
}

/** Runs the TAP part as root of fresh namespaces; its results, or undefined when it failed. */
const runTapInside = async (): Promise<unknown> => {
  const folder = mkdtempSync(`${tmpdir()}/softnet-bench-`)
  try {
    const env = { ...process.env, PATH: toolPath(), [RESULTS]: `${folder}/tap.json` }
    const argv = [process.execPath, import.meta.path, ...process.argv.slice(2)]
    const status = await runInNewNamespace(argv, { env })
    if (status === 0) return JSON.parse(readFileSync(`${folder}/tap.json`, 'utf8'))
    process.exitCode = status
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const main = async (): Promise<void> => {
  const results: Record<string, unknown> = {
    machine: { cpu: cpus()[0]?.model, cpus: availableParallelism(), kernel: release() },
    bun: Bun.version,
  }
  if (parts.includes('memory')) results['memory'] = await runForwardMemory()
  if (parts.includes('scale'))
    results['scale'] = await runScale({
      workers: tapOptions.workers,
      feeds: values.feed.split(',') as Feed[],
      seconds: tapOptions.seconds,
    })
  if (parts.includes('tap')) results['tap'] = await runTapInside()
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
}

const inside = process.env[RESULTS]
if (inside === undefined) await main()
else writeFileSync(inside, JSON.stringify(await runTapForward(tapOptions)))
