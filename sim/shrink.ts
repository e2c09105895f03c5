/**
 * Makes a failing case smaller: each knob goes to where it does no harm, or half the way there, as long as the case
 * fails in the same way. A smaller case has other random numbers, so each try has several (`luck`).
 */
import { calmOf, KNOB_NAMES, type Knob, type Knobs } from './knobs.ts'
import { type Case, knobsOf, type Verdict } from './play.ts'

const LUCKS = 3
/** Whole numbers. */
const COUNTS: readonly Knob[] = [
  'flows',
  'bytes',
  'back',
  'rounds',
  'changes',
  'queue',
  'threshold',
  'workers',
]

/** Knobs in the order of how much simpler a case is without them. */
const ORDER: readonly Knob[] = [
  'changes',
  'loss',
  'duplicate',
  'reorder',
  'corrupt',
  'mark',
  'threshold',
  'jitter',
  'flows',
  'rounds',
  'back',
  'bytes',
  'workers',
  'offload',
  'ecn',
  'mtu',
  'cc',
  'wire',
  'rate',
  'queue',
  'delay',
  'family',
]

/** Smaller values, the smallest first. */
const smaller = (knob: Knob, value: number): number[] => {
  const calm = calmOf(knob)
  if (value === calm) return []
  const half = (value + calm) / 2
  const halfway = COUNTS.includes(knob) ? Math.floor(half) : Number(half.toPrecision(2))
  return halfway === value || halfway === calm || Math.abs(halfway - calm) < 0.01
    ? [calm]
    : [calm, halfway]
}

/** `play` plays a case; the answer is a case that fails like the first and has no smaller one that does. */
export const shrink = async (
  failing: Case,
  kind: string,
  play: (each: Case) => Promise<Verdict>,
  tell: (smaller: Case) => void = () => {}
): Promise<Case> => {
  const { scenario, seed } = failing
  let best: Case = { scenario, seed, set: knobsOf(failing) }
  const fails = async (set: Knobs): Promise<Case | undefined> => {
    const tries = Array.from({ length: LUCKS }, (_, k) => ({
      scenario,
      seed,
      set: { ...set, luck: set.luck + k },
    }))
    const verdicts = await Promise.all(tries.map(play))
    return tries.find((_, k) => verdicts[k]!.fault?.kind === kind)
  }
  for (let again = true; again; ) {
    again = false
    for (const knob of ORDER) {
      const knobs = best.set as Knobs
      for (const value of smaller(knob, knobs[knob])) {
        const found = await fails({ ...knobs, [knob]: value })
        if (found === undefined) continue
        best = found
        again = true
        tell(best)
        break
      }
    }
  }
  return trim(best)
}

/** Without the knobs that are the seed's anyway. */
const trim = ({ scenario, seed, set }: Case): Case => {
  const drawn = knobsOf({ scenario, seed, set: {} })
  const said = KNOB_NAMES.filter((knob) => set[knob] !== drawn[knob])
  return { scenario, seed, set: Object.fromEntries(said.map((knob) => [knob, set[knob]])) }
}
