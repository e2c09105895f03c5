// The twin test: a case is played on the kernel and on softnet, and what comes out of every link is compared. A difference is
// played again on fresh routers; when it recurs it is made as small as it gets.

import { dumpFrame } from '../../core/wire/dump.ts'
import { type Case, encodeCase, linkName, type Step } from './case.ts'
import type { Family } from './family.ts'
import { createKernelSide } from './kernel-side.ts'
import { type Difference, withoutKnown } from './known.ts'
import type { Side } from './side.ts'
import { createSoftnetSide } from './softnet-side.ts'

/** `asSetUp`: what the kernel says of its side when it has just been set up. */
type Pair = readonly [kernel: Side, softnet: Side, asSetUp: string]
type Played = {
  out: string[][]
  said: string[]
  routes: string[]
  counters: Map<string, number>
}

const openPair = async (family: Family): Promise<Pair> => {
  const kernel = await createKernelSide(family.setUp)
  const softnet = await createSoftnetSide(family.setUp)
  for (const line of family.setUp.before) await softnet.run(line)
  for (const side of [kernel, softnet])
    for (const line of family.setUp.lines) {
      const said = await side.run(line)
      if (said !== '') throw new Error(`${side.name}: ${line}: ${said}`)
    }
  return [kernel, softnet, await configurationOf(kernel)]
}
const closePair = ([kernel, softnet]: Pair): void => {
  for (const side of [kernel, softnet]) side.close()
}

/** What cases leave as they found it. */
const configurationOf = async (side: Side): Promise<string> => {
  const said: string[] = []
  // addresses among them, by their local routes
  for (const list of ['route show table all', 'rule show', 'neigh show nud permanent'])
    said.push(await side.run(`ip ${list}`))
  return said.join('\n')
}
/** On a machine that is busy the kernel loses an address or a route now and then, and all that is played after differs. */
const hasLost = async ([kernel, , asSetUp]: Pair): Promise<boolean> =>
  (await configurationOf(kernel)) !== asSetUp

/** A frame in words, with all its octets behind them. */
const describe = (frame: Uint8Array, notes: string[]): string => {
  const words = [dumpFrame(frame, 0, frame.length), ...notes.map((note) => `(${note})`)]
  return `${words.join(' ')} ${Buffer.from(frame).toString('hex')}`
}

/** What is left of changes. */
const routesOf = async (side: Side): Promise<string[]> =>
  (await side.run('ip route show table all'))
    .split('\n')
    .map((line) => line.trim())
    .sort()

/** Plays the steps, then forgets what was learned and takes the changes back. What comes out then has no order. */
const play = async (family: Family, side: Side, steps: Case): Promise<Played> => {
  const before = side.counters()
  const said: string[] = []
  const undo: string[] = []
  const out: string[][] = family.setUp.links.map(() => [])
  const drawn = new Map<number, number>()
  const collect = (isSorted: boolean): void => {
    for (const [k, frames] of side.drain().entries()) {
      const lines = frames.map((frame) => {
        const { bytes, notes } = family.canonical(frame, isSorted ? null : drawn)
        return describe(bytes, notes)
      })
      out[k]!.push(...(isSorted ? lines.sort() : lines))
    }
  }
  for (const step of steps) {
    if (step.do === 'frame') side.inject(step.link, step.frame)
    else {
      collect(false)
      // what is refused is refused by both, each in its words
      said.push((await side.run(step.line)) === '' ? 'done' : 'refused')
      undo.unshift(...step.undo)
    }
  }
  collect(false)
  await side.forget()
  collect(true)
  const routes = undo.length > 0 ? await routesOf(side) : []
  for (const line of undo) await side.run(line)
  side.drain()
  const counters = new Map<string, number>()
  for (const [name, value] of side.counters()) {
    const more = value - (before.get(name) ?? 0)
    if (more !== 0 && family.counters.test(name)) counters.set(name, more)
  }
  return { out, said, routes, counters }
}

/** Lines that one list has and the other has not, each as often as it is missing. */
const without = (lines: readonly string[], others: readonly string[]): string[] => {
  const left = [...others]
  return lines.filter((line) => {
    const at = left.indexOf(line)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}
const compareLines = (where: string, kernel: string[], softnet: string[]): Difference | null => {
  if (kernel.join('\n') === softnet.join('\n')) return null
  const [more, less] = [without(kernel, softnet), without(softnet, kernel)]
  if (more.length + less.length > 0) return { where, kernel: more, softnet: less }
  return { where: `${where}, order`, kernel, softnet }
}
const compare = (family: Family, steps: Case, kernel: Played, softnet: Played): Difference[] => {
  const found: (Difference | null)[] = [
    compareLines('requests', kernel.said, softnet.said),
    compareLines('routes', kernel.routes, softnet.routes),
    ...kernel.out.map((lines, k) => compareLines(linkName(k + 1), lines, softnet.out[k]!)),
  ]
  const show = (played: Played): string[] =>
    [...played.counters].map(([name, value]) => `${name} ${value}`).sort()
  found.push(compareLines('counters', show(kernel), show(softnet)))
  return found
    .map((one) => one && withoutKnown(family.known, steps, one))
    .filter((one) => one !== null)
}

const playBoth = async (family: Family, pair: Pair, steps: Case): Promise<Difference[]> => {
  const [kernel, softnet] = [await play(family, pair[0], steps), await play(family, pair[1], steps)]
  return compare(family, steps, kernel, softnet)
}

/** What kind of difference it is: its words without the numbers. Counters matter where nothing else differs. */
const kindOf = (all: readonly Difference[]): string => {
  const visible = all.filter(({ where }) => where !== 'counters')
  return (visible.length > 0 ? visible : all)
    .map(({ where, kernel, softnet }) => {
      const words = (lines: string[]): string =>
        where === 'counters'
          ? lines.join(', ')
          : lines
              .map((line) => line.replace(/ \S+$/, '').replace(/[0-9a-f.:]*\d[0-9a-f.:]*/g, '#'))
              .join(' | ')
      return `${where.replace(/\d/, '')}: kernel [${words(kernel)}] softnet [${words(softnet)}]`
    })
    .join('; ')
}

// ---- smaller

/** Each way to make a step smaller by one thing. */
const smallerFrames = function* (family: Family, frame: Uint8Array): Generator<Uint8Array> {
  for (const cut of [frame.length >> 1, frame.length >> 2, 16, 4, 1])
    if (cut > 0 && frame.length - cut >= 14) {
      const shorter = frame.slice(0, -cut)
      if (shorter.length > 18) {
        new DataView(shorter.buffer).setUint16(16, shorter.length - 14)
        family.repair(shorter)
      }
      yield shorter
    }
  for (let at = 14; at < Math.min(frame.length, 120); at++) {
    if (frame[at] === 0) continue
    const plain = frame.slice()
    plain[at] = 0
    family.repair(plain)
    yield plain
  }
}
const smallerCases = function* (family: Family, steps: Case): Generator<Case> {
  for (let k = 0; k < steps.length; k++) yield steps.filter((_, other) => other !== k)
  for (let k = steps.length - 1; k >= 0; k--) {
    const step = steps[k]!
    if (step.do !== 'frame') continue
    for (const frame of smallerFrames(family, step.frame)) {
      const smaller: Step = { ...step, frame }
      yield steps.map((other, n) => (n === k ? smaller : other))
    }
  }
}

/** Tries on one pair of routers: what they keep of hosts changes how they answer them. */
const TRIES_OF_PAIR = 3
const shrink = async (
  family: Family,
  steps: Case,
  kind: string,
  mostTries: number
): Promise<Case> => {
  let tries = 0
  let pair = await openPair(family)
  const isSame = async (smaller: Case): Promise<boolean> => {
    if (tries++ % TRIES_OF_PAIR === 0) {
      closePair(pair)
      pair = await openPair(family)
    }
    return kindOf(await playBoth(family, pair, smaller)) === kind
  }
  const smallerOnce = async (): Promise<Case | null> => {
    for (const smaller of smallerCases(family, steps)) {
      if (tries >= mostTries) return null
      if (await isSame(smaller)) return smaller
    }
    return null
  }
  try {
    for (;;) {
      const found = await smallerOnce()
      if (found === null) return steps
      steps = found
    }
  } finally {
    closePair(pair)
  }
}

// ---- runs

export type Finding = {
  seed: number
  kind: string
  steps: Case
  differences: Difference[]
  times: number
}
/** Cases between two fresh pairs of routers. */
const BATCH = 500

/** On fresh routers; the pair is closed again. */
export const playFresh = async (family: Family, steps: Case): Promise<Difference[]> => {
  const pair = await openPair(family)
  try {
    return await playBoth(family, pair, steps)
  } finally {
    closePair(pair)
  }
}

type TwinOptions = {
  /** How often a smaller case is tried; 0 leaves them as they are found. */
  shrinkTries: number
  /** Ends when so many kinds of difference are found. */
  most?: number
  progress?: (done: number, findings: number) => void
}
/** Plays cases seed, seed + 1, ...; each kind of difference is found once, as small as it gets, and counted after. */
export const runTwin = async (
  family: Family,
  seed: number,
  cases: number,
  { shrinkTries, most = Number.POSITIVE_INFINITY, progress = () => {} }: TwinOptions
): Promise<Finding[]> => {
  const findings = new Map<string, Finding>()
  let pair = await openPair(family)
  const renew = async (): Promise<void> => {
    closePair(pair)
    pair = await openPair(family)
  }
  try {
    for (let done = 0; done < cases && new Set(findings.values()).size < most; done++) {
      if (done % BATCH === 0 && done > 0) {
        await renew()
        progress(done, findings.size)
      }
      const steps = family.generate(seed + done)
      let kind = kindOf(await playBoth(family, pair, steps))
      if (kind !== '' && (await hasLost(pair))) {
        await renew()
        kind = kindOf(await playBoth(family, pair, steps))
      }
      if (kind === '') continue
      const known = findings.get(kind)
      if (known) {
        known.times++
        continue
      }
      const again = kindOf(await playFresh(family, steps))
      if (again === '') continue
      const smallest = await shrink(family, steps, again, shrinkTries)
      const differences = await playFresh(family, smallest)
      if (differences.length === 0) continue
      const finding = { seed: seed + done, kind: again, steps: smallest, differences, times: 1 }
      findings.set(kind, finding)
      const smallestKind = kindOf(differences)
      if (smallestKind !== '') findings.set(smallestKind, finding)
    }
  } finally {
    closePair(pair)
  }
  return [...new Set(findings.values())]
}

export const formatFinding = (
  family: Family,
  { seed, steps, differences, times }: Finding
): string =>
  [
    `case ${seed}, ${times} times:`,
    ...steps.map((step) =>
      step.do === 'run'
        ? `  ${step.line}`
        : `  > ${linkName(step.link)} ${dumpFrame(step.frame, 0, step.frame.length)}`
    ),
    ...differences.flatMap(({ where, kernel, softnet }) => [
      ...kernel.map((line) => `  ${where} kernel:  ${line}`),
      ...softnet.map((line) => `  ${where} softnet: ${line}`),
    ]),
    `  again: bun test/twin/run.ts --family ${family.name} --play '${encodeCase(steps)}'`,
  ].join('\n')
