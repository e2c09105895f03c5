// TCP's twin test: cases are played on the kernel and on softnet, many at once in one namespace. A difference is played again,
// and counts when it recurs; then it is made as small as it gets.

import { generate } from './generate/walk.ts'
import { createKernelEnd } from './kernel-end.ts'
import { isKnown, type Known } from './known.ts'
import { createPlayer, type Difference, given, makeRun, type Next, type Run } from './play.ts'
import { type Case, encodeCase, encodeStep, type Step, type World } from './script.ts'
import { createSoftnetEnd } from './softnet-end.ts'

/** Cases that go on together: most of a case is waiting. */
const TOGETHER = 150
/** They begin one after another, or those that wait would wait for too long. */
const AT_ONCE = 5

export type Job = { isn: number; next: Next }
/** Plays all of them on a fresh pair of hosts. */
export const playAll = (world: World, jobs: readonly Job[]): Run[] => {
  const pair = [createKernelEnd(world), createSoftnetEnd(world)] as const
  const start = performance.now()
  const clock = (): number => performance.now() - start
  const player = createPlayer(world.family, pair, clock)
  const runs = jobs.map(({ isn, next }, id) => makeRun(world.family, id, isn, next))
  let started = 0
  try {
    while (started < runs.length || player.count() > 0) {
      for (let k = 0; k < AT_ONCE && started < runs.length && player.count() < TOGETHER; k++)
        player.start(runs[started++]!)
      const rest = player.turn()
      if (rest > 0.5 && player.count() > 0) Bun.sleepSync(Math.min(1, rest))
    }
    return runs
  } finally {
    for (const end of pair) end.close()
  }
}

// ---- kinds

const withoutNumbers = (text: string): string => text.replace(/-?\b\d+\b/g, '#')
const only = (lines: readonly string[], others: readonly string[]): string[] => {
  const left = [...others]
  return lines.filter((line) => {
    const at = left.indexOf(line)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}
/** Lines that only one of them has; all where the order is what differs. */
const parted = ({ kernel, softnet }: Difference): [string[], string[]] => {
  const [more, less] = [only(kernel, softnet), only(softnet, kernel)]
  return more.length + less.length > 0 ? [more, less] : [kernel, softnet]
}
const stepKind = (step: Step): string =>
  step.do === 'segment'
    ? `< ${step.segment.flags}${step.segment.len > 0 ? ' text' : ''}`
    : encodeStep(step)
export const kindOf = (steps: readonly Step[], difference: Difference): string => {
  const [kernel, softnet] = parted(difference)
  const words = (lines: string[]): string => lines.map(withoutNumbers).join(' | ')
  const step = withoutNumbers(stepKind(steps[difference.at]!))
  return `${difference.before}: ${step}: kernel [${words(kernel)}] softnet [${words(softnet)}]`
}

// ---- smaller

const SIMPLER: Record<string, unknown> = { len: 0, win: 65535, urg: 0, tos: 0, ttl: 64, flags: '.' }
const smallerSteps = function* (step: Step): Generator<Step> {
  if (step.do === 'wait') for (const ms of [10, 60, 330]) if (ms < step.ms) yield { ...step, ms }
  if (step.do !== 'segment') return
  const { segment } = step
  for (const [field, value] of Object.entries(SIMPLER))
    if (segment[field as 'len'] !== value)
      yield { ...step, segment: { ...segment, [field]: value } }
  if (segment.options.length > 0) yield { ...step, segment: { ...segment, options: [] } }
  for (let k = 0; k < segment.options.length; k++)
    yield { ...step, segment: { ...segment, options: segment.options.filter((_, n) => n !== k) } }
}
const smaller = function* (steps: readonly Step[]): Generator<Step[]> {
  const n = steps.length
  for (const size of [n >> 1, n >> 2, 2, 1])
    if (size > 0)
      for (let k = 0; k + size <= n; k += size)
        yield [...steps.slice(0, k), ...steps.slice(k + size)]
  for (const [k, step] of steps.entries())
    for (const other of smallerSteps(step)) yield steps.map((one, m) => (m === k ? other : one))
}
const weight = (steps: readonly Step[]): number =>
  steps.length * 10_000 + steps.reduce((sum, step) => sum + encodeStep(step).length, 0)

/** Tries every way to make it smaller, all at once, takes the best, and begins again. */
const shrink = (
  world: World,
  isn: number,
  found: readonly Step[],
  kind: string,
  rounds: number
): readonly Step[] => {
  let best = found
  for (let round = 0; round < rounds; round++) {
    const tries = [...smaller(best)].filter((steps) => weight(steps) < weight(best))
    const runs = playAll(
      world,
      tries.map((steps) => ({ isn, next: given(steps) }))
    )
    const same = runs.filter(
      ({ difference, steps }) => difference !== null && kindOf(steps, difference) === kind
    )
    if (same.length === 0) return best
    best = same.map(({ steps }) => steps).sort((a, b) => weight(a) - weight(b))[0]!
  }
  return best
}

// ---- runs

export type Finding = {
  seed: number
  kind: string
  steps: Case
  difference: Difference
  times: number
}
export type Tally = {
  played: number
  steps: number
  /** Differences that are known, by their reason. */
  known: Map<string, number>
  findings: Finding[]
}

/** Settings that a host may have; what not every kernel lets a namespace set is left out. */
const worldOf = (family: World['family'], ratelimit: number | null): World => ({
  family,
  sysctls: [
    'net.ipv4.tcp_congestion_control=reno',
    'net.ipv4.tcp_rmem=4096,87380,6291456',
    'net.ipv4.tcp_wmem=4096,1048576,4194304',
    ...(ratelimit === null ? [] : [`net.ipv4.tcp_invalid_ratelimit=${ratelimit}`]),
  ],
})
export type TwinOptions = {
  /** How often it is tried to make a case smaller; 0 leaves them as they are found. */
  rounds: number
  most?: number
  /** tcp_invalid_ratelimit, or the default's. */
  ratelimit?: number | null
  known: readonly Known[]
  /** Cases of one kind alone (generate/kinds.ts). */
  kind?: string
  progress?: (tally: Tally) => void
}
/** Cases between two fresh pairs of hosts. */
const BATCH = 1500
/** How often a case is played again; each time it must come to the same. On a busy machine the kernel's timers are late now and then. */
const AGAIN = 6

/** A case that has come to a difference, and its number. */
type Suspect = { seed: number; run: Run; kind: string }

export const runTcpTwin = (
  family: World['family'],
  seed: number,
  cases: number,
  options: TwinOptions
): Tally => {
  const { rounds, most = Number.POSITIVE_INFINITY, known, progress = () => {} } = options
  const world = worldOf(family, options.ratelimit ?? null)
  const tally: Tally = { played: 0, steps: 0, known: new Map(), findings: [] }
  const kinds = new Map<string, Finding>()

  const countKnown = (run: Run): boolean => {
    const reason = isKnown(known, run)
    if (reason !== null) tally.known.set(reason, (tally.known.get(reason) ?? 0) + 1)
    return reason !== null
  }
  /** Those that are neither known nor of a kind that was found before, which is counted. */
  const suspectsOf = (runs: readonly Run[], first: number): Suspect[] => {
    const suspects: Suspect[] = []
    for (const [k, run] of runs.entries()) {
      if (run.difference === null || countKnown(run)) continue
      const kind = kindOf(run.steps, run.difference)
      const before = kinds.get(kind)
      if (before) before.times++
      else suspects.push({ seed: first + k, run, kind })
    }
    return suspects
  }
  /** Of these, those that come to the same whenever they are played. */
  const confirm = (suspects: readonly Suspect[]): Suspect[] => {
    let left = [...suspects]
    for (let time = 0; time < AGAIN && left.length > 0; time++) {
      const again = playAll(
        world,
        left.map(({ run }) => ({ isn: run.isn, next: given(run.steps) }))
      )
      left = left.filter(({ kind }, k) => {
        const { steps, difference } = again[k]!
        return difference !== null && kindOf(steps, difference) === kind
      })
    }
    return left
  }
  const find = ({ seed, run, kind }: Suspect): void => {
    const before = kinds.get(kind)
    if (before) {
      before.times++
      return
    }
    const smallest = shrink(world, run.isn, run.steps, kind, rounds)
    const [last] = playAll(world, [{ isn: run.isn, next: given(smallest) }])
    // what is in the way of its reason is gone now
    if (last!.difference !== null && countKnown(last!)) return
    const isSmaller = last!.difference !== null
    const steps = { world, isn: run.isn, steps: isSmaller ? smallest : run.steps }
    const difference = isSmaller ? last!.difference! : run.difference!
    const finding = { seed, kind, steps, difference, times: 1 }
    kinds.set(kind, finding)
    tally.findings.push(finding)
  }

  for (let done = 0; done < cases && tally.findings.length < most; done += BATCH) {
    const count = Math.min(BATCH, cases - done)
    const jobs = Array.from({ length: count }, (_, k) => generate(seed + done + k, options.kind))
    const runs = playAll(world, jobs)
    tally.played += count
    for (const { steps } of runs) tally.steps += steps.length
    for (const suspect of confirm(suspectsOf(runs, seed + done)))
      if (tally.findings.length < most) find(suspect)
    progress(tally)
  }
  return tally
}

export const formatFinding = ({ seed, kind, steps, difference, times }: Finding): string =>
  [
    `case ${seed}, ${times} times: ${kind}`,
    ...steps.steps.map((step, k) => `  ${k === difference.at ? '*' : ' '} ${encodeStep(step)}`),
    ...difference.kernel.map((line) => `    kernel:  ${line}`),
    ...difference.softnet.map((line) => `    softnet: ${line}`),
    `  again: npm run twin -- --proto tcp --play '${encodeCase(steps)}'`,
  ].join('\n')
