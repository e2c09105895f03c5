/**
 * `softnet sim`: plays whole networks in virtual time, each from a seed, and says which seeds fail and how to play them
 * again. README.md has the scenarios.
 */
import { parseArgs } from 'node:util'
import { followWrapper } from '../workers/os/parent.ts'
import { isKnob, type Knobs, knobsText } from './knobs.ts'
import { type Case, commandOf, knobsOf, type Verdict } from './play.ts'
import { createPool } from './pool.ts'
import { SCENARIOS, scenarioOf } from './scenarios.ts'
import { shrink } from './shrink.ts'

const USAGE = `Usage: softnet sim [ OPTIONS ] [ SCENARIO ]
   --scenario NAME   only this one (all in turn)
   --seed S          the first seed (1)
   --seeds N         so many, one after the other (1 with --seed, else 100)
   --set KNOB=VALUE  a number of the case that is said, and not drawn from the seed
   --shrink          makes the first case that fails smaller
   --jobs N          processes (as many as there are CPUs)
   --list            the scenarios, and the knobs of a case
   -v                a line for every seed`

const OPTIONS = {
  scenario: { type: 'string' },
  seed: { type: 'string' },
  seeds: { type: 'string' },
  set: { type: 'string', multiple: true, default: [] as string[] },
  shrink: { type: 'boolean', default: false },
  jobs: { type: 'string' },
  list: { type: 'boolean', default: false },
  verbose: { type: 'boolean', short: 'v', default: false },
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
    return usage(`softnet sim: ${(error as Error).message}\n${USAGE}`)
  }
}
followWrapper()
const { values, positionals } = readArgs()
if (values.help) {
  console.log(USAGE)
  process.exit()
}
if (values.list) {
  for (const { name, does } of SCENARIOS) console.log(`${name.padEnd(12)}${does}`)
  console.log(`\nknobs of a case (--set):\n${knobsText()}`)
  process.exit()
}

/** A whole number from 1 on. */
const count = (name: string, text: string | undefined, fallback: number): number => {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 0x7fffffff)
    return usage(`softnet sim: --${name} ${text}: a number from 1 on is needed`)
  return value
}
const [named = values.scenario, ...more] = positionals
if (more.length > 0) usage(USAGE)
if (named !== undefined && scenarioOf(named) === undefined)
  usage(`softnet sim: there is no scenario ${named} (--list has them)`)
const readSet = (text: string): [string, number] => {
  const [, name = '', value = ''] = /^(\w+)=(-?[\d.]+)$/.exec(text) ?? []
  if (!isKnob(name)) return usage(`softnet sim: --set ${text}: no knob with a number (--list)`)
  return [name, Number(value)]
}
const set: Partial<Knobs> = Object.fromEntries(values.set.map(readSet))
const first = count('seed', values.seed, 1)
const seeds = count('seeds', values.seeds, values.seed === undefined ? 100 : 1)
const pool = createPool(values.jobs === undefined ? undefined : count('jobs', values.jobs, 1))

const caseOf = (seed: number): Case => ({
  scenario: named ?? SCENARIOS[seed % SCENARIOS.length]!.name,
  seed,
  set,
})
const show = (each: Case, { fault, figures }: Verdict): void => {
  const name = `${each.scenario} ${each.seed}`
  if (fault) console.log(`FAILED ${name}: ${fault.kind}: ${fault.text}: ${commandOf(each)}`)
  else if (values.verbose) {
    const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toFixed(3)}`)
    console.log(`passed ${name}: ${text.join(', ')}`)
  }
  if (!values.verbose) return
  const knobs = Object.entries(knobsOf(each)).map(([key, value]) => `${key}=${value}`)
  console.log(`   ${knobs.join(' ')}`)
}

const began = performance.now()
let failed = 0
let virtualMs = 0
let worst: { each: Case; kind: string } | undefined
let next = first
const playSeeds = async (): Promise<void> => {
  while (next < first + seeds) {
    const each = caseOf(next++)
    const verdict = await pool.play(each)
    show(each, verdict)
    virtualMs += verdict.figures.virtualMs ?? 0
    if (verdict.fault === undefined) continue
    failed++
    worst ??= { each, kind: verdict.fault.kind }
  }
}
await Promise.all(Array.from({ length: pool.jobs }, playSeeds))
if (worst !== undefined && values.shrink) {
  const small = await shrink(worst.each, worst.kind, pool.play, (each) => {
    if (values.verbose) console.log(`   ${commandOf(each)}`)
  })
  show(small, await pool.play(small))
}
pool.close()
const seconds = (performance.now() - began) / 1000
console.log(
  `${seeds} seeds, ${failed} failed; ${(virtualMs / 3.6e6).toFixed(1)} hours of virtual time in ${seconds.toFixed()} s`
)
process.exitCode = failed === 0 ? 0 : 1
