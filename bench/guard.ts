/**
 * The guard of the cost per packet: what the nic's and the worker's part in memory take (forward-memory.ts), as multiples of
 * a step of a loop whose cost is known, in the same process and at the same time, so that another machine, or a busy one, says
 * nearly the same: a kind of CPU has a line of its own in guard.json, with which test/bench/guard.test.ts compares it. A part by
 * itself, in a process of its own:
 *
 *   bun bench/guard.ts worker|nic|worker6|nic6
 *   bun bench/guard.ts --renew         writes this CPU's line anew, after a change that is meant to cost what it costs
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { PARTS } from './forward-memory.ts'
import { BATCH, makeArena } from './support/forwarding.ts'
import { median } from './support/pairs.ts'

export type Part = keyof typeof PARTS
/** Of IPv4; IPv6 is held against it. */
export type Costs = Record<'nic' | 'worker', number>

const BASELINE = `${import.meta.dir}/guard.json`
/** By CPU: its vendor, family and model. */
type Baselines = Record<string, Costs>
/** A part may cost so much more than the baseline. */
export const TOLERANCE = 0.25
/** And IPv6 so much more than IPv4, whose addresses are a quarter as long. */
export const IPV6_TOLERANCE = 0.25

const WARM_UP = 600_000
const CHUNKS = 60
const CHUNK = 8192
const RENEWALS = 7

/** As packets do: reads rows that are scattered, writes into them, and sums bytes. */
const createCalibration = () => {
  const ROWS = 4096
  const ROW = 64
  const words = new Int32Array(new SharedArrayBuffer(ROWS * ROW * 4))
  const bytes = new Uint8Array(words.buffer)
  let at = 1
  return (steps: number): void => {
    for (let step = 0; step < steps; step++) {
      at = (Math.imul(at, 1664525) + 1013904223) | 0
      const row = ((at >>> 8) & (ROWS - 1)) * ROW
      let sum = 0
      for (let k = 0; k < 32; k++) sum = (sum + bytes[(row << 2) + k]!) | 0
      for (let k = 8; k < 24; k++) words[row + k] = sum + k
      words[row]! += sum & 1
    }
  }
}

/** Cost of a packet in steps. The least of many short pieces: what disturbs one does not disturb all. */
const measure = (part: Part): number => {
  const { before, measured, after, check } = PARTS[part](makeArena())
  const packets = (count: number): number => {
    let ms = 0
    for (let done = 0; done < count; done += BATCH) {
      before()
      const start = performance.now()
      measured()
      ms += performance.now() - start
      after()
    }
    return ms
  }
  const calibrate = createCalibration()
  const steps = (count: number): number => {
    const start = performance.now()
    calibrate(count)
    return performance.now() - start
  }
  packets(WARM_UP)
  steps(WARM_UP)
  let packetMs = Number.POSITIVE_INFINITY
  let stepMs = Number.POSITIVE_INFINITY
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    packetMs = Math.min(packetMs, packets(CHUNK))
    stepMs = Math.min(stepMs, steps(CHUNK))
  }
  check()
  return packetMs / stepMs
}

/** A part's cost, from a process of its own. */
export const cost = (part: Part): number => {
  const { stdout, stderr, success } = Bun.spawnSync([process.execPath, import.meta.path, part])
  if (!success) throw new Error(`the cost of the ${part}'s part was not measured: ${stderr}`)
  return Number(`${stdout}`)
}

const readBaselines = (): Baselines => JSON.parse(readFileSync(BASELINE, 'utf8'))
const cpuKind = (): string => {
  const info = readFileSync('/proc/cpuinfo', 'utf8')
  const wordOf = (name: string): string =>
    new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1] ?? ''
  return ['vendor_id', 'cpu family', 'model'].map(wordOf).join(' ')
}
/** What the parts may cost here, but for the tolerance. A CPU that nobody has measured may be as slow as the slowest. */
export const baselineHere = (): Costs => {
  const baselines = readBaselines()
  const all = Object.values(baselines)
  const most = (part: keyof Costs): number => Math.max(...all.map((costs) => costs[part]))
  return baselines[cpuKind()] ?? { nic: most('nic'), worker: most('worker') }
}

const renew = (): void => {
  const middle = (part: Part): number =>
    Number(median(Array.from({ length: RENEWALS }, () => cost(part))).toFixed(2))
  const costs: Costs = { nic: middle('nic'), worker: middle('worker') }
  const baselines = { ...readBaselines(), [cpuKind()]: costs }
  writeFileSync(BASELINE, `${JSON.stringify(baselines, null, 2)}\n`)
  console.log(`${cpuKind()}: ${JSON.stringify(costs)}`)
}

if (import.meta.main) {
  const [word] = process.argv.slice(2)
  if (word === '--renew') renew()
  else if (word !== undefined && Object.hasOwn(PARTS, word)) console.log(measure(word as Part))
  else throw new Error('usage: bun bench/guard.ts nic|worker|nic6|worker6|--renew')
}
